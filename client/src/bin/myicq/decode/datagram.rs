//! One datagram or frame, taken apart.

use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::peer::{PeerFile, PeerMessage, file_frames};
use myicq_wire::{
    ClientHeader, Command, DecodeError, Envelope, MAX_DATAGRAM, Reply, Sealing, ServerHeader, encode_reply, open_reply,
    open_request,
};
use serde_json::{Value, json};

/// Stands in for the form of a cipher that nothing is known of.
pub(super) const UNKNOWN_CIPHER: &str = "unknown: give --password";

/// What a direct TCP session is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum Peer {
    Message,
    File,
}

/// A client's datagram. What cannot be deciphered is shown as it is.
pub(super) fn client(bytes: &[u8], key: Option<&Key>) -> Result<Value, DecodeError> {
    let (header, body) = ClientHeader::decode(bytes)?;
    let is_enciphered =
        header.known_command().and_then(Command::request).is_some_and(|request| request.enciphered && !body.is_empty());
    let shown = |cipher: &str, body: Value| {
        json!({
            "from": "client",
            "command": header.known_command().map(Command::name),
            "header": header,
            "cipher": cipher,
            "body": body,
        })
    };
    if !is_enciphered {
        let request = open_request(&header, body, None, &mut [])?;
        return Ok(shown("none", to_value(&request)));
    }
    let Some(key) = key else { return Ok(shown(UNKNOWN_CIPHER, json!(hex::encode(body)))) };
    let decipher = |(form, name)| {
        let mut scratch = [0; MAX_DATAGRAM];
        let request = open_request(&header, body, Some(Sealing { key, form }), &mut scratch)?;
        Ok(shown(name, to_value(&request)))
    };
    // The form of the original is the one in use, so what is wrong with it says most.
    let original = decipher((CipherForm::Original, "original"));
    let others = [(CipherForm::Textbook, "textbook"), (CipherForm::Cbc, "cbc")];
    original.or_else(|error| others.into_iter().find_map(|form| decipher(form).ok()).ok_or(error))
}

/// A server's datagram: in the clear, or, where only that fits, sealed.
pub(super) fn server(bytes: &[u8], key: Option<&Key>) -> Result<Value, DecodeError> {
    // Sealed bytes may look like the beginning of a reply in the clear, but hardly ever like one to its end.
    let sealed = key.filter(|_| !is_exact_reply(bytes)).and_then(|key| reply(bytes, Some(key)).ok());
    sealed.map_or_else(|| reply(bytes, None), Ok)
}

fn reply(bytes: &[u8], key: Option<&Key>) -> Result<Value, DecodeError> {
    let (header, body) = ServerHeader::decode(bytes)?;
    let command = header.known_command();
    let cipher = if key.is_some() && command.is_some() { "sealed" } else { "none" };
    let body = match command {
        Some(_) => to_value(&open_reply(&header, body, key, &mut [0; MAX_DATAGRAM])?),
        None => json!(hex::encode(body)),
    };
    let command = command.map(Command::name);
    Ok(json!({"from": "server", "command": command, "header": header, "cipher": cipher, "body": body}))
}

/// Whichever of the two it decodes as, and first the client's.
pub(super) fn either(bytes: &[u8], key: Option<&Key>) -> Result<Value, DecodeError> {
    let (header, _) = ServerHeader::decode(bytes)?;
    let is_request = ClientHeader::decode(bytes)?.0.known_command().is_some();
    // Clients number everything they send; a pure acknowledgement of the server has no number.
    if !is_request || header.seq.is_none() {
        return server(bytes, key);
    }
    let as_request = client(bytes, key);
    // A body that could not be deciphered may as well be a reply in the clear.
    let is_understood = as_request.as_ref().is_ok_and(|decoded| decoded.get("cipher") != Some(&json!(UNKNOWN_CIPHER)));
    if is_understood {
        as_request
    } else if is_exact_reply(bytes) {
        server(bytes, key)
    } else {
        as_request.or_else(|error| key.and_then(|key| reply(bytes, Some(key)).ok()).ok_or(error))
    }
}

/// Whether the bytes are a reply of the server and nothing else. Enciphered bytes may look like the beginning of one.
fn is_exact_reply(bytes: &[u8]) -> bool {
    let decoded = ServerHeader::decode(bytes).ok().and_then(|(header, body)| {
        let reply = Reply::decode(header.known_command()?, body).ok()?;
        let ServerHeader { reserved, uin, session, seq, ackseq, .. } = header;
        let mut again = [0; MAX_DATAGRAM];
        let len = encode_reply(&Envelope { reserved, uin, session, seq }, ackseq, &reply, &mut again).ok()?;
        Some(again.get(..len)? == bytes)
    });
    decoded.unwrap_or(false)
}

/// A frame of a direct session, with or without its length in front.
pub(super) fn peer(kind: Peer, bytes: &[u8]) -> Result<Value, DecodeError> {
    let (mut framer, mut input) = (file_frames(), bytes);
    let frame = match framer.next_frame(&mut input) {
        Ok(Some(frame)) if input.is_empty() => frame,
        _ => bytes,
    };
    let (header, packet) = match kind {
        Peer::Message => PeerMessage::decode(frame).map(|(header, packet)| (header, to_value(&packet)))?,
        Peer::File => PeerFile::decode(frame).map(|(header, packet)| (header, to_value(&packet)))?,
    };
    Ok(json!({"from": "peer", "header": header, "body": packet}))
}

/// The fields of a packet. Its types hold numbers, texts and lists alone, which JSON has, too.
fn to_value(packet: &impl serde::Serialize) -> Value {
    serde_json::to_value(packet).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use myicq_wire::Request;

    use super::*;

    const PASSWORD: &[u8] = b"hunter2";
    const KEEP_ALIVE_REPLY: &str = "0001000000000000271101020304000639d2000b00000007";

    fn sent(form: CipherForm) -> Vec<u8> {
        use myicq_wire::{ChangeStatus, Envelope, Seq, SessionId, Status, Uin, encode_request};
        let key = Key::new(PASSWORD);
        let envelope = Envelope { reserved: 0, uin: Uin(10_001), session: SessionId(7), seq: Seq::new(9) };
        let request = Request::ChangeStatus(ChangeStatus { status: Status::AWAY });
        let mut buffer = [0; 64];
        let len = encode_request(&envelope, &request, Some(3), Some(Sealing { key: &key, form }), &mut buffer).unwrap();
        buffer[..len].to_vec()
    }

    #[test]
    fn each_form_of_the_cipher_is_recognised() {
        let key = Key::new(PASSWORD);
        for (form, name) in
            [(CipherForm::Original, "original"), (CipherForm::Textbook, "textbook"), (CipherForm::Cbc, "cbc")]
        {
            let decoded = either(&sent(form), Some(&key)).unwrap();
            assert_eq!(decoded["cipher"], name);
            assert_eq!(decoded["command"], "UDP_CHANGE_STATUS");
            assert_eq!(decoded["body"]["change_status"]["status"], 2);
        }
        assert_eq!(either(&sent(CipherForm::Original), None).unwrap()["cipher"], UNKNOWN_CIPHER);
        assert!(client(&sent(CipherForm::Original), Some(&Key::new(b"wrong"))).is_err());
    }

    #[test]
    fn the_server_is_told_from_the_client() {
        let reply = hex::decode(KEEP_ALIVE_REPLY).unwrap();
        let decoded = either(&reply, None).unwrap();
        assert_eq!((&decoded["from"], &decoded["body"]["keep_alive"]["online_users"]), (&json!("server"), &json!(7)));
        let acknowledgement = hex::decode("0001000000000000271101020304000100000009").unwrap();
        assert_eq!(either(&acknowledgement, None).unwrap()["from"], "server");
    }

    #[test]
    fn a_sealed_reply_is_opened_with_the_password() {
        let mut sealed = hex::decode(KEEP_ALIVE_REPLY).unwrap();
        sealed.resize(64, 0);
        let len = myicq_wire::seal_reply(&Key::new(PASSWORD), 24, &mut sealed).unwrap();
        let decoded = either(&sealed[..len], Some(&Key::new(PASSWORD))).unwrap();
        assert_eq!((&decoded["cipher"], &decoded["body"]["keep_alive"]["online_users"]), (&json!("sealed"), &json!(7)));
    }

    #[test]
    fn frames_are_taken_with_and_without_their_length() {
        use myicq_wire::{Face, Uin};
        let mut buffer = [0; 64];
        let len = PeerMessage::MessageAck { id: 5 }.encode(Uin(10_001), Face(1), &mut buffer).unwrap();
        for frame in [&buffer[..len], &buffer[2..len]] {
            assert_eq!(peer(Peer::Message, frame).unwrap()["body"]["message_ack"]["id"], 5);
        }
        assert!(peer(Peer::File, &buffer[..4]).is_err());
    }

    #[test]
    fn junk_fails_with_a_reason() {
        for junk in ["", "00", "0002", "ffffffffffffffffffffffffffffffffffffffffffff"] {
            assert!(either(&hex::decode(junk).unwrap(), None).is_err(), "{junk}");
        }
    }
}
