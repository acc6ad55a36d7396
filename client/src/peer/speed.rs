//! How fast a file comes.

use std::time::Duration;

use myicq_wire::Instant;

/// The time that the average looks back, about.
const WINDOW: Duration = Duration::from_secs(3);

/// Bytes in a second, averaged over the last few seconds.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    since: Instant,
    done: u64,
    per_second: Option<u64>,
}

impl Speed {
    /// Begins to measure, with so many bytes done already.
    pub fn new(now: Instant, done: u64) -> Self {
        Self { since: now, done, per_second: None }
    }

    /// So many bytes are done by now, from the start of the file; how many come in a second. A look that comes too soon after the last one does
    /// not count.
    pub fn update(&mut self, now: Instant, done: u64) -> u64 {
        let passed = u64::try_from(now.since(self.since).as_micros()).unwrap_or(u64::MAX);
        if passed < 50_000 {
            return self.per_second.unwrap_or(0);
        }
        let came = u128::from(done.saturating_sub(self.done)) * 1_000_000 / u128::from(passed);
        let came = u64::try_from(came).unwrap_or(u64::MAX);
        let window = u64::try_from(WINDOW.as_micros()).unwrap_or(u64::MAX);
        let average = match self.per_second {
            None => came,
            Some(before) => {
                let weight = u128::from(passed.min(window));
                let sum = u128::from(came) * weight + u128::from(before) * (u128::from(window) - weight);
                u64::try_from(sum / u128::from(window)).unwrap_or(u64::MAX)
            }
        };
        (self.since, self.done, self.per_second) = (now, done, Some(average));
        average
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_has_its_speed_and_a_change_shows_within_the_window() {
        let at = |millis| Instant::default() + Duration::from_millis(millis);
        let mut speed = Speed::new(at(0), 500);
        assert_eq!(speed.update(at(10), 510), 0, "too soon to say");
        assert_eq!(speed.update(at(100), 600), 1_000);
        assert_eq!(speed.update(at(1_100), 1_600), 1_000);
        let slower = speed.update(at(2_100), 1_600);
        assert!(slower > 500 && slower < 1_000, "{slower}");
        assert_eq!(speed.update(at(9_000), 1_600), 0);
    }
}
