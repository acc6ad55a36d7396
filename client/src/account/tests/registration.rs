use myicq_wire::{NewUinReply, Secret};

use super::*;
use crate::account::{Registration, Timeouts};
use crate::error::EndReason;

fn begin() -> (Registration, Instant) {
    let now = Instant(1_000_000);
    (Registration::new(&password(), entropy(), Timeouts::default()).unwrap(), now)
}

fn transmitted(registration: &mut Registration, now: Instant) -> Vec<Sent> {
    std::iter::from_fn(|| registration.poll_transmit(now)).map(|datagram| open(&datagram)).collect()
}

fn registered(uin: Uin) -> Vec<u8> {
    let reply = NewUinReply { uin, domain: Some(Str(b"stub.example")) };
    datagram(Capabilities::NONE, Seq::new(7), Seq::new(100), &Reply::NewUin(reply))
}

#[test]
fn a_registration_is_repeated_answered_and_acknowledged() {
    let (mut registration, mut now) = begin();
    let first = transmitted(&mut registration, now);
    assert_eq!((first[0].header.uin, first[0].header.reserved), (Uin::NONE, Capabilities::ONCE.0));
    shows(&first[0], &Wire::NewUin(myicq_wire::NewUin { password: Secret(b"hunter2") }));
    now = registration.poll_timeout().unwrap();
    assert_eq!(transmitted(&mut registration, now), first, "the same datagram, so that it makes one user");

    for _ in 0..2 {
        registration.handle_datagram(&registered(ALICE));
        registration.handle_datagram(&registered(Uin::NONE));
        assert_eq!(registration.outcome(), Some(Ok(ALICE)));
        let sent = transmitted(&mut registration, now);
        assert_eq!(sent.len(), 1);
        assert_eq!((sent[0].command, sent[0].header.seq, sent[0].header.uin), (Command::Ack, Seq::new(7), ALICE));
    }
}

#[test]
fn a_refused_registration_is_not_acknowledged() {
    let (mut registration, now) = begin();
    transmitted(&mut registration, now);
    registration.handle_datagram(&registered(Uin::NONE));
    assert_eq!(registration.outcome(), Some(Err(EndReason::RegistrationRefused)));
    assert_eq!((transmitted(&mut registration, now), registration.poll_timeout()), (vec![], None));
}

#[test]
fn a_registration_without_an_answer_times_out() {
    let (mut registration, mut now) = begin();
    let start = now;
    let mut sends = transmitted(&mut registration, now).len();
    while registration.outcome().is_none() {
        now = registration.poll_timeout().unwrap();
        sends += transmitted(&mut registration, now).len();
    }
    assert_eq!(registration.outcome(), Some(Err(EndReason::TimedOut)));
    assert!(now.since(start) >= Duration::from_secs(30));
    assert_eq!(sends, usize::from(Timeouts::default().link.max_sends));
}

#[test]
fn what_does_not_belong_to_a_registration_changes_nothing() {
    let (mut registration, now) = begin();
    transmitted(&mut registration, now);
    let mut foreign = registered(ALICE);
    foreign[10] ^= 1;
    for datagram in [foreign, datagram(Capabilities::NONE, Seq::new(7), None, &welcome()), vec![], vec![0; 20]] {
        registration.handle_datagram(&datagram);
    }
    assert_eq!(registration.outcome(), None);
}

/// An acknowledgement has none of its own: the server says that it has heard it.
#[test]
fn with_once_a_registration_ends_when_the_server_confirms_it() {
    let (mut registration, mut now) = begin();
    transmitted(&mut registration, now);
    let confirmed = |ackseq| datagram(Capabilities::NONE, None, Seq::new(ackseq), &Reply::Ack);
    registration.handle_datagram(&confirmed(100));
    assert_eq!(registration.outcome(), None, "a bare acknowledgement without a number is nothing");
    let reply = NewUinReply { uin: ALICE, domain: Some(Str(b"stub.example")) };
    let reply = datagram(Capabilities::ONCE, Seq::new(7), Seq::new(100), &Reply::NewUin(reply));
    for _ in 0..3 {
        registration.handle_datagram(&reply);
        let sent = transmitted(&mut registration, now);
        assert_eq!((sent[0].command, sent[0].header.seq, sent[0].header.uin), (Command::Ack, Seq::new(7), ALICE));
        now = registration.poll_timeout().unwrap();
        assert_eq!(transmitted(&mut registration, now)[0].command, Command::NewUin, "it asks again");
    }
    registration.handle_datagram(&confirmed(101));
    assert_eq!(registration.outcome(), None);
    registration.handle_datagram(&confirmed(100));
    assert_eq!((registration.outcome(), registration.poll_timeout()), (Some(Ok(ALICE)), None));
}

#[test]
fn a_registration_that_is_never_confirmed_times_out() {
    let (mut registration, mut now) = begin();
    let reply = NewUinReply { uin: ALICE, domain: Some(Str(b"stub.example")) };
    while registration.outcome().is_none() {
        transmitted(&mut registration, now);
        registration.handle_datagram(&datagram(Capabilities::ONCE, Seq::new(7), Seq::new(100), &Reply::NewUin(reply)));
        now = registration.poll_timeout().unwrap();
        transmitted(&mut registration, now);
    }
    assert_eq!(registration.outcome(), Some(Err(EndReason::TimedOut)));
}
