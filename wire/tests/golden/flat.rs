//! A packet's values in the order of the wire, to be held against those in the files.

use myicq_wire::message::Message;
use myicq_wire::*;
use serde_json::{Value, json};

/// Appends its values.
pub(crate) trait Flat {
    fn flat(&self, values: &mut Vec<Value>);
}

/// All values of a packet.
pub(crate) fn values(packet: &impl Flat) -> Vec<Value> {
    let mut values = Vec::new();
    packet.flat(&mut values);
    values
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Flat for $number {
            fn flat(&self, values: &mut Vec<Value>) {
                values.push(json!(self.0));
            }
        }
    )*};
}
numbers!(Uin, Status, Face, Authorization, LoginError, MessageKind, GroupError, RefusalReason, GroupId, Ipv4);

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Flat for $integer {
            fn flat(&self, values: &mut Vec<Value>) {
                values.push(json!(self));
            }
        }
    )*};
}
integers!(u8, u16, u32, u64);

macro_rules! bytes {
    ($($bytes:ty),*) => {$(
        impl Flat for $bytes {
            fn flat(&self, values: &mut Vec<Value>) {
                values.push(json!(hex::encode(self.0)));
            }
        }
    )*};
}
bytes!(Str<'_>, Secret<'_>, Opaque<'_>, RelayToken);

impl<T: Flat> Flat for Option<T> {
    fn flat(&self, values: &mut Vec<Value>) {
        self.iter().for_each(|field| field.flat(values));
    }
}

impl<'a, T: Flat + Record<'a>> Flat for List<'a, T> {
    fn flat(&self, list: &mut Vec<Value>) {
        list.push(self.iter().map(|record| Value::Array(values(&record))).collect());
    }
}

macro_rules! records {
    ($($record:ident { $($field:ident),* })*) => {$(
        impl Flat for $record<'_> {
            fn flat(&self, values: &mut Vec<Value>) {
                let Self { $($field),* } = self;
                $($field.flat(values);)*
            }
        }
    )*};
}

macro_rules! records_without_text {
    ($($record:ident { $($field:ident),* })*) => {$(
        impl Flat for $record {
            fn flat(&self, values: &mut Vec<Value>) {
                let Self { $($field),* } = self;
                $($field.flat(values);)*
            }
        }
    )*};
}

records_without_text! {
    KeepAlive { random }
    ChangeStatus { status }
    GetGroupList { group_type }
    GroupRef { group }
    LoginSuccess { ip, online_users }
    KeepAliveReply { online_users }
    Presence { uin, status, ip, port, real_ip }
    GroupExited { group, uin }
    Refused { reason }
    Typing { uin, is_typing }
    MessageRef { uin, id }
    Sent { id, is_delivered }
    Resume { start, oldest, newest, status }
    ResumeReply { start, first }
    RelayRequest { uin }
    RelayPass { port, number, token, wait, bytes }
    RelayOffered { from, pass }
}

records! {
    NewUin { password }
    Login { password, status, tcp_version, real_ip, port }
    Address { uin, domain }
    Profile {
        face, nick, age, gender, country, province, city, email, address, zipcode, tel, name, blood, college,
        occupation, homepage, intro
    }
    SearchRandom { domain }
    SearchWords { nick, email, start_uin }
    BroadcastMessage { kind, text }
    CreateGroup { group_type, name, password }
    EnterGroup { group, password }
    GroupMessage { group, text }
    GroupCommand { group, data }
    NewUinReply { uin, domain }
    ContactProfile { uin, profile, domain }
    UserProfile { profile, auth }
    AddFriendReply { uin, result, domain }
    Server { domain, description, online_users }
    GroupEntry { group, name, members }
    GroupInfo { group, name, group_type, members }
    RemoteContacts { domain, contacts }
    RemoteContact { uin, domain }
    Member { uin, face, nick }
    GroupSaid { group, from, time, text }
    UserOnline { presence, domain }
    UserOffline { uin, domain }
    StatusChanged { uin, status, domain }
    ServerMessage { kind, from, time, text, domain, id }
    Found { uin, online, face, nick, province }
    GroupType { name, display_name }
    GroupEntered { group, member }
}

impl Flat for ModifyUser<'_> {
    fn flat(&self, values: &mut Vec<Value>) {
        let Self { profile, auth, password } = self;
        profile.flat(values);
        auth.flat(values);
        u8::from(password.is_some()).flat(values);
        password.flat(values);
    }
}

impl Flat for SendMessage<'_> {
    fn flat(&self, values: &mut Vec<Value>) {
        let Self { kind, to, text, domain } = self;
        kind.flat(values);
        to.flat(values);
        message::has_text(*kind).then_some(*text).flat(values);
        domain.flat(values);
    }
}

impl Flat for SearchCustom<'_> {
    fn flat(&self, values: &mut Vec<Value>) {
        match self {
            Self::Uin(address) => address.flat(values),
            Self::Words(words) => {
                Uin::NONE.flat(values);
                words.flat(values);
            }
        }
    }
}

impl Flat for LoginReply {
    fn flat(&self, values: &mut Vec<Value>) {
        match self {
            Self::Success(success) => {
                LoginError::SUCCESS.flat(values);
                success.flat(values);
            }
            Self::Refused(error) => error.flat(values),
        }
    }
}

impl Flat for RelayReply {
    fn flat(&self, values: &mut Vec<Value>) {
        match self {
            Self::Granted(pass) => {
                RefusalReason(0).flat(values);
                pass.flat(values);
            }
            Self::Refused(reason) => reason.flat(values),
        }
    }
}

impl Flat for EnterGroupReply<'_> {
    fn flat(&self, values: &mut Vec<Value>) {
        self.group.flat(values);
        match &self.outcome {
            Ok(members) => {
                GroupError::SUCCESS.flat(values);
                members.flat(values);
            }
            Err(error) => error.flat(values),
        }
    }
}

macro_rules! bodies {
    ($name:ident { $($empty:ident),* ; $($full:ident),* }) => {
        impl Flat for $name<'_> {
            fn flat(&self, values: &mut Vec<Value>) {
                match self {
                    $(Self::$empty => {})*
                    $(Self::$full(body) => body.flat(values),)*
                    other => panic!("{other:?}: not in this table"),
                }
            }
        }
    };
}

bodies!(Request {
    Ack, GetContactList, Logout, UpdateUser, GetServerList, GetRemoteContactList;
    NewUin, Login, KeepAlive, ChangeStatus, UpdateContact, ModifyUser, SendMessage, SearchRandom, SearchCustom,
    AddFriend, DelFriend, BroadcastMessage, GetGroupList, SearchGroup, CreateGroup, EnterGroup, ExitGroup, GroupStart,
    GroupMessage, GroupCommand, Typing, Read, Resume, Relay
});

bodies!(Reply {
    Ack;
    NewUin, GetContactList, Login, KeepAlive, UpdateContact, UpdateUser, AddFriend, GetServerList, GetGroupList,
    SearchGroup, GetRemoteContactList, CreateGroup, EnterGroup, GroupMessage, UserOnline, UserOffline, MultiOnline,
    StatusChanged, Message, Search, Typing, Read, Delivered, Sent, Refused, Resume, Relay, RelayOffered, GroupTypes,
    GroupEntered, GroupExited
});

/// The fields of a message's text, as the files have them.
pub(crate) fn parts(message: &Message<'_>) -> Vec<String> {
    let number = |number: u16| hex::encode(number.to_string());
    match *message {
        Message::Text { words, font: None } | Message::AutoReply { words } => vec![hex::encode(words)],
        Message::Text { words, font: Some(font) } => {
            [words, font.name, font.size, font.color, font.background].map(hex::encode).to_vec()
        }
        Message::AuthRequest { face, nick, reason } => {
            vec![number(u16::from(face.0)), hex::encode(nick), hex::encode(reason)]
        }
        Message::AuthRejected { reason } => vec![hex::encode(reason)],
        Message::TcpRequest { session, reason, port } => vec![hex::encode(session), hex::encode(reason), number(port)],
        Message::TcpAccepted { session, port } => vec![hex::encode(session), number(port)],
        ref other => panic!("{other:?}: a kind without fields"),
    }
}
