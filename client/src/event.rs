//! What a session tells its user without being asked.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use myicq_wire::{Capabilities, GroupId, RelayPass, Status, Uin};

use crate::account::{GroupType, Member};
use crate::error::{EndReason, FileError};
use crate::message::Message;

/// Something that happened. Users of other servers have a `domain`; without one they are of the server of the session.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "event", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Event {
    /// A session is open: the first one, or another one after the connection was lost.
    LoggedIn {
        /// The address from which the server sees the client.
        ip: Ipv4Addr,
        /// How many users are online.
        online_users: u32,
        /// Whether the server grants that messages come exactly once and in order.
        exactly_once: bool,
        /// All that the server grants of what was offered.
        #[cfg_attr(feature = "serde", serde(serialize_with = "by_names"))]
        granted: Capabilities,
    },
    /// The server has started again, and the session goes on. Nobody is here until he is told of again, and one is in no group any more.
    ServerRestarted,
    /// Somebody says something.
    Message {
        /// Who.
        from: Uin,
        /// His server, if it is another one.
        #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
        domain: Option<String>,
        /// When the server took it: Unix seconds, UTC.
        time: u32,
        /// The message's own number, from servers that give one.
        #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
        id: Option<u64>,
        /// Whether it came directly from his program, which the server did not see: then he has it from the address where the server says that
        /// he is, and nothing else proves that it is his, and `time` is that of his clock.
        #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
        is_direct: bool,
        /// What is said.
        #[cfg_attr(feature = "serde", serde(flatten))]
        message: Message,
    },
    /// A contact is here.
    Online(Presence),
    /// A contact has gone.
    Offline {
        /// Who.
        uin: Uin,
        /// His server, if it is another one.
        #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
        domain: Option<String>,
    },
    /// A contact is shown differently now.
    StatusChanged {
        /// Who.
        uin: Uin,
        /// His server, if it is another one.
        #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
        domain: Option<String>,
        /// What he is shown as from now on.
        #[cfg_attr(feature = "serde", serde(serialize_with = "by_name"))]
        status: Status,
    },
    /// A message that had been stored has reached its recipient's program.
    Delivered {
        /// The recipient.
        to: Uin,
        /// The message's own number, as in [`Arrival::Stored`](crate::Arrival::Stored).
        id: u64,
    },
    /// Somebody has read what one said to him.
    Read {
        /// Who.
        by: Uin,
        /// The number of the last message that he has read.
        up_to: u64,
    },
    /// Somebody types a message to one, or has stopped.
    Typing {
        /// Who.
        from: Uin,
        /// Whether he types.
        is_typing: bool,
    },
    /// Somebody has asked for a relay to one: a stream through the server, for a file that one has offered or accepted.
    RelayOffered {
        /// Who.
        from: Uin,
        /// With what to connect: see [`Client::open_relay`](crate::Client::open_relay).
        pass: RelayPass,
    },
    /// The types of groups that the server has, in the order of their numbers.
    GroupTypes {
        /// From 0.
        types: Vec<GroupType>,
    },
    /// Somebody entered a group that one is in.
    GroupEntered {
        /// Which.
        group: GroupId,
        /// Who.
        #[cfg_attr(feature = "serde", serde(flatten))]
        member: Member,
    },
    /// Somebody left a group that one is in.
    GroupExited {
        /// Which.
        group: GroupId,
        /// Who.
        uin: Uin,
    },
    /// Somebody says something in a group that one is in.
    GroupMessage {
        /// In which.
        group: GroupId,
        /// Who.
        from: Uin,
        /// When the server took it: Unix seconds, UTC.
        time: u32,
        /// What.
        text: String,
    },
    /// Somebody offers a file: see [`Client::accept_file`](crate::Client::accept_file).
    FileOffered {
        /// Names the transfer from here on.
        transfer: TransferId,
        /// Who.
        from: Uin,
        /// What he says about it. The clients of this project put the name and the size there, which is not checked against anything.
        reason: String,
    },
    /// A file begins to come or to go.
    FileStarted {
        /// Which transfer.
        transfer: TransferId,
        /// Who is at the other end.
        with: Uin,
        /// The name of the file.
        name: String,
        /// Its length in bytes.
        size: u64,
        /// How many bytes are left out, because an earlier try has brought them.
        resumed: u64,
        /// Whether it goes through the server, for want of a direct connection.
        is_relayed: bool,
    },
    /// A file is on its way: a few times a second.
    FileProgress {
        /// Which transfer.
        transfer: TransferId,
        /// How many bytes are done, with those that an earlier try has brought.
        done: u64,
        /// The length of the file in bytes.
        size: u64,
        /// How many bytes came in a second, averaged over a few.
        per_second: u64,
    },
    /// A file is done.
    FileDone {
        /// Which transfer.
        transfer: TransferId,
        /// Who is at the other end.
        with: Uin,
        /// Where the file is: the one that was sent, or the one that was written.
        #[cfg_attr(feature = "serde", serde(serialize_with = "as_shown"))]
        path: PathBuf,
        /// Its length in bytes.
        size: u64,
        /// Whether the whole file was compared by its SHA-256. A client of 2003 sends none.
        is_verified: bool,
    },
    /// A file does not come, or not to its end. What has come of it stays, and the next try goes on from there.
    FileFailed {
        /// Which transfer.
        transfer: TransferId,
        /// Who is at the other end.
        with: Uin,
        /// Why.
        #[cfg_attr(feature = "serde", serde(serialize_with = "as_text"))]
        reason: FileError,
    },
    /// The server does not answer any more. Another session is tried at the time that is said here, and again and again, each time after
    /// another event like this one. What is asked meanwhile waits.
    ConnectionLost {
        /// Why, or why the last try has failed.
        reason: EndReason,
        /// In how many milliseconds the next try is.
        retry_in_ms: u64,
    },
    /// The server answers again.
    ConnectionResumed {
        /// Whether in another session. Then [`LoggedIn`](Event::LoggedIn) follows, and whoever is here is told anew: the others are not, even
        /// if nobody said that they went. Groups have been left.
        new_session: bool,
    },
    /// The session has ended, and no other is tried. The last event of all.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

/// Names a file on its way, or one that is offered, in one session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct TransferId(pub u64);

/// A contact who is here, and where a direct session with him can be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Presence {
    /// Who.
    pub uin: Uin,
    /// His server, if it is another one.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub domain: Option<String>,
    /// What he is shown as.
    #[cfg_attr(feature = "serde", serde(serialize_with = "by_name"))]
    pub status: Status,
    /// His address as the server sees it.
    pub ip: Ipv4Addr,
    /// The TCP port on which he listens.
    pub port: u16,
    /// The address that he himself believes to have.
    pub real_ip: Ipv4Addr,
}

/// The name of a status as people and scripts write it; `None` for a number that the protocol does not define.
pub fn status_name(status: Status) -> Option<&'static str> {
    match status {
        Status::ONLINE => Some("online"),
        Status::OFFLINE => Some("offline"),
        Status::AWAY => Some("away"),
        Status::INVISIBLE => Some("invisible"),
        _ => None,
    }
}

#[cfg(feature = "serde")]
fn by_name<S: serde::Serializer>(status: &Status, serializer: S) -> Result<S::Ok, S::Error> {
    match status_name(*status) {
        Some(name) => serializer.serialize_str(name),
        None => serializer.serialize_u32(status.0),
    }
}

#[cfg(feature = "serde")]
fn by_names<S: serde::Serializer>(granted: &Capabilities, serializer: S) -> Result<S::Ok, S::Error> {
    let named = Capabilities::NAMED.into_iter().filter(|&(capability, _)| granted.contains(capability));
    serializer.collect_seq(named.map(|(_, name)| name.to_ascii_lowercase()))
}

#[cfg(feature = "serde")]
fn as_shown<S: serde::Serializer>(path: &std::path::Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

#[cfg(feature = "serde")]
fn as_text<S: serde::Serializer>(error: &FileError, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(error)
}
