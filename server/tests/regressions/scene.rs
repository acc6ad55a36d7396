//! A shard with a clock, a store in memory and a network that loses nothing.
//!
//! What the shard asks of the store and of the password threads is answered at once and in order, unless the scene is
//! [stalled](Scene::stall). What it sends lies in the network until a [`Client`] takes it.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use myicq_server::config::{Config, Security};
use myicq_server::frontend::myicq::{SavedSession, SessionView};
use myicq_server::hub::{PasswordJob, Refusal, RelayOrder};
use myicq_server::store::{self, MemoryStore, Outcome, Ticket, Work};
use myicq_server::{Input, Now, Output, Relays, Shard, Share, passwords};
use myicq_wire::{Instant, ServerHeader, SessionId, Status, Uin, UnixTime};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::client::{Client, Heard, Offer};

/// Everybody's.
pub(crate) const PASSWORD: &[u8] = b"secret";

/// Where the clock for people stands at the beginning: in 2027.
const BEGINNING: UnixTime = UnixTime(1_800_000_000_000_000);

/// Where relays are said to be.
pub(crate) const RELAY_PORT: u16 = 8_001;

/// Salts need not differ where nobody attacks.
const SALT: [u8; 16] = [7; 16];

/// Bytes of datagrams between an address and the shard.
#[derive(Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) to_shard: usize,
    pub(crate) from_shard: usize,
}

/// How often the shard has asked for what a login needs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Asked {
    pub(crate) accounts: usize,
    pub(crate) passwords: usize,
}

/// A server and all around it.
pub(crate) struct Scene {
    shard: Shard,
    config: Arc<Config>,
    store: MemoryStore,
    store_requests: VecDeque<store::Request>,
    password_jobs: VecDeque<PasswordJob>,
    relay_orders: VecDeque<RelayOrder>,
    relays: Relays,
    sent: Vec<(SocketAddr, Vec<u8>)>,
    /// The verdicts on what the operator said.
    broadcasts: Vec<(u64, Result<(), Refusal>)>,
    traffic: HashMap<SocketAddr, Traffic>,
    instant: Instant,
    unix: UnixTime,
    is_stalled: bool,
    failing: Option<fn(&Work) -> bool>,
    clients: u16,
    wakeups: usize,
    asked: Asked,
    errands: Vec<(u64, Outcome)>,
    starts: u64,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A scene whose configuration differs from the default one.
    pub(crate) fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let security =
            Security { argon2_memory_kib: 8, argon2_iterations: 1, argon2_threads: 1, ..Config::default().security };
        // Without groups, so that nobody is told of their types at each login.
        let mut config = Config { security, ..Config::default() };
        config.groups.types.clear();
        // And without limits of rates: here everything happens in no time.
        config.limits.rates = false;
        configure(&mut config);
        let config = Arc::new(config);
        let relays = Relays::new(Arc::clone(&config), RELAY_PORT, &[5; 32]);
        Self {
            shard: shard(&config),
            config,
            store: MemoryStore::default(),
            store_requests: VecDeque::new(),
            password_jobs: VecDeque::new(),
            relay_orders: VecDeque::new(),
            relays,
            sent: Vec::new(),
            broadcasts: Vec::new(),
            traffic: HashMap::new(),
            instant: Instant(1_000_000),
            unix: BEGINNING,
            is_stalled: false,
            failing: None,
            clients: 0,
            wakeups: 0,
            asked: Asked::default(),
            errands: Vec::new(),
            starts: 0,
        }
    }

    /// The server dies, and is started again on what it has stored.
    pub(crate) fn restart(&mut self) {
        self.shard = shard(&self.config);
        self.store_requests.clear();
        self.password_jobs.clear();
        self.sent.clear();
    }

    /// The sessions as they are kept now.
    pub(crate) fn saved(&self) -> Vec<SavedSession> {
        let (page, next) = self.shard.save_from(0, usize::MAX, |_| true);
        assert_eq!(next, None);
        SavedSession::read_all(&page).unwrap()
    }

    /// The server is told to stop, does so, and is started again.
    pub(crate) fn stop_and_start(&mut self) {
        self.shard.begin_shutdown(self.now());
        self.answer();
        let (saved, sent) = (self.saved(), std::mem::take(&mut self.sent));
        self.restart_with(saved, true);
        self.sent.splice(..0, sent);
    }

    /// The server dies, and is started again on what it has stored and with these sessions.
    pub(crate) fn restart_with(&mut self, mut saved: Vec<SavedSession>, is_exact: bool) {
        self.begin_restart(&mut saved, is_exact);
        self.restore(saved);
    }

    /// The first half of that: the sessions are still to go on.
    pub(crate) fn begin_restart(&mut self, saved: &mut [SavedSession], is_exact: bool) {
        self.restart();
        self.starts += 1;
        saved.iter_mut().for_each(|session| session.go_on(is_exact));
        self.shard.begin_restore(self.starts, saved.iter().map(SavedSession::serial).max().unwrap_or(0));
    }

    /// The second half.
    pub(crate) fn restore(&mut self, saved: Vec<SavedSession>) {
        saved.into_iter().for_each(|session| self.input(Input::Restore(session)));
    }

    /// Sets the clock for people back. Timers do not notice.
    pub(crate) fn set_clock_back(&mut self, by: Duration) {
        self.unix.0 -= microseconds(by);
    }

    /// A new user.
    pub(crate) fn user(&mut self) -> Uin {
        let password_hash = passwords::hash(PASSWORD, SALT, &self.config.security).unwrap();
        let work = Work::AddUser { uin: None, nick: String::new(), password_hash };
        match self.store.apply(&store::Request { ticket: Ticket(0), work }).outcome {
            Outcome::Created(uin) => uin,
            other => panic!("no user but {other:?}"),
        }
    }

    /// A client of the administrator, which has not logged in.
    pub(crate) fn administrator(&mut self, offer: Offer) -> Client {
        let password_hash = passwords::hash(PASSWORD, SALT, &self.config.security).unwrap();
        let work = Work::AddUser { uin: Some(Uin::ADMINISTRATOR), nick: String::new(), password_hash };
        self.store.apply(&store::Request { ticket: Ticket(0), work });
        self.client(Uin::ADMINISTRATOR, offer)
    }

    /// A client of a user, which has not logged in, with an address and a session of its own.
    pub(crate) fn client(&mut self, uin: Uin, offer: Offer) -> Client {
        self.clients += 1;
        let address = SocketAddr::from(([127, 0, 0, 1], 4000 + self.clients));
        Client::new(uin, address, SessionId(self.clients.into()), offer)
    }

    /// A client of a new user, which has not logged in.
    pub(crate) fn absent(&mut self, offer: Offer) -> Client {
        let uin = self.user();
        self.client(uin, offer)
    }

    /// A client of a new user, which has logged in.
    pub(crate) fn present(&mut self, offer: Offer) -> Client {
        let mut client = self.absent(offer);
        client.log_in(self, Status::ONLINE);
        client
    }

    /// A datagram comes.
    pub(crate) fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.traffic.entry(from).or_default().to_shard += bytes.len();
        self.input(Input::Datagram { from, bytes });
    }

    /// Lets time pass. The shard is woken when it wanted to be.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.instant + time;
        while let Some(due) = self.shard.poll_timeout().filter(|&due| due <= end) {
            self.pass(due.since(self.instant));
            self.wakeups += 1;
            self.input(Input::Timeout);
        }
        self.pass(end.since(self.instant));
    }

    /// Lets time pass in which the shard's thread does not get to run.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.instant = self.instant + time;
        self.unix.0 += microseconds(time);
    }

    /// The operator says something to everybody.
    pub(crate) fn broadcast(&mut self, text: &str) -> Result<(), Refusal> {
        self.input(Input::Broadcast { number: 7, text: text.to_owned() });
        let [(7, verdict)] = std::mem::take(&mut self.broadcasts)[..] else { panic!("one verdict") };
        verdict
    }

    /// From here on neither the store nor the password threads answer.
    pub(crate) fn stall(&mut self) {
        self.is_stalled = true;
    }

    /// They answer what they were asked in the meantime, in order, and go on.
    pub(crate) fn resume(&mut self) {
        self.is_stalled = false;
        self.answer();
    }

    /// The next work of this kind fails, as on a full disk.
    pub(crate) fn fail_next(&mut self, kind: fn(&Work) -> bool) {
        self.failing = Some(kind);
    }

    /// Takes what was sent to an address in a session.
    pub(crate) fn take(&mut self, address: SocketAddr, session: SessionId) -> Vec<Heard> {
        let mut heard = Vec::new();
        self.sent.retain(|(to, bytes)| {
            let (header, body) = ServerHeader::decode(bytes).unwrap();
            let is_wanted = *to == address && header.session == session;
            if is_wanted {
                heard.push(Heard { header, body: body.to_vec(), len: bytes.len() });
            }
            !is_wanted
        });
        heard
    }

    pub(crate) fn traffic(&self, address: SocketAddr) -> Traffic {
        self.traffic.get(&address).copied().unwrap_or_default()
    }

    pub(crate) fn sessions(&self) -> usize {
        self.shard.sessions()
    }

    /// The count of this name.
    pub(crate) fn count(&self, name: &str) -> u64 {
        assert!(self.shard.counters().iter().any(|(known, _)| known == name), "there is no counter {name}");
        self.shard.counters().value(name)
    }

    /// How often the shard has been woken because it wanted to be.
    pub(crate) fn wakeups(&self) -> usize {
        self.wakeups
    }

    /// What was asked since this was last asked.
    pub(crate) fn take_asked(&mut self) -> Asked {
        std::mem::take(&mut self.asked)
    }

    /// The administrator wants something, whose number is 7.
    pub(crate) fn errand(&mut self, work: Work) {
        self.input(Input::Errand { number: 7, work });
    }

    /// What became of the administrator's errand, if that is known by now.
    pub(crate) fn take_errand(&mut self) -> Option<Outcome> {
        let (number, outcome) = self.errands.pop()?;
        assert_eq!((number, self.errands.len()), (7, 0));
        Some(outcome)
    }

    /// What the administrator sees of the sessions.
    pub(crate) fn session_views(&self) -> Vec<SessionView> {
        let (views, next) = self.shard.sessions_from(self.now(), 0, usize::MAX);
        assert_eq!(next, None);
        views
    }

    /// The store has no users any more.
    pub(crate) fn lose_users(&mut self) {
        self.store = MemoryStore::default();
    }

    fn now(&self) -> Now {
        Now { instant: self.instant, unix: self.unix }
    }

    fn input(&mut self, input: Input<'_>) {
        self.shard.handle_input(self.now(), input);
        self.answer();
    }

    fn answer(&mut self) {
        self.collect();
        while !self.is_stalled {
            if let Some(request) = self.store_requests.pop_front() {
                let reply = self.apply(&request);
                self.shard.handle_input(self.now(), Input::Store(reply));
            } else if let Some(job) = self.password_jobs.pop_front() {
                let result = passwords::run(&job, SALT, &self.config.security);
                self.shard.handle_input(self.now(), Input::Password(result));
            } else if let Some(order) = self.relay_orders.pop_front() {
                let opened = self.relays.open(self.now(), order.question.session.uin, order.to);
                self.shard.handle_input(self.now(), Input::Relay(order, opened));
            } else {
                break;
            }
            self.collect();
        }
    }

    fn apply(&mut self, request: &store::Request) -> store::Reply {
        if self.failing.take_if(|fails| fails(&request.work)).is_some() {
            return store::Reply { ticket: request.ticket, outcome: Outcome::Failed };
        }
        self.store.apply(request)
    }

    fn collect(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Datagram { to, bytes } => {
                    self.traffic.entry(to).or_default().from_shard += bytes.len();
                    self.sent.push((to, bytes.to_vec()));
                }
                Output::Store(request) => {
                    self.asked.accounts += usize::from(matches!(request.work, Work::LoadAccount { .. }));
                    self.store_requests.push_back(request);
                }
                Output::Password(job) => {
                    self.asked.passwords += 1;
                    self.password_jobs.push_back(job);
                }
                Output::Relay(order) => self.relay_orders.push_back(order),
                Output::Broadcast { number, verdict } => self.broadcasts.push((number, verdict)),
                Output::Errand { number, outcome } => self.errands.push((number, outcome)),
                Output::Post { shard, .. } => panic!("a post for shard {shard} of one"),
            }
        }
    }
}

fn shard(config: &Arc<Config>) -> Shard {
    Shard::new(Arc::clone(config), Share::whole(), StdRng::seed_from_u64(1)).unwrap()
}

fn microseconds(time: Duration) -> u64 {
    time.as_micros().try_into().unwrap()
}
