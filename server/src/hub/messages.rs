//! What users say to each other. An acknowledgement is a promise: the sender has his [`Answer::Sent`] when the recipient's client has
//! acknowledged the message, or when the store has it on the disk.
//!
//! A message for somebody who is here is told to his session at once and *held*: if it is not acknowledged within
//! [`delivery_hold`](crate::config::SessionConfig::delivery_hold), it is stored too, and the sender has his answer then. The stored copy
//! is deleted when the recipient acknowledges after all; else it waits for his next session.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use myicq_wire::charset::Charset;
use myicq_wire::{Instant, MessageKind, Uin, UnixTime};

use super::online::Flight;
use super::{
    Accepted, Answer, Content, Effect, Hub, Load, Question, Receipt, Refusal, SessionKey, Tell, Waiting, presence,
};
use crate::share::Share;
use crate::store::{Message, MessageId, NotStored, Outcome, Room, Work};
use crate::time::Now;

/// Messages told to a session and not acknowledged by it. Beyond, they go to the store first and come from there. Fewer than
/// the link's window of 32: a client that takes no messages for a while still gets its answers.
const IN_FLIGHT_MAX: u8 = 24;

/// With as many in flight or fewer, the next stored messages follow. Not none: a client of 2003 acknowledges a message once, and when that is lost,
/// it counts as in flight until it is given up.
const IN_FLIGHT_LOW: u8 = IN_FLIGHT_MAX / 2;

/// Where the messages for a user who is here go.
#[derive(Debug)]
pub(super) enum Mailbox {
    /// To his session.
    Direct,
    /// Behind those that are in the store already, so that they stay in order: while the next of these are being loaded, they *wait*, and
    /// follow at once when those were the last; otherwise they go to the store too.
    Behind {
        /// The last that has been loaded.
        last: MessageId,
        /// Whether the next are being loaded now.
        loading: bool,
        /// Whether one has been stored since that began.
        more: bool,
    },
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::Behind { last: MessageId::default(), loading: false, more: false }
    }
}

/// What a user says.
#[derive(Debug)]
pub(super) struct Said<'a> {
    pub(super) from: Uin,
    pub(super) to: Uin,
    pub(super) kind: MessageKind,
    pub(super) text: Cow<'a, [u8]>,
    pub(super) charset: Charset,
}

impl Said<'_> {
    /// The same, to be kept.
    pub(super) fn into_owned(self) -> Said<'static> {
        Said { text: Cow::Owned(self.text.into_owned()), ..self }
    }
}

/// What a session says, and by which question.
pub(super) type Sent = (Question, Said<'static>);

/// Messages that came to the end of their way and are kept for the room that they have: in steady state a message allocates nothing.
const SPARE_MAX: usize = 1024;

/// Messages between their sender and the end of their way.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    messages: HashMap<MessageId, Delivery>,
    /// When each that is held is to be stored, the first first. Some are not held any more.
    deadlines: VecDeque<(Instant, MessageId)>,
    /// Those that wait for users whose stored ones are being loaded, by rising number, at most [`IN_FLIGHT_MAX`] for each. All that is in the
    /// store for such a user has a lower number.
    waiting: HashMap<Uin, VecDeque<MessageId>>,
    /// At most [`SPARE_MAX`], without text.
    spare: Vec<Arc<Message>>,
    last_id: MessageId,
}

#[derive(Debug)]
struct Delivery {
    message: Arc<Message>,
    /// Who waits for the verdict; nobody once he has it.
    sender: Option<Question>,
    state: DeliveryState,
    /// The one told to the same session behind it, 0 where it is the last: see [`Flight`].
    next: MessageId,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DeliveryState {
    /// Nowhere yet: the store may have some that come before it.
    Waiting,
    /// Told to the session, and nowhere else.
    Held,
    /// Told to the session, and on its way to the store.
    Storing,
    /// Told to the session, and in the store.
    Stored,
    /// On its way to the store alone.
    Leaving,
}

impl Deliveries {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|&(deadline, _)| deadline)
    }

    /// Numbers are microseconds of the clock, and rise even when it does not.
    pub(super) fn next_id(&mut self, now: Now, share: &Share) -> MessageId {
        self.last_id = MessageId(share.number_from(now.unix.0.max(self.last_id.0 + 1)));
        self.last_id
    }

    /// Notes that a message goes to the session of a user.
    fn depart(&mut self, flight: &mut Flight, id: MessageId, delivery: Delivery) {
        if flight.count == 0 {
            flight.first = id;
        } else if let Some(last) = self.messages.get_mut(&flight.last) {
            last.next = id;
        }
        (flight.last, flight.count) = (id, flight.count + 1);
        self.messages.insert(id, delivery);
    }

    /// Notes that a message is not with the session any more. The first is the one that is asked for, unless a datagram was lost.
    fn land(&mut self, flight: &mut Flight, id: MessageId) {
        let Some(next) = self.messages.get(&id).map(|delivery| delivery.next) else { return };
        if flight.first == id {
            flight.first = next;
        } else {
            let mut at = flight.first;
            loop {
                let Some(before) = self.messages.get_mut(&at) else { return };
                if before.next == id {
                    before.next = next;
                    break;
                }
                at = before.next;
            }
            if flight.last == id {
                flight.last = at;
            }
        }
        flight.count -= 1;
    }

    /// What is with a session, by rising number.
    pub(super) fn in_flight(&self, flight: Flight) -> Vec<MessageId> {
        let first = Some(flight.first).filter(|_| flight.count > 0);
        let next = |id: &MessageId| self.messages.get(id).map(|delivery| delivery.next).filter(|next| next.0 > 0);
        std::iter::successors(first, next).collect()
    }

    /// A message as it is kept until the end of its way.
    fn new_message(&mut self, id: MessageId, time: UnixTime, said: &Said<'_>) -> Arc<Message> {
        let Said { from, to, kind, ref text, charset } = *said;
        let mut message = self.spare.pop().unwrap_or_default();
        let Some(spare) = Arc::get_mut(&mut message) else {
            return Arc::new(Message { id, from, to, time, kind, text: text.to_vec(), charset });
        };
        spare.text.extend_from_slice(text);
        *spare = Message { id, from, to, time, kind, text: std::mem::take(&mut spare.text), charset };
        message
    }

    /// A message is at the end of its way.
    fn recycle(&mut self, mut message: Arc<Message>) {
        if self.spare.len() < SPARE_MAX
            && let Some(spare) = Arc::get_mut(&mut message)
        {
            spare.text.clear();
            self.spare.push(message);
        }
    }
}

impl Hub {
    /// A session says something. Some kinds change something first.
    pub(super) fn send(&mut self, now: Now, question: Question, said: Said<'_>) {
        if !self.authorizing.is_empty()
            && let Some(behind) = self.authorizing.get_mut(&(said.from, said.to))
        {
            return behind.push_back((question, said.into_owned()));
        }
        match said.kind {
            MessageKind::ADDED => self.answer(question, Answer::Refused(Refusal::NotAllowed)),
            MessageKind::AUTH_REQUEST | MessageKind::AUTH_ACCEPTED | MessageKind::AUTH_REJECTED => {
                self.authorize(question, said.into_owned());
            }
            _ => self.pass_on(now, said, Some(question)),
        }
    }

    /// To whoever has the recipient. The verdict is for `sender`; nobody waits for what the server says itself.
    pub(super) fn pass_on(&mut self, now: Now, said: Said<'_>, sender: Option<Question>) {
        if self.share.owns(said.to) {
            self.deliver(now, &said, sender);
        } else {
            let Said { from, to, kind, text, charset } = said;
            self.post(to, Content::Deliver { from, kind, text: text.into_owned().into(), charset, sender });
        }
    }

    /// A message for a user of ours.
    pub(super) fn deliver(&mut self, now: Now, said: &Said<'_>, sender: Option<Question>) {
        let id = self.deliveries.next_id(now, &self.share);
        let message = self.deliveries.new_message(id, now.unix, said);
        let state = DeliveryState::Leaving;
        let mut delivery = Delivery { message: Arc::clone(&message), sender, state, next: MessageId::default() };
        let here = self.online.get_mut(said.to).filter(|_| !self.stopping);
        let Some(user) = here else { return self.store_message(id, delivery) };
        let deadline = now.instant + self.config.session.delivery_hold;
        match &mut user.mailbox {
            Mailbox::Direct if user.flight.count < IN_FLIGHT_MAX => {
                delivery.state = DeliveryState::Held;
                let session = user.session;
                self.deliveries.depart(&mut user.flight, id, delivery);
                self.deliveries.deadlines.push_back((deadline, id));
                self.tell(session, Tell::Message(message));
            }
            mailbox @ Mailbox::Direct => {
                // All that is in flight has lower numbers: what is loaded next begins with this one.
                *mailbox = Mailbox::Behind { last: MessageId(id.0 - 1), loading: false, more: true };
                self.store_message(id, delivery);
            }
            Mailbox::Behind { loading, more, .. } => {
                if *loading {
                    let waiting = self.deliveries.waiting.entry(said.to).or_default();
                    if waiting.len() < usize::from(IN_FLIGHT_MAX) {
                        waiting.push_back(id);
                        delivery.state = DeliveryState::Waiting;
                        self.deliveries.messages.insert(id, delivery);
                        return self.deliveries.deadlines.push_back((deadline, id));
                    }
                }
                *more = true;
                self.store_waiting(said.to);
                self.store_message(id, delivery);
            }
        }
    }

    fn store_message(&mut self, id: MessageId, delivery: Delivery) {
        let limits = &self.config.limits;
        let work = Work::StoreMessage {
            message: Arc::clone(&delivery.message),
            room: Room {
                messages: limits.offline_max,
                bytes: limits.offline_bytes_max,
                of_pair: limits.offline_pair_max,
                of_sender_in_a_day: limits.offline_day_max,
            },
        };
        self.deliveries.messages.insert(id, delivery);
        self.ask_store(work, Waiting::MessageStored(id));
    }

    /// Stores what is held since before the hold ended.
    pub(super) fn store_overdue(&mut self, now: Instant) {
        while let Some(&(deadline, id)) = self.deliveries.deadlines.front()
            && deadline <= now
        {
            self.deliveries.deadlines.pop_front();
            match self.deliveries.messages.get(&id).map(|delivery| (delivery.state, delivery.message.to)) {
                Some((DeliveryState::Held, _)) => self.store_as(id, DeliveryState::Storing),
                // All that wait before it were stored before it.
                Some((DeliveryState::Waiting, to)) => self.store_first_waiting(to),
                _ => {}
            }
        }
    }

    /// Leaves all that waits for a user to the store.
    pub(super) fn store_waiting(&mut self, uin: Uin) {
        while self.deliveries.waiting.contains_key(&uin) {
            self.store_first_waiting(uin);
        }
    }

    /// Leaves the first of what waits for a user to the store.
    fn store_first_waiting(&mut self, uin: Uin) {
        let Some(waiting) = self.deliveries.waiting.get_mut(&uin) else { return };
        let first = waiting.pop_front();
        if waiting.is_empty() {
            self.deliveries.waiting.remove(&uin);
        }
        if let Some(Mailbox::Behind { more, .. }) = self.online.get_mut(uin).map(|user| &mut user.mailbox) {
            *more = true;
        }
        first.into_iter().for_each(|id| self.store_as(id, DeliveryState::Leaving));
    }

    /// What waited for a user follows what was in the store for him.
    fn tell_waiting(&mut self, uin: Uin) {
        let Some(mut waiting) = self.deliveries.waiting.remove(&uin) else { return };
        let Some(user) = self.online.get_mut(uin) else { return };
        while user.flight.count < IN_FLIGHT_MAX
            && let Some(id) = waiting.pop_front()
        {
            let Some(mut delivery) = self.deliveries.messages.remove(&id) else { continue };
            delivery.state = DeliveryState::Held;
            let tell = Tell::Message(Arc::clone(&delivery.message));
            self.deliveries.depart(&mut user.flight, id, delivery);
            self.effects.push_back(Effect::Tell(user.session, tell));
        }
        if let Some(first) = waiting.front() {
            user.mailbox = Mailbox::Behind { last: MessageId(first.0 - 1), loading: false, more: true };
            waiting.into_iter().for_each(|id| self.store_as(id, DeliveryState::Leaving));
        }
    }

    fn store_as(&mut self, id: MessageId, state: DeliveryState) {
        if let Some(delivery) = self.deliveries.messages.remove(&id) {
            self.store_message(id, Delivery { state, ..delivery });
        }
    }

    /// A session has acknowledged a message.
    pub fn handle_delivered(&mut self, now: Now, session: SessionKey, id: MessageId) {
        self.landed(session, id);
        if let Some(delivery) = self.deliveries.messages.remove(&id) {
            let Message { from, to, kind, .. } = *delivery.message;
            let is_seen = self.online.of_mut(session).is_some_and(|user| presence::is_visible(user.status));
            let accepted = Accepted { id, delivered_to: is_seen.then_some(to) };
            self.give_verdict(from, delivery.sender, Ok(accepted));
            // What the server says in somebody's name is not his to follow.
            if kind != MessageKind::ADDED {
                if delivery.state == DeliveryState::Stored && is_seen {
                    self.post(from, Content::Receipt(Receipt::Delivered(to, id)));
                }
                self.receipts.note_unread(to, id, from);
            }
            if matches!(delivery.state, DeliveryState::Storing | DeliveryState::Stored) {
                // Also behind a copy that is still on its way: the store does one after the other.
                self.ask_store(Work::DeleteMessage { recipient: to, id }, Waiting::MessageDeleted);
            }
            self.deliveries.recycle(delivery.message);
            self.deliveries.deadlines.pop_front_if(|&mut (_, first)| first == id);
        } else {
            self.on_broadcast_read(now, session, id);
        }
        self.settle(now);
    }

    /// A session will not acknowledge a message any more. It is kept for the next one.
    pub fn handle_undelivered(&mut self, now: Now, session: SessionKey, id: MessageId) {
        self.landed(session, id);
        self.abandon(id);
        self.on_broadcast_unread(session, id);
        self.settle(now);
    }

    /// Leaves a message to the store alone.
    pub(super) fn abandon(&mut self, id: MessageId) {
        match self.deliveries.messages.get_mut(&id) {
            Some(delivery) if delivery.state == DeliveryState::Storing => delivery.state = DeliveryState::Leaving,
            Some(delivery) if delivery.state == DeliveryState::Held => self.store_as(id, DeliveryState::Leaving),
            Some(delivery) if delivery.state == DeliveryState::Stored => {
                self.deliveries.messages.remove(&id);
            }
            _ => {}
        }
    }

    /// A message is not in flight to this session any more. When there is room, those in the store follow.
    fn landed(&mut self, session: SessionKey, id: MessageId) {
        let Some(user) = self.online.of_mut(session) else { return };
        self.deliveries.land(&mut user.flight, id);
        if user.flight.count <= IN_FLIGHT_LOW && matches!(user.mailbox, Mailbox::Behind { loading: false, .. }) {
            self.load_messages(session.uin);
        }
    }

    /// Numbers must go on behind those of the stored messages, also where the clock was set back.
    pub(super) fn load_last_message(&mut self) {
        self.ask_store(Work::LoadLastMessage, Waiting::LastMessage);
    }

    pub(super) fn on_last_message(&mut self, now: Now, outcome: &Outcome) {
        match *outcome {
            Outcome::LastMessage(last) => self.deliveries.last_id = self.deliveries.last_id.max(last),
            _ => self.load_later(now, None, Load::LastMessage),
        }
    }

    /// Loads the next of a user's stored messages.
    pub(super) fn load_messages(&mut self, uin: Uin) {
        let Some(user) = self.online.get_mut(uin) else { return };
        let Mailbox::Behind { last, loading, more } = &mut user.mailbox else { return };
        (*loading, *more) = (true, false);
        let (after, session) = (*last, user.session);
        let limit = usize::from(IN_FLIGHT_MAX.saturating_sub(user.flight.count));
        let work = Work::LoadMessages { recipient: uin, after, limit };
        self.ask_store(work, Waiting::MessagesLoaded(session, limit));
    }

    pub(super) fn on_messages(&mut self, now: Now, session: SessionKey, limit: usize, outcome: Outcome) {
        if !self.online.is_open(session) {
            return;
        }
        let Outcome::Messages(messages) = outcome else { return self.load_later(now, Some(session), Load::Messages) };
        let uin = session.uin;
        let Some(user) = self.online.get_mut(uin) else { return };
        let Mailbox::Behind { last, loading, more } = &mut user.mailbox else { return };
        *loading = false;
        if let Some(newest) = messages.last() {
            *last = newest.id;
        }
        let were_the_last = messages.len() < limit && !*more;
        if were_the_last {
            user.mailbox = Mailbox::Direct;
        }
        for message in messages {
            let (id, state) = (message.id, DeliveryState::Stored);
            let delivery = Delivery { message: Arc::clone(&message), sender: None, state, next: MessageId::default() };
            self.deliveries.depart(&mut user.flight, id, delivery);
            self.effects.push_back(Effect::Tell(session, Tell::Message(message)));
        }
        let has_room = user.flight.count <= IN_FLIGHT_LOW;
        if were_the_last {
            self.tell_waiting(uin);
        } else if has_room {
            self.load_messages(uin);
        } else {
            self.store_waiting(uin);
        }
    }

    pub(super) fn on_stored(&mut self, id: MessageId, outcome: &Outcome) {
        let Some(delivery) = self.deliveries.messages.get_mut(&id) else { return };
        let verdict = match outcome {
            Outcome::Stored(Ok(())) => Ok(Accepted { id, delivered_to: None }),
            Outcome::Stored(Err(NotStored::NoSuchUser)) => Err(Refusal::NoSuchUser),
            Outcome::Stored(Err(NotStored::MailboxFull)) => Err(Refusal::MailboxFull),
            Outcome::Stored(Err(NotStored::DayFull)) => Err(Refusal::DayFull),
            _ => Err(Refusal::Storage),
        };
        if delivery.state == DeliveryState::Storing {
            // Not stored, it is still in flight: the session's verdict decides.
            delivery.state = if verdict.is_ok() { DeliveryState::Stored } else { DeliveryState::Held };
            if verdict.is_ok() {
                let (from, sender) = (delivery.message.from, delivery.sender.take());
                self.give_verdict(from, sender, verdict);
            }
        } else if let Some(delivery) = self.deliveries.messages.remove(&id) {
            self.give_verdict(delivery.message.from, delivery.sender, verdict);
            self.deliveries.recycle(delivery.message);
        }
    }

    /// Tells the sender, if he has not been told.
    fn give_verdict(&mut self, from: Uin, sender: Option<Question>, verdict: Result<Accepted, Refusal>) {
        if let Some(question) = sender {
            self.post(from, Content::Verdict(question, verdict.map(Some)));
        }
    }
}
