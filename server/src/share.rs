//! Which users are whose, where a server has several shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use myicq_wire::{UIN_AT, Uin};

/// Shards of one server at most. A message number keeps to its shard by steps of as many microseconds.
pub const SHARDS_MAX: u32 = 64;

/// One shard's part of a server: the users whose number leaves its index when it is divided by the number of shards.
///
/// Numbers that must not meet, of messages and of store tickets, are told apart by the same rule.
#[derive(Clone, Debug)]
pub struct Share {
    index: u32,
    count: u32,
    /// How many users are here and show it, in all shards: the one thing that they have in common. Nobody decides by it.
    visible: Arc<AtomicU32>,
}

impl Share {
    /// All of the users.
    pub fn whole() -> Self {
        Self { index: 0, count: 1, visible: Arc::default() }
    }

    /// The shares of a server with so many shards, from 1 to [`SHARDS_MAX`].
    pub fn split(count: u32) -> Vec<Self> {
        let count = count.clamp(1, SHARDS_MAX);
        let visible = Arc::default();
        (0..count).map(|index| Self { index, count, visible: Arc::clone(&visible) }).collect()
    }

    /// Which of the shards this is, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// How many shards there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The shard that a user belongs to.
    pub fn owner(&self, uin: Uin) -> u32 {
        uin.0 % self.count
    }

    /// Whether a user belongs to this shard.
    pub fn owns(&self, uin: Uin) -> bool {
        self.owner(uin) == self.index
    }

    /// The shard that a datagram from a client is for. What is too short to say is anybody's.
    pub fn owner_of_datagram(&self, datagram: &[u8]) -> u32 {
        let uin = datagram.get(UIN_AT..).and_then(|rest| rest.first_chunk());
        uin.map_or(self.index, |bytes| self.owner(Uin(u32::from_be_bytes(*bytes))))
    }

    /// The shard that has given out a ticket or the number of a message.
    pub fn owner_of_number(&self, number: u64) -> u32 {
        u32::try_from(number % u64::from(self.count)).unwrap_or_default()
    }

    /// What this shard may have of something of which the server has so many: they are dealt out evenly, and rounded up.
    pub(crate) fn part_of(&self, max: usize) -> usize {
        usize::try_from(self.count).map_or(max, |count| max.div_ceil(count))
    }

    /// The first of this shard's numbers that is not below `floor`.
    pub(crate) fn number_from(&self, floor: u64) -> u64 {
        let (index, count) = (u64::from(self.index), u64::from(self.count));
        floor + (index + count - floor % count) % count
    }

    /// How many users are here and show it.
    pub(crate) fn visible(&self) -> u32 {
        self.visible.load(Ordering::Relaxed)
    }

    /// Counts a user who is seen from now on, or is not.
    pub(crate) fn count_visible(&self, before: bool, after: bool) {
        match (before, after) {
            (false, true) => self.visible.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.visible.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_and_number_has_one_owner() {
        for count in [1, 2, 3, SHARDS_MAX] {
            let shares = Share::split(count);
            assert_eq!(shares.len(), count as usize);
            for uin in (0..200).chain([u32::MAX]).map(Uin) {
                assert_eq!(shares.iter().filter(|share| share.owns(uin)).count(), 1);
            }
            for share in &shares {
                let mut last = 0;
                for floor in (0..200).chain([1 << 50]) {
                    let number = share.number_from(floor);
                    assert!(number >= floor && number < floor + u64::from(count) && number >= last);
                    assert_eq!(share.owner_of_number(number), share.index());
                    last = number;
                }
            }
        }
        assert_eq!((Share::split(0).len(), Share::split(1000).len()), (1, SHARDS_MAX as usize));
    }

    #[test]
    fn a_datagram_goes_by_the_uin_in_its_header() {
        let shares = Share::split(3);
        let datagram = [0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 9];
        assert!(shares.iter().all(|share| share.owner_of_datagram(&datagram) == 2));
        assert!(shares.iter().all(|share| share.owner_of_datagram(datagram.get(..9).unwrap()) == share.index()));
    }
}
