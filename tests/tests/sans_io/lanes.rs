//! By which way messages go: whatever fails when, each is shown once and in order.

use std::collections::{BTreeSet, VecDeque};
use std::net::Ipv4Addr;

use myicq_client::peer::{ConnectionId, Lanes, LetterId, Step, is_reachable, reach};
use myicq_client::{Presence, Status, Uin};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const BEN: Uin = Uin(10_002);
const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn presence(ip: [u8; 4], real_ip: [u8; 4]) -> Presence {
    Presence { uin: BEN, domain: None, status: Status::ONLINE, ip: ip.into(), port: 4_000, real_ip: real_ip.into() }
}

#[test]
fn the_rule_of_the_two_addresses() {
    let to = |ip, real_ip| reach(OWN, &presence(ip, real_ip)).map(|ip| ip.octets());
    assert_eq!(to([198, 51, 100, 7], [198, 51, 100, 7]), Some([198, 51, 100, 7]), "no translation");
    assert_eq!(to([192, 0, 2, 1], [10, 0, 0, 7]), Some([10, 0, 0, 7]), "behind the same one");
    assert_eq!(to([198, 51, 100, 7], [10, 0, 0, 7]), None, "behind another one");
    // What a peer names must not make us connect to this machine, or to everybody.
    assert_eq!(to([192, 0, 2, 1], [127, 0, 0, 1]), None);
    assert_eq!(to([127, 0, 0, 1], [127, 0, 0, 1]), Some([127, 0, 0, 1]), "a server on this machine");
    assert_eq!(to([192, 0, 2, 1], [255, 255, 255, 255]), None);
    assert_eq!(to([192, 0, 2, 1], [224, 0, 0, 1]), None);
    assert_eq!(to([0, 0, 0, 0], [0, 0, 0, 0]), None);
    let elsewhere =
        Presence { domain: Some("other.example".to_owned()), ..presence([198, 51, 100, 7], [198, 51, 100, 7]) };
    assert_eq!(reach(OWN, &elsewhere), None);
    assert!(is_reachable(OWN, OWN, Ipv4Addr::LOCALHOST) && is_reachable(OWN, Ipv4Addr::new(10, 0, 0, 1), OWN));
    assert!(!is_reachable(OWN, Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::LOCALHOST));
}

fn steps(lanes: &mut Lanes) -> Vec<Step> {
    std::iter::from_fn(|| lanes.poll_step()).collect()
}

#[test]
fn a_failed_connection_is_tried_once_for_each_notice() {
    let mut lanes = Lanes::new();
    lanes.handle_online(&presence([198, 51, 100, 7], [198, 51, 100, 7]));
    lanes.send(BEN, LetterId(0), true);
    assert_eq!(steps(&mut lanes), [Step::Server { letter: LetterId(0), is_again: false }], "before we know who we are");
    lanes.handle_answer(BEN, LetterId(0), None);
    lanes.set_own(Some(OWN));
    lanes.send(BEN, LetterId(1), true);
    let connect = Step::Connect { uin: BEN, to: "198.51.100.7:4000".parse().unwrap() };
    assert_eq!(steps(&mut lanes), [connect]);
    lanes.send(BEN, LetterId(2), true);
    assert_eq!(steps(&mut lanes), [], "it waits for the first");
    lanes.handle_unconnected(BEN);
    let server = |letter| Step::Server { letter: LetterId(letter), is_again: false };
    assert_eq!(steps(&mut lanes), [server(1), server(2)]);
    lanes.handle_answer(BEN, LetterId(1), None);
    lanes.handle_answer(BEN, LetterId(2), None);
    lanes.send(BEN, LetterId(3), true);
    assert_eq!(steps(&mut lanes), [server(3)], "not tried again");
    lanes.handle_answer(BEN, LetterId(3), None);
    lanes.handle_online(&presence([198, 51, 100, 7], [198, 51, 100, 7]));
    lanes.send(BEN, LetterId(4), true);
    assert_eq!(steps(&mut lanes), [connect]);
}

#[test]
fn what_is_stored_is_not_overtaken() {
    let mut lanes = Lanes::new();
    lanes.set_own(Some(OWN));
    lanes.send(BEN, LetterId(1), true);
    assert_eq!(steps(&mut lanes), [Step::Server { letter: LetterId(1), is_again: false }]);
    lanes.handle_answer(BEN, LetterId(1), Some(70));
    lanes.handle_connected(BEN, ConnectionId(1), false);
    lanes.send(BEN, LetterId(2), true);
    assert_eq!(steps(&mut lanes), [Step::Server { letter: LetterId(2), is_again: false }]);
    lanes.handle_answer(BEN, LetterId(2), Some(80));
    lanes.handle_delivered(BEN, 70);
    lanes.send(BEN, LetterId(3), true);
    assert_eq!(steps(&mut lanes), [Step::Server { letter: LetterId(3), is_again: false }]);
    lanes.handle_answer(BEN, LetterId(3), None);
    lanes.handle_delivered(BEN, 80);
    lanes.send(BEN, LetterId(4), true);
    assert_eq!(steps(&mut lanes), [Step::Direct { by: ConnectionId(1), letter: LetterId(4) }]);
}

/// What lies between the two: connections, each a queue that may be cut with what is in it, and the server, which keeps order.
#[derive(Default)]
struct Between {
    connection: Option<(ConnectionId, VecDeque<u64>)>,
    /// Acknowledgements on their way back by the connection.
    acknowledgements: VecDeque<u64>,
    server: VecDeque<u64>,
    /// What Ben has been shown.
    shown: Vec<u64>,
    known: BTreeSet<u64>,
    last_connection: u64,
}

impl Between {
    fn show(&mut self, letter: u64) {
        if self.known.insert(letter) {
            self.shown.push(letter);
        }
    }

    fn obey(&mut self, lanes: &mut Lanes) -> bool {
        let mut connecting = false;
        while let Some(step) = lanes.poll_step() {
            match step {
                Step::Connect { .. } => connecting = true,
                Step::Direct { by, letter } => {
                    let (id, queue) = self.connection.as_mut().expect("a connection to send by");
                    assert_eq!(*id, by);
                    queue.push_back(letter.0);
                }
                Step::Server { letter, .. } => self.server.push_back(letter.0),
            }
        }
        connecting
    }

    fn connect(&mut self, lanes: &mut Lanes, is_own: bool) {
        self.last_connection += 1;
        let id = ConnectionId(self.last_connection);
        self.connection = Some((id, VecDeque::new()));
        lanes.handle_connected(BEN, id, is_own);
    }

    fn lose(&mut self, lanes: &mut Lanes) {
        if let Some((id, queue)) = self.connection.take() {
            // Some of what is in it may still have come, but not its acknowledgement.
            let came = queue.len() / 2;
            queue.into_iter().take(came).for_each(|letter| self.show(letter));
            self.acknowledgements.clear();
            lanes.handle_lost(BEN, id, true);
        }
    }
}

#[test]
fn whatever_is_cut_each_is_shown_once_and_in_order() {
    for seed in 0..2_000 {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut lanes, mut between, mut next, mut connecting) = (Lanes::new(), Between::default(), 0, false);
        lanes.set_own(Some(OWN));
        for _ in 0..random.random_range(1..300) {
            match random.random_range(0..12) {
                0..=3 => {
                    lanes.send(BEN, LetterId(next), random.random_range(0..5) > 0);
                    next += 1;
                }
                4 => lanes.handle_online(&presence([198, 51, 100, 7], [198, 51, 100, 7])),
                5 if connecting => {
                    connecting = false;
                    if between.connection.is_none() && random.random() {
                        between.connect(&mut lanes, true);
                    } else {
                        lanes.handle_unconnected(BEN);
                    }
                }
                6 if between.connection.is_none() => between.connect(&mut lanes, false),
                7 if random.random_range(0..4) == 0 => between.lose(&mut lanes),
                8 | 9 => {
                    let letter = between.connection.as_mut().and_then(|(_, queue)| queue.pop_front());
                    letter.into_iter().for_each(|letter| {
                        between.show(letter);
                        between.acknowledgements.push_back(letter);
                    });
                }
                10 => {
                    if let Some(letter) = between.acknowledgements.pop_front() {
                        lanes.handle_acknowledged(BEN, LetterId(letter));
                    }
                }
                _ => {
                    if let Some(letter) = between.server.pop_front() {
                        between.show(letter);
                        lanes.handle_answer(BEN, LetterId(letter), None);
                    }
                }
            }
            connecting |= between.obey(&mut lanes);
        }
        // Calm: all that is under way comes.
        lanes.set_own(None);
        between.lose(&mut lanes);
        lanes.handle_unconnected(BEN);
        loop {
            between.obey(&mut lanes);
            let Some(letter) = between.server.pop_front() else { break };
            between.show(letter);
            lanes.handle_answer(BEN, LetterId(letter), None);
        }
        assert!(between.shown.iter().copied().eq(0..next), "seed {seed}: {:?}", between.shown);
        assert!(lanes.is_empty(), "seed {seed}");
    }
}
