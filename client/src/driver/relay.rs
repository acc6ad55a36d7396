//! Streams through the server (docs/protocol.md, "RELAY").

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use myicq_wire::{RELAY_READY, RelayPass, Uin};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::system::{Clock, stream_to};
use super::transport::{Proxy, Route, in_time};
use super::{Client, ConnectError, proxy};
use crate::account::{Answer, Request};
use crate::error::RequestError;

/// Why there is no stream through the server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The server cannot be reached there.
    #[error("cannot connect to the server's port for relays: {0}")]
    Connect(#[from] ConnectError),
    /// The other end has not come in time, the pass was used before, or the server has ended.
    #[error("the other end has not come to the relay")]
    NotMet,
}

/// The way to the server of a session.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) route: Route,
    /// The server's, or that of the proxy.
    pub(super) address: SocketAddr,
    /// What a proxy is told: "host:port".
    pub(super) server: String,
}

impl Way {
    /// A TCP connection to another port of the server.
    async fn stream(&self, port: u16) -> Result<TcpStream, ConnectError> {
        match &self.route {
            Route::Udp | Route::Tunnel => in_time(stream_to(SocketAddr::new(self.address.ip(), port))).await,
            Route::HttpProxy(Proxy { login, .. }) => {
                let host = self.server.rsplit_once(':').map_or(&*self.server, |(host, _)| host);
                let tcp = in_time(stream_to(self.address)).await?;
                in_time(proxy::connect(&tcp, &format!("{host}:{port}"), login.as_ref())).await??;
                Ok(tcp)
            }
            // It would have to be asked for a connection, and is asked for datagrams alone.
            Route::Socks5(_) => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
        }
    }
}

impl Client {
    /// Asks for a relay to somebody: see [`Request::relay`]. He is told, by [`Event::RelayOffered`](crate::Event::RelayOffered); both are to
    /// [open](Client::open_relay) it now.
    ///
    /// Cancel-safe: dropped after the request was handed over, there may be a relay, which the server forgets by itself.
    ///
    /// # Errors
    /// [`RequestError`]: [`Refusal::NotAsked`](crate::Refusal::NotAsked) where he has not agreed to it or is not here,
    /// [`Misuse::NotGranted`](crate::Misuse::NotGranted) where the server has no relays.
    pub async fn relay(&self, to: Uin) -> Result<RelayPass, RequestError> {
        match self.answer(Request::relay(to)?).await? {
            Answer::Relay(pass) => Ok(pass),
            _ => Err(RequestError::NoReply),
        }
    }

    /// One end of a relay, once the other is there, too: what is written here is read there, and the end of one side is the end of the
    /// other. It goes the way of the session: to the server's address, or by the same HTTP proxy; by a SOCKS5 proxy
    /// there is none.
    ///
    /// Cancel-safe: dropped before it returns, the pass may be used up.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn open_relay(&self, pass: &RelayPass) -> Result<TcpStream, RelayError> {
        let mut stream = self.way.stream(pass.port).await?;
        let met = async {
            stream.write_all(&pass.hello().encode()).await?;
            stream.read_u8().await
        };
        let clock = Clock::start();
        let deadline = clock.now() + Duration::from_secs(pass.wait.into());
        let ready = tokio::select! {
            ready = met => ready.ok(),
            () = clock.wait_until(Some(deadline)) => None,
        };
        ready.filter(|byte| *byte == RELAY_READY).ok_or(RelayError::NotMet)?;
        Ok(stream)
    }
}
