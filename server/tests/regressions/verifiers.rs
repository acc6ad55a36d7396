//! Logins whose password argon2 has judged before.

use std::time::Duration;

use myicq_server::store::Work;
use myicq_wire::{Authorization, Command, Login, LoginError, ModifyUser, Profile, Request, Secret, SessionId, Status};

use crate::client::{Client, Heard, Offer, commands, words};
use crate::scene::{Asked, PASSWORD, Scene};

const NEW_PASSWORD: &[u8] = b"another";

/// What a login costs that goes all the way.
const ALL_THE_WAY: Asked = Asked { accounts: 1, passwords: 1 };

const NOTHING: Asked = Asked { accounts: 0, passwords: 0 };

/// A client of a new user, who has logged in and out.
fn known(scene: &mut Scene) -> Client {
    let mut client = scene.present(Offer::Once);
    client.log_out(scene);
    client.listen(scene);
    scene.take_asked();
    client
}

/// Sends a LOGIN in a new session. What was asked of the store and of argon2 since it was last looked at.
fn knock(scene: &mut Scene, client: &mut Client, password: &[u8]) -> Asked {
    client.session = SessionId(client.session.0 + 1000);
    let (password, status) = (Secret(password), Status::ONLINE);
    let login = Login { password, status, tcp_version: 1, real_ip: Default::default(), port: 9 };
    client.send(scene, &Request::Login(login));
    scene.take_asked()
}

fn change_password(scene: &mut Scene, client: &mut Client) {
    let (profile, password) = (Profile::default(), Some(Secret(NEW_PASSWORD)));
    client.send(scene, &Request::ModifyUser(ModifyUser { profile, auth: Authorization::ANYONE, password }));
}

fn errors(heard: &[Heard]) -> Vec<Option<LoginError>> {
    heard.iter().map(Heard::login_error).collect()
}

#[test]
fn a_second_login_asks_neither_the_store_nor_argon2_and_is_as_good() {
    let mut scene = Scene::new();
    let mut bob = scene.present(Offer::Once);
    let mut alice = known(&mut scene);
    bob.say(&mut scene, alice.uin, "while you were away");
    assert_eq!(knock(&mut scene, &mut alice, PASSWORD), NOTHING);
    assert_eq!(words(&alice.listen(&mut scene)), ["while you were away"]);
    alice.say(&mut scene, bob.uin, "here I am");
    assert_eq!(words(&bob.listen(&mut scene)), ["here I am"]);
    assert_eq!(scene.sessions(), 2);
}

#[test]
fn a_wrong_password_costs_what_it_always_does_and_the_right_one_stays_known() {
    let mut scene = Scene::new();
    let mut alice = known(&mut scene);
    for wrong in [&b""[..], b"Secret", b"secrets"] {
        assert_eq!(knock(&mut scene, &mut alice, wrong), ALL_THE_WAY);
        assert_eq!(errors(&alice.take(&mut scene)), [Some(LoginError::WRONG_PASSWORD)]);
    }
    assert_eq!(knock(&mut scene, &mut alice, PASSWORD), NOTHING);
}

#[test]
fn a_changed_password_is_judged_anew() {
    let mut scene = Scene::new();
    let mut alice = scene.present(Offer::Once);
    change_password(&mut scene, &mut alice);
    assert_eq!(commands(&alice.listen(&mut scene)), [Command::Ack]);
    scene.take_asked();
    assert_eq!(knock(&mut scene, &mut alice, PASSWORD), ALL_THE_WAY);
    assert_eq!(errors(&alice.take(&mut scene)), [Some(LoginError::WRONG_PASSWORD)]);
    assert_eq!(knock(&mut scene, &mut alice, NEW_PASSWORD), ALL_THE_WAY);
    assert_eq!(knock(&mut scene, &mut alice, NEW_PASSWORD), NOTHING);
    assert_eq!(knock(&mut scene, &mut alice, PASSWORD), ALL_THE_WAY);
}

#[test]
fn a_password_that_the_disk_does_not_take_forgets_the_old_one_all_the_same() {
    let mut scene = Scene::new();
    let mut alice = scene.present(Offer::Once);
    scene.fail_next(|work| matches!(work, Work::SaveProfile { .. }));
    change_password(&mut scene, &mut alice);
    assert_eq!(scene.count("refused_storage"), 1);
    scene.take_asked();
    assert_eq!(knock(&mut scene, &mut alice, PASSWORD), ALL_THE_WAY);
    assert_eq!(knock(&mut scene, &mut alice, PASSWORD), NOTHING);
}

/// The store has handed out the old hash, then the password changes, and only then has argon2 compared the two.
#[test]
fn a_login_that_a_change_of_password_overtakes_is_not_remembered() {
    let mut scene = Scene::with(|config| config.security.verifier_lifetime = Duration::from_secs(60));
    let mut alice = scene.present(Offer::Once);
    let mut other = scene.client(alice.uin, Offer::Once);
    // With nothing known of her, the login that follows has to go all the way.
    scene.advance(Duration::from_secs(60));
    scene.stall();
    scene.take_asked();
    change_password(&mut scene, &mut alice);
    let to_be_hashed = 1;
    assert_eq!(knock(&mut scene, &mut other, PASSWORD), Asked { accounts: 1, passwords: to_be_hashed });
    scene.resume();

    assert_eq!(errors(&other.take(&mut scene)), [None], "the old password was right when the login came");
    scene.take_asked();
    assert_eq!(knock(&mut scene, &mut other, PASSWORD), ALL_THE_WAY);
    assert_eq!(errors(&other.take(&mut scene)), [Some(LoginError::WRONG_PASSWORD)]);
    assert_eq!(knock(&mut scene, &mut other, NEW_PASSWORD), ALL_THE_WAY);
}

#[test]
fn a_password_is_known_for_its_lifetime_however_often_it_is_used() {
    let mut scene = Scene::with(|config| config.security.verifier_lifetime = Duration::from_secs(60));
    let mut alice = known(&mut scene);
    scene.advance(Duration::from_secs(59));
    assert_eq!(knock(&mut scene, &mut alice, PASSWORD), NOTHING);
    scene.advance(Duration::from_secs(1));
    assert_eq!(knock(&mut scene, &mut alice, PASSWORD), ALL_THE_WAY);
    assert_eq!(knock(&mut scene, &mut alice, PASSWORD), NOTHING);
}

#[test]
fn without_a_lifetime_every_login_goes_all_the_way() {
    let mut scene = Scene::with(|config| config.security.verifier_lifetime = Duration::ZERO);
    let mut alice = known(&mut scene);
    for _ in 0..2 {
        assert_eq!(knock(&mut scene, &mut alice, PASSWORD), ALL_THE_WAY);
        assert_eq!(errors(&alice.listen(&mut scene)), [None]);
    }
}

/// A full queue is what holds up who guesses. A known password gets past it; a guess must not, and be judged at once.
#[test]
fn while_argon2_is_busy_the_known_get_in_and_who_guesses_has_one_try() {
    let mut scene = Scene::with(|config| config.limits.hash_queue_max = 1);
    let (mut alice, mut bob) = (known(&mut scene), known(&mut scene));
    let mut stranger = scene.absent(Offer::Once);
    scene.stall();
    stranger.knock(&mut scene, Status::ONLINE);
    scene.take_asked();

    assert_eq!(knock(&mut scene, &mut alice, PASSWORD), NOTHING);
    assert_eq!(errors(&alice.take(&mut scene)), [None], "nobody waits whose password is known");
    for password in [&b"guess"[..], PASSWORD] {
        assert_eq!(knock(&mut scene, &mut bob, password), NOTHING);
        assert_eq!(commands(&bob.take(&mut scene)), [], "no answer tells a good guess from a bad one");
    }
    assert_eq!(scene.count("drop_logins_full"), 2);
    scene.resume();
    scene.take_asked();
    assert_eq!(knock(&mut scene, &mut bob, PASSWORD), ALL_THE_WAY);
    assert_eq!(errors(&bob.take(&mut scene)), [None]);
}

#[test]
fn a_user_whom_the_store_does_not_know_any_more_is_forgotten() {
    let mut scene = Scene::new();
    let mut alice = known(&mut scene);
    scene.lose_users();
    for password in [&b"wrong"[..], PASSWORD] {
        assert_eq!(knock(&mut scene, &mut alice, password), ALL_THE_WAY);
        assert_eq!(errors(&alice.take(&mut scene)), [Some(LoginError::INVALID_UIN)]);
    }
}
