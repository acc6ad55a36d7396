//! The clocks of the system, read here and nowhere else.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use myicq_wire::{Instant, UnixTime};
use tokio::time::{Sleep, sleep_until};

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

/// Waits until a time that moves with each datagram. It is set anew only to an earlier time, and so goes off too early now and then: a message
/// sets the time of its repetition, and its acknowledgement puts it off again. A time earlier than the last one costs the runtime a system
/// call, which would be every seventh of those that a message takes between two who talk alone.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Returns at `deadline` or before, never without one.
    #[expect(clippy::disallowed_methods, reason = "the driver waits for all the code above it")]
    pub(super) async fn wait(&mut self, deadline: Option<tokio::time::Instant>) {
        let Some(deadline) = deadline else { return std::future::pending().await };
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < sleep.deadline() || sleep.is_elapsed() {
            sleep.as_mut().reset(deadline);
        }
        sleep.await;
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn what_the_clock_says_is_the_runtimes_time() {
        let clock = Clock::new();
        let (before, after) = (clock.now(), clock.now());
        assert!(before.instant <= after.instant);
        assert!(clock.to_runtime(before.instant) <= clock.to_runtime(after.instant));
        assert!(before.unix.seconds() > 1_500_000_000);
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the runtime's time is what is tested")]
    async fn an_alarm_is_put_forward_at_once_and_back_when_it_has_gone_off() {
        let (mut alarm, start) = (Alarm::default(), tokio::time::Instant::now());
        let hour = Duration::from_hours(1);
        let set = |alarm: &mut Alarm, deadline| {
            let is_ready =
                std::pin::pin!(alarm.wait(deadline)).poll(&mut Context::from_waker(Waker::noop())).is_ready();
            (is_ready, alarm.0.as_ref().map(|sleep| sleep.deadline()))
        };
        assert_eq!(set(&mut alarm, None), (false, None));
        assert_eq!(set(&mut alarm, Some(start + hour)), (false, Some(start + hour)));
        assert_eq!(set(&mut alarm, Some(start + 2 * hour)), (false, Some(start + hour)));
        alarm.wait(Some(start)).await;
        assert_eq!(set(&mut alarm, Some(start + hour)), (false, Some(start + hour)));
    }
}
