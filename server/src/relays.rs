//! Who may carry bytes through the server, and how many (docs/protocol.md, "RELAY"). Without I/O: the driver tells it who comes and what
//! passes, and does what it says.
//!
//! A relay is two connections and a buffer for each of them. It is opened for two users, each of whom gets a token that lets one
//! connection in, once; from when both are there until it is closed, bytes are carried, and counted for the user whose they are.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use blake2::Blake2sMac;
use blake2::digest::consts::U16;
use blake2::digest::{CtOutput, KeyInit, Mac};
use hashbrown::HashMap;
use myicq_wire::{Instant, RelayHello, RelayPass, RelayToken, Uin, UnixTime};

use crate::config::Config;
use crate::hub::Refusal;
use crate::time::Now;

/// Users whose bytes of a day are remembered. Who would be one more waits until the next day; each has had a relay.
const USERS_MAX: usize = 100_000;

/// How far ahead of its rate a direction may be: a few buffers, so that the driver does not wait after each.
const AHEAD: Duration = Duration::from_millis(100);

/// Why a relay ended, or a connection for one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelayEnd {
    /// Each end has closed its side, or the network has.
    Closed,
    /// One of the ends did not come in time.
    NotMet,
    /// No byte passed for too long.
    Idle,
    /// It has carried as much as one relay may.
    TooMuch,
    /// A user has had carried as much as may be in a day.
    DayOver,
    /// The server stops.
    Stopping,
    /// A connection has not said in time what it wants.
    TooSlow,
    /// What it said was not that.
    Malformed,
    /// It had no token of a relay that waits for it.
    Stranger,
    /// There are as many connections as may be.
    Full,
    /// There are as many from this address as may be.
    FullOfAddress,
}

impl RelayEnd {
    /// Every one, and the name under which it is counted.
    pub const NAMED: [(Self, &str); 11] = [
        (Self::Closed, "closed"),
        (Self::NotMet, "not_met"),
        (Self::Idle, "idle"),
        (Self::TooMuch, "too_much"),
        (Self::DayOver, "day_over"),
        (Self::Stopping, "stopping"),
        (Self::TooSlow, "too_slow"),
        (Self::Malformed, "malformed"),
        (Self::Stranger, "stranger"),
        (Self::Full, "full"),
        (Self::FullOfAddress, "full_of_address"),
    ];
}

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Who has asked for it.
    Asker,
    /// The other.
    Other,
}

impl Side {
    const BOTH: [Self; 2] = [Self::Asker, Self::Other];

    /// The one across.
    #[must_use]
    pub fn across(self) -> Self {
        match self {
            Self::Asker => Self::Other,
            Self::Other => Self::Asker,
        }
    }
}

/// Who has been let in, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Admitted {
    /// To which relay.
    pub number: u32,
    /// At which of its ends.
    pub side: Side,
    /// Whether the other end is there.
    pub is_whole: bool,
}

/// A keyed hash, compared in constant time.
type Token = CtOutput<Blake2sMac<U16>>;

/// One end.
#[derive(Clone, Copy, Debug)]
struct End {
    user: Uin,
    is_here: bool,
    /// When what it has said will have passed at the rate that it may have.
    paid_until: Instant,
}

#[derive(Debug)]
struct Relay {
    /// Of which its tokens are made. No two relays have the same.
    serial: u64,
    asker: End,
    other: End,
    /// How many it may still carry.
    bytes_left: u64,
}

impl Relay {
    fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Asker => &mut self.asker,
            Side::Other => &mut self.other,
        }
    }
}

/// What a user has of them.
#[derive(Clone, Copy, Default, Debug)]
struct Usage {
    open: usize,
    bytes_today: u64,
}

/// The relays of a server.
pub struct Relays {
    config: Arc<Config>,
    /// Where they are reached.
    port: u16,
    /// Tokens are made and not kept. In a box, so that the key stays where it is, and is wiped there.
    keyed: Box<Blake2sMac<U16>>,
    last_serial: u64,
    relays: HashMap<u32, Relay>,
    /// Until when each may wait for its ends, the first first; also those that do not wait any more.
    waiting: VecDeque<(Instant, u32)>,
    users: HashMap<Uin, Usage>,
    /// Of which day their bytes are: days since 1970.
    day: u64,
}

impl fmt::Debug for Relays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relays").field("relays", &self.relays).finish_non_exhaustive()
    }
}

impl Relays {
    /// None yet. The key must be random.
    pub fn new(config: Arc<Config>, port: u16, key: &[u8; 32]) -> Self {
        Self {
            config,
            port,
            keyed: Box::new(Blake2sMac::new(key.into())),
            last_serial: 0,
            relays: HashMap::new(),
            waiting: VecDeque::new(),
            users: HashMap::new(),
            day: 0,
        }
    }

    /// How many there are, those that wait for their ends among them.
    pub fn len(&self) -> usize {
        self.relays.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.relays.is_empty()
    }

    /// Opens a relay between two users: the pass of the one who asked, and that of the other.
    ///
    /// # Errors
    /// [`Refusal::Busy`]: there are as many as may be. [`Refusal::TooMany`]: one of the two has as many. [`Refusal::TooOften`]: one of
    /// them has had carried as much as may be in a day.
    pub fn open(&mut self, now: Now, asker: Uin, other: Uin) -> Result<[RelayPass; 2], Refusal> {
        self.turn_day(now.unix);
        let limits = &self.config.limits;
        if self.relays.len() >= limits.relays_max || self.users.len() + 2 > USERS_MAX {
            return Err(Refusal::Busy);
        }
        for user in [asker, other] {
            let usage = self.users.get(&user).copied().unwrap_or_default();
            if usage.open >= limits.relay_per_user_max {
                return Err(Refusal::TooMany);
            }
            if usage.bytes_today >= self.day_bytes() {
                return Err(Refusal::TooOften);
            }
        }
        let number = self.next_number();
        let end = |user| End { user, is_here: false, paid_until: now.instant };
        let bytes = mib(self.config.limits.relay_mib_max);
        let relay = Relay { serial: self.last_serial, asker: end(asker), other: end(other), bytes_left: bytes };
        self.relays.insert(number, relay);
        for user in [asker, other] {
            self.users.entry(user).or_default().open += 1;
        }
        let patience = self.config.session.relay_wait_timeout;
        self.waiting.push_back((now.instant + patience, number));
        let wait = u16::try_from(patience.as_secs()).unwrap_or(u16::MAX);
        Ok(Side::BOTH.map(|side| {
            let token = RelayToken(self.token(self.last_serial, side).into_bytes().into());
            RelayPass { port: self.port, number, token, wait, bytes }
        }))
    }

    /// A number that no relay has.
    fn next_number(&mut self) -> u32 {
        loop {
            self.last_serial += 1;
            let number = u32::try_from(self.last_serial & u64::from(u32::MAX)).unwrap_or_default();
            if number > 0 && !self.relays.contains_key(&number) {
                return number;
            }
        }
    }

    fn token(&self, serial: u64, side: Side) -> Token {
        let mac = Blake2sMac::clone(&self.keyed).chain_update(serial.to_be_bytes());
        mac.chain_update([u8::from(side == Side::Other)]).finalize()
    }

    /// Lets a connection in, once for each token.
    ///
    /// # Errors
    /// [`RelayEnd::Stranger`].
    pub fn admit(&mut self, hello: &RelayHello) -> Result<Admitted, RelayEnd> {
        let serial = self.relays.get(&hello.number).map(|relay| relay.serial).ok_or(RelayEnd::Stranger)?;
        let said: Token = CtOutput::new(hello.token.0.into());
        let [asker, other] = Side::BOTH.map(|side| self.token(serial, side) == said);
        let side = match (asker, other) {
            (true, _) => Side::Asker,
            (_, true) => Side::Other,
            _ => return Err(RelayEnd::Stranger),
        };
        let relay = self.relays.get_mut(&hello.number).ok_or(RelayEnd::Stranger)?;
        if std::mem::replace(&mut relay.end(side).is_here, true) {
            return Err(RelayEnd::Stranger);
        }
        let is_whole = relay.end(side.across()).is_here;
        Ok(Admitted { number: hello.number, side, is_whole })
    }

    /// An end has said so many bytes, which are to be carried. Says before when nothing more is to be taken from it.
    ///
    /// # Errors
    /// They may not be carried, and the relay is to be closed: [`RelayEnd::TooMuch`], [`RelayEnd::DayOver`].
    pub fn carry(&mut self, now: Now, number: u32, side: Side, len: usize) -> Result<Instant, RelayEnd> {
        self.turn_day(now.unix);
        let (day_bytes, len) = (self.day_bytes(), len as u64);
        let relay = self.relays.get_mut(&number).ok_or(RelayEnd::NotMet)?;
        relay.bytes_left = relay.bytes_left.checked_sub(len).ok_or(RelayEnd::TooMuch)?;
        let end = relay.end(side);
        let usage = self.users.entry(end.user).or_default();
        usage.bytes_today += len;
        if usage.bytes_today > day_bytes {
            return Err(RelayEnd::DayOver);
        }
        if !self.config.limits.rates {
            return Ok(now.instant);
        }
        let takes = Duration::from_micros(len * 1_000_000 / (self.config.limits.relay_kib_per_second * 1_024));
        end.paid_until = end.paid_until.max(now.instant) + takes;
        Ok(now.instant + end.paid_until.since(now.instant).saturating_sub(AHEAD))
    }

    /// A relay has ended.
    pub fn close(&mut self, number: u32) {
        let Some(relay) = self.relays.remove(&number) else { return };
        for end in [relay.asker, relay.other] {
            if let Some(usage) = self.users.get_mut(&end.user) {
                usage.open = usage.open.saturating_sub(1);
            }
        }
    }

    /// When [`Relays::poll_overdue`] may have something, if nothing comes before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.front().map(|&(deadline, _)| deadline)
    }

    /// The next relay whose ends have not come in time. It is closed.
    pub fn poll_overdue(&mut self, now: Instant) -> Option<u32> {
        while let Some((_, number)) = self.waiting.pop_front_if(|(deadline, _)| *deadline <= now) {
            if self.relays.get(&number).is_some_and(|relay| !(relay.asker.is_here && relay.other.is_here)) {
                self.close(number);
                return Some(number);
            }
        }
        None
    }

    fn day_bytes(&self) -> u64 {
        let limits = &self.config.limits;
        if limits.rates { mib(limits.relay_user_mib_per_day) } else { u64::MAX }
    }

    /// With a new day, everybody may again.
    fn turn_day(&mut self, UnixTime(microseconds): UnixTime) {
        let day = microseconds / 86_400_000_000;
        if day > self.day {
            self.day = day;
            self.users.retain(|_, usage| {
                usage.bytes_today = 0;
                usage.open > 0
            });
        }
    }
}

fn mib(count: u64) -> u64 {
    count.saturating_mul(1 << 20)
}

#[cfg(test)]
mod tests;
