//! Messages of many users in a few statements: the [`Ledger`] works out what comes of a batch, and only that goes to the database.

use std::sync::LazyLock;

use myicq_wire::Uin;
use sqlx::error::Result;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row, query};

use super::reads::{from_json, json};
use super::work::{Done, count};
use crate::store::ledger::{Counted, Counts, Ledger};
use crate::store::{Message, MessageId, Outcome, Work};

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
    load_days(connection, counts, works).await?;
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
    let sql = "SELECT uin, (SELECT json_array(count(*), coalesce(sum(length(text)), 0)) FROM messages \
               WHERE recipient = uin) FROM json_each(?) CROSS JOIN users ON uin = value";
    let recipients = json(recipients.into_iter().map(|uin| uin.0));
    for row in query(sql).bind(recipients).fetch_all(connection).await? {
        let (messages, bytes) = from_json(&row, 1)?;
        counts.learn_mailbox(Uin(row.try_get(0)?), messages, bytes);
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
        for sender in from_json::<Vec<u32>>(&row, 1)? {
            counts.learn_pair(recipient, Uin(sender), 1);
        }
    }
    Ok(())
}

async fn load_days(connection: &mut SqliteConnection, counts: &mut Counts, works: &[(usize, &Work)]) -> Result<()> {
    for (day, ids) in counts.unknown_days(works) {
        let sql = "SELECT sender, count(*) FROM messages WHERE id BETWEEN ? AND ? GROUP BY sender";
        for row in query(sql).bind(ids.start()).bind(ids.end()).fetch_all(&mut *connection).await? {
            counts.learn_sender(day, Uin(row.try_get(0)?), row.try_get(1)?);
        }
    }
    Ok(())
}

/// A row of number, recipient, sender and bytes.
fn counted((id, recipient, sender, bytes): (i64, u32, u32, usize)) -> Counted {
    Counted { id, recipient: Uin(recipient), sender: Uin(sender), bytes }
}

/// Forgets the oldest messages, within the transaction that is open.
pub(super) async fn expire(
    connection: &mut SqliteConnection,
    counts: &mut Counts,
    before: MessageId,
    limit: usize,
) -> Done {
    // No message has a number beyond what fits.
    let before = i64::try_from(before.0).unwrap_or(i64::MAX);
    let sql = "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE id < ? ORDER BY id LIMIT ?) \
               RETURNING json_array(id, recipient, sender, length(text))";
    let rows = query(sql).bind(before).bind(count(limit)).fetch_all(connection).await?;
    for row in &rows {
        counts.uncount(counted(from_json(row, 0)?));
    }
    Ok(Outcome::Count(rows.len() as u64))
}

/// Those of some messages that lie in the database.
async fn load_kept(connection: &mut SqliteConnection, ids: Vec<i64>) -> Result<Vec<Counted>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    // One row for all: each would cost as much as the look-up.
    let sql = "SELECT json_group_array(json_array(id, recipient, sender, length(text))) FROM messages \
               WHERE id IN (SELECT value FROM json_each(?))";
    let row = query(sql).bind(json(ids)).fetch_one(connection).await?;
    Ok(from_json::<Vec<_>>(&row, 0)?.into_iter().map(counted).collect())
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
