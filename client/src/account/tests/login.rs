use myicq_wire::{Ipv4, KeepAliveReply, Login, LoginError, Secret, Status};

use super::*;
use crate::account::{SUPPORTED, Timeouts};
use crate::error::{EndReason, LoginRefused, Misuse};

#[test]
fn the_login_offers_all_and_is_what_servers_of_2002_read() {
    let sent = Scene::new().only(Command::Login);
    let ClientHeader { reserved, uin, session, seq, .. } = sent.header;
    assert_eq!((reserved, uin, session, seq), (SUPPORTED.0, ALICE, SESSION, Seq::new(100)));
    assert_ne!(sent.header.check_code, 0);
    let login =
        Login { password: Secret(b"hunter2"), status: Status::ONLINE, tcp_version: 1, real_ip: Ipv4::NONE, port: 0 };
    shows(&sent, &Wire::Login(login));
}

#[test]
fn the_reply_opens_the_session_and_is_acknowledged() {
    for granted in [Capabilities::ONCE, Capabilities::NONE] {
        let mut scene = Scene::new();
        let login = scene.only(Command::Login);
        // A server grants no more than was offered; what it says beyond that does not count.
        scene.say_with(granted.union(Capabilities(0x40)), login.header.seq, &welcome());
        assert_eq!(scene.account.is_exactly_once(), granted == Capabilities::ONCE);
        let sent = scene.sent();
        assert_eq!((sent[0].command, sent[0].header.seq), (Command::Ack, Seq::new(SERVER_SEQ)));
        assert_eq!(sent.last().unwrap().command, Command::KeepAlive);
        let exactly_once = granted == Capabilities::ONCE;
        let logged_in = Event::LoggedIn { ip: [127, 0, 0, 1].into(), online_users: 2, exactly_once, granted };
        assert_eq!(scene.events(), [logged_in]);
    }
}

#[test]
fn the_proof_of_the_address_goes_along_until_the_server_speaks() {
    let mut scene = Scene::new();
    let login = scene.only(Command::Login);
    scene.say_with(Capabilities::ONCE, login.header.seq, &welcome());
    let commands = |sent: Vec<Sent>| sent.iter().map(|sent| sent.command).collect::<Vec<_>>();
    assert_eq!(commands(scene.sent()), [Command::Ack, Command::Ack, Command::KeepAlive]);
    let again = scene.next_deadline();
    assert_eq!(again[0].header.seq, Seq::new(SERVER_SEQ));
    assert_eq!(commands(again.clone()), [Command::Ack, Command::KeepAlive], "a resend brings it again");
    scene.acknowledge(again[1].header.seq);
    assert_eq!(commands(scene.next_deadline()), [Command::KeepAlive], "now it has arrived");
}

#[test]
fn a_repeated_reply_is_acknowledged_again_and_opens_nothing_twice() {
    for granted in [Capabilities::ONCE, Capabilities::NONE] {
        let mut scene = Scene::online(granted);
        for _ in 0..2 {
            scene.hear(&datagram(granted, Seq::new(SERVER_SEQ), None, &welcome()));
            assert_eq!(scene.acknowledged(), [SERVER_SEQ]);
        }
        assert_eq!((scene.events(), scene.account.stats().duplicates), (vec![], 2));
    }
}

#[test]
fn an_acknowledgement_apart_from_the_reply_stops_the_resending_alone() {
    let mut scene = Scene::new();
    let login = scene.only(Command::Login);
    scene.acknowledge(login.header.seq);
    assert!(!scene.account.is_online());
    scene.say(None, &welcome());
    assert!(scene.account.is_online());

    let mut scene = Scene::new();
    let login = scene.only(Command::Login);
    scene.acknowledge(login.header.seq);
    let (waited, sent) = scene.run_out();
    assert_eq!((waited, scene.account.ended()), (Timeouts::default().reply, Some(EndReason::TimedOut)));
    assert_eq!(sent.len(), 1, "the LOGOUT alone: {sent:?}");
}

#[test]
fn a_refused_login_ends_the_session_unacknowledged() {
    for (code, refused) in [
        (LoginError::INVALID_UIN, LoginRefused::InvalidUin),
        (LoginError::WRONG_PASSWORD, LoginRefused::WrongPassword),
        (LoginError(9), LoginRefused::Other(9)),
    ] {
        let mut scene = Scene::new();
        let waiting = scene.ask(Request::contacts());
        let login = scene.only(Command::Login);
        scene.say(login.header.seq, &Reply::Login(LoginReply::Refused(code)));
        let reason = EndReason::LoginRefused(refused);
        assert_eq!(scene.events(), [Event::Ended { reason }]);
        assert_eq!(scene.answer(), Some((waiting, Err(RequestError::Ended(reason)))));
        assert_eq!((scene.sent(), scene.account.poll_timeout()), (vec![], None));
        assert_eq!(scene.account.request(Request::contacts()), Err(Misuse::Ended));
    }
}

#[test]
fn who_is_removed_in_mid_session_hears_so() {
    let mut scene = Scene::online(Capabilities::ONCE);
    scene.say(None, &Reply::Login(LoginReply::Refused(LoginError::INVALID_UIN)));
    let reason = EndReason::LoginRefused(LoginError::INVALID_UIN.into());
    assert_eq!(scene.events(), [Event::Ended { reason }]);
}

#[test]
fn a_refusal_in_mid_session_says_that_another_login_took_its_place() {
    let mut scene = Scene::online(Capabilities::ONCE);
    scene.say(None, &Reply::Login(LoginReply::Refused(LoginError::REPLACED)));
    assert_eq!(scene.events(), [Event::Ended { reason: EndReason::Replaced }]);
    assert_eq!(scene.sent(), []);
}

#[test]
fn a_login_without_an_answer_is_repeated_and_times_out() {
    let mut scene = Scene::new();
    let (waited, sent) = scene.run_out();
    assert_eq!(scene.account.ended(), Some(EndReason::TimedOut));
    assert!(waited >= Duration::from_secs(30), "{waited:?}");
    let logins = sent.iter().filter(|sent| sent.command == Command::Login).count();
    assert_eq!(logins, usize::from(Timeouts::default().link.max_sends));
    assert_eq!(sent.last().unwrap().command, Command::Logout);
}

#[test]
fn keep_alives_come_once_a_minute_and_their_replies_are_not_acknowledged() {
    for granted in [Capabilities::ONCE, Capabilities::NONE] {
        let mut scene = Scene::online(granted);
        let mut last = scene.now;
        for round in 0..3 {
            let sent = scene.next_deadline();
            assert_eq!(sent[0].command, Command::KeepAlive, "{sent:?}");
            assert_eq!(scene.now.since(last), Timeouts::default().keep_alive);
            last = scene.now;
            let reply = Reply::KeepAlive(KeepAliveReply { online_users: round });
            if granted == Capabilities::ONCE {
                scene.hear(&datagram(Capabilities::NONE, None, sent[0].header.seq, &reply));
            } else {
                scene.say(sent[0].header.seq, &reply);
            }
            assert_eq!((scene.sent(), scene.account.online_users()), (vec![], round));
        }
    }
}

#[test]
fn a_server_that_answers_no_keep_alive_is_lost() {
    for granted in [Capabilities::ONCE, Capabilities::NONE] {
        let mut scene = Scene::online(granted);
        let (_, sent) = scene.run_out();
        assert_eq!(scene.events(), [Event::Ended { reason: EndReason::Lost }]);
        assert_eq!(sent.last().unwrap().command, Command::Logout);
        assert_eq!((scene.sent(), scene.account.poll_timeout()), (vec![], None));
    }
}

#[test]
fn a_logout_is_sent_once() {
    let mut scene = Scene::online(Capabilities::ONCE);
    let asked = scene.ask(Request::contacts());
    scene.sent();
    scene.account.log_out();
    scene.account.log_out();
    scene.only(Command::Logout);
    assert_eq!(scene.answer(), Some((asked, Err(RequestError::Ended(EndReason::LoggedOut)))));
    assert_eq!(scene.events(), [Event::Ended { reason: EndReason::LoggedOut }]);
}

#[test]
fn what_cannot_log_in_is_misuse() {
    let open = |config| Account::new(config, entropy(), SeenMessages::default()).map(drop);
    assert_eq!(open(Config::new(Uin::NONE, password())), Err(Misuse::NoUin));
    let offline = Config { status: Status::OFFLINE, ..Config::new(ALICE, password()) };
    assert_eq!(open(offline), Err(Misuse::Status));
}

#[test]
fn nothing_shows_the_password() {
    let scene = Scene::new();
    assert!(!format!("{:?}", scene.account).contains("hunter2"));
}
