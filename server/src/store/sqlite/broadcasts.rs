//! What is said to everybody, as SQL.

use myicq_wire::UnixTime;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, query, query_scalar};

use super::work::{Fault, count};
use crate::store::{Broadcast, MessageId, Outcome, Work};

/// Does one request about broadcasts, whole or not at all.
pub(super) async fn perform(connection: &mut SqliteConnection, work: &Work) -> Result<Outcome, Fault> {
    match work {
        Work::StoreBroadcast { broadcast, expired, max } => store(connection, broadcast, *expired, *max).await,
        Work::LoadBroadcasts { limit } => {
            let sql = "SELECT id, time, text FROM broadcasts ORDER BY id DESC LIMIT ?";
            let rows = query(sql).bind(count(*limit)).fetch_all(connection).await?;
            let broadcasts: Result<Vec<_>, sqlx::Error> = rows.iter().rev().map(broadcast).collect();
            Ok(Outcome::Broadcasts(broadcasts?))
        }
        Work::ReadBroadcast { uin, id } => {
            let Ok(id) = i64::try_from(id.0) else { return Ok(Outcome::Failed) };
            let sql = "UPDATE users SET last_broadcast = ?1 WHERE uin = ?2 AND last_broadcast < ?1";
            query(sql).bind(id).bind(uin.0).execute(connection).await?;
            Ok(Outcome::Done)
        }
        _ => Ok(Outcome::Failed),
    }
}

async fn store(
    connection: &mut SqliteConnection,
    broadcast: &Broadcast,
    expired: UnixTime,
    max: usize,
) -> Result<Outcome, Fault> {
    let numbers = [broadcast.id.0, broadcast.time.0, expired.0].map(i64::try_from);
    let [Ok(id), Ok(time), Ok(expired)] = numbers else { return Ok(Outcome::Failed) };
    let newest: i64 = query_scalar("SELECT coalesce(max(id), 0) FROM broadcasts").fetch_one(&mut *connection).await?;
    if id <= newest {
        return Ok(Outcome::Failed);
    }
    let insert = query("INSERT INTO broadcasts (id, time, text) VALUES (?, ?, ?)");
    insert.bind(id).bind(time).bind(&*broadcast.text).execute(&mut *connection).await?;
    let forget = query(
        "DELETE FROM broadcasts WHERE time <= ?1 OR id <= (SELECT id FROM broadcasts WHERE time > ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
    );
    forget.bind(expired).bind(count(max)).execute(connection).await?;
    Ok(Outcome::Done)
}

fn broadcast(row: &SqliteRow) -> Result<Broadcast, sqlx::Error> {
    let (id, time) = (row.try_get::<i64, _>(0)?.cast_unsigned(), row.try_get::<i64, _>(1)?.cast_unsigned());
    Ok(Broadcast { id: MessageId(id), time: UnixTime(time), text: row.try_get(2)? })
}
