//! A message from one client to another costs the server no allocation, once it has relayed as many before.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "this is test: what is not as it must be ends it, or is shown"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use myicq_server::store::{self, MemoryStore, Ticket, Work};
use myicq_server::{Input, Now, Output, Shard, Share, passwords};
use myicq_tests::host::config;
use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

const PASSWORD: &[u8] = b"hunter2";

struct Client {
    uin: Uin,
    address: SocketAddr,
    seq: Seq,
    key: Key,
}

/// A shard whose surroundings answer at once, and its clients, of 2003 or with all that there is.
struct Relay {
    shard: Shard,
    store: MemoryStore,
    time: u64,
    clients: Vec<Client>,
    /// Acknowledgements that the clients owe, by the client.
    owed: Vec<(usize, Seq)>,
    acknowledged: usize,
    offered: Capabilities,
}

impl Relay {
    fn new(clients: u32, offered: Capabilities) -> Self {
        let mut store = MemoryStore::default();
        let password_hash = passwords::hash(PASSWORD, [1; 16], &config().security).unwrap();
        for _ in 0..clients {
            let work = Work::AddUser { uin: None, nick: String::new(), password_hash: password_hash.clone() };
            store.apply(&store::Request { ticket: Ticket(0), work });
        }
        let client = |number: u32| Client {
            uin: Uin(Uin::FIRST.0 + number),
            address: SocketAddr::from(([127, 0, 0, 1], 20_000 + u16::try_from(number).unwrap())),
            seq: Seq::FIRST,
            key: Key::new(PASSWORD),
        };
        let shard = Shard::new(Arc::new(config()), Share::whole(), StdRng::seed_from_u64(1)).unwrap();
        let clients = (0..clients).map(client).collect();
        let mut relay = Self { shard, store, time: 1_000_000, clients, owed: Vec::new(), acknowledged: 0, offered };
        for client in 0..relay.clients.len() {
            let (password, status, real_ip) = (Secret(PASSWORD), Status::ONLINE, Ipv4(0x7F00_0001));
            relay.send(
                client,
                &Request::Login(Login { password, status, tcp_version: 1, real_ip, port: 32_765 }),
                None,
            );
        }
        relay
    }

    fn now(&self) -> Now {
        Now { instant: Instant(self.time), unix: UnixTime(1_800_000_000_000_000 + self.time) }
    }

    fn input(&mut self, input: Input<'_>) {
        self.shard.handle_input(self.now(), input);
        while let Some(output) = self.shard.poll_output() {
            let (reply, result) = match output {
                Output::Datagram { to, bytes } => {
                    let (header, _) = ServerHeader::decode(bytes).unwrap();
                    let client = usize::from(to.port() - 20_000);
                    self.owed.extend(header.seq.map(|seq| (client, seq)));
                    self.acknowledged += usize::from(header.seq.is_none());
                    continue;
                }
                Output::Store(request) => (Some(self.store.apply(&request)), None),
                Output::Password(job) => (None, Some(passwords::run(&job, [7; 16], &config().security))),
                Output::Relay(_) => panic!("nobody asked for a relay"),
                Output::Broadcast { .. } => panic!("nobody said anything to everybody"),
                Output::Post { .. } => panic!("a post to nobody"),
                Output::Errand { .. } => panic!("nobody has sent it on an errand"),
            };
            reply.into_iter().for_each(|reply| self.input(Input::Store(reply)));
            result.into_iter().for_each(|result| self.input(Input::Password(result)));
        }
    }

    /// One client sends, and all acknowledge what comes.
    fn send(&mut self, client: usize, request: &Request<'_>, seq: Option<Seq>) {
        self.time += 10;
        let mut buffer = [0; MAX_DATAGRAM];
        let sender = &mut self.clients[client];
        let own = seq.unwrap_or(sender.seq);
        if seq.is_none() {
            sender.seq = own.next();
        }
        let (uin, session) = (sender.uin, SessionId(sender.uin.0));
        let reserved = if request.command() == Command::Login { self.offered.0 } else { 0 };
        let envelope = Envelope { reserved, uin, session, seq: Some(own) };
        let form = if self.offered.is_empty() { CipherForm::Original } else { CipherForm::Cbc };
        let sealing = Some(Sealing { key: &sender.key, form });
        let check = (request.command() != Command::Login).then_some(3);
        let (from, len) = (sender.address, encode_request(&envelope, request, check, sealing, &mut buffer).unwrap());
        self.input(Input::Datagram { from, bytes: &buffer[..len] });
        while let Some((client, seq)) = self.owed.pop() {
            self.send(client, &Request::Ack, Some(seq));
        }
    }

    /// Everybody says something to the next one.
    fn round(&mut self) {
        for client in 0..self.clients.len() {
            let to = self.clients[(client + 1) % self.clients.len()].uin;
            let text = Str(b"good morning, how are you today? The coffee is ready in the lab.");
            self.send(
                client,
                &Request::SendMessage(SendMessage { kind: MessageKind::TEXT, to, text, domain: None }),
                None,
            );
        }
        // Timers fire too.
        self.time += Duration::from_millis(400).as_micros() as u64;
        self.input(Input::Timeout);
    }
}

#[test]
fn a_message_allocates_nothing() {
    for offered in [Capabilities::NONE, Capabilities(0x2f)] {
        relay_and_count(offered);
    }
}

fn relay_and_count(offered: Capabilities) {
    let mut relay = Relay::new(8, offered);
    for _ in 0..200 {
        relay.round();
    }
    relay.acknowledged = 0;
    let counted = measure(|| (0..100).for_each(|_| relay.round()));
    assert_eq!(relay.acknowledged, 800, "every message was delivered and acknowledged");
    assert_eq!(counted.count_total, 0, "{offered:?}");
}
