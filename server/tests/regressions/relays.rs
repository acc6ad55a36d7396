//! Relays: who gets one, who is told of it, and what nobody learns by asking for one.

use std::time::Duration;

use myicq_wire::{
    Capabilities, ChangeStatus, Command, MessageKind, RefusalReason, RelayPass, RelayReply, RelayRequest, Reply,
    Request, Status, Uin,
};

use crate::client::{Client, Offer, commands, said};
use crate::scene::{RELAY_PORT, Scene};

const RELAY: Offer = Offer::With(Capabilities(Capabilities::RELAY.0 | Capabilities::ONCE.0));

const OFFER: (MessageKind, &[u8]) = (MessageKind::TCP_REQUEST, b"sendfile\xFFa picture\xFF0");
const ACCEPTANCE: (MessageKind, &[u8]) = (MessageKind::TCP_ACCEPTED, b"sendfile\xFF4000");

fn scene() -> Scene {
    Scene::with(|config| config.listen.relay = Some(([127, 0, 0, 1], 0).into()))
}

fn say(scene: &mut Scene, from: &mut Client, to: &Client, (kind, text): (MessageKind, &[u8])) {
    from.send(scene, &said(to.uin, kind, text));
    to.listen(scene);
    from.listen(scene);
}

/// Asks for a relay, and takes the answer, which must be the only thing that comes.
fn ask(scene: &mut Scene, client: &mut Client, to: Uin) -> Result<RelayPass, RefusalReason> {
    client.send(scene, &Request::Relay(RelayRequest { uin: to }));
    let heard = client.listen(scene);
    let [answer] = &heard[..] else { panic!("{:?}", commands(&heard)) };
    match answer.reply() {
        Reply::Relay(RelayReply::Granted(pass)) => Ok(pass),
        Reply::Relay(RelayReply::Refused(reason)) => Err(reason),
        other => panic!("{other:?}"),
    }
}

/// The relay that a client is told of, if it is told anything.
fn offered(scene: &mut Scene, client: &Client) -> Option<(Uin, RelayPass)> {
    let heard = client.listen(scene);
    heard.first().map(|heard| match heard.reply() {
        Reply::RelayOffered(offered) => (offered.from, offered.pass),
        other => panic!("{other:?}"),
    })
}

fn change_status(scene: &mut Scene, client: &mut Client, status: Status) {
    client.send(scene, &Request::ChangeStatus(ChangeStatus { status }));
    client.listen(scene);
}

#[test]
fn who_accepted_a_file_is_told_of_a_relay_and_each_end_has_its_own_token() {
    for offer in [RELAY, Offer::With(Capabilities::RELAY), Offer::With(Capabilities(0x3F))] {
        let mut scene = scene();
        let (mut alice, mut bob) = (scene.present(offer), scene.present(offer));
        say(&mut scene, &mut alice, &bob, OFFER);
        say(&mut scene, &mut bob, &alice, ACCEPTANCE);
        let own = ask(&mut scene, &mut alice, bob.uin).unwrap();
        let (from, others) = offered(&mut scene, &bob).unwrap();
        assert_eq!((from, own.port, own.number), (alice.uin, RELAY_PORT, others.number));
        assert_ne!(own.token, others.token);
        assert_eq!((scene.count("relays_opened"), scene.count("relays_offered")), (1, 1));
    }
}

#[test]
fn who_was_offered_a_file_may_ask_as_well() {
    let mut scene = scene();
    let (mut alice, mut bob) = (scene.present(RELAY), scene.present(RELAY));
    say(&mut scene, &mut alice, &bob, OFFER);
    assert_eq!(ask(&mut scene, &mut alice, bob.uin), Err(RefusalReason::NOT_ASKED), "he has not accepted it");
    assert_eq!(offered(&mut scene, &bob), None);
    ask(&mut scene, &mut bob, alice.uin).unwrap();
    assert!(offered(&mut scene, &alice).is_some());
}

/// One answer for all of these, so that nobody learns by it who is here.
#[test]
fn whoever_has_not_agreed_is_as_one_who_is_not_there() {
    let mut scene = scene();
    let mut alice = scene.present(RELAY);
    let away = scene.absent(RELAY);
    let talks = scene.present(RELAY);
    let mut hidden = scene.absent(RELAY);
    hidden.log_in(&mut scene, Status::INVISIBLE);
    let mut plain = scene.present(Offer::Once);
    say(&mut scene, &mut plain, &alice, ACCEPTANCE);
    let mut gone = scene.present(RELAY);
    say(&mut scene, &mut gone, &alice, ACCEPTANCE);
    gone.log_out(&mut scene);
    let nobody = Uin(99_999);
    for to in [away.uin, talks.uin, hidden.uin, plain.uin, gone.uin, nobody, alice.uin] {
        assert_eq!(ask(&mut scene, &mut alice, to), Err(RefusalReason::NOT_ASKED), "{to}");
    }
    assert!([&talks, &hidden, &plain].iter().all(|client| client.listen(&mut scene).is_empty()));
}

#[test]
fn who_becomes_invisible_is_not_given_away_by_what_he_agreed_to_before() {
    let mut scene = scene();
    let (mut alice, mut bob) = (scene.present(RELAY), scene.present(RELAY));
    say(&mut scene, &mut bob, &alice, ACCEPTANCE);
    change_status(&mut scene, &mut bob, Status::INVISIBLE);
    assert_eq!(ask(&mut scene, &mut alice, bob.uin), Err(RefusalReason::NOT_ASKED));
    say(&mut scene, &mut bob, &alice, ACCEPTANCE);
    assert!(ask(&mut scene, &mut alice, bob.uin).is_ok(), "now he has said himself that he is here");
}

#[test]
fn an_agreement_does_not_stand_for_ever() {
    let mut scene = Scene::with(|config| {
        config.listen.relay = Some(([127, 0, 0, 1], 0).into());
        config.session.keepalive_timeout = Duration::from_hours(1);
    });
    let (mut alice, mut bob) = (scene.present(RELAY), scene.present(RELAY));
    say(&mut scene, &mut bob, &alice, ACCEPTANCE);
    scene.advance(Duration::from_mins(10) - Duration::from_secs(1));
    assert!(ask(&mut scene, &mut alice, bob.uin).is_ok());
    scene.advance(Duration::from_secs(1));
    assert_eq!(ask(&mut scene, &mut alice, bob.uin), Err(RefusalReason::NOT_ASKED));
}

#[test]
fn relays_of_one_user_have_a_maximum_and_so_has_their_rate() {
    let mut scene = Scene::with(|config| {
        config.listen.relay = Some(([127, 0, 0, 1], 0).into());
        config.limits.rates = true;
    });
    let (mut alice, mut bob) = (scene.present(RELAY), scene.present(RELAY));
    say(&mut scene, &mut bob, &alice, ACCEPTANCE);
    for _ in 0..4 {
        ask(&mut scene, &mut alice, bob.uin).unwrap();
        offered(&mut scene, &bob).unwrap();
    }
    for expected in [[RefusalReason::TOO_MANY; 6].as_slice(), &[RefusalReason::TOO_OFTEN]].concat() {
        assert_eq!(ask(&mut scene, &mut alice, bob.uin), Err(expected));
    }
    assert_eq!(offered(&mut scene, &bob), None);
}

#[test]
fn without_a_port_for_them_nobody_is_granted_relays() {
    for (offer, port) in [(RELAY, None), (Offer::Once, Some(([127, 0, 0, 1], 0).into())), (Offer::Plain, None)] {
        let mut scene = Scene::with(|config| config.listen.relay = port);
        let mut alice = scene.absent(offer);
        let heard = alice.log_in(&mut scene, Status::ONLINE);
        assert!(!Capabilities(heard[0].header.reserved).contains(Capabilities::RELAY));
        alice.send(&mut scene, &Request::Relay(RelayRequest { uin: alice.uin }));
        assert_eq!(commands(&alice.listen(&mut scene)), [Command::Ack]);
        assert_eq!(scene.count("requests_unsupported"), 1);
    }
}

/// He may be told of it once and not for each of its repetitions.
#[test]
fn a_repeated_request_opens_nothing_more() {
    let mut scene = scene();
    let (mut alice, mut bob) = (scene.present(RELAY), scene.present(RELAY));
    say(&mut scene, &mut bob, &alice, ACCEPTANCE);
    let request = alice.encode(&Request::Relay(RelayRequest { uin: bob.uin }));
    for _ in 0..3 {
        scene.datagram(alice.address, &request);
        scene.advance(Duration::from_millis(150));
    }
    let heard = bob.listen(&mut scene);
    assert!(
        heard
            .iter()
            .all(|offer| offer.header.seq == heard[0].header.seq && matches!(offer.reply(), Reply::RelayOffered(_)))
    );
    assert_eq!(scene.count("relays_opened"), 1);
}
