//! The clocks of the system, read here and nowhere else.

use std::time::{Duration, SystemTime};

use myicq_wire::{Instant, UnixTime};

use crate::time::Now;

/// The clock of the shards, which starts with the server: what they count together they count by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: tokio::time::Instant,
}

#[expect(clippy::disallowed_methods, reason = "the driver reads the clocks for all the code above it")]
impl Clock {
    pub(super) fn new() -> Self {
        Self { start: tokio::time::Instant::now() }
    }

    pub(super) fn now(self) -> Now {
        // A clock set to before 1970 shows as 1970.
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now { instant: Instant(microseconds(self.start.elapsed())), unix: UnixTime(microseconds(unix)) }
    }
}

impl Clock {
    /// When `at` is for the runtime; `None` for a time so far away that it never comes.
    pub(super) fn to_runtime(self, at: Instant) -> Option<tokio::time::Instant> {
        self.start.checked_add(Duration::from_micros(at.0))
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_clock_says_is_the_runtimes_time() {
        let clock = Clock::new();
        let (before, after) = (clock.now(), clock.now());
        assert!(before.instant <= after.instant);
        assert!(clock.to_runtime(before.instant) <= clock.to_runtime(after.instant));
        assert!(before.unix.seconds() > 1_500_000_000);
    }
}
