//! Messages that come directly, and perhaps through the server as well.

use myicq_wire::peer::MessageToken;

use super::*;
use crate::account::{DirectId, MAX_EVENTS};
use crate::peer::ConnectionId;

const TOKEN: MessageToken = MessageToken(0x0123_4567_89ab_cdef);

fn at(message: u32) -> DirectId {
    DirectId { connection: ConnectionId(7), message }
}

fn marked(words: &[u8], token: MessageToken) -> Vec<u8> {
    let mut text = words.to_vec();
    token.append(&mut text);
    text
}

fn copy_through_the_server(scene: &mut Scene, text: &[u8], id: u64) {
    let (kind, domain) = (MessageKind::TEXT, Some(Str(b"")));
    let said = ServerMessage { kind, from: BOB, time: 5, text: Str(text), domain, id: Some(id) };
    scene.say(None, &Reply::Message(said));
}

#[test]
fn a_message_that_comes_by_both_ways_is_shown_once_and_acknowledged_twice() {
    let text = marked(b"hello", TOKEN);
    for is_confirmed_between in [true, false] {
        let mut scene = Scene::online(Capabilities::ONCE);
        scene.account.handle_direct(at(1), BOB, MessageKind::TEXT, 5, &text);
        let delivery = scene.account.poll_delivery().unwrap();
        assert!(matches!(delivery.event, Event::Message { is_direct: true, id: None, .. }));
        if is_confirmed_between {
            scene.account.confirm(delivery.ticket.unwrap());
        }
        copy_through_the_server(&mut scene, &text, 70);
        assert_eq!(scene.account.poll_delivery(), None, "it is shown already");
        if !is_confirmed_between {
            assert_eq!(scene.account.poll_confirmation(), None, "nothing is promised before its reader has it");
            assert!(scene.acknowledged().is_empty());
            scene.account.confirm(delivery.ticket.unwrap());
        }
        assert_eq!(scene.account.poll_confirmation(), Some(at(1)));
        assert_eq!(scene.acknowledged().len(), 1);
    }
}

#[test]
fn the_direct_copy_may_be_the_later_one() {
    let text = marked(b"hello", TOKEN);
    let mut scene = Scene::online(Capabilities::ONCE);
    copy_through_the_server(&mut scene, &text, 70);
    assert!(matches!(scene.account.poll_event(), Some(Event::Message { is_direct: false, .. })));
    scene.account.handle_direct(at(1), BOB, MessageKind::TEXT, 5, &text);
    assert_eq!(scene.account.poll_event(), None);
    assert_eq!(scene.account.poll_confirmation(), Some(at(1)));
    scene.account.handle_direct(at(2), BOB, MessageKind::TEXT, 5, &marked(b"hello", MessageToken(9)));
    assert!(scene.account.poll_event().is_some(), "the same words again are another message");
}

#[test]
fn without_a_token_a_message_is_shown_as_often_as_it_comes() {
    let mut scene = Scene::online(Capabilities::ONCE);
    // COMPAT: a client of 2003 sends none.
    for message in 1..=2 {
        scene.account.handle_direct(at(message), BOB, MessageKind::TEXT, 5, b"hi\xff\xcb\xce\xcc\xe5\xff9\xff0\xff0");
        assert!(scene.account.poll_event().is_some());
        assert_eq!(scene.account.poll_confirmation(), Some(at(message)));
    }
}

#[test]
fn what_nobody_drains_is_not_taken_and_comes_through_the_server() {
    let mut scene = Scene::online(Capabilities::ONCE);
    for message in 0..MAX_EVENTS as u64 + 1 {
        scene.account.handle_direct(at(1), BOB, MessageKind::TEXT, 5, &marked(b"hello", MessageToken(message)));
    }
    assert!(std::iter::from_fn(|| scene.account.poll_delivery()).count() <= MAX_EVENTS);
}
