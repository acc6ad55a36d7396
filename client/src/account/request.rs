//! What a session can be asked to do, checked before anything is sent.

use std::borrow::Cow;

use myicq_wire::charset::Charset;
use myicq_wire::peer::MessageToken;
use myicq_wire::{
    Address, Answer as WireAnswer, Authorization, BroadcastMessage, ChangeStatus, Command, CreateGroup, EnterGroup,
    GetGroupList, GroupCommand, GroupId, GroupMessage, GroupRef, MessageKind, MessageRef, ModifyUser, Opaque,
    RelayRequest, SearchCustom, SearchRandom, SearchWords, Secret, SendMessage, Status, Str, Typing, Uin,
    message as wire_message,
};

use super::config::Config;
use crate::error::Misuse;
use crate::message::Message;
use crate::password::Password;
use crate::profile::{EncodedProfile, MAX_FIELD_LEN, Profile, encode_text};

/// The text of a session whose server has not granted UTF-8. GB 18030 holds all of Unicode, and the clients of 2003 read
/// the GBK in it.
pub(super) const LEGACY: Charset = Charset::Gb18030;

/// What requests are made in, before it is known what the server grants. [`Charset::fits`] counts such a text as in GB 18030.
const MADE_IN: Charset = Charset::Utf8;

/// Names a request of one [`Account`](super::Account), and later its answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub(super) u64);

impl RequestId {
    /// Counts from 1, in the order of asking.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Something to be asked of the server. Made by one of the functions below, which refuse what cannot be sent.
#[derive(Clone, Debug)]
pub struct Request(Body);

#[derive(Clone, Debug)]
enum Body {
    Contacts,
    RemoteContacts,
    OwnProfile,
    Profile(Uin),
    Add(Uin),
    Remove(Uin),
    Status(Status),
    Modify { profile: Box<EncodedProfile>, auth: Authorization, password: Option<Password> },
    Send { to: Uin, kind: MessageKind, text: Vec<u8> },
    Read { from: Uin, id: u64 },
    Typing { to: Uin, is_typing: bool },
    Relay(Uin),
    SearchRandom,
    SearchUin(Uin),
    SearchWords { nick: String, email: String, after: Uin },
    Servers,
    Broadcast { kind: MessageKind, text: Vec<u8> },
    Groups(u16),
    Group(GroupId),
    CreateGroup { group_type: u16, name: Vec<u8>, password: Option<Password> },
    EnterGroup { group: GroupId, password: Option<Password> },
    ExitGroup(GroupId),
    SayToGroup { group: GroupId, text: Vec<u8> },
    StartGroup(GroupId),
    GroupCommand { group: GroupId, data: Vec<u8> },
}

impl Request {
    /// The contacts on this server.
    pub fn contacts() -> Self {
        Self(Body::Contacts)
    }

    /// The contacts on other servers, and the name of this one.
    pub fn remote_contacts() -> Self {
        Self(Body::RemoteContacts)
    }

    /// One's own profile.
    pub fn own_profile() -> Self {
        Self(Body::OwnProfile)
    }

    /// Somebody's profile.
    ///
    /// # Errors
    /// [`Misuse::NoUin`].
    pub fn profile(uin: Uin) -> Result<Self, Misuse> {
        somebody(uin).map(Body::Profile).map(Self)
    }

    /// Puts somebody on the contact list.
    ///
    /// # Errors
    /// [`Misuse::NoUin`].
    pub fn add(uin: Uin) -> Result<Self, Misuse> {
        somebody(uin).map(Body::Add).map(Self)
    }

    /// Takes somebody off the contact list.
    ///
    /// # Errors
    /// [`Misuse::NoUin`].
    pub fn remove(uin: Uin) -> Result<Self, Misuse> {
        somebody(uin).map(Body::Remove).map(Self)
    }

    /// Changes what contacts see.
    ///
    /// # Errors
    /// [`Misuse::Status`].
    pub fn status(status: Status) -> Result<Self, Misuse> {
        check_status(status).map(Body::Status).map(Self)
    }

    /// Replaces the whole profile, and the password for logins from now on if there is one. The session keeps the key
    /// that it has.
    ///
    /// # Errors
    /// [`Misuse::FieldTooLong`], [`Misuse::Nul`].
    pub fn modify(profile: &Profile, auth: Authorization, password: Option<Password>) -> Result<Self, Misuse> {
        let profile = Box::new(profile.encode(MADE_IN)?);
        Ok(Self(Body::Modify { profile, auth, password }))
    }

    /// Says something to somebody.
    ///
    /// # Errors
    /// [`Misuse::NoUin`], [`Misuse::MessageTooLong`], [`Misuse::FieldTooLong`], [`Misuse::Nul`], [`Misuse::Kind`].
    pub fn send(to: Uin, message: &Message) -> Result<Self, Misuse> {
        let to = somebody(to)?;
        let (kind, text) = message.encode(MADE_IN)?;
        Ok(Self(Body::Send { to, kind, text }))
    }

    /// Says that one has read what somebody said, up to the message with this number. Only a session with receipts passes it on.
    ///
    /// # Errors
    /// [`Misuse::NoUin`].
    pub fn read(from: Uin, id: u64) -> Result<Self, Misuse> {
        Ok(Self(Body::Read { from: somebody(from)?, id }))
    }

    /// Says that one types a message to somebody, or has stopped. Only a session with receipts passes it on.
    ///
    /// # Errors
    /// [`Misuse::NoUin`].
    pub fn typing(to: Uin, is_typing: bool) -> Result<Self, Misuse> {
        Ok(Self(Body::Typing { to: somebody(to)?, is_typing }))
    }

    /// Wants a relay to somebody who has offered one a file or accepted one, in his session of now and within the last minutes: a stream through
    /// the server. He gets an [`Event::RelayOffered`](crate::Event::RelayOffered).
    ///
    /// # Errors
    /// [`Misuse::NoUin`].
    pub fn relay(to: Uin) -> Result<Self, Misuse> {
        somebody(to).map(Body::Relay).map(Self)
    }

    /// Whether it can be asked only in sessions with [`Capabilities::RELAY`](myicq_wire::Capabilities::RELAY).
    pub(super) fn is_relay(&self) -> bool {
        matches!(self.0, Body::Relay(_))
    }

    /// Whether it makes sense only in sessions with [`Capabilities::RECEIPTS`](myicq_wire::Capabilities::RECEIPTS).
    pub(super) fn is_receipt(&self) -> bool {
        matches!(self.0, Body::Read { .. } | Body::Typing { .. })
    }

    /// To whom something is said, and whether it may be said directly: words alone, because all else has an effect on the server, or happens
    /// but once between two people.
    pub fn addressee(&self) -> Option<(Uin, bool)> {
        match self.0 {
            Body::Send { to, kind, .. } => Some((to, kind == MessageKind::TEXT)),
            _ => None,
        }
    }

    /// What contacts see from now on, if that is what it asks for.
    pub fn new_status(&self) -> Option<Status> {
        if let Body::Status(status) = self.0 { Some(status) } else { None }
    }

    /// The kind and the text of what is said, as they go to another client, whose charset is that of 2003.
    pub fn as_direct(&self) -> Option<(MessageKind, Vec<u8>)> {
        match &self.0 {
            Body::Send { kind, text, .. } => {
                Some((*kind, wire_message::transcode(*kind, text, MADE_IN, LEGACY).into_owned()))
            }
            _ => None,
        }
    }

    /// The same, to be known as the same when it comes by two ways.
    #[must_use]
    pub fn marked(mut self, token: MessageToken) -> Self {
        if let Body::Send { kind: MessageKind::TEXT, text, .. } = &mut self.0 {
            token.append(text);
        }
        self
    }

    /// Whether to ask it twice is to ask it once.
    pub(super) fn is_repeatable(&self) -> bool {
        !matches!(
            self.0,
            Body::Send { .. }
                | Body::Broadcast { .. }
                | Body::SayToGroup { .. }
                | Body::CreateGroup { .. }
                | Body::StartGroup(_)
                | Body::GroupCommand { .. }
        )
    }

    /// What it changes in how the next session begins.
    pub(super) fn change(&self, config: &mut Config) {
        match &self.0 {
            Body::Status(status) => config.status = *status,
            Body::Modify { password: Some(password), .. } => config.password = password.clone(),
            _ => {}
        }
    }

    /// The same with its texts in the charset of a session.
    pub(super) fn in_charset(&self, charset: Charset) -> Cow<'_, Self> {
        match &self.0 {
            _ if charset == MADE_IN => Cow::Borrowed(self),
            Body::Send { to, kind, text } => {
                let text = wire_message::transcode(*kind, text, MADE_IN, charset).into_owned();
                Cow::Owned(Self(Body::Send { to: *to, kind: *kind, text }))
            }
            Body::Modify { profile, auth, password } => {
                let profile = Box::new(profile.transcode(MADE_IN, charset));
                Cow::Owned(Self(Body::Modify { profile, auth: *auth, password: password.clone() }))
            }
            Body::Broadcast { kind, text } => {
                let text = wire_message::transcode(*kind, text, MADE_IN, charset).into_owned();
                Cow::Owned(Self(Body::Broadcast { kind: *kind, text }))
            }
            Body::SayToGroup { group, text } => {
                let text = wire_message::transcode(MessageKind::TEXT, text, MADE_IN, charset).into_owned();
                Cow::Owned(Self(Body::SayToGroup { group: *group, text }))
            }
            Body::CreateGroup { group_type, name, password } => {
                let (name, password) = (MADE_IN.transcode(name, charset).into_owned(), password.clone());
                Cow::Owned(Self(Body::CreateGroup { group_type: *group_type, name, password }))
            }
            _ => Cow::Borrowed(self),
        }
    }

    /// Some users who are here and show it.
    pub fn search_random() -> Self {
        Self(Body::SearchRandom)
    }

    /// The user of this number.
    ///
    /// # Errors
    /// [`Misuse::NoUin`].
    pub fn search_uin(uin: Uin) -> Result<Self, Misuse> {
        somebody(uin).map(Body::SearchUin).map(Self)
    }

    /// Users who call themselves so and have this e-mail address, whole, by rising number: those above `after`, [`Uin::NONE`] for the
    /// first. What is empty is not asked for.
    ///
    /// # Errors
    /// [`Misuse::Nul`], [`Misuse::FieldTooLong`].
    pub fn search_words(nick: &str, email: &str, after: Uin) -> Result<Self, Misuse> {
        for (field, text) in [("nick", nick), ("email", email)] {
            // As the server gets them: in UTF-8.
            encode_text(field, text, MAX_FIELD_LEN, Charset::Utf8)?;
        }
        Ok(Self(Body::SearchWords { nick: nick.to_owned(), email: email.to_owned(), after }))
    }

    /// The servers that this one knows, itself among them.
    pub fn servers() -> Self {
        Self(Body::Servers)
    }

    /// Says something to everybody, also to those who come later. Only [`Uin::ADMINISTRATOR`] may.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub fn broadcast(text: &str) -> Result<Self, Misuse> {
        let (kind, text) = Message::text(text).encode(MADE_IN)?;
        Ok(Self(Body::Broadcast { kind, text }))
    }

    /// The groups of a type: its place among the types that [`Event::GroupTypes`](crate::Event::GroupTypes) named, from 0.
    pub fn groups(group_type: u16) -> Self {
        Self(Body::Groups(group_type))
    }

    /// One group.
    pub fn group(group: GroupId) -> Self {
        Self(Body::Group(group))
    }

    /// Makes a group and enters it. Without a password anybody may enter.
    ///
    /// # Errors
    /// [`Misuse::FieldTooLong`], [`Misuse::Nul`].
    pub fn create_group(group_type: u16, name: &str, password: Option<Password>) -> Result<Self, Misuse> {
        let name = encode_text("name", name, MAX_GROUP_NAME_LEN, MADE_IN)?;
        check_group_password(password.as_ref())?;
        Ok(Self(Body::CreateGroup { group_type, name, password }))
    }

    /// Enters a group.
    ///
    /// # Errors
    /// [`Misuse::FieldTooLong`].
    pub fn enter_group(group: GroupId, password: Option<Password>) -> Result<Self, Misuse> {
        check_group_password(password.as_ref())?;
        Ok(Self(Body::EnterGroup { group, password }))
    }

    /// Leaves a group.
    pub fn exit_group(group: GroupId) -> Self {
        Self(Body::ExitGroup(group))
    }

    /// Says something to the others in a group.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub fn say_to_group(group: GroupId, text: &str) -> Result<Self, Misuse> {
        let (_, text) = Message::text(text).encode(MADE_IN)?;
        Ok(Self(Body::SayToGroup { group, text }))
    }

    /// Begins the game that a group is for.
    pub fn start_group(group: GroupId) -> Self {
        Self(Body::StartGroup(group))
    }

    /// What the programs of a game say to each other in a group.
    ///
    /// # Errors
    /// [`Misuse::DataTooLong`].
    pub fn group_command(group: GroupId, data: &[u8]) -> Result<Self, Misuse> {
        let (len, max, data) = (data.len(), MAX_GROUP_COMMAND_LEN, data.to_vec());
        if len > max { Err(Misuse::DataTooLong { len, max }) } else { Ok(Self(Body::GroupCommand { group, data })) }
    }

    /// The body as the wire has it.
    pub(super) fn to_wire(&self) -> myicq_wire::Request<'_> {
        use myicq_wire::Request as Wire;
        let address = |uin| Address { uin, domain: None };
        match &self.0 {
            Body::Contacts => Wire::GetContactList,
            Body::RemoteContacts => Wire::GetRemoteContactList,
            Body::OwnProfile => Wire::UpdateUser,
            Body::Profile(uin) => Wire::UpdateContact(address(*uin)),
            Body::Add(uin) => Wire::AddFriend(address(*uin)),
            Body::Remove(uin) => Wire::DelFriend(address(*uin)),
            Body::Status(status) => Wire::ChangeStatus(ChangeStatus { status: *status }),
            Body::Modify { profile, auth, password } => Wire::ModifyUser(ModifyUser {
                profile: profile.to_wire(),
                auth: *auth,
                password: password.as_ref().map(|password| Secret(password.as_bytes())),
            }),
            Body::Send { to, kind, text } => {
                Wire::SendMessage(SendMessage { kind: *kind, to: *to, text: Str(text), domain: None })
            }
            Body::Read { from, id } => Wire::Read(MessageRef { uin: *from, id: *id }),
            Body::Typing { to, is_typing } => Wire::Typing(Typing { uin: *to, is_typing: u8::from(*is_typing) }),
            Body::Relay(uin) => Wire::Relay(RelayRequest { uin: *uin }),
            Body::SearchRandom => Wire::SearchRandom(SearchRandom { domain: None }),
            Body::SearchUin(uin) => Wire::SearchCustom(SearchCustom::Uin(address(*uin))),
            Body::SearchWords { nick, email, after } => Wire::SearchCustom(SearchCustom::Words(SearchWords {
                nick: Str(nick.as_bytes()),
                email: Str(email.as_bytes()),
                start_uin: *after,
            })),
            Body::Servers => Wire::GetServerList,
            Body::Broadcast { kind, text } => Wire::BroadcastMessage(BroadcastMessage { kind: *kind, text: Str(text) }),
            Body::Groups(group_type) => Wire::GetGroupList(GetGroupList { group_type: *group_type }),
            Body::Group(group) => Wire::SearchGroup(GroupRef { group: *group }),
            Body::CreateGroup { group_type, name, password } => {
                let password = Secret(group_password(password.as_ref()));
                Wire::CreateGroup(CreateGroup { group_type: *group_type, name: Str(name), password })
            }
            Body::EnterGroup { group, password } => {
                Wire::EnterGroup(EnterGroup { group: *group, password: Secret(group_password(password.as_ref())) })
            }
            Body::ExitGroup(group) => Wire::ExitGroup(GroupRef { group: *group }),
            Body::SayToGroup { group, text } => Wire::GroupMessage(GroupMessage { group: *group, text: Str(text) }),
            Body::StartGroup(group) => Wire::GroupStart(GroupRef { group: *group }),
            Body::GroupCommand { group, data } => {
                Wire::GroupCommand(GroupCommand { group: *group, data: Opaque(data) })
            }
        }
    }

    /// Whom the reply will name, for servers that forget to say which request they answer.
    pub(super) fn about(&self) -> Option<Uin> {
        match self.0 {
            Body::Profile(uin) | Body::Add(uin) => Some(uin),
            _ => None,
        }
    }
}

/// The most bytes that the name of a group may have in GB 18030.
pub const MAX_GROUP_NAME_LEN: usize = 32;

/// The most bytes that the program of a game may say in a group at once: with its header, the datagram is not cut on its way.
pub const MAX_GROUP_COMMAND_LEN: usize = 1_024;

/// The most bytes that the password of a group may have.
pub const MAX_GROUP_PASSWORD_LEN: usize = 32;

fn check_group_password(password: Option<&Password>) -> Result<(), Misuse> {
    let (len, max) = (group_password(password).len(), MAX_GROUP_PASSWORD_LEN);
    if len > max { Err(Misuse::FieldTooLong { field: "password", len, max }) } else { Ok(()) }
}

/// Compared by the server as it came. The empty one stands for none.
fn group_password(password: Option<&Password>) -> &[u8] {
    password.map_or(&[], Password::as_bytes)
}

/// The command of the reply that a request waits for; `None` if an acknowledgement is all.
pub(super) fn reply_to(command: Command) -> Option<Command> {
    match command.request()?.answer {
        WireAnswer::Reply(reply) => Some(reply),
        WireAnswer::Ack | WireAnswer::Nothing => None,
    }
}

/// One status that a session can have.
pub(super) fn check_status(status: Status) -> Result<Status, Misuse> {
    match status {
        Status::ONLINE | Status::AWAY | Status::INVISIBLE => Ok(status),
        _ => Err(Misuse::Status),
    }
}

pub(super) fn somebody(uin: Uin) -> Result<Uin, Misuse> {
    if uin == Uin::NONE { Err(Misuse::NoUin) } else { Ok(uin) }
}

/// A domain as it came: the empty one is the server's own.
pub(super) fn domain(domain: Option<Str<'_>>) -> Option<String> {
    domain.filter(|domain| !domain.is_empty()).map(|domain| LEGACY.decode(domain.0)).map(Cow::into_owned)
}
