//! The numbers of the protocol, each a type of its own so that no two can be mistaken for each other.
//!
//! Values that the protocol does not define are kept as they came: a decoder must not fail on the status of a
//! program that it does not know, and what is relayed must go out as it came in.

use core::fmt;
use core::num::NonZeroU16;

/// Declares a newtype over a wire integer with its named values.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident($int:ty) { $($(#[$value_doc:meta])* $value:ident = $number:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
        #[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
        pub struct $name(pub $int);

        impl $name {
            $($(#[$value_doc])* pub const $value: Self = Self($number);)*

            /// The values that have names.
            #[allow(dead_code, reason = "not all of these types are shown by name")]
            pub(crate) const NAMED: &'static [(u32, &'static str)] = &[$(($number, stringify!($value)),)*];
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$value => f.write_str(stringify!($value)),)*
                    #[allow(unreachable_patterns, reason = "a type without named values has this arm alone")]
                    Self(number) => write!(f, "{}({number})", stringify!($name)),
                }
            }
        }
    };
}

number! {
    /// A user's number, the "unique MyICQ number". 0 stands for "nobody", as in the header of NEW_UIN.
    Uin(u32) {
        /// Nobody: a registration, or a registration that was refused.
        NONE = 0,
        /// The administrator, the only one who may broadcast.
        ADMINISTRATOR = 10_000,
        /// The first number that a registration hands out.
        FIRST = 10_001,
    }
}

impl fmt::Display for Uin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::str::FromStr for Uin {
    type Err = core::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

number! {
    /// The number of a session, chosen by the client at random from 1 to 2^31.
    SessionId(u32) {}
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

number! {
    /// What a user shows of himself. To others, an invisible user is offline.
    Status(u32) {
        /// Here.
        ONLINE = 0,
        /// Not here. A login with this value is taken as [`Status::ONLINE`].
        OFFLINE = 1,
        /// Away from the keyboard.
        AWAY = 2,
        /// Here, but shown to nobody.
        INVISIBLE = 3,
    }
}

number! {
    /// The number of the picture that stands for a user.
    Face(u8) {}
}

number! {
    /// How a user wants to be added to the lists of others; at the same time the result of ADD_FRIEND.
    Authorization(u8) {
        /// Anyone may; as a result: added.
        ANYONE = 0,
        /// The user wants to be asked first.
        REQUIRED = 1,
        /// Nobody may.
        NOBODY = 2,
    }
}

number! {
    /// What a LOGIN reply says.
    LoginError(u8) {
        /// Logged in.
        SUCCESS = 0,
        /// There is no such user.
        INVALID_UIN = 1,
        /// The password is wrong.
        WRONG_PASSWORD = 2,
        /// Ours: sent in mid-session, because another login of the same user took its place.
        /// COMPAT: a client of 2003 shows "Unknown login reply" and ends its session, as it should.
        REPLACED = 3,
    }
}

number! {
    /// What kind of message a text is, and so which fields it has.
    MessageKind(u8) {
        /// Words, with the font they are to be shown in.
        TEXT = 0,
        /// Words that a program said in the place of a person who is away.
        AUTO_REPLY = 1,
        /// "You may add me."
        AUTH_ACCEPTED = 2,
        /// "May I add you?"
        AUTH_REQUEST = 3,
        /// "You may not add me."
        AUTH_REJECTED = 4,
        /// "I have added you": made by the server alone.
        ADDED = 5,
        /// "Let us open a direct session."
        TCP_REQUEST = 6,
        /// "Yes, on this port."
        TCP_ACCEPTED = 7,
        /// "No." Never sent by a client of 2003, which refuses by silence.
        TCP_REJECTED = 8,
    }
}

number! {
    /// What an ENTER_GROUP reply says.
    GroupError(u16) {
        /// Entered.
        SUCCESS = 0,
        /// There is no such group.
        NOT_EXIST = 1,
        /// Already a member.
        ALREADY_IN = 2,
        /// A member of too many groups.
        TOO_MANY = 3,
        /// The password is wrong.
        WRONG_PASSWORD = 4,
        /// The group is full.
        FULL = 5,
    }
}

number! {
    /// Why a request was refused. Ours: told in sessions with the capability ONCE; plain v1 has no word for it.
    RefusalReason(u8) {
        /// There is no such user.
        NO_SUCH_USER = 1,
        /// The recipient has as many stored messages as may be.
        MAILBOX_FULL = 2,
        /// A text is longer than may be.
        TOO_LONG = 3,
        /// A text has not the form of its kind.
        MALFORMED = 4,
        /// Only the server does such things.
        NOT_ALLOWED = 5,
        /// A user of another domain: the server speaks to none.
        OTHER_DOMAIN = 6,
        /// Nobody asked for the authorization that is given.
        NOT_ASKED = 7,
        /// Too much is under way; later.
        BUSY = 8,
        /// The server's disk failed, or is full.
        STORAGE = 9,
        /// There is no such group, or one is not in it.
        NO_SUCH_GROUP = 10,
        /// There are as many as may be.
        TOO_MANY = 11,
        /// Too often in too short a time; later.
        TOO_OFTEN = 12,
        /// The server was killed while it was at it: perhaps it is done, perhaps not.
        IN_DOUBT = 13,
        /// The sender has left as many messages for those who are away as a day has room for.
        DAY_FULL = 14,
    }
}

number! {
    /// The number of a group.
    GroupId(u32) {}
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::str::FromStr for GroupId {
    type Err = core::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

number! {
    /// An IPv4 address as the packets carry it. 0 where there is none, as for a client that came over IPv6.
    Ipv4(u32) {
        /// No IPv4 address.
        NONE = 0,
    }
}

impl From<core::net::Ipv4Addr> for Ipv4 {
    fn from(address: core::net::Ipv4Addr) -> Self {
        Self(address.to_bits())
    }
}

impl From<Ipv4> for core::net::Ipv4Addr {
    fn from(address: Ipv4) -> Self {
        Self::from_bits(address.0)
    }
}

impl fmt::Display for Ipv4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::net::Ipv4Addr::from(*self).fmt(f)
    }
}

/// A sequence number: 1 to 65,535, then 1 again. The 0 of the wire means "none" and is an `Option` here.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Seq(NonZeroU16);

impl Seq {
    /// The first of them.
    pub const FIRST: Self = Self(NonZeroU16::MIN);

    /// `None` for the 0 that means "no sequence number".
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self.0.get()
    }

    /// The number on the wire, 0 for none.
    pub fn number_or_zero(seq: Option<Self>) -> u16 {
        seq.map_or(0, Self::number)
    }

    /// The one that follows, past 0 at the wrap.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add(1).unwrap_or(NonZeroU16::MIN))
    }

    /// The one before it, past 0 at the wrap.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(NonZeroU16::new(self.number() - 1).unwrap_or(NonZeroU16::MAX))
    }

    /// The one that is `count` numbers further on; the 0 that is passed at the wrap is none of them.
    #[must_use]
    pub fn plus(self, count: u16) -> Self {
        let (sum, has_wrapped) = self.number().overflowing_add(count);
        Self(NonZeroU16::new(sum + u16::from(has_wrapped)).unwrap_or(NonZeroU16::MIN))
    }

    /// How far `self` lies ahead of `other` in serial arithmetic modulo 2^16; negative when it lies behind.
    ///
    /// ```
    /// # use myicq_wire::Seq;
    /// let (last, first) = (Seq::new(65_535).unwrap(), Seq::new(1).unwrap());
    /// assert!(first.ahead_of(last) > 0 && last.ahead_of(first) < 0);
    /// ```
    pub fn ahead_of(self, other: Self) -> i16 {
        i16::from_ne_bytes(self.number().wrapping_sub(other.number()).to_ne_bytes())
    }
}

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seq({})", self.0)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
