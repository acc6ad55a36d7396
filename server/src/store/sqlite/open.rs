//! Finding, making and opening the file; and what it means when that goes wrong.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

use super::{SqliteReader, SqliteStore, primary_code, work};
use crate::store::folder::{lock, open_private};
use crate::store::ledger::Counts;
use crate::store::{MessageId, OpenError};

/// The database, in the folder that is opened.
pub(super) const DATABASE: &str = "myicq.db";

/// How long a transaction waits for another program that has the database, such as a backup.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Every step from an empty file to the tables of this version, in order.
static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

impl SqliteStore {
    /// Opens the database in a folder; makes both where they are missing, for this user's eyes only; brings an older one up to date.
    ///
    /// # Errors
    /// See [`OpenError`]. A database that cannot be opened is left as it is.
    pub async fn open(folder: &Path) -> Result<Self, OpenError> {
        let lock = lock(folder)?;
        let file = folder.join(DATABASE);
        // SQLite would make it readable for everyone. Its log gets the mode of the database.
        open_private(&file).map_err(|source| OpenError::Folder { folder: folder.to_owned(), source })?;
        match connect(&file).await {
            Ok((connection, last)) => {
                Ok(Self { connection, file, counts: Counts::new(last), unfinished: false, _lock: lock })
            }
            Err(source) => Err(explain(file, source)),
        }
    }

    /// A second connection, for reads beside the commits of this one. To be closed before it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn reader(&self) -> Result<SqliteReader, OpenError> {
        let options = SqliteConnectOptions::new().filename(&self.file).read_only(true).busy_timeout(BUSY_TIMEOUT);
        match options.connect().await {
            Ok(connection) => Ok(SqliteReader::new(connection)),
            Err(error) => Err(explain(self.file.clone(), error.into())),
        }
    }
}

/// The connection, and the highest number of a message.
async fn connect(file: &Path) -> Result<(SqliteConnection, MessageId), MigrateError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL would lose the last commits at a loss of power. An acknowledgement is a promise.
        .synchronous(SqliteSynchronous::Full)
        // Where fsync alone leaves the data in the cache of the disk, as on macOS. Others ignore it.
        .pragma("fullfsync", "ON")
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    let mut connection = options.connect().await?;
    MIGRATIONS.run(&mut connection).await?;
    let last = work::last_message(&mut connection).await?;
    Ok((connection, last))
}

fn explain(file: PathBuf, source: MigrateError) -> OpenError {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let code = match &source {
        MigrateError::VersionMissing(found) if *found > known => {
            return OpenError::Newer { database: file.display().to_string(), found: *found, known };
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => primary_code(error),
        _ => None,
    };
    let source = Box::new(source);
    match code {
        Some(11 | 26) => OpenError::Corrupt { file, source },
        _ => OpenError::Database { file, source },
    }
}
