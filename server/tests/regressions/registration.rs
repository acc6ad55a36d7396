//! New users, and those who only seem to be.

use std::time::Duration;

use myicq_wire::{Command, Reply, Seq, Status, Uin};

use crate::client::{Client, Heard, Offer, commands};
use crate::scene::{PASSWORD, Scene};

/// The number that a registration was answered with, and the reply's own.
fn registered(heard: &[Heard]) -> (Uin, Seq) {
    let [reply] = heard else { panic!("one reply to a registration, not {:?}", commands(heard)) };
    let Reply::NewUin(new) = reply.reply() else { panic!("{:?}", reply.reply()) };
    (new.uin, reply.seq())
}

/// A client that has registered, and the number of the reply, not acknowledged.
fn newcomer(scene: &mut Scene) -> (Client, Seq) {
    let mut client = scene.client(Uin::NONE, Offer::Plain);
    client.register(scene, PASSWORD);
    let (uin, seq) = registered(&client.take(scene));
    client.uin = uin;
    (client, seq)
}

#[test]
fn a_registration_that_comes_again_after_the_login_makes_no_second_user() {
    let mut scene = Scene::new();
    let (mut alice, _) = newcomer(&mut scene);
    let mut again = Client { seq: alice.seq - 1, ..alice.clone() };
    alice.log_in(&mut scene, Status::ONLINE);
    again.register(&mut scene, PASSWORD);
    assert_eq!(scene.count("registrations"), 1);
    assert_eq!((scene.count("sessions_opened"), scene.sessions()), (1, 1));
}

#[test]
fn a_refused_registration_is_answered_with_no_more_than_came() {
    for password in [&b""[..], &[b'x'; 129]] {
        let mut scene = Scene::new();
        let client = scene.client(Uin::NONE, Offer::Plain);
        for _ in 0..10 {
            client.clone().register(&mut scene, password);
        }
        let traffic = scene.traffic(client.address);
        assert!(traffic.from_shard <= traffic.to_shard, "{} for {}", traffic.from_shard, traffic.to_shard);
        assert_eq!(scene.count("registrations"), 0);
    }
}

/// Whoever repeats a good registration in the name of another address must not multiply what goes there.
#[test]
fn a_repeated_registration_is_answered_with_no_more_than_came_and_one_reply() {
    let mut scene = Scene::new();
    let mut alice = scene.client(Uin::NONE, Offer::Plain);
    let registration = alice.clone();
    alice.register(&mut scene, PASSWORD);
    let [reply] = &alice.take(&mut scene)[..] else { panic!("one reply to a registration") };
    for _ in 0..40 {
        scene.advance(Duration::from_secs(1));
        registration.clone().register(&mut scene, PASSWORD);
        let traffic = scene.traffic(alice.address);
        assert!(traffic.from_shard <= traffic.to_shard + reply.len, "{} for {}", traffic.from_shard, traffic.to_shard);
    }
    let repeated = alice.take(&mut scene);
    assert!(repeated.len() > 10, "a client whose reply was lost gets it again");
    assert!(repeated.iter().all(|again| again.header == reply.header && again.body == reply.body));
    assert_eq!(scene.count("registrations"), 1);
}

#[test]
fn the_login_after_a_registration_goes_on_with_its_numbers() {
    let mut scene = Scene::new();
    let (mut alice, seq) = newcomer(&mut scene);
    for guess in [seq.next().next(), seq.next().next().next()] {
        alice.acknowledge(&mut scene, guess);
    }
    alice.knock(&mut scene, Status::ONLINE);
    let [reply] = &alice.take(&mut scene)[..] else { panic!("one reply to a login") };
    assert_eq!(reply.seq(), seq.next());
}

/// Otherwise a forger could try all 65,535 numbers on a registration, and log in with the proof already made.
#[test]
fn the_login_after_guesses_at_a_registration_begins_anew() {
    let mut scene = Scene::new();
    let (mut alice, seq) = newcomer(&mut scene);
    let mut guess = seq.next();
    for _ in 0..3 {
        guess = guess.next();
        alice.acknowledge(&mut scene, guess);
    }
    // Too late to be believed.
    alice.acknowledge(&mut scene, seq);
    alice.knock(&mut scene, Status::ONLINE);
    assert_eq!(scene.count("sessions_opened"), 0);
    let [reply] = &alice.take(&mut scene)[..] else { panic!("one reply to a login") };
    assert_ne!(reply.seq(), seq.next());
    assert_eq!(reply.command(), Command::Login);
    alice.acknowledge(&mut scene, reply.seq());
    assert_eq!(scene.count("sessions_opened"), 1);
}
