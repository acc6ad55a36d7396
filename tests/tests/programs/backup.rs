//! A backup that is made while people talk is a database of its own, and has all that was acknowledged before it began.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "this is test: what is not as it must be ends it")]
#![expect(clippy::disallowed_methods, reason = "runs programs, and copies their files")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use myicq_tests::process::{Server, program};

const MESSAGES: usize = 60;

/// The words of the messages that wait for a user, in their order.
fn waiting(data: &Path, uin: &str) -> Vec<String> {
    let export = Command::new(program("myicqd")).args(["user", "export", uin, "--data"]).arg(data).output().unwrap();
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    let lines = String::from_utf8(export.stdout).unwrap();
    let objects = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    objects.filter_map(|object| Some(object["message"]["fields"][0].as_str()?.to_owned())).collect()
}

#[test]
fn a_backup_under_load_has_what_was_acknowledged_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let [ann, bob] = ["ann's", "bob's"].map(|password| server.done(&["register"], None, password));
    let acknowledged = AtomicUsize::new(0);
    let backups: Vec<_> = std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..MESSAGES {
                server.done(&["send", "--to", &bob, &format!("message {number}")], Some(&ann), "ann's");
                acknowledged.fetch_add(1, Ordering::Release);
            }
        });
        let mut backups = Vec::new();
        while acknowledged.load(Ordering::Acquire) < MESSAGES && backups.len() < 20 {
            let before = acknowledged.load(Ordering::Acquire);
            let data = folder.path().join(format!("restored{}", backups.len()));
            fs::create_dir(&data).unwrap();
            let mut backup = Command::new(program("myicqd"));
            backup.args(["backup", "--data"]).arg(folder.path().join("data")).arg(data.join("myicq.db"));
            assert!(backup.status().unwrap().success());
            backups.push((before, data));
        }
        backups
    });
    assert!(backups.len() > 1, "{} backups while people talked", backups.len());
    for (before, data) in &backups {
        let found = waiting(data, &bob);
        let expected: Vec<_> = (0..found.len()).map(|number| format!("message {number}")).collect();
        assert_eq!(found, expected, "without a gap");
        assert!(found.len() >= *before, "{} of {before}", found.len());
    }
    // Back in its place: the file, and nothing of the log that belonged to another one.
    let data = folder.path().join("data");
    drop(server);
    fs::remove_dir_all(&data).unwrap();
    let (_, last) = backups.last().unwrap();
    fs::rename(last, &data).unwrap();
    let restored = Server::start(folder.path());
    let mut listener = restored.listen(&bob, "bob's");
    assert_eq!(listener.wait_for("message")["text"], "message 0");
}
