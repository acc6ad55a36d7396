//! A connection that comes back: PostgreSQL may be restarted, or be out of reach for a while.

use std::io;
use std::time::{Duration, Instant};

use sqlx::error::{Error, Result};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection as _, Executor, query, query_as, query_scalar};

use super::{DatabaseUrl, work};
use crate::store::{MessageId, OpenError};

/// Every step from an empty database to the tables of this version, in order.
static MIGRATIONS: Migrator = sqlx::migrate!("src/store/postgres/migrations");

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement waits for another program that has locked what it needs, and a start for an earlier myicqd to be gone.
const LOCK_TIMEOUT: &str = "2s";

/// How long a batch may take before the connection counts as lost. Longer than the slowest disk.
const BATCH_TIMEOUT: Duration = Duration::from_secs(30);

/// The first half of the number of the advisory lock; the other is made of the name of the schema, so that each schema is a database of
/// its own.
const LOCK: i32 = 0x6D79_6963;

/// The first pause after an attempt that failed, and the longest: each is twice as long as the one before it.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// To write, while nobody else does: it holds the lock.
    Writer,
    /// To read.
    Reader,
}

/// When the next attempt may be made. Requests that come before fail at once.
#[derive(Debug, Default)]
struct Pause {
    length: Duration,
    until: Option<Instant>,
}

impl Pause {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// One more attempt has failed.
    fn lengthen(&mut self, now: Instant) {
        let [first, longest] = PAUSES;
        self.length = (self.length * 2).clamp(first, longest);
        self.until = Some(now + self.length);
    }
}

/// A way to the database, open or not.
#[derive(Debug)]
pub(super) struct Connection {
    url: DatabaseUrl,
    role: Role,
    open: Option<PgConnection>,
    pause: Pause,
}

impl Connection {
    /// Connects, and brings the tables up to date. Gives back the highest number of a message, too.
    pub(super) async fn open(url: &DatabaseUrl, role: Role) -> Result<(Self, MessageId), OpenError> {
        let mut connection = connect(url, role).await?;
        if role == Role::Writer {
            MIGRATIONS.run(&mut connection).await.map_err(|error| match error {
                MigrateError::VersionMissing(found) if found > known() => newer(url, found),
                MigrateError::Execute(error) => failed(url, error),
                error => failed(url, error.into()),
            })?;
        }
        let last = work::last_message(&mut connection).await.map_err(|error| failed(url, error))?;
        Ok((Self { url: url.clone(), role, open: Some(connection), pause: Pause::default() }, last))
    }

    /// The connection, which whoever is done with it [gives back](Self::give_back), unless it is not good for anything any more; and where it is
    /// another one than the last, the highest number of a message. Nothing, if there is none now, which has been logged.
    pub(super) async fn take(&mut self) -> Option<(PgConnection, Option<MessageId>)> {
        if let Some(connection) = self.open.take() {
            return Some((connection, None));
        }
        if !self.pause.is_over(now()) {
            return None;
        }
        match reconnect(&self.url, self.role).await {
            Ok((connection, last)) => {
                self.pause = Pause::default();
                tracing::info!("connected with {} again", self.url);
                Some((connection, Some(last)))
            }
            Err(error) => {
                self.pause.lengthen(now());
                let pause = self.pause.length;
                let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
                tracing::error!("requests to the store fail, for {pause:?} at least: {error}{source}");
                None
            }
        }
    }

    pub(super) fn give_back(&mut self, connection: PgConnection) {
        self.open = Some(connection);
    }

    pub(super) async fn close(self) {
        if let Some(connection) = self.open
            && let Err(error) = connection.close().await
        {
            tracing::warn!("the connection was not closed cleanly, which harms nothing: {error}");
        }
    }
}

/// Does something with a connection that has to answer in time: where the network has gone, nobody says so.
pub(super) async fn in_time<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    within(BATCH_TIMEOUT, work).await
}

async fn within<T>(time: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    #[expect(clippy::disallowed_methods, reason = "the store is where the database is waited for")]
    let done = tokio::time::timeout(time, work).await;
    done.unwrap_or_else(|_| Err(Error::Io(io::ErrorKind::TimedOut.into())))
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the store is where the database is waited for")]
    Instant::now()
}

fn failed(url: &DatabaseUrl, source: Error) -> OpenError {
    OpenError::Server { url: url.to_string(), source: Box::new(source) }
}

fn newer(url: &DatabaseUrl, found: i64) -> OpenError {
    OpenError::Newer { database: url.to_string(), found, known: known() }
}

/// The version of the tables of this program.
fn known() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

async fn connect(url: &DatabaseUrl, role: Role) -> Result<PgConnection, OpenError> {
    let connecting = within(CONNECT_TIMEOUT, options(url, role).connect()).await;
    let mut connection = connecting.map_err(|error| failed(url, error))?;
    check(&mut connection, url, role).await?;
    if role == Role::Writer {
        let lock = query("SELECT pg_advisory_lock($1, hashtext(current_schema()))").bind(LOCK);
        lock.execute(&mut connection).await.map_err(|error| match is_busy(&error) {
            true => OpenError::ServerInUse { url: url.to_string() },
            false => failed(url, error),
        })?;
    }
    Ok(connection)
}

/// The same while the server runs: a newer one may have had the database meanwhile.
async fn reconnect(url: &DatabaseUrl, role: Role) -> Result<(PgConnection, MessageId), OpenError> {
    let mut connection = connect(url, role).await?;
    let sql = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations";
    let found: i64 = query_scalar(sql).fetch_one(&mut connection).await.map_err(|error| failed(url, error))?;
    if found > known() {
        return Err(newer(url, found));
    }
    let last = work::last_message(&mut connection).await.map_err(|error| failed(url, error))?;
    Ok((connection, last))
}

fn options(url: &DatabaseUrl, role: Role) -> PgConnectOptions {
    let read_only = if role == Role::Reader { "on" } else { "off" };
    // Each batch is measured, and its statements are known.
    url.options().disable_statement_logging().options([
        // A COMMIT is answered when it is on the disk. An acknowledgement is a promise.
        ("synchronous_commit", "on"),
        ("default_transaction_read_only", read_only),
        ("lock_timeout", LOCK_TIMEOUT),
        ("client_min_messages", "warning"),
        // What a lost connection holds, the lock before all, must not be held for hours.
        ("idle_in_transaction_session_timeout", "60s"),
        ("tcp_keepalives_idle", "15"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
    ])
}

/// Whether the database can keep what it is given.
async fn check(connection: &mut PgConnection, url: &DatabaseUrl, role: Role) -> Result<(), OpenError> {
    let sql = "SELECT current_setting('server_encoding') = 'UTF8', pg_is_in_recovery(), \
               current_setting('fsync') = 'on', current_schema() IS NOT NULL";
    let asked = query_as::<_, (bool, bool, bool, bool)>(sql).fetch_one(connection).await;
    let (is_utf8, is_standby, is_synced, has_schema) = asked.map_err(|error| failed(url, error))?;
    let unfit = |why| Err(OpenError::Unfit { url: url.to_string(), why });
    if !is_utf8 {
        return unfit("its encoding is not UTF8: make one with `createdb -E UTF8 -T template0`");
    }
    if is_standby {
        return unfit("it is a standby, which cannot be written: name the primary server");
    }
    if !has_schema {
        return unfit("no schema of its search_path exists: make one, or leave the search_path alone");
    }
    if !is_synced && role == Role::Writer {
        tracing::warn!("{url} runs with fsync = off: what is acknowledged is lost with the power");
    }
    Ok(())
}

/// Whether somebody else holds what is needed: nothing that comes next will fare better.
pub(super) fn is_busy(error: &Error) -> bool {
    // lock_not_available; query_canceled.
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| ["55P03", "57014"].contains(&&*code))
}

/// Takes back what has been done since BEGIN. Says whether the connection is good for more.
pub(super) async fn roll_back(connection: &mut PgConnection) -> bool {
    within(CONNECT_TIMEOUT, connection.execute("ROLLBACK")).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_maximum() {
        let (mut pause, begin) = (Pause::default(), now());
        assert!(pause.is_over(begin));
        for milliseconds in [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
            pause.lengthen(begin);
            let end = begin + Duration::from_millis(milliseconds);
            assert!(!pause.is_over(end - Duration::from_nanos(1)) && pause.is_over(end));
        }
    }
}
