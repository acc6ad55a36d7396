//! Relays with the server as it is built and the client as a library: what one end says the other hears, and those who do not belong there
//! are shown out.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "the connections are the outside")]
#![expect(clippy::unwrap_used, reason = "this is test: what is not as it must be ends it, or is shown")]

use myicq_client::{Client, Event, Events, Message, Password, Refusal, RelayError, RelayPass, RequestError, Uin};
use myicq_tests::process::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PASSWORD: &str = "hunter2";

fn start(arguments: &[&str]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[&["--relay", "127.0.0.1:0"], arguments].concat());
    (folder, server)
}

async fn user(server: &Server) -> (Client, Events) {
    let password = Password::new(PASSWORD).unwrap();
    let address = server.address.to_string();
    let uin = Client::builder(&address).register(&password).await.unwrap();
    Client::builder(&address).credentials(uin, password).connect().await.unwrap()
}

/// Two of whom the second has accepted a file from the first.
async fn agreed(server: &Server) -> [(Client, Events); 2] {
    let [anna, ben] = [user(server).await, user(server).await];
    let accepted = Message::TcpAccepted { session: "sendfile".to_owned(), port: 0 };
    ben.0.send_message(anna.0.uin(), &accepted).await.unwrap().acknowledged().await.unwrap();
    [anna, ben]
}

async fn offered(events: &mut Events, by: Uin) -> RelayPass {
    loop {
        match events.next().await.expect("he is told of it") {
            Event::RelayOffered { from, pass } if from == by => return pass,
            _ => {}
        }
    }
}

/// The two ends of a relay.
async fn relay([anna, ben]: &mut [(Client, Events); 2]) -> [TcpStream; 2] {
    let own = anna.0.relay(ben.0.uin()).await.unwrap();
    let others = offered(&mut ben.1, anna.0.uin()).await;
    let (one, other) = tokio::join!(anna.0.open_relay(&own), ben.0.open_relay(&others));
    [one.unwrap(), other.unwrap()]
}

/// So many bytes, none of which is like its neighbour.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251).to_le_bytes()[0]).collect()
}

/// Says all of it and closes its side; meanwhile hears what the other says until that one has done the same.
async fn exchange(mut stream: TcpStream, said: &[u8]) -> Vec<u8> {
    let (mut from, mut to) = stream.split();
    let mut heard = Vec::new();
    let say = async {
        to.write_all(said).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let (read, ()) = tokio::join!(from.read_to_end(&mut heard), say);
    read.unwrap();
    heard
}

/// With several shards the two belong to different ones.
#[tokio::test]
async fn what_one_end_says_the_other_hears_to_the_last_byte() {
    for shards in ["1", "2"] {
        let (_folder, server) = start(&["--shards", shards]);
        let mut both = agreed(&server).await;
        let [one, other] = relay(&mut both).await;
        let (long, short) = (bytes(5_000_000), bytes(77));
        let heard = tokio::join!(exchange(one, &long), exchange(other, &short));
        assert!(heard.0 == short && heard.1 == long);
        assert_eq!(server.terminate().code(), Some(0));
    }
}

#[tokio::test]
async fn a_pass_is_good_once_and_nobody_comes_in_without() {
    let (_folder, server) = start(&[]);
    let mut both = agreed(&server).await;
    let own = both[0].0.relay(both[1].0.uin()).await.unwrap();
    let others = offered(&mut both[1].1, both[0].0.uin()).await;
    for noise in [&[0; 64][..], b"GET / HTTP/1.1\r\nHost: server\r\n\r\n", &own.hello().encode()[..10]] {
        let mut stream = TcpStream::connect((server.address.ip(), own.port)).await.unwrap();
        stream.write_all(noise).await.unwrap();
        stream.shutdown().await.unwrap();
        // A reset is an end, too.
        assert_eq!(stream.read(&mut [0; 9]).await.unwrap_or(0), 0);
    }
    let mut stolen = own;
    stolen.token = others.token;
    stolen.number += 1;
    assert!(matches!(both[0].0.open_relay(&stolen).await, Err(RelayError::NotMet)));
    let (one, other) = tokio::join!(both[0].0.open_relay(&own), both[1].0.open_relay(&others));
    assert!(matches!(both[0].0.open_relay(&own).await, Err(RelayError::NotMet)), "it was used");
    let heard = tokio::join!(exchange(one.unwrap(), b"still"), exchange(other.unwrap(), b"there"));
    assert_eq!(heard, (b"there".to_vec(), b"still".to_vec()));
}

#[tokio::test]
async fn an_end_that_is_left_alone_is_sent_away() {
    let (_folder, server) = start(&["--relay-wait-timeout", "1s"]);
    let mut both = agreed(&server).await;
    let own = both[0].0.relay(both[1].0.uin()).await.unwrap();
    assert!(matches!(both[0].0.open_relay(&own).await, Err(RelayError::NotMet)));
    // Too late.
    let others = offered(&mut both[1].1, both[0].0.uin()).await;
    assert!(matches!(both[1].0.open_relay(&others).await, Err(RelayError::NotMet)));
    let stranger = user(&server).await;
    let refused = stranger.0.relay(both[0].0.uin()).await;
    assert_eq!(refused, Err(RequestError::Refused(Refusal::NotAsked)));
    // The server has forgotten the one, and there is room for others.
    for _ in 0..8 {
        let [one, other] = relay(&mut both).await;
        let heard = tokio::join!(exchange(one, b"hello"), exchange(other, b""));
        assert_eq!(heard, (Vec::new(), b"hello".to_vec()));
    }
}

#[tokio::test]
async fn a_relay_ends_when_it_is_silent_or_has_carried_enough() {
    let (_folder, server) = start(&["--relay-idle-timeout", "1s", "--relay-mib-max", "1"]);
    let mut both = agreed(&server).await;
    let [mut one, mut other] = relay(&mut both).await;
    one.write_all(b"and then nothing").await.unwrap();
    let mut heard = Vec::new();
    assert!(other.read_to_end(&mut heard).await.is_ok_and(|len| len == 16), "it is closed");

    let [mut one, mut other] = relay(&mut both).await;
    let much = bytes(2 << 20);
    let (_, read) = tokio::join!(one.write_all(&much), async {
        let mut heard = Vec::new();
        // How a closed connection shows is the system's affair.
        let _ = other.read_to_end(&mut heard).await;
        heard
    });
    assert!(read.len() <= 1 << 20 && much.starts_with(&read));
}
