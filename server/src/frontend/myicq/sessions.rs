//! The sessions of a shard, each in its slot.

use hashbrown::HashMap;
use myicq_wire::{SessionId, Uin};
use slab::Slab;

use super::session::Session;
use crate::hub::SessionKey;

/// Sessions by their keys, and by what their datagrams carry. An idle one costs its slot and 13 bytes in the index.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    slots: Slab<Session>,
    index: HashMap<(Uin, SessionId), u32>,
    last_serial: u64,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Takes in a session whose uin and sid no other one has. `None` when there is one, or 2^32 of them.
    pub(super) fn insert(&mut self, mut session: Session) -> Option<SessionKey> {
        let id = (session.uin, session.id);
        let slot = u32::try_from(self.slots.vacant_key()).ok()?;
        if self.index.contains_key(&id) {
            return None;
        }
        self.index.insert(id, slot);
        self.last_serial += 1;
        session.serial = self.last_serial;
        self.slots.insert(session);
        Some(SessionKey { uin: id.0, slot, serial: self.last_serial })
    }

    pub(super) fn find(&self, uin: Uin, id: SessionId) -> Option<SessionKey> {
        self.key(*self.index.get(&(uin, id))?)
    }

    /// The key of the session that is in a slot.
    pub(super) fn key(&self, slot: u32) -> Option<SessionKey> {
        let session = self.slots.get(usize::try_from(slot).ok()?)?;
        Some(SessionKey { uin: session.uin, slot, serial: session.serial })
    }

    /// The keys of all sessions, open and half-open, from a slot on.
    pub(super) fn keys_from(&self, slot: u32) -> impl Iterator<Item = SessionKey> {
        let end = u32::try_from(self.slots.capacity()).unwrap_or(u32::MAX);
        (slot..end).filter_map(|slot| self.key(slot))
    }

    /// Those of one user. Looks at all there are: nothing for the way of a message.
    pub(super) fn of(&self, uin: Uin) -> Vec<SessionKey> {
        self.keys_from(0).filter(|key| key.uin == uin).collect()
    }

    pub(super) fn get(&self, key: SessionKey) -> Option<&Session> {
        self.slots.get(usize::try_from(key.slot).ok()?).filter(|session| session.serial == key.serial)
    }

    pub(super) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.slots.get_mut(usize::try_from(key.slot).ok()?).filter(|session| session.serial == key.serial)
    }

    pub(super) fn remove(&mut self, key: SessionKey) -> Option<Session> {
        let session = self.get(key)?;
        self.index.remove(&(session.uin, session.id));
        self.slots.try_remove(usize::try_from(key.slot).ok()?)
    }
}
