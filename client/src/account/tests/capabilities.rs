//! What a server grants changes the bytes, and nothing else.

use myicq_wire::{MessageRef, ServerHeader, Typing, seal_reply};

use super::*;
use crate::account::{Arrival, SUPPORTED};
use crate::error::{EndReason, Misuse};
use crate::message::Message;

/// A datagram as a server seals it.
fn sealed(seq: Option<Seq>, ackseq: Option<Seq>, reply: &Reply<'_>) -> Vec<u8> {
    let mut bytes = datagram(Capabilities::NONE, seq, ackseq, reply);
    let len = bytes.len();
    bytes.resize(MAX_DATAGRAM, 0);
    let len = seal_reply(&Key::new(b"hunter2"), len, &mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

/// A session with these, as a server opens it, and what the client sent then.
fn online(granted: Capabilities) -> (Scene, Vec<Vec<u8>>) {
    let mut scene = Scene::new();
    let login = scene.only(Command::Login);
    scene.say_with(granted, login.header.seq, &welcome());
    assert!(matches!(scene.account.poll_event(), Some(Event::LoggedIn { .. })));
    let sent = transmitted(&mut scene);
    (scene, sent)
}

fn transmitted(scene: &mut Scene) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| scene.account.poll_transmit(scene.now)).collect()
}

fn opened(datagram: &[u8], form: CipherForm) -> String {
    let (header, body) = ClientHeader::decode(datagram).unwrap();
    let (key, mut scratch) = (Key::new(b"hunter2"), [0; MAX_DATAGRAM]);
    format!("{:?}", open_request(&header, body, Some(Sealing { key: &key, form }), &mut scratch).unwrap())
}

#[test]
fn bodies_are_chained_once_cbc_is_granted() {
    for (granted, form) in [(SUPPORTED, CipherForm::Cbc), (Capabilities::ONCE, CipherForm::Original)] {
        let (_, sent) = online(granted);
        assert!(opened(sent.last().unwrap(), form).starts_with("KeepAlive"));
    }
}

#[test]
fn texts_are_in_the_charset_of_the_session() {
    let words = "\u{4f60}\u{597d}";
    for granted in [SUPPORTED, Capabilities::ONCE, Capabilities::NONE] {
        let (mut scene, _) = online(granted);
        let charset = scene.account.charset();
        scene.ask(Request::send(BOB, &Message::text(words)).unwrap());
        let form = if granted == SUPPORTED { CipherForm::Cbc } else { CipherForm::Original };
        let text = charset.encode(words).into_owned();
        let expected = myicq_wire::SendMessage { kind: MessageKind::TEXT, to: BOB, text: Str(&text), domain: None };
        let sent = transmitted(&mut scene);
        assert_eq!(opened(sent.last().unwrap(), form), format!("{:?}", Wire::SendMessage(expected)));

        let said = ServerMessage {
            kind: MessageKind::TEXT,
            from: BOB,
            time: 5,
            text: Str(&text),
            domain: Some(Str(b"")),
            id: Some(9),
        };
        let (seq, said) = (Some(scene.server_seq), Reply::Message(said));
        scene.hear(&if granted == SUPPORTED {
            sealed(seq, None, &said)
        } else {
            datagram(Capabilities::NONE, seq, None, &said)
        });
        assert_eq!(texts(&scene.events()), [words]);
    }
}

#[test]
fn a_sealed_session_reads_what_is_sealed_and_acknowledges_nothing_else() {
    let (mut scene, _) = online(SUPPORTED);
    let seq = Some(scene.server_seq);
    let said = said("sealed, and longer than one block of the cipher", Some(1));
    scene.hear(&datagram(Capabilities::NONE, seq, None, &said));
    assert_eq!((scene.events(), scene.account.stats().malformed), (Vec::new(), 1));
    assert!(transmitted(&mut scene).is_empty());
    scene.hear(&sealed(seq, None, &said));
    assert_eq!(texts(&scene.events()).len(), 1);
    let [acknowledgement] = &transmitted(&mut scene)[..] else { panic!("one acknowledgement") };
    assert_eq!(ServerHeader::decode(acknowledgement).unwrap().0.seq, seq);
}

#[test]
fn receipts_are_events_and_name_the_message() {
    let (mut scene, _) = online(SUPPORTED);
    let asked = scene.ask(Request::send(BOB, &Message::text("hello")).unwrap());
    let sent = transmitted(&mut scene);
    let (header, _) = ClientHeader::decode(sent.last().unwrap()).unwrap();
    scene.hear(&sealed(None, header.seq, &Reply::Sent(myicq_wire::Sent { id: 7, is_delivered: 0 })));
    assert_eq!(scene.answer(), Some((asked, Ok(Answer::Arrived(Arrival::Stored { id: 7 })))));
    let about = MessageRef { uin: BOB, id: 7 };
    let typing = Reply::Typing(Typing { uin: BOB, is_typing: 1 });
    for reply in [Reply::Delivered(about), Reply::Read(about), typing] {
        let seq = scene.server_seq;
        scene.server_seq = seq.next();
        scene.hear(&sealed(Some(seq), None, &reply));
    }
    let expected = [
        Event::Delivered { to: BOB, id: 7 },
        Event::Read { by: BOB, up_to: 7 },
        Event::Typing { from: BOB, is_typing: true },
    ];
    assert_eq!(scene.events(), expected);
}

#[test]
fn without_receipts_nothing_is_said_of_reading() {
    let (mut scene, _) = online(Capabilities::ONCE);
    for request in [Request::read(BOB, 7), Request::typing(BOB, true)] {
        let asked = scene.ask(request.unwrap());
        assert_eq!(scene.answer(), Some((asked, Ok(Answer::Acknowledged))));
    }
    assert!(transmitted(&mut scene).is_empty());
}

#[test]
fn a_server_that_does_not_grant_what_is_required_gets_a_logout_and_nothing_else() {
    let mut config = Config::new(ALICE, password());
    config.required = Capabilities::SEALED.union(Capabilities::ONCE);
    let mut scene = Scene::new();
    scene.account = Account::new(config, entropy(), SeenMessages::default()).unwrap();
    let login = scene.only(Command::Login);
    scene.say_with(Capabilities::ONCE, login.header.seq, &welcome());
    let reason = EndReason::NotGranted(Capabilities::SEALED);
    assert_eq!((scene.account.ended(), scene.events()), (Some(reason), vec![Event::Ended { reason }]));
    let commands: Vec<_> = scene.sent().iter().map(|sent| sent.command).collect();
    assert_eq!(commands, [Command::Ack, Command::Logout]);
}

#[test]
fn what_is_required_must_be_offered_and_what_is_offered_be_known() {
    let config = |offered, required| {
        let mut config = Config::new(ALICE, password());
        (config.offered, config.required) = (offered, required);
        Account::new(config, entropy(), SeenMessages::default()).map(drop)
    };
    assert_eq!(config(SUPPORTED, SUPPORTED), Ok(()));
    assert_eq!(config(Capabilities::ONCE, Capabilities::SEALED), Err(Misuse::Capabilities));
    assert_eq!(config(SUPPORTED.union(Capabilities(0x40)), Capabilities::NONE), Err(Misuse::Capabilities));
}
