//! Clients of MyICQ version 1, as of 2003 and ours: packets and links on one side, the hub on the other.
//!
//! A session begins in `login`, its requests are handled in `requests`, and what the hub has to say goes out through
//! `replies`. This file holds what they share: the sessions, their timers, and a datagram's first steps.

mod groups;
mod login;
mod notices;
mod outbox;
mod profile;
mod registration;
mod replies;
mod requests;
mod restart;
mod saved;
mod search;
mod session;
mod sessions;
mod timers;
mod trace;
mod view;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use myicq_wire::link::{Measured, Output, Retained, Timing, Token};
use myicq_wire::{ClientHeader, Command, DecodeErrorKind, Instant, LoginError, MAX_DATAGRAM, SessionId, Uin};
use rand::rngs::StdRng;

use self::login::{Origin, Pending};
use self::outbox::Outbox;
pub use self::registration::Registered;
use self::registration::Registration;
use self::restart::Restored;
pub use self::restart::SavedPage;
pub use self::saved::{NoSessions, PAGE_LEN, SavedSession};
use self::session::{HELD_BYTES_MAX, HELD_MAX, Session};
use self::sessions::Sessions;
use self::timers::Timers;
use self::trace::Trace;
pub use self::trace::TraceEvent;
pub use self::view::SessionView;
use crate::config::Config;
use crate::counters::{Counters, Drop, Event};
use crate::hub::{Attempt, Effect, Hub, SessionKey, Source};
use crate::share::Share;
use crate::store::MessageId;
use crate::time::Now;

/// Acknowledgements of numbers that were never sent, after which an unproven address is not believed any more: it is guessing.
const WRONG_ACKS_MAX: u8 = 3;

/// Numbers after which a plain-v1 session is ended, so that its client logs in anew: the clients of 2003 remember each of the 65,535 that there
/// are, and take what comes behind them for duplicates.
const SEQS_MAX: u16 = 65_000;

/// Sessions whose timers have fired that are looked at before what they send leaves: a thousand that are due at once would need room for
/// the datagrams of all of them.
const DUE_AT_ONCE: usize = 64;

/// The sessions of a shard and all that is under way in them.
#[derive(Debug)]
pub struct Frontend {
    config: Arc<Config>,
    share: Share,
    rng: StdRng,
    counters: Counters,
    sessions: Sessions,
    /// Those of an earlier process that are not quite as they were, by their slots. Few, and none but after a start.
    restored: HashMap<u32, Restored>,
    /// Which start of the server this is.
    start: u64,
    /// What the links of the sessions and registrations keep.
    retained: Retained,
    /// Logins whose address was not proven when they began, the oldest first.
    half_open: VecDeque<SessionKey>,
    /// How many of them still wait for it.
    waiting_for_proof: usize,
    /// Those that still do, by their addresses, the oldest first; those from this machine are not among them.
    half_open_at: HashMap<Source, VecDeque<SessionKey>>,
    registrations: HashMap<Origin, Registration>,
    /// When each of them is forgotten, the first first.
    registration_ends: VecDeque<(Instant, Origin)>,
    /// From where those of our users have registered who are no users yet.
    newcomers: HashMap<Uin, Origin>,
    /// Registrations whose users belong to other shards.
    registered_elsewhere: VecDeque<(u32, Registered)>,
    /// Logins and registrations that the hub has not answered.
    attempts: HashMap<Attempt, Pending>,
    /// Where they come from.
    origins: HashSet<Origin>,
    timers: Timers,
    /// Slots whose timers have fired, and when.
    due: VecDeque<u32>,
    fired_at: Instant,
    /// Sessions whose links may have something to send, or another deadline.
    touched: Vec<SessionKey>,
    outbox: Outbox,
    /// Room for a deciphered body, and for a datagram that is being made.
    scratch: Box<[u8]>,
    room: Box<[u8]>,
    last_attempt: u64,
    stopping: bool,
    trace: Trace,
}

impl Frontend {
    /// A frontend without sessions. `rng` must be seeded by the system: the proof of an address rests on it.
    pub fn new(config: Arc<Config>, share: Share, rng: StdRng) -> Self {
        Self {
            config,
            share,
            rng,
            counters: Counters::default(),
            sessions: Sessions::new(),
            restored: HashMap::new(),
            start: 0,
            retained: Retained::new(),
            half_open: VecDeque::new(),
            waiting_for_proof: 0,
            half_open_at: HashMap::new(),
            registrations: HashMap::new(),
            registration_ends: VecDeque::new(),
            newcomers: HashMap::new(),
            registered_elsewhere: VecDeque::new(),
            attempts: HashMap::new(),
            origins: HashSet::new(),
            timers: Timers::new(),
            due: VecDeque::new(),
            fired_at: Instant::default(),
            touched: Vec::new(),
            outbox: Outbox::default(),
            scratch: vec![0; MAX_DATAGRAM].into(),
            room: vec![0; MAX_DATAGRAM].into(),
            last_attempt: 0,
            stopping: false,
            trace: Trace::default(),
        }
    }

    /// Some settings have other values.
    pub fn handle_config(&mut self, config: Arc<Config>) {
        self.config = config;
    }

    /// What has been counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the links have measured.
    pub fn links(&self) -> &Measured {
        self.retained.measured()
    }

    /// How many sessions wait for the proof of their address.
    pub fn half_open(&self) -> usize {
        self.waiting_for_proof
    }

    /// How many sessions there are, open and half-open.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Takes nothing more from clients but acknowledgements.
    pub fn begin_shutdown(&mut self) {
        self.stopping = true;
    }

    /// The next datagram to send.
    pub fn poll_datagram(&mut self) -> Option<(SocketAddr, &[u8])> {
        let next = self.outbox.pop();
        if let Some((to, datagram)) = next {
            self.trace.sent(to, datagram);
        }
        next
    }

    /// When [`Frontend::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timer = if self.due.is_empty() { self.timers.next() } else { Some(self.fired_at) };
        let registration = self.registration_ends.front().map(|&(deadline, _)| deadline);
        timer.into_iter().chain(registration).min()
    }

    /// Takes in a datagram. What is not one of the protocol, or not in its place, is counted and never answered.
    pub fn handle_datagram(&mut self, now: Now, from: SocketAddr, datagram: &[u8], hub: &mut Hub) {
        self.counters.begin_datagram();
        if datagram.len() > MAX_DATAGRAM {
            self.counters.drop(Drop::Oversize);
            self.counters.end_datagram(None);
            return;
        }
        match ClientHeader::decode(datagram) {
            Ok((header, body)) => {
                self.on_datagram(now, from, &header, body, datagram, hub);
                let fate = self.counters.end_datagram(Some(header.command));
                self.trace.received(from, &header, datagram.len(), fate);
            }
            Err(error) => {
                self.counters.undecoded(error.kind);
                self.counters.end_datagram(None);
            }
        }
    }

    fn on_datagram(
        &mut self,
        now: Now,
        from: SocketAddr,
        header: &ClientHeader,
        body: &[u8],
        datagram: &[u8],
        hub: &mut Hub,
    ) {
        let Some(command) = header.known_command() else {
            return self.counters.undecoded(DecodeErrorKind::UnknownCommand);
        };
        if self.stopping && command != Command::Ack {
            return self.counters.drop(Drop::Stopping);
        }
        match command {
            Command::NewUin => self.on_registration(now, from, header, body, hub),
            Command::Login => self.on_login(now, from, header, body, hub),
            _ => self.on_session_datagram(now, from, (header, command), datagram, hub),
        }
    }

    /// Lets time pass: sends again, gives up, ends sessions. When much is due at once, only some of it is done, and the rest is due still.
    pub fn handle_timeout(&mut self, now: Now, hub: &mut Hub) {
        if self.due.is_empty() {
            self.timers.fire(now.instant, &mut self.due);
            self.fired_at = now.instant;
        }
        for _ in 0..DUE_AT_ONCE {
            let Some(slot) = self.due.pop_front() else { break };
            if let Some(key) = self.sessions.key(slot) {
                self.on_session_time(now, key, hub);
            }
        }
        while let Some(&(deadline, origin)) = self.registration_ends.front()
            && deadline <= now.instant
        {
            self.registration_ends.pop_front();
            self.forget_registration(origin, hub);
        }
    }

    /// Does what the hub wants done, and sends what the links have to send, until neither has anything more.
    pub fn handle_effects(&mut self, now: Now, hub: &mut Hub) {
        loop {
            while let Some(effect) = hub.poll_effect() {
                match effect {
                    Effect::Tell(session, tell) => self.on_tell(now, &[session], tell, hub),
                    Effect::TellAll(sessions, tell) => self.on_tell(now, &sessions, tell, hub),
                    Effect::Answer(question, answer) => self.on_answer(now, question, answer, hub),
                    Effect::LoggedIn(attempt, outcome) => self.on_logged_in(now, attempt, outcome, hub),
                    Effect::Registered(attempt, outcome) => self.on_registered(now, attempt, outcome, hub),
                    Effect::Arrived(uin, is_written) => self.on_arrived(now, uin, is_written, hub),
                    Effect::Expired(messages) => self.counters.events_at_once(Event::MessageExpired, messages),
                    Effect::Removed(uin) => self.on_user_removed(now, uin, hub),
                }
            }
            let Some(key) = self.touched.pop() else { break };
            self.flush(now, key, hub);
        }
    }

    fn find_session(&self, uin: Uin, id: SessionId, hub: &Hub) -> Option<SessionKey> {
        self.sessions.find(hub.slot_of(uin), uin, id)
    }

    fn on_session_datagram(
        &mut self,
        now: Now,
        from: SocketAddr,
        (header, command): (&ClientHeader, Command),
        datagram: &[u8],
        hub: &mut Hub,
    ) {
        let Some(key) = self.find_session(header.uin, header.session, hub) else {
            return self.on_stray(now, from, header, command, hub);
        };
        let is_asked = self.is_asked(key);
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.address != from {
            return self.counters.drop(Drop::WrongAddress);
        }
        session.last_heard = now.instant;
        self.touched.push(key);
        if is_asked && command != Command::Logout {
            return self.on_before_answer(now, key, command, datagram, hub);
        }
        match (command, &mut session.half_open) {
            (Command::Ack, _) => self.on_ack(now, key, header, hub),
            // COMPAT: a client of 2003 sends a LOGOUT before the LOGIN that follows its registration; it may come late.
            (Command::Logout, _) if header.seq.is_some_and(|seq| seq.ahead_of(session.login_seq) <= 0) => {
                self.counters.drop(Drop::Stale);
            }
            (Command::Logout, _) => self.end(now, key, Event::LoggedOut, hub),
            (_, None) => self.on_request(now, key, datagram, hub),
            (_, Some(half_open)) => {
                half_open.budget += datagram.len();
                let known = half_open.held.iter().any(|held| **held == *datagram);
                let held: usize = half_open.held.iter().map(|held| held.len()).sum();
                if !known && half_open.held.len() < HELD_MAX && held + datagram.len() <= HELD_BYTES_MAX {
                    half_open.held.push(datagram.into());
                } else {
                    self.counters.drop(if known { Drop::DuplicateOpen } else { Drop::HalfOpenFull });
                }
                self.on_early_request(now, key);
            }
        }
    }

    fn on_ack(&mut self, now: Now, key: SessionKey, header: &ClientHeader, hub: &mut Hub) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(seq) = header.seq else { return self.counters.drop(Drop::NoSeq) };
        let token = session.link.on_ack(&mut self.retained, now.instant, seq);
        match &mut session.half_open {
            Some(_) if session.link.is_proven() => self.on_proven(now, key, hub),
            Some(half_open) => {
                half_open.wrong_acks += 1;
                if half_open.wrong_acks >= WRONG_ACKS_MAX {
                    return self.end(now, key, Event::NeverProven, hub);
                }
            }
            None => {}
        }
        if let Some(Token(id @ 1..)) = token {
            self.counters.event(Event::Delivered);
            hub.handle_delivered(now, key, MessageId(id));
        }
    }

    /// Ends a session. The hub hears of it, in case it knows it.
    fn end(&mut self, now: Now, key: SessionKey, event: Event, hub: &mut Hub) {
        if let Some(mut session) = self.sessions.remove(key) {
            session.link.drain(&mut self.retained).for_each(drop);
            self.timers.cancel(&mut session.link_timer);
            self.timers.cancel(&mut session.end_timer);
            self.restored.remove(&key.slot);
            if session.half_open.is_some() {
                self.leave_half_open(key, session.address.ip());
            }
            self.counters.event(event);
            self.trace.event(key.uin, event);
            self.give_up_newcomer(key.uin, hub);
            hub.close(now, key);
        }
    }

    fn on_session_time(&mut self, now: Now, key: SessionKey, hub: &mut Hub) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        match &mut session.half_open {
            Some(half_open) if half_open.deadline <= now.instant => {
                return self.end(now, key, Event::NeverProven, hub);
            }
            Some(half_open) if half_open.probe_at.is_some_and(|at| at <= now.instant) => {
                half_open.probe_at = None;
                self.probe(now, key);
            }
            None if session.last_heard + self.config.session.keepalive_timeout <= now.instant => {
                return self.end(now, key, Event::Expired, hub);
            }
            _ => {}
        }
        self.arm_end(now, key);
        if self.asks_at(key).is_some_and(|at| at <= now.instant) {
            self.ask(now, key);
        }
        self.touched.push(key);
    }

    /// Sends what a link has to send, and sets the session's timer.
    fn flush(&mut self, now: Now, key: SessionKey, hub: &mut Hub) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let mut given_up = Vec::new();
        while let Some(output) = session.link.poll(&mut self.retained, now.instant, &Timing::DEFAULT) {
            match output {
                Output::Transmit(datagram) => {
                    self.counters.sent(datagram);
                    self.outbox.push(session.address, datagram);
                }
                Output::GivenUp(token) => given_up.push(token),
            }
        }
        if !session.is_once() && session.link.issued() >= SEQS_MAX {
            return self.dismiss(now, key, LoginError::REPLACED, Event::Renewed, hub);
        }
        self.send_late_notices(now, key, hub);
        self.arm(now, key);
        for Token(id) in given_up {
            self.counters.event(Event::GivenUp);
            self.trace.event(key.uin, Event::GivenUp);
            if self.sessions.get(key).is_some_and(Session::is_once) {
                // In such a session every number counts: without this one the client would wait for ever.
                return self.end(now, key, Event::LinkLost, hub);
            }
            if id > 0 {
                hub.handle_undelivered(now, key, MessageId(id));
            }
        }
    }

    /// Sets the timer of what a session has to send.
    fn arm(&mut self, now: Now, key: SessionKey) {
        let asks = self.asks_at(key);
        let Some(session) = self.sessions.get_mut(key) else { return };
        let link = session.link.poll_timeout();
        let late = session.late_notices.as_ref().filter(|_| session.link.queued() == 0).map(|late| late.due());
        match link.into_iter().chain(late).chain(asks).min() {
            Some(deadline) => self.timers.arm(&mut session.link_timer, key.slot, now.instant, deadline),
            None => self.timers.cancel(&mut session.link_timer),
        }
    }

    /// Sets the timer of a session's end. What the client says moves that away, which is found out when it fires: so no datagram
    /// touches it.
    pub(super) fn arm_end(&mut self, now: Now, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let end = match &session.half_open {
            Some(half_open) => half_open.probe_at.unwrap_or(half_open.deadline),
            None => session.last_heard + self.config.session.keepalive_timeout,
        };
        self.timers.arm(&mut session.end_timer, key.slot, now.instant, end);
    }
}
