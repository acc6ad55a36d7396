//! What is not a packet, and what may not be said: dropped, counted under its own name, and never acknowledged.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "this is test: what is not as it must be ends it")]

use std::net::SocketAddr;
use std::time::Duration;

use myicq_tests::host::{Delays, Host, config};
use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::*;

const PASSWORD: &[u8] = b"hunter2";
const SESSION: SessionId = SessionId(77);

/// A session of plain version 1 whose address is proven, and another user who is away.
struct Raw {
    host: Host,
    now: Instant,
    seq: u16,
}

impl Raw {
    fn new() -> Self {
        // Without groups: their types would be told to this client, which acknowledges its login alone, again and again.
        let mut config = config();
        config.groups.types.clear();
        let mut host = Host::new(config, Delays::NONE, 1);
        host.add_user(PASSWORD);
        host.add_user(PASSWORD);
        let mut raw = Self { host, now: Instant(1_000_000), seq: 100 };
        let real_ip = Ipv4(0x7F00_0001);
        let login = Login { password: Secret(PASSWORD), status: Status::ONLINE, tcp_version: 1, real_ip, port: 32_765 };
        let replies = raw.send(&raw.encode(&Request::Login(login)));
        let ack = raw.encode_with(&Request::Ack, replies[0].seq);
        raw.send(&ack);
        raw
    }

    fn encode(&self, request: &Request<'_>) -> Vec<u8> {
        self.encode_with(request, Seq::new(self.seq))
    }

    fn encode_with(&self, request: &Request<'_>, seq: Option<Seq>) -> Vec<u8> {
        let mut buffer = [0; MAX_DATAGRAM];
        let key = Key::new(PASSWORD);
        let sealing = Some(Sealing { key: &key, form: CipherForm::Original });
        let envelope = Envelope { reserved: 0, uin: Uin::FIRST, session: SESSION, seq };
        let len = encode_request(&envelope, request, Some(0), sealing, &mut buffer).unwrap();
        buffer[..len].to_vec()
    }

    /// Sends a datagram; the headers of what comes back within a second.
    fn send(&mut self, datagram: &[u8]) -> Vec<ServerHeader> {
        let from = SocketAddr::from(([127, 0, 0, 1], 4_000));
        self.host.handle_datagram(self.now, from, datagram);
        self.now = self.now + Duration::from_secs(1);
        self.host.advance(self.now);
        self.seq += 1;
        self.host.take_sent().iter().map(|(_, bytes)| ServerHeader::decode(bytes).unwrap().0).collect()
    }

    fn say(&mut self, kind: MessageKind, to: Uin, text: &[u8]) -> bool {
        let seq = Seq::new(self.seq);
        let said = SendMessage { kind, to, text: Str(text), domain: None };
        let datagram = self.encode(&Request::SendMessage(said));
        self.send(&datagram).iter().any(|header| header.ackseq == seq)
    }

    /// What `name` counts goes up by one, and nothing is sent.
    fn dropped(&mut self, name: &str, datagram: &[u8]) {
        let before = self.host.counters().value(name);
        let answers = self.send(datagram);
        assert_eq!(self.host.counters().value(name), before + 1, "{name}: {:?}", self.host.counters());
        assert!(answers.is_empty(), "{name}: {answers:?}");
    }
}

#[test]
fn what_is_not_a_packet_is_dropped_under_its_name() {
    let mut raw = Raw::new();
    let good = raw.encode(&Request::ChangeStatus(ChangeStatus { status: Status::AWAY }));
    let changed = |at: usize, bytes: &[u8]| {
        let mut datagram = good.clone();
        datagram[at..at + bytes.len()].copy_from_slice(bytes);
        datagram
    };
    raw.dropped("undecoded_too_short", &good[..19]);
    raw.dropped("undecoded_version", &changed(0, &[0, 2]));
    raw.dropped("drop_unknown_session", &changed(10, &[9, 9, 9, 9]));
    raw.dropped("drop_unknown_session", &changed(6, &[0, 0, 0x27, 0x12]));
    raw.dropped("undecoded_unknown_command", &changed(14, &[0x77, 0x77]));
    raw.dropped("undecoded_check_code", &changed(18, &[7, 7]));
    raw.dropped("undecoded_blocks", &good[..good.len() - 1]);
    raw.dropped("drop_no_seq", &changed(16, &[0, 0]));
    let mut oversize = good.clone();
    oversize.resize(MAX_DATAGRAM + 1, 0);
    raw.dropped("drop_oversize", &oversize);
    // In the clear, so that the STRING can be made to lie: a length beyond the end, and no NUL.
    let registration = |string: &[u8]| [&changed(14, &[0, 2])[..HEADER_LEN - 2], &[0, 0], string].concat();
    raw.dropped("undecoded_string_length", &registration(b"\0\x09hunter2\0"));
    raw.dropped("undecoded_string_nul", &registration(b"\0\x08hunter22"));
    raw.dropped("undecoded_trailing", &registration(b"\0\x08hunter2\0something else"));
    assert_eq!(raw.host.sessions(), 1);
}

#[test]
fn what_may_not_be_said_is_not_acknowledged() {
    let (ben, nobody) = (Uin(10_002), Uin(99_999));
    let with_font = [&[b'x'; 450][..], b"\xff\xcb\xce\xcc\xe5\xff9\xff0\xff0"].concat();
    let refused: [(&str, MessageKind, Uin, &[u8]); 7] = [
        ("refused_too_long", MessageKind::TEXT, ben, &[b'x'; 451]),
        ("refused_no_such_user", MessageKind::TEXT, nobody, b"hello?"),
        ("refused_not_allowed", MessageKind::ADDED, ben, b""),
        ("refused_malformed", MessageKind::AUTH_REQUEST, ben, b"1\xffnick"),
        ("refused_malformed", MessageKind::TCP_REQUEST, ben, b"sendfile\xff0"),
        ("refused_malformed", MessageKind::TCP_ACCEPTED, ben, b"sendfile"),
        ("refused_not_asked", MessageKind::AUTH_ACCEPTED, ben, b""),
    ];
    let mut raw = Raw::new();
    assert!(raw.say(MessageKind::TEXT, ben, &[b'x'; 450]));
    assert!(raw.say(MessageKind::TEXT, ben, &with_font));
    for (name, kind, to, text) in refused {
        let before = raw.host.counters().value(name);
        assert!(!raw.say(kind, to, text), "{name}");
        assert_eq!(raw.host.counters().value(name), before + 1, "{name}");
    }
}

#[test]
fn a_mailbox_has_an_end() {
    let mut raw = Raw::new();
    let max = config().limits.offline_pair_max;
    for number in 0..max {
        assert!(raw.say(MessageKind::TEXT, Uin(10_002), b"are you there?"), "{number}");
    }
    assert!(!raw.say(MessageKind::TEXT, Uin(10_002), b"one more"));
    assert_eq!(raw.host.counters().value("refused_mailbox_full"), 1);
}
