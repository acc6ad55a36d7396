//! Ports to which connections come, each on a thread of its own: that of the tunnel and that of the relays.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::RunError;

/// How long nothing is accepted after the system refused to, for instance because too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port that is open. Connections wait in it for somebody to [take](Port::watch) it.
#[derive(Debug)]
pub(super) struct Port {
    listener: TcpListener,
    pub(super) address: SocketAddr,
}

impl Port {
    /// Opens a port. Number 0 is any that is free.
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "the driver opens the socket")]
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Its connections, for a thread with this runtime.
    pub(super) fn watch(self, runtime: &Runtime) -> Result<Connections, RunError> {
        let _guard = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(self.listener);
        let listener = listener.map_err(|source| RunError::System { what: "to watch a port", source })?;
        Ok(Connections { listener, address: self.address, paused_until: None })
    }
}

/// What comes to a port.
#[derive(Debug)]
pub(super) struct Connections {
    listener: tokio::net::TcpListener,
    address: SocketAddr,
    /// After a refusal: until when nothing is accepted, however often somebody begins to wait anew.
    paused_until: Option<Instant>,
}

impl Connections {
    /// The next one. To give up waiting loses none.
    pub(super) async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            if let Some(until) = self.paused_until {
                #[expect(clippy::disallowed_methods, reason = "the driver waits for the system")]
                tokio::time::sleep_until(until).await;
                self.paused_until = None;
            }
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    tracing::warn!(%error, port = %self.address, "no connection is taken");
                    #[expect(clippy::disallowed_methods, reason = "the driver waits for the system")]
                    let now = Instant::now();
                    self.paused_until = Some(now + ACCEPT_PAUSE);
                }
            }
        }
    }
}

/// What connections are counted by: of IPv6 the network, because a host may have all of it.
pub(super) fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[expect(clippy::disallowed_methods, reason = "the driver waits for the system")]
pub(super) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
