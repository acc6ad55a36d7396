//! Many users at both programs, on real sockets, who talk in pairs without a pause: what becomes of them when their server ends and
//! starts again.
#![expect(clippy::disallowed_methods, reason = "a driver: it reads the clock and opens the sockets")]

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use myicq_client::SeenMessages;
use myicq_client::account::Registration;
use myicq_wire::{Capabilities, ClientHeader, Command, Instant, MAX_DATAGRAM, ServerHeader, SessionId, Status, Uin};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::client::{self, Ask, Notice, Ours, Session};
use crate::original::Original;

const PASSWORD: &str = "hunter2";

/// So many share a socket, which would lose what comes for more.
const PER_SOCKET: usize = 32;

/// How long nothing may happen before it is taken for lost: longer than the programs need to give up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a user says to the other one of his pair.
#[derive(Debug)]
struct Said {
    from: usize,
    is_acknowledged: bool,
    shown: usize,
}

/// A user and his program.
#[derive(Debug, Default)]
struct Member {
    uin: Uin,
    session: Option<Session>,
    is_online: bool,
    /// Messages of his that were acknowledged.
    acknowledged: usize,
    is_waiting: bool,
}

/// What has happened since this was last taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// LOGINs that were sent.
    pub logins: usize,
    /// Sessions that ended.
    pub ended: usize,
    /// Datagrams with news of who is here.
    pub presence: usize,
    /// Messages that were acknowledged to their senders.
    pub acknowledged: usize,
    /// Messages of which the sender does not know.
    pub unclear: usize,
}

/// All of them.
#[derive(Debug)]
pub struct Multitude {
    server: SocketAddr,
    members: Vec<Member>,
    of_session: HashMap<SessionId, usize>,
    sockets: Vec<UdpSocket>,
    poll: Poll,
    random: StdRng,
    began: std::time::Instant,
    said: Vec<Said>,
    asked: HashMap<u64, usize>,
    next_ask: u64,
    /// Nobody begins to say anything more.
    is_quiet: bool,
    /// What has happened.
    pub tally: Tally,
}

impl Multitude {
    /// So many users, registered with a server; every second has this project's client, the others that of 2003.
    pub fn new(server: SocketAddr, count: usize) -> Self {
        let poll = Poll::new().unwrap();
        let open = |token| {
            let mut socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
            poll.registry().register(&mut socket, Token(token), Interest::READABLE).unwrap();
            socket
        };
        let sockets = (0..count.div_ceil(PER_SOCKET)).map(open).collect();
        let mut multitude = Self {
            server,
            members: (0..count).map(|_| Member::default()).collect(),
            of_session: HashMap::new(),
            sockets,
            poll,
            random: StdRng::seed_from_u64(7),
            began: std::time::Instant::now(),
            said: Vec::new(),
            asked: HashMap::new(),
            next_ask: 1,
            is_quiet: true,
            tally: Tally::default(),
        };
        multitude.register();
        multitude
    }

    fn now(&self) -> Instant {
        Instant(1_000_000) + self.began.elapsed()
    }

    /// One after the other: it takes a round trip each.
    fn register(&mut self) {
        for member in 0..self.members.len() {
            let mut registration: Registration = client::register(PASSWORD, self.random.random());
            let mut last = self.now();
            let uin = loop {
                let now = self.now();
                assert!(now.since(last) < PATIENCE, "nobody is registered");
                while let Some(datagram) = registration.poll_transmit(now) {
                    last = now;
                    self.send(member, &datagram);
                }
                if let Some(uin) = client::registered(&registration).expect("a registration that is not refused") {
                    break uin;
                }
                for (_, datagram) in self.receive(Duration::from_millis(100)) {
                    registration.handle_datagram(&datagram);
                }
            };
            self.members[member].uin = uin;
        }
    }

    /// Opens a session of each, and puts the other one of his pair on his list.
    pub fn log_in(&mut self) {
        for member in 0..self.members.len() {
            let (now, random, uin) = (self.now(), self.random.random::<[u8; 14]>(), self.members[member].uin);
            let session = if member % 2 == 0 {
                let offered = Capabilities(u32::from(random[13])).intersection(myicq_client::SUPPORTED);
                let offered = offered.union(Capabilities::ONCE);
                let ours = Ours::new(uin, PASSWORD, Status::ONLINE, offered, random, SeenMessages::default());
                Session::Ours(Box::new(ours))
            } else {
                Session::Original(Box::new(Original::new(now, uin, PASSWORD, Status::ONLINE, random, true)))
            };
            self.members[member].session = Some(session);
            self.pump(member);
        }
        self.run_until("all are logged in", |all| all.members.iter().all(|member| member.is_online));
        for member in 0..self.members.len() {
            let contact = self.members[member ^ 1].uin;
            self.ask(member, &Ask::Add(contact));
        }
        self.run_until("all lists are made", |all| all.asked.is_empty() && all.members.iter().all(|it| !it.is_waiting));
    }

    /// Lets them talk until each has had so many messages acknowledged since now, and until this is so, too.
    pub fn talk(&mut self, count: usize, mut is_so: impl FnMut() -> bool) {
        self.is_quiet = false;
        self.members.iter_mut().for_each(|member| member.acknowledged = 0);
        for member in 0..self.members.len() {
            if !self.members[member].is_waiting {
                self.say(member);
            }
        }
        self.run_until("all have said what they have to say", |all| {
            all.members.iter().all(|member| member.acknowledged >= count) && is_so()
        });
    }

    /// Nobody says anything more; waits until all know what became of what they said, and what was acknowledged is shown.
    pub fn fall_silent(&mut self) {
        self.is_quiet = true;
        self.run_until("all have heard what became of what they said", |all| {
            all.members.iter().all(|member| !member.is_waiting)
                && all.said.iter().all(|said| !said.is_acknowledged || said.shown > 0)
        });
    }

    /// What was acknowledged and shown to nobody, and what our clients were shown twice by our clients.
    pub fn wrong(&self) -> (usize, usize) {
        let lost = self.said.iter().filter(|said| said.is_acknowledged && said.shown == 0).count();
        (lost, self.said.iter().filter(|said| said.shown > 1 && said.from % 2 == 0).count())
    }

    fn say(&mut self, member: usize) {
        let (number, to) = (self.said.len(), self.partner(member));
        self.said.push(Said { from: member, is_acknowledged: false, shown: 0 });
        let what = Ask::Say { to: self.members[to].uin, text: format!("message {number}") };
        let ask = self.ask(member, &what);
        self.asked.insert(ask, number);
    }

    /// Who has the same program, in the next pair, as every other one has: so both programs talk to their like.
    fn partner(&self, member: usize) -> usize {
        let partner = if member % 4 < 2 { member + 2 } else { member - 2 };
        if partner < self.members.len() { partner } else { member ^ 1 }
    }

    fn ask(&mut self, member: usize, what: &Ask) -> u64 {
        let (ask, now) = (self.next_ask, self.now());
        self.next_ask += 1;
        let session = self.members[member].session.as_mut().expect("everybody has a session");
        session.ask(now, ask, what).expect("nothing that a program refuses");
        self.members[member].is_waiting = true;
        self.pump(member);
        ask
    }

    fn send(&mut self, member: usize, datagram: &[u8]) {
        let command = ClientHeader::decode(datagram).ok().and_then(|(header, _)| header.known_command());
        self.tally.logins += usize::from(command == Some(Command::Login));
        // What there is no room for, and what nobody takes, is lost on the way.
        let _ = self.sockets[member / PER_SOCKET].send_to(datagram, self.server);
    }

    /// What has come to any of them, once something has or the time is over.
    fn receive(&mut self, wait: Duration) -> Vec<(SessionId, Vec<u8>)> {
        let mut events = Events::with_capacity(self.sockets.len());
        // An interruption is no failure.
        let _ = self.poll.poll(&mut events, Some(wait));
        let mut all = Vec::new();
        for event in &events {
            let mut buffer = [0; MAX_DATAGRAM];
            loop {
                match self.sockets[event.token().0].recv(&mut buffer) {
                    Ok(len) => {
                        if let Ok((header, _)) = ServerHeader::decode(&buffer[..len]) {
                            all.push((header.session, buffer[..len].to_vec()));
                        }
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    // The system says that nobody listens there: it is just starting again.
                    Err(_) => {}
                }
            }
        }
        all
    }

    fn run_until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let mut last = (self.now(), self.tally);
        while !is_so(self) {
            for (session, datagram) in self.receive(Duration::from_millis(5)) {
                let Some(&member) = self.of_session.get(&session) else { continue };
                let command = ServerHeader::decode(&datagram).ok().and_then(|(header, _)| header.known_command());
                let is_presence = matches!(
                    command,
                    Some(Command::UserOnline | Command::UserOffline | Command::MultiOnline | Command::StatusChanged)
                );
                self.tally.presence += usize::from(is_presence);
                let now = self.now();
                if let Some(session) = &mut self.members[member].session {
                    session.handle_datagram(now, &datagram);
                }
                self.pump(member);
            }
            let now = self.now();
            for member in 0..self.members.len() {
                let session = self.members[member].session.as_mut();
                if let Some(session) = session.filter(|session| session.poll_timeout().is_some_and(|at| at <= now)) {
                    session.handle_timeout(now);
                    self.pump(member);
                }
            }
            if self.tally != last.1 {
                last = (now, self.tally);
            }
            assert!(now.since(last.0) < PATIENCE, "it does not come that {what}: {:?}", self.tally);
        }
    }

    /// Does all that a program wants done.
    fn pump(&mut self, member: usize) {
        loop {
            let now = self.now();
            let Some(session) = &mut self.members[member].session else { return };
            let mut datagrams: Vec<_> = std::iter::from_fn(|| session.poll_transmit(now)).collect();
            let notices = session.notices();
            datagrams.extend(std::iter::from_fn(|| session.poll_transmit(now)));
            for datagram in &datagrams {
                if let Ok((header, _)) = ClientHeader::decode(datagram) {
                    self.of_session.insert(header.session, member);
                }
                self.send(member, datagram);
            }
            if notices.is_empty() {
                return;
            }
            notices.iter().for_each(|notice| self.on_notice(member, notice));
        }
    }

    fn on_notice(&mut self, member: usize, notice: &Notice) {
        match notice {
            Notice::LoggedIn => self.members[member].is_online = true,
            Notice::Ended(_) => self.tally.ended += 1,
            Notice::Message { text, .. } => {
                let number = text.strip_prefix("message ").and_then(|number| number.parse::<usize>().ok());
                if let Some(said) = number.and_then(|number| self.said.get_mut(number)) {
                    said.shown += 1;
                }
            }
            Notice::Verdict { ask, done } => {
                self.members[member].is_waiting = false;
                if let Some(number) = self.asked.remove(ask) {
                    self.said[number].is_acknowledged = *done;
                    self.tally.acknowledged += usize::from(*done);
                    self.tally.unclear += usize::from(!done);
                    self.members[member].acknowledged += usize::from(*done);
                    if !self.is_quiet {
                        self.say(member);
                    }
                }
            }
            _ => {}
        }
    }
}
