//! Bytes from the network: what decodes must encode to the same meaning, and errors must point into the bytes.

use arbitrary::Unstructured;
use myicq_wire::charset::Charset;
use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::message::{self, Message};
use myicq_wire::peer::{self, PeerFile, PeerMessage};
use myicq_wire::*;

/// The password of all bodies that are enciphered here: that of the captured session, so that its packets open.
pub(super) const PASSWORD: &[u8] = b"hunter2";

/// A datagram from a client, opened under a known key.
pub fn client_datagram(data: &[u8]) {
    let Ok((header, body)) = ClientHeader::decode(data) else { return };
    let mut bytes = [0xAA; HEADER_LEN];
    header.encode(&mut Writer::new(&mut bytes)).unwrap();
    assert_eq!(bytes, data[..HEADER_LEN]);

    let key = Key::new(PASSWORD);
    for form in [CipherForm::Original, CipherForm::Textbook, CipherForm::Cbc] {
        let sealing = Some(Sealing { key: &key, form });
        let mut scratch = [0xAA; MAX_DATAGRAM];
        match open_request(&header, body, sealing, &mut scratch) {
            Ok(request) => reencode_request(&header, &request, sealing),
            Err(error) => assert!(error.at <= data.len(), "{error}"),
        }
    }
    if let Some(command) = header.known_command() {
        match Request::decode(command, body) {
            Ok(request) => reencode_request(&header, &request, None),
            Err(error) => assert!(error.at <= body.len(), "{error}"),
        }
    }
}

/// What goes out again means the same, whatever form of padding or empty string it came in.
fn reencode_request(header: &ClientHeader, request: &Request<'_>, sealing: Option<Sealing<'_>>) {
    let ClientHeader { reserved, uin, session, seq, .. } = *header;
    let envelope = Envelope { reserved, uin, session, seq };
    let mut buffer = [0x55; MAX_DATAGRAM];
    // An empty string may have come in two bytes and goes out in three.
    let Ok(len) = encode_request(&envelope, request, Some(77), sealing, &mut buffer) else { return };
    let (again, body) = ClientHeader::decode(&buffer[..len]).unwrap();
    let mut scratch = [0; MAX_DATAGRAM];
    let decoded = open_request(&again, body, sealing, &mut scratch).unwrap();
    assert_eq!(&decoded, request);
}

/// A datagram from the server.
pub fn server_datagram(data: &[u8]) {
    let Ok((header, body)) = ServerHeader::decode(data) else { return };
    let mut bytes = [0xAA; HEADER_LEN];
    header.encode(&mut Writer::new(&mut bytes)).unwrap();
    assert_eq!(bytes, data[..HEADER_LEN]);

    let key = Key::new(PASSWORD);
    for key in [None, Some(&key)] {
        let mut scratch = [0xAA; MAX_DATAGRAM];
        match open_reply(&header, body, key, &mut scratch) {
            Ok(reply) => reencode_reply(&header, &reply, key),
            Err(error) => assert!(error.at <= data.len(), "{error}"),
        }
    }
}

fn reencode_reply(header: &ServerHeader, reply: &Reply<'_>, key: Option<&Key>) {
    let ServerHeader { reserved, uin, session, seq, .. } = *header;
    let mut buffer = [0x55; MAX_DATAGRAM];
    let encoded = encode_reply(&Envelope { reserved, uin, session, seq }, header.ackseq, reply, &mut buffer);
    let Ok(mut len) = encoded else { return };
    if let Some(key) = key {
        let Ok(sealed) = seal_reply(key, len, &mut buffer) else { return };
        len = sealed;
    }
    let (again, body) = ServerHeader::decode(&buffer[..len]).unwrap();
    assert_eq!(&again, header);
    let mut scratch = [0xAA; MAX_DATAGRAM];
    assert_eq!(&open_reply(&again, body, key, &mut scratch).unwrap(), reply);
}

/// A stream from another client, in pieces. The first byte says how large they are.
pub fn peer_stream(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else { return };
    let whole = frames(stream, stream.len().max(1));
    let pieces = frames(stream, usize::from(size).max(1));
    assert_eq!(whole, pieces, "the frames depend on the pieces");
    for frame in &whole {
        peer_frame(frame);
    }
}

fn frames(stream: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut framer = peer::file_frames();
    let mut frames = Vec::new();
    for mut piece in stream.chunks(size) {
        loop {
            match framer.next_frame(&mut piece) {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(_) => return frames,
            }
        }
    }
    frames
}

fn peer_frame(frame: &[u8]) {
    let mut buffer = [0x55; 2 + peer::MAX_FILE_FRAME];
    match PeerMessage::decode(frame) {
        Ok((header, message)) => {
            if let Ok(len) = message.encode(header.uin, header.face, &mut buffer) {
                assert_eq!(PeerMessage::decode(&buffer[2..len]).unwrap().1, message);
            }
        }
        Err(error) => assert!(error.at <= frame.len(), "{error}"),
    }
    match PeerFile::decode(frame) {
        Ok((header, file)) => {
            if let PeerFile::FileInfo { name, .. } = file
                && peer::is_bare_name(&name)
            {
                assert!(!name.iter().any(|byte| b"/\\\0".contains(byte)) && *name != b".."[..]);
            }
            if let Ok(len) = file.encode(header.uin, header.face, &mut buffer) {
                assert_eq!(PeerFile::decode(&buffer[2..len]).unwrap().1, file);
            }
        }
        Err(error) => assert!(error.at <= frame.len(), "{error}"),
    }
}

/// The text of a message in some charset, for a recipient with another. The first bytes choose.
pub fn message_text(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let charsets: Vec<Charset> = Charset::all().collect();
    let chosen = (|| -> arbitrary::Result<_> {
        let kind = MessageKind(source.int_in_range(0..=9)?);
        Ok((kind, *source.choose(&charsets)?, *source.choose(&charsets)?, source.int_in_range(0..=500)?))
    })();
    let Ok((kind, from, to, max)) = chosen else { return };
    // A STRING ends at its NUL.
    let text = source.take_rest().split(|&byte| byte == 0).next().unwrap_or_default();

    match Message::parse(kind, text) {
        Ok(message) => {
            let written = message.to_vec();
            assert_eq!(Message::parse(kind, &written).unwrap(), message, "what was written means the same");
        }
        Err(error) => assert!(error.at <= text.len(), "{error}"),
    }
    let converted = message::transcode(kind, text, from, to);
    for passed_on in message::sanitize(kind, text, to).ok().into_iter().chain([converted]) {
        let same_form = Message::parse(kind, &passed_on).is_ok() == Message::parse(kind, text).is_ok();
        assert!(same_form, "what is passed on has the fields that it had");
        assert!(passed_on.split(|&byte| byte == message::SEPARATOR).all(|field| to.is_valid(field)), "{to:?}");
    }
    charset(from, to, text, max);
}

fn charset(from: Charset, to: Charset, text: &[u8], max: usize) {
    let repaired = from.repair(text);
    assert!(from.is_valid(&repaired), "{from:?}");
    assert!(!repaired.contains(&0) && !repaired.contains(&message::SEPARATOR), "{from:?}");
    assert_eq!(from.repair(&repaired), repaired, "what is right stays as it is");
    let cut = from.cut(&repaired, max);
    assert!(cut.len() <= max && repaired.starts_with(cut) && from.is_valid(cut), "{from:?}");
    assert!(to.is_valid(&from.transcode(text, to)), "{from:?} to {to:?}");
    let _ = to.encode(&from.decode(text));
}
