//! Messages that nobody has come for are forgotten after a time ([`offline_lifetime`](crate::config::Limits::offline_lifetime)).

use std::time::Duration;

use myicq_wire::{Instant, Uin};

use super::{Effect, Hub, Waiting};
use crate::share::Share;
use crate::store::{MessageId, Outcome, Work};
use crate::time::Now;

/// How often what is too old is looked for.
const EVERY: Duration = Duration::from_hours(1);

/// Messages that are forgotten in one commit; the others follow at once. No other request waits for more than some milliseconds.
const AT_ONCE: usize = 1_000;

/// When the first are forgotten: as soon as the server runs. One shard does it for all.
pub(super) fn first(share: &Share) -> Option<Instant> {
    share.owns(Uin::ADMINISTRATOR).then_some(Instant(0))
}

impl Hub {
    /// Forgets what is too old, when it is time.
    pub(super) fn expire(&mut self, now: Now) {
        if self.expiry.take_if(|at| *at <= now.instant).is_some() {
            // Numbers are microseconds of the clock.
            let before = MessageId((now.unix - self.config.limits.offline_lifetime).0);
            self.ask_store(Work::ExpireMessages { before, limit: AT_ONCE }, Waiting::Expired);
        }
    }

    pub(super) fn on_expired(&mut self, now: Now, outcome: &Outcome) {
        let expired = if let Outcome::Count(expired) = *outcome { expired } else { 0 };
        let are_more = expired >= AT_ONCE as u64;
        self.expiry = Some(if are_more { now.instant } else { now.instant + EVERY });
        if expired > 0 {
            self.effects.push_back(Effect::Expired(expired));
        }
    }
}
