//! What the server counts. Everything that is dropped or refused is counted under a name.

use std::iter::Sum;

use myicq_wire::DecodeErrorKind;

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
        /// A user was made.
        Registered = "registrations",
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
        /// A datagram was sent and never acknowledged.
        GivenUp = "datagrams_given_up",
        /// An unproven address was asked once more for an acknowledgement.
        Probed = "probes",
        /// A message was delivered to a session and acknowledged by it.
        Delivered = "messages_delivered",
        /// A request that this server does not have yet was acknowledged.
        Unsupported = "requests_unsupported",
    }
}

/// Counts since the start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counters {
    drops: [u64; Drop::NAMES.len()],
    events: [u64; Event::NAMES.len()],
    undecoded: [u64; DecodeErrorKind::ALL.len()],
    refusals: [u64; Refusal::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
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
            add(&mut total.drops, &shard.drops);
            add(&mut total.events, &shard.events);
            add(&mut total.undecoded, &shard.undecoded);
            add(&mut total.refusals, &shard.refusals);
            total
        })
    }
}

fn count(counts: &mut [u64], index: usize) {
    if let Some(count) = counts.get_mut(index) {
        *count += 1;
    }
}

impl Counters {
    /// Counts a dropped datagram.
    pub fn drop(&mut self, cause: Drop) {
        count(&mut self.drops, cause as usize);
    }

    /// Counts an event.
    pub fn event(&mut self, event: Event) {
        count(&mut self.events, event as usize);
    }

    /// Counts a datagram that could not be decoded.
    pub fn undecoded(&mut self, kind: DecodeErrorKind) {
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
        let events = Event::NAMES.iter().map(|name| (*name).to_owned()).zip(self.events);
        let drops = Drop::NAMES.iter().map(|name| format!("drop_{name}")).zip(self.drops);
        let undecoded = DecodeErrorKind::ALL.iter().map(|kind| format!("undecoded_{}", kind.name()));
        let refusals = Refusal::ALL.iter().map(|refusal| format!("refused_{}", refusal.name()));
        events.chain(drops).chain(undecoded.zip(self.undecoded)).chain(refusals.zip(self.refusals))
    }

    /// The count of this name, 0 if there is none.
    pub fn value(&self, name: &str) -> u64 {
        self.iter().find(|(other, _)| other == name).map_or(0, |(_, count)| count)
    }
}
