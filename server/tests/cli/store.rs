//! What the administrator does with the store, whether a server has it or not, and wherever it is.

use std::process::{Command, Output};

use myicq_wire::{MessageKind, Reply, Request, SendMessage, Str, Uin};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

use super::watching::Client;
use super::{LOAD_TEST, Server, fails, myicqd, succeeds, with_input, write};

/// A server's folder and, perhaps, a database elsewhere.
struct Installation {
    folder: TempDir,
    database: Option<String>,
}

impl Installation {
    fn new(database: Option<String>) -> Self {
        let folder = TempDir::new().unwrap();
        write(&folder, "myicqd.toml", LOAD_TEST);
        Self { folder, database }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let [config, data] = ["myicqd.toml", "data"].map(|name| self.folder.path().join(name));
        let place = ["--config", config.to_str().unwrap(), "--data", data.to_str().unwrap()];
        let mut command = myicqd([arguments, &place].concat());
        command.envs(self.database.iter().map(|url| ("MYICQD_DATABASE", url)));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn serve(&self) -> Server {
        Server::from(self.command(&["run", "--listen", "127.0.0.1:0"]).spawn().unwrap())
    }
}

#[test]
fn the_store_is_reached_with_and_without_a_server() {
    with_and_without_a_server(&Installation::new(None));
}

fn with_and_without_a_server(here: &Installation) {
    let server = here.serve();
    let mut ann = Client::register(server.address);
    let add = here.command(&["user", "add", "--uin", "20000", "--nick", "Bob", "--password-stdin"]);
    assert_eq!(succeeds(with_input(add, "hunter2\n")), "20000\n");
    let text = Str(b"are you there?\xFFSimSun\xFF9\xFF0\xFF0");
    ann.send(&Request::SendMessage(SendMessage { kind: MessageKind::TEXT, to: Uin(20_000), text, domain: None }));
    ann.until(|reply| (*reply == Reply::Ack).then_some(()));
    let exported = succeeds(here.run(&["user", "export", "20000"]));
    let lines: Vec<serde_json::Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{exported}");
    assert_eq!(lines[0]["user"]["profile"]["nick"], "Bob");
    let message = &lines[1]["message"];
    assert_eq!((&message["from"], &message["fields"][0]), (&ann.uin.0.into(), &"are you there?".into()));
    fails(here.run(&["user", "export", "5"]), 67);
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));

    assert_eq!(succeeds(here.run(&["user", "export", "20000"])), exported, "the same without a server");
    fails(here.run(&["broadcast", ""]), 2);
    assert_eq!(succeeds(here.run(&["broadcast", "moved tonight"])), "");

    let server = here.serve();
    let ann = Client::returning(server.address, ann.uin);
    let said = ann.until(|reply| match reply {
        Reply::Message(message) => Some((message.from, message.text.0.to_vec())),
        _ => None,
    });
    assert_eq!(said.0, Uin::ADMINISTRATOR);
    assert!(said.1.starts_with(b"moved tonight"), "{said:?}");
}

/// Makes a schema in the database of the tests, and gives back its URL and the connection that can remove it.
async fn make_schema(name: &str) -> (String, PgConnection) {
    let base = std::env::var("MYICQ_TEST_POSTGRES").expect("MYICQ_TEST_POSTGRES is not set; .ci/run postgres sets it");
    let url =
        format!("{base}{}password=s3cret&options=-csearch_path%3D{name}", if base.contains('?') { '&' } else { '?' });
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {name}"))).await.unwrap();
    (url, connection)
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
async fn postgres_is_reached_with_and_without_a_server() {
    let name = format!("test_{}_cli", std::process::id());
    let (url, mut connection) = make_schema(&name).await;
    let (here, other) = (Installation::new(Some(url.clone())), Installation::new(Some(url)));
    with_and_without_a_server(&here);

    let server = here.serve();
    let line = fails(other.run(&["run", "--listen", "127.0.0.1:0"]), 75);
    assert!(line.contains("is in use by another myicqd") && !line.contains("s3cret"), "{line}");
    let line = fails(here.run(&["backup", "copy.db"]), 2);
    assert!(line.contains("pg_dump") && !line.contains("s3cret"), "{line}");
    server.signal("TERM");
    let (code, log) = server.end();
    assert!(code == Some(0) && !log.contains("s3cret"), "{log}");
    connection.execute(AssertSqlSafe(format!("DROP SCHEMA {name} CASCADE"))).await.unwrap();
}
