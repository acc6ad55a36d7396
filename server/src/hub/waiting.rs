//! What the hub waits for, and how it goes on then.

use std::sync::Arc;

use myicq_wire::Uin;

use super::accounts::LoginStep;
use super::groups::Joining;
use super::messages::Sent;
use super::{Attempt, Password, Question, SessionKey};
use crate::store::{Broadcast, MessageId, Profile};

/// What a session, or the hub itself, needs of the store.
#[derive(Clone, Copy, Debug)]
pub(super) enum Load {
    LastMessage,
    Broadcasts,
    Account,
    Contacts,
    Messages,
    LastBroadcast,
    /// Nothing to be loaded, but somebody to be written.
    Newcomer(Uin),
}

/// What is to go on when an answer comes.
#[derive(Debug)]
pub(super) enum Waiting {
    Login(Attempt, LoginStep),
    Registration(Attempt, Password),
    NewcomerHash(Uin),
    Newcomer(Uin),
    Contacts(Question),
    OwnAccount(SessionKey),
    OwnContacts(SessionKey),
    Profile(Question, Uin),
    NewPassword {
        question: Question,
        uin: Uin,
        profile: Arc<Profile>,
    },
    /// Nothing but the answer.
    Done(Question),
    AddContact {
        question: Question,
        owner: Uin,
        contact: Uin,
    },
    RemoveContact {
        question: Question,
        owner: Uin,
        contact: Uin,
    },
    Authorization(Sent),
    Authorized {
        sent: Sent,
        asked: bool,
    },
    MessageStored(MessageId),
    /// So many, or fewer if there are no more.
    MessagesLoaded(SessionKey, usize),
    MessageDeleted,
    Expired,
    LastMessage,
    Search(Question),
    Joining(Question, Joining),
    Broadcast(Broadcaster, Broadcast),
    Broadcasts,
    LastBroadcast(SessionKey),
    BroadcastRead,
    /// The administrator, and whom he removes.
    Errand {
        number: u64,
        removed: Option<Uin>,
    },
}

/// Who wants to say something to everybody.
#[derive(Clone, Copy, Debug)]
pub(super) enum Broadcaster {
    Session(Question),
    /// By which of his questions.
    Operator(u64),
}
