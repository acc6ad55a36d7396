//! The loop in front of a store: what has come in while the disk was busy goes into the next commit together.

use tokio::sync::mpsc::UnboundedReceiver;

use super::{Reply, Request, Store};

/// Requests in one commit at most. A thousand messages are some 300 KB in the log of the database, and one wait for the disk.
pub const BATCH_MAX: usize = 1024;

/// Does requests as they come, and hands the replies of each commit to `on_replies`, until every sender of requests is gone and
/// none is left. Gives the store back, to be closed.
///
/// The channel has no limit of its own: its senders are shards, which bound what they have under way.
pub async fn run<S: Store>(
    mut store: S,
    mut requests: UnboundedReceiver<Request>,
    mut on_replies: impl FnMut(Vec<Reply>),
) -> S {
    let mut batch = Vec::new();
    while requests.recv_many(&mut batch, BATCH_MAX).await > 0 {
        on_replies(store.commit(std::mem::take(&mut batch)).await);
    }
    store
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use myicq_wire::Uin;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::store::{MemoryStore, Outcome, Ticket, Work};

    fn create(ticket: usize) -> Request {
        Request { ticket: Ticket(ticket as u64), work: Work::CreateUser { password_hash: format!("hash {ticket}") } }
    }

    #[tokio::test]
    async fn what_waits_goes_together_up_to_the_maximum() {
        let (sender, requests) = unbounded_channel();
        for ticket in 0..BATCH_MAX * 2 + 1 {
            sender.send(create(ticket)).unwrap();
        }
        drop(sender);
        let mut batches = Vec::new();
        let mut store = run(MemoryStore::default(), requests, |replies| batches.push(replies)).await;

        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [BATCH_MAX, BATCH_MAX, 1]);
        let tickets: Vec<_> = batches.iter().flatten().map(|reply| reply.ticket.0).collect();
        assert_eq!(tickets, (0..).take(BATCH_MAX * 2 + 1).collect::<Vec<_>>(), "in order, none twice");
        let last = Work::LoadAccount { uin: Uin(Uin::FIRST.0 + 2048) };
        let reply = store.apply(&Request { ticket: Ticket(0), work: last });
        assert_eq!(reply.outcome, Outcome::Account(Some("hash 2048".to_owned())));
    }

    #[tokio::test]
    async fn a_request_does_not_wait_for_company() {
        let (sender, requests) = unbounded_channel();
        sender.send(create(0)).unwrap();
        let (sender, sizes) = (RefCell::new(Some(sender)), RefCell::new(Vec::new()));
        run(MemoryStore::default(), requests, |replies| {
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
    async fn nobody_there_is_the_end() {
        let (sender, requests) = unbounded_channel();
        drop(sender);
        run(MemoryStore::default(), requests, |replies| panic!("{replies:?}")).await;
    }
}
