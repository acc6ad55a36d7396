//! What came from the other side: each datagram once, on a ONCE session also in order.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::history::{Fate, HISTORY, History};
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
    /// Datagrams that overtook others. Boxed: most links never have one.
    early: Option<Box<Early>>,
    /// The highest number that came; on an ordered link, the last that was released.
    highest: Option<Seq>,
    is_ordered: bool,
}

/// At most 31, since the number right after the last released one is released at once.
#[derive(Default)]
struct Early {
    datagrams: Vec<(Seq, Box<[u8]>)>,
}

impl Receiving {
    pub(super) fn new() -> Self {
        Self { history: History::default(), early: None, highest: None, is_ordered: false }
    }

    pub(super) fn set_ordered(&mut self) {
        self.is_ordered = true;
    }

    pub(super) fn on_receive(&mut self, seq: Seq, bytes: &[u8]) -> Arrival {
        let Some(highest) = self.highest else {
            return self.open(seq);
        };
        if self.is_ordered {
            match u16::try_from(steps(highest, seq)) {
                Ok(2..=WINDOW) => return self.hold(seq, bytes),
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
            Fate::Unheard if self.is_ordered => Arrival::Stale,
            Fate::Unheard | Fate::Refused => self.open(seq),
            Fate::Open => Arrival::Open,
            Fate::Acknowledged => Arrival::Acknowledged,
        }
    }

    /// The next early datagram whose turn has come. It is open from here on.
    pub(super) fn release(&mut self) -> Option<(Seq, Box<[u8]>)> {
        let next = self.highest?.next();
        let datagrams = &mut self.early.as_deref_mut()?.datagrams;
        let index = datagrams.iter().position(|(seq, _)| *seq == next)?;
        let released = datagrams.swap_remove(index);
        if self.open(next) == Arrival::Busy {
            self.early.get_or_insert_default().datagrams.push(released);
            return None;
        }
        if self.early_count() == 0 {
            self.early = None;
        }
        Some(released)
    }

    pub(super) fn acknowledge(&mut self, seq: Seq) {
        self.settle(seq, Fate::Acknowledged);
    }

    pub(super) fn forget(&mut self, seq: Seq) {
        self.settle(seq, Fate::Refused);
    }

    pub(super) fn open_count(&self) -> usize {
        self.history.open().try_into().unwrap_or(usize::MAX)
    }

    pub(super) fn early_count(&self) -> usize {
        self.early.as_ref().map_or(0, |early| early.datagrams.len())
    }

    fn open(&mut self, seq: Seq) -> Arrival {
        if self.history.open() >= MAX_OPEN {
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
            None => self.highest = Some(seq),
        }
        self.history.set(seq, Fate::Open);
        Arrival::New
    }

    fn hold(&mut self, seq: Seq, bytes: &[u8]) -> Arrival {
        let early = self.early.get_or_insert_default();
        if early.datagrams.iter().any(|(held, _)| *held == seq) {
            return Arrival::Open;
        }
        early.datagrams.push((seq, bytes.into()));
        Arrival::Early
    }

    /// Only what is open changes: a word about any other number must not mark the one that shares its slot.
    fn settle(&mut self, seq: Seq, fate: Fate) {
        let is_within = self.highest.is_some_and(|highest| {
            let ahead = seq.ahead_of(highest);
            ahead <= 0 && ahead.unsigned_abs() < HISTORY
        });
        if is_within && self.history.fate(seq) == Fate::Open {
            self.history.set(seq, fate);
        }
    }
}
