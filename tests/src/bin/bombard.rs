//! Random and damaged datagrams at a server without a socket: `cargo run --release -p myicq-tests --bin bombard --
//! --count 10000000 [--seed 1]`.
//!
//! No address ever proves itself, so none may get more than it may, and nothing may be kept for any for long.
#![expect(clippy::print_stdout, reason = "it is run for what it prints")]
#![expect(clippy::indexing_slicing, reason = "this is test: what is not as it must be ends it")]
#![expect(
    clippy::disallowed_methods,
    reason = "how fast it is and how much memory it takes are outside of the program"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant as Clock};

use myicq_tests::host::{Delays, Host, config};
use myicq_tests::number_after;
use myicq_tests::testdata::{CLIENT_FILES, client_datagrams};
use myicq_wire::Instant;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

/// Memory may grow by so much between the first tenth and the end.
const MAX_GROWTH_KIB: u64 = 16 * 1024;

/// Virtual time from one datagram to the next: 20,000 a second.
const PACE: Duration = Duration::from_micros(50);

fn main() {
    let count = number_after("--count").unwrap_or(1_000_000);
    let mut random = StdRng::seed_from_u64(number_after("--seed").unwrap_or(1));
    let captured = client_datagrams(&CLIENT_FILES);
    let mut config = config();
    config.limits.rates = false;
    let mut host = Host::new(config, Delays::NONE, 1);
    let mut now = Instant(1_000_000);
    // The two users of the captured session, so that some of the logins are right.
    for registration in captured.iter().filter(|datagram| datagram[14..16] == [0, 2]).take(2) {
        host.handle_datagram(now, SocketAddr::from(([127, 0, 0, 1], 1)), registration);
    }
    host.take_sent();
    host.takes_no_users = true;
    let (mut bytes_in, mut bytes_out, mut answers, mut worst) = (0, 0, 0, 0.0_f64);
    let (begin, resident_at_begin) = (Clock::now(), resident_kib());
    let mut resident_after_tenth = resident_at_begin;
    for number in 0..count {
        if number == count / 10 {
            resident_after_tenth = resident_kib();
        }
        let datagram = draw(&mut random, &captured);
        let from = SocketAddr::from((random.random::<[u8; 4]>(), random.random_range(1..=u16::MAX)));
        host.handle_datagram(now, from, &datagram);
        let sent = host.take_sent();
        assert!(sent.len() <= 2, "{} answers to one datagram", sent.len());
        assert!(sent.iter().all(|(to, _)| *to == from), "an answer to somebody else");
        let out: usize = sent.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(out <= 3 * datagram.len(), "{out} bytes for {}", datagram.len());
        if out > 0 {
            worst = worst.max(out as f64 / datagram.len() as f64);
        }
        bytes_in += datagram.len();
        bytes_out += out;
        answers += sent.len();
        now = now + PACE;
    }
    let time = begin.elapsed();
    let resident = resident_kib();
    println!("{count} datagrams in {time:.1?}: {:.0} a second", count as f64 / time.as_secs_f64());
    println!(
        "{bytes_in} bytes in, {bytes_out} out in {answers} answers; the worst answer is {worst:.2} times what it answers"
    );
    println!(
        "resident: {resident_at_begin} KiB at the start, {resident_after_tenth} after a tenth, {resident} at the end"
    );
    println!("{} sessions at the end", host.sessions());
    host.counters().iter().filter(|(_, count)| *count > 0).for_each(|(name, count)| println!("{count:>12} {name}"));
    assert_eq!(host.counters().value("datagrams_received"), count + 2);
    assert!(resident <= resident_after_tenth + MAX_GROWTH_KIB, "memory grows");
}

/// Four in ten are random bytes, the others captured datagrams with some bytes changed, cut, or left as they are.
fn draw(random: &mut StdRng, captured: &[Vec<u8>]) -> Vec<u8> {
    if random.random_range(0..10) < 4 {
        let mut bytes = vec![0; random.random_range(0..200)];
        random.fill_bytes(&mut bytes);
        if random.random::<bool>() && bytes.len() > 2 {
            (bytes[0], bytes[1]) = (0, 1);
        }
        return bytes;
    }
    let mut bytes = captured[random.random_range(0..captured.len())].clone();
    // Another session each time, as a forger would draw it.
    bytes[10..14].copy_from_slice(&random.random::<[u8; 4]>());
    for _ in 0..random.random_range(0..4) {
        let at = random.random_range(0..bytes.len());
        bytes[at] = random.random();
    }
    if random.random_range(0..8) == 0 {
        bytes.truncate(random.random_range(0..bytes.len()));
    }
    bytes
}

/// What the system holds in memory for this process.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
