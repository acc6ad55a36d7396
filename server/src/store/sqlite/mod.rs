//! The store in a SQLite file: one connection that writes, and one beside it that only reads.
//!
//! A batch is one transaction and its COMMIT one wait for the disk. Nothing is answered before it: SQLite's log is synced by each
//! COMMIT (`synchronous = FULL`), so what has been answered survives the loss of power. Within a batch, requests of one kind
//! share their statements.

mod backup;
mod broadcasts;
mod mail;
mod open;
mod reader;
mod reads;
mod users;
mod work;

pub use backup::BackupError;
pub use reader::SqliteReader;

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::slice;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};

use super::ledger::Counts;
use super::order::{Stage, stages};
use super::{Outcome, Reply, Request, Store, Work};
use work::Fault;

/// A store in a SQLite file. While it is open, nobody else can open it.
pub struct SqliteStore {
    connection: SqliteConnection,
    /// Where it is.
    file: PathBuf,
    counts: Counts,
    /// Whether a transaction may have been left open: by a failure of its end, or because the future that ran it was dropped.
    unfinished: bool,
    /// Locked until this is dropped, after the connection.
    _lock: File,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    async fn commit(&mut self, batch: Vec<Request>) -> Vec<Reply> {
        let error = match self.commit_together(&batch).await {
            Ok(replies) => return replies,
            Err(error) => error,
        };
        tracing::error!(requests = batch.len(), "the database failed: {error}");
        if batch.len() == 1 || is_busy(&error) {
            return batch.iter().map(failed).collect();
        }
        // Often a part of the batch can be done all the same: a full disk can still be read.
        let mut replies = Vec::with_capacity(batch.len());
        for request in &batch {
            match self.commit_together(slice::from_ref(request)).await {
                Ok(alone) => replies.extend(alone),
                Err(_) => replies.push(failed(request)),
            }
        }
        replies
    }
}

impl SqliteStore {
    /// Ends the connection in good order: what the log holds goes into the database file. A store that is only dropped has lost
    /// nothing either; the next one to open it has the work.
    pub async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!("the database was not closed cleanly, which the next start repairs: {error}");
        }
    }

    /// All of the requests or, with an error, none.
    async fn commit_together(&mut self, batch: &[Request]) -> sqlx::Result<Vec<Reply>> {
        let stages = stages(batch.iter().map(|request| &request.work));
        self.begin(stages.iter().any(|stage| !stage.writes.is_empty())).await?;
        let done = match self.perform(&stages).await {
            Ok(outcomes) => self.connection.execute("COMMIT").await.map(|_| outcomes),
            Err(error) => Err(error),
        };
        match done {
            Ok(mut outcomes) => {
                self.unfinished = false;
                outcomes.sort_unstable_by_key(|&(place, _)| place);
                let replies = batch.iter().zip(outcomes);
                Ok(replies.map(|(request, (_, outcome))| Reply { ticket: request.ticket, outcome }).collect())
            }
            Err(error) => {
                self.rollback().await;
                Err(error)
            }
        }
    }

    /// What becomes of each work, with its place in the batch.
    async fn perform(&mut self, stages: &[Stage<'_>]) -> sqlx::Result<Vec<(usize, Outcome)>> {
        let mut outcomes = Vec::new();
        for Stage { writes, reads } in stages {
            // Those about messages and the others touch nothing in common.
            let is_mail =
                |(_, work): &(_, &Work)| matches!(work, Work::StoreMessage { .. } | Work::DeleteMessage { .. });
            let (mail, others): (Vec<_>, Vec<_>) = writes.iter().partition(|placed| is_mail(placed));
            outcomes.extend(mail::perform(&mut self.connection, &mut self.counts, &mail).await?);
            for (place, work) in others {
                let done = match *work {
                    Work::ExpireMessages { before, limit } => {
                        mail::expire(&mut self.connection, &mut self.counts, before, limit).await
                    }
                    _ => work::perform(&mut self.connection, work).await,
                };
                let outcome = match done {
                    Ok(outcome) => outcome,
                    Err(Fault::Request(error)) => {
                        tracing::error!("the database refused a request: {error}");
                        Outcome::Failed
                    }
                    Err(Fault::Batch(error)) => return Err(error),
                };
                if matches!(work, Work::RemoveUser { .. }) {
                    // What is kept for him is not counted any more: there is nobody to keep it for.
                    self.counts.forget();
                }
                outcomes.push((place, outcome));
            }
            outcomes.extend(reads::read(&mut self.connection, reads).await?);
        }
        Ok(outcomes)
    }

    /// Begins a transaction. Not by `sqlx::Transaction`: after a full disk SQLite may have ended the transaction by itself, and
    /// sqlx, whose ROLLBACK then fails, would hold it for open from there on and begin no other.
    async fn begin(&mut self, writes: bool) -> sqlx::Result<()> {
        if self.unfinished {
            self.rollback().await;
        }
        self.unfinished = true;
        // A transaction that writes takes the lock at once: a reader cannot wait for it later on.
        self.connection.execute(if writes { "BEGIN IMMEDIATE" } else { "BEGIN" }).await?;
        Ok(())
    }

    /// Ends a transaction, if there is one.
    async fn rollback(&mut self) {
        self.counts.forget();
        // Fails where SQLite has ended it already. If it is another failure, the next BEGIN tells.
        self.unfinished = self.connection.execute("ROLLBACK").await.is_err();
    }
}

fn failed(request: &Request) -> Reply {
    Reply { ticket: request.ticket, outcome: Outcome::Failed }
}

/// Whether somebody else, a backup perhaps, holds the database. The connection has waited for him for seconds already.
fn is_busy(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(5 | 6))
}

/// SQLite's primary result code: 5 and 6 busy, 11 and 26 no sound database, 13 full (sqlite.org/rescode.html).
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xFF)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use myicq_wire::charset::Charset;
    use myicq_wire::{MessageKind, Uin, UnixTime};
    use sqlx::query_scalar;

    use super::*;
    use crate::store::{Message, MessageId, NotStored, Room, Ticket};

    fn numbered(works: impl IntoIterator<Item = Work>) -> Vec<Request> {
        (1..).map(Ticket).zip(works).map(|(ticket, work)| Request { ticket, work }).collect()
    }

    fn create() -> Work {
        Work::AddUser { uin: None, nick: String::new(), password_hash: "hash".to_owned() }
    }

    /// More than the pages that are free in a new database.
    fn keep(id: u64) -> Work {
        let message = Message {
            id: MessageId(id),
            from: Uin::FIRST,
            to: Uin::FIRST,
            time: UnixTime(0),
            kind: MessageKind::TEXT,
            text: vec![b'x'; 100_000],
            charset: Charset::Utf8,
        };
        Work::StoreMessage { message: Arc::new(message), room: Room { messages: 9, ..Room::UNLIMITED } }
    }

    async fn outcomes(store: &mut SqliteStore, works: impl IntoIterator<Item = Work>) -> Vec<Outcome> {
        store.commit(numbered(works)).await.into_iter().map(|reply| reply.outcome).collect()
    }

    #[tokio::test]
    async fn a_full_disk_fails_what_needs_room_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(folder.path()).await.unwrap();
        assert_eq!(outcomes(&mut store, [create()]).await, [Outcome::Created(Uin::FIRST)]);
        let pages: i64 = query_scalar("PRAGMA page_count").fetch_one(&mut store.connection).await.unwrap();
        let limit = format!("PRAGMA max_page_count = {pages}");
        store.connection.execute(sqlx::AssertSqlSafe(limit)).await.unwrap();

        let account = || Work::LoadAccount { uin: Uin::FIRST };
        let found = || Outcome::Account(Some("hash".to_owned()));
        let works = [account(), keep(1), create(), keep(2), account()];
        let next = Outcome::Created(Uin(Uin::FIRST.0 + 1));
        let expected = [found(), Outcome::Failed, next, Outcome::Failed, found()];
        assert_eq!(outcomes(&mut store, works).await, expected);
        assert_eq!(outcomes(&mut store, [keep(3)]).await, [Outcome::Failed]);

        store.connection.execute("PRAGMA max_page_count = 100000").await.unwrap();
        assert_eq!(outcomes(&mut store, [keep(1), keep(2)]).await, [const { Outcome::Stored(Ok(())) }; 2]);
    }

    #[tokio::test]
    async fn a_commit_that_fails_fails_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(folder.path()).await.unwrap();
        // COMMIT itself refuses: a reference to nobody, whose check waits for the end.
        let broken = "CREATE TABLE broken (uin INTEGER REFERENCES users (uin) DEFERRABLE INITIALLY DEFERRED); \
                      CREATE TRIGGER break AFTER INSERT ON messages BEGIN INSERT INTO broken VALUES (1); END";
        store.connection.execute(broken).await.unwrap();
        assert_eq!(outcomes(&mut store, [create(), keep(1)]).await, [Outcome::Created(Uin::FIRST), Outcome::Failed]);
        let load = Work::LoadMessages { recipient: Uin::FIRST, after: MessageId(0), limit: 9 };
        assert_eq!(outcomes(&mut store, [load]).await, [Outcome::Messages(Vec::new())]);
        store.connection.execute("DROP TRIGGER break").await.unwrap();
        // It is not counted either: there is room for one.
        let full = Outcome::Stored(Err(NotStored::MailboxFull));
        let only = |id| match keep(id) {
            Work::StoreMessage { message, .. } => {
                Work::StoreMessage { message, room: Room { messages: 1, ..Room::UNLIMITED } }
            }
            other => other,
        };
        assert_eq!(outcomes(&mut store, [only(1), only(2)]).await, [Outcome::Stored(Ok(())), full]);
    }

    #[tokio::test]
    async fn what_cannot_be_read_fails_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(folder.path()).await.unwrap();
        outcomes(&mut store, [create(), keep(1)]).await;
        store.connection.execute("UPDATE messages SET charset = 'klingon'").await.unwrap();
        let load = Work::LoadMessages { recipient: Uin::FIRST, after: MessageId(0), limit: 9 };
        let expected = [Outcome::Failed, Outcome::Created(Uin(Uin::FIRST.0 + 1))];
        assert_eq!(outcomes(&mut store, [load, create()]).await, expected);
    }

    #[tokio::test]
    async fn the_disk_is_told_to_keep_what_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(folder.path()).await.unwrap();
        let connection = &mut store.connection;
        let journal: String = query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.unwrap();
        let synchronous: i64 = query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await.unwrap();
        let references: i64 = query_scalar("PRAGMA foreign_keys").fetch_one(&mut *connection).await.unwrap();
        assert_eq!((journal.as_str(), synchronous, references), ("wal", 2, 1), "2 is FULL");
    }
}
