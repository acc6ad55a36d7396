//! Frames in TCP streams: direct sessions, and the tunnel behind an HTTP proxy.

use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::peer::{self, Hello, PeerFile, PeerHeader, PeerMessage};
use myicq_wire::tunnel::{self, Framer};
use myicq_wire::*;
use serde_json::{Value, json};

use crate::datagrams::check_text;
use crate::flat::{self, Flat as _};
use crate::packets::{Packet, peer_frames, tunnelled};

/// What is left of a frame without its length.
fn unframed(mut framer: Framer, packet: &Packet) -> Vec<u8> {
    let mut input = packet.wire.as_slice();
    let frame = framer.next_frame(&mut input).expect(&packet.name).expect(&packet.name).to_vec();
    assert!(input.is_empty(), "{}", packet.name);
    assert_eq!(frame, packet.wire[2..], "{}", packet.name);
    frame
}

fn check_header(packet: &Packet, header: PeerHeader) {
    let numbers = [header.reserved, header.command.into(), header.uin.0, header.face.0.into()].map(u64::from);
    assert_eq!(numbers, ["reserved", "cmd", "uin", "face"].map(|field| packet.header(field)), "{}", packet.name);
}

fn hello(hello: &Hello<'_>) -> Vec<Value> {
    let mut values = vec![json!(u8::from(hello.is_sender))];
    hello.domain.flat(&mut values);
    values
}

fn check_message_session(packet: &Packet) -> usize {
    let name = &packet.name;
    let frame = unframed(peer::frames(), packet);
    let (header, decoded) = PeerMessage::decode(&frame).expect(name);
    check_header(packet, header);
    let values = match &decoded {
        PeerMessage::Hello(body) => hello(body),
        PeerMessage::Message { id, kind, time, text } => {
            check_text(name, *kind, text, packet.parts.as_ref().expect(name));
            vec![json!(id), json!(kind.0), json!(time), json!(hex::encode(text.0))]
        }
        PeerMessage::MessageAck { id } => vec![json!(id)],
        other => panic!("{other:?}"),
    };
    assert_eq!(values, packet.fields, "{name}");
    let mut encoded = [0x55; 2 + peer::MAX_PEER_FRAME];
    decoded
        .encode(header.uin, header.face, &mut encoded)
        .inspect(|&len| assert_eq!(encoded[..len], packet.wire))
        .expect(name)
}

fn check_file_session(packet: &Packet) -> usize {
    let name = &packet.name;
    let frame = unframed(peer::file_frames(), packet);
    let (header, decoded) = PeerFile::decode(&frame).expect(name);
    check_header(packet, header);
    let values = match &decoded {
        PeerFile::Hello(body) => hello(body),
        PeerFile::FileInfo { name, size } => {
            assert!(peer::is_bare_name(name));
            vec![json!(hex::encode(name.0)), json!(size)]
        }
        PeerFile::FileReceive => Vec::new(),
        PeerFile::FileData(bytes) => vec![json!(hex::encode(bytes))],
        PeerFile::FileOffer { name, size } => vec![json!(hex::encode(name.0)), json!(size)],
        PeerFile::FileResume { offset, hash } => vec![json!(offset), json!(hash.to_string())],
        PeerFile::FileStart { offset } => vec![json!(offset)],
        PeerFile::FileEnd { hash } => vec![json!(hash.to_string())],
        PeerFile::FileResult(result) => vec![json!(result.0)],
        other => panic!("{other:?}"),
    };
    assert_eq!(values, packet.fields, "{name}");
    let mut encoded = [0x55; 2 + peer::MAX_PEER_FRAME];
    decoded
        .encode(header.uin, header.face, &mut encoded)
        .inspect(|&len| assert_eq!(encoded[..len], packet.wire))
        .expect(name)
}

#[test]
fn direct_sessions_decode_to_their_values_and_encode_back() {
    let packets = peer_frames();
    assert!(packets.len() > 30);
    for packet in &packets {
        match packet.word("peer") {
            "message" => check_message_session(packet),
            "file" => check_file_session(packet),
            other => panic!("{}: a session of the kind {other:?}", packet.name),
        };
    }
}

/// A stream comes in pieces of any size; the frames are the same.
#[test]
fn frames_do_not_depend_on_the_pieces_in_which_they_come() {
    let packets = peer_frames();
    let stream: Vec<u8> = packets.iter().flat_map(|packet| packet.wire.iter().copied()).collect();
    for size in [1, 2, 3, 7, 100, 4_096, stream.len()] {
        let mut framer = peer::file_frames();
        let mut frames = Vec::new();
        for mut piece in stream.chunks(size) {
            while let Some(frame) = framer.next_frame(&mut piece).unwrap() {
                frames.push(frame.to_vec());
            }
        }
        assert!(frames.iter().eq(packets.iter().map(|packet| &packet.wire[2..])), "pieces of {size}");
    }
}

#[test]
fn tunnelled_datagrams_decode_to_their_values_and_encode_back() {
    for packet in &tunnelled() {
        let name = &packet.name;
        let datagram = unframed(tunnel::datagrams(), packet);
        let values = if packet.from_client {
            let (header, body) = ClientHeader::decode(&datagram).expect(name);
            assert_eq!(u64::from(header.check_code), packet.header("cc"), "{name}");
            let key = Key::new(&packet.password);
            let mut scratch = [0; MAX_DATAGRAM];
            let sealing = Some(Sealing { key: &key, form: CipherForm::Original });
            flat::values(&open_request(&header, body, sealing, &mut scratch).expect(name))
        } else {
            let (header, body) = ServerHeader::decode(&datagram).expect(name);
            assert_eq!(u64::from(Seq::number_or_zero(header.ackseq)), packet.header("ackseq"), "{name}");
            flat::values(&Reply::decode(header.known_command().expect(name), body).expect(name))
        };
        assert_eq!(values, packet.fields, "{name}");
        let mut framed = [0x55; 2 + MAX_DATAGRAM];
        let mut writer = Writer::new(&mut framed);
        tunnel::write(&datagram, &mut writer).expect(name);
        let len = writer.len();
        assert_eq!(framed[..len], packet.wire, "{name}");
    }
}
