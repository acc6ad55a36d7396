//! What the administrator has done while the server runs. It is the store's work, and what the hub remembers of a user follows it.

use myicq_wire::Uin;

use super::{Content, Effect, Hub, List, Sight, Waiting};
use crate::store::{Outcome, Work};
use crate::time::Now;

impl Hub {
    /// The administrator wants something of the store: [`Hub::poll_errand`] has what became of it, by its number. What concerns one user
    /// is for the hub that owns him.
    pub fn handle_errand(&mut self, now: Now, number: u64, work: Work) {
        let removed = if let Work::RemoveUser { uin } = work { Some(uin) } else { None };
        if let Work::RemoveUser { uin } | Work::SetPassword { uin, .. } = work {
            self.verifiers.on_change(uin);
        }
        self.ask_store(work, Waiting::Errand { number, removed });
        self.settle(now);
    }

    /// What became of an errand.
    pub fn poll_errand(&mut self) -> Option<(u64, Outcome)> {
        self.errands.pop_front()
    }

    pub(super) fn on_errand(&mut self, number: u64, removed: Option<Uin>, outcome: Outcome) {
        if let (Some(uin), Outcome::Removed(Some(_))) = (removed, &outcome) {
            self.on_user_removed(uin);
        }
        self.errands.push_back((number, outcome));
    }

    /// A user is not in the store any more: whoever sees him sees him go, and nobody watches him from now on.
    pub(super) fn on_user_removed(&mut self, uin: Uin) {
        // A login that was judged while the store was at it must not be believed again.
        self.verifiers.on_change(uin);
        if let Some(session) = self.session_of(uin)
            && self.forget_session(session)
        {
            self.announce(uin, Sight::Gone(uin));
        }
        let mut list = List::at(self.watchers.remove(uin));
        let watchers: Vec<_> = self.lists.iter(&list).collect();
        self.lists.clear(&mut list);
        watchers.into_iter().for_each(|watcher| self.post(watcher, Content::Unlisted(uin)));
        self.effects.push_back(Effect::Removed(uin));
    }

    /// Somebody is not on the list of a user of ours any more, because there is no such user.
    pub(super) fn on_unlisted(&mut self, owner: Uin, contact: Uin) {
        if let Some(contacts) = self.online.contacts_mut(owner) {
            self.lists.remove(contacts, contact);
        }
    }
}
