//! Logging in and out.

use myicq_wire::{Command, KeepAlive, LoginError, Request, SessionId, Status};

use crate::client::{Client, Heard, Offer, commands};
use crate::scene::Scene;

/// Clients of 2003 send a LOGOUT before the LOGIN that follows their registration, in the same session. It may come late.
#[test]
fn a_logout_from_before_the_login_is_stale() {
    let mut scene = Scene::new();
    let mut alice = scene.absent(Offer::Plain);
    let (login_seq, mut early) = (alice.seq, alice.clone());
    alice.log_in(&mut scene, Status::ONLINE);
    for seq in [login_seq - 1, login_seq] {
        early.seq = seq;
        early.log_out(&mut scene);
    }
    assert_eq!((scene.count("drop_stale"), scene.sessions()), (2, 1));
    alice.log_out(&mut scene);
    assert_eq!((scene.count("sessions_logged_out"), scene.sessions()), (1, 0));
}

/// The same before the proof of the address.
#[test]
fn a_logout_from_before_the_login_does_not_end_a_half_open_session() {
    let mut scene = Scene::new();
    let mut alice = scene.absent(Offer::Plain);
    let mut early = alice.clone();
    early.seq -= 1;
    alice.knock(&mut scene, Status::ONLINE);
    early.log_out(&mut scene);
    alice.listen(&mut scene);
    assert_eq!((scene.count("drop_stale"), scene.count("sessions_opened")), (1, 1));
}

/// A client logs in twice over, and its acknowledgement of the first reply comes last.
#[test]
fn the_late_proof_of_an_older_login_replaces_nobody() {
    let mut scene = Scene::new();
    let mut older = scene.absent(Offer::Plain);
    let mut newer = Client { session: SessionId(older.session.0 + 1000), ..older.clone() };
    older.knock(&mut scene, Status::ONLINE);
    let [reply] = &older.take(&mut scene)[..] else { panic!("one reply to a login") };
    newer.log_in(&mut scene, Status::ONLINE);

    older.acknowledge(&mut scene, reply.seq());

    let told: Vec<_> = older.take(&mut scene).iter().map(Heard::login_error).collect();
    assert_eq!(told, [Some(LoginError::REPLACED)], "the older session hears that it is over");
    assert_eq!(commands(&newer.take(&mut scene)), []);
    assert_eq!(scene.sessions(), 1);
    newer.send(&mut scene, &Request::KeepAlive(KeepAlive { random: 1 }));
    assert_eq!(commands(&newer.take(&mut scene)), [Command::KeepAlive]);
}
