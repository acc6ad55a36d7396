//! The users who are here.

use hashbrown::HashMap;
use myicq_wire::{Status, Uin};
use slab::Slab;

use super::messages::Mailbox;
use super::{Place, Presence, SessionKey, presence};
use crate::store::MessageId;

/// A user who is here.
#[derive(Debug)]
pub(super) struct Online {
    pub(super) session: SessionKey,
    pub(super) status: Status,
    pub(super) place: Place,
    /// Whom he watches: his list, once it has been loaded.
    pub(super) contacts: Vec<Uin>,
    pub(super) mailbox: Mailbox,
    /// Messages told to his session and not yet acknowledged, by rising number.
    pub(super) in_flight: Vec<MessageId>,
}

impl Online {
    /// What others see of him, if they do.
    pub(super) fn presence(&self) -> Option<Presence> {
        let Self { session, status, place, .. } = *self;
        presence::is_visible(status).then_some(Presence { uin: session.uin, status, place })
    }
}

/// Those who are here, by their number. They lie densely in slots: in the table itself, each would take two.
#[derive(Debug, Default)]
pub(super) struct Users {
    slots: Slab<Online>,
    index: HashMap<Uin, usize>,
}

impl Users {
    pub(super) fn get(&self, uin: Uin) -> Option<&Online> {
        self.slots.get(*self.index.get(&uin)?)
    }

    pub(super) fn get_mut(&mut self, uin: Uin) -> Option<&mut Online> {
        self.slots.get_mut(*self.index.get(&uin)?)
    }

    /// The user whose session this is, as long as it is open.
    pub(super) fn of(&self, session: SessionKey) -> Option<&Online> {
        self.get(session.uin).filter(|user| user.session == session)
    }

    pub(super) fn of_mut(&mut self, session: SessionKey) -> Option<&mut Online> {
        self.get_mut(session.uin).filter(|user| user.session == session)
    }

    /// Takes in a user who is not here.
    pub(super) fn insert(&mut self, user: Online) {
        let uin = user.session.uin;
        debug_assert!(!self.index.contains_key(&uin), "{uin} is here already");
        let slot = self.slots.insert(user);
        self.index.insert(uin, slot);
    }

    pub(super) fn remove(&mut self, session: SessionKey) -> Option<Online> {
        self.of(session)?;
        self.slots.try_remove(self.index.remove(&session.uin)?)
    }
}
