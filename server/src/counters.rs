//! What the server counts. Everything that is dropped or refused is counted under a name.

use std::iter::Sum;

use myicq_wire::{COMMAND_AT, COMMANDS, DecodeErrorKind};

use crate::hub::Refusal;

/// Declares an enum of causes together with the names under which they are counted.
macro_rules! causes {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            const NAMES: &[&str] = &[$($text,)*];

            /// The name under which it is counted.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

causes! {
    /// Why a datagram was dropped, apart from not being one ([`DecodeErrorKind`]).
    Drop {
        /// Longer than any datagram of the protocol.
        Oversize = "oversize",
        /// No such session, or none of that user.
        UnknownSession = "unknown_session",
        /// The session is another address's.
        WrongAddress = "wrong_address",
        /// A request without a sequence number, which could not be acknowledged.
        NoSeq = "no_seq",
        /// The same request again, while it is being worked on.
        DuplicateOpen = "duplicate_open",
        /// The same request again, after it was acknowledged: acknowledged again.
        DuplicateAnswered = "duplicate_answered",
        /// Too old to know whether it came before.
        Stale = "stale",
        /// Further ahead than a client may be.
        TooFar = "too_far",
        /// More requests than may be worked on.
        Busy = "busy",
        /// More requests before the proof of the address than are kept.
        HalfOpenFull = "half_open_full",
        /// A login or registration while too many others are under way.
        LoginsFull = "logins_full",
        /// A login after too many wrong ones for its user, or from its address.
        LoginsTooOften = "logins_too_often",
        /// A second login in a session, or one that is a replay from another address.
        LoginInSession = "login_in_session",
        /// Of a session that was restored, before its client has said where it stands.
        NotResumed = "not_resumed",
        /// The server is stopping.
        Stopping = "stopping",
        /// Not one that came: what happened in a group, for a client that is slow to acknowledge.
        GroupNews = "group_news",
    }
}

causes! {
    /// What happened, apart from drops.
    Event {
        /// A datagram came.
        Received = "datagrams_received",
        /// A datagram went out.
        Sent = "datagrams_sent",
        /// A user was made by a registration whose address is proven.
        Registered = "registrations",
        /// Somebody who had been told his number is no user, because his address was never proven.
        RegistrationUnproven = "registrations_never_proven",
        /// A registration failed.
        RegistrationFailed = "registrations_failed",
        /// A registration from an address from which nobody may register.
        RegistrationClosed = "registrations_closed",
        /// A registration from an address from which too many have come.
        RegistrationTooOften = "registrations_too_often",
        /// A login was right.
        LoggedIn = "logins",
        /// A login named nobody.
        InvalidUin = "logins_invalid_uin",
        /// A login had the wrong password.
        WrongPassword = "logins_wrong_password",
        /// A session was opened: its address was proven.
        Opened = "sessions_opened",
        /// A session of an earlier process goes on.
        Restored = "sessions_restored",
        /// The client of such a session has said where it stands.
        Resumed = "sessions_resumed",
        /// A session ended by LOGOUT.
        LoggedOut = "sessions_logged_out",
        /// A session ended because another took its place.
        Replaced = "sessions_replaced",
        /// A plain-v1 session ended because its sequence numbers ran out.
        Renewed = "sessions_renewed",
        /// A session ended because nothing came any more.
        Expired = "sessions_expired",
        /// A login was forgotten because its address was never proven.
        NeverProven = "sessions_never_proven",
        /// A login whose address was not proven made room for another from there.
        Crowded = "sessions_crowded",
        /// A session with ONCE ended because a datagram was given up.
        LinkLost = "sessions_link_lost",
        /// A session ended because it did not take what was sent to it.
        NotReading = "sessions_not_reading",
        /// A session ended because its user was removed.
        Removed = "sessions_removed",
        /// A datagram was sent and never acknowledged.
        GivenUp = "datagrams_given_up",
        /// An unproven address was asked once more for an acknowledgement.
        Probed = "probes",
        /// A message was delivered to a session and acknowledged by it.
        Delivered = "messages_delivered",
        /// A stored message was forgotten, because its recipient had not come for it.
        MessageExpired = "messages_expired",
        /// A notice of a delivery, of reading or of typing was not sent to a client that is slow to acknowledge.
        ReceiptDropped = "receipts_dropped",
        /// A relay was opened for who asked for it.
        RelayOpened = "relays_opened",
        /// A relay was offered to the other.
        RelayOffered = "relays_offered",
        /// A relay was not offered to a client that is slow to acknowledge.
        RelayDropped = "relays_dropped",
        /// A request that this server does not have yet was acknowledged.
        Unsupported = "requests_unsupported",
    }
}

/// What became of a datagram at first sight. A request that is taken may still be refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It was what it should be.
    Taken,
    /// It was dropped.
    Dropped(Drop),
    /// It was no datagram of the protocol.
    Undecoded(DecodeErrorKind),
}

impl Fate {
    /// The names under which datagrams of a command are counted.
    const NAMES: [&str; 3] = ["taken", "dropped", "undecoded"];

    fn index(self) -> usize {
        match self {
            Self::Taken => 0,
            Self::Dropped(_) => 1,
            Self::Undecoded(_) => 2,
        }
    }

    /// What is counted: `taken`, or the name of the counter.
    pub fn name(self) -> String {
        match self {
            Self::Taken => "taken".to_owned(),
            Self::Dropped(cause) => format!("drop_{}", cause.name()),
            Self::Undecoded(kind) => format!("undecoded_{}", kind.name()),
        }
    }
}

/// Where a command is counted: its place in [`COMMANDS`]; behind those, all that are unknown.
const UNKNOWN: usize = COMMANDS.len();

/// One more than the highest number of a command.
const NUMBERS: usize = 0x1003;

/// The place of each number, [`UNKNOWN`] for those of no command. A table, because each datagram is looked up.
static PLACES: [u8; NUMBERS] = places();

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "the compiler does it, and would complain"
)]
const fn places() -> [u8; NUMBERS] {
    let mut places = [UNKNOWN as u8; NUMBERS];
    let mut place = 0;
    while place < COMMANDS.len() {
        places[COMMANDS[place].number as usize] = place as u8;
        place += 1;
    }
    places
}

fn place(number: u16) -> usize {
    PLACES.get(usize::from(number)).map_or(UNKNOWN, |&place| place.into())
}

/// Counts since the start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counters {
    /// By command and fate.
    received: [[u64; Fate::NAMES.len()]; UNKNOWN + 1],
    /// By command.
    sent: [u64; UNKNOWN + 1],
    /// What becomes of the datagram that is being looked at.
    fate: Fate,
    drops: [u64; Drop::NAMES.len()],
    events: [u64; Event::NAMES.len()],
    undecoded: [u64; DecodeErrorKind::ALL.len()],
    refusals: [u64; Refusal::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            received: [[0; Fate::NAMES.len()]; UNKNOWN + 1],
            sent: [0; UNKNOWN + 1],
            fate: Fate::Taken,
            drops: [0; Drop::NAMES.len()],
            events: [0; Event::NAMES.len()],
            undecoded: [0; DecodeErrorKind::ALL.len()],
            refusals: [0; Refusal::ALL.len()],
        }
    }
}

impl<'a> Sum<&'a Self> for Counters {
    fn sum<I: Iterator<Item = &'a Self>>(shards: I) -> Self {
        let add = |total: &mut [u64], counts: &[u64]| total.iter_mut().zip(counts).for_each(|(total, n)| *total += n);
        shards.fold(Self::default(), |mut total, shard| {
            total.received.iter_mut().zip(&shard.received).for_each(|(total, counts)| add(total, counts));
            add(&mut total.sent, &shard.sent);
            add(&mut total.drops, &shard.drops);
            add(&mut total.events, &shard.events);
            add(&mut total.undecoded, &shard.undecoded);
            add(&mut total.refusals, &shard.refusals);
            total
        })
    }
}

/// The names of the commands, in the order of the counters.
fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|info| info.name).chain(["unknown"])
}

fn count(counts: &mut [u64], index: usize) {
    if let Some(count) = counts.get_mut(index) {
        *count += 1;
    }
}

impl Counters {
    /// A datagram comes. What is counted from here on says what becomes of it.
    pub(crate) fn begin_datagram(&mut self) {
        self.event(Event::Received);
        self.fate = Fate::Taken;
    }

    /// The datagram that came had this command, if any. Gives back what became of it.
    pub(crate) fn end_datagram(&mut self, command: Option<u16>) -> Fate {
        let fates = self.received.get_mut(command.map_or(UNKNOWN, place));
        fates.into_iter().for_each(|fates| count(fates, self.fate.index()));
        self.fate
    }

    /// What is counted from here on is about another datagram, which came before.
    pub(crate) fn set_aside(&mut self) {
        self.fate = Fate::Taken;
    }

    /// Counts a datagram that goes out.
    pub(crate) fn sent(&mut self, datagram: &[u8]) {
        self.event(Event::Sent);
        let command =
            datagram.get(COMMAND_AT..).and_then(|rest| rest.first_chunk()).map(|bytes| u16::from_be_bytes(*bytes));
        count(&mut self.sent, command.map_or(UNKNOWN, place));
    }

    /// Datagrams that came, by command and by what became of them: `taken`, `dropped` or `undecoded`.
    pub fn received(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        let fates = |(name, counts)| Fate::NAMES.into_iter().zip(counts).map(move |(fate, count)| (name, fate, count));
        names().zip(self.received).flat_map(fates)
    }

    /// Datagrams that went out, by command.
    pub fn sent_by_command(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        names().zip(self.sent)
    }

    /// Dropped datagrams by the cause.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Drop::NAMES.iter().copied().zip(self.drops)
    }

    /// What happened, by name.
    pub fn events(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Event::NAMES.iter().copied().zip(self.events)
    }

    /// Datagrams that were none, by what was wrong first.
    pub fn undecoded_by_kind(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        DecodeErrorKind::ALL.iter().map(|kind| kind.name()).zip(self.undecoded)
    }

    /// Refused requests by the reason.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Refusal::ALL.iter().map(|refusal| refusal.name()).zip(self.refusals)
    }

    /// Counts a dropped datagram.
    pub fn drop(&mut self, cause: Drop) {
        self.fate = Fate::Dropped(cause);
        count(&mut self.drops, cause as usize);
    }

    /// Counts an event.
    pub fn event(&mut self, event: Event) {
        count(&mut self.events, event as usize);
    }

    /// Counts an event that happened so often.
    pub(crate) fn events_at_once(&mut self, event: Event, times: u64) {
        if let Some(count) = self.events.get_mut(event as usize) {
            *count += times;
        }
    }

    /// Counts a datagram that could not be decoded.
    pub fn undecoded(&mut self, kind: DecodeErrorKind) {
        self.fate = Fate::Undecoded(kind);
        if let Some(index) = DecodeErrorKind::ALL.iter().position(|&other| other == kind) {
            count(&mut self.undecoded, index);
        }
    }

    /// Counts a refused request.
    pub fn refusal(&mut self, refusal: Refusal) {
        count(&mut self.refusals, refusal as usize);
    }

    /// Every count with its name, also the zeros: `drop_…` for dropped datagrams, `undecoded_…` for those that were none,
    /// `refused_…` for requests.
    pub fn iter(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        let named = |prefix: &'static str| move |(name, count)| (format!("{prefix}{name}"), count);
        let undecoded = self.undecoded_by_kind().map(named("undecoded_"));
        let drops = self.drops().map(named("drop_"));
        self.events().map(named("")).chain(drops).chain(undecoded).chain(self.refusals().map(named("refused_")))
    }

    /// The count of this name, 0 if there is none.
    pub fn value(&self, name: &str) -> u64 {
        self.iter().find(|(other, _)| other == name).map_or(0, |(_, count)| count)
    }
}

#[cfg(test)]
mod tests {
    use myicq_wire::Command;

    use super::*;

    #[test]
    fn every_command_has_its_place() {
        let highest = COMMANDS.iter().map(|info| usize::from(info.number)).max().unwrap();
        assert_eq!(NUMBERS, highest + 1);
        for (expected, info) in COMMANDS.iter().enumerate() {
            assert_eq!(place(info.number), expected);
            assert_eq!(names().nth(expected), Some(info.command.name()));
        }
        for unknown in [0, 0x00FF, 0x1003, u16::MAX] {
            assert_eq!(place(unknown), UNKNOWN);
        }
        assert_eq!(names().nth(UNKNOWN), Some("unknown"));
    }

    #[test]
    fn a_datagram_is_counted_by_its_command_and_its_fate() {
        let mut counters = Counters::default();
        counters.begin_datagram();
        counters.drop(Drop::Stale);
        assert_eq!(counters.end_datagram(Some(Command::Login.number())).name(), "drop_stale");
        counters.begin_datagram();
        assert_eq!(counters.end_datagram(Some(0x7777)), Fate::Taken);
        counters.begin_datagram();
        counters.undecoded(DecodeErrorKind::TooShort);
        assert_eq!(counters.end_datagram(None).name(), "undecoded_too_short");
        let seen: Vec<_> = counters.received().filter(|(_, _, count)| *count > 0).collect();
        assert_eq!(seen, [("UDP_LOGIN", "dropped", 1), ("unknown", "taken", 1), ("unknown", "undecoded", 1)]);
        assert_eq!(counters.value("datagrams_received"), 3);
    }
}
