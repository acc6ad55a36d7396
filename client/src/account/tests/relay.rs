use myicq_wire::{Capabilities, Command, RefusalReason, RelayOffered, RelayPass, RelayReply, RelayToken, Reply};

use super::*;
use crate::error::{Misuse, Refusal, RequestError};

const PASS: RelayPass = RelayPass { port: 8_001, number: 5, token: RelayToken([9; 16]), wait: 30, bytes: 1 << 20 };

#[test]
fn a_relay_is_granted_or_refused_by_the_same_reply() {
    let mut scene = Scene::online(Capabilities::RELAY);
    for (reply, answer) in [
        (RelayReply::Granted(PASS), Ok(Answer::Relay(PASS))),
        (RelayReply::Refused(RefusalReason::NOT_ASKED), Err(RequestError::Refused(Refusal::NotAsked))),
        (RelayReply::Refused(RefusalReason(99)), Err(RequestError::Refused(Refusal::Other(99)))),
    ] {
        let asked = scene.ask(Request::relay(BOB).unwrap());
        let sent = scene.only(Command::Relay);
        scene.say(sent.header.seq, &Reply::Relay(reply));
        assert_eq!(scene.answer(), Some((asked, answer)));
        assert_eq!(scene.acknowledged().len(), 1);
    }
}

#[test]
fn who_is_to_come_to_a_relay_is_told_of_it() {
    let mut scene = Scene::online(Capabilities::RELAY);
    let seq = scene.say(None, &Reply::RelayOffered(RelayOffered { from: BOB, pass: PASS }));
    assert_eq!(scene.events(), [Event::RelayOffered { from: BOB, pass: PASS }]);
    assert_eq!(scene.acknowledged(), [seq.number()]);
    assert!(!format!("{:?}", Event::RelayOffered { from: BOB, pass: PASS }).contains("9, 9"), "a token is not shown");
}

#[test]
fn without_relays_none_is_asked_for() {
    let mut scene = Scene::online(Capabilities::ONCE);
    let asked = scene.account.request(Request::relay(BOB).unwrap());
    assert_eq!(asked, Err(Misuse::NotGranted(Capabilities::RELAY)));
    assert!(scene.sent().is_empty());
    assert_eq!(Request::relay(Uin::NONE).unwrap_err(), Misuse::NoUin);
}
