//! What comes after a failure of the server itself: the same program, in the same process, from what is on the disk. Sessions that were
//! saved go on.
#![expect(clippy::disallowed_methods, reason = "the command line starts programs")]

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use myicq_server::driver::RunError;

use crate::exit::Failure;

/// A failure within this time of the last is not answered by another start: what fails again at once will fail once more.
const APART: Duration = Duration::from_mins(1);

/// When the program was last started again, in seconds of Unix time. It goes from one program to the next.
const VARIABLE: &str = "MYICQ_STARTED_AGAIN";

/// Puts a new program in the place of this one, with all its threads. Returns only if that is not to be, or cannot be: why the server
/// ends.
pub(crate) fn start(failure: RunError) -> Failure {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let last = std::env::var(VARIABLE).ok().and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    if last.is_some_and(|last| now.saturating_sub(last) < APART) {
        tracing::error!("not starting again, because that was tried a moment ago");
        return failure.into();
    }
    tracing::error!("{failure}; starting again");
    let mut program = match std::env::current_exe() {
        Ok(program) => Command::new(program),
        Err(error) => {
            tracing::error!("cannot start again: {error}");
            return failure.into();
        }
    };
    let error = program.args(std::env::args_os().skip(1)).env(VARIABLE, now.as_secs().to_string()).exec();
    tracing::error!("cannot start again: {error}");
    failure.into()
}
