//! How often something may be done: buckets that fill with each time, and run empty at an even pace.
//!
//! A bucket is four bytes, so that it fits where it is looked at anyway. Those of users and addresses that may be anybody lie in
//! tables of one length ([`Buckets`]): who forges addresses cannot make them grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
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

/// How far behind the others a shard may be with what it takes for now.
const LAG_MS: u32 = 10_000;

/// When the bucket is empty: milliseconds of the clock, modulo 2^32; 0 for one that is. It is never further ahead than it takes a
/// full one to run empty, so what seems to be lies far behind; but for what a shard that is ahead has filled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Bucket(u32);

fn milliseconds(now: Instant) -> u32 {
    u32::try_from((now.0 / 1000) & u64::from(u32::MAX)).unwrap_or_default()
}

impl Bucket {
    /// How long it takes to run empty.
    fn level_ms(self, now: Instant, rate: Rate) -> u32 {
        let ahead = self.0.wrapping_sub(milliseconds(now));
        let is_ahead = self.0 > 0 && ahead <= rate.span_ms().saturating_add(LAG_MS);
        if is_ahead { ahead.min(rate.span_ms()) } else { 0 }
    }

    /// Whether there is room for one more.
    pub(super) fn has_room(self, now: Instant, rate: Rate) -> bool {
        self.level_ms(now, rate) <= rate.span_ms() - rate.every_ms
    }

    /// Takes one more in, if there is room for it.
    pub(super) fn take(&mut self, now: Instant, rate: Rate) -> bool {
        let fuller = self.with_one_more(now, rate);
        *self = fuller.unwrap_or(*self);
        fuller.is_some()
    }

    fn with_one_more(self, now: Instant, rate: Rate) -> Option<Self> {
        self.has_room(now, rate).then(|| Self::filled(now, self.level_ms(now, rate) + rate.every_ms))
    }

    /// One that was taken in does not count.
    fn with_one_less(self, now: Instant, rate: Rate) -> Self {
        Self::filled(now, self.level_ms(now, rate).saturating_sub(rate.every_ms))
    }

    fn filled(now: Instant, level_ms: u32) -> Self {
        Self(milliseconds(now).wrapping_add(level_ms).max(1))
    }
}

/// Buckets of a table. Two that fall on the same one share it: among so many that is rare, and a key that nobody knows keeps it
/// from being arranged.
pub(super) const BUCKETS: usize = 1 << 16;

/// The buckets of a great many users or addresses, at a place that is drawn for each. Several shards may have them in common.
pub(super) struct Buckets {
    keyed: Box<Blake2sMac<U8>>,
    buckets: Arc<[AtomicU32]>,
}

impl Buckets {
    /// Empty ones. The key must be random.
    pub(super) fn new(key: &[u8; 32], count: usize) -> Self {
        Self::shared(key, (0..count.max(1)).map(|_| AtomicU32::default()).collect())
    }

    /// Those that all have who have the key and the buckets.
    pub(super) fn shared(key: &[u8; 32], buckets: Arc<[AtomicU32]>) -> Self {
        Self { keyed: Box::new(Blake2sMac::new(key.into())), buckets }
    }

    /// Whether there is room for one more of these.
    pub(super) fn has_room(&self, of: u128, now: Instant, rate: Rate) -> bool {
        self.bucket(of).is_some_and(|bucket| Bucket(bucket.load(Ordering::Relaxed)).has_room(now, rate))
    }

    /// Takes in one more, if there is room for it.
    pub(super) fn take(&self, of: u128, now: Instant, rate: Rate) -> bool {
        self.change(of, |bucket| bucket.with_one_more(now, rate))
    }

    /// One that was taken in does not count.
    pub(super) fn give_back(&self, of: u128, now: Instant, rate: Rate) {
        self.change(of, |bucket| Some(bucket.with_one_less(now, rate)));
    }

    fn change(&self, of: u128, change: impl Fn(Bucket) -> Option<Bucket>) -> bool {
        // Nothing else is read by what a bucket holds, so that no order is needed.
        let change = |bucket| change(Bucket(bucket)).map(|Bucket(changed)| changed);
        self.bucket(of).is_some_and(|it| it.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change).is_ok())
    }

    fn bucket(&self, of: u128) -> Option<&AtomicU32> {
        let mac = Blake2sMac::clone(&self.keyed).chain_update(of.to_be_bytes()).finalize().into_bytes();
        let place = u64::from_be_bytes(mac.into()) % u64::try_from(self.buckets.len()).unwrap_or(1);
        self.buckets.get(usize::try_from(place).ok()?)
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
            bucket = bucket.with_one_less(at(7), rate);
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

    /// Otherwise what is full for one shard would seem to lie far behind for another that is late.
    #[test]
    fn what_is_full_is_full_for_a_shard_that_is_late_too() {
        let rate = Rate::of(10, Duration::from_mins(1));
        let mut bucket = Bucket::default();
        assert_eq!((0..99).filter(|_| bucket.take(at(100), rate)).count(), 10);
        assert!(!bucket.take(at(91), rate) && !bucket.take(at(99), rate));
        assert_eq!((0..99).filter(|_| bucket.take(at(160), rate)).count(), 10);
    }

    #[test]
    fn one_of_a_table_does_not_fill_another() {
        let (buckets, rate) = (Buckets::new(&[7; 32], BUCKETS), Rate::of(3, Duration::from_mins(1)));
        assert_eq!((0..9).filter(|_| buckets.take(1, at(1), rate)).count(), 3);
        assert!(!buckets.has_room(1, at(1), rate) && buckets.has_room(2, at(1), rate));
        buckets.give_back(1, at(1), rate);
        assert!(buckets.has_room(1, at(1), rate) && !buckets.has_room(1, at(0), Rate::of(1, Duration::from_mins(1))));
    }
}
