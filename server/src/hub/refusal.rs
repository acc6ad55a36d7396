//! Why the hub does not do what it is asked.

/// Why the hub refuses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Refusal {
    /// There is no such user.
    NoSuchUser,
    /// The recipient has as many stored messages as may be, or as many bytes of them, or as many from this sender.
    MailboxFull,
    /// A text is longer than may be.
    TooLong,
    /// A text has not the form of its kind.
    Malformed,
    /// Only the server says such things, only the administrator does, or nobody who is invisible.
    NotAllowed,
    /// A user of another domain: this server speaks to none.
    OtherDomain,
    /// Nobody asked for the authorization that is given.
    NotAsked,
    /// Too much is under way; later.
    Busy,
    /// The disk failed, or is full.
    Storage,
    /// There is no such group, or one is not in it.
    NoSuchGroup,
    /// There are as many as may be.
    TooMany,
    /// More often than may be; later.
    TooOften,
    /// Perhaps it is so, perhaps not: the process that was asked first was killed.
    InDoubt,
    /// The sender has left as many messages for those who are away as a day has room for.
    DayFull,
}

impl Refusal {
    /// Every refusal, in the order of the counters.
    pub const ALL: [Self; 14] = [
        Self::NoSuchUser,
        Self::MailboxFull,
        Self::TooLong,
        Self::Malformed,
        Self::NotAllowed,
        Self::OtherDomain,
        Self::NotAsked,
        Self::Busy,
        Self::Storage,
        Self::NoSuchGroup,
        Self::TooMany,
        Self::TooOften,
        Self::InDoubt,
        Self::DayFull,
    ];

    /// The name under which it is counted.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSuchUser => "no_such_user",
            Self::MailboxFull => "mailbox_full",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::NotAllowed => "not_allowed",
            Self::OtherDomain => "other_domain",
            Self::NotAsked => "not_asked",
            Self::Busy => "busy",
            Self::Storage => "storage",
            Self::NoSuchGroup => "no_such_group",
            Self::TooMany => "too_many",
            Self::TooOften => "too_often",
            Self::InDoubt => "in_doubt",
            Self::DayFull => "day_full",
        }
    }
}
