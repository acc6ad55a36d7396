//! Direct sessions with other clients over TCP, without I/O (docs/protocol.md, "Direct sessions").
//!
//! [`MessageSession`] and [`FileSession`] are the two kinds of connection, both roles of each: bytes and `now` in, bytes and
//! events out, over any stream. [`Lanes`] decides by which way a message goes, directly or through the server, so that none is
//! lost, none overtakes another, and none is shown twice. The [driver](crate::driver) puts them on tokio.
//!
//! Nothing in version 1 proves who the other side is but the address that the server told. So a HELLO is believed only
//! where the server says that its uin [is](is_at), and everything that a peer can do by being slow, silent, too
//! loud or a liar ends in its connection being dropped, with a [reason](PeerEnd) that is counted.

mod file;
mod message;
mod speed;

mod lanes;

use std::net::Ipv4Addr;
use std::time::Duration;

use myicq_wire::{Face, Uin};

use crate::event::Presence;

pub use file::{FileEvent, FileSession, Side};
pub use lanes::{ConnectionId, Lanes, LetterId, MAX_LANES, Step};
pub use message::{MAX_UNACKNOWLEDGED, MAX_UNCONFIRMED, MessageEvent, MessageSession};
pub use myicq_wire::peer::{FileHash, FileResult, MessageToken};
pub use speed::Speed;

/// Who says HELLO.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// His number.
    pub uin: Uin,
    /// His picture, in each frame.
    pub face: Face,
    /// The domain of his server, by which a client of 2003 finds him in its list.
    pub domain: Vec<u8>,
}

/// How long a peer may take for what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PeerTimeouts {
    /// For a connection to come about.
    pub connect: Duration,
    /// From the connection to the HELLO.
    pub hello: Duration,
    /// From the first byte of a frame to its last.
    pub frame: Duration,
    /// For a message to be acknowledged. Beyond it the peer counts as gone, and the message goes through the server.
    pub acknowledgement: Duration,
    /// Without a frame either way a message session ends.
    pub idle: Duration,
    /// For the next piece of a file, in either direction, and for its description.
    pub piece: Duration,
    /// For somebody to decide, and for a disk to be read or written to its end.
    pub decision: Duration,
}

impl Default for PeerTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            hello: Duration::from_secs(5),
            frame: Duration::from_secs(20),
            acknowledgement: Duration::from_secs(3),
            idle: Duration::from_secs(600),
            piece: Duration::from_secs(30),
            decision: Duration::from_secs(600),
        }
    }
}

/// Why a direct connection is over.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PeerEnd {
    /// This side has closed it.
    #[error("closed")]
    Left,
    /// The other side has closed it, or the network has.
    #[error("the connection was cut")]
    Cut,
    /// No HELLO came in time, or something else before it.
    #[error("the other side did not say who it is")]
    NoHello,
    /// The HELLO names somebody who is not at this address, as far as the server says.
    #[error("the other side is not who it says")]
    Stranger,
    /// A frame contradicts what was said before: another sender, a second HELLO, more of a file than it has.
    #[error("the other side contradicts itself")]
    Contradiction,
    /// What came is no frame, or one that is too long.
    #[error("the other side does not speak the protocol")]
    Malformed,
    /// A frame, or the next piece of a file, did not come in time, or the other side takes nothing.
    #[error("the other side is too slow")]
    Slow,
    /// Nothing came for long.
    #[error("nothing was said for a long time")]
    Idle,
    /// A message was not acknowledged in time.
    #[error("the other side does not acknowledge")]
    Unacknowledged,
    /// More messages came than the program could take.
    #[error("the other side says too much at once")]
    TooMuch,
    /// A client of 2002 or 2003 cannot be sent a file of 4 GiB or more.
    #[error("the program of the other side takes no file of 4 GiB or more")]
    TooLargeForPeer,
}

/// The address to connect to, if the rule allows a direct connection: there is no address translation on the other side, or both
/// are behind the same one. `own` is how the server sees this client.
///
/// What a peer names as his real address must be one of a single host, and one of this machine itself only if the server sees him
/// there: otherwise he could make us connect to what listens here.
pub fn reach(own: Ipv4Addr, other: &Presence) -> Option<Ipv4Addr> {
    let to = other.real_ip;
    let is_host = !to.is_unspecified() && !to.is_multicast() && !to.is_broadcast();
    let is_allowed = (other.ip == to || other.ip == own) && (!to.is_loopback() || other.ip.is_loopback());
    (is_host && is_allowed && other.domain.is_none()).then_some(to)
}

/// Whether the other one may connect here: the rule of [`reach`], seen from the other side.
pub fn is_reachable(own: Ipv4Addr, own_real: Ipv4Addr, other: Ipv4Addr) -> bool {
    !own_real.is_unspecified() && (own == own_real || own == other)
}

/// Whether a connection from `address` can be his, as far as the server says.
pub fn is_at(address: Ipv4Addr, other: &Presence) -> bool {
    other.domain.is_none() && (address == other.ip || address == other.real_ip)
}
