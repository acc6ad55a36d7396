//! A conversation between two people with the programs as they are built.
#![cfg(unix)]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "this is test: what is not as it must be ends it, or is shown"
)]

use myicq_tests::process::Server;

const PASSWORD: &str = "hunter2";

/// The two have neighbouring numbers: with several shards each belongs to another one.
#[test]
fn a_conversation() {
    for shards in ["1", "2", "3"] {
        conversation(shards);
    }
}

fn conversation(shards: &str) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &["--shards", shards]);
    let anna = &server.done(&["register"], None, PASSWORD);
    let ben = &server.done(&["register"], None, "correcthorse");
    assert_eq!((anna.as_str(), ben.as_str()), ("10001", "10002"));

    server.done(&["add", ben], Some(anna), PASSWORD);
    assert_eq!(server.done(&["contacts"], Some(anna), PASSWORD), *ben);

    // Ben hears at once what waits for him, and then what is said to his face.
    server.done(&["send", "--to", ben, "hello, 你好"], Some(anna), PASSWORD);
    let mut listening = server.listen(ben, "correcthorse");
    let added = listening.wait_for("message");
    assert_eq!((&added["kind"], &added["from"]), (&"added".into(), &10_001.into()));
    let waited = listening.wait_for("message");
    assert_eq!((&waited["text"], &waited["from"]), (&"hello, 你好".into(), &10_001.into()));
    server.done(&["send", "--to", ben, "and again"], Some(anna), PASSWORD);
    assert_eq!(listening.wait_for("message")["text"], "and again");

    // Anna's shard knows of Ben, who is another's.
    assert_eq!(server.done(&["search", ben], Some(anna), PASSWORD), "10002 online");
    assert_eq!(server.done(&["search", "--random"], Some(anna), PASSWORD), "10002 online");
    assert_eq!(server.done(&["search", "--nick", "Ben"], Some(anna), PASSWORD), "");

    // Scripts rely on the exit codes.
    let code = |arguments: &[&str], password| server.myicq(arguments, Some(anna), password).status.code();
    assert_eq!(code(&["send", "--to", ben, "x"], "wrong"), Some(4));
    assert_eq!(code(&["send", "--to", "99999", "x"], PASSWORD), Some(4));
    assert_eq!(code(&["send", "--to", ben, &"x".repeat(451)], PASSWORD), Some(2));

    assert_eq!(server.terminate().code(), Some(0));
}

#[test]
fn what_could_not_be_printed_is_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let anna = &server.done(&["register"], None, PASSWORD);
    let ben = &server.done(&["register"], None, PASSWORD);
    // Who reads along goes away, as in `myicq listen | head -1`.
    let deaf = server.listen(ben, PASSWORD).close();
    server.done(&["send", "--to", ben, "is anybody there?"], Some(anna), PASSWORD);
    assert_eq!(deaf.wait().code(), Some(0), "that is no failure");
    assert_eq!(server.listen(ben, PASSWORD).wait_for("message")["text"], "is anybody there?");
}

#[test]
fn passwords_are_not_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.done(&["register"], None, "correct horse battery staple");
    assert_eq!(server.terminate().code(), Some(0));
    #[expect(clippy::disallowed_methods, reason = "what the server has written is in files")]
    for entry in std::fs::read_dir(folder.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let password = b"correct horse battery staple";
        assert!(!bytes.windows(password.len()).any(|window| window == password), "{}", path.display());
    }
}
