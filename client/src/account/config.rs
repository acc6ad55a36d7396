//! What a session is opened with.

use std::net::Ipv4Addr;
use std::time::Duration;

use myicq_wire::link::Timing;
use myicq_wire::{Capabilities, Seq, SessionId, Status, Uin};

use crate::password::Password;

/// Who opens a session, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The user.
    pub uin: Uin,
    /// His password.
    pub password: Password,
    /// What contacts see at first: online, away or invisible.
    pub status: Status,
    /// The address that the client believes to have, which the server shows to contacts.
    pub real_ip: Ipv4Addr,
    /// The TCP port on which the client listens for direct sessions; 0 for none.
    pub port: u16,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// What the server may use beyond version 1: at most [`SUPPORTED`].
    pub offered: Capabilities,
    /// What the server must grant of these, or the session ends before anything but the LOGIN is sent. That one carries the password in the
    /// clear all the same.
    pub required: Capabilities,
}

/// What this library can do beyond version 1, and offers unless it is told to offer less.
pub const SUPPORTED: Capabilities = Capabilities::CBC
    .union(Capabilities::UTF8)
    .union(Capabilities::SEALED)
    .union(Capabilities::RECEIPTS)
    .union(Capabilities::RELAY)
    .union(Capabilities::ONCE);

impl Config {
    /// A session that starts online, without direct sessions, with the default timeouts.
    pub fn new(uin: Uin, password: Password) -> Self {
        Self {
            uin,
            password,
            status: Status::ONLINE,
            real_ip: Ipv4Addr::UNSPECIFIED,
            port: 0,
            timeouts: Timeouts::default(),
            offered: SUPPORTED,
            required: Capabilities::NONE,
        }
    }
}

/// How long to wait for what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Timeouts {
    /// Between two keep-alives. The default of 60 s is that of the clients of 2003; servers of 2002 end a session after 120 s.
    pub keep_alive: Duration,
    /// From the acknowledgement of a request to its reply, where a server sends them apart; 30 s unless set.
    pub reply: Duration,
    /// When to send again and when to give up; the default gives up after 30 s.
    pub link: Timing,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { keep_alive: Duration::from_secs(60), reply: Duration::from_secs(30), link: Timing::DEFAULT }
    }
}

/// The randomness of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entropy {
    /// The number of the session. It is all that keeps strangers from speaking for its user.
    pub session: SessionId,
    /// The number of its first datagram.
    pub first_seq: Seq,
    /// For check codes, keep-alives and the jitter of resends, which need no secrecy.
    pub seed: u64,
}

impl Entropy {
    /// Made of random bytes, in the ranges of the clients of 2003: a session number from 1 to 2^31, a first sequence
    /// number below 2^14.
    pub fn from_bytes(random: [u8; 14]) -> Self {
        let [a, b, c, d, e, f, seed @ ..] = random;
        let session = SessionId((u32::from_be_bytes([a, b, c, d]) >> 1) + 1);
        let first_seq = Seq::new(u16::from_be_bytes([e, f]) % 0x3fff + 1).unwrap_or(Seq::FIRST);
        Self { session, first_seq, seed: u64::from_be_bytes(seed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lie_in_the_ranges_of_2003() {
        let least = Entropy::from_bytes([0; 14]);
        assert_eq!((least.session.0, least.first_seq.number(), least.seed), (1, 1, 0));
        let most = Entropy::from_bytes([0xff; 14]);
        assert_eq!((most.session.0, most.seed), (1 << 31, u64::MAX));
        assert!((0..=u16::MAX).all(|number| {
            let [high, low] = number.to_be_bytes();
            let mut random = [0; 14];
            (random[4], random[5]) = (high, low);
            (1..1 << 14).contains(&Entropy::from_bytes(random).first_seq.number())
        }));
    }
}
