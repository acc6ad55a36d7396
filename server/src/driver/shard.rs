//! The loop around a shard: it waits, hands in what came, and does what comes out.

mod restore;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;
use std::{mem, vec};

use myicq_wire::{Instant, MAX_DATAGRAM, Uin};
use tokio::sync::{mpsc, oneshot};

use self::restore::is_of_udp;
use super::clock::{Alarm, Clock};
use super::farewell::Farewell;
use super::mail::{Datagrams, Mail, Mailboxes, Traced, index};
use super::passwords::Jobs;
use super::relay::RelayDesk;
use super::report::Report;
use super::saving::{Inheritance, Leftover};
use super::socket::{Socket, readable};
use super::tunnel::{Tunnel, address};
use crate::frontend::myicq::{SavedSession, TraceEvent};
use crate::hub::{Refusal, RelayOrder};
use crate::shard::{Input, Output, Post, Shard};
use crate::share::Share;
use crate::store;
use crate::time::Now;

/// Batches of datagrams taken before time is let pass, about what the system's buffer holds. What has already come, an
/// acknowledgement above all, counts before anything is taken for late: otherwise a server that is behind would send again what
/// has arrived, and fall further behind.
const TURN_BATCHES: usize = 256;

/// Mail taken with each batch of datagrams.
const BATCH_MAIL: usize = 64;

/// Sessions shown to the administrator at a time: some tens of microseconds in which nobody else is served.
const SESSIONS_MAX: usize = 256;

/// Requests to the store that may be unanswered, of all shards together. Some seconds of work for a slow disk.
pub(super) const STORE_REQUESTS_MAX: usize = 16_384;

/// How long a shard waits with the network when others are behind with its letters.
const PAUSE: Duration = Duration::from_millis(1);

/// How long a shutdown waits for what is under way.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// Where a shard gets its mail, and where it sends what it does not do itself.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// The same for all shards.
    pub(super) clock: Clock,
    pub(super) mailbox: mpsc::UnboundedReceiver<Mail>,
    pub(super) mailboxes: Mailboxes,
    pub(super) store: mpsc::UnboundedSender<store::Request>,
    pub(super) passwords: Jobs,
    /// Where datagrams for its connections go, if there is a tunnel.
    pub(super) tunnel: Option<Tunnel>,
    /// Where relays are ordered, if there are any.
    pub(super) relays: Option<RelayDesk>,
    /// Where the sessions go at the end, if they are kept.
    pub(super) leftovers: Option<mpsc::UnboundedSender<Leftover>>,
}

/// A shard and the world around it.
#[derive(Debug)]
pub(super) struct ShardDriver {
    shard: Shard,
    share: Share,
    /// One, or one of each family of addresses.
    sockets: Vec<Socket>,
    clock: Clock,
    alarm: Alarm,
    around: Surroundings,
    /// What waits for the end of the batch, for each shard.
    for_others: Vec<ForOther>,
    /// What waits for the end of the batch, for the tunnel.
    for_tunnel: Datagrams,
    /// Nothing is taken from the network, because others are behind.
    is_held_up: bool,
    handed_over: u64,
    handover_drops: u64,
    /// Requests to the store that it has not answered.
    store_requests: usize,
    /// Requests refused because those were too many.
    store_refused: u64,
    /// Since when nothing new is taken.
    stopping_since: Option<Instant>,
    farewell: Farewell,
    /// Who waits for what became of an errand of the administrator. Few: each of his connections has one under way.
    errands: HashMap<u64, oneshot::Sender<store::Outcome>>,
    /// Who waits for what became of what is to be said to everybody.
    broadcasts: HashMap<u64, oneshot::Sender<Result<(), Refusal>>>,
    /// Who looks at what becomes of one user's datagrams.
    tracer: Option<mpsc::Sender<Traced>>,
    /// What there was no room for since the last that was sent to him.
    untold: u64,
    last_errand: u64,
    /// Sessions of an earlier process that are still to go on.
    unrestored: vec::IntoIter<SavedSession>,
}

/// What another shard is to get.
#[derive(Debug, Default)]
struct ForOther {
    posts: Vec<Post>,
    datagrams: Datagrams,
}

#[cfg(all(unix, debug_assertions))]
#[expect(clippy::panic, reason = "it is told to")]
fn fail() {
    panic!("told to fail");
}

impl ShardDriver {
    pub(super) fn new(
        mut shard: Shard,
        share: Share,
        sockets: Vec<Socket>,
        around: Surroundings,
        inherited: Inheritance,
    ) -> Self {
        shard.begin_restore(inherited.start, inherited.last_serial);
        Self {
            unrestored: inherited.sessions.into_iter(),
            shard,
            sockets,
            clock: around.clock,
            alarm: Alarm::default(),
            around,
            for_others: (0..share.count()).map(|_| ForOther::default()).collect(),
            for_tunnel: Datagrams::default(),
            is_held_up: false,
            handed_over: 0,
            handover_drops: 0,
            store_requests: 0,
            store_refused: 0,
            stopping_since: None,
            farewell: Farewell::new(share.count()),
            errands: HashMap::new(),
            broadcasts: HashMap::new(),
            tracer: None,
            untold: 0,
            last_errand: 0,
            share,
        }
    }

    /// Runs until it has been told to stop and has done so. Says what it has counted.
    pub(super) async fn serve(mut self) -> Report {
        while !self.has_stopped() {
            let first = self.wait().await;
            self.turn(first).await;
            while self.stopping_since.is_some()
                && self.shard.is_idle()
                && let Some(round) = self.farewell.poll_idle()
            {
                for other in (0..self.share.count()).filter(|other| *other != self.share.index()) {
                    self.around.mailboxes.send(other, Mail::Idle(round));
                }
            }
        }
        self.leave_sessions();
        self.report()
    }

    /// Takes what has come, then lets time pass.
    async fn turn(&mut self, mut first: Option<Mail>) {
        for _ in 0..TURN_BATCHES {
            let now = self.clock.now();
            self.is_held_up = self.around.mailboxes.others_are_behind(self.share.index());
            // The batch is taken from the system before the mail, and looked at after it: what another shard wrote before it
            // sent a client something is read before what the client says to that.
            let mut more_datagrams = false;
            for socket in self.sockets.iter_mut().filter(|_| !self.is_held_up) {
                more_datagrams |= socket.receive();
            }
            let more_mail = self.take_mail(now, first.take()).await;
            self.take_datagrams(now).await;
            self.flush().await;
            if !more_mail && !more_datagrams {
                break;
            }
        }
        let now = self.clock.now();
        self.restore_some(now).await;
        self.flush().await;
        // More than once where much is due: what the first of it says leaves before the rest says anything.
        while self.shard.poll_timeout().is_some_and(|at| at <= now.instant) {
            self.shard.handle_input(now, Input::Timeout);
            self.drain().await;
            self.flush().await;
        }
    }

    /// Waits until there is something to do. Mail comes out with it, for there is no taking it back.
    async fn wait(&mut self) -> Option<Mail> {
        let stop = self.stopping_since.map(|since| since + SHUTDOWN_PATIENCE);
        let pause = self.is_held_up.then(|| self.clock.now().instant + PAUSE);
        let restoring = self.may_restore().then(Instant::default);
        let deadline = self.shard.poll_timeout().into_iter().chain(stop).chain(pause).chain(restoring).min();
        let deadline = deadline.and_then(|at| self.clock.to_runtime(at));
        tokio::select! {
            biased;
            mail = self.around.mailbox.recv() => mail,
            () = readable(&self.sockets), if !self.is_held_up => None,
            () = self.alarm.wait(deadline) => None,
        }
    }

    /// Takes a batch of mail. Says whether there may be more behind it.
    async fn take_mail(&mut self, now: Now, mut first: Option<Mail>) -> bool {
        for _ in 0..BATCH_MAIL {
            let Some(mail) = first.take().or_else(|| self.around.mailbox.try_recv().ok()) else { return false };
            match mail {
                Mail::Store(replies) => {
                    for reply in replies {
                        self.store_requests = self.store_requests.saturating_sub(1);
                        self.input(now, Input::Store(reply)).await;
                    }
                }
                Mail::Relay(order, opened) => self.input(now, Input::Relay(order, opened)).await,
                Mail::Password(result) => self.input(now, Input::Password(result)).await,
                Mail::Posts(posts) => {
                    self.around.mailboxes.letters_read(self.share.index(), posts.len());
                    self.input(now, Input::Posts(posts)).await;
                }
                Mail::Datagrams(datagrams) => {
                    self.around.mailboxes.datagrams_read(self.share.index(), datagrams.len());
                    for (from, bytes) in datagrams.iter() {
                        self.input(now, Input::Datagram { from, bytes }).await;
                    }
                }
                Mail::Config(config) => self.input(now, Input::Config(config)).await,
                // Who has asked may have gone.
                Mail::Report(to) => drop(to.send(self.report())),
                Mail::Sessions(slot, to) => {
                    let _ = to.send(self.shard.sessions_from(now, slot, SESSIONS_MAX));
                }
                Mail::Save(slot, to) if self.unrestored.as_slice().is_empty() => {
                    let _ = to.send(self.shard.save_from(slot, SESSIONS_MAX, is_of_udp));
                }
                Mail::Save(..) => {}
                Mail::Trace(whom, to) => self.trace(whom, to),
                Mail::Errand(work, to) => {
                    self.last_errand += 1;
                    self.errands.insert(self.last_errand, to);
                    self.input(now, Input::Errand { number: self.last_errand, work }).await;
                }
                Mail::Broadcast(text, to) => {
                    self.last_errand += 1;
                    self.broadcasts.insert(self.last_errand, to);
                    self.input(now, Input::Broadcast { number: self.last_errand, text }).await;
                }
                Mail::Stop => {
                    self.stopping_since.get_or_insert(now.instant);
                    self.shard.begin_shutdown(now);
                    self.drain().await;
                }
                Mail::Idle(round) => self.farewell.on_heard(round),
                #[cfg(all(unix, debug_assertions))]
                Mail::Fail => fail(),
            }
        }
        true
    }

    /// Takes the batch of datagrams that has been received.
    async fn take_datagrams(&mut self, now: Now) {
        for socket in 0..self.sockets.len() {
            while let Some((from, bytes)) = self.sockets.get_mut(socket).and_then(Socket::next_datagram) {
                let owner = self.share.owner_of_datagram(bytes);
                // One that is too long has no owner but who counts it.
                if owner == self.share.index() || bytes.len() > MAX_DATAGRAM {
                    self.shard.handle_input(now, Input::Datagram { from, bytes });
                    self.drain().await;
                } else if let Some(other) = self.for_others.get_mut(index(owner)) {
                    other.datagrams.push(from, bytes);
                }
            }
        }
    }

    async fn input(&mut self, now: Now, input: Input<'_>) {
        self.shard.handle_input(now, input);
        self.drain().await;
    }

    /// Does all that the shard wants done. What goes to clients and other shards waits for the end of the batch.
    async fn drain(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Datagram { to, bytes } if address::number(to).is_some() => self.for_tunnel.push(to, bytes),
                Output::Datagram { to, bytes } => {
                    // A client is answered from where it has come to.
                    if let Some(socket) = self.sockets.iter_mut().find(|socket| socket.reaches(to)) {
                        socket.push(to, bytes);
                        if socket.is_full() {
                            self.flush().await;
                        }
                    }
                }
                Output::Store(request) => self.ask_store(request),
                Output::Relay(order) => self.order_relay(order),
                Output::Password(job) => self.around.passwords.send(job),
                Output::Broadcast { number, verdict } => {
                    if let Some(to) = self.broadcasts.remove(&number) {
                        let _ = to.send(verdict);
                    }
                }
                Output::Errand { number, outcome } => {
                    if let Some(to) = self.errands.remove(&number) {
                        let _ = to.send(outcome);
                    }
                }
                Output::Post { shard, post } => {
                    if let Some(other) = self.for_others.get_mut(index(shard)) {
                        other.posts.push(post);
                    }
                }
            }
        }
    }

    fn order_relay(&self, order: RelayOrder) {
        if !self.around.relays.as_ref().is_some_and(|relays| relays.order(order)) {
            self.around.mailboxes.send(self.share.index(), Mail::Relay(order, Err(Refusal::Busy)));
        }
    }

    /// Looks at a user, for one at a time: who comes while somebody else looks is hung up on.
    fn trace(&mut self, whom: Uin, to: mpsc::Sender<Traced>) {
        if self.tracer.as_ref().is_none_or(mpsc::Sender::is_closed) {
            self.shard.set_trace(Some(whom));
            self.tracer = Some(to);
            self.untold = 0;
        }
    }

    /// Passes on what has happened to the user who is looked at. What there is no room for is only counted.
    fn pass_on_trace(&mut self) {
        let Some(tracer) = &self.tracer else { return };
        let time = self.clock.now().unix;
        while let Some(event) = self.shard.poll_trace() {
            if self.untold > 0 && tracer.try_send((time, TraceEvent::Lost(self.untold))).is_ok() {
                self.untold = 0;
            }
            match tracer.try_send((time, event)) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => self.untold += 1,
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    self.shard.set_trace(None);
                    self.tracer = None;
                    return;
                }
            }
        }
    }

    /// Passes a request on. When the disk does not keep up, it fails at once instead of waiting in memory: the sender is not
    /// acknowledged and asks again, while people who are here go on talking without the disk.
    fn ask_store(&mut self, request: store::Request) {
        self.store_requests += 1;
        // Nobody takes it when a thread has failed, which ends the whole program.
        if self.store_requests > self.share.part_of(STORE_REQUESTS_MAX) {
            self.store_refused += 1;
            let reply = store::Reply { ticket: request.ticket, outcome: store::Outcome::Failed };
            self.around.mailboxes.send(self.share.index(), Mail::Store(vec![reply]));
        } else {
            let _ = self.around.store.send(request);
        }
    }

    /// Sends what waits. Letters first: what a client answers to a datagram must not be there before them.
    async fn flush(&mut self) {
        self.pass_on_trace();
        for (shard, other) in (0..).zip(&mut self.for_others) {
            if !other.posts.is_empty() {
                self.around.mailboxes.send_posts(shard, mem::take(&mut other.posts));
            }
            if other.datagrams.len() > 0 {
                self.handed_over += other.datagrams.len() as u64;
                let dropped = self.around.mailboxes.hand_over(shard, mem::take(&mut other.datagrams));
                self.handover_drops += dropped as u64;
            }
        }
        if let Some(tunnel) = self.around.tunnel.as_ref().filter(|_| self.for_tunnel.len() > 0) {
            tunnel.send(mem::take(&mut self.for_tunnel));
        }
        for socket in &mut self.sockets {
            socket.flush().await;
        }
    }

    fn has_stopped(&self) -> bool {
        self.stopping_since.is_some_and(|since| {
            let is_over = self.farewell.is_over() && self.shard.is_idle();
            let patience_over = self.clock.now().instant >= since + SHUTDOWN_PATIENCE;
            if patience_over && !is_over {
                tracing::warn!("stopping with something still under way; none of it was acknowledged");
            }
            patience_over || is_over
        })
    }

    fn report(&self) -> Report {
        Report {
            shard: self.share.index(),
            sessions: self.shard.sessions(),
            half_open: self.shard.half_open(),
            online_users: self.shard.online_users(),
            traffic: self.sockets.iter().map(Socket::traffic).sum(),
            handed_over: self.handed_over,
            handover_drops: self.handover_drops,
            store_refused: self.store_refused,
            store_requests: self.store_requests,
            links: *self.shard.links(),
            counters: self.shard.counters().clone(),
        }
    }
}
