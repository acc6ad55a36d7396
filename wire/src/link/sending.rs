//! What this side has sent and keeps until it is acknowledged.

use core::time::Duration;

use super::history::HISTORY;
use super::retained::{Entry, Index, Retained};
use super::timing::{RoundTrip, jitter};
use super::{MAX_QUEUED, Outgoing, Output, REPEAT_INTERVAL, SendError, Timing, Token, WINDOW, steps};
use crate::{Instant, Seq};

/// No timer runs.
const NEVER: Instant = Instant(u64::MAX);

/// Retained datagrams in the order of their numbers: first those in flight, then those that wait for the window.
pub(super) struct Sending {
    oldest: Option<Index>,
    /// The first that waits for the window.
    waiting: Option<Index>,
    /// No wait of a datagram in flight ends before this. It may be earlier than the first one ends, by an acknowledgement of that one: to
    /// look for the next one then would cost each acknowledgement a walk through the flight, and so the link looks when this time is there.
    timer: Instant,
    round_trip: RoundTrip,
    seed: u32,
    next_seq: Seq,
    /// While the address is unproven: the first number that went to it.
    unproven_from: Option<Seq>,
    /// How many numbers have been used.
    issued: u16,
    queued: u16,
    in_flight: u8,
    /// By how much the timeout of new datagrams is doubled: as long as every acknowledgement comes only after a
    /// resend, none can be measured, and a round trip that became long would never be learned (RFC 6298, 5.5).
    doublings: u8,
    is_ordered: bool,
    at_once: AtOnce,
}

/// What may be to be sent whatever the time is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum AtOnce {
    Nothing,
    /// The head of the queue.
    Next,
    /// Replies in flight whose requests came again, and the head of the queue.
    Replies,
}

/// What to say to a request that came again after it was acknowledged.
pub(super) enum HeldReply {
    None,
    OnItsWay,
    Repeated,
}

impl Sending {
    pub(super) fn new(first_seq: Seq, seed: u32) -> Self {
        Self {
            oldest: None,
            waiting: None,
            timer: NEVER,
            round_trip: RoundTrip::default(),
            seed,
            next_seq: first_seq,
            unproven_from: None,
            issued: 0,
            queued: 0,
            in_flight: 0,
            doublings: 0,
            is_ordered: false,
            at_once: AtOnce::Nothing,
        }
    }

    /// In the place of one that had used so many numbers.
    pub(super) fn resumed(next_seq: Seq, issued: u16, seed: u32) -> Self {
        Self { issued, ..Self::new(next_seq, seed) }
    }

    /// The number of the oldest datagram that is not acknowledged; the next one where all are.
    pub(super) fn oldest_seq(&self, retained: &Retained) -> Seq {
        self.seq_at(retained, self.oldest)
    }

    /// The number of the first datagram that has not been sent.
    pub(super) fn unsent_seq(&self, retained: &Retained) -> Seq {
        self.seq_at(retained, self.waiting.filter(|_| self.queued > 0))
    }

    fn seq_at(&self, retained: &Retained, index: Option<Index>) -> Seq {
        index.and_then(|index| retained.slot(index)).map_or(self.next_seq, |slot| slot.entry.seq)
    }

    /// The requests whose replies are retained.
    pub(super) fn answered<'a>(&self, retained: &'a Retained) -> impl Iterator<Item = Seq> + use<'a> {
        self.all(retained).filter_map(|(_, entry)| entry.answers)
    }

    pub(super) fn set_ordered(&mut self) {
        self.is_ordered = true;
    }

    pub(super) fn is_ordered(&self) -> bool {
        self.is_ordered
    }

    pub(super) fn require_proof(&mut self) {
        self.unproven_from = Some(self.next_seq);
    }

    pub(super) fn set_proven(&mut self) {
        self.unproven_from = None;
        self.look_at_queue();
    }

    pub(super) fn is_proven(&self) -> bool {
        self.unproven_from.is_none()
    }

    pub(super) fn next_seq(&self) -> Seq {
        self.next_seq
    }

    pub(super) fn take_seq(&mut self) -> Option<Seq> {
        if self.is_ordered {
            return None;
        }
        let seq = self.next_seq;
        self.use_next_seq();
        Some(seq)
    }

    fn use_next_seq(&mut self) {
        self.next_seq = self.next_seq.next();
        self.issued = self.issued.saturating_add(1);
    }

    pub(super) fn issued(&self) -> u16 {
        self.issued
    }

    pub(super) fn send(&mut self, retained: &mut Retained, outgoing: Outgoing<'_>) -> Result<(), SendError> {
        if self.queued() >= MAX_QUEUED {
            return Err(SendError::QueueFull);
        }
        if outgoing.seq != self.next_seq {
            return Err(SendError::OutOfTurn);
        }
        let Outgoing { seq, bytes, token, answers, before_proof, secret } = outgoing;
        let entry = Entry { token, answers, before_proof, secret, ..Entry::new(seq) };
        let index = retained.push(&mut self.oldest, entry, bytes).ok_or(SendError::QueueFull)?;
        self.waiting.get_or_insert(index);
        self.queued = self.queued.saturating_add(1);
        self.look_at_queue();
        self.use_next_seq();
        Ok(())
    }

    /// An acknowledgement of `seq` came.
    pub(super) fn on_ack(&mut self, retained: &mut Retained, now: Instant, seq: Seq) -> Option<Token> {
        let is_acknowledged = |(index, entry): (Index, &Entry)| (entry.seq == seq).then_some(index);
        let Some(index) = self.flight(retained).find_map(is_acknowledged) else {
            // What has not left yet can only have been guessed.
            if self.was_issued_unproven(seq) && !self.all(retained).any(|(_, entry)| entry.seq == seq) {
                self.set_proven();
            }
            return None;
        };
        let entry = self.remove(retained, index)?;
        self.unproven_from = None;
        // Karn: after a second send nobody can tell which of the two was acknowledged.
        if entry.sends == 1 && entry.is_measurable {
            let round_trip = now.since(entry.first_sent);
            self.round_trip.on_sample(round_trip);
            retained.measured.round_trips.record(round_trip);
            self.doublings = 0;
        }
        Some(entry.token)
    }

    /// A request came again that was acknowledged: its reply, where one is held, becomes due.
    pub(super) fn on_repeated_request(&mut self, retained: &mut Retained, now: Instant, seq: Seq) -> HeldReply {
        let held = self.all(retained).enumerate().find(|(_, (_, entry))| entry.answers == Some(seq));
        let Some((place, index)) = held.map(|(place, (index, _))| (place, index)) else {
            return HeldReply::None;
        };
        let has_left = place < self.in_flight();
        match retained.slot_mut(index).map(|slot| &mut slot.entry) {
            Some(entry) if has_left && !entry.repeat && now.since(entry.last_sent) >= REPEAT_INTERVAL => {
                entry.repeat = true;
                self.at_once = AtOnce::Replies;
                HeldReply::Repeated
            }
            _ => HeldReply::OnItsWay,
        }
    }

    pub(super) fn poll<'a>(&mut self, retained: &'a mut Retained, now: Instant, timing: &Timing) -> Option<Output<'a>> {
        if self.timer <= now && self.is_proven() {
            let expired = self.flight(retained).find(|(_, entry)| entry.due <= now);
            if let Some((index, sends)) = expired.map(|(index, entry)| (index, entry.sends)) {
                if sends >= timing.max_sends {
                    return self.remove(retained, index).map(|entry| Output::GivenUp(entry.token));
                }
                return self.resend(retained, now, index, timing);
            }
            self.timer = self.flight(retained).map(|(_, entry)| entry.due).min().unwrap_or(NEVER);
        }
        if self.at_once == AtOnce::Replies {
            let repeated = self.flight(retained).find_map(|(index, entry)| entry.repeat.then_some(index));
            if let Some(index) = repeated {
                let slot = retained.slot_mut(index)?;
                // The timer goes on as it was, or a peer that repeats itself could keep a datagram from being given up.
                slot.entry.repeat = false;
                slot.entry.is_measurable = false;
                slot.entry.last_sent = now;
                return Some(Output::Transmit(&slot.bytes));
            }
            self.at_once = AtOnce::Next;
        }
        if self.at_once == AtOnce::Next && self.next_may_leave(retained) {
            return self.send_next(retained, now, timing);
        }
        self.at_once = AtOnce::Nothing;
        None
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.at_once > AtOnce::Nothing {
            return Some(Instant::default());
        }
        Some(self.timer).filter(|timer| self.is_proven() && *timer < NEVER)
    }

    /// The tokens of everything that is still retained, oldest first; afterwards nothing is.
    pub(super) fn drain<'a>(&mut self, retained: &'a mut Retained) -> impl Iterator<Item = Token> + use<'a> {
        (self.in_flight, self.queued, self.waiting) = (0, 0, None);
        (self.timer, self.at_once) = (NEVER, AtOnce::Nothing);
        retained.drain(self.oldest.take())
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.into()
    }

    pub(super) fn queued(&self) -> usize {
        self.queued.into()
    }

    pub(super) fn timeout(&self, timing: &Timing) -> Duration {
        self.round_trip.rto(timing, 0)
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip.smoothed()
    }

    /// Something has happened that may let the head of the queue go out.
    fn look_at_queue(&mut self) {
        if self.queued > 0 {
            self.at_once = self.at_once.max(AtOnce::Next);
        }
    }

    fn flight<'a>(&self, retained: &'a Retained) -> impl Iterator<Item = (Index, &'a Entry)> + use<'a> {
        retained.ring(self.oldest, self.in_flight()).map(|(index, slot)| (index, &slot.entry))
    }

    fn all<'a>(&self, retained: &'a Retained) -> impl Iterator<Item = (Index, &'a Entry)> + use<'a> {
        retained.ring(self.oldest, self.in_flight() + self.queued()).map(|(index, slot)| (index, &slot.entry))
    }

    /// Whether the datagram at the head of the queue may go out.
    fn next_may_leave(&self, retained: &Retained) -> bool {
        let entry = |index| retained.slot(index).map(|slot| &slot.entry);
        let Some((next, oldest)) = self.waiting.and_then(entry).zip(self.oldest.and_then(entry)) else {
            return false;
        };
        let is_within_span = if self.is_ordered {
            steps(oldest.seq, next.seq).unsigned_abs() < WINDOW
        } else {
            // Further ahead, it would push the oldest out of the other side's history, unacknowledged for good.
            next.seq.ahead_of(oldest.seq).unsigned_abs() < HISTORY
        };
        self.in_flight() < usize::from(WINDOW) && is_within_span && (self.is_proven() || next.before_proof)
    }

    fn send_next<'a>(&mut self, retained: &'a mut Retained, now: Instant, timing: &Timing) -> Option<Output<'a>> {
        let slot = retained.slot_mut(self.waiting?)?;
        self.in_flight = self.in_flight.saturating_add(1);
        self.queued = self.queued.saturating_sub(1);
        self.waiting = slot.next.filter(|_| self.queued > 0);
        slot.entry.first_sent = now;
        slot.entry.doublings = self.doublings;
        slot.entry.stamp(now, timing, self.round_trip, self.seed);
        self.timer = self.timer.min(slot.entry.due);
        Some(Output::Transmit(&slot.bytes))
    }

    fn resend<'a>(
        &mut self,
        retained: &'a mut Retained,
        now: Instant,
        index: Index,
        timing: &Timing,
    ) -> Option<Output<'a>> {
        if self.is_ordered {
            // The other side holds back and does not acknowledge what came after the gap: the time until it does
            // says how long the gap lasted.
            let mut next = self.oldest;
            for _ in 0..self.in_flight {
                let slot = retained.slot_mut(next?)?;
                slot.entry.is_measurable = false;
                next = slot.next;
            }
        }
        retained.measured.resent += 1;
        let slot = retained.slot_mut(index)?;
        slot.entry.doublings = slot.entry.doublings.saturating_add(1);
        self.doublings = self.doublings.max(slot.entry.doublings);
        slot.entry.repeat = false;
        slot.entry.stamp(now, timing, self.round_trip, self.seed);
        Some(Output::Transmit(&slot.bytes))
    }

    /// Takes out one that is in flight.
    fn remove(&mut self, retained: &mut Retained, index: Index) -> Option<Entry> {
        let entry = retained.remove(&mut self.oldest, index)?;
        self.in_flight = self.in_flight.saturating_sub(1);
        self.look_at_queue();
        if self.in_flight == 0 {
            self.timer = NEVER;
        }
        Some(entry)
    }

    /// Whether `seq` went to the unproven address without being retained.
    fn was_issued_unproven(&self, seq: Seq) -> bool {
        self.unproven_from.is_some_and(|first| steps(first, seq) >= 0 && steps(seq, self.next_seq) > 0)
    }
}

impl Entry {
    /// Counts a send and sets the end of the wait that follows it.
    fn stamp(&mut self, now: Instant, timing: &Timing, round_trip: RoundTrip, seed: u32) {
        self.sends = self.sends.saturating_add(1);
        self.last_sent = now;
        let wait = timing.wait(round_trip.rto(timing, self.doublings), self.sends);
        self.due = now + wait + jitter(wait, seed, self.seq.number(), self.sends);
        if self.sends >= timing.max_sends {
            self.due = self.due.max(self.first_sent + timing.give_up_after);
        }
    }
}
