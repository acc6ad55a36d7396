//! How users come and go, and what the administrator does with them, within the transaction that is open.

use myicq_wire::{Uin, UnixTime};
use sqlx::error::Result;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{query, query_scalar};

use super::rows::{count, escaped, or_failed, text, uin, unsigned};
use crate::store::{CHOSEN_UIN_MAX, NotCreated, Outcome, UserSummary};

/// Takes the number that follows the highest that there was.
pub(super) async fn reserve(connection: &mut PgConnection) -> Result<Outcome> {
    let sql = "UPDATE numbers SET last_uin = last_uin + 1 WHERE last_uin < 4294967295 RETURNING last_uin AS uin";
    let taken = query(sql).fetch_optional(connection).await?;
    taken.map_or(Ok(Outcome::Failed), |row| uin(&row, "uin").map(Outcome::Reserved))
}

/// Makes a user with the number that follows the highest that there was. Nothing, if that was the last one.
async fn create_next(connection: &mut PgConnection, nick: &str, password_hash: &str) -> Result<Option<Uin>> {
    let sql = "WITH next AS (UPDATE numbers SET last_uin = last_uin + 1 WHERE last_uin < 4294967295 RETURNING last_uin) \
               INSERT INTO users (uin, nick, password_hash, last_broadcast) \
               SELECT last_uin, $1, $2, (SELECT coalesce(max(id), 0) FROM broadcasts) FROM next RETURNING uin";
    let made = query(sql).bind(escaped(nick)).bind(escaped(password_hash)).fetch_optional(connection).await?;
    made.map(|row| uin(&row, "uin")).transpose()
}

pub(super) async fn add(
    connection: &mut PgConnection,
    chosen: Option<Uin>,
    nick: &str,
    password_hash: &str,
) -> Result<Outcome> {
    let Some(chosen) = chosen else {
        return Ok(create_next(connection, nick, password_hash).await?.map_or(Outcome::Failed, Outcome::Created));
    };
    if !(Uin(1)..=CHOSEN_UIN_MAX).contains(&chosen) {
        return Ok(Outcome::NotCreated(NotCreated::NotAllowed));
    }
    create(connection, chosen, nick, password_hash).await
}

/// Makes a user with this number, if nobody has it.
pub(super) async fn create(
    connection: &mut PgConnection,
    chosen: Uin,
    nick: &str,
    password_hash: &str,
) -> Result<Outcome> {
    let sql = "WITH made AS (INSERT INTO users (uin, nick, password_hash, last_broadcast) \
               VALUES ($1, $2, $3, (SELECT coalesce(max(id), 0) FROM broadcasts)) ON CONFLICT (uin) DO NOTHING RETURNING uin), \
               raised AS (UPDATE numbers SET last_uin = made.uin FROM made WHERE last_uin < made.uin) \
               SELECT uin FROM made";
    let insert = query(sql).bind(i64::from(chosen.0)).bind(escaped(nick)).bind(escaped(password_hash));
    let made = insert.fetch_optional(connection).await?;
    Ok(made.map_or(Outcome::NotCreated(NotCreated::Taken), |_| Outcome::Created(chosen)))
}

/// What lies there and cannot be understood fails alone; an error is the database's.
pub(super) async fn list(connection: &mut PgConnection, after: Uin, limit: usize) -> Result<Outcome> {
    let sql = "SELECT uin, nick, created_at, (SELECT count(*) FROM contacts WHERE owner = uin) AS contacts, \
               (SELECT count(*) FROM messages WHERE recipient = uin) AS messages \
               FROM users WHERE uin > $1 ORDER BY uin LIMIT $2";
    let rows = query(sql).bind(i64::from(after.0)).bind(count(limit)).fetch_all(connection).await?;
    Ok(or_failed(rows.iter().map(summary).collect::<Result<_>>().map(Outcome::Users)))
}

pub(super) async fn set_password(connection: &mut PgConnection, uin: Uin, password_hash: &str) -> Result<Outcome> {
    let set = query("UPDATE users SET password_hash = $1 WHERE uin = $2");
    let set = set.bind(escaped(password_hash)).bind(i64::from(uin.0)).execute(connection).await?;
    Ok(Outcome::Found(set.rows_affected() > 0))
}

/// References take the rest of what is his with him.
pub(super) async fn remove(connection: &mut PgConnection, uin: Uin) -> Result<Outcome> {
    let uin = i64::from(uin.0);
    let messages = query("DELETE FROM messages WHERE recipient = $1").bind(uin).execute(&mut *connection).await?;
    let removed: Option<i64> =
        query_scalar("DELETE FROM users WHERE uin = $1 RETURNING uin").bind(uin).fetch_optional(connection).await?;
    Ok(Outcome::Removed(removed.map(|_| messages.rows_affected())))
}

fn summary(row: &PgRow) -> Result<UserSummary> {
    let seconds: u64 = unsigned(row, "created_at")?;
    Ok(UserSummary {
        uin: uin(row, "uin")?,
        nick: text(row, "nick")?,
        created: UnixTime(seconds.saturating_mul(1_000_000)),
        contacts: unsigned(row, "contacts")?,
        messages: unsigned(row, "messages")?,
    })
}
