//! The driver on real sockets, against a server that is as small as can be.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "the little server of these tests is a test, too")]

use std::net::SocketAddr;
use std::time::Duration;

use myicq_client::account::{Account, Connection};
use myicq_client::{
    Builder, Client, ConnectError, EndReason, Event, Events, LoginRefused, Message, Misuse, Password, Receipt,
    Reconnect, RequestError, SeenMessages, Uin,
};
use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::{
    Capabilities, ClientHeader, Command, Envelope, Ipv4, KeepAliveReply, List, LoginError, LoginReply, LoginSuccess,
    MAX_DATAGRAM, MessageKind, NewUinReply, Reply, Request, Sealing, Seq, ServerMessage, SessionId, Str, encode_reply,
    open_request,
};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

const ALICE: Uin = Uin(10_001);
const BOB: Uin = Uin(10_002);
const PASSWORD: &[u8] = b"hunter2";

fn password() -> Password {
    Password::new(PASSWORD).unwrap()
}

/// A server of one session: lets Alice in, and says back whatever she says to somebody, as if he had said it.
struct Echo {
    socket: UdpSocket,
    seq: Seq,
    /// The session of the last LOGIN. What comes in another one is of a server that was here before.
    session: Option<SessionId>,
    /// What came, without acknowledgements.
    commands: Vec<Command>,
    acknowledged: Vec<Seq>,
}

impl Echo {
    async fn start() -> (SocketAddr, JoinHandle<Self>) {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    #[expect(clippy::disallowed_methods, reason = "the test is the server's driver")]
    async fn start_at(address: SocketAddr) -> (SocketAddr, JoinHandle<Self>) {
        let socket = UdpSocket::bind(address).await.unwrap();
        let address = socket.local_addr().unwrap();
        let seq = Seq::new(65_000).unwrap();
        let echo = Self { socket, seq, session: None, commands: Vec::new(), acknowledged: Vec::new() };
        (address, tokio::spawn(echo.run()))
    }

    /// Until the LOGOUT.
    async fn run(mut self) -> Self {
        let (mut buffer, mut scratch) = ([0; MAX_DATAGRAM], [0; MAX_DATAGRAM]);
        let key = Key::new(PASSWORD);
        while self.commands.last() != Some(&Command::Logout) {
            let (len, from) = self.socket.recv_from(&mut buffer).await.unwrap();
            let (header, body) = ClientHeader::decode(&buffer[..len]).unwrap();
            let sealing = Sealing { key: &key, form: CipherForm::Original };
            let request = open_request(&header, body, Some(sealing), &mut scratch).unwrap();
            if matches!(request, Request::Login(_) | Request::NewUin(_)) {
                self.session = Some(header.session);
            }
            if self.session != Some(header.session) {
                continue;
            }
            match request.command() {
                Command::Ack => self.acknowledged.extend(header.seq),
                command => self.commands.push(command),
            }
            self.answer(&header, &request, from).await;
        }
        self
    }

    async fn answer(&mut self, header: &ClientHeader, request: &Request<'_>, to: SocketAddr) {
        let refused = LoginReply::Refused(LoginError::WRONG_PASSWORD);
        let success = LoginReply::Success(LoginSuccess { ip: Ipv4(0x7f00_0001), online_users: 1 });
        match request {
            Request::Login(login) if login.password.0 == PASSWORD => {
                self.send(header, Capabilities::ONCE, true, &Reply::Login(success), to).await;
            }
            Request::Login(_) => self.send(header, Capabilities::NONE, true, &Reply::Login(refused), to).await,
            Request::NewUin(_) => {
                let reply = NewUinReply { uin: ALICE, domain: Some(Str(b"echo.example")) };
                self.send(header, Capabilities::NONE, true, &Reply::NewUin(reply), to).await;
            }
            Request::KeepAlive(_) => {
                let reply = Reply::KeepAlive(KeepAliveReply { online_users: 1 });
                self.send(header, Capabilities::NONE, false, &reply, to).await;
            }
            Request::GetContactList => {
                self.send(header, Capabilities::NONE, true, &Reply::GetContactList(List::new(&[BOB])), to).await;
            }
            Request::SendMessage(message) => {
                self.send(header, Capabilities::NONE, false, &Reply::Ack, to).await;
                let (kind, domain) = (MessageKind::TEXT, Some(Str(b"")));
                let id = Some(self.seq.number().into());
                let said = ServerMessage { kind, from: message.to, time: 5, text: message.text, domain, id };
                self.send(header, Capabilities::NONE, true, &Reply::Message(said), to).await;
            }
            _ => {}
        }
    }

    async fn send(
        &mut self,
        request: &ClientHeader,
        granted: Capabilities,
        is_numbered: bool,
        reply: &Reply<'_>,
        to: SocketAddr,
    ) {
        let seq = is_numbered.then_some(self.seq);
        if is_numbered {
            self.seq = self.seq.next();
        }
        let envelope = Envelope { reserved: granted.0, uin: request.uin, session: request.session, seq };
        let ackseq = request.seq.filter(|_| !matches!(reply, Reply::Message(_)));
        let mut buffer = [0; MAX_DATAGRAM];
        let len = encode_reply(&envelope, ackseq, reply, &mut buffer).unwrap();
        self.socket.send_to(&buffer[..len], to).await.unwrap();
    }
}

/// An address at which nobody listens.
#[expect(clippy::disallowed_methods, reason = "the test finds a free port")]
async fn nowhere() -> String {
    UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_conversation() {
    let (server, echo) = Echo::start().await;
    let builder = Client::builder(server.to_string()).credentials(ALICE, password());
    let (client, mut events) = builder.connect().await.unwrap();
    assert!(matches!(events.next().await, Some(Event::LoggedIn { exactly_once: true, .. })));
    client.send(BOB, "hello").await.unwrap().acknowledged().await.unwrap();
    assert_eq!(client.clone().contacts().await, Ok(vec![BOB]));
    match events.next().await {
        Some(Event::Message { from, message, .. }) => assert_eq!((from, message), (BOB, Message::text("hello"))),
        event => panic!("{event:?}"),
    }
    let too_long = client.send(BOB, "a".repeat(451)).await.map(drop);
    assert!(matches!(too_long, Err(RequestError::Misuse(Misuse::MessageTooLong { .. }))));
    client.send(BOB, "never taken").await.unwrap().acknowledged().await.unwrap();
    // A second answer from the server, so that what came before it has been handled.
    client.contacts().await.unwrap();
    assert_eq!(client.logout().await, EndReason::LoggedOut);
    assert_eq!(client.seen().unwrap().ids().count(), 1, "of the message that was taken");
    assert!(matches!(events.next().await, Some(Event::Message { .. })), "still there to be read");
    assert_eq!(events.next().await, Some(Event::Ended { reason: EndReason::LoggedOut }));
    assert_eq!(events.next().await, None);
    let after = client.send(BOB, "too late").await.unwrap().acknowledged().await;
    assert_eq!(after, Err(RequestError::Ended(EndReason::LoggedOut)));

    let echo = echo.await.unwrap();
    let expected = [
        Command::Login,
        Command::KeepAlive,
        Command::SendMessage,
        Command::GetContactList,
        Command::SendMessage,
        Command::GetContactList,
        Command::Logout,
    ];
    assert_eq!(echo.commands, expected);
    let never_taken = Seq::new(65_003).unwrap();
    assert!(!echo.acknowledged.contains(&never_taken), "so the server keeps it: {:?}", echo.acknowledged);
}

#[tokio::test]
async fn a_message_taken_just_before_the_logout_is_acknowledged() {
    for _ in 0..20 {
        let (server, echo) = Echo::start().await;
        let builder = Client::builder(server.to_string()).credentials(ALICE, password());
        let (client, mut events) = builder.connect().await.unwrap();
        client.send(BOB, "hello").await.unwrap().acknowledged().await.unwrap();
        while !matches!(events.next().await, Some(Event::Message { .. })) {}
        client.logout().await;
        assert!(echo.await.unwrap().acknowledged.contains(&Seq::new(65_001).unwrap()));
    }
}

#[tokio::test]
async fn without_a_reader_messages_stay_with_the_server() {
    let (server, echo) = Echo::start().await;
    let builder = Client::builder(server.to_string()).credentials(ALICE, password());
    let (client, events) = builder.connect().await.unwrap();
    drop(events);
    client.send(BOB, "hello").await.unwrap().acknowledged().await.unwrap();
    client.contacts().await.unwrap();
    drop(client);
    let echo = echo.await.unwrap();
    assert_eq!(echo.commands.last(), Some(&Command::Logout), "the last handle is gone");
    assert!(!echo.acknowledged.contains(&Seq::new(65_001).unwrap()));
}

/// The old session is lost when nobody listens any more at the server's port, and another one opened when somebody does.
#[tokio::test]
async fn a_server_that_starts_again_gets_another_session() {
    let (server, echo) = Echo::start().await;
    let mut policy = Reconnect::default();
    policy.first = Duration::from_millis(10);
    let builder = Client::builder(server.to_string()).credentials(ALICE, password()).reconnect(policy);
    let (client, mut events) = builder.connect().await.unwrap();
    assert!(matches!(events.next().await, Some(Event::LoggedIn { .. })));
    assert!(client.health().await.unwrap().is_answering);
    echo.abort();
    assert!(echo.await.is_err(), "its socket is gone with it");

    let asking = client.clone();
    #[expect(clippy::disallowed_methods, reason = "somebody asks while the connection is lost")]
    let contacts = tokio::spawn(async move { asking.contacts().await });
    let lost = events.next().await;
    assert!(matches!(lost, Some(Event::ConnectionLost { reason: EndReason::Unreachable, .. })), "{lost:?}");
    assert!(!client.health().await.unwrap().is_answering);
    let (_, echo) = Echo::start_at(server).await;
    loop {
        match events.next().await {
            Some(Event::ConnectionLost { .. }) => {}
            Some(Event::ConnectionResumed { new_session: true }) => break,
            event => panic!("{event:?}"),
        }
    }
    assert!(matches!(events.next().await, Some(Event::LoggedIn { .. })));
    assert_eq!(contacts.await.unwrap(), Ok(vec![BOB]));
    assert_eq!(client.logout().await, EndReason::LoggedOut);
    assert_eq!(echo.await.unwrap().commands.last(), Some(&Command::Logout));
    assert_eq!(client.health().await, None);
}

/// Everything may go to another thread and stay there.
#[test]
fn what_is_public_is_send_and_static() {
    fn is_free<T: Send + 'static>() {}
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<Client>();
    is_free::<Events>();
    is_free::<Receipt>();
    is_shared::<Builder>();
    is_shared::<Event>();
    is_shared::<ConnectError>();
    is_shared::<RequestError>();
    is_shared::<SeenMessages>();
    is_free::<Account>();
    is_free::<Connection>();
    fn future<F: Future + Send + 'static>(_: F) {}
    future(Client::builder("").connect());
    future(Client::builder("").register(&PASSWORD_OF_A_FUTURE));
}

static PASSWORD_OF_A_FUTURE: std::sync::LazyLock<Password> = std::sync::LazyLock::new(password);

#[tokio::test]
async fn a_registration() {
    let (server, _echo) = Echo::start().await;
    assert_eq!(Client::builder(server.to_string()).register(&password()).await.unwrap(), ALICE);
}

#[tokio::test]
async fn a_login_with_a_wrong_password() {
    let (server, _echo) = Echo::start().await;
    let wrong = Password::new("wrong").unwrap();
    let outcome = Client::builder(server.to_string()).credentials(ALICE, wrong).connect().await;
    let expected = EndReason::LoginRefused(LoginRefused::WrongPassword);
    assert!(matches!(outcome, Err(ConnectError::Ended(reason)) if reason == expected));
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let outcome = Client::builder(nowhere().await).credentials(ALICE, password()).connect().await;
    assert!(matches!(outcome, Err(ConnectError::Ended(EndReason::Unreachable))), "{outcome:?}");
    let outcome = Client::builder(nowhere().await).register(&password()).await;
    assert!(matches!(outcome, Err(ConnectError::Ended(EndReason::Unreachable))), "{outcome:?}");
    let outcome = Client::builder("no port here").register(&password()).await;
    assert!(matches!(outcome, Err(ConnectError::Address { .. })), "{outcome:?}");
}
