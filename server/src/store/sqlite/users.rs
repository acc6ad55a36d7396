//! How users come and go, and what the administrator does with them, within the transaction that is open.

use myicq_wire::{Uin, UnixTime};
use sqlx::error::{ErrorKind, Result};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, query, query_scalar};

use super::work::Done;
use crate::store::{CHOSEN_UIN_MAX, NotCreated, Outcome, UserSummary};

/// AUTOINCREMENT goes on behind it.
pub(super) async fn reserve(connection: &mut SqliteConnection) -> Done {
    let sql = "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'users' AND seq < ? RETURNING seq";
    let next: Option<u32> = query_scalar(sql).bind(u32::MAX).fetch_optional(connection).await?;
    Ok(next.map_or(Outcome::Failed, |uin| Outcome::Reserved(Uin(uin))))
}

pub(super) async fn create(connection: &mut SqliteConnection, uin: Uin, password_hash: &str) -> Done {
    insert(connection, Some(uin), "", password_hash).await
}

pub(super) async fn add(connection: &mut SqliteConnection, uin: Option<Uin>, nick: &str, password_hash: &str) -> Done {
    if uin.is_some_and(|uin| !(Uin(1)..=CHOSEN_UIN_MAX).contains(&uin)) {
        return Ok(Outcome::NotCreated(NotCreated::NotAllowed));
    }
    insert(connection, uin, nick, password_hash).await
}

async fn insert(connection: &mut SqliteConnection, uin: Option<Uin>, nick: &str, password_hash: &str) -> Done {
    let sql = "INSERT INTO users (uin, nick, password_hash, last_broadcast) \
               VALUES (?, ?, ?, (SELECT coalesce(max(id), 0) FROM broadcasts)) RETURNING uin";
    let inserted =
        query_scalar(sql).bind(uin.map(|uin| uin.0)).bind(nick).bind(password_hash).fetch_one(connection).await;
    match inserted {
        Ok(uin) => Ok(Outcome::Created(Uin(uin))),
        Err(sqlx::Error::Database(error)) if error.kind() == ErrorKind::UniqueViolation => {
            Ok(Outcome::NotCreated(NotCreated::Taken))
        }
        Err(error) => Err(error.into()),
    }
}

/// The outer error is the database's; the inner one is about what lies in it.
pub(super) async fn list(connection: &mut SqliteConnection, after: Uin, limit: usize) -> Result<Result<Outcome>> {
    let sql = "SELECT uin, nick, created_at, (SELECT count(*) FROM contacts WHERE owner = uin) AS contacts, \
               (SELECT count(*) FROM messages WHERE recipient = uin) AS messages \
               FROM users WHERE uin > ? ORDER BY uin LIMIT ?";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query(sql).bind(after.0).bind(limit).fetch_all(connection).await?;
    Ok(rows.iter().map(summary).collect::<Result<_>>().map(Outcome::Users))
}

pub(super) async fn set_password(connection: &mut SqliteConnection, uin: Uin, password_hash: &str) -> Done {
    let set = query("UPDATE users SET password_hash = ? WHERE uin = ?").bind(password_hash).bind(uin.0);
    Ok(Outcome::Found(set.execute(connection).await?.rows_affected() > 0))
}

/// References and a trigger take what is his with him.
pub(super) async fn remove(connection: &mut SqliteConnection, uin: Uin) -> Done {
    let count = query_scalar("SELECT count(*) FROM messages WHERE recipient = ?").bind(uin.0);
    let messages: i64 = count.fetch_one(&mut *connection).await?;
    let remove = query("DELETE FROM users WHERE uin = ?").bind(uin.0);
    let is_removed = remove.execute(connection).await?.rows_affected() > 0;
    Ok(Outcome::Removed(is_removed.then_some(messages.cast_unsigned())))
}

fn summary(row: &SqliteRow) -> Result<UserSummary> {
    let seconds: i64 = row.try_get("created_at")?;
    Ok(UserSummary {
        uin: Uin(row.try_get("uin")?),
        nick: row.try_get("nick")?,
        created: UnixTime(seconds.cast_unsigned().saturating_mul(1_000_000)),
        contacts: row.try_get("contacts")?,
        messages: row.try_get("messages")?,
    })
}
