//! New users, and those who only seem to be.

use std::time::Duration;

use myicq_server::store::{Outcome, Work};
use myicq_wire::{Command, LoginError, RefusalReason, Reply, Seq, Status, Uin};

use crate::client::{Client, Heard, Offer, commands, words};
use crate::scene::{PASSWORD, Scene};

/// The number that a registration was answered with, and the reply's own.
fn registered(heard: &[Heard]) -> (Uin, Seq) {
    let [reply] = heard else { panic!("one reply to a registration, not {:?}", commands(heard)) };
    let Reply::NewUin(new) = reply.reply() else { panic!("{:?}", reply.reply()) };
    (new.uin, reply.seq())
}

/// A client that has registered, and the number of the reply, not acknowledged.
fn newcomer(scene: &mut Scene) -> (Client, Seq) {
    newcomer_with(scene, Offer::Plain)
}

fn newcomer_with(scene: &mut Scene, offer: Offer) -> (Client, Seq) {
    let mut client = scene.client(Uin::NONE, offer);
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
    assert_eq!(scene.count("registrations"), 0, "nobody has proven the address");
    alice.acknowledge(&mut scene, reply.seq());
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

/// Whether there is such a user, as somebody sees it who writes to him.
fn exists(scene: &mut Scene, uin: Uin) -> bool {
    let mut other = scene.present(Offer::Once);
    other.say(scene, uin, "are you there?");
    let is_refused = other.listen(scene).iter().any(|it| it.refusal() == Some(RefusalReason::NO_SUCH_USER));
    other.log_out(scene);
    !is_refused
}

/// Whoever forges the address of a registration makes nobody, with however many datagrams: what he cannot do is to acknowledge.
#[test]
fn a_forged_registration_leaves_nobody_behind() {
    let mut scene = Scene::new();
    let (mut forged, _) = newcomer(&mut scene);
    forged.knock(&mut scene, Status::ONLINE);
    forged.say(&mut scene, forged.uin, "to myself");
    let (silent, _) = newcomer(&mut scene);
    scene.advance(Duration::from_mins(5));
    assert!(!exists(&mut scene, forged.uin) && !exists(&mut scene, silent.uin));
    assert_eq!((scene.count("registrations"), scene.count("registrations_never_proven")), (0, 2));
    assert_eq!((scene.sessions(), scene.count("sessions_opened")), (0, 2), "those of who looked");
    let (next, _) = newcomer(&mut scene);
    assert!(next.uin > silent.uin, "no number is given to two");
}

#[test]
fn an_acknowledged_registration_makes_a_user_without_a_login() {
    let mut scene = Scene::new();
    let (alice, seq) = newcomer(&mut scene);
    alice.acknowledge(&mut scene, seq);
    alice.acknowledge(&mut scene, seq);
    assert!(scene.take(alice.address, alice.session).is_empty(), "plain version 1 hears no more of it");
    assert_eq!(scene.count("registrations"), 1);
    scene.advance(Duration::from_mins(5));
    let mut elsewhere = scene.client(alice.uin, Offer::Plain);
    elsewhere.log_in(&mut scene, Status::ONLINE);
    assert_eq!((scene.count("sessions_opened"), scene.count("registrations_never_proven")), (1, 0));
}

/// The acknowledgement of the registration is lost; that of the LOGIN reply proves the same.
#[test]
fn the_login_behind_a_registration_makes_a_user_when_it_is_acknowledged() {
    let mut scene = Scene::new();
    let (mut alice, _) = newcomer(&mut scene);
    alice.send(&mut scene, &myicq_wire::Request::Logout);
    alice.knock(&mut scene, Status::ONLINE);
    let [reply] = &alice.take(&mut scene)[..] else { panic!("one reply to a login") };
    assert_eq!((reply.login_error(), scene.count("registrations")), (None, 0));
    alice.acknowledge(&mut scene, reply.seq());
    assert_eq!((scene.count("registrations"), scene.count("sessions_opened")), (1, 1));
    let mut bob = scene.present(Offer::Plain);
    bob.say(&mut scene, alice.uin, "welcome");
    assert_eq!(words(&alice.listen(&mut scene)), ["welcome"]);
}

#[test]
fn a_newcomer_waits_until_he_is_on_the_disk() {
    let mut scene = Scene::new();
    let (mut alice, seq) = newcomer(&mut scene);
    alice.knock(&mut scene, Status::ONLINE);
    scene.fail_next(|work| matches!(work, Work::CreateUser { .. }));
    alice.acknowledge(&mut scene, seq);
    alice.send(&mut scene, &myicq_wire::Request::UpdateUser);
    assert_eq!((scene.count("registrations"), scene.count("sessions_opened")), (0, 0));
    scene.advance(Duration::from_secs(1));
    assert_eq!((scene.count("registrations"), scene.count("sessions_opened")), (1, 1), "it is tried again");
    assert!(commands(&alice.take(&mut scene)).contains(&Command::UpdateUser), "what came meanwhile is answered");
}

/// The disk fails for longer than a registration is remembered.
#[test]
fn who_has_acknowledged_his_number_gets_it_when_the_disk_is_well_again() {
    let mut scene = Scene::new();
    let (alice, seq) = newcomer(&mut scene);
    scene.stall();
    alice.acknowledge(&mut scene, seq);
    scene.advance(Duration::from_mins(5));
    scene.resume();
    assert_eq!((scene.count("registrations"), scene.count("registrations_never_proven")), (1, 0));
    assert!(exists(&mut scene, alice.uin));
}

#[test]
fn a_newcomers_number_is_open_to_his_password_and_his_place_alone() {
    let mut scene = Scene::new();
    let (mut alice, seq) = newcomer(&mut scene);
    let mut elsewhere = scene.client(alice.uin, Offer::Plain);
    elsewhere.knock(&mut scene, Status::ONLINE);
    assert_eq!(elsewhere.take(&mut scene)[0].login_error(), Some(LoginError::INVALID_UIN), "he is no user yet");
    let login = myicq_wire::Login {
        password: myicq_wire::Secret(b"wrong"),
        status: Status::ONLINE,
        tcp_version: 1,
        real_ip: Default::default(),
        port: 9,
    };
    alice.send(&mut scene, &myicq_wire::Request::Login(login));
    assert_eq!(alice.take(&mut scene)[0].login_error(), Some(LoginError::WRONG_PASSWORD));
    alice.acknowledge(&mut scene, seq);
    alice.log_in(&mut scene, Status::ONLINE);
    assert_eq!(scene.count("sessions_opened"), 1);
}

#[test]
fn a_number_that_the_administrator_takes_is_no_newcomers() {
    let mut scene = Scene::new();
    let (mut alice, seq) = newcomer(&mut scene);
    alice.knock(&mut scene, Status::ONLINE);
    scene.errand(Work::AddUser { uin: Some(alice.uin), nick: String::new(), password_hash: String::new() });
    assert_eq!(scene.take_errand(), Some(Outcome::Created(alice.uin)));
    alice.acknowledge(&mut scene, seq);
    assert_eq!((scene.count("registrations"), scene.count("registrations_failed")), (0, 1));
    assert_eq!((scene.sessions(), scene.count("sessions_opened")), (0, 0));
}

/// An acknowledgement may be lost, and nobody acknowledges it. With ONCE the server says what it knows.
#[test]
fn with_once_a_client_hears_that_it_is_registered() {
    let mut scene = Scene::new();
    let mut alice = scene.client(Uin::NONE, Offer::Once);
    let registration = alice.clone();
    alice.register(&mut scene, PASSWORD);
    let (uin, seq) = registered(&alice.take(&mut scene));
    alice.uin = uin;
    for _ in 0..2 {
        scene.advance(Duration::from_secs(1));
        registration.clone().register(&mut scene, PASSWORD);
        assert_eq!(registered(&alice.take(&mut scene)), (uin, seq), "the acknowledgement was lost");
    }
    let is_confirmed = |scene: &mut Scene| {
        let heard = alice.take(scene);
        let [confirmed] = &heard[..] else { panic!("one word, not {:?}", commands(&heard)) };
        (confirmed.command(), confirmed.header.seq, confirmed.header.ackseq) == (Command::Ack, None, Seq::new(100))
    };
    alice.acknowledge(&mut scene, seq);
    assert!(is_confirmed(&mut scene));
    alice.acknowledge(&mut scene, seq);
    assert!(is_confirmed(&mut scene), "again, when that was lost");
    registration.clone().register(&mut scene, PASSWORD);
    assert!(is_confirmed(&mut scene));
    assert_eq!(scene.count("registrations"), 1);
}
