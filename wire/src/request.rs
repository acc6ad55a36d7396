//! What clients send (docs/protocol.md, "From the client").

use crate::command::Command;
use crate::error::{DecodeError, EncodeError};
use crate::field::{Field, Opaque, Secret, Str, bodies, record};
use crate::ids::{Authorization, GroupId, Ipv4, MessageKind, Status, Uin};
use crate::layout::{FieldLayout, Layout};
use crate::message;
use crate::profile::Profile;
use crate::reader::Reader;
use crate::relay::RelayRequest;
use crate::writer::Writer;

bodies! {
    /// The body of a datagram from a client.
    Request {
        /// Acknowledges the server's datagram that the header names.
        Ack,
        /// Registers a new user.
        NewUin(NewUin<'a>),
        /// Asks for the contact list.
        GetContactList,
        /// Opens a session.
        Login(Login<'a>),
        /// Ends the session. Sent once and never acknowledged.
        Logout,
        /// Says that the client is still there.
        KeepAlive(KeepAlive),
        /// Changes the status that others see.
        ChangeStatus(ChangeStatus),
        /// Asks for somebody's profile.
        UpdateContact(Address<'a>),
        /// Changes one's own profile, and perhaps the password.
        ModifyUser(ModifyUser<'a>),
        /// Asks for one's own profile.
        UpdateUser,
        /// Says something to somebody.
        SendMessage(SendMessage<'a>),
        /// Asks for some users who are online.
        SearchRandom(SearchRandom<'a>),
        /// Looks for users.
        SearchCustom(SearchCustom<'a>),
        /// Puts somebody on the contact list.
        AddFriend(Address<'a>),
        /// Takes somebody off the contact list.
        DelFriend(Address<'a>),
        /// Says something to everybody; the administrator may.
        BroadcastMessage(BroadcastMessage<'a>),
        /// Asks for the servers that this one knows.
        GetServerList,
        /// Asks for the groups of a type.
        GetGroupList(GetGroupList),
        /// Asks about one group.
        SearchGroup(GroupRef),
        /// Asks for the contacts of other domains, and for the name of this one.
        GetRemoteContactList,
        /// Makes a group.
        CreateGroup(CreateGroup<'a>),
        /// Becomes a member of a group.
        EnterGroup(EnterGroup<'a>),
        /// Leaves a group.
        ExitGroup(GroupRef),
        /// Starts the game of a group; nothing in a group that talks.
        GroupStart(GroupRef),
        /// Says something to a group.
        GroupMessage(GroupMessage<'a>),
        /// What the plug-in of a game says to those of the others.
        GroupCommand(GroupCommand<'a>),
        /// Ours: says that one is typing a message to somebody, or has stopped.
        Typing(Typing),
        /// Ours: says that one has read what somebody said, up to a message.
        Read(MessageRef),
        /// Ours: goes on with a server that has started again. Never acknowledged.
        Resume(Resume),
        /// Ours: asks for a relay to somebody.
        Relay(RelayRequest),
    }
}

impl<'a> Request<'a> {
    /// Reads a plain body: not enciphered, or deciphered already.
    ///
    /// # Errors
    /// What is wrong with which field; [`DecodeErrorKind::UnknownCommand`](crate::DecodeErrorKind::UnknownCommand) for a command that only the server
    /// sends; [`DecodeErrorKind::Trailing`](crate::DecodeErrorKind::Trailing) where the body goes on with more than the padding of a block.
    pub fn decode(command: Command, body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let request = Self::read(command, &mut reader)?;
        reader.finish(command.name())?;
        Ok(request)
    }
}

/// Bytes of a password at most. Ours: the original's dialogue stops at 16; beyond this, hashing it is all that it would do.
pub const MAX_PASSWORD_LEN: usize = 128;

record! {
    /// UDP_NEW_UIN.
    NewUin<'a> {
        /// The new user's password.
        password: Secret<'a>,
    }
}

record! {
    /// UDP_LOGIN.
    Login<'a> {
        /// The user's password, in the clear.
        password: Secret<'a>,
        /// What the user is to be shown as at first.
        status: Status,
        /// The version of the direct sessions that the client speaks: 1.
        tcp_version: u16,
        /// The address that the client itself believes to have.
        real_ip: Ipv4,
        /// The TCP port on which it listens for direct sessions.
        port: u16,
    }
}

record! {
    /// UDP_KEEPALIVE.
    KeepAlive {
        /// Nothing: it makes each of these differ from the last, for the sake of network address translators.
        random: u32,
    }
}

record! {
    /// UDP_CHANGE_STATUS.
    ChangeStatus {
        /// The status from now on.
        status: Status,
    }
}

record! {
    /// A user, perhaps of another domain.
    Address<'a> {
        /// The number there.
        uin: Uin,
        /// The domain; missing or empty for the server's own.
        domain: Option<Str<'a>>,
    }
}

record! {
    /// UDP_MODIFY_USER.
    ModifyUser<'a> {
        /// The profile from now on, all of it.
        profile: Profile<'a>,
        /// How the user wants to be added from now on.
        auth: Authorization,
        /// The password from the next login on, if it is to change.
        password: Option<Secret<'a>>,
    }
}

/// UDP_SEND_MSG.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SendMessage<'a> {
    /// Which kind, and so what its text holds.
    pub kind: MessageKind,
    /// To whom.
    pub to: Uin,
    /// The text. AUTH_ACCEPTED and ADDED have none on the wire: there it must be empty.
    pub text: Str<'a>,
    /// The recipient's domain; missing or empty for the server's own.
    pub domain: Option<Str<'a>>,
}

impl<'a> Field<'a> for SendMessage<'a> {
    const LAYOUT: Layout = Layout::Fields(&[
        FieldLayout::always("kind", MessageKind::LAYOUT),
        FieldLayout::always("to", Uin::LAYOUT),
        FieldLayout::unless("text", Str::LAYOUT, "kind", message::TEXTLESS),
        FieldLayout::always("domain", <Option<Str<'_>>>::LAYOUT),
    ]);

    fn read(reader: &mut Reader<'a>, _what: &'static str) -> Result<Self, DecodeError> {
        let kind = MessageKind::read(reader, "type")?;
        let to = Uin::read(reader, "to_uin")?;
        let text = if message::has_text(kind) { Str::read(reader, "text")? } else { Str::default() };
        Ok(Self { kind, to, text, domain: Field::read(reader, "domain")? })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.kind.write(writer)?;
        self.to.write(writer)?;
        if message::has_text(self.kind) {
            self.text.write(writer)?;
        }
        self.domain.write(writer)
    }
}

/// Made so that it can be written and read back: without a text where the kind has none.
#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for SendMessage<'a> {
    fn arbitrary(source: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let kind = source.arbitrary()?;
        let text = if message::has_text(kind) { source.arbitrary()? } else { Str::default() };
        Ok(Self { kind, to: source.arbitrary()?, text, domain: source.arbitrary()? })
    }
}

record! {
    /// UDP_SEARCH_RANDOM.
    SearchRandom<'a> {
        /// In which domain; missing or empty for the server's own.
        domain: Option<Str<'a>>,
    }
}

/// UDP_SEARCH_CUSTOM: its first DWORD says which of the two follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum SearchCustom<'a> {
    /// By number. The number is not 0.
    Uin(Address<'a>),
    /// By words.
    Words(SearchWords<'a>),
}

record! {
    /// What to look for, and from where on. COMPAT: the clients of 2003 send these words in UTF-8, unlike all other text.
    SearchWords<'a> {
        /// The nick, or empty.
        nick: Str<'a>,
        /// The e-mail address, or empty.
        email: Str<'a>,
        /// Only numbers above this one: the last of the page before, 0 for the first page.
        start_uin: Uin,
    }
}

impl<'a> Field<'a> for SearchCustom<'a> {
    const LAYOUT: Layout = Layout::Fields(&[
        FieldLayout::always("uin", Uin::LAYOUT),
        FieldLayout::when("words", SearchWords::LAYOUT, "uin", &[Uin::NONE.0]),
        FieldLayout::unless("domain", <Option<Str<'_>>>::LAYOUT, "uin", &[Uin::NONE.0]),
    ]);

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, DecodeError> {
        let uin = Uin::read(reader, "uin")?;
        if uin == Uin::NONE {
            Field::read(reader, what).map(Self::Words)
        } else {
            Ok(Self::Uin(Address { uin, domain: Field::read(reader, "domain")? }))
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Uin(address) => address.write(writer),
            Self::Words(words) => {
                Uin::NONE.write(writer)?;
                words.write(writer)
            }
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for SearchCustom<'a> {
    fn arbitrary(source: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let address: Address<'a> = source.arbitrary()?;
        if address.uin == Uin::NONE { source.arbitrary().map(Self::Words) } else { Ok(Self::Uin(address)) }
    }
}

record! {
    /// UDP_BROADCAST_MSG.
    BroadcastMessage<'a> {
        /// Which kind, and so what its text holds.
        kind: MessageKind,
        /// The text.
        text: Str<'a>,
    }
}

record! {
    /// UDP_GET_GROUP_LIST.
    GetGroupList {
        /// The type: its position in UDP_SRV_GROUP_TYPES, from 0.
        group_type: u16,
    }
}

record! {
    /// One group, by number.
    GroupRef {
        /// Which.
        group: GroupId,
    }
}

record! {
    /// UDP_CREATE_GROUP.
    CreateGroup<'a> {
        /// The type: its position in UDP_SRV_GROUP_TYPES, from 0.
        group_type: u16,
        /// How it is to be called.
        name: Str<'a>,
        /// What members must know to enter; empty for none.
        password: Secret<'a>,
    }
}

record! {
    /// UDP_ENTER_GROUP.
    EnterGroup<'a> {
        /// Which.
        group: GroupId,
        /// Its password; empty for none.
        password: Secret<'a>,
    }
}

record! {
    /// UDP_GROUP_MESSAGE from a client.
    GroupMessage<'a> {
        /// To which.
        group: GroupId,
        /// What, with the font fields of a text message.
        text: Str<'a>,
    }
}

record! {
    /// UDP_GROUP_CMD.
    GroupCommand<'a> {
        /// In which.
        group: GroupId,
        /// What the plug-ins understand.
        data: Opaque<'a>,
    }
}

record! {
    /// UDP_TYPING, in either direction; only in sessions with the capability RECEIPTS.
    Typing {
        /// To whom; from the server, who.
        uin: Uin,
        /// 1 for somebody who types, 0 for somebody who has stopped.
        is_typing: u8,
    }
}

record! {
    /// UDP_READ, in either direction, and UDP_SRV_DELIVERED; only in sessions with the capability RECEIPTS.
    MessageRef {
        /// From a client, whose message; from the server, who got it.
        uin: Uin,
        /// The message's own number.
        id: u64,
    }
}

record! {
    /// UDP_RESUME from a client; only in sessions with the capability ONCE.
    Resume {
        /// Which start of the server it answers to: [`ResumeReply::start`](crate::ResumeReply::start).
        start: u64,
        /// The oldest number of the client's that has not been acknowledged; the next one where all have been.
        oldest: u16,
        /// The newest number that the client had sent when it heard of this start.
        newest: u16,
        /// What the user is to be shown as.
        status: Status,
    }
}
