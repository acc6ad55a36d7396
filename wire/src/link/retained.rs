//! The datagrams that links keep, in slots that outlive them.

use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU32;

use zeroize::{Zeroize, Zeroizing};

use super::Token;
use crate::{Histogram, Instant, Seq};

/// A slot that is free keeps this many bytes for the next datagram. Nearly all are shorter.
const KEPT_CAPACITY: usize = 512;

/// As many slots stay when nothing is kept any more. More of them are given back: a burst, when everybody comes at once, must
/// not be paid for until the end.
const KEPT_SLOTS: usize = 4096;

/// What the links of one owner keep: their unacknowledged datagrams, and those that came early.
///
/// One value serves any number of links, and a link has to be given the same one in every call. It grows to the most
/// datagrams that are kept at once, and then takes no more memory: a slot is used again, and its bytes with it.
#[derive(Default)]
pub struct Retained {
    slots: Vec<Slot>,
    /// The first free slot; each names the next.
    free: Option<Index>,
    len: usize,
    pub(super) measured: Measured,
}

/// What the links have measured together since the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Measured {
    /// Datagrams that went out again because no acknowledgement came in time.
    pub resent: u64,
    /// From a datagram to its acknowledgement, where that can be measured.
    pub round_trips: Histogram,
}

/// A slot's place, counted from 1, so that an absent one takes no more memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Index(NonZeroU32);

/// A datagram and its neighbours among those of its link, which form a ring: the newest is before the oldest.
pub(super) struct Slot {
    /// Zeroized when the owner of the links goes, whatever is in it then.
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) entry: Entry,
    pub(super) next: Option<Index>,
    previous: Option<Index>,
}

/// What a link knows of a datagram. Of one that came early, only its number.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) token: Token,
    pub(super) first_sent: Instant,
    pub(super) last_sent: Instant,
    /// When the wait for its acknowledgement is over.
    pub(super) due: Instant,
    pub(super) seq: Seq,
    pub(super) answers: Option<Seq>,
    pub(super) sends: u8,
    pub(super) doublings: u8,
    pub(super) before_proof: bool,
    pub(super) secret: bool,
    /// Its request came again, so it goes out again.
    pub(super) repeat: bool,
    /// Nothing has happened that makes the time to its acknowledgement something else than a round trip.
    pub(super) is_measurable: bool,
}

impl Retained {
    /// Keeps nothing, and has no memory for it yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many datagrams all the links keep.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no link keeps any.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What the links have measured.
    pub fn measured(&self) -> &Measured {
        &self.measured
    }

    pub(super) fn slot(&self, index: Index) -> Option<&Slot> {
        self.slots.get(index.position())
    }

    pub(super) fn slot_mut(&mut self, index: Index) -> Option<&mut Slot> {
        self.slots.get_mut(index.position())
    }

    /// The first `count` slots of a ring.
    pub(super) fn ring(&self, first: Option<Index>, count: usize) -> impl Iterator<Item = (Index, &Slot)> {
        let mut next = first;
        let slots = core::iter::from_fn(move || {
            let index = next?;
            let slot = self.slot(index)?;
            next = slot.next;
            Some((index, slot))
        });
        slots.take(count)
    }

    /// Adds a datagram behind the last of the ring that begins at `first`. `None` when there are 2^32 - 1 of them.
    pub(super) fn push(&mut self, first: &mut Option<Index>, entry: Entry, bytes: &[u8]) -> Option<Index> {
        let index = self.take_slot(entry)?;
        let last = first.and_then(|first| self.slot(first)?.previous);
        let slot = self.slot_mut(index)?;
        slot.entry = entry;
        slot.bytes.reserve_exact(bytes.len());
        slot.bytes.extend_from_slice(bytes);
        self.join(last.unwrap_or(index), index);
        self.join(index, *first.get_or_insert(index));
        self.len += 1;
        Some(index)
    }

    /// Takes a datagram out of the ring that begins at `first`.
    pub(super) fn remove(&mut self, first: &mut Option<Index>, index: Index) -> Option<Entry> {
        let free = self.free;
        let slot = self.slot_mut(index)?;
        let (entry, next, previous) = (slot.entry, slot.next?, slot.previous?);
        slot.clear();
        (slot.next, slot.previous) = (free, None);
        self.free = Some(index);
        self.len -= 1;
        if next == index {
            *first = None;
        } else {
            self.join(previous, next);
            *first = first.map(|first| if first == index { next } else { first });
        }
        if self.len == 0 && self.slots.len() > KEPT_SLOTS {
            *self = Self { measured: self.measured, ..Self::default() };
        }
        Some(entry)
    }

    /// The bytes of a datagram that is about to be taken out.
    pub(super) fn take_bytes(&mut self, index: Index) -> Vec<u8> {
        self.slot_mut(index).map(|slot| core::mem::take(&mut *slot.bytes)).unwrap_or_default()
    }

    /// Takes out a whole ring, the oldest first; also what is not asked for.
    pub(super) fn drain(&mut self, first: Option<Index>) -> Drain<'_> {
        Drain { retained: self, first }
    }

    fn take_slot(&mut self, entry: Entry) -> Option<Index> {
        if let Some(index) = self.free {
            self.free = self.slot(index)?.next;
            return Some(index);
        }
        let number = u32::try_from(self.slots.len()).ok()?.checked_add(1)?;
        self.slots.push(Slot { bytes: Zeroizing::default(), entry, next: None, previous: None });
        NonZeroU32::new(number).map(Index)
    }

    fn join(&mut self, previous: Index, next: Index) {
        if let Some(slot) = self.slot_mut(previous) {
            slot.next = Some(next);
        }
        if let Some(slot) = self.slot_mut(next) {
            slot.previous = Some(previous);
        }
    }
}

/// Numbers rather than contents, which may be secret.
impl fmt::Debug for Retained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retained").field("len", &self.len).field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}

impl Index {
    fn position(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl Slot {
    /// Wipes the bytes and keeps the memory, unless it is much.
    fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_CAPACITY {
            self.bytes = Zeroizing::default();
        } else if self.entry.secret {
            self.bytes.zeroize();
        } else {
            // `zeroize` goes byte by byte, which would be half of what a server does for a datagram that is acknowledged.
            self.bytes.fill(0);
            self.bytes.clear();
        }
    }
}

impl Entry {
    /// Of a datagram that has not been sent.
    pub(super) fn new(seq: Seq) -> Self {
        let never = Instant::default();
        Self {
            token: Token::default(),
            first_sent: never,
            last_sent: never,
            due: never,
            seq,
            answers: None,
            sends: 0,
            doublings: 0,
            before_proof: false,
            secret: false,
            repeat: false,
            is_measurable: true,
        }
    }
}

/// See [`Retained::drain`].
pub(super) struct Drain<'a> {
    retained: &'a mut Retained,
    first: Option<Index>,
}

impl Iterator for Drain<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let oldest = self.first?;
        self.retained.remove(&mut self.first, oldest).map(|entry| entry.token)
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Link, Outgoing, Output, Timing};
    use super::*;

    const NOW: Instant = Instant(0);

    fn seq(number: u16) -> Seq {
        Seq::new(number).unwrap()
    }

    #[test]
    fn the_room_of_a_burst_is_given_back_at_its_end() {
        for (count, kept) in [(KEPT_SLOTS, KEPT_SLOTS), (KEPT_SLOTS + 1, 0)] {
            let (mut retained, mut ring) = (Retained::new(), None);
            let entry = Entry::new(Seq::FIRST);
            let slots: Vec<_> = (0..count).map(|_| retained.push(&mut ring, entry, b"burst").unwrap()).collect();
            for index in slots {
                retained.remove(&mut ring, index).unwrap();
            }
            assert_eq!((retained.len(), retained.slots.len()), (0, kept));
            assert!(retained.push(&mut ring, entry, b"more").is_some());
        }
    }

    #[test]
    fn links_share_what_they_retain_and_a_drained_one_leaves_nothing() {
        let mut retained = Retained::new();
        let mut links = [1, 2, 3].map(|first| Link::new(seq(first * 1_000), 9));
        for round in 0..40_u8 {
            for link in &mut links {
                let next = link.next_seq();
                link.send(&mut retained, Outgoing::new(next, &[round; 3], Token(next.number().into()))).unwrap();
            }
        }
        let [drained, half, last] = &mut links;
        drained.set_ordered();
        for number in [1, 3, 4] {
            drained.on_receive(&mut retained, NOW, seq(number), b"early");
        }
        assert_eq!((retained.len(), drained.early()), (122, 2));
        assert_eq!(drained.drain(&mut retained).next(), Some(Token(1_000)), "and the others go with it");
        assert_eq!((retained.len(), drained.in_flight(), drained.queued(), drained.early()), (80, 0, 0, 0));

        let mut sent = 0;
        while let Some(output) = half.poll(&mut retained, NOW, &Timing::DEFAULT) {
            assert_eq!(output, Output::Transmit(&[sent; 3]));
            sent += 1;
        }
        for number in (2_000..2_032).rev() {
            assert_eq!(half.on_ack(&mut retained, NOW, seq(number)), Some(Token(number.into())));
        }
        let tokens: Vec<_> = last.drain(&mut retained).map(|token| token.0).collect();
        assert_eq!(tokens, (3_000..3_040).collect::<Vec<_>>());
        assert_eq!((half.queued(), retained.len()), (8, 8));
        half.drain(&mut retained).for_each(drop);
        assert!(retained.is_empty());
    }

    #[test]
    fn a_free_slot_keeps_a_little_memory_and_no_bytes() {
        let mut retained = Retained::new();
        for (len, kept) in [(KEPT_CAPACITY, KEPT_CAPACITY), (KEPT_CAPACITY + 1, 0), (100, 100), (50, 100)] {
            for secret in [false, true] {
                let mut first = None;
                let entry = Entry { secret, ..Entry::new(Seq::FIRST) };
                let index = retained.push(&mut first, entry, &alloc::vec![7; len]).unwrap();
                retained.remove(&mut first, index).unwrap();
                let bytes = &retained.slot(index).unwrap().bytes;
                assert_eq!((first, bytes.len(), bytes.capacity()), (None, 0, kept), "{len}");
            }
        }
        assert_eq!((retained.len(), retained.slots.len()), (0, 1));
    }
}
