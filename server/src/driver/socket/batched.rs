//! Many datagrams in one system call (Linux): `recvmmsg`, `sendmmsg`, and several datagrams of one client as one message
//! in each direction (`UDP_GRO`, `UDP_SEGMENT`).
//!
//! Over IPv4 a datagram that may not be taken apart on its way (`IP_PMTUDISC_DO`) needs no number by which to put it together
//! again. The system's search for one would be a twelfth of all that a relayed message costs. What turns out to be too long
//! for the way is sent again so that it may be taken apart.

use std::array;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use myicq_wire::MAX_DATAGRAM;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg, sendmmsg,
    setsockopt, sockopt,
};
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::incoming::{Filled, Incoming};
use super::outgoing::Outgoing;
use super::{BATCH, Calls};

/// What the system may put into one buffer when it joins datagrams. The odd lines of cache behind it keep the beginnings of the
/// buffers, which are all that most datagrams touch, from meeting in the same few lines.
const JOINED_BYTES: usize = 65_536 + 5 * 64;

/// Segments of a message: the system's own limit until Linux 6.9, which raised it.
const SEGMENTS_MAX: usize = 64;

/// Refusals of messages with segments, after which the system is not asked again. One is not enough: a single client behind a
/// narrow link can be the reason for it.
const REFUSALS_MAX: u32 = 100;

/// Messages, and datagrams in them, that one call sends.
const MESSAGES_MAX: usize = 64;

#[derive(Debug)]
pub(in crate::driver) struct Batched {
    receives_joined: bool,
    /// Of messages with segments.
    refusals: u32,
    plain: MultiHeaders<SockaddrStorage>,
    segmented: MultiHeaders<SockaddrStorage>,
    addresses: Vec<Option<SockaddrStorage>>,
    /// The system's count of datagrams that it dropped, as last seen. It begins again at 2³².
    drops: u32,
}

impl Calls for Batched {
    fn new(io: &UdpSocket) -> Self {
        // A system that counts no drops still works, and so does one that numbers what it sends.
        let _ = setsockopt(io, sockopt::RxqOvfl, &1);
        let _ = set_ip_mtu_discover(io, Ipv4PathMtuDiscovery::DO);
        Self {
            receives_joined: setsockopt(io, sockopt::UdpGroSegment, &true).is_ok(),
            refusals: 0,
            plain: MultiHeaders::preallocate(MESSAGES_MAX, None),
            segmented: MultiHeaders::preallocate(MESSAGES_MAX, Some(cmsg_space!(u16))),
            addresses: Vec::with_capacity(MESSAGES_MAX),
            drops: 0,
        }
    }

    fn buffer_bytes(&self) -> usize {
        // With one byte more than a datagram may have, a longer one does not pass for one that just fits.
        if self.receives_joined { JOINED_BYTES } else { MAX_DATAGRAM + 1 }
    }

    fn segments_max(&self) -> usize {
        if self.refusals < REFUSALS_MAX { SEGMENTS_MAX } else { 1 }
    }

    fn receive(&mut self, io: &UdpSocket, incoming: &mut Incoming) -> io::Result<u64> {
        let mut received = Ok(0);
        let _ = io.try_io(Interest::READABLE, || {
            received = self.receive_now(io, incoming);
            // A call that leaves a buffer empty has emptied the socket: what comes later wakes us, and the call that would only
            // say so is saved. An error does not tell that.
            if received.is_ok() && !incoming.is_full() { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        received
    }

    fn send(&mut self, io: &UdpSocket, outgoing: &Outgoing) -> io::Result<usize> {
        let segment = u16::try_from(outgoing.segment()).unwrap_or_default();
        let sent = io.try_io(Interest::WRITABLE, || {
            let sent = self.send_now(io, outgoing, segment);
            Ok(if sent == Err(Errno::EMSGSIZE) { self.send_in_parts(io, outgoing, segment) } else { sent }?)
        });
        match sent {
            Err(error) if segment > 0 && is_refusal(&error) => {
                self.refusals += 1;
                if self.refusals == REFUSALS_MAX {
                    tracing::info!(%error, "no UDP_SEGMENT here: each datagram is sent alone");
                }
                Err(ErrorKind::Unsupported.into())
            }
            sent => sent,
        }
    }
}

impl Batched {
    fn receive_now(&mut self, io: &UdpSocket, incoming: &mut Incoming) -> io::Result<u64> {
        // New for each call: `recvmmsg` leaves in them how much of their room was used, and that would be all the room that they
        // have the next time (nix-rust/nix#2813).
        let (mut buffers, filled) = incoming.parts();
        let room = buffers.len();
        let mut headers = MultiHeaders::preallocate(room, Some(cmsg_space!(i32, u32)));
        let mut slices: [_; BATCH] = array::from_fn(|_| [IoSliceMut::new(buffers.next().unwrap_or_default())]);
        let slices = slices.iter_mut().take(room);
        let messages = match recvmmsg(io.as_raw_fd(), &mut headers, slices, MsgFlags::MSG_DONTWAIT, None) {
            Ok(messages) => messages,
            Err(Errno::EAGAIN) => return Ok(0),
            Err(errno) => return Err(errno.into()),
        };
        let drops_before = self.drops;
        for message in messages {
            let mut stride = None;
            for control in message.cmsgs().into_iter().flatten() {
                match control {
                    ControlMessageOwned::UdpGroSegments(bytes) => stride = usize::try_from(bytes).ok(),
                    ControlMessageOwned::RxqOvfl(drops) => self.drops = drops,
                    _ => {}
                }
            }
            if let Some(from) = sender(&message) {
                filled.push(Filled { from, length: message.bytes, stride });
            }
        }
        Ok(u64::from(self.drops.wrapping_sub(drops_before)))
    }

    /// Sends what is longer than a packet may be on its way, and what comes behind it.
    fn send_in_parts(&mut self, io: &UdpSocket, outgoing: &Outgoing, segment: u16) -> nix::Result<usize> {
        let _ = set_ip_mtu_discover(io, Ipv4PathMtuDiscovery::WANT);
        let sent = self.send_now(io, outgoing, segment);
        let _ = set_ip_mtu_discover(io, Ipv4PathMtuDiscovery::DO);
        sent
    }

    fn send_now(&mut self, io: &UdpSocket, outgoing: &Outgoing, segment: u16) -> nix::Result<usize> {
        let mut datagrams = outgoing.next_datagrams();
        let slices: [_; MESSAGES_MAX] = array::from_fn(|_| datagrams.next().unwrap_or_else(|| IoSlice::new(&[])));
        let (mut rest, mut messages) = (&slices[..], [&slices[..0]; MESSAGES_MAX]);
        self.addresses.clear();
        for ((to, count), message) in outgoing.next_messages().zip(&mut messages) {
            let Some((these, others)) = rest.split_at_checked(count) else { break };
            (*message, rest) = (these, others);
            self.addresses.push(Some(to.into()));
        }
        let control = [ControlMessage::UdpGsoSegments(&segment)];
        let (headers, control) =
            if segment > 0 { (&mut self.segmented, &control[..]) } else { (&mut self.plain, &control[..0]) };
        let sent = sendmmsg(io.as_raw_fd(), headers, &messages, &self.addresses, control, MsgFlags::MSG_DONTWAIT)?;
        Ok(sent.count())
    }
}

fn sender(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<SocketAddr> {
    let address = message.address?;
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4(SocketAddrV4::from(*v4)));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6(SocketAddrV6::from(*v6))))
}

/// Whether this is how the system says that it cannot make segments: it or the network device does not know them, or something
/// on the way (IPsec) needs each packet whole.
fn is_refusal(error: &io::Error) -> bool {
    [Errno::EINVAL, Errno::EIO, Errno::ENOPROTOOPT, Errno::EOPNOTSUPP]
        .iter()
        .any(|&errno| error.raw_os_error() == Some(errno as i32))
}
