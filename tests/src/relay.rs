//! A server without sockets and disk, and any number of clients with the capability ONCE, for benchmarks: what a conversation
//! costs the shard alone. Enciphering the clients' datagrams is part of it, their memory hardly: six bytes each.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::{
    Address, Capabilities, Envelope, Instant, Ipv4, KeepAlive, Login, MAX_DATAGRAM, MessageKind, Request, Sealing,
    Secret, SendMessage, Seq, ServerHeader, SessionId, Status, Str, Uin, encode_request,
};

use crate::host::{Delays, Host, config};

const PASSWORD: &[u8] = b"hunter2";

/// Virtual time from one datagram to the next: 100,000 a second.
const PACE: Duration = Duration::from_micros(10);

/// The first client's address. The others follow it.
const FIRST_ADDRESS: u32 = 0x0A00_0000;

/// How far it is from one who speaks to the next in [`Relay::say_to_the_next`]: a prime, so that all get their turn, and none of them is
/// near the one before.
const STRIDE: u32 = 7_919;

/// One end of a session.
#[derive(Clone, Copy, Debug)]
struct Client {
    /// How many sessions it has had, for the number of this one.
    logins: u32,
    seq: Seq,
}

/// The server and its clients. Users are numbered from 0, those who are logged in before those who are not.
#[derive(Debug)]
pub struct Relay {
    host: Host,
    now: Instant,
    key: Key,
    clients: Vec<Client>,
    speaker: u32,
    /// For one datagram. Clearing it each time would show in the figures.
    room: Vec<u8>,
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("fewer clients than addresses")
}

impl Relay {
    /// Makes users of both kinds, and logs in the first.
    pub fn new(online: u32, away: u32) -> Self {
        let mut config = config();
        // A benchmark says more than anybody reads.
        let limits = &mut config.limits;
        (limits.offline_max, limits.offline_pair_max) = (usize::MAX, usize::MAX);
        (limits.offline_bytes_max, limits.offline_day_max) = (usize::MAX, usize::MAX);
        let mut host = Host::new(config, Delays::NONE, 1);
        host.add_users(online + away, PASSWORD);
        let client = Client { logins: 0, seq: Seq::FIRST };
        let clients = vec![client; (online + away) as usize];
        let (key, room) = (Key::new(PASSWORD), vec![0; MAX_DATAGRAM]);
        let mut relay = Self { host, now: Instant(1_000_000), key, clients, speaker: 0, room };
        (0..online).for_each(|user| {
            relay.log_in(user);
        });
        relay
    }

    fn uin(user: u32) -> Uin {
        Uin(Uin::FIRST.0 + user)
    }

    /// Sends a request, or acknowledges `seq`, and acknowledges all that comes to anybody in turn. How many datagrams that took.
    fn send(&mut self, user: u32, request: &Request<'_>, reserved: u32, seq: Option<Seq>) -> usize {
        self.now = self.now + PACE;
        let client = &mut self.clients[user as usize];
        let own = client.seq;
        if seq.is_none() {
            client.seq = own.next();
        }
        let session = SessionId(client.logins + 1);
        let envelope = Envelope { reserved, uin: Self::uin(user), session, seq: seq.or(Some(own)) };
        let sealing = Some(Sealing { key: &self.key, form: CipherForm::Original });
        let len = encode_request(&envelope, request, Some(3), sealing, &mut self.room).unwrap();
        let from = SocketAddr::from(((FIRST_ADDRESS + user).to_be_bytes(), 20_000));
        self.host.handle_datagram(self.now, from, &self.room[..len]);
        let mut count = 1;
        for (to, datagram) in self.host.take_sent() {
            let (header, _) = ServerHeader::decode(&datagram).unwrap();
            count += 1;
            if let (Some(_), IpAddr::V4(ip)) = (header.seq, to.ip()) {
                count += self.send(u32::from(ip) - FIRST_ADDRESS, &Request::Ack, 0, header.seq);
            }
        }
        count
    }

    /// LOGIN and its reply, the acknowledgement that proves the address, and whatever waits for the user.
    pub fn log_in(&mut self, user: u32) -> usize {
        let password = Secret(PASSWORD);
        let login =
            Login { password, status: Status::ONLINE, tcp_version: 1, real_ip: Ipv4(0x7F00_0001), port: 32_765 };
        self.send(user, &Request::Login(login), Capabilities::ONCE.0, None)
    }

    /// LOGOUT, which nobody answers. The next session has another number.
    pub fn log_out(&mut self, user: u32) -> usize {
        let count = self.send(user, &Request::Logout, 0, None);
        self.clients[user as usize].logins += 1;
        count
    }

    /// SEND_MSG in, SRV_MESSAGE out, its acknowledgement in, the sender's acknowledgement out: four datagrams. To somebody who is away,
    /// two, and a message in the store.
    pub fn say(&mut self, from: u32, to: u32, text: &[u8]) -> usize {
        let said = SendMessage { kind: MessageKind::TEXT, to: Self::uin(to), text: Str(text), domain: None };
        self.send(from, &Request::SendMessage(said), 0, None)
    }

    /// One user says something to another one, and the next time two others do, until all have had their turn. Nothing that the last
    /// message has left in the processor's caches helps this one.
    pub fn say_to_the_next(&mut self, text: &[u8]) -> usize {
        let users = number(self.clients.len());
        self.speaker = (self.speaker + STRIDE) % users;
        self.say(self.speaker, (self.speaker + users / 2) % users, text)
    }

    /// KEEPALIVE, and its reply.
    pub fn keep_alive(&mut self, user: u32) -> usize {
        self.send(user, &Request::KeepAlive(KeepAlive { random: 7 }), 0, None)
    }

    /// Puts the second on the list of the first.
    pub fn add_contact(&mut self, owner: u32, contact: u32) -> usize {
        self.send(owner, &Request::AddFriend(Address { uin: Self::uin(contact), domain: None }), 0, None)
    }

    /// Shows another status: one datagram and its acknowledgement, and two for each who watches.
    pub fn change_status(&mut self, user: u32, status: Status) -> usize {
        self.send(user, &Request::ChangeStatus(myicq_wire::ChangeStatus { status }), 0, None)
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.host.sessions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_heard() {
        let mut relay = Relay::new(6, 2);
        assert_eq!((relay.sessions(), relay.say(0, 5, b"hello")), (6, 4));
        assert_eq!(relay.say(0, 7, b"hello"), 2, "said to the store");
        assert_eq!(
            relay.log_in(7),
            3 + 2 + 2,
            "and heard: LOGIN, reply, proof; types of groups, message, and the acknowledgement of each"
        );
        for watcher in 1..6 {
            relay.add_contact(watcher, 0);
        }
        assert_eq!(relay.change_status(0, Status::AWAY), 2 + 2 * 5);
        assert_eq!(relay.log_out(5), 1);
        assert_eq!(relay.change_status(0, Status::ONLINE), 2 + 2 * 4);
        relay.log_in(5);
        assert_eq!(relay.keep_alive(5), 2);
        let mut all = Relay::new(4, 0);
        assert!((0..8).all(|_| all.say_to_the_next(b"hello") == 4));
    }
}
