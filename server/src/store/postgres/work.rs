//! What is done one by one, as SQL. Values go in as parameters only, so that no text is ever read as SQL. A statement that could be
//! refused by a constraint is worded so that it does nothing instead: PostgreSQL ends a transaction with its first error.

use myicq_wire::{Authorization, Uin};
use sqlx::error::Result;
use sqlx::postgres::PgConnection;
use sqlx::{Row, query, query_scalar};

use super::rows::{byte, count, escaped};
use super::{broadcasts, reads, users};
use crate::store::memory::OPEN_REQUESTS_MAX;
use crate::store::{AddOutcome, MessageId, Outcome, Profile, Work};

/// Does one request within the transaction that is open.
pub(super) async fn perform(connection: &mut PgConnection, work: &Work) -> Result<Outcome> {
    match *work {
        Work::ReserveUin => users::reserve(connection).await,
        Work::CreateUser { uin: Uin::NONE, .. } => Ok(Outcome::Failed),
        Work::CreateUser { uin, ref password_hash } => users::create(connection, uin, "", password_hash).await,
        Work::SaveProfile { uin, ref profile, ref password_hash } => {
            save_profile(connection, uin, profile, password_hash.as_deref()).await
        }
        Work::AddContact { owner, contact, max } => {
            add_contact(connection, owner, contact, max).await.map(Outcome::Added)
        }
        Work::RemoveContact { owner, contact } => {
            let remove = query("DELETE FROM contacts WHERE owner = $1 AND contact = $2");
            remove.bind(number(owner)).bind(number(contact)).execute(connection).await?;
            Ok(Outcome::Done)
        }
        Work::RequestAuthorization { asker, target } => request_authorization(connection, asker, target).await,
        Work::AnswerAuthorization { asker, target, granted, max } => {
            answer_authorization(connection, asker, target, granted, max).await
        }
        Work::LoadLastMessage => Ok(Outcome::LastMessage(last_message(connection).await?)),
        Work::StoreBroadcast { .. } | Work::LoadBroadcasts { .. } | Work::ReadBroadcast { .. } => {
            broadcasts::perform(connection, work).await
        }
        Work::LoadCards { .. } | Work::SearchUsers { .. } => reads::search(connection, work).await,
        Work::AddUser { uin, ref nick, ref password_hash } => users::add(connection, uin, nick, password_hash).await,
        Work::SetPassword { uin, ref password_hash } => users::set_password(connection, uin, password_hash).await,
        Work::RemoveUser { uin } => users::remove(connection, uin).await,
        Work::LoadAccount { .. }
        | Work::LoadProfile { .. }
        | Work::LoadContacts { .. }
        | Work::LoadMessages { .. }
        | Work::LoadLastBroadcast { .. }
        | Work::StoreMessage { .. }
        | Work::DeleteMessage { .. }
        | Work::ExpireMessages { .. }
        | Work::CountMessages
        | Work::ListUsers { .. } => {
            debug_assert!(false, "{work:?} is done elsewhere");
            Ok(Outcome::Failed)
        }
    }
}

async fn save_profile(
    connection: &mut PgConnection,
    uin: Uin,
    profile: &Profile,
    password_hash: Option<&str>,
) -> Result<Outcome> {
    let sql = "UPDATE users SET face = $1, nick = $2, age = $3, gender = $4, country = $5, province = $6, city = $7, \
               email = $8, address = $9, zipcode = $10, tel = $11, name = $12, blood = $13, college = $14, \
               occupation = $15, homepage = $16, intro = $17, auth = $18, \
               password_hash = coalesce($19, password_hash) WHERE uin = $20";
    let saved = query(sql)
        .bind(i16::from(profile.face.0))
        .bind(escaped(&profile.nick))
        .bind(i16::from(profile.age))
        .bind(i16::from(profile.gender))
        .bind(escaped(&profile.country))
        .bind(escaped(&profile.province))
        .bind(escaped(&profile.city))
        .bind(escaped(&profile.email))
        .bind(escaped(&profile.address))
        .bind(escaped(&profile.zipcode))
        .bind(escaped(&profile.tel))
        .bind(escaped(&profile.name))
        .bind(i16::from(profile.blood))
        .bind(escaped(&profile.college))
        .bind(escaped(&profile.occupation))
        .bind(escaped(&profile.homepage))
        .bind(escaped(&profile.intro))
        .bind(i16::from(profile.auth.0))
        .bind(password_hash.map(escaped))
        .bind(number(uin))
        .execute(connection)
        .await?;
    Ok(if saved.rows_affected() == 0 { Outcome::Failed } else { Outcome::Done })
}

async fn add_contact(connection: &mut PgConnection, owner: Uin, contact: Uin, max: usize) -> Result<AddOutcome> {
    if owner == contact {
        return Ok(AddOutcome::Refused(Authorization::NOBODY));
    }
    let sql = "SELECT auth, EXISTS (SELECT FROM contacts WHERE owner = $1 AND contact = $2) AS there, \
               (SELECT count(*) FROM contacts WHERE owner = $1) >= $3 AS is_full \
               FROM users WHERE uin = $2 AND EXISTS (SELECT FROM users WHERE uin = $1)";
    let find = query(sql).bind(number(owner)).bind(number(contact)).bind(count(max));
    let Some(row) = find.fetch_optional(&mut *connection).await? else { return Ok(AddOutcome::NoSuchUser) };
    let auth = Authorization(byte(&row, "auth")?);
    if row.try_get("there")? {
        return Ok(AddOutcome::AlreadyThere);
    }
    if auth != Authorization::ANYONE {
        return Ok(AddOutcome::Refused(auth));
    }
    if row.try_get("is_full")? {
        return Ok(AddOutcome::ListFull);
    }
    let add = query("INSERT INTO contacts (owner, contact) VALUES ($1, $2)");
    add.bind(number(owner)).bind(number(contact)).execute(connection).await?;
    Ok(AddOutcome::Added)
}

async fn request_authorization(connection: &mut PgConnection, asker: Uin, target: Uin) -> Result<Outcome> {
    let sql = "INSERT INTO auth_requests (asker, target) SELECT $1, uin FROM users \
               WHERE uin = $2 AND $1 <> $2 AND EXISTS (SELECT FROM users WHERE uin = $1) \
               ON CONFLICT (asker, target) DO UPDATE SET id = excluded.id";
    query(sql).bind(number(asker)).bind(number(target)).execute(&mut *connection).await?;
    let sql = "DELETE FROM auth_requests WHERE asker = $1 \
               AND id <= (SELECT id FROM auth_requests WHERE asker = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";
    query(sql).bind(number(asker)).bind(count(OPEN_REQUESTS_MAX)).execute(connection).await?;
    Ok(Outcome::Done)
}

async fn answer_authorization(
    connection: &mut PgConnection,
    asker: Uin,
    target: Uin,
    granted: bool,
    max: usize,
) -> Result<Outcome> {
    let forget = query("DELETE FROM auth_requests WHERE asker = $1 AND target = $2");
    let forgotten = forget.bind(number(asker)).bind(number(target)).execute(&mut *connection).await?;
    let asked = forgotten.rows_affected() > 0;
    if asked && granted {
        let sql = "INSERT INTO contacts (owner, contact) SELECT $1, $2 \
                   WHERE (SELECT count(*) FROM contacts WHERE owner = $1) < $3 ON CONFLICT DO NOTHING";
        query(sql).bind(number(asker)).bind(number(target)).bind(count(max)).execute(connection).await?;
    }
    Ok(Outcome::Authorized(asked))
}

/// The highest number of a message or broadcast that is kept, or 0.
pub(super) async fn last_message(connection: &mut PgConnection) -> Result<MessageId> {
    let sql = "SELECT greatest((SELECT max(id) FROM messages), (SELECT max(id) FROM broadcasts), 0)";
    let last: i64 = query_scalar(sql).fetch_one(connection).await?;
    Ok(MessageId(last.try_into().unwrap_or_default()))
}

fn number(uin: Uin) -> i64 {
    uin.0.into()
}
