//! What is said to everybody: to each once, and not to those who come to be users later.

use std::time::Duration;

use myicq_server::hub::Refusal;
use myicq_server::store::Work;
use myicq_wire::{BroadcastMessage, Command, MessageKind, RefusalReason, Request, Status, Str, Uin};

use crate::client::{Client, Offer, commands, words};
use crate::scene::Scene;

/// Longer than it takes to tell everybody in these tests, and shorter than it takes to tell it again.
const A_WHILE: Duration = Duration::from_millis(100);

const NOTHING: [&str; 0] = [];

fn hears(scene: &mut Scene, client: &Client) -> Vec<String> {
    let mut heard = Vec::new();
    for _ in 0..15 {
        scene.advance(A_WHILE);
        heard.extend(words(&client.listen(scene)));
    }
    heard
}

fn said_to_all(kind: MessageKind, text: &[u8]) -> Request<'_> {
    Request::BroadcastMessage(BroadcastMessage { kind, text: Str(text) })
}

#[test]
fn each_hears_it_once_also_who_was_away_and_across_restarts() {
    for offer in [Offer::Plain, Offer::Once] {
        let mut scene = Scene::new();
        let (present, mut absent, mut hidden) = (scene.present(offer), scene.absent(offer), scene.absent(offer));
        hidden.log_in(&mut scene, Status::INVISIBLE);
        assert_eq!(scene.broadcast("one"), Ok(()));
        assert_eq!(scene.broadcast("two 宋"), Ok(()));
        scene.advance(A_WHILE);
        let heard = present.listen(&mut scene);
        let [first, ..] = &heard[..] else { panic!("two messages") };
        assert_eq!(first.message().unwrap().from, Uin::ADMINISTRATOR);
        // In GBK, which is no UTF-8.
        assert_eq!(&*heard[1].message().unwrap().text, b"two \xcb\xce");
        assert_eq!(words(&heard)[0], "one");
        assert_eq!(words(&hidden.listen(&mut scene)).len(), 2);
        let mut newcomer = scene.absent(offer);
        scene.restart();
        scene.advance(A_WHILE);
        let mut present = scene.client(present.uin, offer);
        assert_eq!(words(&present.log_in(&mut scene, Status::ONLINE)), NOTHING);
        assert_eq!(words(&absent.log_in(&mut scene, Status::ONLINE)).len(), 2);
        assert_eq!(words(&newcomer.log_in(&mut scene, Status::ONLINE)), NOTHING);
        assert_eq!(scene.broadcast("three"), Ok(()));
        scene.advance(A_WHILE);
        for client in [&present, &absent, &newcomer] {
            assert_eq!(words(&client.listen(&mut scene)), ["three"]);
        }
        absent.log_out(&mut scene);
        assert_eq!(words(&absent.log_in(&mut scene, Status::ONLINE)), NOTHING);
    }
}

#[test]
fn only_the_administrator_says_something_to_everybody() {
    let mut scene = Scene::new();
    let (mut alice, bob) = (scene.present(Offer::Once), scene.present(Offer::Plain));
    alice.send(&mut scene, &said_to_all(MessageKind::TEXT, b"hello"));
    let [refused] = &alice.listen(&mut scene)[..] else { panic!("one answer") };
    assert_eq!(refused.refusal(), Some(RefusalReason::NOT_ALLOWED));
    let mut administrator = scene.administrator(Offer::Once);
    administrator.log_in(&mut scene, Status::ONLINE);
    administrator.send(&mut scene, &said_to_all(MessageKind::TEXT, b"hello\xfffont\xff9\xff0\xff0"));
    assert_eq!(commands(&administrator.listen(&mut scene)), [Command::Ack]);
    scene.advance(A_WHILE);
    assert_eq!(words(&bob.listen(&mut scene)), ["hello"]);
    assert_eq!(words(&administrator.listen(&mut scene)), ["hello"]);
    administrator.send(&mut scene, &said_to_all(MessageKind::AUTH_REJECTED, b"hello"));
    let [refused] = &administrator.listen(&mut scene)[..] else { panic!("one answer") };
    assert_eq!(refused.refusal(), Some(RefusalReason::MALFORMED));
}

#[test]
fn a_broadcast_that_nobody_could_be_told_is_refused() {
    let mut scene = Scene::new();
    let alice = scene.present(Offer::Plain);
    assert_eq!(scene.broadcast(""), Err(Refusal::Malformed));
    assert_eq!(scene.broadcast("a\0b"), Err(Refusal::Malformed));
    assert_eq!(scene.broadcast(&"x".repeat(451)), Err(Refusal::TooLong));
    assert_eq!(scene.broadcast(&"宋".repeat(151)), Err(Refusal::TooLong));
    scene.fail_next(|work| matches!(work, Work::StoreBroadcast { .. }));
    assert_eq!(scene.broadcast("lost"), Err(Refusal::Storage));
    assert_eq!(hears(&mut scene, &alice), NOTHING);
    assert_eq!(scene.broadcast(&"x".repeat(450)), Ok(()));
    assert_eq!(hears(&mut scene, &alice), ["x".repeat(450)]);
}

/// Each is told, and none of the others has to wait behind all of them.
#[test]
fn fifty_are_told_at_once_and_the_next_a_moment_later() {
    let mut scene = Scene::new();
    let clients: Vec<_> = (0..101).map(|_| scene.present(Offer::Plain)).collect();
    let told = |scene: &mut Scene| clients.iter().filter(|client| !words(&client.take(scene)).is_empty()).count();
    // The first of all makes the server ask for everybody's place.
    scene.broadcast("first").unwrap();
    scene.advance(A_WHILE);
    clients.iter().for_each(|client| drop(client.listen(&mut scene)));
    scene.broadcast("second").unwrap();
    scene.advance(Duration::ZERO);
    assert_eq!(told(&mut scene), 50);
    scene.advance(Duration::from_millis(19));
    assert_eq!(told(&mut scene), 0);
    scene.advance(Duration::from_millis(1));
    assert_eq!(told(&mut scene), 50);
    scene.advance(Duration::from_millis(20));
    assert_eq!(told(&mut scene), 1);
}

#[test]
fn what_has_expired_is_told_to_nobody() {
    let mut scene = Scene::with(|config| config.limits.broadcast_lifetime = Duration::from_secs(3600));
    let (mut early, mut late) = (scene.absent(Offer::Once), scene.absent(Offer::Once));
    scene.broadcast("old").unwrap();
    scene.advance(Duration::from_secs(3599));
    assert_eq!(words(&early.log_in(&mut scene, Status::ONLINE)), ["old"]);
    scene.advance(Duration::from_secs(1));
    assert_eq!(words(&late.log_in(&mut scene, Status::ONLINE)), NOTHING);
}

#[test]
fn a_hundred_are_kept_and_one_more_forgets_the_oldest() {
    let mut scene = Scene::new();
    let mut client = scene.absent(Offer::Once);
    (0..101).for_each(|number| scene.broadcast(&number.to_string()).unwrap());
    let heard = words(&client.log_in(&mut scene, Status::ONLINE));
    assert_eq!((heard.len(), heard[0].as_str(), heard[99].as_str()), (100, "1", "100"));
}

/// A client of 2003 acknowledges a number once. When that is lost, it may have shown the broadcast, and it comes again with the next login.
#[test]
fn what_was_not_acknowledged_comes_again_with_the_next_session_and_what_follows_behind_it() {
    let mut scene = Scene::new();
    let mut bob = scene.present(Offer::Plain);
    scene.broadcast("one").unwrap();
    scene.broadcast("two").unwrap();
    scene.advance(A_WHILE);
    assert_eq!(words(&bob.take(&mut scene)), ["one"]);
    scene.advance(Duration::from_secs(60));
    assert_eq!(scene.count("datagrams_given_up"), 1);
    bob.take(&mut scene);
    scene.broadcast("three").unwrap();
    assert_eq!(hears(&mut scene, &bob), NOTHING);
    bob.log_out(&mut scene);
    assert_eq!(words(&bob.log_in(&mut scene, Status::ONLINE)), ["one", "two", "three"]);
}

#[test]
fn a_place_that_could_not_be_loaded_is_asked_for_again() {
    let mut scene = Scene::new();
    let mut bob = scene.absent(Offer::Once);
    scene.broadcast("one").unwrap();
    scene.fail_next(|work| matches!(work, Work::LoadLastBroadcast { .. }));
    assert_eq!(words(&bob.log_in(&mut scene, Status::ONLINE)), NOTHING);
    assert_eq!(hears(&mut scene, &bob), ["one"]);
    scene.fail_next(|work| matches!(work, Work::LoadBroadcasts { .. }));
    scene.restart();
    let mut carol = scene.absent(Offer::Once);
    carol.log_in(&mut scene, Status::ONLINE);
    scene.broadcast("two").unwrap();
    assert_eq!(hears(&mut scene, &carol), ["two"]);
}
