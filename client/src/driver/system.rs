//! The one place of this library that reads the clock, asks for randomness, opens a socket and starts a task.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use myicq_wire::{Instant, UnixTime};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::account::Entropy;
use crate::error::FileError;

/// A runtime for one connection of a program without async.
#[cfg(feature = "blocking")]
pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()
}

/// A thread that ends with its work.
#[cfg(feature = "blocking")]
#[expect(clippy::disallowed_methods, reason = "the driver is where threads come from")]
pub(crate) fn spawn_thread(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("myicq".to_owned()).spawn(work).map(drop)
}

/// Returns when this time is over.
#[cfg(feature = "blocking")]
#[expect(clippy::disallowed_methods, reason = "the driver is what waits")]
pub(crate) async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}

/// tokio's clock, as the machine wants it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(tokio::time::Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the driver is where time comes from")]
    pub(super) fn start() -> Self {
        Self(tokio::time::Instant::now())
    }

    #[expect(clippy::disallowed_methods, reason = "the driver is where time comes from")]
    pub(super) fn now(&self) -> Instant {
        Instant::default() + self.0.elapsed()
    }

    /// Returns at `deadline`, and without one never.
    #[expect(clippy::disallowed_methods, reason = "the driver is what waits until a deadline")]
    pub(super) async fn wait_until(&self, deadline: Option<Instant>) {
        match deadline {
            // Rounded up to what tokio's timer can tell apart, or the loop would spin until the deadline.
            Some(deadline) => {
                let since_start = deadline.since(Instant::default()) + Duration::from_millis(1);
                tokio::time::sleep_until(self.0 + since_start).await;
            }
            None => std::future::pending().await,
        }
    }
}

/// The randomness of one session, from the operating system.
#[expect(clippy::disallowed_methods, reason = "the driver is where randomness comes from")]
pub(super) fn entropy() -> Entropy {
    Entropy::from_bytes(rand::random())
}

/// A socket that hears this server alone, as the sockets of the clients of 2003 do.
#[expect(clippy::disallowed_methods, reason = "the driver is where sockets come from")]
pub(super) async fn socket_to(server: SocketAddr) -> io::Result<UdpSocket> {
    let local: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    Ok(socket)
}

/// A connection to the tunnel of a server, or to a proxy. Nothing waits for company in it.
#[expect(clippy::disallowed_methods, reason = "the driver is where sockets come from")]
pub(super) async fn stream_to(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The addresses that "host:port" leads to.
#[expect(clippy::disallowed_methods, reason = "the driver is where sockets come from")]
pub(super) async fn addresses_of(server: &str) -> io::Result<Vec<SocketAddr>> {
    tokio::net::lookup_host(server).await.map(Iterator::collect)
}

/// Starts the task of a session, which ends with the session and its readers.
#[expect(clippy::disallowed_methods, reason = "the driver is where tasks come from")]
pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// A socket that takes connections from everywhere.
#[expect(clippy::disallowed_methods, reason = "the driver is where sockets come from")]
pub(super) async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
}

/// The address by which this machine reaches the server, if it is one of IPv4. Nothing is sent.
#[expect(clippy::disallowed_methods, reason = "the driver is where sockets come from")]
pub(super) fn address_towards(server: SocketAddr) -> Option<Ipv4Addr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(server).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(address) => Some(*address.ip()),
        SocketAddr::V6(_) => None,
    }
}

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "the driver is where time comes from")]
pub(super) fn unix_time() -> UnixTime {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixTime(u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX))
}

/// Any number.
#[expect(clippy::disallowed_methods, reason = "the driver is where randomness comes from")]
pub(super) fn random_number() -> u64 {
    rand::random()
}

/// Work with files, beside everything else.
#[expect(clippy::disallowed_methods, reason = "the driver is where threads come from")]
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    // The runtime may be going down.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(FileError::Cancelled))
}
