//! The exit codes and the output of the command, as scripts see them.

use std::process::{Command, Output, Stdio};

#[expect(clippy::disallowed_methods, reason = "the test starts the program that it tests")]
fn myicq(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_myicq"));
    for variable in ["MYICQ_SERVER", "MYICQ_UIN", "MYICQ_PASSWORD_FILE", "MYICQ_LOG"] {
        command.env_remove(variable);
    }
    command.args(arguments).stdin(Stdio::null()).output().expect("the program was built with this test")
}

fn assert_fails(arguments: &[&str], code: i32, hint: &str) {
    let Output { status, stdout, stderr } = myicq(arguments);
    let stderr = String::from_utf8_lossy(&stderr);
    assert_eq!((status.code(), stdout), (Some(code), vec![]), "{arguments:?}: {stderr}");
    assert!(stderr.contains(hint), "{arguments:?}: {stderr}");
}

#[test]
fn the_help_documents_the_exit_codes() {
    let output = myicq(&["--help"]);
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0));
    for code in ["0  done", "3  no server", "5  the server did not acknowledge", "Examples:"] {
        assert!(help.contains(code), "{help}");
    }
}

#[test]
fn wrong_arguments_exit_with_2_and_say_what_to_do() {
    assert_fails(&["send", "--uin", "10001", "--to", "10002", "hello"], 2, "--password-stdin");
    assert_fails(&["send", "--uin", "10001", "--password-file", "/nowhere", "--to", "1", "hello"], 2, "/nowhere");
    assert_fails(&["send", "--to", "10002", "hello"], 2, "--uin");
    assert_fails(&["contacts", "--uin", "10001", "--password-stdin"], 2, "the password is empty");
    assert_fails(&["decode", "zz"], 2, "hexadecimal");
}

#[test]
fn packages_get_their_pages_from_the_program() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let output = myicq(&["man", folder.path().to_str().expect("the path is text")]);
    assert_eq!((output.status.code(), output.stdout, output.stderr), (Some(0), vec![], vec![]));
    #[expect(clippy::disallowed_methods, reason = "the test reads what the program has written")]
    let page = std::fs::read_to_string(folder.path().join("myicq-send.1")).expect("there is a page for each command");
    assert!(page.contains("MYICQ_SERVER"), "{page}");
    for shell in ["bash", "zsh", "fish"] {
        let script = myicq(&["completions", shell]).stdout;
        assert!(String::from_utf8_lossy(&script).contains("password-file"), "{shell}");
    }
}

#[test]
fn bytes_that_are_no_datagram_exit_with_1() {
    assert_fails(&["decode", "0001"], 1, "reserved at byte 2");
}

#[test]
fn a_datagram_is_taken_apart() {
    let registration = "0001 00000000 00000000 2b4f79d4 0002 39d0 0000 0008 68756e7465723200";
    let output = myicq(&["decode", registration]);
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in ["from: client", "command: UDP_NEW_UIN", "header.seq: 14800", "body.new_uin.password: (hidden)"] {
        assert!(lines.lines().any(|found| found == line), "{lines}");
    }
    let json = myicq(&["decode", "--json", registration]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).expect("one JSON object");
    assert_eq!(json.pointer("/header/session"), Some(&serde_json::json!(0x2b4f_79d4)));
}
