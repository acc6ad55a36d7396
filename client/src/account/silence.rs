//! Whether the server still answers, measured by the round trip.

use std::time::Duration;

use myicq_wire::Instant;

use super::Account;

/// So many of the link's timeouts without a word from the server, while something waits for one, are a silence: six datagrams have gone
/// out by then. A network that loses every fifth of them each way loses all six exchanges once in 500 times, and three once in 20.
const SILENCE_TIMEOUTS: u32 = 40;

impl Account {
    /// When the server was last heard in this session.
    pub fn heard_at(&self) -> Option<Instant> {
        self.heard_at
    }

    /// The server's machine says that nobody listens there, which a server that starts again may disprove.
    pub(super) fn handle_no_answer(&mut self, now: Instant) {
        self.silent_at = Some(now);
    }

    /// How long the server may be silent while something waits for it.
    pub(super) fn patience(&self) -> Duration {
        let timing = &self.config.timeouts.link;
        self.link.timeout(timing).saturating_mul(SILENCE_TIMEOUTS).min(timing.give_up_after)
    }

    /// A genuine datagram came.
    pub(super) fn on_heard(&mut self, now: Instant) {
        self.heard_at = Some(now);
        let waits = self.link.in_flight() > 0;
        self.silent_at = waits.then(|| now + self.patience());
    }

    /// Until when the server may be silent, while something waits for it.
    pub(super) fn silent_at(&self) -> Option<Instant> {
        self.silent_at
    }

    /// Whether the server has been silent for so long that it may be gone.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.silent_at.is_some_and(|at| at <= now)
    }
}
