//! A link in the place of one that ended with its process, and what the other side does about it (docs/protocol.md, "When the server
//! starts again").

use alloc::vec::Vec;

use super::history::HISTORY;
use super::receiving::Receiving;
use super::sending::Sending;
use super::{Link, Retained};
use crate::Seq;

/// What is to be kept of a link so that another one can take its place. What it had sent and the other side had not acknowledged is not in
/// it: that is its owner's to keep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The next number to be used.
    pub next_seq: Seq,
    /// How many numbers have been used: [`Link::issued`].
    pub issued: u16,
    /// The highest number that came, if any did. On an ordered link, the last that was released.
    pub highest: Option<Seq>,
    /// Of the last [`HISTORY`] numbers up to that one, those that are to be handled when they come: what has not come, what was open, what
    /// was refused, and that of which the reply has not been acknowledged. Fewer than [`HISTORY`].
    pub unsettled: Vec<Seq>,
}

impl Link {
    /// What is to be kept of this link.
    pub fn snapshot(&self, retained: &Retained) -> Snapshot {
        // None of the two has much to say in a link at rest, and then nothing is allocated.
        let mut unsettled: Vec<_> = self.receiving.unsettled().chain(self.sending.answered(retained)).collect();
        unsettled.sort_unstable_by_key(|seq| seq.number());
        unsettled.dedup();
        let (next_seq, issued) = (self.sending.next_seq(), self.sending.issued());
        Snapshot { next_seq, issued, highest: self.receiving.highest(), unsettled }
    }

    /// A link in the place of another, which has sent nothing yet.
    pub fn from_snapshot(snapshot: &Snapshot, seed: u32) -> Self {
        let mut receiving = Receiving::new();
        // It keeps nothing yet, so that there is nothing to forget.
        receiving.resume(&mut Retained::new(), snapshot.highest, &snapshot.unsettled);
        Self { sending: Sending::resumed(snapshot.next_seq, snapshot.issued, seed), receiving }
    }

    /// The other side begins anew with the number `first`: nothing that was sent before is expected any more. Does nothing and returns
    /// `false` where that number is so near to what came before that the two could not be told apart.
    pub fn follow(&mut self, retained: &mut Retained, first: Seq) -> bool {
        if self.receiving.highest().is_some_and(|highest| first.ahead_of(highest).unsigned_abs() <= HISTORY) {
            return false;
        }
        self.receiving.resume(retained, Some(first.previous()), &[]);
        true
    }

    /// The other side has heard that all before `oldest` was acknowledged, perhaps by a link in whose place this one is, after it was kept.
    /// For a link on which nothing has come yet.
    pub fn settle_before(&mut self, retained: &mut Retained, oldest: Seq) {
        let last = oldest.previous();
        let highest = self.receiving.highest().filter(|highest| last.ahead_of(*highest) < 0).unwrap_or(last);
        let unsettled: Vec<_> = self.receiving.unsettled().filter(|seq| seq.ahead_of(last) > 0).collect();
        self.receiving.resume(retained, Some(highest), &unsettled);
    }

    /// Whether nothing up to `last` is to be handled any more, when it comes.
    pub fn is_settled_to(&self, last: Seq) -> bool {
        self.receiving.unsettled().all(|seq| seq.ahead_of(last) > 0)
    }

    /// The number of the oldest datagram that is not acknowledged; the next one where all are.
    pub fn oldest_seq(&self, retained: &Retained) -> Seq {
        self.sending.oldest_seq(retained)
    }

    /// The number of the first datagram that has not been sent yet; the next one where all have been.
    pub fn unsent_seq(&self, retained: &Retained) -> Seq {
        self.sending.unsent_seq(retained)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::super::{Again, Outgoing, Receipt, Token};
    use super::*;
    use crate::Instant;

    const NOW: Instant = Instant(1);

    fn seq(number: u16) -> Seq {
        Seq::new(number).unwrap()
    }

    fn receive(link: &mut Link, number: Seq) -> Receipt {
        link.on_receive(&mut Retained::new(), NOW, number, &[])
    }

    #[test]
    fn what_was_not_acknowledged_is_welcome_and_all_else_is_known() {
        let (mut link, mut retained) = (Link::new(seq(7), 0), Retained::new());
        for number in (100..=700).filter(|&number| number != 690).map(seq) {
            assert_eq!(receive(&mut link, number), Receipt::New);
            match number.number() {
                695 => {}
                697 => link.forget(number),
                699 => {
                    let own = link.next_seq();
                    let reply = Outgoing { answers: Some(number), ..Outgoing::new(own, b"reply", Token(0)) };
                    link.send(&mut retained, reply).unwrap();
                }
                _ => link.acknowledge(number),
            }
        }
        let snapshot = link.snapshot(&retained);
        let unsettled = vec![seq(690), seq(695), seq(697), seq(699)];
        assert_eq!(snapshot, Snapshot { next_seq: seq(8), issued: 1, highest: Some(seq(700)), unsettled });
        let mut next = Link::from_snapshot(&snapshot, 0);
        assert_eq!((next.next_seq(), next.issued()), (seq(8), 1));
        for number in (189..=701).map(seq) {
            let expected = match number.number() {
                690 | 695 | 697 | 699 | 701 => Receipt::New,
                // Before 701 it was within reach, and is not when that has come.
                _ => Receipt::Duplicate(Again::Acknowledge),
            };
            assert_eq!(receive(&mut next, number), expected, "{number}");
        }
        assert_eq!(receive(&mut next, seq(188)), Receipt::Stale);
    }

    #[test]
    fn a_link_on_which_nothing_came_goes_on_too() {
        let mut next = Link::from_snapshot(&Link::new(seq(7), 0).snapshot(&Retained::new()), 0);
        assert_eq!(receive(&mut next, seq(9_000)), Receipt::New);
    }

    proptest! {
        /// Whatever came, in whatever order, also across the wrap.
        #[test]
        fn the_next_link_judges_as_the_last_would(first in 1..=u16::MAX, steps in proptest::collection::vec((0..90_u16, 0..3_u8), 1..60)) {
            let (mut link, mut top) = (Link::new(seq(7), 0), seq(first));
            receive(&mut link, top);
            for (step, what) in steps {
                let number = top.plus(step);
                if receive(&mut link, number) == Receipt::New {
                    top = number;
                    match what {
                        0 => link.acknowledge(top),
                        1 => link.forget(top),
                        _ => {}
                    }
                }
            }
            let mut next = Link::from_snapshot(&link.snapshot(&Retained::new()), 0);
            let mut number = top;
            // All that lies behind the first that came counts as acknowledged in the next one: no client sends it.
            while number != seq(first).previous() && top.ahead_of(number) < 511 {
                let was = link.receiving.on_receive(&mut Retained::new(), number, &[], false);
                let expected = match was {
                    super::super::receiving::Arrival::Acknowledged => Receipt::Duplicate(Again::Acknowledge),
                    _ => Receipt::New,
                };
                let receipt = receive(&mut next, number);
                if receipt == Receipt::New {
                    next.acknowledge(number);
                }
                prop_assert_eq!(receipt, expected, "{} of {}, which was {:?}", number, top, was);
                number = number.previous();
            }
        }
    }

    #[test]
    fn an_ordered_link_follows_a_new_beginning() {
        let (mut link, mut retained) = (Link::new(seq(7), 0), Retained::new());
        link.set_ordered();
        assert_eq!(link.on_receive(&mut retained, NOW, seq(65_000), b"x"), Receipt::New);
        link.acknowledge(seq(65_000));
        assert_eq!(link.on_receive(&mut retained, NOW, seq(65_002), b"early"), Receipt::Early);
        for near in [64_488, 64_999, 65_001, 65_511] {
            assert!(!link.follow(&mut retained, seq(near)), "{near} could be one of those that are under way");
        }
        assert!(!link.follow(&mut retained, seq(65_512)));
        assert!(link.follow(&mut retained, seq(9_465)));
        assert!(retained.is_empty() && link.early() == 0);
        assert_eq!(link.on_receive(&mut retained, NOW, seq(65_001), b"x"), Receipt::Stale);
        assert_eq!(link.on_receive(&mut retained, NOW, seq(9_466), b"x"), Receipt::Early);
        assert_eq!(link.on_receive(&mut retained, NOW, seq(9_465), b"x"), Receipt::New);
        assert_eq!(link.release(&mut retained).map(|(number, _)| number), Some(seq(9_466)));
    }

    #[test]
    fn what_the_other_side_knows_to_be_acknowledged_is_not_waited_for() {
        let mut link = Link::from_snapshot(
            &Snapshot { next_seq: seq(7), issued: 0, highest: Some(seq(100)), unsettled: vec![seq(99)] },
            0,
        );
        link.set_ordered();
        link.settle_before(&mut Retained::new(), seq(98));
        assert!(link.is_settled_to(seq(98)) && !link.is_settled_to(seq(99)));
        assert_eq!(receive(&mut link, seq(99)), Receipt::New, "it knows more than the other side");
        let unsettled = vec![seq(97), seq(99)];
        let mut link =
            Link::from_snapshot(&Snapshot { next_seq: seq(7), issued: 0, highest: Some(seq(100)), unsettled }, 0);
        link.set_ordered();
        link.settle_before(&mut Retained::new(), seq(98));
        assert_eq!(receive(&mut link, seq(97)), Receipt::Duplicate(Again::Acknowledge));
        let mut link = Link::from_snapshot(
            &Snapshot { next_seq: seq(7), issued: 0, highest: Some(seq(100)), unsettled: vec![] },
            0,
        );
        link.set_ordered();
        link.settle_before(&mut Retained::new(), seq(150));
        assert_eq!(receive(&mut link, seq(149)), Receipt::Duplicate(Again::Acknowledge));
        assert_eq!(receive(&mut link, seq(151)), Receipt::Early);
        assert_eq!(receive(&mut link, seq(150)), Receipt::New);
    }

    #[test]
    fn it_knows_what_is_out_and_what_is_not() {
        let (mut link, mut retained) = (Link::new(seq(65_535), 0), Retained::new());
        link.set_ordered();
        assert_eq!((link.oldest_seq(&retained), link.unsent_seq(&retained)), (seq(65_535), seq(65_535)));
        for _ in 0..2 {
            let own = link.next_seq();
            link.send(&mut retained, Outgoing::new(own, b"x", Token(0))).unwrap();
        }
        assert_eq!((link.oldest_seq(&retained), link.unsent_seq(&retained)), (seq(65_535), seq(65_535)));
        assert!(link.poll(&mut retained, NOW, &super::super::Timing::DEFAULT).is_some());
        assert_eq!((link.oldest_seq(&retained), link.unsent_seq(&retained)), (seq(65_535), seq(1)));
        link.on_ack(&mut retained, NOW, seq(65_535));
        assert_eq!((link.oldest_seq(&retained), link.unsent_seq(&retained)), (seq(1), seq(1)));
    }
}
