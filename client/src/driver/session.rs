//! The task that drives one connection.

use std::collections::HashMap;
use std::io;

use tokio::sync::{mpsc, oneshot, watch};

use super::Health;
use super::direct::{DirectStats, FileAsk, FileWaiter, Input, Peers};
use super::system::{Clock, entropy};
use super::ways::{Ways, Word};
use crate::account::{Answer, Connection, Delivery, DirectId, Output, PathId, Request, RequestId, Ticket};
use crate::error::{EndReason, RequestError};
use crate::peer::MessageEvent;
use crate::seen::SeenMessages;

/// What a handle asks of the task.
#[derive(Debug)]
pub(super) enum Ask {
    Request(Request, Waiter),
    Files(FileAsk, FileWaiter),
    DirectStats(oneshot::Sender<DirectStats>),
    Health(oneshot::Sender<Health>),
    LogOut,
}

pub(super) type Waiter = oneshot::Sender<Result<Answer, RequestError>>;

/// How a session ended, and what it leaves to the next one.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) reason: EndReason,
    pub(super) seen: SeenMessages,
}

pub(super) struct Session {
    pub(super) ways: Ways,
    pub(super) clock: Clock,
    pub(super) connection: Connection,
    pub(super) peers: Peers,
    pub(super) asks: mpsc::Receiver<Ask>,
    /// Dropped after the last event, so that the stream ends.
    pub(super) deliveries: Option<mpsc::Sender<Delivery>>,
    pub(super) taken: mpsc::UnboundedReceiver<Ticket>,
    pub(super) ended: watch::Sender<Option<Ended>>,
    pub(super) logged_in: Option<oneshot::Sender<()>>,
    pub(super) waiters: HashMap<RequestId, Waiter>,
    pub(super) has_clients: bool,
    pub(super) has_reader: bool,
    /// Messages that the reader has not confirmed. The stream does not end before he has.
    pub(super) handed: usize,
}

/// What woke the task.
enum Wake {
    Word(Word),
    Ask(Option<Ask>),
    /// Something came directly, or from the task of a file.
    Direct(Input),
    Taken(Option<Ticket>),
    /// There is room for an event, or nobody who will ever want one.
    Room,
    Time,
}

impl Session {
    /// Runs until the session has ended and nobody waits for events any more.
    pub(super) async fn run(mut self) {
        let mut next = None;
        loop {
            self.transmit().await;
            self.settle();
            next = next.take().or_else(|| self.poll_delivery());
            if !self.has_reader {
                // Messages among them are not confirmed, so the server keeps them.
                while next.take().or_else(|| self.poll_delivery()).is_some() {}
            }
            while self.ask_for_peers() {
                self.transmit().await;
                self.settle();
            }
            if self.connection.ended().is_some() && next.is_none() {
                if self.handed == 0 {
                    self.deliveries = None;
                }
                if !self.has_reader {
                    return;
                }
            }
            match self.wake(next.is_some()).await {
                Wake::Word(word) => self.on_word(word),
                Wake::Ask(Some(Ask::Request(request, waiter))) => {
                    if let Some((request, waiter)) = self.peers.take(request, waiter) {
                        self.on_request(request, waiter);
                    }
                }
                Wake::Ask(Some(Ask::Files(ask, waiter))) => self.peers.files().on_ask(ask, waiter),
                // Who asked and has gone does not want to know.
                Wake::Ask(Some(Ask::DirectStats(waiter))) => drop(waiter.send(self.peers.stats())),
                Wake::Ask(Some(Ask::Health(waiter))) => {
                    if self.connection.ended().is_none() {
                        let _ = waiter.send(self.health());
                    }
                }
                Wake::Direct(input) => self.on_direct(input),
                Wake::Ask(ask) => {
                    self.has_clients = ask.is_some();
                    self.log_out();
                }
                Wake::Taken(Some(ticket)) => self.confirm(ticket),
                Wake::Taken(None) => self.has_reader = false,
                Wake::Room => {
                    if let Some((deliveries, delivery)) = self.deliveries.as_ref().zip(next.take()) {
                        // There is room, because this task alone fills it. A reader who has just gone took nothing.
                        let has_ticket = delivery.ticket.is_some();
                        if deliveries.try_send(delivery).is_ok() {
                            self.handed += usize::from(has_ticket);
                        }
                    }
                }
                Wake::Time => self.connection.handle_timeout(self.clock.now()),
            }
        }
    }

    async fn wake(&mut self, has_event: bool) -> Wake {
        let is_open = self.connection.ended().is_none();
        let can_ask = self.has_clients && self.connection.has_room() && self.peers.has_room();
        let room = async {
            match &self.deliveries {
                Some(deliveries) => drop(deliveries.reserve().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            word = self.ways.next(), if is_open => Wake::Word(word),
            ask = self.asks.recv(), if can_ask => Wake::Ask(ask),
            input = self.peers.next(), if is_open => Wake::Direct(input),
            ticket = self.taken.recv(), if self.has_reader => Wake::Taken(ticket),
            () = room, if has_event => Wake::Room,
            () = self.clock.wait_until(self.connection.poll_timeout()) => Wake::Time,
        }
    }

    /// The next event for the reader.
    fn poll_delivery(&mut self) -> Option<Delivery> {
        loop {
            match self.peers.on_delivery(self.connection.poll_delivery()?) {
                Ok(delivery) => return Some(delivery),
                Err(ticket) => ticket.into_iter().for_each(|ticket| self.connection.confirm(ticket)),
            }
        }
    }

    /// Asks the server what is to go through it. `false` if that is nothing.
    fn ask_for_peers(&mut self) -> bool {
        while let Some(at) = self.connection.poll_confirmation() {
            self.peers.confirm(at);
        }
        let mut has_asked = false;
        while let Some((request, errand)) = self.peers.poll_request() {
            let ended = self.connection.ended();
            let asked = self.connection.request(request);
            self.peers.on_asked(errand, asked.map_err(|misuse| ended.map_or(misuse.into(), RequestError::Ended)));
            has_asked = true;
        }
        has_asked
    }

    fn on_direct(&mut self, input: Input) {
        match input {
            Input::Notice(connection, notice) => {
                if let Some((from, MessageEvent::Message { id: message, kind, time, text })) =
                    self.peers.on_notice(connection, notice)
                {
                    let at = DirectId { connection, message };
                    self.connection.handle_direct(at, from, kind, time, &text);
                }
            }
            Input::Accepted(stream, from) => self.peers.on_accepted(stream, from),
            Input::File(event) => self.connection.inform(event),
        }
    }

    /// What was taken before counts as taken, although its ticket came by another way and may have been overtaken.
    fn log_out(&mut self) {
        while let Ok(ticket) = self.taken.try_recv() {
            self.confirm(ticket);
        }
        while let Some(at) = self.connection.poll_confirmation() {
            self.peers.confirm(at);
        }
        self.connection.log_out();
    }

    fn confirm(&mut self, ticket: Ticket) {
        self.handed = self.handed.saturating_sub(1);
        self.connection.confirm(ticket);
    }

    async fn transmit(&mut self) {
        while let Some(output) = self.connection.poll_output(self.clock.now()) {
            match output {
                Output::Open(path) => self.ways.open(path),
                Output::Close(path) => self.ways.close(path),
                Output::Transmit(path, datagram) => {
                    if let Err(error) = self.ways.send(path, &datagram).await {
                        self.on_error(path, &error);
                    }
                }
            }
        }
    }

    fn on_word(&mut self, word: Word) {
        let now = self.clock.now();
        match word {
            Word::Came(path, Ok(len)) => self.connection.handle_datagram(now, path, self.ways.datagram(path, len)),
            Word::Came(path, Err(error)) => self.on_error(path, &error),
            Word::Opened(path, Ok(transport)) => {
                self.ways.add(path, transport);
                self.connection.handle_opened(now, path, entropy());
            }
            Word::Opened(path, Err(reason)) => self.connection.handle_not_opened(now, path, reason),
        }
    }

    fn on_error(&mut self, path: PathId, error: &io::Error) {
        if let Some(reason) = self.ways.end(path, error) {
            self.connection.handle_disconnected(self.clock.now(), path, reason);
        }
        #[cfg(feature = "tracing")]
        tracing::debug!(?path, %error, "socket");
    }

    fn health(&self) -> Health {
        let account = self.connection.account();
        Health {
            is_answering: self.connection.is_answering(),
            last_heard: account.heard_at().map(|heard| self.clock.now().since(heard)),
            round_trip: account.round_trip(),
            granted: account.granted(),
            online_users: account.online_users(),
        }
    }

    fn on_request(&mut self, request: Request, waiter: Waiter) {
        match self.connection.request(request) {
            Ok(id) => {
                self.waiters.insert(id, waiter);
            }
            // A waiter who has gone does not want to know.
            Err(misuse) => drop(waiter.send(Err(self.connection.ended().map_or(misuse.into(), RequestError::Ended)))),
        }
    }

    /// Tells those who wait what they wait for.
    fn settle(&mut self) {
        // First why it ended: who is woken by the rest asks for it.
        if let Some(reason) = self.connection.ended() {
            let seen = self.connection.account().seen().clone();
            self.ended.send_replace(Some(Ended { reason, seen }));
        }
        while let Some((id, answer)) = self.connection.poll_answer() {
            if let Some(answer) = self.peers.on_answer(id, answer) {
                if let Some(waiter) = self.waiters.remove(&id) {
                    drop(waiter.send(answer));
                }
            }
        }
        if self.connection.account().is_online() {
            if let Some(logged_in) = self.logged_in.take() {
                // Who has stopped waiting has dropped the handle, too, and that ends the session.
                let _ = logged_in.send(());
            }
        }
        if self.connection.ended().is_some() {
            self.logged_in = None;
            self.peers.close();
        }
    }
}
