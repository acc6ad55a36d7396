//! What a session tells its user without being asked.

use std::net::Ipv4Addr;

use myicq_wire::{Capabilities, GroupId, Status, Uin};

use crate::account::{GroupType, Member};
use crate::error::EndReason;
use crate::message::Message;

/// Something that happened. Users of other servers have a `domain`; without one they are of the server of the session.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "event", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Event {
    /// The session is open.
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
    /// The session has ended. The last event of all.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

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
