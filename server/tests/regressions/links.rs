//! Sequence numbers and timers in the long run.

use std::collections::HashSet;
use std::time::Duration;

use myicq_wire::{Command, KeepAlive, LoginError, Request};

use crate::client::{Client, Offer};
use crate::scene::Scene;

/// The numbers that a session may use: fewer than there are, because clients of 2003 take a number that comes again for a duplicate.
const NUMBERS_MAX: usize = 65_000;

fn keep_alive(client: &mut Client, scene: &mut Scene) {
    client.send(scene, &Request::KeepAlive(KeepAlive { random: 1 }));
}

#[test]
fn a_plain_session_ends_before_its_numbers_come_again() {
    let mut scene = Scene::new();
    let mut alice = scene.absent(Offer::Plain);
    let logged_in = alice.log_in(&mut scene, myicq_wire::Status::ONLINE);
    let mut seqs: HashSet<_> = logged_in.iter().map(|datagram| datagram.seq()).collect();
    let mut last = Vec::new();
    while last.is_empty() {
        keep_alive(&mut alice, &mut scene);
        for datagram in alice.take(&mut scene) {
            assert!(seqs.insert(datagram.seq()), "{} comes again", datagram.seq());
            if datagram.command() != Command::KeepAlive {
                last.push(datagram.login_error());
            }
        }
    }
    assert_eq!(last, [Some(LoginError::REPLACED)]);
    assert_eq!(seqs.len(), NUMBERS_MAX + 1, "and the number of that reply");
    assert_eq!((scene.count("sessions_renewed"), scene.sessions()), (1, 0));
}

/// There a number that comes again is known by its place in the order.
#[test]
fn a_session_with_once_goes_on_beyond_its_numbers() {
    let mut scene = Scene::new();
    let mut alice = scene.present(Offer::Once);
    for _ in 0..=u16::MAX {
        alice.send(&mut scene, &Request::GetContactList);
        let [reply] = &alice.listen(&mut scene)[..] else { panic!("one reply to a request") };
        assert_eq!(reply.command(), Command::GetContactList);
    }
    assert_eq!((scene.count("sessions_renewed"), scene.sessions()), (0, 1));
}

/// Each datagram that came once left a timer behind until the session would have expired.
#[test]
fn a_long_talk_leaves_no_timers_behind() {
    let mut scene = Scene::new();
    let (mut alice, bob) = (scene.present(Offer::Plain), scene.present(Offer::Plain));
    for _ in 0..300 {
        alice.say(&mut scene, bob.uin, "hello");
        scene.advance(Duration::from_millis(1));
        bob.listen(&mut scene);
        alice.listen(&mut scene);
        scene.advance(Duration::from_millis(300));
    }
    let before = scene.wakeups();
    scene.advance(Duration::from_secs(200));
    assert_eq!((scene.count("sessions_expired"), scene.sessions()), (2, 0));
    let wakeups = scene.wakeups() - before;
    // The wheel goes round every 16 s, and each time both sessions are found to have time left.
    assert!(wakeups < 2 * 14, "{wakeups} timers of two sessions");
}
