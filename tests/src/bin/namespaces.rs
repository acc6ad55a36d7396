//! The programs in networks that are made for them, with translators of addresses and without: `cargo run -p myicq-tests --bin
//! namespaces`, as root, on Linux. Where `MYICQ_NO_NAMESPACES` is set, nothing is tried.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is run for what it prints")]
#![expect(clippy::disallowed_methods, reason = "whether this machine may make namespaces is for its owner to say")]

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::var_os("MYICQ_NO_NAMESPACES").is_some() {
        println!("not tried: MYICQ_NO_NAMESPACES is set");
        return ExitCode::SUCCESS;
    }
    match outcome() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}\nwhere this machine may make none, set MYICQ_NO_NAMESPACES");
            ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
fn outcome() -> Result<(), String> {
    myicq_tests::namespaces::run()
}

#[cfg(not(target_os = "linux"))]
fn outcome() -> Result<(), String> {
    Err("only Linux has them".to_owned())
}
