//! What several shards do together that one does alone.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test: what is not as it must be ends it, or is shown"
)]

use std::net::SocketAddr;
use std::time::Duration;

use myicq_server::store;
use myicq_tests::host::{Delays, Host, config};
use myicq_wire::*;

const PASSWORD: &[u8] = b"hunter2";
const SESSION: SessionId = SessionId(77);

struct Newcomer {
    host: Host,
    now: Instant,
    address: SocketAddr,
}

impl Newcomer {
    fn new() -> Self {
        let delays = Delays { post: Duration::from_millis(1), ..Delays::NONE };
        let host = Host::with_shards(2, config(), delays, 1);
        Self { host, now: Instant(1_000_000), address: SocketAddr::from(([127, 0, 0, 1], 4_000)) }
    }

    /// Sends a request, lets a moment pass, and says what came back.
    fn ask(&mut self, uin: Uin, seq: u16, request: &Request<'_>) -> Vec<(ServerHeader, Vec<u8>)> {
        let envelope = Envelope { reserved: 0, uin, session: SESSION, seq: Seq::new(seq) };
        let mut buffer = [0; MAX_DATAGRAM];
        let len = encode_request(&envelope, request, None, None, &mut buffer).unwrap();
        self.host.handle_datagram(self.now, self.address, &buffer[..len]);
        self.now = self.now + Duration::from_millis(10);
        self.host.advance(self.now);
        let sent = self.host.take_sent().into_iter();
        sent.map(|(_, bytes)| ServerHeader::decode(&bytes).map(|(header, body)| (header, body.to_vec())).unwrap())
            .collect()
    }

    fn register(&mut self) -> (Uin, Seq) {
        let replies = self.ask(Uin::NONE, 1, &Request::NewUin(NewUin { password: Secret(PASSWORD) }));
        let [(header, body)] = &replies[..] else { panic!("{replies:?}") };
        let Ok(Reply::NewUin(NewUinReply { uin, .. })) = Reply::decode(Command::NewUin, body) else {
            panic!("{body:?}")
        };
        (uin, header.seq.unwrap())
    }

    fn log_in(&mut self, uin: Uin, seq: u16) -> Vec<(ServerHeader, Vec<u8>)> {
        let (password, status, real_ip) = (Secret(PASSWORD), Status::ONLINE, Ipv4(0x7F00_0001));
        self.ask(uin, seq, &Request::Login(Login { password, status, tcp_version: 1, real_ip, port: 32_765 }))
    }
}

/// The clients of 2003 remember the numbers of a socket's session: one that came twice would be lost on them.
#[test]
fn a_login_goes_on_with_the_numbers_of_its_registration_on_another_shard() {
    for first in 0..2 {
        let mut newcomer = Newcomer::new();
        for _ in 0..first {
            newcomer.host.add_user(b"somebody else");
        }
        let (uin, registered) = newcomer.register();
        assert_eq!(
            uin.0,
            Uin::FIRST.0 + first,
            "one of the two belongs to the shard that registers, the other does not"
        );
        let replies = newcomer.log_in(uin, 2);
        let [(reply, _)] = &replies[..] else { panic!("{replies:?}") };
        assert_eq!(reply.seq, Some(registered.next()), "user {uin}");
    }
}

/// A client of 2003 acknowledges its registration after it has sent the LOGIN.
#[test]
fn a_late_acknowledgement_of_the_registration_proves_the_address_on_the_other_shard() {
    let mut newcomer = Newcomer::new();
    let (uin, registered) = newcomer.register();
    newcomer.log_in(uin, 2);
    assert_eq!(newcomer.host.counters().value("sessions_opened"), 0);
    newcomer.ask(uin, registered.number(), &Request::Ack);
    assert_eq!(newcomer.host.counters().value("sessions_opened"), 1);
    assert_eq!(newcomer.host.counters().value("registrations"), 1);
}

/// One datagram for those of each shard, not one for each of them.
#[test]
fn who_comes_is_told_of_all_who_are_here_at_once() {
    let mut newcomer = Newcomer::new();
    newcomer.host.add_users(40, PASSWORD);
    let [watcher, others @ ..] = &(0..40).map(|number| Uin(Uin::FIRST.0 + number)).collect::<Vec<_>>()[..] else {
        panic!("there are 40")
    };
    for &contact in others {
        let work = store::Work::AddContact { owner: *watcher, contact, max: 256 };
        newcomer.host.store_mut().apply(&store::Request { ticket: store::Ticket(0), work });
    }
    let mut come = |uin: Uin| {
        newcomer.address.set_port(u16::try_from(uin.0).unwrap());
        let replies = newcomer.log_in(uin, 1);
        newcomer.ask(uin, replies[0].0.seq.unwrap().number(), &Request::Ack)
    };
    for &other in others {
        come(other);
    }
    let mut told = Vec::new();
    for (header, body) in come(*watcher).iter().filter(|(header, _)| header.uin == *watcher) {
        match Reply::decode(header.known_command().unwrap(), body).unwrap() {
            Reply::MultiOnline(here) => told.push(here.iter().map(|presence| presence.uin).collect::<Vec<_>>()),
            Reply::GroupTypes(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told.len(), 2);
    let mut told = told.concat();
    told.sort_unstable();
    assert_eq!(told, others);
}
