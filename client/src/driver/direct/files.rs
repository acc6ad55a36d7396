//! Files that are offered and files on their way: who is told what, and whose task it is.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use myicq_wire::Uin;
use tokio::sync::{mpsc, oneshot, watch};

use super::transfer::{Context, Signal};
use super::{Direct, Places, transfer};
use crate::account::{Delivery, Ticket};
use crate::driver::Client;
use crate::driver::session::Ask;
use crate::driver::system::{Clock, spawn};
use crate::error::{Misuse, RequestError};
use crate::event::{Event, TransferId};
use crate::message::Message;

/// What the session is for, in TCP_REQUEST and TCP_ACCEPTED.
pub(super) const SEND_FILE: &str = "sendfile";

/// How many offers may wait for an answer; beyond it the oldest is forgotten.
const MAX_OFFERS: usize = 64;

/// How many files may be on their way at once.
const MAX_TRANSFERS: usize = 64;

/// How many events of transfers may wait for the session's task.
const MAX_EVENTS: usize = 64;

/// A file to be offered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileOffer {
    /// Where it is. Its last part is the name that it is offered under.
    pub path: PathBuf,
    /// What is said along; its name and its size unless set, which is all that the other one can see before he accepts.
    pub reason: Option<String>,
}

/// How an offered file is accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcceptFile {
    /// The folder where it is to be. No other file there is written over.
    pub folder: PathBuf,
    /// The most bytes that it may have.
    pub max_size: u64,
}

/// What a handle asks about files.
#[derive(Debug)]
pub(in crate::driver) enum FileAsk {
    Offer { to: Uin, offer: FileOffer, client: Client },
    Accept { transfer: TransferId, accept: AcceptFile, client: Client },
    Refuse { transfer: TransferId, client: Client },
    Cancel { transfer: TransferId },
}

/// Says by which transfer it is done, or why it is not.
pub(in crate::driver) type FileWaiter = oneshot::Sender<Result<TransferId, Misuse>>;

/// What somebody offers.
#[derive(Debug)]
struct Offered {
    from: Uin,
    port: u16,
}

#[derive(Debug)]
struct Transfer {
    with: Uin,
    is_sending: bool,
    signals: mpsc::UnboundedSender<Signal>,
}

/// The files of one session.
#[derive(Debug)]
pub(in crate::driver) struct Files {
    me: Uin,
    clock: Clock,
    direct: Option<Direct>,
    places: watch::Receiver<Places>,
    offers: BTreeMap<TransferId, Offered>,
    transfers: HashMap<TransferId, Transfer>,
    last_id: u64,
    events: (mpsc::Sender<Event>, mpsc::Receiver<Event>),
}

impl Files {
    pub(super) fn new(me: Uin, clock: Clock, direct: Option<Direct>, places: watch::Receiver<Places>) -> Self {
        let (offers, transfers, events) = (BTreeMap::new(), HashMap::new(), mpsc::channel(MAX_EVENTS));
        Self { me, clock, direct, places, offers, transfers, last_id: 0, events }
    }

    /// What a transfer tells.
    ///
    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> Event {
        match self.events.1.recv().await {
            Some(event) => {
                if let Event::FileDone { transfer, .. } | Event::FileFailed { transfer, .. } = &event {
                    self.transfers.remove(transfer);
                }
                event
            }
            // A sender is kept here, so there is always one.
            None => std::future::pending().await,
        }
    }

    /// Makes an offer of a message that is one, and keeps what is for a transfer: then its ticket is to be confirmed.
    pub(super) fn on_delivery(&mut self, delivery: Delivery) -> Result<Delivery, Option<Ticket>> {
        let Delivery { event, ticket } = delivery;
        let event = match event {
            Event::Message { from, domain: None, message: Message::TcpRequest { session, reason, port }, .. }
                if session == SEND_FILE =>
            {
                let transfer = self.number();
                self.offers.insert(transfer, Offered { from, port });
                if self.offers.len() > MAX_OFFERS {
                    self.offers.pop_first();
                }
                Event::FileOffered { transfer, from, reason }
            }
            Event::Message { from, message: Message::TcpAccepted { ref session, port }, .. }
                if session == SEND_FILE && self.signal(from, true, || Signal::Accepted(port)) =>
            {
                return Err(ticket);
            }
            Event::Message { from, message: Message::TcpRejected { ref session }, .. }
                if session == SEND_FILE && self.signal(from, true, || Signal::Refused) =>
            {
                return Err(ticket);
            }
            Event::RelayOffered { from, pass } if self.signal(from, false, || Signal::Relayed(pass)) => {
                return Err(ticket);
            }
            event => event,
        };
        Ok(Delivery { event, ticket })
    }

    /// Tells a transfer with somebody something. `false` if there is none.
    fn signal(&self, with: Uin, is_sending: bool, signal: impl FnOnce() -> Signal) -> bool {
        let transfer =
            self.transfers.values().find(|transfer| transfer.with == with && transfer.is_sending == is_sending);
        transfer.is_some_and(|transfer| transfer.signals.send(signal()).is_ok())
    }

    pub(in crate::driver) fn on_ask(&mut self, ask: FileAsk, waiter: FileWaiter) {
        let done = match ask {
            FileAsk::Offer { to, offer, client } => self.offer(to, offer, client),
            FileAsk::Accept { transfer, accept, client } => self.accept(transfer, accept, client),
            FileAsk::Refuse { transfer, client } => self.refuse(transfer, client),
            FileAsk::Cancel { transfer } => self.cancel(transfer),
        };
        // Who has stopped waiting does not want to know.
        let _ = waiter.send(done);
    }

    fn offer(&mut self, to: Uin, offer: FileOffer, client: Client) -> Result<TransferId, Misuse> {
        let id = self.number();
        let context = self.begin(id, to, true, client)?;
        spawn(transfer::send(context, offer));
        Ok(id)
    }

    fn accept(&mut self, id: TransferId, accept: AcceptFile, client: Client) -> Result<TransferId, Misuse> {
        let (from, port) =
            self.offers.get(&id).map(|offered| (offered.from, offered.port)).ok_or(Misuse::NoTransfer)?;
        let context = self.begin(id, from, false, client)?;
        self.offers.remove(&id);
        spawn(transfer::receive(context, port, accept));
        Ok(id)
    }

    fn refuse(&mut self, id: TransferId, client: Client) -> Result<TransferId, Misuse> {
        let offered = self.offers.remove(&id).ok_or(Misuse::NoTransfer)?;
        spawn(async move {
            let refused = Message::TcpRejected { session: SEND_FILE.to_owned() };
            // If it does not arrive, the other side waits until it has waited enough.
            drop(client.send_message(offered.from, &refused).await);
        });
        Ok(id)
    }

    fn cancel(&mut self, id: TransferId) -> Result<TransferId, Misuse> {
        let transfer = self.transfers.get(&id).ok_or(Misuse::NoTransfer)?;
        transfer.signals.send(Signal::Cancel).map_err(|_| Misuse::NoTransfer)?;
        Ok(id)
    }

    /// A place for one more transfer. What TCP_ACCEPTED answers is not said in it, so there is one at a time with the same user in the same
    /// direction.
    fn begin(&mut self, id: TransferId, with: Uin, is_sending: bool, client: Client) -> Result<Context, Misuse> {
        let direct = self.direct.clone().ok_or(Misuse::NotDirect)?;
        let is_busy = |transfer: &Transfer| transfer.with == with && transfer.is_sending == is_sending;
        if self.transfers.len() >= MAX_TRANSFERS || self.transfers.values().any(is_busy) {
            return Err(Misuse::FileOnItsWay);
        }
        let (signals, from_here) = mpsc::unbounded_channel();
        self.transfers.insert(id, Transfer { with, is_sending, signals });
        Ok(Context {
            id,
            me: self.me,
            with,
            client,
            clock: self.clock,
            direct,
            places: self.places.clone(),
            signals: from_here,
            events: self.events.0.clone(),
        })
    }

    fn number(&mut self) -> TransferId {
        self.last_id += 1;
        TransferId(self.last_id)
    }

    /// The session has ended, and with it every transfer. That is the last event, so none of them tells.
    pub(super) fn close(&mut self) {
        self.offers.clear();
        self.transfers.clear();
    }
}

impl Client {
    /// Offers a file to somebody, who must be here and have this user on his list, as this user has him: who is not seen cannot be connected
    /// to. Events of this transfer tell how it goes: [`Event::FileStarted`], [`Event::FileProgress`], and in the end
    /// [`Event::FileDone`] or [`Event::FileFailed`]. One that was cut off goes on where it was when the same file is offered again.
    ///
    /// A file on its way keeps the session open, as a handle does.
    ///
    /// Cancel-safe: dropped before it returns, the file may be offered.
    ///
    /// # Errors
    /// [`Misuse::NotDirect`], [`Misuse::FileOnItsWay`]; [`RequestError::Ended`].
    pub async fn offer_file(&self, to: Uin, offer: FileOffer) -> Result<TransferId, RequestError> {
        self.ask_files(FileAsk::Offer { to, offer, client: self.clone() }).await
    }

    /// Accepts an offered file: events tell how it goes, as with [`Client::offer_file`].
    ///
    /// Cancel-safe: dropped before it returns, the file may come.
    ///
    /// # Errors
    /// [`Misuse::NoTransfer`], [`Misuse::NotDirect`], [`Misuse::FileOnItsWay`]; [`RequestError::Ended`].
    pub async fn accept_file(&self, transfer: TransferId, accept: AcceptFile) -> Result<(), RequestError> {
        self.ask_files(FileAsk::Accept { transfer, accept, client: self.clone() }).await.map(drop)
    }

    /// Refuses an offered file. COMPAT: a client of 2003 refuses by saying nothing.
    ///
    /// Cancel-safe: dropped before it returns, it may be refused.
    ///
    /// # Errors
    /// [`Misuse::NoTransfer`]; [`RequestError::Ended`].
    pub async fn refuse_file(&self, transfer: TransferId) -> Result<(), RequestError> {
        self.ask_files(FileAsk::Refuse { transfer, client: self.clone() }).await.map(drop)
    }

    /// Gives up a file on its way, in either direction. What has come of it stays for the next try.
    ///
    /// Cancel-safe: dropped before it returns, it may be given up.
    ///
    /// # Errors
    /// [`Misuse::NoTransfer`]; [`RequestError::Ended`].
    pub async fn cancel_file(&self, transfer: TransferId) -> Result<(), RequestError> {
        self.ask_files(FileAsk::Cancel { transfer }).await.map(drop)
    }

    async fn ask_files(&self, ask: FileAsk) -> Result<TransferId, RequestError> {
        let (waiter, done) = oneshot::channel();
        let ended = |_| RequestError::Ended(self.reason());
        self.asks.send(Ask::Files(ask, waiter)).await.map_err(|_| RequestError::Ended(self.reason()))?;
        Ok(done.await.map_err(ended)??)
    }
}
