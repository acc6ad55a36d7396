//! Who only looks at a packet allocates nothing: not for a good one, not for a bad one, not for a list that claims to be long. Nor does a link
//! for a datagram, once there has been room for as many.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "this is test: what is not as it must be ends it, or is shown"
)]

use allocation_counter::measure;
use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::link::{Link, Outgoing, Output, Retained, Timing, Token};
use myicq_wire::message::Message;
use myicq_wire::*;
use serde_json::Value;

fn captured() -> Vec<(bool, Vec<u8>)> {
    let files = [
        include_str!("../../../wire/testdata/session.jsonl"),
        include_str!("../../../wire/testdata/reliability.jsonl"),
        include_str!("../../../wire/testdata/handmade.jsonl"),
    ];
    let packet = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        (row["from"] == "client", hex::decode(row["hex"].as_str().unwrap()).unwrap())
    };
    files.iter().flat_map(|file| file.lines()).map(packet).collect()
}

/// Decodes as a server or a client would, and touches every record of a list.
fn look(from_client: bool, wire: &[u8], key: &Key, scratch: &mut [u8]) -> bool {
    if from_client {
        let Ok((header, body)) = ClientHeader::decode(wire) else { return false };
        let sealing = Some(Sealing { key, form: CipherForm::Original });
        match open_request(&header, body, sealing, scratch) {
            Ok(Request::SendMessage(said)) => Message::parse(said.kind, &said.text).is_ok(),
            outcome => outcome.is_ok(),
        }
    } else {
        let Ok((header, body)) = ServerHeader::decode(wire) else { return false };
        match header.known_command().map(|command| Reply::decode(command, body)) {
            Some(Ok(Reply::Search(found))) => found.iter().count() == found.len(),
            Some(Ok(Reply::MultiOnline(here))) => here.iter().count() == here.len(),
            outcome => outcome.is_some_and(|outcome| outcome.is_ok()),
        }
    }
}

#[test]
fn decoding_allocates_nothing() {
    let packets = captured();
    let key = Key::new(b"hunter2");
    let mut scratch = vec![0; MAX_DATAGRAM];
    let mut decoded = 0;
    let counted = measure(|| {
        for (from_client, wire) in &packets {
            decoded += usize::from(look(*from_client, wire, &key, &mut scratch));
            look(!*from_client, wire, &key, &mut scratch);
            for len in 0..wire.len() {
                look(*from_client, &wire[..len], &key, &mut scratch);
            }
        }
    });
    assert!(decoded > 200, "{decoded}");
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_count_that_lies_costs_nothing() {
    let mut body = vec![0xFF; 2_000];
    body.push(0);
    let counted = measure(|| {
        for command in COMMANDS.iter().filter(|info| info.reply).map(|info| info.command) {
            let _ = Reply::decode(command, &body);
        }
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn encoding_allocates_nothing() {
    let key = Key::new(b"hunter2");
    let text = [b'x'; 450];
    let said = SendMessage { kind: MessageKind::TEXT, to: Uin(10_002), text: Str(&text), domain: None };
    let mut buffer = vec![0; MAX_DATAGRAM];
    let counted = measure(|| {
        for form in [CipherForm::Original, CipherForm::Textbook, CipherForm::Cbc] {
            let sealing = Some(Sealing { key: &key, form });
            let request = Request::SendMessage(said);
            encode_request(&Envelope::default(), &request, Some(200), sealing, &mut buffer).unwrap();
        }
        encode_reply(&Envelope::default(), None, &Reply::KeepAlive(KeepAliveReply { online_users: 1 }), &mut buffer)
            .unwrap();
    });
    assert_eq!(counted.count_total, 0);
}

/// A full window of datagrams on each of two links, all acknowledged, the last first.
fn exchange(links: &mut [Link; 2], retained: &mut Retained, datagram: &[u8]) {
    let now = Instant::default();
    for link in &mut *links {
        let first = link.next_seq().number();
        for number in first..first + 32 {
            let outgoing = Outgoing::new(link.next_seq(), datagram, Token(number.into()));
            link.send(retained, outgoing).unwrap();
            assert_eq!(link.poll(retained, now, &Timing::DEFAULT), Some(Output::Transmit(datagram)));
        }
        for number in (first..first + 32).rev() {
            assert_eq!(link.on_ack(retained, now, Seq::new(number).unwrap()), Some(Token(number.into())));
        }
    }
}

#[test]
fn a_datagram_sent_and_acknowledged_allocates_nothing_in_the_long_run() {
    let mut retained = Retained::new();
    let mut links = [1, 2].map(|seed| Link::new(Seq::FIRST, seed));
    exchange(&mut links, &mut retained, &[7; 512]);
    let counted = measure(|| {
        for round in 0..10 {
            exchange(&mut links, &mut retained, &[7; 108][round..]);
        }
    });
    assert_eq!((counted.count_total, retained.len()), (0, 0));
}
