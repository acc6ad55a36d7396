//! What a batch makes of the messages that it names, worked out in memory, one request after the other, so that a database has few
//! statements to do: what is new, and what is gone.
//!
//! To count a full mailbox means to read a thousand rows, so the counts are kept. They hold because nobody else has the
//! database while its store is open.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use myicq_wire::Uin;

use super::{Message, MessageId, NotStored, Outcome, Work};

/// Mailboxes and pairs whose messages are counted, at most; some 30 MB. With more, all are forgotten before the next batch, and counted
/// again as they are needed.
const COUNTS_MAX: usize = 1 << 20;

/// How many messages are kept, as far as that has been asked.
#[derive(Debug, Default)]
pub(super) struct Counts {
    mailboxes: HashMap<Uin, usize>,
    /// By recipient and sender, in some of those mailboxes. Where fewer are kept than may be from one sender, nobody asks.
    pairs: HashMap<(Uin, Uin), usize>,
    /// Whose pairs are counted.
    paired: HashSet<Uin>,
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
        self.paired.clear();
    }

    /// Whose mailboxes are to be counted before `works` are done: [`learn_mailbox`](Self::learn_mailbox) has the answer. Recipients who do not exist
    /// are left out of it.
    pub(super) fn unknown_mailboxes(&mut self, works: &[(usize, &Work)]) -> Vec<Uin> {
        if self.mailboxes.len() + self.pairs.len() > COUNTS_MAX {
            self.forget();
        }
        coming(works).into_keys().filter(|uin| !self.mailboxes.contains_key(uin)).collect()
    }

    pub(super) fn learn_mailbox(&mut self, recipient: Uin, messages: i64) {
        self.mailboxes.insert(recipient, messages.try_into().unwrap_or(usize::MAX));
    }

    /// In whose mailboxes the messages of each sender are to be counted, once the mailboxes are: [`learn_pair`](Self::learn_pair) has
    /// the answer, for each sender with any.
    pub(super) fn unknown_pairs(&mut self, works: &[(usize, &Work)]) -> Vec<Uin> {
        let may_ask = coming(works).into_iter().filter(|(uin, (count, least))| {
            self.mailboxes.get(uin).is_some_and(|kept| kept.saturating_add(*count) > *least)
        });
        let unknown: Vec<Uin> = may_ask.map(|(uin, _)| uin).filter(|uin| !self.paired.contains(uin)).collect();
        self.paired.extend(&unknown);
        unknown
    }

    pub(super) fn learn_pair(&mut self, recipient: Uin, sender: Uin, messages: usize) {
        *self.pairs.entry((recipient, sender)).or_default() += messages;
    }

    /// The numbers of messages in `works` that may lie in the database. [`Ledger::new`] wants to know which do.
    pub(super) fn named(&self, works: &[(usize, &Work)]) -> Vec<i64> {
        let numbers = works.iter().filter_map(|(_, work)| match work {
            Work::StoreMessage { message, .. } => Some(message.id),
            Work::DeleteMessage { id, .. } => Some(*id),
            _ => None,
        });
        let mut ids: Vec<i64> = numbers.filter(|&id| id <= self.last).filter_map(|id| id.0.try_into().ok()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn count(&mut self, recipient: Uin, sender: Uin) {
        *self.mailboxes.entry(recipient).or_default() += 1;
        if self.paired.contains(&recipient) {
            *self.pairs.entry((recipient, sender)).or_default() += 1;
        }
    }

    fn uncount(&mut self, recipient: Uin, sender: Uin) {
        if let Some(kept) = self.mailboxes.get_mut(&recipient) {
            *kept = kept.saturating_sub(1);
        }
        if let Entry::Occupied(mut kept) = self.pairs.entry((recipient, sender)) {
            *kept.get_mut() -= 1;
            if *kept.get() == 0 {
                kept.remove();
            }
        }
    }
}

/// How many messages come for each recipient, and how few may be of one sender.
fn coming(works: &[(usize, &Work)]) -> BTreeMap<Uin, (usize, usize)> {
    let mut coming: BTreeMap<Uin, (usize, usize)> = BTreeMap::new();
    for (_, work) in works {
        if let Work::StoreMessage { message, pair_max, .. } = work {
            let (count, least) = coming.entry(message.to).or_insert((0, usize::MAX));
            (*count, *least) = (*count + 1, (*least).min(*pair_max));
        }
    }
    coming
}

/// Does what is asked of messages, and notes what is left to be done in the database.
pub(super) struct Ledger<'a> {
    counts: &'a mut Counts,
    /// Those that are there, by number, with recipient and sender.
    kept: HashMap<i64, (Uin, Uin)>,
    /// Those of them that are not in the database yet, by rising number, with their times.
    pub(super) new: BTreeMap<i64, (i64, &'a Message)>,
    /// Those that are still in the database.
    pub(super) deleted: Vec<i64>,
}

impl<'a> Ledger<'a> {
    /// `kept`: which of those that are [named](Counts::named) lie in the database, with recipient and sender.
    pub(super) fn new(counts: &'a mut Counts, kept: HashMap<i64, (Uin, Uin)>) -> Self {
        Self { counts, kept, new: BTreeMap::new(), deleted: Vec::new() }
    }

    pub(super) fn perform(&mut self, work: &'a Work) -> Outcome {
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
        // Not counted where there is room in any case.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_forgotten_beyond_their_maximum() {
        let mut counts = Counts::default();
        counts.mailboxes.extend((1..).map(|uin| (Uin(uin), 1)).take(COUNTS_MAX));
        counts.unknown_mailboxes(&[]);
        assert_eq!(counts.mailboxes.len(), COUNTS_MAX);
        counts.pairs.insert((Uin(1), Uin(2)), 1);
        counts.unknown_mailboxes(&[]);
        assert!(counts.mailboxes.is_empty() && counts.pairs.is_empty());
    }
}
