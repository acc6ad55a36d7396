//! How a session begins.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use myicq_wire::{Capabilities, MAX_DATAGRAM, Status, Uin};
use tokio::sync::{mpsc, oneshot, watch};

use super::direct::{Direct, Peers};
use super::proxy::{ProxyError, ProxyLogin};
use super::relay::Way;
use super::session::Session;
use super::system::{Clock, address_towards, addresses_of, entropy, spawn};
use super::transport::{Proxy, Route, Transport};
use super::ways::{Opener, Ways};
use super::{Client, Events};
use crate::account::{Config, Connection, Reconnect, Registration, SUPPORTED, Timeouts};
use crate::error::{EndReason, Misuse};
use crate::password::Password;
use crate::seen::SeenMessages;

/// How many requests may wait to be taken by the session; who asks then waits.
const MAX_ASKS: usize = 64;

/// How many events may lie between the session and its reader, beyond those that the session itself keeps.
const MAX_DELIVERIES: usize = 64;

/// How long a server that is not there is waited for before it is tried once more.
const PATIENCE: Duration = Duration::from_millis(500);

/// An address to try.
struct Candidate {
    address: SocketAddr,
    after: Option<Duration>,
}

impl Candidate {
    /// The address, once it is its turn.
    async fn reached(self) -> SocketAddr {
        if let Some(wait) = self.after {
            let clock = Clock::start();
            clock.wait_until(Some(clock.now() + wait)).await;
        }
        self.address
    }
}

/// Why there is no session, or no new user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The server's name leads to no address.
    #[error("cannot find the address of {server}: {error}")]
    Address {
        /// The name that was looked for.
        server: String,
        /// What the system says.
        error: io::Error,
    },
    /// The proxy does not do its part.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The system gives no socket.
    #[error("cannot open a socket or a connection: {0}")]
    Socket(#[from] io::Error),
    /// The server refused, or did not answer.
    #[error(transparent)]
    Ended(#[from] EndReason),
    /// The caller is wrong.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

/// Collects what a session begins with: see [`Client::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    server: String,
    credentials: Option<(Uin, Password)>,
    status: Status,
    timeouts: Timeouts,
    seen: SeenMessages,
    offered: Capabilities,
    required: Capabilities,
    direct: Option<Direct>,
    reconnect: Option<Reconnect>,
    route: Route,
}

impl Builder {
    pub(super) fn new(server: String) -> Self {
        Self {
            server,
            credentials: None,
            status: Status::ONLINE,
            timeouts: Timeouts::default(),
            seen: SeenMessages::default(),
            offered: SUPPORTED,
            required: Capabilities::NONE,
            direct: Some(Direct::default()),
            reconnect: Some(Reconnect::default()),
            route: Route::Udp,
        }
    }

    /// Who logs in.
    #[must_use]
    pub fn credentials(mut self, uin: Uin, password: Password) -> Self {
        self.credentials = Some((uin, password));
        self
    }

    /// What contacts see at first: online (the default), away or invisible.
    #[must_use]
    pub fn status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// How long to wait for what.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The messages that earlier sessions of this user have shown: see [`Client::seen`].
    #[must_use]
    pub fn seen(mut self, seen: SeenMessages) -> Self {
        self.seen = seen;
        self
    }

    /// Offers nothing beyond version 1: a session as of 2003, which outlives messages that nobody takes. Text has the characters of GBK in it, and
    /// a message that comes again is shown again.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.offered = Capabilities::NONE;
        self
    }

    /// Offers these beyond version 1: all that this library [has](SUPPORTED), unless this says otherwise.
    #[must_use]
    pub fn offer(mut self, offered: Capabilities) -> Self {
        self.offered = offered;
        self
    }

    /// Ends a session whose server does not grant all of these: [`EndReason::NotGranted`]. The password has gone to it in the clear by then.
    #[must_use]
    pub fn require(mut self, required: Capabilities) -> Self {
        self.required = required;
        self
    }

    /// How direct sessions are to be had, in which contacts talk without the server, and files: with the [defaults](Direct::default) unless set,
    /// which listen on a TCP port. `None` for no direct sessions. Behind a tunnel or a proxy there are none, and none with a server that is
    /// reached by IPv6.
    #[must_use]
    pub fn direct(mut self, direct: impl Into<Option<Direct>>) -> Self {
        self.direct = direct.into();
        self
    }

    /// When to try again where the server does not answer any more: with the [defaults](Reconnect::default) unless set. `None`: the session ends
    /// then.
    ///
    /// A request that waits for its answer then, or is made meanwhile, is asked again in the next session, except for one that has gone out and
    /// would happen twice: a message, also to a group or to everybody, and the making of a group. They fail with
    /// [`RequestError::Unknown`](crate::RequestError::Unknown). A first login that fails is never repeated.
    #[must_use]
    pub fn reconnect(mut self, reconnect: impl Into<Option<Reconnect>>) -> Self {
        self.reconnect = reconnect.into();
        self
    }

    /// Goes through the TCP tunnel of the server: its address is that of the tunnel then.
    #[must_use]
    pub fn tunnel(mut self) -> Self {
        self.route = Route::Tunnel;
        self
    }

    /// Goes through the TCP tunnel of the server, by an HTTP proxy at `address`, "host:port". It is the proxy that looks for the server then. Where the
    /// proxy wants to know who one is, it gets the user and the password (Basic).
    #[must_use]
    pub fn proxy(mut self, address: impl Into<String>, login: Option<ProxyLogin>) -> Self {
        self.route = Route::HttpProxy(Proxy { address: address.into(), login });
        self
    }

    /// Goes by a SOCKS5 proxy at `address`, "host:port", that passes datagrams on (UDP ASSOCIATE). It is the proxy that looks for the server then.
    #[must_use]
    pub fn socks5(mut self, address: impl Into<String>, login: Option<ProxyLogin>) -> Self {
        self.route = Route::Socks5(Proxy { address: address.into(), login });
        self
    }

    /// Logs in. On success the first event is [`Event::LoggedIn`](crate::Event::LoggedIn). Needs a tokio runtime with I/O and time.
    ///
    /// Cancel-safe: dropped before it returns, the login is given up, with a LOGOUT for a session that is open already.
    ///
    /// # Errors
    /// [`ConnectError`]; [`Misuse::NoUin`] without credentials, [`Misuse::Capabilities`].
    pub async fn connect(self) -> Result<(Client, Events), ConnectError> {
        let (uin, password) = self.credentials.clone().ok_or(Misuse::NoUin)?;
        let mut config = Config::new(uin, password);
        (config.status, config.timeouts) = (self.status, self.timeouts);
        (config.offered, config.required) = (self.offered, self.required);
        let mut failure = None;
        for server in self.candidates().await? {
            match self.open(server.reached().await, config.clone()).await {
                Err(error @ ConnectError::Ended(EndReason::Unreachable)) => failure = Some(error),
                // A machine without IPv6 gives no socket for an IPv6 address.
                Err(error @ ConnectError::Socket(_)) => {
                    failure.get_or_insert(error);
                }
                outcome => return outcome,
            }
        }
        Err(failure.unwrap_or_else(|| self.no_address()))
    }

    /// Registers a new user and returns his number. Repeats itself until the server answers or the timeouts are over.
    ///
    /// Cancel-safe: dropped before it returns, there may be a new user whose number nobody knows.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn register(self, password: &Password) -> Result<Uin, ConnectError> {
        let mut failure = None;
        for server in self.candidates().await? {
            match self.register_at(server.reached().await, password).await {
                Err(error @ ConnectError::Ended(EndReason::Unreachable)) => failure = Some(error),
                Err(error @ ConnectError::Socket(_)) => {
                    failure.get_or_insert(error);
                }
                outcome => return outcome,
            }
        }
        Err(failure.unwrap_or_else(|| self.no_address()))
    }

    /// Where the server may be: "localhost" may be an IPv6 address first, while the server listens on IPv4 alone. When nobody listens anywhere,
    /// all of them once more: perhaps it is just starting.
    async fn candidates(&self) -> Result<Vec<Candidate>, ConnectError> {
        let first = self.route.first_stop(&self.server);
        let found = addresses_of(first).await;
        let found = found.map_err(|error| ConnectError::Address { server: first.to_owned(), error })?;
        let now = found.iter().map(|&address| Candidate { address, after: None });
        let again = found
            .iter()
            .enumerate()
            .map(|(index, &address)| Candidate { address, after: (index == 0).then_some(PATIENCE) });
        Ok(now.chain(again).collect())
    }

    fn no_address(&self) -> ConnectError {
        let error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        ConnectError::Address { server: self.route.first_stop(&self.server).to_owned(), error }
    }

    async fn open(&self, server: SocketAddr, mut config: Config) -> Result<(Client, Events), ConnectError> {
        let direct = self.direct.clone().filter(|_| self.route == Route::Udp);
        let real_ip = direct.as_ref().and_then(|direct| direct.address.or_else(|| address_towards(server)));
        let (peers, port) = Peers::open(direct, config.uin, real_ip, config.status).await;
        // Without an address of our own, nobody tries to open a direct session.
        (config.real_ip, config.port) = (real_ip.unwrap_or(config.real_ip), port);
        let connection = Connection::new(config, entropy(), self.seen.clone(), self.reconnect)?;
        let transport = Transport::open(&self.route, server, &self.server).await?;
        let opener = Opener { route: self.route.clone(), server: self.server.clone() };
        let way = Way { route: self.route.clone(), address: server, server: self.server.clone() };
        start(connection, peers, Ways::new(opener, Connection::FIRST_PATH, transport), way).await
    }

    async fn register_at(&self, server: SocketAddr, password: &Password) -> Result<Uin, ConnectError> {
        let registration = Registration::new(password, entropy(), self.timeouts)?;
        register(registration, Transport::open(&self.route, server, &self.server).await?).await
    }
}

/// Starts the task of a session, and waits until it is open.
async fn start(connection: Connection, peers: Peers, ways: Ways, way: Way) -> Result<(Client, Events), ConnectError> {
    let (uin, clock) = (connection.account().uin(), Clock::start());
    let (asks, from_clients) = mpsc::channel(MAX_ASKS);
    let (to_reader, deliveries) = mpsc::channel(MAX_DELIVERIES);
    let (taken, from_reader) = mpsc::unbounded_channel();
    let (ended, has_ended) = watch::channel(None);
    let (logged_in, is_logged_in) = oneshot::channel();
    let session = Session {
        ways,
        clock,
        connection,
        peers,
        asks: from_clients,
        deliveries: Some(to_reader),
        taken: from_reader,
        ended,
        logged_in: Some(logged_in),
        waiters: HashMap::new(),
        has_clients: true,
        has_reader: true,
        handed: 0,
    };
    #[cfg(feature = "tracing")]
    let task =
        tracing::Instrument::instrument(session.run(), tracing::info_span!("session", %uin, server = %way.address));
    #[cfg(not(feature = "tracing"))]
    let task = session.run();
    spawn(task);
    let client = Client { uin, asks, ended: has_ended, way: Arc::new(way) };
    let events = Events { deliveries, taken };
    match is_logged_in.await {
        Ok(()) => Ok((client, events)),
        Err(_) => Err(client.reason().into()),
    }
}

async fn register(mut registration: Registration, mut transport: Transport) -> Result<Uin, ConnectError> {
    let clock = Clock::start();
    let mut buffer = [0; MAX_DATAGRAM];
    loop {
        while let Some(datagram) = registration.poll_transmit(clock.now()) {
            let sent = transport.send(&datagram).await;
            check(&mut registration, &transport, sent.err());
        }
        if let Some(outcome) = registration.outcome() {
            return Ok(outcome?);
        }
        tokio::select! {
            received = transport.receive(&mut buffer) => match received {
                Ok(len) => registration.handle_datagram(buffer.get(..len).unwrap_or_default()),
                Err(error) => check(&mut registration, &transport, Some(error)),
            },
            () = clock.wait_until(registration.poll_timeout()) => {}
        }
    }
}

fn check(registration: &mut Registration, transport: &Transport, error: Option<io::Error>) {
    if let Some(reason) = error.and_then(|error| transport.end(&error)) {
        registration.handle_disconnected(reason);
    }
}
