//! A server that starts again.

use myicq_wire::{Capabilities, Command, ResumeReply};

use super::*;
use crate::error::Refusal;

const ONCE: Capabilities = Capabilities::ONCE;

fn resume(start: u64, first: u16) -> Vec<u8> {
    datagram(Capabilities::NONE, None, None, &Reply::Resume(ResumeReply { start, first }))
}

fn resumed(scene: &mut Scene, start: u64, first: u16) {
    scene.hear(&resume(start, first));
    scene.server_seq = Seq::new(first).unwrap();
}

#[test]
fn it_says_where_it_stands_and_goes_on_from_there() {
    let mut scene = Scene::online(ONCE);
    let text = Request::send(BOB, &crate::Message::text("hello")).unwrap();
    let (id, seq) = scene.ask_and_send(text);
    let (status, _) = scene.ask_and_send(Request::status(myicq_wire::Status::AWAY).unwrap());
    resumed(&mut scene, 7, 30_000);
    assert_eq!(scene.events(), [Event::ServerRestarted]);
    let answer = scene.only(Command::Resume);
    let oldest = seq.unwrap().number();
    assert_eq!(answer.header.seq, None);
    let expected = format!("Resume(Resume {{ start: 7, oldest: {oldest}, newest: {}, status: AWAY }})", oldest + 1);
    assert_eq!(answer.body, expected);

    // The answer was lost: it is the same once more, also when something more has been asked.
    scene.ask_and_send(Request::contacts());
    scene.hear(&resume(7, 30_000));
    assert_eq!((scene.only(Command::Resume).body, scene.events()), (expected, vec![]));

    // What was asked goes on under its number, and the server under its new ones.
    let refused = Reply::Refused(myicq_wire::Refused { reason: myicq_wire::RefusalReason::IN_DOUBT });
    let first = scene.say(seq, &refused);
    assert_eq!(scene.answer(), Some((id, Err(RequestError::Refused(Refusal::InDoubt)))));
    assert_eq!(scene.acknowledged(), [first.number()]);
    scene.acknowledge(seq.map(Seq::next));
    assert_eq!(scene.answer(), Some((status, Ok(Answer::Acknowledged))));
}

#[test]
fn what_is_still_under_way_from_before_is_not_taken() {
    let mut scene = Scene::online(ONCE);
    let old = scene.server_seq;
    resumed(&mut scene, 7, 30_000);
    assert_eq!(scene.events(), [Event::ServerRestarted]);
    scene.sent();
    let said = Reply::UserOffline(myicq_wire::UserOffline { uin: BOB, domain: None });
    scene.hear(&datagram(Capabilities::NONE, Some(old), None, &said));
    // An earlier start, and one whose numbers could be those of before.
    scene.hear(&resume(6, 50_000));
    scene.hear(&resume(8, 30_400));
    assert_eq!((scene.events(), scene.sent().len()), (vec![], 0));
    scene.say(None, &said);
    assert_eq!(scene.events().len(), 1);
}

#[test]
fn a_message_that_is_handed_out_and_comes_again_is_confirmed_once() {
    let mut scene = Scene::online(ONCE);
    let message = said("hello", Some(99));
    scene.say(None, &message);
    let first = scene.account.poll_delivery().unwrap();
    resumed(&mut scene, 7, 30_000);
    let again = scene.say(None, &message);
    assert_eq!(scene.events(), [Event::ServerRestarted]);
    assert!(!scene.acknowledged().contains(&again.number()), "nobody has confirmed it yet");
    scene.account.confirm(first.ticket.unwrap());
    assert_eq!(scene.acknowledged().last(), Some(&again.number()));
    let third = scene.say(None, &message);
    assert_eq!((scene.events(), scene.acknowledged()), (vec![], vec![third.number()]));
}

#[test]
fn without_once_nobody_asks() {
    let mut scene = Scene::online(Capabilities::NONE);
    scene.hear(&resume(7, 30_000));
    assert_eq!((scene.events(), scene.sent().len()), (vec![], 0));
}
