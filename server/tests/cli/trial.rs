//! `--smoke` and `--demo`: servers that leave nothing behind.

use std::path::Path;

use tempfile::TempDir;

use super::{fails, myicqd, succeeds, write};

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_smoke_test_says_that_all_works_and_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    for shards in ["1", "2"] {
        let mut command = myicqd(["--smoke", "--shards", shards]);
        let said = succeeds(command.env("TMPDIR", folder.path()).output().unwrap());
        assert!(said.starts_with("this installation works: "), "{said}");
        assert!(is_empty(folder.path()));
    }
}

#[cfg(unix)]
#[test]
fn a_smoke_test_says_what_does_not_work() {
    let folder = TempDir::new().unwrap();
    let nowhere = folder.path().join("none");
    let line = fails(myicqd(["--smoke"]).env("TMPDIR", &nowhere).output().unwrap(), 73);
    assert!(line.contains("cannot make a temporary folder; see TMPDIR"), "{line}");
    let config = write(&folder, "myicqd.toml", "[limits]\ntext_max = 5\n");
    let line = fails(myicqd(["--smoke", "--config", &config]).output().unwrap(), 1);
    assert!(line.contains("the server does not work: no answer in time to the message"), "{line}");
}

#[test]
fn a_demonstration_is_for_this_machine_alone() {
    let line = fails(myicqd(["run", "--demo", "--listen", "0.0.0.0:0"]).output().unwrap(), 2);
    assert!(line.contains("--demo is for this machine alone"), "{line}");
}
