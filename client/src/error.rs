//! What can go wrong: the caller's mistakes, a session that ends, a request that stays without an answer.

use myicq_wire::{Capabilities, GroupError, LoginError, RefusalReason};

use crate::peer::PeerEnd;

/// The caller asked for something that cannot be sent. Nothing was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// A message is longer than the clients of 2003 take.
    #[error("the message has {len} bytes in GB 18030, and {max} are the most: send it in parts")]
    MessageTooLong {
        /// Its length in bytes.
        len: usize,
        /// The most there may be.
        max: usize,
    },
    /// What the program of a game says is too long.
    #[error("the data has {len} bytes, and {max} are the most")]
    DataTooLong {
        /// Its length in bytes.
        len: usize,
        /// The most there may be.
        max: usize,
    },
    /// A field of a profile is too long.
    #[error("the {field} has {len} bytes in GB 18030, and {max} are the most")]
    FieldTooLong {
        /// The field, in the words of the protocol.
        field: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The most there may be.
        max: usize,
    },
    /// A text holds a NUL, which would end it early at the other side.
    #[error("the {0} holds a NUL character")]
    Nul(&'static str),
    /// A password without a character.
    #[error("the password is empty")]
    EmptyPassword,
    /// A number that is nobody's.
    #[error("0 is not the number of a user")]
    NoUin,
    /// A status that is reached by logging out, or that the protocol does not have.
    #[error("the status of a session is online, away or invisible")]
    Status,
    /// A message of this kind is made by the server, or this library cannot send it yet.
    #[error("messages of this kind cannot be sent")]
    Kind,
    /// More is required than is offered, or more offered than this library has.
    #[error(
        "what is required must be offered, and this client offers cbc, utf8, sealed, receipts, relay and once at most"
    )]
    Capabilities,
    /// The session has not what this needs.
    #[error("the server has not granted what this needs: {0}")]
    NotGranted(Capabilities),
    /// A user of a proxy without a name, or with a colon or a control character in it.
    #[error("the user of the proxy has no name, or one with a colon or a control character in it")]
    ProxyUser,
    /// The request is longer than a datagram.
    #[error("the request does not fit into a datagram")]
    TooLarge,
    /// As many requests wait for their answers as may.
    #[error("{0} requests wait for their answers already: wait for some of them")]
    TooManyRequests(usize),
    /// No file of this number is offered or on its way.
    #[error("no such file is offered or on its way")]
    NoTransfer,
    /// As many files as may be are on their way, or one with this user in this direction.
    #[error("a file is on its way to or from this user already: wait until it is there")]
    FileOnItsWay,
    /// Direct sessions are switched off, or there is no address that others could be told.
    #[error("direct sessions are switched off, and files need them")]
    NotDirect,
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
}

/// Why a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum EndReason {
    /// The caller logged out.
    #[error("logged out")]
    LoggedOut,
    /// The server refused the login.
    #[error(transparent)]
    LoginRefused(#[from] LoginRefused),
    /// The server refused to register a user.
    #[error("the server registered nobody: it may not accept registrations, or not so many")]
    RegistrationRefused,
    /// The server did not answer the login or the registration.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The server ended the session: the same user logged in elsewhere.
    #[error("the same user logged in elsewhere")]
    Replaced,
    /// The server did not grant these, which are required.
    #[error("the server does not grant what is required: {0}")]
    NotGranted(Capabilities),
    /// The server acknowledges nothing any more.
    #[error("the server does not answer any more")]
    Lost,
    /// The server's machine says that no program listens there.
    #[error("no server listens there")]
    Unreachable,
}

/// Why a server does not let a user in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LoginRefused {
    /// There is no such user.
    #[error("the server knows no user of this number")]
    InvalidUin,
    /// The password is wrong.
    #[error("the password is wrong")]
    WrongPassword,
    /// For a reason that the protocol does not name.
    #[error("the server refused the login with code {0}")]
    Other(u8),
}

impl From<LoginError> for LoginRefused {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::INVALID_UIN => Self::InvalidUin,
            LoginError::WRONG_PASSWORD => Self::WrongPassword,
            LoginError(code) => Self::Other(code),
        }
    }
}

/// Why a server did not do what it was asked. Only servers of this project say so; others stay silent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such user.
    #[error("there is no user of this number")]
    NoSuchUser,
    /// Enough messages wait for the recipient, or enough from this sender.
    #[error("as many messages as may be wait for the recipient already")]
    MailboxFull,
    /// A text is longer than the server takes.
    #[error("a text is longer than the server takes")]
    TooLong,
    /// A text has not the form of its kind.
    #[error("the server cannot read it")]
    Malformed,
    /// Only the server does such things.
    #[error("only the server may do this, or only its administrator, or nobody who is invisible")]
    NotAllowed,
    /// The server speaks to no other.
    #[error("this server does not reach users of other domains")]
    OtherDomain,
    /// The authorization was never asked for; or the file for which a relay is wanted was not offered or accepted, or who did that has gone.
    #[error("nobody asked for this authorization, or there is nobody who would take this relay")]
    NotAsked,
    /// Too much is under way.
    #[error("the server is busy: try again later")]
    Busy,
    /// The server could not write it down.
    #[error("the server's disk failed or is full: its operator must know")]
    Storage,
    /// There is no such group, or one is not in it.
    #[error("there is no such group, or you are not in it")]
    NoSuchGroup,
    /// There are as many as may be.
    #[error("there are as many as may be already")]
    TooMany,
    /// Too often in too short a time.
    #[error("too often in too short a time: try again later")]
    TooOften,
    /// The server was killed while it was at it. Perhaps it is done, perhaps not.
    #[error("the server was interrupted: whether it is done is not known")]
    InDoubt,
    /// One has left as many messages for those who are away as a day has room for.
    #[error("you have left as many messages for people who are away as a day has room for: try again tomorrow")]
    DayFull,
    /// For a reason that this version does not know.
    #[error("refused with code {0}")]
    Other(u8),
}

/// Why one is not in a group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum GroupRefused {
    /// There is no such group, or one is invisible.
    #[error("there is no such group, or you are invisible, which nobody in a group can be")]
    NoSuchGroup,
    /// One is in it already.
    #[error("you are in this group already")]
    AlreadyIn,
    /// One is in as many as may be.
    #[error("you are in as many groups as may be")]
    TooMany,
    /// The password is wrong.
    #[error("the password of the group is wrong")]
    WrongPassword,
    /// As many are in it as may be.
    #[error("the group is full")]
    Full,
    /// For a reason that the protocol does not name.
    #[error("the server refused with code {0}")]
    Other(u16),
}

impl From<GroupError> for GroupRefused {
    fn from(error: GroupError) -> Self {
        match error {
            GroupError::NOT_EXIST => Self::NoSuchGroup,
            GroupError::ALREADY_IN => Self::AlreadyIn,
            GroupError::TOO_MANY => Self::TooMany,
            GroupError::WRONG_PASSWORD => Self::WrongPassword,
            GroupError::FULL => Self::Full,
            GroupError(code) => Self::Other(code),
        }
    }
}

impl From<RefusalReason> for Refusal {
    fn from(reason: RefusalReason) -> Self {
        match reason {
            RefusalReason::NO_SUCH_USER => Self::NoSuchUser,
            RefusalReason::MAILBOX_FULL => Self::MailboxFull,
            RefusalReason::TOO_LONG => Self::TooLong,
            RefusalReason::MALFORMED => Self::Malformed,
            RefusalReason::NOT_ALLOWED => Self::NotAllowed,
            RefusalReason::OTHER_DOMAIN => Self::OtherDomain,
            RefusalReason::NOT_ASKED => Self::NotAsked,
            RefusalReason::BUSY => Self::Busy,
            RefusalReason::STORAGE => Self::Storage,
            RefusalReason::NO_SUCH_GROUP => Self::NoSuchGroup,
            RefusalReason::TOO_MANY => Self::TooMany,
            RefusalReason::TOO_OFTEN => Self::TooOften,
            RefusalReason::IN_DOUBT => Self::InDoubt,
            RefusalReason::DAY_FULL => Self::DayFull,
            RefusalReason(code) => Self::Other(code),
        }
    }
}

/// Why a file did not come, or not to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The other one does not want it.
    #[error("the other side refused the file")]
    Refused,
    /// The other one is not on the contact list, or not here, or does not show it, so there is nobody to connect to.
    #[error(
        "there is nobody to connect to: he is not online, or one of you does not have the other on the contact list"
    )]
    NotHere,
    /// Neither side can be reached from the other one.
    #[error("no connection to the other side: both are behind address translation or a firewall")]
    NoConnection,
    /// The server did not take the offer, or the answer to it.
    #[error("the server did not pass on the offer, or the answer to it")]
    NotSent,
    /// The other one did not answer the offer.
    #[error("the other side did not answer")]
    NoAnswer,
    /// The connection ended.
    #[error(transparent)]
    Connection(#[from] PeerEnd),
    /// The bytes that came are others than those that were sent. What was received is thrown away.
    #[error("the file was damaged on the way")]
    Damaged,
    /// It is larger than the receiver takes.
    #[error("the file is larger than is taken")]
    TooLarge,
    /// Its name is none that a file can be given.
    #[error("the name of the file is not acceptable")]
    BadName,
    /// The file became shorter or longer while it was sent.
    #[error("the file changed while it was sent")]
    Changed,
    /// The disk here failed, or is full.
    #[error("reading or writing the file failed: {0}")]
    Disk(std::io::ErrorKind),
    /// The disk of the other side failed, or is full.
    #[error("the other side could not write the file")]
    OtherDisk,
    /// Given up here.
    #[error("cancelled")]
    Cancelled,
}

/// Why a request has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The server said no. Nothing has changed, unless it is [in doubt](Refusal::InDoubt).
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Sent as often as is allowed and never acknowledged: refused, or lost on the way.
    #[error("the server did not acknowledge the request")]
    NotAcknowledged,
    /// Acknowledged, but the reply that should have followed never came.
    #[error("the server acknowledged the request and did not reply to it")]
    NoReply,
    /// The connection was lost before the answer came, and asking again might do it twice.
    #[error("the connection was lost before the answer came: it may have arrived or not")]
    Unknown,
    /// The session ended before. Whether the request arrived is not known.
    #[error("the session ended before the answer came: {0}")]
    Ended(EndReason),
    /// The group does not take one in.
    #[error(transparent)]
    Group(#[from] GroupRefused),
    /// The caller is wrong.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}
