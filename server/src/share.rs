//! Which users are whose, where a server has several shards.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use blake2::Blake2sMac;
use blake2::digest::consts::U32;
use blake2::digest::{KeyInit, Mac};

use myicq_wire::{GroupId, UIN_AT, Uin};
use rand::rngs::StdRng;
use rand::seq::index;

use crate::board::{Board, Listing};

/// Shards of one server at most. A message number keeps to its shard by steps of as many microseconds.
pub const SHARDS_MAX: u32 = 64;

/// One shard's part of a server: the users whose number leaves its index when it is divided by the number of shards.
///
/// Numbers that must not meet, of messages and of store tickets, are told apart by the same rule.
#[derive(Clone, Debug)]
pub struct Share {
    index: u32,
    count: u32,
    /// How many users are here and show it, in all shards. Nobody decides by it.
    visible: Arc<AtomicU32>,
    /// What each shard shows to the others.
    boards: Arc<[Board]>,
    /// How often addresses have guessed at passwords, and by which key they have their places. With the two above, all that shards
    /// have in common.
    addresses: Arc<OnceLock<Addresses>>,
}

/// Cells of a table, made by the first shard that asks for it.
struct Addresses {
    key: [u8; 32],
    cells: Arc<[AtomicU32]>,
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses").field("cells", &self.cells.len()).finish_non_exhaustive()
    }
}

impl Share {
    /// All of the users.
    pub fn whole() -> Self {
        Self { index: 0, count: 1, visible: Arc::default(), boards: boards(1), addresses: Arc::default() }
    }

    /// The shares of a server with so many shards, from 1 to [`SHARDS_MAX`].
    pub fn split(count: u32) -> Vec<Self> {
        let count = count.clamp(1, SHARDS_MAX);
        let whole = Self { count, boards: boards(count), ..Self::whole() };
        (0..count).map(|index| Self { index, ..whole.clone() }).collect()
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

    /// The key and the cells, for numbers that all shards count together. The first shard's random key makes theirs, and does not
    /// come out by it.
    pub(crate) fn addresses(&self, key: &[u8; 32], cells: usize) -> ([u8; 32], Arc<[AtomicU32]>) {
        let Addresses { key, cells } = self.addresses.get_or_init(|| {
            let derived = <Blake2sMac<U32> as KeyInit>::new(key.into()).chain_update(b"addresses").finalize();
            let cells = (0..cells.max(1)).map(|_| AtomicU32::default()).collect();
            Addresses { key: derived.into_bytes().into(), cells }
        });
        (*key, Arc::clone(cells))
    }

    /// How many users are here and show it.
    pub(crate) fn visible(&self) -> u32 {
        self.visible.load(Ordering::Relaxed)
    }

    /// One of our users is seen from now on, or is not.
    pub(crate) fn show(&self, uin: Uin, before: bool, after: bool) {
        match (before, after) {
            (false, true) => {
                self.visible.fetch_add(1, Ordering::Relaxed);
                self.own_board(|board| board.show(uin));
            }
            (true, false) => {
                self.visible.fetch_sub(1, Ordering::Relaxed);
                self.own_board(|board| board.hide(uin));
            }
            _ => {}
        }
    }

    /// Whether a user, of whichever shard, is here and shows it.
    pub(crate) fn is_visible(&self, uin: Uin) -> bool {
        self.board(self.owner(uin)).is_some_and(|board| board.is_visible(uin))
    }

    /// Some of those who are here and show it, drawn by lot; nobody twice, and `but` not at all.
    pub(crate) fn draw_visible(&self, rng: &mut StdRng, but: Uin, max: usize) -> Vec<Uin> {
        let counts: Vec<usize> = self.boards.iter().map(Board::count_visible).collect();
        let all = counts.iter().sum();
        // One more than are wanted, in case that he is among them.
        let places = index::sample(rng, all, all.min(max + 1));
        let at = |mut place: usize| {
            self.boards.iter().zip(&counts).find_map(|(board, &count)| match place.checked_sub(count) {
                None => Some(board.visible_at(place)),
                Some(rest) => {
                    place = rest;
                    None
                }
            })
        };
        places.into_iter().filter_map(at).flatten().filter(|&uin| uin != but).take(max).collect()
    }

    /// A group of ours is like this from now on.
    pub(crate) fn list_group(&self, listing: Listing) {
        self.own_board(|board| board.list_group(listing));
    }

    /// A group of ours is no more.
    pub(crate) fn strike_group(&self, group: GroupId) {
        self.own_board(|board| board.strike_group(group));
    }

    /// A group, of whichever shard.
    pub(crate) fn group(&self, group: GroupId) -> Option<Listing> {
        self.board(self.owner_of_number(group.0.into()))?.group(group)
    }

    /// All groups of a type, by rising number.
    pub(crate) fn groups(&self, group_type: u16) -> Vec<Listing> {
        let mut groups: Vec<_> = self.boards.iter().flat_map(|board| board.groups(group_type)).collect();
        groups.sort_unstable_by_key(|listing| listing.group);
        groups
    }

    fn board(&self, shard: u32) -> Option<&Board> {
        self.boards.get(usize::try_from(shard).ok()?)
    }

    fn own_board(&self, change: impl FnOnce(&Board)) {
        if let Some(board) = self.board(self.index) {
            change(board);
        }
    }
}

fn boards(count: u32) -> Arc<[Board]> {
    (0..count).map(|_| Board::default()).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

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
    fn who_is_visible_is_drawn_from_all_shards_and_nobody_twice() {
        let (shares, mut rng) = (Share::split(3), StdRng::seed_from_u64(1));
        let draw = |rng: &mut StdRng, but, max| {
            let mut drawn = shares[1].draw_visible(rng, but, max);
            drawn.sort_unstable();
            drawn
        };
        assert_eq!(draw(&mut rng, Uin(1), 25), []);
        let all: Vec<Uin> = (1..=40).map(Uin).collect();
        all.iter().for_each(|&uin| shares[shares[0].owner(uin) as usize].show(uin, false, true));
        assert_eq!(draw(&mut rng, Uin::NONE, 40), all);
        assert_eq!(draw(&mut rng, Uin(7), 40).len(), 39);
        let (one, other) = (draw(&mut rng, Uin(7), 25), draw(&mut rng, Uin(7), 25));
        assert_eq!((one.len(), other.len()), (25, 25));
        assert!(one != other && !one.contains(&Uin(7)) && one.windows(2).all(|pair| pair[0] < pair[1]));
        all.iter().for_each(|&uin| shares[shares[0].owner(uin) as usize].show(uin, true, false));
        assert_eq!((draw(&mut rng, Uin(1), 25), shares[0].visible()), (vec![], 0));
    }

    #[test]
    fn a_datagram_goes_by_the_uin_in_its_header() {
        let shares = Share::split(3);
        let datagram = [0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 9];
        assert!(shares.iter().all(|share| share.owner_of_datagram(&datagram) == 2));
        assert!(shares.iter().all(|share| share.owner_of_datagram(datagram.get(..9).unwrap()) == share.index()));
    }
}
