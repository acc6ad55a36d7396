//! Opening the socket.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::driver::RunError;

/// Asked of the system for what has come and was not taken yet. A tenth of a second of short datagrams, each of which costs the
/// system about a kilobyte.
const RECEIVE_BYTES: usize = 32 * 1024 * 1024;

/// Asked of the system for what it has not sent yet.
const SEND_BYTES: usize = 8 * 1024 * 1024;

/// Opens the socket, without the runtime that will own it.
pub(in crate::driver) fn bind(address: SocketAddr) -> Result<UdpSocket, RunError> {
    open(address).map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => RunError::Taken(address),
        ErrorKind::AddrNotAvailable => RunError::NoSuchAddress(address),
        ErrorKind::PermissionDenied => RunError::Privileged(address),
        _ => RunError::Socket { address, source },
    })
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    #[expect(clippy::disallowed_methods, reason = "the driver opens the socket")]
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // The same on every system; and an IPv4 client never appears as ::ffff:192.0.2.1.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // Smaller buffers lose datagrams under load, which the links make good: no reason not to start.
    ask_for_room(&socket);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Asks for large buffers, and says what to do where the system does not give them.
#[cfg(target_os = "linux")]
fn ask_for_room(socket: &Socket) {
    use nix::sys::socket::{setsockopt, sockopt};

    // Only a privileged program may go beyond the system's limits.
    let _ = setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BYTES)
        .or_else(|_| setsockopt(socket, sockopt::RcvBuf, &RECEIVE_BYTES));
    let _ = setsockopt(socket, sockopt::SndBufForce, &SEND_BYTES)
        .or_else(|_| setsockopt(socket, sockopt::SndBuf, &SEND_BYTES));
    // Linux grants twice what it was asked for, and takes half of it for its own expenses.
    let granted = [socket.recv_buffer_size(), socket.send_buffer_size()].map(|bytes| bytes.unwrap_or_default() / 2);
    for (bytes, wanted, setting) in
        [(granted[0], RECEIVE_BYTES, "net.core.rmem_max"), (granted[1], SEND_BYTES, "net.core.wmem_max")]
    {
        if bytes < wanted {
            tracing::info!(
                "the system buffers {bytes} bytes of datagrams where {wanted} were asked for; if `kernel_drops` rises: \
                 sysctl -w {setting}={wanted}"
            );
        }
    }
}

/// Asks for large buffers.
#[cfg(not(target_os = "linux"))]
fn ask_for_room(socket: &Socket) {
    let _ = socket.set_recv_buffer_size(RECEIVE_BYTES);
    let _ = socket.set_send_buffer_size(SEND_BYTES);
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
