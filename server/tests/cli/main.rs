//! The built `myicqd` as scripts see it: its output, its exit codes, its signals.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a failure here fails the test")]
#![expect(clippy::disallowed_methods, reason = "the tests run programs, open sockets and write files")]

mod config;
#[cfg(unix)]
mod reload;
mod storage;
#[cfg(unix)]
mod store;
mod trial;
mod watching;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

/// Cheap hashes, as a load test has them.
const LOAD_TEST: &str = "[limits]\nrates = \"off\"\n[security]\nargon2_memory_kib = 8\nargon2_iterations = 1\n";

fn myicqd<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_myicqd"));
    // What the tester has set must not change what is tested.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MYICQD_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a command printed, and that it succeeded.
fn succeeds(output: Output) -> String {
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{:?}: {error}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The one line that a command complained in, and that it ended with this code.
fn fails(output: Output, code: i32) -> String {
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    let lines: Vec<_> = error.lines().filter(|line| line.starts_with("myicqd: ")).collect();
    assert_eq!(lines.len(), 1, "{error}");
    lines[0].to_owned()
}

fn with_input(mut command: Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // It may refuse its arguments without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn write(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A server that is running, killed when dropped.
struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        Self::from(myicqd(arguments).spawn().unwrap())
    }

    fn from(mut child: Child) -> Self {
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let Some(address) = line.strip_prefix("listening on udp ").and_then(|rest| rest.strip_suffix('\n')) else {
            panic!("{line:?}, {}", fails(child.wait_with_output().unwrap(), 0));
        };
        Self { address: address.parse().unwrap(), child, out }
    }

    fn on(data: &Path) -> Self {
        Self::start(&["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()])
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let killed = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// The exit code and the log, once it has ended.
    fn end(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        // A log that goes elsewhere is read there.
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut log).unwrap();
        }
        let code = self.child.wait().unwrap().code();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line on the output, no more");
        (code, log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[test]
fn it_listens_where_it_says_and_stops_when_told() {
    let folder = TempDir::new().unwrap();
    for signal in ["TERM", "INT"] {
        let server = Server::on(&folder.path().join("new/data"));
        assert_ne!(server.address.port(), 0);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"no packet", server.address).unwrap();
        server.signal("USR1");
        server.signal(signal);
        let (code, log) = server.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("stopped") && log.contains("received="), "{log}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn several_shards_report_each_and_together() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap();
    let server = Server::start(&["--listen", "127.0.0.1:0", "--data", data, "--shards", "2"]);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..3 {
        client.send_to(b"no packet", server.address).unwrap();
    }
    server.signal("TERM");
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    let stopped: Vec<_> = log.lines().filter(|line| line.contains(" stopped ")).collect();
    assert_eq!(stopped.len(), 3, "{log}");
    assert!(stopped[0].contains("shard=0 ") && stopped[1].contains("shard=1 "), "{log}");
    assert!(!stopped[2].contains("shard=") && stopped[2].contains(" received=3 "), "{log}");
}

#[cfg(unix)]
#[test]
fn a_load_test_can_start_it_and_the_log_can_be_json() {
    let folder = TempDir::new().unwrap();
    let (config, data) = (write(&folder, "load.toml", LOAD_TEST), folder.path().join("data"));
    let data = data.to_str().unwrap();
    let server =
        Server::start(&["--listen", "127.0.0.1:0", "--data", data, "--config", &config, "--log-format", "json"]);
    server.signal("TERM");
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.is_empty() && log.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{log}");
}

#[test]
fn a_taken_port_is_told_in_one_line() {
    let folder = TempDir::new().unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let data = folder.path().join("data");
    let line = fails(myicqd(["--listen", &address, "--data", data.to_str().unwrap()]).output().unwrap(), 69);
    assert!(line.contains(&address) && line.contains("choose another port with --listen"), "{line}");
    assert!(!data.exists(), "nothing is made by a server that cannot run");
}

#[test]
fn a_folder_that_cannot_be_made_is_told_in_one_line() {
    let folder = TempDir::new().unwrap();
    // Not even root makes a folder below a file.
    let data = format!("{}/data", write(&folder, "file", ""));
    let line = fails(myicqd(["--listen", "127.0.0.1:0", "--data", &data]).output().unwrap(), 73);
    assert!(line.contains(&data) && line.contains("--data"), "{line}");
}

#[test]
fn a_folder_in_use_is_told_in_one_line() {
    let folder = TempDir::new().unwrap();
    let _server = Server::on(folder.path());
    let data = folder.path().to_str().unwrap();
    let line = fails(myicqd(["--listen", "127.0.0.1:0", "--data", data]).output().unwrap(), 75);
    assert!(line.contains("in use by another myicqd"), "{line}");
    // A server that commands cannot talk to.
    std::fs::remove_file(folder.path().join("myicqd.sock")).unwrap();
    let line = fails(myicqd(["user", "list", "--data", data]).output().unwrap(), 75);
    assert!(line.contains("in use by another myicqd"), "{line}");
}

#[test]
fn a_newer_database_is_told_in_one_line() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap();
    add(data, &[]);
    make_newer(folder.path());
    let line = fails(myicqd(["--listen", "127.0.0.1:0", "--data", data]).output().unwrap(), 65);
    assert!(line.contains("newer"), "{line}");
}

/// Makes the database look as if a later version had been there.
fn make_newer(folder: &Path) {
    use sqlx::{Connection, SqliteConnection};
    let url = format!("sqlite://{}", folder.join("myicq.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut database = SqliteConnection::connect(&url).await.unwrap();
        let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                   VALUES (1000000, 'later', 1, x'00', 0)";
        sqlx::query(sql).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
    });
}

#[test]
fn what_is_no_database_is_told_in_one_line() {
    let folder = TempDir::new().unwrap();
    write(&folder, "myicq.db", &"This is a letter to my aunt. ".repeat(100));
    let data = folder.path().to_str().unwrap();
    let line = fails(myicqd(["--listen", "127.0.0.1:0", "--data", data]).output().unwrap(), 65);
    assert!(line.contains("damaged or not a database"), "{line}");
}

#[test]
fn a_wrong_configuration_is_told_in_one_line() {
    let folder = TempDir::new().unwrap();
    let run = |text: &str, arguments: &[&str]| {
        let config = write(&folder, "myicqd.toml", text);
        fails(myicqd(["--config", &config, "--data", "/nonexistent"]).args(arguments).output().unwrap(), 2)
    };
    let line = run("[session]\nkeep_alive_timeout = \"120s\"\n", &[]);
    assert!(line.ends_with(
        "myicqd.toml:2: unknown key `session.keep_alive_timeout`; did you mean `session.keepalive_timeout`?"
    ));
    let line = run(LOAD_TEST, &["--listen", "0.0.0.0:0"]);
    assert!(line.contains("only while every listener is on loopback, and 0.0.0.0:0 is not"), "{line}");
    let line = run("", &["--keepalive-timeout", "120"]);
    assert!(line.contains("--keepalive-timeout: \"120\" is not allowed; it takes a time from 1s to 24h"), "{line}");
    let line = run("", &["--log", "everything=is=wrong"]);
    assert!(line.contains("--log"), "{line}");
    let line = fails(myicqd(["--config", "/nonexistent"]).output().unwrap(), 2);
    assert!(line.contains("cannot read the configuration /nonexistent: "), "{line}");
}

#[test]
fn the_environment_goes_before_the_file_and_a_flag_before_it() {
    let folder = TempDir::new().unwrap();
    let config = write(&folder, "myicqd.toml", "[limits]\nrates = \"off\"\n");
    let run = |arguments: &[&str]| {
        let mut command = myicqd(["--config", &config]);
        command.args(arguments).env("MYICQD_LISTEN", "192.0.2.1:1").env("MYICQD_DATA", "/nonexistent");
        command.output().unwrap()
    };
    assert!(fails(run(&[]), 2).contains("192.0.2.1:1"));
    assert!(fails(run(&["--listen", "192.0.2.2:2"]), 2).contains("192.0.2.2:2"));
    let line = fails(myicqd([] as [&str; 0]).env("MYICQD_CHARSET", "klingon").output().unwrap(), 2);
    assert!(line.starts_with("myicqd: MYICQD_CHARSET: \"klingon\" is not allowed; it takes "), "{line}");
}

/// Makes a user with the password "hunter2" and gives back his number, as printed.
fn add(data: &str, arguments: &[&str]) -> String {
    let mut command = myicqd(["user", "add", "--password-stdin", "--data", data]);
    command.args(arguments);
    let printed = succeeds(with_input(command, "hunter2\n"));
    printed.strip_suffix('\n').unwrap().to_owned()
}

#[test]
fn users_come_and_go_while_no_server_runs() {
    let folder = TempDir::new().unwrap();
    users_come_and_go(folder.path().to_str().unwrap());
}

#[test]
fn a_user_is_exported_without_his_password() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap();
    assert_eq!(add(data, &["--uin", "20000"]), "20000");
    let export = |uin| myicqd(["user", "export", uin, "--data", data]).output().unwrap();
    let exported = succeeds(export("20000"));
    let object: serde_json::Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    assert_eq!((&object["user"]["uin"], &object["user"]["contacts"]), (&20_000.into(), &serde_json::json!([])));
    assert!(!exported.contains("argon2"), "no hash is given away: {exported}");
    fails(export("5"), 67);
}

#[cfg(unix)]
#[test]
fn users_come_and_go_while_a_server_runs() {
    use std::os::unix::fs::PermissionsExt;

    let folder = TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap();
    // Left by a server that was killed.
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("myicqd.sock")).unwrap());
    let server = Server::start(&["--listen", "127.0.0.1:0", "--data", data, "--shards", "3"]);
    let socket = folder.path().join("myicqd.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    users_come_and_go(data);
    let sessions = |arguments: &[&str]| myicqd(["sessions", "--data", data]).args(arguments).output().unwrap();
    assert_eq!(
        (succeeds(sessions(&[])), succeeds(sessions(&["--json"]))),
        ("nobody is here\n".to_owned(), String::new())
    );
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
    assert!(!socket.exists());
    assert!(fails(sessions(&[]), 69).contains("no server is running on the data folder"));
}

fn users_come_and_go(data: &str) {
    let first: u32 = add(data, &["--nick", "林"]).parse().unwrap();
    assert_eq!(add(data, &["--uin", "20000"]), "20000");
    let user = |arguments: &[&str]| myicqd(["user"]).args(arguments).env("MYICQD_DATA", data).output().unwrap();

    let list = succeeds(user(&["list", "--json"]));
    let users: Vec<serde_json::Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((users.len(), &users[0]["uin"], &users[0]["nick"]), (2, &first.into(), &"林".into()));
    assert!(!list.contains("argon2"), "no hashes in lists: {list}");
    assert!(succeeds(user(&["show", "20000"])).starts_with("uin       20000\n"));

    assert!(fails(user(&["show", "5"]), 67).contains("there is no user 5"));
    let mut again = myicqd(["user", "add", "--password-stdin", "--uin", "20000", "--data", data]);
    again.stdin(Stdio::piped());
    assert!(fails(with_input(again, "hunter2"), 67).contains("20000"));
    let passwd = |uin| myicqd(["user", "passwd", uin, "--password-stdin", "--data", data]);
    assert_eq!(succeeds(with_input(passwd("20000"), "hunter3")), "");
    assert!(fails(with_input(passwd("5"), "hunter3"), 67).contains("there is no user 5"));
    assert!(fails(with_input(passwd("20000"), ""), 2).contains("the password must be"));

    let nick = |nick| myicqd(["user", "add", "--password-stdin", "--nick", nick, "--data", data]);
    assert!(fails(with_input(nick("seventeen letters"), "hunter2"), 2).contains("the nick may have 16 bytes"));

    assert_eq!(succeeds(user(&["remove", "20000"])), "");
    assert_eq!(succeeds(user(&["list"])).lines().count(), 2, "the heading and one user");
    fails(user(&["remove", "20000"]), 67);
    assert_eq!(add(data, &["--json"]), "{\"uin\":20001}");
    assert_eq!(succeeds(user(&["remove", "20001", "--json"])), "{\"messages\":0,\"uin\":20001}\n");
}

#[cfg(unix)]
#[test]
fn the_socket_takes_one_short_request_a_connection() {
    use std::os::unix::net::UnixStream;

    let folder = TempDir::new().unwrap();
    let _server = Server::on(folder.path());
    let ask = |line: &str| {
        let mut stream = UnixStream::connect(folder.path().join("myicqd.sock")).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert_eq!(ask("{\"user\":{\"list\":{}}}\n{\"sessions\":{}}\n"), "{\"done\":{}}\n");
    assert!(ask("{\"user\":{\"lost\":{}}}\n").starts_with("{\"failed\":{\"problem\":\"request\""));
    let padded = |len: usize| format!("{:<width$}\n", "{\"sessions\":{}}", width = len - 1);
    assert_eq!(ask(&padded(8192)), "{\"done\":{}}\n");
    assert!(ask(&padded(8193)).contains("a request has 8192 bytes at most"));

    // As many as may wait for what they will say, and one more.
    let connect = || UnixStream::connect(folder.path().join("myicqd.sock")).unwrap();
    let waiting: Vec<_> = (0..16).map(|_| connect()).collect();
    let mut answer = String::new();
    connect().read_to_string(&mut answer).unwrap();
    assert!(answer.contains("unavailable") && answer.contains("16"), "{answer}");
    drop(waiting);
}

#[test]
fn a_backup_is_a_database_of_its_own() {
    let folder = TempDir::new().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    std::fs::create_dir(&copy).unwrap();
    let backup = |to: &Path| {
        let (data, to) = (data.to_str().unwrap(), to.to_str().unwrap());
        myicqd(["backup", "--data", data, to, "--json"]).output().unwrap()
    };
    let to = copy.join("myicq.db");
    assert!(fails(backup(&to), 66).contains("there is no data folder"));
    for round in 0..2 {
        // Without a server, then with one.
        let server = (round > 0).then(|| Server::on(&data));
        let uin = add(data.to_str().unwrap(), &[]);
        let printed = succeeds(backup(&to));
        let bytes = std::fs::metadata(&to).unwrap().len();
        assert!(printed.starts_with(&format!("{{\"bytes\":{bytes},")) && bytes > 0, "{printed}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(&copy).unwrap().count(), 1, "nothing else is left");
        assert!(fails(backup(&to), 73).contains("is there already"));
        let restored = myicqd(["user", "show", &uin, "--data", copy.to_str().unwrap()]).output().unwrap();
        assert!(succeeds(restored).contains(&uin));
        drop(server);
        std::fs::remove_dir_all(&copy).unwrap();
        std::fs::create_dir(&copy).unwrap();
    }
    assert!(fails(backup(&copy.join("no/folder")), 73).contains("cannot write"));
}

#[test]
fn a_misspelt_folder_is_not_made() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("dta");
    let line = fails(myicqd(["user", "list", "--data", data.to_str().unwrap()]).output().unwrap(), 66);
    assert!(line.contains("there is no data folder"), "{line}");
    assert!(!data.exists());
}

#[test]
fn the_password_is_asked_for_by_name() {
    let output = myicqd(["user", "add", "--data", "/nonexistent"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--password-stdin"));
}
