//! By which way a message goes: directly, or through the server.
//!
//! A message whose direct copy was not acknowledged goes through the server with the same [token](super::MessageToken), so its
//! recipient shows it once. The order between two people is kept because only one way is used at a time: nothing goes directly
//! while something is under way through the server or lies in its store, and nothing goes through the server before what
//! was sent directly has been acknowledged or has been given up, and then behind it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};

use myicq_wire::Uin;

use super::{MAX_UNACKNOWLEDGED, is_at, reach};
use crate::event::Presence;

/// Of how many users it is known at once where they are; what is said to others goes through the server.
pub const MAX_LANES: usize = 1_024;

/// Names a message that is to be sent, and later what became of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LetterId(pub u64);

/// Names a connection. The owner numbers them as he likes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// What is to be done next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Try to connect: [`Lanes::handle_connected`] or [`Lanes::handle_unconnected`] says what came of it.
    Connect {
        /// With whom.
        uin: Uin,
        /// Where he listens.
        to: SocketAddrV4,
    },
    /// Send a message by this connection.
    Direct {
        /// Which connection.
        by: ConnectionId,
        /// Which message.
        letter: LetterId,
    },
    /// Send a message through the server: [`Lanes::handle_answer`] says what came of it.
    Server {
        /// Which message.
        letter: LetterId,
        /// Whether it has been sent directly before, so that its recipient may have it.
        is_again: bool,
    },
}

/// What is under way to one user.
#[derive(Debug, Default)]
struct Lane {
    presence: Option<Presence>,
    /// Whether connecting may be tried: once for each notice of where he is.
    may_try: bool,
    is_connecting: bool,
    /// The one that is used, in front, and others that he has opened.
    connections: VecDeque<ConnectionId>,
    /// Not sent yet, and whether it may go directly.
    waiting: VecDeque<(LetterId, bool)>,
    /// Sent directly and not acknowledged.
    direct: VecDeque<LetterId>,
    /// Sent through the server, without its answer.
    asked: BTreeSet<LetterId>,
    /// The last one that lies in the store of the server, as far as is known.
    stored: Option<u64>,
}

impl Lane {
    fn is_idle(&self) -> bool {
        self.presence.is_none()
            && !self.is_connecting
            && self.connections.is_empty()
            && self.waiting.is_empty()
            && self.direct.is_empty()
            && self.asked.is_empty()
            && self.stored.is_none()
    }
}

/// The lanes of all messages of one user, one for each to whom he speaks.
#[derive(Debug, Default)]
pub struct Lanes {
    /// How the server sees this client; `None` while there are to be no direct sessions.
    own: Option<Ipv4Addr>,
    lanes: BTreeMap<Uin, Lane>,
    steps: VecDeque<Step>,
}

impl Lanes {
    /// Everything goes through the server until [`Lanes::set_own`].
    pub fn new() -> Self {
        Self::default()
    }

    /// How the server sees this client: direct sessions may be opened. `None`: no more. An invisible user should have none.
    pub fn set_own(&mut self, own: Option<Ipv4Addr>) {
        self.own = own;
    }

    /// How the server sees this client, if there are to be direct sessions.
    pub fn own(&self) -> Option<Ipv4Addr> {
        self.own
    }

    /// Somebody is here, or is somewhere else now.
    pub fn handle_online(&mut self, presence: &Presence) {
        let is_known = self.lanes.contains_key(&presence.uin);
        if presence.domain.is_some() || (!is_known && self.lanes.len() >= MAX_LANES) {
            return;
        }
        let lane = self.lanes.entry(presence.uin).or_default();
        (lane.presence, lane.may_try) = (Some(presence.clone()), true);
    }

    /// Somebody has gone. COMPAT: as with the clients of 2003, that closes no connection.
    pub fn handle_offline(&mut self, uin: Uin) {
        if let Some(lane) = self.lanes.get_mut(&uin) {
            lane.presence = None;
        }
        self.forget_if_idle(uin);
    }

    /// Where somebody is, as far as the server has said.
    pub fn presence(&self, uin: Uin) -> Option<&Presence> {
        self.lanes.get(&uin)?.presence.as_ref()
    }

    /// Who may be at this address.
    pub fn who_is_at(&self, address: Ipv4Addr) -> Vec<Uin> {
        let here = self.lanes.values().filter_map(|lane| lane.presence.as_ref());
        here.filter(|presence| is_at(address, presence)).map(|presence| presence.uin).collect()
    }

    /// Takes a message on its way. Only words may go directly: see [`super::MessageToken`].
    pub fn send(&mut self, to: Uin, letter: LetterId, may_be_direct: bool) {
        self.lanes.entry(to).or_default().waiting.push_back((letter, may_be_direct));
        self.pump(to);
    }

    /// A connection has come about, opened by either side, and it is known who is there.
    pub fn handle_connected(&mut self, uin: Uin, connection: ConnectionId, is_own: bool) {
        let lane = self.lanes.entry(uin).or_default();
        lane.connections.push_back(connection);
        lane.is_connecting &= !is_own;
        self.pump(uin);
    }

    /// No connection has come about.
    pub fn handle_unconnected(&mut self, uin: Uin) {
        if let Some(lane) = self.lanes.get_mut(&uin) {
            lane.is_connecting = false;
        }
        self.pump(uin);
    }

    /// A connection has ended. What went by it and was not acknowledged goes through the server. `may_try_again` says that it ended in peace.
    pub fn handle_lost(&mut self, uin: Uin, connection: ConnectionId, may_try_again: bool) {
        let Some(lane) = self.lanes.get_mut(&uin) else { return };
        let was_used = lane.connections.front() == Some(&connection);
        lane.connections.retain(|other| *other != connection);
        if !was_used {
            return;
        }
        lane.may_try |= may_try_again;
        for letter in lane.direct.drain(..) {
            lane.asked.insert(letter);
            self.steps.push_back(Step::Server { letter, is_again: true });
        }
        self.pump(uin);
    }

    /// A message has been acknowledged directly. `false` if it is under way through the server by now.
    pub fn handle_acknowledged(&mut self, uin: Uin, letter: LetterId) -> bool {
        let Some(lane) = self.lanes.get_mut(&uin) else { return false };
        let before = lane.direct.len();
        lane.direct.retain(|direct| *direct != letter);
        let was_direct = lane.direct.len() < before;
        self.pump(uin);
        was_direct
    }

    /// The server has answered a message, whatever it said. `stored` is the number of one that it has stored.
    pub fn handle_answer(&mut self, uin: Uin, letter: LetterId, stored: Option<u64>) {
        let Some(lane) = self.lanes.get_mut(&uin) else { return };
        lane.asked.remove(&letter);
        lane.stored = lane.stored.max(stored);
        self.pump(uin);
        self.forget_if_idle(uin);
    }

    /// A stored message has reached its recipient's program, and with it all before it.
    pub fn handle_delivered(&mut self, uin: Uin, id: u64) {
        if let Some(lane) = self.lanes.get_mut(&uin) {
            lane.stored = lane.stored.filter(|stored| *stored > id);
        }
        self.pump(uin);
    }

    /// The next thing to be done, in order.
    pub fn poll_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// How many messages wait for something else than the server.
    pub fn len(&self) -> usize {
        self.lanes.values().map(|lane| lane.waiting.len() + lane.direct.len()).sum()
    }

    /// Whether no message waits for anything else than the server.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn forget_if_idle(&mut self, uin: Uin) {
        if self.lanes.get(&uin).is_some_and(Lane::is_idle) {
            self.lanes.remove(&uin);
        }
    }

    /// Lets go what may go now.
    fn pump(&mut self, uin: Uin) {
        let Some(lane) = self.lanes.get_mut(&uin) else { return };
        while let Some(&(letter, may_be_direct)) = lane.waiting.front() {
            let is_quiet = lane.asked.is_empty() && lane.stored.is_none();
            if may_be_direct && is_quiet && self.own.is_some() {
                if let Some(&by) = lane.connections.front() {
                    if lane.direct.len() >= MAX_UNACKNOWLEDGED {
                        return;
                    }
                    lane.waiting.pop_front();
                    lane.direct.push_back(letter);
                    self.steps.push_back(Step::Direct { by, letter });
                    continue;
                }
                if lane.is_connecting {
                    return;
                }
                let there = lane.presence.as_ref().filter(|presence| lane.may_try && presence.port != 0);
                let to = there
                    .zip(self.own)
                    .and_then(|(there, own)| Some(SocketAddrV4::new(reach(own, there)?, there.port)));
                if let Some(to) = to {
                    (lane.is_connecting, lane.may_try) = (true, false);
                    self.steps.push_back(Step::Connect { uin, to });
                    return;
                }
            }
            if !lane.direct.is_empty() {
                return;
            }
            lane.waiting.pop_front();
            lane.asked.insert(letter);
            self.steps.push_back(Step::Server { letter, is_again: false });
        }
    }
}
