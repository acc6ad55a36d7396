//! Direct sessions with other clients, and files: what lies between a session's task and its connections.

mod carry;
mod connection;
mod disk;
mod files;
mod transfer;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::time::Duration;

use myicq_wire::peer::MessageToken;
use myicq_wire::{Capabilities, Face, Status, Uin};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use self::connection::{Command, Line, Notice};
use self::files::Files;
use super::session::Waiter;
use super::system::{Clock, listen, random_number, spawn, unix_time};
use crate::account::{Answer, Arrival, Delivery, DirectId, Request, RequestId, Ticket};
use crate::error::RequestError;
use crate::event::{Event, Presence};
use crate::peer::{ConnectionId, Identity, Lanes, LetterId, MessageEvent, MessageSession, PeerEnd, PeerTimeouts, Step};

pub use files::{AcceptFile, FileOffer};
pub(super) use files::{FileAsk, FileWaiter};

/// How many message sessions there may be at once, from whichever side.
const MAX_CONNECTIONS: usize = 256;

/// How many notices may lie between the connections and the session's task.
const MAX_NOTICES: usize = 64;

/// Of how many users it is remembered where they are.
const MAX_PLACES: usize = 1_024;

/// How long nobody is let in after one could not be.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How direct sessions are to be had, and files.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Direct {
    /// Where to listen, for messages and for files; any port that is free unless set.
    pub ports: Option<RangeInclusive<u16>>,
    /// The address that the server tells others; the one by which this machine reaches the server unless set.
    pub address: Option<Ipv4Addr>,
    /// How long others may take for what.
    pub timeouts: PeerTimeouts,
}

impl Direct {
    /// Listens on the first of these ports that is free. The clients of 2003 have 32765 to 32774 for messages and 33765 to 33774 for files.
    #[must_use]
    pub fn ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.ports = Some(ports);
        self
    }

    /// Tells this address to others.
    #[must_use]
    pub fn address(mut self, address: Ipv4Addr) -> Self {
        self.address = Some(address);
        self
    }

    /// Listens on one of the ports.
    async fn bind(&self) -> io::Result<TcpListener> {
        let mut failure = None;
        for port in self.ports.clone().unwrap_or(0..=0) {
            match listen(port).await {
                Ok(listener) => return Ok(listener),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
    }
}

/// How many direct sessions have ended, and why.
pub type DirectStats = BTreeMap<PeerEnd, u64>;

/// Where everybody is, for the tasks of transfers.
#[derive(Clone, Debug, Default)]
struct Places {
    /// How the server sees this client.
    own: Option<Ipv4Addr>,
    /// The address that others are told.
    real: Option<Ipv4Addr>,
    /// What the server grants.
    granted: Capabilities,
    others: BTreeMap<Uin, Presence>,
}

/// What woke the session's task on behalf of direct sessions.
#[derive(Debug)]
pub(super) enum Input {
    Notice(ConnectionId, Notice),
    Accepted(TcpStream, SocketAddr),
    /// A transfer has something to tell, or is over.
    File(Event),
}

/// A message on its way.
#[derive(Debug)]
struct Letter {
    to: Uin,
    request: Request,
    token: MessageToken,
    waiter: Waiter,
}

/// What the connections tell, each with its number: where they say it, and where it is heard.
type Notices = (mpsc::Sender<(ConnectionId, Notice)>, mpsc::Receiver<(ConnectionId, Notice)>);

/// Everything direct of one session.
#[derive(Debug)]
pub(super) struct Peers {
    config: Option<Direct>,
    me: Uin,
    clock: Clock,
    is_shown: bool,
    places: watch::Sender<Places>,
    lanes: Lanes,
    connections: HashMap<ConnectionId, mpsc::UnboundedSender<Command>>,
    last_id: u64,
    letters: HashMap<LetterId, Letter>,
    /// What was asked of the server for a letter.
    asked: HashMap<RequestId, LetterId>,
    /// The server's name, by which a client of 2003 knows those who connect: asked for once somebody is to be connected to.
    domain: Domain,
    stats: DirectStats,
    files: Files,
    notices: Notices,
    accepted: mpsc::Receiver<(TcpStream, SocketAddr)>,
}

#[derive(Debug)]
enum Domain {
    Unknown,
    /// Asked for, while these are to be connected to.
    Asked(Option<RequestId>, Vec<(Uin, SocketAddrV4)>),
    Known(Vec<u8>),
}

impl Peers {
    /// Listens where that is wanted; the port, which others are told.
    pub(super) async fn open(config: Option<Direct>, me: Uin, real: Option<Ipv4Addr>, status: Status) -> (Self, u16) {
        let (clock, (to_accepted, accepted)) = (Clock::start(), mpsc::channel(1));
        let mut port = 0;
        if let Some(direct) = config.as_ref().filter(|_| real.is_some()) {
            if let Ok(listener) = direct.bind().await {
                port = listener.local_addr().map_or(0, |address| address.port());
                spawn(accept(listener, to_accepted, clock));
            }
        }
        let (places, _) = watch::channel(Places { real, ..Places::default() });
        let peers = Self {
            files: Files::new(me, clock, config.clone(), places.subscribe()),
            config: config.filter(|_| real.is_some()),
            me,
            clock,
            is_shown: status != Status::INVISIBLE,
            places,
            lanes: Lanes::new(),
            connections: HashMap::new(),
            last_id: 0,
            letters: HashMap::new(),
            asked: HashMap::new(),
            domain: Domain::Unknown,
            stats: DirectStats::new(),
            notices: mpsc::channel(MAX_NOTICES),
            accepted,
        };
        (peers, port)
    }

    /// The next thing that came from a connection or a transfer.
    ///
    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> Input {
        tokio::select! {
            Some((id, notice)) = self.notices.1.recv() => Input::Notice(id, notice),
            Some((stream, from)) = self.accepted.recv() => Input::Accepted(stream, from),
            event = self.files.next() => Input::File(event),
        }
    }

    pub(super) fn stats(&self) -> DirectStats {
        self.stats.clone()
    }

    pub(super) fn files(&mut self) -> &mut Files {
        &mut self.files
    }

    /// Takes a request that is a message, to send it by the best way; gives every other one back.
    pub(super) fn take(&mut self, request: Request, waiter: Waiter) -> Option<(Request, Waiter)> {
        let addressee = request.addressee().filter(|_| self.config.is_some());
        let Some((to, may_be_direct)) = addressee else {
            self.note(&request);
            return Some((request, waiter));
        };
        let letter = LetterId(self.number());
        let token = MessageToken(random_number());
        self.letters.insert(letter, Letter { to, request, token, waiter });
        self.lanes.send(to, letter, may_be_direct);
        None
    }

    /// Who makes himself invisible speaks to nobody directly any more.
    fn note(&mut self, request: &Request) {
        if let Some(status) = request.new_status() {
            self.is_shown = status != Status::INVISIBLE;
            let own = self.places.borrow().own;
            self.set_own(own);
        }
    }

    /// Whether one more message is taken.
    pub(super) fn has_room(&self) -> bool {
        self.letters.len() < crate::account::MAX_REQUESTS
    }

    fn set_own(&mut self, own: Option<Ipv4Addr>) {
        self.places.send_modify(|places| places.own = own);
        self.lanes.set_own(own.filter(|_| self.is_shown && self.config.is_some()));
    }

    /// Looks at what happens, before its reader does. What remains for him;
    /// an error has the ticket of what is for nobody else, to be confirmed.
    pub(super) fn on_delivery(&mut self, delivery: Delivery) -> Result<Delivery, Option<Ticket>> {
        match &delivery.event {
            Event::LoggedIn { ip, granted, .. } => {
                self.places.send_modify(|places| places.granted = *granted);
                self.set_own(Some(*ip));
            }
            Event::Online(presence) => {
                self.lanes.handle_online(presence);
                self.places.send_modify(|places| {
                    if presence.domain.is_none() && places.others.len() < MAX_PLACES {
                        places.others.insert(presence.uin, presence.clone());
                    }
                });
            }
            Event::Offline { uin, domain: None } => {
                self.lanes.handle_offline(*uin);
                self.places.send_modify(|places| drop(places.others.remove(uin)));
            }
            // Who is here is told anew.
            Event::ConnectionResumed { new_session: true } => {
                let mut gone = BTreeMap::new();
                self.places.send_modify(|places| gone = std::mem::take(&mut places.others));
                gone.keys().for_each(|uin| self.lanes.handle_offline(*uin));
            }
            Event::Delivered { to, id } => self.lanes.handle_delivered(*to, *id),
            _ => {}
        }
        if self.config.is_some() { self.files.on_delivery(delivery) } else { Ok(delivery) }
    }

    /// A direct message has reached its reader.
    pub(super) fn confirm(&self, at: DirectId) {
        if let Some(connection) = self.connections.get(&at.connection) {
            // If it is gone, the message comes again, and is not shown.
            drop(connection.send(Command::Confirm(at.message)));
        }
    }

    /// The next request that is to go to the server: a message, or the question for its name.
    pub(super) fn poll_request(&mut self) -> Option<(Request, Errand)> {
        while let Some(step) = self.lanes.poll_step() {
            match step {
                Step::Connect { uin, to } => self.connect(uin, to),
                Step::Direct { by, letter } => self.send_directly(by, letter),
                Step::Server { letter, is_again } => {
                    if let Some(sent) = self.letters.get(&letter) {
                        let request = sent.request.clone();
                        let request = if is_again { request.marked(sent.token) } else { request };
                        return Some((request, Errand(Some(letter))));
                    }
                }
            }
        }
        matches!(self.domain, Domain::Asked(None, _)).then(|| (Request::remote_contacts(), Errand(None)))
    }

    /// What was asked for an errand, or why it could not be.
    pub(super) fn on_asked(&mut self, errand: Errand, id: Result<RequestId, RequestError>) {
        match (errand.0, id) {
            (Some(letter), Ok(id)) => drop(self.asked.insert(id, letter)),
            (Some(letter), Err(error)) => self.answer(letter, Err(error)),
            (None, Ok(id)) => {
                if let Domain::Asked(asked, _) = &mut self.domain {
                    *asked = Some(id);
                }
            }
            (None, Err(_)) => self.on_domain(Vec::new()),
        }
    }

    /// The server's answer to a request of an errand; any other is given back.
    pub(super) fn on_answer(
        &mut self,
        id: RequestId,
        answer: Result<Answer, RequestError>,
    ) -> Option<Result<Answer, RequestError>> {
        if let Some(letter) = self.asked.remove(&id) {
            self.answer(letter, answer);
            return None;
        }
        match (&self.domain, answer) {
            (Domain::Asked(Some(asked), _), Ok(Answer::RemoteContacts(contacts))) if *asked == id => {
                self.on_domain(contacts.domain.into_bytes());
            }
            (Domain::Asked(Some(asked), _), _) if *asked == id => self.on_domain(Vec::new()),
            (_, answer) => return Some(answer),
        }
        None
    }

    fn answer(&mut self, letter: LetterId, answer: Result<Answer, RequestError>) {
        let stored = match answer {
            Ok(Answer::Arrived(Arrival::Stored { id })) => Some(id),
            _ => None,
        };
        if let Some(letter_sent) = self.letters.remove(&letter) {
            // Who has stopped waiting does not want to know.
            drop(letter_sent.waiter.send(answer));
            self.lanes.handle_answer(letter_sent.to, letter, stored);
        }
    }

    fn on_domain(&mut self, domain: Vec<u8>) {
        if let Domain::Asked(_, waiting) = std::mem::replace(&mut self.domain, Domain::Known(domain)) {
            waiting.into_iter().for_each(|(uin, to)| self.connect(uin, to));
        }
    }

    fn connect(&mut self, uin: Uin, to: SocketAddrV4) {
        let domain = match &mut self.domain {
            Domain::Known(domain) => domain.clone(),
            Domain::Asked(_, waiting) => return waiting.push((uin, to)),
            Domain::Unknown => {
                self.domain = Domain::Asked(None, vec![(uin, to)]);
                return;
            }
        };
        let me = Identity { uin: self.me, face: Face(0), domain };
        let timeouts = self.timeouts();
        match self.line() {
            Some(line) => spawn(connection::connect(line, me, uin, to, timeouts)),
            None => self.lanes.handle_unconnected(uin),
        }
    }

    fn send_directly(&mut self, by: ConnectionId, letter: LetterId) {
        let Some(sent) = self.letters.get(&letter) else { return };
        let Some((kind, mut text)) = sent.request.as_direct() else { return };
        sent.token.append(&mut text);
        if let Some(connection) = self.connections.get(&by) {
            // If it is gone, it says so, and the message goes through the server.
            drop(connection.send(Command::Send { letter, kind, time: unix_time().seconds(), text }));
        }
    }

    /// A new connection's line, if there may be one more.
    fn line(&mut self) -> Option<Line> {
        if self.connections.len() >= MAX_CONNECTIONS {
            return None;
        }
        let (id, (to_connection, commands)) = (ConnectionId(self.number()), mpsc::unbounded_channel());
        self.connections.insert(id, to_connection);
        Some(Line { id, clock: self.clock, commands, notices: self.notices.0.clone() })
    }

    /// Somebody has connected.
    pub(super) fn on_accepted(&mut self, stream: TcpStream, from: SocketAddr) {
        let SocketAddr::V4(from) = from else { return };
        let allowed = self.lanes.who_is_at(*from.ip());
        if allowed.is_empty() || self.lanes.own().is_none() {
            return self.count(PeerEnd::Stranger);
        }
        let timeouts = self.timeouts();
        match self.line() {
            Some(line) => {
                let me = Identity { uin: self.me, face: Face(0), domain: Vec::new() };
                let session = MessageSession::accepted(self.clock.now(), me, allowed, timeouts);
                spawn(connection::run(line, session, stream));
            }
            None => self.count(PeerEnd::TooMuch),
        }
    }

    /// A connection tells something. A message from it is given back.
    pub(super) fn on_notice(&mut self, connection: ConnectionId, notice: Notice) -> Option<(Uin, MessageEvent)> {
        match notice {
            Notice::Connected { uin, is_own } => self.lanes.handle_connected(uin, connection, is_own),
            Notice::Unconnected { uin } => {
                self.connections.remove(&connection);
                self.lanes.handle_unconnected(uin);
            }
            Notice::Lost { uin, end } => {
                self.connections.remove(&connection);
                self.count(end);
                if let Some(uin) = uin {
                    self.lanes.handle_lost(uin, connection, end == PeerEnd::Idle);
                }
            }
            Notice::Event(uin, MessageEvent::Acknowledged(letter)) => {
                if self.lanes.handle_acknowledged(uin, letter) {
                    if let Some(letter) = self.letters.remove(&letter) {
                        drop(letter.waiter.send(Ok(Answer::Arrived(Arrival::Direct))));
                    }
                }
            }
            Notice::Event(uin, event) => return Some((uin, event)),
        }
        None
    }

    fn count(&mut self, end: PeerEnd) {
        *self.stats.entry(end).or_default() += 1;
    }

    fn timeouts(&self) -> PeerTimeouts {
        self.config.as_ref().map_or_else(PeerTimeouts::default, |direct| direct.timeouts)
    }

    fn number(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The session has ended: nobody waits any more, and no connection stays.
    pub(super) fn close(&mut self) {
        self.letters.clear();
        self.asked.clear();
        self.connections.clear();
        self.lanes = Lanes::new();
        self.files.close();
    }
}

/// What a request to the server is for: this message, or the name of the server.
#[derive(Debug)]
pub(super) struct Errand(Option<LetterId>);

/// Takes connections until nobody wants them any more.
async fn accept(listener: TcpListener, accepted: mpsc::Sender<(TcpStream, SocketAddr)>, clock: Clock) {
    loop {
        let next = tokio::select! {
            next = listener.accept() => next,
            () = accepted.closed() => return,
        };
        match next {
            Ok(next) => {
                if accepted.send(next).await.is_err() {
                    return;
                }
            }
            // The one who connected has gone again, or there are no descriptors now, and without a pause this would spin.
            Err(_) => clock.wait_until(Some(clock.now() + ACCEPT_PAUSE)).await,
        }
    }
}
