//! What becomes of the database file, and of attempts to open it.
#![expect(clippy::disallowed_methods, reason = "files are what is tested here")]

use std::error::Error;
use std::fs;
use std::path::Path;

use myicq_server::store::{OpenError, Outcome, SqliteStore, Work};
use myicq_wire::Uin;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor};

use crate::{ANN, Asker, BOB, create, keep, message};

async fn open(folder: &Path) -> Asker<SqliteStore> {
    Asker::new(SqliteStore::open(folder).await.unwrap())
}

/// Another program's way to the database.
async fn connect(folder: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(folder.join("myicq.db")).connect().await.unwrap()
}

async fn refusal(folder: &Path) -> OpenError {
    let error = SqliteStore::open(folder).await.unwrap_err();
    let line = error.to_string();
    assert!(!line.contains('\n') && line.contains(&*folder.to_string_lossy()), "{line}");
    error
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut asker = open(folder.path()).await;
    asker.register_three().await;
    asker.ask_all([Work::AddContact { owner: ANN, contact: BOB, max: 9 }, keep(message(1, ANN, BOB))]).await;
    asker.ask(Work::RequestAuthorization { asker: BOB, target: ANN }).await;
    // What a power cut leaves: the files as they are at this moment, the log not yet written back.
    let copy = tempfile::tempdir().unwrap();
    for file in ["myicq.db", "myicq.db-wal"] {
        fs::copy(folder.path().join(file), copy.path().join(file)).unwrap();
    }
    asker.store.close().await;

    for folder in [&folder, &copy] {
        let mut asker = open(folder.path()).await;
        assert_eq!(asker.contacts(ANN).await, [BOB]);
        assert_eq!(asker.waiting(BOB).await, [1]);
        let answer = Work::AnswerAuthorization { asker: BOB, target: ANN, granted: true, max: 9 };
        assert_eq!(asker.ask(answer).await, Outcome::Authorized(true));
        assert_eq!(asker.ask(create("hash")).await, Outcome::Created(Uin(10_004)));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_user_can_read_it() {
    use std::os::unix::fs::PermissionsExt;

    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/b");
    let mut asker = open(&folder).await;
    asker.register_three().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let mut files = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert_eq!(files, 4, "database, log, its index, lock");
}

#[tokio::test]
async fn a_second_server_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).await;
    let error = refusal(folder.path()).await;
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    first.store.close().await;
    open(folder.path()).await;
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.store.close().await;
    let mut other = connect(folder.path()).await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (999, 'later', TRUE, X'00', 0)";
    other.execute(later).await.unwrap();
    other.close().await.unwrap();
    let before = fs::read(folder.path().join("myicq.db")).unwrap();

    let error = refusal(folder.path()).await;
    assert!(matches!(error, OpenError::Newer { found: 999, known: 3, .. }), "{error:?}");
    assert!(error.to_string().ends_with("use that or a later myicqd"));
    assert_eq!(fs::read(folder.path().join("myicq.db")).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("myicq.db");
    open(folder.path()).await.store.close().await;
    let mut damaged = fs::read(&file).unwrap();
    damaged[100..4096].fill(0xA5);
    for content in [vec![b'x'; 5000], damaged] {
        fs::write(&file, &content).unwrap();
        let error = refusal(folder.path()).await;
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
        assert!(error.source().is_some());
        assert_eq!(fs::read(&file).unwrap(), content);
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    // Root may write anywhere, but not below a file.
    for folder in [file.clone(), file.join("folder")] {
        let error = refusal(&folder).await;
        assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");
        assert!(error.source().is_some());
    }
}

#[tokio::test]
async fn another_program_may_read_and_must_wait_its_turn() {
    let folder = tempfile::tempdir().unwrap();
    let mut asker = open(folder.path()).await;
    let mut other = connect(folder.path()).await;
    other.execute("BEGIN; SELECT * FROM users").await.unwrap();
    asker.register_three().await;
    other.execute("COMMIT").await.unwrap();
    asker.be_asked(ANN, myicq_wire::Authorization::NOBODY).await;
}

#[tokio::test]
async fn the_reader_reads_what_can_be_read_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut asker = open(folder.path()).await;
    let mut reader = Asker::new(asker.store.reader().await.unwrap());
    asker.register_three().await;
    let account = || Work::LoadAccount { uin: ANN };
    let found = || Outcome::Account(Some("hash".to_owned()));
    assert_eq!(reader.ask_all([create("hash"), account()]).await, [Outcome::Failed, found()]);
    assert_eq!(asker.ask(create("hash")).await, Outcome::Created(Uin(10_004)));

    connect(folder.path()).await.execute("DROP TABLE contacts").await.unwrap();
    let works = [account(), Work::LoadContacts { uin: ANN }, account()];
    assert_eq!(reader.ask_all(works).await, [found(), Outcome::Failed, found()]);
}

#[tokio::test]
async fn a_commit_that_was_given_up_leaves_nothing_behind() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    let folder = tempfile::tempdir().unwrap();
    let mut asker = open(folder.path()).await;
    let mut commit = Box::pin(asker.ask_all([create("half"), create("half")]));
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(pin!(&mut commit).poll(&mut context), Poll::Pending));
    drop(commit);
    asker.register_three().await;
    assert_eq!(asker.ask(Work::LoadAccount { uin: ANN }).await, Outcome::Account(Some("hash".to_owned())));
}
