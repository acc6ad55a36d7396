//! The programs in networks that are made for them: two local networks, two translators of addresses, a server in between.
//!
//! It needs root, `unshare` (util-linux), `ip` (iproute2) and `nft` (nftables), and says so where it has not got them.

#![expect(clippy::disallowed_methods, reason = "these hosts and the time on them are the outside")]
#![expect(clippy::print_stdout, reason = "the program that runs this is run for what it prints")]

mod net;
mod talk;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use myicq_wire::Uin;

use self::talk::{Heard, Person};

/// The port of the server.
const SERVER_PORT: u16 = 8_000;

/// Everybody's.
const PASSWORD: &str = "hunter2";

/// All of it together takes no longer, or is ended.
const TIME_MAX: &str = "80";

/// The argument by which this program knows that it is inside of its own namespaces.
const INSIDE: &str = "--inside";

/// A person says something this often.
const PAUSE: Duration = Duration::from_millis(50);

/// What the server is run with: passwords that cost little, and nobody who talks too fast for it.
const CONFIG: &str = "
[listen]
udp = \"10.9.0.1:8000\"
relay = \"10.9.0.1:8001\"
announce = \"off\"
[limits]
messages_burst = 1000
messages_per_second = 1000
[security]
argon2_memory_kib = 8
argon2_iterations = 1
";

/// Runs all cases, each in the networks that the first one made.
///
/// # Errors
/// The networks cannot be made here.
///
/// # Panics
/// Something is not as it must be.
pub fn run() -> Result<(), String> {
    if std::env::args().nth(1).as_deref() == Some(INSIDE) {
        inside();
        return Ok(());
    }
    // With the first process of the namespace all others end, and all that was made is gone, however it comes to that.
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", TIME_MAX, "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]);
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let status = command.arg(this).arg(INSIDE).status().map_err(|error| format!("timeout, of coreutils: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("no namespaces here, or not as it must be in them: {status}")) }
}

fn inside() {
    let mount = |arguments: &[&str]| {
        assert!(Command::new("mount").args(arguments).status().unwrap().success(), "cannot mount here");
    };
    mount(&["--make-rprivate", "/"]);
    std::fs::create_dir_all("/run/netns").unwrap();
    mount(&["-t", "tmpfs", "namespaces", "/run/netns"]);
    let start = Instant::now();
    net::build();
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &["one", "two", "anna", "ada", "ben"]);
    println!("{:>5.1} s  networks, and a server", start.elapsed().as_secs_f64());
    for (name, case) in CASES {
        let began = Instant::now();
        case(&server);
        println!("{:>5.1} s  {name}", began.elapsed().as_secs_f64());
    }
    server.stop();
    println!("{:>5.1} s  in all", start.elapsed().as_secs_f64());
}

/// What is tried, and what it is called.
type Case = (&'static str, fn(&Server));

const CASES: [Case; 5] = [
    ("on one network, messages and files go directly", same_network),
    ("behind one translator, messages and files go directly", same_translator),
    ("behind two translators, messages and files go through the server", two_translators),
    ("where the direct connection breaks, nothing is lost or shown twice", broken),
    ("where packets are lost, nothing is lost or shown twice", weather),
];

fn same_network(server: &Server) {
    let people = server.people(["one", "two"]);
    mostly_direct(&talk::conversation(people, 20, PAUSE, || {}));
    assert!(!talk::file(people), "there is a shorter way");
}

/// Until the first connection has come about, a message may go through the server.
fn mostly_direct(heard: &Heard) {
    heard.whole(20).unwrap();
    assert!(heard.direct() > 10 && heard.shown.last().is_some_and(|&(_, is_direct)| is_direct), "{:?}", heard.shown);
}

fn same_translator(server: &Server) {
    let people = server.people(["anna", "ada"]);
    mostly_direct(&talk::conversation(people, 20, PAUSE, || {}));
    assert!(!talk::file(people), "there is a shorter way");
}

fn two_translators(server: &Server) {
    let people = server.people(["anna", "ben"]);
    let heard = talk::conversation(people, 20, PAUSE, || {});
    heard.whole(20).unwrap();
    assert_eq!(heard.direct(), 0, "there is no way");
    assert!(talk::file(people), "there is no other way");
}

fn broken(server: &Server) {
    let heard = talk::conversation(server.people(["one", "two"]), 40, PAUSE, || net::cut_tcp("two"));
    net::mend_tcp("two");
    heard.whole(40).unwrap();
    assert!(heard.direct() > 10 && heard.shown.last().is_some_and(|&(_, is_direct)| !is_direct), "{:?}", heard.shown);
    println!("         the slowest took {:?}", heard.longest);
    assert!(heard.longest <= Duration::from_secs(5), "one came after {:?}", heard.longest);
}

/// Three kinds of weather, at the server's door: what comes is lost, and of what goes, what would be answered.
fn weather(server: &Server) {
    for percent in [1, 5, 20] {
        net::lose(net::INTERNET, percent);
        let heard: Heard = talk::conversation(server.people(["anna", "ben"]), 40, PAUSE, || {});
        net::lose_nothing(net::INTERNET);
        heard.whole(40).unwrap();
        println!("         {percent:>2} % lost: the slowest took {:?}", heard.longest);
    }
}

/// `myicqd` on the internet, and those whom it knows.
struct Server {
    child: Child,
    /// Held open, so that the server never writes into a closed pipe.
    _stdout: BufReader<ChildStdout>,
    people: Vec<Person>,
}

impl Server {
    fn start(folder: &Path, hosts: &[&'static str]) -> Self {
        let config = folder.join("myicqd.toml");
        std::fs::write(&config, CONFIG).unwrap();
        let program = std::env::current_exe().unwrap().with_file_name("myicqd");
        assert!(program.exists(), "build all programs first: cargo test --workspace --no-run");
        let myicqd = || {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", net::INTERNET]).arg(&program).stdout(Stdio::piped());
            command.env("MYICQD_LOG", "warn");
            command
        };
        let people = hosts.iter().map(|&host| {
            let mut command = myicqd();
            command.args(["user", "add", "--password-stdin", "--config"]).arg(&config).arg("--data").arg(folder);
            let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
            writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
            let output = child.wait_with_output().unwrap();
            let uin = String::from_utf8(output.stdout).unwrap().trim().parse().expect("the number of a user");
            Person { host, uin: Uin(uin) }
        });
        let people = people.collect();
        let mut child = myicqd().arg("--config").arg(&config).arg("--data").arg(folder).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("listening on udp "), "the server does not start: {line:?}");
        Self { child, _stdout: stdout, people }
    }

    fn people(&self, hosts: [&str; 2]) -> [Person; 2] {
        hosts.map(|host| *self.people.iter().find(|person| person.host == host).expect("somebody lives there"))
    }

    fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
