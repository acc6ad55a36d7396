//! Users, servers and groups as lists show them.

use myicq_wire::{
    EnterGroupReply, Face, Found, GroupEntered, GroupEntry, GroupError, GroupExited, GroupId, GroupInfo, GroupMessage,
    GroupRef, GroupSaid, GroupType as WireGroupType, List, Member as WireMember, SearchCustom, SearchWords, Server,
};

use super::*;
use crate::account::{Group, GroupType, Member};
use crate::error::{GroupRefused, Misuse};

const GROUP: GroupId = GroupId(10_001);

/// What the client makes of the reply to a request.
fn answered(request: Request, reply: &Reply<'_>) -> Answer {
    let mut scene = Scene::online(Capabilities::ONCE);
    let (asked, seq) = scene.ask_and_send(request);
    scene.say(seq, reply);
    let Some((id, Ok(answer))) = scene.answer() else { panic!("no answer") };
    assert_eq!(id, asked);
    answer
}

fn password(text: &str) -> Option<Password> {
    Some(Password::new(text).unwrap())
}

#[test]
fn words_to_search_for_go_out_in_utf_8() {
    let mut scene = Scene::online(Capabilities::ONCE);
    scene.ask(Request::search_words("小红", "", BOB).unwrap());
    let sent = scene.only(Command::SearchCustom);
    let words = SearchWords { nick: Str("小红".as_bytes()), email: Str(b""), start_uin: BOB };
    shows(&sent, &Wire::SearchCustom(SearchCustom::Words(words)));
    assert_eq!(Request::search_uin(Uin::NONE).unwrap_err(), Misuse::NoUin);
    assert!(Request::search_words(&"n".repeat(255), "", BOB).is_ok());
    assert!(matches!(Request::search_words("", &"e".repeat(256), BOB), Err(Misuse::FieldTooLong { .. })));
}

#[test]
fn found_users_and_servers_are_read() {
    let found = Found { uin: BOB, online: 1, face: Face(3), nick: Str(b"\xc4\xe3"), province: Str(b"Hubei") };
    let answer = answered(Request::search_random(), &Reply::Search(List::new(&[found])));
    let Answer::Found(users) = answer else { panic!("{answer:?}") };
    assert_eq!((users[0].uin, users[0].online, users[0].nick.as_str()), (BOB, true, "你"));
    let here = Server { domain: Str(b"localhost"), description: Str(b"MyICQ"), online_users: 7 };
    let answer = answered(Request::servers(), &Reply::GetServerList(List::new(&[here])));
    let Answer::Servers(servers) = answer else { panic!("{answer:?}") };
    assert_eq!((servers[0].domain.as_str(), servers[0].online_users), ("localhost", 7));
}

#[test]
fn groups_and_why_one_is_in_none_are_read() {
    let group = || Group { group: GROUP, name: "talk".to_owned(), members: 2 };
    let entry = GroupEntry { group: GROUP, name: Str(b"talk"), members: 2 };
    assert_eq!(answered(Request::groups(0), &Reply::GetGroupList(List::new(&[entry]))), Answer::Groups(vec![group()]));
    let info = |number| GroupInfo { group: number, name: Str(b"talk"), group_type: 0, members: 2 };
    let asked = || Request::group(GROUP);
    assert_eq!(answered(asked(), &Reply::SearchGroup(info(GROUP))), Answer::Group(Some(group())));
    assert_eq!(answered(asked(), &Reply::SearchGroup(info(GroupId(0)))), Answer::Group(None));
    let create = || Request::create_group(0, "talk", None).unwrap();
    let made = |group| Reply::CreateGroup(GroupRef { group });
    assert_eq!(answered(create(), &made(GROUP)), Answer::GroupCreated(Some(GROUP)));
    assert_eq!(answered(create(), &made(GroupId(0))), Answer::GroupCreated(None));
    let enter = || Request::enter_group(GROUP, password("sesame")).unwrap();
    let members = [WireMember { uin: BOB, face: Face(1), nick: Str(b"Bob") }];
    let entered = |outcome| Reply::EnterGroup(EnterGroupReply { group: GROUP, outcome });
    let bob = Member { uin: BOB, face: Face(1), nick: "Bob".to_owned() };
    assert_eq!(answered(enter(), &entered(Ok(List::new(&members)))), Answer::GroupEntered(Ok(vec![bob])));
    for (error, refused) in [
        (GroupError::NOT_EXIST, GroupRefused::NoSuchGroup),
        (GroupError::ALREADY_IN, GroupRefused::AlreadyIn),
        (GroupError::TOO_MANY, GroupRefused::TooMany),
        (GroupError::WRONG_PASSWORD, GroupRefused::WrongPassword),
        (GroupError::FULL, GroupRefused::Full),
        (GroupError(9), GroupRefused::Other(9)),
    ] {
        assert_eq!(answered(enter(), &entered(Err(error))), Answer::GroupEntered(Err(refused)));
    }
}

#[test]
fn what_a_server_could_not_read_is_not_sent() {
    assert!(Request::create_group(0, &"n".repeat(32), password(&"p".repeat(32))).is_ok());
    let too_long = |request: Result<Request, Misuse>| matches!(request, Err(Misuse::FieldTooLong { max: 32, .. }));
    assert!(too_long(Request::create_group(0, &"n".repeat(33), None)));
    assert!(too_long(Request::create_group(0, "n", password(&"p".repeat(33)))));
    assert!(too_long(Request::enter_group(GROUP, password(&"p".repeat(33)))));
    assert!(matches!(Request::say_to_group(GROUP, &"x".repeat(451)), Err(Misuse::MessageTooLong { .. })));
    assert!(matches!(Request::broadcast(&"x".repeat(451)), Err(Misuse::MessageTooLong { .. })));
    assert!(!format!("{:?}", Request::enter_group(GROUP, password("sesame"))).contains("sesame"));
}

#[test]
fn what_happens_in_groups_is_told() {
    let mut scene = Scene::online(Capabilities::ONCE);
    let asked = scene.ask(Request::say_to_group(GROUP, "hi").unwrap());
    let sent = scene.only(Command::GroupMessage);
    shows(&sent, &Wire::GroupMessage(GroupMessage { group: GROUP, text: Str(b"hi") }));
    scene.acknowledge(sent.header.seq);
    assert_eq!(scene.answer(), Some((asked, Ok(Answer::Acknowledged))));
    let chat = WireGroupType { name: Str(b"chat"), display_name: Str(b"\xc1\xc4\xcc\xec") };
    scene.say(None, &Reply::GroupTypes(List::new(&[chat])));
    let member = WireMember { uin: BOB, face: Face(1), nick: Str(b"Bob") };
    scene.say(None, &Reply::GroupEntered(GroupEntered { group: GROUP, member }));
    let text = Str(b"\xc4\xe3\xba\xc3\xff\xcb\xce\xcc\xe5\xff9\xff0\xff0");
    scene.say(None, &Reply::GroupMessage(GroupSaid { group: GROUP, from: BOB, time: 5, text }));
    scene.say(None, &Reply::GroupExited(GroupExited { group: GROUP, uin: BOB }));
    let types = vec![GroupType { name: "chat".to_owned(), display_name: "聊天".to_owned() }];
    let member = Member { uin: BOB, face: Face(1), nick: "Bob".to_owned() };
    let expected = [
        Event::GroupTypes { types },
        Event::GroupEntered { group: GROUP, member },
        Event::GroupMessage { group: GROUP, from: BOB, time: 5, text: "你好".to_owned() },
        Event::GroupExited { group: GROUP, uin: BOB },
    ];
    assert_eq!(scene.events(), expected);
    assert_eq!(scene.acknowledged().len(), 4);
}
