//! Where a test has a database of its own.

use std::sync::atomic::{AtomicU32, Ordering};

use myicq_server::store::{Database, DatabaseUrl};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;

/// Names the URL of a database in which the tests may make schemas.
const VARIABLE: &str = "MYICQ_TEST_POSTGRES";

/// A database that can be opened again and again.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    /// The schema, if it is one.
    schema: Option<String>,
}

impl Place {
    /// A file.
    pub(crate) fn sqlite() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), schema: None }
    }

    /// A schema of the database of the tests.
    pub(crate) async fn postgres() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let schema = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let place = Self { folder: tempfile::tempdir().unwrap(), schema: Some(schema.clone()) };
        place.connect().await.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
        place
    }

    /// The URL of the schema.
    pub(crate) fn url(&self) -> Option<DatabaseUrl> {
        self.schema.as_ref().map(|_| DatabaseUrl::parse(&self.url_text()).unwrap())
    }

    pub(crate) fn url_text(&self) -> String {
        #[expect(clippy::disallowed_methods, reason = "the tester names a database")]
        let url = std::env::var(VARIABLE).expect("MYICQ_TEST_POSTGRES is not set; .ci/run postgres sets it");
        let schema = self.schema.as_deref().unwrap_or("public");
        format!("{url}{}options=-csearch_path%3D{schema}", if url.contains('?') { '&' } else { '?' })
    }

    pub(crate) async fn open(&self) -> Database {
        Database::open(self.folder.path(), self.url().as_ref()).await.unwrap()
    }

    /// Another program's way to the schema.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url_text()).await.unwrap()
    }

    /// Removes it. A test that fails leaves it behind.
    pub(crate) async fn remove(self) {
        if let Some(schema) = &self.schema {
            self.connect().await.execute(AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await.unwrap();
        }
    }
}
