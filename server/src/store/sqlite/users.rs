//! What the administrator does with users, on a store that no server has open.

use myicq_wire::{Uin, UnixTime};
use sqlx::error::ErrorKind;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, query};

use super::SqliteStore;

/// The highest number that the administrator may choose. Registrations go on from the highest one there is, so the upper half is
/// theirs: otherwise one user 4294967295 would be the last for ever.
const CHOSEN_UIN_MAX: Uin = Uin(1 << 31);

/// A user as the administrator sees him.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserSummary {
    /// His number.
    pub uin: Uin,
    /// What he calls himself.
    pub nick: String,
    /// When he was registered; whole seconds.
    pub created: UnixTime,
    /// How many are on his list.
    pub contacts: u32,
    /// How many messages wait for him.
    pub messages: u32,
}

/// Why nothing was done with a user.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// There is one with this number.
    #[error("there is a user {0} already: choose another number, or none")]
    Taken(Uin),
    /// No user can have this number.
    #[error("no user can be number {0}: choose one from 1 to {CHOSEN_UIN_MAX}, or none")]
    NotAllowed(Uin),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl SqliteStore {
    /// Makes a user, with a number of the administrator's choice or the next one of a registration, and gives back the number. A
    /// number higher than all others is where registrations go on.
    ///
    /// # Errors
    /// The number is taken, or not from 1 to 2^31; or the database failed.
    pub async fn insert_user_with(
        &mut self,
        uin: Option<Uin>,
        nick: &str,
        password_hash: &str,
    ) -> Result<Uin, UserError> {
        if let Some(uin) = uin.filter(|uin| !(Uin(1)..=CHOSEN_UIN_MAX).contains(uin)) {
            return Err(UserError::NotAllowed(uin));
        }
        let sql = "INSERT INTO users (uin, nick, password_hash, last_broadcast) \
                   VALUES (?, ?, ?, (SELECT coalesce(max(id), 0) FROM broadcasts)) RETURNING uin";
        let inserted =
            query(sql).bind(uin.map(|uin| uin.0)).bind(nick).bind(password_hash).fetch_one(&mut self.connection).await;
        match (inserted, uin) {
            (Ok(row), _) => Ok(Uin(row.try_get("uin")?)),
            (Err(sqlx::Error::Database(error)), Some(uin)) if error.kind() == ErrorKind::UniqueViolation => {
                Err(UserError::Taken(uin))
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Users by rising number: those after one, [`Uin::NONE`] for the first, and `limit` at most.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list_users(&mut self, limit: usize, after: Uin) -> Result<Vec<UserSummary>, UserError> {
        let sql = "SELECT uin, nick, created_at, (SELECT count(*) FROM contacts WHERE owner = uin) AS contacts, \
                   (SELECT count(*) FROM messages WHERE recipient = uin) AS messages \
                   FROM users WHERE uin > ? ORDER BY uin LIMIT ?";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = query(sql).bind(after.0).bind(limit).fetch_all(&mut self.connection).await?;
        Ok(rows.iter().map(summary).collect::<sqlx::Result<_>>()?)
    }

    /// One user, if there is one with this number.
    ///
    /// # Errors
    /// The database failed.
    pub async fn find_user(&mut self, uin: Uin) -> Result<Option<UserSummary>, UserError> {
        let before = Uin(uin.0.saturating_sub(1));
        let found = self.list_users(1, before).await?;
        Ok(found.into_iter().find(|user| user.uin == uin))
    }

    /// Gives a user another password. Whether there is such a user.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_password_hash(&mut self, uin: Uin, password_hash: &str) -> Result<bool, UserError> {
        let set = query("UPDATE users SET password_hash = ? WHERE uin = ?").bind(password_hash).bind(uin.0);
        Ok(set.execute(&mut self.connection).await?.rows_affected() > 0)
    }

    /// Removes a user, his list, him from the lists of others, and the messages that wait for him; not those that he wrote. His
    /// number is given to nobody else unless the administrator chooses it. Whether there was such a user.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_user(&mut self, uin: Uin) -> Result<bool, UserError> {
        let remove = query("DELETE FROM users WHERE uin = ?").bind(uin.0);
        Ok(remove.execute(&mut self.connection).await?.rows_affected() > 0)
    }
}

fn summary(row: &SqliteRow) -> sqlx::Result<UserSummary> {
    let seconds: i64 = row.try_get("created_at")?;
    Ok(UserSummary {
        uin: Uin(row.try_get("uin")?),
        nick: row.try_get("nick")?,
        created: UnixTime(seconds.cast_unsigned().saturating_mul(1_000_000)),
        contacts: row.try_get("contacts")?,
        messages: row.try_get("messages")?,
    })
}
