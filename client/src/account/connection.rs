//! A user's connection to his server: one session after another, without I/O.
//!
//! An [`Account`] is one session, and ends with it. A [`Connection`] notices within seconds that the server does not answer, says so, and
//! opens another session beside the old one, with growing waits between its tries. If the server speaks in the old one after all, that goes
//! on and nothing was lost. Otherwise the new one takes over: what was asked and not answered is asked again where that cannot do anything
//! twice, and what one has shown already is not shown again.

mod takeover;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use myicq_wire::{Instant, MessageKind, Uin};

use super::{Account, Answer, Config, Delivery, DirectId, Entropy, MAX_REQUESTS, Request, RequestId, Ticket};
use crate::error::{EndReason, Misuse, RequestError};
use crate::event::Event;
use crate::random::Random;
use crate::seen::SeenMessages;

/// When to try again to reach a server that does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Reconnect {
    /// The wait before the first try; 500 ms unless set. Each further one is twice as long, and of each it is chance whether a half or all of
    /// it is waited, so that those who lost a server at the same time do not come back at the same time.
    pub first: Duration,
    /// The longest wait between two tries; 30 s unless set.
    pub longest: Duration,
    /// How long after the loss to give up; never unless set.
    pub give_up_after: Option<Duration>,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(30), give_up_after: None }
    }
}

impl Reconnect {
    /// The wait before the try that follows `tries` others.
    fn wait(&self, tries: u32, random: &mut Random) -> Duration {
        let whole = self.first.saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX)).min(self.longest);
        let (half, part) = (whole / 2, random.dword() >> 16);
        half + half.saturating_mul(part) / 0x1_0000
    }
}

/// Names a way to the server that the owner of a [`Connection`] has opened: a socket, or a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PathId(u32);

/// What a [`Connection`] wants done.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Open another way to the server, and say [`Connection::handle_opened`] or [`Connection::handle_not_opened`].
    Open(PathId),
    /// Send this datagram by that way.
    Transmit(PathId, Vec<u8>),
    /// That way is needed no more.
    Close(PathId),
}

/// Bytes may hold a password, so only their number is shown.
impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open(path) => write!(f, "Open({path:?})"),
            Self::Transmit(path, bytes) => write!(f, "Transmit({path:?}, {} bytes)", bytes.len()),
            Self::Close(path) => write!(f, "Close({path:?})"),
        }
    }
}

/// What is done about a server that does not answer.
#[derive(Debug)]
enum Search {
    Waiting(Instant),
    Opening(PathId),
    LoggingIn(PathId, Box<Account>),
}

impl Search {
    fn is_due(&self, now: Instant) -> bool {
        matches!(self, Self::Waiting(until) if *until <= now)
    }
}

/// The server does not answer, or the session is over without anybody having wanted it.
#[derive(Debug)]
struct Down {
    since: Instant,
    tries: u32,
    search: Search,
}

/// One user's sessions with one server, one after another. Driven as an [`Account`] is, with a name for each way to the server.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    policy: Option<Reconnect>,
    /// The session that counts. While none is open, the last one, which keeps what the next one takes over.
    account: Account,
    /// None once that is over.
    path: Option<PathId>,
    last_path: PathId,
    was_online: bool,
    down: Option<Down>,
    outbox: VecDeque<Output>,
    /// What the session was asked, by its own numbers.
    asked: BTreeMap<RequestId, (RequestId, Request)>,
    /// What waits for a server that answers, in the order of asking.
    waiting: BTreeMap<RequestId, Request>,
    last_request: u64,
    answers: VecDeque<(RequestId, Result<Answer, RequestError>)>,
    random: Random,
    ended: Option<EndReason>,
}

impl Connection {
    /// The way to the server that is there from the start.
    pub const FIRST_PATH: PathId = PathId(0);

    /// Opens a session by [`FIRST_PATH`](Self::FIRST_PATH): the LOGIN is ready to be sent. Without a `policy`, the connection ends with
    /// its first session, and always where that never opens.
    ///
    /// # Errors
    /// As [`Account::new`].
    pub fn new(
        config: Config,
        entropy: Entropy,
        seen: SeenMessages,
        policy: Option<Reconnect>,
    ) -> Result<Self, Misuse> {
        Ok(Self {
            account: Account::new(config.clone(), entropy, seen)?,
            config,
            policy,
            path: Some(Self::FIRST_PATH),
            last_path: Self::FIRST_PATH,
            was_online: false,
            down: None,
            outbox: VecDeque::new(),
            asked: BTreeMap::new(),
            waiting: BTreeMap::new(),
            last_request: 0,
            answers: VecDeque::new(),
            // Any other number than that of the session would do.
            random: Random::new(!entropy.seed),
            ended: None,
        })
    }

    /// Takes a datagram that came by `path`.
    pub fn handle_datagram(&mut self, now: Instant, path: PathId, datagram: &[u8]) {
        if let Some(account) = self.account_of(path) {
            account.handle_datagram(now, datagram);
            self.settle(now);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.account.handle_timeout(now);
        match self.down.as_mut().map(|down| &mut down.search) {
            Some(Search::LoggingIn(_, next)) => next.handle_timeout(now),
            Some(search) if search.is_due(now) => {
                self.last_path.0 += 1;
                *search = Search::Opening(self.last_path);
                self.outbox.push_back(Output::Open(self.last_path));
            }
            _ => {}
        }
        self.settle(now);
    }

    /// The way to the server that was to be opened is there. `entropy` is for the session that begins on it.
    pub fn handle_opened(&mut self, now: Instant, path: PathId, entropy: Entropy) {
        let next = Account::new(self.config.clone(), entropy, SeenMessages::default());
        let Some(search) = self.search_of(path) else {
            // It took so long that nobody wants it any more.
            return self.outbox.push_back(Output::Close(path));
        };
        match next {
            Ok(next) => *search = Search::LoggingIn(path, Box::new(next)),
            // The first session had the same settings, and a password that was changed has been checked.
            Err(_) => self.finish(EndReason::Lost),
        }
        self.settle(now);
    }

    /// The way to the server that was to be opened cannot be had.
    pub fn handle_not_opened(&mut self, now: Instant, path: PathId, reason: EndReason) {
        if self.search_of(path).is_some() {
            self.on_failed_try(now, reason);
        }
    }

    /// Nobody listens at the other end of `path` ([`EndReason::Unreachable`]), or it has ended ([`EndReason::Lost`]).
    ///
    /// The first is not believed at once of a session that is open: the server may be starting again, and may know the session then.
    pub fn handle_disconnected(&mut self, now: Instant, path: PathId, reason: EndReason) {
        let may_come_back = self.policy.is_some() && self.account.is_online() && reason == EndReason::Unreachable;
        if Some(path) == self.path && may_come_back {
            self.account.handle_no_answer(now);
            if self.down.is_none() {
                self.on_lost(now, reason);
            }
        } else if let Some(account) = self.account_of(path) {
            account.handle_disconnected(reason);
        }
        self.settle(now);
    }

    /// Asks something of the server, in this session or, while it does not answer, in the next one. [`Connection::poll_answer`] says what became
    /// of it, in every case and once.
    ///
    /// # Errors
    /// As [`Account::request`].
    pub fn request(&mut self, request: Request) -> Result<RequestId, Misuse> {
        if self.ended.is_some() {
            return Err(Misuse::Ended);
        }
        if !self.has_room() {
            return Err(Misuse::TooManyRequests(MAX_REQUESTS));
        }
        let id = RequestId(self.last_request + 1);
        if self.down.is_none() {
            let inner = self.account.request(request.clone())?;
            self.asked.insert(inner, (id, request));
        } else {
            self.waiting.insert(id, request);
        }
        self.last_request = id.0;
        Ok(id)
    }

    /// Ends the connection on the caller's wish. [`Connection::poll_output`] has the LOGOUT, to be sent once.
    pub fn log_out(&mut self) {
        self.finish(EndReason::LoggedOut);
    }

    /// What to do next. To be called until there is nothing.
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> {
        let mut next = self.next_output(now);
        if next.is_none() {
            // To poll a session may have been its end.
            self.settle(now);
            next = self.outbox.pop_front();
        }
        next
    }

    fn next_output(&mut self, now: Instant) -> Option<Output> {
        if let Some(output) = self.outbox.pop_front() {
            return Some(output);
        }
        if let Some(path) = self.path {
            if let Some(datagram) = self.account.poll_transmit(now) {
                return Some(Output::Transmit(path, datagram));
            }
        }
        match self.down.as_mut().map(|down| &mut down.search) {
            Some(Search::LoggingIn(path, next)) => Some(Output::Transmit(*path, next.poll_transmit(now)?)),
            _ => None,
        }
    }

    /// When to call [`Connection::handle_timeout`] and [`Connection::poll_output`] again, if nothing comes before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let search = match &self.down {
            None if self.policy.is_some() && self.account.is_online() => self.account.silent_at(),
            None => None,
            Some(Down { search: Search::Waiting(until), .. }) => Some(*until),
            Some(Down { search: Search::Opening(_), .. }) => None,
            Some(Down { search: Search::LoggingIn(_, next), .. }) => next.poll_timeout(),
        };
        [search, self.account.poll_timeout()].into_iter().flatten().min()
    }

    /// As [`Account::poll_event`].
    pub fn poll_event(&mut self) -> Option<Event> {
        self.account.poll_event()
    }

    /// As [`Account::poll_delivery`].
    pub fn poll_delivery(&mut self) -> Option<Delivery> {
        self.account.poll_delivery()
    }

    /// As [`Account::confirm`], also for a message of an earlier session.
    pub fn confirm(&mut self, ticket: Ticket) {
        self.account.confirm(ticket);
    }

    /// As [`Account::handle_direct`].
    pub fn handle_direct(&mut self, at: DirectId, from: Uin, kind: MessageKind, time: u32, text: &[u8]) {
        self.account.handle_direct(at, from, kind, time, text);
    }

    /// As [`Account::poll_confirmation`].
    pub fn poll_confirmation(&mut self) -> Option<DirectId> {
        self.account.poll_confirmation()
    }

    /// As [`Account::inform`], also between two sessions.
    #[cfg(feature = "tokio")]
    pub(crate) fn inform(&mut self, event: Event) {
        if self.ended.is_none() {
            self.account.inform(event);
        }
    }

    /// As [`Account::poll_answer`].
    pub fn poll_answer(&mut self) -> Option<(RequestId, Result<Answer, RequestError>)> {
        self.answers.pop_front()
    }

    /// Whether one more [request](Connection::request) is taken.
    pub fn has_room(&self) -> bool {
        self.asked.len() + self.waiting.len() < MAX_REQUESTS
    }

    /// Why the connection has ended, if it has.
    pub fn ended(&self) -> Option<EndReason> {
        self.ended
    }

    /// Whether a session is open and the server answers in it.
    pub fn is_answering(&self) -> bool {
        self.account.is_online() && self.down.is_none()
    }

    /// The session of now. While there is none, the last one.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The session on a path: that of now, or the one that may follow it.
    fn account_of(&mut self, path: PathId) -> Option<&mut Account> {
        if Some(path) == self.path {
            return Some(&mut self.account);
        }
        match self.down.as_mut().map(|down| &mut down.search) {
            Some(Search::LoggingIn(of, next)) if *of == path => Some(next),
            _ => None,
        }
    }

    fn search_of(&mut self, path: PathId) -> Option<&mut Search> {
        let search = self.down.as_mut().map(|down| &mut down.search);
        search.filter(|search| matches!(search, Search::Opening(opening) if *opening == path))
    }
}
