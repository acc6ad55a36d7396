//! Receipts: who is told what has become of his messages, and who types; and what nobody learns by it.

use std::time::Duration;

use myicq_wire::{
    Capabilities, ChangeStatus, Command, MessageRef, RefusalReason, Reply, Request, Sent, Status, Typing, Uin,
};

use crate::client::{Client, Heard, Offer, commands, words};
use crate::scene::Scene;

const RECEIPTS: Offer = Offer::With(Capabilities(Capabilities::RECEIPTS.0 | Capabilities::ONCE.0));

/// Two who have each other on their lists.
fn friends(scene: &mut Scene) -> (Client, Client) {
    let (mut alice, mut bob) = (scene.present(RECEIPTS), scene.present(RECEIPTS));
    befriend(scene, &mut alice, &mut bob);
    (alice, bob)
}

fn befriend(scene: &mut Scene, alice: &mut Client, bob: &mut Client) {
    alice.add(scene, bob.uin);
    bob.add(scene, alice.uin);
    alice.listen(scene);
    bob.listen(scene);
    alice.listen(scene);
}

/// What a message is acknowledged with.
fn sent(heard: &[Heard]) -> Sent {
    let [accepted] = heard else { panic!("{:?}", commands(heard)) };
    let Reply::Sent(sent) = accepted.reply() else { panic!("{:?}", accepted.reply()) };
    sent
}

/// Says something, lets the other take it, and says what it is acknowledged with.
fn say(scene: &mut Scene, alice: &mut Client, bob: &Client) -> Sent {
    alice.say(scene, bob.uin, "hello");
    assert_eq!(words(&bob.listen(scene)), ["hello"]);
    sent(&alice.listen(scene))
}

fn type_to(scene: &mut Scene, client: &mut Client, to: Uin) -> Vec<Heard> {
    client.send(scene, &Request::Typing(Typing { uin: to, is_typing: 1 }));
    client.listen(scene)
}

fn read(scene: &mut Scene, client: &mut Client, from: Uin, id: u64) -> Vec<Heard> {
    client.send(scene, &Request::Read(MessageRef { uin: from, id }));
    client.listen(scene)
}

fn change_status(scene: &mut Scene, client: &mut Client, status: Status) {
    client.send(scene, &Request::ChangeStatus(ChangeStatus { status }));
    client.listen(scene);
}

#[test]
fn a_message_that_arrives_is_acknowledged_as_delivered_with_its_number() {
    let mut scene = Scene::new();
    let (mut alice, bob) = friends(&mut scene);
    alice.say(&mut scene, bob.uin, "hello");
    let heard = bob.listen(&mut scene);
    let id = heard[0].message().unwrap().id.unwrap();
    assert_eq!(sent(&alice.listen(&mut scene)), Sent { id, is_delivered: 1 });
}

/// The acknowledgement was lost: the request comes again, and is acknowledged without a number.
#[test]
fn what_is_repeated_gets_a_bare_acknowledgement() {
    let mut scene = Scene::new();
    let (mut alice, bob) = friends(&mut scene);
    let before = alice.seq;
    say(&mut scene, &mut alice, &bob);
    alice.seq = before;
    alice.say(&mut scene, bob.uin, "hello");
    assert_eq!(commands(&alice.listen(&mut scene)), [Command::Ack]);
    assert!(bob.listen(&mut scene).is_empty());
}

#[test]
fn a_stored_message_is_reported_when_it_is_taken() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = friends(&mut scene);
    bob.log_out(&mut scene);
    alice.listen(&mut scene);
    alice.say(&mut scene, bob.uin, "later");
    let Sent { id, is_delivered } = sent(&alice.listen(&mut scene));
    assert_eq!(is_delivered, 0);
    let mut bob = scene.client(bob.uin, RECEIPTS);
    assert_eq!(words(&bob.log_in(&mut scene, Status::ONLINE)), ["later"]);
    let heard = alice.listen(&mut scene);
    assert_eq!(commands(&heard), [Command::UserOnline, Command::Delivered]);
    assert_eq!(heard[1].reply(), Reply::Delivered(MessageRef { uin: bob.uin, id }));
}

#[test]
fn reading_is_told_once_and_only_of_what_was_got() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = friends(&mut scene);
    let ids: Vec<u64> = (0..3).map(|_| say(&mut scene, &mut alice, &bob).id).collect();
    for id in [0, ids[0] - 1] {
        assert_eq!(commands(&read(&mut scene, &mut bob, alice.uin, id)), [Command::Ack]);
    }
    read(&mut scene, &mut bob, Uin(10_099), ids[2]);
    assert!(alice.listen(&mut scene).is_empty(), "nothing of hers was read");

    read(&mut scene, &mut bob, alice.uin, ids[1]);
    read(&mut scene, &mut bob, alice.uin, ids[1]);
    let heard = alice.listen(&mut scene);
    assert_eq!(commands(&heard), [Command::Read]);
    assert_eq!(heard[0].reply(), Reply::Read(MessageRef { uin: bob.uin, id: ids[1] }));
    read(&mut scene, &mut bob, alice.uin, u64::MAX);
    assert_eq!(alice.listen(&mut scene)[0].reply(), Reply::Read(MessageRef { uin: bob.uin, id: ids[2] }));
    assert_eq!(commands(&read(&mut scene, &mut bob, alice.uin, u64::MAX)), [Command::Ack]);
    assert!(alice.listen(&mut scene).is_empty());
}

#[test]
fn typing_is_told_between_two_who_have_each_other_on_their_lists() {
    let mut scene = Scene::new();
    let (mut alice, bob) = friends(&mut scene);
    assert_eq!(commands(&type_to(&mut scene, &mut alice, bob.uin)), [Command::Ack]);
    assert_eq!(bob.listen(&mut scene)[0].reply(), Reply::Typing(Typing { uin: alice.uin, is_typing: 1 }));

    let mut carol = scene.present(RECEIPTS);
    carol.add(&mut scene, alice.uin);
    carol.listen(&mut scene);
    alice.listen(&mut scene);
    for (from, to) in [(&mut alice, carol.uin), (&mut carol, bob.uin)] {
        assert_eq!(commands(&type_to(&mut scene, from, to)), [Command::Ack]);
    }
    assert_eq!(commands(&type_to(&mut scene, &mut carol, alice.uin)), [Command::Ack]);
    for client in [&alice, &bob, &carol] {
        assert_eq!(commands(&client.listen(&mut scene)), [], "{}", client.uin);
    }
}

#[test]
fn ten_notices_of_typing_are_taken_at_once() {
    let mut scene = Scene::new();
    let (mut alice, bob) = friends(&mut scene);
    for _ in 0..10 {
        assert_eq!(commands(&type_to(&mut scene, &mut alice, bob.uin)), [Command::Ack]);
    }
    let refused = type_to(&mut scene, &mut alice, bob.uin);
    assert_eq!(refused[0].refusal(), Some(RefusalReason::BUSY));
    assert_eq!(bob.listen(&mut scene).len(), 10);
    scene.advance(Duration::from_secs(1));
    assert_eq!(commands(&type_to(&mut scene, &mut alice, bob.uin)), [Command::Ack]);
}

/// For Alice it makes no difference whether Bob is invisible or away for good.
#[test]
fn an_invisible_user_leaks_nothing() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = friends(&mut scene);
    change_status(&mut scene, &mut bob, Status::INVISIBLE);
    assert_eq!(commands(&alice.listen(&mut scene)), [Command::UserOffline]);
    let Sent { id, is_delivered } = say(&mut scene, &mut alice, &bob);
    assert_eq!(is_delivered, 0);
    read(&mut scene, &mut bob, alice.uin, id);
    type_to(&mut scene, &mut bob, alice.uin);
    assert!(alice.listen(&mut scene).is_empty());

    // Stored, and taken by a session that does not show itself.
    bob.log_out(&mut scene);
    alice.say(&mut scene, bob.uin, "later");
    alice.listen(&mut scene);
    let mut bob = scene.client(bob.uin, RECEIPTS);
    assert_eq!(words(&bob.log_in(&mut scene, Status::INVISIBLE)), ["later"]);
    assert!(alice.listen(&mut scene).is_empty());
}

/// Who may not see whether somebody is here does not learn it by writing to him.
#[test]
fn strangers_hear_of_nothing_but_that_it_is_stored() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = (scene.present(RECEIPTS), scene.present(RECEIPTS));
    let Sent { id, is_delivered } = say(&mut scene, &mut alice, &bob);
    assert_eq!(is_delivered, 0);
    read(&mut scene, &mut bob, alice.uin, id);
    assert!(alice.listen(&mut scene).is_empty());
}

#[test]
fn who_did_not_ask_hears_of_nothing() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = (scene.present(Offer::Once), scene.present(RECEIPTS));
    befriend(&mut scene, &mut alice, &mut bob);
    alice.say(&mut scene, bob.uin, "hello");
    let heard = bob.listen(&mut scene);
    let id = heard[0].message().unwrap().id.unwrap();
    assert_eq!(commands(&alice.listen(&mut scene)), [Command::Ack]);
    read(&mut scene, &mut bob, alice.uin, id);
    type_to(&mut scene, &mut bob, alice.uin);
    assert!(alice.listen(&mut scene).is_empty());
    // And what she has not is acknowledged, as everything that the server does not do.
    assert_eq!(commands(&type_to(&mut scene, &mut alice, bob.uin)), [Command::Ack]);
    assert!(bob.listen(&mut scene).is_empty());
    assert_eq!(scene.count("requests_unsupported"), 1);
}

#[test]
fn a_client_that_is_slow_to_acknowledge_misses_notices_and_keeps_its_session() {
    let mut scene = Scene::new();
    let mut bob = scene.present(RECEIPTS);
    let mut friends: Vec<Client> = (0..10).map(|_| scene.present(RECEIPTS)).collect();
    for friend in &mut friends {
        befriend(&mut scene, friend, &mut bob);
    }
    // The link's window, as many as may wait behind it, and one more.
    for count in 0..32 + 64 + 1 {
        let friend = &mut friends[count / 10];
        assert_eq!(scene.count("receipts_dropped"), 0);
        assert_eq!(commands(&type_to(&mut scene, friend, bob.uin)), [Command::Ack]);
    }
    assert_eq!(scene.count("receipts_dropped"), 1);
    assert_eq!(scene.sessions(), 11);
}
