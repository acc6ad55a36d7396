//! What bench `relay` measures, by the number of instructions, which does not depend on what else the machine does:
//! `cargo bench -p myicq-tests --bench instructions [-- NAME…]`. It needs valgrind, under which it runs itself;
//! `MYICQ_BENCH_PROFILE=FILE` keeps what `callgrind_annotate` shows function by function.
//!
//! Only the steady state is counted: callgrind collects while [`steady`] runs. Counts of two runs differ by less than a hundredth,
//! because the standard library's hash tables are seeded anew. The second figure says for how many lines memory was asked, by a model of a
//! processor whose last cache has 2 MiB: what one core may call its own where many are busy.
#![expect(clippy::disallowed_methods, reason = "runs itself under valgrind")]
#![expect(clippy::print_stdout, reason = "it is run for what it prints")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "a benchmark of what does not work is worth nothing")]

use std::process::Command;

use myicq_tests::relay::Relay;
use myicq_wire::Status;

/// The variable that says which case to run, under valgrind.
const CASE: &str = "MYICQ_BENCH_CASE";

/// How often each case is run: enough for what happens now and then, as a table that grows.
const ROUNDS: u32 = 200;

/// A case and how many things one round of it does: messages, notices, logins.
const CASES: [(&str, u32, fn()); 8] = [
    ("message_16", 1, || message(16)),
    ("message_64", 1, || message(64)),
    ("message_450", 1, || message(450)),
    ("message_among_1000", 1, || message_among(1_000)),
    ("message_among_100000", 1, || message_among(100_000)),
    ("message_to_the_absent", 1, message_to_the_absent),
    ("notice_to_one_of_1000", 1_000, fan_out),
    ("log_in_and_out", 1, log_in_and_out),
];

fn main() {
    if let Ok(wanted) = std::env::var(CASE) {
        CASES.iter().filter(|(name, ..)| *name == wanted).for_each(|(_, _, run)| run());
        return;
    }
    // What cargo adds begins with a dash.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, items, _) in CASES {
        if wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted)) {
            let items = u64::from(ROUNDS * items);
            let (instructions, lines) = count(name);
            println!("{name:<24} {:>9} instructions {:>9} lines", instructions / items, lines / items);
        }
    }
}

/// The instructions of all rounds of a case, and the lines of data that the last cache did not have.
fn count(case: &str) -> (u64, u64) {
    let profile = std::env::var("MYICQ_BENCH_PROFILE").unwrap_or_else(|_| "/dev/null".to_owned());
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*instructions::steady*", "--cache-sim=yes"])
        .args(["--I1=32768,8,64", "--D1=49152,12,64", "--LL=2097152,16,64"])
        .arg(format!("--callgrind-out-file={profile}"))
        .arg(std::env::current_exe().unwrap())
        .env(CASE, case)
        .output()
        .expect("valgrind must be there: apt install valgrind");
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, counts)| counts);
    // In the order of its events; zeros at the end are left out.
    let mut counts = collected.unwrap_or_default().split_whitespace().map_while(|count| count.parse().ok());
    let instructions = counts.next().unwrap_or_else(|| panic!("{said}"));
    (instructions, counts.skip(6).sum())
}

/// The part that is counted. Callgrind looks for its name, so it must stay a function of its own, without a closure in it that would be
/// called by the same name.
#[inline(never)]
fn steady(mut round: impl FnMut()) {
    for _ in 0..ROUNDS {
        round();
    }
}

/// Runs a case once before it is counted.
fn run(mut round: impl FnMut()) {
    (0..ROUNDS).for_each(|_| round());
    steady(round);
}

fn message(len: usize) {
    let mut relay = Relay::new(2, 0);
    let text = vec![b'x'; len];
    run(|| assert_eq!(relay.say(0, 1, &text), 4));
}

fn message_among(sessions: u32) {
    let mut relay = Relay::new(sessions, 0);
    // The first words of a session cost more than the others.
    (0..sessions).for_each(|_| assert_eq!(relay.say_to_the_next(&[b'x'; 64]), 4));
    run(|| assert_eq!(relay.say_to_the_next(&[b'x'; 64]), 4));
}

fn message_to_the_absent() {
    let mut relay = Relay::new(1, 2 * ROUNDS);
    let mut recipients = 1..;
    run(|| assert_eq!(relay.say(0, recipients.next().unwrap(), &[b'x'; 64]), 2));
}

fn fan_out() {
    const WATCHERS: u32 = 1_000;
    let mut relay = Relay::new(WATCHERS + 1, 0);
    (1..=WATCHERS).for_each(|watcher| {
        relay.add_contact(watcher, 0);
    });
    let mut statuses = [Status::AWAY, Status::ONLINE].into_iter().cycle();
    run(|| assert_eq!(relay.change_status(0, statuses.next().unwrap()), 2 + 2 * WATCHERS as usize));
}

fn log_in_and_out() {
    let mut relay = Relay::new(1, 0);
    run(|| {
        relay.log_out(0);
        relay.log_in(0);
    });
}
