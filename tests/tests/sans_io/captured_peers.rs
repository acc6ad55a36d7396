//! The direct sessions that were captured between two clients of 2003, with one of them replaced by ours, in either role: it says what the
//! original said, to the byte where version 1 leaves no choice, and gets from the other side what the original got.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test: what is not as it must be ends it, or is shown"
)]

use myicq_client::peer::{
    FileEvent, FileHash, FileResult, FileSession, Identity, LetterId, MessageEvent, MessageSession, PeerTimeouts, Side,
};
use myicq_client::{Face, Uin};
use myicq_wire::Instant;
use myicq_wire::peer::{PeerFile, PeerMessage};
use serde_json::Value;

const START: Instant = Instant(1_000_000);

struct Frame {
    is_from_connector: bool,
    wire: Vec<u8>,
}

/// The frames of a connection, by a part of its name.
fn connection(name: &str) -> Vec<Frame> {
    let lines = include_str!("../../../wire/testdata/peer.jsonl").lines();
    let rows = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_connection = rows.filter(|row| row["connection"].as_str().unwrap().contains(name));
    of_connection
        .map(|row| Frame {
            is_from_connector: row["from"] == "connector",
            wire: hex::decode(row["hex"].as_str().unwrap()).unwrap(),
        })
        .collect()
}

/// The one who sent this frame, with his picture.
fn identity(frame: &Frame) -> Identity {
    let (header, _) = PeerFile::decode(&frame.wire[2..])
        .or_else(|_| PeerMessage::decode(&frame.wire[2..]).map(|(header, _)| (header, PeerFile::FileReceive)))
        .unwrap();
    Identity { uin: header.uin, face: header.face, domain: b"stub.example".to_vec() }
}

fn first_from(frames: &[Frame], connector: bool) -> Identity {
    identity(frames.iter().find(|frame| frame.is_from_connector == connector).unwrap())
}

#[test]
fn a_conversation_with_either_of_the_two() {
    for we_connect in [true, false] {
        let frames = connection("2-msg");
        let (me, other) = (first_from(&frames, we_connect), first_from(&frames, !we_connect));
        let mut session = if we_connect {
            MessageSession::connected(START, me, other.uin, PeerTimeouts::default())
        } else {
            MessageSession::accepted(START, me, vec![Uin(10_007), other.uin], PeerTimeouts::default())
        };
        let mut said = 0;
        for frame in &frames {
            if frame.is_from_connector != we_connect {
                session.handle_input(START, &frame.wire);
                continue;
            }
            // It is our turn: to say what the original said.
            match PeerMessage::decode(&frame.wire[2..]).unwrap().1 {
                PeerMessage::Hello(_) => {}
                PeerMessage::Message { kind, time, text, .. } => {
                    said += 1;
                    assert!(session.send(START, LetterId(said), kind, time, &text));
                }
                PeerMessage::MessageAck { id } => session.confirm(id),
                packet => panic!("{packet:?}"),
            }
            assert_eq!(hex::encode(session.output()), hex::encode(&frame.wire));
            session.on_written(frame.wire.len());
        }
        assert_eq!((session.ended(), session.other()), (None, Some(other.uin)));
        let events: Vec<_> = std::iter::from_fn(|| session.poll_event()).collect();
        let acknowledged = events.iter().filter(|event| matches!(event, MessageEvent::Acknowledged(_))).count() as u64;
        let heard = events.iter().filter(|event| matches!(event, MessageEvent::Message { .. })).count();
        assert_eq!((acknowledged, said + heard as u64), (said, 8), "all of ours, and all eight of both");
    }
}

/// Plays one side of a captured file session; what has come, if it is the receiver's.
fn file_session(name: &str, we_connect: bool) -> Vec<u8> {
    let frames = connection(name);
    let (me, other) = (first_from(&frames, we_connect), first_from(&frames, !we_connect));
    let (mut file, mut info, mut sender_connects) = (Vec::new(), None, false);
    for frame in &frames {
        match PeerFile::decode(&frame.wire[2..]).unwrap().1 {
            PeerFile::FileData(bytes) => file.extend_from_slice(bytes),
            PeerFile::FileInfo { name, size } => {
                info = Some((String::from_utf8(name.to_vec()).unwrap(), u64::from(size)));
                sender_connects = frame.is_from_connector;
            }
            _ => {}
        }
    }
    let (timeouts, side) = (PeerTimeouts::default(), if we_connect { Side::Connected } else { Side::Accepted });
    let mut session = if we_connect == sender_connects {
        FileSession::sending(START, me, other.uin, side, info.clone().unwrap(), timeouts)
    } else {
        FileSession::receiving(START, me, other.uin, side, timeouts)
    };
    let (mut came, mut ours) = (Vec::new(), Vec::new());
    for frame in &frames {
        if frame.is_from_connector == we_connect {
            ours.extend_from_slice(&frame.wire);
        } else {
            play(&mut session, &frame.wire, &info, &file, &mut came);
        }
        if let Some(sign) = session.poll_timeout().filter(|_| we_connect && we_connect == sender_connects) {
            // COMPAT: the original gives no sign of the extension, so the sender goes on without.
            if session.output().len() <= 31 {
                session.handle_timeout(sign).unwrap();
            }
        }
    }
    // The HELLO alone differs, in `reserved`, which says that we know more than version 1.
    let mut output = session.take_output();
    if we_connect {
        assert_eq!(output[4..8], [0, 0, 0, 1]);
        output[7] = 0;
    }
    assert_eq!(hex::encode(output), hex::encode(ours), "{name}");
    assert!(session.is_over() && session.handle_closed().is_ok());
    if we_connect == sender_connects { file } else { came }
}

fn play(session: &mut FileSession, wire: &[u8], info: &Option<(String, u64)>, file: &[u8], came: &mut Vec<u8>) {
    let mut input = wire;
    loop {
        let event = session.next_event(START, &mut input).unwrap();
        match event {
            Some(FileEvent::Offered { name, size, can_resume: false }) => {
                assert_eq!(Some((name, size)), *info);
                session.accept(START, 0, FileHash([0; 32]));
            }
            Some(FileEvent::Requested { offset: 0, hash: None }) => {
                session.start(START, 0);
                session.data(file);
                session.finish(START, FileHash([0; 32]));
            }
            Some(FileEvent::Started { offset: 0 }) => {}
            Some(FileEvent::Data(bytes)) => came.extend_from_slice(bytes),
            Some(FileEvent::Whole { hash: None }) => session.conclude(FileResult::DONE),
            Some(event) => panic!("{event:?}"),
            None => return,
        }
    }
}

#[test]
fn files_from_and_to_either_of_the_two() {
    for (name, len) in [("1-file", 1_666), ("3-file", 5_000), ("4-file", 2_048)] {
        for we_connect in [true, false] {
            assert_eq!(file_session(name, we_connect).len(), len, "{name}");
        }
    }
    assert_eq!(Face(12), first_from(&connection("3-file"), true).face);
}
