//! What lies on the disk when the program is another one: a database of the first version under this one's `myicqd`.

use std::net::UdpSocket;
use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};
use tempfile::TempDir;

use super::{Server, myicqd, succeeds};

/// Users, a list, a request and messages, as the first version has written them.
const CONTENT: &str = "INSERT INTO users (password_hash, nick) VALUES ('one', 'Ann'), ('two', 'Bob'), ('three', 'Cid'); \
    INSERT INTO contacts VALUES (10001, 10002), (10002, 10003); \
    INSERT INTO auth_requests (asker, target) VALUES (10003, 10001); \
    INSERT INTO messages VALUES (7000000, 10002, 10001, 0, 7000000, 'gbk', X'7365636F6E64'), \
    (3000000, 10002, 10001, 0, 3000000, 'gbk', X'6669727374'), (5000000, 10003, 10001, 0, 5000000, 'utf-8', X'776F72647320')";

async fn first_version(data: &Path) {
    std::fs::create_dir(data).unwrap();
    let options = SqliteConnectOptions::new().filename(data.join("myicq.db")).create_if_missing(true);
    let mut database = options.connect().await.unwrap();
    let first = sqlx::migrate!("src/store/migrations").iter().take(1).cloned().collect();
    Migrator::with_migrations(first).run(&mut database).await.unwrap();
    database.execute(CONTENT).await.unwrap();
    database.close().await.unwrap();
}

#[test]
fn a_database_of_the_first_version_is_served_with_all_that_it_holds() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(first_version(&data));
    let data = data.to_str().unwrap();
    // Its messages are of 1970, and so expire at the start.
    let server = Server::on(Path::new(data));
    let listed = succeeds(myicqd(["user", "list", "--data", data, "--json"]).output().unwrap());
    for user in ["Ann", "Bob", "Cid"] {
        assert!(listed.contains(user), "{listed}");
    }
    #[cfg(unix)]
    server.signal("TERM");
    #[cfg(unix)]
    assert_eq!(server.end().0, Some(0));
    let shown = succeeds(myicqd(["user", "show", "10002", "--data", data, "--json"]).output().unwrap());
    assert!(shown.contains(r#""contacts":1"#), "{shown}");
}

/// What is written today is there after an upgrade: messages of the first version that are not too old.
#[test]
fn messages_of_the_first_version_wait_for_their_recipients() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(first_version(&data));
    let data = data.to_str().unwrap();
    let exported = succeeds(myicqd(["user", "export", "10002", "--data", data]).output().unwrap());
    let places = ["first", "second"].map(|words| exported.find(words).unwrap_or_else(|| panic!("{exported}")));
    assert!(places[0] < places[1] && !exported.contains("words"), "{exported}");
}

/// IPv4 and IPv6 together, each answered from where it was asked.
#[test]
fn it_listens_on_both_families() {
    use std::io::{BufRead, BufReader};
    if UdpSocket::bind("[::1]:0").is_err() {
        // Nothing to be tested where the system has no IPv6.
        return;
    }
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let listen = ["--listen", "127.0.0.1:0, [::1]:0", "--data", data.to_str().unwrap(), "--shards", "2"];
    let mut child = myicqd(listen).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut registration = vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 2, 0, 9, 0, 0, 0, 8];
    registration.extend(b"hunter2\0");
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on udp ").unwrap_or_else(|| panic!("{line:?}")).trim();
        let client = UdpSocket::bind(local).unwrap();
        client.connect(address).unwrap();
        client.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
        client.send(&registration).unwrap();
        let mut reply = [0; 100];
        assert!(client.recv(&mut reply).unwrap() > 24, "a number");
        assert_eq!(reply[14..16], [0, 2]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
