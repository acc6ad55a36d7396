//! What outlives the process: users, contact lists, and messages for those who are away.
//!
//! The hub asks with a [`Request`] and gets a [`Reply`] with the same ticket. What touches one mailbox, one contact list or one
//! account is done and answered in the order in which it was asked, each request seeing the earlier ones ([`run`]); and a
//! write is answered when it is on the disk, not before: the server's acknowledgements stand on it.

mod database;
mod folder;
mod lanes;
mod ledger;
mod memory;
mod order;
mod postgres;
mod run;
mod sqlite;

pub use database::{Database, DatabaseReader, OpenError};
pub use memory::MemoryStore;
pub use postgres::{DatabaseUrl, PostgresReader, PostgresStore};
pub use run::run;
pub use sqlite::{BackupError, SqliteReader, SqliteStore};

use std::sync::Arc;

use myicq_wire::charset::Charset;
use myicq_wire::{Authorization, Face, MessageKind, Uin, UnixTime};

/// The highest number that the administrator may choose for a user. Registrations go on from the highest one there is, so the upper
/// half is theirs: otherwise one user 4294967295 would be the last for ever.
pub const CHOSEN_UIN_MAX: Uin = Uin(1 << 31);

/// Microseconds of a day.
const DAY: u64 = 24 * 60 * 60 * 1_000_000;

/// Ties a reply to its request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// The number of a message: unique, and rising in the order in which the server took the messages of one recipient.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MessageId(pub u64);

impl MessageId {
    /// The day on which the server took the message, from 1970 on: its numbers are microseconds of the clock.
    pub const fn day(self) -> u64 {
        self.0 / DAY
    }
}

/// How much is kept for those who are away, at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Messages for one recipient.
    pub messages: usize,
    /// Bytes of their texts.
    pub bytes: usize,
    /// Messages from one sender for one recipient.
    pub of_pair: usize,
    /// Messages from one sender, for all recipients together, that the server took on one [day](MessageId::day). Where requests are done
    /// in another order than they were asked, it is another message that has no room.
    pub of_sender_in_a_day: usize,
}

impl Room {
    /// For whatever comes.
    pub const UNLIMITED: Self =
        Self { messages: usize::MAX, bytes: usize::MAX, of_pair: usize::MAX, of_sender_in_a_day: usize::MAX };
}

/// One thing to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Comes back with the reply.
    pub ticket: Ticket,
    /// What.
    pub work: Work,
}

/// What a store can do. The reply that each gets is named behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Work {
    /// Takes the next number, for a user who may come to be: [`Outcome::Reserved`]. Nobody else is ever given it, be he made or not.
    ReserveUin,
    /// Makes the user of a number that was reserved, with this password hash and an empty profile: [`Outcome::Created`] or
    /// [`Outcome::NotCreated`].
    CreateUser {
        /// His number.
        uin: Uin,
        /// The hash, as a PHC string.
        password_hash: String,
    },
    /// The password hash of a user: [`Outcome::Account`].
    LoadAccount {
        /// Whose.
        uin: Uin,
    },
    /// A user's profile: [`Outcome::Profile`].
    LoadProfile {
        /// Whose.
        uin: Uin,
    },
    /// What lists show of some users: [`Outcome::Cards`].
    LoadCards {
        /// Whose.
        uins: Vec<Uin>,
    },
    /// Users who call themselves so, and have this e-mail address; whether letters of ASCII are capitals does not count. What is empty is not
    /// asked for, and nobody is found where both are: [`Outcome::Cards`].
    SearchUsers {
        /// The whole nick, or empty.
        nick: String,
        /// The whole address, or empty.
        email: String,
        /// Only those with a higher number.
        after: Uin,
        /// How many at most.
        limit: usize,
    },
    /// Replaces a user's profile, and his password hash if there is a new one: [`Outcome::Done`].
    SaveProfile {
        /// Whose.
        uin: Uin,
        /// All of it.
        profile: Arc<Profile>,
        /// The new hash, as a PHC string.
        password_hash: Option<String>,
    },
    /// A user's contact list, by rising number: [`Outcome::Contacts`].
    LoadContacts {
        /// Whose.
        uin: Uin,
    },
    /// Puts somebody on a list if his profile lets anyone do so: [`Outcome::Added`].
    AddContact {
        /// Whose list.
        owner: Uin,
        /// Whom to put on it.
        contact: Uin,
        /// How long the list may become.
        max: usize,
    },
    /// Takes somebody off a list: [`Outcome::Done`], also when he was not on it.
    RemoveContact {
        /// Whose list.
        owner: Uin,
        /// Whom to take off.
        contact: Uin,
    },
    /// Notes that somebody asked to be allowed to add another: [`Outcome::Done`].
    RequestAuthorization {
        /// Who asked.
        asker: Uin,
        /// Whom.
        target: Uin,
    },
    /// Answers such a request, which is forgotten; if it is granted, the target comes on the asker's list: [`Outcome::Authorized`].
    AnswerAuthorization {
        /// Who had asked.
        asker: Uin,
        /// Who answers.
        target: Uin,
        /// Whether he may.
        granted: bool,
        /// How long the asker's list may become.
        max: usize,
    },
    /// Keeps a message for its recipient: [`Outcome::Stored`].
    StoreMessage {
        /// The message.
        message: Arc<Message>,
        /// What there is room for.
        room: Room,
    },
    /// The highest number of a message or broadcast that is kept: [`Outcome::LastMessage`].
    LoadLastMessage,
    /// Keeps something for everybody, but for those who come to be users later, and forgets what is too old: [`Outcome::Done`].
    StoreBroadcast {
        /// What. Its number is higher than those of all before it.
        broadcast: Broadcast,
        /// What is of this time or older is forgotten.
        expired: UnixTime,
        /// How many are kept at most. Beyond, the oldest are forgotten.
        max: usize,
    },
    /// The latest broadcasts: [`Outcome::Broadcasts`].
    LoadBroadcasts {
        /// How many at most.
        limit: usize,
    },
    /// Up to which broadcast a user has come: [`Outcome::LastBroadcast`].
    LoadLastBroadcast {
        /// Who.
        uin: Uin,
    },
    /// A user has read all broadcasts up to one, if he had not come further: [`Outcome::Done`].
    ReadBroadcast {
        /// Who.
        uin: Uin,
        /// Up to which.
        id: MessageId,
    },
    /// The oldest messages kept for a user: [`Outcome::Messages`].
    LoadMessages {
        /// For whom.
        recipient: Uin,
        /// Only those with a higher number.
        after: MessageId,
        /// How many at most.
        limit: usize,
    },
    /// Forgets a message that has reached its recipient: [`Outcome::Done`].
    DeleteMessage {
        /// Whose.
        recipient: Uin,
        /// Which.
        id: MessageId,
    },
    /// Forgets the oldest messages of all: [`Outcome::Count`] of them.
    ExpireMessages {
        /// Only those with a lower number.
        before: MessageId,
        /// How many at most.
        limit: usize,
    },
    /// How many messages are kept for all users together: [`Outcome::Count`].
    CountMessages,
    /// Makes a user for the administrator: [`Outcome::Created`] or [`Outcome::NotCreated`]. A number higher than all others is where
    /// registrations go on.
    AddUser {
        /// His number, from 1 to [`CHOSEN_UIN_MAX`]; `None`: the next one of a registration.
        uin: Option<Uin>,
        /// What he calls himself.
        nick: String,
        /// The hash, as a PHC string.
        password_hash: String,
    },
    /// Users by rising number: [`Outcome::Users`]. Passes the writes that wait.
    ListUsers {
        /// Only those with a higher number.
        after: Uin,
        /// How many at most.
        limit: usize,
    },
    /// Gives a user another password: [`Outcome::Found`].
    SetPassword {
        /// Whose.
        uin: Uin,
        /// The hash, as a PHC string.
        password_hash: String,
    },
    /// Removes a user, his list, him from the lists of others, and the messages that wait for him; not those that he wrote:
    /// [`Outcome::Removed`]. His number is given to nobody else unless the administrator chooses it.
    RemoveUser {
        /// Whom.
        uin: Uin,
    },
}

/// What became of a [`Request`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The request's.
    pub ticket: Ticket,
    /// What became of it.
    pub outcome: Outcome,
}

/// What can become of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Done, and on the disk.
    Done,
    /// The number, which is the caller's to use.
    Reserved(Uin),
    /// The new user's number.
    Created(Uin),
    /// The password hash, if there is such a user.
    Account(Option<String>),
    /// The profile, if there is such a user.
    Profile(Option<Arc<Profile>>),
    /// Those users that there are, by rising number.
    Cards(Vec<Card>),
    /// The list.
    Contacts(Vec<Uin>),
    /// Whether somebody is on the list now.
    Added(AddOutcome),
    /// Whether there was a request to answer.
    Authorized(bool),
    /// Whether the message is kept.
    Stored(Result<(), NotStored>),
    /// The number, 0 if no message is kept.
    LastMessage(MessageId),
    /// The messages, by rising number.
    Messages(Vec<Arc<Message>>),
    /// The broadcasts, by rising number.
    Broadcasts(Vec<Broadcast>),
    /// The number of the broadcast, 0 if there is none, or no such user.
    LastBroadcast(MessageId),
    /// How many there are.
    Count(u64),
    /// Why there is no such user now.
    NotCreated(NotCreated),
    /// The users.
    Users(Vec<UserSummary>),
    /// Whether there is such a user.
    Found(bool),
    /// How many messages waited for the user, if there was one.
    Removed(Option<u64>),
    /// The disk failed, or was full. Nothing has been changed.
    Failed,
}

/// What became of [`Work::AddContact`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddOutcome {
    /// On the list, since now.
    Added,
    /// On the list, since before.
    AlreadyThere,
    /// He wants to be asked, or to be left alone.
    Refused(Authorization),
    /// There is no such user.
    NoSuchUser,
    /// The list is as long as it may be.
    ListFull,
}

/// Why a message is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotStored {
    /// There is no such recipient.
    NoSuchUser,
    /// He has as many as may be kept, or as many bytes, or as many from this sender.
    MailboxFull,
    /// As many from this sender and of this day are kept as may be.
    DayFull,
}

/// Why the administrator's user was not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotCreated {
    /// There is one with this number.
    Taken,
    /// No user can be given this number.
    NotAllowed,
}

/// A user as the administrator sees him.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserSummary {
    /// His number.
    pub uin: Uin,
    /// What he calls himself.
    pub nick: String,
    /// When he was registered; whole seconds.
    pub created: UnixTime,
    /// How many are on his list.
    pub contacts: u32,
    /// How many messages wait for him.
    pub messages: u32,
}

/// A message from the moment the server took it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Message {
    /// Its number.
    pub id: MessageId,
    /// From whom.
    pub from: Uin,
    /// To whom.
    pub to: Uin,
    /// When it was taken.
    pub time: UnixTime,
    /// Which kind, and so what its text holds.
    pub kind: MessageKind,
    /// The text, as it came.
    pub text: Vec<u8>,
    /// The charset of the text.
    pub charset: Charset,
}

/// What the administrator says to everybody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broadcast {
    /// Its number, which no message has.
    pub id: MessageId,
    /// When it was said.
    pub time: UnixTime,
    /// What is said. UTF-8.
    pub text: String,
}

/// What lists of users show of each. Text is UTF-8.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the fields of docs/protocol.md, \"Profile\"")]
pub struct Card {
    pub uin: Uin,
    pub face: Face,
    pub nick: String,
    pub province: String,
}

/// What a user says of himself. Text is UTF-8 here; the frontends convert.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "the fields of docs/protocol.md, \"Profile\"")]
pub struct Profile {
    pub face: Face,
    pub nick: String,
    pub age: u8,
    pub gender: u8,
    pub country: String,
    pub province: String,
    pub city: String,
    pub email: String,
    pub address: String,
    pub zipcode: String,
    pub tel: String,
    pub name: String,
    pub blood: u8,
    pub college: String,
    pub occupation: String,
    pub homepage: String,
    pub intro: String,
    /// How the user wants to be added.
    pub auth: Authorization,
}

/// Does [`Request`]s.
pub trait Store {
    /// Does all of them in one commit, as if one after the other, and answers in their order when they are on the disk. A request
    /// that fails for the disk's sake fails alone where that can be told, otherwise with the whole batch: [`Outcome::Failed`]
    /// for each.
    fn commit(&mut self, batch: Vec<Request>) -> impl Future<Output = Vec<Reply>> + Send;
}
