//! Sessions between the right password and the proof of the address: what they may hold, and how long.

use myicq_wire::{Seq, Status};

use crate::client::{Client, Offer, words};
use crate::scene::Scene;

/// A client whose login is right and whose address is not proven, and the number of the reply.
fn waiting(scene: &mut Scene) -> (Client, Seq) {
    let mut client = scene.absent(Offer::Plain);
    client.knock(scene, Status::ONLINE);
    let seq = match &client.take(scene)[..] {
        [reply] => reply.seq(),
        heard => panic!("one reply to a login, not {}", heard.len()),
    };
    (client, seq)
}

#[test]
fn who_guesses_at_acknowledgements_proves_nothing() {
    let mut scene = Scene::new();
    let (alice, seq) = waiting(&mut scene);
    let mut guess = seq;
    for wrong in 1..=3 {
        assert_eq!(scene.sessions(), 1, "before guess {wrong}");
        guess = guess.next();
        alice.acknowledge(&mut scene, guess);
    }
    alice.acknowledge(&mut scene, seq);
    assert_eq!((scene.sessions(), scene.count("sessions_opened")), (0, 0));
    assert_eq!(scene.count("sessions_never_proven"), 1);
}

#[test]
fn two_wrong_acknowledgements_are_forgiven() {
    let mut scene = Scene::new();
    let (alice, seq) = waiting(&mut scene);
    for wrong in [seq.next(), seq.next().next()] {
        alice.acknowledge(&mut scene, wrong);
    }
    alice.acknowledge(&mut scene, seq);
    assert_eq!(scene.count("sessions_opened"), 1);
}

/// Sends messages of these many bytes before the proof of the address. How many bytes the datagrams had, and which messages
/// reached their recipient after it.
fn send_early(texts: &[usize]) -> (Scene, usize, Vec<String>) {
    let mut scene = Scene::new();
    let bob = scene.present(Offer::Plain);
    let (mut alice, seq) = waiting(&mut scene);
    let before = scene.traffic(alice.address).to_shard;
    for (letter, &len) in ('a'..).zip(texts) {
        alice.say(&mut scene, bob.uin, &letter.to_string().repeat(len));
    }
    let bytes = scene.traffic(alice.address).to_shard - before;
    alice.acknowledge(&mut scene, seq);
    let heard = words(&bob.listen(&mut scene));
    (scene, bytes, heard)
}

#[test]
fn requests_before_the_proof_are_kept_up_to_2048_bytes() {
    let (scene, bytes, heard) = send_early(&[220, 220, 220, 220, 228, 228, 228, 228]);
    assert_eq!(bytes, 2048);
    let initials: String = heard.iter().filter_map(|words| words.chars().next()).collect();
    assert_eq!(initials, "abcdefgh");
    assert_eq!(scene.count("drop_half_open_full"), 0);
}

#[test]
fn requests_before_the_proof_beyond_2048_bytes_are_dropped() {
    let (scene, bytes, heard) = send_early(&[220, 220, 220, 228, 228, 228, 228, 228]);
    assert_eq!(bytes, 2056, "one block too many");
    assert_eq!((heard.len(), scene.count("drop_half_open_full")), (7, 1));
}

#[test]
fn no_more_than_eight_requests_before_the_proof_are_kept() {
    let (scene, _, heard) = send_early(&[1; 9]);
    assert_eq!((heard.len(), scene.count("drop_half_open_full")), (8, 1));
}

/// The logins that are remembered in the order in which they came must not hide behind those that are open long since.
#[test]
fn the_oldest_waiting_login_makes_room_and_never_an_open_session() {
    let mut scene = Scene::with(|config| config.limits.half_open_max = 4);
    let mut open = scene.present(Offer::Plain);
    let (forgotten, seq) = waiting(&mut scene);
    let mut busy = scene.absent(Offer::Plain);
    for _ in 0..2_000 {
        busy.log_in(&mut scene, Status::ONLINE);
        busy.log_out(&mut scene);
    }
    assert_eq!((scene.sessions(), scene.count("sessions_never_proven")), (2, 0), "those have left again");

    let [second, third, fourth] = std::array::from_fn(|_| waiting(&mut scene));
    assert_eq!((scene.sessions(), scene.count("sessions_never_proven")), (5, 0), "as many as may be");
    let fifth = waiting(&mut scene);
    assert_eq!((scene.sessions(), scene.count("sessions_never_proven")), (5, 1), "one more");

    let opened = scene.count("sessions_opened");
    forgotten.acknowledge(&mut scene, seq);
    assert_eq!(scene.count("sessions_opened"), opened, "the oldest is forgotten");
    for (client, seq) in [second, third, fourth, fifth] {
        client.acknowledge(&mut scene, seq);
        open.say(&mut scene, client.uin, "still here");
        assert_eq!(words(&client.listen(&mut scene)), ["still here"]);
    }
    assert_eq!(scene.count("sessions_opened"), opened + 4);
}

#[test]
fn sessions_whose_address_is_proven_make_room_for_others() {
    let mut scene = Scene::with(|config| config.limits.half_open_max = 1);
    for _ in 0..100 {
        scene.present(Offer::Plain);
    }
    let (client, seq) = waiting(&mut scene);
    assert_eq!((scene.sessions(), scene.count("sessions_never_proven")), (101, 0));
    client.acknowledge(&mut scene, seq);
    assert_eq!(scene.count("sessions_opened"), 101);
}
