//! Receipts: who is told what has become of what he said, and that somebody types. For those whose sessions asked for it, while they are here;
//! nothing of it is stored.
//!
//! Each notice says also that somebody is here. So it goes to those alone who have him on their lists, and none goes out about a user who
//! does not show himself.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashMap;
use myicq_wire::{Instant, Uin};

use super::{Answer, Content, Hub, Question, Refusal, SessionKey, Tell, presence};
use crate::store::MessageId;
use crate::time::Now;

/// Messages that a session acknowledged and has not said to have read. The oldest is forgotten for one more: it counts as read when a later one
/// of the same sender is.
const UNREAD_MAX: usize = 32;

/// One notice of typing in so long; programs send one every few seconds.
const TYPING_INTERVAL: Duration = Duration::from_secs(1);

/// So many may come at once.
const TYPING_BURST: u32 = 10;

/// What somebody does with messages, and who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Receipt {
    /// He has got a message that had been stored.
    Delivered(Uin, MessageId),
    /// He has read what was said to him, up to a message.
    Read(Uin, MessageId),
    /// He types a message, or has stopped.
    Typing(Uin, bool),
}

impl Receipt {
    /// Who.
    pub fn about(self) -> Uin {
        match self {
            Self::Delivered(uin, _) | Self::Read(uin, _) | Self::Typing(uin, _) => uin,
        }
    }
}

/// A message that is delivered or stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// Its number.
    pub id: MessageId,
    /// Whom it has reached, if he shows himself.
    pub delivered_to: Option<Uin>,
}

/// Those who are here and asked for receipts.
#[derive(Debug, Default)]
pub(super) struct Subscribers(HashMap<Uin, Subscriber>);

#[derive(Debug, Default)]
struct Subscriber {
    /// The messages that he has got and not said to have read, and whose they are. At most [`UNREAD_MAX`].
    unread: VecDeque<(MessageId, Uin)>,
    /// Until when his notices of typing have used up what he may send.
    typing_until: Instant,
}

impl Subscriber {
    fn may_type(&mut self, now: Instant) -> bool {
        let until = self.typing_until.max(now);
        let may = until.since(now) < TYPING_INTERVAL * TYPING_BURST;
        if may {
            self.typing_until = until + TYPING_INTERVAL;
        }
        may
    }

    /// Forgets what somebody said up to this message, and says which was the last of it.
    fn take_read(&mut self, from: Uin, up_to: MessageId) -> Option<MessageId> {
        let mut last = None;
        self.unread.retain(|&(id, sender)| {
            let is_read = sender == from && id <= up_to;
            last = if is_read { last.max(Some(id)) } else { last };
            !is_read
        });
        last
    }
}

impl Subscribers {
    pub(super) fn remove(&mut self, uin: Uin) {
        self.0.remove(&uin);
    }

    /// Somebody has got a message.
    pub(super) fn note_unread(&mut self, uin: Uin, id: MessageId, from: Uin) {
        if self.0.is_empty() {
            return;
        }
        let Some(subscriber) = self.0.get_mut(&uin) else { return };
        if subscriber.unread.len() >= UNREAD_MAX {
            subscriber.unread.pop_front();
        }
        subscriber.unread.push_back((id, from));
    }
}

impl Hub {
    /// A session that is open wants receipts.
    pub fn subscribe_to_receipts(&mut self, session: SessionKey) {
        if self.online.is_open(session) {
            self.receipts.0.insert(session.uin, Subscriber::default());
        }
    }

    fn is_seen(&self, uin: Uin) -> bool {
        self.online.get(uin).is_some_and(|user| presence::is_visible(user.status))
    }

    /// Whether somebody who is here has another on his list.
    fn has_listed(&mut self, owner: Uin, contact: Uin) -> bool {
        self.online.contacts_mut(owner).is_some_and(|contacts| self.lists.contains(contacts, contact))
    }

    /// What became of a message, for its sender: whom it has reached he learns only if he sees him.
    pub(super) fn accept(&mut self, question: Question, Accepted { id, delivered_to }: Accepted) {
        let sender = question.session.uin;
        // Nobody else is told, so nobody's list need be looked through.
        let wants_it = self.receipts.0.contains_key(&sender);
        let is_delivered = wants_it && delivered_to.is_some_and(|recipient| self.has_listed(sender, recipient));
        self.answer(question, Answer::Sent { id, is_delivered });
    }

    pub(super) fn read(&mut self, question: Question, from: Uin, up_to: MessageId) {
        let reader = question.session.uin;
        let last = self.receipts.0.get_mut(&reader).and_then(|subscriber| subscriber.take_read(from, up_to));
        if let Some(last) = last.filter(|_| self.is_seen(reader)) {
            self.post(from, Content::Receipt(Receipt::Read(reader, last)));
        }
        self.answer(question, Answer::Done);
    }

    pub(super) fn typing(&mut self, now: Now, question: Question, to: Uin, is_typing: bool) {
        let from = question.session.uin;
        let may_type = self.receipts.0.get_mut(&from).is_some_and(|subscriber| subscriber.may_type(now.instant));
        if !may_type {
            return self.answer(question, Answer::Refused(Refusal::Busy));
        }
        if self.is_seen(from) && self.has_listed(from, to) {
            self.post(to, Content::Receipt(Receipt::Typing(from, is_typing)));
        }
        // The same in every case: nobody learns by it who is here.
        self.answer(question, Answer::Done);
    }

    /// A notice for a user of ours, about somebody who shows himself.
    pub(super) fn on_receipt(&mut self, to: Uin, receipt: Receipt) {
        if self.receipts.0.contains_key(&to)
            && self.has_listed(to, receipt.about())
            && let Some(session) = self.online.get(to).map(|user| user.session)
        {
            self.tell(session, Tell::Receipt(receipt));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Uin = Uin(10_001);
    const BOB: Uin = Uin(10_002);
    const CAROL: Uin = Uin(10_003);

    fn unread(subscribers: &Subscribers) -> Vec<u64> {
        subscribers.0.get(&BOB).unwrap().unread.iter().map(|&(MessageId(id), _)| id).collect()
    }

    #[test]
    fn so_many_messages_are_remembered_and_each_is_read_once() {
        let mut subscribers = Subscribers::default();
        subscribers.note_unread(BOB, MessageId(1), ALICE);
        assert!(subscribers.0.is_empty(), "nobody has asked");
        subscribers.0.insert(BOB, Subscriber::default());
        (1..=UNREAD_MAX as u64).for_each(|id| subscribers.note_unread(BOB, MessageId(id), ALICE));
        assert_eq!(unread(&subscribers), (1..=32).collect::<Vec<_>>());
        subscribers.note_unread(BOB, MessageId(33), CAROL);
        assert_eq!(unread(&subscribers), (2..=33).collect::<Vec<_>>(), "one more, and the oldest is forgotten");

        let bob = subscribers.0.get_mut(&BOB).unwrap();
        assert_eq!(bob.take_read(ALICE, MessageId(1)), None);
        assert_eq!(bob.take_read(ALICE, MessageId(30)), Some(MessageId(30)));
        assert_eq!(bob.take_read(ALICE, MessageId(30)), None);
        assert_eq!(bob.take_read(ALICE, MessageId(u64::MAX)), Some(MessageId(32)), "not Carol's");
        assert_eq!(unread(&subscribers), [33]);
    }

    #[test]
    fn ten_notices_of_typing_at_once_and_then_one_in_a_second() {
        let (mut subscriber, now) = (Subscriber::default(), Instant(5_000_000));
        assert!((0..TYPING_BURST).all(|_| subscriber.may_type(now)));
        assert!(!subscriber.may_type(now));
        assert!(subscriber.may_type(now + TYPING_INTERVAL) && !subscriber.may_type(now + TYPING_INTERVAL));
        let later = now + Duration::from_secs(3_600);
        assert!((0..TYPING_BURST).all(|_| subscriber.may_type(later)) && !subscriber.may_type(later));
    }
}
