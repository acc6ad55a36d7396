//! Messages of many users in a few statements: what a batch stores and deletes is first worked out in memory, one after the
//! other, and only what comes of it goes to the database.
//!
//! To count a full mailbox means to read a thousand rows, so the counts are kept. They hold because nobody else has the
//! database while this store is open.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use myicq_wire::Uin;
use sqlx::error::Result;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row, query};

use super::reads::{json, numbers};
use crate::store::{Message, MessageId, NotStored, Outcome, Work};

/// Mailboxes and pairs whose messages are counted, at most; some 4 MB. With more, all are forgotten before the next batch, and counted
/// again as they are needed.
const COUNTS_MAX: usize = 1 << 17;

/// Rows that one statement inserts: as many as there are, in a few lengths, so that each is prepared once.
const INSERT_LENGTHS: [usize; 4] = [128, 32, 8, 1];

static INSERTS: LazyLock<[(usize, String); INSERT_LENGTHS.len()]> = LazyLock::new(|| {
    INSERT_LENGTHS.map(|rows| {
        let values = vec!["(?, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
        (rows, format!("INSERT INTO messages (id, recipient, sender, kind, time, charset, text) VALUES {values}"))
    })
});

/// How many messages are kept, as far as that has been asked.
#[derive(Debug, Default)]
pub(super) struct Counts {
    mailboxes: HashMap<Uin, usize>,
    /// By recipient and sender, in those mailboxes.
    pairs: HashMap<(Uin, Uin), usize>,
    /// No message has a higher number.
    last: MessageId,
}

impl Counts {
    pub(super) fn new(last: MessageId) -> Self {
        Self { last, ..Self::default() }
    }

    /// To be called when the database is not what the last batch has made of it.
    pub(super) fn forget(&mut self) {
        self.mailboxes.clear();
        self.pairs.clear();
    }

    fn count(&mut self, recipient: Uin, sender: Uin) {
        *self.mailboxes.entry(recipient).or_default() += 1;
        *self.pairs.entry((recipient, sender)).or_default() += 1;
    }

    fn uncount(&mut self, recipient: Uin, sender: Uin) {
        let Some(kept) = self.mailboxes.get_mut(&recipient) else { return };
        *kept = kept.saturating_sub(1);
        if let Entry::Occupied(mut kept) = self.pairs.entry((recipient, sender)) {
            *kept.get_mut() -= 1;
            if *kept.get() == 0 {
                kept.remove();
            }
        }
    }

    /// Counts what is kept for the recipients among `works`. Those who do not exist are left out.
    async fn load(&mut self, connection: &mut SqliteConnection, works: &[(usize, &Work)]) -> Result<()> {
        if self.mailboxes.len() + self.pairs.len() > COUNTS_MAX {
            self.forget();
        }
        let recipients = works.iter().filter_map(|(_, work)| match work {
            Work::StoreMessage { message, .. } => Some(message.to),
            _ => None,
        });
        let mut unknown: Vec<u32> =
            recipients.filter(|uin| !self.mailboxes.contains_key(uin)).map(|uin| uin.0).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() {
            return Ok(());
        }
        let sql = "SELECT uin, (SELECT json_group_array(sender) FROM messages WHERE recipient = uin) \
                   FROM json_each(?) CROSS JOIN users ON uin = value";
        for row in query(sql).bind(json(unknown)).fetch_all(connection).await? {
            let recipient = Uin(row.try_get(0)?);
            self.mailboxes.insert(recipient, 0);
            numbers(&row, 1)?.into_iter().map(Uin).for_each(|sender| self.count(recipient, sender));
        }
        Ok(())
    }
}

/// Stores and deletes messages, as if one after the other, within the transaction that is open. With an error, which is the
/// database's, the transaction is to be taken back.
pub(super) async fn perform(
    connection: &mut SqliteConnection,
    counts: &mut Counts,
    works: &[(usize, &Work)],
) -> Result<Vec<(usize, Outcome)>> {
    counts.load(connection, works).await?;
    let kept = load_kept(connection, counts.last, works).await?;
    let mut ledger = Ledger { counts, kept, new: BTreeMap::new(), deleted: Vec::new() };
    let outcomes = works.iter().map(|&(place, work)| (place, ledger.perform(work))).collect();
    let Ledger { new, deleted, .. } = ledger;
    if !deleted.is_empty() {
        let sql = "DELETE FROM messages WHERE id IN (SELECT value FROM json_each(?))";
        query(sql).bind(json(deleted)).execute(&mut *connection).await?;
    }
    let new: Vec<_> = new.into_iter().collect();
    insert(connection, &new).await?;
    Ok(outcomes)
}

/// Those messages that are named in `works` and lie in the database, with their recipients and senders.
async fn load_kept(
    connection: &mut SqliteConnection,
    last: MessageId,
    works: &[(usize, &Work)],
) -> Result<HashMap<i64, (Uin, Uin)>> {
    let numbers_of = works.iter().filter_map(|(_, work)| match work {
        Work::StoreMessage { message, .. } => Some(message.id),
        Work::DeleteMessage { id, .. } => Some(*id),
        _ => None,
    });
    let mut ids: Vec<i64> = numbers_of.filter(|&id| id <= last).filter_map(|id| id.0.try_into().ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    // One row for all: each would cost as much as the look-up.
    let sql = "SELECT json_group_array(json_array(id, recipient, sender)) FROM messages WHERE id IN (SELECT value FROM json_each(?))";
    let row = query(sql).bind(json(ids)).fetch_one(connection).await?;
    let kept = numbers::<(i64, u32, u32)>(&row, 0)?.into_iter();
    Ok(kept.map(|(id, recipient, sender)| (id, (Uin(recipient), Uin(sender)))).collect())
}

/// What a batch makes of the messages that it names.
struct Ledger<'a> {
    counts: &'a mut Counts,
    /// Those that are there, by number, with recipient and sender.
    kept: HashMap<i64, (Uin, Uin)>,
    /// Those of them that are not in the database yet.
    new: BTreeMap<i64, (i64, &'a Message)>,
    /// Those that are still in the database.
    deleted: Vec<i64>,
}

impl<'a> Ledger<'a> {
    fn perform(&mut self, work: &'a Work) -> Outcome {
        match *work {
            Work::StoreMessage { ref message, max, pair_max } => self.store(message, max, pair_max),
            Work::DeleteMessage { recipient, id } => {
                self.delete(recipient, id);
                Outcome::Done
            }
            _ => Outcome::Failed,
        }
    }

    fn store(&mut self, message: &'a Message, max: usize, pair_max: usize) -> Outcome {
        let (Ok(id), Ok(time)) = (i64::try_from(message.id.0), i64::try_from(message.time.0)) else {
            return Outcome::Failed;
        };
        let (from, to) = (message.from, message.to);
        let Some(&in_mailbox) = self.counts.mailboxes.get(&to) else {
            return Outcome::Stored(Err(NotStored::NoSuchUser));
        };
        let of_pair = self.counts.pairs.get(&(to, from)).copied().unwrap_or_default();
        if in_mailbox >= max || of_pair >= pair_max {
            return Outcome::Stored(Err(NotStored::MailboxFull));
        }
        if self.kept.contains_key(&id) {
            return Outcome::Failed;
        }
        self.kept.insert(id, (to, from));
        self.new.insert(id, (time, message));
        self.counts.count(to, from);
        self.counts.last = self.counts.last.max(message.id);
        Outcome::Stored(Ok(()))
    }

    fn delete(&mut self, recipient: Uin, id: MessageId) {
        let Ok(id) = i64::try_from(id.0) else { return };
        let Some(&(to, from)) = self.kept.get(&id) else { return };
        if to == recipient {
            self.kept.remove(&id);
            self.counts.uncount(to, from);
            if self.new.remove(&id).is_none() {
                self.deleted.push(id);
            }
        }
    }
}

/// Inserts messages with their numbers and times, by rising number: the table grows at its end.
async fn insert(connection: &mut SqliteConnection, mut messages: &[(i64, (i64, &Message))]) -> Result<()> {
    for (length, sql) in &*INSERTS {
        while let Some((rows, rest)) = messages.split_at_checked(*length) {
            let mut insert = query(AssertSqlSafe(sql.as_str()));
            for &(id, (time, message)) in rows {
                insert = insert
                    .bind(id)
                    .bind(message.to.0)
                    .bind(message.from.0)
                    .bind(message.kind.0)
                    .bind(time)
                    .bind(message.charset.label())
                    .bind(&*message.text);
            }
            insert.execute(&mut *connection).await?;
            messages = rest;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::SqliteStore;
    use super::*;

    #[tokio::test]
    async fn counts_are_forgotten_beyond_their_maximum() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(folder.path()).await.unwrap();
        let mut counts = Counts::default();
        counts.mailboxes.extend((1..).map(|uin| (Uin(uin), 1)).take(COUNTS_MAX));
        counts.load(&mut store.connection, &[]).await.unwrap();
        assert_eq!(counts.mailboxes.len(), COUNTS_MAX);
        counts.pairs.insert((Uin(1), Uin(2)), 1);
        counts.load(&mut store.connection, &[]).await.unwrap();
        assert!(counts.mailboxes.is_empty() && counts.pairs.is_empty());
    }
}
