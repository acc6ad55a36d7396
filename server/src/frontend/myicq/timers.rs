//! When each session has something to do: a wheel of lists, each of what is due within the same few milliseconds.
//!
//! To set a timer, move it and take it back costs the same however many sessions there are, and touches no session: only the pool of
//! timers. A session has two: one that it keeps as long as it lives, and that is far away and nearly always left alone, and one for its
//! link, that it has only while something waits for an acknowledgement. So the second comes from few places, which are used over and over.

use std::collections::VecDeque;

use myicq_wire::Instant;

use crate::pages::Pages;

/// Microseconds of a tick, as a power of two: 4 ms.
const TICK_BITS: u32 = 12;

/// Lists: so many ticks are 16 s, longer than a link waits. What is due later waits in the last list until that is due, and then moves on.
const LISTS: usize = 4096;

/// No list, no timer.
const NONE: u32 = u32::MAX;

/// A timer that is further away than this is not moved further: it is asked again when it is due.
const FAR_MICROSECONDS: u64 = 1 << 20;

/// Where a timer is in the pool, kept by who has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TimerId(u32);

impl TimerId {
    /// No timer.
    pub(super) const NONE: Self = Self(NONE);
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    deadline: Instant,
    /// Whose it is.
    slot: u32,
    /// Neighbours in the list, by place; of one that nobody has, the next of those.
    next: u32,
    previous: u32,
    /// [`NONE`] when it is not set.
    list: u32,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    /// No timer in it is due sooner. It may be that none is due then any more.
    soonest: Instant,
}

/// The timers of all sessions.
#[derive(Debug)]
pub(super) struct Timers {
    timers: Pages<Timer>,
    /// The first that nobody has.
    free: u32,
    lists: Box<[List]>,
    /// One bit for each list that is not empty.
    occupied: [u64; LISTS / 64],
    /// One bit for each word of those that is not 0.
    words: u64,
    /// No list before that of this tick has a timer.
    tick: u64,
}

fn tick(at: Instant) -> u64 {
    at.0 >> TICK_BITS
}

fn list_of(tick: u64) -> usize {
    usize::try_from(tick % LISTS as u64).unwrap_or_default()
}

impl Timers {
    pub(super) fn new() -> Self {
        let empty = List { first: NONE, soonest: Instant(u64::MAX) };
        Self {
            timers: Pages::new(),
            free: NONE,
            lists: vec![empty; LISTS].into(),
            occupied: [0; LISTS / 64],
            words: 0,
            tick: 0,
        }
    }

    /// Sets a timer of the session in a slot, and takes one for it from the pool where it has none.
    pub(super) fn arm(&mut self, id: &mut TimerId, slot: u32, now: Instant, deadline: Instant) {
        if let Some(timer) = self.timer(id.0) {
            let is_set = timer.list != NONE;
            if is_set && timer.deadline <= deadline && timer.deadline.0 > now.0 + FAR_MICROSECONDS {
                return;
            }
            self.unlink(id.0);
        } else if let Some(place) = self.take(slot) {
            *id = TimerId(place);
        }
        if self.words == 0 {
            self.tick = self.tick.max(tick(now));
        }
        self.link(id.0, deadline);
    }

    /// Takes a timer back, whether it is set or has fired, and gives its place to the pool.
    pub(super) fn cancel(&mut self, id: &mut TimerId) {
        let TimerId(place) = std::mem::replace(id, TimerId::NONE);
        self.unlink(place);
        let free = self.free;
        if let Some(timer) = self.timer(place) {
            timer.next = free;
            self.free = place;
        }
    }

    fn take(&mut self, slot: u32) -> Option<u32> {
        let timer = Timer { deadline: Instant(0), slot, next: NONE, previous: NONE, list: NONE };
        let place = self.free;
        if let Some(free) = self.timer(place) {
            let next = std::mem::replace(free, timer).next;
            self.free = next;
            return Some(place);
        }
        self.timers.push(timer)
    }

    fn unlink(&mut self, place: u32) {
        let Some(timer) = self.timer(place).filter(|timer| timer.list != NONE) else { return };
        let Timer { next, previous, list, .. } = *timer;
        timer.list = NONE;
        if let Some(next) = self.timer(next) {
            next.previous = previous;
        }
        if let Some(previous) = self.timer(previous) {
            previous.next = next;
        } else {
            self.set_first(list, next);
        }
    }

    /// When [`Timers::fire`] is due, or somewhat sooner.
    pub(super) fn next(&self) -> Option<Instant> {
        let list = self.first_occupied()?;
        self.lists.get(list).map(|list| list.soonest)
    }

    /// Unsets the timers that are due and puts the slots of their sessions into `due`.
    pub(super) fn fire(&mut self, now: Instant, due: &mut VecDeque<u32>) {
        while let Some(list) = self.first_occupied() {
            let Some(&List { mut first, soonest }) = self.lists.get(list) else { break };
            if soonest > now {
                break;
            }
            // The wheel turns to this list, so that what is further away moves on to where it belongs by now.
            self.tick = self.tick.max(tick(soonest.min(now)));
            self.set_first_and_soonest(list, NONE, Instant(u64::MAX));
            while let Some(timer) = self.timer(first) {
                let Timer { deadline, slot, next, .. } = *timer;
                if deadline <= now {
                    timer.list = NONE;
                    due.push_back(slot);
                } else {
                    self.link(first, deadline);
                }
                first = next;
            }
        }
        self.tick = self.tick.max(tick(now));
    }

    fn timer(&mut self, place: u32) -> Option<&mut Timer> {
        self.timers.get_mut(place)
    }

    fn link(&mut self, place: u32, deadline: Instant) {
        // What is overdue is as good as due now; what is beyond the wheel waits at its end.
        let turn = tick(deadline).clamp(self.tick, self.tick + LISTS as u64 - 1);
        let index = list_of(turn);
        let Some(&List { first, soonest }) = self.lists.get(index) else { return };
        if let Some(first) = self.timer(first) {
            first.previous = place;
        }
        let list = u32::try_from(index).unwrap_or(NONE);
        if let Some(timer) = self.timer(place) {
            *timer = Timer { deadline, slot: timer.slot, next: first, previous: NONE, list };
        }
        let due = deadline.min(Instant(((turn + 1) << TICK_BITS) - 1));
        self.set_first_and_soonest(index, place, soonest.min(due));
    }

    fn set_first(&mut self, list: u32, first: u32) {
        let Ok(index) = usize::try_from(list) else { return };
        let soonest = match self.lists.get(index) {
            Some(list) if first != NONE => list.soonest,
            _ => Instant(u64::MAX),
        };
        self.set_first_and_soonest(index, first, soonest);
    }

    fn set_first_and_soonest(&mut self, index: usize, first: u32, soonest: Instant) {
        if let Some(list) = self.lists.get_mut(index) {
            *list = List { first, soonest };
        }
        if let Some(bits) = self.occupied.get_mut(index / 64) {
            let bit = 1 << (index % 64);
            *bits = if first == NONE { *bits & !bit } else { *bits | bit };
            let word = 1 << (index / 64);
            self.words = if *bits == 0 { self.words & !word } else { self.words | word };
        }
    }

    /// The first list with a timer, from that of the tick on and around.
    fn first_occupied(&self) -> Option<usize> {
        let start = list_of(self.tick);
        let from_start = self.occupied.get(start / 64)? & (u64::MAX << (start % 64));
        if from_start != 0 {
            return Some(start / 64 * 64 + first_bit(from_start));
        }
        // Around from the next word on; the lists before the start, in its own word, come last.
        let turn = u32::try_from(start / 64 + 1).unwrap_or_default();
        let words = self.words.rotate_right(turn);
        let word = (start / 64 + 1 + first_bit(words)) % self.occupied.len();
        let bits = *self.occupied.get(word)?;
        (bits != 0).then(|| word * 64 + first_bit(bits))
    }
}

/// Where the first bit that is set stands; 64 where there is none.
fn first_bit(bits: u64) -> usize {
    usize::try_from(bits.trailing_zeros()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Arm(u32, u64),
        Cancel(u32),
        Wait(u64),
    }

    impl Timers {
        fn free_places(&self) -> usize {
            let next = |&place: &u32| self.timers.get(place).map(|timer| timer.next);
            std::iter::successors(Some(self.free), next).filter(|&place| place != NONE).count()
        }
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let microseconds = prop_oneof![0..5_000_u64, 0..2_000_000_u64, 0..200_000_000_u64];
        let step = prop_oneof![
            (0..20_u32, microseconds.clone()).prop_map(|(slot, after)| Step::Arm(slot, after)),
            (0..20_u32).prop_map(Step::Cancel),
            microseconds.prop_map(Step::Wait),
        ];
        proptest::collection::vec(step, 1..200)
    }

    proptest! {
        /// Against a map: none fires too soon, none is missed, and the wheel wakes its owner in time, and not for ever.
        #[test]
        fn each_fires_in_its_time(steps in steps()) {
            let (mut timers, mut model, mut now) = (Timers::new(), BTreeMap::<u32, u64>::new(), Instant(1 << 40));
            let mut ids = [TimerId::NONE; 20];
            for step in steps {
                match step {
                    Step::Arm(slot, after) => {
                        let deadline = now.0 + after;
                        timers.arm(&mut ids[slot as usize], slot, now, Instant(deadline));
                        let kept = model.get(&slot).copied().filter(|&at| at <= deadline && at > now.0 + FAR_MICROSECONDS);
                        model.insert(slot, kept.unwrap_or(deadline));
                    }
                    Step::Cancel(slot) => {
                        timers.cancel(&mut ids[slot as usize]);
                        model.remove(&slot);
                    }
                    Step::Wait(time) => {
                        let end = Instant(now.0 + time);
                        let mut wakes = 0;
                        while let Some(at) = timers.next().filter(|&at| at <= end) {
                            now = now.max(at);
                            let mut due = VecDeque::new();
                            timers.fire(now, &mut due);
                            for slot in due {
                                let deadline = model.remove(&slot);
                                prop_assert!(deadline.is_some_and(|deadline| deadline <= now.0), "{slot} at {now:?}: {deadline:?}");
                            }
                            wakes += 1;
                            prop_assert!(wakes < 1_000, "it wakes for nothing");
                        }
                        now = end;
                        prop_assert!(model.values().all(|&deadline| deadline > now.0), "one was missed: {model:?}");
                    }
                }
                let soonest = model.values().min().copied().map(Instant);
                prop_assert!(soonest.is_none() == timers.next().is_none());
                prop_assert!(timers.next() <= soonest || soonest.is_none());
                let had = ids.iter().filter(|&&id| id != TimerId::NONE).count();
                prop_assert!(timers.timers.len() <= 20 && timers.free_places() + had == timers.timers.len() as usize);
            }
        }
    }

    #[test]
    fn a_timer_fires_when_it_is_due_and_not_before() {
        let (mut timers, now, mut due) = (Timers::new(), Instant(7_000_000), VecDeque::new());
        let mut id = TimerId::NONE;
        timers.arm(&mut id, 3, now, Instant(7_200_001));
        assert_eq!(timers.next(), Some(Instant(7_200_001)));
        timers.fire(Instant(7_200_000), &mut due);
        assert!(due.is_empty());
        timers.fire(Instant(7_200_001), &mut due);
        assert_eq!((due, timers.next()), (VecDeque::from([3]), None));
    }
}
