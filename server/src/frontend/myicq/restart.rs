//! Sessions that outlive their process: how they are kept, and how they go on (docs/protocol.md, "When the server starts again").
//!
//! A session of plain version 1 goes on as if nothing had happened. With ONCE each side has to know which number of the other comes next, and
//! that may have changed since the session was saved: so the server asks, and sends and takes nothing else before it has the answer.

use std::net::SocketAddr;
use std::time::Duration;

use myicq_wire::link::{Link, REPEAT_INTERVAL};
use myicq_wire::{ClientHeader, Command, Instant, Reply, Request, Resume, ResumeReply, Seq, Writer};
use rand::RngExt;
use zeroize::Zeroizing;

use super::Frontend;
use super::saved::{PAGE_LEN, SAVED_MAX, SavedSession};
use super::session::Session;
use crate::counters::{Drop, Event};
use crate::hub::{Hub, Place, SessionKey};
use crate::time::Now;

/// The first pause before a client is asked again, doubled each time.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The longest. Whatever comes from the client meanwhile has it asked at once.
const ASK_AGAIN_MAX: Duration = Duration::from_secs(16);

/// Some sessions as they are kept, and the slot from which to go on.
pub type SavedPage = (Zeroizing<Vec<u8>>, Option<u32>);

/// What a session with ONCE that was restored still lacks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Restored {
    /// Its client has been asked where it stands.
    Asked {
        /// Nothing has happened since it was saved.
        is_exact: bool,
        /// The highest number of its client that had come by then.
        highest: Option<Seq>,
        /// The next number of ours, as the client was told.
        first: Seq,
        at: Instant,
        wait: Duration,
    },
    /// It goes on. What its client had sent up to this number may have been done already, by the process that was killed.
    InDoubt(Seq),
}

impl Frontend {
    /// Says which start of the server this is, and the highest serial of the sessions that will be [restored](Frontend::restore): those
    /// that begin from now on are newer.
    pub fn begin_restore(&mut self, start: u64, last_serial: u64) {
        self.start = start;
        self.sessions.begin_after(last_serial);
    }

    /// A session of an earlier process goes on.
    pub fn restore(&mut self, now: Now, saved: SavedSession, hub: &mut Hub) {
        let place = Place { ip: saved.address.ip().to_canonical(), port: saved.port, real_ip: saved.real_ip };
        let (status, is_exact) = (saved.status, saved.is_exact);
        let (first, highest) = (saved.link.next_seq, saved.link.highest);
        let link = Link::from_snapshot(&saved.link, self.rng.random());
        let session = Session::restored(saved, link, now.instant);
        let (is_once, has_receipts) = (session.is_once(), session.has_receipts());
        let Some(key) = self.sessions.insert_open(session) else { return };
        self.counters.event(Event::Restored);
        self.arm_end(now, key);
        hub.restore(now, key, status, place);
        if has_receipts {
            hub.subscribe_to_receipts(key);
        }
        if is_once {
            let asked = Restored::Asked { is_exact, highest, first, at: now.instant, wait: ASK_AGAIN_AFTER / 2 };
            self.restored.insert(key.slot, asked);
            self.ask(now, key);
        }
        self.touched.push(key);
    }

    /// Sessions as they are to be kept, from a slot on; not those whose addresses end with the process.
    pub fn save_from(&self, slot: u32, max: usize, hub: &Hub, stays: impl Fn(SocketAddr) -> bool) -> SavedPage {
        let mut page = Zeroizing::new(vec![0; PAGE_LEN]);
        let mut writer = Writer::new(&mut page);
        let (mut next, mut count) = (None, 0);
        for key in self.sessions.keys_from(slot) {
            if count == max || writer.len() + SAVED_MAX > PAGE_LEN {
                next = Some(key.slot);
                break;
            }
            count += 1;
            let kept = self.sessions.get(key).filter(|session| stays(session.address));
            if let (Some(session), Some((status, place))) = (kept, hub.whereabouts(key)) {
                let is_exact = self.restored.get(&key.slot).is_none_or(Restored::is_exact);
                let saved = session.saved(status, place, session.link.snapshot(&self.retained), is_exact);
                let written = saved.write(&mut writer);
                debug_assert!(written.is_ok(), "a session takes at most {SAVED_MAX} bytes");
            }
        }
        let len = writer.len();
        page.truncate(len);
        (page, next)
    }

    /// Whether a session waits for the answer of its client.
    pub(super) fn is_asked(&self, key: SessionKey) -> bool {
        !self.restored.is_empty() && matches!(self.restored.get(&key.slot), Some(Restored::Asked { .. }))
    }

    /// When a client is asked again.
    pub(super) fn asks_at(&self, key: SessionKey) -> Option<Instant> {
        if self.restored.is_empty() {
            return None;
        }
        match self.restored.get(&key.slot) {
            Some(&Restored::Asked { at, wait, .. }) => Some(at + wait),
            _ => None,
        }
    }

    /// Asks a client where it stands.
    pub(super) fn ask(&mut self, now: Now, key: SessionKey) {
        let Some(Restored::Asked { first, at, wait, .. }) = self.restored.get_mut(&key.slot) else { return };
        (*at, *wait) = (now.instant, (*wait * 2).min(ASK_AGAIN_MAX));
        let reply = Reply::Resume(ResumeReply { start: self.start, first: first.number() });
        self.push_unretained(key, None, None, &reply);
    }

    /// Something has come from a client that was asked. Unless that is the answer, it has to come again.
    pub(super) fn on_before_answer(
        &mut self,
        now: Now,
        key: SessionKey,
        command: Command,
        datagram: &[u8],
        hub: &mut Hub,
    ) {
        if command == Command::Resume {
            return self.on_resume(now, key, datagram, hub);
        }
        self.counters.drop(Drop::NotResumed);
        if let Some(Restored::Asked { at, .. }) = self.restored.get(&key.slot)
            && now.instant.since(*at) >= REPEAT_INTERVAL
        {
            self.ask(now, key);
        }
    }

    fn on_resume(&mut self, now: Now, key: SessionKey, datagram: &[u8], hub: &mut Hub) {
        let Ok((header, body)) = ClientHeader::decode(datagram) else { return };
        let Some(session) = self.sessions.get_mut(key) else { return };
        let mut scratch = std::mem::take(&mut self.scratch);
        let opened = session.open(&header, body, &mut scratch);
        match opened {
            Err(error) => self.counters.undecoded(error.kind),
            Ok(Request::Resume(Resume { start, oldest, newest, status })) if start == self.start => {
                match Seq::new(oldest).zip(Seq::new(newest)) {
                    Some((oldest, newest)) => {
                        session.link.settle_before(&mut self.retained, oldest);
                        session.link.set_proven();
                        // Of a server that ended in good order, only what was still open then is in doubt.
                        let newest = match self.restored.remove(&key.slot) {
                            Some(Restored::Asked { is_exact: true, highest, .. }) => highest,
                            _ => Some(newest),
                        };
                        if let Some(newest) = newest.filter(|newest| newest.ahead_of(oldest) >= 0) {
                            self.restored.insert(key.slot, Restored::InDoubt(newest));
                        }
                        self.counters.event(Event::Resumed);
                        hub.resume(now, key, status);
                    }
                    None => self.counters.drop(Drop::NoSeq),
                }
            }
            Ok(_) => self.counters.drop(Drop::Stale),
        }
        self.scratch = scratch;
    }

    /// Whether a request may have been done by the process that was killed, and must not be done twice. What is asked or set once more does
    /// no harm.
    pub(super) fn is_in_doubt(&mut self, key: SessionKey, seq: Seq, request: &Request<'_>) -> bool {
        if self.restored.is_empty() {
            return false;
        }
        let Some(&Restored::InDoubt(newest)) = self.restored.get(&key.slot) else { return false };
        if seq.ahead_of(newest) > 0 {
            // What was open does not hold up what is behind it, and may come after it.
            let link = self.sessions.get(key).map(|session| &session.link);
            if link.is_none_or(|link| link.is_settled_to(newest)) {
                self.restored.remove(&key.slot);
            }
            return false;
        }
        matches!(request, Request::SendMessage(_) | Request::GroupMessage(_) | Request::BroadcastMessage(_))
    }
}

impl Restored {
    fn is_exact(&self) -> bool {
        matches!(self, Self::Asked { is_exact: true, .. })
    }
}
