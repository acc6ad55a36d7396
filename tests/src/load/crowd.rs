//! Many users on few sockets, in one thread: who reads the clock and the sockets for all of them.
//!
//! A session is bound to its address, its number and its user, so that several may share one socket. Their numbers say whose a datagram
//! is.
#![expect(clippy::disallowed_methods, reason = "a driver: it reads the clock and opens the sockets")]

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use myicq_client::account::{Config, Entropy, Request, RequestId};
use myicq_client::{Misuse, Password};
use myicq_wire::{Capabilities, Instant, MAX_DATAGRAM, Seq, ServerHeader, SessionId, Status, Uin};
use rand::{RngExt as _, SeedableRng as _};

use super::member::{Member, Notice};

/// Bits of a session's number that say whose it is. The others tell the sessions of one member apart.
const MEMBER_BITS: u32 = 20;

/// Users of one crowd at most.
pub(super) const MEMBERS_MAX: u32 = 1 << MEMBER_BITS;

/// The sessions of one member whose numbers differ.
const GENERATIONS: u32 = 1 << 10;

/// The bit that keeps a session's number from being 0, the highest that the clients of 2003 use.
const SESSION_BIT: u32 = 1 << 30;

/// Of each user here. It opens the same door as any other.
pub(super) const PASSWORD: &str = "load test";

/// How long nothing may come before it counts as lost: longer than the links need to give up.
const PATIENCE: Duration = Duration::from_secs(40);

/// Sockets looked at in one turn: so few that what came on the first does not wait long for the last.
const EVENTS_MAX: usize = 64;

/// Members, their sockets and their timers.
#[derive(Debug)]
pub(super) struct Crowd {
    members: Vec<Member>,
    sockets: Vec<UdpSocket>,
    poll: Poll,
    events: Events,
    timers: BTreeSet<(Instant, usize)>,
    notices: VecDeque<(usize, Notice)>,
    began: std::time::Instant,
    random: rand::rngs::StdRng,
    /// Mixed into the numbers of sessions, so that those of two runs differ.
    mask: u32,
    password: Password,
    offered: Capabilities,
    buffer: Vec<u8>,
    /// Datagrams that the system had no room for. The links send them again.
    pub(super) not_sent: u64,
}

impl Crowd {
    /// A member for each of `uins`, with at most so many sockets between them.
    pub(super) fn new(server: SocketAddr, uins: &[Uin], sockets: usize, offered: Capabilities) -> anyhow::Result<Self> {
        let any = match server {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let poll = Poll::new()?;
        let open = |token| {
            let mut socket = UdpSocket::bind(any)?;
            socket.connect(server)?;
            poll.registry().register(&mut socket, Token(token), Interest::READABLE)?;
            Ok(socket)
        };
        let count = sockets.min(uins.len());
        let opened: io::Result<Vec<_>> = (0..count).map(open).collect();
        let sockets = opened
            .with_context(|| format!("cannot open {count} sockets: raise `ulimit -n`, or use fewer with --sockets"))?;
        let mut random = rand::rngs::StdRng::from_rng(&mut rand::rng());
        Ok(Self {
            members: uins.iter().copied().map(Member::new).collect(),
            sockets,
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            timers: BTreeSet::new(),
            notices: VecDeque::new(),
            began: std::time::Instant::now(),
            mask: random.random_range(0..SESSION_BIT) | SESSION_BIT,
            random,
            password: Password::new(PASSWORD)?,
            offered,
            // With one byte more than a datagram may have, a longer one does not pass for one that just fits.
            buffer: vec![0; MAX_DATAGRAM + 1],
            not_sent: 0,
        })
    }

    pub(super) fn now(&self) -> Instant {
        // Not from 0, which some take for never.
        Instant(1) + self.began.elapsed()
    }

    /// How many sockets the members share.
    pub(super) fn sockets(&self) -> usize {
        self.sockets.len()
    }

    pub(super) fn uin(&self, member: usize) -> Uin {
        self.members[member].uin
    }

    /// Datagrams that members sent again.
    pub(super) fn resent(&self) -> u64 {
        self.members.iter().map(|member| member.resent).sum()
    }

    /// Datagrams that came to members again.
    pub(super) fn duplicates(&self) -> u64 {
        self.members.iter().map(Member::duplicates).sum()
    }

    /// Makes the member a user; [`Notice::Registered`] says when he is one.
    pub(super) fn register(&mut self, member: usize) -> anyhow::Result<()> {
        let entropy = self.entropy(member);
        self.members[member].register(&self.password, entropy)?;
        self.pump(member, self.now())
    }

    /// Opens a session of the member; an event says when it is open.
    pub(super) fn log_in(&mut self, member: usize) -> anyhow::Result<()> {
        let entropy = self.entropy(member);
        let mut config = Config::new(self.members[member].uin, self.password.clone());
        (config.status, config.offered) = (Status::ONLINE, self.offered);
        self.members[member].log_in(config, entropy)?;
        self.pump(member, self.now())
    }

    /// Ends the member's session, if he has one.
    pub(super) fn log_out(&mut self, member: usize) -> anyhow::Result<()> {
        if let Some(account) = self.members[member].session_mut() {
            account.log_out();
        }
        self.pump(member, self.now())
    }

    /// Asks something of the server in the name of the member. `None` when his session has ended.
    pub(super) fn ask(&mut self, member: usize, request: Request) -> anyhow::Result<Option<RequestId>> {
        let Some(account) = self.members[member].session_mut() else { return Ok(None) };
        let id = match account.request(request) {
            Ok(id) => id,
            Err(Misuse::Ended) => return Ok(None),
            Err(misuse) => return Err(misuse.into()),
        };
        self.pump(member, self.now())?;
        Ok(Some(id))
    }

    fn entropy(&mut self, member: usize) -> Entropy {
        let generation = self.members[member].generation;
        self.members[member].generation = (generation + 1) % GENERATIONS;
        let owner = u32::try_from(member).expect("fewer than MEMBERS_MAX");
        Entropy {
            session: SessionId((generation << MEMBER_BITS | owner) ^ self.mask),
            first_seq: Seq::new(self.random.random_range(1..1 << 14)).unwrap_or(Seq::FIRST),
            seed: self.random.random(),
        }
    }

    /// Waits until something comes or is due, at most until `until`, and lets the members deal with it.
    fn turn(&mut self, until: Instant) -> anyhow::Result<()> {
        let next = self.timers.first().map_or(until, |(at, _)| until.min(*at));
        let wait = if self.notices.is_empty() { next.since(self.now()) } else { Duration::ZERO };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        let ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
        for socket in ready {
            self.receive(socket)?;
        }
        let now = self.now();
        while let Some(&(at, member)) = self.timers.first().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, member));
            self.members[member].armed = None;
            self.members[member].handle_timeout(now);
            self.pump(member, now)?;
        }
        Ok(())
    }

    fn receive(&mut self, socket: usize) -> anyhow::Result<()> {
        let now = self.now();
        loop {
            let len = match self.sockets[socket].recv(&mut self.buffer) {
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(trouble(error)),
            };
            let datagram = &self.buffer[..len];
            let Ok((header, _)) = ServerHeader::decode(datagram) else { continue };
            let member = ((header.session.0 ^ self.mask) % MEMBERS_MAX) as usize;
            if let Some(addressee) = self.members.get_mut(member) {
                addressee.handle_datagram(now, datagram);
                self.pump(member, now)?;
            }
        }
    }

    /// Does all that the member's program wants done.
    fn pump(&mut self, member: usize, now: Instant) -> anyhow::Result<()> {
        let program = &mut self.members[member];
        let socket = &self.sockets[member % self.sockets.len()];
        loop {
            while let Some(datagram) = program.poll_transmit(now) {
                match socket.send(&datagram) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => self.not_sent += 1,
                    Err(error) => return Err(trouble(error)),
                }
            }
            let before = self.notices.len();
            self.notices.extend(std::iter::from_fn(|| program.poll_notice()).map(|notice| (member, notice)));
            if self.notices.len() == before {
                break;
            }
        }
        // A timer that is later now stays as it is: it wakes the member once too often, and costs nothing meanwhile.
        if let Some(at) = program.poll_timeout()
            && program.armed.is_none_or(|armed| at < armed)
        {
            program.armed.into_iter().for_each(|armed| {
                self.timers.remove(&(armed, member));
            });
            program.armed = Some(at);
            self.timers.insert((at, member));
        }
        Ok(())
    }

    /// Takes turns until `until`, and hands on what happens.
    pub(super) fn run_until(
        &mut self,
        until: Instant,
        mut handle: impl FnMut(&mut Self, usize, Notice) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        while self.now() < until {
            while let Some((member, notice)) = self.notices.pop_front() {
                handle(self, member, notice)?;
            }
            self.turn(until)?;
        }
        Ok(())
    }

    /// Takes turns until `handle` says that all has come, or until nothing has come for longer than the links need to give up. Whether
    /// all has come.
    pub(super) fn run_until_done(
        &mut self,
        mut handle: impl FnMut(&mut Self, usize, Notice) -> anyhow::Result<bool>,
    ) -> anyhow::Result<bool> {
        let mut until = self.now() + PATIENCE;
        while self.now() < until {
            while let Some((member, notice)) = self.notices.pop_front() {
                until = self.now() + PATIENCE;
                if handle(self, member, notice)? {
                    return Ok(true);
                }
            }
            self.turn(until)?;
        }
        Ok(false)
    }
}

/// A datagram can be lost, a server cannot.
fn trouble(error: io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::ConnectionRefused {
        return anyhow::anyhow!("no server listens there");
    }
    anyhow::Error::new(error).context("a socket failed")
}
