//! The handle that asks.

use std::sync::Arc;
use std::time::Duration;

use myicq_wire::{Authorization, Capabilities, Status, Uin};
use tokio::sync::{mpsc, oneshot, watch};

use super::Builder;
use super::direct::DirectStats;
use super::relay::Way;
use super::session::{Ask, Ended};
use crate::account::{Answer, Arrival, OwnProfile, RemoteContacts, Request};
use crate::error::{EndReason, RequestError};
use crate::message::Message;
use crate::password::Password;
use crate::profile::Profile;
use crate::seen::SeenMessages;

/// A user's connection to a server. Clones are cheap and speak for the same one; when the last one is dropped, it logs out.
///
/// Where the server does not answer any more, another session is opened: see [`Builder::reconnect`]. Requests made meanwhile wait for it.
///
/// Each function is cancel-safe in this sense: when its future is dropped before the request was handed to the session,
/// nothing is sent; when it is dropped later, the request runs its course and only the answer is lost. Requests are
/// handled in the order in which they were handed over.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) uin: Uin,
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) ended: watch::Receiver<Option<Ended>>,
    pub(super) way: Arc<Way>,
}

impl Client {
    /// Begins a session with, or a registration at, the server at `address`: "host:port".
    pub fn builder(address: impl Into<String>) -> Builder {
        Builder::new(address.into())
    }

    /// Who is logged in.
    pub fn uin(&self) -> Uin {
        self.uin
    }

    /// Says something to somebody.
    ///
    /// Cancel-safe: dropped before it returns, the message may or may not be on its way.
    ///
    /// # Errors
    /// [`RequestError::Misuse`] for a text that cannot be sent; [`RequestError::Ended`].
    pub async fn send(&self, to: Uin, text: impl Into<String>) -> Result<Receipt, RequestError> {
        self.send_message(to, &Message::text(text)).await
    }

    /// Says something of any kind to somebody; else as [`Client::send`].
    ///
    /// Cancel-safe: as [`Client::send`].
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_message(&self, to: Uin, message: &Message) -> Result<Receipt, RequestError> {
        self.ask(Request::send(to, message)?).await
    }

    /// The contacts on this server.
    ///
    /// Cancel-safe: it changes nothing.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn contacts(&self) -> Result<Vec<Uin>, RequestError> {
        match self.answer(Request::contacts()).await? {
            Answer::Contacts(contacts) => Ok(contacts),
            _ => Err(RequestError::NoReply),
        }
    }

    /// The contacts on other servers, and the name of this one.
    ///
    /// Cancel-safe: it changes nothing.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn remote_contacts(&self) -> Result<RemoteContacts, RequestError> {
        match self.answer(Request::remote_contacts()).await? {
            Answer::RemoteContacts(contacts) => Ok(contacts),
            _ => Err(RequestError::NoReply),
        }
    }

    /// Puts somebody on the contact list. [`Authorization::ANYONE`]: done. [`Authorization::REQUIRED`]: he wants to be asked
    /// first, with [`Message::AuthRequest`]. [`Authorization::NOBODY`]: he does not want it.
    ///
    /// Cancel-safe: dropped after the request was handed over, the contact may be on the list; asking again does no harm.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn add(&self, uin: Uin) -> Result<Authorization, RequestError> {
        match self.answer(Request::add(uin)?).await? {
            Answer::Added(result) => Ok(result),
            _ => Err(RequestError::NoReply),
        }
    }

    /// Takes somebody off the contact list.
    ///
    /// Cancel-safe: as [`Client::add`].
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn remove(&self, uin: Uin) -> Result<(), RequestError> {
        self.answer(Request::remove(uin)?).await.map(drop)
    }

    /// Changes what contacts see: online, away or invisible.
    ///
    /// Cancel-safe: as [`Client::add`].
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn set_status(&self, status: Status) -> Result<(), RequestError> {
        self.answer(Request::status(status)?).await.map(drop)
    }

    /// Somebody's profile.
    ///
    /// Cancel-safe: it changes nothing.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn profile(&self, uin: Uin) -> Result<Profile, RequestError> {
        match self.answer(Request::profile(uin)?).await? {
            Answer::Profile(profile) => Ok(*profile),
            _ => Err(RequestError::NoReply),
        }
    }

    /// One's own profile.
    ///
    /// Cancel-safe: it changes nothing.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn own_profile(&self) -> Result<OwnProfile, RequestError> {
        match self.answer(Request::own_profile()).await? {
            Answer::OwnProfile(profile) => Ok(*profile),
            _ => Err(RequestError::NoReply),
        }
    }

    /// Replaces one's own profile, all of it, and how one wants to be added, and the password if there is one here.
    ///
    /// Cancel-safe: dropped after the request was handed over, the change may be made; asking again does no harm.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn modify(
        &self,
        profile: &Profile,
        authorization: Authorization,
        password: Option<Password>,
    ) -> Result<(), RequestError> {
        self.answer(Request::modify(profile, authorization, password)?).await.map(drop)
    }

    /// Says that one has read what somebody said, up to the message with this number. Without effect in a session without receipts.
    ///
    /// Cancel-safe: it may be said or not.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn read(&self, from: Uin, up_to: u64) -> Result<(), RequestError> {
        self.answer(Request::read(from, up_to)?).await.map(drop)
    }

    /// Says that one types a message to somebody, or has stopped. Without effect in a session without receipts.
    ///
    /// Cancel-safe: it may be said or not.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn typing(&self, to: Uin, is_typing: bool) -> Result<(), RequestError> {
        self.answer(Request::typing(to, is_typing)?).await.map(drop)
    }

    /// Ends the session and returns when the LOGOUT has been sent. Requests without an answer get none any more. Says why
    /// the session ended, if that had happened before.
    ///
    /// Cancel-safe: once the session has taken it, which may have to wait for earlier requests, the session ends.
    pub async fn logout(&self) -> EndReason {
        // If nobody takes it, the session has ended already.
        let _ = self.asks.send(Ask::LogOut).await;
        self.ended().await
    }

    /// Waits until the session has ended, and says why.
    ///
    /// Cancel-safe: it changes nothing.
    pub async fn ended(&self) -> EndReason {
        let mut ended = self.ended.clone();
        // An error says that the task is gone, and that is after the end as well.
        let _ = ended.wait_for(Option::is_some).await;
        self.reason()
    }

    /// Returns when nothing of the connection is under way any more.
    #[cfg(feature = "blocking")]
    pub(crate) fn task_over(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut ended = self.ended.clone();
        async move { while ended.changed().await.is_ok() {} }
    }

    /// Why the session ended.
    pub(super) fn reason(&self) -> EndReason {
        reason(&self.ended)
    }

    /// Once the session has ended: which messages were shown, for the [next session](Builder::seen) of this user.
    pub fn seen(&self) -> Option<SeenMessages> {
        self.ended.borrow().as_ref().map(|ended| ended.seen.clone())
    }

    /// How many direct sessions have ended, and why; `None` once the session has ended.
    ///
    /// Cancel-safe: it changes nothing.
    pub async fn direct_stats(&self) -> Option<DirectStats> {
        let (waiter, stats) = oneshot::channel();
        self.asks.send(Ask::DirectStats(waiter)).await.ok()?;
        stats.await.ok()
    }

    /// How the connection is now; `None` once it has ended.
    ///
    /// Cancel-safe: it changes nothing.
    pub async fn health(&self) -> Option<Health> {
        let (waiter, health) = oneshot::channel();
        self.asks.send(Ask::Health(waiter)).await.ok()?;
        health.await.ok()
    }

    pub(super) async fn answer(&self, request: Request) -> Result<Answer, RequestError> {
        self.ask(request).await?.answer().await
    }

    pub(super) async fn ask(&self, request: Request) -> Result<Receipt, RequestError> {
        let (waiter, answer) = oneshot::channel();
        let receipt = Receipt { answer, ended: self.ended.clone() };
        match self.asks.send(Ask::Request(request, waiter)).await {
            Ok(()) => Ok(receipt),
            Err(_) => Err(receipt.ended()),
        }
    }
}

/// How a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Health {
    /// Whether a session is open and the server answers in it. What one knows of others is as old as this is `false`.
    pub is_answering: bool,
    /// How long ago the server was heard.
    pub last_heard: Option<Duration>,
    /// The smoothed round trip to it.
    pub round_trip: Option<Duration>,
    /// What the server grants in this session.
    pub granted: Capabilities,
    /// How many users are online, as the server last said.
    pub online_users: u32,
}

/// Something that was handed over to be sent.
#[derive(Debug)]
pub struct Receipt {
    answer: oneshot::Receiver<Result<Answer, RequestError>>,
    ended: watch::Receiver<Option<Ended>>,
}

impl Receipt {
    /// Returns when it is acknowledged, and says how far it has come: see [`Arrival`].
    ///
    /// Cancel-safe: the message is sent whether or not anybody waits for the verdict.
    ///
    /// # Errors
    /// [`RequestError::Refused`]: it will not arrive, and why. [`RequestError::NotAcknowledged`]: refused, or lost on the way.
    /// [`RequestError::Unknown`] and [`RequestError::Ended`]: nobody knows.
    pub async fn acknowledged(self) -> Result<Arrival, RequestError> {
        match self.answer().await? {
            Answer::Arrived(arrival) => Ok(arrival),
            _ => Ok(Arrival::Accepted),
        }
    }

    async fn answer(mut self) -> Result<Answer, RequestError> {
        match (&mut self.answer).await {
            Ok(answer) => answer,
            Err(_) => Err(self.ended()),
        }
    }

    fn ended(&self) -> RequestError {
        RequestError::Ended(reason(&self.ended))
    }
}

/// Why the session ended; [`EndReason::Lost`] if its task vanished with its runtime.
fn reason(ended: &watch::Receiver<Option<Ended>>) -> EndReason {
    ended.borrow().as_ref().map_or(EndReason::Lost, |ended| ended.reason)
}
