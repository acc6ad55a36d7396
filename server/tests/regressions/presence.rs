//! Who sees whom.

use std::time::Duration;

use myicq_server::store::Work;
use myicq_wire::{Address, ChangeStatus, Command, Reply, Request, Status, Uin};

use crate::client::{Client, Heard, Offer, commands};
use crate::scene::Scene;

/// Two clients of which the first has the second on its list. The first is here.
fn watched(scene: &mut Scene) -> (Client, Client) {
    let (mut alice, bob) = (scene.present(Offer::Plain), scene.absent(Offer::Plain));
    alice.add(scene, bob.uin);
    assert_eq!(commands(&alice.listen(scene)), [Command::AddFriend]);
    (alice, bob)
}

/// What a client is told of a contact: the latest status.
fn shown(heard: &[Heard], contact: Uin) -> Option<Status> {
    let mut statuses = heard.iter().filter_map(|datagram| match datagram.reply() {
        Reply::UserOnline(online) if online.presence.uin == contact => Some(online.presence.status),
        Reply::StatusChanged(changed) if changed.uin == contact => Some(changed.status),
        Reply::UserOffline(offline) if offline.uin == contact => Some(Status::OFFLINE),
        _ => None,
    });
    statuses.next_back()
}

#[test]
fn nobody_hears_of_an_invisible_login() {
    let mut scene = Scene::new();
    let (alice, mut bob) = watched(&mut scene);
    bob.log_in(&mut scene, Status::INVISIBLE);
    assert_eq!(commands(&alice.listen(&mut scene)), []);
    bob.log_out(&mut scene);
    assert_eq!(commands(&alice.listen(&mut scene)), [], "who never came cannot go");
}

/// A removal that overtakes the loading of the list, because it was sent before the proof of the address.
#[test]
fn a_contact_removed_while_the_list_is_loaded_is_not_seen() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = watched(&mut scene);
    alice.log_out(&mut scene);
    alice.knock(&mut scene, Status::ONLINE);
    alice.send(&mut scene, &Request::DelFriend(Address { uin: bob.uin, domain: None }));
    assert_eq!(commands(&alice.listen(&mut scene)), [Command::Login, Command::Ack]);
    bob.log_in(&mut scene, Status::ONLINE);
    assert_eq!(commands(&alice.listen(&mut scene)), []);
}

#[test]
fn a_list_that_could_not_be_loaded_is_asked_for_again() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = watched(&mut scene);
    alice.log_out(&mut scene);
    bob.log_in(&mut scene, Status::AWAY);
    scene.fail_next(|work| matches!(work, Work::LoadContacts { .. }));
    assert_eq!(commands(&alice.log_in(&mut scene, Status::ONLINE)), [Command::Login]);
    scene.advance(Duration::from_millis(999));
    assert_eq!(commands(&alice.listen(&mut scene)), []);
    scene.advance(Duration::from_millis(1));
    assert_eq!(shown(&alice.listen(&mut scene), bob.uin), Some(Status::AWAY));
}

/// Anybody on a list could once end the session of its owner by changes of status, sent faster than they are acknowledged.
#[test]
fn a_contact_who_flaps_does_not_end_the_session_of_who_watches() {
    let mut scene = Scene::new();
    let (alice, mut bob) = watched(&mut scene);
    bob.log_in(&mut scene, Status::ONLINE);
    for round in 0..1_000 {
        let status = if round % 2 == 0 { Status::ONLINE } else { Status::AWAY };
        bob.send(&mut scene, &Request::ChangeStatus(ChangeStatus { status }));
        bob.listen(&mut scene);
        scene.pass(Duration::from_micros(300));
    }
    assert_eq!(scene.sessions(), 2);
    let heard = alice.listen(&mut scene);
    assert_eq!(shown(&heard, bob.uin), Some(Status::AWAY), "the latest");
    assert!(heard.len() < 200, "{} notices", heard.len());
}

/// One after the other they are told together, half a second after the first; but when there are as many as a datagram holds, nobody waits.
#[test]
fn a_full_page_of_arrivals_waits_for_nobody() {
    const PAGE: usize = 48;
    let mut scene = Scene::new();
    let mut alice = scene.present(Offer::Plain);
    let mut contacts: Vec<_> = (0..PAGE + 2).map(|_| scene.absent(Offer::Plain)).collect();
    for contact in &contacts {
        alice.add(&mut scene, contact.uin);
        alice.listen(&mut scene);
    }
    let mut come = |scene: &mut Scene, range: std::ops::Range<usize>| {
        contacts[range].iter_mut().for_each(|contact| drop(contact.log_in(scene, Status::ONLINE)));
        commands(&alice.listen(scene))
    };
    assert_eq!(come(&mut scene, 0..1), [Command::UserOnline]);
    assert_eq!(come(&mut scene, 1..PAGE), []);
    assert_eq!(come(&mut scene, PAGE..PAGE + 1), [Command::MultiOnline]);
    assert_eq!(come(&mut scene, PAGE + 1..PAGE + 2), []);
    scene.advance(Duration::from_millis(499));
    assert_eq!(come(&mut scene, 0..0), []);
    scene.advance(Duration::from_millis(1));
    assert_eq!(come(&mut scene, 0..0), [Command::UserOnline]);
}
