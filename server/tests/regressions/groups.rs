//! Groups: who gets in, who hears what, and that nothing of them stays behind.

use std::time::Duration;

use myicq_server::config::{Config, GroupType};
use myicq_wire::{
    Authorization, ChangeStatus, Command, CreateGroup, EnterGroup, GetGroupList, GroupCommand, GroupError, GroupId,
    GroupMessage, GroupRef, ModifyUser, Opaque, Profile, RefusalReason, Reply, Request, Secret, Status, Str, Uin,
};

use crate::client::{Client, Heard, Offer, commands};
use crate::scene::Scene;

const NOWHERE: GroupId = GroupId(77_777);

fn with(configure: impl FnOnce(&mut Config)) -> Scene {
    Scene::with(|config| {
        config.groups.types = Config::default().groups.types;
        configure(config);
    })
}

fn scene() -> Scene {
    with(|_| {})
}

fn new_group<'a>(name: &'a [u8], password: &'a [u8]) -> Request<'a> {
    Request::CreateGroup(CreateGroup { group_type: 0, name: Str(name), password: Secret(password) })
}

fn saying(group: GroupId, text: &[u8]) -> Request<'_> {
    Request::GroupMessage(GroupMessage { group, text: Str(text) })
}

/// The one answer to a request.
fn answer(scene: &mut Scene, client: &mut Client, request: &Request<'_>) -> Heard {
    client.send(scene, request);
    let mut heard = client.listen(scene);
    assert_eq!(heard.len(), 1, "{:?}", commands(&heard));
    heard.remove(0)
}

fn create(scene: &mut Scene, client: &mut Client, name: &[u8], password: &[u8]) -> GroupId {
    let heard = answer(scene, client, &new_group(name, password));
    let Reply::CreateGroup(GroupRef { group }) = heard.reply() else { panic!("no group but {:?}", heard.command()) };
    group
}

fn enter(scene: &mut Scene, client: &mut Client, group: GroupId, password: &[u8]) -> Result<Vec<Uin>, GroupError> {
    let heard = answer(scene, client, &Request::EnterGroup(EnterGroup { group, password: Secret(password) }));
    let Reply::EnterGroup(entered) = heard.reply() else { panic!("no answer but {:?}", heard.command()) };
    assert_eq!(entered.group, group);
    entered.outcome.map(|list| list.iter().map(|member| member.uin).collect())
}

fn exit(scene: &mut Scene, client: &mut Client, group: GroupId) {
    assert_eq!(answer(scene, client, &Request::ExitGroup(GroupRef { group })).command(), Command::Ack);
}

fn listed(scene: &mut Scene, client: &mut Client) -> Vec<(GroupId, u16)> {
    let heard = answer(scene, client, &Request::GetGroupList(GetGroupList { group_type: 0 }));
    let Reply::GetGroupList(list) = heard.reply() else { panic!("no list") };
    list.iter().map(|entry| (entry.group, entry.members)).collect()
}

/// What a member is told of his groups, in words.
fn news(heard: &[Heard]) -> Vec<String> {
    let tell = |heard: &Heard| match heard.reply() {
        Reply::GroupEntered(entered) => format!("{} in {}", entered.member.uin, entered.group),
        Reply::GroupExited(exited) => format!("{} out of {}", exited.uin, exited.group),
        Reply::GroupMessage(said) => format!("{} says {}", said.from, said.text.escape_ascii()),
        _ => format!("{:?}", heard.command()),
    };
    heard.iter().map(tell).collect()
}

#[test]
fn a_group_lives_from_its_first_member_to_its_last() {
    for offer in [Offer::Plain, Offer::Once] {
        let mut scene = scene();
        let (mut alice, mut bob) = (scene.present(offer), scene.present(offer));
        let group = create(&mut scene, &mut alice, b"talk", b"");
        assert_eq!(listed(&mut scene, &mut bob), [(group, 1)]);
        let members = enter(&mut scene, &mut bob, group, b"").unwrap();
        assert_eq!(members, [alice.uin, bob.uin], "who enters is one of them");
        assert_eq!(news(&alice.listen(&mut scene)), [format!("{} in {group}", bob.uin)]);
        let info = answer(&mut scene, &mut bob, &Request::SearchGroup(GroupRef { group }));
        let Reply::SearchGroup(info) = info.reply() else { panic!("no group") };
        assert_eq!((info.name.0, info.group_type, info.members), (&b"talk"[..], 0, 2));

        let text = b"hi\xff\xcb\xce\xcc\xe5\xff9\xff0\xff0";
        assert_eq!(answer(&mut scene, &mut alice, &saying(group, text)).command(), Command::Ack, "and no echo");
        let said = format!("{} says {}", alice.uin, text.escape_ascii());
        assert_eq!(news(&bob.listen(&mut scene)), [said]);
        let data = Opaque(b"e2-e4");
        assert_eq!(answer(&mut scene, &mut bob, &Request::GroupStart(GroupRef { group })).command(), Command::Ack);
        let command = Request::GroupCommand(GroupCommand { group, data });
        assert_eq!(answer(&mut scene, &mut bob, &command).command(), Command::Ack);

        exit(&mut scene, &mut bob, group);
        exit(&mut scene, &mut bob, group);
        assert_eq!(news(&alice.listen(&mut scene)), [format!("{} out of {group}", bob.uin)]);
        exit(&mut scene, &mut alice, group);
        assert_eq!(listed(&mut scene, &mut bob), []);
        assert_eq!(enter(&mut scene, &mut bob, group, b""), Err(GroupError::NOT_EXIST));
        assert_ne!(create(&mut scene, &mut bob, b"talk", b""), group, "no number comes again");
    }
}

#[test]
fn all_five_refusals() {
    let mut scene = with(|config| {
        config.limits.group_members_max = 2;
        config.limits.groups_per_user_max = 2;
    });
    let mut clients: Vec<_> = (0..3).map(|_| scene.present(Offer::Plain)).collect();
    let [alice, bob, carol] = &mut clients[..] else { panic!("three") };
    let one = create(&mut scene, alice, b"one", b"secret");
    assert_eq!(enter(&mut scene, bob, NOWHERE, b""), Err(GroupError::NOT_EXIST));
    for wrong in [&b""[..], b"Secret", b"secrets"] {
        assert_eq!(enter(&mut scene, bob, one, wrong), Err(GroupError::WRONG_PASSWORD));
    }
    assert!(enter(&mut scene, bob, one, b"secret").is_ok());
    assert_eq!(enter(&mut scene, bob, one, b"wrong"), Err(GroupError::ALREADY_IN));
    assert_eq!(enter(&mut scene, carol, one, b"secret"), Err(GroupError::FULL));
    let [two, three] = [b"two", b"3  "].map(|name| create(&mut scene, carol, name, b""));
    assert!(enter(&mut scene, bob, two, b"").is_ok());
    assert_eq!(enter(&mut scene, bob, three, b""), Err(GroupError::TOO_MANY));
    assert_eq!(enter(&mut scene, bob, one, b"secret"), Err(GroupError::ALREADY_IN), "not one more");
    exit(&mut scene, bob, one);
    assert!(enter(&mut scene, bob, three, b"").is_ok(), "the refusals have left nothing behind");
}

#[test]
fn a_group_that_cannot_be_made_is_refused() {
    let mut scene = with(|config| {
        config.limits.groups_max = 2;
        config.limits.groups_per_user_max = 1;
    });
    let (mut ours, mut old, mut third) =
        (scene.present(Offer::Once), scene.present(Offer::Plain), scene.present(Offer::Once));
    let mut refusal = |scene: &mut Scene, request: &Request<'_>| answer(scene, &mut ours, request).refusal();
    assert_eq!(refusal(&mut scene, &new_group(&[b'n'; 33], b"")), Some(RefusalReason::TOO_LONG));
    assert_eq!(refusal(&mut scene, &new_group(b"name", &[b'p'; 33])), Some(RefusalReason::TOO_LONG));
    assert_eq!(refusal(&mut scene, &new_group(b"", b"")), Some(RefusalReason::MALFORMED));
    let of_no_type = Request::CreateGroup(CreateGroup { group_type: 1, name: Str(b"name"), password: Secret(b"") });
    assert_eq!(refusal(&mut scene, &of_no_type), Some(RefusalReason::MALFORMED));
    assert_eq!(create(&mut scene, &mut old, b"", b""), GroupId(0), "plain version 1 has no other word");
    create(&mut scene, &mut ours, &[b'n'; 32], &[b'p'; 32]);
    let refused = answer(&mut scene, &mut ours, &new_group(b"one more", b""));
    assert_eq!(refused.refusal(), Some(RefusalReason::TOO_MANY), "of one user");
    create(&mut scene, &mut old, b"second", b"");
    let refused = answer(&mut scene, &mut third, &new_group(b"third", b""));
    assert_eq!(refused.refusal(), Some(RefusalReason::TOO_MANY), "in all");
    let unknown = answer(&mut scene, &mut third, &Request::SearchGroup(GroupRef { group: NOWHERE }));
    assert_eq!(unknown.refusal(), Some(RefusalReason::NO_SUCH_GROUP));
    let unknown = answer(&mut scene, &mut old, &Request::SearchGroup(GroupRef { group: NOWHERE }));
    assert!(matches!(unknown.reply(), Reply::SearchGroup(info) if info.group == GroupId(0)));
}

#[test]
fn only_members_say_something_and_only_what_everybody_can_read() {
    let mut scene = scene();
    let (mut alice, mut bob, mut old) =
        (scene.present(Offer::Once), scene.present(Offer::Once), scene.present(Offer::Plain));
    let group = create(&mut scene, &mut alice, b"talk", b"");
    assert_eq!(answer(&mut scene, &mut bob, &saying(group, b"hi")).refusal(), Some(RefusalReason::NO_SUCH_GROUP));
    old.send(&mut scene, &saying(group, b"hi"));
    assert_eq!(commands(&old.listen(&mut scene)), [], "not acknowledged");
    enter(&mut scene, &mut bob, group, b"").unwrap();
    enter(&mut scene, &mut old, group, b"").unwrap();
    alice.listen(&mut scene);
    bob.listen(&mut scene);
    assert_eq!(answer(&mut scene, &mut bob, &saying(group, &[b'x'; 451])).refusal(), Some(RefusalReason::TOO_LONG));
    assert_eq!(answer(&mut scene, &mut bob, &saying(group, &[b'x'; 450])).command(), Command::Ack);
    // U+1F600 in GB 18030, which GBK does not have.
    assert_eq!(answer(&mut scene, &mut bob, &saying(group, b"\x94\x39\xfc\x36\x80")).command(), Command::Ack);
    let heard = news(&old.listen(&mut scene));
    assert_eq!(heard[1..], [format!("{} says ??", bob.uin)]);
    assert_eq!(news(&alice.listen(&mut scene))[1..], [format!("{} says \\x949\\xfc6?", bob.uin)]);
}

/// To the others, all of these are the same.
#[test]
fn whoever_is_not_seen_any_more_is_in_no_group() {
    let ways: [fn(&mut Scene, &mut Client); 4] = [
        |scene, bob| bob.log_out(scene),
        |scene, bob| {
            scene.client(bob.uin, Offer::Plain).log_in(scene, Status::ONLINE);
        },
        |scene, bob| {
            bob.send(scene, &Request::ChangeStatus(ChangeStatus { status: Status::INVISIBLE }));
            bob.listen(scene);
        },
        |scene, _| scene.advance(Duration::from_secs(120)),
    ];
    for (number, go) in ways.iter().enumerate() {
        let mut scene = scene();
        let mut bob = scene.present(Offer::Plain);
        scene.advance(Duration::from_secs(100));
        let mut alice = scene.present(Offer::Plain);
        let group = create(&mut scene, &mut alice, b"talk", b"");
        let own = create(&mut scene, &mut bob, b"own", b"");
        enter(&mut scene, &mut bob, group, b"").unwrap();
        alice.listen(&mut scene);
        if number == 3 {
            scene.advance(Duration::from_secs(100));
            alice.listen(&mut scene);
            alice.send(&mut scene, &Request::GetServerList);
            alice.listen(&mut scene);
        }
        go(&mut scene, &mut bob);
        let mut told = news(&alice.listen(&mut scene));
        // In two minutes she is told again what she does not acknowledge.
        told.dedup();
        assert_eq!(told, [format!("{} out of {group}", bob.uin)], "way {number}");
        assert_eq!(listed(&mut scene, &mut alice), [(group, 1)], "not {own}, which was his alone");
        assert_eq!(answer(&mut scene, &mut alice, &saying(group, b"hi")).command(), Command::Ack);
        assert_eq!(news(&bob.listen(&mut scene)).iter().filter(|news| news.contains("says")).count(), 0);
    }
}

#[test]
fn who_is_invisible_enters_no_group() {
    let mut scene = scene();
    let (mut alice, mut ours, mut old) =
        (scene.present(Offer::Once), scene.absent(Offer::Once), scene.absent(Offer::Plain));
    let group = create(&mut scene, &mut alice, b"talk", b"");
    for client in [&mut ours, &mut old] {
        client.log_in(&mut scene, Status::INVISIBLE);
        assert_eq!(enter(&mut scene, client, group, b""), Err(GroupError::NOT_EXIST));
    }
    assert_eq!(answer(&mut scene, &mut ours, &new_group(b"own", b"")).refusal(), Some(RefusalReason::NOT_ALLOWED));
    assert_eq!(create(&mut scene, &mut old, b"own", b""), GroupId(0));
    assert_eq!(news(&alice.listen(&mut scene)), [""; 0]);
    assert_eq!(listed(&mut scene, &mut alice), [(group, 1)]);
}

#[test]
fn two_hundred_and_fifty_six_are_named_in_one_datagram_and_one_more_does_not_fit() {
    let mut scene = scene();
    let mut clients: Vec<_> = (0..257).map(|_| scene.present(Offer::Plain)).collect();
    let group = create(&mut scene, &mut clients[0], b"talk", b"");
    let nick = [b'n'; 16];
    for client in &mut clients {
        let profile = Profile { nick: Str(&nick), ..Profile::default() };
        client.send(
            &mut scene,
            &Request::ModifyUser(ModifyUser { profile, auth: Authorization::ANYONE, password: None }),
        );
        client.listen(&mut scene);
    }
    let request = Request::EnterGroup(EnterGroup { group, password: Secret(b"") });
    for (number, client) in (1..).zip(&mut clients).skip(1).take(255) {
        let heard = answer(&mut scene, client, &request);
        let Reply::EnterGroup(entered) = heard.reply() else { panic!("no answer") };
        let members: Vec<_> = entered.outcome.unwrap().iter().collect();
        assert_eq!(members.len(), number);
        let cut = if number <= 169 { 16 } else { 4_064 / number - 8 };
        assert!(members.iter().skip(1).all(|member| *member.nick == nick[..cut]), "{number}");
        assert!(heard.len <= 4_092, "sealed, it would be too long");
    }
    assert_eq!(enter(&mut scene, &mut clients[256], group, b""), Err(GroupError::FULL));
}

/// Otherwise anybody in a group could end the sessions of the others in it.
#[test]
fn a_member_who_is_slow_misses_what_happens_and_keeps_his_session() {
    let mut scene = scene();
    let (mut alice, mut bob) = (scene.present(Offer::Once), scene.present(Offer::Once));
    let group = create(&mut scene, &mut alice, b"talk", b"");
    enter(&mut scene, &mut bob, group, b"").unwrap();
    alice.listen(&mut scene);
    for number in 0..400 {
        let text = number.to_string();
        assert_eq!(answer(&mut scene, &mut alice, &saying(group, text.as_bytes())).command(), Command::Ack);
    }
    let (missed, heard) = (scene.count("drop_group_news"), bob.listen(&mut scene).len());
    assert_eq!((scene.sessions(), missed + heard as u64), (2, 400));
    assert!((64..=32 + 64).contains(&heard), "{heard}: what the window and a quarter of the queue hold");
}

#[test]
fn the_types_of_groups_come_with_the_session() {
    let mut scene = with(|config| {
        let (name, display_name) = ("chat".to_owned(), "聊天室".to_owned());
        config.groups.types = vec![GroupType { name, display_name }];
    });
    let mut client = scene.absent(Offer::Plain);
    let heard = client.log_in(&mut scene, Status::ONLINE);
    assert_eq!(commands(&heard), [Command::Login, Command::GroupTypes]);
    let Reply::GroupTypes(types) = heard[1].reply() else { panic!("no types") };
    let types: Vec<_> = types.iter().map(|of| (of.name.0, of.display_name.0)).collect();
    assert_eq!(types, [(&b"chat"[..], &b"\xc1\xc4\xcc\xec\xca\xd2"[..])], "as captured, but for its last letter");
}

#[test]
fn of_many_groups_the_largest_are_listed() {
    let mut scene = with(|config| config.limits.groups_per_user_max = 1000);
    let (mut alice, mut bob) = (scene.present(Offer::Plain), scene.present(Offer::Plain));
    let groups: Vec<_> = (0..91).map(|_| create(&mut scene, &mut alice, &[b'n'; 32], b"")).collect();
    enter(&mut scene, &mut bob, groups[90], b"").unwrap();
    alice.listen(&mut scene);
    let heard = answer(&mut scene, &mut bob, &Request::GetGroupList(GetGroupList { group_type: 0 }));
    let Reply::GetGroupList(list) = heard.reply() else { panic!("no list") };
    let listed: Vec<_> = list.iter().map(|entry| entry.group).collect();
    assert_eq!(listed, [&groups[..89], &groups[90..]].concat());
    assert!(heard.len <= 4_096);
    let other = Request::GetGroupList(GetGroupList { group_type: 1 });
    assert!(matches!(answer(&mut scene, &mut bob, &other).reply(), Reply::GetGroupList(list) if list.is_empty()));
}
