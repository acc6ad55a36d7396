//! What is at which place, by the numbers of a shard's users.

use hashbrown::HashMap;
use myicq_wire::Uin;

/// Numbers of one page. Accounts are numbered one after the other, so pages are full of those who are here; where they are not, a user costs
/// no more than his page.
const PAGE_LEN: u32 = 64;

/// No place.
const NOWHERE: u32 = u32::MAX;

/// For each user the place of something of his, in pages of neighbours. A hash table would cost three times the memory, and two looks at far
/// places instead of one: the pages' own table is so small that it stays near.
#[derive(Debug)]
pub(super) struct Directory {
    /// The users of one shard are this far apart.
    stride: u32,
    pages: HashMap<u32, Box<[u32; PAGE_LEN as usize]>>,
}

impl Directory {
    /// Of a server with so many shards.
    pub(super) fn new(shards: u32) -> Self {
        Self { stride: shards.max(1), pages: HashMap::new() }
    }

    /// The place of a user, if he has one.
    pub(super) fn find(&self, uin: Uin) -> Option<u32> {
        let (page, place) = self.place(uin);
        self.pages.get(&page)?.get(place).copied().filter(|&there| there != NOWHERE)
    }

    /// Notes which place a user has from now on.
    pub(super) fn set(&mut self, uin: Uin, there: Option<u32>) {
        let Some(there) = there.filter(|&there| there != NOWHERE) else {
            self.remove(uin);
            return;
        };
        let (page, place) = self.place(uin);
        let page = self.pages.entry(page).or_insert_with(|| Box::new([NOWHERE; PAGE_LEN as usize]));
        page.get_mut(place).into_iter().for_each(|here| *here = there);
    }

    /// Forgets a user's place, and says which he had.
    pub(super) fn remove(&mut self, uin: Uin) -> Option<u32> {
        let (number, place) = self.place(uin);
        let page = self.pages.get_mut(&number)?;
        let there = std::mem::replace(page.get_mut(place)?, NOWHERE);
        if page.iter().all(|&there| there == NOWHERE) {
            self.pages.remove(&number);
        }
        Some(there).filter(|&there| there != NOWHERE)
    }

    /// Nobody has a place.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    fn place(&self, uin: Uin) -> (u32, usize) {
        let number = uin.0 / self.stride;
        (number / PAGE_LEN, usize::try_from(number % PAGE_LEN).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_found_where_he_is_and_nowhere_else() {
        for shards in [1, 3, 64] {
            let mut directory = Directory::new(shards);
            let users: Vec<_> =
                (0..300).chain([u32::MAX / shards - 1]).map(|number| Uin(number * shards + shards - 1)).collect();
            for (&uin, slot) in users.iter().zip(0..) {
                assert_eq!(directory.find(uin), None);
                directory.set(uin, Some(slot));
            }
            for (&uin, slot) in users.iter().zip(0..) {
                assert_eq!(directory.find(uin), Some(slot));
                assert_eq!(
                    (directory.remove(uin), directory.remove(uin), directory.find(uin)),
                    (Some(slot), None, None)
                );
            }
            assert!(directory.is_empty(), "nothing is left of those who went");
        }
    }
}
