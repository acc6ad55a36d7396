//! What the hub and its frontends say to each other, and what the hub asks of its surroundings.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use myicq_wire::charset::Charset;
use myicq_wire::{Authorization, Face, GroupError, GroupId, Ipv4, MessageKind, RelayPass, Status, Uin, UnixTime};

use super::password::Password;
use super::receipts::{Accepted, Receipt};
use super::refusal::Refusal;
use crate::board::Listing;
use crate::store::{Card, Message, MessageId, Profile};

/// A session as the hub knows it: chosen by the frontend, never used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SessionKey {
    /// Whose session it is.
    pub uin: Uin,
    /// Where the frontend keeps it. No two sessions that are open have the same slot; a slot has many, one after the other.
    pub slot: u32,
    /// Rises with each login, from 1.
    pub serial: u64,
}

/// A question of a session, whose answer carries it too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Question {
    /// Who asks.
    pub session: SessionKey,
    /// Which of his questions; the frontend's to choose.
    pub number: u32,
}

/// An attempt to register or to log in, before there is a session. The frontend's to choose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Attempt(pub u64);

/// Where a user can be found for a direct session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// His address as the server sees it.
    pub ip: IpAddr,
    /// The TCP port on which he listens.
    pub port: u16,
    /// The address that he himself believes to have.
    pub real_ip: Ipv4,
}

/// A user as those see him who have him on their lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Presence {
    /// Who.
    pub uin: Uin,
    /// What he is shown as: never invisible, never offline.
    pub status: Status,
    /// Where.
    pub place: Place,
}

/// What a session asks.
#[derive(Debug)]
pub enum Ask<'a> {
    /// The contact list: [`Answer::Contacts`].
    Contacts,
    /// Somebody's profile: [`Answer::Profile`].
    Profile(Uin),
    /// To have another profile, and perhaps another password: [`Answer::Done`].
    ModifyProfile(Arc<Profile>, Option<Password>),
    /// To be shown differently: [`Answer::Done`].
    ChangeStatus(Status),
    /// To have somebody on the list: [`Answer::Added`].
    AddContact(Uin),
    /// To have somebody off the list: [`Answer::Done`].
    RemoveContact(Uin),
    /// To say something to somebody: [`Answer::Sent`] once it is delivered or stored.
    Send {
        /// To whom.
        to: Uin,
        /// Which kind.
        kind: MessageKind,
        /// The text.
        text: Cow<'a, [u8]>,
        /// Its charset.
        charset: Charset,
    },
    /// To have said that the user has read what somebody said, up to a message: [`Answer::Done`].
    Read {
        /// Whose messages.
        from: Uin,
        /// The last of them.
        up_to: MessageId,
    },
    /// To have somebody told that the user types a message to him, or has stopped: [`Answer::Done`], whether he is told or not.
    Typing {
        /// Whom.
        to: Uin,
        /// Whether he types.
        is_typing: bool,
    },
    /// To have a relay to somebody: [`Answer::Relay`].
    Relay(Uin),
    /// To find users: [`Answer::Found`].
    Search(Search),
    /// To say something to everybody, in UTF-8: [`Answer::Done`] once it is stored. Only [`Uin::ADMINISTRATOR`] may.
    Broadcast(String),
    /// The groups of a type: [`Answer::Groups`].
    Groups(u16),
    /// One group: [`Answer::Group`].
    Group(GroupId),
    /// To have a new group, and be in it: [`Answer::Created`].
    CreateGroup {
        /// Its type: the position in the list of types, from 0.
        group_type: u16,
        /// How it is to be called.
        name: String,
        /// What others must know to enter; empty for none.
        password: Password,
    },
    /// To be in a group: [`Answer::Entered`].
    EnterGroup {
        /// Which.
        group: GroupId,
        /// Its password.
        password: Password,
    },
    /// To be in a group no more: [`Answer::Done`], also when one was not in it.
    ExitGroup(GroupId),
    /// To say something to a group: [`Answer::Done`] once it is on its way to each of the others in it.
    SayToGroup {
        /// To which.
        group: GroupId,
        /// The text.
        text: Vec<u8>,
        /// Its charset.
        charset: Charset,
    },
}

/// Whom to look for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Search {
    /// The user of this number.
    Number(Uin),
    /// Users who call themselves so and have this e-mail address, by rising number. What is empty is not asked for.
    Words {
        /// The whole nick, or empty.
        nick: String,
        /// The whole address, or empty.
        email: String,
        /// Only those with a higher number.
        after: Uin,
    },
    /// Some of those who are here and show it, but for who asks.
    Random,
}

/// Somebody who is in a group, as the others see him there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Who.
    pub uin: Uin,
    /// His picture.
    pub face: Face,
    /// His name, in UTF-8.
    pub nick: String,
}

/// What happens in a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupNews {
    /// Somebody entered it.
    Entered(GroupId, Member),
    /// Somebody left it.
    Exited(GroupId, Uin),
    /// Somebody says something in it.
    Said {
        /// In which.
        group: GroupId,
        /// Who.
        from: Uin,
        /// When the server took it.
        time: UnixTime,
        /// The text.
        text: Vec<u8>,
        /// Its charset.
        charset: Charset,
    },
}

impl GroupNews {
    /// In which group.
    pub fn group(&self) -> GroupId {
        let (Self::Entered(group, _) | Self::Exited(group, _) | Self::Said { group, .. }) = *self;
        group
    }
}

/// What the hub answers.
#[derive(Debug)]
pub enum Answer {
    /// It is so from now on.
    Done,
    /// A message is delivered or stored.
    Sent {
        /// Which number it has.
        id: MessageId,
        /// Whether it has reached its recipient, and the sender may know.
        is_delivered: bool,
    },
    /// The list, by rising number.
    Contacts(Vec<Uin>),
    /// The profile, if there is such a user.
    Profile(Uin, Option<Arc<Profile>>),
    /// Whether somebody is on the list now.
    Added(Uin, Authorization),
    /// A relay is open, and the other has been told.
    Relay(RelayPass),
    /// Those who were found, and whether each is here and shows it.
    Found(Vec<(Card, bool)>),
    /// The groups, by rising number.
    Groups(Vec<Listing>),
    /// The group.
    Group(Listing),
    /// The new group.
    Created(GroupId),
    /// Who is in the group, the one who entered among them; or why he is not.
    Entered(GroupId, Result<Vec<Member>, GroupError>),
    /// It is not so, and nothing has changed.
    Refused(Refusal),
}

/// What the hub says to a session of its own accord.
#[derive(Debug)]
pub enum Tell {
    /// Somebody says something. The frontend reports what became of it by [`super::Hub::handle_delivered`] or
    /// [`super::Hub::handle_undelivered`].
    Message(Arc<Message>),
    /// Contacts who are here, to begin with.
    Here(Vec<Presence>),
    /// A contact came.
    Came(Presence),
    /// A contact went.
    Gone(Uin),
    /// A contact is shown differently now.
    StatusChanged(Uin, Status),
    /// What a contact does with messages.
    Receipt(Receipt),
    /// Somebody has asked for a relay to one.
    Relay(Uin, RelayPass),
    /// Something happens in a group. Not to be reported: it comes at most once.
    Group(Arc<GroupNews>),
    /// Another session took this one's place. It is over.
    Replaced,
}

/// What the hub wants done by the frontend, in this order.
#[derive(Debug)]
pub enum Effect {
    /// Tell a session something.
    Tell(SessionKey, Tell),
    /// Tell several sessions the same.
    TellAll(Vec<SessionKey>, Tell),
    /// Answer a session's question.
    Answer(Question, Answer),
    /// A login was right, or not.
    LoggedIn(Attempt, Result<(), LoginRefusal>),
    /// A registration has a number, and the password comes back; or it is refused. Whoever the number belongs to is to
    /// [expect](super::Hub::expect_newcomer) the newcomer before his client hears of it.
    Registered(Attempt, Result<(Uin, Password), RegistrationRefusal>),
    /// A newcomer whose address was proven is a user now; or he is not, because his number is another's.
    Arrived(Uin, bool),
    /// So many messages were forgotten, because nobody had come for them.
    Expired(u64),
    /// There is no such user any more: his sessions are over, and what he began to log in is not answered. The hub has forgotten him.
    Removed(Uin),
}

/// Why a login is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoginRefusal {
    /// There is no such user.
    NoSuchUser,
    /// The password is wrong.
    WrongPassword,
    /// Nothing is known: the disk failed, or too many are waiting. The client will ask again.
    Unavailable,
    /// Nothing is known: there were too many wrong ones for this user, or from this address. The client will ask again.
    TooOften,
}

/// Why nobody is registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegistrationRefusal {
    /// Nobody may register from that address.
    Closed,
    /// Too many have registered from that address.
    TooOften,
    /// The password cannot be one, or the disk failed.
    Failed,
    /// Too many are waiting. The client will ask again.
    Busy,
}

/// Something for the owner of a user. Users belong to shards by their number, and what one does to another goes by letter, so that
/// it does not matter whether both belong to the same one.
#[derive(Debug)]
pub struct Letter {
    /// For whose owner; [`Uin::NONE`] where a shard itself is meant.
    pub to: Uin,
    /// What.
    pub content: Content,
}

/// What a letter says.
#[derive(Debug)]
pub enum Content {
    /// Deliver this to your user.
    Deliver {
        /// From whom.
        from: Uin,
        /// Which kind.
        kind: MessageKind,
        /// The text.
        text: Box<[u8]>,
        /// Its charset.
        charset: Charset,
        /// Who waits for the verdict; nobody for what the server says itself.
        sender: Option<Question>,
    },
    /// What became of what your user's session said to somebody, or to a group, which gives its messages no number.
    Verdict(Question, Result<Option<Accepted>, Refusal>),
    /// What somebody who shows himself does with messages of your user.
    Receipt(Receipt),
    /// Somebody, by this question, wants a relay to your user.
    AskRelay(Question),
    /// The relay that your user asked for by this question.
    Relay(Question, RelayPass),
    /// This user is on your user's list from now on.
    Listed(Uin),
    /// This user was on your user's list, and has been removed from the server.
    Unlisted(Uin),
    /// This user wants to see yours come and go from now on.
    Watch(Uin),
    /// He does not any more.
    Unwatch(Uin),
    /// Whom these of your users see.
    Seen(Box<[Uin]>, Sight),
    /// Tell this to all of your users.
    Broadcast(Arc<Message>),
    /// Somebody wants to enter a group of yours.
    EnterGroup {
        /// Which.
        group: GroupId,
        /// Who, as he is to be shown there.
        member: Member,
        /// What he takes for its password.
        password: Password,
        /// By which question.
        question: Question,
    },
    /// What became of that.
    Entered(Question, GroupId, Result<Vec<Member>, GroupError>),
    /// Somebody leaves a group of yours.
    ExitGroup(GroupId, Uin),
    /// Somebody says something to a group of yours.
    SayToGroup {
        /// To which.
        group: GroupId,
        /// The text.
        text: Vec<u8>,
        /// Its charset.
        charset: Charset,
        /// By which question.
        question: Question,
    },
    /// Something happens in a group in which these of your users are.
    GroupNews(Box<[Uin]>, Arc<GroupNews>),
}

/// What is seen of a user who is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// He was here when the watching began.
    Here(Presence),
    /// He came.
    Came(Presence),
    /// He is shown differently.
    Status(Uin, Status),
    /// He went.
    Gone(Uin),
}
