//! What the administrator says to everybody. It is stored once, with a number that rises, and each user has a place among them: the last
//! that he has acknowledged. He is told one after the other, each once it follows the last, and his place moves on when he has
//! acknowledged it, not before: so it comes once to each, also to who is away and across restarts.

use std::sync::Arc;
use std::time::Duration;

use myicq_wire::charset::Charset;
use myicq_wire::{Instant, MessageKind, Uin, UnixTime};

use super::{Answer, Broadcaster, Content, Hub, Letter, Load, Question, Refusal, SessionKey, Tell, Waiting};
use crate::config::Config;
use crate::store::{Broadcast, Message, MessageId, Outcome, Work};
use crate::time::Now;

/// Broadcasts that are kept. One more, and the oldest is forgotten.
pub(super) const BROADCASTS_MAX: usize = 100;

/// Users of a shard who are told at once; the next follow after [`PACE`]. 2,500 in a second: a broadcast is no burst that the messages
/// of the others would have to wait behind.
const PACE_LEN: usize = 50;

/// Slots that are looked at for them at once.
const PACE_SLOTS: u32 = 4096;

const PACE: Duration = Duration::from_millis(20);

/// What a user who is here has read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Reading {
    /// Nobody has asked the store yet: there was nothing to read.
    #[default]
    Unknown,
    /// The store has been asked.
    Loading,
    /// All up to this one.
    UpTo(MessageId),
    /// He has been told this one, and has not acknowledged it.
    Told(MessageId),
    /// His client did not acknowledge the last. It may have shown it, so it and what follows wait for his next session.
    Stopped,
}

/// What a shard knows of broadcasts.
#[derive(Debug, Default)]
pub(super) struct Broadcasts {
    /// By rising number, at most [`BROADCASTS_MAX`].
    kept: Vec<Arc<Message>>,
    /// Who is here is told: when the next are, and from which slot on.
    walk: Option<(Instant, u32)>,
}

impl Broadcasts {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.walk.map(|(at, _)| at)
    }

    fn keep(&mut self, message: Arc<Message>) {
        if let Err(place) = self.kept.binary_search_by_key(&message.id, |kept| kept.id) {
            self.kept.insert(place, message);
            self.kept.drain(..self.kept.len().saturating_sub(BROADCASTS_MAX));
        }
    }
}

/// A broadcast with what stores it, unless this may not be said to everybody.
///
/// # Errors
/// Why not.
pub fn broadcast_work(
    config: &Config,
    now: UnixTime,
    text: String,
    next_id: impl FnOnce() -> MessageId,
) -> Result<(Broadcast, Work), Refusal> {
    let limits = &config.limits;
    if text.is_empty() || text.contains('\0') {
        return Err(Refusal::Malformed);
    }
    if text.len().max(config.legacy.charset.encode(&text).len()) > limits.text_max {
        return Err(Refusal::TooLong);
    }
    let broadcast = Broadcast { id: next_id(), time: now, text };
    let expired = now - limits.broadcast_lifetime;
    let work = Work::StoreBroadcast { broadcast: broadcast.clone(), expired, max: BROADCASTS_MAX };
    Ok((broadcast, work))
}

/// A broadcast as its readers get it.
fn message(broadcast: Broadcast) -> Arc<Message> {
    let Broadcast { id, time, text } = broadcast;
    let (from, to) = (Uin::ADMINISTRATOR, Uin::NONE);
    Arc::new(Message { id, from, to, time, kind: MessageKind::TEXT, text: text.into_bytes(), charset: Charset::Utf8 })
}

impl Hub {
    /// The operator says something to everybody. To be asked of the shard that has [`Uin::ADMINISTRATOR`]: numbers have to rise. What
    /// became of it comes out by [`Hub::poll_broadcast`].
    pub fn handle_broadcast(&mut self, now: Now, number: u64, text: String) {
        self.broadcast(now, Broadcaster::Operator(number), text);
        self.settle(now);
    }

    /// What became of what the operator wanted to say: it is stored, and on its way to those who are here.
    pub fn poll_broadcast(&mut self) -> Option<(u64, Result<(), Refusal>)> {
        self.broadcast_verdicts.pop_front()
    }

    pub(super) fn ask_broadcast(&mut self, now: Now, question: Question, text: String) {
        let by = Broadcaster::Session(question);
        if question.session.uin == Uin::ADMINISTRATOR {
            self.broadcast(now, by, text);
        } else {
            self.end_broadcast(by, Err(Refusal::NotAllowed));
        }
    }

    fn broadcast(&mut self, now: Now, by: Broadcaster, text: String) {
        let Self { config, deliveries, share, .. } = self;
        let (broadcast, work) = match broadcast_work(config, now.unix, text, || deliveries.next_id(now, share)) {
            Ok(made) => made,
            Err(refusal) => return self.end_broadcast(by, Err(refusal)),
        };
        self.ask_store(work, Waiting::Broadcast(by, broadcast));
    }

    pub(super) fn on_broadcast_stored(&mut self, by: Broadcaster, broadcast: Broadcast, outcome: &Outcome) {
        if *outcome != Outcome::Done {
            return self.end_broadcast(by, Err(Refusal::Storage));
        }
        let message = message(broadcast);
        for shard in 0..self.share.count() {
            self.post_to(shard, Letter { to: Uin::NONE, content: Content::Broadcast(Arc::clone(&message)) });
        }
        self.end_broadcast(by, Ok(()));
    }

    fn end_broadcast(&mut self, by: Broadcaster, verdict: Result<(), Refusal>) {
        match (by, verdict) {
            (Broadcaster::Operator(number), verdict) => self.broadcast_verdicts.push_back((number, verdict)),
            (Broadcaster::Session(question), Ok(())) => self.answer(question, Answer::Done),
            (Broadcaster::Session(question), Err(refusal)) => self.answer(question, Answer::Refused(refusal)),
        }
    }

    pub(super) fn load_broadcasts(&mut self) {
        self.ask_store(Work::LoadBroadcasts { limit: BROADCASTS_MAX }, Waiting::Broadcasts);
    }

    pub(super) fn on_broadcasts(&mut self, now: Now, outcome: Outcome) {
        let Outcome::Broadcasts(broadcasts) = outcome else { return self.load_later(now, None, Load::Broadcasts) };
        broadcasts.into_iter().for_each(|broadcast| self.broadcasts.keep(message(broadcast)));
        self.begin_walk(now);
    }

    /// There is another one.
    pub(super) fn on_broadcast(&mut self, now: Now, message: Arc<Message>) {
        self.broadcasts.keep(message);
        self.begin_walk(now);
    }

    fn begin_walk(&mut self, now: Now) {
        if !self.broadcasts.kept.is_empty() {
            self.broadcasts.walk = Some((now.instant, 0));
        }
    }

    /// Tells the next of those who are here.
    pub(super) fn walk(&mut self, now: Now) {
        let Some((_, first)) = self.broadcasts.walk.take_if(|(at, _)| *at <= now.instant) else { return };
        let mut told = 0;
        for slot in first..first.saturating_add(PACE_SLOTS) {
            let Some(session) = self.online.in_slot(slot) else { return };
            told += usize::from(session.is_some_and(|session| self.go_on_reading(now, session)));
            if told == PACE_LEN {
                self.broadcasts.walk = Some((now.instant + PACE, slot + 1));
                return;
            }
        }
        self.broadcasts.walk = Some((now.instant + PACE, first.saturating_add(PACE_SLOTS)));
    }

    /// A user has come.
    pub(super) fn begin_reading(&mut self, session: SessionKey) {
        if self.broadcasts.kept.is_empty() {
            return;
        }
        if let Some(user) = self.online.details_mut(session) {
            user.reading = Reading::Loading;
            self.ask_store(Work::LoadLastBroadcast { uin: session.uin }, Waiting::LastBroadcast(session));
        }
    }

    pub(super) fn on_last_broadcast(&mut self, now: Now, session: SessionKey, outcome: &Outcome) {
        let Some(user) = self.online.details_mut(session) else { return };
        let Outcome::LastBroadcast(last) = *outcome else {
            return self.load_later(now, Some(session), Load::LastBroadcast);
        };
        user.reading = Reading::UpTo(last);
        self.go_on_reading(now, session);
    }

    /// Tells a user the next one, or asks the store which that is. Whether there was anything to do.
    fn go_on_reading(&mut self, now: Now, session: SessionKey) -> bool {
        let Some(user) = self.online.details_mut(session) else { return false };
        match user.reading {
            Reading::Unknown => {
                self.begin_reading(session);
                true
            }
            Reading::UpTo(last) => {
                let expired = now.unix - self.config.limits.broadcast_lifetime;
                let kept = &self.broadcasts.kept;
                let next = kept.iter().find(|message| message.id > last && message.time > expired);
                let Some(message) = next.map(Arc::clone) else { return false };
                user.reading = Reading::Told(message.id);
                self.tell(session, Tell::Message(message));
                true
            }
            Reading::Loading | Reading::Told(_) | Reading::Stopped => false,
        }
    }

    /// A session has acknowledged something that is no message to its user alone.
    pub(super) fn on_broadcast_read(&mut self, now: Now, session: SessionKey, id: MessageId) {
        if let Some(user) = self.online.details_mut(session)
            && user.reading == Reading::Told(id)
        {
            user.reading = Reading::UpTo(id);
            self.ask_store(Work::ReadBroadcast { uin: session.uin, id }, Waiting::BroadcastRead);
            self.go_on_reading(now, session);
        }
    }

    /// A session will not acknowledge it any more.
    pub(super) fn on_broadcast_unread(&mut self, session: SessionKey, id: MessageId) {
        if let Some(user) = self.online.details_mut(session)
            && user.reading == Reading::Told(id)
        {
            user.reading = Reading::Stopped;
        }
    }
}
