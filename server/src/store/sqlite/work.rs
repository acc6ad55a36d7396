//! Each kind of work as SQL. Values go in as parameters only, so that no text is ever read as SQL.

use std::sync::Arc;

use myicq_wire::charset::Charset;
use myicq_wire::{Authorization, Face, MessageKind, Uin, UnixTime};
use sqlx::error::{Error, ErrorKind};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, query, query_scalar};

use crate::store::memory::OPEN_REQUESTS_MAX;
use crate::store::{AddOutcome, Message, MessageId, NotStored, Outcome, Profile, Work};

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
            Error::ColumnDecode { .. } | Error::Decode(_) => true,
            _ => false,
        };
        if own { Self::Request(error) } else { Self::Batch(error) }
    }
}

type Done<T = Outcome> = Result<T, Fault>;

/// Whether the work may change something.
pub(super) fn writes(work: &Work) -> bool {
    match work {
        Work::LoadAccount { .. }
        | Work::LoadProfile { .. }
        | Work::LoadContacts { .. }
        | Work::LoadLastMessage
        | Work::LoadMessages { .. } => false,
        Work::CreateUser { .. }
        | Work::SaveProfile { .. }
        | Work::AddContact { .. }
        | Work::RemoveContact { .. }
        | Work::RequestAuthorization { .. }
        | Work::AnswerAuthorization { .. }
        | Work::StoreMessage { .. }
        | Work::DeleteMessage { .. } => true,
    }
}

/// Does one request within the transaction that is open. Where it takes more than one statement, none after the first that
/// changes something can fail for a reason of its own: it is done whole, or not at all.
pub(super) async fn perform(connection: &mut SqliteConnection, work: &Work) -> Done {
    match *work {
        Work::CreateUser { ref password_hash } => create_user(connection, password_hash).await,
        Work::LoadAccount { uin } => load_account(connection, uin).await,
        Work::LoadProfile { uin } => load_profile(connection, uin).await,
        Work::SaveProfile { uin, ref profile, ref password_hash } => {
            save_profile(connection, uin, profile, password_hash.as_deref()).await
        }
        Work::LoadContacts { uin } => load_contacts(connection, uin).await,
        Work::AddContact { owner, contact, max } => {
            add_contact(connection, owner, contact, max).await.map(Outcome::Added)
        }
        Work::RemoveContact { owner, contact } => remove_contact(connection, owner, contact).await,
        Work::RequestAuthorization { asker, target } => request_authorization(connection, asker, target).await,
        Work::AnswerAuthorization { asker, target, granted, max } => {
            answer_authorization(connection, asker, target, granted, max).await
        }
        Work::StoreMessage { ref message, max, pair_max } => store_message(connection, message, max, pair_max).await,
        Work::LoadLastMessage => load_last_message(connection).await,
        Work::LoadMessages { recipient, after, limit } => load_messages(connection, recipient, after, limit).await,
        Work::DeleteMessage { recipient, id } => delete_message(connection, recipient, id).await,
    }
}

async fn create_user(connection: &mut SqliteConnection, password_hash: &str) -> Done {
    let uin: u32 = query_scalar("INSERT INTO users (password_hash) VALUES (?) RETURNING uin")
        .bind(password_hash)
        .fetch_one(connection)
        .await?;
    Ok(Outcome::Created(Uin(uin)))
}

async fn load_account(connection: &mut SqliteConnection, uin: Uin) -> Done {
    let hash = query_scalar("SELECT password_hash FROM users WHERE uin = ?").bind(uin.0);
    Ok(Outcome::Account(hash.fetch_optional(connection).await?))
}

async fn load_profile(connection: &mut SqliteConnection, uin: Uin) -> Done {
    let row = query("SELECT * FROM users WHERE uin = ?").bind(uin.0).fetch_optional(connection).await?;
    Ok(Outcome::Profile(row.as_ref().map(profile).transpose()?.map(Arc::new)))
}

fn profile(row: &SqliteRow) -> sqlx::Result<Profile> {
    Ok(Profile {
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
    })
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

async fn load_contacts(connection: &mut SqliteConnection, uin: Uin) -> Done {
    let contacts: Vec<u32> = query_scalar("SELECT contact FROM contacts WHERE owner = ? ORDER BY contact")
        .bind(uin.0)
        .fetch_all(connection)
        .await?;
    Ok(Outcome::Contacts(contacts.into_iter().map(Uin).collect()))
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

async fn store_message(connection: &mut SqliteConnection, message: &Message, max: usize, pair_max: usize) -> Done {
    let (Ok(id), Ok(time)) = (i64::try_from(message.id.0), i64::try_from(message.time.0)) else {
        return Ok(Outcome::Failed);
    };
    let sql = "INSERT INTO messages (id, recipient, sender, kind, time, charset, text) \
               SELECT ?1, uin, ?3, ?4, ?5, ?6, ?7 FROM users WHERE uin = ?2 \
               AND (SELECT count(*) FROM messages WHERE recipient = ?2) < ?8 \
               AND (SELECT count(*) FROM messages WHERE recipient = ?2 AND sender = ?3) < ?9";
    let stored = query(sql)
        .bind(id)
        .bind(message.to.0)
        .bind(message.from.0)
        .bind(message.kind.0)
        .bind(time)
        .bind(message.charset.label())
        .bind(&*message.text)
        .bind(count(max))
        .bind(count(pair_max))
        .execute(&mut *connection)
        .await?;
    if stored.rows_affected() > 0 {
        return Ok(Outcome::Stored(Ok(())));
    }
    let known = query("SELECT 1 FROM users WHERE uin = ?").bind(message.to.0).fetch_optional(connection).await?;
    let reason = if known.is_some() { NotStored::MailboxFull } else { NotStored::NoSuchUser };
    Ok(Outcome::Stored(Err(reason)))
}

async fn load_last_message(connection: &mut SqliteConnection) -> Done {
    let last: i64 = query_scalar("SELECT coalesce(max(id), 0) FROM messages").fetch_one(connection).await?;
    Ok(Outcome::LastMessage(MessageId(last.try_into().unwrap_or_default())))
}

async fn load_messages(connection: &mut SqliteConnection, recipient: Uin, after: MessageId, limit: usize) -> Done {
    let Ok(after) = i64::try_from(after.0) else { return Ok(Outcome::Messages(Vec::new())) };
    let sql =
        "SELECT id, sender, kind, time, charset, text FROM messages WHERE recipient = ? AND id > ? ORDER BY id LIMIT ?";
    let rows = query(sql).bind(recipient.0).bind(after).bind(count(limit)).fetch_all(connection).await?;
    let messages: sqlx::Result<_> = rows.iter().map(|row| message(recipient, row).map(Arc::new)).collect();
    Ok(Outcome::Messages(messages?))
}

fn message(to: Uin, row: &SqliteRow) -> sqlx::Result<Message> {
    let charset: Charset =
        row.try_get::<&str, _>("charset")?.parse().map_err(|error| Error::Decode(Box::new(error)))?;
    Ok(Message {
        id: MessageId(row.try_get::<i64, _>("id")?.cast_unsigned()),
        from: Uin(row.try_get("sender")?),
        to,
        time: UnixTime(row.try_get::<i64, _>("time")?.cast_unsigned()),
        kind: MessageKind(row.try_get("kind")?),
        text: row.try_get::<&[u8], _>("text")?.into(),
        charset,
    })
}

async fn delete_message(connection: &mut SqliteConnection, recipient: Uin, id: MessageId) -> Done {
    if let Ok(id) = i64::try_from(id.0) {
        let delete = query("DELETE FROM messages WHERE id = ? AND recipient = ?").bind(id).bind(recipient.0);
        delete.execute(connection).await?;
    }
    Ok(Outcome::Done)
}

/// A number of rows as SQLite counts them.
fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
