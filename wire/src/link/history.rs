//! What became of the last 512 sequence numbers of the other side: two bits each.

use alloc::boxed::Box;

use crate::Seq;

/// How far behind the highest sequence number the history reaches. A program of 2003 keeps a request until its user
/// answers a dialog, so the same number can come again after many others.
pub const HISTORY: u16 = 512;

const WORD_BITS: u16 = 64;

/// So many words there are before the numbers begin anew.
const WORDS: u16 = 1024;

/// How many words behind that of the highest number the history reaches: it begins in the midst of the last one.
const REACH: u16 = HISTORY / WORD_BITS;

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

/// The fates of 64 numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Word {
    heard: u64,
    settled: u64,
}

impl Word {
    const ACKNOWLEDGED: Self = Self { heard: u64::MAX, settled: u64::MAX };

    fn fate(self, mask: u64) -> Fate {
        match (self.heard & mask != 0, self.settled & mask != 0) {
            (false, false) => Fate::Unheard,
            (true, false) => Fate::Open,
            (true, true) => Fate::Acknowledged,
            (false, true) => Fate::Refused,
        }
    }

    fn set(&mut self, mask: u64, fate: Fate) {
        let assign = |bits: &mut u64, on: bool| *bits = if on { *bits | mask } else { *bits & !mask };
        assign(&mut self.heard, matches!(fate, Fate::Open | Fate::Acknowledged));
        assign(&mut self.settled, matches!(fate, Fate::Acknowledged | Fate::Refused));
    }
}

/// What became of the numbers up to the highest. Sooner or later all of them are acknowledged, and most links have nothing else to remember:
/// so the older words take room only where one of them says otherwise.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The word of the highest number and the one before it, the even one first.
    recent: [Word; 2],
    /// The older ones, each in the place that its number leaves when divided by 8. `None`: all are acknowledged.
    older: Option<Box<[Word; REACH as usize]>>,
    /// Which word the highest number is in.
    top: u16,
    /// The first number that came. What comes from before it has not been heard.
    first: u16,
    /// How many words `first` is behind the top; one more than [`REACH`] where it is out of reach.
    depth: u16,
}

impl History {
    /// Begins with the first number that came.
    pub(super) fn begin(first: Seq) -> Self {
        let top = first.number() / WORD_BITS;
        Self { top, first: first.number(), ..Self::default() }
    }

    /// Begins where all numbers up to `highest` are acknowledged.
    pub(super) fn resumed(highest: Seq) -> Self {
        let top = highest.number() / WORD_BITS;
        let acknowledged = u64::MAX >> (WORD_BITS - 1 - highest.number() % WORD_BITS);
        let newest = Word { heard: acknowledged, settled: acknowledged };
        let recent = if top % 2 == 0 { [newest, Word::ACKNOWLEDGED] } else { [Word::ACKNOWLEDGED, newest] };
        Self { recent, older: None, top, first: 0, depth: REACH + 1 }
    }

    /// The numbers up to `highest`, as far as the history reaches, that have not been acknowledged, the oldest first. What came before the
    /// first that was heard is not among them.
    pub(super) fn unsettled(&self, highest: Seq) -> impl Iterator<Item = Seq> {
        (0..=REACH).rev().flat_map(move |behind| {
            let number = self.top.wrapping_sub(behind) % WORDS;
            let word = self.word(number);
            let mut open = self.acknowledged(number).heard & !(word.heard & word.settled);
            core::iter::from_fn(move || {
                while open != 0 {
                    let bit = open.trailing_zeros();
                    open &= open - 1;
                    let seq = u16::try_from(bit).ok().and_then(|bit| Seq::new(number * WORD_BITS + bit));
                    let is_within = |seq: &Seq| {
                        let ahead = seq.ahead_of(highest);
                        ahead <= 0 && ahead.unsigned_abs() < HISTORY
                    };
                    if let Some(seq) = seq.filter(is_within) {
                        return Some(seq);
                    }
                }
                None
            })
        })
    }

    /// What became of one of the last [`HISTORY`] numbers.
    pub(super) fn fate(&self, seq: Seq) -> Fate {
        self.word(seq.number() / WORD_BITS).fate(mask(seq.number()))
    }

    pub(super) fn set(&mut self, seq: Seq, fate: Fate) {
        let number = seq.number() / WORD_BITS;
        let word = if self.behind(number) <= 1 {
            self.recent.get_mut(usize::from(number % 2))
        } else {
            let older = self.older.take().unwrap_or_else(|| Box::new(self.older_words()));
            self.older.insert(older).get_mut(usize::from(number % REACH))
        };
        word.into_iter().for_each(|word| word.set(mask(seq.number()), fate));
    }

    /// Makes room for the numbers after `from`, the highest so far, up to `to`. Does nothing and returns `false` when
    /// an open number would fall out at the other end: it could come again and be handled twice.
    pub(super) fn advance(&mut self, from: Seq, to: Seq) -> bool {
        let steps = to.number().wrapping_sub(from.number()).min(HISTORY);
        let may_be_open = self.older.is_some() || steps > HISTORY - 2 * WORD_BITS;
        let left_behind = |step| from.number().wrapping_add(step).wrapping_sub(HISTORY);
        let is_open = |number| self.word(number / WORD_BITS).fate(mask(number)) == Fate::Open;
        if may_be_open && (1..=steps).map(left_behind).any(is_open) {
            return false;
        }
        let words = (to.number() / WORD_BITS).wrapping_sub(self.top) % WORDS;
        // What is further ahead than the history reaches leaves nothing of it.
        let skipped = words.saturating_sub(2 * REACH);
        self.top = self.top.wrapping_add(skipped) % WORDS;
        (skipped..words).for_each(|_| self.turn());
        true
    }

    /// Goes on to the next word.
    fn turn(&mut self) {
        let leaving = self.top.wrapping_sub(1) % WORDS;
        let retired = self.word(leaving);
        if self.older.is_none() && retired != self.acknowledged(leaving) {
            self.older = Some(Box::new(self.older_words()));
        }
        if let Some(place) = self.older.as_mut().and_then(|older| older.get_mut(usize::from(leaving % REACH))) {
            *place = retired;
        }
        self.top = self.top.wrapping_add(1) % WORDS;
        self.depth = (self.depth + 1).min(REACH + 1);
        if let Some(word) = self.recent.get_mut(usize::from(self.top % 2)) {
            *word = fresh(self.top);
        }
        if (2..=REACH).all(|behind| {
            let number = self.top.wrapping_sub(behind) % WORDS;
            self.word(number) == self.acknowledged(number)
        }) {
            self.older = None;
        }
    }

    fn behind(&self, word: u16) -> u16 {
        self.top.wrapping_sub(word) % WORDS
    }

    fn word(&self, number: u16) -> Word {
        let behind = self.behind(number);
        let kept = match &self.older {
            _ if behind <= 1 => self.recent.get(usize::from(number % 2)),
            _ if behind > REACH => None,
            Some(older) => older.get(usize::from(number % REACH)),
            None => return self.acknowledged(number),
        };
        kept.copied().unwrap_or_default()
    }

    /// A word in which everything from the first number on is acknowledged.
    fn acknowledged(&self, number: u16) -> Word {
        let behind = self.behind(number);
        let since_first = match self.depth {
            depth if behind > depth => 0,
            depth if behind == depth && depth <= REACH => u64::MAX << (self.first % WORD_BITS),
            _ => u64::MAX,
        };
        Word { heard: Word::ACKNOWLEDGED.heard & since_first, settled: Word::ACKNOWLEDGED.settled & since_first }
    }

    /// The words behind the two recent ones, when nothing but acknowledgements is in them.
    fn older_words(&self) -> [Word; REACH as usize] {
        let mut words = [Word::default(); REACH as usize];
        for behind in 2..=REACH {
            let number = self.top.wrapping_sub(behind) % WORDS;
            let place = words.get_mut(usize::from(number % REACH));
            place.into_iter().for_each(|word| *word = self.acknowledged(number));
        }
        words
    }
}

/// A word of which nothing has been heard. The 0 that the counter skips is as good as acknowledged.
fn fresh(number: u16) -> Word {
    let skipped = u64::from(number == 0);
    Word { heard: skipped, settled: skipped }
}

/// The bit of a number in its word.
fn mask(number: u16) -> u64 {
    1 << (number % WORD_BITS)
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const FATES: [Fate; 4] = [Fate::Acknowledged, Fate::Refused, Fate::Unheard, Fate::Acknowledged];

    fn seq(number: u16) -> Seq {
        Seq::new(number).unwrap()
    }

    /// The same in the simplest way: the fates of all numbers.
    struct Plain(Vec<Fate>);

    impl Plain {
        fn set(&mut self, seq: Seq, fate: Fate) {
            self.0[usize::from(seq.number())] = fate;
        }

        fn advance(&mut self, from: Seq, to: Seq) -> bool {
            let steps = to.number().wrapping_sub(from.number());
            let old = |step: u16| usize::from(from.number().wrapping_add(step).wrapping_sub(HISTORY));
            if (1..=steps.min(HISTORY)).any(|step| self.0[old(step)] == Fate::Open) {
                return false;
            }
            for step in 1..=steps {
                self.0[usize::from(from.number().wrapping_add(step))] = Fate::Unheard;
            }
            true
        }
    }

    #[test]
    fn fates_are_kept_for_512_numbers_across_the_wrap() {
        let mut top = seq(65_000);
        let mut history = History::begin(top);
        let mut all = vec![top];
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
        let mut history = History::begin(seq(10));
        history.set(seq(10), Fate::Open);
        assert!(history.advance(seq(10), seq(11)));
        history.set(seq(11), Fate::Open);
        assert!(!history.advance(seq(11), seq(522)), "10 is open and would fall out");
        assert!(!history.advance(seq(11), seq(11 + 32_767)));
        history.set(seq(10), Fate::Acknowledged);
        assert!(history.advance(seq(11), seq(522)));
        assert_eq!((history.fate(seq(522)), history.fate(seq(11))), (Fate::Unheard, Fate::Open));
        history.set(seq(11), Fate::Refused);
        assert!(history.advance(seq(522), seq(522 + 32_767)));
        assert_eq!(history.fate(seq(522 + 32_767)), Fate::Unheard);
    }

    #[test]
    fn who_has_everything_acknowledged_takes_no_room_for_it() {
        let mut top = seq(65_000);
        let mut history = History::begin(top);
        history.set(top, Fate::Acknowledged);
        for step in 0..2_000 {
            let (last, next) = (top, top.next());
            assert!(history.advance(last, next));
            history.set(next, Fate::Open);
            // One is left out, and acknowledged much later.
            if step != 1_000 {
                history.set(next, Fate::Acknowledged);
            }
            if step == 1_400 {
                let left_out = seq(next.number() - 400);
                assert_eq!(history.fate(left_out), Fate::Open);
                history.set(left_out, Fate::Acknowledged);
            }
            let remembers = (1_200..1_400).contains(&step);
            assert!(history.older.is_some() == remembers || (1_000..1_600).contains(&step), "{step}");
            top = next;
        }
    }

    proptest! {
        #[test]
        fn it_knows_what_the_simplest_history_knows(
            first in 1..=u16::MAX,
            steps in proptest::collection::vec((prop_oneof![20 => 1..4_u16, 2 => 1..600_u16, 1 => 1..32_767_u16], 0..600_u16, 0..4_usize), 1..400),
        ) {
            let mut top = seq(first);
            let mut history = History::begin(top);
            let mut plain = Plain(vec![Fate::Unheard; 1 << 16]);
            history.set(top, Fate::Acknowledged);
            plain.set(top, Fate::Acknowledged);
            for (ahead, back, fate) in steps {
                let fates = [Fate::Open, Fate::Acknowledged, Fate::Refused, Fate::Acknowledged];
                if let Some(next) = Seq::new(top.number().wrapping_add(ahead)) {
                    let advanced = history.advance(top, next);
                    prop_assert_eq!(advanced, plain.advance(top, next));
                    if advanced {
                        top = next;
                    }
                }
                if let Some(old) = Seq::new(top.number().wrapping_sub(back % HISTORY)) {
                    history.set(old, fates[fate]);
                    plain.set(old, fates[fate]);
                }
                for old in (0..HISTORY).filter_map(|back| Seq::new(top.number().wrapping_sub(back))) {
                    prop_assert_eq!(history.fate(old), plain.0[usize::from(old.number())], "{} seen from {}", old, top);
                }
            }
        }
    }
}
