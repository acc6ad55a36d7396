//! The examples of the client library, against a server as it is built.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "this is test: what is not as it must be ends it, or is shown"
)]

use std::path::Path;
use std::{fs, io};

use myicq_client::{Builder, Client, Event, Message, Password, Uin, blocking};
use myicq_tests::process::Server;

#[expect(dead_code, reason = "as an example it is a program")]
#[path = "../../../client/examples/away_bot.rs"]
mod away_bot;
#[expect(dead_code, reason = "as an example it is a program")]
#[path = "../../../client/examples/drop_box.rs"]
mod drop_box;
#[expect(dead_code, reason = "as an example it is a program")]
#[path = "../../../client/examples/echo_bot.rs"]
mod echo_bot;

const PASSWORD: &str = "hunter2";

fn builder(server: &Server, uin: Uin) -> Builder {
    Client::builder(server.address.to_string()).credentials(uin, Password::new(PASSWORD).unwrap())
}

fn register(server: &Server) -> Uin {
    server.done(&["register"], None, PASSWORD).parse().unwrap()
}

fn log_in(server: &Server, uin: Uin) -> (blocking::Client, blocking::Events) {
    builder(server, uin).connect_blocking().unwrap()
}

/// What a program answers to this.
fn asked(client: &blocking::Client, events: &mut blocking::Events, bot: Uin, text: &str) -> String {
    client.send(bot, text).unwrap().acknowledged().unwrap();
    let answer = |event| match event {
        Event::Message { from, message: Message::AutoReply { text }, .. } if from == bot => Some(text),
        _ => None,
    };
    events.find_map(answer).unwrap()
}

/// A bot lives as long as its user talks to it.
async fn while_alive(
    bot: impl Future<Output = Result<(), Box<dyn std::error::Error>>>,
    talk: impl FnOnce() + Send + 'static,
) {
    tokio::select! {
        ended = bot => panic!("{ended:?}"),
        talked = tokio::task::spawn_blocking(talk) => talked.unwrap(),
    }
}

#[tokio::test]
async fn an_echo() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (bot, ben) = (register(&server), register(&server));
    while_alive(echo_bot::run(builder(&server, bot)), move || {
        let (client, mut events) = log_in(&server, ben);
        assert_eq!(asked(&client, &mut events, bot, "anybody there?"), "anybody there?");
        assert_eq!(asked(&client, &mut events, bot, "宋体"), "宋体");
    })
    .await;
}

#[tokio::test]
async fn somebody_who_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (bot, ben, carl) = (register(&server), register(&server), register(&server));
    let mut out = Vec::new();
    while_alive(away_bot::run(builder(&server, bot), "back at five", &mut out), move || {
        let (client, mut events) = log_in(&server, ben);
        assert_eq!(asked(&client, &mut events, bot, "lunch?"), "back at five");
        client.send(bot, "never mind").unwrap().acknowledged().unwrap();
        // When the next one has his answer, there is none to that.
        let (carl_asks, mut carl_hears) = log_in(&server, carl);
        assert_eq!(asked(&carl_asks, &mut carl_hears, bot, "lunch?"), "back at five");
        client.contacts().unwrap();
        let mut later = std::iter::from_fn(|| events.try_next());
        assert!(!later.any(|event| matches!(event, Event::Message { .. })), "once is enough");
    })
    .await;
    let printed = String::from_utf8(out).unwrap();
    assert!(printed.starts_with(&format!("{ben}: lunch?\n{ben}: never mind\n{carl}: lunch?\n")), "{printed}");
}

#[tokio::test]
async fn a_box_for_files() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (bot, ben) = (register(&server), register(&server));
    let (file, inbox) = (folder.path().join("notes.txt"), folder.path().join("inbox"));
    fs::create_dir(&inbox).unwrap();
    fs::write(&file, "remember the milk").unwrap();
    let builder = builder(&server, bot);
    while_alive(drop_box::run(builder, &inbox, io::sink()), move || {
        let (bot, ben) = (bot.to_string(), ben.to_string());
        while server.done(&["search", &bot], Some(&ben), PASSWORD) != format!("{bot} online") {}
        server.done(&["file", "send", &bot, file.to_str().unwrap()], Some(&ben), PASSWORD);
    })
    .await;
    assert_eq!(fs::read_to_string(inbox.join(Path::new("notes.txt"))).unwrap(), "remember the milk");
}
