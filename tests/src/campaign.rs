//! Many courses, on all cores.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::course::{Climate, live};
use crate::oracle::Figures;

/// Lives through the seeds and adds up what they came to.
///
/// # Errors
/// The first seed that failed; the panic's own words have gone to stderr.
pub fn all(seeds: Range<u64>, climate: Climate) -> Result<Figures, u64> {
    let next = AtomicU64::new(seeds.start);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || -> Result<Figures, u64> {
        let mut sum = Figures::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Ok(sum);
            }
            let figures = catch_unwind(AssertUnwindSafe(|| live(seed, climate))).map_err(|_| seed)?;
            sum.add(&figures);
        }
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "the courses know nothing of each other, so each core may have its own"
    )]
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).try_fold(Figures::default(), |mut sum, figures| {
            sum.add(&figures?);
            Ok(sum)
        })
    })
}
