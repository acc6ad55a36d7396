//! What each shard shows to the others: who is here and shows it, and which groups it has.
//!
//! The owner of a board changes it when somebody comes, goes or is shown differently, and when a group changes; the others look at it for a
//! search or a list. Nothing on the way of a message touches it, so its lock holds nobody up there.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use myicq_wire::{GroupId, Uin};
use roaring::RoaringBitmap;

/// A group as lists show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    /// Its number.
    pub group: GroupId,
    /// How it is called, in UTF-8.
    pub name: String,
    /// Its type: the position in the list of types, from 0.
    pub group_type: u16,
    /// How many are in it.
    pub members: u16,
}

/// The board of one shard.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// Their numbers, hardly more than a bit each; and each has a place by which it can be drawn by lot.
    visible: RwLock<RoaringBitmap>,
    groups: RwLock<BTreeMap<GroupId, Listing>>,
}

/// What lies behind the lock is whole between any two statements, also when a thread has ended in between.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    pub(crate) fn show(&self, uin: Uin) {
        write(&self.visible).insert(uin.0);
    }

    pub(crate) fn hide(&self, uin: Uin) {
        write(&self.visible).remove(uin.0);
    }

    pub(crate) fn is_visible(&self, uin: Uin) -> bool {
        read(&self.visible).contains(uin.0)
    }

    pub(crate) fn count_visible(&self) -> usize {
        usize::try_from(read(&self.visible).len()).unwrap_or(usize::MAX)
    }

    /// Who has a place among those who are visible, if nobody has left in the meantime.
    pub(crate) fn visible_at(&self, place: usize) -> Option<Uin> {
        read(&self.visible).select(u32::try_from(place).ok()?).map(Uin)
    }

    pub(crate) fn list_group(&self, listing: Listing) {
        write(&self.groups).insert(listing.group, listing);
    }

    pub(crate) fn strike_group(&self, group: GroupId) {
        write(&self.groups).remove(&group);
    }

    pub(crate) fn group(&self, group: GroupId) -> Option<Listing> {
        read(&self.groups).get(&group).cloned()
    }

    pub(crate) fn groups(&self, group_type: u16) -> Vec<Listing> {
        read(&self.groups).values().filter(|listing| listing.group_type == group_type).cloned().collect()
    }
}
