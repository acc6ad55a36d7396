//! Programs that some tests need and not every machine has.

use std::process::Command;

/// Whether the program is here. A test that needs it passes without it where `cargo test` is run by hand, and says so; where
/// `MYICQ_TOOLS` is "all", as in `.ci/run`, it fails.
///
/// # Panics
/// When it is missing and must not be.
#[expect(clippy::disallowed_methods, reason = "asks for a program")]
#[expect(clippy::print_stderr, reason = "a test that did nothing says so")]
pub fn has(program: &str, version_option: &str) -> bool {
    let is_here = Command::new(program).arg(version_option).output().is_ok();
    let must_be_here = std::env::var("MYICQ_TOOLS").is_ok_and(|wanted| wanted == "all");
    assert!(is_here || !must_be_here, "{program} is missing");
    if !is_here {
        eprintln!("skipped: {program} is not installed");
    }
    is_here
}
