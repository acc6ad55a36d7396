//! The TCP tunnel with the programs as they are built: the same sessions by another way, and connections that hold on to the server.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "the connections are the outside")]
#![expect(clippy::unwrap_used, reason = "this is test: what is not as it must be ends it, or is shown")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use myicq_tests::process::Server;

const PASSWORD: &str = "hunter2";

fn start(arguments: &[&str]) -> (tempfile::TempDir, Server, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start_with(folder.path(), &[&["--tunnel", "127.0.0.1:0"], arguments].concat());
    let tunnel = server.tunnel();
    (folder, server, tunnel)
}

fn way(options: &[&str]) -> Vec<String> {
    options.iter().map(|&option| option.to_owned()).collect()
}

/// Reads what comes until the other side ends the connection.
fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

/// An HTTP proxy for one connection, which it makes to `target` whatever it is asked for; says what that was.
fn proxy(target: SocketAddr) -> (SocketAddr, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let mut server = TcpStream::connect(target).unwrap();
        // What the server says at once comes in one piece with the answer.
        client.write_all(b"HTTP/1.1 200 OK\r\nVia: 1.1 proxy\r\n\r\n").unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let up = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
        let _ = std::io::copy(&mut server, &mut client);
        let _ = client.shutdown(std::net::Shutdown::Both);
        up.join().unwrap();
        String::from_utf8(head).unwrap()
    });
    (address, thread)
}

#[test]
fn a_proxy_that_wants_to_know_is_told_who_one_is() {
    let (folder, mut server, tunnel) = start(&[]);
    let (address, proxy) = proxy(tunnel);
    let file = folder.path().join("proxy-password");
    std::fs::write(&file, "secret\n").unwrap();
    let url = format!("http://ann@{address}");
    let file = file.to_str().unwrap();
    server.way = way(&["--server", "icq.example", "--proxy", &url, "--proxy-password-file", file]);
    server.done(&["register"], None, PASSWORD);
    let asked = proxy.join().unwrap();
    // "ann:secret"
    assert!(asked.contains("\r\nProxy-Authorization: Basic YW5uOnNlY3JldA==\r\n"), "{asked}");
}

/// With several shards the two belong to different ones, and the tunnel to none.
#[test]
fn sessions_are_the_same_by_each_way() {
    for shards in ["1", "2"] {
        let (_folder, mut server, tunnel) = start(&["--shards", shards]);
        let tunnel = tunnel.to_string();
        let by_udp = server.way.clone();
        let through = way(&["--server", &tunnel, "--tunnel"]);
        // The server understands what a proxy would understand.
        let connected = way(&["--server", "icq.example:443", "--proxy", &format!("http://{tunnel}")]);

        server.way = through.clone();
        let anna = &server.done(&["register"], None, PASSWORD);
        let mut listening = server.listen(anna, PASSWORD);
        server.way = by_udp.clone();
        let ben = &server.done(&["register"], None, PASSWORD);
        server.done(&["send", "--to", anna, "hello, 你好"], Some(ben), PASSWORD);
        assert_eq!(listening.wait_for("message")["text"], "hello, 你好");
        drop(listening);

        server.way = connected;
        let mut listening = server.listen(ben, PASSWORD);
        server.way = through;
        server.done(&["send", "--to", ben, "and back"], Some(anna), PASSWORD);
        assert_eq!(listening.wait_for("message")["text"], "and back");
        let code = |password| server.myicq(&["contacts"], Some(anna), password).status.code();
        assert_eq!((code("wrong"), code(PASSWORD)), (Some(4), Some(0)));
        drop(listening);
        assert_eq!(server.terminate().code(), Some(0));
    }
}

#[test]
fn a_proxy_is_asked_for_the_server_by_its_name() {
    let (_folder, mut server, tunnel) = start(&[]);
    let (address, proxy) = proxy(tunnel);
    server.way = way(&["--server", "icq.example", "--proxy", &address.to_string()]);
    assert_eq!(server.done(&["register"], None, PASSWORD), "10001");
    assert_eq!(proxy.join().unwrap(), "CONNECT icq.example:443 HTTP/1.1\r\nHost: icq.example:443\r\n\r\n");
    // Nobody listens there any more.
    assert_eq!(server.myicq(&["register"], None, PASSWORD).status.code(), Some(3));
}

/// A frame byte by byte, a beginning and nothing more, a silence from the start, and what is no frame: none of them keeps its
/// connection, and those who have something to say notice nothing of it.
#[test]
fn connections_that_hold_on_to_the_server_are_ended() {
    let (_folder, mut server, tunnel) = start(&["--tunnel-frame-timeout", "1s"]);
    let drips: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(tunnel).unwrap()).collect();
    for (index, mut stream) in drips.iter().enumerate() {
        stream.write_all([&[][..], &[0], &[0, 40, 0, 1], b"CONNECT "][index % 4]).unwrap();
    }
    server.way = way(&["--server", &tunnel.to_string(), "--tunnel"]);
    assert_eq!(server.done(&["register"], None, PASSWORD), "10001");
    for stream in &drips {
        assert!(read_to_end(stream).is_empty());
    }
    let junk = TcpStream::connect(tunnel).unwrap();
    (&junk).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(read_to_end(&junk).is_empty());
}

#[test]
fn so_many_connections_of_one_address_are_taken_and_no_more() {
    let (_folder, _server, tunnel) = start(&["--tunnel-per-address-max", "3"]);
    let connect = || {
        let stream = TcpStream::connect(tunnel).unwrap();
        let _ = (&stream).write_all(b"CONNECT a:1 HTTP/1.0\r\n\r\n");
        let mut answer = [0; 12];
        let is_taken = (&stream).read_exact(&mut answer).is_ok() && answer == *b"HTTP/1.1 200";
        (stream, is_taken)
    };
    let taken: Vec<_> = (0..3).map(|_| connect()).collect();
    assert!(taken.iter().all(|(_, is_taken)| *is_taken));
    assert!(!connect().1, "one more");
    drop(taken);
    // The server learns of each end in its time.
    assert!((0..1_000).any(|_| connect().1));
}

#[test]
fn a_session_is_lost_with_its_stream() {
    let (_folder, mut server, tunnel) = start(&[]);
    server.way = way(&["--server", &tunnel.to_string(), "--tunnel"]);
    let anna = &server.done(&["register"], None, PASSWORD);
    let mut listening = server.listen(anna, PASSWORD);
    server.kill();
    assert_eq!(listening.wait_for("connection_lost")["reason"], "lost");
}
