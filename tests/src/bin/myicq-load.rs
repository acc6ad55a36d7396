//! A load generator: `cargo run --release -p myicq-tests --bin myicq-load -- --help`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is run for what it prints")]

use std::process::ExitCode;

use clap::Parser as _;
use myicq_tests::load::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.run() {
        Ok(figures) => {
            if arguments.is_json() {
                println!("{}", figures.to_json());
            } else {
                print!("{figures}");
            }
            figures.failures().iter().for_each(|failure| eprintln!("not as it must be: {failure}"));
            if figures.failures().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(3)
        }
    }
}
