//! What is read, for many users in one statement: a statement costs a way to the database and back.

use std::collections::HashMap;
use std::sync::Arc;

use myicq_wire::charset::Charset;
use myicq_wire::{Authorization, Face, MessageKind, Uin, UnixTime};
use sqlx::error::{Error, Result};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Row, query, query_scalar};

use super::rows::{byte, count, escaped, id, or_failed, text, uin, uins, unsigned};
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
pub(super) async fn read(connection: &mut PgConnection, works: &[Placed<&Work>]) -> Result<Vec<Placed<Outcome>>> {
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
            Work::ListUsers { after, limit } => outcomes.push((place, users::list(connection, after, limit).await?)),
            Work::CountMessages => {
                let messages: i64 = query_scalar("SELECT count(*) FROM messages").fetch_one(&mut *connection).await?;
                outcomes.push((place, Outcome::Count(messages.cast_unsigned())));
            }
            _ => outcomes.push((place, Outcome::Failed)),
        }
    }
    let sql = "SELECT uin, password_hash FROM users WHERE uin = ANY($1)";
    outcomes.extend(read_users(connection, sql, &accounts, account).await?);
    let sql = "SELECT * FROM users WHERE uin = ANY($1)";
    outcomes.extend(read_users(connection, sql, &profiles, profile).await?);
    let sql = "SELECT owner AS uin, array_agg(contact ORDER BY contact) AS contacts FROM contacts \
               WHERE owner = ANY($1) GROUP BY owner";
    outcomes.extend(read_users(connection, sql, &contacts, contact_list).await?);
    let sql = "SELECT uin, last_broadcast FROM users WHERE uin = ANY($1)";
    outcomes.extend(read_users(connection, sql, &readers, last_broadcast).await?);
    outcomes.extend(read_pages(connection, &pages).await?);
    Ok(outcomes)
}

/// Something of each user, from a statement whose rows have his number as `uin`.
async fn read_users(
    connection: &mut PgConnection,
    sql: &'static str,
    users: &[Placed<Uin>],
    outcome: impl Fn(Option<&PgRow>) -> Result<Outcome>,
) -> Result<Vec<Placed<Outcome>>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = HashMap::with_capacity(users.len());
    for row in query(sql).bind(uins(users.iter().map(|&(_, uin)| uin))).fetch_all(connection).await? {
        rows.insert(uin(&row, "uin")?, row);
    }
    Ok(users.iter().map(|&(place, uin)| (place, or_failed(outcome(rows.get(&uin))))).collect())
}

fn account(row: Option<&PgRow>) -> Result<Outcome> {
    Ok(Outcome::Account(row.map(|row| text(row, "password_hash")).transpose()?))
}

fn last_broadcast(row: Option<&PgRow>) -> Result<Outcome> {
    Ok(Outcome::LastBroadcast(row.map_or(Ok(MessageId(0)), |row| id(row, "last_broadcast"))?))
}

fn profile(row: Option<&PgRow>) -> Result<Outcome> {
    let Some(row) = row else { return Ok(Outcome::Profile(None)) };
    let profile = Profile {
        face: Face(byte(row, "face")?),
        nick: text(row, "nick")?,
        age: byte(row, "age")?,
        gender: byte(row, "gender")?,
        country: text(row, "country")?,
        province: text(row, "province")?,
        city: text(row, "city")?,
        email: text(row, "email")?,
        address: text(row, "address")?,
        zipcode: text(row, "zipcode")?,
        tel: text(row, "tel")?,
        name: text(row, "name")?,
        blood: byte(row, "blood")?,
        college: text(row, "college")?,
        occupation: text(row, "occupation")?,
        homepage: text(row, "homepage")?,
        intro: text(row, "intro")?,
        auth: Authorization(byte(row, "auth")?),
    };
    Ok(Outcome::Profile(Some(Arc::new(profile))))
}

fn contact_list(row: Option<&PgRow>) -> Result<Outcome> {
    let contacts: Vec<i64> = row.map_or(Ok(Vec::new()), |row| row.try_get("contacts"))?;
    let contacts: Result<Vec<Uin>, _> = contacts.into_iter().map(|contact| contact.try_into().map(Uin)).collect();
    contacts.map(Outcome::Contacts).map_err(|error| Error::Decode(Box::new(error)))
}

/// Users by nick; by address; by both. Each names the condition of its index, and nothing else that has one.
const BY_NICK: &str = "SELECT uin, face, nick, province FROM users \
                       WHERE lower(nick COLLATE \"C\") = lower($1 COLLATE \"C\") AND nick <> '' \
                       AND uin > $2 ORDER BY uin LIMIT $3";
const BY_EMAIL: &str = "SELECT uin, face, nick, province FROM users \
                        WHERE lower(email COLLATE \"C\") = lower($1 COLLATE \"C\") AND email <> '' \
                        AND uin > $2 ORDER BY uin LIMIT $3";
const BY_BOTH: &str = "SELECT uin, face, nick, province FROM users \
                       WHERE lower(email COLLATE \"C\") = lower($1 COLLATE \"C\") AND email <> '' \
                       AND lower(nick COLLATE \"C\") = lower($4 COLLATE \"C\") AND uin > $2 ORDER BY uin LIMIT $3";

/// Each with the index that it reads.
#[cfg(test)]
pub(super) const SEARCHES: [(&str, &str); 3] =
    [(BY_NICK, "users_by_nick"), (BY_EMAIL, "users_by_email"), (BY_BOTH, "users_by_")];

/// What lists show of users. Each search is a statement of its own: there are few.
pub(super) async fn search(connection: &mut PgConnection, work: &Work) -> Result<Outcome> {
    let found = match work {
        Work::LoadCards { uins: wanted } => {
            let sql = "SELECT uin, face, nick, province FROM users WHERE uin = ANY($1) ORDER BY uin";
            query(sql).bind(uins(wanted.iter().copied()))
        }
        Work::SearchUsers { nick, email, after, limit } => {
            let page = |sql: &'static str, word| query(sql).bind(word).bind(i64::from(after.0)).bind(count(*limit));
            match (nick.is_empty(), email.is_empty()) {
                (true, true) => return Ok(Outcome::Cards(Vec::new())),
                (false, true) => page(BY_NICK, escaped(nick)),
                (true, false) => page(BY_EMAIL, escaped(email)),
                (false, false) => page(BY_BOTH, escaped(email)).bind(escaped(nick)),
            }
        }
        _ => return Ok(Outcome::Failed),
    };
    let cards = found.fetch_all(connection).await?.iter().map(card).collect::<Result<_>>();
    Ok(or_failed(cards.map(Outcome::Cards)))
}

fn card(row: &PgRow) -> Result<Card> {
    Ok(Card {
        uin: uin(row, "uin")?,
        face: Face(byte(row, "face")?),
        nick: text(row, "nick")?,
        province: text(row, "province")?,
    })
}

async fn read_pages(connection: &mut PgConnection, pages: &[Placed<Page>]) -> Result<Vec<Placed<Outcome>>> {
    if pages.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT asked.key, message.* FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY \
               AS asked (recipient, after, \"limit\", key) CROSS JOIN LATERAL \
               (SELECT * FROM messages WHERE recipient = asked.recipient AND id > asked.after ORDER BY id LIMIT asked.\"limit\") \
               AS message ORDER BY asked.key, message.id";
    // Behind the highest number there is nothing.
    let after = |page: &Page| i64::try_from(page.after.0).unwrap_or(i64::MAX);
    let rows = query(sql)
        .bind(uins(pages.iter().map(|(_, page)| page.recipient)))
        .bind(pages.iter().map(|(_, page)| after(page)).collect::<Vec<_>>())
        .bind(pages.iter().map(|(_, page)| count(page.limit)).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let mut found: HashMap<usize, Result<Vec<Arc<Message>>>> = HashMap::new();
    for row in &rows {
        let page = found.entry(unsigned(row, "key")?).or_insert_with(|| Ok(Vec::new()));
        match (page.as_mut(), message(row)) {
            (Ok(messages), Ok(message)) => messages.push(Arc::new(message)),
            (Ok(_), Err(error)) => *page = Err(error),
            (Err(_), _) => {}
        }
    }
    // SQL counts from 1.
    let outcome = |key| or_failed(found.remove(&key).unwrap_or_else(|| Ok(Vec::new())).map(Outcome::Messages));
    Ok(pages.iter().map(|&(place, _)| place).zip((1..).map(outcome)).collect())
}

fn message(row: &PgRow) -> Result<Message> {
    let charset: Charset =
        row.try_get::<&str, _>("charset")?.parse().map_err(|error| Error::Decode(Box::new(error)))?;
    Ok(Message {
        id: id(row, "id")?,
        from: uin(row, "sender")?,
        to: uin(row, "recipient")?,
        time: UnixTime(unsigned(row, "time")?),
        kind: MessageKind(byte(row, "kind")?),
        text: row.try_get("text")?,
        charset,
    })
}
