//! The users who are here.

use hashbrown::HashMap;
use myicq_wire::{Status, Uin};

use super::broadcasts::Reading;
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
    /// How far he is with what is said to everybody.
    pub(super) reading: Reading,
}

impl Online {
    /// What others see of him, if they do.
    pub(super) fn presence(&self) -> Option<Presence> {
        let Self { session, status, place, .. } = *self;
        presence::is_visible(status).then_some(Presence { uin: session.uin, status, place })
    }
}

/// Those who are here, each where his session is: slots of sessions are dense, and no two that are open have the same.
#[derive(Debug, Default)]
pub(super) struct Users {
    slots: Vec<Option<Online>>,
    /// The serials of their sessions, 0 for nobody. Apart, because every request asks whether its session is open, and among many users
    /// each look into a slot is a wait for memory.
    serials: Vec<u64>,
    index: HashMap<Uin, u32>,
}

fn position(slot: u32) -> Option<usize> {
    usize::try_from(slot).ok()
}

impl Users {
    pub(super) fn get(&self, uin: Uin) -> Option<&Online> {
        self.slots.get(position(*self.index.get(&uin)?)?)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, uin: Uin) -> Option<&mut Online> {
        self.slots.get_mut(position(*self.index.get(&uin)?)?)?.as_mut()
    }

    /// Whose session is in a slot, if there is somebody in it; `None` behind the last slot.
    pub(super) fn in_slot(&self, slot: usize) -> Option<Option<SessionKey>> {
        self.slots.get(slot).map(|user| user.as_ref().map(|user| user.session))
    }

    pub(super) fn is_open(&self, session: SessionKey) -> bool {
        position(session.slot).and_then(|slot| self.serials.get(slot)) == Some(&session.serial)
    }

    /// The user whose session this is, as long as it is open.
    pub(super) fn of_mut(&mut self, session: SessionKey) -> Option<&mut Online> {
        if !self.is_open(session) {
            return None;
        }
        self.slots.get_mut(position(session.slot)?)?.as_mut()
    }

    /// Takes in a user who is not here.
    pub(super) fn insert(&mut self, user: Online) {
        let SessionKey { uin, slot, serial } = user.session;
        debug_assert!(!self.index.contains_key(&uin), "{uin} is here already");
        let Some(place) = position(slot) else { return };
        if self.slots.len() <= place {
            self.slots.resize_with(place + 1, || None);
            self.serials.resize(place + 1, 0);
        }
        if let (Some(user_here), Some(serial_here)) = (self.slots.get_mut(place), self.serials.get_mut(place)) {
            debug_assert!(user_here.is_none(), "two open sessions in slot {slot}");
            (*user_here, *serial_here) = (Some(user), serial);
            self.index.insert(uin, slot);
        }
    }

    pub(super) fn remove(&mut self, session: SessionKey) -> Option<Online> {
        if !self.is_open(session) {
            return None;
        }
        let place = position(session.slot)?;
        self.index.remove(&session.uin);
        self.serials.get_mut(place).into_iter().for_each(|serial| *serial = 0);
        self.slots.get_mut(place)?.take()
    }
}
