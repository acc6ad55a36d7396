//! The database of what was said.

use std::path::Path;
use std::time::Duration;

use myicq_client::{Message, Uin};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use crate::folder;

/// How many messages are kept, of all accounts together. The oldest make room.
pub(crate) const MAX_MESSAGES: u32 = 100_000;

/// How long another program of this user may have the database.
const PATIENCE: Duration = Duration::from_secs(5);

/// What it looks like. `id` is the server's number for a message, by which one that comes again is known.
const SCHEMA: &str = "
    CREATE TABLE message (
        row INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        owner INTEGER NOT NULL,
        contact INTEGER NOT NULL,
        is_mine INTEGER NOT NULL,
        time INTEGER NOT NULL,
        id INTEGER,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        UNIQUE (owner, server, contact, is_mine, id)
    ) STRICT;
    CREATE INDEX message_of_contact ON message (owner, contact, row);
    PRAGMA user_version = 1;";

/// Whose conversations: a user at a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Account {
    pub(crate) server: String,
    pub(crate) owner: Uin,
}

/// A message, in one direction or the other.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub(crate) struct Entry {
    pub(crate) server: String,
    pub(crate) with: Uin,
    pub(crate) is_mine: bool,
    /// Unix seconds.
    pub(crate) time: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<u64>,
    pub(crate) kind: String,
    pub(crate) text: String,
}

/// Which messages: of a user, perhaps at one server alone, perhaps with one other, perhaps with all of these words in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) owner: Uin,
    pub(crate) server: Option<String>,
    pub(crate) with: Option<Uin>,
    pub(crate) words: String,
}

/// The history.
#[derive(Debug)]
pub(crate) struct History {
    database: Connection,
    max: u32,
}

impl History {
    /// Opens it in a folder, or begins it there.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        folder::make(folder)?;
        let file = folder.join("history.sqlite");
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // SQLite gives the files that it makes beside it the same rights.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        #[expect(clippy::disallowed_methods, reason = "the command line is a driver")]
        options.open(&file)?;
        Self::on(Connection::open(file)?, MAX_MESSAGES)
    }

    fn on(mut database: Connection, max: u32) -> anyhow::Result<Self> {
        database.busy_timeout(PATIENCE)?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        // What is forgotten is to be gone from the file, too.
        database.pragma_update(None, "secure_delete", true)?;
        let change = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        match change.query_row("PRAGMA user_version", [], |row| row.get(0))? {
            0 => change.execute_batch(SCHEMA)?,
            1 => {}
            version => anyhow::bail!("the history is of version {version}, of a later myicq: this one knows 1"),
        }
        change.commit()?;
        Ok(Self { database, max })
    }

    /// Writes a message down, unless it is there already or is none that is kept.
    pub(crate) fn record(
        &mut self,
        account: &Account,
        with: Uin,
        is_mine: bool,
        (time, id): (u32, Option<u64>),
        message: &Message,
    ) -> rusqlite::Result<()> {
        let (kind, text) = match message {
            Message::Text { text } => ("text", text),
            Message::AutoReply { text } => ("auto_reply", text),
            // The others are questions and answers of the moment.
            _ => return Ok(()),
        };
        // SQLite's numbers have a sign; these are only compared for being the same.
        let id = id.map(|id| i64::from_ne_bytes(id.to_ne_bytes()));
        let change = self.database.transaction()?;
        change
            .prepare(
                "INSERT OR IGNORE INTO message (server, owner, contact, is_mine, time, id, kind, text)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![account.server, account.owner.0, with.0, is_mine, time, id, kind, text])?;
        change.prepare("DELETE FROM message WHERE row <= (SELECT max(row) FROM message) - ?1")?.execute([self.max])?;
        change.commit()
    }

    /// The last messages of those that are wanted, the oldest first.
    pub(crate) fn last(&self, wanted: &Wanted, limit: u32) -> rusqlite::Result<Vec<Entry>> {
        let (condition, mut values) = wanted.condition();
        values.push(Value::from(limit));
        let query = format!(
            "SELECT server, contact, is_mine, time, id, kind, text FROM message WHERE {condition} ORDER BY row DESC LIMIT ?"
        );
        let mut statement = self.database.prepare(&query)?;
        let found = statement.query_map(params_from_iter(values), entry)?;
        let mut found = found.collect::<rusqlite::Result<Vec<Entry>>>()?;
        found.reverse();
        Ok(found)
    }

    /// Forgets what is wanted, and says how much it was.
    pub(crate) fn forget(&mut self, wanted: &Wanted) -> rusqlite::Result<usize> {
        let (condition, values) = wanted.condition();
        let count =
            self.database.execute(&format!("DELETE FROM message WHERE {condition}"), params_from_iter(values))?;
        // The log of changes still has it.
        self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(count)
    }
}

impl Wanted {
    /// What SQL says for it, and the values of its question marks.
    fn condition(&self) -> (String, Vec<Value>) {
        let mut condition = "owner = ?".to_owned();
        let mut values = vec![Value::from(self.owner.0)];
        if let Some(server) = &self.server {
            condition.push_str(" AND server = ?");
            values.push(server.clone().into());
        }
        if let Some(with) = self.with {
            condition.push_str(" AND contact = ?");
            values.push(with.0.into());
        }
        for word in self.words.split_whitespace() {
            condition.push_str(r" AND text LIKE ? ESCAPE '\'");
            let word = word.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
            values.push(format!("%{word}%").into());
        }
        (condition, values)
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        server: row.get(0)?,
        with: Uin(row.get(1)?),
        is_mine: row.get(2)?,
        time: row.get(3)?,
        id: row.get::<_, Option<i64>>(4)?.map(|id| u64::from_ne_bytes(id.to_ne_bytes())),
        kind: row.get(5)?,
        text: row.get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Uin = Uin(10_001);
    const BOB: Uin = Uin(10_002);
    const CARL: Uin = Uin(10_003);

    fn history(max: u32) -> History {
        History::on(Connection::open_in_memory().unwrap(), max).unwrap()
    }

    fn account() -> Account {
        Account { server: "server:8000".to_owned(), owner: ANN }
    }

    fn say(history: &mut History, with: Uin, id: u64, text: &str) {
        history.record(&account(), with, false, (7, Some(id)), &Message::text(text)).unwrap();
    }

    fn texts(history: &History, wanted: &Wanted, limit: u32) -> Vec<String> {
        history.last(wanted, limit).unwrap().into_iter().map(|entry| entry.text).collect()
    }

    fn of_ann() -> Wanted {
        Wanted { owner: ANN, ..Wanted::default() }
    }

    #[test]
    fn the_last_come_back_in_their_order() {
        let mut history = history(10);
        for (id, text) in [(1, "one"), (2, "two"), (3, "three")] {
            say(&mut history, BOB, id, text);
        }
        say(&mut history, CARL, 4, "four");
        let with_bob = Wanted { with: Some(BOB), ..of_ann() };
        assert_eq!(texts(&history, &with_bob, 2), ["two", "three"]);
        assert_eq!(texts(&history, &of_ann(), 9), ["one", "two", "three", "four"]);
        let elsewhere = Wanted { server: Some("other:8000".to_owned()), ..of_ann() };
        assert!(texts(&history, &elsewhere, 9).is_empty());
        assert!(texts(&history, &Wanted { owner: BOB, ..Wanted::default() }, 9).is_empty());
        let entry = history.last(&with_bob, 1).unwrap().pop().unwrap();
        assert_eq!((entry.with, entry.is_mine, entry.time, entry.id), (BOB, false, 7, Some(3)));
    }

    #[test]
    fn a_message_that_comes_again_is_there_once() {
        let mut history = history(10);
        say(&mut history, BOB, u64::MAX, "hello");
        say(&mut history, BOB, u64::MAX, "hello");
        let mine = |history: &mut History| {
            history.record(&account(), BOB, true, (7, None), &Message::text("ho")).unwrap();
        };
        mine(&mut history);
        mine(&mut history);
        assert_eq!(texts(&history, &of_ann(), 9), ["hello", "ho", "ho"], "without a number nobody knows");
        assert_eq!(history.last(&of_ann(), 9).unwrap()[0].id, Some(u64::MAX));
    }

    #[test]
    fn words_are_found_wherever_they_stand() {
        let mut history = history(10);
        for (id, text) in
            [(1, "meet at Nine"), (2, "100% sure"), (3, "nine o'clock meeting"), (4, "你好世界"), (5, r"a\b_c")]
        {
            say(&mut history, BOB, id, text);
        }
        let find = |words: &str| texts(&history, &Wanted { words: words.to_owned(), ..of_ann() }, 9);
        assert_eq!(find("nine meet"), ["meet at Nine", "nine o'clock meeting"]);
        assert_eq!(find("0%"), ["100% sure"]);
        assert_eq!(find("好世"), ["你好世界"]);
        assert_eq!(find(r"\b_"), [r"a\b_c"]);
        assert!(find("%").len() == 1 && find("' OR 1").is_empty());
    }

    #[test]
    fn the_oldest_make_room() {
        let mut history = history(3);
        for id in 1..=4 {
            say(&mut history, BOB, id, &id.to_string());
            let count = texts(&history, &of_ann(), 9).len() as u64;
            assert_eq!(count, id.min(3));
        }
        assert_eq!(texts(&history, &of_ann(), 9), ["2", "3", "4"]);
    }

    #[test]
    fn what_is_forgotten_is_gone_and_the_rest_is_not() {
        let mut history = history(10);
        say(&mut history, BOB, 1, "one");
        say(&mut history, CARL, 2, "two");
        assert_eq!(history.forget(&Wanted { with: Some(BOB), ..of_ann() }).unwrap(), 1);
        assert_eq!(texts(&history, &of_ann(), 9), ["two"]);
        assert_eq!(history.forget(&of_ann()).unwrap(), 1);
    }

    #[test]
    fn questions_of_the_moment_are_not_kept() {
        let mut history = history(10);
        let asked = Message::AuthRejected { reason: "no".to_owned() };
        history.record(&account(), BOB, false, (7, Some(1)), &asked).unwrap();
        assert!(texts(&history, &of_ann(), 9).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_it_and_a_later_one_is_left_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let mut history = History::open(&path).unwrap();
        say(&mut history, BOB, 1, "one");
        for name in ["history.sqlite", "history.sqlite-wal", "."] {
            #[expect(clippy::disallowed_methods, reason = "the test looks at the file")]
            let mode = std::fs::metadata(path.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{name}");
        }
        drop(history);
        assert_eq!(texts(&History::open(&path).unwrap(), &of_ann(), 9), ["one"]);
        let database = Connection::open(path.join("history.sqlite")).unwrap();
        database.pragma_update(None, "user_version", 2).unwrap();
        assert!(History::open(&path).unwrap_err().to_string().contains("version 2"));
    }
}
