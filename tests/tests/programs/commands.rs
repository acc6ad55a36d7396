//! What `myicq` does beyond sending and listening, with the programs as they are built.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "scripts and files are the outside")]
#![expect(clippy::unwrap_used, reason = "this is test: what is not as it must be ends it, or is shown")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use myicq_tests::process::Server;

const PASSWORD: &str = "hunter2";

fn start() -> (tempfile::TempDir, Server, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let [anna, ben] = [(), ()].map(|()| server.done(&["register"], None, PASSWORD));
    (folder, server, anna, ben)
}

#[test]
fn somebody_asks_and_is_let_in() {
    let (_folder, server, anna, ben) = start();
    let (anna, ben) = (anna.as_str(), ben.as_str());
    let mut asked_first = server.command(&["profile"], Some(anna));
    let mut asked_first = asked_first.args(["set", "--auth", "required"]).spawn().unwrap();
    writeln!(asked_first.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    assert!(asked_first.wait().unwrap().success());
    assert_eq!(server.myicq(&["add", anna], Some(ben), PASSWORD).status.code(), Some(7));
    // What nobody has asked for cannot be accepted.
    assert_eq!(server.myicq(&["auth", "accept", ben], Some(anna), PASSWORD).status.code(), Some(4));
    server.done(&["auth", "ask", anna, "we have met"], Some(ben), PASSWORD);
    let asked = server.listen(anna, PASSWORD).wait_for("message");
    assert_eq!((&asked["kind"], &asked["reason"]), (&"auth_request".into(), &"we have met".into()));
    server.done(&["auth", "deny", ben, "--reason", "when?"], Some(anna), PASSWORD);
    let denied = server.listen(ben, PASSWORD).wait_for("message");
    assert_eq!((&denied["kind"], &denied["reason"]), (&"auth_rejected".into(), &"when?".into()));
    server.done(&["auth", "ask", anna, "yesterday"], Some(ben), PASSWORD);
    server.done(&["auth", "accept", ben], Some(anna), PASSWORD);
    assert_eq!(server.done(&["contacts"], Some(ben), PASSWORD), anna);
}

#[test]
fn a_program_is_run_for_each_event() {
    let (folder, server, anna, ben) = start();
    let (script, out) = (folder.path().join("on event"), folder.path().join("out"));
    fs::write(&script, format!("#!/bin/sh\ncat >> '{}'\n", out.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let text = "$(touch x); 'quoted' \"twice\"";
    server.done(&["send", "--to", &anna, text], Some(&ben), PASSWORD);
    server.done(&["listen", "--count", "1", "--exec", script.to_str().unwrap()], Some(&anna), PASSWORD);
    let events: Vec<serde_json::Value> =
        fs::read_to_string(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().any(|event| event["event"] == "logged_in"), "{events:?}");
    assert!(events.iter().any(|event| event["text"] == text), "{events:?}");
    let missing = server.myicq(&["listen", "--exec", "/nowhere"], Some(&anna), PASSWORD);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nowhere"));
}

/// A note of what was shown is kept, and a message of it that comes again is not shown.
#[test]
fn what_was_shown_is_noted() {
    let (folder, server, anna, ben) = start();
    server.done(&["send", "--to", &anna, "once"], Some(&ben), PASSWORD);
    server.done(&["listen", "--count", "1", "--no-seen"], Some(&anna), PASSWORD);
    let notes = folder.path().join("home/myicq/seen");
    assert!(!notes.exists());
    server.done(&["send", "--to", &anna, "again"], Some(&ben), PASSWORD);
    let shown = server.done(&["listen", "--json", "--count", "1"], Some(&anna), PASSWORD);
    let last: serde_json::Value = serde_json::from_str(shown.lines().last().unwrap()).unwrap();
    let note = fs::read_dir(notes).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read_to_string(note).unwrap(), format!("{}\n", last["id"]));
}

#[test]
fn the_server_says_how_it_is() {
    let (_folder, server, anna, ben) = start();
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&server.done(arguments, Some(&anna), PASSWORD)).unwrap()
    };
    let ping = json(&["ping", "--json"]);
    assert!(
        ping["round_trip_ms"].as_f64().unwrap() > 0.0 && ping["granted"].as_array().unwrap().contains(&"once".into())
    );
    assert!(server.done(&["ping"], Some(&anna), PASSWORD).starts_with("the server answers in "));
    assert_eq!(json(&["servers", "--json"]).as_array().unwrap().len(), 1);
    let refused = server.myicq(&["broadcast", "hear, hear"], Some(&anna), PASSWORD);
    assert_eq!(refused.status.code(), Some(4), "she is not the administrator");
    let sent = json(&["send", "--json", "--to", &ben, "hello"]);
    assert!(sent["arrival"] == "stored" && sent["id"].is_u64(), "{sent}");
}
