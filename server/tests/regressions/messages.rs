//! Messages: each once, in order, and none lost.

use std::time::Duration;

use myicq_server::store::Work;
use myicq_wire::{Command, MessageKind, RefusalReason, Reply, Request, Status};

use crate::client::{Client, Heard, Offer, commands, said, words};
use crate::scene::Scene;

/// Longer than a message waits for its recipient before it is stored.
const HOLD: Duration = Duration::from_millis(300);

fn kinds(heard: &[Heard]) -> Vec<MessageKind> {
    heard.iter().filter_map(Heard::message).map(|message| message.kind).collect()
}

/// The acknowledgement comes while the copy for the disk is on its way there, and so does the next login.
#[test]
fn a_message_acknowledged_while_it_is_stored_is_not_shown_to_the_next_session() {
    let mut scene = Scene::new();
    let (mut alice, bob) = (scene.present(Offer::Plain), scene.present(Offer::Plain));
    let mut moved = scene.client(bob.uin, Offer::Plain);
    moved.knock(&mut scene, Status::ONLINE);
    let [login] = &moved.take(&mut scene)[..] else { panic!("one reply to a login") };
    alice.say(&mut scene, bob.uin, "hello");
    let [message] = &bob.take(&mut scene)[..] else { panic!("one message") };

    scene.stall();
    scene.advance(HOLD);
    bob.acknowledge(&mut scene, message.seq());
    moved.acknowledge(&mut scene, login.seq());
    scene.resume();

    assert_eq!(scene.count("sessions_replaced"), 1);
    assert_eq!(words(&moved.listen(&mut scene)), [""; 0]);
    assert_eq!(commands(&alice.listen(&mut scene)), [Command::Ack]);
}

#[test]
fn messages_that_could_not_be_loaded_come_before_newer_ones() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = (scene.present(Offer::Plain), scene.absent(Offer::Once));
    alice.say(&mut scene, bob.uin, "first");
    scene.fail_next(|work| matches!(work, Work::LoadMessages { .. }));
    assert_eq!(commands(&bob.log_in(&mut scene, Status::ONLINE)), [Command::Login]);
    alice.say(&mut scene, bob.uin, "second");
    assert_eq!(words(&bob.listen(&mut scene)), [""; 0]);
    scene.advance(Duration::from_secs(1));
    assert_eq!(words(&bob.listen(&mut scene)), ["first", "second"]);
}

/// A client of 2003 acknowledges a message once. When that is lost, the message counts as in flight for half a minute, and must not hold up what
/// is still in the store.
#[test]
fn a_lost_acknowledgement_does_not_hold_up_the_mailbox() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = (scene.present(Offer::Plain), scene.absent(Offer::Plain));
    let said: Vec<_> = (0..30).map(|number| number.to_string()).collect();
    for text in &said {
        alice.say(&mut scene, bob.uin, text);
        alice.listen(&mut scene);
    }
    bob.knock(&mut scene, Status::ONLINE);
    let mut heard = Vec::new();
    loop {
        let news = bob.take(&mut scene);
        if news.is_empty() {
            break;
        }
        for one in &news {
            heard.extend(words(std::slice::from_ref(one)));
            if heard.last().is_none_or(|last| last != "0") {
                bob.acknowledge(&mut scene, one.seq());
            }
        }
    }
    assert_eq!(heard, said);
}

/// A request for authorization goes by way of the store. What is said behind it must not overtake it.
#[test]
fn what_is_said_behind_a_request_for_authorization_stays_behind_it() {
    let mut scene = Scene::new();
    let (mut alice, bob) = (scene.present(Offer::Once), scene.present(Offer::Once));
    scene.stall();
    alice.send(&mut scene, &said(bob.uin, MessageKind::AUTH_REQUEST, b"1\xffnick\xffwhy"));
    alice.say(&mut scene, bob.uin, "second");
    scene.resume();
    assert_eq!(kinds(&bob.listen(&mut scene)), [MessageKind::AUTH_REQUEST, MessageKind::TEXT]);
}

/// The question is answered, and the answer does not fit into the mailbox of who asked. It can be given again.
#[test]
fn an_acceptance_that_was_refused_can_be_given_again() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = (scene.present(Offer::Once), scene.absent(Offer::Once));
    alice.send(&mut scene, &said(bob.uin, MessageKind::AUTH_REQUEST, b"1\xffnick\xffwhy"));
    alice.listen(&mut scene);
    alice.log_out(&mut scene);
    bob.log_in(&mut scene, Status::ONLINE);
    for _ in 0..100 {
        bob.say(&mut scene, alice.uin, "x");
        assert_eq!(commands(&bob.listen(&mut scene)), [Command::Ack]);
    }
    let accepted = said(alice.uin, MessageKind::AUTH_ACCEPTED, b"");
    bob.send(&mut scene, &accepted);
    let [refused] = &bob.listen(&mut scene)[..] else { panic!("one answer") };
    assert_eq!(refused.refusal(), Some(RefusalReason::MAILBOX_FULL));

    let emptied = alice.log_in(&mut scene, Status::ONLINE);
    assert_eq!(words(&emptied).len(), 100);
    bob.listen(&mut scene);
    bob.send(&mut scene, &accepted);
    assert_eq!(commands(&bob.listen(&mut scene)), [], "not before it is delivered");
    assert_eq!(kinds(&alice.listen(&mut scene)), [MessageKind::AUTH_ACCEPTED]);
    assert_eq!(commands(&bob.listen(&mut scene)), [Command::Ack]);

    alice.send(&mut scene, &Request::GetContactList);
    let [list] = &alice.listen(&mut scene)[..] else { panic!("one list") };
    let Reply::GetContactList(list) = list.reply() else { panic!("no list") };
    assert_eq!(list.iter().collect::<Vec<_>>(), [bob.uin]);
}

/// A sender and a recipient who has logged out. A message waits for him; then the server is started again, and its clock
/// has been set back by an hour: the numbers of messages, which are times, would begin below that of the one in the store.
fn after_the_clock_was_set_back(scene: &mut Scene) -> (Client, Client) {
    let (mut alice, bob) = (scene.present(Offer::Once), scene.absent(Offer::Once));
    alice.say(scene, bob.uin, "first");
    assert_eq!(commands(&alice.listen(scene)), [Command::Ack]);
    scene.restart();
    scene.set_clock_back(Duration::from_secs(3600));
    let mut alice = scene.client(alice.uin, Offer::Once);
    alice.log_in(scene, Status::ONLINE);
    (alice, bob)
}

/// Says and hears one more, which nothing must stand in the way of.
fn hears(scene: &mut Scene, alice: &mut Client, bob: &Client, text: &str) -> Vec<String> {
    alice.say(scene, bob.uin, text);
    words(&bob.listen(scene))
}

#[test]
fn after_the_clock_was_set_back_a_message_comes_behind_those_being_taken() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = after_the_clock_was_set_back(&mut scene);
    bob.knock(&mut scene, Status::ONLINE);
    let [login] = &bob.take(&mut scene)[..] else { panic!("one reply to a login") };
    bob.acknowledge(&mut scene, login.seq());
    // The first is on its way now, and not acknowledged.
    alice.say(&mut scene, bob.uin, "second");
    assert_eq!(words(&bob.listen(&mut scene)), ["first", "second"]);
    assert_eq!(hears(&mut scene, &mut alice, &bob, "third"), ["third"]);
}

#[test]
fn after_the_clock_was_set_back_a_message_during_the_loading_is_not_hidden() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = after_the_clock_was_set_back(&mut scene);
    bob.knock(&mut scene, Status::ONLINE);
    let [login] = &bob.take(&mut scene)[..] else { panic!("one reply to a login") };
    scene.stall();
    bob.acknowledge(&mut scene, login.seq());
    alice.say(&mut scene, bob.uin, "second");
    scene.resume();
    assert_eq!(words(&bob.listen(&mut scene)), ["first", "second"]);
    assert_eq!(hears(&mut scene, &mut alice, &bob, "third"), ["third"]);
}

#[test]
fn after_the_clock_was_set_back_stored_messages_stay_in_order() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = after_the_clock_was_set_back(&mut scene);
    alice.say(&mut scene, bob.uin, "second");
    assert_eq!(words(&bob.log_in(&mut scene, Status::ONLINE)), ["first", "second"]);
    assert_eq!(hears(&mut scene, &mut alice, &bob, "third"), ["third"]);
}

/// Bob, who has logged in and has a stored message that the store has not given out yet.
fn being_loaded(scene: &mut Scene) -> (Client, Client) {
    let (mut alice, mut bob) = (scene.present(Offer::Plain), scene.absent(Offer::Plain));
    alice.say(scene, bob.uin, "0");
    assert_eq!(commands(&alice.listen(scene)), [Command::Ack]);
    bob.knock(scene, Status::ONLINE);
    let [login] = &bob.take(scene)[..] else { panic!("one reply to a login") };
    let login = login.seq();
    scene.stall();
    bob.acknowledge(scene, login);
    (alice, bob)
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// A pair that talked without a pause once stayed on the way over the disk for as long as it talked.
#[test]
fn what_comes_while_the_mailbox_is_loaded_follows_without_the_disk() {
    let mut scene = Scene::new();
    let (mut alice, bob) = being_loaded(&mut scene);
    scene.fail_next(|work| matches!(work, Work::StoreMessage { .. }));
    for text in numbers(1..24) {
        alice.say(&mut scene, bob.uin, &text);
    }
    scene.resume();
    assert_eq!(words(&bob.listen(&mut scene)), numbers(0..24));
    assert_eq!(commands(&alice.listen(&mut scene)), [Command::Ack; 23]);
}

#[test]
fn what_comes_while_the_mailbox_is_loaded_stays_in_order_however_much_it_is() {
    for count in [24, 25, 26, 60] {
        let mut scene = Scene::new();
        let (mut alice, bob) = being_loaded(&mut scene);
        for text in numbers(1..count) {
            alice.say(&mut scene, bob.uin, &text);
        }
        scene.resume();
        assert_eq!(words(&bob.listen(&mut scene)), numbers(0..count), "{count} messages");
        assert_eq!(commands(&alice.listen(&mut scene)).len(), count - 1);
        alice.say(&mut scene, bob.uin, "at once");
        assert_eq!(words(&bob.listen(&mut scene)), ["at once"], "the way over the disk has ended");
    }
}

#[test]
fn what_waited_too_long_while_the_mailbox_is_loaded_is_stored_and_stays_in_order() {
    let mut scene = Scene::new();
    let (mut alice, bob) = being_loaded(&mut scene);
    alice.say(&mut scene, bob.uin, "1");
    scene.advance(HOLD);
    alice.say(&mut scene, bob.uin, "2");
    scene.resume();
    assert_eq!(words(&bob.listen(&mut scene)), numbers(0..3));
    assert_eq!(commands(&alice.listen(&mut scene)), [Command::Ack; 2]);
}

#[test]
fn what_waits_while_the_mailbox_is_loaded_is_kept_when_the_session_ends() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = being_loaded(&mut scene);
    alice.say(&mut scene, bob.uin, "1");
    bob.log_out(&mut scene);
    scene.resume();
    assert_eq!(commands(&alice.listen(&mut scene)), [Command::Ack]);
    let mut again = scene.client(bob.uin, Offer::Plain);
    assert_eq!(words(&again.log_in(&mut scene, Status::ONLINE)), numbers(0..2));
}
