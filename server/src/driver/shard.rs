//! The loop around a shard: it waits, hands in what came, and does what comes out.

use std::fmt;
use std::time::Duration;

use myicq_wire::Instant;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::passwords::Jobs;
use super::socket::{Socket, Traffic};
use crate::counters::Counters;
use crate::hub::PasswordResult;
use crate::shard::{Input, Output, Shard};
use crate::store;
use crate::time::Now;

/// Batches of datagrams taken before time is let pass, about what the system's buffer holds. What has already come, an
/// acknowledgement above all, counts before anything is taken for late: otherwise a server that is behind would send again what
/// has arrived, and fall further behind.
const TURN_BATCHES: usize = 256;

/// Letters taken between two batches of datagrams.
const BATCH_MAIL: usize = 64;

/// Requests to the store that may be unanswered. Some seconds of work for a slow disk.
const STORE_REQUESTS_MAX: usize = 16_384;

/// How long a shutdown waits for what is under way.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// What other threads have for a shard. A mailbox has no limit of its own: it never holds more than the shard has asked for,
/// and what a shard may have under way is limited ([`STORE_REQUESTS_MAX`], [`crate::config::Limits::hash_queue_max`]).
#[derive(Debug)]
pub(super) enum Mail {
    /// The store has answered.
    Store(Vec<store::Reply>),
    /// A password has been hashed or compared.
    Password(PasswordResult),
    /// Write the counters to the log.
    Report,
    /// End what is under way and stop.
    Stop,
}

/// Where a shard gets its mail, and where it sends what it does not do itself.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) mailbox: mpsc::UnboundedReceiver<Mail>,
    /// The way into that mailbox, for what the store had no room for.
    pub(super) mail: mpsc::UnboundedSender<Mail>,
    pub(super) store: mpsc::UnboundedSender<store::Request>,
    pub(super) passwords: Jobs,
}

impl Surroundings {
    /// Passes a request on. When the disk does not keep up, it fails at once instead of waiting in memory: the sender is not
    /// acknowledged and asks again, while people who are here go on talking without the disk.
    fn ask_store(&self, request: store::Request, is_full: bool) {
        // Nobody takes it when a thread has failed, which ends the whole program.
        if is_full {
            let reply = store::Reply { ticket: request.ticket, outcome: store::Outcome::Failed };
            let _ = self.mail.send(Mail::Store(vec![reply]));
        } else {
            let _ = self.store.send(request);
        }
    }
}

/// A shard and the world around it.
#[derive(Debug)]
pub(super) struct ShardDriver {
    shard: Shard,
    socket: Socket,
    clock: Clock,
    around: Surroundings,
    /// Requests to the store that it has not answered.
    store_requests: usize,
    /// Requests refused because those were too many.
    store_refused: u64,
    /// Since when nothing new is taken.
    stopping_since: Option<Instant>,
}

impl ShardDriver {
    pub(super) fn new(shard: Shard, socket: Socket, around: Surroundings) -> Self {
        Self { shard, socket, clock: Clock::new(), around, store_requests: 0, store_refused: 0, stopping_since: None }
    }

    /// Runs until it has been told to stop and has done so.
    pub(super) async fn serve(mut self) {
        while !self.has_stopped() {
            let first = self.wait().await;
            self.turn(first).await;
        }
        self.report("stopped");
    }

    /// Takes what has come, then lets time pass.
    async fn turn(&mut self, mut first: Option<Mail>) {
        for _ in 0..TURN_BATCHES {
            let now = self.clock.now();
            let more_mail = self.take_mail(now, first.take()).await;
            let more_datagrams = self.receive(now).await;
            self.socket.flush().await;
            if !more_mail && !more_datagrams {
                break;
            }
        }
        let now = self.clock.now();
        if self.shard.poll_timeout().is_some_and(|at| at <= now.instant) {
            self.shard.handle_input(now, Input::Timeout);
            self.drain().await;
            self.socket.flush().await;
        }
    }

    /// Waits until there is something to do. Mail comes out with it, for there is no taking it back.
    async fn wait(&mut self) -> Option<Mail> {
        let stop = self.stopping_since.map(|since| since + SHUTDOWN_PATIENCE);
        let deadline = self.shard.poll_timeout().into_iter().chain(stop).min();
        let deadline = deadline.and_then(|at| self.clock.to_runtime(at));
        tokio::select! {
            biased;
            mail = self.around.mailbox.recv() => mail,
            () = self.socket.readable() => None,
            () = sleep_until(deadline) => None,
        }
    }

    /// Takes a batch of letters. Says whether there may be more behind it.
    async fn take_mail(&mut self, now: Now, mut first: Option<Mail>) -> bool {
        for _ in 0..BATCH_MAIL {
            let Some(mail) = first.take().or_else(|| self.around.mailbox.try_recv().ok()) else { return false };
            match mail {
                Mail::Store(replies) => {
                    for reply in replies {
                        self.store_requests = self.store_requests.saturating_sub(1);
                        self.shard.handle_input(now, Input::Store(reply));
                        self.drain().await;
                    }
                }
                Mail::Password(result) => self.shard.handle_input(now, Input::Password(result)),
                Mail::Report => self.report("counters"),
                Mail::Stop => {
                    self.stopping_since.get_or_insert(now.instant);
                    self.shard.begin_shutdown(now);
                }
            }
            self.drain().await;
        }
        true
    }

    /// Takes a batch of datagrams. Says whether there may be more behind it.
    async fn receive(&mut self, now: Now) -> bool {
        let more = self.socket.receive();
        while let Some((from, bytes)) = self.socket.next_datagram() {
            self.shard.handle_input(now, Input::Datagram { from, bytes });
            self.drain().await;
        }
        more
    }

    /// Does all that the shard wants done. Datagrams wait for the end of the batch.
    async fn drain(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Datagram { to, bytes } => {
                    self.socket.push(to, bytes);
                    if self.socket.is_full() {
                        self.socket.flush().await;
                    }
                }
                Output::Store(request) => {
                    self.store_requests += 1;
                    let is_full = self.store_requests > STORE_REQUESTS_MAX;
                    self.store_refused += u64::from(is_full);
                    self.around.ask_store(request, is_full);
                }
                Output::Password(job) => self.around.passwords.send(job),
                Output::Post { .. } => debug_assert!(false, "there is no other shard"),
            }
        }
    }

    fn has_stopped(&self) -> bool {
        self.stopping_since.is_some_and(|since| {
            let patience_over = self.clock.now().instant >= since + SHUTDOWN_PATIENCE;
            if patience_over && !self.shard.is_idle() {
                tracing::warn!("stopping with something still under way; none of it was acknowledged");
            }
            patience_over || self.shard.is_idle()
        })
    }

    fn report(&self, what: &'static str) {
        let Traffic { received, receive_errors, kernel_drops, sent, send_errors } = self.socket.traffic();
        let counters = NonZero(self.shard.counters());
        tracing::info!(
            sessions = self.shard.sessions(),
            received,
            receive_errors,
            kernel_drops,
            sent,
            send_errors,
            store_refused = self.store_refused,
            %counters,
            "{what}"
        );
    }
}

/// What has been counted at all, as `name=count`.
struct NonZero<'a>(&'a Counters);

impl fmt::Display for NonZero<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, count) in self.0.iter().filter(|(_, count)| *count > 0) {
            write!(f, "{separator}{name}={count}")?;
            separator = " ";
        }
        Ok(())
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        #[expect(clippy::disallowed_methods, reason = "the driver waits for all the code above it")]
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
