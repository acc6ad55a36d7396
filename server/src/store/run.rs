//! The loop in front of a store: what has come in while the disk was busy goes into the next commit together.

use std::future::pending;
use std::pin::{Pin, pin};

use tokio::sync::mpsc::UnboundedReceiver;

use super::lanes::{BATCH_MAX, Lanes};
use super::{Reply, Request, Store};

/// Does requests as they come, and hands the replies of each commit, and of each lot of reads beside it, to `on_replies`, until every
/// sender of requests is gone and none is left. Gives writer and reader back, to be closed.
///
/// The reader gets nothing but reads, and must see what the writer has answered. A commit begins as soon as the last one is done
/// and there is something for it: no request waits for company. The requests that touch one mailbox, one contact list or one
/// account are done and answered in the order in which they came; between others there is none.
///
/// The channel has no limit of its own: its senders are shards, which bound what they have under way.
pub async fn run<W: Store, R: Store>(
    writer: W,
    reader: R,
    mut requests: UnboundedReceiver<Request>,
    mut on_replies: impl FnMut(Vec<Reply>),
) -> (W, R) {
    let mut lanes = Lanes::default();
    let (mut idle_writer, mut idle_reader) = (Some(writer), Some(reader));
    let (mut writing, mut reading) = (pin!(None), pin!(None));
    let (mut arrived, mut is_open) = (Vec::new(), true);
    loop {
        if let Some((writer, batch)) = pair(&mut idle_writer, || lanes.poll_writes()) {
            writing.set(Some(commit(writer, batch)));
        }
        if let Some((reader, batch)) = pair(&mut idle_reader, || lanes.poll_reads()) {
            reading.set(Some(commit(reader, batch)));
        }
        (idle_writer, idle_reader) = match (idle_writer, idle_reader) {
            (Some(writer), Some(reader)) if !is_open => return (writer, reader),
            either => either,
        };
        tokio::select! {
            // First of all what has come: it goes into the commit that begins next.
            biased;
            count = requests.recv_many(&mut arrived, BATCH_MAX), if is_open => {
                is_open = count > 0;
                arrived.drain(..).for_each(|request| lanes.handle_request(request));
            }
            (reader, replies) = done(reading.as_mut()) => {
                idle_reader = Some(reader);
                lanes.handle_read();
                on_replies(replies);
            }
            (writer, replies) = done(writing.as_mut()) => {
                idle_writer = Some(writer);
                lanes.handle_written();
                on_replies(replies);
            }
        }
    }
}

/// A store that is idle, and what there is for it to do. Nothing is polled for one that is busy.
fn pair<S>(idle: &mut Option<S>, poll: impl FnOnce() -> Vec<Request>) -> Option<(S, Vec<Request>)> {
    let store = idle.take()?;
    let batch = poll();
    if batch.is_empty() {
        *idle = Some(store);
        return None;
    }
    Some((store, batch))
}

async fn commit<S: Store>(mut store: S, batch: Vec<Request>) -> (S, Vec<Reply>) {
    let replies = store.commit(batch).await;
    (store, replies)
}

/// What becomes of the work under way. Without any, there is nothing to come.
async fn done<F: Future>(mut work: Pin<&mut Option<F>>) -> F::Output {
    let Some(under_way) = work.as_mut().as_pin_mut() else { return pending().await };
    let output = under_way.await;
    work.set(None);
    output
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::{Arc, Mutex};

    use myicq_wire::Uin;
    use tokio::sync::mpsc::unbounded_channel;
    use tokio::sync::oneshot;

    use super::*;
    use crate::store::{MemoryStore, Outcome, Ticket, Work};

    /// Both ends of one store.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<MemoryStore>>);

    impl Store for Shared {
        async fn commit(&mut self, batch: Vec<Request>) -> Vec<Reply> {
            let mut store = self.0.lock().unwrap();
            batch.iter().map(|request| store.apply(request)).collect()
        }
    }

    /// A disk that takes until it is told that it is done.
    struct Slow(Shared, Option<oneshot::Receiver<()>>);

    impl Store for Slow {
        async fn commit(&mut self, batch: Vec<Request>) -> Vec<Reply> {
            if let Some(done) = self.1.take() {
                done.await.unwrap();
            }
            self.0.commit(batch).await
        }
    }

    fn create(ticket: usize) -> Request {
        Request {
            ticket: Ticket(ticket as u64),
            work: Work::AddUser { uin: None, nick: String::new(), password_hash: format!("hash {ticket}") },
        }
    }

    #[tokio::test]
    async fn what_waits_goes_together_up_to_the_maximum() {
        let (sender, requests) = unbounded_channel();
        for ticket in 0..BATCH_MAX * 2 + 1 {
            sender.send(create(ticket)).unwrap();
        }
        drop(sender);
        let (store, mut batches) = (Shared::default(), Vec::new());
        let (store, _) = run(store.clone(), store, requests, |replies| batches.push(replies)).await;

        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [BATCH_MAX, BATCH_MAX, 1]);
        let tickets: Vec<_> = batches.iter().flatten().map(|reply| reply.ticket.0).collect();
        assert_eq!(tickets, (0..).take(BATCH_MAX * 2 + 1).collect::<Vec<_>>(), "in order, none twice");
        let last = Work::LoadAccount { uin: Uin(Uin::FIRST.0 + 2048) };
        let reply = store.0.lock().unwrap().apply(&Request { ticket: Ticket(0), work: last });
        assert_eq!(reply.outcome, Outcome::Account(Some("hash 2048".to_owned())));
    }

    #[tokio::test]
    async fn a_request_does_not_wait_for_company() {
        let (sender, requests) = unbounded_channel();
        sender.send(create(0)).unwrap();
        let (sender, sizes) = (RefCell::new(Some(sender)), RefCell::new(Vec::new()));
        let store = Shared::default();
        run(store.clone(), store, requests, |replies| {
            sizes.borrow_mut().push(replies.len());
            // Asks once more as soon as the first is answered, then hangs up.
            if let Some(sender) = sender.borrow_mut().take() {
                sender.send(create(1)).unwrap();
            }
        })
        .await;
        assert_eq!(*sizes.borrow(), [1, 1]);
    }

    #[tokio::test]
    async fn a_login_does_not_wait_for_the_disk() {
        let (sender, requests) = unbounded_channel();
        let (disk, done) = oneshot::channel();
        let load = Request { ticket: Ticket(1), work: Work::LoadAccount { uin: Uin::FIRST } };
        [create(0), load].into_iter().for_each(|request| sender.send(request).unwrap());
        let (disk, mut sender, mut order) = (RefCell::new(Some(disk)), Some(sender), Vec::new());
        let store = Shared::default();
        run(Slow(store.clone(), Some(done)), store, requests, |replies| {
            order.extend(replies.iter().map(|reply| reply.ticket.0));
            // The disk is done when the login has been answered.
            disk.borrow_mut().take().into_iter().for_each(|disk| disk.send(()).unwrap());
            sender = None;
        })
        .await;
        assert_eq!(order, [1, 0]);
    }

    #[tokio::test]
    async fn nobody_there_is_the_end() {
        let (sender, requests) = unbounded_channel();
        drop(sender);
        let store = Shared::default();
        run(store.clone(), store, requests, |replies| panic!("{replies:?}")).await;
    }
}
