//! The library for C, as a C program has it: built with `cc`, against a real server.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "runs programs as a shell does")]
#![expect(clippy::unwrap_used, reason = "this is test: what is not as it must be ends it")]

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use myicq_tests::process::{Server, library};
use myicq_tests::tools;

/// `chat.c`, between two pipes.
struct Chat {
    child: Child,
    keyboard: Option<ChildStdin>,
    screen: Lines<BufReader<ChildStdout>>,
}

impl Chat {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let screen = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { keyboard: child.stdin.take(), screen, child }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.keyboard.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Reads up to a line that begins so.
    fn wait_for(&mut self, wanted: &str) {
        let found = self.screen.by_ref().map(Result::unwrap).any(|line| line.starts_with(wanted));
        assert!(found, "it ended without {wanted:?}");
    }

    /// Closes its keyboard, and waits for its end.
    fn end(mut self) {
        self.keyboard = None;
        self.wait_for("* logged out");
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        // An error says that it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn compile(folder: &Path) -> PathBuf {
    let ffi = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/ffi");
    let (program, library) = (folder.join("chat"), library("libmyicq.so"));
    // The program asks for the library by the name that changes with its ABI.
    std::os::unix::fs::symlink(&library, folder.join("libmyicq.so.0")).unwrap();
    let status = Command::new("cc")
        .args(["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"])
        .arg(ffi.join("include"))
        .arg(ffi.join("examples/c/chat.c"))
        .arg(library)
        .arg(format!("-Wl,-rpath,{}", folder.display()))
        .arg("-o")
        .arg(&program)
        .status();
    assert!(status.unwrap().success());
    program
}

#[test]
fn two_programs_in_c_talk_and_leave_no_memory_behind() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let program = compile(folder.path());
    let password = folder.path().join("password");
    fs::write(&password, "hunter2\n").unwrap();
    let users = [(); 2].map(|()| server.done(&["register"], None, "hunter2"));
    let command = |me: usize, under_valgrind: bool| {
        let mut command = Command::new(if under_valgrind { Path::new("valgrind") } else { &program });
        if under_valgrind {
            command.args([
                "--quiet",
                "--error-exitcode=99",
                "--leak-check=full",
                "--show-leak-kinds=definite,indirect",
            ]);
            command.arg(&program);
        }
        command.arg(server.address.to_string()).args([&users[me], &users[1 - me]]);
        command.env("MYICQ_PASSWORD_FILE", &password);
        command
    };
    let mut ann = Chat::start(command(0, tools::has("valgrind", "--version")));
    ann.wait_for("* logged in");
    let mut bob = Chat::start(command(1, false));
    bob.wait_for("* logged in");
    bob.say("hello, Ann");
    ann.wait_for(&format!("{}: hello, Ann", users[1]));
    ann.say("schön, dich zu sehen");
    bob.wait_for(&format!("{}: schön, dich zu sehen", users[0]));
    bob.end();
    ann.end();
}
