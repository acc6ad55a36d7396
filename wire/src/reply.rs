//! What the server sends, asked or unasked (docs/protocol.md, "From the server").

use crate::command::Command;
use crate::error::{DecodeError, EncodeError};
use crate::field::{Field, List, Record, Str, bodies, record};
use crate::ids::{Authorization, Face, GroupError, GroupId, Ipv4, LoginError, MessageKind, RefusalReason, Status, Uin};
use crate::layout::{FieldLayout, Layout};
use crate::profile::Profile;
use crate::reader::Reader;
use crate::relay::{RelayOffered, RelayReply};
use crate::request::{GroupRef, MessageRef, Typing};
use crate::writer::Writer;

bodies! {
    /// The body of a datagram from the server.
    Reply {
        /// Acknowledges the client's datagram that the header names.
        Ack,
        /// The number of a new user.
        NewUin(NewUinReply<'a>),
        /// The contacts of this domain.
        GetContactList(List<'a, Uin>),
        /// Whether the session is open.
        Login(LoginReply),
        /// How many sessions there are. Neither retained nor acknowledged.
        KeepAlive(KeepAliveReply),
        /// Somebody's profile.
        UpdateContact(ContactProfile<'a>),
        /// One's own profile.
        UpdateUser(UserProfile<'a>),
        /// Whether somebody is on the list now.
        AddFriend(AddFriendReply<'a>),
        /// The servers that this one knows.
        GetServerList(List<'a, Server<'a>>),
        /// The groups of a type.
        GetGroupList(List<'a, GroupEntry<'a>>),
        /// One group.
        SearchGroup(GroupInfo<'a>),
        /// The name of this domain, and the contacts of others.
        GetRemoteContactList(RemoteContacts<'a>),
        /// The new group; number 0 if there is none.
        CreateGroup(GroupRef),
        /// Whether one is a member now, and who else is.
        EnterGroup(EnterGroupReply<'a>),
        /// Somebody says something in a group.
        GroupMessage(GroupSaid<'a>),
        /// A contact came.
        UserOnline(UserOnline<'a>),
        /// A contact went.
        UserOffline(UserOffline<'a>),
        /// Contacts who are here.
        MultiOnline(List<'a, Presence>),
        /// A contact is shown differently now.
        StatusChanged(StatusChanged<'a>),
        /// Somebody says something.
        Message(ServerMessage<'a>),
        /// The users found.
        Search(List<'a, Found<'a>>),
        /// Ours: somebody types, or has stopped.
        Typing(Typing),
        /// Ours: somebody has read what was said to him, up to a message.
        Read(MessageRef),
        /// Ours: a message that had been stored has reached its recipient.
        Delivered(MessageRef),
        /// Ours: acknowledges a message, and says which number it has. Neither retained nor acknowledged.
        Sent(Sent),
        /// Ours: a request was not done, and why. Acknowledges it; only in sessions with the capability ONCE.
        Refused(Refused),
        /// Ours: the server has started again. Neither retained nor acknowledged; only in sessions with the capability ONCE.
        Resume(ResumeReply),
        /// Ours: a relay, or why there is none.
        Relay(RelayReply),
        /// Ours: somebody has asked for a relay to one.
        RelayOffered(RelayOffered),
        /// The types of groups that there are.
        GroupTypes(List<'a, GroupType<'a>>),
        /// Somebody entered a group.
        GroupEntered(GroupEntered<'a>),
        /// Somebody left a group.
        GroupExited(GroupExited),
    }
}

impl<'a> Reply<'a> {
    /// Reads a body. What follows the last field is ignored: later servers may have more to say.
    ///
    /// # Errors
    /// What is wrong with which field; [`DecodeErrorKind::UnknownCommand`](crate::DecodeErrorKind::UnknownCommand) for a command that only clients send.
    pub fn decode(command: Command, body: &'a [u8]) -> Result<Self, DecodeError> {
        Self::read(command, &mut Reader::new(body))
    }
}

record! {
    /// UDP_NEW_UIN from the server.
    NewUinReply<'a> {
        /// The new number; [`Uin::NONE`] when there is none.
        uin: Uin,
        /// The name of this domain, by which the client calls its account.
        domain: Option<Str<'a>>,
    }
}

/// UDP_LOGIN from the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum LoginReply {
    /// The session is open.
    Success(LoginSuccess),
    /// It is not, or not any more. Never [`LoginError::SUCCESS`].
    Refused(LoginError),
}

record! {
    /// What a client learns at its login.
    LoginSuccess {
        /// The address that the server sees: not the client's own behind a network address translator.
        ip: Ipv4,
        /// How many users are online.
        online_users: u32,
    }
}

impl<'a> Field<'a> for LoginReply {
    const LAYOUT: Layout = Layout::Fields(&[
        FieldLayout::always("error", LoginError::LAYOUT),
        FieldLayout::when("success", LoginSuccess::LAYOUT, "error", &[LoginError::SUCCESS.0 as u32]),
    ]);

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, DecodeError> {
        match LoginError::read(reader, "error")? {
            LoginError::SUCCESS => Field::read(reader, what).map(Self::Success),
            error => Ok(Self::Refused(error)),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Success(success) => {
                LoginError::SUCCESS.write(writer)?;
                success.write(writer)
            }
            Self::Refused(error) => error.write(writer),
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for LoginReply {
    fn arbitrary(source: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        match source.arbitrary()? {
            LoginError::SUCCESS => source.arbitrary().map(Self::Success),
            error => Ok(Self::Refused(error)),
        }
    }
}

record! {
    /// UDP_RESUME from the server: it has started again, and knows the session.
    ResumeReply {
        /// Which start: a later one has a higher number.
        start: u64,
        /// The number of the next datagram that the server sends in this session.
        first: u16,
    }
}

record! {
    /// UDP_KEEPALIVE from the server.
    KeepAliveReply {
        /// How many users are online.
        online_users: u32,
    }
}

record! {
    /// UDP_UPDATE_CONTACT from the server.
    ContactProfile<'a> {
        /// Whose.
        uin: Uin,
        /// What he says of himself.
        profile: Profile<'a>,
        /// His domain; missing or empty for the server's own.
        domain: Option<Str<'a>>,
    }
}

record! {
    /// UDP_UPDATE_USER from the server.
    UserProfile<'a> {
        /// What the user says of himself.
        profile: Profile<'a>,
        /// How the user wants to be added.
        auth: Authorization,
    }
}

record! {
    /// UDP_ADD_FRIEND from the server.
    AddFriendReply<'a> {
        /// Who was to be added.
        uin: Uin,
        /// [`Authorization::ANYONE`]: added. Otherwise what stands in the way.
        result: Authorization,
        /// His domain; missing or empty for the server's own.
        domain: Option<Str<'a>>,
    }
}

record! {
    /// A server of the list.
    Server<'a> {
        /// Its domain.
        domain: Str<'a>,
        /// What it says of itself.
        description: Str<'a>,
        /// How many users are online there.
        online_users: u32,
    }
}

impl<'a> Record<'a> for Server<'a> {
    const MIN_LEN: usize = 2 + 2 + 4;
}

record! {
    /// A group of the list.
    GroupEntry<'a> {
        /// Its number.
        group: GroupId,
        /// How it is called.
        name: Str<'a>,
        /// How many are in it.
        members: u16,
    }
}

impl<'a> Record<'a> for GroupEntry<'a> {
    const MIN_LEN: usize = 4 + 2 + 2;
}

record! {
    /// UDP_SEARCH_GROUP from the server.
    GroupInfo<'a> {
        /// Its number.
        group: GroupId,
        /// How it is called.
        name: Str<'a>,
        /// The type: its position in UDP_SRV_GROUP_TYPES, from 0.
        group_type: u16,
        /// How many are in it.
        members: u16,
    }
}

record! {
    /// UDP_GET_REMOTE_CONTACTLIST from the server.
    RemoteContacts<'a> {
        /// The name of this domain. COMPAT: never empty, because the clients of 2003 rename their account by it.
        domain: Str<'a>,
        /// The contacts of other domains.
        contacts: List<'a, RemoteContact<'a>>,
    }
}

record! {
    /// A contact of another domain.
    RemoteContact<'a> {
        /// The number there.
        uin: Uin,
        /// The domain.
        domain: Str<'a>,
    }
}

impl<'a> Record<'a> for RemoteContact<'a> {
    const MIN_LEN: usize = 4 + 2;
}

/// UDP_ENTER_GROUP from the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct EnterGroupReply<'a> {
    /// Which group.
    pub group: GroupId,
    /// Who is in it, the one who entered among them; or why one is not.
    pub outcome: Result<List<'a, Member<'a>>, GroupError>,
}

record! {
    /// A member of a group.
    Member<'a> {
        /// Who.
        uin: Uin,
        /// The picture.
        face: Face,
        /// The name.
        nick: Str<'a>,
    }
}

impl<'a> Record<'a> for Member<'a> {
    const MIN_LEN: usize = 4 + 1 + 2;
}

impl<'a> Field<'a> for EnterGroupReply<'a> {
    const LAYOUT: Layout = Layout::Fields(&[
        FieldLayout::always("group", GroupId::LAYOUT),
        FieldLayout::always("error", GroupError::LAYOUT),
        FieldLayout::when("members", <List<'_, Member<'_>>>::LAYOUT, "error", &[GroupError::SUCCESS.0 as u32]),
    ]);

    fn read(reader: &mut Reader<'a>, _what: &'static str) -> Result<Self, DecodeError> {
        let group = Field::read(reader, "id")?;
        let outcome = match GroupError::read(reader, "error")? {
            GroupError::SUCCESS => Ok(Field::read(reader, "members")?),
            error => Err(error),
        };
        Ok(Self { group, outcome })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.group.write(writer)?;
        match &self.outcome {
            Ok(members) => {
                GroupError::SUCCESS.write(writer)?;
                members.write(writer)
            }
            Err(error) => error.write(writer),
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for EnterGroupReply<'a> {
    fn arbitrary(source: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let group = source.arbitrary()?;
        let outcome = match source.arbitrary()? {
            GroupError::SUCCESS => Ok(source.arbitrary()?),
            error => Err(error),
        };
        Ok(Self { group, outcome })
    }
}

record! {
    /// UDP_GROUP_MESSAGE from the server.
    GroupSaid<'a> {
        /// In which group.
        group: GroupId,
        /// Who.
        from: Uin,
        /// When: Unix seconds, UTC.
        time: u32,
        /// What.
        text: Str<'a>,
    }
}

record! {
    /// UDP_SRV_USER_ONLINE.
    UserOnline<'a> {
        /// Who, and where.
        presence: Presence,
        /// His domain; missing or empty for the server's own.
        domain: Option<Str<'a>>,
    }
}

record! {
    /// Somebody who is here, and where a direct session with him can be opened.
    Presence {
        /// Who.
        uin: Uin,
        /// What he is shown as.
        status: Status,
        /// His address as the server sees it.
        ip: Ipv4,
        /// The TCP port on which he listens.
        port: u16,
        /// The address that he himself believes to have.
        real_ip: Ipv4,
    }
}

impl Record<'_> for Presence {
    const MIN_LEN: usize = 4 + 4 + 4 + 2 + 4;
}

record! {
    /// UDP_SRV_USER_OFFLINE.
    UserOffline<'a> {
        /// Who.
        uin: Uin,
        /// His domain; missing or empty for the server's own.
        domain: Option<Str<'a>>,
    }
}

record! {
    /// UDP_SRV_STATUS_CHANGED.
    StatusChanged<'a> {
        /// Who.
        uin: Uin,
        /// What he is shown as from now on.
        status: Status,
        /// His domain; missing or empty for the server's own.
        domain: Option<Str<'a>>,
    }
}

record! {
    /// UDP_SRV_MESSAGE.
    ServerMessage<'a> {
        /// Which kind, and so what the text holds.
        kind: MessageKind,
        /// From whom.
        from: Uin,
        /// When the server took it: Unix seconds, UTC.
        time: u32,
        /// The text.
        text: Str<'a>,
        /// The sender's domain; missing or empty for the server's own.
        domain: Option<Str<'a>>,
        /// The message's own number, in sessions with the capability ONCE or RECEIPTS.
        id: Option<u64>,
    }
}

record! {
    /// A user that a search found.
    Found<'a> {
        /// Who.
        uin: Uin,
        /// 1 for somebody who is here and shows it.
        online: u8,
        /// The picture.
        face: Face,
        /// The name.
        nick: Str<'a>,
        /// Where he lives.
        province: Str<'a>,
    }
}

impl<'a> Record<'a> for Found<'a> {
    const MIN_LEN: usize = 4 + 1 + 1 + 2 + 2;
}

record! {
    /// UDP_SRV_SENT.
    Sent {
        /// The message's own number.
        id: u64,
        /// 1 for one that has reached its recipient, 0 for one that is stored, or whose recipient the sender does not see.
        is_delivered: u8,
    }
}

record! {
    /// UDP_SRV_REFUSED.
    Refused {
        /// Why.
        reason: RefusalReason,
    }
}

record! {
    /// A type of groups. Its number is its position in the list, from 0.
    GroupType<'a> {
        /// Its name among programs.
        name: Str<'a>,
        /// Its name for people.
        display_name: Str<'a>,
    }
}

impl<'a> Record<'a> for GroupType<'a> {
    const MIN_LEN: usize = 2 + 2;
}

record! {
    /// UDP_SRV_ENTER_GROUP.
    GroupEntered<'a> {
        /// Which group.
        group: GroupId,
        /// Who.
        member: Member<'a>,
    }
}

record! {
    /// UDP_SRV_EXIT_GROUP.
    GroupExited {
        /// Which group.
        group: GroupId,
        /// Who.
        uin: Uin,
    }
}
