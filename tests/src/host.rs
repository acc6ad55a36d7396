//! A server without its driver: its shards, a store in memory that answers after a while, passwords that take a moment.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use myicq_server::config::{Config, Registration, Security};
use myicq_server::frontend::myicq::SavedSession;
use myicq_server::store::{self, MemoryStore};
use myicq_server::{Counters, Input, Now, Output, Post, Relays, Shard, Share, hub, passwords};
use myicq_wire::{Instant, Uin, UnixTime};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// The time of day at which all of this begins, in microseconds since 1970: a day in 2027.
const BEGIN: u64 = 1_800_000_000_000_000;

/// Where nobody listens: what goes through relays, these tests do not see.
const RELAY_PORT: u16 = 8_001;

/// How long the surroundings of the shard take. They answer in order.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// From a request to its commit.
    pub commit: Duration,
    /// From the commit to the answer.
    pub answer: Duration,
    /// A password.
    pub password: Duration,
    /// From one shard to another.
    pub post: Duration,
}

impl Delays {
    /// Everything at once.
    pub const NONE: Self =
        Self { commit: Duration::ZERO, answer: Duration::ZERO, password: Duration::ZERO, post: Duration::ZERO };
}

/// A server that can be told what comes and what time it is, and that can die.
#[derive(Debug)]
pub struct Host {
    config: Arc<Config>,
    shards: Vec<Shard>,
    /// By which what comes is dealt out.
    share: Share,
    store: MemoryStore,
    delays: Delays,
    uncommitted: VecDeque<(Instant, store::Request)>,
    committed: VecDeque<(Instant, store::Reply)>,
    hashing: VecDeque<(Instant, hub::PasswordResult)>,
    posted: VecDeque<(Instant, u32, Post)>,
    relays: Relays,
    ordered: VecDeque<(Instant, hub::RelayOrder)>,
    sent: Vec<(SocketAddr, Vec<u8>)>,
    broadcasts: Vec<(u64, Result<(), hub::Refusal>)>,
    seed: u64,
    /// The sessions as they were saved last: whether in good order, by which start of the server, and their bytes.
    saved: Option<(bool, u64, Vec<u8>)>,
    /// The disk says that messages are kept, and keeps none: to see that the tests would notice.
    pub forgets_messages: bool,
    /// The disk takes no more users: theirs would be memory that a server with a real disk does not need.
    pub takes_no_users: bool,
}

/// The configuration of these tests: the defaults, with passwords that cost little, and no limits of rates, which would slow
/// down what is played in no time.
pub fn config() -> Config {
    let security =
        Security { argon2_memory_kib: 8, argon2_iterations: 1, argon2_threads: 1, ..Config::default().security };
    let mut config = Config { security, ..Config::default() };
    config.limits.rates = false;
    config.listen.relay = Some(SocketAddr::from(([127, 0, 0, 1], RELAY_PORT)));
    config.limits.registration = Registration::Everywhere;
    config
}

/// Shards that know of no user yet, and a share by which to deal out to them.
fn shards(count: u32, config: &Arc<Config>, seed: u64) -> (Vec<Shard>, Share) {
    let shares = Share::split(count);
    let share = shares[0].clone();
    let shard = |share: Share| {
        let rng = StdRng::seed_from_u64(seed.wrapping_add(u64::from(share.index()) << 32));
        Shard::new(Arc::clone(config), share, rng).unwrap()
    };
    (shares.into_iter().map(shard).collect(), share)
}

/// The key need not be a secret here.
fn relays(config: &Arc<Config>) -> Relays {
    Relays::new(Arc::clone(config), RELAY_PORT, &[5; 32])
}

fn clock(now: Instant) -> Now {
    Now { instant: now, unix: UnixTime(BEGIN + now.0) }
}

impl Host {
    /// A server without users, of one shard.
    pub fn new(config: Config, delays: Delays, seed: u64) -> Self {
        Self::with_shards(1, config, delays, seed)
    }

    /// A server without users.
    pub fn with_shards(count: u32, config: Config, delays: Delays, seed: u64) -> Self {
        let config = Arc::new(config);
        let (shards, share) = shards(count, &config, seed);
        let relays = relays(&config);
        let mut host = Self {
            shards,
            share,
            config,
            store: MemoryStore::default(),
            delays,
            uncommitted: VecDeque::new(),
            committed: VecDeque::new(),
            hashing: VecDeque::new(),
            posted: VecDeque::new(),
            relays,
            ordered: VecDeque::new(),
            sent: Vec::new(),
            broadcasts: Vec::new(),
            seed,
            saved: None,
            forgets_messages: false,
            takes_no_users: false,
        };
        // A shard that has just begun has something to ask of the store.
        host.drain(Instant::default());
        host
    }

    /// Makes a user behind the server's back, for tests in which nobody registers.
    pub fn add_user(&mut self, password: &[u8]) {
        self.add_users(1, password);
    }

    /// Makes users who share a password, behind the server's back.
    pub fn add_users(&mut self, count: u32, password: &[u8]) {
        let password_hash = passwords::hash(password, [1; 16], &self.config.security).unwrap();
        let work = store::Work::AddUser { uin: None, nick: String::new(), password_hash };
        let request = store::Request { ticket: store::Ticket(0), work };
        for _ in 0..count {
            self.store.apply(&request);
        }
    }

    /// A datagram has come.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        self.advance(now);
        let owner = self.share.owner_of_datagram(bytes);
        self.input(now, owner, Input::Datagram { from, bytes });
        self.drain(now);
        self.advance(now);
    }

    /// Does all that is due until `now`.
    pub fn advance(&mut self, now: Instant) {
        while let Some(due) = self.poll_timeout().filter(|&due| due <= now) {
            for shard in self.shards.iter_mut().filter(|shard| shard.poll_timeout().is_some_and(|at| at <= due)) {
                shard.handle_input(clock(due), Input::Timeout);
            }
            if let Some((_, request)) = self.uncommitted.pop_front_if(|(at, _)| *at <= due) {
                let reply = self.commit(&request);
                self.committed.push_back((due + self.delays.answer, reply));
            }
            if let Some((_, reply)) = self.committed.pop_front_if(|(at, _)| *at <= due) {
                self.input(due, self.share.owner_of_number(reply.ticket.0), Input::Store(reply));
            }
            if let Some((_, result)) = self.hashing.pop_front_if(|(at, _)| *at <= due) {
                self.input(due, self.share.owner_of_number(result.ticket.0), Input::Password(result));
            }
            while self.relays.poll_overdue(due).is_some() {}
            if let Some((_, order)) = self.ordered.pop_front_if(|(at, _)| *at <= due) {
                let opened = self.relays.open(clock(due), order.question.session.uin, order.to);
                self.input(due, self.share.owner(order.to), Input::Relay(order, opened));
            }
            if let Some((at, shard, post)) = self.posted.pop_front_if(|(at, ..)| *at <= due) {
                let mut posts = vec![post];
                while let Some((.., post)) = self.posted.pop_front_if(|(also, to, _)| (*also, *to) == (at, shard)) {
                    posts.push(post);
                }
                self.input(due, shard, Input::Posts(posts));
            }
            self.drain(due);
        }
    }

    fn input(&mut self, now: Instant, shard: u32, input: Input<'_>) {
        self.shards[shard as usize].handle_input(clock(now), input);
    }

    fn commit(&mut self, request: &store::Request) -> store::Reply {
        match request.work {
            store::Work::StoreMessage { .. } if self.forgets_messages => self.store.clone().apply(request),
            store::Work::ReserveUin if self.takes_no_users => {
                store::Reply { ticket: request.ticket, outcome: store::Outcome::Failed }
            }
            _ => self.store.apply(request),
        }
    }

    fn drain(&mut self, now: Instant) {
        for shard in &mut self.shards {
            while let Some(output) = shard.poll_output() {
                match output {
                    Output::Datagram { to, bytes } => self.sent.push((to, bytes.to_vec())),
                    Output::Store(request) => self.uncommitted.push_back((now + self.delays.commit, request)),
                    Output::Password(job) => {
                        let result = passwords::run(&job, [7; 16], &self.config.security);
                        self.hashing.push_back((now + self.delays.password, result));
                    }
                    Output::Relay(order) => self.ordered.push_back((now + self.delays.post, order)),
                    Output::Broadcast { number, verdict } => self.broadcasts.push((number, verdict)),
                    Output::Errand { .. } => panic!("nobody has sent it on an errand"),
                    Output::Post { shard, post } => self.posted.push_back((now + self.delays.post, shard, post)),
                }
            }
        }
    }

    /// When to call [`Host::advance`] again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let front = [
            self.uncommitted.front().map(|(at, _)| *at),
            self.committed.front().map(|(at, _)| *at),
            self.hashing.front().map(|(at, _)| *at),
            self.posted.front().map(|(at, ..)| *at),
            self.ordered.front().map(|(at, _)| *at),
            self.relays.poll_timeout(),
        ];
        front.into_iter().chain(self.shards.iter().map(Shard::poll_timeout)).flatten().min()
    }

    /// What was sent since this was last asked.
    pub fn take_sent(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        std::mem::take(&mut self.sent)
    }

    /// The operator says something to everybody.
    pub fn broadcast(&mut self, now: Instant, number: u64, text: &str) {
        let owner = self.share.owner(Uin::ADMINISTRATOR);
        self.input(now, owner, Input::Broadcast { number, text: text.to_owned() });
        self.drain(now);
        self.advance(now);
    }

    /// What became of what the operator said since this was last asked, by the number that he gave it.
    pub fn take_broadcasts(&mut self) -> Vec<(u64, Result<(), hub::Refusal>)> {
        std::mem::take(&mut self.broadcasts)
    }

    /// Dies, and begins anew from what was committed and saved.
    pub fn crash(&mut self, now: Instant) {
        self.seed = self.seed.wrapping_add(1);
        (self.shards, self.share) = shards(self.share.count(), &self.config, self.seed);
        self.uncommitted.clear();
        self.committed.clear();
        self.hashing.clear();
        self.posted.clear();
        self.relays = relays(&self.config);
        self.ordered.clear();
        self.sent.clear();
        self.broadcasts.clear();
        self.restore(now);
        self.drain(now);
    }

    /// Ends in good order and begins anew. Says when that is.
    pub fn restart(&mut self, now: Instant) -> Instant {
        self.shards.iter_mut().for_each(|shard| shard.begin_shutdown(clock(now)));
        self.drain(now);
        let mut now = now;
        while !self.is_idle() {
            now = now.max(self.poll_timeout().expect("what is under way comes to an end"));
            self.advance(now);
        }
        self.save_as(true);
        let (sent, broadcasts) = (std::mem::take(&mut self.sent), std::mem::take(&mut self.broadcasts));
        self.crash(now);
        self.sent.splice(..0, sent);
        self.broadcasts = broadcasts;
        now
    }

    /// Saves the sessions, for when it dies.
    pub fn save(&mut self) {
        self.save_as(false);
    }

    fn save_as(&mut self, is_exact: bool) {
        let (mut bytes, start) = (Vec::new(), self.saved.as_ref().map_or(1, |&(_, start, _)| start));
        for shard in &self.shards {
            let mut next = Some(0);
            while let Some(slot) = next {
                let (page, more) = shard.save_from(slot, 3, |_| true);
                bytes.extend_from_slice(&page);
                next = more;
            }
        }
        self.saved = Some((is_exact, start, bytes));
    }

    fn restore(&mut self, now: Instant) {
        let Some((is_exact, start, bytes)) = self.saved.take() else { return };
        let mut sessions = SavedSession::read_all(&bytes).expect("what was saved");
        sessions.iter_mut().for_each(|session| session.go_on(is_exact));
        sessions.sort_by_key(SavedSession::serial);
        let bytes = SavedSession::pages(&sessions).flat_map(|page| page.to_vec()).collect();
        self.saved = Some((false, start + 1, bytes));
        let last = sessions.last().map_or(0, SavedSession::serial);
        self.shards.iter_mut().for_each(|shard| shard.begin_restore(start + 1, last));
        for session in sessions {
            let owner = self.share.owner(session.uin());
            self.input(now, owner, Input::Restore(session));
        }
    }

    /// What was counted since the last start.
    pub fn counters(&self) -> Counters {
        self.shards.iter().map(Shard::counters).sum()
    }

    /// How many sessions there are, open and half-open.
    pub fn sessions(&self) -> usize {
        self.shards.iter().map(Shard::sessions).sum()
    }

    /// Whether nothing is under way any more.
    pub fn is_idle(&self) -> bool {
        self.shards.iter().all(Shard::is_idle)
            && self.uncommitted.is_empty()
            && self.committed.is_empty()
            && self.hashing.is_empty()
            && self.posted.is_empty()
            && self.ordered.is_empty()
    }

    /// What is on the disk.
    pub fn store_mut(&mut self) -> &mut MemoryStore {
        &mut self.store
    }
}
