//! A copy of the database, made by a connection of its own beside the server's: it sees one moment, and no commit waits for it.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, query};

use super::SqliteStore;
use super::open::{BUSY_TIMEOUT, DATABASE};

/// Why there is no copy. Each in one line, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is a file of that name.
    #[error("{} is there already: name another file, or move that one away", .0.display())]
    There(PathBuf),
    /// The copy cannot be written.
    #[error("cannot write {}", .file.display())]
    Target {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is nothing to copy.
    #[error("there is no database {}", .0.display())]
    NoDatabase(PathBuf),
    /// The database cannot be read, or the copy cannot be written.
    #[error("cannot copy {}", .file.display())]
    Database {
        /// The database.
        file: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
}

impl SqliteStore {
    /// Copies the database of a folder into a new file, whether anybody has it open or not, and gives back how many bytes that has. The
    /// file is for this user's eyes only. It gets its name when it is complete and on the disk, so that what has the name is a backup;
    /// until then it is called `NAME.part`.
    ///
    /// # Errors
    /// See [`BackupError`]. Nothing is left behind then.
    pub async fn backup(folder: &Path, to: &Path) -> Result<u64, BackupError> {
        let database = folder.join(DATABASE);
        let mut part = to.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        #[expect(clippy::disallowed_methods, reason = "the store is where files are touched")]
        let (is_database, is_taken) = (database.is_file(), to.exists());
        if !is_database {
            return Err(BackupError::NoDatabase(database));
        }
        if is_taken {
            return Err(BackupError::There(to.to_owned()));
        }
        let bytes = make(&database, &part).await?;
        let named = name(&part, to);
        if named.is_err() {
            remove(&part);
        }
        named.map(|()| bytes)
    }
}

/// Gives a complete copy its name, which nobody may have taken meanwhile.
fn name(part: &Path, to: &Path) -> Result<(), BackupError> {
    drop(create(to)?);
    #[expect(clippy::disallowed_methods, reason = "the store is where files are touched")]
    let renamed = std::fs::rename(part, to).and_then(|()| sync_folder(to));
    renamed.map_err(|source| BackupError::Target { file: to.to_owned(), source })
}

async fn make(database: &Path, part: &Path) -> Result<u64, BackupError> {
    let file = create(part)?;
    let copied =
        copy(database, part).await.map_err(|source| BackupError::Database { file: database.to_owned(), source });
    // SQLite leaves the syncing of such a copy to whoever has asked for it.
    let synced = copied.and_then(|()| {
        let bytes = file.sync_all().and_then(|()| file.metadata());
        bytes.map_err(|source| BackupError::Target { file: part.to_owned(), source }).map(|metadata| metadata.len())
    });
    if synced.is_err() {
        remove(part);
    }
    synced
}

async fn copy(database: &Path, part: &Path) -> sqlx::Result<()> {
    let name = part.to_str().ok_or_else(|| sqlx::Error::Io(ErrorKind::InvalidFilename.into()))?;
    let options = SqliteConnectOptions::new().filename(database).read_only(true).busy_timeout(BUSY_TIMEOUT);
    let mut connection = options.connect().await?;
    let copied = query("VACUUM INTO ?").bind(name).execute(&mut connection).await;
    connection.close().await?;
    copied.map(drop)
}

/// A new file that only this user can read. SQLite writes into one that is empty.
#[expect(clippy::disallowed_methods, reason = "the store is where files are touched")]
fn create(file: &Path) -> Result<File, BackupError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => BackupError::There(file.to_owned()),
        _ => BackupError::Target { file: file.to_owned(), source },
    })
}

/// Puts the new name on the disk. Elsewhere a folder cannot be opened.
#[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, reason = "it can fail where folders can be synced"))]
fn sync_folder(file: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        #[expect(clippy::disallowed_methods, reason = "the store is where files are touched")]
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the store is where files are touched")]
fn remove(file: &Path) {
    if let Err(error) = std::fs::remove_file(file) {
        tracing::warn!("{} is left behind: {error}", file.display());
    }
}
