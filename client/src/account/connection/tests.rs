//! Sessions that follow each other, against a server that says what each test wants.

use std::collections::BTreeMap;

use myicq_wire::{
    Capabilities, Command, Envelope, Ipv4, List, LoginError, LoginReply, LoginSuccess, MAX_DATAGRAM, Reply, Seq,
    SessionId, Status, Uin, encode_reply,
};

use super::super::tests::{ALICE, BOB, open, password, said, texts};
use super::*;
use crate::message::Message;
use crate::password::Password;
use crate::profile::Profile;
use crate::{Authorization, LoginRefused};

const ONCE: Capabilities = Capabilities::ONCE;

/// What the client sent: by which way, in which session, with which number, and what.
type Heard = (PathId, SessionId, Option<Seq>, Command, String);

struct Scene {
    connection: Connection,
    now: Instant,
    /// The server's next number in each session.
    seqs: BTreeMap<SessionId, Seq>,
    opened: Vec<PathId>,
    closed: Vec<PathId>,
}

fn entropy(session: u32) -> Entropy {
    Entropy { session: SessionId(session), first_seq: Seq::FIRST, seed: session.into() }
}

impl Scene {
    fn new(policy: Option<Reconnect>) -> Self {
        let connection =
            Connection::new(Config::new(ALICE, password()), entropy(1), SeenMessages::default(), policy).unwrap();
        let now = Instant(1_000_000);
        Self { connection, now, seqs: BTreeMap::new(), opened: Vec::new(), closed: Vec::new() }
    }

    fn online(policy: Option<Reconnect>) -> Self {
        let mut scene = Self::new(policy);
        scene.let_in(Connection::FIRST_PATH, 1);
        assert!(matches!(scene.events()[..], [Event::LoggedIn { .. }]));
        scene
    }

    /// All that the client sends now.
    fn heard(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        while let Some(output) = self.connection.poll_output(self.now) {
            match output {
                Output::Open(path) => self.opened.push(path),
                Output::Close(path) => self.closed.push(path),
                Output::Transmit(path, datagram) => {
                    let sent = open(&datagram);
                    heard.push((path, sent.header.session, sent.header.seq, sent.command, sent.body));
                }
            }
        }
        heard
    }

    fn commands(&mut self) -> Vec<Command> {
        self.heard().into_iter().map(|(_, _, _, command, _)| command).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    fn answers(&mut self) -> Vec<(RequestId, Result<Answer, RequestError>)> {
        std::iter::from_fn(|| self.connection.poll_answer()).collect()
    }

    fn say(&mut self, path: PathId, session: u32, numbered: bool, ackseq: Option<Seq>, reply: &Reply<'_>) {
        let next = self.seqs.entry(SessionId(session)).or_insert(Seq::FIRST);
        let seq = numbered.then_some(*next);
        if numbered {
            *next = next.next();
        }
        let reserved = if matches!(reply, Reply::Login(_)) { ONCE.0 } else { 0 };
        let envelope = Envelope { reserved, uin: ALICE, session: SessionId(session), seq };
        let mut buffer = [0; MAX_DATAGRAM];
        let len = encode_reply(&envelope, ackseq, reply, &mut buffer).unwrap();
        self.connection.handle_datagram(self.now, path, &buffer[..len]);
    }

    fn acknowledge(&mut self, path: PathId, session: u32, seq: Option<Seq>) {
        self.say(path, session, false, seq, &Reply::Ack);
    }

    /// The server answers the LOGIN that comes by this way, and the keep-alive behind it. Returns what else came.
    fn let_in(&mut self, path: PathId, session: u32) -> Vec<Heard> {
        let login = self.heard();
        assert!(matches!(&login[..], [.., (of, _, _, Command::Login, _)] if *of == path), "{login:?}");
        let success = LoginReply::Success(LoginSuccess { ip: Ipv4(1), online_users: 1 });
        self.say(path, session, true, login.last().unwrap().2, &Reply::Login(success));
        let mut rest = self.heard();
        let keep_alive = rest.iter().position(|heard| heard.3 == Command::KeepAlive).unwrap();
        let keep_alive = rest.remove(keep_alive);
        self.acknowledge(path, session, keep_alive.2);
        rest.retain(|heard| heard.3 != Command::Ack);
        rest
    }

    fn ask(&mut self, request: Request) -> RequestId {
        self.connection.request(request).unwrap()
    }

    fn go_on(&mut self) -> Vec<Heard> {
        self.now = self.connection.poll_timeout().expect("something is due").max(self.now);
        self.connection.handle_timeout(self.now);
        self.heard()
    }

    /// Goes on until the loss is told, and says what was told.
    fn lose(&mut self) -> Event {
        loop {
            let mut told = self.events();
            if let Some(lost @ Event::ConnectionLost { .. }) = told.pop() {
                return lost;
            }
            self.go_on();
        }
    }

    /// Goes on until another way is to be opened, and opens it.
    fn open_another(&mut self, session: u32) -> PathId {
        let before = self.opened.len();
        while self.opened.len() == before {
            self.go_on();
        }
        let path = *self.opened.last().unwrap();
        self.connection.handle_opened(self.now, path, entropy(session));
        path
    }
}

fn hello() -> Request {
    Request::send(BOB, &Message::text("hello")).unwrap()
}

#[test]
fn a_server_that_was_away_for_a_moment_keeps_its_session() {
    let mut scene = Scene::online(Some(Reconnect::default()));
    let hello = scene.ask(hello());
    let sent = scene.heard().pop().unwrap();
    let start = scene.now;
    assert!(matches!(scene.lose(), Event::ConnectionLost { reason: EndReason::Lost, retry_in_ms: 250..=500 }));
    let patience = scene.now.since(start).as_secs();
    assert!((7..=10).contains(&patience), "forty of the shortest timeouts, for the round trip is short: {patience} s");
    assert!(!scene.connection.is_answering());
    let contacts = scene.ask(Request::contacts());
    let second = scene.open_another(2);
    assert!(scene.heard().iter().all(|(_, _, _, command, _)| *command != Command::GetContactList), "it waits");

    scene.acknowledge(Connection::FIRST_PATH, 1, sent.2);
    assert_eq!(scene.answers(), [(hello, Ok(Answer::Acknowledged))]);
    assert_eq!(scene.events(), [Event::ConnectionResumed { new_session: false }]);
    let heard = scene.heard();
    assert_eq!((heard[0].0, heard[0].3), (second, Command::Logout), "what was begun is given up");
    assert_eq!((heard[1].0, heard[1].3), (Connection::FIRST_PATH, Command::GetContactList));
    assert_eq!(scene.closed, [second]);
    scene.say(Connection::FIRST_PATH, 1, true, heard[1].2, &Reply::GetContactList(List::new(&[BOB])));
    assert_eq!(scene.answers(), [(contacts, Ok(Answer::Contacts(vec![BOB])))]);
}

#[test]
fn the_next_session_is_asked_what_the_last_one_left_and_nothing_twice() {
    let mut scene = Scene::online(Some(Reconnect::default()));
    let lost = scene.ask(hello());
    let contacts = scene.ask(Request::contacts());
    scene.heard();
    scene.lose();
    let waiting = scene.ask(Request::send(BOB, &Message::text("later")).unwrap());
    let second = scene.open_another(2);
    let asked = scene.let_in(second, 2);
    assert_eq!(scene.answers(), [(lost, Err(RequestError::Unknown))], "it may have arrived");
    let news = scene.events();
    assert!(matches!(news[..], [Event::ConnectionResumed { new_session: true }, Event::LoggedIn { .. }]), "{news:?}");
    assert_eq!(scene.closed, [Connection::FIRST_PATH]);
    let [logout, first, then] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((logout.0, logout.1, logout.3), (Connection::FIRST_PATH, SessionId(1), Command::Logout));
    assert_eq!((first.0, first.1, first.3), (second, SessionId(2), Command::GetContactList));
    assert!(then.3 == Command::SendMessage && then.4.contains("6c61746572") || then.4.contains("later"), "{then:?}");
    scene.say(second, 2, true, first.2, &Reply::GetContactList(List::new(&[])));
    scene.acknowledge(second, 2, then.2);
    let answers = [(contacts, Ok(Answer::Contacts(vec![]))), (waiting, Ok(Answer::Acknowledged))];
    assert_eq!(scene.answers(), answers);
    assert_eq!(scene.commands(), [Command::Ack], "of the reply");
    scene.acknowledge(Connection::FIRST_PATH, 1, Seq::new(2));
    assert_eq!((scene.commands(), scene.events()), (vec![], vec![]), "the old way is closed");
}

#[test]
fn a_message_is_shown_once_over_sessions() {
    let mut scene = Scene::online(Some(Reconnect::default()));
    for (text, id) in [("confirmed", 1), ("being shown", 2), ("not taken", 3)] {
        scene.say(Connection::FIRST_PATH, 1, true, None, &said(text, Some(id)));
    }
    assert!(scene.connection.poll_event().is_some());
    let taken = scene.connection.poll_delivery().unwrap();
    scene.connection.handle_disconnected(scene.now, Connection::FIRST_PATH, EndReason::Lost);
    let second = scene.open_another(2);
    scene.let_in(second, 2);
    for (text, id) in [("confirmed", 1), ("being shown", 2), ("not taken", 3)] {
        scene.say(second, 2, true, None, &said(text, Some(id)));
    }
    let numbers = |heard: Vec<Heard>| heard.into_iter().map(|heard| Seq::number_or_zero(heard.2)).collect::<Vec<_>>();
    assert_eq!(numbers(scene.heard()), [2], "of the one that is confirmed");
    assert_eq!(texts(&scene.events()), ["not taken"]);
    assert_eq!(numbers(scene.heard()), [4]);
    scene.connection.confirm(taken.ticket.unwrap());
    assert_eq!(numbers(scene.heard()), [3], "confirmed in the session before, acknowledged in this one");
    scene.connection.confirm(taken.ticket.unwrap());
    assert_eq!(numbers(scene.heard()), [0; 0]);
}

#[test]
fn a_port_without_a_server_is_tried_again_more_and_more_slowly() {
    let give_up_after = Some(Duration::from_secs(300));
    let mut scene = Scene::online(Some(Reconnect { give_up_after, ..Reconnect::default() }));
    let asked = scene.ask(Request::contacts());
    scene.connection.handle_disconnected(scene.now, Connection::FIRST_PATH, EndReason::Unreachable);
    let (start, mut waits) = (scene.now, Vec::new());
    while scene.connection.ended().is_none() {
        if let Some(Event::ConnectionLost { reason, retry_in_ms }) = scene.events().pop() {
            assert!(matches!(reason, EndReason::Unreachable | EndReason::Lost), "{reason:?}");
            waits.push(retry_in_ms);
        }
        scene.go_on();
        if let Some(path) = scene.opened.pop() {
            scene.connection.handle_opened(scene.now, path, entropy(2));
            scene.heard();
            scene.connection.handle_disconnected(scene.now, path, EndReason::Unreachable);
        }
    }
    let longest = |tries: usize| (500 << tries.min(6)).min(30_000);
    assert!(waits.iter().enumerate().all(|(tries, wait)| (longest(tries) / 2..=longest(tries)).contains(wait)));
    assert!(waits.len() >= 14 && scene.now.since(start) >= Duration::from_secs(300), "{waits:?}");
    assert_eq!(scene.events(), [Event::Ended { reason: EndReason::Unreachable }]);
    assert_eq!(scene.answers(), [(asked, Err(RequestError::Ended(EndReason::Unreachable)))]);
    assert_eq!(scene.connection.request(Request::contacts()), Err(Misuse::Ended));
}

#[test]
fn only_the_latest_loss_waits_for_a_reader() {
    let mut scene = Scene::online(Some(Reconnect::default()));
    scene.connection.handle_disconnected(scene.now, Connection::FIRST_PATH, EndReason::Lost);
    for _ in 0..50 {
        let path = scene.open_another(2);
        scene.connection.handle_disconnected(scene.now, path, EndReason::Unreachable);
        scene.heard();
    }
    assert!(matches!(scene.events()[..], [Event::ConnectionLost { reason: EndReason::Unreachable, .. }]));
}

#[test]
fn a_way_that_is_opened_too_late_is_closed() {
    let mut scene = Scene::online(Some(Reconnect::default()));
    scene.ask(hello());
    let sent = scene.heard().pop().unwrap();
    scene.lose();
    while scene.opened.is_empty() {
        scene.go_on();
    }
    scene.acknowledge(Connection::FIRST_PATH, 1, sent.2);
    let late = scene.opened[0];
    scene.connection.handle_opened(scene.now, late, entropy(2));
    scene.connection.handle_not_opened(scene.now, late, EndReason::TimedOut);
    assert_eq!((scene.commands(), scene.closed.clone()), (vec![], vec![late]));
    assert!(scene.connection.is_answering());
}

#[test]
fn the_next_session_begins_as_the_last_one_was_left() {
    let mut scene = Scene::online(Some(Reconnect::default()));
    let changed = Some(Password::new("correct horse").unwrap());
    for request in [Request::status(Status::AWAY), Request::modify(&Profile::default(), Authorization::ANYONE, changed)]
    {
        scene.ask(request.unwrap());
        let sent = scene.heard().pop().unwrap();
        scene.acknowledge(Connection::FIRST_PATH, 1, sent.2);
    }
    scene.connection.handle_disconnected(scene.now, Connection::FIRST_PATH, EndReason::Lost);
    scene.open_another(2);
    assert_eq!(scene.heard().pop().unwrap().3, Command::Login);
    assert_eq!(scene.connection.config.status, Status::AWAY);
    assert_eq!(scene.connection.config.password, Password::new("correct horse").unwrap());
}

#[test]
fn a_password_whose_change_was_not_acknowledged_may_be_the_new_one() {
    let mut scene = Scene::online(Some(Reconnect::default()));
    let changed = Some(Password::new("correct horse").unwrap());
    scene.ask(Request::modify(&Profile::default(), Authorization::ANYONE, changed).unwrap());
    scene.heard();
    scene.connection.handle_disconnected(scene.now, Connection::FIRST_PATH, EndReason::Lost);
    let wrong = Reply::Login(LoginReply::Refused(LoginError::WRONG_PASSWORD));
    let second = scene.open_another(2);
    scene.say(second, 2, true, Some(Seq::FIRST), &wrong);
    assert_eq!(scene.connection.ended(), None);
    assert_eq!(scene.connection.config.password, Password::new("correct horse").unwrap());
    let third = scene.open_another(3);
    scene.say(third, 3, true, Some(Seq::FIRST), &wrong);
    assert_eq!(scene.connection.ended(), Some(EndReason::LoginRefused(LoginRefused::WrongPassword)));
}

#[test]
fn what_is_not_passing_ends_the_connection() {
    let mut scene = Scene::online(Some(Reconnect::default()));
    scene.say(Connection::FIRST_PATH, 1, true, None, &Reply::Login(LoginReply::Refused(LoginError(3))));
    assert_eq!(scene.events(), [Event::Ended { reason: EndReason::Replaced }]);
    assert_eq!((scene.commands(), scene.connection.poll_timeout()), (vec![], None));

    // A login that never was one is not tried again either.
    let mut scene = Scene::new(Some(Reconnect::default()));
    scene.heard();
    scene.connection.handle_disconnected(scene.now, Connection::FIRST_PATH, EndReason::Unreachable);
    assert_eq!(scene.events(), [Event::Ended { reason: EndReason::Unreachable }]);

    // Nor is anything without a policy.
    let mut scene = Scene::online(None);
    let asked = scene.ask(hello());
    while scene.connection.ended().is_none() {
        scene.go_on();
    }
    assert_eq!(scene.events(), [Event::Ended { reason: EndReason::Lost }]);
    assert_eq!(scene.answers(), [(asked, Err(RequestError::NotAcknowledged))]);
}

#[test]
fn a_logout_ends_both_sessions() {
    let mut scene = Scene::online(Some(Reconnect::default()));
    let asked = scene.ask(hello());
    scene.lose();
    let second = scene.open_another(2);
    scene.heard();
    scene.connection.log_out();
    let logouts: Vec<_> = scene.heard().into_iter().map(|heard| (heard.0, heard.3)).collect();
    assert_eq!(logouts, [(second, Command::Logout), (Connection::FIRST_PATH, Command::Logout)]);
    assert_eq!(scene.events(), [Event::Ended { reason: EndReason::LoggedOut }]);
    assert_eq!(scene.answers(), [(asked, Err(RequestError::Ended(EndReason::LoggedOut)))]);
}

#[test]
fn as_many_requests_wait_as_may_and_no_more() {
    let mut scene = Scene::online(Some(Reconnect::default()));
    scene.connection.handle_disconnected(scene.now, Connection::FIRST_PATH, EndReason::Lost);
    for number in 1..=MAX_REQUESTS {
        scene.ask(Request::search_uin(Uin(u32::try_from(number).unwrap())).unwrap());
    }
    assert!(!scene.connection.has_room());
    assert_eq!(scene.connection.request(hello()), Err(Misuse::TooManyRequests(MAX_REQUESTS)));
    let second = scene.open_another(2);
    let asked = scene.let_in(second, 2);
    assert!(asked.iter().filter(|heard| heard.3 == Command::SearchCustom).count() >= 31, "as many as the window takes");
}
