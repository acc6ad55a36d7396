//! Every datagram decodes to the values beside it, and encodes back to the same bytes.

use std::collections::BTreeSet;

use myicq_wire::cipher::{CipherForm, Key, padded_len};
use myicq_wire::message::{self, Message};
use myicq_wire::*;

use crate::flat;
use crate::packets::{Packet, datagrams};

fn check_client(packet: &Packet) {
    let name = &packet.name;
    let (header, body) = ClientHeader::decode(&packet.wire).expect(name);
    let Some(command) = header.known_command() else { panic!("{name}: unknown command") };
    let numbers = [u64::from(header.reserved), header.uin.0.into(), header.session.0.into(), header.command.into()];
    assert_eq!(numbers, ["reserved", "uin", "sid", "cmd"].map(|field| packet.header(field)), "{name}");
    assert_eq!(u64::from(Seq::number_or_zero(header.seq)), packet.header("seq"), "{name}");
    assert_eq!(u64::from(header.check_code), packet.header("cc"), "{name}");
    let enciphered = command.request().is_some_and(|request| request.enciphered);
    assert_eq!(packet.enciphered, enciphered && !packet.body.is_empty(), "{name}");

    let key = Key::new(&packet.password);
    let form = if packet.word("cipher") == "cbc" { CipherForm::Cbc } else { CipherForm::Original };
    let sealing = Some(Sealing { key: &key, form });
    let mut scratch = [0xAA; MAX_DATAGRAM];
    let request = open_request(&header, body, sealing, &mut scratch).expect(name);
    assert_eq!(flat::values(&request), packet.fields, "{name}");
    if let (Request::SendMessage(said), Some(parts)) = (&request, &packet.parts) {
        check_text(name, said.kind, &said.text, parts);
    }

    let envelope = Envelope { reserved: header.reserved, uin: header.uin, session: header.session, seq: header.seq };
    let [position, _] = header.check_code.to_be_bytes();
    let check = (header.check_code != 0).then_some(position);
    let mut encoded = [0x55; MAX_DATAGRAM];
    let len = encode_request(&envelope, &request, check, sealing, &mut encoded).expect(name);
    assert_eq!(hex::encode(&encoded[..len]), hex::encode(&packet.wire), "{name}");

    // The deciphered body, byte for byte: what the file has, and zeros up to a whole block.
    if packet.enciphered {
        assert_eq!(scratch[..packet.body.len()], packet.body, "{name}");
        assert_eq!(body.len(), padded_len(packet.body.len()), "{name}");
        assert!(scratch[packet.body.len()..body.len()].iter().all(|&byte| byte == 0), "{name}");
    }
}

fn check_server(packet: &Packet) {
    let name = &packet.name;
    let (header, body) = ServerHeader::decode(&packet.wire).expect(name);
    let numbers = [u64::from(header.reserved), header.uin.0.into(), header.session.0.into(), header.command.into()];
    assert_eq!(numbers, ["reserved", "uin", "sid", "cmd"].map(|field| packet.header(field)), "{name}");
    assert_eq!(u64::from(Seq::number_or_zero(header.seq)), packet.header("seq"), "{name}");
    assert_eq!(u64::from(Seq::number_or_zero(header.ackseq)), packet.header("ackseq"), "{name}");
    let key = Key::new(&packet.password);
    let key = (packet.word("cipher") == "sealed").then_some(&key);
    let mut scratch = [0xAA; MAX_DATAGRAM];
    if key.is_none() {
        assert_eq!(body, packet.body, "{name}");
    }
    let Some(command) = header.known_command() else {
        assert_eq!(header.command, 0x7777, "{name}: the one unknown command of the captures");
        return;
    };
    let reply = open_reply(&header, body, key, &mut scratch).expect(name);
    assert_eq!(reply.command(), command, "{name}");
    assert_eq!(flat::values(&reply), packet.fields, "{name}");
    if let (Reply::Message(said), Some(parts)) = (&reply, &packet.parts) {
        check_text(name, said.kind, &said.text, parts);
    }

    let envelope = Envelope { reserved: header.reserved, uin: header.uin, session: header.session, seq: header.seq };
    let mut encoded = [0x55; MAX_DATAGRAM];
    let mut len = encode_reply(&envelope, header.ackseq, &reply, &mut encoded).expect(name);
    if let Some(key) = key {
        assert_eq!(encoded[HEADER_LEN..len], packet.body, "{name}");
        len = seal_reply(key, len, &mut encoded).expect(name);
    }
    assert_eq!(hex::encode(&encoded[..len]), hex::encode(&packet.wire), "{name}");
}

/// The fields within a text are those beside it, and make the same text again.
pub(crate) fn check_text(name: &str, kind: MessageKind, text: &[u8], parts: &[String]) {
    let message = Message::parse(kind, text).expect(name);
    if !message::has_text(kind) {
        // SRV_MESSAGE has a STRING for these kinds too, empty in the captures.
        return assert!(message.to_vec().is_empty(), "{name}");
    }
    assert_eq!(flat::parts(&message), parts, "{name}");
    assert_eq!(message.kind(), kind, "{name}");
    assert_eq!(message.to_vec(), text, "{name}");
}

#[test]
fn each_decodes_to_its_values_and_encodes_back() {
    let packets = datagrams();
    assert!(packets.len() > 370, "{}", packets.len());
    for packet in &packets {
        if packet.from_client { check_client(packet) } else { check_server(packet) }
    }
}

#[test]
fn every_command_is_there_in_every_direction() {
    let packets = datagrams();
    let have = |from_client| -> BTreeSet<u64> {
        packets.iter().filter(|packet| packet.from_client == from_client).map(|packet| packet.header("cmd")).collect()
    };
    let (requests, replies) = (have(true), have(false));
    for info in COMMANDS {
        let number = u64::from(info.number);
        assert!(info.request.is_none() || requests.contains(&number), "{} from a client", info.name);
        assert!(!info.reply || replies.contains(&number), "{} from the server", info.name);
    }
}

#[test]
fn textbook_des_opens_none_of_the_enciphered_bodies() {
    let mut opened = 0;
    for packet in datagrams().iter().filter(|packet| packet.enciphered && packet.word("cipher").is_empty()) {
        let (header, body) = ClientHeader::decode(&packet.wire).expect(&packet.name);
        let key = Key::new(&packet.password);
        let mut scratch = [0; MAX_DATAGRAM];
        let sealing = Some(Sealing { key: &key, form: CipherForm::Textbook });
        opened += usize::from(open_request(&header, body, sealing, &mut scratch).is_ok());
    }
    assert_eq!(opened, 0);
}

/// What is wrong with a sealed datagram: another key or another number in the header makes other bytes of it, and a body that is not made of
/// blocks is none.
#[test]
fn a_sealed_body_opens_with_its_key_and_its_header_alone() {
    let packets = datagrams();
    for packet in packets.iter().filter(|packet| packet.word("cipher") == "sealed" && !packet.body.is_empty()) {
        let name = &packet.name;
        let (header, body) = ServerHeader::decode(&packet.wire).expect(name);
        let opened = |header: &ServerHeader, body: &[u8], password: &[u8]| {
            let mut scratch = [0; MAX_DATAGRAM];
            open_reply(header, body, Some(&Key::new(password)), &mut scratch).map(|reply| flat::values(&reply))
        };
        let right = opened(&header, body, &packet.password);
        assert_eq!(right.as_ref(), Ok(&packet.fields), "{name}");
        assert_ne!(opened(&header, body, b"another"), right, "{name}");
        let other = header.seq.map_or(Seq::FIRST, Seq::next);
        assert_ne!(opened(&ServerHeader { seq: Some(other), ..header }, body, &packet.password), right, "{name}");
        let cut = opened(&header, &body[1..], &packet.password).expect_err(name);
        assert_eq!(cut.kind, DecodeErrorKind::Blocks, "{name}");
    }
}

#[test]
fn a_sealed_datagram_has_the_length_of_any_other() {
    let key = Key::new(b"hunter2");
    let contacts = [Uin(10_001); MAX_DATAGRAM / 4];
    let mut buffer = [0; MAX_DATAGRAM];
    let mut sealed = |contacts: &[Uin]| {
        let reply = Reply::GetContactList(List::new(contacts));
        let len = encode_reply(&Envelope::default(), None, &reply, &mut buffer).expect("it fits");
        (len, seal_reply(&key, len, &mut buffer))
    };
    assert_eq!(sealed(&contacts[..1_017]), (4_090, Ok(4_092)));
    assert_eq!(sealed(&contacts[..1_018]), (4_094, Err(EncodeError::Full(4_096))));
    assert_eq!(seal_reply(&key, HEADER_LEN - 1, &mut buffer), Err(EncodeError::Full(4_096)));
}
