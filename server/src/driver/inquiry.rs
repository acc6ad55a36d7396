//! What other threads ask of the shards, for the administrator: by mail, like everything else, so that no shard waits for anybody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use myicq_wire::Uin;
use tokio::sync::{mpsc, oneshot};

use super::mail::{Mail, Mailboxes, SessionPage, Traced};
use super::meter::StoreMeter;
use super::metrics::Snapshot;
use super::relay::RelayMeter;
use super::report::{self, Report};
use crate::control::Health;
use crate::hub::Refusal;
use crate::store::{Outcome, Work};

/// How long a shard or the store may take to answer before it counts as one that does not.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What has happened to a user who is looked at, and waits to be shown. What comes then is lost to the one who looks.
const TRACED_MAX: usize = 4_096;

/// The way to ask.
#[derive(Clone, Debug)]
pub(super) struct Inquiry {
    mailboxes: Mailboxes,
    meter: Arc<StoreMeter>,
    relays: Arc<RelayMeter>,
    start: Instant,
}

impl Inquiry {
    pub(super) fn new(mailboxes: Mailboxes, meter: Arc<StoreMeter>, relays: Arc<RelayMeter>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the driver reads the clock")]
        let start = Instant::now();
        Self { mailboxes, meter, relays, start }
    }

    /// Where the shards get their mail.
    pub(super) fn mailboxes(&self) -> &Mailboxes {
        &self.mailboxes
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

    /// All there is to tell those who watch the server.
    pub(super) async fn snapshot(&self) -> Snapshot {
        let reports = self.reports().await;
        #[expect(clippy::disallowed_methods, reason = "the driver reads the clock")]
        let uptime = self.start.elapsed();
        Snapshot {
            total: report::total(&reports),
            shards: reports.len(),
            commits: self.meter.commits(),
            reads: self.meter.reads(),
            kept: self.meter.kept(),
            relays: self.relays.read(),
            uptime,
        }
    }

    /// Has something said to everybody. `None`: the server is stopping.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only the Unix socket asks for it"))]
    pub(super) async fn broadcast(&self, text: String) -> Option<Result<(), Refusal>> {
        let (to, verdict) = oneshot::channel();
        self.mailboxes.send(self.mailboxes.owner(Uin::ADMINISTRATOR), Mail::Broadcast(text, to));
        verdict.await.ok()
    }

    /// Whether all shards answer within a time, and the store does what it is asked.
    pub(super) async fn health(&self, patience: Duration) -> Health {
        self.ask_all(patience).await.0
    }

    /// Whether all shards and the store answer within a time, be it that the store failed: a database that is out of reach does not
    /// come back because the server starts anew.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only a service manager asks for it"))]
    pub(super) async fn is_alive(&self, patience: Duration) -> bool {
        let (health, outcome) = self.ask_all(patience).await;
        health.answering == health.shards && outcome.is_some()
    }

    /// The store is asked for something that waits for the commits before it.
    async fn ask_all(&self, patience: Duration) -> (Health, Option<Outcome>) {
        let (reports, mut received) = mpsc::unbounded_channel();
        self.mailboxes.send_all(|| Mail::Report(reports.clone()));
        drop(reports);
        let (mut answering, mut outcome) = (0, None);
        let shards = async {
            while received.recv().await.is_some() {
                answering += 1;
            }
        };
        let store = async { outcome = self.errand(Uin::NONE, Work::LoadLastMessage).await };
        #[expect(clippy::disallowed_methods, reason = "the driver waits for the shards")]
        let _ = tokio::time::timeout(patience, async { tokio::join!(shards, store) }).await;
        let store = matches!(outcome, Some(Outcome::LastMessage(_)));
        (Health { shards: self.shards(), answering, store }, outcome)
    }

    /// Looks at a user until the receiver is dropped. It ends at once when somebody looks at one of the same shard already.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only the Unix socket asks for it"))]
    pub(super) fn trace(&self, whom: Uin) -> mpsc::Receiver<Traced> {
        let (to, traced) = mpsc::channel(TRACED_MAX);
        self.mailboxes.send(self.mailboxes.owner(whom), Mail::Trace(whom, to));
        traced
    }

    /// Some of a shard's sessions, from a slot on. `None` when it has ended.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only the Unix socket asks for it"))]
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
