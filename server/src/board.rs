//! What each shard shows to the others: who is here and shows it, and which groups it has.
//!
//! The owner of a board changes it when somebody comes, goes or is shown differently, and when a group changes; the others look at it for a
//! search or a list. Nothing on the way of a message touches it, so its lock holds nobody up there.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use indexmap::IndexSet;
use myicq_wire::{GroupId, Uin};

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
    /// In no order, but each in a place: some of them can be drawn by lot.
    visible: RwLock<IndexSet<Uin>>,
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
        write(&self.visible).insert(uin);
    }

    pub(crate) fn hide(&self, uin: Uin) {
        write(&self.visible).swap_remove(&uin);
    }

    pub(crate) fn is_visible(&self, uin: Uin) -> bool {
        read(&self.visible).contains(&uin)
    }

    pub(crate) fn count_visible(&self) -> usize {
        read(&self.visible).len()
    }

    /// Who has a place among those who are visible, if nobody has left in the meantime.
    pub(crate) fn visible_at(&self, place: usize) -> Option<Uin> {
        read(&self.visible).get_index(place).copied()
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
