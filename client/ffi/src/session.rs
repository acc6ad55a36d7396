//! The client without its ABI: the machine, and a socket, a clock and randomness around it.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::time::{Duration, Instant as SystemInstant};

use ::myicq_client::account::{Account, Config, Entropy, Registration, Request, Ticket, Timeouts};
use ::myicq_client::{Answer, EndReason, Event, Message, Password, RequestError, SeenMessages, Uin};
use myicq_wire::{Instant, MAX_DATAGRAM};

use crate::errors::{Failed, MYICQ_ERROR_ENDED, MYICQ_ERROR_SYSTEM, MYICQ_OK};
use crate::event::*;

/// Datagrams that are read before the program has its events; the rest waits in the socket.
const BATCH: usize = 64;

/// An event on its way to the program.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) kind: u32,
    pub(crate) uin: u32,
    pub(crate) id: u64,
    pub(crate) request: i64,
    pub(crate) value: u32,
    pub(crate) code: i32,
    pub(crate) text: String,
    /// A message, to be confirmed when the program has seen it.
    pub(crate) ticket: Option<Ticket>,
}

enum Machine {
    Account(Box<Account>),
    Registration(Box<Registration>),
}

/// Who wants what of which server.
pub(crate) struct Session {
    machine: Machine,
    socket: UdpSocket,
    start: SystemInstant,
    server: SocketAddr,
    uin: Uin,
    password: Password,
    events: VecDeque<Told>,
    /// Whether the program has been told of the end.
    is_over: bool,
}

impl Session {
    /// Logs in; with no uin, registers.
    pub(crate) fn open(server: &str, uin: Uin, password: Password) -> Result<Self, Failed> {
        let server = server.to_socket_addrs()?.next();
        let server = server.ok_or_else(|| Failed::new(MYICQ_ERROR_SYSTEM, "the host has no address"))?;
        let machine = if uin == Uin::NONE {
            Machine::Registration(Box::new(Registration::new(&password, entropy(), Timeouts::default())?))
        } else {
            account(uin, &password, SeenMessages::default())?
        };
        let (socket, start) = (socket_to(server)?, now());
        Ok(Self { machine, socket, start, server, uin, password, events: VecDeque::new(), is_over: false })
    }

    /// Opens another session of the same user, which shows no message again.
    pub(crate) fn reopen(&mut self) -> Result<(), Failed> {
        let Machine::Account(account_before) = &self.machine else {
            return Err(Failed::argument("a registration is not repeated: make a new client"));
        };
        if account_before.ended().is_none() {
            return Err(Failed::argument("the session has not ended"));
        }
        let machine = account(self.uin, &self.password, account_before.seen().clone())?;
        (self.socket, self.machine, self.is_over) = (socket_to(self.server)?, machine, false);
        self.events.clear();
        Ok(())
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    fn now(&self) -> Instant {
        Instant::default() + now().duration_since(self.start)
    }

    /// How long nothing is due; `None` for ever.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        if !self.events.is_empty() {
            return Some(Duration::ZERO);
        }
        let next = match &self.machine {
            Machine::Account(account) => account.poll_timeout(),
            Machine::Registration(registration) => registration.poll_timeout(),
        };
        next.map(|next| next.since(self.now()))
    }

    /// Takes what has come, does what is due, and sends what there is to send.
    pub(crate) fn turn(&mut self) {
        let mut datagram = [0; MAX_DATAGRAM];
        for _ in 0..BATCH {
            match self.socket.recv(&mut datagram) {
                Ok(len) => self.take(datagram.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => self.on_nobody_listens(),
                // One of the network's; the machine sends again what needs it.
                Err(_) => {}
            }
        }
        let now = self.now();
        if let Machine::Account(account) = &mut self.machine {
            account.handle_timeout(now);
        }
        self.flush();
        self.collect();
    }

    fn take(&mut self, datagram: &[u8]) {
        let now = self.now();
        match &mut self.machine {
            Machine::Account(account) => account.handle_datagram(now, datagram),
            Machine::Registration(registration) => registration.handle_datagram(datagram),
        }
    }

    /// A session that is open goes on for as long as its link hopes: the server may just be starting again.
    fn on_nobody_listens(&mut self) {
        match &mut self.machine {
            Machine::Account(account) if account.is_online() => {}
            Machine::Account(account) => account.handle_disconnected(EndReason::Unreachable),
            Machine::Registration(registration) => registration.handle_disconnected(EndReason::Unreachable),
        }
    }

    /// What cannot be sent now is as lost as what the network loses: the link sends it again.
    pub(crate) fn flush(&mut self) {
        let now = self.now();
        loop {
            let datagram = match &mut self.machine {
                Machine::Account(account) => account.poll_transmit(now),
                Machine::Registration(registration) => registration.poll_transmit(now),
            };
            let Some(datagram) = datagram else { return };
            let _ = self.socket.send(&datagram);
        }
    }

    /// The next event.
    pub(crate) fn next_event(&mut self) -> Option<Told> {
        self.events.pop_front()
    }

    /// The program has seen the message.
    pub(crate) fn confirm(&mut self, ticket: Ticket) {
        if let Machine::Account(account) = &mut self.machine {
            account.confirm(ticket);
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over && self.events.is_empty()
    }

    /// Asks something of the server, and returns the number that its answer will have.
    pub(crate) fn request(&mut self, request: Request) -> Result<i64, Failed> {
        let Machine::Account(account) = &mut self.machine else {
            return Err(Failed::new(MYICQ_ERROR_ENDED, "this client registers a user and does nothing else"));
        };
        let id = account.request(request)?.number();
        self.flush();
        i64::try_from(id).map_err(|_| Failed::new(MYICQ_ERROR_ENDED, "too many requests for one session"))
    }

    pub(crate) fn log_out(&mut self) {
        if let Machine::Account(account) = &mut self.machine {
            account.log_out();
        }
        self.flush();
        self.collect();
    }

    fn collect(&mut self) {
        match &mut self.machine {
            Machine::Account(account) => {
                while let Some((id, answer)) = account.poll_answer() {
                    answered(i64::try_from(id.number()).unwrap_or(i64::MAX), answer, &mut self.events);
                }
                while let Some(delivery) = account.poll_delivery() {
                    self.is_over |= matches!(delivery.event, Event::Ended { .. });
                    if let Some(told) = told(delivery.event) {
                        self.events.push_back(Told { ticket: delivery.ticket, ..told });
                    } else if let Some(ticket) = delivery.ticket {
                        account.confirm(ticket);
                    }
                }
            }
            Machine::Registration(registration) => {
                if let Some(outcome) = registration.outcome().filter(|_| !self.is_over) {
                    self.is_over = true;
                    self.events.push_back(match outcome {
                        Ok(uin) => Told { kind: MYICQ_EVENT_REGISTERED, uin: uin.0, ..Told::default() },
                        Err(reason) => ended(reason),
                    });
                }
            }
        }
    }
}

fn account(uin: Uin, password: &Password, seen: SeenMessages) -> Result<Machine, Failed> {
    let config = Config::new(uin, password.clone());
    Ok(Machine::Account(Box::new(Account::new(config, entropy(), seen)?)))
}

#[expect(clippy::disallowed_methods, reason = "this is a driver: where time comes from")]
fn now() -> SystemInstant {
    SystemInstant::now()
}

#[expect(clippy::disallowed_methods, reason = "this is a driver: where randomness comes from")]
fn entropy() -> Entropy {
    Entropy::from_bytes(rand::random())
}

#[expect(clippy::disallowed_methods, reason = "this is a driver: where sockets come from")]
fn socket_to(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn ended(reason: EndReason) -> Told {
    let Failed { code, words } = reason.into();
    Told { kind: MYICQ_EVENT_ENDED, code, text: words, ..Told::default() }
}

/// An event as the program sees it; `None` for one that C has no name for.
fn told(event: Event) -> Option<Told> {
    let about = |kind, uin: Uin| Told { kind, uin: uin.0, ..Told::default() };
    Some(match event {
        Event::LoggedIn { online_users, .. } => {
            Told { kind: MYICQ_EVENT_LOGGED_IN, value: online_users, ..Told::default() }
        }
        Event::Message { from, time, id, message, .. } => {
            let (kind, text) = said(message)?;
            Told { id: id.unwrap_or(0), value: time, text, ..about(kind, from) }
        }
        Event::Online(presence) => Told { value: presence.status.0, ..about(MYICQ_EVENT_PRESENCE, presence.uin) },
        Event::Offline { uin, .. } => Told { value: MYICQ_STATUS_OFFLINE, ..about(MYICQ_EVENT_PRESENCE, uin) },
        Event::StatusChanged { uin, status, .. } => Told { value: status.0, ..about(MYICQ_EVENT_PRESENCE, uin) },
        Event::Delivered { to, id } => Told { id, ..about(MYICQ_EVENT_DELIVERED, to) },
        Event::Read { by, up_to } => Told { id: up_to, ..about(MYICQ_EVENT_READ, by) },
        Event::Typing { from, is_typing } => Told { value: is_typing.into(), ..about(MYICQ_EVENT_TYPING, from) },
        Event::GroupMessage { group, from, text, .. } => {
            Told { value: group.0, text, ..about(MYICQ_EVENT_GROUP_MESSAGE, from) }
        }
        Event::GroupEntered { group, member } => {
            Told { value: group.0, text: member.nick, ..about(MYICQ_EVENT_GROUP_ENTERED, member.uin) }
        }
        Event::GroupExited { group, uin } => Told { value: group.0, ..about(MYICQ_EVENT_GROUP_EXITED, uin) },
        Event::Ended { reason } => ended(reason),
        _ => return None,
    })
}

fn said(message: Message) -> Option<(u32, String)> {
    Some(match message {
        Message::Text { text } => (MYICQ_EVENT_MESSAGE, text),
        Message::AutoReply { text } => (MYICQ_EVENT_AUTO_REPLY, text),
        Message::AuthRequest { reason, .. } => (MYICQ_EVENT_AUTH_REQUEST, reason),
        Message::AuthAccepted => (MYICQ_EVENT_AUTH_ACCEPTED, String::new()),
        Message::AuthRejected { reason } => (MYICQ_EVENT_AUTH_REJECTED, reason),
        Message::Added => (MYICQ_EVENT_ADDED, String::new()),
        _ => return None,
    })
}

/// The items of an answer, then the answer.
fn answered(request: i64, answer: Result<Answer, RequestError>, events: &mut VecDeque<Told>) {
    let mut last = Told { kind: MYICQ_EVENT_ANSWER, request, code: MYICQ_OK, ..Told::default() };
    let item = |uin: Uin, value: u32, text: String| Told {
        kind: MYICQ_EVENT_ITEM,
        request,
        uin: uin.0,
        value,
        text,
        ..Told::default()
    };
    match answer {
        Ok(Answer::Arrived(arrival)) => last.id = arrival.id().unwrap_or(0),
        Ok(Answer::Contacts(contacts)) => {
            events.extend(contacts.into_iter().map(|uin| item(uin, 0, String::new())));
        }
        Ok(Answer::Added(authorization)) => last.value = authorization.0.into(),
        Ok(Answer::Found(found)) => {
            events.extend(found.into_iter().map(|user| item(user.uin, user.online.into(), user.nick)));
        }
        Ok(Answer::Groups(groups)) => {
            events.extend(groups.into_iter().map(|group| item(Uin::NONE, group.group.0, group.name)));
        }
        Ok(Answer::GroupCreated(group)) => last.value = group.map_or(0, |group| group.0),
        Ok(Answer::GroupEntered(Ok(members))) => {
            events.extend(members.into_iter().map(|member| item(member.uin, 0, member.nick)));
        }
        Ok(Answer::GroupEntered(Err(refused))) => {
            Failed { code: last.code, words: last.text } = RequestError::Group(refused).into();
        }
        Ok(_) => {}
        Err(error) => Failed { code: last.code, words: last.text } = error.into(),
    }
    events.push_back(last);
}
