//! Sessions of an earlier process, and what is left for the next one.

use std::net::SocketAddr;

use super::{STORE_REQUESTS_MAX, ShardDriver};
use crate::driver::saving::Leftover;
use crate::driver::tunnel::address;
use crate::frontend::myicq::SavedSession;
use crate::shard::Input;
use crate::time::Now;

/// Sessions of an earlier process that go on between two looks at what has come.
const RESTORED_AT_ONCE: usize = 64;

/// Whether an address is there after the process, too. A connection of the tunnel is not.
pub(super) fn is_of_udp(address: SocketAddr) -> bool {
    address::number(address).is_none()
}

impl ShardDriver {
    /// Lets sessions of an earlier process go on, as many as the store can look after at once.
    pub(super) async fn restore_some(&mut self, now: Now) {
        for _ in 0..RESTORED_AT_ONCE {
            if !self.may_restore() {
                return;
            }
            let Some(saved) = self.unrestored.next() else { return };
            self.input(now, Input::Restore(saved)).await;
        }
    }

    pub(super) fn may_restore(&self) -> bool {
        self.stopping_since.is_none()
            && !self.unrestored.as_slice().is_empty()
            && self.store_requests < self.share.part_of(STORE_REQUESTS_MAX) / 2
    }

    /// Leaves all that there are, for the next process.
    pub(super) fn leave_sessions(&self) {
        let Some(leftovers) = &self.around.leftovers else { return };
        let mut pages: Vec<_> = SavedSession::pages(self.unrestored.as_slice()).collect();
        let mut next = Some(0);
        while let Some(slot) = next {
            let (page, more) = self.shard.save_from(slot, usize::MAX, is_of_udp);
            pages.push(page);
            next = more;
        }
        let _ = leftovers.send(Leftover { pages, is_idle: self.shard.is_idle() });
    }
}
