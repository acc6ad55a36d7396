//! When to send again, and when to stop: the round-trip estimator of RFC 6298 and the back-off built on it.

use core::time::Duration;

/// The times by which a [`Link`](super::Link) sends again and gives up. One value serves any number of links.
///
/// Defaults and their reasons: docs/protocol.md, "Timers".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// The first wait for an acknowledgement, as long as no round trip has been measured (RFC 6298, 2.1).
    pub initial_rto: Duration,
    /// The shortest first wait. Below it, the pause of a busy program looks like a loss.
    pub min_rto: Duration,
    /// The longest wait between two sends, jitter not counted.
    pub max_rto: Duration,
    /// A datagram is not given up sooner than this after its first send: a network that is away for some seconds
    /// must not cost a message or a session.
    pub give_up_after: Duration,
    /// How often one datagram is sent at most, the first time included. A reply that goes out again because its
    /// request came again is not counted.
    pub max_sends: u8,
}

impl Timing {
    /// 1 s, 200 ms to 10 s, six sends, and no giving up before 30 s: the time after which a server of 2002 gave up.
    pub const DEFAULT: Self = Self {
        initial_rto: Duration::from_secs(1),
        min_rto: Duration::from_millis(200),
        max_rto: Duration::from_secs(10),
        give_up_after: Duration::from_secs(30),
        max_sends: 6,
    };

    /// The wait that follows send number `sends` of a datagram, `rto` already doubled.
    ///
    /// From the third send on, the waits are at least a doubling series that ends at `give_up_after`. Otherwise a
    /// short round trip would spend every send within a few seconds and then wait idly for the end.
    pub(super) fn wait(&self, rto: Duration, sends: u8) -> Duration {
        let sends_left = u32::from(self.max_sends.saturating_sub(sends));
        let share =
            1_u32.checked_shl(sends_left.saturating_add(1)).and_then(|parts| self.give_up_after.checked_div(parts));
        let spread = share.filter(|_| sends > 2 && sends_left > 0).unwrap_or_default();
        rto.max(spread).min(self.max_rto).max(SHORTEST_WAIT)
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Guards against a [`Timing`] of zeros, which would send without end at one point in time.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// The clock granularity G of RFC 6298.
const GRANULARITY: Duration = Duration::from_millis(1);

/// What is known of the round trip; 0 in `smoothed_us` stands for nothing yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrip {
    smoothed_us: u32,
    variation_us: u32,
}

impl RoundTrip {
    /// Takes a measurement (RFC 6298, 2.2 and 2.3).
    pub(super) fn on_sample(&mut self, sample: Duration) {
        let sample = u32::try_from(sample.as_micros()).unwrap_or(u32::MAX).max(1);
        if self.smoothed_us == 0 {
            *self = Self { smoothed_us: sample, variation_us: sample / 2 };
            return;
        }
        let error = self.smoothed_us.abs_diff(sample);
        self.variation_us = blend(self.variation_us, error, 4);
        self.smoothed_us = blend(self.smoothed_us, sample, 8).max(1);
    }

    /// The smoothed round trip, once there is one.
    pub(super) fn smoothed(self) -> Option<Duration> {
        (self.smoothed_us > 0).then(|| Duration::from_micros(self.smoothed_us.into()))
    }

    /// The retransmission timeout, doubled `doublings` times.
    pub(super) fn rto(self, timing: &Timing, doublings: u8) -> Duration {
        let rto = self.smoothed().map_or(timing.initial_rto, |smoothed| {
            let variation = Duration::from_micros(u64::from(self.variation_us) * 4);
            smoothed + variation.max(GRANULARITY)
        });
        // `Duration::clamp` would panic on a minimum above the maximum, which the caller may well have set.
        let rto = rto.max(timing.min_rto).min(timing.max_rto);
        rto.saturating_mul(1_u32.checked_shl(doublings.into()).unwrap_or(u32::MAX)).min(timing.max_rto)
    }
}

/// `(old * (parts - 1) + new) / parts` without overflow.
fn blend(old: u32, new: u32, parts: u32) -> u32 {
    let sum = u64::from(old) * u64::from(parts.saturating_sub(1)) + u64::from(new);
    u32::try_from(sum / u64::from(parts.max(1))).unwrap_or(u32::MAX)
}

/// Up to an eighth on top of `wait`, so that many links that lost the same burst do not send again as one burst.
/// Drawn from the link's seed rather than from a generator, so that the same inputs give the same outputs.
pub(super) fn jitter(wait: Duration, seed: u32, seq: u16, sends: u8) -> Duration {
    let mut hash = seed ^ (u32::from(seq) << 8) ^ u32::from(sends);
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x7feb_352d);
    hash = (hash ^ (hash >> 15)).wrapping_mul(0x846c_a68b);
    let part = (hash >> 16) & 0xff;
    wait.saturating_mul(part) / (8 * 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn estimates_like_rfc_6298() {
        let timing = Timing { min_rto: MS, ..Timing::DEFAULT };
        let mut trip = RoundTrip::default();
        assert_eq!(trip.rto(&timing, 0), timing.initial_rto);
        trip.on_sample(100 * MS);
        assert_eq!(trip.rto(&timing, 0), 300 * MS, "R + 4 * R/2");
        trip.on_sample(180 * MS);
        // variation = 3/4 * 50 + 1/4 * 80 = 57.5; smoothed = 7/8 * 100 + 1/8 * 180 = 110
        assert_eq!(trip.smoothed(), Some(110 * MS));
        assert_eq!(trip.rto(&timing, 0), 340 * MS);
        assert_eq!(trip.rto(&timing, 1), 680 * MS);
        for _ in 0..200 {
            trip.on_sample(MS);
        }
        assert_eq!(trip.rto(&Timing::DEFAULT, 0), Timing::DEFAULT.min_rto);
    }

    #[test]
    fn extreme_samples_and_timings_stay_in_bounds() {
        let mut trip = RoundTrip::default();
        for sample in [Duration::MAX, Duration::ZERO, Duration::MAX, Duration::MAX] {
            trip.on_sample(sample);
            assert!(trip.rto(&Timing::DEFAULT, u8::MAX) <= Timing::DEFAULT.max_rto);
        }
        let absurd = Timing { min_rto: Duration::MAX, max_rto: Duration::ZERO, ..Timing::DEFAULT };
        assert_eq!(absurd.wait(trip.rto(&absurd, 3), 1), SHORTEST_WAIT);
        assert_eq!(Timing { max_sends: u8::MAX, ..Timing::DEFAULT }.wait(MS, 3), MS);
    }

    #[test]
    fn late_sends_are_spread_over_the_time_before_giving_up() {
        let waits: alloc::vec::Vec<_> =
            (1..=6).map(|sends| Timing::DEFAULT.wait(MS * 200 * (1 << (sends - 1)), sends).as_millis()).collect();
        assert_eq!(waits, [200, 400, 1_875, 3_750, 7_500, 6_400]);
    }

    #[test]
    fn jitter_is_at_most_an_eighth_and_varies() {
        let drawn: alloc::vec::Vec<_> = (1..100).map(|seq| jitter(1_000 * MS, 7, seq, 1)).collect();
        assert!(drawn.iter().all(|jitter| *jitter < 125 * MS));
        assert!(drawn.iter().any(|jitter| *jitter > 100 * MS) && drawn.iter().any(|jitter| *jitter < 25 * MS));
        assert_eq!(jitter(1_000 * MS, 7, 1, 1), drawn[0]);
    }
}
