//! What a running server shows of itself: metrics, health, traces, and what it tells its service manager and the journal.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;

use myicq_wire::cipher::Key;
use myicq_wire::{
    Envelope, Login, LoginReply, NewUin, Reply, Request, Sealing, Secret, SendMessage, Seq, ServerHeader, SessionId,
    Status, Str, Uin, encode_request,
};
use tempfile::TempDir;

use super::{Server, fails, myicqd, succeeds, write};

const PASSWORD: &[u8] = b"a-very-secret-password";

/// A client that says what it is told to and acknowledges everything.
pub(super) struct Client {
    socket: UdpSocket,
    pub(super) uin: Uin,
    session: SessionId,
    seq: u16,
}

impl Client {
    /// A new user, logged in.
    pub(super) fn register(server: SocketAddr) -> Self {
        let mut client = Self::new(server, Uin::NONE);
        client.send(&Request::NewUin(NewUin { password: Secret(PASSWORD) }));
        client.uin = client.until(|reply| if let Reply::NewUin(new) = reply { Some(new.uin) } else { None });
        client.log_in();
        client
    }

    /// A user whom [`Client::register`] has made, logged in.
    pub(super) fn returning(server: SocketAddr, uin: Uin) -> Self {
        let mut client = Self::new(server, uin);
        client.log_in();
        client
    }

    fn new(server: SocketAddr, uin: Uin) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        // No two sessions of a user have the same number, as with clients that draw it.
        let session = SessionId(socket.local_addr().unwrap().port().into());
        Self { socket, uin, session, seq: 0 }
    }

    fn log_in(&mut self) {
        let login = Login {
            password: Secret(PASSWORD),
            status: Status::ONLINE,
            tcp_version: 1,
            real_ip: Default::default(),
            port: 9,
        };
        self.send(&Request::Login(login));
        self.until(|reply| matches!(reply, Reply::Login(LoginReply::Success(_))).then_some(()));
    }

    pub(super) fn send(&mut self, request: &Request<'_>) {
        self.seq += 1;
        let seq = Seq::new(self.seq);
        let envelope = Envelope { reserved: 0, uin: self.uin, session: self.session, seq };
        let key = Key::new(PASSWORD);
        let sealing = Sealing { key: &key, form: myicq_wire::cipher::CipherForm::Original };
        let mut buffer = [0; 4_096];
        let len = encode_request(&envelope, request, Some(0), Some(sealing), &mut buffer).unwrap();
        self.socket.send(&buffer[..len]).unwrap();
    }

    /// Takes and acknowledges what comes, up to what is waited for.
    pub(super) fn until<T>(&self, wanted: impl Fn(&Reply<'_>) -> Option<T>) -> T {
        loop {
            let mut buffer = [0; 4_096];
            let len = self.socket.recv(&mut buffer).unwrap();
            let (header, body) = ServerHeader::decode(&buffer[..len]).unwrap();
            if header.seq.is_some() {
                let uin = header.uin;
                let envelope = Envelope { reserved: 0, uin, session: self.session, seq: header.seq };
                let mut ack = [0; 64];
                let len = encode_request(&envelope, &Request::Ack, None, None, &mut ack).unwrap();
                self.socket.send(&ack[..len]).unwrap();
            }
            if let Some(found) = wanted(&Reply::decode(header.known_command().unwrap(), body).unwrap()) {
                return found;
            }
        }
    }

    /// Says something to himself, and waits until it is there and acknowledged.
    fn say(&mut self, text: &str) {
        let message =
            SendMessage { kind: myicq_wire::MessageKind::TEXT, to: self.uin, text: Str(text.as_bytes()), domain: None };
        self.send(&Request::SendMessage(message));
        let seen = std::cell::Cell::new((false, false));
        self.until(|reply| {
            let (acknowledged, there) = seen.get();
            seen.set((acknowledged || *reply == Reply::Ack, there || matches!(reply, Reply::Message(_))));
            (seen.get() == (true, true)).then_some(())
        });
    }
}

const CONFIG: &str = "[limits]\nrates = \"off\"\n[security]\nargon2_memory_kib = 8\nargon2_iterations = 1\n[metrics]\nlisten = \"127.0.0.1:0\"\n";

fn start(folder: &TempDir, arguments: &[&str]) -> Server {
    let config = write(folder, "myicqd.toml", CONFIG);
    let data = folder.path().join("data");
    let all = ["--config", &config, "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    Server::start(&[&all[..], arguments].concat())
}

/// Where the log says that the metrics are. What follows is thrown away, so that the server is never held up.
fn metrics_address(server: &mut Server) -> String {
    let mut log = BufReader::new(server.child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("answering http://") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "no metrics");
    }
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned()
}

fn http(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // The connection is reset when not all of the request was read.
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn get(address: &str, path: &str) -> String {
    http(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

#[test]
fn metrics_and_health_are_there_for_who_asks() {
    let folder = TempDir::new().unwrap();
    let mut server = start(&folder, &["--shards", "2"]);
    let address = metrics_address(&mut server);
    Client::register(server.address).say("hello");
    let metrics = get(&address, "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text;"), "{metrics}");
    for line in [
        "myicqd_events_total{event=\"registrations\"} 1",
        "myicqd_datagrams_received_total{command=\"UDP_SEND_MSG\",fate=\"taken\"} 1",
        "myicqd_datagrams_sent_total{command=\"UDP_SRV_MESSAGE\"} 1",
        "myicqd_sessions{state=\"open\"} 1",
        "myicqd_users_online 1",
        "myicqd_shards 2",
    ] {
        assert!(metrics.lines().any(|written| written == line), "{line} is not in\n{metrics}");
    }
    let health = get(&address, "/health");
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
    assert!(health.ends_with("\r\n\r\n{\"answering\":2,\"shards\":2,\"store\":true}\n"), "{health}");
    assert!(http(&address, "HEAD /health HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
    assert!(get(&address, "/").starts_with("HTTP/1.1 404 "));
    assert!(http(&address, "DELETE /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
    let long = |len: usize| format!("GET /health HTTP/1.1\r\nA: {:a<width$}\r\n\r\n", "", width = len - 29);
    assert!(http(&address, &long(4_096)).starts_with("HTTP/1.1 200 "));
    assert_eq!(http(&address, &long(4_097)), "", "too long a head is no request");

    let health = |data: &Path| myicqd(["health", "--data", data.to_str().unwrap()]).output().unwrap();
    assert_eq!(succeeds(health(&folder.path().join("data"))), "2 of 2 shards answer; the store answers\n");
    fails(health(folder.path()), 69);
}

#[test]
fn metrics_stay_on_this_machine() {
    let line = fails(myicqd(["--metrics-listen", "0.0.0.0:0", "--data", "/nonexistent"]).output().unwrap(), 2);
    assert!(line.contains("metrics.remote"), "{line}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["--listen", "127.0.0.1:0", "--metrics-listen", &address, "--data", "/nonexistent"];
    assert!(fails(myicqd(arguments).output().unwrap(), 69).contains(&address));
}

#[test]
fn a_trace_shows_what_becomes_of_a_users_datagrams() {
    let folder = TempDir::new().unwrap();
    let server = start(&folder, &[]);
    let mut client = Client::register(server.address);
    let (uin, data) = (client.uin.to_string(), folder.path().join("data"));
    let trace = || myicqd(["trace", &uin, "--json", "--data", data.to_str().unwrap()]);
    let mut child = trace().spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()
    };
    // Until the trace has begun, and that has been seen.
    let begun = std::thread::scope(|scope| {
        let first = scope.spawn(&mut next);
        while !first.is_finished() {
            client.say("hello?");
        }
        first.join().unwrap()
    });
    assert!(begun["what"] == "in" || begun["what"] == "out", "{begun}");
    assert!(fails(trace().output().unwrap(), 69).contains("somebody looks at a user of the same shard already"));
    // In his name, and of a session that is not there.
    let mut wrong = [0; 28];
    wrong[..6].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
    wrong[6..10].copy_from_slice(&client.uin.0.to_be_bytes());
    wrong[13] = 78;
    wrong[15] = 0x0B;
    client.socket.send(&wrong).unwrap();
    let mut seen = next();
    while seen["fate"] != "drop_unknown_session" {
        assert!(!seen.to_string().contains("hello"), "{seen}");
        seen = next();
    }
    assert_eq!((&seen["what"], &seen["command"], &seen["bytes"]), (&"in".into(), &"UDP_SEND_MSG".into(), &28.into()));
    client.send(&Request::Logout);
    while seen["fate"] != "sessions_logged_out" {
        seen = next();
    }
    assert_eq!(seen["what"], "event");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_service_manager_is_told() {
    let folder = TempDir::new().unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let mut command = myicqd(["--listen", "127.0.0.1:0", "--data"]);
    command.arg(folder.path().join("data")).env("NOTIFY_SOCKET", folder.path().join("notify"));
    let server = Server::from(command.env("WATCHDOG_USEC", "200000").spawn().unwrap());
    let next = || {
        let mut buffer = [0; 1_000];
        let len = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    };
    let ready = next();
    assert!(ready.starts_with("READY=1\nSTATUS=listening on udp 127.0.0.1:"), "{ready}");
    for _ in 0..3 {
        assert_eq!(next(), "WATCHDOG=1\n");
    }
    // Something else than that it is alive.
    let news = || std::iter::repeat_with(next).find(|state| state != "WATCHDOG=1\n").unwrap();
    server.signal("HUP");
    let reloading = news();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(news(), "READY=1\n");
    server.signal("TERM");
    assert_eq!(news(), "STOPPING=1\nSTATUS=stopping\n");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn the_journal_gets_levels_and_no_times() {
    let folder = TempDir::new().unwrap();
    let run = |stream: Option<String>| {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let metadata = log.metadata().unwrap();
        let mut command = myicqd(["--listen", "127.0.0.1:0", "--data"]);
        command.arg(folder.path().join("data")).stderr(Stdio::from(log));
        command.env("JOURNAL_STREAM", stream.unwrap_or_else(|| format!("{}:{}", metadata.dev(), metadata.ino())));
        let server = Server::from(command.spawn().unwrap());
        server.signal("TERM");
        assert_eq!(server.end().0, Some(0));
        std::fs::read_to_string(folder.path().join("log")).unwrap()
    };
    let log = run(None);
    assert!(log.lines().all(|line| line.starts_with("<6>myicq") || line.starts_with("<4>myicq")), "{log}");
    let log = run(Some("1:1".to_owned()));
    assert!(log.lines().all(|line| line.starts_with("20") && line.contains(" INFO ")), "{log}");
}

/// With all that can be logged: neither passwords nor keys made of them, nor what people say.
#[test]
fn nothing_secret_is_in_the_log() {
    for format in ["human", "json"] {
        let folder = TempDir::new().unwrap();
        let config = write(&folder, "myicqd.toml", super::LOAD_TEST);
        let data = folder.path().join("data");
        let (log, arguments) = (folder.path().join("log"), ["--log", "trace", "--log-format", format]);
        let mut command = myicqd(["--config", &config, "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
        command.args(arguments).stderr(Stdio::from(std::fs::File::create(&log).unwrap()));
        let server = Server::from(command.spawn().unwrap());
        let mut client = Client::register(server.address);
        (0..20).for_each(|_| client.say("the text of a message"));
        let passwd = ["user", "passwd", &client.uin.to_string(), "--password-stdin", "--data", data.to_str().unwrap()]
            .map(str::to_owned);
        assert_eq!(succeeds(super::with_input(myicqd(passwd), "another-secret\n")), "");
        client.send(&Request::Logout);
        server.signal("TERM");
        assert_eq!(server.end().0, Some(0));
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(log.len() > 1_000, "{log}");
        let key = PASSWORD.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
        let list = format!("{:?}", &PASSWORD[..8]);
        for secret in
            ["a-very-secret", "another-secret", "text of a message", "argon2id", &key, list.trim_matches(['[', ']'])]
        {
            assert!(!log.contains(secret), "{secret} is in the log");
        }
    }
}
