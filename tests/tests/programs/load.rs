//! Each of the loads for a moment, on the programs as they are built: nothing is lost, and nothing of how fast it was is asked.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "the load generator is a program")]
#![expect(clippy::unwrap_used, reason = "what the tests share panics as the tests themselves do")]

use std::process::{Command, Output};

use myicq_tests::process::program;
use serde_json::Value;

fn run(arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_myicq-load"));
    command.args(arguments.split(' ')).arg("--json").output().unwrap()
}

/// What a load on a server of its own came to.
fn load(arguments: &str) -> Value {
    let output = run(&format!("{arguments} --spawn {}", program("myicqd").display()));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments}: {}\n{stdout}{stderr}", output.status);
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn pairs_talk() {
    for sessions in ["", " --plain"] {
        let figures = load(&format!("pairs --pairs 5 --window 3 --secs 0.2 --warm-up 0 --sockets 4{sessions}"));
        assert!(figures["said"].as_u64() >= Some(15), "{figures}");
        assert_eq!((&figures["users"], &figures["sockets"], &figures["lost"]), (&10.into(), &4.into(), &0.into()));
    }
}

#[test]
fn watchers_are_told() {
    for sessions in ["", " --plain"] {
        let figures = load(&format!("fanout --watchers 9 --changes 4{sessions}"));
        assert_eq!((&figures["notices"], &figures["lost"]), (&36.into(), &0.into()));
    }
}

#[test]
fn idle_sessions_stay() {
    let figures = load("idle --sessions 9 --contacts 2 --hold 0.1");
    assert_eq!((&figures["users"], &figures["sessions_ended"]), (&9.into(), &0.into()));
}

#[test]
fn users_log_in_twice() {
    let figures = load("logins --users 150");
    assert!(figures["first_login_p50_us"].is_u64() && figures["second_login_p50_us"].is_u64(), "{figures}");
}

#[test]
fn what_was_said_to_the_absent_is_heard_when_they_come() {
    for sessions in ["", " --plain"] {
        let figures = load(&format!("offline --senders 2 --away 3 --count 100{sessions}"));
        assert_eq!((&figures["stored"], &figures["heard"], &figures["lost"]), (&100.into(), &100.into(), &0.into()));
    }
}

/// Ten of an address are judged in a minute, and one more for every six seconds.
#[test]
#[cfg(target_os = "linux")]
fn who_guesses_at_passwords_gets_as_far_as_the_limit() {
    let figures = load("guess --secs 1 --rate 400 --addresses 2");
    let (guesses, hashed) = (figures["guesses"].as_u64().unwrap(), figures["hashed"].as_u64().unwrap());
    assert!(guesses >= 390 && (1..=20 + 4).contains(&hashed), "{figures}");
    assert_eq!((&figures["lost"], &figures["refused"]), (&0.into(), &0.into()));
}

/// 1,000 lie in a mailbox by default, and none of what is said to others has to give way.
#[test]
fn a_full_mailbox_is_one_users_trouble() {
    let figures = load("fill --senders 20 --each 51 --others 7");
    assert_eq!((&figures["said"], &figures["stored"], &figures["refused"]), (&1_020.into(), &1_000.into(), &20.into()));
    assert_eq!((&figures["others_stored"], &figures["heard"]), (&20.into(), &1_020.into()));
}

#[test]
fn strangers_are_left_alone() {
    // TEST-NET-1 (RFC 5737) is nobody's.
    let output = run("logins --users 1 --server 192.0.2.1:8000");
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--owner-agrees"));
}
