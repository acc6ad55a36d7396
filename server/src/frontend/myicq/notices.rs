//! Notices of who came, went or changed. A client that is slow to acknowledge them gets the latest of each contact instead of all: otherwise
//! anybody on its list could bury it in changes of status.

use std::collections::BTreeMap;

use myicq_wire::link::Token;
use myicq_wire::{List, Presence as WirePresence, Reply, Status, StatusChanged, Uin, UserOffline, UserOnline};

use super::Frontend;
use super::login::ipv4;
use super::replies::HERE;
use crate::hub::{Hub, Presence, SessionKey};
use crate::time::Now;

/// Entries of one MULTI_ONLINE. The original had as many; the rest follows in further ones.
const PAGE_LEN: usize = 48;

/// Datagrams that wait for the link's window, beyond which notices wait elsewhere: a quarter of what the link takes.
const QUEUED_MAX: usize = 64;

/// What is to be told of a contact.
#[derive(Clone, Copy, Debug)]
pub(super) enum Notice {
    Here(WirePresence),
    Gone,
    Status(Status),
}

/// The latest of each contact, for a client that has not taken the earlier ones. At most as many as its list has.
pub(super) type LateNotices = BTreeMap<Uin, Notice>;

impl Frontend {
    /// Tells a client of its contacts, now or when it has taken what it was told before.
    pub(super) fn notify(&mut self, now: Now, key: SessionKey, notices: &[(Uin, Notice)], hub: &mut Hub) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if session.late_notices.is_none() && session.link.queued() < QUEUED_MAX {
            return self.send_notices(now, key, notices.iter().copied(), hub);
        }
        let late = session.late_notices.get_or_insert_default();
        for &(uin, notice) in notices {
            late.entry(uin).and_modify(|earlier| earlier.replace_by(notice)).or_insert(notice);
        }
    }

    /// Sends what was held back, once nothing waits for the link's window any more.
    pub(super) fn send_late_notices(&mut self, now: Now, key: SessionKey, hub: &mut Hub) {
        if let Some(session) = self.sessions.get_mut(&key)
            && session.link.queued() == 0
            && let Some(late) = session.late_notices.take()
        {
            self.send_notices(now, key, late.into_iter(), hub);
        }
    }

    fn send_notices(&mut self, now: Now, key: SessionKey, notices: impl Iterator<Item = (Uin, Notice)>, hub: &mut Hub) {
        let mut here = Vec::new();
        for (uin, notice) in notices {
            let reply = match notice {
                Notice::Here(presence) => {
                    here.push(presence);
                    continue;
                }
                Notice::Gone => Reply::UserOffline(UserOffline { uin, domain: HERE }),
                Notice::Status(status) => Reply::StatusChanged(StatusChanged { uin, status, domain: HERE }),
            };
            self.retain(now, key, &reply, None, Token(0), hub);
        }
        if let [presence] = *here {
            let reply = Reply::UserOnline(UserOnline { presence, domain: HERE });
            return self.retain(now, key, &reply, None, Token(0), hub);
        }
        for page in here.chunks(PAGE_LEN) {
            self.retain(now, key, &Reply::MultiOnline(List::new(page)), None, Token(0), hub);
        }
    }
}

impl Notice {
    pub(super) fn here(presence: &Presence) -> (Uin, Self) {
        let here = WirePresence {
            uin: presence.uin,
            status: presence.status,
            ip: ipv4(presence.place.ip),
            port: presence.place.port,
            real_ip: presence.place.real_ip,
        };
        (presence.uin, Self::Here(here))
    }

    /// What is to be told where this was to be told and then something newer.
    fn replace_by(&mut self, newer: Self) {
        match (&mut *self, newer) {
            (Self::Here(presence), Self::Status(status)) => presence.status = status,
            _ => *self = newer,
        }
    }
}
