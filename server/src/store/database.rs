//! The database that the configuration names, and every way in which opening it can go wrong, with what to do about it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sqlx::migrate::MigrateError;

use super::{DatabaseUrl, PostgresReader, PostgresStore, Reply, Request, SqliteReader, SqliteStore, Store, folder};

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
        "{database} is from a newer myicqd (version {found} of its tables, this one knows {known}): use that or a later myicqd"
    )]
    Newer {
        /// The file, or the URL.
        database: String,
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
    /// Anything else that SQLite says.
    #[error("cannot open {}: if another program is using it, end that and try again", .file.display())]
    Database {
        /// The database.
        file: PathBuf,
        /// What SQLite says.
        source: Box<MigrateError>,
    },
    /// Another process has the database of a PostgreSQL server.
    #[error("the database {url} is in use by another myicqd: stop that one, or name another database with --database")]
    ServerInUse {
        /// The database.
        url: String,
    },
    /// A PostgreSQL server has the database, and it will not do.
    #[error("cannot use {url}: {why}")]
    Unfit {
        /// The database.
        url: String,
        /// Why, and what to do.
        why: &'static str,
    },
    /// A PostgreSQL server is out of reach, or does not let us in, or fails.
    #[error("cannot use {url}: see that PostgreSQL runs there, and has this user and this database")]
    Server {
        /// The database.
        url: String,
        /// What it says.
        source: Box<sqlx::Error>,
    },
}

/// A store, wherever it is.
#[derive(Debug)]
pub enum Database {
    /// A file in the data folder.
    Sqlite(Box<SqliteStore>),
    /// A database of a PostgreSQL server.
    Postgres {
        /// The store.
        store: Box<PostgresStore>,
        /// The data folder is taken all the same: what else is in it belongs to one server, too.
        folder: File,
    },
}

/// What reads beside a [`Database`].
#[derive(Debug)]
pub enum DatabaseReader {
    /// Of the file.
    Sqlite(SqliteReader),
    /// Of the database of a PostgreSQL server.
    Postgres(Box<PostgresReader>),
}

impl Database {
    /// Opens the database in a data folder or, if there is a URL, the one that this names; makes what is missing.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(data: &Path, url: Option<&DatabaseUrl>) -> Result<Self, OpenError> {
        let Some(url) = url else { return Ok(Self::Sqlite(Box::new(SqliteStore::open(data).await?))) };
        let folder = folder::lock(data)?;
        Ok(Self::Postgres { store: Box::new(PostgresStore::open(url).await?), folder })
    }

    /// A second connection, for reads beside the commits of this one. To be closed before it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn reader(&self) -> Result<DatabaseReader, OpenError> {
        Ok(match self {
            Self::Sqlite(store) => DatabaseReader::Sqlite(store.reader().await?),
            Self::Postgres { store, .. } => DatabaseReader::Postgres(Box::new(store.reader().await?)),
        })
    }

    /// Ends the connection in good order.
    pub async fn close(self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres { store, folder } => {
                store.close().await;
                drop(folder);
            }
        }
    }
}

impl DatabaseReader {
    /// Ends the connection.
    pub async fn close(self) {
        match self {
            Self::Sqlite(reader) => reader.close().await,
            Self::Postgres(reader) => reader.close().await,
        }
    }
}

impl Store for Database {
    async fn commit(&mut self, batch: Vec<Request>) -> Vec<Reply> {
        match self {
            Self::Sqlite(store) => store.commit(batch).await,
            Self::Postgres { store, .. } => store.commit(batch).await,
        }
    }
}

impl Store for DatabaseReader {
    async fn commit(&mut self, batch: Vec<Request>) -> Vec<Reply> {
        match self {
            Self::Sqlite(reader) => reader.commit(batch).await,
            Self::Postgres(reader) => reader.commit(batch).await,
        }
    }
}
