//! One server, some users at their programs, and a network between them, in virtual time. Nothing here waits, and the same seed
//! gives the same course.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use myicq_client::account::Registration;
use myicq_client::{SUPPORTED, SeenMessages};
use myicq_server::config::Config;
use myicq_server::passwords;
use myicq_server::store::{Outcome, Request, Ticket, Work};
use myicq_wire::{Capabilities, Instant, Status, Uin};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::client::{self, Ask, Notice, Ours, Session};
use crate::host::{Delays, Host};
use crate::network::{Network, Weather};
use crate::original::Original;

/// Which program a user has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    /// This project's client.
    Ours,
    /// The client of 2003.
    Original,
}

/// A user.
#[derive(Debug)]
pub struct User {
    /// His number, once he has one.
    pub uin: Uin,
    /// What he logs in with.
    pub password: String,
    /// At which program he sits.
    pub program: Program,
    /// What he wants to be shown as.
    pub status: Status,
    /// What he is shown his contacts as.
    pub view: BTreeMap<Uin, Status>,
    /// What he got to see since this was last taken.
    pub notices: Vec<(Instant, Notice)>,
    session: Option<(SocketAddr, Session)>,
    registration: Option<(SocketAddr, Registration)>,
    seen: SeenMessages,
    knows_profile: bool,
    is_online: bool,
}

impl User {
    /// Whether his session is open, as far as he knows.
    pub fn is_online(&self) -> bool {
        self.is_online
    }

    /// Whether he has a session, open or about to be.
    pub fn has_session(&self) -> bool {
        self.session.is_some()
    }
}

/// What is on its way.
#[derive(Debug)]
struct Flying {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// ONCE, without which nobody promises what the oracle asks for, and any of the others.
fn offered(random: [u8; 14]) -> Capabilities {
    Capabilities(u32::from(random[13])).intersection(SUPPORTED).union(Capabilities::ONCE)
}

/// All of it.
#[derive(Debug)]
pub struct World {
    /// What time it is.
    pub now: Instant,
    /// The server.
    pub host: Host,
    /// The users, by their order.
    pub users: Vec<User>,
    /// Whether what is between them damages what it carries.
    damages: bool,
    /// What is between them.
    pub network: Network,
    flying: BTreeMap<(Instant, u64), Flying>,
    flown: u64,
    random: StdRng,
    next_port: u16,
    next_ask: u64,
    /// Where each address belongs.
    owners: BTreeMap<SocketAddr, usize>,
    server: SocketAddr,
}

impl World {
    /// A server that nobody has come to yet.
    pub fn new(shards: u32, config: Config, delays: Delays, seed: u64, weather: Weather) -> Self {
        let server = config.listen.udp[0];
        Self {
            now: Instant(10_000_000),
            host: Host::with_shards(shards, config, delays, seed),
            users: Vec::new(),
            damages: weather.corruption > 0,
            network: Network::new(seed ^ 0x5EED, weather),
            flying: BTreeMap::new(),
            flown: 0,
            random: StdRng::seed_from_u64(seed),
            next_port: 10_000,
            next_ask: 1,
            owners: BTreeMap::new(),
            server,
        }
    }

    fn random(&mut self) -> [u8; 14] {
        self.random.random()
    }

    fn address(&mut self, user: usize) -> SocketAddr {
        self.next_port = self.next_port.checked_add(1).expect("not so many sessions");
        let address = SocketAddr::from(([127, 0, 0, 1], self.next_port));
        self.owners.insert(address, user);
        address
    }

    /// A person who is no user yet.
    pub fn person(&mut self, program: Program, password: &str) -> usize {
        self.users.push(User {
            uin: Uin::NONE,
            password: password.to_owned(),
            program,
            status: Status::ONLINE,
            view: BTreeMap::new(),
            notices: Vec::new(),
            session: None,
            registration: None,
            seen: SeenMessages::default(),
            knows_profile: false,
            is_online: false,
        });
        self.users.len() - 1
    }

    /// Somebody who is a user already.
    pub fn user(&mut self, program: Program, password: &str, config: &Config) -> usize {
        let password_hash = passwords::hash(password.as_bytes(), [1; 16], &config.security).unwrap();
        let user = self.person(program, password);
        let Outcome::Created(uin) = self.store(Work::AddUser { uin: None, nick: String::new(), password_hash }) else {
            panic!("no user")
        };
        self.users[user].uin = uin;
        user
    }

    /// Somebody is the administrator, whom the operator has made.
    pub fn administrator(&mut self, user: usize) {
        let password = self.users[user].password.as_bytes();
        let password_hash = passwords::hash(password, [1; 16], &crate::host::config().security).unwrap();
        let work = Work::AddUser { uin: Some(Uin::ADMINISTRATOR), nick: String::new(), password_hash };
        self.store(work);
        self.users[user].uin = Uin::ADMINISTRATOR;
    }

    /// Asks the store itself.
    pub fn store(&mut self, work: Work) -> Outcome {
        self.host.store_mut().apply(&Request { ticket: Ticket(0), work }).outcome
    }

    /// Puts one user on the list of another, as if it had always been so.
    pub fn befriend(&mut self, owner: usize, contact: usize) {
        let (owner, contact) = (self.users[owner].uin, self.users[contact].uin);
        self.store(Work::AddContact { owner, contact, max: 256 });
    }

    /// Starts a registration; a client of 2003 logs in at once behind it.
    pub fn register(&mut self, user: usize) {
        let (address, random, now) = (self.address(user), self.random(), self.now);
        let person = &mut self.users[user];
        match person.program {
            Program::Ours => person.registration = Some((address, client::register(&person.password, random))),
            Program::Original => {
                let mut original = Original::register(now, &person.password, random);
                original.may_be_damaged = self.damages;
                person.session = Some((address, Session::Original(Box::new(original))));
            }
        }
        self.flush(user);
    }

    /// Logs in, from a new address. A session that was there is left as it is, without a word.
    pub fn log_in(&mut self, user: usize) {
        let (address, random, now) = (self.address(user), self.random(), self.now);
        self.leave(user);
        let person = &mut self.users[user];
        let (uin, password, status) = (person.uin, person.password.clone(), person.status);
        let session = match person.program {
            Program::Ours => {
                let mut ours = Ours::new(uin, &password, status, offered(random), random, person.seen.clone());
                ours.may_be_damaged = self.damages;
                Session::Ours(Box::new(ours))
            }
            Program::Original => {
                let mut original = Original::new(now, uin, &password, status, random, person.knows_profile);
                original.may_be_damaged = self.damages;
                Session::Original(Box::new(original))
            }
        };
        person.session = Some((address, session));
        self.flush(user);
    }

    /// Ends the session in an orderly way.
    pub fn log_out(&mut self, user: usize) {
        if let Some((_, session)) = &mut self.users[user].session {
            session.log_out();
        }
        self.flush(user);
        self.leave(user);
    }

    /// The program vanishes without a word; what it had shown, it remembers.
    pub fn leave(&mut self, user: usize) {
        let user = &mut self.users[user];
        if let Some((_, Session::Ours(ours))) = &user.session {
            user.seen = ours.seen();
        }
        user.session = None;
        user.is_online = false;
        user.view.clear();
    }

    /// Asks something; the number with which the verdict will come.
    ///
    /// # Errors
    /// What the program says when it refuses by itself.
    pub fn ask(&mut self, user: usize, what: &Ask) -> Result<u64, String> {
        let ask = self.next_ask;
        self.next_ask += 1;
        let now = self.now;
        let person = &mut self.users[user];
        let (_, session) = person.session.as_mut().ok_or("no session")?;
        session.ask(now, ask, what)?;
        if let Ask::Status(status) = what {
            person.status = *status;
        }
        self.flush(user);
        Ok(ask)
    }

    /// The server dies and begins anew from what it had committed and saved.
    pub fn crash(&mut self) {
        self.host.crash(self.now);
    }

    /// The server is told to stop, does so in good order, and begins anew.
    pub fn restart(&mut self) {
        self.now = self.host.restart(self.now);
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next_at().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    fn next_at(&self) -> Option<Instant> {
        let flying = self.flying.first_key_value().map(|((at, _), _)| *at);
        let users = self.users.iter().filter_map(|user| {
            let session = user.session.as_ref().and_then(|(_, session)| session.poll_timeout());
            let registration = user.registration.as_ref().and_then(|(_, registration)| registration.poll_timeout());
            session.into_iter().chain(registration).min()
        });
        flying.into_iter().chain(self.host.poll_timeout()).chain(users).min()
    }

    fn step(&mut self) {
        while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let Flying { from, to, bytes } = entry.remove();
            if to == self.server {
                self.host.handle_datagram(self.now, from, &bytes);
            } else {
                self.arrive(to, &bytes);
            }
        }
        self.host.advance(self.now);
        for (to, bytes) in self.host.take_sent() {
            self.fly(self.server, to, &bytes);
        }
        for user in 0..self.users.len() {
            if let Some((_, session)) = &mut self.users[user].session {
                session.handle_timeout(self.now);
            }
            self.flush(user);
        }
    }

    fn arrive(&mut self, to: SocketAddr, bytes: &[u8]) {
        let Some(user) = self.owners.get(&to).copied() else { return };
        let person = &mut self.users[user];
        if let Some((_, registration)) = person.registration.as_mut().filter(|(address, _)| *address == to) {
            registration.handle_datagram(bytes);
        }
        if let Some((_, session)) = person.session.as_mut().filter(|(address, _)| *address == to) {
            session.handle_datagram(self.now, bytes);
        }
        self.flush(user);
    }

    fn fly(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        for (at, bytes) in self.network.carry(self.now, bytes) {
            self.flown += 1;
            self.flying.insert((at, self.flown), Flying { from, to, bytes });
        }
    }

    /// Takes out of a user's program what it wants to send and to show.
    fn flush(&mut self, user: usize) {
        let now = self.now;
        let person = &mut self.users[user];
        let mut sending = Vec::new();
        if let Some((address, registration)) = &mut person.registration {
            while let Some(datagram) = registration.poll_transmit(now) {
                sending.push((*address, datagram));
            }
            if let Some(uin) = client::registered(registration).expect("a registration that is not refused") {
                person.uin = uin;
                person.registration = None;
            }
        }
        let mut notices = Vec::new();
        if let Some((address, session)) = &mut person.session {
            while let Some(datagram) = session.poll_transmit(now) {
                sending.push((*address, datagram));
            }
            notices = session.notices();
            // Showing a message acknowledges it.
            while let Some(datagram) = session.poll_transmit(now) {
                sending.push((*address, datagram));
            }
            if let Session::Original(original) = session {
                person.uin = original.uin();
            }
        }
        for notice in notices {
            person.notice(now, notice);
        }
        for (from, datagram) in sending {
            self.fly(from, self.server, &datagram);
        }
    }
}

impl User {
    fn notice(&mut self, now: Instant, notice: Notice) {
        match &notice {
            Notice::LoggedIn => {
                self.is_online = true;
                self.knows_profile = true;
            }
            Notice::Resumed => self.view.clear(),
            Notice::Here(uin, status) => {
                self.view.insert(*uin, *status);
            }
            Notice::Gone(uin) => {
                self.view.remove(uin);
            }
            Notice::Ended(_) => {
                if let Some((_, Session::Ours(ours))) = &self.session {
                    self.seen = ours.seen();
                }
                self.session = None;
                self.is_online = false;
                self.view.clear();
            }
            _ => {}
        }
        self.notices.push((now, notice));
    }
}
