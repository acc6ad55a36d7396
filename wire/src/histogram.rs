//! How long things take, counted by powers of two.

use core::time::Duration;

/// The upper bound of the first bucket, in microseconds, as a power of two.
const FIRST_BITS: u32 = 8;

/// Durations, each counted in a bucket whose upper bound is twice that of the one before it: from 256 µs to 8.4 s, and what is longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Histogram {
    counts: [u64; Self::BUCKETS],
    total_microseconds: u64,
}

impl Histogram {
    /// Buckets. The last one has no upper bound.
    pub const BUCKETS: usize = 17;

    /// The bucket of a duration.
    pub fn bucket(time: Duration) -> usize {
        let above = (microseconds(time).saturating_sub(1)) >> FIRST_BITS;
        let bits = usize::try_from(u64::BITS - above.leading_zeros()).unwrap_or(Self::BUCKETS);
        bits.min(Self::BUCKETS - 1)
    }

    /// The longest duration of a bucket; `None` for the last.
    pub fn upper_bound(bucket: usize) -> Option<Duration> {
        let shift = u32::try_from(bucket).ok().filter(|_| bucket + 1 < Self::BUCKETS)?;
        Some(Duration::from_micros(1 << (FIRST_BITS + shift)))
    }

    /// Counts one.
    pub fn record(&mut self, time: Duration) {
        self.add(Self::bucket(time), 1, microseconds(time));
    }

    /// Counts some that have been counted elsewhere, all of one bucket, and how long they took together.
    pub fn add(&mut self, bucket: usize, count: u64, total_microseconds: u64) {
        if let Some(sum) = self.counts.get_mut(bucket) {
            *sum = sum.wrapping_add(count);
        }
        self.total_microseconds = self.total_microseconds.wrapping_add(total_microseconds);
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (sum, count) in self.counts.iter_mut().zip(other.counts) {
            *sum = sum.wrapping_add(count);
        }
        self.total_microseconds = self.total_microseconds.wrapping_add(other.total_microseconds);
    }

    /// How many are in each bucket.
    pub fn counts(&self) -> &[u64; Self::BUCKETS] {
        &self.counts
    }

    /// How long all of them took together.
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.total_microseconds)
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_ends_with_its_upper_bound() {
        for bucket in 0..Histogram::BUCKETS - 1 {
            let bound = Histogram::upper_bound(bucket).unwrap();
            assert_eq!(bound, Duration::from_micros(256 << bucket));
            assert_eq!(Histogram::bucket(bound), bucket);
            assert_eq!(Histogram::bucket(bound + Duration::from_micros(1)), bucket + 1);
        }
        assert_eq!(Histogram::upper_bound(Histogram::BUCKETS - 1), None);
        assert_eq!(Histogram::bucket(Duration::ZERO), 0);
        assert_eq!(Histogram::bucket(Duration::MAX), Histogram::BUCKETS - 1);
    }

    #[test]
    fn counts_and_times_add_up() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.record(Duration::from_micros(100));
        other.record(Duration::from_micros(300));
        other.add(1, 2, 800);
        one.merge(&other);
        assert_eq!((one.counts()[0], one.counts()[1], one.total()), (1, 3, Duration::from_micros(1_200)));
    }
}
