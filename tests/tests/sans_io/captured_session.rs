//! Plays the client's side of the captured session against our server, in the order in which the client of 2003 asked: three
//! requests go out before the acknowledgement of the LOGIN reply.
#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "this is test: what is not as it must be ends it, or is shown"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use myicq_tests::host::{Delays, Host, config};
use myicq_tests::testdata::{bytes, rows};
use myicq_wire::{
    Answer, ClientHeader, Command, Envelope, HEADER_LEN, Instant, Reply, Request, Seq, ServerHeader, SessionId, Uin,
    encode_request,
};
use serde_json::Value;

/// The client's end of one session: what came, and what of it is acknowledged.
#[derive(Default)]
struct Ear {
    acknowledged: BTreeSet<u16>,
    answers: BTreeMap<u16, Command>,
    to_acknowledge: Vec<(Instant, Command, u16)>,
    /// Registrations and refused logins are numbered in the same sequence; none may come twice.
    seen: BTreeSet<u16>,
}

struct Play {
    host: Host,
    now: Instant,
    ears: BTreeMap<u32, Ear>,
}

fn address(session: u32) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], u16::try_from(session % 40_000).unwrap() + 1_024))
}

impl Play {
    fn send(&mut self, session: u32, datagram: &[u8]) {
        self.host.handle_datagram(self.now, address(session), datagram);
        self.pass(Duration::from_millis(5));
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.host.advance(self.now);
        for (to, datagram) in self.host.take_sent() {
            let (header, body) = ServerHeader::decode(&datagram).unwrap();
            assert_eq!(to, address(header.session.0));
            let command = header.known_command().unwrap();
            Reply::decode(command, body).unwrap();
            let ear = self.ears.entry(header.session.0).or_default();
            if let Some(ackseq) = header.ackseq {
                ear.acknowledged.insert(ackseq.number());
                ear.answers.insert(ackseq.number(), command);
            }
            if let Some(seq) = header.seq
                && ear.seen.insert(seq.number())
                && command != Command::KeepAlive
            {
                ear.to_acknowledge.push((self.now, command, seq.number()));
            }
        }
    }

    /// Acknowledges what has come, when the client of the capture acknowledged the same: `command` is what that had got. What
    /// our server has sent and the captured one had not is acknowledged after a second.
    fn acknowledge(&mut self, session: u32, uin: u32, command: Option<Command>) {
        let ear = self.ears.entry(session).or_default();
        let first = ear.to_acknowledge.iter().position(|(_, other, _)| Some(*other) == command);
        let (now, mut acknowledged) = (self.now, Vec::new());
        acknowledged.extend(first.map(|first| ear.to_acknowledge.remove(first)));
        acknowledged.extend(ear.to_acknowledge.extract_if(.., |(at, _, _)| now.since(*at) >= Duration::from_secs(1)));
        for (_, _, seq) in acknowledged {
            let mut datagram = [0; HEADER_LEN];
            let (uin, session_id, seq) = (Uin(uin), SessionId(session), Seq::new(seq));
            let envelope = Envelope { reserved: 0, uin, session: session_id, seq };
            encode_request(&envelope, &Request::Ack, None, None, &mut datagram).unwrap();
            self.send(session, &datagram);
        }
    }
}

/// The commands of what the captured server sent, by session and number.
fn captured_commands(session: &str) -> BTreeMap<(u32, u16), Command> {
    let from_server = rows(session).filter(|row| row["from"] == "server");
    let numbered = from_server.filter_map(|row| {
        let datagram = bytes(&row, "hex");
        let (header, _) = ServerHeader::decode(&datagram).unwrap();
        Some(((header.session.0, header.seq?.number()), header.known_command()?))
    });
    numbered.collect()
}

#[test]
fn every_request_is_answered_as_the_client_of_2003_needs_it() {
    let mut play = Play {
        host: Host::new(config(), Delays { commit: Duration::from_millis(2), ..Delays::NONE }, 1),
        now: Instant(1_000_000),
        ears: BTreeMap::new(),
    };
    let session = include_str!("../../../wire/testdata/session.jsonl");
    let packets: Vec<Value> = rows(session).filter(|row| row["from"] == "client").collect();
    let captured = captured_commands(session);
    let (mut asked, mut acknowledged_logins, mut asked_before_the_proof) = (Vec::new(), 0, 0);
    let mut begin = play.now;
    for packet in &packets {
        // In its own time, so that nothing is held up and no session expires.
        let at = Instant(1_000_000) + Duration::from_secs_f64(packet["t"].as_f64().unwrap());
        begin = begin.max(at);
        if begin > play.now {
            play.pass(begin.since(play.now));
        }
        let datagram = bytes(packet, "hex");
        let (header, _) = ClientHeader::decode(&datagram).unwrap();
        let command = header.known_command().unwrap();
        if command == Command::Ack {
            // The captured numbers are those of another server: acknowledge what ours has sent.
            let got = header.seq.and_then(|seq| captured.get(&(header.session.0, seq.number()))).copied();
            play.acknowledge(header.session.0, header.uin.0, got);
            acknowledged_logins += usize::from(got == Some(Command::Login));
            continue;
        }
        if command == Command::GetRemoteContactList {
            // As the first of the three: the session is half-open still.
            let ear = &play.ears[&header.session.0];
            assert!(ear.to_acknowledge.iter().any(|(_, command, _)| *command == Command::Login));
            asked_before_the_proof += 1;
        }
        play.send(header.session.0, &datagram);
        // This server speaks to no other domain.
        let is_elsewhere = packet["fields"].as_array().unwrap().iter().any(|field| field[0] == "domain");
        if !is_elsewhere {
            asked.push((packet["name"].as_str().unwrap().to_owned(), header, command));
        }
    }
    play.pass(Duration::from_secs(2));
    assert_eq!((acknowledged_logins, asked_before_the_proof), (5, 3));
    check(&play, &asked);
}

/// A registration whose reply was lost comes again, from the same place and in the same session: it is the same user.
#[test]
fn a_registration_that_comes_again_makes_one_user() {
    let mut host = Host::new(config(), Delays { commit: Duration::from_millis(2), ..Delays::NONE }, 1);
    let registration = bytes(&rows(include_str!("../../../wire/testdata/session.jsonl")).next().unwrap(), "hex");
    let (mut uins, mut proofs) = (BTreeSet::new(), BTreeSet::new());
    for tenths in 0..40 {
        let now = Instant(1_000_000 + tenths * 100_000);
        host.handle_datagram(now, address(1), &registration);
        for (_, datagram) in host.take_sent() {
            let (header, body) = ServerHeader::decode(&datagram).unwrap();
            let Ok(Reply::NewUin(reply)) = Reply::decode(header.known_command().unwrap(), body) else { panic!() };
            uins.insert(reply.uin);
            let envelope = Envelope { reserved: 0, uin: header.uin, session: header.session, seq: header.seq };
            let mut proof = [0; HEADER_LEN];
            encode_request(&envelope, &Request::Ack, None, None, &mut proof).unwrap();
            proofs.insert(proof);
        }
    }
    assert_eq!((uins.len(), proofs.len()), (1, 1));
    assert_eq!(host.counters().value("registrations"), 0, "nobody has proven the address");
    for proof in proofs {
        host.handle_datagram(Instant(5_000_000), address(1), &proof);
    }
    host.advance(Instant(5_100_000));
    assert_eq!(host.counters().value("registrations"), 1);
}

fn check(play: &Play, asked: &[(String, ClientHeader, Command)]) {
    let mut unanswered = Vec::new();
    let mut done = 0;
    for (name, header, command) in asked {
        let ear = &play.ears[&header.session.0];
        let seq = header.seq.unwrap().number();
        let wanted = match command.request().unwrap().answer {
            Answer::Nothing => continue,
            Answer::Ack => Command::Ack,
            Answer::Reply(reply) => reply,
        };
        match ear.answers.get(&seq) {
            Some(got) if *got == wanted => done += 1,
            // The profile of somebody whom our server does not know: there is nothing to reply but that it was heard.
            Some(Command::Ack) if name == "s-login-fresh-home-update_contact-5" => done += 1,
            got => unanswered.push(format!("{name}: {got:?} instead of {wanted:?}")),
        }
    }
    assert!(unanswered.is_empty(), "{done} were answered, and these not:\n{}", unanswered.join("\n"));
    println!("{done} requests were answered");
    assert!(done > 50, "{done}");
}
