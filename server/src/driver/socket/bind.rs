//! Opening the socket.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
#[cfg(target_os = "linux")]
use std::num::TryFromIntError;

#[cfg(target_os = "linux")]
use myicq_wire::UIN_AT;
#[cfg(target_os = "linux")]
use nix::{
    libc::{self, sock_filter, sock_fprog},
    sys::socket::{setsockopt, sockopt},
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::driver::RunError;

/// Asked of the system for what has come and was not taken yet. A tenth of a second of short datagrams, each of which costs the
/// system about a kilobyte.
const RECEIVE_BYTES: usize = 32 * 1024 * 1024;

/// Asked of the system for what it has not sent yet.
const SEND_BYTES: usize = 8 * 1024 * 1024;

/// Opens a socket for each of so many shards, all with one address, without the runtimes that will own them. There may be
/// fewer where the system cannot deal out datagrams among several.
pub(in crate::driver) fn bind(address: SocketAddr, shards: u32) -> Result<Vec<UdpSocket>, RunError> {
    open_all(address, shards).map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => RunError::Taken(address),
        ErrorKind::AddrNotAvailable => RunError::NoSuchAddress(address),
        ErrorKind::PermissionDenied => RunError::Privileged(address),
        _ => RunError::Socket { address, source },
    })
}

fn open_all(address: SocketAddr, shards: u32) -> io::Result<Vec<UdpSocket>> {
    // Alone: a port that anybody else has is refused.
    let first = open(address)?;
    first.bind(&address.into())?;
    report_room(&first);
    let mut sockets = vec![first];
    if shards > 1 {
        share_port(&mut sockets, shards)?;
    }
    Ok(sockets.into_iter().map(UdpSocket::from).collect())
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    #[expect(clippy::disallowed_methods, reason = "the driver opens the socket")]
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // The same on every system; and an IPv4 client never appears as ::ffff:192.0.2.1.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // Smaller buffers lose datagrams under load, which the links make good: no reason not to start.
    let _ = socket.set_recv_buffer_size(RECEIVE_BYTES);
    let _ = socket.set_send_buffer_size(SEND_BYTES);
    #[cfg(target_os = "linux")]
    {
        // A privileged program may go beyond the system's limits.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BYTES);
        let _ = setsockopt(&socket, sockopt::SndBufForce, &SEND_BYTES);
    }
    Ok(socket)
}

/// Says what to do where the system gives smaller buffers than it was asked for.
fn report_room(socket: &Socket) {
    // Linux says twice what it was asked for, because half of it is for its own expenses.
    let doubled = if cfg!(target_os = "linux") { 2 } else { 1 };
    for (granted, wanted, setting) in [
        (socket.recv_buffer_size(), RECEIVE_BYTES, "net.core.rmem_max"),
        (socket.send_buffer_size(), SEND_BYTES, "net.core.wmem_max"),
    ] {
        let granted = granted.unwrap_or_default() / doubled;
        if granted < wanted && cfg!(target_os = "linux") {
            tracing::info!(
                "{granted} bytes of room for datagrams, not {wanted}; for more: sysctl -w {setting}={wanted}"
            );
        } else if granted < wanted {
            tracing::info!("{granted} bytes of room for datagrams, not {wanted}");
        }
    }
}

/// Opens further sockets with the address of the first one, and has each datagram dealt to the shard that owns its user.
///
/// From then on the system lets other programs of the same user take the same port, if they ask to share it. Another `myicqd`
/// does not: its first socket asks for the port alone.
#[cfg(target_os = "linux")]
fn share_port(sockets: &mut Vec<Socket>, shards: u32) -> io::Result<()> {
    let Some(first) = sockets.first() else { return Ok(()) };
    first.set_reuse_port(true)?;
    let address = first.local_addr()?;
    for _ in 1..shards {
        let socket = address.as_socket().map_or_else(|| Err(ErrorKind::AddrNotAvailable.into()), open)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address)?;
        sockets.push(socket);
    }
    // The sockets are a group, which takes a program, once there are two.
    if let Some(Err(error)) = sockets.last().map(|last| steer(last, shards)) {
        tracing::info!(%error, "datagrams are not dealt out by the system; shards hand them over");
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn share_port(_: &mut Vec<Socket>, _: u32) -> io::Result<()> {
    tracing::info!("one shard: this system does not deal out datagrams among several");
    Ok(())
}

/// Loads the program by which the system chooses the socket for a datagram: the number of the user modulo that of the
/// sockets, as [`crate::Share::owner_of_datagram`]. Sockets count in the order in which they were bound. What is too short to
/// have a user goes to the first.
#[cfg(target_os = "linux")]
fn steer(socket: &Socket, shards: u32) -> io::Result<()> {
    let statement = |code: u32, k| Ok(sock_filter { code: u16::try_from(code)?, jt: 0, jf: 0, k });
    let program: Result<Vec<_>, TryFromIntError> = [
        (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, u32::try_from(UIN_AT)),
        (libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, Ok(shards)),
        (libc::BPF_RET | libc::BPF_A, Ok(0)),
    ]
    .into_iter()
    .map(|(code, k)| statement(code, k?))
    .collect();
    let mut program = program.map_err(io::Error::other)?;
    let len = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = sock_fprog { len, filter: program.as_mut_ptr() };
    setsockopt(socket, sockopt::AttachReusePortCbpf, &program)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

    fn assert_taken(address: SocketAddr) {
        for shards in [1, 2] {
            let error = bind(address, shards).unwrap_err();
            assert!(matches!(error, RunError::Taken(taken) if taken == address), "{error}");
        }
    }

    #[test]
    fn a_taken_port_says_so() {
        for shards in [1, 2] {
            let first = bind(LOOPBACK.into(), shards).unwrap();
            assert_taken(first[0].local_addr().unwrap());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_port_that_another_program_would_share_is_taken_too() {
        let other = open(LOOPBACK.into()).unwrap();
        other.set_reuse_port(true).unwrap();
        other.bind(&SocketAddr::from(LOOPBACK).into()).unwrap();
        assert_taken(other.local_addr().unwrap().as_socket().unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn each_datagram_arrives_at_the_owner_of_its_user() {
        let sockets = bind(LOOPBACK.into(), 3).unwrap();
        let address = sockets[0].local_addr().unwrap();
        let shares = crate::Share::split(3);
        let mut buffer = [0; 64];
        for uin in (10_000..10_020).chain([0, u32::MAX]) {
            // Another client each time: the system left to itself would deal by their addresses.
            let client = bind(LOOPBACK.into(), 1).unwrap();
            let mut datagram = [7; 20];
            datagram[UIN_AT..UIN_AT + 4].copy_from_slice(&u32::to_be_bytes(uin));
            client[0].send_to(&datagram, address).unwrap();
            let at = sockets.iter().map(|socket| socket.recv(&mut buffer).is_ok()).collect::<Vec<_>>();
            let owner = shares[0].owner_of_datagram(&datagram);
            assert_eq!(at, [0, 1, 2].map(|shard| shard == owner), "{uin}");
            client[0].send_to(&datagram[..UIN_AT + 3], address).unwrap();
            assert!(sockets[0].recv(&mut buffer).is_ok(), "what has no user is the first one's");
        }
    }

    #[test]
    fn an_address_of_another_machine_says_so() {
        // TEST-NET-1 (RFC 5737) is nobody's.
        let error = bind(SocketAddr::from(([192, 0, 2, 1], 0)), 2).unwrap_err();
        assert!(matches!(error, RunError::NoSuchAddress(_)), "{error}");
    }
}
