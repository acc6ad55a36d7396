//! Messages of many users in a few statements: the [`Ledger`] works out what comes of a batch, and only that goes to the database.

use std::collections::HashMap;
use std::sync::LazyLock;

use myicq_wire::Uin;
use sqlx::error::Result;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row, query};

use super::reads::{json, numbers};
use crate::store::ledger::{Counts, Ledger};
use crate::store::{Message, Outcome, Work};

/// Rows that one statement inserts: as many as there are, in a few lengths, so that each is prepared once.
const INSERT_LENGTHS: [usize; 4] = [128, 32, 8, 1];

static INSERTS: LazyLock<[(usize, String); INSERT_LENGTHS.len()]> = LazyLock::new(|| {
    INSERT_LENGTHS.map(|rows| {
        let values = vec!["(?, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
        // A row that is refused ends the transaction: SQLite need not remember what the statement has done so far.
        let table = "messages (id, recipient, sender, kind, time, charset, text)";
        (rows, format!("INSERT OR ROLLBACK INTO {table} VALUES {values}"))
    })
});

/// Stores and deletes messages, as if one after the other, within the transaction that is open. With an error, which is the
/// database's, the transaction is to be taken back.
pub(super) async fn perform(
    connection: &mut SqliteConnection,
    counts: &mut Counts,
    works: &[(usize, &Work)],
) -> Result<Vec<(usize, Outcome)>> {
    load_mailboxes(connection, counts, works).await?;
    load_pairs(connection, counts, works).await?;
    let kept = load_kept(connection, counts.named(works)).await?;
    let mut ledger = Ledger::new(counts, kept);
    let outcomes = works.iter().map(|&(place, work)| (place, ledger.perform(work))).collect();
    let Ledger { new, deleted, .. } = ledger;
    if !deleted.is_empty() {
        let sql = "DELETE FROM messages WHERE id IN (SELECT value FROM json_each(?))";
        query(sql).bind(json(deleted)).execute(&mut *connection).await?;
    }
    let new: Vec<_> = new.into_iter().collect();
    insert(connection, &new).await?;
    Ok(outcomes)
}

async fn load_mailboxes(
    connection: &mut SqliteConnection,
    counts: &mut Counts,
    works: &[(usize, &Work)],
) -> Result<()> {
    let recipients = counts.unknown_mailboxes(works);
    if recipients.is_empty() {
        return Ok(());
    }
    let sql = "SELECT uin, (SELECT count(*) FROM messages WHERE recipient = uin) \
               FROM json_each(?) CROSS JOIN users ON uin = value";
    let recipients = json(recipients.into_iter().map(|uin| uin.0));
    for row in query(sql).bind(recipients).fetch_all(connection).await? {
        counts.learn_mailbox(Uin(row.try_get(0)?), row.try_get(1)?);
    }
    Ok(())
}

async fn load_pairs(connection: &mut SqliteConnection, counts: &mut Counts, works: &[(usize, &Work)]) -> Result<()> {
    let recipients = counts.unknown_pairs(works);
    if recipients.is_empty() {
        return Ok(());
    }
    let sql = "SELECT value, (SELECT json_group_array(sender) FROM messages WHERE recipient = value) FROM json_each(?)";
    let recipients = json(recipients.into_iter().map(|uin| uin.0));
    for row in query(sql).bind(recipients).fetch_all(connection).await? {
        let recipient = Uin(row.try_get(0)?);
        for sender in numbers(&row, 1)? {
            counts.learn_pair(recipient, Uin(sender), 1);
        }
    }
    Ok(())
}

/// Those of some messages that lie in the database, with their recipients and senders.
async fn load_kept(connection: &mut SqliteConnection, ids: Vec<i64>) -> Result<HashMap<i64, (Uin, Uin)>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    // One row for all: each would cost as much as the look-up.
    let sql = "SELECT json_group_array(json_array(id, recipient, sender)) FROM messages WHERE id IN (SELECT value FROM json_each(?))";
    let row = query(sql).bind(json(ids)).fetch_one(connection).await?;
    let kept = numbers::<(i64, u32, u32)>(&row, 0)?.into_iter();
    Ok(kept.map(|(id, recipient, sender)| (id, (Uin(recipient), Uin(sender)))).collect())
}

/// Inserts messages with their numbers and times, by rising number: the table grows at its end.
async fn insert(connection: &mut SqliteConnection, mut messages: &[(i64, (i64, &Message))]) -> Result<()> {
    for (length, sql) in &*INSERTS {
        while let Some((rows, rest)) = messages.split_at_checked(*length) {
            let mut insert = query(AssertSqlSafe(sql.as_str()));
            for &(id, (time, message)) in rows {
                insert = insert
                    .bind(id)
                    .bind(message.to.0)
                    .bind(message.from.0)
                    .bind(message.kind.0)
                    .bind(time)
                    .bind(message.charset.label())
                    .bind(&*message.text);
            }
            insert.execute(&mut *connection).await?;
            messages = rest;
        }
    }
    Ok(())
}
