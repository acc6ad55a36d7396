use myicq_wire::{List, Presence, UserOffline};

use super::*;
use crate::account::{MAX_EVENTS, MAX_OUTBOX};
use crate::event::status_name;
use crate::message::Message;

#[test]
fn plain_messages_are_shown_as_they_come() {
    let mut scene = Scene::online(Capabilities::NONE);
    let (first, second) = (scene.server_seq, scene.server_seq.next());
    for seq in [second, first] {
        let text = if seq == first { "one" } else { "two" };
        scene.hear(&datagram(Capabilities::NONE, Some(seq), None, &said(text, None)));
    }
    assert_eq!(texts(&scene.events()), ["two", "one"]);
    assert_eq!(scene.acknowledged(), [second.number(), first.number()]);
}

#[test]
fn with_once_messages_wait_for_those_before_them() {
    let mut scene = Scene::online(Capabilities::ONCE);
    let seqs = [scene.server_seq, scene.server_seq.next(), scene.server_seq.next().next()];
    let texts_said = ["one", "two", "three"];
    for index in [2, 1, 2] {
        let early = said(texts_said[index], Some(index as u64));
        scene.hear(&datagram(Capabilities::NONE, Some(seqs[index]), None, &early));
        assert_eq!((scene.events(), scene.sent()), (vec![], vec![]), "early, so neither shown nor acknowledged");
    }
    scene.hear(&datagram(Capabilities::NONE, Some(seqs[0]), None, &said("one", Some(0))));
    assert_eq!(texts(&scene.events()), texts_said);
    assert_eq!(scene.acknowledged(), seqs.map(Seq::number));
}

#[test]
fn a_repeated_message_is_acknowledged_again_and_shown_once() {
    for granted in [Capabilities::ONCE, Capabilities::NONE] {
        let mut scene = Scene::online(granted);
        let seq = scene.say(None, &said("hello", Some(1)));
        assert_eq!(texts(&scene.events()), ["hello"]);
        assert_eq!(scene.acknowledged(), [seq.number()]);
        scene.hear(&datagram(Capabilities::NONE, Some(seq), None, &said("hello", Some(1))));
        assert_eq!((scene.events(), scene.acknowledged()), (vec![], vec![seq.number()]));
    }
}

#[test]
fn a_message_is_acknowledged_when_it_is_confirmed() {
    let mut scene = Scene::online(Capabilities::ONCE);
    let seq = scene.say(None, &said("hello", Some(1)));
    let delivery = scene.account.poll_delivery().unwrap();
    scene.hear(&datagram(Capabilities::NONE, Some(seq), None, &said("hello", Some(1))));
    assert_eq!(scene.acknowledged(), [], "handed on, but not confirmed");
    // Presence does not wait for it.
    let offline = scene.say(None, &Reply::UserOffline(UserOffline { uin: BOB, domain: None }));
    assert_eq!(scene.acknowledged(), [offline.number()]);
    scene.account.confirm(delivery.ticket.unwrap());
    assert_eq!(scene.acknowledged(), [seq.number()]);
    assert!(scene.account.seen().contains(1));
}

#[test]
fn a_message_of_an_earlier_session_is_not_shown_again() {
    let mut first = Scene::online(Capabilities::ONCE);
    first.say(None, &said("hello", Some(1)));
    let taken = first.account.poll_delivery().unwrap();
    first.say(None, &said("unread", Some(2)));
    first.account.log_out();
    // Confirmed too late for the server, but not for the next session.
    first.account.confirm(taken.ticket.unwrap());

    let mut second = Scene::with(first.account.seen().clone());
    second.log_in(Capabilities::ONCE);
    let hello = second.say(None, &said("hello", Some(1)));
    assert_eq!((second.acknowledged(), second.account.stats().messages_seen_before), (vec![hello.number()], 1));
    second.say(None, &said("unread", Some(2)));
    assert_eq!(texts(&second.events()), ["unread"]);
}

#[test]
fn a_plain_server_gives_no_ids_whatever_follows_the_text() {
    let mut scene = Scene::online(Capabilities::NONE);
    for text in ["one", "two"] {
        scene.say(None, &said(text, Some(1)));
    }
    assert_eq!(texts(&scene.events()), ["one", "two"]);
}

#[test]
fn texts_come_in_gbk_with_fonts_and_forms() {
    let mut scene = Scene::online(Capabilities::NONE);
    let mut hear = |kind, text: &'static [u8]| {
        let message =
            ServerMessage { kind, from: BOB, time: 5, text: Str(text), domain: Some(Str(b"other.example")), id: None };
        scene.say(None, &Reply::Message(message));
        match scene.account.poll_event() {
            Some(Event::Message { message, domain, .. }) => {
                assert_eq!(domain.as_deref(), Some("other.example"));
                message
            }
            event => panic!("{event:?}"),
        }
    };
    assert_eq!(hear(MessageKind::TEXT, b"\xc4\xe3\xba\xc3\xff\xcb\xce\xcc\xe5\xff9\xff0\xff0"), Message::text("你好"));
    assert_eq!(hear(MessageKind::ADDED, b""), Message::Added);
    let request = Message::AuthRequest { face: crate::Face(3), nick: "你好".into(), reason: "why".into() };
    assert_eq!(hear(MessageKind::AUTH_REQUEST, b"3\xff\xc4\xe3\xba\xc3\xffwhy"), request, "a nick in GBK");
    assert_eq!(hear(MessageKind::AUTH_REQUEST, b"3\xff\xe4\xbd\xa0\xe5\xa5\xbd\xffwhy"), request, "a nick in UTF-8");
    assert!(matches!(hear(MessageKind::AUTH_REQUEST, b"no fields"), Message::Unknown { number: 3, .. }));
    assert_eq!(hear(MessageKind(99), b"new"), Message::Unknown { number: 99, text: "new".into() });
}

#[test]
fn presence_is_told_and_acknowledged() {
    let mut scene = Scene::online(Capabilities::ONCE);
    let presence = |uin, status| Presence { uin, status, ip: Ipv4(1), port: 2, real_ip: Ipv4(3) };
    let both = [presence(BOB, crate::Status::AWAY), presence(Uin(10_003), crate::Status(77))];
    scene.say(None, &Reply::MultiOnline(List::new(&both)));
    assert_eq!(scene.acknowledged().len(), 1);
    let names: Vec<_> = scene
        .events()
        .iter()
        .map(|event| match event {
            Event::Online(user) => (user.uin, status_name(user.status)),
            event => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(names, [(BOB, Some("away")), (Uin(10_003), None)]);
}

#[test]
fn what_is_no_packet_of_this_session_changes_nothing() {
    let mut scene = Scene::online(Capabilities::ONCE);
    let whole = datagram(Capabilities::NONE, Some(scene.server_seq), None, &said("hello", None));
    let mut foreign = whole.clone();
    foreign[12] ^= 1;
    scene.hear(&foreign);
    // Cut within the header, the fields, the text; the domain at the end may be missing.
    let without_domain = whole.len() - 3;
    for len in 0..without_domain {
        scene.hear(&whole[..len]);
    }
    assert_eq!((scene.sent(), scene.events()), (vec![], vec![]));
    let stats = scene.account.stats();
    assert_eq!((stats.foreign, stats.malformed), (1, without_domain as u64));
    scene.hear(&whole);
    assert_eq!(texts(&scene.events()), ["hello"], "the whole one is still welcome");
}

#[test]
fn an_unknown_command_is_acknowledged_and_passed_over() {
    let mut scene = Scene::online(Capabilities::ONCE);
    let mut unknown = datagram(Capabilities::NONE, Some(scene.server_seq), None, &Reply::Ack);
    unknown[14] = 0x7f;
    scene.hear(&unknown);
    assert_eq!(scene.acknowledged(), [scene.server_seq.number()]);
    assert_eq!(scene.account.stats().unknown_commands, 1);
}

#[test]
fn events_that_nobody_takes_stay_with_the_server() {
    let mut scene = Scene::online(Capabilities::NONE);
    let offline = Reply::UserOffline(UserOffline { uin: BOB, domain: None });
    for _ in 0..MAX_EVENTS {
        scene.say(None, &offline);
        assert_eq!(scene.acknowledged().len(), 1);
    }
    let refused = scene.say(None, &offline);
    assert_eq!((scene.acknowledged(), scene.account.stats().refused), (vec![], 1));
    scene.account.poll_event();
    scene.hear(&datagram(Capabilities::NONE, Some(refused), None, &offline));
    assert_eq!(scene.acknowledged(), [refused.number()]);
}

#[test]
fn acknowledgements_that_nobody_sends_do_not_pile_up() {
    let mut scene = Scene::online(Capabilities::NONE);
    let offline = Reply::UserOffline(UserOffline { uin: BOB, domain: None });
    for _ in 0..=MAX_OUTBOX {
        scene.say(None, &offline);
    }
    assert_eq!((scene.acknowledged().len(), scene.account.stats().refused), (MAX_OUTBOX, 1));
}
