//! Keeps the sessions, so that they go on when the server has started again: at an interval, for a process that is killed, and at the end.
#![expect(clippy::disallowed_methods, reason = "the driver waits, and lets another thread write")]

use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::time::Duration;

use myicq_wire::UnixTime;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::clock::Clock;
use super::mail::{Mail, Mailboxes};
use super::sessions_file::{self, Page, Saved, SessionsFile};
use crate::config::Config;
use crate::frontend::myicq::SavedSession;
use crate::share::Share;
use crate::store;

/// A file that says the same is not written again for so long. It must not become too old.
const UNCHANGED_MAX: Duration = Duration::from_secs(30);

/// What a shard leaves behind.
#[derive(Debug)]
pub(super) struct Leftover {
    /// All its sessions.
    pub(super) pages: Vec<Page>,
    /// It had nothing under way.
    pub(super) is_idle: bool,
}

/// What a shard begins with.
#[derive(Debug, Default)]
pub(super) struct Inheritance {
    /// Which start of the server this is.
    pub(super) start: u64,
    /// The highest serial of all sessions that go on.
    pub(super) last_serial: u64,
    /// Those of the shard, older logins first.
    pub(super) sessions: Vec<SavedSession>,
}

/// What the thread that writes is given.
enum Part {
    /// Some sessions.
    Page(Page),
    /// There are no more.
    End {
        /// Nothing was under way, and nothing more is done.
        is_exact: bool,
    },
}

/// Takes over the sessions of an earlier process and keeps those of this one, from the thread that waits for signals. Gives back where shards leave
/// theirs at the end, if sessions are kept, and what each of them begins with.
pub(super) fn start(
    config: &Config,
    shares: &[Share],
    seeds: &mut StdRng,
    mailboxes: &Mailboxes,
    store: &mpsc::UnboundedSender<store::Request>,
) -> (Option<mpsc::UnboundedSender<Leftover>>, Vec<Inheritance>) {
    let (keeper, inherited) = Keeper::open(config, shares, StdRng::from_rng(seeds));
    let leftovers = keeper.map(|keeper| {
        let (leave, leftovers) = mpsc::unbounded_channel();
        tokio::task::spawn_local(keeper.keep(mailboxes.clone(), leftovers, store.clone()));
        leave
    });
    (leftovers, inherited)
}

/// Keeps sessions.
#[derive(Debug)]
struct Keeper {
    file: SessionsFile,
    interval: Duration,
    start: u64,
    /// When what was written, as a hash.
    written: Option<(UnixTime, u64)>,
    is_failing: bool,
}

impl Keeper {
    /// Takes over what was kept, for each shard its part. Nobody who cannot be kept again goes on: his numbers could come twice. `None`:
    /// sessions are not to be kept, or cannot be.
    fn open(config: &Config, shares: &[Share], random: StdRng) -> (Option<Self>, Vec<Inheritance>) {
        let folder = &config.store.data;
        let now = Clock::new().now().unix;
        let Some(interval) = config.session.save_interval else {
            if let Err(error) = sessions_file::remove(folder) {
                tracing::warn!("a file of sessions is left behind: {error}");
            }
            return (None, inheritances(shares, now.0, Vec::new()));
        };
        let file = match SessionsFile::open(folder, random) {
            Ok(file) => file,
            Err(error) => {
                tracing::warn!("sessions will not outlive this process, because there is no key for them: {error}");
                return (None, inheritances(shares, now.0, Vec::new()));
            }
        };
        let mut keeper = Self { file, interval, start: now.0, written: None, is_failing: false };
        let sessions = keeper.take_over(now, config.session.keepalive_timeout);
        let inherited = inheritances(shares, keeper.start, sessions);
        (Some(keeper), inherited)
    }

    fn take_over(&mut self, now: UnixTime, age_max: Duration) -> Vec<SavedSession> {
        let (saved, mut sessions) = match self.file.read(now, age_max) {
            Ok(Some(found)) => found,
            Ok(None) => return Vec::new(),
            Err(error) => {
                tracing::warn!("the file of sessions is not used, and all log in anew: {error}");
                return Vec::new();
            }
        };
        // Also where the clock was set back: clients go by it.
        self.start = now.0.max(saved.start.saturating_add(1));
        sessions.iter_mut().for_each(|session| session.go_on(saved.is_exact));
        sessions.sort_by_key(SavedSession::serial);
        let again = Saved { at: saved.at, start: self.start, is_exact: false };
        if let Err(error) = self.write_again(again, &sessions) {
            tracing::warn!("the file of sessions cannot be written, and all log in anew: {error}");
            return Vec::new();
        }
        tracing::info!(sessions = sessions.len(), is_exact = saved.is_exact, "sessions go on");
        sessions
    }

    fn write_again(&mut self, saved: Saved, sessions: &[SavedSession]) -> io::Result<()> {
        let mut writing = self.file.begin()?;
        SavedSession::pages(sessions).try_for_each(|page| writing.push(page))?;
        self.file.end(writing, saved)
    }

    /// Keeps the sessions of these shards until all of them have left theirs. `_store` keeps the data folder from another server until the
    /// last of it is written.
    async fn keep(
        mut self,
        mailboxes: Mailboxes,
        mut leftovers: mpsc::UnboundedReceiver<Leftover>,
        _store: mpsc::UnboundedSender<store::Request>,
    ) {
        let mut interval = tokio::time::interval(self.interval);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut left, mut pages, mut is_exact) = (0, Vec::new(), true);
        while left < mailboxes.len() {
            tokio::select! {
                leftover = leftovers.recv() => {
                    // One has failed, and with it the server.
                    let Some(leftover) = leftover else { return };
                    left += 1;
                    pages.extend(leftover.pages);
                    is_exact &= leftover.is_idle;
                }
                _ = interval.tick(), if left == 0 => {
                    self = self.save(&mailboxes).await;
                }
            }
        }
        let (parts, written) = self.write();
        for part in pages.into_iter().map(Part::Page).chain([Part::End { is_exact }]) {
            // Nobody takes them where the writing has failed, which has been said.
            let _ = parts.send(part).await;
        }
        finished(written).await;
    }

    /// Saves the sessions of these shards, unless the same has been written a short while ago.
    async fn save(self, mailboxes: &Mailboxes) -> Self {
        let mut hasher = DefaultHasher::new();
        let is_whole = gather(mailboxes, async |page| hasher.write(&page)).await;
        let (now, hash) = (Clock::new().now().unix, hasher.finish());
        let is_unchanged = |(then, same): (UnixTime, u64)| {
            same == hash && Duration::from_micros(now.0.abs_diff(then.0)) < UNCHANGED_MAX
        };
        if !is_whole || self.written.is_some_and(is_unchanged) {
            return self;
        }
        let (parts, written) = self.write();
        if gather(mailboxes, async |page| drop(parts.send(Part::Page(page)).await)).await {
            let _ = parts.send(Part::End { is_exact: false }).await;
        }
        drop(parts);
        finished(written).await
    }

    /// Writes sessions to the disk, away from the thread that waits for signals. Without an end, those that were written last stay.
    fn write(self) -> (mpsc::Sender<Part>, JoinHandle<Self>) {
        let (to, parts) = mpsc::channel(1);
        let written = tokio::task::spawn_blocking(move || {
            let mut keeper = self;
            keeper.write_all(parts);
            keeper
        });
        (to, written)
    }

    fn write_all(&mut self, parts: mpsc::Receiver<Part>) {
        match self.try_write_all(parts) {
            Ok(()) => self.is_failing = false,
            Err(error) if !self.is_failing => {
                self.is_failing = true;
                tracing::warn!("sessions cannot be saved, and would not outlive this process: {error}");
            }
            Err(_) => {}
        }
    }

    fn try_write_all(&mut self, mut parts: mpsc::Receiver<Part>) -> io::Result<()> {
        let (mut writing, mut hasher) = (self.file.begin()?, DefaultHasher::new());
        while let Some(part) = parts.blocking_recv() {
            match part {
                Part::Page(page) => {
                    hasher.write(&page);
                    writing.push(page)?;
                }
                Part::End { is_exact } => {
                    let at = Clock::new().now().unix;
                    self.file.end(writing, Saved { at, start: self.start, is_exact })?;
                    self.written = Some((at, hasher.finish()));
                    break;
                }
            }
        }
        Ok(())
    }
}

async fn finished(written: JoinHandle<Keeper>) -> Keeper {
    match written.await {
        Ok(keeper) => keeper,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// Deals out what goes on.
fn inheritances(shares: &[Share], start: u64, sessions: Vec<SavedSession>) -> Vec<Inheritance> {
    let last_serial = sessions.iter().map(SavedSession::serial).max().unwrap_or(0);
    let mut parts: Vec<_> = shares.iter().map(|_| Inheritance { start, last_serial, sessions: Vec::new() }).collect();
    for session in sessions {
        let owner = shares.iter().position(|share| share.owns(session.uin()));
        if let Some(part) = owner.and_then(|owner| parts.get_mut(owner)) {
            part.sessions.push(session);
        }
    }
    parts
}

/// Hands out the sessions of all shards, from each a page at a time. Whether those are all: not when a shard has ended, or has not yet what it has
/// inherited.
async fn gather(mailboxes: &Mailboxes, mut take: impl AsyncFnMut(Page)) -> bool {
    for shard in 0..u32::try_from(mailboxes.len()).unwrap_or(u32::MAX) {
        let mut next = Some(0);
        while let Some(slot) = next {
            let (to, page) = oneshot::channel();
            mailboxes.send(shard, Mail::Save(slot, to));
            let Ok((page, more)) = page.await else { return false };
            take(page).await;
            next = more;
        }
    }
    true
}
