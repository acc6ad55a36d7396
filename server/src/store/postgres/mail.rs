//! Messages of many users in a few statements: the [`Ledger`] works out what comes of a batch, and only that goes to the database.

use sqlx::error::Result;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::query;

use super::rows::{count, uin, uins, unsigned};
use crate::store::ledger::{Counted, Counts, Ledger};
use crate::store::{Message, MessageId, Outcome, Work};

/// Stores and deletes messages, as if one after the other, within the transaction that is open; `stored` gets the numbers of those that are
/// new. With an error the transaction is to be taken back.
pub(super) async fn perform(
    connection: &mut PgConnection,
    counts: &mut Counts,
    works: &[(usize, &Work)],
    stored: &mut Vec<i64>,
) -> Result<Vec<(usize, Outcome)>> {
    load_mailboxes(connection, counts, works).await?;
    load_pairs(connection, counts, works).await?;
    load_days(connection, counts, works).await?;
    let kept = load_kept(connection, counts.named(works)).await?;
    let mut ledger = Ledger::new(counts, kept);
    let outcomes = works.iter().map(|&(place, work)| (place, ledger.perform(work))).collect();
    let Ledger { new, deleted, .. } = ledger;
    if !deleted.is_empty() {
        query("DELETE FROM messages WHERE id = ANY($1)").bind(deleted).execute(&mut *connection).await?;
    }
    if !new.is_empty() {
        stored.extend(new.keys());
        let new: Vec<_> = new.into_iter().collect();
        insert(connection, &new).await?;
    }
    Ok(outcomes)
}

async fn load_mailboxes(connection: &mut PgConnection, counts: &mut Counts, works: &[(usize, &Work)]) -> Result<()> {
    let recipients = counts.unknown_mailboxes(works);
    if recipients.is_empty() {
        return Ok(());
    }
    let sql = "SELECT uin, count(id) AS messages, coalesce(sum(octet_length(text)), 0)::bigint AS bytes \
               FROM users LEFT JOIN messages ON recipient = uin WHERE uin = ANY($1) GROUP BY uin";
    for row in query(sql).bind(uins(recipients)).fetch_all(connection).await? {
        counts.learn_mailbox(uin(&row, "uin")?, unsigned(&row, "messages")?, unsigned(&row, "bytes")?);
    }
    Ok(())
}

async fn load_pairs(connection: &mut PgConnection, counts: &mut Counts, works: &[(usize, &Work)]) -> Result<()> {
    let recipients = counts.unknown_pairs(works);
    if recipients.is_empty() {
        return Ok(());
    }
    let sql = "SELECT recipient, sender, count(*) AS messages FROM messages WHERE recipient = ANY($1) \
               GROUP BY recipient, sender";
    for row in query(sql).bind(uins(recipients)).fetch_all(connection).await? {
        counts.learn_pair(uin(&row, "recipient")?, uin(&row, "sender")?, unsigned(&row, "messages")?);
    }
    Ok(())
}

async fn load_days(connection: &mut PgConnection, counts: &mut Counts, works: &[(usize, &Work)]) -> Result<()> {
    for (day, ids) in counts.unknown_days(works) {
        let sql = "SELECT sender, count(*) AS messages FROM messages WHERE id BETWEEN $1 AND $2 GROUP BY sender";
        for row in query(sql).bind(ids.start()).bind(ids.end()).fetch_all(&mut *connection).await? {
            counts.learn_sender(day, uin(&row, "sender")?, unsigned(&row, "messages")?);
        }
    }
    Ok(())
}

fn counted(row: &PgRow) -> Result<Counted> {
    let (recipient, sender) = (uin(row, "recipient")?, uin(row, "sender")?);
    Ok(Counted { id: unsigned(row, "id")?, recipient, sender, bytes: unsigned(row, "bytes")? })
}

/// Forgets the oldest messages, within the transaction that is open.
pub(super) async fn expire(
    connection: &mut PgConnection,
    counts: &mut Counts,
    before: MessageId,
    limit: usize,
) -> Result<Outcome> {
    // No message has a number beyond what fits.
    let before = i64::try_from(before.0).unwrap_or(i64::MAX);
    let sql = "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE id < $1 ORDER BY id LIMIT $2) \
               RETURNING id, recipient, sender, octet_length(text)::bigint AS bytes";
    let rows = query(sql).bind(before).bind(count(limit)).fetch_all(connection).await?;
    for row in &rows {
        counts.uncount(counted(row)?);
    }
    Ok(Outcome::Count(rows.len() as u64))
}

/// Those of some messages that lie in the database.
async fn load_kept(connection: &mut PgConnection, ids: Vec<i64>) -> Result<Vec<Counted>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT id, recipient, sender, octet_length(text)::bigint AS bytes FROM messages WHERE id = ANY($1)";
    query(sql).bind(ids).fetch_all(connection).await?.iter().map(counted).collect()
}

/// Inserts messages with their numbers and times, by rising number, a column an array.
async fn insert(connection: &mut PgConnection, messages: &[(i64, (i64, &Message))]) -> Result<()> {
    let of = |column: fn(&Message) -> i64| messages.iter().map(|(_, (_, message))| column(message)).collect::<Vec<_>>();
    let kinds: Vec<i16> = messages.iter().map(|(_, (_, message))| message.kind.0.into()).collect();
    let charsets: Vec<&str> = messages.iter().map(|(_, (_, message))| message.charset.label()).collect();
    let texts: Vec<&[u8]> = messages.iter().map(|(_, (_, message))| &*message.text).collect();
    let sql = "INSERT INTO messages (id, recipient, sender, kind, time, charset, text) \
               SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::bigint[], $6::text[], $7::bytea[])";
    let insert = query(sql)
        .bind(messages.iter().map(|&(id, _)| id).collect::<Vec<_>>())
        .bind(of(|message| message.to.0.into()))
        .bind(of(|message| message.from.0.into()))
        .bind(kinds)
        .bind(messages.iter().map(|&(_, (time, _))| time).collect::<Vec<_>>())
        .bind(charsets)
        .bind(texts);
    insert.execute(connection).await?;
    Ok(())
}
