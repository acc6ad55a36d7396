//! Notices of who came, went or changed. A client that is slow to acknowledge them gets the latest of each contact instead of all: otherwise
//! anybody on its list could bury it in changes of status. And who comes right behind another waits a moment for those who follow: when a
//! server starts again, everybody comes at once, and each would be told of each.

use std::time::Duration;

use myicq_wire::link::{Outgoing, Token};
use myicq_wire::{
    Envelope, Instant, List, MessageRef, Presence as WirePresence, Reply, Status, StatusChanged, Typing, Uin,
    UserOffline, UserOnline, encode_reply, readdress_reply, seal_reply,
};

use super::Frontend;
use super::login::ipv4;
use super::replies::HERE;
use super::session::Session;
use crate::counters::Event;
use crate::hub::{Hub, Presence, Receipt, SessionKey};
use crate::store::MessageId;
use crate::time::Now;

/// Entries of one MULTI_ONLINE. The original had as many; the rest follows in further ones.
const PAGE_LEN: usize = 48;

/// Datagrams that wait for the link's window, beyond which notices wait elsewhere: a quarter of what the link takes.
pub(super) const QUEUED_MAX: usize = 64;

/// Who comes within this time of the last arrival that a client was told of waits for the end of it, or for as many as one datagram has room
/// for. Nobody notices half a second.
const ARRIVALS_FOLD: Duration = Duration::from_millis(500);

/// What is to be told of a contact.
#[derive(Clone, Copy, Debug)]
pub(super) enum Notice {
    Here(WirePresence),
    Gone,
    Status(Status),
}

/// What a client has not been told of its contacts.
#[derive(Debug, Default)]
pub(super) struct LateNotices {
    /// Until when nothing more is told of arrivals.
    until: Instant,
    /// The latest of each contact, by rising number. At most as many as the client's list has.
    notices: Vec<(Uin, Notice)>,
}

impl LateNotices {
    /// When they can be sent, if the link has room.
    pub(super) fn due(&self) -> Instant {
        self.until
    }

    fn add(&mut self, uin: Uin, notice: Notice) {
        match self.notices.binary_search_by_key(&uin, |&(uin, _)| uin) {
            Ok(place) => self.notices.get_mut(place).into_iter().for_each(|(_, earlier)| earlier.replace_by(notice)),
            Err(place) => self.notices.insert(place, (uin, notice)),
        }
    }
}

impl Session {
    /// Whether a notice has to wait, behind others or for the link.
    fn defers(&self) -> bool {
        self.late_notices.as_ref().is_some_and(|late| !late.notices.is_empty()) || self.link.queued() >= QUEUED_MAX
    }

    fn defers_arrival(&self, now: Instant) -> bool {
        self.defers() || self.late_notices.as_ref().is_some_and(|late| now < late.until)
    }
}

impl Frontend {
    /// Tells a client who of its contacts is here, now or when it has taken what it was told before.
    pub(super) fn notify_here(&mut self, now: Now, key: SessionKey, contacts: &[Presence], hub: &mut Hub) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.defers() {
            let late = session.late_notices.get_or_insert_default();
            contacts.iter().for_each(|contact| late.add(contact.uin, Notice::Here(to_wire(contact))));
        } else {
            let here: Vec<_> = contacts.iter().map(to_wire).collect();
            self.send_here(now, key, &here, hub);
        }
    }

    /// Tells clients what has become of one of their contacts. The datagram is encoded once for all of them, and enciphered for each whose
    /// session is sealed.
    pub(super) fn notify_all(&mut self, now: Now, keys: &[SessionKey], uin: Uin, notice: Notice, hub: &mut Hub) {
        let reply = match notice {
            Notice::Here(presence) => Reply::UserOnline(UserOnline { presence, domain: HERE }),
            Notice::Gone => Reply::UserOffline(UserOffline { uin, domain: HERE }),
            Notice::Status(status) => Reply::StatusChanged(StatusChanged { uin, status, domain: HERE }),
        };
        let mut room = std::mem::take(&mut self.room);
        let len = encode_reply(&Envelope::default(), None, &reply, &mut room).unwrap_or_default();
        let datagram = room.get_mut(..len).unwrap_or_default();
        let is_arrival = matches!(notice, Notice::Here(_));
        for &key in keys {
            let Some(session) = self.sessions.get_mut(key) else { continue };
            if if is_arrival { session.defers_arrival(now.instant) } else { session.defers() } {
                let late = session.late_notices.get_or_insert_default();
                late.add(uin, notice);
                if late.notices.len() >= PAGE_LEN {
                    late.until = now.instant;
                }
                self.touched.push(key);
                continue;
            }
            if is_arrival {
                session.late_notices.get_or_insert_default().until = now.instant + ARRIVALS_FOLD;
            }
            let seq = session.link.next_seq();
            if readdress_reply(&session.envelope(Some(seq)), datagram).is_err() {
                continue;
            }
            let Some(reply_key) = session.reply_key() else {
                self.keep(now, key, Outgoing::new(seq, datagram, Token(0)), hub);
                continue;
            };
            let mut sealed = std::mem::take(&mut self.scratch);
            sealed.get_mut(..len).into_iter().for_each(|copy| copy.copy_from_slice(datagram));
            if let Ok(len) = seal_reply(reply_key, len, &mut sealed) {
                let bytes = sealed.get(..len).unwrap_or_default();
                self.keep(now, key, Outgoing::new(seq, bytes, Token(0)), hub);
            }
            self.scratch = sealed;
        }
        self.room = room;
    }

    /// Tells a client what somebody does with its messages, unless it is slow to take what it is told: this is news for the moment.
    pub(super) fn notify_receipt(&mut self, now: Now, key: SessionKey, receipt: Receipt, hub: &mut Hub) {
        if self.sessions.get(key).is_none_or(|session| session.link.queued() >= QUEUED_MAX) {
            return self.counters.event(Event::ReceiptDropped);
        }
        let about = |uin, MessageId(id): MessageId| MessageRef { uin, id };
        let reply = match receipt {
            Receipt::Delivered(uin, id) => Reply::Delivered(about(uin, id)),
            Receipt::Read(uin, id) => Reply::Read(about(uin, id)),
            Receipt::Typing(uin, is_typing) => Reply::Typing(Typing { uin, is_typing: is_typing.into() }),
        };
        self.retain(now, key, &reply, None, Token(0), hub);
    }

    /// Sends what was held back, once nothing waits for the link's window any more, nor for others who may come.
    pub(super) fn send_late_notices(&mut self, now: Now, key: SessionKey, hub: &mut Hub) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let is_due = session.late_notices.as_ref().is_some_and(|late| late.until <= now.instant);
        if !is_due || session.link.queued() > 0 {
            return;
        }
        let Some(late) = session.late_notices.take() else { return };
        let mut here = Vec::new();
        for (uin, notice) in late.notices {
            match notice {
                Notice::Here(presence) => here.push(presence),
                notice => self.notify_all(now, &[key], uin, notice, hub),
            }
        }
        self.send_here(now, key, &here, hub);
        if let Some(session) = self.sessions.get_mut(key)
            && !here.is_empty()
        {
            session.late_notices.get_or_insert_default().until = now.instant + ARRIVALS_FOLD;
        }
    }

    fn send_here(&mut self, now: Now, key: SessionKey, here: &[WirePresence], hub: &mut Hub) {
        if let [presence] = *here {
            let reply = Reply::UserOnline(UserOnline { presence, domain: HERE });
            return self.retain(now, key, &reply, None, Token(0), hub);
        }
        for page in here.chunks(PAGE_LEN) {
            self.retain(now, key, &Reply::MultiOnline(List::new(page)), None, Token(0), hub);
        }
    }
}

pub(super) fn to_wire(presence: &Presence) -> WirePresence {
    let Presence { uin, status, place } = *presence;
    WirePresence { uin, status, ip: ipv4(place.ip), port: place.port, real_ip: place.real_ip }
}

impl Notice {
    /// What is to be told where this was to be told and then something newer.
    fn replace_by(&mut self, newer: Self) {
        match (&mut *self, newer) {
            (Self::Here(presence), Self::Status(status)) => presence.status = status,
            _ => *self = newer,
        }
    }
}
