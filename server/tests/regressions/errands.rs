//! What the administrator does to users while the server runs.

use std::time::Duration;

use myicq_server::store::{Outcome, Work};
use myicq_wire::charset::Charset;
use myicq_wire::{Capabilities, Command, LoginError, Reply, Status, Uin};

use crate::client::{Heard, Offer, commands, words};
use crate::scene::{Asked, Scene};

fn remove(uin: Uin) -> Work {
    Work::RemoveUser { uin }
}

/// Makes a user of that number, whom no password fits.
fn make(scene: &mut Scene, uin: Uin) {
    scene.errand(Work::AddUser { uin: Some(uin), nick: String::new(), password_hash: String::new() });
    assert_eq!(scene.take_errand(), Some(Outcome::Created(uin)));
}

fn errors(heard: &[Heard]) -> Vec<Option<LoginError>> {
    heard.iter().map(Heard::login_error).collect()
}

#[test]
fn a_removed_user_is_told_so_and_seen_to_go() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = (scene.present(Offer::Once), scene.present(Offer::Plain));
    alice.add(&mut scene, bob.uin);
    alice.listen(&mut scene);
    bob.listen(&mut scene);
    scene.errand(remove(bob.uin));
    assert_eq!(scene.take_errand(), Some(Outcome::Removed(Some(0))));
    assert_eq!(errors(&bob.listen(&mut scene)), [Some(LoginError::INVALID_UIN)]);
    let heard = alice.listen(&mut scene);
    assert!(matches!(heard[0].reply(), Reply::UserOffline(offline) if offline.uin == bob.uin));
    assert_eq!((heard.len(), scene.sessions(), scene.count("sessions_removed")), (1, 1, 1));

    // His password is not remembered, and nobody watches whoever has his number after him.
    assert_eq!(errors(&bob.log_in(&mut scene, Status::ONLINE)), [Some(LoginError::INVALID_UIN)]);
    alice.say(&mut scene, bob.uin, "are you there?");
    assert_eq!(commands(&alice.listen(&mut scene)), [Command::Refused]);
    alice.log_out(&mut scene);
    alice.listen(&mut scene);
    make(&mut scene, bob.uin);
    assert_eq!(commands(&alice.log_in(&mut scene, Status::ONLINE)), [Command::Login]);
}

#[test]
fn who_watched_a_removed_user_does_not_see_the_next_of_his_number() {
    let mut scene = Scene::new();
    let (mut alice, bob) = (scene.present(Offer::Once), scene.present(Offer::Once));
    alice.add(&mut scene, bob.uin);
    alice.listen(&mut scene);
    bob.listen(&mut scene);
    let work = Work::LoadAccount { uin: bob.uin };
    scene.errand(work);
    let Some(Outcome::Account(Some(password_hash))) = scene.take_errand() else { panic!("nobody") };
    scene.errand(remove(bob.uin));
    alice.listen(&mut scene);
    bob.listen(&mut scene);
    scene.take_errand();
    scene.errand(Work::AddUser { uin: Some(bob.uin), nick: String::new(), password_hash });
    let mut other = scene.client(bob.uin, Offer::Once);
    assert_eq!(commands(&other.log_in(&mut scene, Status::ONLINE)), [Command::Login]);
    assert_eq!(commands(&alice.listen(&mut scene)), []);
}

/// The store has handed out the hash, then the user is removed, and only then has argon2 compared the two.
#[test]
fn a_login_that_a_removal_overtakes_comes_to_nothing() {
    let mut scene = Scene::new();
    let mut alice = scene.absent(Offer::Once);
    scene.stall();
    alice.knock(&mut scene, Status::ONLINE);
    scene.errand(remove(alice.uin));
    scene.resume();
    assert_eq!(scene.take_errand(), Some(Outcome::Removed(Some(0))));
    assert_eq!((commands(&alice.listen(&mut scene)), scene.sessions()), (vec![], 0));
    scene.take_asked();
    assert_eq!(errors(&alice.log_in(&mut scene, Status::ONLINE)), [Some(LoginError::INVALID_UIN)]);
    assert_eq!(scene.take_asked(), Asked { accounts: 1, passwords: 1 });
}

#[test]
fn an_unproven_session_of_a_removed_user_ends_in_silence() {
    let mut scene = Scene::new();
    let mut alice = scene.absent(Offer::Plain);
    alice.knock(&mut scene, Status::ONLINE);
    assert_eq!((commands(&alice.take(&mut scene)), scene.sessions()), (vec![Command::Login], 1));
    scene.errand(remove(alice.uin));
    assert_eq!((commands(&alice.take(&mut scene)), scene.sessions()), (vec![], 0));
}

#[test]
fn what_was_on_its_way_to_a_removed_user_is_refused() {
    let mut scene = Scene::new();
    let (mut alice, bob) = (scene.present(Offer::Once), scene.present(Offer::Once));
    alice.say(&mut scene, bob.uin, "hello");
    assert_eq!(words(&bob.take(&mut scene)), ["hello"]);
    scene.errand(remove(bob.uin));
    assert_eq!(commands(&alice.listen(&mut scene)), [Command::Refused]);
    scene.advance(Duration::from_secs(10));
    assert_eq!(commands(&alice.listen(&mut scene)), []);
}

#[test]
fn a_removal_that_fails_ends_nothing() {
    let mut scene = Scene::new();
    let alice = scene.present(Offer::Once);
    scene.fail_next(|work| matches!(work, Work::RemoveUser { .. }));
    scene.errand(remove(alice.uin));
    assert_eq!(scene.take_errand(), Some(Outcome::Failed));
    scene.errand(remove(Uin(5)));
    assert_eq!(scene.take_errand(), Some(Outcome::Removed(None)));
    assert_eq!((commands(&alice.listen(&mut scene)), scene.sessions()), (vec![], 1));
}

#[test]
fn a_password_that_the_administrator_changes_is_judged_anew() {
    let mut scene = Scene::new();
    let mut alice = scene.present(Offer::Once);
    let password_hash = String::new();
    scene.errand(Work::SetPassword { uin: alice.uin, password_hash });
    assert_eq!(scene.take_errand(), Some(Outcome::Found(true)));
    assert_eq!((commands(&alice.listen(&mut scene)), scene.sessions()), (vec![], 1), "who is here stays");
    alice.log_out(&mut scene);
    alice.listen(&mut scene);
    assert_eq!(errors(&alice.log_in(&mut scene, Status::ONLINE)), [Some(LoginError::WRONG_PASSWORD)]);
}

#[test]
fn sessions_are_seen_as_they_are() {
    let mut scene = Scene::new();
    let (alice, mut bob, mut cid) =
        (scene.present(Offer::Once), scene.absent(Offer::Plain), scene.absent(Offer::Plain));
    bob.log_in(&mut scene, Status::INVISIBLE);
    scene.pass(Duration::from_secs(3));
    cid.knock(&mut scene, Status::AWAY);
    let views = scene.session_views();
    let expected = [(alice.uin, Some(Status::ONLINE), 3), (bob.uin, Some(Status::INVISIBLE), 3), (cid.uin, None, 0)];
    let seen = views.iter().map(|view| (view.uin, view.status, view.idle.as_secs()));
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    assert_eq!((views[0].address, views[0].capabilities), (alice.address, Capabilities::ONCE));
    assert_eq!((views[0].charset, views[1].charset), (Charset::Gb18030, Charset::Gbk));
    assert_eq!((views[0].in_flight, views[2].in_flight), (0, 1));
    assert!(views[0].round_trip.is_some() && views[2].round_trip.is_none());
}
