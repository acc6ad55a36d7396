//! Two links over a network that loses, repeats and reorders, which keep their datagrams in one place, driven by bytes: the body of the fuzz target `link` and
//! of the tests below. The oracle stands beside the links and knows who was promised what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use myicq_wire::link::{
    Again, HISTORY, Link, MAX_OPEN, MAX_QUEUED, Outgoing, Output, Receipt, Retained, SendError, Timing, Token, WINDOW,
};
use myicq_wire::{Instant, Seq};

/// More steps than this are ignored, so that no number of the 65,535 comes up twice in a run.
const MAX_STEPS: usize = 4_096;

/// Older datagrams are lost when more than this are under way.
const MAX_UNDER_WAY: usize = 512;

/// Enough for any link to come to rest over a perfect network.
const MAX_CALM_ROUNDS: usize = 2_000;

/// Plays the conversation that `bytes` describes, then lets the network work until both ends rest.
///
/// The first four bytes choose the mode and the first numbers; each pair that follows is one step.
///
/// # Panics
/// When a link breaks a promise: a token without exactly one verdict, an acknowledgement without the work done,
/// something handled twice or, on an ordered link, out of order, a limit exceeded, or a timer that never waits.
pub fn exercise(bytes: &[u8]) {
    let Some((&[mode, first, second, gap], steps)) = bytes.split_first_chunk() else {
        return;
    };
    let mut play = Play::new(mode, [first, second].map(|low| 65_280 | u16::from(low)), gap);
    for pair in steps.chunks_exact(2).take(MAX_STEPS) {
        if let &[action, argument] = pair {
            play.step(action, argument.into());
        }
        if play.has_ended {
            break;
        }
    }
    play.calm_down();
    play.check_verdicts();
}

/// What is under way to one of the ends.
#[derive(Clone)]
struct Flying {
    to_second: bool,
    /// Acknowledges this, as a pure acknowledgement or on a reply.
    ack: Option<Seq>,
    datagram: Option<Datagram>,
}

/// A datagram with a number; `id` counts what its sender has sent and is its token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Datagram {
    seq: Seq,
    ack: Option<Seq>,
    id: u32,
}

impl Datagram {
    fn encode(self) -> Vec<u8> {
        let mut bytes = self.seq.number().to_be_bytes().to_vec();
        bytes.extend(Seq::number_or_zero(self.ack).to_be_bytes());
        bytes.extend(self.id.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Self {
        let bytes: [u8; 8] = bytes.try_into().expect("links carry datagrams unchanged");
        let [s0, s1, a0, a1, i0, i1, i2, i3] = bytes;
        let seq = Seq::new(u16::from_be_bytes([s0, s1])).expect("datagrams with a number");
        Self { seq, ack: Seq::new(u16::from_be_bytes([a0, a1])), id: u32::from_be_bytes([i0, i1, i2, i3]) }
    }
}

/// What the oracle knows of a datagram that one end has sent.
#[derive(Default)]
struct Sent {
    first_left: Option<Instant>,
    times: u32,
    is_reply: bool,
    before_proof: bool,
}

/// One end: its link, and what the layer above it has seen.
struct End {
    link: Link,
    is_ordered: bool,
    sent: BTreeMap<u32, Sent>,
    /// Those of `sent` that have no verdict yet.
    waiting: BTreeSet<u32>,
    open: Vec<Datagram>,
    done: BTreeSet<u32>,
    refused: BTreeSet<u32>,
    last_in_order: u32,
}

impl End {
    fn new(first: Seq, seed: u32) -> Self {
        Self {
            link: Link::new(first, seed),
            is_ordered: false,
            sent: BTreeMap::new(),
            waiting: BTreeSet::new(),
            open: Vec::new(),
            done: BTreeSet::new(),
            refused: BTreeSet::new(),
            last_in_order: 0,
        }
    }

    /// Sends the next datagram, unless the queue is full.
    fn send(&mut self, retained: &mut Retained, answers: Option<Seq>, before_proof: bool) -> bool {
        let id = u32::try_from(self.sent.len()).expect("few datagrams") + 1;
        let seq = self.link.next_seq();
        let bytes = Datagram { seq, ack: answers, id }.encode();
        let outgoing = Outgoing { answers, before_proof, ..Outgoing::new(seq, &bytes, Token(id.into())) };
        match self.link.send(retained, outgoing) {
            Ok(()) => {
                self.waiting.insert(id);
                self.sent.insert(id, Sent { is_reply: answers.is_some(), before_proof, ..Sent::default() });
                true
            }
            Err(error) => {
                assert_eq!((error, self.link.queued()), (SendError::QueueFull, MAX_QUEUED));
                assert_eq!(self.link.next_seq(), seq, "a refusal used up a number");
                false
            }
        }
    }

    fn on_verdict(&mut self, token: Token) -> u32 {
        let id = u32::try_from(token.0).expect("tokens are ids");
        assert!(self.waiting.remove(&id), "a second verdict on {id}, or it was never handed in");
        id
    }

    /// The link wants a datagram sent.
    fn on_transmit(&mut self, now: Instant, datagram: Datagram, is_proven: bool) {
        let sent = self.sent.get_mut(&datagram.id).expect("a datagram that was never handed in");
        assert!(is_proven || sent.before_proof, "{datagram:?} went to an unproven address");
        let oldest = self.waiting.first().copied().unwrap_or(u32::MAX);
        let span = if self.is_ordered { WINDOW } else { HISTORY };
        assert!(self.waiting.contains(&datagram.id), "{datagram:?} went out after its verdict");
        assert!(datagram.id - oldest < span.into(), "{datagram:?} left while {oldest} was waited for");
        sent.first_left.get_or_insert(now);
        sent.times += 1;
        assert!(sent.is_reply || sent.times <= Timing::DEFAULT.max_sends.into());
    }

    /// The layer above is handed a datagram that it has to handle.
    fn handle(&mut self, datagram: Datagram) {
        let is_known = self.done.contains(&datagram.id) || self.open.iter().any(|open| open.id == datagram.id);
        assert!(!is_known, "{datagram:?} is handed out twice");
        if !self.refused.remove(&datagram.id) && self.is_ordered {
            assert_eq!(datagram.id, self.last_in_order + 1, "out of order");
        }
        self.last_in_order = self.last_in_order.max(datagram.id);
        self.open.push(datagram);
    }

    /// Hands a datagram to the link. Returns the number that is to be acknowledged again.
    fn on_receive(
        &mut self,
        retained: &mut Retained,
        now: Instant,
        datagram: Datagram,
        has_verdict: bool,
    ) -> Option<Seq> {
        let bytes = datagram.encode();
        let receipt = self.link.on_receive(retained, now, datagram.seq, &bytes);
        match receipt {
            Receipt::New => self.handle(datagram),
            Receipt::Duplicate(Again::Acknowledge | Again::Reply) => {
                assert!(self.done.contains(&datagram.id), "acknowledged, but never handled");
            }
            Receipt::Stale => assert!(has_verdict && !self.is_ordered, "{datagram:?} is still waited for"),
            Receipt::TooFar => assert!(!self.is_ordered, "an honest peer went too far"),
            Receipt::Busy => {
                let is_full = self.open.len() == MAX_OPEN as usize;
                let ahead = |open: &Datagram| datagram.seq.ahead_of(open.seq).unsigned_abs();
                assert!(is_full || self.open.iter().any(|open| ahead(open) >= HISTORY), "busy without need");
            }
            Receipt::Early | Receipt::Duplicate(Again::Silence) => {}
        }
        self.release(retained);
        (receipt == Receipt::Duplicate(Again::Acknowledge)).then_some(datagram.seq)
    }

    fn release(&mut self, retained: &mut Retained) {
        while let Some((seq, bytes)) = self.link.release(retained) {
            let datagram = Datagram::decode(&bytes);
            assert_eq!(seq, datagram.seq);
            self.handle(datagram);
        }
    }

    /// Takes an open datagram, for a verdict on it.
    fn take_open(&mut self, index: usize) -> Option<Datagram> {
        let index = index.checked_rem(self.open.len())?;
        Some(self.open.swap_remove(index))
    }

    fn check_limits(&self, now: Instant) {
        assert!(self.link.in_flight() <= WINDOW.into() && self.link.queued() <= MAX_QUEUED);
        assert!(self.link.early() < WINDOW.into() && self.open.len() <= MAX_OPEN as usize);
        assert_eq!(self.link.open(), self.open.len());
        assert!(self.link.poll_timeout().is_none_or(|due| due > now), "a timer that never waits");
    }

    /// How many datagrams its link keeps.
    fn retained(&self) -> usize {
        self.link.in_flight() + self.link.queued() + self.link.early()
    }

    /// At the end of the session, every token has had its verdict.
    fn check_verdicts(&mut self, retained: &mut Retained) {
        for token in self.link.drain(retained) {
            self.on_verdict(token);
        }
        assert!(self.waiting.is_empty(), "without a verdict: {:?}", self.waiting);
    }
}

struct Play {
    now: Instant,
    ends: [End; 2],
    /// What both links keep.
    retained: Retained,
    under_way: Vec<Flying>,
    /// On an ordered session a datagram was given up, which ends it.
    has_ended: bool,
}

impl Play {
    fn new(mode: u8, firsts: [u16; 2], gap: u8) -> Self {
        let first = |number| Seq::new(number).unwrap_or(Seq::FIRST);
        let [left, right] = firsts;
        let ends = [End::new(first(left), gap.into()), End::new(first(right), 1)];
        let mut play =
            Self { now: Instant::default(), ends, retained: Retained::new(), under_way: Vec::new(), has_ended: false };
        // The handshake: LOGIN and its reply, after which both ends know where the order begins.
        play.ends.iter_mut().for_each(|end| assert!(end.send(&mut play.retained, None, true)));
        play.calm_down();
        for end in &mut play.ends {
            if mode & 1 != 0 {
                end.link.set_ordered();
                end.is_ordered = true;
            }
            if mode & 2 != 0 {
                end.link.require_proof();
            }
        }
        play
    }

    fn step(&mut self, action: u8, argument: usize) {
        let is_second = action & 0x80 != 0;
        let [left, right] = &mut self.ends;
        let end = if is_second { right } else { left };
        match action % 16 {
            0..=2 => {
                for _ in 0..=argument % 4 {
                    end.send(&mut self.retained, None, argument & 0x80 != 0);
                }
            }
            3..=7 => {
                if let Some(index) = argument.checked_rem(self.under_way.len()) {
                    let flying = self.under_way.remove(index);
                    self.deliver(&flying);
                }
            }
            8 => {
                let index = argument.checked_rem(self.under_way.len());
                if let Some(flying) = index.and_then(|index| self.under_way.get(index)).cloned() {
                    self.deliver(&flying);
                }
            }
            9 => {
                if let Some(index) = argument.checked_rem(self.under_way.len()) {
                    self.under_way.swap_remove(index);
                }
            }
            10 | 11 => self.acknowledge(is_second, argument),
            12 => self.answer(is_second, argument),
            13 => {
                if let Some(datagram) = end.take_open(argument) {
                    end.link.forget(datagram.seq);
                    end.refused.insert(datagram.id);
                    end.release(&mut self.retained);
                }
            }
            14 => self.now = self.now + Duration::from_millis(u64::try_from(argument * argument).unwrap_or(0)),
            _ => self.wait(),
        }
        self.settle();
    }

    /// To the next point in time at which a link wants to act.
    fn wait(&mut self) {
        let due = self.ends.iter().filter_map(|end| end.link.poll_timeout()).min();
        self.now = self.now.max(due.unwrap_or_default());
    }

    fn acknowledge(&mut self, is_second: bool, index: usize) {
        let [left, right] = &mut self.ends;
        let end = if is_second { right } else { left };
        if let Some(datagram) = end.take_open(index) {
            end.done.insert(datagram.id);
            end.link.acknowledge(datagram.seq);
            end.release(&mut self.retained);
            self.under_way.push(Flying { to_second: !is_second, ack: Some(datagram.seq), datagram: None });
        }
    }

    fn answer(&mut self, is_second: bool, index: usize) {
        let [left, right] = &mut self.ends;
        let end = if is_second { right } else { left };
        if let Some(datagram) = end.take_open(index) {
            if end.send(&mut self.retained, Some(datagram.seq), true) {
                end.done.insert(datagram.id);
                end.release(&mut self.retained);
            } else {
                end.open.push(datagram);
            }
        }
    }

    fn deliver(&mut self, flying: &Flying) {
        let now = self.now;
        let [left, right] = &mut self.ends;
        let (end, other) = if flying.to_second { (right, left) } else { (left, right) };
        if let Some(token) = flying.ack.and_then(|seq| end.link.on_ack(&mut self.retained, now, seq)) {
            let id = end.on_verdict(token);
            assert!(other.done.contains(&id), "{id} is acknowledged, but was never handled");
        }
        if let Some(datagram) = flying.datagram {
            let has_verdict = !other.waiting.contains(&datagram.id);
            let again = end.on_receive(&mut self.retained, now, datagram, has_verdict);
            if again.is_some() {
                self.under_way.push(Flying { to_second: !flying.to_second, ack: again, datagram: None });
            }
        }
    }

    /// Drains both links, as their owner does after every call, and checks their limits.
    fn settle(&mut self) {
        let now = self.now;
        for (end, to_second) in self.ends.iter_mut().zip([true, false]) {
            let is_proven = end.link.is_proven();
            for outputs in 0.. {
                assert!(outputs <= MAX_QUEUED + usize::from(WINDOW), "a link that never stops");
                let sent = match end.link.poll(&mut self.retained, now, &Timing::DEFAULT) {
                    None => break,
                    Some(Output::Transmit(bytes)) => Datagram::decode(bytes),
                    Some(Output::GivenUp(token)) => {
                        let id = end.on_verdict(token);
                        let first_left = end.sent.get(&id).and_then(|sent| sent.first_left);
                        let since = first_left.map(|left| now.since(left));
                        assert!(since >= Some(Timing::DEFAULT.give_up_after), "given up after {since:?}");
                        self.has_ended |= end.is_ordered;
                        continue;
                    }
                };
                end.on_transmit(now, sent, is_proven);
                self.under_way.push(Flying { to_second, ack: sent.ack, datagram: Some(sent) });
            }
            end.check_limits(now);
        }
        assert_eq!(self.retained.len(), self.ends.iter().map(End::retained).sum::<usize>());
        let excess = self.under_way.len().saturating_sub(MAX_UNDER_WAY);
        self.under_way.drain(..excess);
    }

    fn check_verdicts(&mut self) {
        self.ends.iter_mut().for_each(|end| end.check_verdicts(&mut self.retained));
        assert!(self.retained.is_empty(), "nobody's: {:?}", self.retained);
    }

    /// From here on the network is perfect, every address proven and every request acknowledged.
    fn calm_down(&mut self) {
        self.ends.iter_mut().for_each(|end| end.link.set_proven());
        for _ in 0..MAX_CALM_ROUNDS {
            self.settle();
            for flying in core::mem::take(&mut self.under_way) {
                self.deliver(&flying);
            }
            for is_second in [false, true] {
                while self.ends.iter().zip([false, true]).any(|(end, side)| side == is_second && !end.open.is_empty()) {
                    self.acknowledge(is_second, 0);
                }
            }
            self.settle();
            let is_resting = |end: &End| end.link.in_flight() + end.link.queued() == 0;
            if self.has_ended || (self.under_way.is_empty() && self.ends.iter().all(is_resting)) {
                return;
            }
            if self.under_way.is_empty() {
                self.wait();
            }
        }
        assert!(self.has_ended, "the links do not come to rest");
    }
}

#[cfg(test)]
mod tests {
    use super::exercise;

    /// A cheap generator is enough here: what matters is that a number names a run.
    fn bytes_of(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[3]
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn links_keep_their_promises_in_random_conversations() {
        for seed in 0..2_000 {
            exercise(&bytes_of(seed, 1_004));
        }
    }

    #[test]
    fn links_keep_their_promises_in_long_conversations() {
        for seed in 0..20 {
            exercise(&bytes_of(seed, 8_196));
        }
    }

    #[test]
    fn a_conversation_may_be_empty() {
        exercise(b"");
        exercise(&[0, 0, 0]);
        exercise(&[1, 255, 255, 0]);
    }
}
