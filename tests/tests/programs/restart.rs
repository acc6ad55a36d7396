//! The server ends under load and starts again: nobody logs in anew, and nothing that was acknowledged is lost.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "this is test: what is not as it must be ends it, or is shown"
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use myicq_tests::multitude::{Multitude, Tally};
use myicq_tests::process::{Server, program};

const USERS: usize = 1_000;

const CONFIG: &str = "[limits]\nrates = \"off\"\n[security]\nargon2_memory_kib = 8\nargon2_iterations = 1\n\
                      [session]\nsave_interval = \"1s\"\n";

fn saved_at(folder: &Path) -> Option<SystemTime> {
    fs::metadata(folder.join("data/sessions")).ok()?.modified().ok()
}

/// Who was not asked for anything, in a session that stood still, goes on as well: `ends` says how the server does.
fn goes_on(ends: impl FnOnce(Server, &dyn Fn() -> Server) -> Server) -> Tally {
    let folder = tempfile::tempdir().unwrap();
    let launch = || Command::new(program("myicqd"));
    // A port that is free, so that whatever starts there is reached by the same address.
    let address = Server::launch(launch(), folder.path(), CONFIG).unwrap().address;
    let start = || Server::launch_at(launch(), folder.path(), CONFIG, address).unwrap();
    let server = start();
    let mut all = Multitude::new(address, USERS);
    all.log_in();
    // Until all of them have been saved: twice, since the first time may have begun before the last login.
    let (mut last, mut saves) = (saved_at(folder.path()), 0);
    all.talk(2, || {
        let now = saved_at(folder.path());
        saves += usize::from(now != last);
        last = now;
        saves >= 3
    });
    all.tally = Tally::default();
    let _server = ends(server, &start);
    all.talk(2, || true);
    all.fall_silent();
    println!("{:?}", all.tally);
    assert_eq!((all.tally.logins, all.tally.ended), (0, 0), "nobody has logged in anew, and no session has ended");
    assert_eq!(all.wrong(), (0, 0), "nothing that was acknowledged is lost, and nothing has come twice to our client");
    assert!(all.tally.presence <= 3 * USERS, "{} datagrams of presence", all.tally.presence);
    all.tally
}

#[test]
fn told_to_stop() {
    let tally = goes_on(|server, start| {
        assert!(server.terminate().success());
        start()
    });
    assert_eq!(tally.unclear, 0, "everybody knows what became of what he said");
}

#[test]
fn killed() {
    goes_on(|server, start| {
        server.kill();
        start()
    });
}

/// A bug in one shard: the same process begins anew, unless it has just done so.
#[test]
#[cfg(debug_assertions)]
fn failed() {
    goes_on(|mut server, _| {
        server.fail().unwrap();
        server
    });
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    server.fail().unwrap();
    assert_eq!(server.fail().unwrap_err().code(), Some(70));
}
