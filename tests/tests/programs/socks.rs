//! Sessions by a SOCKS5 proxy that passes datagrams on, with a server as it is built.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "the proxy is the outside")]
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test: what is not as it must be ends it, or is shown"
)]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};

use myicq_client::blocking::Client;
use myicq_client::{Builder, ConnectError, Event, Message, Password, ProxyError, ProxyLogin, SocksError, Uin};
use myicq_tests::process::Server;

/// A SOCKS5 proxy that only passes datagrams on, to whom it is told in IPv4.
struct Proxy {
    address: SocketAddr,
    /// The connections on which it was asked to.
    clients: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// Lets in whoever has this login, or everybody.
    fn start(login: Option<&'static [u8]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let clients = Arc::new(Mutex::new(Vec::new()));
        let kept = clients.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                kept.lock().unwrap().push(client.try_clone().unwrap());
                // A client that goes away in the middle is not the proxy's fault.
                let _ = serve(client, login);
            }
        });
        Self { address, clients }
    }

    /// Ends all connections, and with them what was to be passed on; says how many there were.
    fn hang_up(&self) -> usize {
        let clients = std::mem::take(&mut *self.clients.lock().unwrap());
        // One that has gone already is no less gone.
        clients.iter().for_each(|client| drop(client.shutdown(Shutdown::Both)));
        clients.len()
    }
}

fn read<const LEN: usize>(client: &mut TcpStream) -> std::io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    client.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn serve(mut client: TcpStream, login: Option<&[u8]>) -> std::io::Result<()> {
    let [5, count] = read(&mut client)? else { panic!("no SOCKS5") };
    let mut offered = vec![0; count.into()];
    client.read_exact(&mut offered)?;
    let method = if login.is_some() { 2 } else { 0 };
    if !offered.contains(&method) {
        return client.write_all(&[5, 0xff]);
    }
    client.write_all(&[5, method])?;
    if let Some(login) = login {
        let mut given = vec![0; login.len()];
        client.read_exact(&mut given)?;
        let is_right = given == login;
        client.write_all(&[1, u8::from(!is_right)])?;
        if !is_right {
            return Ok(());
        }
    }
    assert_eq!(read(&mut client)?, [5, 3, 0, 1, 0, 0, 0, 0, 0, 0]);
    let relay = UdpSocket::bind("127.0.0.1:0")?;
    let port = relay.local_addr()?.port().to_be_bytes();
    std::thread::spawn(move || pass_on(&relay));
    client.write_all(&[&[5, 0, 0, 1, 0, 0, 0, 0], &port[..]].concat())
}

fn pass_on(relay: &UdpSocket) -> std::io::Result<()> {
    let (mut client, mut buffer) = (None, [0; 5_000]);
    loop {
        let (len, from) = relay.recv_from(&mut buffer)?;
        let bytes = &buffer[..len];
        if *client.get_or_insert(from) == from {
            let [0, 0, 0, 1, a, b, c, d, high, low, datagram @ ..] = bytes else { panic!("{bytes:?}") };
            relay.send_to(datagram, SocketAddr::from(([*a, *b, *c, *d], u16::from_be_bytes([*high, *low]))))?;
        } else {
            let header = [&[0, 0, 0, 1, 127, 0, 0, 1][..], &from.port().to_be_bytes()].concat();
            relay.send_to(&[&header, bytes].concat(), client.unwrap_or(from))?;
        }
    }
}

fn password() -> Password {
    Password::new("hunter2").unwrap()
}

fn builder(server: &Server, proxy: &Proxy, login: Option<(&str, &str)>) -> Builder {
    let login = login.map(|(user, password)| ProxyLogin::new(user, password).unwrap());
    Client::builder(server.address.to_string()).socks5(proxy.address.to_string(), login)
}

fn start() -> (tempfile::TempDir, Server, Uin) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let anna = Client::builder(server.address.to_string()).register_blocking(&password()).unwrap();
    (folder, server, anna)
}

#[test]
fn a_session_by_a_proxy_is_the_same() {
    let (_folder, server, anna) = start();
    for (proxy, login) in
        [(Proxy::start(None), None), (Proxy::start(Some(b"\x01\x03ann\x06secret")), Some(("ann", "secret")))]
    {
        let (client, mut events) =
            builder(&server, &proxy, login).credentials(anna, password()).connect_blocking().unwrap();
        client.send(anna, "to myself, 你好").unwrap().acknowledged().unwrap();
        let said = events.find_map(|event| match event {
            Event::Message { message, .. } => Some(message),
            _ => None,
        });
        assert_eq!(said, Some(Message::text("to myself, 你好")));
        client.logout();
        let ben = builder(&server, &proxy, login).register_blocking(&password()).unwrap();
        assert!(ben > anna);
    }
}

#[test]
fn the_command_line_goes_by_a_proxy() {
    let (folder, mut server, anna) = start();
    let proxy = Proxy::start(Some(b"\x01\x03ann\x06secret"));
    let file = folder.path().join("proxy-password");
    std::fs::write(&file, "secret\n").unwrap();
    let url = format!("socks5://ann@{}", proxy.address);
    server.way.extend(["--proxy", &url, "--proxy-password-file", file.to_str().unwrap()].map(str::to_owned));
    assert_eq!(server.done(&["contacts"], Some(&anna.to_string()), "hunter2"), "");
    assert_eq!(proxy.hang_up(), 1);
    std::fs::write(&file, "another").unwrap();
    let refused = server.myicq(&["contacts"], Some(&anna.to_string()), "hunter2");
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("does not accept the user or the password"));
}

#[test]
fn a_proxy_that_hangs_up_is_asked_again() {
    let (_folder, server, anna) = start();
    let proxy = Proxy::start(None);
    let (client, mut events) = builder(&server, &proxy, None).credentials(anna, password()).connect_blocking().unwrap();
    assert_eq!(proxy.hang_up(), 1);
    assert!(events.any(|event| matches!(event, Event::ConnectionLost { .. })));
    assert!(events.any(|event| event == Event::ConnectionResumed { new_session: true }));
    assert_eq!(client.contacts(), Ok(vec![]));
}

#[test]
fn a_proxy_that_lets_nobody_in_says_why() {
    let (_folder, server, _) = start();
    let proxy = Proxy::start(Some(b"\x01\x03ann\x06secret"));
    let refused = |login| match builder(&server, &proxy, login).register_blocking(&password()) {
        Err(ConnectError::Proxy(ProxyError::Socks(error))) => error,
        outcome => panic!("{outcome:?}"),
    };
    assert_eq!(refused(None), SocksError::NoLogin);
    assert_eq!(refused(Some(("ann", "Secret"))), SocksError::WrongLogin);
}
