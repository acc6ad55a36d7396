//! What the server sends to an address that has proven nothing: a forger must not get more aimed at somebody than he sends himself.

use std::time::Duration;

use myicq_wire::{
    Address, Authorization, BroadcastMessage, ChangeStatus, CreateGroup, EnterGroup, GetGroupList, GroupCommand,
    GroupId, GroupMessage, GroupRef, KeepAlive, Login, MessageKind, ModifyUser, NewUin, Opaque, Profile, Request,
    SearchCustom, SearchRandom, SearchWords, Secret, Status, Str, Uin,
};

use crate::client::{Client, Offer, said};
use crate::scene::{PASSWORD, Scene};

const DOMAIN_MAX: usize = 40;

/// A server on which the user has all that could be aimed at somebody: a list, messages, groups, a broadcast.
fn scene() -> (Scene, Client) {
    let mut scene = Scene::with(|config| {
        config.limits.rates = true;
        config.groups.types = myicq_server::Config::default().groups.types;
        config.listen.domain = "d".repeat(DOMAIN_MAX);
    });
    let mut victim = scene.present(Offer::Plain);
    let mut friend = scene.present(Offer::Plain);
    victim.add(&mut scene, friend.uin);
    victim.listen(&mut scene);
    victim.log_out(&mut scene);
    victim.listen(&mut scene);
    for _ in 0..10 {
        friend.say(&mut scene, victim.uin, &"words ".repeat(60));
        scene.advance(Duration::from_secs(1));
    }
    scene.broadcast("to all").unwrap();
    (scene, victim)
}

fn login(password: &'static [u8]) -> Request<'static> {
    let (status, real_ip) = (Status::ONLINE, Default::default());
    Request::Login(Login { password: Secret(password), status, tcp_version: 1, real_ip, port: 9 })
}

/// One of each kind that there is.
pub(crate) fn requests() -> Vec<Request<'static>> {
    let (friend, group) = (Address { uin: Uin(Uin::FIRST.0 + 1), domain: None }, GroupRef { group: GroupId(1) });
    let profile = Profile { nick: Str(b"nick"), ..Profile::default() };
    let words = SearchWords { nick: Str(b"nick"), email: Str(b""), start_uin: Uin::NONE };
    vec![
        Request::Ack,
        Request::NewUin(NewUin { password: Secret(PASSWORD) }),
        Request::NewUin(NewUin { password: Secret(b"x") }),
        Request::NewUin(NewUin { password: Secret(b"") }),
        Request::NewUin(NewUin { password: Secret(b"a password that pays for its reply") }),
        Request::GetContactList,
        login(PASSWORD),
        login(b"wrong"),
        login(b""),
        Request::Logout,
        Request::KeepAlive(KeepAlive { random: 7 }),
        Request::ChangeStatus(ChangeStatus { status: Status::AWAY }),
        Request::UpdateContact(friend),
        Request::ModifyUser(ModifyUser { profile, auth: Authorization::ANYONE, password: None }),
        Request::UpdateUser,
        said(friend.uin, MessageKind::TEXT, b"hello"),
        Request::SearchRandom(SearchRandom { domain: None }),
        Request::SearchCustom(SearchCustom::Uin(friend)),
        Request::SearchCustom(SearchCustom::Words(words)),
        Request::AddFriend(friend),
        Request::DelFriend(friend),
        Request::BroadcastMessage(BroadcastMessage { kind: MessageKind::TEXT, text: Str(b"to all") }),
        Request::GetServerList,
        Request::GetGroupList(GetGroupList { group_type: 0 }),
        Request::SearchGroup(group),
        Request::GetRemoteContactList,
        Request::CreateGroup(CreateGroup { group_type: 0, name: Str(b"group"), password: Secret(b"") }),
        Request::EnterGroup(EnterGroup { group: group.group, password: Secret(b"") }),
        Request::ExitGroup(group),
        Request::GroupStart(group),
        Request::GroupMessage(GroupMessage { group: group.group, text: Str(b"hello") }),
        Request::GroupCommand(GroupCommand { group: group.group, data: Opaque(b"data") }),
    ]
}

/// Sends `first` once, and again `repeats` times in five minutes; then how many bytes came back for each hundred.
fn percentage(from: [u8; 4], offer: Offer, lead: Option<&Request<'_>>, first: &Request<'_>, repeats: u32) -> usize {
    let (mut scene, victim) = scene();
    let mut forged = scene.client(victim.uin, offer);
    forged.address = (from, 4321).into();
    if let Some(lead) = lead {
        forged.send(&mut scene, lead);
    }
    let mut same = forged.clone();
    forged.send(&mut scene, first);
    for _ in 0..repeats {
        scene.advance(Duration::from_secs(300 / u64::from(repeats)));
        same.clone().send(&mut scene, first);
        same.seq += 1;
    }
    scene.advance(Duration::from_mins(5));
    let traffic = scene.traffic(forged.address);
    traffic.from_shard * 100 / traffic.to_shard
}

/// Over every kind of first datagram, alone, repeated, and behind a LOGIN that is right, from this machine and from elsewhere.
#[test]
fn a_silent_victim_gets_no_more_than_was_sent_in_its_name() {
    let log_in = login(PASSWORD);
    for first in &requests() {
        let most = if matches!(first, Request::NewUin(_)) { 200 } else { 100 };
        for from in [[127, 0, 0, 1], [10, 1, 2, 3], [203, 0, 113, 9]] {
            for offer in [Offer::Plain, Offer::Once] {
                for (lead, repeats) in [(None, 0), (None, 1), (None, 30), (Some(&log_in), 0), (Some(&log_in), 30)] {
                    let seen = percentage(from, offer, lead, first, repeats);
                    assert!(seen <= most, "{seen} % from {from:?}, {repeats} times: {first:?}");
                }
            }
        }
    }
}
