//! The connection that only reads, beside the one that writes. Neither waits for the other.

use std::slice;

use sqlx::error::{Error, Result};
use sqlx::postgres::PgConnection;

use super::connection::{Connection, in_time, roll_back};
use super::{failed, is_answer, reads};
use crate::store::{Reply, Request, Store};

/// Reads from a PostgreSQL database what a [`PostgresStore`](super::PostgresStore) has committed. Everything else fails.
#[derive(Debug)]
pub struct PostgresReader {
    connection: Connection,
}

impl Store for PostgresReader {
    async fn commit(&mut self, batch: Vec<Request>) -> Vec<Reply> {
        let is_worth_another_try = match self.read(&batch).await {
            Ok(replies) => return replies,
            Err(None) => false,
            Err(Some(error)) => {
                tracing::error!(requests = batch.len(), "the database failed: {error}");
                is_answer(&error)
            }
        };
        let mut replies = Vec::with_capacity(batch.len());
        for request in &batch {
            // What is damaged may be in the way of a few only.
            let alone = slice::from_ref(request);
            match is_worth_another_try {
                true => replies.extend(self.read(alone).await.unwrap_or_else(|_| failed(alone))),
                false => replies.extend(failed(alone)),
            }
        }
        replies
    }
}

impl PostgresReader {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Ends the connection.
    pub async fn close(self) {
        self.connection.close().await;
    }

    /// Without an error, where there is no connection.
    async fn read(&mut self, batch: &[Request]) -> Result<Vec<Reply>, Option<Error>> {
        let Some((mut connection, _)) = self.connection.take().await else { return Err(None) };
        let read = in_time(read(&mut connection, batch)).await;
        match &read {
            Ok(_) => self.connection.give_back(connection),
            Err(error) if is_answer(error) && roll_back(&mut connection).await => self.connection.give_back(connection),
            // It is dropped.
            Err(_) => {}
        }
        read.map_err(Some)
    }
}

/// Not a transaction: each request is in one statement, which sees one state of the database.
async fn read(connection: &mut PgConnection, batch: &[Request]) -> Result<Vec<Reply>> {
    let works: Vec<_> = batch.iter().map(|request| &request.work).enumerate().collect();
    let mut outcomes = reads::read(connection, &works).await?;
    outcomes.sort_unstable_by_key(|&(place, _)| place);
    let replies = batch.iter().zip(outcomes);
    Ok(replies.map(|(request, (_, outcome))| Reply { ticket: request.ticket, outcome }).collect())
}
