//! What came from the other side: each datagram once, on a ONCE session also in order.

use alloc::vec::Vec;

use super::history::{Fate, HISTORY, History};
use super::retained::{Entry, Index, Retained};
use super::{MAX_OPEN, WINDOW, steps};
use crate::Seq;

/// What [`Receiving::on_receive`] found, before the reply that may be held is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arrival {
    New,
    Early,
    Open,
    Acknowledged,
    Stale,
    TooFar,
    Busy,
}

pub(super) struct Receiving {
    history: History,
    /// The first of the datagrams that overtook others.
    early: Option<Index>,
    /// The highest number that came; on an ordered link, the last that was released.
    highest: Option<Seq>,
    /// At most 31, since the number right after the last released one is released at once.
    early_count: u8,
    /// How many numbers are open in the history; counting them there would cost more than all else that is done for a datagram.
    open_count: u8,
}

impl Receiving {
    pub(super) fn new() -> Self {
        Self { history: History::default(), early: None, highest: None, early_count: 0, open_count: 0 }
    }

    pub(super) fn on_receive(&mut self, retained: &mut Retained, seq: Seq, bytes: &[u8], is_ordered: bool) -> Arrival {
        let Some(highest) = self.highest else {
            return self.open(seq);
        };
        if is_ordered {
            match u16::try_from(steps(highest, seq)) {
                Ok(2..=WINDOW) => return self.hold(retained, seq, bytes),
                Ok(ahead) if ahead > WINDOW => return Arrival::TooFar,
                _ => {}
            }
        }
        let ahead = seq.ahead_of(highest);
        if ahead > 0 {
            return self.open(seq);
        }
        if ahead.unsigned_abs() >= HISTORY {
            return Arrival::Stale;
        }
        match self.history.fate(seq) {
            // What is not beyond the last released number was either released or lies before the first.
            Fate::Unheard if is_ordered => Arrival::Stale,
            Fate::Unheard | Fate::Refused => self.open(seq),
            Fate::Open => Arrival::Open,
            Fate::Acknowledged => Arrival::Acknowledged,
        }
    }

    /// As if all numbers up to `highest` had come and been acknowledged, but for these, which are welcome.
    pub(super) fn resume(&mut self, retained: &mut Retained, highest: Option<Seq>, unsettled: &[Seq]) {
        self.forget_early(retained);
        *self = Self { highest, ..Self::new() };
        let Some(highest) = highest else { return };
        self.history = History::resumed(highest);
        let is_within = |seq: &&Seq| {
            let ahead = seq.ahead_of(highest);
            ahead <= 0 && ahead.unsigned_abs() < HISTORY
        };
        unsettled.iter().filter(is_within).for_each(|seq| self.history.set(*seq, Fate::Refused));
    }

    /// The highest number that came.
    pub(super) fn highest(&self) -> Option<Seq> {
        self.highest
    }

    /// The numbers up to the highest that have not been acknowledged.
    pub(super) fn unsettled(&self) -> impl Iterator<Item = Seq> {
        self.highest.into_iter().flat_map(|highest| self.history.unsettled(highest))
    }

    /// The next early datagram whose turn has come. It is open from here on.
    pub(super) fn release(&mut self, retained: &mut Retained) -> Option<(Seq, Vec<u8>)> {
        let next = self.highest?.next();
        let index = self.find_early(retained, next)?;
        if self.open(next) == Arrival::Busy {
            return None;
        }
        let bytes = retained.take_bytes(index);
        retained.remove(&mut self.early, index);
        self.early_count = self.early_count.saturating_sub(1);
        Some((next, bytes))
    }

    /// Forgets what came early, as if it had not come.
    pub(super) fn forget_early(&mut self, retained: &mut Retained) {
        self.early_count = 0;
        drop(retained.drain(self.early.take()));
    }

    pub(super) fn acknowledge(&mut self, seq: Seq) {
        self.settle(seq, Fate::Acknowledged);
    }

    pub(super) fn forget(&mut self, seq: Seq) {
        self.settle(seq, Fate::Refused);
    }

    pub(super) fn open_count(&self) -> usize {
        self.open_count.into()
    }

    pub(super) fn early_count(&self) -> usize {
        self.early_count.into()
    }

    fn open(&mut self, seq: Seq) -> Arrival {
        if u32::from(self.open_count) >= MAX_OPEN {
            return Arrival::Busy;
        }
        match self.highest {
            Some(highest) if seq.ahead_of(highest) <= 0 => {}
            Some(highest) => {
                if !self.history.advance(highest, seq) {
                    return Arrival::Busy;
                }
                self.highest = Some(seq);
            }
            None => {
                self.highest = Some(seq);
                self.history = History::begin(seq);
            }
        }
        self.history.set(seq, Fate::Open);
        self.open_count = self.open_count.saturating_add(1);
        Arrival::New
    }

    fn hold(&mut self, retained: &mut Retained, seq: Seq, bytes: &[u8]) -> Arrival {
        if self.find_early(retained, seq).is_some() {
            return Arrival::Open;
        }
        if retained.push(&mut self.early, Entry::new(seq), bytes).is_none() {
            return Arrival::Busy;
        }
        self.early_count = self.early_count.saturating_add(1);
        Arrival::Early
    }

    fn find_early(&self, retained: &Retained, seq: Seq) -> Option<Index> {
        let mut early = retained.ring(self.early, self.early_count.into());
        early.find_map(|(index, slot)| (slot.entry.seq == seq).then_some(index))
    }

    /// Only what is open changes: a word about any other number must not mark the one that shares its slot.
    fn settle(&mut self, seq: Seq, fate: Fate) {
        let is_within = self.highest.is_some_and(|highest| {
            let ahead = seq.ahead_of(highest);
            ahead <= 0 && ahead.unsigned_abs() < HISTORY
        });
        if is_within && self.history.fate(seq) == Fate::Open {
            self.history.set(seq, fate);
            self.open_count = self.open_count.saturating_sub(1);
        }
    }
}
