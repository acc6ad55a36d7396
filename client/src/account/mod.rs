//! A session with a server, without I/O.
//!
//! The owner of an [`Account`] tells it what came ([`Account::handle_datagram`]) and what time it is
//! ([`Account::handle_timeout`]), then drains [`Account::poll_transmit`], [`Account::poll_event`] and
//! [`Account::poll_answer`], and comes back at [`Account::poll_timeout`]. The [driver](crate::driver) does this on tokio.
//!
//! On a server of this project the session has the capabilities that were [offered](Config::offered), and with ONCE every message
//! exactly once and in order. On any other server it has what clients of 2003 have: at least once, in any order
//! (docs/protocol.md, "Capabilities").

mod answer;
mod config;
mod connection;
mod datagram;
mod direct;
mod directory;
mod receive;
mod registration;
mod request;
mod resume;
mod silence;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use myicq_wire::charset::Charset;
use myicq_wire::cipher::Key;
use myicq_wire::link::{Link, Outgoing, Output as Due, Retained, Token};
use myicq_wire::{
    Capabilities, Command, Envelope, Instant, KeepAlive, Login, MAX_DATAGRAM, Secret, Seq, SessionId, encode_request,
};

use crate::error::{EndReason, Misuse, RequestError};
use crate::event::Event;
use crate::random::Random;
use crate::seen::{MAX_SEEN, SeenMessages};

use self::direct::Source;
use self::request::LEGACY;
use self::resume::Resumed;

pub use answer::{Answer, Arrival, OwnProfile, RemoteContacts};
pub use config::{Config, Entropy, SUPPORTED, Timeouts};
pub use connection::{Connection, Output, PathId, Reconnect};
pub use direct::DirectId;
pub use directory::{FoundUser, Group, GroupType, Member, ServerEntry};
pub use registration::Registration;
pub use request::{MAX_GROUP_COMMAND_LEN, MAX_GROUP_NAME_LEN, MAX_GROUP_PASSWORD_LEN, Request, RequestId};

/// How many requests may wait for their answers: one for each contact that the clients of 2002 can have.
pub const MAX_REQUESTS: usize = 256;

/// How many events may wait for [`Account::poll_event`]. Beyond it, datagrams are dropped unacknowledged, so the server
/// keeps what they say until there is room.
pub const MAX_EVENTS: usize = 1_024;

/// How many datagrams that are sent once may wait for [`Account::poll_transmit`]; beyond it, datagrams are dropped unacknowledged.
pub const MAX_OUTBOX: usize = 64;

/// What the link calls the session's own datagrams; requests count from 1.
const LOGIN: Token = Token(0);
const KEEP_ALIVE: Token = Token(u64::MAX);

/// A time that does not come.
const NEVER: Instant = Instant(u64::MAX);

/// What came in and was not used, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams that came, all of them.
    pub received: u64,
    /// Of another session.
    pub foreign: u64,
    /// Not a packet, or with a field that is not whole.
    pub malformed: u64,
    /// Repeated; acknowledged again.
    pub duplicates: u64,
    /// Not taken now: too old, too far ahead, or the owner does not drain what is there.
    pub refused: u64,
    /// Of a command that this version does not know; acknowledged.
    pub unknown_commands: u64,
    /// Replies to nothing that was asked.
    pub unasked: u64,
    /// Messages that came again after an earlier session had shown them.
    pub messages_seen_before: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    LoggingIn,
    Online,
    Ended(EndReason),
}

/// An event, and for a message the ticket to confirm it with.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// What happened.
    pub event: Event,
    /// Of a message: see [`Account::confirm`].
    pub ticket: Option<Ticket>,
}

/// Stands for a message that was handed out and is not acknowledged yet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ticket {
    session: SessionId,
    source: Source,
    id: Option<u64>,
    /// Of one that may come by another way as well.
    token: Option<u64>,
}

/// A request that was sent and has no answer yet.
#[derive(Debug)]
struct Pending {
    command: Command,
    seq: Seq,
    about: Option<myicq_wire::Uin>,
    /// Once it is acknowledged and the reply is still to come: until when to wait. [`NEVER`] before.
    ///
    /// Not an `Option`, of which the optimiser may look at the time before it looks whether there is one: memcheck calls that the use of an
    /// uninitialised value, and who checks a program with this library in it should hear nothing from us.
    reply_by: Instant,
}

/// A session of one user with one server.
#[derive(Debug)]
pub struct Account {
    config: Config,
    session: SessionId,
    key: Key,
    link: Link,
    retained: Retained,
    random: Random,
    state: State,
    granted: Capabilities,
    /// Asked before the session was open.
    waiting: VecDeque<(RequestId, Request)>,
    pending: BTreeMap<RequestId, Pending>,
    last_request: u64,
    /// While the LOGIN is acknowledged but not replied to: until when to wait.
    login_reply_by: Option<Instant>,
    keep_alive_at: Option<Instant>,
    /// The acknowledgement of the LOGIN reply, as long as nothing shows that it arrived: see [`Account::poll_transmit`].
    proof: Option<Seq>,
    /// What is sent once and not retained: acknowledgements, and at the end the LOGOUT.
    outbox: VecDeque<Vec<u8>>,
    events: VecDeque<Delivery>,
    answers: VecDeque<(RequestId, Result<Answer, RequestError>)>,
    seen: SeenMessages,
    /// By token the messages that were handed out and not confirmed, and by which further ways each of them came.
    unconfirmed: HashMap<u64, Vec<Source>>,
    /// Direct messages that are confirmed and not yet acknowledged.
    confirmations: VecDeque<DirectId>,
    /// The messages that a reader has and has not confirmed, with the number under which the server waits for it in this session.
    handed: BTreeMap<u64, Option<Seq>>,
    heard_at: Option<Instant>,
    /// While something waits for a word from the server: when its silence counts as one.
    silent_at: Option<Instant>,
    /// The last start of the server that this session has heard of.
    resumed: Option<Resumed>,
    online_users: u32,
    stats: Stats,
}

impl Account {
    /// Opens a session: the LOGIN is ready to be sent. `seen` is what the last session of this user [remembered](Account::seen).
    ///
    /// # Errors
    /// [`Misuse::NoUin`], [`Misuse::Status`], [`Misuse::Capabilities`].
    pub fn new(config: Config, entropy: Entropy, seen: SeenMessages) -> Result<Self, Misuse> {
        if !SUPPORTED.contains(config.offered) || !config.offered.contains(config.required) {
            return Err(Misuse::Capabilities);
        }
        request::somebody(config.uin)?;
        request::check_status(config.status)?;
        let mut random = Random::new(entropy.seed);
        let mut account = Self {
            key: Key::new(config.password.as_bytes()),
            link: Link::new(entropy.first_seq, random.dword()),
            retained: Retained::new(),
            random,
            state: State::LoggingIn,
            granted: Capabilities::NONE,
            waiting: VecDeque::new(),
            pending: BTreeMap::new(),
            last_request: 0,
            login_reply_by: None,
            keep_alive_at: None,
            proof: None,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            answers: VecDeque::new(),
            seen,
            unconfirmed: HashMap::new(),
            confirmations: VecDeque::new(),
            handed: BTreeMap::new(),
            heard_at: None,
            silent_at: None,
            resumed: None,
            online_users: 0,
            stats: Stats::default(),
            session: entropy.session,
            config,
        };
        account.log_in()?;
        Ok(account)
    }

    fn log_in(&mut self) -> Result<(), Misuse> {
        let Config { password, status, real_ip, port, .. } = self.config.clone();
        let login =
            Login { password: Secret(password.as_bytes()), status, tcp_version: 1, real_ip: real_ip.into(), port };
        self.send(&myicq_wire::Request::Login(login), LOGIN).map(drop)
    }

    /// Asks something of the server. Before the session is open it waits; afterwards it goes out in the order of asking.
    /// [`Account::poll_answer`] says what became of it, in every case and once.
    ///
    /// # Errors
    /// [`Misuse::Ended`], and [`Misuse::TooManyRequests`] beyond [`MAX_REQUESTS`].
    pub fn request(&mut self, request: Request) -> Result<RequestId, Misuse> {
        if matches!(self.state, State::Ended(_)) {
            return Err(Misuse::Ended);
        }
        if !self.has_room() {
            return Err(Misuse::TooManyRequests(MAX_REQUESTS));
        }
        let id = RequestId(self.last_request + 1);
        if self.state == State::Online {
            self.send_request(id, &request)?;
        } else {
            self.waiting.push_back((id, request));
        }
        self.last_request = id.0;
        Ok(id)
    }

    fn send_request(&mut self, id: RequestId, request: &Request) -> Result<(), Misuse> {
        if request.is_receipt() && !self.granted.contains(Capabilities::RECEIPTS) {
            // A server of 2002 would leave it unanswered, and there is nobody whom it would tell.
            self.answers.push_back((id, Ok(Answer::Acknowledged)));
            return Ok(());
        }
        if request.is_relay() && !self.granted.contains(Capabilities::RELAY) {
            return Err(Misuse::NotGranted(Capabilities::RELAY));
        }
        let in_charset = request.in_charset(self.charset());
        let body = in_charset.to_wire();
        let seq = self.send(&body, Token(id.0))?;
        if let myicq_wire::Request::ChangeStatus(change) = body {
            self.config.status = change.status;
        }
        self.pending.insert(id, Pending { command: body.command(), seq, about: request.about(), reply_by: NEVER });
        Ok(())
    }

    fn send(&mut self, body: &myicq_wire::Request<'_>, token: Token) -> Result<Seq, Misuse> {
        let mut buffer = [0; MAX_DATAGRAM];
        let seq = self.link.next_seq();
        let reserved = if token == LOGIN { self.config.offered.0 } else { 0 };
        let envelope = Envelope { reserved, ..self.envelope(Some(seq)) };
        let check = Some(self.random.byte());
        let len =
            encode_request(&envelope, body, check, Some(self.sealing()), &mut buffer).map_err(|_| Misuse::TooLarge)?;
        let bytes = buffer.get(..len).ok_or(Misuse::TooLarge)?;
        // Some hold a password, others what their writer may take for as secret.
        let outgoing = Outgoing { secret: true, ..Outgoing::new(seq, bytes, token) };
        let sent = self.link.send(&mut self.retained, outgoing);
        zeroize::Zeroize::zeroize(&mut buffer);
        sent.map_err(|_| Misuse::TooManyRequests(MAX_REQUESTS))?;
        Ok(seq)
    }

    fn acknowledge(&mut self, seq: Seq) {
        self.outbox.push_back(self.bare(&myicq_wire::Request::Ack, seq));
    }

    /// Ends the session on the caller's wish. [`Account::poll_transmit`] has the LOGOUT, to be sent once.
    pub fn log_out(&mut self) {
        self.end(EndReason::LoggedOut);
    }

    /// Ends the session because the driver found that nothing listens at the server's address ([`EndReason::Unreachable`]), or
    /// because the stream that carries it has ended ([`EndReason::Lost`]).
    pub fn handle_disconnected(&mut self, reason: EndReason) {
        self.end(reason);
    }

    fn end(&mut self, reason: EndReason) {
        if matches!(self.state, State::Ended(_)) {
            return;
        }
        self.state = State::Ended(reason);
        if matches!(reason, EndReason::LoggedOut | EndReason::Lost | EndReason::TimedOut | EndReason::NotGranted(_)) {
            // A server that is still there, in spite of all, then stores messages at once. The link is at its end,
            // so the number need not be taken.
            self.outbox.push_back(self.bare(&myicq_wire::Request::Logout, self.link.next_seq()));
        }
        self.link.drain(&mut self.retained).for_each(drop);
        (self.keep_alive_at, self.login_reply_by, self.proof) = (None, None, None);
        let unanswered = std::mem::take(&mut self.pending).into_keys();
        let unsent = std::mem::take(&mut self.waiting).into_iter().map(|(id, _)| id);
        self.answers.extend(unanswered.chain(unsent).map(|id| (id, Err(RequestError::Ended(reason)))));
        self.tell(Event::Ended { reason });
    }

    /// Does what is due: keep-alives, and the end of waiting.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.login_reply_by) {
            self.end(EndReason::TimedOut);
        }
        if is_due(self.keep_alive_at) {
            self.keep_alive(now);
        }
        let late: Vec<_> =
            self.pending.iter().filter(|(_, pending)| pending.reply_by <= now).map(|(id, _)| *id).collect();
        for id in late {
            self.pending.remove(&id);
            self.answers.push_back((id, Err(RequestError::NoReply)));
        }
    }

    /// Sends a keep-alive. The next one follows when this one is acknowledged; when it never is, the session is lost.
    fn keep_alive(&mut self, now: Instant) {
        let body = KeepAlive { random: self.random.dword() };
        self.keep_alive_at = match self.send(&myicq_wire::Request::KeepAlive(body), KEEP_ALIVE) {
            Ok(_) => None,
            // The queue of the link is full, so it finds out by itself whether the server is there.
            Err(_) => Some(now + self.config.timeouts.keep_alive),
        };
    }

    /// The next datagram to be sent. To be called until there is none.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        loop {
            if let Some(datagram) = self.outbox.pop_front() {
                return Some(datagram);
            }
            let given_up = match self.link.poll(&mut self.retained, now, &self.config.timeouts.link)? {
                Due::Transmit(datagram) => {
                    let datagram = datagram.to_vec();
                    let patience = self.patience();
                    self.silent_at.get_or_insert(now + patience);
                    // The server sends nothing before the acknowledgement of its LOGIN reply has proven our address.
                    // That may be lost, and its loss shows nowhere, so it goes along until the server speaks again.
                    let Some(seq) = self.proof else { return Some(datagram) };
                    self.outbox.push_back(datagram);
                    return Some(self.bare(&myicq_wire::Request::Ack, seq));
                }
                Due::GivenUp(token) => token,
            };
            self.on_given_up(given_up);
        }
    }

    fn on_given_up(&mut self, token: Token) {
        let id = RequestId(token.0);
        if self.pending.remove(&id).is_some() {
            self.answers.push_back((id, Err(RequestError::NotAcknowledged)));
        }
        if token == LOGIN {
            self.end(EndReason::TimedOut);
        } else if token == KEEP_ALIVE || self.is_exactly_once() {
            // With ONCE, the server waits for this very number before it looks at any later one.
            self.end(EndReason::Lost);
        }
    }

    /// Tells the reader what happened elsewhere, in its turn. How a file comes along is not told to one who does not look.
    #[cfg(feature = "tokio")]
    pub(crate) fn inform(&mut self, event: Event) {
        let is_passing = matches!(event, Event::FileProgress { .. });
        if !(is_passing && self.events.len() >= MAX_EVENTS / 2) {
            self.tell(event);
        }
    }

    fn tell(&mut self, event: Event) {
        self.events.push_back(Delivery { event, ticket: None });
    }

    /// The next thing that happened. A message counts as received from here on: it is [confirmed](Account::confirm).
    pub fn poll_event(&mut self) -> Option<Event> {
        let delivery = self.poll_delivery()?;
        delivery.ticket.into_iter().for_each(|ticket| self.confirm(ticket));
        Some(delivery.event)
    }

    /// The next thing that happened, for an owner who hands it on: a message is not acknowledged before it is
    /// [confirmed](Account::confirm). Until then the server keeps it, and resends it in this session and in the next one.
    pub fn poll_delivery(&mut self) -> Option<Delivery> {
        let delivery = self.events.pop_front()?;
        if let Some(Ticket { id: Some(id), source: Source::Server(seq), .. }) = delivery.ticket {
            self.handed.insert(id, Some(seq));
            if self.handed.len() > MAX_SEEN {
                self.handed.pop_first();
            }
        }
        Some(delivery)
    }

    /// The message of this ticket has reached its reader: it is acknowledged, and not shown again. After the end of the session the
    /// server cannot be told any more; the message comes again in the next one, where [`Account::seen`] stops it.
    pub fn confirm(&mut self, ticket: Ticket) {
        let Ticket { session, source, id, token } = ticket;
        id.into_iter().chain(token).for_each(|id| {
            self.seen.insert(id);
        });
        match (source, id) {
            // It may have come again, in a later session.
            (Source::Server(_), Some(id)) => {
                let latest = self.handed.remove(&id).flatten();
                latest.into_iter().for_each(|seq| self.confirm_source(Source::Server(seq)));
            }
            (Source::Server(_), None) if session != self.session => {}
            (source, _) => self.confirm_source(source),
        }
        let others = token.and_then(|token| self.unconfirmed.remove(&token));
        others.into_iter().flatten().for_each(|other| self.confirm_source(other));
    }

    /// The next request that has its answer, or will never have one.
    pub fn poll_answer(&mut self) -> Option<(RequestId, Result<Answer, RequestError>)> {
        self.answers.pop_front()
    }

    /// When to call [`Account::handle_timeout`] and [`Account::poll_transmit`] again, if nothing comes before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let replies = self.pending.values().map(|pending| pending.reply_by).filter(|&by| by != NEVER);
        let own = [self.link.poll_timeout(), self.keep_alive_at, self.login_reply_by];
        own.into_iter().flatten().chain(replies).min()
    }

    /// Whether one more [request](Account::request) is taken.
    pub fn has_room(&self) -> bool {
        self.waiting.len() + self.pending.len() < MAX_REQUESTS
    }

    /// Whether the session is open.
    pub fn is_online(&self) -> bool {
        self.state == State::Online
    }

    /// Why the session has ended, if it has.
    pub fn ended(&self) -> Option<EndReason> {
        match self.state {
            State::Ended(reason) => Some(reason),
            State::LoggingIn | State::Online => None,
        }
    }

    /// Whether the server granted that messages come exactly once and in order.
    pub fn is_exactly_once(&self) -> bool {
        self.granted.contains(Capabilities::ONCE)
    }

    /// Who is logged in.
    pub fn uin(&self) -> myicq_wire::Uin {
        self.config.uin
    }

    /// What the server granted of what was offered.
    pub fn granted(&self) -> Capabilities {
        self.granted
    }

    /// The charset of the session's texts.
    fn charset(&self) -> Charset {
        if self.granted.contains(Capabilities::UTF8) { Charset::Utf8 } else { LEGACY }
    }

    /// How many users are online, as the server last said.
    pub fn online_users(&self) -> u32 {
        self.online_users
    }

    /// The smoothed round trip to the server, once one was measured.
    pub fn round_trip(&self) -> Option<Duration> {
        self.link.round_trip()
    }

    /// The messages that were shown: for the next session of this user.
    pub fn seen(&self) -> &SeenMessages {
        &self.seen
    }

    /// What came in and was not used.
    pub fn stats(&self) -> Stats {
        self.stats
    }
}
