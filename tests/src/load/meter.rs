//! What a process costs: its time on the processors and its memory, as Linux tells it. Nothing elsewhere.
#![expect(clippy::disallowed_methods, reason = "a driver: it reads the clock and /proc")]

use std::fs;
use std::time::{Duration, Instant};

use super::figures::Figures;

/// The unit of times in `/proc`: 100 in a second for every program, whatever the kernel's own is (proc(5), USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// The time that a process has spent computing, and the kernel for it.
fn processor_time(process: &str) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may have blanks and brackets in it. The fields behind it are those from the third on; the two are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u32>().ok()).sum::<Option<u32>>()?;
    Some(TICK * ticks)
}

/// What the system holds in memory for a process, in KiB.
fn resident_kib(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What to measure: the server, if its process is known, and this one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    pub(super) server: Option<u32>,
}

/// The readings of a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    at: Instant,
    server: Option<Duration>,
    generator: Option<Duration>,
}

/// What a stretch of time has cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub(super) time: Duration,
    server: Option<Duration>,
    generator: Option<Duration>,
}

impl Meter {
    pub(super) fn read(self) -> Reading {
        let server = self.server.and_then(|process| processor_time(&process.to_string()));
        Reading { at: Instant::now(), server, generator: processor_time("self") }
    }

    /// What has been spent since.
    pub(super) fn since(self, begin: Reading) -> Cost {
        let end = self.read();
        let spent = |end: Option<Duration>, begin: Option<Duration>| Some(end?.saturating_sub(begin?));
        Cost {
            time: end.at - begin.at,
            server: spent(end.server, begin.server),
            generator: spent(end.generator, begin.generator),
        }
    }

    /// The server's memory now, in KiB.
    pub(super) fn server_resident_kib(self) -> Option<u64> {
        self.server.and_then(|process| resident_kib(&process.to_string()))
    }
}

impl Cost {
    /// How many of something were done in a second.
    pub(super) fn rate(&self, count: u64) -> f64 {
        count as f64 / self.time.as_secs_f64()
    }

    /// Adds what each of `count` things has cost, and how busy both programs were. A generator near 1 was the limit, not the server.
    pub(super) fn add_to(&self, figures: &mut Figures, prefix: &str, unit: &str, count: u64) {
        let each = |spent: Duration| spent.as_secs_f64() * 1e6 / count as f64;
        let share = |spent: Duration| spent.as_secs_f64() / self.time.as_secs_f64();
        figures.set_measured(format!("{prefix}server_cpu_us_per_{unit}"), self.server.map(each));
        figures.set_measured(format!("{prefix}server_cpu_share"), self.server.map(share));
        figures.set_measured(format!("{prefix}generator_cpu_share"), self.generator.map(share));
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_somewhere_and_costs_something() {
        let meter = Meter { server: Some(std::process::id()) };
        assert!(meter.server_resident_kib().is_some_and(|kib| kib > 100));
        let begin = meter.read();
        assert!(begin.server.is_some() && begin.generator.is_some());
        assert!(meter.since(begin).server.is_some());
        let nobody = Meter { server: None };
        assert!(nobody.server_resident_kib().is_none() && nobody.read().server.is_none());
    }
}
