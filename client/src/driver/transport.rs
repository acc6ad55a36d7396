//! The way of a session's datagrams: UDP, or a TCP stream through the tunnel of the server, perhaps by a proxy.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use httparse::{EMPTY_HEADER, Response, Status};
use myicq_wire::tunnel::{self, Framer};
use myicq_wire::{MAX_DATAGRAM, Writer};
use tokio::io::Interest;
use tokio::net::{TcpStream, UdpSocket};

use super::ConnectError;
use super::system::{Clock, socket_to, stream_to};
use crate::error::EndReason;

/// How long a connection, and the answer of a proxy, is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a proxy's answer, with all its headers.
const ANSWER_MAX: usize = 4_096;

/// Headers of a proxy's answer.
const HEADERS_MAX: usize = 64;

/// Bytes that may wait for the stream to take them. What would have to wait beyond is lost, as on any network, and sent again.
const PENDING_MAX: usize = 64 * 1024;

/// By which way a session goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Route {
    /// Datagrams.
    Udp,
    /// A TCP connection to the server's tunnel.
    Tunnel,
    /// A TCP connection to this HTTP proxy, which makes one to the server's tunnel.
    Proxy(String),
}

/// What carries datagrams between here and one server.
#[derive(Debug)]
pub(super) enum Transport {
    Udp(UdpSocket),
    Tunnel(Stream),
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
            Route::Proxy(_) => {
                let mut tcp = in_time(stream_to(address)).await?;
                // The proxy's answer is as long as it is: what is behind it are frames.
                let status = in_time(connect(&mut tcp, server)).await?;
                if status / 100 != 2 {
                    return Err(ConnectError::Proxy { status });
                }
                tcp
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
        }
    }

    pub(super) async fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(datagram).await.map(drop),
            Self::Tunnel(stream) => stream.send(datagram),
        }
    }

    /// What an error means for the session; nothing, if it is a trouble of the moment: what that costs is sent again.
    pub(super) fn end(&self, error: &io::Error) -> Option<EndReason> {
        match self {
            Self::Udp(_) => (error.kind() == ErrorKind::ConnectionRefused).then_some(EndReason::Unreachable),
            Self::Tunnel(_) => Some(EndReason::Lost),
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

/// Asks a proxy for a connection to `server`, and says what it answers: 2xx for yes.
async fn connect(tcp: &mut TcpStream, server: &str) -> io::Result<u16> {
    let request = format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n\r\n");
    let mut left = request.as_bytes();
    while !left.is_empty() {
        tcp.writable().await?;
        match tcp.try_write(left) {
            Ok(len) => left = left.get(len..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    let mut answer = Vec::new();
    loop {
        tcp.readable().await?;
        // Byte by byte: what follows the answer is not ours to take here.
        let mut byte = [0];
        match tcp.try_read(&mut byte) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => answer.extend_from_slice(&byte),
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        if let Some(status) = status_of(&answer)? {
            return Ok(status);
        }
    }
}

/// The status of an answer, once all of its head is there.
fn status_of(answer: &[u8]) -> io::Result<Option<u16>> {
    if !answer.ends_with(b"\n") {
        return if answer.len() < ANSWER_MAX { Ok(None) } else { Err(ErrorKind::InvalidData.into()) };
    }
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = Response::new(&mut headers);
    match response.parse(answer).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))? {
        Status::Complete(_) => Ok(response.code),
        Status::Partial if answer.len() < ANSWER_MAX => Ok(None),
        Status::Partial => Err(ErrorKind::InvalidData.into()),
    }
}

/// What comes of it, unless it takes too long.
async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> Result<T, ConnectError> {
    let clock = Clock::start();
    tokio::select! {
        outcome = work => outcome.map_err(|error| match error.kind() {
            ErrorKind::ConnectionRefused => EndReason::Unreachable.into(),
            _ => error.into(),
        }),
        () = clock.wait_until(Some(clock.now() + CONNECT_TIMEOUT)) => Err(EndReason::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_a_proxy_is_read_to_the_end_of_its_head() {
        let answer = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
        assert!((0..answer.len()).all(|len| status_of(&answer[..len]).unwrap().is_none()));
        assert_eq!(status_of(answer).unwrap(), Some(200));
        assert_eq!(status_of(b"HTTP/1.0 407 Who are you\r\n\r\n").unwrap(), Some(407));
        assert!(status_of(b"SSH-2.0-OpenSSH\r\n").is_err());
        let endless = [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; ANSWER_MAX]].concat();
        assert!(status_of(&endless[..ANSWER_MAX - 1]).unwrap().is_none() && status_of(&endless[..ANSWER_MAX]).is_err());
    }
}
