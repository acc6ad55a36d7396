//! The store in a PostgreSQL database: one connection that writes, and one beside it that only reads.
//!
//! A batch is one transaction and its COMMIT one wait for the disk (`synchronous_commit = on`); nothing is answered before it. Within a
//! batch, requests of one kind share their statements, which take what they are about as arrays.
//!
//! The writing connection holds an advisory lock, so that one server at a time has the database. When it breaks, the lock is gone
//! with it; requests fail until there is another one, which has taken the lock again.

mod broadcasts;
mod connection;
mod mail;
mod reader;
mod reads;
mod rows;
mod url;
mod users;
mod work;

pub use reader::PostgresReader;
pub use url::DatabaseUrl;

use std::slice;

use sqlx::error::{Error, Result};
use sqlx::postgres::PgConnection;
use sqlx::{Executor, query};

use self::connection::{Connection, Role, in_time, is_busy, roll_back};
use super::ledger::Counts;
use super::order::{Stage, stages};
use super::{OpenError, Outcome, Reply, Request, Store, Work};

/// A store in a PostgreSQL database. While it is open, no other can be opened there.
#[derive(Debug)]
pub struct PostgresStore {
    url: DatabaseUrl,
    connection: Connection,
    counts: Counts,
    /// The messages and broadcasts of a transaction whose COMMIT has not been answered: they may be in the database all the same.
    in_doubt: Vec<i64>,
}

/// Why a batch was not done.
enum Trouble {
    /// There is no connection, and it has been logged why.
    Away,
    /// The database failed, or the connection.
    Failed {
        error: Error,
        /// Whether parts of the batch may fare better.
        is_worth_another_try: bool,
    },
}

impl Store for PostgresStore {
    async fn commit(&mut self, batch: Vec<Request>) -> Vec<Reply> {
        let is_worth_another_try = match self.commit_together(&batch).await {
            Ok(replies) => return replies,
            Err(Trouble::Away) => false,
            Err(Trouble::Failed { error, is_worth_another_try }) => {
                tracing::error!(requests = batch.len(), "the database failed: {error}");
                is_worth_another_try && batch.len() > 1
            }
        };
        let mut replies = Vec::with_capacity(batch.len());
        for request in &batch {
            let alone = slice::from_ref(request);
            match is_worth_another_try {
                true => replies.extend(self.commit_together(alone).await.unwrap_or_else(|_| failed(alone))),
                false => replies.extend(failed(alone)),
            }
        }
        replies
    }
}

impl PostgresStore {
    /// Connects, takes the database for this process alone, and brings its tables up to date; makes them where there are none.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(url: &DatabaseUrl) -> Result<Self, OpenError> {
        let (connection, last) = Connection::open(url, Role::Writer).await?;
        Ok(Self { url: url.clone(), connection, counts: Counts::new(last), in_doubt: Vec::new() })
    }

    /// A second connection, for reads beside the commits of this one.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn reader(&self) -> Result<PostgresReader, OpenError> {
        Ok(PostgresReader::new(Connection::open(&self.url, Role::Reader).await?.0))
    }

    /// Ends the connection, and with it the lock.
    pub async fn close(self) {
        self.connection.close().await;
    }

    /// All of the requests or none; which of the two is not known where the connection breaks within COMMIT. What was refused then and
    /// lies there all the same, messages and broadcasts, is deleted as soon as there is a connection again.
    async fn commit_together(&mut self, batch: &[Request]) -> Result<Vec<Reply>, Trouble> {
        // Not here while it is used: where this future is dropped in the middle, so is the connection.
        let Some((mut connection, reconnected)) = self.connection.take().await else { return Err(Trouble::Away) };
        if let Some(last) = reconnected {
            self.counts = Counts::new(last);
        }
        let done = in_time(self.transact(&mut connection, batch)).await;
        match done {
            Ok(replies) => {
                self.connection.give_back(connection);
                Ok(replies)
            }
            Err(error) => {
                self.counts.forget();
                let is_alive = is_answer(&error) && roll_back(&mut connection).await;
                if is_alive {
                    // So it was no COMMIT that was lost.
                    self.in_doubt.clear();
                    self.connection.give_back(connection);
                }
                let is_worth_another_try = is_alive && !is_busy(&error);
                Err(Trouble::Failed { error, is_worth_another_try })
            }
        }
    }

    async fn transact(&mut self, connection: &mut PgConnection, batch: &[Request]) -> Result<Vec<Reply>> {
        self.settle_doubt(connection).await?;
        let stages = stages(batch.iter().map(|request| &request.work));
        connection.execute("BEGIN").await?;
        let mut stored = Vec::new();
        let mut outcomes = self.perform(connection, &stages, &mut stored).await?;
        self.in_doubt = stored;
        connection.execute("COMMIT").await?;
        self.in_doubt.clear();
        outcomes.sort_unstable_by_key(|&(place, _)| place);
        let replies = batch.iter().zip(outcomes);
        Ok(replies.map(|(request, (_, outcome))| Reply { ticket: request.ticket, outcome }).collect())
    }

    /// What becomes of each work, with its place in the batch. `stored` gets the numbers of the messages and broadcasts that are new.
    async fn perform(
        &mut self,
        connection: &mut PgConnection,
        stages: &[Stage<'_>],
        stored: &mut Vec<i64>,
    ) -> Result<Vec<(usize, Outcome)>> {
        let mut outcomes = Vec::new();
        for Stage { writes, reads } in stages {
            // Those about messages and the others touch nothing in common.
            let is_mail =
                |(_, work): &(_, &Work)| matches!(work, Work::StoreMessage { .. } | Work::DeleteMessage { .. });
            let (mail, others): (Vec<_>, Vec<_>) = writes.iter().partition(|placed| is_mail(placed));
            outcomes.extend(mail::perform(connection, &mut self.counts, &mail, stored).await?);
            for (place, work) in others {
                let outcome = match *work {
                    Work::ExpireMessages { before, limit } => {
                        mail::expire(connection, &mut self.counts, before, limit).await?
                    }
                    _ => work::perform(connection, work).await?,
                };
                match work {
                    // What is kept for him is not counted any more: there is nobody to keep it for.
                    Work::RemoveUser { .. } => self.counts.forget(),
                    Work::StoreBroadcast { broadcast, .. } if outcome == Outcome::Done => {
                        stored.extend(i64::try_from(broadcast.id.0));
                    }
                    _ => {}
                }
                outcomes.push((place, outcome));
            }
            outcomes.extend(reads::read(connection, reads).await?);
        }
        Ok(outcomes)
    }

    async fn settle_doubt(&mut self, connection: &mut PgConnection) -> Result<()> {
        if self.in_doubt.is_empty() {
            return Ok(());
        }
        for sql in ["DELETE FROM messages WHERE id = ANY($1)", "DELETE FROM broadcasts WHERE id = ANY($1)"] {
            let gone = query(sql).bind(&self.in_doubt).execute(&mut *connection).await?.rows_affected();
            if gone > 0 {
                tracing::warn!("{gone} of what had been refused was there all the same, and is deleted");
            }
        }
        self.in_doubt.clear();
        Ok(())
    }
}

fn failed(batch: &[Request]) -> Vec<Reply> {
    batch.iter().map(|request| Reply { ticket: request.ticket, outcome: Outcome::Failed }).collect()
}

/// Whether the database has said so itself, or has said what cannot be understood: the connection is as it was.
fn is_answer(error: &Error) -> bool {
    matches!(error, Error::Database(_) | Error::Decode(_) | Error::ColumnDecode { .. })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use myicq_wire::Uin;
    use sqlx::postgres::PgConnection;
    use sqlx::{AssertSqlSafe, Connection as _};

    use super::*;
    use crate::store::{Message, MessageId, Room, Ticket};

    fn keep(id: u64) -> Request {
        let message = Message { id: MessageId(id), from: Uin::FIRST, to: Uin::FIRST, ..Message::default() };
        Request { ticket: Ticket(id), work: Work::StoreMessage { message: Arc::new(message), room: Room::UNLIMITED } }
    }

    #[expect(clippy::disallowed_methods, reason = "the tester names a database")]
    fn url(schema: &str) -> String {
        let url =
            std::env::var("MYICQ_TEST_POSTGRES").expect("MYICQ_TEST_POSTGRES is not set; .ci/run postgres sets it");
        format!("{url}{}options=-csearch_path%3D{schema}", if url.contains('?') { '&' } else { '?' })
    }

    #[tokio::test]
    #[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
    async fn what_was_refused_in_doubt_is_deleted() {
        let schema = format!("test_{}_doubt", std::process::id());
        let text = url(&schema);
        let mut other = PgConnection::connect(&text).await.unwrap();
        other.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
        let mut store = PostgresStore::open(&DatabaseUrl::parse(&text).unwrap()).await.unwrap();
        let create = Request {
            ticket: Ticket(0),
            work: Work::AddUser { uin: None, nick: String::new(), password_hash: String::new() },
        };
        store.commit(vec![create, keep(1), keep(2)]).await;
        assert_eq!(store.in_doubt, [0; 0]);
        // As if nobody had heard of the COMMIT that stored it, and the connection were another one.
        store.in_doubt = vec![2];
        store.counts.forget();
        let load = Work::LoadMessages { recipient: Uin::FIRST, after: MessageId(0), limit: 9 };
        let replies = store.commit(vec![keep(2), Request { ticket: Ticket(3), work: load }]).await;
        let outcomes: Vec<_> = replies.into_iter().map(|reply| reply.outcome).collect();
        let [Outcome::Stored(Ok(())), Outcome::Messages(messages)] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!(messages.iter().map(|message| message.id.0).collect::<Vec<_>>(), [1, 2], "it is stored anew");
        assert_eq!(store.in_doubt, [0; 0]);

        // Searches read a page of an index, and sort nothing.
        for (sql, index) in reads::SEARCHES {
            other
                .execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
                .await
                .unwrap();
            let words = sql.replace("$1", "'a'").replace("$2", "0").replace("$3", "25").replace("$4", "'a'");
            let plan: Vec<String> =
                sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {words}"))).fetch_all(&mut other).await.unwrap();
            assert!(plan.iter().any(|step| step.contains(index)), "{plan:?}");
            assert!(!plan.iter().any(|step| step.contains("Sort")), "{plan:?}");
        }
        store.close().await;
        other.execute(AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await.unwrap();
    }
}
