//! A server and the bytes of a fuzzer: sessions that are right, datagrams that are not, and time that passes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::*;

use super::packets::PASSWORD;
use crate::host::{Delays, Host, config};

/// Longer conversations find nothing that shorter ones do not.
const MAX_STEPS: usize = 500;

/// Bytes of a step. A step that has more to say than these hold says less.
const STEP_LEN: usize = 32;

/// What an address may cost before it has acknowledged anything: so many times the bytes that came from it.
const MAX_REFLECTION: usize = 3;

/// One thing that happens.
#[derive(Arbitrary, Debug)]
enum Step<'a> {
    /// Any bytes at all, from any address.
    Raw { from: u8, bytes: &'a [u8] },
    /// Somebody registers.
    Register { from: u8 },
    /// Somebody logs in, with the right password or not.
    LogIn { from: u8, user: u8, status: u8, is_wrong: bool, offered: u8, is_proven: bool },
    /// A datagram of a session, well enciphered, whatever it says.
    Say { from: u8, request: Request<'a> },
    /// A message for somebody who is likely to exist.
    Message { from: u8, to: u8, kind: u8, text: &'a [u8] },
    /// The same, but as if from somebody else's address.
    Forge { from: u8, session: u8, request: Request<'a> },
    /// Everything that was received and not acknowledged yet is.
    Acknowledge { from: u8 },
    /// The last datagram of this address comes again.
    Repeat { from: u8 },
    /// So many tenths of a second pass.
    Wait { tenths: u8 },
    /// The server dies and begins anew, one time in sixteen.
    Crash { chance: u8 },
}

/// One address: what it knows of its session, and what it has cost.
#[derive(Default)]
struct Client {
    uin: Uin,
    session: SessionId,
    seq: u16,
    unacknowledged: Vec<Seq>,
    last: Vec<u8>,
    bytes_in: usize,
    bytes_out: usize,
    is_proven: bool,
    /// What it offered at its login, and the server has.
    offered: Capabilities,
    /// What is being sent acknowledges what came.
    acknowledging: bool,
}

impl Client {
    /// Another session, from the same address: what that has cost stays.
    fn begin(&mut self, uin: Uin, session: SessionId, seq: u16) {
        (self.uin, self.session, self.seq) = (uin, session, seq);
        self.unacknowledged.clear();
        self.offered = Capabilities::NONE;
    }
}

struct Play {
    host: Host,
    now: Instant,
    clients: BTreeMap<u8, Client>,
    datagrams: u64,
    logins: u32,
    /// The sessions that offered SEALED, also those from before.
    sealed: BTreeSet<SessionId>,
    key: Key,
}

/// Plays the steps that the bytes describe.
///
/// # Panics
/// When the server does, or sends more to an address that has proven nothing than it may, or does not count what it drops.
pub fn server_operations(data: &[u8]) {
    let mut config = config();
    config.limits.rates = false;
    config.limits.half_open_max = 16;
    config.limits.registrations_max = 16;
    let host = Host::new(config, Delays { commit: Duration::from_millis(5), ..Delays::NONE }, 1);
    let mut play = Play {
        host,
        now: Instant(1_000_000),
        clients: BTreeMap::new(),
        datagrams: 0,
        logins: 0,
        sealed: BTreeSet::new(),
        key: Key::new(PASSWORD),
    };
    for bytes in data.chunks(STEP_LEN).take(MAX_STEPS) {
        if let Ok(step) = Step::arbitrary_take_rest(Unstructured::new(bytes)) {
            play.step(step);
            // Long enough for a disk and a password.
            play.wait(Duration::from_millis(20));
        }
    }
    play.wait(Duration::from_secs(600));
    assert_eq!(play.host.sessions(), 0, "sessions end when nothing comes any more");
    assert!(play.host.is_idle());
}

impl Play {
    fn step(&mut self, step: Step<'_>) {
        match step {
            Step::Raw { from, bytes } => self.send(from % 8, bytes.to_vec()),
            Step::Register { from } => {
                let client = self.clients.entry(from % 8).or_default();
                client.begin(Uin::NONE, SessionId(u32::from(from) + 1), 100);
                self.request(from % 8, from % 8, 0, &Request::NewUin(NewUin { password: Secret(PASSWORD) }));
            }
            Step::LogIn { from, user, status, is_wrong, offered, is_proven } => {
                self.log_in(from % 8, user % 4, status % 5, is_wrong, offers(offered));
                if is_proven {
                    self.wait(Duration::from_millis(20));
                    self.acknowledge(from % 8);
                }
            }
            Step::Message { from, to, kind, text } => {
                let to = Uin(Uin::FIRST.0 + u32::from(to % 5));
                let text = Str(text.split(|&byte| byte == 0).next().unwrap_or_default());
                let said = SendMessage { kind: MessageKind(kind % 10), to, text, domain: None };
                self.request(from % 8, from % 8, 0, &Request::SendMessage(said));
            }
            Step::Say { from, request } => self.request(from % 8, from % 8, 0, &request),
            Step::Forge { from, session, request } => self.request(from % 8, session % 8, 0, &request),
            Step::Acknowledge { from } => self.acknowledge(from % 8),
            Step::Repeat { from } => {
                let last = self.clients.entry(from % 8).or_default().last.clone();
                self.send(from % 8, last);
            }
            Step::Wait { tenths } => self.wait(Duration::from_millis(100 * u64::from(tenths))),
            Step::Crash { chance } if chance < 16 => {
                self.host.crash(self.now);
                self.datagrams = 0;
            }
            Step::Crash { .. } => {}
        }
    }

    fn log_in(&mut self, from: u8, user: u8, status: u8, is_wrong: bool, offered: Capabilities) {
        let client = self.clients.entry(from).or_default();
        // Never one that had been there with other capabilities.
        self.logins += 1;
        let session = SessionId(1_000 + self.logins);
        client.begin(Uin(Uin::FIRST.0 + u32::from(user)), session, 60_000);
        let password = Secret(if is_wrong { b"wrong" } else { PASSWORD });
        let real_ip = Ipv4(0x7F00_0001);
        let login = Login { password, status: Status(status.into()), tcp_version: 1, real_ip, port: 32_765 };
        if offered.contains(Capabilities::SEALED) {
            self.sealed.insert(session);
        }
        self.request(from, from, offered.0, &Request::Login(login));
        self.clients.entry(from).or_default().offered = offered;
    }

    /// Sends a request in the session that `of` has, from the address of `from`.
    fn request(&mut self, from: u8, of: u8, reserved: u32, request: &Request<'_>) {
        let client = self.clients.entry(of).or_default();
        client.seq = client.seq.wrapping_add(1).max(1);
        let envelope = Envelope { reserved, uin: client.uin, session: client.session, seq: Seq::new(client.seq) };
        let mut buffer = [0; MAX_DATAGRAM];
        let form = if client.offered.contains(Capabilities::CBC) { CipherForm::Cbc } else { CipherForm::Original };
        let sealing = Some(Sealing { key: &self.key, form });
        if let Ok(len) = encode_request(&envelope, request, Some(3), sealing, &mut buffer) {
            self.send(from, buffer[..len].to_vec());
        }
    }

    fn acknowledge(&mut self, from: u8) {
        let client = self.clients.entry(from).or_default();
        let (uin, session) = (client.uin, client.session);
        client.acknowledging = true;
        for seq in std::mem::take(&mut client.unacknowledged) {
            let mut buffer = [0; HEADER_LEN];
            let envelope = Envelope { reserved: 0, uin, session, seq: Some(seq) };
            encode_request(&envelope, &Request::Ack, None, None, &mut buffer).unwrap();
            self.send(from, buffer.to_vec());
        }
        self.clients.entry(from).or_default().acknowledging = false;
    }

    fn send(&mut self, from: u8, datagram: Vec<u8>) {
        let client = self.clients.entry(from).or_default();
        client.bytes_in += datagram.len();
        client.last.clone_from(&datagram);
        if let Ok((ClientHeader { command: 1, seq: Some(seq), .. }, _)) = ClientHeader::decode(&datagram) {
            client.is_proven |= client.unacknowledged.contains(&seq) || client.acknowledging;
        }
        self.datagrams += 1;
        self.host.handle_datagram(self.now, address(from), &datagram);
        self.receive();
        assert_eq!(self.host.counters().value("datagrams_received"), self.datagrams, "each is counted");
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.host.advance(self.now);
        self.receive();
    }

    fn receive(&mut self) {
        for (to, bytes) in self.host.take_sent() {
            let client = self
                .clients
                .get_mut(&u8::try_from(to.port() - 40_000).unwrap())
                .expect("nobody was spoken to who had not spoken");
            client.bytes_out += bytes.len();
            let (header, body) = ServerHeader::decode(&bytes).expect("what the server sends is a packet");
            header.known_command().expect("of a known command");
            let key = self.sealed.contains(&header.session).then_some(&self.key);
            let mut scratch = [0; MAX_DATAGRAM];
            let reply = open_reply(&header, body, key, &mut scratch).expect("and whole");
            if let Reply::NewUin(reply) = reply {
                client.uin = reply.uin;
            }
            assert!(
                client.is_proven || client.bytes_out <= MAX_REFLECTION * client.bytes_in,
                "{} bytes for {} from an address that has proven nothing",
                client.bytes_out,
                client.bytes_in
            );
            client.unacknowledged.extend(header.seq);
        }
        assert!(self.host.sessions() <= 16 + 8, "{} sessions", self.host.sessions());
    }
}

fn address(from: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 40_000 + u16::from(from)))
}

/// The first bit is that of the capability that came first.
fn offers(bits: u8) -> Capabilities {
    let all = [Capabilities::ONCE, Capabilities::CBC, Capabilities::UTF8, Capabilities::SEALED, Capabilities::RECEIPTS];
    let chosen = all.into_iter().enumerate().filter(|(bit, _)| bits & 1 << bit != 0);
    chosen.fold(Capabilities::NONE, |offered, (_, one)| offered.union(one))
}
