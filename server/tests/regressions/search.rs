//! Looking for users: who is found, and what is told of him.

use std::time::Duration;

use myicq_server::store::Work;
use myicq_wire::{
    Address, Authorization, ChangeStatus, Command, Face, ModifyUser, Profile, RefusalReason, Reply, Request,
    SearchCustom, SearchRandom, SearchWords, Status, Str, Uin,
};

use crate::client::{Client, Heard, Offer, commands};
use crate::scene::Scene;

fn named(nick: &'static [u8], email: &'static [u8]) -> Profile<'static> {
    Profile { face: Face(3), nick: Str(nick), email: Str(email), province: Str(b"Hubei"), ..Profile::default() }
}

fn be(scene: &mut Scene, client: &mut Client, profile: Profile<'_>) {
    client.send(scene, &Request::ModifyUser(ModifyUser { profile, auth: Authorization::ANYONE, password: None }));
    assert_eq!(commands(&client.listen(scene)), [Command::Ack]);
}

fn by_number(uin: Uin) -> Request<'static> {
    Request::SearchCustom(SearchCustom::Uin(Address { uin, domain: None }))
}

fn by_words(nick: &'static [u8], email: &'static [u8], start_uin: Uin) -> Request<'static> {
    Request::SearchCustom(SearchCustom::Words(SearchWords { nick: Str(nick), email: Str(email), start_uin }))
}

const RANDOM: Request<'static> = Request::SearchRandom(SearchRandom { domain: None });

/// The one answer to a search.
fn answer(scene: &mut Scene, client: &mut Client, request: &Request<'_>) -> Heard {
    client.send(scene, request);
    let mut heard = client.listen(scene);
    assert_eq!(heard.len(), 1);
    heard.remove(0)
}

/// Who is found, and whether he is online.
fn found(heard: &Heard) -> Vec<(Uin, bool)> {
    let Reply::Search(list) = heard.reply() else { panic!("no list but {:?}", heard.command()) };
    list.iter().map(|user| (user.uin, user.online == 1)).collect()
}

fn search(scene: &mut Scene, client: &mut Client, request: &Request<'_>) -> Vec<(Uin, bool)> {
    found(&answer(scene, client, request))
}

#[test]
fn who_is_invisible_cannot_be_told_from_who_is_not_here() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = (scene.present(Offer::Plain), scene.present(Offer::Plain));
    be(&mut scene, &mut bob, named(b"Bob", b"bob@example.org"));
    let requests = [by_number(bob.uin), by_words(b"bob", b"", Uin::NONE), by_words(b"", b"BOB@example.org", Uin::NONE)];
    for request in &requests {
        let heard = answer(&mut scene, &mut alice, request);
        assert_eq!(found(&heard), [(bob.uin, true)]);
        let Reply::Search(list) = heard.reply() else { panic!("no list") };
        let user = list.iter().next().unwrap();
        assert_eq!((user.face, user.nick, user.province), (Face(3), Str(b"Bob"), Str(b"Hubei")));
    }
    assert_eq!(search(&mut scene, &mut alice, &RANDOM), [(bob.uin, true)]);
    bob.send(&mut scene, &Request::ChangeStatus(ChangeStatus { status: Status::INVISIBLE }));
    bob.listen(&mut scene);
    let mut invisible: Vec<_> = requests.iter().map(|request| answer(&mut scene, &mut alice, request).body).collect();
    invisible.push(answer(&mut scene, &mut alice, &RANDOM).body);
    bob.log_out(&mut scene);
    let mut gone: Vec<_> = requests.iter().map(|request| answer(&mut scene, &mut alice, request).body).collect();
    gone.push(answer(&mut scene, &mut alice, &RANDOM).body);
    assert_eq!(invisible, gone);
    assert_eq!(search(&mut scene, &mut alice, &requests[0]), [(bob.uin, false)]);
}

#[test]
fn a_page_has_25_users_and_the_next_begins_behind_it() {
    let mut scene = Scene::new();
    let mut clients: Vec<_> = (0..26).map(|_| scene.present(Offer::Once)).collect();
    for client in &mut clients {
        be(&mut scene, client, named(b"same", b""));
    }
    let all: Vec<_> = clients.iter().map(|client| (client.uin, true)).collect();
    let asker = &mut clients[0];
    let first = search(&mut scene, asker, &by_words(b"SAME", b"", Uin::NONE));
    assert_eq!(first, all[..25]);
    assert_eq!(search(&mut scene, asker, &by_words(b"same", b"", first[24].0)), all[25..]);
    assert_eq!(search(&mut scene, asker, &by_words(b"same", b"", Uin(0xFFFF_FFFF))), []);
    assert_eq!(search(&mut scene, asker, &by_words(b"", b"", Uin::NONE)), [], "nothing is no way to list everybody");
}

#[test]
fn a_page_of_the_longest_texts_is_one_small_datagram() {
    let mut scene = Scene::new();
    let mut clients: Vec<_> = (0..25).map(|_| scene.present(Offer::Plain)).collect();
    for client in &mut clients {
        let profile = Profile { nick: Str(&[b'n'; 16]), province: Str(&[b'p'; 255]), ..Profile::default() };
        be(&mut scene, client, profile);
    }
    let page = answer(&mut scene, &mut clients[0], &by_words(&[b'n'; 16], b"", Uin::NONE));
    assert_eq!((found(&page).len(), page.len), (25, 1_422));
}

#[test]
fn some_of_the_others_are_drawn() {
    let mut scene = Scene::new();
    let mut asker = scene.present(Offer::Once);
    assert_eq!(search(&mut scene, &mut asker, &RANDOM), [], "nobody else is here");
    let others: Vec<_> = (0..30).map(|_| scene.present(Offer::Once).uin).collect();
    let mut hidden = scene.absent(Offer::Once);
    hidden.log_in(&mut scene, Status::INVISIBLE);
    let drawn = search(&mut scene, &mut asker, &RANDOM);
    assert_eq!(drawn.len(), 25);
    assert!(drawn.iter().all(|(uin, online)| *online && others.contains(uin)));
    assert_ne!(drawn, search(&mut scene, &mut asker, &RANDOM));
}

/// The clients of 2003 send the words in UTF-8, unlike all else. One that follows the text of 2002 would not.
#[test]
fn words_are_read_in_utf_8_and_else_in_the_charset_of_the_session() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = (scene.present(Offer::Plain), scene.present(Offer::Plain));
    let gbk = b"\xd0\xa1\xba\xec";
    be(&mut scene, &mut bob, named(gbk, b""));
    for nick in [&b"\xe5\xb0\x8f\xe7\xba\xa2"[..], gbk] {
        assert_eq!(search(&mut scene, &mut alice, &by_words(nick, b"", Uin::NONE)), [(bob.uin, true)]);
    }
}

#[test]
fn nobody_is_found_in_another_domain() {
    let mut scene = Scene::new();
    let (mut alice, bob) = (scene.present(Offer::Once), scene.present(Offer::Once));
    let domain = Some(Str(&b"other.example"[..]));
    let elsewhere = Request::SearchCustom(SearchCustom::Uin(Address { uin: bob.uin, domain }));
    assert_eq!(search(&mut scene, &mut alice, &elsewhere), []);
    assert_eq!(search(&mut scene, &mut alice, &Request::SearchRandom(SearchRandom { domain })), []);
    let own = Some(Str(&b"localhost"[..]));
    assert_eq!(search(&mut scene, &mut alice, &Request::SearchRandom(SearchRandom { domain: own })), [(bob.uin, true)]);
}

#[test]
fn a_search_that_the_disk_failed_is_refused_and_can_be_repeated() {
    let mut scene = Scene::new();
    let (mut ours, mut old) = (scene.present(Offer::Once), scene.present(Offer::Plain));
    let uin = ours.uin;
    scene.fail_next(|work| matches!(work, Work::LoadCards { .. }));
    let refused = answer(&mut scene, &mut ours, &by_number(uin));
    assert_eq!(refused.refusal(), Some(RefusalReason::STORAGE));
    scene.fail_next(|work| matches!(work, Work::LoadCards { .. }));
    let datagram = old.encode(&by_number(uin));
    scene.datagram(old.address, &datagram);
    assert_eq!(commands(&old.listen(&mut scene)), []);
    scene.advance(Duration::from_secs(5));
    scene.datagram(old.address, &datagram);
    assert_eq!(commands(&old.listen(&mut scene)), [Command::Search]);
}

#[test]
fn the_server_list_names_this_server_and_who_shows_it() {
    let mut scene = Scene::new();
    let (mut alice, _bob) = (scene.present(Offer::Plain), scene.present(Offer::Plain));
    let mut hidden = scene.absent(Offer::Plain);
    hidden.log_in(&mut scene, Status::INVISIBLE);
    alice.send(&mut scene, &Request::GetServerList);
    let [list] = &alice.listen(&mut scene)[..] else { panic!("one list") };
    let Reply::GetServerList(list) = list.reply() else { panic!("no list") };
    let servers: Vec<_> = list.iter().map(|server| (server.domain.0, server.online_users)).collect();
    assert_eq!(servers, [(&b"localhost"[..], 2)]);
}
