//! The socket for datagrams.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::RunError;

/// Asked of the system for each direction; it may grant less. A hundred milliseconds of short datagrams at 200,000 a second
/// with the system's own expense of some hundred bytes for each.
const BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// How long the system may have no room for a datagram before it is given up: the link sends it again in its own time.
const SEND_PATIENCE: Duration = Duration::from_millis(50);

/// Opens the socket, without the runtime that will own it.
pub(super) fn bind(address: SocketAddr) -> Result<UdpSocket, RunError> {
    let open = || -> io::Result<UdpSocket> {
        #[expect(clippy::disallowed_methods, reason = "the driver opens the socket")]
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // The same on every system; and an IPv4 client never appears as ::ffff:192.0.2.1.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        // Smaller buffers lose datagrams under load, which the links make good: no reason not to start.
        let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(BUFFER_BYTES);
        socket.bind(&address.into())?;
        tracing::debug!(
            receive_bytes = socket.recv_buffer_size().unwrap_or_default(),
            send_bytes = socket.send_buffer_size().unwrap_or_default(),
            "socket buffers granted"
        );
        Ok(socket.into())
    };
    open().map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => RunError::Taken(address),
        ErrorKind::AddrNotAvailable => RunError::NoSuchAddress(address),
        ErrorKind::PermissionDenied => RunError::Privileged(address),
        _ => RunError::Socket { address, source },
    })
}

/// What the socket has done since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Traffic {
    /// Datagrams handed to the shard.
    pub(super) received: u64,
    /// Errors of receiving, most often an ICMP message about a client that has gone.
    pub(super) receive_errors: u64,
    /// Datagrams given to the system.
    pub(super) sent: u64,
    /// Datagrams that the system refused or had no room for.
    pub(super) send_errors: u64,
}

/// Sends a datagram, and waits a little where the system has no room for it. Never fails: to a link it is one more datagram
/// that the network has lost.
pub(super) async fn send(socket: &tokio::net::UdpSocket, traffic: &mut Traffic, to: SocketAddr, bytes: &[u8]) {
    let mut sent = socket.try_send_to(bytes, to);
    if sent.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
        #[expect(clippy::disallowed_methods, reason = "the driver waits for the socket")]
        let room = tokio::time::timeout(SEND_PATIENCE, socket.writable()).await;
        if room.is_ok() {
            sent = socket.try_send_to(bytes, to);
        }
    }
    match sent {
        Ok(_) => traffic.sent += 1,
        Err(error) => {
            traffic.send_errors += 1;
            tracing::debug!(%error, "datagram not sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_says_so() {
        let first = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).unwrap_err();
        assert!(matches!(error, RunError::Taken(taken) if taken == address), "{error}");
    }

    #[test]
    fn an_address_of_another_machine_says_so() {
        // TEST-NET-1 (RFC 5737) is nobody's.
        let error = bind(SocketAddr::from(([192, 0, 2, 1], 0))).unwrap_err();
        assert!(matches!(error, RunError::NoSuchAddress(_)), "{error}");
    }
}
