//! The TCP tunnel (docs/protocol.md, "Tunnel"): datagrams in a stream, for those whom UDP does not reach. It has one thread, which hands what
//! comes to the shards as they hand it to each other, and gets from them what is to go out. To a shard a connection is an
//! [`address`] and nothing else.

pub(super) mod address;
mod connection;
mod inbound;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};

use self::address::Number;
use self::connection::Queue;
use self::inbound::Patience;
use super::clock::Clock;
use super::mail::{DATAGRAMS_MAX, Datagrams, Mailboxes};
use super::streams::{Connections, Port, network, pause};
use super::{RunError, Watch, runtime, spawn};
use crate::config::Config;

/// How long what has been said is waited for to leave when the server stops.
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// Why a connection ended, or did not begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The peer has closed it, or the network has.
    Closed,
    /// It was neither a request to be connected nor a frame.
    Malformed,
    /// A frame did not end in time.
    TooSlow,
    /// No frame began for too long.
    Idle,
    /// The peer does not read what it gets.
    NotReading,
    /// The server stops.
    Stopping,
    /// There are as many connections as may be.
    Full,
    /// There are as many from this address as may be.
    FullOfAddress,
}

impl End {
    /// Every one, and the name under which it is counted.
    const NAMED: [(Self, &str); 8] = [
        (Self::Closed, "closed"),
        (Self::Malformed, "malformed"),
        (Self::TooSlow, "too_slow"),
        (Self::Idle, "idle"),
        (Self::NotReading, "not_reading"),
        (Self::Stopping, "stopping"),
        (Self::Full, "full"),
        (Self::FullOfAddress, "full_of_address"),
    ];
}

/// Where the shards put what is to go out through the tunnel.
#[derive(Clone, Debug)]
pub(super) struct Tunnel {
    sender: mpsc::UnboundedSender<Datagrams>,
    waiting: Arc<AtomicUsize>,
}

impl Tunnel {
    /// Hands over what is to go out. When the tunnel is behind with too many, these are dropped, as the network would have done.
    pub(super) fn send(&self, datagrams: Datagrams) {
        let count = datagrams.len();
        if self.waiting.load(Ordering::Relaxed) + count <= DATAGRAMS_MAX {
            self.waiting.fetch_add(count, Ordering::Relaxed);
            let _ = self.sender.send(datagrams);
        }
    }
}

/// Where connections put what came.
#[derive(Clone, Debug)]
struct Shards(Mailboxes);

impl Shards {
    fn hand_over(&self, from: SocketAddr, datagram: &[u8]) {
        let mut datagrams = Datagrams::default();
        datagrams.push(from, datagram);
        // What there is no room for is lost, as on any network.
        self.0.hand_over(self.0.owner_of_datagram(datagram), datagrams);
    }
}

/// Starts the thread of the tunnel. It ends when the last [`Tunnel`] has been dropped.
pub(super) fn start(
    port: Port,
    config: &Config,
    mailboxes: &Mailboxes,
    watch: Watch,
) -> Result<(Tunnel, JoinHandle<()>), RunError> {
    let runtime = runtime()?;
    let connections = port.watch(&runtime)?;
    let (sender, from_shards) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let tunnel = Tunnel { sender, waiting: Arc::clone(&waiting) };
    let (limits, session) = (&config.limits, &config.session);
    let patience = Patience { frame: session.tunnel_frame_timeout, idle: session.tunnel_idle_timeout };
    let (max, per_address_max) = (limits.tunnel_max, limits.tunnel_per_address_max);
    let shards = Shards(mailboxes.clone());
    let thread = spawn("tunnel", watch, move || {
        let router = Router {
            shards,
            clock: Clock::new(),
            patience,
            max,
            per_address_max,
            queues: HashMap::new(),
            of_address: HashMap::new(),
            tasks: JoinSet::new(),
            last_number: Number::MIN,
            ends: [0; End::NAMED.len()],
        };
        runtime.block_on(LocalSet::new().run_until(router.serve(connections, from_shards, &waiting)));
    })?;
    Ok((tunnel, thread))
}

/// The connections.
#[derive(Debug)]
struct Router {
    shards: Shards,
    clock: Clock,
    patience: Patience,
    max: usize,
    per_address_max: usize,
    queues: HashMap<Number, Rc<Queue>>,
    /// How many there are of each [`network`].
    of_address: HashMap<IpAddr, usize>,
    /// Each says which connection it was, of which network, and why it ended.
    tasks: JoinSet<(Number, IpAddr, End)>,
    last_number: Number,
    /// How many connections ended for which reason.
    ends: [u64; End::NAMED.len()],
}

impl Router {
    async fn serve(
        mut self,
        mut connections: Connections,
        mut from_shards: mpsc::UnboundedReceiver<Datagrams>,
        waiting: &AtomicUsize,
    ) {
        loop {
            tokio::select! {
                (stream, peer) = connections.next() => self.on_accepted(stream, peer),
                ended = self.tasks.join_next(), if !self.tasks.is_empty() => self.on_ended(ended),
                datagrams = from_shards.recv() => match datagrams {
                    Some(datagrams) => {
                        waiting.fetch_sub(datagrams.len(), Ordering::Relaxed);
                        self.route(&datagrams);
                    }
                    None => break,
                },
            }
        }
        self.queues.values().for_each(|queue| queue.close());
        tokio::select! {
            () = async { while let Some(ended) = self.tasks.join_next().await { self.on_ended(Some(ended)); } } => {}
            () = pause(STOP_PATIENCE) => {}
        }
        for ((_, reason), count) in End::NAMED.into_iter().zip(self.ends).filter(|&(_, count)| count > 0) {
            tracing::info!(reason, count, "connections of the tunnel ended");
        }
    }

    fn on_accepted(&mut self, stream: TcpStream, peer: SocketAddr) {
        let network = network(peer.ip());
        let of_address = self.of_address.get(&network).copied().unwrap_or(0);
        if self.queues.len() >= self.max {
            return self.count(peer, End::Full);
        }
        if of_address >= self.per_address_max {
            return self.count(peer, End::FullOfAddress);
        }
        self.of_address.insert(network, of_address + 1);
        let number = self.next_number();
        let (queue, shards) = (Rc::new(Queue::default()), self.shards.clone());
        self.queues.insert(number, Rc::clone(&queue));
        let (address, around) = (address::of(peer, number), (self.clock, self.patience));
        self.tasks.spawn_local(async move {
            (number, network, connection::serve(stream, address, queue, shards, around).await)
        });
    }

    /// A number that no connection has.
    fn next_number(&mut self) -> Number {
        loop {
            self.last_number = self.last_number.checked_add(1).unwrap_or(Number::MIN);
            if !self.queues.contains_key(&self.last_number) {
                return self.last_number;
            }
        }
    }

    fn on_ended(&mut self, ended: Option<Result<(Number, IpAddr, End), tokio::task::JoinError>>) {
        let (number, network, end) = match ended {
            Some(Ok(ended)) => ended,
            // It ends the thread, too, and that is noticed.
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            _ => return,
        };
        self.queues.remove(&number);
        if let Some(count) = self.of_address.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.of_address.remove(&network);
            }
        }
        self.count(SocketAddr::new(network, 0), end);
    }

    fn count(&mut self, peer: SocketAddr, end: End) {
        tracing::debug!(peer = %peer.ip(), reason = ?end, "connection of the tunnel ended");
        let index = End::NAMED.iter().position(|&(named, _)| named == end);
        index.and_then(|index| self.ends.get_mut(index)).into_iter().for_each(|count| *count += 1);
    }

    /// What is for a connection that has gone goes nowhere.
    fn route(&self, datagrams: &Datagrams) {
        for (to, datagram) in datagrams.iter() {
            if let Some(queue) = address::number(to).and_then(|number| self.queues.get(&number)) {
                queue.push(datagram);
            }
        }
    }
}
