//! What a link costs for a datagram of 108 bytes, a message's usual length: kept, handed out and acknowledged.
//!
//! `cargo bench -p myicq-wire --bench link`. `exchange` has as many datagrams in flight as its argument says, and acknowledges the oldest
//! for each new one. `idle` is a poll that finds nothing due, as after most datagrams that come.
#![expect(clippy::unwrap_used, reason = "a bench that cannot run should say so and stop")]

use std::time::Duration;

use divan::Bencher;
use myicq_wire::link::{Link, Outgoing, Output, Retained, Timing, Token};
use myicq_wire::{Instant, Seq};

const DATAGRAM: [u8; 108] = [7; 108];

/// A round trip on a good network; 16 in flight make one datagram a microsecond of it.
const ROUND_TRIP: Duration = Duration::from_micros(16);

fn main() {
    divan::main();
}

/// Sends a datagram and hands it out.
fn send(link: &mut Link, retained: &mut Retained, now: Instant) {
    let outgoing = Outgoing::new(link.next_seq(), divan::black_box(&DATAGRAM), Token(1));
    link.send(retained, outgoing).unwrap();
    assert!(matches!(divan::black_box(link.poll(retained, now, &Timing::DEFAULT)), Some(Output::Transmit(_))));
    assert!(link.poll(retained, now, &Timing::DEFAULT).is_none());
}

#[divan::bench(args = [1, 16])]
fn exchange(bencher: Bencher<'_, '_>, window: u32) {
    let (mut link, mut retained) = (Link::new(Seq::FIRST, 1), Retained::new());
    let mut now = Instant::default();
    let mut oldest = link.next_seq();
    for _ in 1..window {
        send(&mut link, &mut retained, now);
    }
    bencher.bench_local(|| {
        now = now + ROUND_TRIP / window;
        send(&mut link, &mut retained, now);
        assert!(link.on_ack(&mut retained, now, oldest).is_some());
        oldest = oldest.next();
        divan::black_box(link.poll_timeout());
    });
}

#[divan::bench(args = [0, 16])]
fn idle(bencher: Bencher<'_, '_>, in_flight: u32) {
    let (mut link, mut retained) = (Link::new(Seq::FIRST, 1), Retained::new());
    (0..in_flight).for_each(|_| send(&mut link, &mut retained, Instant::default()));
    bencher.bench_local(|| {
        assert!(link.poll(&mut retained, divan::black_box(Instant::default()), &Timing::DEFAULT).is_none());
        divan::black_box(link.poll_timeout());
    });
}
