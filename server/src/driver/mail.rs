//! What threads say to shards. Each shard has a mailbox, and everybody can put something into any of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use myicq_wire::{RelayPass, Uin, UnixTime};
use tokio::sync::{mpsc, oneshot};

use super::report::Report;
use crate::config::Config;
use crate::frontend::myicq::{SavedPage, SessionView, TraceEvent};
use crate::hub::{PasswordResult, Refusal, RelayOrder};
use crate::shard::Post;
use crate::share::Share;
use crate::store;

/// Letters that may wait in a mailbox. When there are more, the other shards take nothing new from the network until they have
/// been read: each request gives rise to a bounded number of them, so this bounds their memory.
const LETTERS_MAX: usize = 16_384;

/// Datagrams for another shard that may wait in its mailbox; further ones are dropped, as the system would have done.
pub(super) const DATAGRAMS_MAX: usize = 4_096;

/// What other threads have for a shard. A mailbox has no limit of its own: what is in it is limited where it comes from
/// ([`LETTERS_MAX`], [`DATAGRAMS_MAX`], [`super::relay`], [`super::shard::STORE_REQUESTS_MAX`], [`crate::config::Limits::hash_queue_max`]).
#[derive(Debug)]
pub(super) enum Mail {
    /// The store has answered.
    Store(Vec<store::Reply>),
    /// A password has been hashed or compared.
    Password(PasswordResult),
    /// A relay is open, or there is none.
    Relay(RelayOrder, Result<[RelayPass; 2], Refusal>),
    /// Another shard has something to say.
    Posts(Vec<Post>),
    /// What is for this shard has come to another one.
    Datagrams(Datagrams),
    /// Some settings have other values.
    Config(Arc<Config>),
    /// Say what has been counted.
    Report(mpsc::UnboundedSender<Report>),
    /// Say what sessions there are from a slot on.
    Sessions(u32, oneshot::Sender<SessionPage>),
    /// Say what is to be kept of the sessions from a slot on. The sender is dropped when not all that go on have been restored.
    Save(u32, oneshot::Sender<SavedPage>),
    /// Say what becomes of a user's datagrams, until the receiver is dropped. The sender is dropped at once when somebody looks already.
    Trace(Uin, mpsc::Sender<Traced>),
    /// Have this done for the administrator, and say what became of it.
    Errand(store::Work, oneshot::Sender<store::Outcome>),
    /// Say this to everybody for the administrator, and say what became of it. For the shard of [`Uin::ADMINISTRATOR`].
    Broadcast(String, oneshot::Sender<Result<(), Refusal>>),
    /// End what is under way and stop.
    Stop,
    /// Fail, as by a bug.
    #[cfg(all(unix, debug_assertions))]
    Fail,
    /// Another shard has nothing under way any more, for the first or the second time ([`super::farewell`]).
    Idle(Round),
}

/// Something that happened to a user who is looked at, and when.
pub(super) type Traced = (UnixTime, TraceEvent);

/// Some of a shard's sessions, and the slot from which to go on.
pub(super) type SessionPage = (Vec<SessionView>, Option<u32>);

/// How often a shard that is to stop has said that it is idle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Round {
    First,
    Second,
}

/// Some datagrams in one buffer.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    bytes: Vec<u8>,
    /// From where, and where in `bytes` it ends.
    ends: Vec<(SocketAddr, usize)>,
}

impl Datagrams {
    pub(super) fn push(&mut self, from: SocketAddr, datagram: &[u8]) {
        self.bytes.extend_from_slice(datagram);
        self.ends.push((from, self.bytes.len()));
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|&(_, end)| end));
        self.ends.iter().zip(starts).filter_map(|(&(from, end), start)| Some((from, self.bytes.get(start..end)?)))
    }
}

/// The mailboxes of all shards.
#[derive(Clone, Debug)]
pub(super) struct Mailboxes {
    /// By which what has no address is dealt out.
    share: Share,
    boxes: Arc<[Mailbox]>,
}

#[derive(Debug)]
struct Mailbox {
    sender: mpsc::UnboundedSender<Mail>,
    letters: AtomicUsize,
    datagrams: AtomicUsize,
}

impl Mailboxes {
    /// A mailbox for each share, and where its mail comes out.
    pub(super) fn new(shares: &[Share]) -> (Self, Vec<mpsc::UnboundedReceiver<Mail>>) {
        let (boxes, receivers): (Vec<_>, _) = shares
            .iter()
            .map(|_| {
                let (sender, receiver) = mpsc::unbounded_channel();
                (Mailbox { sender, letters: AtomicUsize::new(0), datagrams: AtomicUsize::new(0) }, receiver)
            })
            .unzip();
        let share = shares.first().cloned().unwrap_or_else(Share::whole);
        (Self { share, boxes: boxes.into() }, receivers)
    }

    /// Puts something into a mailbox. Nobody reads it when the shard has ended.
    pub(super) fn send(&self, shard: u32, mail: Mail) {
        if let Some(to) = self.mailbox(shard) {
            let _ = to.sender.send(mail);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.boxes.len()
    }

    /// The shard that a user belongs to.
    pub(super) fn owner(&self, uin: Uin) -> u32 {
        self.share.owner(uin)
    }

    /// Puts something into every mailbox.
    pub(super) fn send_all(&self, mut mail: impl FnMut() -> Mail) {
        for to in self.boxes.iter() {
            let _ = to.sender.send(mail());
        }
    }

    /// Deals out what the store has answered.
    pub(super) fn send_replies(&self, replies: Vec<store::Reply>) {
        if self.boxes.len() == 1 {
            return self.send(0, Mail::Store(replies));
        }
        let mut dealt: Vec<_> = self.boxes.iter().map(|_| Vec::new()).collect();
        for reply in replies {
            let owner = self.share.owner_of_number(reply.ticket.0);
            if let Some(part) = dealt.get_mut(index(owner)) {
                part.push(reply);
            }
        }
        for (to, part) in self.boxes.iter().zip(dealt).filter(|(_, part)| !part.is_empty()) {
            let _ = to.sender.send(Mail::Store(part));
        }
    }

    /// Passes on a password that has been hashed or compared.
    pub(super) fn send_password(&self, result: PasswordResult) {
        self.send(self.share.owner_of_number(result.ticket.0), Mail::Password(result));
    }

    /// Puts letters into a mailbox. The reader is to say when it has read them ([`Self::letters_read`]).
    pub(super) fn send_posts(&self, shard: u32, posts: Vec<Post>) {
        if let Some(to) = self.mailbox(shard) {
            to.letters.fetch_add(posts.len(), Ordering::Relaxed);
            let _ = to.sender.send(Mail::Posts(posts));
        }
    }

    /// A shard has read some of its letters.
    pub(super) fn letters_read(&self, shard: u32, count: usize) {
        if let Some(mailbox) = self.mailbox(shard) {
            mailbox.letters.fetch_sub(count, Ordering::Relaxed);
        }
    }

    /// Whether some other shard has more letters waiting than it should get.
    pub(super) fn others_are_behind(&self, shard: u32) -> bool {
        let others = (0..).zip(self.boxes.iter()).filter(|(other, _)| *other != shard);
        others.into_iter().any(|(_, other)| other.letters.load(Ordering::Relaxed) > LETTERS_MAX)
    }

    /// The shard that a datagram is for.
    pub(super) fn owner_of_datagram(&self, datagram: &[u8]) -> u32 {
        self.share.owner_of_datagram(datagram)
    }

    /// Hands datagrams over to the shard that they are for. Says how many of them there was no room for: none, or all. The
    /// reader is to say when it has read them ([`Self::datagrams_read`]).
    pub(super) fn hand_over(&self, shard: u32, datagrams: Datagrams) -> usize {
        let count = datagrams.len();
        match self.mailbox(shard) {
            Some(to) if to.datagrams.load(Ordering::Relaxed) + count <= DATAGRAMS_MAX => {
                to.datagrams.fetch_add(count, Ordering::Relaxed);
                let _ = to.sender.send(Mail::Datagrams(datagrams));
                0
            }
            _ => count,
        }
    }

    /// A shard has read some of the datagrams that were handed over to it.
    pub(super) fn datagrams_read(&self, shard: u32, count: usize) {
        if let Some(mailbox) = self.mailbox(shard) {
            mailbox.datagrams.fetch_sub(count, Ordering::Relaxed);
        }
    }

    fn mailbox(&self, shard: u32) -> Option<&Mailbox> {
        self.boxes.get(index(shard))
    }
}

/// The place of a shard in a list of all shards.
pub(super) fn index(shard: u32) -> usize {
    usize::try_from(shard).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_out_as_they_went_in() {
        let from = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut datagrams = Datagrams::default();
        for datagram in ["one", "", "three"] {
            datagrams.push(from, datagram.as_bytes());
        }
        let expected: [(SocketAddr, &[u8]); 3] = [(from, b"one"), (from, b""), (from, b"three")];
        assert_eq!(datagrams.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_mailbox_takes_so_many_datagrams_until_they_are_read() {
        let (mailboxes, _receivers) = Mailboxes::new(&Share::split(2));
        let some = |count| {
            let mut datagrams = Datagrams::default();
            (0..count).for_each(|_| datagrams.push(SocketAddr::from(([127, 0, 0, 1], 1)), b"x"));
            datagrams
        };
        assert_eq!(mailboxes.hand_over(1, some(DATAGRAMS_MAX - 1)), 0);
        assert_eq!(mailboxes.hand_over(1, some(2)), 2);
        assert_eq!(mailboxes.hand_over(1, some(1)), 0);
        assert_eq!(mailboxes.hand_over(1, some(1)), 1);
        assert_eq!(mailboxes.hand_over(0, some(1)), 0, "each has its own room");
        mailboxes.datagrams_read(1, 2);
        assert_eq!(mailboxes.hand_over(1, some(2)), 0);
    }

    #[test]
    fn who_writes_too_many_letters_waits_until_they_are_read() {
        let (mailboxes, _receivers) = Mailboxes::new(&Share::split(2));
        let letters = &mailboxes.mailbox(1).unwrap().letters;
        letters.store(LETTERS_MAX, Ordering::Relaxed);
        assert!(!mailboxes.others_are_behind(0));
        letters.store(LETTERS_MAX + 1, Ordering::Relaxed);
        assert!(mailboxes.others_are_behind(0));
        assert!(!mailboxes.others_are_behind(1), "who is behind goes on reading from the network, too");
        mailboxes.letters_read(1, 1);
        assert!(!mailboxes.others_are_behind(0));
    }

    #[test]
    fn replies_go_to_those_who_asked() {
        let (mailboxes, mut receivers) = Mailboxes::new(&Share::split(3));
        let reply = |ticket| store::Reply { ticket: store::Ticket(ticket), outcome: store::Outcome::Failed };
        mailboxes.send_replies([3, 1, 6, 4].map(reply).into());
        let mut tickets = |shard: usize| match receivers[shard].try_recv() {
            Ok(Mail::Store(replies)) => replies.into_iter().map(|reply| reply.ticket.0).collect(),
            _ => Vec::new(),
        };
        assert_eq!([tickets(0), tickets(1), tickets(2)], [vec![3, 6], vec![1, 4], vec![]]);
    }
}
