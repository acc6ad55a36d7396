//! The connection that only reads, beside the one that writes. In WAL mode neither waits for the other.

use std::fmt;
use std::slice;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::reads;
use crate::store::{Outcome, Reply, Request, Store};

/// Reads from a SQLite file what a [`SqliteStore`](super::SqliteStore) has committed. Everything else fails.
pub struct SqliteReader {
    connection: SqliteConnection,
}

impl fmt::Debug for SqliteReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteReader").finish_non_exhaustive()
    }
}

impl Store for SqliteReader {
    async fn commit(&mut self, batch: Vec<Request>) -> Vec<Reply> {
        let error = match self.read(&batch).await {
            Ok(replies) => return replies,
            Err(error) => error,
        };
        tracing::error!(requests = batch.len(), "the database failed: {error}");
        // What is damaged may be in the way of a few only.
        let mut replies = Vec::with_capacity(batch.len());
        for request in &batch {
            match self.read(slice::from_ref(request)).await {
                Ok(alone) => replies.extend(alone),
                Err(_) => replies.push(Reply { ticket: request.ticket, outcome: Outcome::Failed }),
            }
        }
        replies
    }
}

impl SqliteReader {
    pub(super) fn new(connection: SqliteConnection) -> Self {
        Self { connection }
    }

    /// Ends the connection.
    pub async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!("the reading connection was not closed cleanly, which harms nothing: {error}");
        }
    }

    /// Not a transaction: each request is in one statement, which sees one state of the database.
    async fn read(&mut self, batch: &[Request]) -> sqlx::Result<Vec<Reply>> {
        let works: Vec<_> = batch.iter().map(|request| &request.work).enumerate().collect();
        let mut outcomes = reads::read(&mut self.connection, &works).await?;
        outcomes.sort_unstable_by_key(|&(place, _)| place);
        let replies = batch.iter().zip(outcomes);
        Ok(replies.map(|(request, (_, outcome))| Reply { ticket: request.ticket, outcome }).collect())
    }
}
