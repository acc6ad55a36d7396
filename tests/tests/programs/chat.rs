//! `myicq chat` in a real terminal, against a real server. The terminal is tmux, whose screen can be read.
#![expect(clippy::disallowed_methods, reason = "these processes are the outside")]
#![expect(clippy::unwrap_used, reason = "what the tests share panics as the tests themselves do")]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use myicq_tests::process::{Server, program};
use myicq_tests::tools;

/// How long something may take to appear. On an idle machine it takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal of 80 × 24, and a tmux for it alone. It dies with its owner.
struct Terminal {
    socket: PathBuf,
    /// Says that something was written to the terminal.
    written: Receiver<()>,
}

impl Terminal {
    /// Runs a line of shell in it.
    fn run(folder: &Path, line: &str) -> Self {
        let (socket, pipe) = (folder.join("tmux"), folder.join("written"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (writes, written) = channel();
        let reading = pipe.clone();
        std::thread::spawn(move || {
            let mut pipe = fs::File::open(reading).unwrap();
            let mut buffer = [0; 65_536];
            while pipe.read(&mut buffer).is_ok_and(|len| len > 0) && writes.send(()).is_ok() {}
        });
        let terminal = Self { socket, written };
        // It waits for the pipe to be in place, so that nothing is missed.
        let waiting = format!("read go; {line}; exec cat");
        terminal.tmux(&["new-session", "-d", "-x", "80", "-y", "24", "sh", "-c", &waiting]);
        terminal.tmux(&["pipe-pane", &format!("exec cat > '{}'", pipe.display())]);
        terminal.press(&["Enter"]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        tmux.env_remove("TMUX").args(["-u", "-f", "/dev/null", "-S"]).arg(&self.socket).args(arguments);
        let Output { status, stdout, stderr } = tmux.output().unwrap();
        assert!(status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn enter(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.press(&["Enter"]);
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as it should be.
    fn wait_until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(self.written.recv_timeout(left).is_ok(), "no {what} in {PATIENCE:?}:\n{screen}");
        }
    }

    fn wait_for(&self, text: &str) -> String {
        self.wait_until(text, |screen| screen.contains(text))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

/// A line of shell that chats, and notes how the terminal was before and is afterwards.
fn chatting(folder: &Path, server: &Server, uin: &str) -> String {
    let (folder, myicq) = (folder.display(), program("myicq"));
    format!(
        "cd '{folder}'; stty -g > before; echo ready; \
         sh -c 'echo $$ > pid; XDG_DATA_HOME={folder}/home MYICQ_PASSWORD_FILE={folder}/password TZ=UTC \
         exec {} chat --server {} --uin {uin}'; echo \"ended with $?\"; stty -g > after; echo gone",
        myicq.display(),
        server.address
    )
}

fn is_as_before(folder: &Path) -> bool {
    let [before, after] = ["before", "after"].map(|name| fs::read_to_string(folder.join(name)).unwrap());
    !before.is_empty() && before == after
}

#[test]
fn two_people_talk() {
    if !tools::has("tmux", "-V") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("password"), "ann\n").unwrap();
    let server = Server::start(folder.path());
    let [ann, bob] = ["ann", "bob"].map(|password| server.done(&["register"], None, password));
    server.done(&["add", &bob], Some(&ann), "ann");
    server.done(&["add", &ann], Some(&bob), "bob");

    let terminal = Terminal::run(folder.path(), &chatting(folder.path(), &server, &ann));
    terminal.wait_for("logged in from");
    terminal.wait_for("- 10002");
    let mut listener = server.listen(&bob, "bob");
    terminal.wait_for("+ 10002");
    terminal.press(&["M-2"]);
    terminal.wait_for("10002 · online");
    terminal.enter("are you there?");
    // The server has told him before that he was added.
    let mut message = listener.wait_for("message");
    while message["kind"] != "text" {
        message = listener.wait_for("message");
    }
    assert_eq!(message["text"], "are you there?");
    terminal.wait_for("you: are you there? (delivered)");
    drop(listener);

    server.done(&["send", "--to", &ann, "你好 \u{1b}[31m\u{202e}"], Some(&bob), "bob");
    terminal.wait_for("10002: 你好 \\u{1b}[31m\\u{202e}");
    terminal.tmux(&["resize-window", "-x", "100", "-y", "30"]);
    let status = |screen: &str| screen.lines().nth(29).is_some_and(|row| row.contains("/help"));
    terminal.wait_until("status in row 30", status);

    terminal.enter("/history there");
    terminal.wait_for("1 messages with \"there\" in it");
    server.kill();
    // What tells Bob that she types is what finds it out.
    terminal.press(&["x"]);
    terminal.wait_for("NOT CONNECTED");
    terminal.press(&["C-u"]);
    terminal.enter("/quit");
    terminal.wait_for("gone");
    let screen = terminal.screen();
    assert!(screen.contains("ready") && screen.contains("ended with 0"), "{screen}");
    assert!(is_as_before(folder.path()));
}

#[test]
fn a_signal_gives_the_terminal_back() {
    if !tools::has("tmux", "-V") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("password"), "ann\n").unwrap();
    let server = Server::start(folder.path());
    let ann = server.done(&["register"], None, "ann");
    let terminal = Terminal::run(folder.path(), &chatting(folder.path(), &server, &ann));
    terminal.wait_for("logged in from");
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    assert!(Command::new("kill").args(["-s", "TERM", pid.trim()]).status().unwrap().success());
    let screen = terminal.wait_for("gone");
    assert!(screen.contains("ready") && !screen.contains("MyICQ"), "{screen}");
    assert!(is_as_before(folder.path()));
}
