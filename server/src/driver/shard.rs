//! The loop around a shard: it waits, hands in what came, and does what comes out.

use std::fmt;
use std::time::Duration;

use myicq_wire::{Instant, MAX_DATAGRAM};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::passwords::Jobs;
use super::socket::{self, Traffic};
use crate::counters::Counters;
use crate::hub::PasswordResult;
use crate::shard::{Input, Output, Shard};
use crate::store;
use crate::time::Now;

/// Datagrams taken in one turn, so that neither the clock is read for each nor anything else waits long.
const BATCH_DATAGRAMS: usize = 64;

/// Letters taken in one turn.
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
    socket: UdpSocket,
    clock: Clock,
    around: Surroundings,
    traffic: Traffic,
    /// Requests to the store that it has not answered.
    store_requests: usize,
    /// Requests refused because those were too many.
    store_refused: u64,
    /// Since when nothing new is taken.
    stopping_since: Option<Instant>,
}

impl ShardDriver {
    /// Must be called on the runtime that the loop will run on.
    pub(super) fn new(shard: Shard, socket: std::net::UdpSocket, around: Surroundings) -> std::io::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "the driver owns the socket")]
        let socket = UdpSocket::from_std(socket)?;
        Ok(Self {
            shard,
            socket,
            clock: Clock::new(),
            around,
            traffic: Traffic::default(),
            store_requests: 0,
            store_refused: 0,
            stopping_since: None,
        })
    }

    /// Runs until it has been told to stop and has done so.
    pub(super) async fn serve(mut self) {
        // With one byte more than a datagram may have, a longer one does not pass for one that just fits.
        let mut buffer = vec![0; MAX_DATAGRAM + 1];
        while !self.has_stopped() {
            let first = self.wait().await;
            let now = self.clock.now();
            self.take_mail(now, first).await;
            self.receive(now, &mut buffer).await;
            if self.shard.poll_timeout().is_some_and(|at| at <= now.instant) {
                self.shard.handle_input(now, Input::Timeout);
                self.drain().await;
            }
        }
        self.report("stopped");
    }

    /// Waits until there is something to do. Mail comes out with it, for there is no taking it back.
    async fn wait(&mut self) -> Option<Mail> {
        let stop = self.stopping_since.map(|since| since + SHUTDOWN_PATIENCE);
        let deadline = self.shard.poll_timeout().into_iter().chain(stop).min();
        let deadline = deadline.and_then(|at| self.clock.to_runtime(at));
        tokio::select! {
            biased;
            mail = self.around.mailbox.recv() => mail,
            // An error shows again when receiving, and is counted there.
            _ = self.socket.readable() => None,
            () = sleep_until(deadline) => None,
        }
    }

    async fn take_mail(&mut self, now: Now, mut first: Option<Mail>) {
        for _ in 0..BATCH_MAIL {
            let Some(mail) = first.take().or_else(|| self.around.mailbox.try_recv().ok()) else { break };
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
    }

    async fn receive(&mut self, now: Now, buffer: &mut [u8]) {
        for _ in 0..BATCH_DATAGRAMS {
            match self.socket.try_recv_from(buffer) {
                Ok((length, from)) => {
                    self.traffic.received += 1;
                    let bytes = buffer.get(..length).unwrap_or_default();
                    self.shard.handle_input(now, Input::Datagram { from, bytes });
                    self.drain().await;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => self.traffic.receive_errors += 1,
            }
        }
    }

    /// Does all that the shard wants done.
    async fn drain(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Datagram { to, bytes } => socket::send(&self.socket, &mut self.traffic, to, bytes).await,
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
        let Traffic { received, receive_errors, sent, send_errors } = self.traffic;
        let counters = NonZero(self.shard.counters());
        tracing::info!(
            sessions = self.shard.sessions(),
            received,
            receive_errors,
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
