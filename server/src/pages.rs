//! Tables of what there is one of for each session: they grow by a page at a time.
//!
//! A vector that grows is copied, with all that it holds, while everybody waits; and what it leaves behind is as large as itself, and fits nothing
//! that comes later. Here nothing moves, and a table takes no more than a page too much.

/// What fits into a page.
const PAGE_LEN: u32 = 256;

/// A table whose places are counted from 0 and stay. It grows and does not shrink.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    /// All of them full but the last. None is ever longer than what it was made for.
    pages: Vec<Vec<T>>,
}

impl<T> Pages<T> {
    pub(crate) const fn new() -> Self {
        Self { pages: Vec::new() }
    }

    /// How many places there are.
    pub(crate) fn len(&self) -> u32 {
        let Some((last, full)) = self.pages.split_last() else { return 0 };
        let [full, last] = [full.len(), last.len()].map(|len| u32::try_from(len).unwrap_or(u32::MAX));
        full.saturating_mul(PAGE_LEN).saturating_add(last)
    }

    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        let (page, place) = split(place);
        self.pages.get(page)?.get(place)
    }

    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        let (page, place) = split(place);
        self.pages.get_mut(page)?.get_mut(place)
    }

    /// Adds something behind the last place and says where that is: never at [`u32::MAX`], which others use for "nowhere". `None` when all
    /// others are taken.
    pub(crate) fn push(&mut self, thing: T) -> Option<u32> {
        let place = self.len();
        if place == u32::MAX {
            return None;
        }
        let (page, _) = split(place);
        if page == self.pages.len() {
            self.pages.push(Vec::with_capacity(split(PAGE_LEN - 1).1 + 1));
        }
        self.pages.get_mut(page)?.push(thing);
        Some(place)
    }
}

/// The page that a place is in, and where there.
fn split(place: u32) -> (usize, usize) {
    let [page, place] =
        [place / PAGE_LEN, place % PAGE_LEN].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    (page, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_table_stays_where_it_is_while_the_table_grows() {
        let mut pages = Pages::new();
        assert_eq!((pages.len(), pages.push(0), pages.len()), (0, Some(0), 1));
        let first: *const u32 = pages.get(0).unwrap();
        for place in 1..3 * PAGE_LEN + 1 {
            assert_eq!(pages.get(place), None);
            assert_eq!((pages.push(place), pages.len()), (Some(place), place + 1));
        }
        for place in 0..3 * PAGE_LEN + 1 {
            assert_eq!(pages.get(place), Some(&place));
            pages.get_mut(place).into_iter().for_each(|thing| *thing += 1);
            assert_eq!(pages.get(place), Some(&(place + 1)));
        }
        assert_eq!((pages.get(0).map(std::ptr::from_ref), pages.get(u32::MAX)), (Some(first), None));
        assert!(pages.pages.iter().all(|page| page.capacity() == PAGE_LEN as usize), "none has been outgrown");
    }
}
