use myicq_wire::{
    AddFriendReply, Authorization, ContactProfile, List, RefusalReason, Refused, RemoteContact,
    RemoteContacts as WireRemote, SendMessage, Status, UserProfile,
};

use super::*;
use crate::account::{MAX_REQUESTS, OwnProfile, RemoteContacts, Timeouts};
use crate::error::{EndReason, Misuse, Refusal};
use crate::message::{MAX_TEXT_LEN, Message};
use crate::profile::{MAX_FIELD_LEN, MAX_NICK_LEN, Profile};

fn text(length: usize) -> Message {
    Message::text("a".repeat(length))
}

#[test]
fn a_message_is_enciphered_gb_18030_and_done_when_acknowledged() {
    let mut scene = Scene::online(Capabilities::ONCE);
    let asked = scene.ask(Request::send(BOB, &Message::text("你好 👍")).unwrap());
    let sent = scene.only(Command::SendMessage);
    let words = Str(b"\xc4\xe3\xba\xc3 \x94\x39\xd1\x31");
    shows(&sent, &Wire::SendMessage(SendMessage { kind: MessageKind::TEXT, to: BOB, text: words, domain: None }));
    assert_eq!(scene.answer(), None);
    scene.acknowledge(sent.header.seq);
    assert_eq!(scene.answer(), Some((asked, Ok(Answer::Acknowledged))));
    scene.acknowledge(sent.header.seq);
    assert_eq!(scene.answer(), None, "once");
}

#[test]
fn a_refusal_is_told_to_who_asked_and_stops_nothing_else() {
    let mut scene = Scene::online(Capabilities::ONCE);
    let asked = scene.ask(Request::send(BOB, &text(1)).unwrap());
    let sent = scene.only(Command::SendMessage);
    let refused = Reply::Refused(Refused { reason: RefusalReason::MAILBOX_FULL });
    scene.say(sent.header.seq, &refused);
    assert_eq!(scene.answer(), Some((asked, Err(RequestError::Refused(Refusal::MailboxFull)))));
    // One of a keep-alive, which no server of ours sends: the next follows all the same.
    let later = scene.next_deadline();
    let keep_alive = later.iter().find(|sent| sent.command == Command::KeepAlive).unwrap();
    scene.say(keep_alive.header.seq, &refused);
    scene.sent();
    assert!(scene.account.poll_timeout().is_some());
    assert!(scene.account.is_online());
}

#[test]
fn a_request_given_up_ends_a_session_with_once_and_no_other() {
    let mut scene = Scene::online(Capabilities::ONCE);
    let refused = scene.ask(Request::send(BOB, &text(1)).unwrap());
    let other = scene.ask(Request::contacts());
    let (waited, _) = scene.run_out();
    assert!(waited >= Duration::from_secs(30), "{waited:?}");
    assert_eq!(scene.answer(), Some((refused, Err(RequestError::NotAcknowledged))));
    assert_eq!(scene.answer(), Some((other, Err(RequestError::Ended(EndReason::Lost)))));
    assert_eq!(scene.events(), [Event::Ended { reason: EndReason::Lost }]);

    let mut scene = Scene::online(Capabilities::NONE);
    let refused = scene.ask(Request::send(BOB, &text(1)).unwrap());
    let answer = loop {
        if let Some(answer) = scene.answer() {
            break answer;
        }
        scene.sent();
        scene.next_deadline();
    };
    assert_eq!(answer, (refused, Err(RequestError::NotAcknowledged)));
    assert!(scene.account.is_online());
}

#[test]
fn requests_before_the_login_wait_and_keep_their_order() {
    let mut scene = Scene::new();
    let first = scene.ask(Request::send(BOB, &text(1)).unwrap());
    let second = scene.ask(Request::contacts());
    let login = scene.only(Command::Login);
    scene.say_with(Capabilities::ONCE, login.header.seq, &welcome());
    let sent: Vec<_> = scene.sent().into_iter().filter(|sent| sent.command != Command::Ack).collect();
    let commands: Vec<_> = sent.iter().map(|sent| sent.command).collect();
    assert_eq!(commands, [Command::KeepAlive, Command::SendMessage, Command::GetContactList]);
    scene.acknowledge(sent[1].header.seq);
    scene.say(sent[2].header.seq, &Reply::GetContactList(List::new(&[BOB])));
    assert_eq!(scene.answer(), Some((first, Ok(Answer::Acknowledged))));
    assert_eq!(scene.answer(), Some((second, Ok(Answer::Contacts(vec![BOB])))));
}

#[test]
fn the_number_of_requests_is_limited() {
    for granted in [None, Some(Capabilities::ONCE)] {
        let mut scene = granted.map_or_else(Scene::new, Scene::online);
        for _ in 0..MAX_REQUESTS {
            scene.ask(Request::contacts());
        }
        assert!(!scene.account.has_room());
        let one_more = scene.account.request(Request::contacts());
        assert_eq!(one_more, Err(Misuse::TooManyRequests(MAX_REQUESTS)));
        scene.account.log_out();
        assert_eq!(std::iter::from_fn(|| scene.answer()).count(), MAX_REQUESTS, "each has its answer");
    }
}

#[test]
fn every_request_of_a_full_queue_goes_out_in_its_turn() {
    let mut scene = Scene::online(Capabilities::ONCE);
    for _ in 0..MAX_REQUESTS {
        scene.ask(Request::status(Status::AWAY).unwrap());
    }
    let mut done = 0;
    while done < MAX_REQUESTS {
        for sent in scene.sent() {
            scene.acknowledge(sent.header.seq);
        }
        done += std::iter::from_fn(|| scene.answer()).filter(|(_, answer)| *answer == Ok(Answer::Acknowledged)).count();
    }
}

#[test]
fn replies_find_their_requests() {
    let mut scene = Scene::online(Capabilities::ONCE);
    let wire_profile = myicq_wire::Profile { nick: Str(b"\xc4\xe3\xba\xc3"), age: 7, ..Default::default() };
    let profile = Profile { nick: "你好".into(), age: 7, ..Profile::default() };
    let remote = [RemoteContact { uin: Uin(5), domain: Str(b"far.example") }];
    let auth = Authorization::REQUIRED;

    let (asked, seq) = scene.ask_and_send(Request::own_profile());
    scene.say(seq, &Reply::UpdateUser(UserProfile { profile: wire_profile, auth }));
    let own = OwnProfile { profile: profile.clone(), authorization: auth };
    assert_eq!(scene.answer(), Some((asked, Ok(Answer::OwnProfile(Box::new(own))))));

    let (asked, seq) = scene.ask_and_send(Request::profile(BOB).unwrap());
    scene.say(seq, &Reply::UpdateContact(ContactProfile { uin: BOB, profile: wire_profile, domain: None }));
    assert_eq!(scene.answer(), Some((asked, Ok(Answer::Profile(Box::new(profile))))));

    let (asked, seq) = scene.ask_and_send(Request::add(BOB).unwrap());
    scene.say(seq, &Reply::AddFriend(AddFriendReply { uin: BOB, result: auth, domain: None }));
    assert_eq!(scene.answer(), Some((asked, Ok(Answer::Added(auth)))));

    let (asked, seq) = scene.ask_and_send(Request::remote_contacts());
    let list = WireRemote { domain: Str(b"here.example"), contacts: List::new(&remote) };
    scene.say(seq, &Reply::GetRemoteContactList(list));
    let contacts = vec![(Uin(5), "far.example".to_owned())];
    let answer = RemoteContacts { domain: "here.example".into(), contacts };
    assert_eq!(scene.answer(), Some((asked, Ok(Answer::RemoteContacts(answer)))));
    assert_eq!(scene.account.stats().unasked, 0);
}

#[test]
fn a_reply_without_ackseq_goes_to_the_oldest_request_that_it_fits() {
    let mut scene = Scene::online(Capabilities::NONE);
    let other = scene.ask(Request::add(Uin(10_003)).unwrap());
    let asked = scene.ask(Request::add(BOB).unwrap());
    scene.sent();
    let result = Authorization::ANYONE;
    let reply = |uin| Reply::AddFriend(AddFriendReply { uin, result, domain: None });
    scene.say(None, &reply(BOB));
    assert_eq!(scene.answer(), Some((asked, Ok(Answer::Added(result)))));
    scene.say(None, &reply(BOB));
    assert_eq!((scene.answer(), scene.account.stats().unasked), (None, 1));
    scene.say(None, &reply(Uin(10_003)));
    assert_eq!(scene.answer(), Some((other, Ok(Answer::Added(result)))));
}

#[test]
fn a_reply_that_comes_early_answers_in_its_turn() {
    let mut scene = Scene::online(Capabilities::ONCE);
    let asked = scene.ask(Request::contacts());
    let seq = scene.only(Command::GetContactList).header.seq;
    let missing = scene.server_seq;
    scene.server_seq = missing.next();
    scene.say(seq, &Reply::GetContactList(List::new(&[BOB])));
    assert_eq!((scene.answer(), scene.sent()), (None, vec![]));
    scene.hear(&datagram(Capabilities::NONE, Some(missing), None, &said("first", Some(1))));
    assert_eq!(scene.answer(), Some((asked, Ok(Answer::Contacts(vec![BOB])))));
}

#[test]
fn an_acknowledged_request_without_its_reply_ends() {
    let mut scene = Scene::online(Capabilities::NONE);
    let asked = scene.ask(Request::contacts());
    let seq = scene.only(Command::GetContactList).header.seq;
    scene.acknowledge(seq);
    let start = scene.now;
    assert_eq!(scene.next_deadline(), []);
    assert_eq!(scene.now.since(start), Timeouts::default().reply);
    assert_eq!(scene.answer(), Some((asked, Err(RequestError::NoReply))));
}

#[test]
fn texts_are_measured_as_they_are_sent() {
    assert!(Request::send(BOB, &text(MAX_TEXT_LEN)).is_ok());
    let too_long = Misuse::MessageTooLong { len: MAX_TEXT_LEN + 1, max: MAX_TEXT_LEN };
    assert_eq!(Request::send(BOB, &text(MAX_TEXT_LEN + 1)).unwrap_err(), too_long);
    // Two bytes a character in GB 18030, three in UTF-8.
    assert!(Request::send(BOB, &Message::text("好".repeat(MAX_TEXT_LEN / 2))).is_ok());
    assert!(Request::send(BOB, &Message::text("好".repeat(MAX_TEXT_LEN / 2 + 1))).is_err());
    let reason =
        |length| Message::AuthRequest { face: crate::Face(255), nick: "n".repeat(16), reason: "r".repeat(length) };
    assert!(Request::send(BOB, &reason(MAX_TEXT_LEN)).is_ok());
    assert!(Request::send(BOB, &reason(MAX_TEXT_LEN + 1)).is_err());
    assert_eq!(Request::send(BOB, &Message::text("a\0b")).unwrap_err(), Misuse::Nul("message"));
    assert_eq!(Request::send(BOB, &Message::Added).unwrap_err(), Misuse::Kind);
    assert_eq!(Request::send(Uin::NONE, &text(1)).unwrap_err(), Misuse::NoUin);
    assert_eq!(Request::status(Status::OFFLINE).unwrap_err(), Misuse::Status);
}

#[test]
fn profiles_are_measured_as_they_are_sent() {
    let modify = |profile: &Profile| Request::modify(profile, Authorization::ANYONE, None).map(drop);
    let mut profile = Profile { nick: "好".repeat(MAX_NICK_LEN / 2), ..Profile::default() };
    assert_eq!(modify(&profile), Ok(()));
    profile.nick.push('x');
    let error = Misuse::FieldTooLong { field: "nick", len: MAX_NICK_LEN + 1, max: MAX_NICK_LEN };
    assert_eq!(modify(&profile), Err(error));
    let mut profile = Profile { intro: "a".repeat(MAX_FIELD_LEN), ..Profile::default() };
    assert_eq!(modify(&profile), Ok(()));
    profile.intro.push('a');
    assert!(matches!(modify(&profile), Err(Misuse::FieldTooLong { field: "intro", .. })));
    profile.intro = "\0".into();
    assert_eq!(modify(&profile), Err(Misuse::Nul("intro")));
}

#[test]
fn the_largest_profile_fits_into_a_datagram() {
    let full = || "a".repeat(MAX_FIELD_LEN);
    let profile = Profile {
        nick: "n".repeat(MAX_NICK_LEN),
        country: full(),
        province: full(),
        city: full(),
        email: full(),
        address: full(),
        zipcode: full(),
        tel: full(),
        name: full(),
        college: full(),
        occupation: full(),
        homepage: full(),
        intro: full(),
        ..Profile::default()
    };
    let password = Password::new("p".repeat(crate::MAX_PASSWORD_LEN)).unwrap();
    let mut scene = Scene::online(Capabilities::ONCE);
    let asked = scene.ask(Request::modify(&profile, Authorization::NOBODY, Some(password)).unwrap());
    let sent = scene.only(Command::ModifyUser);
    scene.acknowledge(sent.header.seq);
    assert_eq!(scene.answer(), Some((asked, Ok(Answer::Acknowledged))));
}
