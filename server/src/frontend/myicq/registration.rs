//! New users. The same registration makes one user however often it comes, and the login that follows it on the same socket goes on with its
//! sequence numbers.

use std::net::SocketAddr;
use std::time::Duration;

use myicq_wire::link::{Link, Outgoing, Output, Timing, Token};
use myicq_wire::{
    ClientHeader, Command, Envelope, HEADER_LEN, MAX_PASSWORD_LEN, NewUinReply, Reply, Request, Secret, Seq, Str, Uin,
    encode_reply, open_request,
};
use rand::RngExt;

use super::login::{Origin, Pending};
use super::{Frontend, WRONG_ACKS_MAX};
use crate::counters::{Drop, Event};
use crate::hub::{Attempt, Hub};
use crate::time::Now;

/// How long a registration is remembered.
const REGISTRATION_LIFE: Duration = Duration::from_secs(60);

/// Bytes of the reply to a registration that made nobody. It names no domain, so that it is no longer than a request that has a password.
const REFUSAL_LEN: usize = HEADER_LEN + 4;

/// A registration that made a user.
#[derive(Debug)]
pub(super) struct Registration {
    seq: Seq,
    /// `None` once the login that follows goes on with it: no sequence number may come twice within a session id.
    pub(super) link: Option<Link>,
    /// Acknowledgements of numbers that were never sent.
    wrong_acks: u8,
    /// Bytes that came from the address less those that went there, the first reply not counted.
    budget: usize,
    reply_len: usize,
}

/// What the shard of a new user must know of his registration: the login that follows goes on with its numbers.
#[derive(Clone, Copy, Debug)]
pub struct Registered {
    origin: Origin,
    /// The number of the registration.
    request: Seq,
    /// The number of its reply.
    reply: Seq,
}

impl Frontend {
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
        let (origin, len) = ((from, header.session), HEADER_LEN + body.len());
        if self.registrations.contains_key(&origin) {
            return self.on_repeated_registration(now, origin, seq, len);
        }
        let Some(attempt) = self.begin(origin, seq, len, None) else { return };
        if password.is_empty() || password.len() > MAX_PASSWORD_LEN {
            return self.on_registered(now, attempt, None);
        }
        hub.handle_registration(attempt, password.into());
    }

    fn on_repeated_registration(&mut self, now: Now, origin: Origin, seq: Seq, len: usize) {
        let Some(registration) = self.registrations.get_mut(&origin) else { return };
        if registration.seq != seq {
            return self.counters.drop(Drop::LoginInSession);
        }
        self.counters.drop(Drop::DuplicateAnswered);
        registration.budget += len;
        if let Some(budget) = registration.budget.checked_sub(registration.reply_len)
            && let Some(link) = &mut registration.link
        {
            registration.budget = budget;
            link.on_receive(&mut self.retained, now.instant, seq, &[]);
            self.flush_registration(now, origin);
        }
    }

    pub(super) fn on_registered(&mut self, now: Now, attempt: Attempt, uin: Option<Uin>) {
        let Some(Pending { origin, seq, len, .. }) = self.attempts.remove(&attempt) else { return };
        self.origins.remove(&origin);
        let Some(uin) = uin else { return self.refuse_registration(origin, seq, len) };
        self.counters.event(Event::Registered);
        let mut link = self.unproven_link();
        link.on_receive(&mut self.retained, now.instant, seq, &[]);
        let own = link.next_seq();
        let envelope = Envelope { session: origin.1, seq: Some(own), ..Envelope::default() };
        let reply = Reply::NewUin(NewUinReply { uin, domain: Some(Str(self.config.listen.domain.as_bytes())) });
        let Ok(reply_len) = encode_reply(&envelope, Some(seq), &reply, &mut self.room) else { return };
        let bytes = self.room.get(..reply_len).unwrap_or_default();
        let reply =
            Outgoing { seq: own, bytes, token: Token(0), answers: Some(seq), before_proof: true, secret: false };
        if link.send(&mut self.retained, reply).is_ok() {
            self.remember(now, origin, Registration { seq, link: Some(link), wrong_acks: 0, budget: len, reply_len });
            self.flush_registration(now, origin);
            if !self.share.owns(uin) {
                let registered = Registered { origin, request: seq, reply: own };
                self.registered_elsewhere.push_back((self.share.owner(uin), registered));
            }
        }
    }

    fn remember(&mut self, now: Now, origin: Origin, registration: Registration) {
        self.make_room_registered();
        match self.registrations.insert(origin, registration) {
            None => self.registration_ends.push_back((now.instant + REGISTRATION_LIFE, origin)),
            Some(earlier) => self.drain(earlier),
        }
    }

    /// The next registration whose user belongs to another shard, and to which.
    pub fn poll_registered(&mut self) -> Option<(u32, Registered)> {
        self.registered_elsewhere.pop_front()
    }

    /// A user of this shard has been registered by another one, which has replied to it. Its reply's number is used up here too, so
    /// that its acknowledgement proves the address.
    pub fn handle_registered(&mut self, now: Now, registered: Registered) {
        let Registered { origin, request, reply } = registered;
        let mut link = Link::new(reply, self.rng.random());
        link.require_proof();
        link.take_seq();
        let registration =
            Registration { seq: request, link: Some(link), wrong_acks: 0, budget: 0, reply_len: usize::MAX };
        self.remember(now, origin, registration);
    }

    fn refuse_registration(&mut self, origin: Origin, seq: Seq, len: usize) {
        self.counters.event(Event::RegistrationFailed);
        if len >= REFUSAL_LEN {
            let envelope = Envelope { session: origin.1, seq: Some(self.random_seq()), ..Envelope::default() };
            let reply = Reply::NewUin(NewUinReply { uin: Uin::NONE, domain: None });
            self.push_reply(origin.0, &envelope, Some(seq), &reply);
        }
    }

    /// Forgets the oldest registration when as many are remembered as may be.
    fn make_room_registered(&mut self) {
        while self.registrations.len() >= self.config.limits.registrations_max
            && let Some((_, oldest)) = self.registration_ends.pop_front()
        {
            self.forget_registration(oldest);
        }
    }

    pub(super) fn forget_registration(&mut self, origin: Origin) {
        if let Some(registration) = self.registrations.remove(&origin) {
            self.drain(registration);
        }
    }

    fn drain(&mut self, registration: Registration) {
        registration.link.into_iter().for_each(|mut link| link.drain(&mut self.retained).for_each(drop));
    }

    fn flush_registration(&mut self, now: Now, origin: Origin) {
        let link = self.registrations.get_mut(&origin).and_then(|registration| registration.link.as_mut());
        let Some(link) = link else { return };
        while let Some(output) = link.poll(&mut self.retained, now.instant, &Timing::DEFAULT) {
            if let Output::Transmit(datagram) = output {
                self.counters.sent(datagram);
                self.outbox.push(origin.0, datagram);
            }
        }
    }

    /// A datagram of no session. COMPAT: a client of 2003 acknowledges its registration after it has sent the LOGIN that follows, and
    /// sends a LOGOUT before that.
    pub(super) fn on_stray(&mut self, now: Now, from: SocketAddr, header: &ClientHeader, command: Command) {
        let registration = self.registrations.get_mut(&(from, header.session)).filter(|_| command == Command::Ack);
        let Some((registration, seq)) = registration.zip(header.seq) else {
            return self.counters.drop(Drop::UnknownSession);
        };
        let Some(link) = &mut registration.link else { return self.counters.drop(Drop::UnknownSession) };
        link.on_ack(&mut self.retained, now.instant, seq);
        if !link.is_proven() {
            registration.wrong_acks += 1;
            if registration.wrong_acks >= WRONG_ACKS_MAX {
                // The login that follows begins with a number that has not been guessed at.
                link.drain(&mut self.retained).for_each(drop);
                registration.link = None;
            }
        }
    }
}
