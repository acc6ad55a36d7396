//! The two programs as people run them: real processes, real sockets, real files.
#![expect(clippy::disallowed_methods, reason = "these processes are the outside")]

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;

/// What the server is run with: passwords that cost little, as in a load test.
const CONFIG: &str = "[limits]\nrates = \"off\"\n[security]\nargon2_memory_kib = 8\nargon2_iterations = 1\n";

/// Where the programs and the libraries for C are. They are built when that has not happened yet: `cargo test -p` builds no program of another crate.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        // target/debug/deps/test-…
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // With one of the tests, because features are then those of `cargo test`, which has built these programs already; by themselves
        // they, and most that they depend on, would be built once more.
        build.args(["build", "--quiet", "--workspace", "--bins", "--lib", "--test", "programs", "--target-dir"]);
        build.arg(profile.parent().unwrap());
        build.args(profile.ends_with("release").then_some("--release"));
        assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success(), "the programs do not build");
        profile.to_owned()
    })
}

/// The path of one of the programs.
pub fn program(name: &str) -> PathBuf {
    programs().join(name)
}

/// The path of a library for C.
pub fn library(name: &str) -> PathBuf {
    programs().join(name)
}

/// A running `myicqd`. It dies with its owner.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// The options by which `myicq` reaches it.
    pub way: Vec<String>,
    /// Where `myicq` keeps what it keeps.
    home: PathBuf,
    // Held open, so that the server never writes into a closed pipe.
    stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts it on a folder, and waits until it listens.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// Starts it with further arguments.
    pub fn start_with(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program("myicqd"));
        command.args(arguments);
        Self::launch(command, folder, CONFIG).unwrap()
    }

    /// Starts it by a command that is only lacking its other arguments, and waits until it listens.
    ///
    /// # Errors
    /// It could not be started, or ended at once, after a message of its own.
    pub fn launch(command: Command, folder: &Path, settings: &str) -> io::Result<Self> {
        Self::launch_at(command, folder, settings, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// The same, where one that has ended was reached.
    ///
    /// # Errors
    /// As above.
    pub fn launch_at(mut command: Command, folder: &Path, settings: &str, address: SocketAddr) -> io::Result<Self> {
        let config = folder.join("myicqd.toml");
        fs::write(&config, settings)?;
        command.arg("--listen").arg(address.to_string());
        command.arg("--data").arg(folder.join("data")).arg("--config").arg(config);
        let mut child = command.env("MYICQD_LOG", "warn").stdout(Stdio::piped()).spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on udp ").and_then(|address| address.parse().ok());
        let Some(address): Option<SocketAddr> = address else {
            child.kill()?;
            let status = child.wait()?;
            return Err(io::Error::other(format!("it said {line:?} instead of where it listens, and ended: {status}")));
        };
        let (way, home) = (vec!["--server".into(), address.to_string()], folder.join("home"));
        Ok(Self { address, way, home, child, stdout })
    }

    /// Where it listens for the tunnel, if it was started with one.
    pub fn tunnel(&mut self) -> SocketAddr {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim().strip_prefix("listening on tcp ").and_then(|address| address.parse().ok()).expect("a tunnel")
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it without a warning, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Has it fail as by a bug, and waits until it listens again.
    ///
    /// # Errors
    /// It has ended instead, with this status.
    pub fn fail(&mut self) -> Result<(), ExitStatus> {
        signal("USR2", &self.child);
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        if line.starts_with("listening on udp ") { Ok(()) } else { Err(self.child.wait().unwrap()) }
    }

    /// Asks it to stop, and waits until it has.
    pub fn terminate(mut self) -> ExitStatus {
        signal("TERM", &self.child);
        self.child.wait().unwrap()
    }

    /// `myicq` with these arguments, as this user.
    pub fn command(&self, arguments: &[&str], uin: Option<&str>) -> Command {
        let mut command = Command::new(program("myicq"));
        command.args(arguments).args(&self.way).arg("--password-stdin");
        command.args(uin.into_iter().flat_map(|uin| ["--uin", uin]));
        command.env("XDG_DATA_HOME", &self.home);
        command.env_remove("MYICQ_SERVER").env_remove("MYICQ_UIN").env_remove("MYICQ_PASSWORD_FILE");
        // Tests leave nothing in the home of the one who runs them.
        command.env("MYICQ_NO_HISTORY", "true");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `myicq` to its end.
    pub fn myicq(&self, arguments: &[&str], uin: Option<&str>, password: &str) -> Output {
        let mut child = self.command(arguments, uin).spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs `myicq`, which must do what it is told; what it printed.
    pub fn done(&self, arguments: &[&str], uin: Option<&str>, password: &str) -> String {
        let output = self.myicq(arguments, uin, password);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "myicq {arguments:?}: {}\n{stderr}", output.status);
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// A user who listens; returns once he is logged in.
    pub fn listen(&self, uin: &str, password: &str) -> Listener {
        let mut child = self.command(&["listen", "--json", "--for", "60s"], Some(uin)).spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut listener = Listener { child, lines: Some(lines) };
        listener.wait_for("logged_in");
        listener
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error says that it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A running `myicq listen --json`. It dies with its owner.
#[derive(Debug)]
pub struct Listener {
    child: Child,
    /// `None` once nobody reads along any more.
    lines: Option<BufReader<ChildStdout>>,
}

impl Listener {
    /// The next event of this name; those before it are passed over.
    pub fn wait_for(&mut self, event: &str) -> serde_json::Value {
        loop {
            let mut line = String::new();
            let read = self.lines.as_mut().unwrap().read_line(&mut line).unwrap();
            assert!(read > 0, "the listener ended before {event:?} came");
            let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"));
            if value["event"] == event {
                return value;
            }
        }
    }

    /// Reads nothing more of what it prints.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.lines = None;
        self
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Stops it in its tracks: it takes nothing and acknowledges nothing any more.
    pub fn freeze(&self) {
        signal("STOP", &self.child);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn signal(name: &str, child: &Child) {
    let killed = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
}
