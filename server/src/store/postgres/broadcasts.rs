//! What is said to everybody, as SQL.

use myicq_wire::UnixTime;
use sqlx::error::Result;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{query, query_scalar};

use super::rows::{count, escaped, id, or_failed, text, unsigned};
use crate::store::{Broadcast, Outcome, Work};

/// Does one request about broadcasts.
pub(super) async fn perform(connection: &mut PgConnection, work: &Work) -> Result<Outcome> {
    match work {
        Work::StoreBroadcast { broadcast, expired, max } => store(connection, broadcast, *expired, *max).await,
        Work::LoadBroadcasts { limit } => {
            let sql = "SELECT id, time, text FROM broadcasts ORDER BY id DESC LIMIT $1";
            let rows = query(sql).bind(count(*limit)).fetch_all(connection).await?;
            let broadcasts: Result<Vec<_>> = rows.iter().rev().map(broadcast).collect();
            Ok(or_failed(broadcasts.map(Outcome::Broadcasts)))
        }
        Work::ReadBroadcast { uin, id } => {
            let Ok(id) = i64::try_from(id.0) else { return Ok(Outcome::Failed) };
            let sql = "UPDATE users SET last_broadcast = $1 WHERE uin = $2 AND last_broadcast < $1";
            query(sql).bind(id).bind(i64::from(uin.0)).execute(connection).await?;
            Ok(Outcome::Done)
        }
        _ => Ok(Outcome::Failed),
    }
}

async fn store(connection: &mut PgConnection, broadcast: &Broadcast, expired: UnixTime, max: usize) -> Result<Outcome> {
    let numbers = [broadcast.id.0, broadcast.time.0, expired.0].map(i64::try_from);
    let [Ok(id), Ok(time), Ok(expired)] = numbers else { return Ok(Outcome::Failed) };
    let newest: i64 = query_scalar("SELECT coalesce(max(id), 0) FROM broadcasts").fetch_one(&mut *connection).await?;
    if id <= newest {
        return Ok(Outcome::Failed);
    }
    let insert = query("INSERT INTO broadcasts (id, time, text) VALUES ($1, $2, $3)");
    insert.bind(id).bind(time).bind(escaped(&broadcast.text)).execute(&mut *connection).await?;
    let forget = query(
        "DELETE FROM broadcasts WHERE time <= $1 \
         OR id <= (SELECT id FROM broadcasts WHERE time > $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
    );
    forget.bind(expired).bind(count(max)).execute(connection).await?;
    Ok(Outcome::Done)
}

fn broadcast(row: &PgRow) -> Result<Broadcast> {
    Ok(Broadcast { id: id(row, "id")?, time: UnixTime(unsigned(row, "time")?), text: text(row, "text")? })
}
