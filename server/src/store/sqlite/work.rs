//! What is done one by one, as SQL. Values go in as parameters only, so that no text is ever read as SQL.

use myicq_wire::{Authorization, Uin};
use sqlx::error::{Error, ErrorKind};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Row, query, query_scalar};

use super::{broadcasts, reads, users};
use crate::store::memory::OPEN_REQUESTS_MAX;
use crate::store::{AddOutcome, MessageId, Outcome, Profile, Work};

/// Why a request was not done.
pub(super) enum Fault {
    /// For a reason of its own. It has changed nothing, and the transaction goes on.
    Request(Error),
    /// The transaction cannot be relied upon any more: SQLite may have ended it.
    Batch(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let own = match &error {
            // SQLite takes back what a statement did that violates a constraint, and only that.
            Error::Database(error) => error.kind() != ErrorKind::Other,
            // What lies there cannot be understood; to have read it has changed nothing.
            Error::ColumnDecode { .. } => true,
            _ => false,
        };
        if own { Self::Request(error) } else { Self::Batch(error) }
    }
}

pub(super) type Done<T = Outcome> = Result<T, Fault>;

/// Does one request within the transaction that is open. Where it takes more than one statement, none after the first that
/// changes something can fail for a reason of its own: it is done whole, or not at all.
pub(super) async fn perform(connection: &mut SqliteConnection, work: &Work) -> Done {
    match *work {
        Work::ReserveUin => users::reserve(connection).await,
        Work::CreateUser { uin, ref password_hash } => users::create(connection, uin, password_hash).await,
        Work::SaveProfile { uin, ref profile, ref password_hash } => {
            save_profile(connection, uin, profile, password_hash.as_deref()).await
        }
        Work::AddContact { owner, contact, max } => {
            add_contact(connection, owner, contact, max).await.map(Outcome::Added)
        }
        Work::RemoveContact { owner, contact } => remove_contact(connection, owner, contact).await,
        Work::RequestAuthorization { asker, target } => request_authorization(connection, asker, target).await,
        Work::AnswerAuthorization { asker, target, granted, max } => {
            answer_authorization(connection, asker, target, granted, max).await
        }
        Work::LoadLastMessage => Ok(Outcome::LastMessage(last_message(connection).await?)),
        Work::StoreBroadcast { .. } | Work::LoadBroadcasts { .. } | Work::ReadBroadcast { .. } => {
            broadcasts::perform(connection, work).await
        }
        Work::LoadCards { .. } | Work::SearchUsers { .. } => Ok(reads::search(connection, work).await?),
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
    connection: &mut SqliteConnection,
    uin: Uin,
    profile: &Profile,
    password_hash: Option<&str>,
) -> Done {
    let sql = "UPDATE users SET face = ?, nick = ?, age = ?, gender = ?, country = ?, province = ?, city = ?, email = ?, \
               address = ?, zipcode = ?, tel = ?, name = ?, blood = ?, college = ?, occupation = ?, homepage = ?, \
               intro = ?, auth = ?, password_hash = coalesce(?, password_hash) WHERE uin = ?";
    let saved = query(sql)
        .bind(profile.face.0)
        .bind(&*profile.nick)
        .bind(profile.age)
        .bind(profile.gender)
        .bind(&*profile.country)
        .bind(&*profile.province)
        .bind(&*profile.city)
        .bind(&*profile.email)
        .bind(&*profile.address)
        .bind(&*profile.zipcode)
        .bind(&*profile.tel)
        .bind(&*profile.name)
        .bind(profile.blood)
        .bind(&*profile.college)
        .bind(&*profile.occupation)
        .bind(&*profile.homepage)
        .bind(&*profile.intro)
        .bind(profile.auth.0)
        .bind(password_hash)
        .bind(uin.0)
        .execute(connection)
        .await?;
    Ok(if saved.rows_affected() == 0 { Outcome::Failed } else { Outcome::Done })
}

async fn add_contact(
    connection: &mut SqliteConnection,
    owner: Uin,
    contact: Uin,
    max: usize,
) -> Result<AddOutcome, Fault> {
    if owner == contact {
        return Ok(AddOutcome::Refused(Authorization::NOBODY));
    }
    let sql = "SELECT auth, EXISTS (SELECT 1 FROM contacts WHERE owner = ?1 AND contact = ?2) AS there, \
               (SELECT count(*) FROM contacts WHERE owner = ?1) >= ?3 AS full \
               FROM users WHERE uin = ?2 AND EXISTS (SELECT 1 FROM users WHERE uin = ?1)";
    let found = query(sql).bind(owner.0).bind(contact.0).bind(count(max)).fetch_optional(&mut *connection).await?;
    let Some(row) = found else { return Ok(AddOutcome::NoSuchUser) };
    let auth = Authorization(row.try_get("auth")?);
    if row.try_get("there")? {
        return Ok(AddOutcome::AlreadyThere);
    }
    if auth != Authorization::ANYONE {
        return Ok(AddOutcome::Refused(auth));
    }
    if row.try_get("full")? {
        return Ok(AddOutcome::ListFull);
    }
    let add = query("INSERT INTO contacts (owner, contact) VALUES (?, ?)").bind(owner.0).bind(contact.0);
    add.execute(connection).await?;
    Ok(AddOutcome::Added)
}

async fn remove_contact(connection: &mut SqliteConnection, owner: Uin, contact: Uin) -> Done {
    let remove = query("DELETE FROM contacts WHERE owner = ? AND contact = ?").bind(owner.0).bind(contact.0);
    remove.execute(connection).await?;
    Ok(Outcome::Done)
}

async fn request_authorization(connection: &mut SqliteConnection, asker: Uin, target: Uin) -> Done {
    let sql = "INSERT OR REPLACE INTO auth_requests (asker, target) SELECT ?1, uin FROM users \
               WHERE uin = ?2 AND ?1 <> ?2 AND EXISTS (SELECT 1 FROM users WHERE uin = ?1)";
    query(sql).bind(asker.0).bind(target.0).execute(&mut *connection).await?;
    let sql = "DELETE FROM auth_requests WHERE asker = ?1 \
               AND id <= (SELECT id FROM auth_requests WHERE asker = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    query(sql).bind(asker.0).bind(count(OPEN_REQUESTS_MAX)).execute(connection).await?;
    Ok(Outcome::Done)
}

async fn answer_authorization(
    connection: &mut SqliteConnection,
    asker: Uin,
    target: Uin,
    granted: bool,
    max: usize,
) -> Done {
    let forget = query("DELETE FROM auth_requests WHERE asker = ? AND target = ?").bind(asker.0).bind(target.0);
    let asked = forget.execute(&mut *connection).await?.rows_affected() > 0;
    if asked && granted {
        let sql = "INSERT OR IGNORE INTO contacts (owner, contact) \
                   SELECT ?1, ?2 WHERE (SELECT count(*) FROM contacts WHERE owner = ?1) < ?3";
        query(sql).bind(asker.0).bind(target.0).bind(count(max)).execute(connection).await?;
    }
    Ok(Outcome::Authorized(asked))
}

/// The highest number of a message or broadcast that is kept, or 0.
pub(super) async fn last_message(connection: &mut SqliteConnection) -> sqlx::Result<MessageId> {
    let sql = "SELECT max((SELECT coalesce(max(id), 0) FROM messages), (SELECT coalesce(max(id), 0) FROM broadcasts))";
    let last: i64 = query_scalar(sql).fetch_one(connection).await?;
    Ok(MessageId(last.try_into().unwrap_or_default()))
}

/// A number of rows as SQLite counts them.
pub(super) fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
