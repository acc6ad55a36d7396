//! New users. The same registration makes one user however often it comes, and none before the address is proven: by an acknowledgement of
//! the reply, or by that of the login which follows on the same socket and goes on with its sequence numbers.

use std::net::SocketAddr;
use std::time::Duration;

use myicq_wire::link::{Link, Outgoing, Output, Timing, Token};
use myicq_wire::{
    Capabilities, ClientHeader, Command, Envelope, HEADER_LEN, MAX_PASSWORD_LEN, NewUinReply, Reply, Request, Secret,
    Seq, Str, Uin, encode_reply, open_request,
};
use rand::RngExt;

use super::login::{Origin, Pending, Wanted};
use super::{Frontend, WRONG_ACKS_MAX};
use crate::counters::{Drop, Event};
use crate::hub::{Attempt, Hub, Password, RegistrationRefusal};
use crate::time::Now;

/// How long a registration is remembered.
const REGISTRATION_LIFE: Duration = Duration::from_secs(60);

/// Bytes of the reply to a registration that made nobody. It names no domain, so that it is no longer than a request that has a password.
const REFUSAL_LEN: usize = HEADER_LEN + 4;

/// Bytes of a string beside its letters: its length, and the 0 at its end.
const STRING_LEN: usize = 2 + 1;

/// So many times as long as the registration its reply may be.
const REPLY_FOLD_MAX: usize = 2;

/// A registration that was given a number.
#[derive(Debug)]
pub(super) struct Registration {
    /// The number, where it is one of this shard's.
    uin: Option<Uin>,
    /// Whether the client wants to hear that it is a user.
    once: bool,
    seq: Seq,
    /// `None` once the login that follows goes on with it: no sequence number may come twice within a session id.
    pub(super) link: Option<Link>,
    /// Acknowledgements of numbers that were never sent.
    wrong_acks: u8,
    /// Bytes that came from the address less those that went there, the first reply not counted.
    budget: usize,
    reply_len: usize,
}

/// What the shard of a new user must know of his registration: the proof of the address comes there, and the login that follows goes on
/// with its numbers.
#[derive(Debug)]
pub struct Registered {
    origin: Origin,
    uin: Uin,
    password: Password,
    once: bool,
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
        // The reply carries the domain, and who is spoken to has not asked for it, perhaps.
        let is_too_short = REFUSAL_LEN + STRING_LEN + self.config.listen.domain.len() > REPLY_FOLD_MAX * len;
        if password.is_empty() || password.len() > MAX_PASSWORD_LEN || is_too_short {
            return self.refuse_registration((origin, seq, len), RegistrationRefusal::Failed);
        }
        let once = Capabilities(header.reserved).contains(Capabilities::ONCE);
        let Some(attempt) = self.begin(origin, seq, len, Wanted::Number { once }) else { return };
        hub.handle_registration(now, attempt, from.ip(), password.into());
    }

    fn on_repeated_registration(&mut self, now: Now, origin: Origin, seq: Seq, len: usize) {
        let Some(registration) = self.registrations.get_mut(&origin) else { return };
        if registration.seq != seq {
            return self.counters.drop(Drop::LoginInSession);
        }
        self.counters.drop(Drop::DuplicateAnswered);
        let (uin, once) = (registration.uin, registration.once);
        if let Some(uin) = uin.filter(|uin| !self.newcomers.contains_key(uin)) {
            return self.confirm_registration(origin, uin, once, seq);
        }
        registration.budget += len;
        if let Some(budget) = registration.budget.checked_sub(registration.reply_len)
            && let Some(link) = &mut registration.link
        {
            registration.budget = budget;
            link.on_receive(&mut self.retained, now.instant, seq, &[]);
            self.flush_registration(now, origin);
        }
    }

    /// The hub has a number, or refuses one.
    pub(super) fn on_registered(
        &mut self,
        now: Now,
        attempt: Attempt,
        outcome: Result<(Uin, Password), RegistrationRefusal>,
        hub: &mut Hub,
    ) {
        let Some(Pending { origin, seq, len, wanted: Wanted::Number { once } }) = self.attempts.remove(&attempt) else {
            return;
        };
        self.origins.remove(&origin);
        let (uin, password) = match outcome {
            Ok(reserved) => reserved,
            Err(refusal) => return self.refuse_registration((origin, seq, len), refusal),
        };
        let mut link = self.unproven_link();
        link.on_receive(&mut self.retained, now.instant, seq, &[]);
        let own = link.next_seq();
        let reserved = if once { Capabilities::ONCE } else { Capabilities::NONE }.0;
        let envelope = Envelope { reserved, session: origin.1, seq: Some(own), ..Envelope::default() };
        let reply = Reply::NewUin(NewUinReply { uin, domain: Some(Str(self.config.listen.domain.as_bytes())) });
        let Ok(reply_len) = encode_reply(&envelope, Some(seq), &reply, &mut self.room) else { return };
        let bytes = self.room.get(..reply_len).unwrap_or_default();
        let reply =
            Outgoing { seq: own, bytes, token: Token(0), answers: Some(seq), before_proof: true, secret: false };
        if link.send(&mut self.retained, reply).is_ok() {
            let is_ours = self.share.owns(uin);
            let (link, uin_of_ours) = (Some(link), is_ours.then_some(uin));
            let registration =
                Registration { uin: uin_of_ours, once, seq, link, wrong_acks: 0, budget: len, reply_len };
            self.remember(now, origin, registration, hub);
            if is_ours {
                self.expect(origin, uin, password, hub);
            } else {
                let registered = Registered { origin, uin, password, once, request: seq, reply: own };
                self.registered_elsewhere.push_back((self.share.owner(uin), registered));
            }
            self.flush_registration(now, origin);
        }
    }

    fn expect(&mut self, origin: Origin, uin: Uin, password: Password, hub: &mut Hub) {
        self.newcomers.insert(uin, origin);
        hub.expect_newcomer(uin, password);
    }

    fn remember(&mut self, now: Now, origin: Origin, registration: Registration, hub: &mut Hub) {
        self.make_room_registered(hub);
        // Before the other one, which would be taken for its successor.
        self.forget_registration(origin, hub);
        self.registrations.insert(origin, registration);
        self.registration_ends.push_back((now.instant + REGISTRATION_LIFE, origin));
    }

    /// The next registration whose user belongs to another shard, and to which.
    pub fn poll_registered(&mut self) -> Option<(u32, Registered)> {
        self.registered_elsewhere.pop_front()
    }

    /// A user of this shard has been registered by another one, which replies to him. Its reply's number is used up here too, so
    /// that its acknowledgement proves the address.
    pub fn handle_registered(&mut self, now: Now, registered: Registered, hub: &mut Hub) {
        let Registered { origin, uin, password, once, request, reply } = registered;
        let mut link = Link::new(reply, self.rng.random());
        link.require_proof();
        link.take_seq();
        let registration = Registration {
            uin: Some(uin),
            once,
            seq: request,
            link: Some(link),
            wrong_acks: 0,
            budget: 0,
            reply_len: usize::MAX,
        };
        self.remember(now, origin, registration, hub);
        self.expect(origin, uin, password, hub);
    }

    fn refuse_registration(&mut self, (origin, seq, len): (Origin, Seq, usize), refusal: RegistrationRefusal) {
        self.counters.event(match refusal {
            RegistrationRefusal::Closed => Event::RegistrationClosed,
            RegistrationRefusal::TooOften => Event::RegistrationTooOften,
            RegistrationRefusal::Failed => Event::RegistrationFailed,
            RegistrationRefusal::Busy => return self.counters.drop(Drop::LoginsFull),
        });
        if len >= REFUSAL_LEN {
            let envelope = Envelope { session: origin.1, seq: Some(self.random_seq()), ..Envelope::default() };
            let reply = Reply::NewUin(NewUinReply { uin: Uin::NONE, domain: None });
            self.push_reply(origin.0, &envelope, Some(seq), &reply);
        }
    }

    /// Forgets the oldest registration when as many are remembered as may be.
    fn make_room_registered(&mut self, hub: &mut Hub) {
        while self.registrations.len() >= self.config.limits.registrations_max
            && let Some((_, oldest)) = self.registration_ends.pop_front()
        {
            self.forget_registration(oldest, hub);
        }
    }

    pub(super) fn forget_registration(&mut self, origin: Origin, hub: &mut Hub) {
        let Some(registration) = self.registrations.remove(&origin) else { return };
        registration.link.into_iter().for_each(|mut link| link.drain(&mut self.retained).for_each(drop));
        if let Some(uin) = registration.uin {
            self.give_up_newcomer(uin, hub);
        }
    }

    /// A registration or a half-open session is no more. When the newcomer of this number has neither, nobody can prove his address.
    pub(super) fn give_up_newcomer(&mut self, uin: Uin, hub: &mut Hub) {
        let Some(origin) = self.newcomers.get(&uin).copied() else { return };
        let is_remembered = self.registrations.get(&origin).is_some_and(|registration| registration.uin == Some(uin));
        if !is_remembered && self.sessions.find(None, uin, origin.1).is_none() && hub.forget_newcomer(uin) {
            self.newcomers.remove(&uin);
            self.counters.event(Event::RegistrationUnproven);
        }
    }

    /// Whether a login is that of a newcomer behind his registration, and so without a look at the disk; and then, whether his password is
    /// right.
    pub(super) fn is_newcomers_login(&self, origin: Origin, uin: Uin, password: &Password, hub: &Hub) -> Option<bool> {
        let is_his = self.newcomers.get(&uin) == Some(&origin);
        is_his.then(|| hub.is_newcomers_password(uin, password)).flatten()
    }

    /// Somebody whose address was proven is a user now. His client hears it, and his session goes on.
    pub(super) fn on_arrived(&mut self, now: Now, uin: Uin, is_written: bool, hub: &mut Hub) {
        self.counters.event(if is_written { Event::Registered } else { Event::RegistrationFailed });
        let Some(origin) = self.newcomers.remove(&uin) else { return };
        let session = self.sessions.find(None, uin, origin.1);
        if !is_written {
            session.into_iter().for_each(|key| self.end(now, key, Event::Removed, hub));
            return;
        }
        if let Some(registration) = self.registrations.get(&origin).filter(|it| it.uin == Some(uin)) {
            let (once, seq) = (registration.once, registration.seq);
            self.confirm_registration(origin, uin, once, seq);
        }
        if let Some(key) = session {
            self.on_proven(now, key, hub);
        }
    }

    /// Tells a client whose address is proven that it is a user: an acknowledgement has no acknowledgement otherwise.
    fn confirm_registration(&mut self, origin: Origin, uin: Uin, once: bool, seq: Seq) {
        if once {
            let envelope = Envelope { uin, session: origin.1, ..Envelope::default() };
            self.push_reply(origin.0, &envelope, Some(seq), &Reply::Ack);
        }
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
    pub(super) fn on_stray(
        &mut self,
        now: Now,
        from: SocketAddr,
        header: &ClientHeader,
        command: Command,
        hub: &mut Hub,
    ) {
        let origin = (from, header.session);
        let registration = self.registrations.get_mut(&origin).filter(|_| command == Command::Ack);
        let Some((registration, seq)) = registration.zip(header.seq) else {
            return self.counters.drop(Drop::UnknownSession);
        };
        let Some(link) = &mut registration.link else { return self.counters.drop(Drop::UnknownSession) };
        link.on_ack(&mut self.retained, now.instant, seq);
        if link.is_proven() {
            let (uin, once, seq) = (registration.uin, registration.once, registration.seq);
            if let Some(uin) = uin
                && !hub.handle_newcomer_proven(now, uin)
            {
                self.confirm_registration(origin, uin, once, seq);
            }
        } else {
            registration.wrong_acks += 1;
            if registration.wrong_acks >= WRONG_ACKS_MAX {
                // The login that follows begins with a number that has not been guessed at.
                link.drain(&mut self.retained).for_each(drop);
                registration.link = None;
            }
        }
    }
}
