//! Messages of many users in a few statements: the [`Ledger`] works out what comes of a batch, and only that goes to the database.

use std::collections::HashMap;

use myicq_wire::Uin;
use sqlx::error::Result;
use sqlx::postgres::PgConnection;
use sqlx::query;

use super::rows::{uin, uins, unsigned};
use crate::store::ledger::{Counts, Ledger};
use crate::store::{Message, Outcome, Work};

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
    let sql = "SELECT uin, (SELECT count(*) FROM messages WHERE recipient = uin) AS messages \
               FROM users WHERE uin = ANY($1)";
    for row in query(sql).bind(uins(recipients)).fetch_all(connection).await? {
        counts.learn_mailbox(uin(&row, "uin")?, unsigned(&row, "messages")?);
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

/// Those of some messages that lie in the database, with their recipients and senders.
async fn load_kept(connection: &mut PgConnection, ids: Vec<i64>) -> Result<HashMap<i64, (Uin, Uin)>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "SELECT id, recipient, sender FROM messages WHERE id = ANY($1)";
    let rows = query(sql).bind(ids).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((unsigned(row, "id")?, (uin(row, "recipient")?, uin(row, "sender")?)))).collect()
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
