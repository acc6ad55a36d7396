//! From a LOGIN to an open session, by the proof of the address.
//!
//! A LOGIN can be sent in anybody's name of address. Until the client has acknowledged a random sequence number, nothing goes to its
//! address but the LOGIN reply, and what asks again for that acknowledgement; the hub does not hear of the session before.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hashbrown::hash_map::Entry;
use myicq_wire::cipher::Key;
use myicq_wire::link::{Link, Outgoing, Token};
use myicq_wire::{
    Capabilities, ClientHeader, Envelope, HEADER_LEN, Ipv4, Login, LoginError, LoginReply, LoginSuccess, Reply,
    Request, Secret, Seq, SessionId, Uin, encode_reply, open_request,
};
use rand::RngExt;

use super::Frontend;
use super::session::{HalfOpen, Session};
use crate::counters::{Drop, Event};
use crate::hub::{Attempt, Hub, LoginRefusal, Place, SessionKey, Source};
use crate::time::Now;

/// Where an attempt comes from: one socket of one client.
pub(super) type Origin = (SocketAddr, SessionId);

/// What this server grants to those who offer it; RELAY only where there is a port for it.
const GRANTED: Capabilities = Capabilities::CBC
    .union(Capabilities::UTF8)
    .union(Capabilities::SEALED)
    .union(Capabilities::RECEIPTS)
    .union(Capabilities::RELAY)
    .union(Capabilities::ONCE);

/// After this long without a proof, the client is asked once more: its only acknowledgement may have been lost.
const PROBE_AFTER: Duration = Duration::from_secs(2);

/// Bytes of the reply to a login that was right: fewer than any LOGIN has.
const LOGIN_REPLY_LEN: usize = HEADER_LEN + 1 + 4 + 4;

/// A login or registration that the hub has not answered.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) origin: Origin,
    pub(super) seq: Seq,
    /// Bytes of the datagram.
    pub(super) len: usize,
    pub(super) wanted: Wanted,
}

/// What one wants to have.
#[derive(Debug)]
pub(super) enum Wanted {
    /// A number; and perhaps to hear once it is his.
    Number {
        once: bool,
    },
    Session(PendingLogin),
}

#[derive(Debug)]
pub(super) struct PendingLogin {
    uin: Uin,
    granted: Capabilities,
    key: Key,
    status: myicq_wire::Status,
    place: Place,
}

impl Frontend {
    pub(super) fn on_login(&mut self, now: Now, from: SocketAddr, header: &ClientHeader, body: &[u8], hub: &mut Hub) {
        let login = match open_request(header, body, None, &mut []) {
            Ok(Request::Login(login)) => login,
            Ok(_) => return,
            Err(error) => return self.counters.undecoded(error.kind),
        };
        let Some(seq) = header.seq else { return self.counters.drop(Drop::NoSeq) };
        if header.uin == Uin::NONE || header.session.0 == 0 {
            return self.counters.drop(Drop::UnknownSession);
        }
        if let Some(key) = self.find_session(header.uin, header.session, hub) {
            return self.on_repeated_login(now, key, from, seq, HEADER_LEN + body.len());
        }
        let Login { password: Secret(password), status, real_ip, port, .. } = login;
        let absent = if self.config.listen.relay.is_some() { Capabilities::NONE } else { Capabilities::RELAY };
        let pending = PendingLogin {
            uin: header.uin,
            granted: Capabilities(header.reserved).intersection(GRANTED).difference(absent),
            key: Key::new(password),
            status,
            place: Place { ip: from.ip().to_canonical(), port, real_ip },
        };
        let (origin, len, password) = ((from, header.session), HEADER_LEN + body.len(), password.into());
        match self.is_newcomers_login(origin, header.uin, &password, hub) {
            Some(true) => self.open_half(now, (origin, seq, len), pending, hub),
            Some(false) => {
                self.refuse_login((origin, seq), header.uin, Event::WrongPassword, LoginError::WRONG_PASSWORD)
            }
            None => {
                if let Some(attempt) = self.begin(origin, seq, len, Wanted::Session(pending)) {
                    hub.handle_login(now, attempt, header.uin, from.ip(), password);
                }
            }
        }
    }

    /// Notes an attempt, unless it is under way already. The hub says when there are too many.
    pub(super) fn begin(&mut self, origin: Origin, seq: Seq, len: usize, wanted: Wanted) -> Option<Attempt> {
        if !self.origins.insert(origin) {
            self.counters.drop(Drop::DuplicateOpen);
            return None;
        }
        self.last_attempt += 1;
        let attempt = Attempt(self.last_attempt);
        self.attempts.insert(attempt, Pending { origin, seq, len, wanted });
        Some(attempt)
    }

    fn on_repeated_login(&mut self, now: Now, key: SessionKey, from: SocketAddr, seq: Seq, len: usize) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.address != from || session.login_seq != seq {
            return self.counters.drop(Drop::LoginInSession);
        }
        self.counters.drop(Drop::DuplicateAnswered);
        let Some(half_open) = &mut session.half_open else { return self.acknowledge_again(key, seq) };
        half_open.budget += len.saturating_sub(LOGIN_REPLY_LEN);
        session.link.on_receive(&mut self.retained, now.instant, seq, &[]);
        self.touched.push(key);
    }

    pub(super) fn on_logged_in(
        &mut self,
        now: Now,
        attempt: Attempt,
        outcome: Result<(), LoginRefusal>,
        hub: &mut Hub,
    ) {
        let Some(Pending { origin, seq, len, wanted: Wanted::Session(login) }) = self.attempts.remove(&attempt) else {
            return;
        };
        self.origins.remove(&origin);
        let (event, error) = match outcome {
            Ok(()) => return self.open_half(now, (origin, seq, len), login, hub),
            Err(LoginRefusal::Unavailable) => return self.counters.drop(Drop::LoginsFull),
            Err(LoginRefusal::TooOften) => return self.counters.drop(Drop::LoginsTooOften),
            Err(LoginRefusal::NoSuchUser) => (Event::InvalidUin, LoginError::INVALID_UIN),
            Err(LoginRefusal::WrongPassword) => (Event::WrongPassword, LoginError::WRONG_PASSWORD),
        };
        self.refuse_login((origin, seq), login.uin, event, error);
    }

    fn refuse_login(&mut self, (origin, seq): (Origin, Seq), uin: Uin, event: Event, error: LoginError) {
        self.counters.event(event);
        // A client of 2003 does not acknowledge this one, so it is sent once; who missed it asks again.
        let (address, session) = origin;
        let registered = self.registrations.get_mut(&origin).and_then(|registration| registration.link.as_mut());
        let own = registered.and_then(Link::take_seq).unwrap_or_else(|| self.random_seq());
        let envelope = Envelope { reserved: 0, uin, session, seq: Some(own) };
        self.push_reply(address, &envelope, Some(seq), &Reply::Login(LoginReply::Refused(error)));
    }

    /// The password is right: a session that has yet to prove its address.
    fn open_half(&mut self, now: Now, (origin, seq, len): (Origin, Seq, usize), login: PendingLogin, hub: &mut Hub) {
        let (address, id) = origin;
        if self.find_session(login.uin, id, hub).is_some() {
            return self.counters.drop(Drop::LoginInSession);
        }
        let registered = self.registrations.get_mut(&origin).and_then(|registration| registration.link.take());
        let mut link = registered.unwrap_or_else(|| self.unproven_link());
        link.on_receive(&mut self.retained, now.instant, seq, &[]);
        let half_open = HalfOpen {
            status: login.status,
            place: login.place,
            held: Vec::new(),
            wrong_acks: 0,
            probe_at: Some(now.instant + PROBE_AFTER),
            budget: len.saturating_sub(LOGIN_REPLY_LEN),
            deadline: now.instant + self.config.session.half_open_timeout,
        };
        let who = (login.uin, id, address);
        let mut session = Session::new(
            who,
            seq,
            login.granted,
            (self.config.legacy.charset, login.key),
            link,
            half_open,
            now.instant,
        );

        let own = session.link.next_seq();
        let envelope = Envelope { reserved: login.granted.0, ..session.envelope(Some(own)) };
        let online_users = hub.online_users_after(login.uin, login.status);
        let reply = Reply::Login(LoginReply::Success(LoginSuccess { ip: ipv4(address.ip()), online_users }));
        let Ok(len) = encode_reply(&envelope, Some(seq), &reply, &mut self.room) else { return };
        let bytes = self.room.get(..len).unwrap_or_default();
        let reply =
            Outgoing { seq: own, bytes, token: Token(0), answers: Some(seq), before_proof: true, secret: false };
        if session.link.send(&mut self.retained, reply).is_err() {
            session.link.drain(&mut self.retained).for_each(drop);
            return;
        }
        let proven = session.link.is_proven();
        self.make_room_half_open(now, hub);
        self.make_room_at_address(now, address.ip(), hub);
        let Some(key) = self.sessions.insert(session) else { return };
        self.counters.event(Event::LoggedIn);
        self.half_open.push_back(key);
        if !address.ip().to_canonical().is_loopback() {
            self.half_open_at.entry(Source::of(address.ip())).or_default().push_back(key);
        }
        self.waiting_for_proof += 1;
        self.arm_end(now, key);
        self.flush(now, key, hub);
        if proven {
            self.on_proven(now, key, hub);
        }
    }

    /// There is no such user any more.
    pub(super) fn on_user_removed(&mut self, now: Now, uin: Uin, hub: &mut Hub) {
        let origins = &mut self.origins;
        self.attempts.retain(|_, Pending { origin, wanted, .. }| {
            let is_his = matches!(wanted, Wanted::Session(login) if login.uin == uin);
            if is_his {
                origins.remove(origin);
            }
            !is_his
        });
        for key in self.sessions.of(uin) {
            // To an address that has not proven itself nothing more is sent.
            if self.sessions.get(key).is_some_and(|session| session.half_open.is_none()) {
                self.dismiss(now, key, LoginError::INVALID_UIN, Event::Removed, hub);
            } else {
                self.end(now, key, Event::Removed, hub);
            }
        }
    }

    /// Forgets the oldest unproven login when there are as many as may be.
    fn make_room_half_open(&mut self, now: Now, hub: &mut Hub) {
        while let Some(oldest) = self.half_open.front().copied() {
            if self.sessions.get(oldest).is_some_and(|session| session.half_open.is_some()) {
                if self.waiting_for_proof < self.share.part_of(self.config.limits.half_open_max) {
                    break;
                }
                self.end(now, oldest, Event::NeverProven, hub);
            }
            self.half_open.pop_front();
        }
    }

    /// Forgets the oldest unproven login from an address when there are as many from there as may be.
    fn make_room_at_address(&mut self, now: Now, ip: IpAddr, hub: &mut Hub) {
        while let Some(waiting) = self.half_open_at.get_mut(&Source::of(ip))
            && waiting.len() >= self.config.limits.half_open_address_max
            && let Some(oldest) = waiting.pop_front()
        {
            self.end(now, oldest, Event::Crowded, hub);
        }
    }

    /// A login does not wait for the proof of its address any more.
    pub(super) fn leave_half_open(&mut self, key: SessionKey, ip: IpAddr) {
        self.waiting_for_proof -= 1;
        if let Entry::Occupied(mut waiting) = self.half_open_at.entry(Source::of(ip)) {
            waiting.get_mut().retain(|&other| other != key);
            if waiting.get().is_empty() {
                waiting.remove();
            }
        }
    }

    /// The client has acknowledged a number that only who reads at its address can know. A newcomer waits until he is a user.
    pub(super) fn on_proven(&mut self, now: Now, key: SessionKey, hub: &mut Hub) {
        if self.is_newcomer(key) && hub.handle_newcomer_proven(now, key.uin) {
            return;
        }
        let Some(half_open) = self.sessions.on_proven(key) else { return };
        self.leave_half_open(key, half_open.place.ip);
        self.arm_end(now, key);
        self.counters.event(Event::Opened);
        let session = self.sessions.get(key);
        let [has_receipts, has_relays] = [Session::has_receipts, Session::has_relays].map(|it| session.is_some_and(it));
        self.tell_group_types(now, key, hub);
        hub.open(now, key, half_open.status, half_open.place);
        if has_receipts {
            hub.subscribe_to_receipts(key);
        }
        if has_relays {
            hub.subscribe_to_relays(key);
        }
        for datagram in half_open.held {
            self.on_request(now, key, &datagram, hub);
        }
        // They were counted when they came.
        self.counters.set_aside();
        self.touched.push(key);
    }

    /// Whether a session is that of somebody who is no user yet.
    fn is_newcomer(&self, key: SessionKey) -> bool {
        let origin = self.newcomers.get(&key.uin);
        origin.is_some_and(|origin| self.sessions.get(key).is_some_and(|it| (it.address, it.id) == *origin))
    }

    /// A request came before the proof. Perhaps the client has acknowledged its login and that was lost: COMPAT: the clients of 2003
    /// acknowledge a number once. Ask again, with no more bytes than have come.
    pub(super) fn on_early_request(&mut self, now: Now, key: SessionKey) {
        let asked = self.sessions.get(key).and_then(|session| session.half_open.as_ref());
        if asked.is_some_and(|half_open| half_open.probe_at.is_none()) {
            self.probe(now, key);
        }
    }

    /// Asks an unproven address for an acknowledgement: by a header with a number of its own, which the clients of 2003 acknowledge and
    /// otherwise ignore; where every number must be retained, by the LOGIN reply again.
    pub(super) fn probe(&mut self, now: Now, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(half_open) = &mut session.half_open else { return };
        let cost = if session.granted.contains(Capabilities::ONCE) { LOGIN_REPLY_LEN } else { HEADER_LEN };
        let Some(budget) = half_open.budget.checked_sub(cost) else { return };
        half_open.budget = budget;
        self.counters.event(Event::Probed);
        if let Some(seq) = session.link.take_seq() {
            self.push_unretained(key, Some(seq), None, &Reply::Ack);
        } else {
            session.link.on_receive(&mut self.retained, now.instant, session.login_seq, &[]);
        }
        self.touched.push(key);
    }

    /// A link that says nothing of its own accord until its address is proven, by a number that cannot be foreseen.
    pub(super) fn unproven_link(&mut self) -> Link {
        let mut link = Link::new(self.random_seq(), self.rng.random());
        link.require_proof();
        link
    }

    pub(super) fn random_seq(&mut self) -> Seq {
        Seq::new(self.rng.random_range(1..=u16::MAX)).unwrap_or(Seq::FIRST)
    }
}

/// The address as the packets carry it: none for a client that came over IPv6.
pub(super) fn ipv4(address: IpAddr) -> Ipv4 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(_) => Ipv4::NONE,
    }
}
