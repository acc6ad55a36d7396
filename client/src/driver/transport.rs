//! The way of a session's datagrams: UDP, perhaps by a SOCKS5 proxy, or a TCP stream through the tunnel of the server, perhaps by an HTTP proxy.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use myicq_wire::tunnel::{self, Framer};
use myicq_wire::{MAX_DATAGRAM, Writer};
use tokio::io::Interest;
use tokio::net::{TcpStream, UdpSocket};

use super::ConnectError;
use super::proxy::{self, ProxyLogin, Relayed};
use super::system::{Clock, socket_to, stream_to};
use crate::error::EndReason;

/// How long a connection, and the answer of a proxy, is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that may wait for the stream to take them. What would have to wait beyond is lost, as on any network, and sent again.
const PENDING_MAX: usize = 64 * 1024;

/// By which way a session goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Route {
    /// Datagrams.
    Udp,
    /// A TCP connection to the server's tunnel.
    Tunnel,
    /// A TCP connection to an HTTP proxy, which makes one to the server's tunnel.
    HttpProxy(Proxy),
    /// Datagrams by a SOCKS5 proxy.
    Socks5(Proxy),
}

/// Where a proxy is, and who one is to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Proxy {
    pub(super) address: String,
    pub(super) login: Option<ProxyLogin>,
}

impl Route {
    /// Where it begins: at the server, or at the proxy.
    pub(super) fn first_stop<'a>(&'a self, server: &'a str) -> &'a str {
        match self {
            Self::Udp | Self::Tunnel => server,
            Self::HttpProxy(proxy) | Self::Socks5(proxy) => &proxy.address,
        }
    }
}

/// What carries datagrams between here and one server.
#[derive(Debug)]
pub(super) enum Transport {
    Udp(UdpSocket),
    Tunnel(Stream),
    Relayed(Relayed),
}

/// The tunnel's end here.
#[derive(Debug)]
pub(super) struct Stream {
    tcp: TcpStream,
    framer: Framer,
    /// What was read and is not yet looked at, from `at` on.
    input: Vec<u8>,
    at: usize,
    /// What the stream has not taken yet.
    pending: Vec<u8>,
}

impl Transport {
    /// Opens the way to `address`: that of the server, or of the proxy that is to go on to `server`.
    pub(super) async fn open(route: &Route, address: SocketAddr, server: &str) -> Result<Self, ConnectError> {
        let tcp = match route {
            Route::Udp => return Ok(Self::Udp(socket_to(address).await?)),
            Route::Tunnel => in_time(stream_to(address)).await?,
            Route::HttpProxy(Proxy { login, .. }) => {
                let tcp = in_time(stream_to(address)).await?;
                // The proxy's answer is as long as it is: what is behind it are frames.
                in_time(proxy::connect(&tcp, server, login.as_ref())).await??;
                tcp
            }
            Route::Socks5(Proxy { login, .. }) => {
                let tcp = in_time(stream_to(address)).await?;
                return Ok(Self::Relayed(in_time(Relayed::open(tcp, server, login.as_ref())).await??));
            }
        };
        let (input, pending) = (Vec::new(), Vec::new());
        Ok(Self::Tunnel(Stream { tcp, framer: tunnel::datagrams(), input, at: 0, pending }))
    }

    /// The next datagram's length in `buffer`, which has room for any.
    ///
    /// Cancel-safe.
    pub(super) async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.recv(buffer).await,
            Self::Tunnel(stream) => stream.receive(buffer).await,
            Self::Relayed(relayed) => relayed.receive(buffer).await,
        }
    }

    pub(super) async fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(datagram).await.map(drop),
            Self::Tunnel(stream) => stream.send(datagram),
            Self::Relayed(relayed) => relayed.send(datagram).await,
        }
    }

    /// What an error means for the session; nothing, if it is a trouble of the moment: what that costs is sent again.
    pub(super) fn end(&self, error: &io::Error) -> Option<EndReason> {
        match self {
            Self::Udp(_) => (error.kind() == ErrorKind::ConnectionRefused).then_some(EndReason::Unreachable),
            Self::Tunnel(_) => Some(EndReason::Lost),
            // Without the connection that holds it, or the program that passes on, nothing comes through any more.
            Self::Relayed(_) => matches!(
                error.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
            )
            .then_some(EndReason::Lost),
        }
    }
}

impl Stream {
    async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut input = self.input.get(self.at..).unwrap_or_default();
            let before = input.len();
            let frame =
                self.framer.next_frame(&mut input).map_err(|error| io::Error::new(ErrorKind::InvalidData, error));
            let taken = before - input.len();
            self.at += taken;
            if let Some(frame) = frame? {
                let len = frame.len().min(buffer.len());
                buffer.iter_mut().zip(frame).for_each(|(to, &byte)| *to = byte);
                return Ok(len);
            }
            self.fill().await?;
        }
    }

    /// Waits for more to read, and lets go what waits to be written.
    async fn fill(&mut self) -> io::Result<()> {
        let interest =
            if self.pending.is_empty() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        let ready = self.tcp.ready(interest).await?;
        if ready.is_writable() {
            self.flush()?;
        }
        self.at = 0;
        self.input.resize(MAX_DATAGRAM, 0);
        let read = self.tcp.try_read(&mut self.input);
        self.input.truncate(*read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let mut frame = [0; tunnel::PREFIX_LEN + MAX_DATAGRAM];
        let mut writer = Writer::new(&mut frame);
        if tunnel::write(datagram, &mut writer).is_ok() && self.pending.len() < PENDING_MAX {
            let len = writer.len();
            self.pending.extend_from_slice(frame.get(..len).unwrap_or_default());
        }
        // It holds a password.
        zeroize::Zeroize::zeroize(&mut frame);
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            match self.tcp.try_write(&self.pending) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => {
                    self.pending.drain(..len);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What comes of it, unless it takes too long.
pub(super) async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> Result<T, ConnectError> {
    let clock = Clock::start();
    tokio::select! {
        outcome = work => outcome.map_err(|error| match error.kind() {
            ErrorKind::ConnectionRefused => EndReason::Unreachable.into(),
            _ => error.into(),
        }),
        () = clock.wait_until(Some(clock.now() + CONNECT_TIMEOUT)) => Err(EndReason::TimedOut.into()),
    }
}
