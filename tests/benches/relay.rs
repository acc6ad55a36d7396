//! Datagrams through frontend and hub, without a socket and without a disk: `cargo bench -p myicq-tests --bench relay`.
//!
//! `cargo bench -p myicq-tests --bench instructions` counts the instructions of the same.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use myicq_tests::relay::Relay;
use myicq_wire::Status;

/// Users who are on nobody's list and away, so many that no mailbox fills.
const AWAY: u32 = 100_000;

/// Users who watch one other.
const WATCHERS: u32 = 1_000;

fn main() {
    divan::main();
}

/// Between the same two, whose sessions stay in the caches.
#[divan::bench(args = [16, 64, 450], sample_size = 100)]
fn message(bencher: Bencher<'_, '_>, len: usize) {
    let mut relay = Relay::new(2, 0);
    let text = vec![b'x'; len];
    assert_eq!(relay.say(0, 1, &text), 4);
    bencher.counter(ItemsCount::new(4_u32)).bench_local(|| black_box(relay.say(0, 1, &text)));
}

/// Each time between two others, of so many: as many messages as the largest number of sessions.
#[divan::bench(args = [1_000, 10_000, 100_000], sample_count = 100, sample_size = 1_000)]
fn message_among(bencher: Bencher<'_, '_>, sessions: u32) {
    let mut relay = Relay::new(sessions, 0);
    let text = [b'x'; 64];
    // The first words of a session cost more than the others.
    (0..sessions).for_each(|_| assert_eq!(relay.say_to_the_next(&text), 4));
    bencher.counter(ItemsCount::new(4_u32)).bench_local(|| black_box(relay.say_to_the_next(&text)));
}

/// SEND_MSG in, the message into the store in memory, the sender's acknowledgement out.
#[divan::bench(sample_size = 100)]
fn message_to_the_absent(bencher: Bencher<'_, '_>) {
    let mut relay = Relay::new(1, AWAY);
    let text = [b'x'; 64];
    let mut recipients = (1..=AWAY).cycle();
    bencher.counter(ItemsCount::new(2_u32)).bench_local(|| {
        recipients.next().map(|recipient| black_box(relay.say(0, recipient, &text)));
    });
}

/// A change of status, to so many watchers, each of whom acknowledges. Items are notices.
#[divan::bench]
fn fan_out(bencher: Bencher<'_, '_>) {
    let mut relay = Relay::new(WATCHERS + 1, 0);
    for watcher in 1..=WATCHERS {
        relay.add_contact(watcher, 0);
    }
    let mut statuses = [Status::AWAY, Status::ONLINE].into_iter().cycle();
    bencher.counter(ItemsCount::new(WATCHERS)).bench_local(|| {
        statuses.next().map(|status| black_box(relay.change_status(0, status)));
    });
}

/// KEEPALIVE in, its reply out.
#[divan::bench(sample_size = 100)]
fn keep_alive(bencher: Bencher<'_, '_>) {
    let mut relay = Relay::new(1, 0);
    bencher.counter(ItemsCount::new(2_u32)).bench_local(|| black_box(relay.keep_alive(0)));
}

/// A login until the address is proven, with a password that costs next to nothing; then a logout.
#[divan::bench]
fn log_in_and_out(bencher: Bencher<'_, '_>) {
    let mut relay = Relay::new(1, 0);
    bencher.bench_local(|| {
        relay.log_out(0);
        black_box(relay.log_in(0))
    });
}
