//! Finding, making and locking the file; and every way in which that can go wrong, with what to do about it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

use super::mail::Counts;
use super::{SqliteReader, SqliteStore, primary_code, work};
use crate::store::MessageId;

/// The database, in the folder that is opened.
pub(super) const DATABASE: &str = "myicq.db";

/// Whoever has locked this file has the database to himself. SQLite's own locks are held only during a transaction.
const LOCK: &str = "myicqd.lock";

/// How long a transaction waits for another program that has the database, such as a backup.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Every step from an empty file to the tables of this version, in order.
static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

/// Why a store cannot be opened. Each in one line, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or a file in it cannot be made or written.
    #[error("cannot write in the data folder {}: make it writable for this user, or name another one with --data", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process has it.
    #[error("the data folder {} is in use by another myicqd: stop that one, or name another folder with --data", .folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A later version has written it.
    #[error(
        "{} is from a newer myicqd (version {found} of its tables, this one knows {known}): use that or a later myicqd",
        .file.display()
    )]
    Newer {
        /// The database.
        file: PathBuf,
        /// The version of its tables.
        found: i64,
        /// The latest that this program knows.
        known: i64,
    },
    /// It is not what it was when it was written, or never was a database.
    #[error("{} is damaged or not a database: move it away and put a backup in its place", .file.display())]
    Corrupt {
        /// The database.
        file: PathBuf,
        /// What SQLite says.
        source: Box<MigrateError>,
    },
    /// Anything else.
    #[error("cannot open {}: if another program is using it, end that and try again", .file.display())]
    Database {
        /// The database.
        file: PathBuf,
        /// What SQLite says.
        source: Box<MigrateError>,
    },
}

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
            return OpenError::Newer { file, found: *found, known };
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

#[expect(clippy::disallowed_methods, reason = "the store is where files are touched")]
fn lock(folder: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Folder { folder: folder.to_owned(), source };
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder).map_err(failed)?;

    let file = open_private(&folder.join(LOCK)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Opens a file for writing, as it is; makes an empty one that only this user can read where there is none.
#[expect(clippy::disallowed_methods, reason = "the store is where files are touched")]
fn open_private(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}
