//! The sessions of a shard, each in its slot.

use hashbrown::HashMap;
use myicq_wire::{SessionId, Uin};

use super::session::{HalfOpen, Session};
use crate::hub::SessionKey;
use crate::pages::Pages;

/// Sessions by their keys. Who is here the hub knows; those that are half-open are found by what their datagrams carry.
#[derive(Debug)]
pub(super) struct Sessions {
    slots: Pages<Option<Session>>,
    /// Those that are free. The last of them is used next, because it is most likely still near.
    free: Vec<u32>,
    half_open: HashMap<(Uin, SessionId), u32>,
    last_serial: u64,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self { slots: Pages::new(), free: Vec::new(), half_open: HashMap::new(), last_serial: 0 }
    }

    pub(super) fn len(&self) -> usize {
        usize::try_from(self.slots.len()).unwrap_or(usize::MAX).saturating_sub(self.free.len())
    }

    /// Takes in a half-open session. `None` when there is one with its uin and sid, or 2^32 of them.
    pub(super) fn insert(&mut self, mut session: Session) -> Option<SessionKey> {
        let id = (session.uin, session.id);
        if self.half_open.contains_key(&id) {
            return None;
        }
        self.last_serial += 1;
        session.serial = self.last_serial;
        let key = self.insert_open(session)?;
        self.half_open.insert(id, key.slot);
        Some(key)
    }

    /// Logins from now on are later than the one of this serial.
    pub(super) fn begin_after(&mut self, serial: u64) {
        self.last_serial = self.last_serial.max(serial);
    }

    /// Takes in an open session that has its serial. `None` when there are 2^32 of them.
    pub(super) fn insert_open(&mut self, session: Session) -> Option<SessionKey> {
        let (uin, serial) = (session.uin, session.serial);
        let slot = if let Some(slot) = self.free.pop() {
            *self.slots.get_mut(slot)? = Some(session);
            slot
        } else {
            self.slots.push(Some(session))?
        };
        Some(SessionKey { uin, slot, serial })
    }

    /// The address of a session is proven: from now on the hub knows it.
    pub(super) fn on_proven(&mut self, key: SessionKey) -> Option<Box<HalfOpen>> {
        let session = self.slots.get_mut(key.slot)?.as_mut().filter(|session| session.serial == key.serial)?;
        self.half_open.remove(&(session.uin, session.id));
        session.half_open.take()
    }

    /// The session that a datagram belongs to. `here` is where that is which the hub has of its user.
    pub(super) fn find(&self, here: Option<u32>, uin: Uin, id: SessionId) -> Option<SessionKey> {
        let is_its = |slot| {
            let session = self.slots.get(slot)?.as_ref()?;
            let key = SessionKey { uin, slot, serial: session.serial };
            Some(key).filter(|_| session.uin == uin && session.id == id)
        };
        here.and_then(is_its).or_else(|| self.key(*self.half_open.get(&(uin, id))?))
    }

    /// The key of the session that is in a slot.
    pub(super) fn key(&self, slot: u32) -> Option<SessionKey> {
        let session = self.slots.get(slot)?.as_ref()?;
        Some(SessionKey { uin: session.uin, slot, serial: session.serial })
    }

    /// The keys of all sessions, open and half-open, from a slot on.
    pub(super) fn keys_from(&self, slot: u32) -> impl Iterator<Item = SessionKey> {
        (slot..self.slots.len()).filter_map(|slot| self.key(slot))
    }

    /// Those of one user. Looks at all there are: nothing for the way of a message.
    pub(super) fn of(&self, uin: Uin) -> Vec<SessionKey> {
        self.keys_from(0).filter(|key| key.uin == uin).collect()
    }

    pub(super) fn get(&self, key: SessionKey) -> Option<&Session> {
        self.slots.get(key.slot)?.as_ref().filter(|session| session.serial == key.serial)
    }

    pub(super) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.slots.get_mut(key.slot)?.as_mut().filter(|session| session.serial == key.serial)
    }

    pub(super) fn remove(&mut self, key: SessionKey) -> Option<Session> {
        let session = self.get(key)?;
        if session.half_open.is_some() {
            self.half_open.remove(&(session.uin, session.id));
        }
        let session = self.slots.get_mut(key.slot)?.take();
        self.free.push(key.slot);
        session
    }
}
