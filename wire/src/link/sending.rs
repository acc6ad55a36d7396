//! What this side has sent and keeps until it is acknowledged.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use zeroize::Zeroizing;

use super::timing::{RoundTrip, jitter};
use super::{MAX_QUEUED, Outgoing, Output, REPEAT_INTERVAL, SendError, Timing, Token, WINDOW, steps};
use crate::link::history::HISTORY;
use crate::{Instant, Seq};

/// Retained datagrams in the order of their numbers: first those in flight, then those that wait for the window.
pub(super) struct Sending {
    entries: VecDeque<Entry>,
    round_trip: RoundTrip,
    seed: u32,
    next_seq: Seq,
    /// While the address is unproven: the first number that went to it.
    unproven_from: Option<Seq>,
    /// How many numbers have been used.
    issued: u16,
    in_flight: u8,
    /// By how much the timeout of new datagrams is doubled: as long as every acknowledgement comes only after a
    /// resend, none can be measured, and a round trip that became long would never be learned (RFC 6298, 5.5).
    doublings: u8,
    is_ordered: bool,
}

struct Entry {
    /// Zeroized at the end: a LOGIN carries the password.
    bytes: Zeroizing<Box<[u8]>>,
    token: Token,
    first_sent: Instant,
    last_sent: Instant,
    /// When the wait for its acknowledgement is over; while it waits for the window, since when.
    due: Instant,
    seq: Seq,
    answers: Option<Seq>,
    sends: u8,
    doublings: u8,
    before_proof: bool,
    /// Its request came again, so it goes out again.
    repeat: bool,
    /// Nothing has happened that makes the time to its acknowledgement something else than a round trip.
    is_measurable: bool,
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
            entries: VecDeque::new(),
            round_trip: RoundTrip::default(),
            seed,
            next_seq: first_seq,
            unproven_from: None,
            issued: 0,
            in_flight: 0,
            doublings: 0,
            is_ordered: false,
        }
    }

    pub(super) fn set_ordered(&mut self) {
        self.is_ordered = true;
    }

    pub(super) fn require_proof(&mut self) {
        self.unproven_from = Some(self.next_seq);
    }

    pub(super) fn set_proven(&mut self) {
        self.unproven_from = None;
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

    pub(super) fn send(&mut self, now: Instant, outgoing: Outgoing<'_>) -> Result<(), SendError> {
        if self.queued() >= MAX_QUEUED {
            return Err(SendError::QueueFull);
        }
        if outgoing.seq != self.next_seq {
            return Err(SendError::OutOfTurn);
        }
        self.entries.push_back(Entry {
            bytes: Zeroizing::new(outgoing.bytes.into()),
            token: outgoing.token,
            first_sent: now,
            last_sent: now,
            due: now,
            seq: outgoing.seq,
            answers: outgoing.answers,
            sends: 0,
            doublings: 0,
            before_proof: outgoing.before_proof,
            repeat: false,
            is_measurable: true,
        });
        self.use_next_seq();
        Ok(())
    }

    /// An acknowledgement of `seq` came.
    pub(super) fn on_ack(&mut self, now: Instant, seq: Seq) -> Option<Token> {
        let Some(index) = self.entries.iter().position(|entry| entry.seq == seq) else {
            if self.was_issued_unproven(seq) {
                self.unproven_from = None;
            }
            return None;
        };
        if index >= self.in_flight() {
            // It has not left yet: whoever acknowledges it is guessing.
            return None;
        }
        let entry = self.remove(index)?;
        self.unproven_from = None;
        // Karn: after a second send nobody can tell which of the two was acknowledged.
        if entry.sends == 1 && entry.is_measurable {
            self.round_trip.on_sample(now.since(entry.first_sent));
            self.doublings = 0;
        }
        Some(entry.token)
    }

    /// A request came again that was acknowledged: its reply, where one is held, becomes due.
    pub(super) fn on_repeated_request(&mut self, now: Instant, seq: Seq) -> HeldReply {
        let in_flight = self.in_flight();
        let mut entries = self.entries.iter_mut().enumerate();
        let Some((index, entry)) = entries.find(|(_, entry)| entry.answers == Some(seq)) else {
            return HeldReply::None;
        };
        if index >= in_flight || entry.repeat || now.since(entry.last_sent) < REPEAT_INTERVAL {
            return HeldReply::OnItsWay;
        }
        entry.repeat = true;
        HeldReply::Repeated
    }

    pub(super) fn poll(&mut self, now: Instant, timing: &Timing) -> Option<Output<'_>> {
        let is_proven = self.is_proven();
        let expired = self.flight().position(|entry| is_proven && entry.due <= now);
        if let Some(index) = expired {
            if self.entries.get(index)?.sends >= timing.max_sends {
                return self.remove(index).map(|entry| Output::GivenUp(entry.token));
            }
            return self.resend(now, index, timing);
        }
        let repeated = self.flight().position(|entry| entry.repeat);
        if let Some(index) = repeated {
            let entry = self.entries.get_mut(index)?;
            // The timer goes on as it was, or a peer that repeats itself could keep a datagram from being given up.
            entry.repeat = false;
            entry.is_measurable = false;
            entry.last_sent = now;
            return Some(Output::Transmit(&entry.bytes));
        }
        if self.next_may_leave() {
            return self.send_next(now, timing);
        }
        None
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timer = self.flight().filter(|_| self.is_proven()).map(|entry| entry.due).min();
        let repeat = self.flight().filter(|entry| entry.repeat).map(|entry| entry.last_sent).min();
        let next = self.entries.get(self.in_flight()).filter(|_| self.next_may_leave()).map(|entry| entry.due);
        timer.into_iter().chain(repeat).chain(next).min()
    }

    /// The tokens of everything that is still retained, oldest first; afterwards nothing is.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Token> + use<> {
        self.in_flight = 0;
        core::mem::take(&mut self.entries).into_iter().map(|entry| entry.token)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.into()
    }

    pub(super) fn queued(&self) -> usize {
        self.entries.len().saturating_sub(self.in_flight())
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip.smoothed()
    }

    fn flight(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().take(self.in_flight())
    }

    /// Whether the datagram at the head of the queue may go out.
    fn next_may_leave(&self) -> bool {
        let Some(next) = self.entries.get(self.in_flight()) else {
            return false;
        };
        let oldest = self.entries.front().map_or(next.seq, |entry| entry.seq);
        let is_within_span = if self.is_ordered {
            steps(oldest, next.seq).unsigned_abs() < WINDOW
        } else {
            // Further ahead, it would push the oldest out of the other side's history, unacknowledged for good.
            next.seq.ahead_of(oldest).unsigned_abs() < HISTORY
        };
        self.in_flight() < usize::from(WINDOW) && is_within_span && (self.is_proven() || next.before_proof)
    }

    fn send_next(&mut self, now: Instant, timing: &Timing) -> Option<Output<'_>> {
        let (round_trip, seed) = (self.round_trip, self.seed);
        let entry = self.entries.get_mut(usize::from(self.in_flight))?;
        self.in_flight = self.in_flight.saturating_add(1);
        entry.first_sent = now;
        entry.doublings = self.doublings;
        entry.stamp(now, timing, round_trip, seed);
        Some(Output::Transmit(&entry.bytes))
    }

    fn resend(&mut self, now: Instant, index: usize, timing: &Timing) -> Option<Output<'_>> {
        if self.is_ordered {
            // The other side holds back and does not acknowledge what came after the gap: the time until it does
            // says how long the gap lasted.
            self.entries.iter_mut().take(self.in_flight.into()).for_each(|entry| entry.is_measurable = false);
        }
        let (round_trip, seed) = (self.round_trip, self.seed);
        let entry = self.entries.get_mut(index)?;
        entry.doublings = entry.doublings.saturating_add(1);
        self.doublings = self.doublings.max(entry.doublings);
        entry.repeat = false;
        entry.stamp(now, timing, round_trip, seed);
        Some(Output::Transmit(&entry.bytes))
    }

    /// Takes out one that is in flight.
    fn remove(&mut self, index: usize) -> Option<Entry> {
        let entry = self.entries.remove(index)?;
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.entries.is_empty() {
            // Most links are idle most of the time: they keep no memory for what they do not send.
            self.entries = VecDeque::new();
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
