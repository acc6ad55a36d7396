//! What an administrator sees of sessions.

use std::net::SocketAddr;
use std::time::Duration;

use myicq_wire::charset::Charset;
use myicq_wire::{Capabilities, Instant, Status, Uin};

use super::Frontend;
use crate::hub::SessionKey;

/// A session as the administrator sees it. Nothing in it helps to speak in its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionView {
    /// Whose.
    pub uin: Uin,
    /// From where.
    pub address: SocketAddr,
    /// What the user is shown as; `None` until the address is proven.
    pub status: Option<Status>,
    /// What its client can do beyond version 1.
    pub capabilities: Capabilities,
    /// In what its client writes.
    pub charset: Charset,
    /// For how long nothing has come.
    pub idle: Duration,
    /// From a datagram to its acknowledgement, smoothed, if one has been measured.
    pub round_trip: Option<Duration>,
    /// Datagrams that its client has not acknowledged.
    pub in_flight: usize,
    /// Datagrams that wait behind those.
    pub queued: usize,
}

impl Frontend {
    /// Up to `max` sessions from a slot on, each with its key and without its status, and the slot from which to go on.
    pub fn views(&self, now: Instant, from: u32, max: usize) -> (Vec<(SessionKey, SessionView)>, Option<u32>) {
        let mut views = Vec::new();
        let mut keys = self.sessions.keys_from(from);
        for key in keys.by_ref().take(max) {
            let Some(session) = self.sessions.get(key) else { continue };
            let view = SessionView {
                uin: key.uin,
                address: session.address,
                status: None,
                capabilities: session.granted,
                charset: session.charset,
                idle: now.since(session.last_heard),
                round_trip: session.link.round_trip(),
                in_flight: session.link.in_flight(),
                queued: session.link.queued(),
            };
            views.push((key, view));
        }
        (views, keys.next().map(|key| key.slot))
    }
}
