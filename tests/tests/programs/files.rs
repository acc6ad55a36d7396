//! Files from one built `myicq` to another, over real sockets.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test: what is not as it must be ends it, or is shown"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Child;

use myicq_tests::process::Server;

const PASSWORD: &str = "hunter2";

/// Two users who have each other on the list.
fn friends(server: &Server) -> (String, String) {
    let anna = server.done(&["register"], None, PASSWORD);
    let ben = server.done(&["register"], None, PASSWORD);
    server.done(&["add", &ben], Some(&anna), PASSWORD);
    server.done(&["add", &anna], Some(&ben), PASSWORD);
    (anna, ben)
}

fn start(server: &Server, arguments: &[&str], uin: &str) -> Child {
    let mut child = server.command(arguments, Some(uin)).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    child
}

/// The next event of this name that a program prints.
fn wait_for(child: &mut Child, event: &str) -> serde_json::Value {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let mut events = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    events.find(|value| value["event"] == event).unwrap_or_else(|| panic!("no {event}"))
}

/// The receiver is there when its user shows as online.
fn wait_until_online(server: &Server, asker: &str, uin: &str) {
    while server.done(&["search", uin], Some(asker), PASSWORD) != format!("{uin} online") {}
}

fn content(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_from_one_program_to_the_other_and_a_second_one_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (anna, ben) = friends(&server);
    let (file, inbox) = (folder.path().join("notes 宋体.txt"), folder.path().join("inbox"));
    fs::create_dir(&inbox).unwrap();
    fs::write(&file, content(3_000_000)).unwrap();
    let into = inbox.to_str().unwrap();
    for name in ["notes 宋体.txt", "notes 宋体 (1).txt"] {
        let mut receiver =
            start(&server, &["file", "receive", "--json", "--into", into, "--accept", "all", "--count", "1"], &ben);
        wait_until_online(&server, &anna, &ben);
        let sent = server.done(&["file", "send", "--json", &ben, file.to_str().unwrap()], Some(&anna), PASSWORD);
        let done: serde_json::Value = serde_json::from_str(sent.lines().last().unwrap()).unwrap();
        assert_eq!((&done["event"], &done["is_verified"]), (&"file_done".into(), &true.into()), "{sent}");
        let done = wait_for(&mut receiver, "file_done");
        assert_eq!(done["path"], inbox.join(name).to_str().unwrap());
        assert_eq!(receiver.wait().unwrap().code(), Some(0));
        assert!(fs::read(inbox.join(name)).unwrap() == content(3_000_000));
    }
    assert_eq!(names(&inbox).len(), 2, "and nothing beside them: {:?}", names(&inbox));
}

#[test]
fn a_file_that_is_refused_has_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (anna, ben) = friends(&server);
    let file = folder.path().join("notes.txt");
    fs::write(&file, content(1_000)).unwrap();
    let file = file.to_str().unwrap();
    let code = |arguments: &[&str]| server.myicq(arguments, Some(&anna), PASSWORD).status.code();
    assert_eq!(code(&["file", "send", &ben, file]), Some(8), "he is not here");
    let too_small = ["file", "receive", "--json", "--into", folder.path().to_str().unwrap(), "--accept", "all"];
    let mut receiver = start(&server, &[&too_small[..], &["--max-size", "999", "--count", "1"]].concat(), &ben);
    wait_until_online(&server, &anna, &ben);
    assert_eq!(code(&["file", "send", &ben, file]), Some(4));
    assert_eq!(receiver.wait().unwrap().code(), Some(4));
}
