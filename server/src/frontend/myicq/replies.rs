//! What goes to clients.

use std::borrow::Cow;
use std::net::SocketAddr;

use myicq_wire::link::{Outgoing, SendError, Token};
use myicq_wire::{
    AddFriendReply, Command, ContactProfile, EncodeError, Envelope, GroupRef, List, LoginError, LoginReply,
    RefusalReason, Refused, RelayOffered, RelayPass, RelayReply, Reply, Sent, Seq, ServerMessage, Str, Uin,
    UserProfile, encode_reply, message, seal_reply,
};

use super::notices::{Notice, QUEUED_MAX, to_wire};
use super::{Frontend, TraceEvent, profile};
use crate::counters::Event;
use crate::frontend::myicq::requests::asked_by;
use crate::hub::{Answer, Hub, Question, Refusal, SessionKey, Tell};
use crate::store::{Message, MessageId};
use crate::time::Now;

/// The domain in replies about users of this server.
pub(super) const HERE: Option<Str<'static>> = Some(Str(b""));

impl Frontend {
    /// The hub answers a request.
    pub(super) fn on_answer(&mut self, now: Now, question: Question, answer: Answer, hub: &mut Hub) {
        let (key, Some((command, seq))) = (question.session, asked_by(question)) else { return };
        let Some(session) = self.sessions.get(key) else { return };
        let charset = session.charset;
        match answer {
            Answer::Sent { id, is_delivered } if session.has_receipts() => self.on_sent(key, seq, id, is_delivered),
            Answer::Done | Answer::Sent { .. } => self.acknowledge(key, seq),
            Answer::Contacts(contacts) => {
                self.reply(now, key, seq, &Reply::GetContactList(List::new(&contacts)), hub);
            }
            Answer::Profile(uin, Some(found)) => profile::to_wire(&found, charset, |profile| {
                let reply = if command == Command::UpdateUser {
                    Reply::UpdateUser(UserProfile { profile, auth: found.auth })
                } else {
                    Reply::UpdateContact(ContactProfile { uin, profile, domain: HERE })
                };
                self.reply(now, key, seq, &reply, hub);
            }),
            Answer::Profile(_, None) => self.refuse(now, key, (command, seq), Refusal::NoSuchUser, hub),
            Answer::Added(uin, result) => {
                let reply = Reply::AddFriend(AddFriendReply { uin, result, domain: HERE });
                self.reply(now, key, seq, &reply, hub);
            }
            Answer::Relay(pass) => {
                self.note(key, Event::RelayOpened);
                self.reply(now, key, seq, &Reply::Relay(RelayReply::Granted(pass)), hub);
            }
            Answer::Found(found) => self.reply_found(now, key, seq, &found, hub),
            Answer::Groups(groups) => self.reply_groups(now, key, seq, groups, hub),
            Answer::Group(listing) => self.reply_group(now, key, seq, &listing, hub),
            Answer::Created(group) => self.reply(now, key, seq, &Reply::CreateGroup(GroupRef { group }), hub),
            Answer::Entered(group, outcome) => self.reply_entered(now, (key, seq), group, &outcome, hub),
            Answer::Refused(refusal) => self.refuse(now, key, (command, seq), refusal, hub),
        }
    }

    /// The hub has something to say to these.
    pub(super) fn on_tell(&mut self, now: Now, keys: &[SessionKey], tell: Tell, hub: &mut Hub) {
        match tell {
            Tell::Came(presence) => self.notify_all(now, keys, presence.uin, Notice::Here(to_wire(&presence)), hub),
            Tell::Gone(uin) => self.notify_all(now, keys, uin, Notice::Gone, hub),
            Tell::StatusChanged(uin, status) => self.notify_all(now, keys, uin, Notice::Status(status), hub),
            Tell::Message(message) => keys.iter().for_each(|&key| self.deliver(now, key, &message, hub)),
            Tell::Here(contacts) => keys.iter().for_each(|&key| self.notify_here(now, key, &contacts, hub)),
            Tell::Receipt(receipt) => keys.iter().for_each(|&key| self.notify_receipt(now, key, receipt, hub)),
            Tell::Relay(from, pass) => keys.iter().for_each(|&key| self.offer_relay(now, key, from, pass, hub)),
            Tell::Group(news) => keys.iter().for_each(|&key| self.tell_group_news(now, key, &news, hub)),
            Tell::Replaced => {
                keys.iter().for_each(|&key| self.dismiss(now, key, LoginError::REPLACED, Event::Replaced, hub));
            }
        }
    }

    /// Somebody wants a relay to this client. One that is slow to take what it is told would come too late.
    fn offer_relay(&mut self, now: Now, key: SessionKey, from: Uin, pass: RelayPass, hub: &mut Hub) {
        if self.sessions.get(key).is_none_or(|session| session.link.queued() >= QUEUED_MAX) {
            return self.note(key, Event::RelayDropped);
        }
        self.note(key, Event::RelayOffered);
        self.retain(now, key, &Reply::RelayOffered(RelayOffered { from, pass }), None, Token(0), hub);
    }

    /// Counts what happened to a user, and shows it to who looks at him.
    fn note(&mut self, key: SessionKey, event: Event) {
        self.counters.event(event);
        self.trace.event(key.uin, event);
    }

    fn deliver(&mut self, now: Now, key: SessionKey, message: &Message, hub: &mut Hub) {
        let Some(session) = self.sessions.get(key) else { return };
        // In its own charset it is as it should be since it was taken in.
        let text = if message.charset == session.charset {
            Cow::Borrowed(&*message.text)
        } else {
            message::transcode(message.kind, &message.text, message.charset, session.charset)
        };
        let reply = Reply::Message(ServerMessage {
            kind: message.kind,
            from: message.from,
            time: message.time.seconds(),
            text: Str(&text),
            domain: HERE,
            id: (session.is_once() || session.has_receipts()).then_some(message.id.0),
        });
        self.retain(now, key, &reply, None, Token(message.id.0), hub);
    }

    /// Ends a session and says why. COMPAT: an error in a LOGIN reply ends the session of a client of 2003, which does not acknowledge it.
    pub(super) fn dismiss(&mut self, now: Now, key: SessionKey, error: LoginError, event: Event, hub: &mut Hub) {
        if let Some(session) = self.sessions.get_mut(key) {
            let own = session.link.take_seq();
            self.push_unretained(key, own, None, &Reply::Login(LoginReply::Refused(error)));
        }
        self.end(now, key, event, hub);
    }

    /// Answers a request, which is acknowledged by it.
    pub(super) fn reply(&mut self, now: Now, key: SessionKey, seq: Seq, reply: &Reply<'_>, hub: &mut Hub) {
        self.retain(now, key, reply, Some(seq), Token(0), hub);
    }

    /// Sends a datagram that is kept until the client has acknowledged it.
    pub(super) fn retain(
        &mut self,
        now: Now,
        key: SessionKey,
        reply: &Reply<'_>,
        answers: Option<Seq>,
        token: Token,
        hub: &mut Hub,
    ) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let seq = session.link.next_seq();
        // All that is put into replies has been bounded when it came: a buffer of the longest datagram holds it.
        let mut room = std::mem::take(&mut self.room);
        let encoded = encode_reply(&session.envelope(Some(seq)), answers, reply, &mut room);
        if let Ok(len) =
            encoded.and_then(|len| session.reply_key().map_or(Ok(len), |key| seal_reply(key, len, &mut room)))
        {
            let bytes = room.get(..len).unwrap_or_default();
            self.keep(now, key, Outgoing { answers, ..Outgoing::new(seq, bytes, token) }, hub);
        } else {
            debug_assert!(false, "a reply that does not fit a datagram");
        }
        self.room = room;
    }

    /// Hands a datagram to the link of its session.
    pub(super) fn keep(&mut self, now: Now, key: SessionKey, outgoing: Outgoing<'_>, hub: &mut Hub) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        match session.link.send(&mut self.retained, outgoing) {
            Ok(()) => self.touched.push(key),
            Err(SendError::QueueFull) => self.end(now, key, Event::NotReading, hub),
            Err(_) => debug_assert!(false, "the link's own next number is out of turn"),
        }
    }

    /// Acknowledges a request that has no reply.
    pub(super) fn acknowledge(&mut self, key: SessionKey, seq: Seq) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.link.acknowledge(seq);
        }
        self.acknowledge_again(key, seq);
    }

    /// Says once more that a request is acknowledged.
    pub(super) fn acknowledge_again(&mut self, key: SessionKey, seq: Seq) {
        self.push_unretained(key, None, Some(seq), &Reply::Ack);
    }

    /// Acknowledges a message, and says which number it has.
    fn on_sent(&mut self, key: SessionKey, seq: Seq, MessageId(id): MessageId, is_delivered: bool) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.link.acknowledge(seq);
        }
        self.push_unretained(key, None, Some(seq), &Reply::Sent(Sent { id, is_delivered: is_delivered.into() }));
    }

    /// Sends a session a datagram that nobody retains.
    pub(super) fn push_unretained(
        &mut self,
        key: SessionKey,
        seq: Option<Seq>,
        ackseq: Option<Seq>,
        reply: &Reply<'_>,
    ) {
        let Some(session) = self.sessions.get(key) else { return };
        let pushed =
            self.outbox.push_reply(session.address, &session.envelope(seq), ackseq, reply, session.reply_key());
        self.note_pushed(pushed);
    }

    /// Refuses a request. Plain v1 mostly has no word for it: a client of 2003 hears nothing and tells its user that the request was not
    /// answered, but for a profile that does not exist, where there is nothing to be lost and nothing to be told.
    pub(super) fn refuse(
        &mut self,
        now: Now,
        key: SessionKey,
        (command, seq): (Command, Seq),
        refusal: Refusal,
        hub: &mut Hub,
    ) {
        self.counters.refusal(refusal);
        if self.trace.is_of(key.uin) {
            self.trace.push(TraceEvent::Refused { command, seq, refusal });
        }
        let Some(session) = self.sessions.get_mut(key) else { return };
        if command == Command::Relay {
            self.reply(now, key, seq, &Reply::Relay(RelayReply::Refused(reason(refusal))), hub);
        } else if session.is_once() {
            self.reply(now, key, seq, &Reply::Refused(Refused { reason: reason(refusal) }), hub);
        } else if command == Command::UpdateContact && matches!(refusal, Refusal::NoSuchUser | Refusal::OtherDomain) {
            self.acknowledge(key, seq);
        } else if matches!(command, Command::CreateGroup | Command::SearchGroup) {
            self.reply_no_group(now, key, seq, command == Command::CreateGroup, hub);
        } else {
            session.link.forget(seq);
        }
    }

    /// Sends an address without a session a datagram that nobody retains.
    pub(super) fn push_reply(&mut self, to: SocketAddr, envelope: &Envelope, ackseq: Option<Seq>, reply: &Reply<'_>) {
        let pushed = self.outbox.push_reply(to, envelope, ackseq, reply, None);
        self.note_pushed(pushed);
    }

    fn note_pushed(&mut self, pushed: Result<usize, EncodeError>) {
        match pushed {
            Ok(_) => self.counters.sent(self.outbox.last()),
            Err(_) => debug_assert!(false, "a reply that does not fit a datagram"),
        }
    }
}

fn reason(refusal: Refusal) -> RefusalReason {
    match refusal {
        Refusal::NoSuchUser => RefusalReason::NO_SUCH_USER,
        Refusal::MailboxFull => RefusalReason::MAILBOX_FULL,
        Refusal::TooLong => RefusalReason::TOO_LONG,
        Refusal::Malformed => RefusalReason::MALFORMED,
        Refusal::NotAllowed => RefusalReason::NOT_ALLOWED,
        Refusal::OtherDomain => RefusalReason::OTHER_DOMAIN,
        Refusal::NotAsked => RefusalReason::NOT_ASKED,
        Refusal::Busy => RefusalReason::BUSY,
        Refusal::Storage => RefusalReason::STORAGE,
        Refusal::NoSuchGroup => RefusalReason::NO_SUCH_GROUP,
        Refusal::TooMany => RefusalReason::TOO_MANY,
        Refusal::TooOften => RefusalReason::TOO_OFTEN,
        Refusal::InDoubt => RefusalReason::IN_DOUBT,
        Refusal::DayFull => RefusalReason::DAY_FULL,
    }
}
