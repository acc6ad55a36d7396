//! The client library as programs embed it, against a server as it is built.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "this is test: what is not as it must be ends it, or is shown")]

use myicq_client::blocking::Client;
use myicq_client::{Arrival, EndReason, Event, Message, Password, RequestError, Uin};
use myicq_tests::process::Server;

#[expect(dead_code, reason = "as an example it is a program")]
#[path = "../../../client/examples/own_loop.rs"]
mod own_loop;

const PASSWORD: &str = "hunter2";

fn password() -> Password {
    Password::new(PASSWORD).unwrap()
}

fn register(server: &Server) -> Uin {
    Client::builder(server.address.to_string()).register_blocking(&password()).unwrap()
}

fn words(event: Event) -> Option<String> {
    match event {
        Event::Message { message: Message::Text { text }, .. } => Some(text),
        _ => None,
    }
}

#[test]
fn a_conversation_without_async() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (anna, ben) = (register(&server), register(&server));
    let log_in =
        |uin| Client::builder(server.address.to_string()).credentials(uin, password()).connect_blocking().unwrap();
    let (anna_asks, mut anna_hears) = log_in(anna);
    let (ben_asks, ben_hears) = log_in(ben);
    drop(ben_hears);
    let arrival = ben_asks.send(anna, "hello").unwrap().acknowledged().unwrap();
    assert!(matches!(arrival, Arrival::Delivered { .. } | Arrival::Stored { .. }), "{arrival:?}");
    assert_eq!(anna_hears.find_map(words).as_deref(), Some("hello"));
    anna_asks.add(ben).unwrap();
    assert_eq!(anna_asks.clone().contacts(), Ok(vec![ben]));
    assert!(anna_asks.health().unwrap().is_answering);
    assert_eq!(anna_asks.logout(), EndReason::LoggedOut);
    assert_eq!(anna_asks.seen().unwrap().ids().count(), 1);
    assert!(matches!(anna_hears.by_ref().last(), Some(Event::Ended { reason: EndReason::LoggedOut })));
    assert_eq!(anna_asks.contacts(), Err(RequestError::Ended(EndReason::LoggedOut)));
    // The last handle logs out; so that his next login replaces nobody.
    drop(ben_asks);
}

#[test]
fn a_session_in_a_loop_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (anna, ben) = (register(&server), register(&server));
    let builder = Client::builder(server.address.to_string()).credentials(ben, password());
    let (ben_asks, ben_hears) = builder.connect_blocking().unwrap();
    #[expect(clippy::disallowed_methods, reason = "somebody has to answer")]
    let answering = std::thread::spawn(move || {
        assert_eq!(ben_hears.filter_map(words).next().as_deref(), Some("hello"));
        ben_asks.send(anna, "and back").unwrap().acknowledged().unwrap();
    });
    let answer = own_loop::run(&server.address.to_string(), anna, password(), ben, "hello").unwrap();
    assert_eq!(answer, "and back");
    answering.join().unwrap();
}
