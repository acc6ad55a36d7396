//! What a session is answered.

use myicq_wire::{Authorization, GroupId, RelayPass, Uin};

use super::directory::{FoundUser, Group, Member, ServerEntry};
#[cfg(doc)]
use super::request::Request;
use crate::error::GroupRefused;
use crate::profile::Profile;

/// What the server answers.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// It is done, or promised.
    Acknowledged,
    /// To [`Request::send`], where the server says how far the message has come. Elsewhere it is [`Answer::Acknowledged`].
    Arrived(Arrival),
    /// To [`Request::contacts`].
    Contacts(Vec<Uin>),
    /// To [`Request::remote_contacts`].
    RemoteContacts(RemoteContacts),
    /// To [`Request::add`]: [`Authorization::ANYONE`] when the contact is on the list now, otherwise what stands in the way.
    Added(Authorization),
    /// To [`Request::profile`].
    Profile(Box<Profile>),
    /// To [`Request::own_profile`].
    OwnProfile(Box<OwnProfile>),
    /// To [`Request::relay`]: with what to connect.
    Relay(RelayPass),
    /// To one of the searches.
    Found(Vec<FoundUser>),
    /// To [`Request::servers`].
    Servers(Vec<ServerEntry>),
    /// To [`Request::groups`].
    Groups(Vec<Group>),
    /// To [`Request::group`]; `None` if there is none.
    Group(Option<Group>),
    /// To [`Request::create_group`]; `None` if there is none.
    GroupCreated(Option<GroupId>),
    /// To [`Request::enter_group`]: who is in it, oneself among them, or why one is not.
    GroupEntered(Result<Vec<Member>, GroupRefused>),
}

/// How far a message has come when it counts as sent: what is true, and no more than that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "arrival", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Arrival {
    /// To the recipient's program, over a direct session, which the server never saw. It has no number.
    Direct,
    /// To the recipient's program, by way of the server.
    Delivered {
        /// The message's own number, which [`Event::Read`](crate::Event::Read) names later.
        id: u64,
    },
    /// To the server's disk, from where it follows when the recipient comes. Of a recipient who does not show that he is here, a server
    /// says the same, whether his program has the message or not.
    Stored {
        /// The message's own number, which [`Event::Delivered`](crate::Event::Delivered) names later.
        id: u64,
    },
    /// To the server, which does not say more. From a server of this project without receipts, or whose first word was lost, it means
    /// delivered or stored. One of 2002 acknowledged before it looked whether there is such a user. What goes to a group or to everybody has
    /// no more to be said, either: it is on its way to each of them.
    Accepted,
}

impl Arrival {
    /// The message's own number, where the server has said it.
    pub fn id(self) -> Option<u64> {
        match self {
            Self::Delivered { id } | Self::Stored { id } => Some(id),
            Self::Direct | Self::Accepted => None,
        }
    }
}

/// The name of the server, and the contacts on others.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RemoteContacts {
    /// The server's own domain.
    pub domain: String,
    /// Contacts by number and domain.
    pub contacts: Vec<(Uin, String)>,
}

/// One's own profile, and how one wants to be added.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct OwnProfile {
    /// What others see.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub profile: Profile,
    /// 0 anyone may, 1 ask first, 2 nobody.
    pub authorization: Authorization,
}
