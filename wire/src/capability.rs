//! What a session may do beyond plain version 1: bits that a client offers and a server grants.

use core::fmt::{self, Write as _};

/// The `reserved` DWORD of LOGIN and NEW_UIN, where the client offers these, and of their replies, where the server
/// grants those of them that it knows, too. In every other datagram the field is 0.
///
/// No bit on either side is plain version 1, as a client of 2003 speaks it. Bits that we do not know are kept, so that
/// they can be shown, and are lost in the [intersection](Capabilities::intersection) with what we support.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// Plain version 1.
    pub const NONE: Self = Self(0);
    /// Client bodies use textbook DES in CBC mode: [`CipherForm::Cbc`](crate::cipher::CipherForm::Cbc).
    pub const CBC: Self = Self(0x01);
    /// Texts in this session are UTF-8. Without it the server converts to and from its legacy charset.
    pub const UTF8: Self = Self(0x02);
    /// Server bodies are enciphered as well: [`seal_reply`](crate::seal_reply).
    pub const SEALED: Self = Self(0x04);
    /// Notices that a message was delivered or read, or that someone is typing. SRV_MESSAGE ends with the message's QWORD as with
    /// [`ONCE`](Self::ONCE), and SRV_SENT acknowledges SEND_MSG.
    pub const RECEIPTS: Self = Self(0x08);
    /// File sessions go through the server where no direct connection is possible.
    pub const RELAY: Self = Self(0x10);
    /// Exactly once, in order. Three things change:
    ///
    /// * Every seq, in either direction, is used by exactly one retained datagram, so that each end can release
    ///   datagrams to the layer above strictly in the order of their seqs, holding back at most 31 that arrived early.
    ///   For this the KEEPALIVE reply goes out with seq 0. A datagram is acknowledged only when it is released. The
    ///   sender keeps the span between its oldest unacknowledged and its newest seq below 32, and the session ends when
    ///   a datagram is given up: what comes after a gap would never be released.
    /// * SRV_MESSAGE ends, after the domain, with a QWORD that identifies the message. The client remembers the last
    ///   1,024 of them; a message that comes again in a later session is acknowledged but not shown again.
    /// * A request that is not done is acknowledged by SRV_REFUSED, which says why; plain version 1 leaves it unanswered.
    ///
    /// Without it a session has the guarantees of 2003: every message at least once, in any order.
    pub const ONCE: Self = Self(0x20);

    /// Every bit with a meaning, and its name.
    pub const NAMED: [(Self, &'static str); 6] = [
        (Self::CBC, "CBC"),
        (Self::UTF8, "UTF8"),
        (Self::SEALED, "SEALED"),
        (Self::RECEIPTS, "RECEIPTS"),
        (Self::RELAY, "RELAY"),
        (Self::ONCE, "ONCE"),
    ];

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What both have: what a server that supports `self` grants to a client that offers `other`.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What either has.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What this has and the other has not.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether this is plain version 1.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// `Capabilities(CBC | ONCE | 0x40)`: the names, and what has none as one number.
impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Capabilities(")?;
        let (mut unnamed, mut between) = (self.0, "");
        for (capability, name) in Self::NAMED.into_iter().filter(|&(capability, _)| self.contains(capability)) {
            write!(f, "{between}{name}")?;
            unnamed &= !capability.0;
            between = " | ";
        }
        if unnamed != 0 {
            write!(f, "{between}{unnamed:#04x}")?;
        }
        f.write_str(")")
    }
}

/// `sealed, once`: the names in lower case, for people and options.
impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::NAMED.into_iter().filter(|&(capability, _)| self.contains(capability));
        for (position, (_, name)) in named.enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            name.chars().try_for_each(|letter| f.write_char(letter.to_ascii_lowercase()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn debug_lists_the_names_and_the_bits_without_one() {
        assert_eq!(format!("{:?}", Capabilities::NONE), "Capabilities()");
        assert_eq!(format!("{:?}", Capabilities::CBC.union(Capabilities::ONCE)), "Capabilities(CBC | ONCE)");
        assert_eq!(format!("{:?}", Capabilities(0x8000_0042)), "Capabilities(UTF8 | 0x80000040)");
        assert_eq!(format!("{:?}", Capabilities(0x40)), "Capabilities(0x40)");
        assert_eq!(format!("{}", Capabilities(0x65)), "cbc, sealed, once");
    }

    #[test]
    fn what_is_granted_is_what_both_ends_know() {
        let supported = Capabilities::CBC.union(Capabilities::UTF8);
        let granted = supported.intersection(Capabilities(0xFFFF_FFFE));
        assert_eq!(granted, Capabilities::UTF8);
        assert!(granted.contains(Capabilities::UTF8) && !granted.contains(Capabilities::CBC));
        assert_eq!(supported.difference(granted), Capabilities::CBC);
        assert!(granted.contains(Capabilities::NONE) && !granted.is_empty() && Capabilities::NONE.is_empty());
    }
}
