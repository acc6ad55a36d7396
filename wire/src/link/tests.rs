//! The link as its owner sees it. Whole conversations over a bad network are in the model of the test crate.

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use super::*;

const T: Timing = Timing::DEFAULT;
const MS: Duration = Duration::from_millis(1);

fn seq(number: u16) -> Seq {
    Seq::new(number).unwrap()
}

fn at(ms: u32) -> Instant {
    Instant::default() + MS * ms
}

/// A link and what it keeps.
#[derive(Debug)]
struct Alone {
    link: Link,
    retained: Retained,
}

impl Alone {
    fn send(&mut self, outgoing: Outgoing<'_>) -> Result<(), SendError> {
        self.link.send(&mut self.retained, outgoing)
    }

    fn on_ack(&mut self, now: Instant, seq: Seq) -> Option<Token> {
        self.link.on_ack(&mut self.retained, now, seq)
    }

    fn on_receive(&mut self, now: Instant, seq: Seq, bytes: &[u8]) -> Receipt {
        self.link.on_receive(&mut self.retained, now, seq, bytes)
    }

    fn release(&mut self) -> Option<(Seq, Vec<u8>)> {
        self.link.release(&mut self.retained)
    }

    fn poll(&mut self, now: Instant) -> Option<Output<'_>> {
        self.link.poll(&mut self.retained, now, &T)
    }

    fn drain(&mut self) -> impl Iterator<Item = Token> {
        self.link.drain(&mut self.retained)
    }
}

impl Deref for Alone {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.link
    }
}

impl DerefMut for Alone {
    fn deref_mut(&mut self) -> &mut Link {
        &mut self.link
    }
}

fn link(first: u16) -> Alone {
    Alone { link: Link::new(seq(first), 99), retained: Retained::new() }
}

fn ordered(first: u16) -> Alone {
    let mut link = link(first);
    link.set_ordered();
    link
}

/// Sends a datagram whose bytes and token are its number.
fn send(link: &mut Alone) -> Result<Seq, SendError> {
    let seq = link.next_seq();
    link.send(Outgoing::new(seq, &seq.number().to_be_bytes(), Token(seq.number().into())))?;
    Ok(seq)
}

fn reply(link: &mut Alone, request: Seq, before_proof: bool) -> Seq {
    let seq = link.next_seq();
    let (token, bytes) = (Token(seq.number().into()), seq.number().to_be_bytes());
    let outgoing = Outgoing { answers: Some(request), before_proof, ..Outgoing::new(seq, &bytes, token) };
    link.send(outgoing).unwrap();
    seq
}

/// Everything that is due: numbers sent, and tokens given up.
fn poll(link: &mut Alone, now: Instant) -> (Vec<u16>, Vec<u64>) {
    let (mut sent, mut given_up) = (Vec::new(), Vec::new());
    while let Some(output) = link.poll(now) {
        match output {
            Output::Transmit(bytes) => sent.push(u16::from_be_bytes(bytes.try_into().unwrap())),
            Output::GivenUp(token) => given_up.push(token.0),
        }
    }
    assert!(link.poll_timeout().is_none_or(|due| due > now), "a loop that never waits");
    (sent, given_up)
}

#[test]
fn an_idle_link_is_small() {
    assert!(size_of::<Link>() <= 100, "{}", size_of::<Link>());
}

#[test]
fn steps_skip_zero() {
    assert_eq!(steps(seq(65_535), seq(1)), 1);
    assert_eq!(steps(seq(1), seq(65_535)), -1);
    assert_eq!(steps(seq(1), seq(32_768)), 32_767);
    assert_eq!(steps(seq(1), seq(32_769)), -32_767);
    assert_eq!(steps(seq(9), seq(9)), 0);
}

#[test]
fn two_wraps_in_both_directions_unordered_and_ordered() {
    for is_ordered in [false, true] {
        let make = if is_ordered { ordered } else { link };
        let (mut left, mut right) = (make(60_000), make(1));
        for round in 0..140_000 {
            let now = at(round);
            for swap in [false, true] {
                let (from, to) = if swap { (&mut right, &mut left) } else { (&mut left, &mut right) };
                let seq = send(from).unwrap();
                assert_eq!(poll(from, now).0, [seq.number()]);
                assert_eq!(to.on_receive(now, seq, b""), Receipt::New);
                assert_eq!(to.on_receive(now, seq, b""), Receipt::Duplicate(Again::Silence));
                to.acknowledge(seq);
                assert_eq!(to.on_receive(now, seq, b""), Receipt::Duplicate(Again::Acknowledge));
                assert_eq!(from.on_ack(now, seq), Some(Token(seq.number().into())));
                assert_eq!(from.on_ack(now, seq), None);
            }
        }
        assert_eq!((left.in_flight(), right.open()), (0, 0));
    }
}

#[test]
fn the_window_holds_32_and_the_queue_256() {
    let mut link = link(10);
    for _ in 0..WINDOW {
        send(&mut link).unwrap();
    }
    assert_eq!(poll(&mut link, at(0)).0.len(), 32);
    for _ in 0..MAX_QUEUED {
        send(&mut link).unwrap();
    }
    assert_eq!(poll(&mut link, at(1)).0, [0_u16; 0], "the 33rd waits");
    let next = link.next_seq();
    assert_eq!(send(&mut link), Err(SendError::QueueFull));
    assert_eq!(link.next_seq(), next, "a refusal uses up no number");
    assert_eq!(link.on_ack(at(2), seq(42)), None, "what has not left cannot be acknowledged");
    assert_eq!(link.on_ack(at(2), seq(20)), Some(Token(20)));
    assert_eq!(poll(&mut link, at(2)).0, [42]);
    assert_eq!((link.in_flight(), link.queued()), (32, 255));
    assert_eq!(send(&mut link), Ok(next));
    assert_eq!(link.drain().count(), 288);
    assert_eq!((link.in_flight(), link.queued(), link.poll_timeout()), (0, 0, None));
}

#[test]
fn a_datagram_out_of_turn_is_refused() {
    let mut link = link(10);
    assert_eq!(link.take_seq(), Some(seq(10)));
    let late = Outgoing::new(seq(10), b"", Token(0));
    assert_eq!(link.send(late), Err(SendError::OutOfTurn));
    assert_eq!(ordered(10).take_seq(), None);
}

#[test]
fn an_ordered_window_spans_32_numbers_across_the_wrap() {
    let mut link = ordered(65_530);
    let sent: Vec<_> = (0..40).map(|_| send(&mut link).unwrap()).collect();
    assert_eq!(poll(&mut link, at(0)).0.len(), 32);
    for seq in &sent[1..32] {
        assert!(link.on_ack(at(1), *seq).is_some());
    }
    assert_eq!((poll(&mut link, at(1)).0.len(), link.in_flight()), (0, 1), "the oldest holds the others back");
    link.on_ack(at(2), sent[0]);
    assert_eq!(poll(&mut link, at(2)).0.len(), 8);
}

#[test]
fn an_unordered_link_does_not_outrun_the_history_of_the_other_side() {
    let (mut link, mut peer) = (link(65_000), link(1));
    let stuck = send(&mut link).unwrap();
    poll(&mut link, at(0));
    let mut sent = 0;
    loop {
        let seq = send(&mut link).unwrap();
        if poll(&mut link, at(1)).0.is_empty() {
            break;
        }
        sent += 1;
        assert_eq!(peer.on_receive(at(1), seq, b""), Receipt::New);
        peer.acknowledge(seq);
        assert!(link.on_ack(at(1), seq).is_some());
    }
    assert_eq!(sent, 511);
    assert_eq!(peer.on_receive(at(2), stuck, b""), Receipt::New);
}

#[test]
fn karn_measures_first_sends_alone_and_keeps_the_doubled_timeout() {
    let mut link = link(1);
    let first = send(&mut link).unwrap();
    poll(&mut link, at(0));
    assert_eq!(poll(&mut link, at(1_125)).0, [1]);
    link.on_ack(at(1_200), first);
    assert_eq!(link.round_trip(), None, "which of the two sends was it?");
    let second = send(&mut link).unwrap();
    poll(&mut link, at(2_000));
    assert!(link.poll_timeout() >= Some(at(4_000)), "still doubled");
    link.on_ack(at(2_300), second);
    assert_eq!(link.round_trip(), Some(300 * MS));
    send(&mut link).unwrap();
    poll(&mut link, at(3_000));
    let due = link.poll_timeout().unwrap();
    assert!(due >= at(3_900) && due < at(3_900 + 113), "R + 4 * R/2, and jitter");
}

#[test]
fn on_an_ordered_link_nothing_behind_a_gap_is_measured() {
    let mut link = ordered(1);
    let (gap, behind) = (send(&mut link).unwrap(), send(&mut link).unwrap());
    poll(&mut link, at(900));
    let due = link.poll_timeout().unwrap();
    poll(&mut link, due);
    link.on_ack(due, gap);
    link.on_ack(due, behind);
    assert_eq!(link.round_trip(), None);
}

#[test]
fn sends_back_off_and_end_in_one_verdict() {
    let mut link = link(1);
    send(&mut link).unwrap();
    assert_eq!(poll(&mut link, at(0)).0, [1]);
    let mut last = at(0);
    for wait in [1_000, 2_000, 4_000, 8_000, 10_000] {
        let due = link.poll_timeout().unwrap();
        assert!(due.since(last) >= MS * wait && due.since(last) <= MS * wait * 9 / 8);
        assert_eq!(poll(&mut link, due - Duration::from_micros(1)).0, [0_u16; 0]);
        assert_eq!(poll(&mut link, due), (alloc::vec![1], Vec::new()));
        last = due;
    }
    let end = link.poll_timeout().unwrap();
    assert_eq!(poll(&mut link, end), (Vec::new(), alloc::vec![1]));
    assert_eq!((link.poll_timeout(), poll(&mut link, at(90_000))), (None, (Vec::new(), Vec::new())));
    assert_eq!(link.on_ack(at(90_001), seq(1)), None, "too late");
}

#[test]
fn nothing_is_given_up_before_30_seconds_even_on_a_fast_network() {
    let mut link = link(1);
    send(&mut link).unwrap();
    poll(&mut link, at(0));
    link.on_ack(at(1), seq(1));
    send(&mut link).unwrap();
    let mut sends = 0;
    let mut now = at(1_000);
    loop {
        let (sent, given_up) = poll(&mut link, now);
        sends += sent.len();
        if !given_up.is_empty() {
            break;
        }
        now = link.poll_timeout().unwrap();
    }
    assert_eq!(sends, 6);
    assert!(now >= at(31_000) && now < at(32_000), "{now:?}");
}

#[test]
fn duplicates_are_known_for_512_numbers_and_older_ones_are_stale() {
    let mut link = link(1);
    let first = seq(65_400);
    let mut top = first;
    for _ in 0..512 {
        assert_eq!(link.on_receive(at(0), top, b""), Receipt::New);
        link.acknowledge(top);
        top = top.next();
    }
    // The 0 that was skipped has a place of its own, so the first is 512 behind.
    assert_eq!(link.on_receive(at(0), first, b""), Receipt::Stale);
    assert_eq!(link.on_receive(at(0), first.next(), b""), Receipt::Duplicate(Again::Acknowledge));
    assert_eq!(link.on_receive(at(0), seq(65_399), b""), Receipt::Stale);
}

#[test]
fn a_jump_goes_as_far_as_serial_arithmetic_unordered_and_nowhere_ordered() {
    let mut free = link(1);
    assert_eq!(free.on_receive(at(0), seq(5), b""), Receipt::New);
    assert_eq!(free.on_receive(at(0), seq(3), b""), Receipt::New, "overtaken by the first");
    assert_eq!(free.on_receive(at(0), seq(5 + 32_768), b""), Receipt::Stale);
    assert_eq!(free.on_receive(at(0), seq(5 + 32_767), b""), Receipt::Busy, "3 and 5 are open");
    free.acknowledge(seq(3));
    free.acknowledge(seq(5));
    assert_eq!(free.on_receive(at(0), seq(5 + 32_767), b""), Receipt::New);
    assert_eq!(free.on_receive(at(0), seq(5), b""), Receipt::Stale);

    let mut strict = ordered(1);
    assert_eq!(strict.on_receive(at(0), seq(65_530), b""), Receipt::New);
    assert_eq!(strict.on_receive(at(0), seq(27), b""), Receipt::Early, "32 ahead");
    assert_eq!(strict.on_receive(at(0), seq(28), b""), Receipt::TooFar);
    assert_eq!(strict.on_receive(at(0), seq(30_000), b""), Receipt::TooFar);
    assert_eq!(strict.on_receive(at(0), seq(65_529), b""), Receipt::Stale, "before the first");
    assert_eq!((strict.open(), strict.early(), strict.release()), (1, 1, None));
}

#[test]
fn a_refused_request_is_new_again_and_an_acknowledged_one_is_not() {
    for mut link in [link(1), ordered(1)] {
        assert_eq!(link.on_receive(at(0), seq(7), b""), Receipt::New);
        link.forget(seq(7));
        assert_eq!(link.on_receive(at(1), seq(7), b""), Receipt::New);
        assert_eq!(link.on_receive(at(1), seq(7), b""), Receipt::Duplicate(Again::Silence));
        link.acknowledge(seq(7));
        link.forget(seq(7));
        assert_eq!(link.on_receive(at(2), seq(7), b""), Receipt::Duplicate(Again::Acknowledge));
        link.acknowledge(seq(900));
        assert_ne!(link.on_receive(at(3), seq(900), b""), Receipt::Duplicate(Again::Acknowledge));
    }
}

#[test]
fn a_65th_open_number_is_dropped_without_a_trace() {
    let mut link = link(1);
    for number in 1..=64 {
        assert_eq!(link.on_receive(at(0), seq(number), b""), Receipt::New);
    }
    assert_eq!(link.on_receive(at(0), seq(65), b""), Receipt::Busy);
    link.forget(seq(1));
    assert_eq!(link.on_receive(at(0), seq(65), b""), Receipt::New);
    assert_eq!(link.on_receive(at(0), seq(1), b""), Receipt::Busy);
    link.acknowledge(seq(2));
    assert_eq!(link.on_receive(at(0), seq(1), b""), Receipt::New);
}

#[test]
fn a_held_reply_is_repeated_but_not_more_often_than_its_interval() {
    let mut link = link(500);
    assert_eq!(link.on_receive(at(0), seq(7), b""), Receipt::New);
    let answer = reply(&mut link, seq(7), false);
    let silence = Receipt::Duplicate(Again::Silence);
    assert_eq!(link.on_receive(at(0), seq(7), b""), silence, "it is on its way");
    assert_eq!(poll(&mut link, at(0)).0, [500]);
    assert_eq!(link.on_receive(at(99), seq(7), b""), silence);
    assert_eq!(link.on_receive(at(100), seq(7), b""), Receipt::Duplicate(Again::Reply));
    assert_eq!(link.on_receive(at(100), seq(7), b""), silence);
    assert_eq!(poll(&mut link, at(100)).0, [500]);
    assert_eq!(link.on_receive(at(150), seq(7), b""), silence);
    assert_eq!(link.on_ack(at(160), answer), Some(Token(500)));
    assert_eq!(link.round_trip(), None, "sent twice, not measurable");
    assert_eq!(link.on_receive(at(300), seq(7), b""), Receipt::Duplicate(Again::Acknowledge));
}

#[test]
fn repeated_requests_do_not_keep_a_reply_from_being_given_up() {
    let mut link = link(500);
    link.on_receive(at(0), seq(7), b"");
    reply(&mut link, seq(7), false);
    let given_up_at = (0..1_000).map(|tick| tick * 150).find(|ms| {
        link.on_receive(at(*ms), seq(7), b"");
        !poll(&mut link, at(*ms)).1.is_empty()
    });
    assert!(given_up_at.is_some_and(|ms| (30_000..45_000).contains(&ms)));
}

#[test]
fn early_datagrams_are_released_in_order_once() {
    let mut link = ordered(1);
    assert_eq!(link.on_receive(at(0), seq(65_533), b"a"), Receipt::New);
    for (number, bytes) in [(2_u16, b"e"), (65_535, b"c"), (1, b"d")] {
        assert_eq!(link.on_receive(at(0), seq(number), bytes), Receipt::Early);
        assert_eq!(link.on_receive(at(0), seq(number), bytes), Receipt::Duplicate(Again::Silence));
        assert_eq!(link.release(), None);
    }
    assert_eq!(link.on_receive(at(0), seq(65_534), b"b"), Receipt::New);
    let released: Vec<_> =
        core::iter::from_fn(|| link.release()).map(|(seq, bytes)| (seq.number(), bytes[0])).collect();
    assert_eq!(released, [(65_535, b'c'), (1, b'd'), (2, b'e')]);
    assert_eq!((link.early(), link.open()), (0, 5));
    assert_eq!(link.on_receive(at(0), seq(1), b"d"), Receipt::Duplicate(Again::Silence));
    link.acknowledge(seq(1));
    assert_eq!(link.on_receive(at(0), seq(1), b"d"), Receipt::Duplicate(Again::Acknowledge));
}

#[test]
fn at_most_31_early_datagrams_are_held() {
    let mut link = ordered(1);
    link.on_receive(at(0), seq(100), b"");
    let receipts: Vec<_> = (102..=200).map(|number| link.on_receive(at(0), seq(number), b"")).collect();
    assert_eq!(receipts.iter().filter(|receipt| **receipt == Receipt::Early).count(), 31);
    assert_eq!((link.early(), receipts[31]), (31, Receipt::TooFar));
}

#[test]
fn an_unproven_address_gets_the_login_reply_once_and_nothing_else() {
    let mut link = link(4_000);
    link.require_proof();
    link.on_receive(at(0), seq(7), b"");
    let login_reply = reply(&mut link, seq(7), true);
    send(&mut link).unwrap();
    assert_eq!(poll(&mut link, at(0)).0, [4_000]);
    assert_eq!((link.poll_timeout(), poll(&mut link, at(60_000)).0.len()), (None, 0));
    assert_eq!(link.on_receive(at(61_000), seq(7), b""), Receipt::Duplicate(Again::Reply));
    assert_eq!(poll(&mut link, at(61_000)).0, [4_000]);
    for guess in [3_999, 4_001, 4_002, 1] {
        assert_eq!(link.on_ack(at(61_000), seq(guess)), None);
        assert!(!link.is_proven());
    }
    assert_eq!(link.on_ack(at(61_500), login_reply), Some(Token(4_000)));
    assert!(link.is_proven());
    assert_eq!(poll(&mut link, at(61_500)).0, [4_001]);
}

#[test]
fn a_probe_or_the_caller_proves_the_address_too() {
    let mut link = link(4_000);
    link.require_proof();
    reply(&mut link, seq(7), true);
    poll(&mut link, at(0));
    let probe = link.take_seq().unwrap();
    assert_eq!(link.on_ack(at(10), probe), None);
    assert!(link.is_proven());
    assert_eq!(poll(&mut link, at(5_000)).0, [4_000], "the timers run now");

    link.require_proof();
    assert!(!link.is_proven());
    link.set_proven();
    assert!(link.is_proven());
}

#[test]
fn debug_shows_no_bytes() {
    let mut link = link(1);
    let outgoing = Outgoing::new(seq(1), b"hunter2", Token(3));
    link.send(outgoing).unwrap();
    let polled = alloc::format!("{:?}", link.poll(at(0)));
    let text = alloc::format!("{outgoing:?} {link:?} {polled}");
    assert!(!text.contains("hunter2") && !text.contains("104, 117"), "{text}");
    assert!(text.contains("Transmit(7 bytes)"), "{text}");
}

#[test]
fn an_acknowledgement_leaves_at_most_one_needless_deadline() {
    let mut link = link(1);
    let first = send(&mut link).unwrap();
    poll(&mut link, at(0));
    let first_due = link.poll_timeout().unwrap();
    send(&mut link).unwrap();
    poll(&mut link, at(500));
    link.on_ack(at(500), first);
    poll(&mut link, at(500));
    assert_eq!(link.poll_timeout(), Some(first_due), "nobody has looked for another one yet");
    assert_eq!(poll(&mut link, first_due).0, [0_u16; 0]);
    let second_due = link.poll_timeout().unwrap();
    assert!(second_due > first_due);
    assert_eq!(poll(&mut link, second_due).0, [2]);
    link.on_ack(second_due, seq(2));
    poll(&mut link, second_due);
    assert_eq!(link.poll_timeout(), None);
}

#[test]
fn a_hostile_peer_finds_nothing_to_break() {
    for mode in 0..4 {
        let mut link = link(65_000);
        if mode & 1 != 0 {
            link.set_ordered();
        }
        if mode & 2 != 0 {
            link.require_proof();
        }
        let mut state = 1_u32;
        for tick in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [low, high, _, action] = state.to_le_bytes();
            // Near its own numbers in half of the cases, anywhere in the other.
            let near = 65_000_u16.wrapping_add(u16::from(low));
            let guess = seq(if high & 1 == 0 { near } else { u16::from_le_bytes([high, low]) }.max(1));
            match action % 8 {
                0..=3 => drop(link.on_receive(at(tick), guess, b"early")),
                4 => drop(link.on_ack(at(tick), guess)),
                5 => link.acknowledge(guess),
                6 => link.forget(guess),
                _ => drop(send(&mut link)),
            }
            while link.release().is_some() {}
            poll(&mut link, at(tick));
            assert!(link.open() <= MAX_OPEN as usize && link.early() < WINDOW.into());
            assert!(link.in_flight() <= WINDOW.into() && link.queued() <= MAX_QUEUED);
        }
    }
}
