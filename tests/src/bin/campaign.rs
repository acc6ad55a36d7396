//! A long campaign of the simulation: `cargo run --release -p myicq-tests --bin campaign -- --seeds 10000 [--start 0]`.
//!
//! Half of the seeds live at 30 % loss, 10 % duplication and reordering each way, the others in weather of their own.
#![expect(clippy::print_stdout, reason = "a campaign is run for what it prints")]

use std::process::ExitCode;

use myicq_tests::campaign::all;
use myicq_tests::course::Climate;
use myicq_tests::number_after;

fn main() -> ExitCode {
    let seeds = number_after("--seeds").unwrap_or(10_000);
    let start = number_after("--start").unwrap_or(0);
    for (climate, seeds) in
        [(Climate::Foul, start..start + seeds / 2), (Climate::Drawn, start + seeds / 2..start + seeds)]
    {
        let count = seeds.end - seeds.start;
        match all(seeds, climate) {
            Ok(figures) => println!("{climate:?}, {count} seeds: {figures:#?}"),
            Err(seed) => {
                println!(
                    "{climate:?}: repeat with MYICQ_SEED={seed} cargo test -p myicq-tests --test sans_io simulation -- --nocapture"
                );
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{seeds} seeds: nothing that was acknowledged was missing");
    ExitCode::SUCCESS
}
