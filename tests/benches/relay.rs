//! Datagrams through frontend and hub, without a socket and without a disk: `cargo bench -p myicq-tests --bench relay`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark of what does not work is worth nothing")]

use std::net::SocketAddr;
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use myicq_tests::host::{Delays, Host, config};
use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::*;

const PASSWORD: &[u8] = b"hunter2";

fn main() {
    divan::main();
}

/// One end of a session with the capability ONCE.
struct Client {
    address: SocketAddr,
    uin: Uin,
    session: SessionId,
    seq: Seq,
    key: Key,
}

impl Client {
    fn new(number: u16) -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 20_000 + number)),
            uin: Uin(Uin::FIRST.0 + u32::from(number)),
            session: SessionId(u32::from(number) + 1),
            seq: Seq::FIRST,
            key: Key::new(PASSWORD),
        }
    }

    fn encode(&mut self, request: &Request<'_>, reserved: u32, seq: Option<Seq>, buffer: &mut [u8]) -> usize {
        let own = self.seq;
        if seq.is_none() {
            self.seq = own.next();
        }
        let envelope = Envelope { reserved, uin: self.uin, session: self.session, seq: seq.or(Some(own)) };
        let sealing = Some(Sealing { key: &self.key, form: CipherForm::Original });
        encode_request(&envelope, request, Some(3), sealing, buffer).unwrap()
    }
}

struct Relay {
    host: Host,
    now: Instant,
    sender: Client,
    recipient: Client,
}

impl Relay {
    fn new() -> Self {
        let mut host = Host::new(config(), Delays::NONE, 1);
        host.add_user(PASSWORD);
        host.add_user(PASSWORD);
        let mut relay = Self { host, now: Instant(1_000_000), sender: Client::new(0), recipient: Client::new(1) };
        relay.log_in(true);
        relay.log_in(false);
        relay
    }

    /// One client sends, and acknowledges all that comes to it.
    fn send(&mut self, is_sender: bool, request: &Request<'_>, reserved: u32, seq: Option<Seq>) -> usize {
        self.now = self.now + Duration::from_micros(10);
        let client = if is_sender { &mut self.sender } else { &mut self.recipient };
        let mut buffer = [0; MAX_DATAGRAM];
        let len = client.encode(request, reserved, seq, &mut buffer);
        self.host.handle_datagram(self.now, client.address, &buffer[..len]);
        let mut count = 1;
        for (to, datagram) in self.host.take_sent() {
            let (header, _) = ServerHeader::decode(&datagram).unwrap();
            count += 1;
            if header.seq.is_some() {
                count += self.send(to == self.sender.address, &Request::Ack, 0, header.seq);
            }
        }
        count
    }

    fn log_in(&mut self, is_sender: bool) -> usize {
        let password = Secret(PASSWORD);
        let login =
            Login { password, status: Status::ONLINE, tcp_version: 1, real_ip: Ipv4(0x7F00_0001), port: 32_765 };
        self.send(is_sender, &Request::Login(login), Capabilities::ONCE.0, None)
    }

    fn say(&mut self, text: &[u8]) -> usize {
        let said = SendMessage { kind: MessageKind::TEXT, to: self.recipient.uin, text: Str(text), domain: None };
        self.send(true, &Request::SendMessage(said), 0, None)
    }
}

/// SEND_MSG in, SRV_MESSAGE out, its acknowledgement in, the sender's acknowledgement out: four datagrams.
#[divan::bench(args = [16, 64, 450])]
fn message(bencher: Bencher<'_, '_>, len: usize) {
    let mut relay = Relay::new();
    let text = vec![b'x'; len];
    assert_eq!(relay.say(&text), 4);
    bencher.counter(ItemsCount::new(4_u32)).bench_local(|| black_box(relay.say(&text)));
}

/// KEEPALIVE in, its reply out and acknowledged by nobody in version 1; here its number counts.
#[divan::bench]
fn keep_alive(bencher: Bencher<'_, '_>) {
    let mut relay = Relay::new();
    let request = Request::KeepAlive(KeepAlive { random: 7 });
    bencher.counter(ItemsCount::new(2_u32)).bench_local(|| black_box(relay.send(true, &request, 0, None)));
}

/// A login until the address is proven, with a password that costs next to nothing; then a logout.
#[divan::bench]
fn log_in_and_out(bencher: Bencher<'_, '_>) {
    let mut relay = Relay::new();
    bencher.bench_local(|| {
        relay.send(true, &Request::Logout, 0, None);
        relay.sender.session = SessionId(relay.sender.session.0 + 2);
        black_box(relay.log_in(true))
    });
}
