//! Relays (docs/protocol.md, "RELAY"): streams of bytes between two clients, on a thread of their own. Shards order them, and hear which
//! passes their users get; [`Relays`] decides who may come in and how much may pass.

mod carry;
mod meter;
mod seats;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use myicq_wire::RelayHello;
use rand::Rng as _;
use rand::rngs::StdRng;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};
use zeroize::Zeroizing;

pub(super) use self::meter::{Figures, RelayMeter};
use self::seats::{Seat, Seats};
use super::clock::Clock;
use super::mail::{Mail, Mailboxes};
use super::streams::{Connections, Port};
use super::{RunError, Watch, runtime, spawn};
use crate::config::Config;
use crate::hub::RelayOrder;
use crate::relays::{Admitted, RelayEnd, Relays, Side};

/// Relays that may be ordered and not yet be opened. Beyond it, the server is busy.
const ORDERS_MAX: usize = 1_024;

/// How long a connection may take to say what it wants.
const HELLO_PATIENCE: Duration = Duration::from_secs(10);

/// Where the shards order relays.
#[derive(Clone, Debug)]
pub(super) struct RelayDesk {
    sender: mpsc::UnboundedSender<RelayOrder>,
    waiting: Arc<AtomicUsize>,
}

impl RelayDesk {
    /// Orders one. What came of it comes by mail ([`Mail::Relay`]), unless too many wait: then nothing was ordered.
    pub(super) fn order(&self, order: RelayOrder) -> bool {
        let has_room = self.waiting.fetch_add(1, Ordering::Relaxed) < ORDERS_MAX;
        if !has_room {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        has_room && self.sender.send(order).is_ok()
    }
}

/// Starts the thread of the relays. It ends when the last [`RelayDesk`] has been dropped, and ends the relays that there are then.
pub(super) fn start(
    port: Port,
    config: &Arc<Config>,
    (mailboxes, meter): (&Mailboxes, Arc<RelayMeter>),
    seeds: &mut StdRng,
    watch: Watch,
) -> Result<(RelayDesk, JoinHandle<()>), RunError> {
    let runtime = runtime()?;
    let (number, connections) = (port.address.port(), port.watch(&runtime)?);
    let (sender, orders) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let desk = RelayDesk { sender, waiting: Arc::clone(&waiting) };
    let (config, mailboxes) = (Arc::clone(config), mailboxes.clone());
    let mut key = Zeroizing::new([0; 32]);
    seeds.fill_bytes(&mut *key);
    let thread = spawn("relay", watch, move || {
        let limits = &config.limits;
        let seats = Seats::new(limits.relays_max, limits.relay_per_address_max);
        let idle = config.session.relay_idle_timeout;
        let relays = Rc::new(RefCell::new(Relays::new(config, number, &key)));
        let (parked, tasks) = (HashMap::new(), JoinSet::new());
        let router = Router { relays, clock: Clock::new(), idle, mailboxes, seats, parked, tasks, meter };
        runtime.block_on(LocalSet::new().run_until(router.serve(connections, orders, &waiting)));
    })?;
    Ok((desk, thread))
}

/// A connection.
#[derive(Debug)]
struct Guest {
    stream: TcpStream,
    seat: Seat,
}

/// What a task has done.
enum Done {
    /// A connection has said what it wants, or not.
    Heard(Guest, Result<RelayHello, RelayEnd>),
    /// A relay has ended.
    Carried(u32, RelayEnd),
}

/// The relays, and those who want in.
struct Router {
    relays: Rc<RefCell<Relays>>,
    clock: Clock,
    /// How long a relay may be without a byte.
    idle: Duration,
    mailboxes: Mailboxes,
    seats: Seats,
    /// Who came first, by relay.
    parked: HashMap<u32, Guest>,
    tasks: JoinSet<Done>,
    meter: Arc<RelayMeter>,
}

impl Router {
    async fn serve(
        mut self,
        mut connections: Connections,
        mut orders: mpsc::UnboundedReceiver<RelayOrder>,
        waiting: &AtomicUsize,
    ) {
        loop {
            let deadline = self.relays.borrow().poll_timeout().and_then(|at| self.clock.to_runtime(at));
            tokio::select! {
                (stream, peer) = connections.next() => self.on_accepted(stream, peer),
                done = self.tasks.join_next(), if !self.tasks.is_empty() => self.on_done(done),
                order = orders.recv() => match order {
                    Some(order) => {
                        waiting.fetch_sub(1, Ordering::Relaxed);
                        self.on_order(order);
                    }
                    None => break,
                },
                () = sleep_until(deadline) => self.end_overdue(),
            }
            self.meter.set(self.relays.borrow().len(), self.seats.taken());
        }
        for _ in 0..self.relays.borrow().len() {
            self.meter.count(RelayEnd::Stopping);
        }
        self.tasks.shutdown().await;
        self.meter.log();
    }

    fn on_order(&mut self, order: RelayOrder) {
        let opened = self.relays.borrow_mut().open(self.clock.now(), order.question.session.uin, order.to);
        self.mailboxes.send(self.mailboxes.owner(order.to), Mail::Relay(order, opened));
    }

    fn on_accepted(&mut self, stream: TcpStream, peer: SocketAddr) {
        match self.seats.take(peer.ip()) {
            Ok(seat) => {
                let mut guest = Guest { stream, seat };
                self.tasks.spawn_local(async move {
                    let heard = carry::greet(&mut guest.stream, HELLO_PATIENCE).await;
                    Done::Heard(guest, heard)
                });
            }
            Err(end) => self.count(end),
        }
    }

    fn on_done(&mut self, done: Option<Result<Done, tokio::task::JoinError>>) {
        match done {
            Some(Ok(Done::Heard(guest, Ok(hello)))) => self.on_hello(guest, &hello),
            Some(Ok(Done::Heard(_, Err(end)))) => self.count(end),
            Some(Ok(Done::Carried(number, end))) => {
                self.relays.borrow_mut().close(number);
                self.count(end);
            }
            // It ends the thread, too, and that is noticed.
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            _ => {}
        }
    }

    fn on_hello(&mut self, guest: Guest, hello: &RelayHello) {
        let admitted = self.relays.borrow_mut().admit(hello);
        let Admitted { number, side, is_whole } = match admitted {
            Ok(admitted) => admitted,
            Err(end) => return self.count(end),
        };
        tracing::debug!(number, network = %guest.seat.network(), ?side, "an end of a relay is here");
        if !is_whole {
            self.parked.insert(number, guest);
            return;
        }
        let Some(first) = self.parked.remove(&number) else { return };
        let (asker, other) = if side == Side::Asker { (guest, first) } else { (first, guest) };
        let passage = carry::Passage {
            number,
            relays: Rc::clone(&self.relays),
            clock: self.clock,
            meter: Arc::clone(&self.meter),
        };
        let idle = self.idle;
        self.tasks.spawn_local(async move {
            let [mut asker, mut other] = [asker, other];
            let end = passage.carry(&mut asker.stream, &mut other.stream, idle).await;
            Done::Carried(number, end)
        });
    }

    fn end_overdue(&mut self) {
        let now = self.clock.now().instant;
        loop {
            let Some(number) = self.relays.borrow_mut().poll_overdue(now) else { break };
            self.parked.remove(&number);
            self.count(RelayEnd::NotMet);
        }
    }

    fn count(&self, end: RelayEnd) {
        tracing::debug!(reason = ?end, "a relay, or a connection for one, ended");
        self.meter.count(end);
    }
}

#[expect(clippy::disallowed_methods, reason = "the driver waits for the time")]
async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
