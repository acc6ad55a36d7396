//! SIGHUP: the configuration is read again while the server runs.

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::ChildStderr;

use tempfile::TempDir;

use super::{LOAD_TEST, Server, write};

/// A registration with the password "hunter2" (docs/protocol.md, "NEW_UIN"), from a session of its own.
fn register(server: &Server, session: u8) -> Vec<u8> {
    let mut datagram =
        b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x2b\x4f\x79\xd4\x00\x02\x39\xd0\x00\x00\x00\x08hunter2\0".to_vec();
    datagram[13] = session;
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(&datagram, server.address).unwrap();
    let mut reply = vec![0; 4_096];
    let length = client.recv(&mut reply).unwrap();
    reply.truncate(length);
    reply
}

fn carries(reply: &[u8], domain: &str) -> bool {
    reply.windows(domain.len()).any(|window| window == domain.as_bytes())
}

/// Sends SIGHUP and gives back the log up to the line that says what became of it.
fn hang_up(server: &Server, log: &mut BufReader<ChildStderr>) -> String {
    server.signal("HUP");
    let mut read = String::new();
    while !(read.contains("the configuration has been read again")
        || read.contains("the configuration is kept as it was"))
    {
        assert_ne!(log.read_line(&mut read).unwrap(), 0, "it has ended: {read}");
    }
    read
}

#[test]
fn a_broken_file_is_told_and_changes_nothing_and_a_good_one_is_taken() {
    let folder = TempDir::new().unwrap();
    let (path, data) = (write(&folder, "myicqd.toml", LOAD_TEST), folder.path().join("data"));
    let arguments = ["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap(), "--config", &path];
    let mut server = Server::start(&arguments);
    let mut log = BufReader::new(server.child.stderr.take().unwrap());
    assert!(carries(&register(&server, 1), "localhost"));

    write(
        &folder,
        "myicqd.toml",
        &format!("[listen]\ndomain = \"half.example\"\nshard = 3\n{LOAD_TEST}nonsense = 1\n"),
    );
    let told = hang_up(&server, &mut log);
    for what in ["myicqd.toml:3: unknown key `listen.shard`", "unknown key `security.nonsense`", "kept as it was"] {
        assert!(told.contains(what), "{told}");
    }
    assert!(carries(&register(&server, 2), "localhost"), "not even what was good in it");

    write(&folder, "myicqd.toml", &format!("[listen]\ndomain = \"new.example\"\nshards = 3\n{LOAD_TEST}"));
    let told = hang_up(&server, &mut log);
    assert!(told.contains("listen.shards has another value, which waits for the next start"), "{told}");
    assert!(told.contains("read again") && told.contains("changed=listen.domain\n"), "{told}");
    assert!(carries(&register(&server, 3), "new.example"));

    std::fs::remove_file(&path).unwrap();
    let told = hang_up(&server, &mut log);
    assert!(told.contains("cannot read the configuration") && told.contains("(os error 2)"), "{told}");
    assert!(carries(&register(&server, 4), "new.example"));
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}
