//! Messages between two programs of this project that can reach each other, over real sockets.
#![expect(clippy::unwrap_used, reason = "this is test: what is not as it must be ends it, or is shown")]

use myicq_client::{Arrival, Client, Event, Events, Message, Password, Uin};
use myicq_tests::process::Server;

const PASSWORD: &str = "hunter2";

async fn online(server: &Server, uin: Uin) -> (Client, Events) {
    let password = Password::new(PASSWORD).unwrap();
    Client::builder(server.address.to_string()).credentials(uin, password).connect().await.unwrap()
}

async fn until_online(events: &mut Events, uin: Uin) {
    while !matches!(events.next().await.unwrap(), Event::Online(presence) if presence.uin == uin) {}
}

/// The next thing that is said, and whether it came directly.
async fn said(events: &mut Events) -> (String, bool) {
    loop {
        if let Event::Message { message: Message::Text { text }, is_direct, .. } = events.next().await.unwrap() {
            return (text, is_direct);
        }
    }
}

#[tokio::test]
async fn words_go_directly_and_through_the_server_when_the_other_way_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let [anna, ben] = [0; 2].map(|_| Uin(server.done(&["register"], None, PASSWORD).parse().unwrap()));
    server.done(&["add", &ben.to_string()], Some(&anna.to_string()), PASSWORD);
    server.done(&["add", &anna.to_string()], Some(&ben.to_string()), PASSWORD);

    let (to_ben, mut from_ben) = online(&server, anna).await;
    let (to_anna, mut from_anna) = online(&server, ben).await;
    until_online(&mut from_ben, ben).await;
    until_online(&mut from_anna, anna).await;

    let receipt = to_ben.send(ben, "directly, 你好").await.unwrap();
    assert_eq!(said(&mut from_anna).await, ("directly, 你好".to_owned(), true));
    assert_eq!(receipt.acknowledged().await.unwrap(), Arrival::Direct);
    // The same connection serves the other direction.
    let receipt = to_anna.send(anna, "and back").await.unwrap();
    assert_eq!(said(&mut from_ben).await, ("and back".to_owned(), true));
    assert_eq!(receipt.acknowledged().await.unwrap(), Arrival::Direct);

    // Nobody takes it, so nothing acknowledges it directly; the server has it then, and in Ben's next session it is shown once.
    let receipt = to_ben.send(ben, "while nobody looks").await.unwrap();
    let seen = {
        to_anna.logout().await;
        to_anna.seen().unwrap()
    };
    assert!(!matches!(receipt.acknowledged().await.unwrap(), Arrival::Direct));
    drop((to_anna, from_anna));
    let password = Password::new(PASSWORD).unwrap();
    let builder = Client::builder(server.address.to_string()).credentials(ben, password).seen(seen);
    let (again, mut from_anna) = builder.connect().await.unwrap();
    assert_eq!(said(&mut from_anna).await, ("while nobody looks".to_owned(), false));
    let receipt = to_ben.send(ben, "and on").await.unwrap();
    let (text, _) = said(&mut from_anna).await;
    assert_eq!(text, "and on", "once, and in order");
    receipt.acknowledged().await.unwrap();
    let stats = to_ben.direct_stats().await.unwrap();
    assert!(stats.values().sum::<u64>() >= 1, "the connection that ended is counted: {stats:?}");
    again.logout().await;
    if to_ben.logout().await != myicq_client::EndReason::LoggedOut {
        panic!("it has ended before");
    }
}
