//! From a first datagram to an open session: registration, login, and the proof of the address.
//!
//! A LOGIN can be sent in anybody's name of address. Until the client has acknowledged a random sequence number, nothing goes to its
//! address but the LOGIN reply, and what asks again for that acknowledgement; the hub does not hear of the session before.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use myicq_wire::cipher::Key;
use myicq_wire::link::{Again, Link, Outgoing, Output, Receipt, Timing, Token};
use myicq_wire::{
    Capabilities, ClientHeader, Command, Envelope, HEADER_LEN, Ipv4, Login, LoginError, LoginReply, LoginSuccess,
    NewUinReply, Reply, Request, Secret, Seq, SessionId, Str, Uin, encode_reply, open_request,
};
use rand::RngExt;
use zeroize::Zeroizing;

use super::Frontend;
use super::session::{HalfOpen, Session};
use crate::counters::{Drop, Event};
use crate::hub::{Attempt, Hub, LoginRefusal, Place, SessionKey};
use crate::time::Now;

/// Where an attempt comes from: one socket of one client.
pub(super) type Origin = (SocketAddr, SessionId);

/// What this server grants to those who offer it.
const GRANTED: Capabilities = Capabilities::ONCE;

/// Bytes of a password. The original's dialogue stops at 16; beyond this one, hashing is all that it would do.
const PASSWORD_MAX: usize = 128;

/// How long a registration is remembered, for its repetitions and for the login that follows on the same socket.
const REGISTRATION_LIFE: Duration = Duration::from_secs(60);

/// After this long without a proof, the client is asked once more: its only acknowledgement may have been lost.
const PROBE_AFTER: Duration = Duration::from_secs(2);

/// Bytes of the reply to a login that was right: fewer than any LOGIN has.
const LOGIN_REPLY_LEN: usize = HEADER_LEN + 1 + 4 + 4;

/// A login or registration that the hub has not answered.
#[derive(Debug)]
pub(super) struct Pending {
    origin: Origin,
    seq: Seq,
    /// `None` for a registration.
    login: Option<PendingLogin>,
}

#[derive(Debug)]
struct PendingLogin {
    uin: Uin,
    granted: Capabilities,
    key: Key,
    status: myicq_wire::Status,
    place: Place,
    /// Of the LOGIN.
    len: usize,
}

/// A registration that made a user.
#[derive(Debug)]
pub(super) struct Registration {
    seq: Seq,
    /// The login that follows goes on with it: no sequence number may come twice within a session id.
    link: Link,
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
        if let Some(&key) = self.by_id.get(&(header.uin, header.session)) {
            return self.on_repeated_login(now, key, from, seq, HEADER_LEN + body.len());
        }
        let Login { password: Secret(password), status, real_ip, port, .. } = login;
        let pending = PendingLogin {
            uin: header.uin,
            granted: Capabilities(header.reserved).intersection(GRANTED),
            key: Key::new(password),
            status,
            place: Place { ip: from.ip().to_canonical(), port, real_ip },
            len: HEADER_LEN + body.len(),
        };
        if let Some(attempt) = self.begin((from, header.session), seq, Some(pending)) {
            hub.handle_login(attempt, header.uin, Zeroizing::new(password.to_vec()));
        }
    }

    /// Notes an attempt, unless it is under way already. The hub says when there are too many.
    fn begin(&mut self, origin: Origin, seq: Seq, login: Option<PendingLogin>) -> Option<Attempt> {
        if !self.origins.insert(origin) {
            self.counters.drop(Drop::DuplicateOpen);
            return None;
        }
        self.last_attempt += 1;
        let attempt = Attempt(self.last_attempt);
        self.attempts.insert(attempt, Pending { origin, seq, login });
        Some(attempt)
    }

    fn on_repeated_login(&mut self, now: Now, key: SessionKey, from: SocketAddr, seq: Seq, len: usize) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if session.address != from || session.login_seq != seq {
            return self.counters.drop(Drop::LoginInSession);
        }
        if let Some(half_open) = &mut session.half_open {
            half_open.budget += len.saturating_sub(LOGIN_REPLY_LEN);
        }
        self.counters.drop(Drop::DuplicateAnswered);
        if session.link.on_receive(now.instant, seq, &[]) == Receipt::Duplicate(Again::Acknowledge) {
            self.acknowledge_again(key, seq);
        }
        self.touched.push(key);
    }

    pub(super) fn on_logged_in(
        &mut self,
        now: Now,
        attempt: Attempt,
        outcome: Result<(), LoginRefusal>,
        hub: &mut Hub,
    ) {
        let Some(Pending { origin, seq, login: Some(login) }) = self.attempts.remove(&attempt) else { return };
        self.origins.remove(&origin);
        let (event, error) = match outcome {
            Ok(()) => return self.open_half(now, origin, seq, login, hub),
            Err(LoginRefusal::Unavailable) => return self.counters.drop(Drop::LoginsFull),
            Err(LoginRefusal::NoSuchUser) => (Event::InvalidUin, LoginError::INVALID_UIN),
            Err(LoginRefusal::WrongPassword) => (Event::WrongPassword, LoginError::WRONG_PASSWORD),
        };
        self.counters.event(event);
        // A client of 2003 does not acknowledge this one, so it is sent once; who missed it asks again.
        let (address, session) = origin;
        let own = match self.registrations.get_mut(&origin) {
            Some(registration) => registration.link.take_seq(),
            None => Some(self.random_seq()),
        };
        let envelope = Envelope { reserved: 0, uin: login.uin, session, seq: own };
        self.push_reply(address, &envelope, Some(seq), &Reply::Login(LoginReply::Refused(error)));
    }

    /// The password is right: a session that has yet to prove its address.
    fn open_half(&mut self, now: Now, origin: Origin, seq: Seq, login: PendingLogin, hub: &mut Hub) {
        let (address, id) = origin;
        if self.by_id.contains_key(&(login.uin, id)) {
            return self.counters.drop(Drop::LoginInSession);
        }
        let mut link = match self.registrations.remove(&origin) {
            Some(registration) => registration.link,
            None => self.unproven_link(),
        };
        link.on_receive(now.instant, seq, &[]);
        let half_open = HalfOpen {
            status: login.status,
            place: login.place,
            held: Vec::new(),
            probe_at: Some(now.instant + PROBE_AFTER),
            budget: login.len.saturating_sub(LOGIN_REPLY_LEN),
            deadline: now.instant + self.config.session.half_open_timeout,
        };
        let who = (login.uin, id, address);
        let mut session =
            Session::new(who, seq, login.granted, (self.config.charset, login.key), link, half_open, now.instant);

        let own = session.link.next_seq();
        let envelope = Envelope { reserved: login.granted.0, ..session.envelope(Some(own)) };
        let online_users = hub.online_users_after(login.uin, login.status);
        let reply = Reply::Login(LoginReply::Success(LoginSuccess { ip: ipv4(address.ip()), online_users }));
        let Ok(len) = encode_reply(&envelope, Some(seq), &reply, &mut self.room) else { return };
        let bytes = self.room.get(..len).unwrap_or_default();
        let reply = Outgoing { seq: own, bytes, token: Token(0), answers: Some(seq), before_proof: true };
        if session.link.send(now.instant, reply).is_err() {
            return;
        }
        let proven = session.link.is_proven();
        self.last_session += 1;
        let key = SessionKey(self.last_session);
        self.make_room_half_open(now, hub);
        self.by_id.insert((session.uin, session.id), key);
        self.sessions.insert(key, session);
        self.counters.event(Event::LoggedIn);
        self.half_open.push_back(key);
        self.flush(now, key, hub);
        if proven {
            self.on_proven(now, key, hub);
        }
    }

    /// Forgets the oldest unproven login when there are as many as may be.
    fn make_room_half_open(&mut self, now: Now, hub: &mut Hub) {
        while let Some(&oldest) = self.half_open.front() {
            let waits = self.sessions.get(&oldest).is_some_and(|session| session.half_open.is_some());
            if waits && self.half_open.len() < self.config.limits.half_open_max {
                break;
            }
            self.half_open.pop_front();
            if waits {
                self.end(now, oldest, Event::NeverProven, hub);
            }
        }
    }

    /// The client has acknowledged a number that only who reads at its address can know.
    pub(super) fn on_proven(&mut self, now: Now, key: SessionKey, hub: &mut Hub) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Some(half_open) = session.half_open.take() else { return };
        self.counters.event(Event::Opened);
        hub.open(now, key, session.uin, half_open.status, half_open.place);
        for datagram in half_open.held {
            self.on_request(now, key, &datagram, hub);
        }
        self.touched.push(key);
    }

    /// A request came before the proof. Perhaps the client has acknowledged its login and that was lost: COMPAT: the clients of 2003
    /// acknowledge a number once. Ask again, with no more bytes than have come.
    pub(super) fn on_early_request(&mut self, now: Now, key: SessionKey) {
        let asked = self.sessions.get(&key).and_then(|session| session.half_open.as_ref());
        if asked.is_some_and(|half_open| half_open.probe_at.is_none()) {
            self.probe(now, key);
        }
    }

    /// Asks an unproven address for an acknowledgement: by a header with a number of its own, which the clients of 2003 acknowledge and
    /// otherwise ignore; where every number must be retained, by the LOGIN reply again.
    pub(super) fn probe(&mut self, now: Now, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Some(half_open) = &mut session.half_open else { return };
        let cost = if session.granted.contains(Capabilities::ONCE) { LOGIN_REPLY_LEN } else { HEADER_LEN };
        let Some(budget) = half_open.budget.checked_sub(cost) else { return };
        half_open.budget = budget;
        self.counters.event(Event::Probed);
        if let Some(seq) = session.link.take_seq() {
            let (address, envelope) = (session.address, session.envelope(Some(seq)));
            self.push_reply(address, &envelope, None, &Reply::Ack);
        } else {
            session.link.on_receive(now.instant, session.login_seq, &[]);
        }
        self.touched.push(key);
    }

    pub(super) fn on_registration(
        &mut self,
        now: Now,
        from: SocketAddr,
        header: &ClientHeader,
        body: &[u8],
        hub: &mut Hub,
    ) {
        let Secret(password) = match open_request(header, body, None, &mut []) {
            Ok(Request::NewUin(registration)) => registration.password,
            Ok(_) => return,
            Err(error) => return self.counters.undecoded(error.kind),
        };
        let Some(seq) = header.seq else { return self.counters.drop(Drop::NoSeq) };
        if header.session.0 == 0 {
            return self.counters.drop(Drop::UnknownSession);
        }
        let origin = (from, header.session);
        if self.registrations.contains_key(&origin) {
            return self.on_repeated_registration(now, origin, seq);
        }
        if self.registrations.len() >= self.config.limits.registrations_max {
            return self.counters.drop(Drop::LoginsFull);
        }
        let Some(attempt) = self.begin(origin, seq, None) else { return };
        if password.is_empty() || password.len() > PASSWORD_MAX {
            return self.on_registered(now, attempt, None);
        }
        hub.handle_registration(attempt, Zeroizing::new(password.to_vec()));
    }

    /// The same registration makes no second user.
    fn on_repeated_registration(&mut self, now: Now, origin: Origin, seq: Seq) {
        let Some(registration) = self.registrations.get_mut(&origin) else { return };
        if registration.seq != seq {
            return self.counters.drop(Drop::LoginInSession);
        }
        self.counters.drop(Drop::DuplicateAnswered);
        registration.link.on_receive(now.instant, seq, &[]);
        self.flush_registration(now, origin);
    }

    pub(super) fn on_registered(&mut self, now: Now, attempt: Attempt, uin: Option<Uin>) {
        let Some(Pending { origin, seq, .. }) = self.attempts.remove(&attempt) else { return };
        self.origins.remove(&origin);
        let domain = self.config.domain.clone();
        let domain = Some(Str(domain.as_bytes()));
        let Some(uin) = uin else {
            self.counters.event(Event::RegistrationFailed);
            let envelope = Envelope { session: origin.1, seq: Some(self.random_seq()), ..Envelope::default() };
            return self.push_reply(
                origin.0,
                &envelope,
                Some(seq),
                &Reply::NewUin(NewUinReply { uin: Uin::NONE, domain }),
            );
        };
        self.counters.event(Event::Registered);
        let mut link = self.unproven_link();
        link.on_receive(now.instant, seq, &[]);
        let own = link.next_seq();
        let envelope = Envelope { session: origin.1, seq: Some(own), ..Envelope::default() };
        let reply = Reply::NewUin(NewUinReply { uin, domain });
        let Ok(len) = encode_reply(&envelope, Some(seq), &reply, &mut self.room) else { return };
        let bytes = self.room.get(..len).unwrap_or_default();
        let reply = Outgoing { seq: own, bytes, token: Token(0), answers: Some(seq), before_proof: true };
        if link.send(now.instant, reply).is_ok() {
            self.registrations.insert(origin, Registration { seq, link });
            self.registration_ends.push_back((now.instant + REGISTRATION_LIFE, origin));
            self.flush_registration(now, origin);
        }
    }

    fn flush_registration(&mut self, now: Now, origin: Origin) {
        let Some(registration) = self.registrations.get_mut(&origin) else { return };
        while let Some(output) = registration.link.poll(now.instant, &Timing::DEFAULT) {
            if let Output::Transmit(datagram) = output {
                self.counters.event(Event::Sent);
                self.outbox.push(origin.0, datagram);
            }
        }
    }

    /// A datagram of no session. COMPAT: a client of 2003 acknowledges its registration after it has sent the LOGIN that follows, and
    /// sends a LOGOUT before that.
    pub(super) fn on_stray(&mut self, now: Now, from: SocketAddr, header: &ClientHeader, command: Command) {
        match (self.registrations.get_mut(&(from, header.session)), header.seq) {
            (Some(registration), Some(seq)) if command == Command::Ack => {
                registration.link.on_ack(now.instant, seq);
            }
            _ => self.counters.drop(Drop::UnknownSession),
        }
    }

    /// A link that says nothing of its own accord until its address is proven, by a number that cannot be foreseen.
    fn unproven_link(&mut self) -> Link {
        let mut link = Link::new(self.random_seq(), self.rng.random());
        link.require_proof();
        link
    }

    fn random_seq(&mut self) -> Seq {
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
