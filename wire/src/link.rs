//! The reliability link: acknowledgement, resend, round-trip estimate and duplicate window, the same at both ends.
//!
//! A [`Link`] has no socket, no clock and no thread. Its owner tells it what came and what is to go out, then drains
//! [`Link::poll`] and comes back at [`Link::poll_timeout`]. What it decides follows docs/protocol.md, "Sequence numbers"
//! and "Timers". The datagrams of all its links the owner keeps in one [`Retained`], which it lends to each call.
//!
//! **Sending.** A datagram is encoded with [`Link::next_seq`] and handed over to [`Link::send`], which keeps a copy until
//! [`Link::on_ack`] takes it out or the link gives it up. Every token that was handed in comes back once: from
//! `on_ack`, as [`Output::GivenUp`], or from [`Link::drain`].
//!
//! **Receiving.** A datagram that decodes and is genuine is shown to [`Link::on_receive`]. When that says
//! [`Receipt::New`], the number is *open* until its owner either promises the work as done ([`Link::acknowledge`]) or
//! refuses it ([`Link::forget`]). The link never acknowledges on its own: an acknowledgement is a promise.
//!
//! ```
//! use myicq_wire::link::{Link, Outgoing, Output, Receipt, Retained, Timing, Token};
//! use myicq_wire::{Instant, Seq};
//!
//! let now = Instant::default();
//! let (mut alice, mut bob) = (Link::new(Seq::FIRST, 1), Link::new(Seq::FIRST, 2));
//! let mut retained = Retained::new();
//! let seq = alice.next_seq();
//! alice.send(&mut retained, Outgoing::new(seq, b"hello", Token(7)))?;
//! assert!(matches!(alice.poll(&mut retained, now, &Timing::DEFAULT), Some(Output::Transmit(b"hello"))));
//! // … and over the wire to the other side:
//! assert_eq!(bob.on_receive(&mut retained, now, seq, b"hello"), Receipt::New);
//! bob.acknowledge(seq);
//! assert_eq!(alice.on_ack(&mut retained, now, seq), Some(Token(7)));
//! assert!(retained.is_empty());
//! # Ok::<(), myicq_wire::link::SendError>(())
//! ```

mod history;
mod receiving;
mod resume;
mod retained;
mod sending;
#[cfg(test)]
mod tests;
mod timing;

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::{Instant, Seq};
use receiving::{Arrival, Receiving};
use sending::{HeldReply, Sending};

pub use history::HISTORY;
pub use resume::Snapshot;
pub use retained::{Measured, Retained};
pub use timing::Timing;

/// How many datagrams may be unacknowledged in one direction: the receive window of the programs of 2002. On an
/// ordered link, also the span from the oldest unacknowledged number to the newest that was sent.
pub const WINDOW: u16 = 32;

/// How many datagrams may wait behind the window: the replies to a client that asks for each of its 256 contacts.
pub const MAX_QUEUED: usize = 256;

/// How many received datagrams may be open at once: twice what an honest peer can have unacknowledged.
pub const MAX_OPEN: u32 = 64;

/// A held reply does not go out again sooner than this after its last send, however often its request comes:
/// duplicates must not turn into a flood.
pub const REPEAT_INTERVAL: Duration = Duration::from_millis(100);

/// What the owner calls a datagram that it sent, for instance the id of the message in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Token(pub u64);

/// A datagram for [`Link::send`].
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// The number that it was encoded with: [`Link::next_seq`].
    pub seq: Seq,
    /// The whole datagram, as it is to go out each time.
    pub bytes: &'a [u8],
    /// Comes back with the verdict on the datagram.
    pub token: Token,
    /// The request that it acknowledges, when it is a reply: it is repeated when that request comes again.
    pub answers: Option<Seq>,
    /// It may go out, once, before the address is proven: the reply to a LOGIN.
    pub before_proof: bool,
    /// It holds a password or the like: of what the link keeps, nothing is left in memory when it lets go of it.
    pub secret: bool,
}

impl<'a> Outgoing<'a> {
    /// A datagram that answers nothing, waits for the proof of the address and holds no secret.
    pub fn new(seq: Seq, bytes: &'a [u8], token: Token) -> Self {
        Self { seq, bytes, token, answers: None, before_proof: false, secret: false }
    }
}

/// Bytes may hold a password, so only their number is shown.
impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("seq", &self.seq)
            .field("length", &self.bytes.len())
            .field("token", &self.token)
            .field("answers", &self.answers)
            .field("before_proof", &self.before_proof)
            .field("secret", &self.secret)
            .finish()
    }
}

/// Why a datagram was not taken. Neither its number nor anything else was used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// [`MAX_QUEUED`] datagrams wait already, or [`Retained`] holds 2^32 - 1.
    #[error("too many datagrams wait for acknowledgements")]
    QueueFull,
    /// It was not encoded with [`Link::next_seq`].
    #[error("the datagram does not carry the next sequence number")]
    OutOfTurn,
}

/// What [`Link::poll`] wants done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Output<'a> {
    /// Send this datagram to the other side.
    Transmit(&'a [u8]),
    /// This one was never acknowledged, and no longer will be waited for.
    GivenUp(Token),
}

/// Bytes may hold a password, so only their number is shown.
impl fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transmit(bytes) => write!(f, "Transmit({} bytes)", bytes.len()),
            Self::GivenUp(token) => write!(f, "GivenUp({token:?})"),
        }
    }
}

/// What a received datagram is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Receipt {
    /// Not seen before: handle it, then [`Link::acknowledge`] or [`Link::forget`] its number.
    New,
    /// It overtook others on an ordered link. The link keeps it until [`Link::release`] hands it out; say nothing.
    Early,
    /// It came before.
    Duplicate(Again),
    /// Too old to know whether it came before. Drop it, and acknowledge nothing: it may never have been handled.
    Stale,
    /// On an ordered link, further ahead than an honest peer can be. Drop it.
    TooFar,
    /// [`MAX_OPEN`] datagrams are open, or one of them is [`HISTORY`] numbers old. Drop it; it is welcome when it comes
    /// again.
    Busy,
}

/// What a duplicate is answered with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    /// Nothing: it is still being worked on, or its reply is on its way.
    Silence,
    /// A pure acknowledgement.
    Acknowledge,
    /// Its reply, which [`Link::poll`] hands out again. Send nothing else.
    Reply,
}

/// One end of a session's reliable datagrams. Its first 40 bytes are all that sending and acknowledgements of it touch: where sessions are many,
/// each line of the cache is a wait for memory.
#[repr(C)]
pub struct Link {
    sending: Sending,
    receiving: Receiving,
}

const _: () = assert!(size_of::<Sending>() == 40);

impl Link {
    /// A link whose first datagram has the number `first_seq`, random at a server, so that its acknowledgement proves
    /// an address. `seed` varies the jitter between links; it needs no secrecy.
    pub fn new(first_seq: Seq, seed: u32) -> Self {
        Self { sending: Sending::new(first_seq, seed), receiving: Receiving::new() }
    }

    /// Goes over to exactly-once, in-order delivery in both directions, the capability ONCE. To be called when that is
    /// granted: at the server when the LOGIN has come, at the client when its reply has. The order starts behind
    /// the highest number that has come so far.
    pub fn set_ordered(&mut self) {
        self.sending.set_ordered();
    }

    /// Holds back everything until the address is proven: no timers, and of first sends only those marked
    /// [`Outgoing::before_proof`], so that a forged LOGIN cannot turn the sender on a third party.
    pub fn require_proof(&mut self) {
        self.sending.require_proof();
    }

    /// The address is proven by other means than an acknowledgement.
    pub fn set_proven(&mut self) {
        self.sending.set_proven();
    }

    /// Whether the address is proven, or no proof was required. An acknowledgement that leaves this `false` was
    /// a wrong one.
    pub fn is_proven(&self) -> bool {
        self.sending.is_proven()
    }

    /// The number of the next datagram. It stays the same until that is sent.
    pub fn next_seq(&self) -> Seq {
        self.sending.next_seq()
    }

    /// Uses up a number for a datagram that is not retained: the KEEPALIVE reply of plain v1, or the probe that asks an
    /// unproven address for an acknowledgement. `None` on an ordered link, where such a number would be a gap that
    /// never closes.
    pub fn take_seq(&mut self) -> Option<Seq> {
        self.sending.take_seq()
    }

    /// How many numbers have been used up, 65,535 for that many or more. Beyond, they come again, and the programs of 2003 take what carries
    /// them for duplicates.
    pub fn issued(&self) -> u16 {
        self.sending.issued()
    }

    /// Keeps a datagram until it is acknowledged or given up; [`Link::poll`] hands it out when its turn comes. When it
    /// answers a request, that is acknowledged by it.
    ///
    /// # Errors
    /// [`SendError::QueueFull`] and [`SendError::OutOfTurn`]; nothing has changed then.
    pub fn send(&mut self, retained: &mut Retained, outgoing: Outgoing<'_>) -> Result<(), SendError> {
        self.sending.send(retained, outgoing)?;
        if let Some(request) = outgoing.answers {
            self.receiving.acknowledge(request);
        }
        Ok(())
    }

    /// The other side acknowledged `seq`. Returns what was sent with it, the first time; `None` when nothing
    /// retained has that number or has left with it.
    pub fn on_ack(&mut self, retained: &mut Retained, now: Instant, seq: Seq) -> Option<Token> {
        self.sending.on_ack(retained, now, seq)
    }

    /// A genuine datagram with a number came. `bytes` is what an ordered link keeps of it when it came early, and gives
    /// back from [`Link::release`]. On an ordered link, call that until it has nothing more.
    pub fn on_receive(&mut self, retained: &mut Retained, now: Instant, seq: Seq, bytes: &[u8]) -> Receipt {
        match self.receiving.on_receive(retained, seq, bytes, self.sending.is_ordered()) {
            Arrival::New => Receipt::New,
            Arrival::Early => Receipt::Early,
            Arrival::Stale => Receipt::Stale,
            Arrival::TooFar => Receipt::TooFar,
            Arrival::Busy => Receipt::Busy,
            Arrival::Open => Receipt::Duplicate(Again::Silence),
            Arrival::Acknowledged => Receipt::Duplicate(match self.sending.on_repeated_request(retained, now, seq) {
                HeldReply::None => Again::Acknowledge,
                HeldReply::OnItsWay => Again::Silence,
                HeldReply::Repeated => Again::Reply,
            }),
        }
    }

    /// The next datagram that came early and whose turn has come; to be handled like [`Receipt::New`]. There may be one
    /// after each [`Link::on_receive`], and after each number that is no longer open.
    pub fn release(&mut self, retained: &mut Retained) -> Option<(Seq, Vec<u8>)> {
        self.receiving.release(retained)
    }

    /// The open number `seq` is done: its acknowledgement goes out, and again whenever it comes again.
    pub fn acknowledge(&mut self, seq: Seq) {
        self.receiving.acknowledge(seq);
    }

    /// The open number `seq` was refused: nothing is said, and when it comes again, it is [`Receipt::New`].
    pub fn forget(&mut self, seq: Seq) {
        self.receiving.forget(seq);
    }

    /// What is to be done at `now`; to be called until there is nothing more.
    pub fn poll<'a>(&mut self, retained: &'a mut Retained, now: Instant, timing: &Timing) -> Option<Output<'a>> {
        self.sending.poll(retained, now, timing)
    }

    /// When to [`Link::poll`] again. `None`: only after another call. There may be nothing to do at that time, but then the next one is later.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sending.poll_timeout()
    }

    /// Forgets all that it keeps, also what came early. Returns the tokens of what has no verdict, oldest first. A link that ends without
    /// this leaves what it keeps in [`Retained`] for as long as that lives.
    pub fn drain<'a>(&mut self, retained: &'a mut Retained) -> impl Iterator<Item = Token> + use<'a> {
        self.receiving.forget_early(retained);
        self.sending.drain(retained)
    }

    /// How many datagrams were sent and are not acknowledged; at most [`WINDOW`].
    pub fn in_flight(&self) -> usize {
        self.sending.in_flight()
    }

    /// How many datagrams wait for the window; at most [`MAX_QUEUED`].
    pub fn queued(&self) -> usize {
        self.sending.queued()
    }

    /// How many received datagrams are neither acknowledged nor refused; at most [`MAX_OPEN`].
    pub fn open(&self) -> usize {
        self.receiving.open_count()
    }

    /// How many datagrams came early and wait for their turn; fewer than [`WINDOW`].
    pub fn early(&self) -> usize {
        self.receiving.early_count()
    }

    /// How long an acknowledgement is waited for at first, as measured (RFC 6298), or as `timing` has it before there is a measurement.
    pub fn timeout(&self, timing: &Timing) -> Duration {
        self.sending.timeout(timing)
    }

    /// The smoothed round trip, once one was measured.
    pub fn round_trip(&self) -> Option<Duration> {
        self.sending.round_trip()
    }
}

/// Counts rather than contents, which may be secret.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("next_seq", &self.next_seq())
            .field("in_flight", &self.in_flight())
            .field("queued", &self.queued())
            .field("open", &self.open())
            .field("early", &self.early())
            .field("is_proven", &self.is_proven())
            .finish_non_exhaustive()
    }
}

/// How many numbers `to` comes after `from`, the skipped 0 not counted; negative when it comes before.
///
/// [`Seq::ahead_of`] counts the 0. At the wrap that makes the span of a full ordered window 33 for one side and 32
/// for the other.
fn steps(from: Seq, to: Seq) -> i16 {
    const NUMBERS: u16 = u16::MAX;
    let (from, to) = (from.number().wrapping_sub(1), to.number().wrapping_sub(1));
    let forward = if to >= from { to - from } else { NUMBERS - (from - to) };
    i16::try_from(forward).unwrap_or_else(|_| -i16::try_from(NUMBERS - forward).unwrap_or(i16::MAX))
}
