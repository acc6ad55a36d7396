//! The socket for datagrams: many of them in one system call where the system has such calls, one by one elsewhere.

mod bind;
mod incoming;
mod outgoing;

#[cfg(target_os = "linux")]
mod batched;
#[cfg(any(test, not(target_os = "linux")))]
mod single;

#[cfg(test)]
mod tests;

use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;

pub(super) use self::bind::bind;
use self::incoming::Incoming;
use self::outgoing::Outgoing;

#[cfg(target_os = "linux")]
type System = batched::Batched;
#[cfg(not(target_os = "linux"))]
type System = single::Single;

/// Buffers filled by one call at most.
const BATCH: usize = 64;

/// Datagrams that wait for the end of the batch, after which they are sent in its middle. One change of status to a thousand
/// watchers still leaves together.
const OUTGOING_MAX: usize = 1_024;

/// How long the system may have no room before what waits is given up: the links send it again in their own time.
const SEND_PATIENCE: Duration = Duration::from_millis(50);

/// What the socket has done since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Traffic {
    /// Datagrams that were received.
    pub(super) received: u64,
    /// Errors of receiving, most often an ICMP message about a client that has gone.
    pub(super) receive_errors: u64,
    /// Datagrams that the system dropped because they came faster than they were taken; none where the system does not say.
    pub(super) kernel_drops: u64,
    /// Datagrams given to the system.
    pub(super) sent: u64,
    /// Datagrams that the system refused or had no room for.
    pub(super) send_errors: u64,
}

/// Waits until there may be something to receive from one of them; a shard has one, or one of each family.
pub(super) async fn readable(sockets: &[Socket]) {
    match sockets {
        [] => pending().await,
        [one] => one.readable().await,
        [one, other, ..] => tokio::select! {
            () = one.readable() => {}
            () = other.readable() => {}
        },
    }
}

/// The system calls.
pub(super) trait Calls {
    /// Prepares a socket for them.
    fn new(io: &UdpSocket) -> Self;

    /// The most that a buffer for one call to receive must hold.
    fn buffer_bytes(&self) -> usize;

    /// Datagrams that may leave as segments of one message. 1: each is a message of its own.
    fn segments_max(&self) -> usize;

    /// Fills `incoming` with what has come, and says how many datagrams the system has dropped since the last call. That it
    /// did not become full means that the socket is empty.
    fn receive(&mut self, io: &UdpSocket, incoming: &mut Incoming) -> io::Result<u64>;

    /// Sends the first of the messages that are left, and maybe more; says how many messages that were. An error is about the
    /// first: `WouldBlock` when there is no room, `Unsupported` when messages may not have segments any more.
    fn send(&mut self, io: &UdpSocket, outgoing: &Outgoing) -> io::Result<usize>;
}

/// A socket with what has come and not been taken, and what waits to be sent. Lives and dies on one thread.
#[derive(Debug)]
pub(super) struct Socket<C = System> {
    io: UdpSocket,
    is_ipv4: bool,
    calls: C,
    incoming: Incoming,
    outgoing: Outgoing,
    traffic: Traffic,
    /// The system had no room for as long as it is waited for, and has taken nothing since.
    is_blocked: bool,
}

impl<C: Calls> Socket<C> {
    pub(super) fn new(io: UdpSocket) -> Self {
        let calls = C::new(&io);
        let incoming = Incoming::new(calls.buffer_bytes());
        let is_ipv4 = io.local_addr().is_ok_and(|address| address.is_ipv4());
        let (outgoing, traffic) = (Outgoing::default(), Traffic::default());
        Self { io, is_ipv4, calls, incoming, outgoing, traffic, is_blocked: false }
    }

    /// Whether an address is reached through it.
    pub(super) fn reaches(&self, address: SocketAddr) -> bool {
        self.is_ipv4 == address.is_ipv4()
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Waits until there may be something to receive.
    async fn readable(&self) {
        // An error shows again when receiving, and is counted there.
        let _ = self.io.readable().await;
    }

    /// Takes a batch from the system, for [`Self::next_datagram`]. Says whether there may be more behind it.
    pub(super) fn receive(&mut self) -> bool {
        self.incoming.clear();
        match self.calls.receive(&self.io, &mut self.incoming) {
            Ok(drops) => self.traffic.kernel_drops += drops,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => {
                self.traffic.receive_errors += 1;
                return true;
            }
        }
        self.incoming.is_full()
    }

    /// The next datagram of the batch. One longer than the protocol's longest is longer here, too.
    pub(super) fn next_datagram(&mut self) -> Option<(SocketAddr, &[u8])> {
        let next = self.incoming.next_datagram();
        self.traffic.received += u64::from(next.is_some());
        next
    }

    /// Puts a datagram behind the others to be sent.
    pub(super) fn push(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.outgoing.push(to, datagram);
    }

    /// Whether so many wait that it is time to send them.
    pub(super) fn is_full(&self) -> bool {
        self.outgoing.len() >= OUTGOING_MAX
    }

    /// Sends what waits, those to one address in order, and waits a little where the system has no room. Never fails: to a
    /// link it is one more datagram that the network has lost.
    pub(super) async fn flush(&mut self) {
        self.outgoing.plan(self.calls.segments_max());
        if !self.send_now() && !self.is_blocked {
            #[expect(clippy::disallowed_methods, reason = "the driver waits for the socket")]
            let sent = tokio::time::timeout(SEND_PATIENCE, self.send_when_writable()).await;
            self.is_blocked = sent.is_err();
        }
        let left = self.outgoing.advance(self.outgoing.left());
        if left > 0 {
            tracing::debug!(datagrams = left, "no room to send");
            self.traffic.send_errors += left;
        }
        self.outgoing.clear();
    }

    async fn send_when_writable(&mut self) {
        // An error shows again when sending.
        while self.io.writable().await.is_ok() && !self.send_now() {}
    }

    /// Sends until nothing is left, or there is no room: false.
    fn send_now(&mut self) -> bool {
        while self.outgoing.left() > 0 {
            match self.calls.send(&self.io, &self.outgoing) {
                Ok(messages) => {
                    self.traffic.sent += self.outgoing.advance(messages);
                    self.is_blocked = false;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == ErrorKind::Unsupported => self.outgoing.split(),
                // It is about one address: the others get theirs.
                Err(error) => {
                    self.traffic.send_errors += self.outgoing.advance(1);
                    tracing::debug!(%error, "datagram not sent");
                }
            }
        }
        true
    }
}
