//! What becomes of the connection with PostgreSQL, and of attempts to make one.

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use myicq_server::store::{DatabaseUrl, MessageId, NotStored, OpenError, Outcome, PostgresStore, Work};
use myicq_wire::Uin;
use sqlx::{AssertSqlSafe, Executor, query, query_scalar};

use crate::place::Place;
use crate::{ANN, Asker, BOB, CID, create, keep, keep_up_to, load, message};

async fn open(place: &Place) -> Asker<PostgresStore> {
    Asker::new(PostgresStore::open(&place.url().unwrap()).await.unwrap())
}

async fn refusal(url: &DatabaseUrl) -> OpenError {
    let error = PostgresStore::open(url).await.unwrap_err();
    let line = error.to_string();
    assert!(!line.contains('\n') && line.contains(&url.to_string()), "{line}");
    error
}

/// Ends the connections of a schema, as a restart of the server does.
async fn disconnect(place: &Place) {
    // Each has named the schema when it connected, and asked of it since; nobody else has.
    let sql = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_locks \
               WHERE locktype = 'advisory' AND objid::bigint = (hashtext(current_schema())::bigint & 4294967295)";
    let ended: i64 = query_scalar(sql).fetch_one(&mut place.connect().await).await.unwrap();
    assert_eq!(ended, 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_without_the_password() {
    // Nobody listens at port 1.
    let url = DatabaseUrl::parse("postgres://ann:s3cret@127.0.0.1:1/chat").unwrap();
    let error = refusal(&url).await;
    assert!(matches!(error, OpenError::Server { .. }), "{error:?}");
    let mut texts = vec![error.to_string(), format!("{error:?}")];
    let mut source = error.source();
    while let Some(error) = source {
        texts.push(error.to_string());
        source = error.source();
    }
    assert!(texts.len() > 2 && !texts.iter().any(|text| text.contains("s3cret")), "{texts:?}");
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
async fn what_was_answered_is_there_after_a_restart() {
    let place = Place::postgres().await;
    let mut asker = open(&place).await;
    asker.register_three().await;
    asker.ask_all([Work::AddContact { owner: ANN, contact: BOB, max: 9 }, keep(message(1, ANN, BOB))]).await;
    asker.ask(Work::RequestAuthorization { asker: BOB, target: ANN }).await;
    asker.store.close().await;

    let mut asker = open(&place).await;
    assert_eq!(asker.contacts(ANN).await, [BOB]);
    assert_eq!(asker.waiting(BOB).await, [1]);
    let answer = Work::AnswerAuthorization { asker: BOB, target: ANN, granted: true, max: 9 };
    assert_eq!(asker.ask(answer).await, Outcome::Authorized(true));
    assert_eq!(asker.ask(create("hash")).await, Outcome::Created(Uin(10_004)));
    asker.store.close().await;
    place.remove().await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
async fn a_second_server_is_told_so() {
    let place = Place::postgres().await;
    let first = open(&place).await;
    let error = refusal(&place.url().unwrap()).await;
    assert!(matches!(error, OpenError::ServerInUse { .. }), "{error:?}");
    let other = Place::postgres().await;
    open(&other).await.store.close().await;
    first.store.close().await;
    open(&place).await.store.close().await;
    place.remove().await;
    other.remove().await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
async fn a_newer_database_is_left_alone() {
    let place = Place::postgres().await;
    open(&place).await.store.close().await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (999, 'later', TRUE, '', 0)";
    place.connect().await.execute(later).await.unwrap();
    let error = refusal(&place.url().unwrap()).await;
    assert!(matches!(error, OpenError::Newer { found: 999, .. }), "{error:?}");
    place.remove().await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
async fn a_database_of_another_encoding_is_refused() {
    let place = Place::postgres().await;
    let mut connection = place.connect().await;
    let name = format!("myicq_ascii_{}", std::process::id());
    let make = format!("CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    connection.execute(AssertSqlSafe(make)).await.unwrap();
    let url =
        DatabaseUrl::parse(&format!("{}&dbname={name}", place.url_text().replace("test_", "public,test_"))).unwrap();
    let error = refusal(&url).await;
    assert!(matches!(error, OpenError::Unfit { .. }) && error.to_string().contains("createdb -E UTF8"), "{error:?}");
    connection.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
    place.remove().await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
async fn a_connection_that_breaks_fails_one_batch_and_comes_back() {
    let place = Place::postgres().await;
    let mut asker = open(&place).await;
    let mut reader = Asker::new(asker.store.reader().await.unwrap());
    asker.register_three().await;
    assert_eq!(asker.ask(keep_up_to(message(1, ANN, BOB), 2, 2)).await, Outcome::Stored(Ok(())));
    disconnect(&place).await;
    // Another program has changed what this one has counted.
    place.connect().await.execute("INSERT INTO messages VALUES (2, 10002, 10001, 0, 2, 'gbk', '')").await.unwrap();
    let outcomes = asker.ask_all([keep_up_to(message(3, ANN, BOB), 2, 2), create("hash")]).await;
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Failed], "not one by one: there is no connection");
    let outcomes = asker.ask_all([keep_up_to(message(3, ANN, BOB), 2, 2), create("hash")]).await;
    assert_eq!(outcomes, [Outcome::Stored(Err(NotStored::MailboxFull)), Outcome::Created(Uin(10_004))]);
    assert_eq!(asker.waiting(BOB).await, [1, 2]);
    assert_eq!(reader.ask(load(BOB, 1, 9)).await, asker.ask(load(BOB, 1, 9)).await, "it was another connection");
    asker.store.close().await;
    reader.store.close().await;
    place.remove().await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
async fn who_has_lost_the_database_to_another_does_nothing() {
    let place = Place::postgres().await;
    let mut asker = open(&place).await;
    asker.register_three().await;
    disconnect(&place).await;
    let mut other = open(&place).await;
    for _ in 0..3 {
        assert_eq!(asker.ask(keep(message(1, ANN, BOB))).await, Outcome::Failed);
    }
    assert_eq!(other.ask(keep(message(2, ANN, BOB))).await, Outcome::Stored(Ok(())));
    assert_eq!(other.waiting(BOB).await, [2]);
    other.store.close().await;
    asker.store.close().await;
    place.remove().await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
async fn the_reader_reads_what_can_be_read_and_changes_nothing() {
    let place = Place::postgres().await;
    let mut asker = open(&place).await;
    let mut reader = Asker::new(asker.store.reader().await.unwrap());
    asker.register_three().await;
    let account = || Work::LoadAccount { uin: ANN };
    let found = || Outcome::Account(Some("hash".to_owned()));
    assert_eq!(reader.ask_all([create("hash"), account()]).await, [Outcome::Failed, found()]);
    assert_eq!(asker.ask(create("hash")).await, Outcome::Created(Uin(10_004)));

    place.connect().await.execute("DROP TABLE contacts").await.unwrap();
    let works = [account(), Work::LoadContacts { uin: ANN }, account()];
    assert_eq!(reader.ask_all(works).await, [found(), Outcome::Failed, found()]);
    asker.store.close().await;
    reader.store.close().await;
    place.remove().await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
async fn a_commit_that_was_given_up_leaves_nothing_behind() {
    let place = Place::postgres().await;
    let mut asker = open(&place).await;
    let mut commit = Box::pin(asker.ask_all([create("half"), create("half")]));
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(pin!(&mut commit).poll(&mut context), Poll::Pending));
    drop(commit);
    asker.register_three().await;
    assert_eq!(asker.ask(Work::LoadAccount { uin: ANN }).await, Outcome::Account(Some("hash".to_owned())));
    asker.store.close().await;
    place.remove().await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
async fn a_commit_that_fails_fails_all_of_it() {
    let place = Place::postgres().await;
    let mut asker = open(&place).await;
    asker.register_three().await;
    // COMMIT itself refuses: a reference to nobody, whose check waits for the end.
    let broken = "CREATE TABLE broken (uin BIGINT REFERENCES users DEFERRABLE INITIALLY DEFERRED); \
                  CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS \
                  $$ BEGIN INSERT INTO broken VALUES (1); RETURN NULL; END $$; \
                  CREATE TRIGGER break AFTER INSERT ON messages EXECUTE FUNCTION break()";
    place.connect().await.execute(broken).await.unwrap();
    let outcomes = asker.ask_all([create("hash"), keep(message(1, ANN, BOB))]).await;
    assert_eq!(outcomes, [Outcome::Created(Uin(10_004)), Outcome::Failed], "each by itself");
    place.connect().await.execute("DROP TRIGGER break ON messages").await.unwrap();
    // It is not counted either: there is room for one.
    let only = |id| keep_up_to(message(id, ANN, BOB), 1, 1);
    let full = Outcome::Stored(Err(NotStored::MailboxFull));
    assert_eq!(asker.ask_all([only(1), only(2)]).await, [Outcome::Stored(Ok(())), full]);
    asker.store.close().await;
    place.remove().await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
async fn what_cannot_be_read_fails_alone() {
    let place = Place::postgres().await;
    let mut asker = open(&place).await;
    asker.register_three().await;
    asker.ask_all([keep(message(1, ANN, BOB)), keep(message(2, ANN, CID))]).await;
    query("UPDATE messages SET charset = 'klingon' WHERE id = 1").execute(&mut place.connect().await).await.unwrap();
    let outcomes = asker.ask_all([load(BOB, 0, 9), load(CID, 0, 9), create("hash")]).await;
    let readable = Outcome::Messages(vec![Arc::new(message(2, ANN, CID))]);
    assert_eq!(outcomes, [Outcome::Failed, readable, Outcome::Created(Uin(10_004))]);
    assert_eq!(asker.ask(Work::LoadLastMessage).await, Outcome::LastMessage(MessageId(2)));
    asker.store.close().await;
    place.remove().await;
}
