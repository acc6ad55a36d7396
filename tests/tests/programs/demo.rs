//! What `myicqd run --demo` tells its user to try.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "this is test: what is not as it must be ends it")]
#![expect(clippy::disallowed_methods, reason = "runs programs as a shell does")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use myicq_tests::process::program;

/// A process that does not outlive the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // An error says that it is gone already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn pasted(line: &str, more: &str) -> Output {
    Command::new("sh").args(["-c", &format!("{line} {more}")]).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn what_it_says_can_be_pasted_and_nothing_is_left_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program("myicqd"));
    command.args(["run", "--demo", "--log", "warn"]).env("TMPDIR", folder.path()).stdout(Stdio::piped());
    let mut demo = Running(command.spawn().unwrap());
    let lines = BufReader::new(demo.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let (mut listen, mut send) = (String::new(), String::new());
    for line in lines {
        let slot = if line.contains("myicq listen ") { &mut listen } else { &mut send };
        if line.contains("myicq listen ") || line.contains("myicq send ") {
            *slot = line.trim_start().to_owned();
        }
        if !send.is_empty() {
            break;
        }
    }
    let sent = pasted(&send, "");
    assert!(sent.status.success(), "{send}: {}", String::from_utf8_lossy(&sent.stderr));
    let heard = pasted(&listen, "--count 1 --for 60s");
    let text = String::from_utf8_lossy(&heard.stdout).into_owned();
    assert!(heard.status.success() && text.contains("hello, Ann"), "{listen}: {text}");

    assert!(Command::new("kill").args(["-s", "INT", &demo.0.id().to_string()]).status().unwrap().success());
    assert_eq!(demo.0.wait().unwrap().code(), Some(0));
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "its folder is gone");
}
