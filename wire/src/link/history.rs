//! What became of the last 512 sequence numbers of the other side: two bits each.

use crate::Seq;

/// How far behind the highest sequence number the history reaches. A program of 2003 keeps a request until its user
/// answers a dialog, so the same number can come again after many others.
pub const HISTORY: u16 = 512;

const WORD_BITS: u16 = 64;
const WORDS: usize = (HISTORY / WORD_BITS) as usize;

/// What became of a sequence number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It has not come.
    Unheard,
    /// It has come, and the layer above works on it.
    Open,
    /// It was acknowledged, by a pure acknowledgement or a reply.
    Acknowledged,
    /// It was refused: when it comes again, it is judged anew.
    Refused,
}

/// A ring over the sequence numbers, addressed by their lowest nine bits. 2^16 is a multiple of 512, so the ring goes
/// on across the wrap; the 0 that the counter skips is a slot that stays empty.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct History {
    heard: [u64; WORDS],
    settled: [u64; WORDS],
}

impl History {
    pub(super) fn fate(&self, seq: Seq) -> Fate {
        self.read(seq.number())
    }

    pub(super) fn set(&mut self, seq: Seq, fate: Fate) {
        self.write(seq.number(), fate);
    }

    /// Makes room for the numbers after `from` up to `to`, which lies ahead of it. Does nothing and returns `false` when
    /// an open number would fall out at the other end: it could come again and be handled twice.
    pub(super) fn advance(&mut self, from: Seq, to: Seq) -> bool {
        let steps = to.number().wrapping_sub(from.number()).min(HISTORY);
        let reused = (1..=steps).map(|step| from.number().wrapping_add(step));
        if reused.clone().any(|number| self.read(number) == Fate::Open) {
            return false;
        }
        reused.for_each(|number| self.write(number, Fate::Unheard));
        true
    }

    fn read(&self, number: u16) -> Fate {
        let (word, mask) = slot(number);
        let is_set = |bits: &[u64; WORDS]| bits.get(word).is_some_and(|bits| bits & mask != 0);
        match (is_set(&self.heard), is_set(&self.settled)) {
            (false, false) => Fate::Unheard,
            (true, false) => Fate::Open,
            (true, true) => Fate::Acknowledged,
            (false, true) => Fate::Refused,
        }
    }

    fn write(&mut self, number: u16, fate: Fate) {
        let (word, mask) = slot(number);
        let assign = |bits: &mut [u64; WORDS], on: bool| {
            if let Some(bits) = bits.get_mut(word) {
                *bits = if on { *bits | mask } else { *bits & !mask };
            }
        };
        assign(&mut self.heard, matches!(fate, Fate::Open | Fate::Acknowledged));
        assign(&mut self.settled, matches!(fate, Fate::Acknowledged | Fate::Refused));
    }
}

/// The word and the bit of a number.
fn slot(number: u16) -> (usize, u64) {
    (usize::from(number % HISTORY / WORD_BITS), 1 << (number % WORD_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FATES: [Fate; 4] = [Fate::Acknowledged, Fate::Refused, Fate::Unheard, Fate::Acknowledged];

    fn seq(number: u16) -> Seq {
        Seq::new(number).unwrap()
    }

    #[test]
    fn fates_are_kept_for_512_numbers_across_the_wrap() {
        let mut history = History::default();
        let mut top = seq(65_000);
        let mut all = alloc::vec![top];
        history.set(top, Fate::Acknowledged);
        for step in 0..3_000_u32 {
            let next = top.next();
            assert!(history.advance(top, next));
            history.set(next, FATES[step as usize % 4]);
            top = next;
            all.push(next);
            for (back, old) in all.iter().rev().enumerate().take_while(|(_, old)| top.ahead_of(**old) < 512) {
                let index = all.len() - 1 - back;
                if index > 0 {
                    assert_eq!(history.fate(*old), FATES[(index - 1) % 4], "{old} seen from {top}");
                }
            }
        }
    }

    #[test]
    fn a_jump_clears_what_it_leaves_behind_unless_it_is_open() {
        let mut history = History::default();
        history.set(seq(10), Fate::Open);
        history.set(seq(11), Fate::Open);
        assert!(!history.advance(seq(11), seq(522)), "10 is open and would share its slot with 522");
        assert!(!history.advance(seq(11), seq(11 + 32_767)));
        history.set(seq(10), Fate::Acknowledged);
        assert!(history.advance(seq(11), seq(522)));
        assert_eq!((history.fate(seq(522)), history.fate(seq(11))), (Fate::Unheard, Fate::Open));
        history.set(seq(11), Fate::Refused);
        assert!(history.advance(seq(522), seq(522 + 32_767)));
        assert_eq!(history.fate(seq(11)), Fate::Unheard);
    }
}
