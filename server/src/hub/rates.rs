//! How often something may be done: buckets that fill with each time, and run empty at an even pace.
//!
//! A bucket is four bytes, so that it fits where it is looked at anyway. Those of users and addresses that may be anybody lie in
//! tables of one length ([`Buckets`]): who forges addresses cannot make them grow.

use std::time::Duration;

use blake2::Blake2sMac;
use blake2::digest::consts::U8;
use blake2::digest::{KeyInit, Mac};
use myicq_wire::Instant;

use super::{Ask, Hub, SessionKey};
use crate::time::Now;

/// So often at once, and one more each time that `every_ms` has passed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    burst: u32,
    every_ms: u32,
}

impl Rate {
    /// `burst` at once, and `count` in each `time` from there on. Of no more than one in a millisecond.
    pub(super) fn new(burst: u32, count: u32, time: Duration) -> Self {
        let every = time.checked_div(count).unwrap_or(time).as_millis();
        Self { burst: burst.max(1), every_ms: u32::try_from(every).unwrap_or(u32::MAX).max(1) }
    }

    /// `count` in each `time`, also all at once.
    pub(super) fn of(count: u32, time: Duration) -> Self {
        Self::new(count, count, time)
    }

    /// How long a full bucket takes to run empty.
    fn span_ms(self) -> u32 {
        self.burst.saturating_mul(self.every_ms)
    }
}

/// When the bucket is empty: milliseconds of the clock, modulo 2^32; 0 for one that is. It is never further ahead than it takes a
/// full one to run empty, so what seems to be lies far behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Bucket(u32);

fn milliseconds(now: Instant) -> u32 {
    u32::try_from((now.0 / 1000) & u64::from(u32::MAX)).unwrap_or_default()
}

impl Bucket {
    /// How long it takes to run empty.
    fn level_ms(self, now: Instant, rate: Rate) -> u32 {
        let ahead = self.0.wrapping_sub(milliseconds(now));
        if self.0 > 0 && ahead <= rate.span_ms() { ahead } else { 0 }
    }

    /// Whether there is room for one more.
    pub(super) fn has_room(self, now: Instant, rate: Rate) -> bool {
        self.level_ms(now, rate) <= rate.span_ms() - rate.every_ms
    }

    /// Takes one more in, if there is room for it.
    pub(super) fn take(&mut self, now: Instant, rate: Rate) -> bool {
        let has_room = self.has_room(now, rate);
        if has_room {
            self.fill(now, self.level_ms(now, rate) + rate.every_ms);
        }
        has_room
    }

    /// One that was taken in does not count.
    fn give_back(&mut self, now: Instant, rate: Rate) {
        let level = self.level_ms(now, rate).saturating_sub(rate.every_ms);
        self.fill(now, level);
    }

    fn fill(&mut self, now: Instant, level_ms: u32) {
        self.0 = milliseconds(now).wrapping_add(level_ms).max(1);
    }
}

/// Buckets of a table. Two that fall on the same one share it: among so many that is rare, and a key that nobody knows keeps it
/// from being arranged.
pub(super) const BUCKETS: usize = 1 << 16;

/// The buckets of a great many users or addresses, at a place that is drawn for each.
pub(super) struct Buckets {
    keyed: Box<Blake2sMac<U8>>,
    buckets: Box<[Bucket]>,
}

impl Buckets {
    /// Empty ones. The key must be random.
    pub(super) fn new(key: &[u8; 32], count: usize) -> Self {
        Self { keyed: Box::new(Blake2sMac::new(key.into())), buckets: vec![Bucket::default(); count.max(1)].into() }
    }

    /// Whether there is room for one more of these.
    pub(super) fn has_room(&mut self, of: u128, now: Instant, rate: Rate) -> bool {
        self.bucket(of).is_some_and(|bucket| bucket.has_room(now, rate))
    }

    /// Takes in one more, if there is room for it.
    pub(super) fn take(&mut self, of: u128, now: Instant, rate: Rate) -> bool {
        self.bucket(of).is_some_and(|bucket| bucket.take(now, rate))
    }

    /// One that was taken in does not count.
    pub(super) fn give_back(&mut self, of: u128, now: Instant, rate: Rate) {
        if let Some(bucket) = self.bucket(of) {
            bucket.give_back(now, rate);
        }
    }

    fn bucket(&mut self, of: u128) -> Option<&mut Bucket> {
        let mac = Blake2sMac::clone(&self.keyed).chain_update(of.to_be_bytes()).finalize().into_bytes();
        let place = u64::from_be_bytes(mac.into()) % u64::try_from(self.buckets.len()).unwrap_or(1);
        self.buckets.get_mut(usize::try_from(place).ok()?)
    }
}

impl Hub {
    /// Whether a session has asked such things less often than it may. It counts as asked then.
    pub(super) fn may_ask(&mut self, now: Now, session: SessionKey, ask: &Ask<'_>) -> bool {
        let limits = &self.config.limits;
        if !limits.rates {
            return true;
        }
        match ask {
            Ask::Send { .. } | Ask::SayToGroup { .. } => {
                let rate = Rate::new(limits.messages_burst, limits.messages_per_second, Duration::from_secs(1));
                self.online.of_mut(session).is_some_and(|user| user.messages.take(now.instant, rate))
            }
            Ask::Search(_) => {
                let rate = Rate::of(limits.searches_per_minute, Duration::from_mins(1));
                self.online.details_mut(session).is_some_and(|user| user.searches.take(now.instant, rate))
            }
            _ => true,
        }
    }
}

impl std::fmt::Debug for Buckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buckets").field("count", &self.buckets.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000)
    }

    #[test]
    fn a_bucket_takes_its_burst_and_then_its_pace() {
        let rate = Rate::new(5, 2, Duration::from_secs(1));
        let (mut bucket, start) = (Bucket::default(), at(100));
        assert_eq!((0..9).filter(|_| bucket.take(start, rate)).count(), 5);
        assert!(!bucket.take(start + Duration::from_millis(499), rate));
        assert!(bucket.take(start + Duration::from_millis(500), rate));
        assert!(!bucket.take(start + Duration::from_millis(500), rate));
        assert_eq!((0..9).filter(|_| bucket.take(at(200), rate)).count(), 5, "it holds no more than its burst");
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (mut bucket, rate) = (Bucket::default(), Rate::of(3, Duration::from_mins(1)));
        for _ in 0..100 {
            assert!(bucket.take(at(7), rate));
            bucket.give_back(at(7), rate);
        }
        assert_eq!((0..9).filter(|_| bucket.take(at(7), rate)).count(), 3);
    }

    #[test]
    fn time_may_be_long_and_the_clock_of_the_bucket_come_round() {
        let rate = Rate::of(1_000, Duration::from_hours(24));
        for start in [0, 1, 40, 49, 50, 99, 4_000].map(|days| at(days * 86_400 + 61_000)) {
            let mut bucket = Bucket::default();
            assert_eq!((0..2_000).filter(|_| bucket.take(start, rate)).count(), 1_000, "{start:?}");
            let later = start + Duration::from_hours(24 * 30);
            assert_eq!((0..2_000).filter(|_| bucket.take(later, rate)).count(), 1_000, "{later:?}");
        }
    }

    #[test]
    fn a_rate_takes_any_number() {
        for rate in
            [Rate::of(0, Duration::ZERO), Rate::of(u32::MAX, Duration::from_secs(1)), Rate::of(1, Duration::MAX)]
        {
            let mut bucket = Bucket::default();
            assert!(bucket.take(at(1), rate));
        }
    }

    #[test]
    fn one_of_a_table_does_not_fill_another() {
        let (mut buckets, rate) = (Buckets::new(&[7; 32], BUCKETS), Rate::of(3, Duration::from_mins(1)));
        assert_eq!((0..9).filter(|_| buckets.take(1, at(1), rate)).count(), 3);
        assert!(!buckets.has_room(1, at(1), rate) && buckets.has_room(2, at(1), rate));
        buckets.give_back(1, at(1), rate);
        assert!(buckets.has_room(1, at(1), rate) && !buckets.has_room(1, at(0), Rate::of(1, Duration::from_mins(1))));
    }
}
