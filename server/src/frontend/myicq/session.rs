//! What the frontend keeps of a session.

use std::net::SocketAddr;

use myicq_wire::charset::Charset;
use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::link::{Link, Snapshot};
use myicq_wire::{
    Capabilities, ClientHeader, DecodeError, DecodeErrorKind, Envelope, Instant, Request, Seq, SessionId, Status, Uin,
    open_request,
};

use super::notices::LateNotices;
use super::saved::SavedSession;
use super::timers::TimerId;
use crate::hub::Place;

/// Datagrams kept of a client whose address is not proven yet. A client of 2003 sends three requests before it acknowledges its login.
pub(super) const HELD_MAX: usize = 8;

/// Bytes of these: room for what such a client may ask, not for a flood from addresses that are not the sender's.
pub(super) const HELD_BYTES_MAX: usize = 2048;

/// A logged-in client. It takes three lines of the cache, and among many each line is a wait for memory: so what goes to the client, in
/// the clear, touches only the first two, and what comes from it the third.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Session {
    /// Of its key: no two sessions that had the same slot have the same.
    pub(super) serial: u64,
    pub(super) uin: Uin,
    pub(super) id: SessionId,
    pub(super) address: SocketAddr,
    pub(super) last_heard: Instant,
    /// When the link has something to do, if ever.
    pub(super) link_timer: TimerId,
    /// The number of the LOGIN, by which its repetitions are known.
    pub(super) login_seq: Seq,
    pub(super) charset: Charset,
    /// In which form the bodies are enciphered: granted, or found out with the first that was deciphered.
    form: Option<CipherForm>,
    pub(super) granted: Capabilities,
    /// When the session itself has something to do.
    pub(super) end_timer: TimerId,
    /// What it is to be told of its contacts once it has taken what it was told before.
    pub(super) late_notices: Option<Box<LateNotices>>,
    /// What waits for the proof of the address; `None` in an open session.
    pub(super) half_open: Option<Box<HalfOpen>>,
    /// What it sends ends with the second line.
    pub(super) link: Link,
    key: Key,
}

/// A session from the right password to the proof of the address.
#[derive(Debug)]
pub(super) struct HalfOpen {
    pub(super) status: Status,
    pub(super) place: Place,
    /// Datagrams that came too early, in the order in which they came.
    pub(super) held: Vec<Box<[u8]>>,
    /// When the client may be asked once more, unasked, for an acknowledgement.
    pub(super) probe_at: Option<Instant>,
    /// Acknowledgements of numbers that were never sent.
    pub(super) wrong_acks: u8,
    /// Bytes that came from the address less those that went there.
    pub(super) budget: usize,
    pub(super) deadline: Instant,
}

impl Session {
    pub(super) fn new(
        (uin, id, address): (Uin, SessionId, SocketAddr),
        login_seq: Seq,
        granted: Capabilities,
        (legacy, key): (Charset, Key),
        mut link: Link,
        half_open: HalfOpen,
        now: Instant,
    ) -> Self {
        let once = granted.contains(Capabilities::ONCE);
        if once {
            link.set_ordered();
        }
        Self {
            serial: 0,
            uin,
            id,
            address,
            login_seq,
            granted,
            charset: match (granted.contains(Capabilities::UTF8), once) {
                (true, _) => Charset::Utf8,
                // Our own client knows all of GB 18030; one of 2003 only what its locale has.
                (false, true) => Charset::Gb18030,
                (false, false) => legacy,
            },
            link,
            last_heard: now,
            late_notices: None,
            key,
            form: granted.contains(Capabilities::CBC).then_some(CipherForm::Cbc),
            half_open: Some(Box::new(half_open)),
            link_timer: TimerId::NONE,
            end_timer: TimerId::NONE,
        }
    }

    /// One of an earlier process. With ONCE its link says nothing before the client has answered.
    pub(super) fn restored(saved: SavedSession, mut link: Link, now: Instant) -> Self {
        let SavedSession { serial, uin, id, address, login_seq, granted, charset, form, key, .. } = saved;
        if granted.contains(Capabilities::ONCE) {
            link.set_ordered();
            link.require_proof();
        }
        let (last_heard, late_notices, half_open) = (now, None, None);
        let (link_timer, end_timer) = (TimerId::NONE, TimerId::NONE);
        Self {
            serial,
            uin,
            id,
            address,
            login_seq,
            granted,
            charset,
            link,
            last_heard,
            late_notices,
            key,
            form,
            half_open,
            link_timer,
            end_timer,
        }
    }

    /// What is to be kept of it.
    pub(super) fn saved(&self, status: Status, place: Place, link: Snapshot, is_exact: bool) -> SavedSession {
        let Self { serial, uin, id, address, login_seq, granted, charset, form, ref key, .. } = *self;
        let (key, Place { port, real_ip, .. }) = (key.clone(), place);
        SavedSession {
            uin,
            id,
            address,
            serial,
            login_seq,
            granted,
            charset,
            form,
            key,
            status,
            port,
            real_ip,
            link,
            is_exact,
        }
    }

    /// Whether the client has [`Capabilities::ONCE`].
    pub(super) fn is_once(&self) -> bool {
        self.granted.contains(Capabilities::ONCE)
    }

    /// Whether the client has [`Capabilities::RECEIPTS`].
    pub(super) fn has_receipts(&self) -> bool {
        self.granted.contains(Capabilities::RECEIPTS)
    }

    /// Whether the client has [`Capabilities::RELAY`].
    pub(super) fn has_relays(&self) -> bool {
        self.granted.contains(Capabilities::RELAY)
    }

    /// With which key what goes to the client is enciphered, if it is.
    pub(super) fn reply_key(&self) -> Option<&Key> {
        self.granted.contains(Capabilities::SEALED).then_some(&self.key)
    }

    /// The header of a datagram to the client.
    pub(super) fn envelope(&self, seq: Option<Seq>) -> Envelope {
        Envelope { reserved: 0, uin: self.uin, session: self.id, seq }
    }

    /// Opens a body. The first that opens in one of the two forms of plain v1 decides for the session.
    pub(super) fn open<'a>(
        &mut self,
        header: &ClientHeader,
        body: &'a [u8],
        scratch: &'a mut [u8],
    ) -> Result<Request<'a>, DecodeError> {
        let enciphered = header.known_command().and_then(|command| command.request()).is_some_and(|it| it.enciphered);
        if !enciphered || body.is_empty() {
            return open_request(header, body, None, scratch);
        }
        let form = match self.form {
            Some(form) => form,
            None => self.recognise(header, body, scratch)?,
        };
        let request = open_request(header, body, Some(self.sealing(form)), scratch)?;
        self.form = Some(form);
        Ok(request)
    }

    fn recognise(&self, header: &ClientHeader, body: &[u8], scratch: &mut [u8]) -> Result<CipherForm, DecodeError> {
        let opens =
            |form, scratch: &mut [u8]| open_request(header, body, Some(self.sealing(form)), scratch).map(|_| form);
        match opens(CipherForm::Original, scratch) {
            Err(error) if error.kind != DecodeErrorKind::Blocks => {
                opens(CipherForm::Textbook, scratch).map_err(|_| error)
            }
            found => found,
        }
    }

    fn sealing(&self, form: CipherForm) -> myicq_wire::Sealing<'_> {
        myicq_wire::Sealing { key: &self.key, form }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    /// There may be a hundred thousand of them, nearly all idle.
    #[test]
    fn an_idle_session_is_small() {
        assert!(size_of::<Option<Session>>() <= 192, "{} bytes", size_of::<Option<Session>>());
        assert_eq!(
            (offset_of!(Session, granted), offset_of!(Session, link) + 40, offset_of!(Session, key)),
            (64, 128, 184)
        );
    }
}
