//! Sessions that outlive their process.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use myicq_wire::{
    Capabilities, ChangeStatus, Command, LoginError, RefusalReason, Request, Resume, ResumeReply, Seq, Status,
};

use crate::client::{Client, Heard, Offer, commands, words};
use crate::scene::Scene;

fn is_presence(heard: &&Heard) -> bool {
    matches!(
        heard.command(),
        Command::UserOnline | Command::UserOffline | Command::MultiOnline | Command::StatusChanged
    )
}

/// Answers the server with what the client knows: all before its next number is done.
fn answer(client: &Client, scene: &mut Scene) -> ResumeReply {
    let heard = client.take(scene);
    let asked = heard.iter().find_map(Heard::asks_to_resume).expect("it asks");
    let (oldest, newest) = (client.seq, client.seq - 1);
    client.resume(scene, Resume { start: asked.start, oldest, newest, status: Status::ONLINE });
    asked
}

#[test]
fn a_plain_session_goes_on_and_no_number_of_the_server_comes_twice() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = (scene.present(Offer::Plain), scene.present(Offer::Plain));
    alice.add(&mut scene, bob.uin);
    let mut seqs: HashSet<_> = alice.listen(&mut scene).iter().map(Heard::seq).collect();
    for is_exact in [true, false, false] {
        if is_exact {
            scene.stop_and_start();
        } else {
            let saved = scene.saved();
            bob.say(&mut scene, alice.uin, "after the last time");
            seqs.extend(alice.listen(&mut scene).iter().map(Heard::seq));
            scene.restart_with(saved, false);
        }
        bob.say(&mut scene, alice.uin, "hello");
        let heard = alice.listen(&mut scene);
        assert_eq!(words(&heard), ["hello"]);
        assert_eq!(heard.iter().filter(is_presence).count(), 1, "{:?}", commands(&heard));
        for datagram in &heard {
            assert!(seqs.insert(datagram.seq()), "{} comes again", datagram.seq());
        }
        assert_eq!(bob.listen(&mut scene).last().unwrap().header.ackseq, Seq::new(bob.seq - 1));
    }
    assert_eq!((scene.count("sessions_restored"), scene.sessions()), (2, 2));
}

/// A client of 2003 takes numbers that come again for duplicates, so the restart must not hide how many were used.
#[test]
fn a_plain_session_whose_numbers_run_out_at_a_restart_is_renewed() {
    let mut scene = Scene::new();
    let alice = scene.present(Offer::Plain);
    let mut ends = 0;
    for start in 1..=40 {
        scene.stop_and_start();
        ends = start;
        if scene.sessions() == 0 {
            break;
        }
    }
    assert_eq!(ends, 65_000_usize.div_ceil(2_048));
    let errors: Vec<_> = alice.take(&mut scene).iter().filter_map(Heard::login_error).collect();
    assert_eq!((errors, scene.count("sessions_renewed")), (vec![LoginError::REPLACED], 1));
}

#[test]
fn with_once_nothing_is_sent_and_nothing_done_before_the_client_has_answered() {
    for more in [Capabilities::NONE, Capabilities::SEALED.union(Capabilities::CBC)] {
        let mut scene = Scene::new();
        let mut alice = scene.present(Offer::With(Capabilities::ONCE.union(more)));
        let mut bob = scene.present(Offer::Plain);
        alice.add(&mut scene, bob.uin);
        alice.listen(&mut scene);
        bob.listen(&mut scene);
        scene.stop_and_start();
        bob.say(&mut scene, alice.uin, "hello");
        alice.say(&mut scene, bob.uin, "too early");
        scene.advance(Duration::from_secs(8));
        assert_eq!(words(&bob.listen(&mut scene)), [""; 0]);
        let heard = alice.take(&mut scene);
        // At once, and after 1, 2 and 4 s more; not for what came right behind the first.
        assert_eq!(commands(&heard), [Command::Resume; 4]);
        assert!(heard.iter().all(|datagram| datagram.header.seq.is_none() && datagram.header.ackseq.is_none()));
        let asked = heard[0].asks_to_resume().unwrap();
        assert!(heard.iter().all(|datagram| datagram.asks_to_resume() == Some(asked)));
        assert_eq!(scene.count("drop_not_resumed"), 1);

        // An answer to another start is none.
        let early = alice.seq - 1;
        let mine = Resume { start: asked.start, oldest: early, newest: early, status: Status::AWAY };
        alice.resume(&mut scene, Resume { start: asked.start - 1, ..mine });
        alice.resume(&mut scene, Resume { oldest: 0, ..mine });
        assert_eq!((scene.count("sessions_resumed"), alice.take(&mut scene).len()), (0, 0));
        alice.resume(&mut scene, mine);
        let heard = alice.listen(&mut scene);
        assert_eq!(heard[0].seq().number(), asked.first);
        assert_eq!((words(&heard), heard.iter().filter(is_presence).count()), (vec!["hello".to_owned()], 1));
        assert_eq!(scene.count("sessions_resumed"), 1);
        // What came too early comes again, and is done: the server had not died in the midst of it.
        alice.seq = early;
        alice.say(&mut scene, bob.uin, "too early");
        assert_eq!(words(&bob.listen(&mut scene)), ["too early"]);
    }
}

#[test]
fn who_was_killed_does_not_say_twice_what_may_have_been_said() {
    let mut scene = Scene::new();
    let (mut alice, bob) = (scene.present(Offer::Once), scene.present(Offer::Plain));
    let saved = scene.saved();
    let begin = alice.seq;
    alice.say(&mut scene, bob.uin, "done");
    alice.say(&mut scene, bob.uin, "in doubt");
    assert_eq!(words(&bob.listen(&mut scene)), ["done", "in doubt"]);
    scene.restart_with(saved, false);
    let asked = alice.take(&mut scene).iter().find_map(Heard::asks_to_resume).unwrap();
    // The first was acknowledged; the second may have been lost on the way; a third had not been sent.
    let (oldest, newest) = (begin + 1, begin + 2);
    alice.resume(&mut scene, Resume { start: asked.start, oldest, newest, status: Status::ONLINE });
    alice.seq = begin + 1;
    alice.say(&mut scene, bob.uin, "in doubt");
    alice.send(&mut scene, &Request::ChangeStatus(ChangeStatus { status: Status::AWAY }));
    alice.say(&mut scene, bob.uin, "new");
    let heard = alice.listen(&mut scene);
    assert_eq!(heard.iter().filter_map(Heard::refusal).collect::<Vec<_>>(), [RefusalReason::IN_DOUBT]);
    assert_eq!(words(&bob.listen(&mut scene)), ["new"]);
    assert_eq!(scene.count("refused_in_doubt"), 1);
    assert!(heard.iter().any(|datagram| datagram.header.ackseq == Seq::new(begin + 2)), "the status can be set again");
}

#[test]
fn what_was_acknowledged_and_not_delivered_comes_again() {
    let mut scene = Scene::new();
    let (alice, mut bob) = (scene.present(Offer::Once), scene.present(Offer::Plain));
    bob.say(&mut scene, alice.uin, "hello");
    let id = alice.take(&mut scene).iter().find_map(|heard| heard.message()?.id);
    scene.stop_and_start();
    answer(&alice, &mut scene);
    let again: Vec<_> = alice.listen(&mut scene).iter().filter_map(|heard| heard.message()?.id).collect();
    assert_eq!(again, [id.unwrap()]);
    assert_eq!(bob.listen(&mut scene).len(), 1, "it was stored at the end, and acknowledged");
}

#[test]
fn a_session_belongs_to_its_address_and_to_a_user_who_is_still_there() {
    let mut scene = Scene::new();
    let (mut alice, bob) = (scene.present(Offer::Plain), scene.present(Offer::Once));
    scene.stop_and_start();
    let (home, elsewhere) = (alice.address, SocketAddr::from(([192, 0, 2, 1], 4000)));
    alice.address = elsewhere;
    alice.say(&mut scene, bob.uin, "from elsewhere");
    assert_eq!((scene.count("drop_wrong_address"), alice.take(&mut scene).len()), (1, 0));
    alice.address = home;
    let saved = scene.saved();
    scene.lose_users();
    scene.restart_with(saved, true);
    assert_eq!((scene.sessions(), scene.count("sessions_removed")), (0, 2));
    assert_eq!(alice.take(&mut scene).iter().find_map(Heard::login_error), Some(LoginError::INVALID_UIN));
}

#[test]
fn a_client_that_does_not_answer_is_gone_after_its_time() {
    let mut scene = Scene::new();
    let (alice, mut bob) = (scene.present(Offer::Once), scene.present(Offer::Plain));
    bob.add(&mut scene, alice.uin);
    bob.listen(&mut scene);
    scene.stop_and_start();
    for _ in 0..3 {
        scene.advance(Duration::from_secs(59));
        bob.send(&mut scene, &Request::GetServerList);
    }
    let before = bob.listen(&mut scene);
    assert!(before.iter().all(|heard| heard.command() != Command::UserOffline));
    scene.advance(Duration::from_secs(4));
    let heard = bob.listen(&mut scene);
    let seqs: HashSet<_> = heard.iter().map(Heard::seq).collect();
    assert!(heard.iter().all(|heard| heard.command() == Command::UserOffline) && seqs.len() == 1);
    assert_eq!((scene.count("sessions_expired"), scene.sessions()), (1, 1));
    assert!(alice.take(&mut scene).len() < 20, "it is not asked too often");
}

#[test]
fn a_later_login_stays_when_an_earlier_session_is_restored_behind_it() {
    let mut scene = Scene::new();
    let alice = scene.present(Offer::Plain);
    let mut saved = scene.saved();
    scene.begin_restart(&mut saved, true);
    let mut later = scene.client(alice.uin, Offer::Plain);
    later.log_in(&mut scene, Status::ONLINE);
    scene.restore(saved);
    assert_eq!(alice.take(&mut scene).iter().find_map(Heard::login_error), Some(LoginError::REPLACED));
    assert_eq!((later.take(&mut scene).len(), scene.sessions()), (0, 1));
}

/// It may have been done in the very end, and what its client said behind it was: it must neither be said twice nor overtake.
#[test]
fn what_was_still_open_at_an_orderly_end_is_in_doubt_and_what_came_behind_it_is_not() {
    let mut scene = Scene::new();
    let (mut alice, bob) = (scene.present(Offer::Once), scene.absent(Offer::Plain));
    let begin = alice.seq;
    scene.stall();
    alice.say(&mut scene, bob.uin, "to the disk");
    let saved = scene.saved();
    scene.resume();
    scene.restart_with(saved, true);
    let asked = alice.take(&mut scene).iter().find_map(Heard::asks_to_resume).unwrap();
    // The next one had been sent, too, and dropped.
    let (oldest, newest) = (begin, begin + 1);
    alice.resume(&mut scene, Resume { start: asked.start, oldest, newest, status: Status::ONLINE });
    alice.seq = begin;
    alice.say(&mut scene, bob.uin, "to the disk");
    alice.say(&mut scene, bob.uin, "behind it");
    let heard = alice.listen(&mut scene);
    assert_eq!(heard.iter().filter_map(Heard::refusal).collect::<Vec<_>>(), [RefusalReason::IN_DOUBT]);
    assert!(heard.iter().any(|datagram| datagram.header.ackseq == Seq::new(begin + 1)));
}

/// What is open does not hold up what came behind it, and so may come after that.
#[test]
fn what_is_in_doubt_stays_so_when_later_requests_come_first() {
    for is_exact in [true, false] {
        let mut scene = Scene::new();
        let (mut alice, mut bob) = (scene.present(Offer::Once), scene.absent(Offer::Plain));
        let begin = alice.seq;
        scene.stall();
        alice.say(&mut scene, bob.uin, "to the disk");
        let saved = scene.saved();
        scene.resume();
        scene.restart_with(saved, is_exact);
        let asked = alice.take(&mut scene).iter().find_map(Heard::asks_to_resume).unwrap();
        alice.resume(&mut scene, Resume { start: asked.start, oldest: begin, newest: begin, status: Status::ONLINE });
        alice.say(&mut scene, bob.uin, "behind it");
        alice.seq = begin;
        alice.say(&mut scene, bob.uin, "to the disk");
        let heard = alice.listen(&mut scene);
        assert_eq!(heard.iter().filter_map(Heard::refusal).collect::<Vec<_>>(), [RefusalReason::IN_DOUBT]);
        assert_eq!(words(&bob.log_in(&mut scene, Status::ONLINE)), ["to the disk", "behind it"]);
    }
}
