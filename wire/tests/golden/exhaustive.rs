//! Small spaces, all of them: no input makes the decoder panic or point outside of what it was given.

use std::collections::HashSet;

use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::*;

use crate::packets::{Packet, datagrams};

/// How many inputs were tried, and what came of them.
#[derive(Default, Debug)]
struct Tally {
    decoded: u64,
    refused: u64,
}

impl Tally {
    fn note<T>(&mut self, outcome: Result<T, DecodeError>, len: usize) {
        match outcome {
            Ok(_) => self.decoded += 1,
            Err(error) => {
                assert!(error.at <= len, "{error} in {len} bytes");
                assert!(!error.what.is_empty());
                self.refused += 1;
            }
        }
    }

    fn client(&mut self, datagram: &[u8], key: &Key) {
        let mut scratch = [0; MAX_DATAGRAM];
        match ClientHeader::decode(datagram) {
            Ok((header, body)) => {
                let sealing = Some(Sealing { key, form: CipherForm::Original });
                self.note(open_request(&header, body, sealing, &mut scratch), datagram.len());
                if let Some(command) = header.known_command() {
                    self.note(Request::decode(command, body), body.len());
                }
            }
            Err(error) => self.note(Err::<(), _>(error), datagram.len()),
        }
    }

    fn server(&mut self, datagram: &[u8]) {
        match ServerHeader::decode(datagram) {
            Ok((header, body)) => {
                let unknown = DecodeError { kind: DecodeErrorKind::UnknownCommand, what: "cmd", at: 14 };
                let reply = header.known_command().ok_or(unknown).and_then(|command| Reply::decode(command, body));
                if let Ok(reply) = reply {
                    walk(&reply);
                }
                self.note(reply, datagram.len());
            }
            Err(error) => self.note(Err::<(), _>(error), datagram.len()),
        }
    }

    fn datagram(&mut self, packet: &Packet, key: &Key, datagram: &[u8]) {
        if packet.from_client { self.client(datagram, key) } else { self.server(datagram) }
    }
}

/// A list says how many records it has, and has as many.
fn walk(reply: &Reply<'_>) {
    match reply {
        Reply::GetContactList(list) => assert_eq!(list.iter().count(), list.len()),
        Reply::MultiOnline(list) => assert_eq!(list.iter().count(), list.len()),
        Reply::Search(list) => assert_eq!(list.iter().count(), list.len()),
        Reply::GetServerList(list) => assert_eq!(list.iter().count(), list.len()),
        Reply::GetGroupList(list) => assert_eq!(list.iter().count(), list.len()),
        Reply::GroupTypes(list) => assert_eq!(list.iter().count(), list.len()),
        Reply::GetRemoteContactList(remote) => assert_eq!(remote.contacts.iter().count(), remote.contacts.len()),
        _ => {}
    }
}

/// Each captured or hand-made datagram once.
fn different() -> Vec<(Packet, Key)> {
    let mut seen = HashSet::new();
    let packets = datagrams().into_iter().filter(|packet| seen.insert(packet.wire.clone()));
    packets.map(|packet| (Key::new(&packet.password), packet)).map(|(key, packet)| (packet, key)).collect()
}

#[test]
fn every_prefix_and_every_flipped_bit() {
    let mut tally = Tally::default();
    for (packet, key) in &different() {
        for len in 0..packet.wire.len() {
            tally.datagram(packet, key, &packet.wire[..len]);
        }
        let mut wire = packet.wire.clone();
        for bit in 0..wire.len() * 8 {
            wire[bit / 8] ^= 1 << (bit % 8);
            tally.datagram(packet, key, &wire);
            wire[bit / 8] ^= 1 << (bit % 8);
        }
    }
    println!("{tally:?}");
    assert!(tally.decoded + tally.refused > 150_000, "{tally:?}");
}

/// Every WORD of a plain body is tried as if it were a length or a count: whichever is one is among them.
#[test]
fn every_length_field_that_lies() {
    let mut tally = Tally::default();
    for (packet, _) in &different() {
        let command = packet.header("cmd").try_into().ok().and_then(Command::from_number);
        let Some(command) = command else { continue };
        let mut body = packet.body.clone();
        for at in 0..body.len().saturating_sub(1) {
            let length = u16::from_be_bytes([body[at], body[at + 1]]);
            for lie in [0, 1, length.wrapping_sub(1), length.wrapping_add(1), 0x7FFF, 0xFFFF] {
                body[at..at + 2].copy_from_slice(&lie.to_be_bytes());
                if packet.from_client {
                    tally.note(Request::decode(command, &body), body.len());
                } else {
                    let reply = Reply::decode(command, &body);
                    if let Ok(reply) = reply {
                        walk(&reply);
                    }
                    tally.note(reply, body.len());
                }
            }
            body[at..at + 2].copy_from_slice(&length.to_be_bytes());
        }
    }
    println!("{tally:?}");
    assert!(tally.decoded + tally.refused > 30_000, "{tally:?}");
}

/// All 65,536 commands, each with no body, with one byte, and with the body of every other command.
#[test]
fn every_command_with_every_body() {
    let packets = different();
    let mut bodies: Vec<&[u8]> = vec![&[], &[0], &[0xFF]];
    let mut commands = HashSet::new();
    bodies.extend(
        packets
            .iter()
            .filter(|(packet, _)| commands.insert((packet.from_client, packet.header("cmd"))))
            .map(|(packet, _)| packet.body.as_slice()),
    );
    let mut tally = Tally::default();
    let key = Key::new(b"hunter2");
    let mut datagram = packets[0].0.wire[..HEADER_LEN].to_vec();
    for body in &bodies {
        datagram.truncate(HEADER_LEN);
        datagram.extend_from_slice(body);
        for number in 0..=u16::MAX {
            datagram[14..16].copy_from_slice(&number.to_be_bytes());
            tally.client(&datagram, &key);
            tally.server(&datagram);
        }
    }
    println!("{tally:?} with {} bodies", bodies.len());
    assert!(tally.decoded + tally.refused > 5_000_000, "{tally:?}");
}
