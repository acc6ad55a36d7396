//! What is granted, and what it changes: the cipher and the charset of each session by itself.

use std::time::Duration;

use myicq_server::config::Config;
use myicq_wire::charset::Charset;
use myicq_wire::{
    Address, Authorization, Capabilities, Command, CreateGroup, EnterGroup, GetGroupList, GroupMessage, GroupRef,
    LoginReply, MessageKind, ModifyUser, Profile, RefusalReason, Reply, Request, Secret, Status, Str,
};

use crate::client::{Client, Heard, Offer, commands, said};
use crate::scene::Scene;

const ALL: [Capabilities; 5] =
    [Capabilities::CBC, Capabilities::UTF8, Capabilities::SEALED, Capabilities::RECEIPTS, Capabilities::ONCE];

/// Some of these.
fn some(which: usize) -> Capabilities {
    let chosen = ALL.into_iter().enumerate().filter(|(bit, _)| which & 1 << bit != 0);
    chosen.fold(Capabilities::NONE, |all, (_, one)| all.union(one))
}

fn everything() -> Offer {
    Offer::With(some(31))
}

/// The charset that a session with these speaks.
fn charset(capabilities: Capabilities) -> Charset {
    if capabilities.contains(Capabilities::UTF8) {
        Charset::Utf8
    } else if capabilities.contains(Capabilities::ONCE) {
        Charset::Gb18030
    } else {
        Charset::Gbk
    }
}

#[test]
fn what_is_granted_is_what_is_offered_and_known() {
    for offered in [0, 0x10, 0x1f, 0x2f, 0x40, u32::MAX] {
        let mut scene = Scene::new();
        let mut alice = scene.absent(Offer::With(Capabilities(offered)));
        let heard = alice.log_in(&mut scene, Status::ONLINE);
        assert!(matches!(heard[0].reply(), Reply::Login(LoginReply::Success(_))));
        assert_eq!(heard[0].header.reserved, offered & 0x2f, "{offered:#x}");
        assert!(heard.iter().skip(1).all(|datagram| datagram.header.reserved == 0));
    }
}

/// Whatever each of the two has, they understand each other.
#[test]
fn every_session_hears_every_other_in_its_own_charset() {
    let words = "\u{4f60}\u{597d} abc";
    for sender in 0..32 {
        let mut scene = Scene::new();
        let mut alice = scene.present(Offer::With(some(sender)));
        for recipient in 0..32 {
            let bob = scene.present(Offer::With(some(recipient)));
            let spoken = charset(some(sender)).encode(words).into_owned();
            alice.send(&mut scene, &said(bob.uin, MessageKind::TEXT, &spoken));
            let heard = bob.listen(&mut scene);
            let [message] = &heard[..] else { panic!("{sender} to {recipient}: {:?}", commands(&heard)) };
            let message = message.message().unwrap();
            assert_eq!(charset(some(recipient)).decode(&message.text), words, "{sender} to {recipient}");
            let wants_id = Capabilities::ONCE.union(Capabilities::RECEIPTS).intersection(some(recipient));
            assert_eq!(message.id.is_some(), !wants_id.is_empty(), "{sender} to {recipient}");
            let [accepted] = &alice.listen(&mut scene)[..] else { panic!("one acknowledgement") };
            let has_receipts = some(sender).contains(Capabilities::RECEIPTS);
            assert_eq!(accepted.command(), if has_receipts { Command::Sent } else { Command::Ack });
            assert_eq!(accepted.header.seq, None);
        }
    }
}

/// A client that was granted CBC and enciphers otherwise is not heard, and the other way round.
#[test]
fn the_form_of_the_cipher_is_the_one_that_was_granted() {
    for (offered, used) in [(everything(), Offer::Once), (Offer::Once, everything())] {
        let mut scene = Scene::new();
        let (mut alice, bob) = (scene.present(offered), scene.present(Offer::Plain));
        alice.offer = used;
        let datagrams = scene.count("datagrams_received");
        for _ in 0..8 {
            alice.say(&mut scene, bob.uin, "in another form, of more than one block");
        }
        assert_eq!((bob.listen(&mut scene).len(), scene.count("datagrams_received") - datagrams), (0, 8));
    }
}

/// What many are told is encoded once, and yet each gets it as his session wants it.
#[test]
fn who_comes_is_told_to_sealed_and_clear_sessions() {
    let mut scene = Scene::new();
    let mut carol = scene.absent(Offer::Plain);
    let mut watchers: Vec<Client> = (0..32).map(|which| scene.present(Offer::With(some(which)))).collect();
    for watcher in &mut watchers {
        watcher.add(&mut scene, carol.uin);
        watcher.listen(&mut scene);
    }
    carol.log_in(&mut scene, Status::ONLINE);
    for watcher in &watchers {
        let [came] = &watcher.take(&mut scene)[..] else { panic!("one notice") };
        let Reply::UserOnline(user) = came.reply() else { panic!("{:?}", came.reply()) };
        assert_eq!(user.presence.uin, carol.uin);
    }
}

fn create(name: &str) -> Request<'_> {
    Request::CreateGroup(CreateGroup { group_type: 0, name: Str::from(name), password: Secret(b"") })
}

/// Names and words of groups are texts like any other: each session has them in its charset, and the longest fit.
#[test]
fn groups_are_named_and_talk_in_each_charset() {
    let mut scene = Scene::with(|config| config.groups.types = Config::default().groups.types);
    let (mut alice, mut bob) = (scene.present(everything()), scene.present(Offer::Plain));
    let name = "\u{4e2d}".repeat(16);
    alice.send(&mut scene, &create(&(name.clone() + "a")));
    assert_eq!(refusals(&alice.listen(&mut scene)), [Some(RefusalReason::TOO_LONG)]);
    alice.send(&mut scene, &create(&name));
    let heard = alice.listen(&mut scene);
    let Reply::CreateGroup(GroupRef { group }) = heard[0].reply() else { panic!("{:?}", heard[0].reply()) };
    for (client, charset) in [(&mut alice, Charset::Utf8), (&mut bob, Charset::Gbk)] {
        client.send(&mut scene, &Request::GetGroupList(GetGroupList { group_type: 0 }));
        let heard = client.listen(&mut scene);
        let Reply::GetGroupList(list) = heard[0].reply() else { panic!("{:?}", heard[0].reply()) };
        assert_eq!(
            list.iter().map(|it| charset.decode(&it.name).into_owned()).collect::<Vec<_>>(),
            std::slice::from_ref(&name)
        );
    }
    bob.send(&mut scene, &Request::EnterGroup(EnterGroup { group, password: Secret(b"") }));
    bob.listen(&mut scene);
    assert_eq!(commands(&alice.listen(&mut scene)), [Command::GroupEntered]);
    let words = "\u{4e2d}".repeat(225);
    alice.send(&mut scene, &Request::GroupMessage(GroupMessage { group, text: Str(words.as_bytes()) }));
    let heard = bob.listen(&mut scene);
    let Reply::GroupMessage(said) = heard[0].reply() else { panic!("{:?}", heard[0].reply()) };
    assert_eq!((said.text.len(), Charset::Gbk.decode(&said.text).into_owned()), (450, words));
}

/// The same bytes each time, so that nobody who looks on gets two texts for one number.
#[test]
fn a_sealed_datagram_comes_again_as_it_was() {
    let mut scene = Scene::new();
    let (mut alice, bob) = (scene.present(Offer::Plain), scene.present(everything()));
    alice.say(&mut scene, bob.uin, "once more");
    let first = scene.take(bob.address, bob.session);
    scene.advance(Duration::from_secs(2));
    let second = scene.take(bob.address, bob.session);
    assert!(!second.is_empty() && first[0].body == second[0].body && first[0].header == second[0].header);
    let plain = b"once more";
    assert!(!first[0].body.windows(plain.len()).any(|bytes| bytes == plain));
}

fn refusals(heard: &[Heard]) -> Vec<Option<RefusalReason>> {
    heard.iter().map(Heard::refusal).collect()
}

/// 225 characters of two bytes have 675 bytes in UTF-8.
#[test]
fn texts_in_utf_8_may_be_as_long_as_in_gb_18030() {
    let mut scene = Scene::new();
    let (mut alice, bob) = (scene.present(everything()), scene.present(Offer::Plain));
    alice.say(&mut scene, bob.uin, &"\u{4e2d}".repeat(225));
    let heard = bob.listen(&mut scene);
    assert_eq!(heard[0].message().unwrap().text.len(), 450);
    alice.listen(&mut scene);
    alice.say(&mut scene, bob.uin, &("\u{4e2d}".repeat(225) + "a"));
    assert_eq!(refusals(&alice.listen(&mut scene)), [Some(RefusalReason::TOO_LONG)]);
    assert!(bob.listen(&mut scene).is_empty());
}

#[test]
fn a_profile_read_in_utf_8_is_whole_and_always_fits_a_datagram() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = (scene.present(everything()), scene.present(Offer::Once));
    // Of two bytes each in GB 18030, and of three in UTF-8.
    let (written, shown) = ([0xD6, 0xD0].repeat(127), "\u{4e2d}".repeat(127));
    let (written, shown) = (Str(&written), Str(shown.as_bytes()));
    let mut modify = |profile| {
        let change = ModifyUser { profile, auth: Authorization::ANYONE, password: None };
        bob.send(&mut scene, &Request::ModifyUser(change));
        assert_eq!(commands(&bob.listen(&mut scene)), [Command::Ack]);
        alice.send(&mut scene, &Request::UpdateContact(Address { uin: bob.uin, domain: None }));
        alice.listen(&mut scene)
    };
    let nick = "\u{4e2d}".repeat(8);
    fn some<'a>(nick: &'a [u8], text: Str<'a>) -> Profile<'a> {
        Profile { nick: Str(nick), address: text, name: text, intro: text, ..Profile::default() }
    }
    let heard = modify(some(&written[..16], written));
    let Reply::UpdateContact(contact) = heard[0].reply() else { panic!("{:?}", heard[0].reply()) };
    assert_eq!(contact.profile, some(nick.as_bytes(), shown));
    let all = |text| Profile {
        country: text,
        province: text,
        city: text,
        email: text,
        zipcode: text,
        tel: text,
        college: text,
        occupation: text,
        homepage: text,
        ..some(b"", text)
    };
    let heard = modify(all(written));
    let Reply::UpdateContact(contact) = heard[0].reply() else { panic!("{:?}", heard[0].reply()) };
    let Profile { homepage, intro, .. } = contact.profile;
    assert_eq!(contact.profile, Profile { homepage, intro, ..all(shown) });
    assert!(
        homepage.len() + intro.len() < 2 * shown.len() && shown.starts_with(&homepage) && shown.starts_with(&intro)
    );
}
