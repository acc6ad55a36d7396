//! What a batch makes of the messages that it names, worked out in memory, one request after the other, so that a database has few
//! statements to do: what is new, and what is gone.
//!
//! To count a full mailbox means to read a thousand rows, so the counts are kept. They hold because nobody else has the
//! database while its store is open.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;

use myicq_wire::Uin;

use super::{DAY, Message, MessageId, NotStored, Outcome, Room, Work};

/// Mailboxes and pairs whose messages are counted, at most; some 30 MB. With more, all are forgotten before the next batch, and counted
/// again as they are needed.
const COUNTS_MAX: usize = 1 << 20;

/// Days of which the senders are counted; more only while one batch has messages of more. Two at midnight.
const DAYS_MAX: usize = 2;

/// A message that is kept, as far as it is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) id: i64,
    pub(super) recipient: Uin,
    pub(super) sender: Uin,
    pub(super) bytes: usize,
}

impl Counted {
    fn day(self) -> u64 {
        MessageId(self.id.cast_unsigned()).day()
    }
}

/// What is kept for a user.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    messages: usize,
    bytes: usize,
}

/// How many messages are kept, as far as that has been asked.
#[derive(Debug, Default)]
pub(super) struct Counts {
    mailboxes: HashMap<Uin, Kept>,
    /// By recipient and sender, in some of those mailboxes. Where fewer are kept than may be from one sender, nobody asks.
    pairs: HashMap<(Uin, Uin), usize>,
    /// Whose pairs are counted.
    paired: HashSet<Uin>,
    /// By the day and the sender. All of a day are counted at once, from the end of the table: an index by sender would cost each
    /// message more than this costs a day. As many entries as users had something to say to those who are away.
    days: BTreeMap<u64, HashMap<Uin, usize>>,
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
        self.days.clear();
    }

    /// The days of which the senders are to be counted before `works` are done, each with the numbers of its messages:
    /// [`learn_sender`](Self::learn_sender) has the answer, for each sender with any.
    pub(super) fn unknown_days(&mut self, works: &[(usize, &Work)]) -> Vec<(u64, RangeInclusive<i64>)> {
        while self.days.len() > DAYS_MAX {
            self.days.pop_first();
        }
        let stored = works.iter().filter_map(|(_, work)| match work {
            Work::StoreMessage { message, .. } => Some(message.id.day()),
            _ => None,
        });
        let days: BTreeSet<u64> = stored.filter(|day| !self.days.contains_key(day)).collect();
        let mut unknown = Vec::new();
        for day in days {
            // What is beyond the numbers of the disk is not stored.
            let Some(first) = day.checked_mul(DAY).and_then(|first| i64::try_from(first).ok()) else { continue };
            self.days.insert(day, HashMap::new());
            if self.last.0 >= first.cast_unsigned() {
                unknown.push((day, first..=first.saturating_add(DAY.cast_signed() - 1)));
            }
        }
        unknown
    }

    pub(super) fn learn_sender(&mut self, day: u64, sender: Uin, messages: i64) {
        self.days.entry(day).or_default().insert(sender, messages.try_into().unwrap_or(usize::MAX));
    }

    /// Whose mailboxes are to be counted before `works` are done: [`learn_mailbox`](Self::learn_mailbox) has the answer. Recipients who do not exist
    /// are left out of it.
    pub(super) fn unknown_mailboxes(&mut self, works: &[(usize, &Work)]) -> Vec<Uin> {
        if self.mailboxes.len() + self.pairs.len() > COUNTS_MAX {
            self.forget();
        }
        coming(works).into_keys().filter(|uin| !self.mailboxes.contains_key(uin)).collect()
    }

    pub(super) fn learn_mailbox(&mut self, recipient: Uin, messages: usize, bytes: usize) {
        self.mailboxes.insert(recipient, Kept { messages, bytes });
    }

    /// In whose mailboxes the messages of each sender are to be counted, once the mailboxes are: [`learn_pair`](Self::learn_pair) has
    /// the answer, for each sender with any.
    pub(super) fn unknown_pairs(&mut self, works: &[(usize, &Work)]) -> Vec<Uin> {
        let may_ask = coming(works).into_iter().filter(|(uin, (count, least))| {
            self.mailboxes.get(uin).is_some_and(|kept| kept.messages.saturating_add(*count) > *least)
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

    fn count(&mut self, message: Counted) {
        let Counted { recipient, sender, bytes, .. } = message;
        let kept = self.mailboxes.entry(recipient).or_default();
        *kept = Kept { messages: kept.messages + 1, bytes: kept.bytes + bytes };
        if self.paired.contains(&recipient) {
            *self.pairs.entry((recipient, sender)).or_default() += 1;
        }
        if let Some(senders) = self.days.get_mut(&message.day()) {
            *senders.entry(sender).or_default() += 1;
        }
    }

    /// A message is not kept any more.
    pub(super) fn uncount(&mut self, message: Counted) {
        let Counted { recipient, sender, bytes, .. } = message;
        if let Some(kept) = self.mailboxes.get_mut(&recipient) {
            *kept = Kept { messages: kept.messages.saturating_sub(1), bytes: kept.bytes.saturating_sub(bytes) };
        }
        count_down(self.pairs.entry((recipient, sender)));
        if let Some(senders) = self.days.get_mut(&message.day()) {
            count_down(senders.entry(sender));
        }
    }

    /// How many are kept from one sender and of one day.
    fn of_day(&self, id: MessageId, sender: Uin) -> usize {
        self.days.get(&id.day()).and_then(|senders| senders.get(&sender)).copied().unwrap_or_default()
    }
}

/// One less.
fn count_down<K>(entry: Entry<'_, K, usize>) {
    if let Entry::Occupied(mut kept) = entry {
        *kept.get_mut() -= 1;
        if *kept.get() == 0 {
            kept.remove();
        }
    }
}

/// How many messages come for each recipient, and how few may be of one sender.
fn coming(works: &[(usize, &Work)]) -> BTreeMap<Uin, (usize, usize)> {
    let mut coming: BTreeMap<Uin, (usize, usize)> = BTreeMap::new();
    for (_, work) in works {
        if let Work::StoreMessage { message, room } = work {
            let (count, least) = coming.entry(message.to).or_insert((0, usize::MAX));
            (*count, *least) = (*count + 1, (*least).min(room.of_pair));
        }
    }
    coming
}

/// Does what is asked of messages, and notes what is left to be done in the database.
pub(super) struct Ledger<'a> {
    counts: &'a mut Counts,
    /// Those that are there, by number.
    kept: HashMap<i64, Counted>,
    /// Those of them that are not in the database yet, by rising number, with their times.
    pub(super) new: BTreeMap<i64, (i64, &'a Message)>,
    /// Those that are still in the database.
    pub(super) deleted: Vec<i64>,
}

impl<'a> Ledger<'a> {
    /// `kept`: which of those that are [named](Counts::named) lie in the database.
    pub(super) fn new(counts: &'a mut Counts, kept: impl IntoIterator<Item = Counted>) -> Self {
        let kept = kept.into_iter().map(|message| (message.id, message)).collect();
        Self { counts, kept, new: BTreeMap::new(), deleted: Vec::new() }
    }

    pub(super) fn perform(&mut self, work: &'a Work) -> Outcome {
        match *work {
            Work::StoreMessage { ref message, room } => self.store(message, room),
            Work::DeleteMessage { recipient, id } => {
                self.delete(recipient, id);
                Outcome::Done
            }
            _ => Outcome::Failed,
        }
    }

    fn store(&mut self, message: &'a Message, room: Room) -> Outcome {
        let (Ok(id), Ok(time)) = (i64::try_from(message.id.0), i64::try_from(message.time.0)) else {
            return Outcome::Failed;
        };
        let (from, to) = (message.from, message.to);
        let Some(&in_mailbox) = self.counts.mailboxes.get(&to) else {
            return Outcome::Stored(Err(NotStored::NoSuchUser));
        };
        // Not counted where there is room in any case.
        let of_pair = self.counts.pairs.get(&(to, from)).copied().unwrap_or_default();
        let bytes = message.text.len();
        let has_room = in_mailbox.messages < room.messages && in_mailbox.bytes.saturating_add(bytes) <= room.bytes;
        if !has_room || of_pair >= room.of_pair {
            return Outcome::Stored(Err(NotStored::MailboxFull));
        }
        if self.counts.of_day(message.id, from) >= room.of_sender_in_a_day {
            return Outcome::Stored(Err(NotStored::DayFull));
        }
        if self.kept.contains_key(&id) {
            return Outcome::Failed;
        }
        let counted = Counted { id, recipient: to, sender: from, bytes };
        self.kept.insert(id, counted);
        self.new.insert(id, (time, message));
        self.counts.count(counted);
        self.counts.last = self.counts.last.max(message.id);
        Outcome::Stored(Ok(()))
    }

    fn delete(&mut self, recipient: Uin, id: MessageId) {
        let Ok(id) = i64::try_from(id.0) else { return };
        let Some(&message) = self.kept.get(&id) else { return };
        if message.recipient == recipient {
            self.kept.remove(&id);
            self.counts.uncount(message);
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
        counts.mailboxes.extend((1..).map(|uin| (Uin(uin), Kept::default())).take(COUNTS_MAX));
        counts.unknown_mailboxes(&[]);
        assert_eq!(counts.mailboxes.len(), COUNTS_MAX);
        counts.pairs.insert((Uin(1), Uin(2)), 1);
        counts.unknown_mailboxes(&[]);
        assert!(counts.mailboxes.is_empty() && counts.pairs.is_empty());
    }
}
