//! The machine against a server that says what each test wants.

mod capabilities;
mod direct;
mod directory;
mod login;
mod messages;
mod registration;
mod relay;
mod requests;
mod resume;

use std::time::Duration;

use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::{
    Capabilities, ClientHeader, Command, Envelope, Instant, Ipv4, LoginReply, LoginSuccess, MAX_DATAGRAM, MessageKind,
    Reply, Request as Wire, Sealing, Seq, ServerMessage, SessionId, Str, Uin, encode_reply, open_request,
};

use super::{Account, Answer, Config, Entropy, Request, RequestId};
use crate::error::RequestError;
use crate::event::Event;
use crate::password::Password;
use crate::seen::SeenMessages;

const SESSION: SessionId = SessionId(0x0102_0304);
pub(super) const ALICE: Uin = Uin(10_001);
pub(super) const BOB: Uin = Uin(10_002);
/// The number of the server's first datagram: near the wrap, so that every test crosses it.
const SERVER_SEQ: u16 = 65_534;

pub(super) fn entropy() -> Entropy {
    Entropy { session: SESSION, first_seq: Seq::new(100).unwrap(), seed: 7 }
}

pub(super) fn password() -> Password {
    Password::new("hunter2").unwrap()
}

/// What the client sent, as far as tests look at it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Sent {
    pub(super) header: ClientHeader,
    pub(super) command: Command,
    /// The body as `Debug` shows it.
    pub(super) body: String,
}

/// Opens a datagram as a server does.
pub(super) fn open(datagram: &[u8]) -> Sent {
    let (header, body) = ClientHeader::decode(datagram).unwrap();
    let (key, form) = (Key::new(b"hunter2"), CipherForm::Original);
    let mut scratch = [0; MAX_DATAGRAM];
    let request = open_request(&header, body, Some(Sealing { key: &key, form }), &mut scratch).unwrap();
    Sent { header, command: request.command(), body: format!("{request:?}") }
}

/// A client, and a server that does what it is told.
pub(super) struct Scene {
    account: Account,
    now: Instant,
    server_seq: Seq,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::with(SeenMessages::default())
    }

    pub(super) fn with(seen: SeenMessages) -> Self {
        let now = Instant(1_000_000);
        let account = Account::new(Config::new(ALICE, password()), entropy(), seen).unwrap();
        Self { account, now, server_seq: Seq::new(SERVER_SEQ).unwrap() }
    }

    /// A session that is open, with nothing left to say.
    pub(super) fn online(granted: Capabilities) -> Self {
        let mut scene = Self::new();
        scene.log_in(granted);
        scene
    }

    pub(super) fn log_in(&mut self, granted: Capabilities) {
        let login = self.only(Command::Login);
        self.say_with(granted, login.header.seq, &welcome());
        assert!(matches!(self.account.poll_event(), Some(Event::LoggedIn { .. })));
        let keep_alive = self.sent().into_iter().find(|sent| sent.command == Command::KeepAlive).unwrap();
        self.acknowledge(keep_alive.header.seq);
    }

    /// Everything that the client wants to send now.
    pub(super) fn sent(&mut self) -> Vec<Sent> {
        std::iter::from_fn(|| self.account.poll_transmit(self.now)).map(|datagram| open(&datagram)).collect()
    }

    /// The one datagram that the client wants to send now.
    pub(super) fn only(&mut self, command: Command) -> Sent {
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert_eq!(sent[0].command, command);
        sent[0].clone()
    }

    /// The numbers that the client acknowledges now.
    pub(super) fn acknowledged(&mut self) -> Vec<u16> {
        let acknowledgements = self.sent().into_iter().filter(|sent| sent.command == Command::Ack);
        acknowledgements.map(|sent| Seq::number_or_zero(sent.header.seq)).collect()
    }

    /// The server says something with its next number, which this returns.
    pub(super) fn say(&mut self, ackseq: Option<Seq>, reply: &Reply<'_>) -> Seq {
        self.say_with(Capabilities::NONE, ackseq, reply)
    }

    fn say_with(&mut self, granted: Capabilities, ackseq: Option<Seq>, reply: &Reply<'_>) -> Seq {
        let seq = self.server_seq;
        self.server_seq = seq.next();
        self.hear(&datagram(granted, Some(seq), ackseq, reply));
        seq
    }

    pub(super) fn acknowledge(&mut self, ackseq: Option<Seq>) {
        self.hear(&datagram(Capabilities::NONE, None, ackseq, &Reply::Ack));
    }

    pub(super) fn hear(&mut self, datagram: &[u8]) {
        self.account.handle_datagram(self.now, datagram);
    }

    pub(super) fn ask(&mut self, request: Request) -> RequestId {
        self.account.request(request).unwrap()
    }

    /// Asks, and says which request it was and the number of the datagram that left.
    pub(super) fn ask_and_send(&mut self, request: Request) -> (RequestId, Option<Seq>) {
        let id = self.ask(request);
        (id, self.sent().last().and_then(|sent| sent.header.seq))
    }

    pub(super) fn answer(&mut self) -> Option<(RequestId, Result<Answer, RequestError>)> {
        self.account.poll_answer()
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.account.poll_event()).collect()
    }

    /// Goes on to the next deadline, and says what the client sends there.
    pub(super) fn next_deadline(&mut self) -> Vec<Sent> {
        let deadline = self.account.poll_timeout().expect("something is due");
        assert!(deadline >= self.now, "a deadline in the past would be waited for without end");
        self.now = deadline;
        self.account.handle_timeout(deadline);
        self.sent()
    }

    /// Goes on until the session has ended; says for how long, and what was sent.
    pub(super) fn run_out(&mut self) -> (Duration, Vec<Sent>) {
        let (start, mut sent) = (self.now, self.sent());
        while self.account.ended().is_none() {
            sent.extend(self.next_deadline());
        }
        (self.now.since(start), sent)
    }
}

pub(super) fn datagram(granted: Capabilities, seq: Option<Seq>, ackseq: Option<Seq>, reply: &Reply<'_>) -> Vec<u8> {
    let mut buffer = [0; MAX_DATAGRAM];
    let envelope = Envelope { reserved: granted.0, uin: ALICE, session: SESSION, seq };
    let len = encode_reply(&envelope, ackseq, reply, &mut buffer).unwrap();
    buffer[..len].to_vec()
}

pub(super) fn welcome() -> Reply<'static> {
    Reply::Login(LoginReply::Success(LoginSuccess { ip: Ipv4(0x7f00_0001), online_users: 2 }))
}

/// A text from Bob; `id` is written in sessions with ONCE.
pub(super) fn said(text: &'static str, id: Option<u64>) -> Reply<'static> {
    let kind = MessageKind::TEXT;
    Reply::Message(ServerMessage { kind, from: BOB, time: 5, text: Str(text.as_bytes()), domain: Some(Str(b"")), id })
}

/// The texts of messages among events.
pub(super) fn texts(events: &[Event]) -> Vec<&str> {
    let mut texts = Vec::new();
    for event in events {
        if let Event::Message { message: crate::Message::Text { text }, .. } = event {
            texts.push(text.as_str());
        }
    }
    texts
}

/// For tests of the wire's own view of a request.
pub(super) fn shows(sent: &Sent, request: &Wire<'_>) {
    assert_eq!(sent.body, format!("{request:?}"));
}
