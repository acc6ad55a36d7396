//! How long the store takes, and how many messages it keeps: measured on its own thread, and read by others without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use myicq_wire::Histogram;

use crate::store::{Outcome, Reply, Request, Store, Ticket, Work};

/// What the store's thread has measured since the start.
#[derive(Debug, Default)]
pub(super) struct StoreMeter {
    /// From the beginning of a commit to its end.
    commits: Times,
    /// The same of what is read beside the commits.
    reads: Times,
    /// Messages that wait for their recipients. Counted once, and then followed: to count them again would take too long.
    kept: AtomicU64,
}

/// A [`Histogram`] that one thread writes and others read.
#[derive(Debug, Default)]
struct Times {
    counts: [AtomicU64; Histogram::BUCKETS],
    total_microseconds: AtomicU64,
}

impl Times {
    fn record(&self, since: Instant) {
        #[expect(clippy::disallowed_methods, reason = "the driver measures the store")]
        let time = since.elapsed();
        if let Some(count) = self.counts.get(Histogram::bucket(time)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.total_microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    fn read(&self) -> Histogram {
        let mut read = Histogram::default();
        for (bucket, count) in self.counts.iter().enumerate() {
            read.add(bucket, count.load(Ordering::Relaxed), 0);
        }
        read.add(0, 0, self.total_microseconds.load(Ordering::Relaxed));
        read
    }
}

impl StoreMeter {
    /// How long commits took.
    pub(super) fn commits(&self) -> Histogram {
        self.commits.read()
    }

    /// How long reads beside them took.
    pub(super) fn reads(&self) -> Histogram {
        self.reads.read()
    }

    /// How many messages wait for their recipients.
    pub(super) fn kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// Counts the messages that are there at the start.
    pub(super) async fn count_kept(&self, store: &mut impl Store) {
        let replies = store.commit(vec![Request { ticket: Ticket(0), work: Work::CountMessages }]).await;
        if let Some(Reply { outcome: Outcome::Count(count), .. }) = replies.first() {
            self.kept.store(*count, Ordering::Relaxed);
        }
    }

    fn follow(&self, takes: Takes, outcome: &Outcome) {
        let (come, gone) = match (takes, outcome) {
            (_, Outcome::Stored(Ok(()))) => (1, 0),
            (Takes::One, Outcome::Done) => (0, 1),
            (Takes::Some, Outcome::Count(messages)) | (_, Outcome::Removed(Some(messages))) => (0, *messages),
            _ => return,
        };
        let kept = self.kept();
        self.kept.store(kept.saturating_add(come).saturating_sub(gone), Ordering::Relaxed);
    }
}

/// What a request takes away of the messages that are kept.
#[derive(Clone, Copy, Debug)]
enum Takes {
    Nothing,
    One,
    Some,
}

impl Takes {
    fn of(work: &Work) -> Self {
        match work {
            Work::DeleteMessage { .. } => Self::One,
            Work::ExpireMessages { .. } => Self::Some,
            _ => Self::Nothing,
        }
    }
}

/// A store that is measured.
#[derive(Debug)]
pub(super) struct Metered<S> {
    pub(super) store: S,
    meter: Arc<StoreMeter>,
    is_writer: bool,
}

impl<S> Metered<S> {
    pub(super) fn writer(store: S, meter: &Arc<StoreMeter>) -> Self {
        Self { store, meter: Arc::clone(meter), is_writer: true }
    }

    pub(super) fn reader(store: S, meter: &Arc<StoreMeter>) -> Self {
        Self { store, meter: Arc::clone(meter), is_writer: false }
    }
}

impl<S: Store + Send> Store for Metered<S> {
    async fn commit(&mut self, batch: Vec<Request>) -> Vec<Reply> {
        let takes: Vec<Takes> = batch.iter().map(|request| Takes::of(&request.work)).collect();
        #[expect(clippy::disallowed_methods, reason = "the driver measures the store")]
        let begin = Instant::now();
        let replies = self.store.commit(batch).await;
        let times = if self.is_writer { &self.meter.commits } else { &self.meter.reads };
        times.record(begin);
        for (reply, takes) in replies.iter().zip(takes) {
            self.meter.follow(takes, &reply.outcome);
        }
        replies
    }
}

#[cfg(test)]
mod tests {
    use myicq_wire::Uin;

    use super::*;
    use crate::store::{MemoryStore, Message, MessageId, Room};

    fn requests(works: impl IntoIterator<Item = Work>) -> Vec<Request> {
        works.into_iter().map(|work| Request { ticket: Ticket(0), work }).collect()
    }

    #[tokio::test]
    async fn what_is_kept_is_followed() {
        let mut store = MemoryStore::default();
        let keep = |id| {
            let message = Message { id: MessageId(id), to: Uin::FIRST, ..Message::default() };
            Work::StoreMessage { message: Arc::new(message), room: Room { messages: 3, ..Room::UNLIMITED } }
        };
        let create = Work::AddUser { uin: None, nick: String::new(), password_hash: String::new() };
        store.commit(requests([create, keep(1)])).await;
        let meter = Arc::new(StoreMeter::default());
        meter.count_kept(&mut store).await;
        assert_eq!(meter.kept(), 1);
        let mut store = Metered::writer(store, &meter);
        // The fourth has no room.
        store.commit(requests([keep(2), keep(3), keep(4)])).await;
        assert_eq!(meter.kept(), 3);
        store.commit(requests([Work::DeleteMessage { recipient: Uin::FIRST, id: MessageId(2) }])).await;
        assert_eq!(meter.kept(), 2);
        store.commit(requests([Work::ExpireMessages { before: MessageId(2), limit: 9 }])).await;
        assert_eq!(meter.kept(), 1);
        store.commit(requests([Work::RemoveUser { uin: Uin::FIRST }])).await;
        store.commit(requests([Work::CountMessages])).await;
        assert_eq!((meter.kept(), meter.commits().counts().iter().sum::<u64>()), (0, 5));
        assert_eq!(meter.reads().counts().iter().sum::<u64>(), 0);
    }
}
