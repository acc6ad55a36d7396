//! What is read, for many users in one statement: a statement costs a hop to the thread of the connection and back.
//!
//! What is asked for goes in as one JSON text: a statement for a list of each length would have to be prepared anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use myicq_wire::charset::Charset;
use myicq_wire::{Authorization, Face, MessageKind, Uin, UnixTime};
use serde_json::Value;
use sqlx::error::{Error, Result};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, query, query_scalar};

use super::users;
use crate::store::{Card, Message, MessageId, Outcome, Profile, Work};

/// Something with its place in a batch.
type Placed<T> = (usize, T);

/// Which of a user's messages are asked for.
struct Page {
    recipient: Uin,
    after: MessageId,
    limit: usize,
}

/// Does reads. What lies there and cannot be understood fails alone; an error is the database's.
pub(super) async fn read(connection: &mut SqliteConnection, works: &[Placed<&Work>]) -> Result<Vec<Placed<Outcome>>> {
    let (mut accounts, mut profiles, mut contacts, mut pages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut readers = Vec::new();
    let mut outcomes = Vec::with_capacity(works.len());
    for &(place, work) in works {
        match *work {
            Work::LoadAccount { uin } => accounts.push((place, uin)),
            Work::LoadProfile { uin } => profiles.push((place, uin)),
            Work::LoadContacts { uin } => contacts.push((place, uin)),
            Work::LoadLastBroadcast { uin } => readers.push((place, uin)),
            Work::LoadCards { .. } | Work::SearchUsers { .. } => {
                outcomes.push((place, search(connection, work).await?));
            }
            Work::LoadMessages { recipient, after, limit } => pages.push((place, Page { recipient, after, limit })),
            Work::ListUsers { after, limit } => {
                outcomes.push((place, or_failed(users::list(connection, after, limit).await?)));
            }
            Work::CountMessages => outcomes.push((place, count_messages(connection).await?)),
            _ => outcomes.push((place, Outcome::Failed)),
        }
    }
    let sql = "SELECT uin, password_hash FROM json_each(?) CROSS JOIN users ON uin = value";
    outcomes.extend(read_users(connection, sql, &accounts, account).await?);
    let sql = "SELECT users.* FROM json_each(?) CROSS JOIN users ON uin = value";
    outcomes.extend(read_users(connection, sql, &profiles, profile).await?);
    let sql = "SELECT value, (SELECT json_group_array(contact) FROM contacts WHERE owner = value) FROM json_each(?)";
    outcomes.extend(read_users(connection, sql, &contacts, contact_list).await?);
    let sql = "SELECT uin, last_broadcast FROM json_each(?) CROSS JOIN users ON uin = value";
    outcomes.extend(read_users(connection, sql, &readers, last_broadcast).await?);
    outcomes.extend(read_pages(connection, &pages).await?);
    Ok(outcomes)
}

async fn count_messages(connection: &mut SqliteConnection) -> Result<Outcome> {
    let count: i64 = query_scalar("SELECT count(*) FROM messages").fetch_one(connection).await?;
    Ok(Outcome::Count(count.cast_unsigned()))
}

/// What goes into a statement as one parameter.
pub(super) fn json<T: Into<Value>>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().collect::<Value>().to_string()
}

/// Something of each user, from a statement whose rows begin with his number.
async fn read_users(
    connection: &mut SqliteConnection,
    sql: &'static str,
    users: &[Placed<Uin>],
    outcome: impl Fn(Option<&SqliteRow>) -> Result<Outcome>,
) -> Result<Vec<Placed<Outcome>>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let uins = json(users.iter().map(|(_, uin)| uin.0));
    let mut rows = HashMap::with_capacity(users.len());
    for row in query(sql).bind(uins).fetch_all(connection).await? {
        rows.insert(row.try_get(0).map(Uin)?, row);
    }
    Ok(users.iter().map(|&(place, uin)| (place, or_failed(outcome(rows.get(&uin))))).collect())
}

fn or_failed(outcome: Result<Outcome>) -> Outcome {
    outcome.unwrap_or_else(|error| {
        tracing::error!("the database holds what cannot be understood: {error}");
        Outcome::Failed
    })
}

fn account(row: Option<&SqliteRow>) -> Result<Outcome> {
    Ok(Outcome::Account(row.map(|row| row.try_get(1)).transpose()?))
}

fn last_broadcast(row: Option<&SqliteRow>) -> Result<Outcome> {
    let id: i64 = row.map_or(Ok(0), |row| row.try_get(1))?;
    Ok(Outcome::LastBroadcast(MessageId(id.cast_unsigned())))
}

fn profile(row: Option<&SqliteRow>) -> Result<Outcome> {
    let Some(row) = row else { return Ok(Outcome::Profile(None)) };
    let profile = Profile {
        face: Face(row.try_get("face")?),
        nick: row.try_get("nick")?,
        age: row.try_get("age")?,
        gender: row.try_get("gender")?,
        country: row.try_get("country")?,
        province: row.try_get("province")?,
        city: row.try_get("city")?,
        email: row.try_get("email")?,
        address: row.try_get("address")?,
        zipcode: row.try_get("zipcode")?,
        tel: row.try_get("tel")?,
        name: row.try_get("name")?,
        blood: row.try_get("blood")?,
        college: row.try_get("college")?,
        occupation: row.try_get("occupation")?,
        homepage: row.try_get("homepage")?,
        intro: row.try_get("intro")?,
        auth: Authorization(row.try_get("auth")?),
    };
    Ok(Outcome::Profile(Some(Arc::new(profile))))
}

/// Users by nick; by address; by both. Each names the condition of its index, and nothing else that has one.
const BY_NICK: &str = "SELECT uin, face, nick, province FROM users WHERE nick = ? COLLATE NOCASE AND nick <> '' \
                       AND uin > ? ORDER BY uin LIMIT ?";
const BY_EMAIL: &str = "SELECT uin, face, nick, province FROM users WHERE email = ? COLLATE NOCASE AND email <> '' \
                        AND uin > ? ORDER BY uin LIMIT ?";
const BY_BOTH: &str = "SELECT uin, face, nick, province FROM users WHERE email = ? COLLATE NOCASE AND email <> '' \
                       AND +nick = ? COLLATE NOCASE AND uin > ? ORDER BY uin LIMIT ?";

/// What lists show of users. Each search is a statement of its own: there are few.
pub(super) async fn search(connection: &mut SqliteConnection, work: &Work) -> Result<Outcome> {
    let found = match work {
        Work::LoadCards { uins } => {
            let sql = "SELECT DISTINCT uin, face, nick, province FROM json_each(?) CROSS JOIN users ON uin = value ORDER BY uin";
            query(sql).bind(json(uins.iter().map(|uin| uin.0)))
        }
        Work::SearchUsers { nick, email, after, limit } => {
            let words = match (nick.is_empty(), email.is_empty()) {
                (true, true) => return Ok(Outcome::Cards(Vec::new())),
                (false, true) => query(BY_NICK).bind(nick),
                (true, false) => query(BY_EMAIL).bind(email),
                (false, false) => query(BY_BOTH).bind(email).bind(nick),
            };
            words.bind(after.0).bind(i64::try_from(*limit).unwrap_or(i64::MAX))
        }
        _ => return Ok(Outcome::Failed),
    };
    let cards = found.fetch_all(connection).await?.iter().map(card).collect::<Result<_>>();
    Ok(or_failed(cards.map(Outcome::Cards)))
}

fn card(row: &SqliteRow) -> Result<Card> {
    let uin = Uin(row.try_get(0)?);
    Ok(Card { uin, face: Face(row.try_get(1)?), nick: row.try_get(2)?, province: row.try_get(3)? })
}

fn contact_list(row: Option<&SqliteRow>) -> Result<Outcome> {
    let Some(row) = row else { return Ok(Outcome::Contacts(Vec::new())) };
    let mut contacts: Vec<u32> = from_json(row, 1)?;
    contacts.sort_unstable();
    Ok(Outcome::Contacts(contacts.into_iter().map(Uin).collect()))
}

/// What a column holds as JSON.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(row: &SqliteRow, column: usize) -> Result<T> {
    serde_json::from_str(row.try_get(column)?).map_err(|error| Error::Decode(Box::new(error)))
}

async fn read_pages(connection: &mut SqliteConnection, pages: &[Placed<Page>]) -> Result<Vec<Placed<Outcome>>> {
    // SQLite takes the same limit for all pages of a statement. There are few: most are what a session has room for at its start.
    let mut by_limit: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    for (key, (_, page)) in pages.iter().enumerate() {
        if let Ok(after) = i64::try_from(page.after.0) {
            let asked = [Value::from(key), page.recipient.0.into(), after.into()];
            by_limit.entry(page.limit).or_default().push(asked.into_iter().collect());
        }
    }
    by_limit.remove(&0);
    // The number of a page's last message is looked up first, so that the index of the mailbox is read to there and no further.
    let sql = "SELECT value->>0, message.id, recipient, sender, kind, time, charset, text FROM json_each(?) \
               CROSS JOIN messages AS message ON recipient = value->>1 AND message.id > value->>2 AND message.id <= coalesce( \
               (SELECT id FROM messages WHERE recipient = value->>1 AND id > value->>2 ORDER BY id LIMIT 1 OFFSET ?), \
               9223372036854775807)";
    let mut found: HashMap<u64, Result<Vec<Arc<Message>>>> = HashMap::new();
    for (limit, asked) in by_limit {
        let before_last = i64::try_from(limit - 1).unwrap_or(i64::MAX);
        for row in query(sql).bind(json(asked)).bind(before_last).fetch_all(&mut *connection).await? {
            let page = found.entry(row.try_get(0)?).or_insert_with(|| Ok(Vec::new()));
            match (page.as_mut(), message(&row)) {
                (Ok(messages), Ok(message)) => messages.push(Arc::new(message)),
                (Ok(_), Err(error)) => *page = Err(error),
                (Err(_), _) => {}
            }
        }
    }
    let outcome = |key| {
        let mut messages = found.remove(&key).unwrap_or_else(|| Ok(Vec::new()))?;
        messages.sort_unstable_by_key(|message| message.id);
        Ok(Outcome::Messages(messages))
    };
    let outcomes = (0..).map(outcome).map(or_failed);
    Ok(pages.iter().map(|&(place, _)| place).zip(outcomes).collect())
}

fn message(row: &SqliteRow) -> Result<Message> {
    let charset: Charset = row.try_get::<&str, _>(6)?.parse().map_err(|error| Error::Decode(Box::new(error)))?;
    Ok(Message {
        id: MessageId(row.try_get::<i64, _>(1)?.cast_unsigned()),
        from: Uin(row.try_get(3)?),
        to: Uin(row.try_get(2)?),
        time: UnixTime(row.try_get::<i64, _>(5)?.cast_unsigned()),
        kind: MessageKind(row.try_get(4)?),
        text: row.try_get::<&[u8], _>(7)?.into(),
        charset,
    })
}

#[cfg(test)]
mod tests {
    use sqlx::AssertSqlSafe;

    use super::super::SqliteStore;
    use super::*;

    #[tokio::test]
    async fn a_search_reads_a_page_of_an_index_and_sorts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(folder.path()).await.unwrap();
        for (sql, index) in [(BY_NICK, "users_by_nick"), (BY_EMAIL, "users_by_email"), (BY_BOTH, "users_by_email")] {
            let explain = query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
            let steps = explain.fetch_all(&mut store.connection).await.unwrap();
            let steps: Vec<String> = steps.iter().map(|row| row.get("detail")).collect();
            assert!(steps.len() == 1 && steps[0].contains(index), "{steps:?}");
        }
    }
}
