//! What touches the world: sockets, clocks, entropy, threads and signals. `run` is the whole server.
//!
//! Each shard has a thread with a socket, a clock and a mailbox of its own; the store has one, password hashes have a few, and the
//! thread that called [`run`] waits for signals. They share nothing but the channels between them.

mod announce;
mod clock;
#[cfg(unix)]
mod control;
mod farewell;
mod http;
mod identity;
mod inquiry;
mod mail;
mod meter;
mod metrics;
mod passwords;
mod relay;
mod reload;
mod report;
mod saving;
#[cfg(unix)]
mod service;
mod sessions_file;
mod shard;
mod signals;
mod socket;
mod store;
mod streams;
mod tunnel;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

pub use self::announce::reachable;
use self::clock::Clock;
pub use self::identity::server_id;
use self::inquiry::Inquiry;
use self::mail::{Mail, Mailboxes};
use self::relay::RelayMeter;
use self::reload::Settings;
use self::report::Report;
use self::saving::Inheritance;
use self::shard::{ShardDriver, Surroundings};
use self::signals::{Signal, Signals};
use self::socket::Socket;
use self::streams::Port;
use crate::config::{Config, Sources};
use crate::passwords::HashError;
use crate::shard::Shard;
use crate::share::{SHARDS_MAX, Share};
use crate::store::OpenError;

/// Why the server does not run, or has stopped. Each is one line that says what and what to do; what the system said is its
/// source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The database cannot be used.
    #[error(transparent)]
    Store(OpenError),
    /// A password hash cannot cost this.
    #[error(transparent)]
    HashCost(#[from] HashError),
    /// Another program listens there.
    #[error("UDP {0} is taken by another program; stop that one, or choose another port with --listen")]
    Taken(SocketAddr),
    /// The address belongs to no interface.
    #[error("this machine has no address {}; listen on one that it has, or on 0.0.0.0 for all of them", .0.ip())]
    NoSuchAddress(SocketAddr),
    /// The port is reserved.
    #[error("UDP {0} may be used by privileged programs alone; choose a port above 1023 with --listen")]
    Privileged(SocketAddr),
    /// The socket fails otherwise.
    #[error("cannot listen on UDP {address}")]
    Socket {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The port for the metrics fails.
    #[error("cannot answer HTTP requests on {address}; choose another address with --metrics-listen, or turn it off")]
    Metrics {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The tunnel cannot be listened for.
    #[error("cannot listen on TCP {address} for the tunnel; choose another address with --tunnel, or --tunnel off")]
    Tunnel {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Relays cannot be listened for.
    #[error("cannot listen on TCP {address} for relays; choose another address with --relay, or --relay off")]
    Relay {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system refuses a thread, a runtime, a signal handler or randomness.
    #[error("the system refuses {what}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A thread has ended that should not, after a message of its own.
    #[error("the thread \"{0}\" has failed, which is a bug; nothing that was acknowledged is lost")]
    Died(&'static str),
    /// A second signal came before the first had been obeyed.
    #[error("stopped at once on a second signal; what was still under way had not been acknowledged")]
    Interrupted,
}

/// Where a server is reached.
#[derive(Clone, Debug)]
pub struct Listening {
    /// By datagrams: at least one address, in the order of the configuration.
    pub udp: Vec<SocketAddr>,
    /// Through the tunnel, if that is on.
    pub tunnel: Option<SocketAddr>,
    /// For relays, if they are on.
    pub relay: Option<SocketAddr>,
}

impl Listening {
    /// The first address for datagrams.
    pub fn first_udp(&self) -> SocketAddr {
        self.udp.first().copied().unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
    }
}

/// Tells a server to stop, as SIGTERM does.
#[derive(Clone, Debug)]
pub struct Stop(mpsc::UnboundedSender<()>);

impl Stop {
    /// Tells it.
    pub fn stop(&self) {
        // Nobody listens when it has stopped already.
        let _ = self.0.send(());
    }
}

/// Runs a server until it is told to stop (SIGTERM, SIGINT). `sources` is what SIGHUP reads again; without any it stops the
/// server, too. `ready` is called once, with the addresses that it listens on, as soon as datagrams are taken.
///
/// # Errors
/// Why it could not start, or what ended it.
pub fn run(config: Config, sources: Option<Sources>, ready: impl FnOnce(Listening, Stop)) -> Result<(), RunError> {
    let settings = Settings::new(Arc::new(config), sources);
    let (runtime, tasks) = (runtime()?, LocalSet::new());
    let ended = tasks.block_on(&runtime, supervise(settings, ready));
    // Before the runtime, which waits for the thread that writes sessions, and that for what a task has still to give it.
    drop(tasks);
    ended
}

async fn supervise(mut settings: Settings, ready: impl FnOnce(Listening, Stop)) -> Result<(), RunError> {
    let config = settings.config();
    let mut signals = Signals::new().map_err(|source| RunError::System { what: "signal handlers", source })?;
    let (sockets, addresses) = listen(&config)?;
    let metrics = match config.metrics.listen {
        Some(address) => Some(http::bind(address).await?),
        None => None,
    };
    let (tunnel, relay) = open_ports(&config)?;
    let shares = Share::split(u32::try_from(sockets.len()).unwrap_or(SHARDS_MAX));
    let mut seeds = entropy()?;
    let shards = shares.iter().map(|share| {
        let rng = StdRng::from_rng(&mut seeds);
        Shard::new(Arc::clone(&config), share.clone(), rng).map(|shard| (shard, share.clone()))
    });
    let shards = shards.collect::<Result<Vec<_>, _>>()?;
    let (watch, mut ended) = Watch::new();
    let (mailboxes, receivers) = Mailboxes::new(&shares);

    let store = store::start(config.store.clone(), mailboxes.clone(), watch.clone()).await?;
    let (passwords, mut threads) = passwords::start(&config.security, &mut seeds, &mailboxes, &watch)?;
    threads.push(store.thread);
    let mut listening = Listening { udp: addresses.clone(), tunnel: None, relay: None };
    let mut tunnels = None;
    if let Some(port) = tunnel {
        let address = port.address;
        let (tunnel, thread) = tunnel::start(port, &config, &mailboxes, watch.clone())?;
        threads.push(thread);
        (tunnels, listening.tunnel) = (Some(tunnel), Some(address));
        tracing::info!(%address, "listening for the tunnel");
    }
    let (mut relays, relay_meter) = (None, Arc::new(RelayMeter::default()));
    if let Some(port) = relay {
        let address = port.address;
        let around = (&mailboxes, Arc::clone(&relay_meter));
        let (desk, thread) = relay::start(port, &config, around, &mut seeds, watch.clone())?;
        threads.push(thread);
        (relays, listening.relay) = (Some(desk), Some(address));
        tracing::info!(%address, "listening for relays");
    }
    // Nobody else uses the data folder from here on.
    let (leftovers, inherited) = saving::start(&config, &shares, &mut seeds, &mailboxes, &store.requests);
    let clock = Clock::new();
    let shards = shards.into_iter().zip(sockets).zip(receivers).zip(inherited);
    let shards = shards.map(|(((shard, sockets), mailbox), inherited)| {
        let (mailboxes, store, passwords) = (mailboxes.clone(), store.requests.clone(), passwords.clone());
        let (tunnel, relays, leftovers) = (tunnels.clone(), relays.clone(), leftovers.clone());
        let around = Surroundings { clock, mailbox, mailboxes, store, passwords, tunnel, relays, leftovers };
        start_shard(shard, sockets, (around, inherited), watch.clone())
    });
    let shards = shards.collect::<Result<Vec<_>, _>>()?;
    drop((store.requests, passwords, tunnels, relays, leftovers, watch));
    tracing::info!(?addresses, shards = shards.len(), "listening");
    let _announcement = announce::start(&config, &addresses, &mut seeds);
    let inquiry = Inquiry::new(mailboxes.clone(), store.meter, relay_meter);
    start_services(&config, metrics, &inquiry)?;
    let (stop, mut stopped) = mpsc::unbounded_channel();
    ready(listening, Stop(stop));
    #[cfg(unix)]
    service::ready(&addresses);

    watch_over(&mut signals, &mut stopped, &mut ended, &inquiry, &mut settings).await?;
    // Each has reported how it ended.
    report::log(shards.into_iter().filter_map(|shard| shard.join().ok()).collect(), "stopped");
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

/// The sockets of each shard, one for each address, and the addresses.
fn listen(config: &Config) -> Result<(Vec<Vec<std::net::UdpSocket>>, Vec<SocketAddr>), RunError> {
    let (mut shards, mut addresses): (Vec<Vec<_>>, _) = (Vec::new(), Vec::new());
    for &address in &config.listen.udp {
        let sockets = socket::bind(address, shard_count(config))?;
        let bound = sockets.first().map_or(Ok(address), std::net::UdpSocket::local_addr);
        addresses.push(bound.map_err(|source| RunError::Socket { address, source })?);
        // The system deals out either family among as many.
        shards.resize_with(sockets.len(), Vec::new);
        shards.iter_mut().zip(sockets).for_each(|(shard, socket)| shard.push(socket));
    }
    Ok((shards, addresses))
}

/// As many as the configuration says: by default one for each core that the system gives us.
fn shard_count(config: &Config) -> u32 {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    config.listen.shards.unwrap_or_else(|| u32::try_from(cores()).unwrap_or(SHARDS_MAX).min(SHARDS_MAX))
}

/// Obeys signals until all threads have ended as they were told to.
async fn watch_over(
    signals: &mut Signals,
    stopped: &mut mpsc::UnboundedReceiver<()>,
    ended: &mut mpsc::UnboundedReceiver<Ended>,
    inquiry: &Inquiry,
    settings: &mut Settings,
) -> Result<(), RunError> {
    let mut is_stopping = false;
    loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            Some(()) = stopped.recv() => Signal::Stop,
            thread = ended.recv() => match thread {
                Some(Ended { has_failed: false, .. }) if is_stopping => continue,
                Some(Ended { thread, .. }) => return Err(RunError::Died(thread)),
                None => return Ok(()),
            },
        };
        match signal {
            Signal::Reload if settings.can_reload() => {
                #[cfg(unix)]
                service::reloading();
                settings.reload(|config| inquiry.mailboxes().send_all(|| Mail::Config(Arc::clone(&config))));
                #[cfg(unix)]
                service::reloaded();
            }
            Signal::Report => report::log(inquiry.reports().await, "counters"),
            Signal::Stop | Signal::Reload if is_stopping => return Err(RunError::Interrupted),
            Signal::Stop | Signal::Reload => {
                tracing::info!("stopping");
                #[cfg(unix)]
                service::stopping();
                is_stopping = true;
                inquiry.mailboxes().send_all(|| Mail::Stop);
            }
        }
    }
}

/// Lets in those who look after the server, from the thread that waits for signals.
fn start_services(config: &Arc<Config>, metrics: Option<TcpListener>, inquiry: &Inquiry) -> Result<(), RunError> {
    if let Some(metrics) = metrics {
        let address =
            metrics.local_addr().map_err(|source| RunError::System { what: "the metrics' address", source })?;
        tracing::info!("answering http://{address}/metrics and http://{address}/health");
        tokio::task::spawn_local(http::serve(metrics, inquiry.clone()));
    }
    #[cfg(unix)]
    tokio::task::spawn_local(service::watchdog(inquiry.clone()));
    #[cfg(all(unix, debug_assertions))]
    fail_when_told(inquiry.mailboxes().clone());
    start_control(config, inquiry);
    Ok(())
}

/// Has a shard fail at SIGUSR2, so that tests see what comes of it. Builds for use do not know that signal.
#[cfg(all(unix, debug_assertions))]
fn fail_when_told(mailboxes: Mailboxes) {
    use tokio::signal::unix::{SignalKind, signal};
    if let Ok(mut told) = signal(SignalKind::user_defined2()) {
        tokio::task::spawn_local(async move {
            told.recv().await;
            mailboxes.send(0, Mail::Fail);
        });
    }
}

/// Lets the administrator in. A server that he cannot reach while it runs still serves its users.
#[cfg(unix)]
fn start_control(config: &Arc<Config>, inquiry: &Inquiry) {
    match control::ControlSocket::bind(&config.store.data) {
        Ok(socket) => {
            let (config, inquiry) = (Arc::clone(config), inquiry.clone());
            tokio::task::spawn_local(async move { socket.serve(config, inquiry).await });
        }
        Err(error) => {
            tracing::warn!("no socket in the data folder, so that commands find no server there: {error}");
        }
    }
}

#[cfg(not(unix))]
fn start_control(_: &Arc<Config>, _: &Inquiry) {}

fn start_shard(
    (shard, share): (Shard, Share),
    sockets: Vec<std::net::UdpSocket>,
    (around, inherited): (Surroundings, Inheritance),
    watch: Watch,
) -> Result<JoinHandle<Report>, RunError> {
    let runtime = runtime()?;
    let guard = runtime.enter();
    #[expect(clippy::disallowed_methods, reason = "the driver owns the sockets")]
    let sockets: io::Result<Vec<_>> = sockets.into_iter().map(tokio::net::UdpSocket::from_std).collect();
    let sockets = sockets.map_err(|source| RunError::System { what: "to watch the sockets", source })?;
    drop(guard);
    spawn("shard", watch, move || {
        let sockets = sockets.into_iter().map(Socket::new).collect();
        let driver = ShardDriver::new(shard, share, sockets, around, inherited);
        runtime.block_on(driver.serve())
    })
}

/// A generator seeded by the system, from which all the others are seeded.
fn entropy() -> Result<StdRng, RunError> {
    StdRng::try_from_rng(&mut rand::rngs::SysRng)
        .map_err(|error| RunError::System { what: "randomness", source: io::Error::other(error) })
}

/// The ports of the tunnel and of the relays, as far as there are to be such.
fn open_ports(config: &Config) -> Result<(Option<Port>, Option<Port>), RunError> {
    let open = |address: Option<SocketAddr>, error: fn(SocketAddr, io::Error) -> RunError| {
        address.map(|address| Port::open(address).map_err(|source| error(address, source))).transpose()
    };
    let tunnel = open(config.listen.tunnel, |address, source| RunError::Tunnel { address, source })?;
    let relay = open(config.listen.relay, |address, source| RunError::Relay { address, source })?;
    Ok((tunnel, relay))
}

fn runtime() -> Result<Runtime, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|source| RunError::System { what: "an event loop", source })
}

/// Starts a thread that reports when it ends, however it ends.
fn spawn<T: Send + 'static>(
    name: &'static str,
    watch: Watch,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, RunError> {
    #[expect(clippy::disallowed_methods, reason = "the driver starts the threads")]
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _notice = EndNotice { thread: name, watch };
        body()
    });
    thread.map_err(|source| RunError::System { what: "a thread", source })
}

/// Where threads report that they have ended.
#[derive(Clone, Debug)]
struct Watch(mpsc::UnboundedSender<Ended>);

impl Watch {
    fn new() -> (Self, mpsc::UnboundedReceiver<Ended>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }
}

/// A thread has ended.
#[derive(Debug)]
struct Ended {
    thread: &'static str,
    /// Whether by a panic.
    has_failed: bool,
}

/// Reports when it is dropped: by the thread's end, or by its panic on the way out.
struct EndNotice {
    thread: &'static str,
    watch: Watch,
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        let ended = Ended { thread: self.thread, has_failed: std::thread::panicking() };
        let _ = self.watch.0.send(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_reports_it() {
        let (watch, mut ended) = Watch::new();
        let quiet = spawn("quiet", watch.clone(), || {}).unwrap();
        quiet.join().unwrap();
        let loud = spawn("loud", watch, || std::panic::resume_unwind(Box::new("as if by a bug"))).unwrap();
        assert!(loud.join().is_err());
        let mut next = || ended.blocking_recv().map(|ended| (ended.thread, ended.has_failed));
        assert_eq!((next(), next(), next()), (Some(("quiet", false)), Some(("loud", true)), None));
    }
}
