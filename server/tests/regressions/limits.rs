//! How often things may be done, and how much of one may be had: what is beyond it, who is told, and who does not notice.

use std::time::Duration;

use myicq_server::config::{Config, Registration};
use myicq_wire::{
    Command, GroupId, GroupMessage, Login, RefusalReason, Reply, Request, SearchRandom, Secret, SessionId, Status, Str,
    Uin,
};

use crate::client::{Client, Heard, Offer, commands, words};
use crate::scene::{PASSWORD, Scene};

const SECOND: Duration = Duration::from_secs(1);

fn limited() -> Scene {
    with(|_| ())
}

fn with(configure: impl FnOnce(&mut Config)) -> Scene {
    Scene::with(|config| {
        config.limits.rates = true;
        configure(config);
    })
}

/// A client of a user, at an address of the internet.
fn at(scene: &mut Scene, uin: Uin, last: u8) -> Client {
    let mut client = scene.client(uin, Offer::Once);
    client.address.set_ip([203, 0, 113, last].into());
    client
}

/// The same of a new user.
fn new_at(scene: &mut Scene, last: u8) -> Client {
    let uin = scene.user();
    at(scene, uin, last)
}

/// Sends a LOGIN in a new session.
fn try_password(scene: &mut Scene, client: &mut Client, password: &[u8]) {
    client.session = SessionId(client.session.0 + 1000);
    let (password, status) = (Secret(password), Status::ONLINE);
    let login = Login { password, status, tcp_version: 1, real_ip: Default::default(), port: 9 };
    client.send(scene, &Request::Login(login));
}

fn is_in(scene: &mut Scene, client: &mut Client) -> bool {
    try_password(scene, client, PASSWORD);
    let heard = client.listen(scene);
    heard.first().is_some_and(|first| first.command() == Command::Login && first.login_error().is_none())
}

/// 10,000 in a minute.
const PAUSE: Duration = Duration::from_millis(6);

#[test]
fn of_ten_thousand_guesses_at_one_user_from_anywhere_few_reach_argon2() {
    let mut scene = limited();
    let (alice, bob, carol) = (scene.user(), scene.user(), scene.user());
    let (mut at_home, mut bobs) = (at(&mut scene, alice, 1), at(&mut scene, bob, 2));
    let mut carols = at(&mut scene, carol, 3);
    assert!(is_in(&mut scene, &mut at_home) && is_in(&mut scene, &mut bobs));
    scene.take_asked();
    for number in 0..10_000_u32 {
        let mut forged = scene.client(alice, Offer::Plain);
        forged.address.set_ip(std::net::IpAddr::from((0xC633_0000 + number).to_be_bytes()));
        try_password(&mut scene, &mut forged, b"wrong");
        scene.advance(PAUSE);
    }
    let reached = scene.take_asked().passwords;
    assert!((3..=6).contains(&reached), "3 at once and 3 in the minute, not {reached}");
    assert_eq!(scene.count("drop_logins_too_often"), 10_000 - reached as u64);
    assert!(is_in(&mut scene, &mut at_home), "who is at home is not kept out");
    assert!(is_in(&mut scene, &mut bobs) && is_in(&mut scene, &mut carols), "nor is anybody else");
}

#[test]
fn of_ten_thousand_guesses_from_one_address_few_reach_argon2() {
    let mut scene = limited();
    let users: Vec<Uin> = (0..100).map(|_| scene.user()).collect();
    let mut forged = at(&mut scene, Uin::NONE, 1);
    for number in 0..10_000_u32 {
        // Half of them of users whom there are.
        forged.uin = if number % 2 == 0 { users[number as usize / 2 % 100] } else { Uin(20_000 + number) };
        try_password(&mut scene, &mut forged, b"wrong");
        scene.advance(PAUSE);
    }
    let reached = scene.take_asked().passwords;
    assert!((10..=20).contains(&reached), "10 at once and 10 in the minute, not {reached}");
    for (place, &uin) in (2..).zip(&users) {
        let mut other = at(&mut scene, uin, place);
        assert!(is_in(&mut scene, &mut other), "{uin} from elsewhere");
    }
}

#[test]
fn a_guess_that_argon2_does_not_judge_is_not_judged_at_all() {
    let mut scene = limited();
    let alice = scene.user();
    let (mut home, mut stranger) = (at(&mut scene, alice, 1), at(&mut scene, alice, 2));
    assert!(is_in(&mut scene, &mut home), "her password is known from now on");
    for _ in 0..3 {
        try_password(&mut scene, &mut stranger, b"wrong");
        assert!(stranger.take(&mut scene).iter().all(|reply| reply.login_error().is_some()));
    }
    for password in [&b"guess"[..], PASSWORD] {
        try_password(&mut scene, &mut stranger, password);
        assert!(stranger.take(&mut scene).is_empty(), "no answer tells a good guess from a bad one");
    }
    assert!(is_in(&mut scene, &mut home));
    scene.advance(20 * SECOND);
    assert!(is_in(&mut scene, &mut stranger), "one more may be tried");
}

/// An office in the morning, behind one address.
#[test]
fn right_passwords_count_only_until_they_are_known_to_be_right() {
    let mut scene = limited();
    let mut clients: Vec<_> = (0..200).map(|_| new_at(&mut scene, 1)).collect();
    assert!(clients.iter_mut().all(|client| is_in(&mut scene, client)));
    assert_eq!(scene.count("drop_logins_too_often"), 0);
}

#[test]
fn a_login_that_nobody_could_judge_does_not_count() {
    let mut scene = with(|config| config.limits.hash_queue_max = 1);
    let (alice, bob) = (scene.user(), scene.user());
    let (mut alices, mut bobs) = (at(&mut scene, alice, 1), at(&mut scene, bob, 1));
    scene.stall();
    try_password(&mut scene, &mut alices, PASSWORD);
    for _ in 0..30 {
        try_password(&mut scene, &mut bobs, PASSWORD);
    }
    assert_eq!(scene.count("drop_logins_full"), 30);
    scene.resume();
    assert!(is_in(&mut scene, &mut bobs));
}

/// A refusal would be final for a client, though there is nothing against it but the hour.
#[test]
fn a_registration_that_nobody_has_time_for_is_not_refused_and_does_not_count() {
    let mut scene = with(|config| {
        config.limits.hash_queue_max = 1;
        config.limits.address_registrations_per_hour = 1;
    });
    let mut clients = [(); 2].map(|()| scene.client(Uin::NONE, Offer::Once));
    clients.iter_mut().zip([1, 2]).for_each(|(client, last)| client.address.set_ip([192, 168, 1, last].into()));
    let [first, second] = &mut clients;
    scene.stall();
    first.register(&mut scene, PASSWORD);
    for _ in 0..30 {
        second.clone().register(&mut scene, PASSWORD);
    }
    assert!(second.take(&mut scene).is_empty());
    assert_eq!((scene.count("drop_logins_full"), scene.count("registrations_too_often")), (30, 0));
    scene.resume();
    second.register(&mut scene, PASSWORD);
    let heard = second.take(&mut scene);
    let [reply] = &heard[..] else { panic!("one reply to a registration, not {:?}", commands(&heard)) };
    assert!(matches!(reply.reply(), Reply::NewUin(new) if new.uin != Uin::NONE));
}

/// A registration of somebody else at an address.
fn register(scene: &mut Scene, ip: &str) -> Option<Uin> {
    let mut client = scene.client(Uin::NONE, Offer::Plain);
    client.address.set_ip(ip.parse().unwrap());
    client.register(scene, PASSWORD);
    let heard = client.take(scene);
    let [reply] = &heard[..] else { panic!("one reply to a registration, not {:?}", commands(&heard)) };
    let Reply::NewUin(new) = reply.reply() else { panic!("{:?}", reply.reply()) };
    let uin = Some(new.uin).filter(|&uin| uin != Uin::NONE)?;
    client.acknowledge(scene, reply.seq());
    Some(uin)
}

#[test]
fn who_may_register_is_a_setting() {
    for (registration, local, private, public) in [
        (Registration::Private, true, true, false),
        (Registration::Everywhere, true, true, true),
        (Registration::Off, false, false, false),
    ] {
        let mut scene = with(|config| config.limits.registration = registration);
        let may = ["127.0.0.1", "192.168.1.7", "8.8.8.8"].map(|ip| register(&mut scene, ip).is_some());
        assert_eq!(may, [local, private, public], "{registration:?}");
        assert_eq!(scene.count("registrations_closed"), may.iter().filter(|may| !**may).count() as u64);
        assert_eq!(
            scene.take_asked().passwords,
            may.iter().filter(|may| **may).count(),
            "nothing is hashed for the others"
        );
    }
}

#[test]
fn three_may_register_from_an_address_in_an_hour() {
    // One at a time, so that a refusal that kept its place would keep all others out.
    let mut scene = with(|config| config.limits.hash_queue_max = 1);
    let count = |scene: &mut Scene, ip| (0..10).filter(|_| register(scene, ip).is_some()).count();
    assert_eq!((count(&mut scene, "10.0.0.1"), count(&mut scene, "10.0.0.2")), (3, 3));
    assert_eq!((count(&mut scene, "fd00::1:1"), count(&mut scene, "fd00::1:2")), (3, 0), "one network of IPv6");
    assert_eq!(count(&mut scene, "127.0.0.1"), 10, "this machine is nobody else's");
    assert_eq!(scene.count("registrations_too_often"), 7 + 7 + 7 + 10);
    scene.advance(20 * 60 * SECOND);
    assert_eq!(count(&mut scene, "10.0.0.1"), 1);
}

/// The reply must not be more than twice as long.
#[test]
fn a_registration_pays_for_the_domain_in_its_reply() {
    let mut scene = with(|config| config.listen.domain = "d".repeat(40));
    let mut made = (1..=20).filter(|&len| {
        let mut client = scene.client(Uin::NONE, Offer::Plain);
        client.register(&mut scene, &b"p".repeat(len));
        let traffic = scene.traffic(client.address);
        assert!(traffic.from_shard <= 2 * traffic.to_shard);
        client.take(&mut scene).into_iter().any(|heard| {
            client.acknowledge(&mut scene, heard.seq());
            scene.count("registrations") > 0
        })
    });
    assert_eq!(made.next(), Some(11));
}

#[test]
fn eight_logins_from_an_address_wait_for_its_proof() {
    let mut scene = limited();
    let mut waiting: Vec<_> = (0..9).map(|_| new_at(&mut scene, 1)).collect();
    let seqs: Vec<_> = waiting
        .iter_mut()
        .map(|client| {
            client.knock(&mut scene, Status::ONLINE);
            client.take(&mut scene)[0].seq()
        })
        .collect();
    assert_eq!((scene.sessions(), scene.count("sessions_crowded")), (8, 1));
    let mut elsewhere = new_at(&mut scene, 2);
    assert!(is_in(&mut scene, &mut elsewhere));
    for (client, seq) in waiting.iter().zip(seqs) {
        client.acknowledge(&mut scene, seq);
    }
    assert_eq!((scene.count("sessions_opened"), scene.sessions()), (9, 9), "the oldest made room");
    for _ in 0..100 {
        let mut client = new_at(&mut scene, 1);
        assert!(is_in(&mut scene, &mut client), "who has proven it does not count");
    }
}

#[test]
fn a_session_says_ten_things_at_once_and_then_two_in_a_second() {
    let mut scene = limited();
    let bob = scene.present(Offer::Plain);
    for offer in [Offer::Plain, Offer::Once] {
        let mut alice = scene.present(offer);
        for number in 0..11 {
            alice.say(&mut scene, bob.uin, &number.to_string());
        }
        let heard = words(&bob.listen(&mut scene));
        assert_eq!(heard, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        let told: Vec<_> = alice.listen(&mut scene).iter().filter_map(Heard::refusal).collect();
        assert_eq!(told, if offer == Offer::Once { vec![RefusalReason::TOO_OFTEN] } else { vec![] });
        // A client of 2003 sends it again with the same number: it is judged anew.
        alice.seq -= u16::from(offer == Offer::Plain);
        scene.advance(SECOND / 2);
        alice.say(&mut scene, bob.uin, "late");
        alice.send(&mut scene, &Request::GroupMessage(GroupMessage { group: GroupId(9), text: Str(b"and more") }));
        assert_eq!(words(&bob.listen(&mut scene)), ["late"]);
    }
    assert_eq!((scene.count("refused_too_often"), scene.count("refused_no_such_group")), (4, 0));
}

#[test]
fn a_session_searches_ten_times_in_a_minute() {
    let mut scene = limited();
    let mut alice = scene.present(Offer::Once);
    let answers: Vec<_> = (0..12)
        .flat_map(|_| {
            alice.send(&mut scene, &Request::SearchRandom(SearchRandom { domain: None }));
            alice.listen(&mut scene)
        })
        .collect();
    let refused = answers.iter().filter(|heard| heard.refusal() == Some(RefusalReason::TOO_OFTEN)).count();
    assert_eq!((answers.len(), refused), (12, 2));
    scene.advance(6 * SECOND);
    alice.send(&mut scene, &Request::SearchRandom(SearchRandom { domain: None }));
    assert_eq!(commands(&alice.listen(&mut scene)), [Command::Search]);
}

/// What the mailbox of somebody who never comes costs, and whom.
#[test]
fn a_mailbox_that_a_thousand_fill_is_full_for_all_and_nobody_else_notices() {
    let mut scene = limited();
    let (mut away, other) = (scene.absent(Offer::Plain), scene.absent(Offer::Plain));
    let here = scene.present(Offer::Plain);
    let text = "x".repeat(450);
    let (mut told, mut unacknowledged) = (0, 0);
    for number in 0..1_000 {
        let offer = if number % 2 == 0 { Offer::Once } else { Offer::Plain };
        let mut sender = scene.present(offer);
        for _ in 0..3 {
            sender.say(&mut scene, away.uin, &text);
            let heard = sender.listen(&mut scene);
            told += heard.iter().filter(|it| it.refusal() == Some(RefusalReason::MAILBOX_FULL)).count();
            unacknowledged += usize::from(heard.is_empty());
        }
        sender.log_out(&mut scene);
        sender.listen(&mut scene);
    }
    // The thousandth is the first of a plain sender, whose other two are the first to be refused.
    assert_eq!((told, unacknowledged), (999, 1_001), "of 3,000, a thousand are kept");
    assert_eq!(scene.count("refused_mailbox_full"), 2_000);

    let mut sender = scene.present(Offer::Once);
    for to in [here.uin, other.uin] {
        sender.say(&mut scene, to, "still open");
    }
    assert_eq!(words(&here.listen(&mut scene)), ["still open"]);
    assert!(sender.listen(&mut scene).iter().all(|it| it.refusal().is_none()));
    let kept = words(&away.log_in(&mut scene, Status::ONLINE));
    assert_eq!((kept.len(), kept.iter().map(String::len).sum()), (1_000, 450_000));
}

#[test]
fn a_mailbox_is_full_of_bytes_before_it_is_full_of_messages() {
    let mut scene = with(|config| config.limits.offline_bytes_max = 1_000);
    let (mut away, mut alice) = (scene.absent(Offer::Plain), scene.present(Offer::Once));
    for _ in 0..3 {
        alice.say(&mut scene, away.uin, &"x".repeat(400));
    }
    let told: Vec<_> = alice.listen(&mut scene).iter().filter_map(Heard::refusal).collect();
    assert_eq!(told, [RefusalReason::MAILBOX_FULL]);
    assert_eq!(words(&away.log_in(&mut scene, Status::ONLINE)).len(), 2);
}

#[test]
fn a_sender_leaves_so_many_in_a_day_whoever_they_are_for() {
    let mut scene = with(|config| config.limits.offline_day_max = 3);
    let away: Vec<_> = (0..5).map(|_| scene.absent(Offer::Plain)).collect();
    for offer in [Offer::Once, Offer::Plain] {
        let (mut alice, here) = (scene.present(offer), scene.present(Offer::Plain));
        for to in &away {
            alice.say(&mut scene, to.uin, "hello");
        }
        alice.say(&mut scene, here.uin, "you are here");
        let heard = alice.listen(&mut scene);
        let told: Vec<_> = heard.iter().filter_map(Heard::refusal).collect();
        let expected = if offer == Offer::Once { vec![RefusalReason::DAY_FULL; 2] } else { vec![] };
        assert_eq!((heard.len() - told.len(), told), (3, expected));
        assert_eq!(words(&here.listen(&mut scene)), ["you are here"]);
        scene.advance(Duration::from_hours(24));
        let mut again = scene.client(alice.uin, Offer::Once);
        again.log_in(&mut scene, Status::ONLINE);
        again.say(&mut scene, away[4].uin, "the next day");
        assert!(again.listen(&mut scene).iter().all(|heard| heard.refusal().is_none()));
    }
    assert_eq!(scene.count("refused_day_full"), 4);
}

#[test]
fn messages_that_nobody_comes_for_are_forgotten_after_their_time() {
    let mut scene = with(|config| config.limits.offline_lifetime = Duration::from_hours(24));
    let (mut away, mut alice) = (scene.absent(Offer::Plain), scene.present(Offer::Plain));
    alice.say(&mut scene, away.uin, "early");
    scene.advance(Duration::from_hours(23));
    let mut again = scene.client(alice.uin, Offer::Plain);
    again.log_in(&mut scene, Status::ONLINE);
    again.say(&mut scene, away.uin, "late");
    scene.advance(Duration::from_hours(2));
    assert_eq!(scene.count("messages_expired"), 1);
    assert_eq!(words(&away.log_in(&mut scene, Status::ONLINE)), ["late"]);
}

/// One commit does not hold up the others, however much there is to forget.
#[test]
fn many_messages_expire_in_several_commits() {
    let mut scene = with(|config| {
        config.limits.rates = false;
        config.limits.offline_max = 10_000;
        config.limits.offline_pair_max = 10_000;
        config.limits.offline_day_max = 10_000;
    });
    let (away, mut alice) = (scene.absent(Offer::Plain), scene.present(Offer::Plain));
    for _ in 0..2_500 {
        alice.say(&mut scene, away.uin, "x");
        alice.listen(&mut scene);
    }
    scene.advance(Duration::from_hours(31 * 24));
    assert_eq!(scene.count("messages_expired"), 2_500);
}
