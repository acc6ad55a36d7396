//! What other threads ask of the shards, for the administrator: by mail, like everything else, so that no shard waits for anybody.

use myicq_wire::Uin;
use tokio::sync::{mpsc, oneshot};

use super::mail::{Mail, Mailboxes, SessionPage};
use super::report::Report;
use crate::store::{Outcome, Work};

/// The way to ask.
#[derive(Clone, Debug)]
pub(super) struct Inquiry {
    mailboxes: Mailboxes,
}

impl Inquiry {
    pub(super) fn new(mailboxes: Mailboxes) -> Self {
        Self { mailboxes }
    }

    /// How many shards there are.
    pub(super) fn shards(&self) -> u32 {
        u32::try_from(self.mailboxes.len()).unwrap_or(u32::MAX)
    }

    /// What all shards have counted. Those that have ended are missing.
    pub(super) async fn reports(&self) -> Vec<Report> {
        let (reports, mut received) = mpsc::unbounded_channel();
        self.mailboxes.send_all(|| Mail::Report(reports.clone()));
        drop(reports);
        // Ends when the last shard has answered, or has ended and dropped its mail.
        let mut all = Vec::new();
        while received.recv_many(&mut all, usize::MAX).await > 0 {}
        all
    }

    /// Some of a shard's sessions, from a slot on. `None` when it has ended.
    pub(super) async fn sessions(&self, shard: u32, slot: u32) -> Option<SessionPage> {
        let (to, page) = oneshot::channel();
        self.mailboxes.send(shard, Mail::Sessions(slot, to));
        page.await.ok()
    }

    /// Has something done by the store, with the knowledge of the shard that a user belongs to. `None` when that has ended.
    pub(super) async fn errand(&self, whom: Uin, work: Work) -> Option<Outcome> {
        let (to, outcome) = oneshot::channel();
        self.mailboxes.send(self.mailboxes.owner(whom), Mail::Errand(work, to));
        outcome.await.ok()
    }
}
