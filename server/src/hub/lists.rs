//! Lists of users: whom somebody has on his list, and who watches him.
//!
//! There are two of them for everybody, they grow by one at a time, and together they are most of what a server remembers of its users. So all
//! share lines of the cache from one pool: a list that grows is not moved, and one that ends leaves no gap that only a shorter one would fit.

use myicq_wire::Uin;

use crate::pages::Pages;

/// Users in a line: with the number of the next line, 64 bytes.
const LINE_LEN: usize = 15;

/// No line.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line {
    /// Only in the first line of a list may there be [`Uin::NONE`], and nobody behind it.
    users: [Uin; LINE_LEN],
    next: u32,
}

/// Nobody twice, in no order. What is in it is in [`Lists`], and stays there unless it is given back with [`Lists::clear`].
#[derive(Debug)]
pub(super) struct List(u32);

impl Default for List {
    fn default() -> Self {
        Self(NONE)
    }
}

impl List {
    /// The list that begins with a line, or an empty one.
    pub(super) fn at(line: Option<u32>) -> Self {
        Self(line.unwrap_or(NONE))
    }

    /// With which line it begins, unless it is empty.
    pub(super) fn line(&self) -> Option<u32> {
        Some(self.0).filter(|&line| line != NONE)
    }
}

/// What is in all the lists.
#[derive(Debug)]
pub(super) struct Lists {
    lines: Pages<Line>,
    /// The first line that is in no list.
    free: u32,
}

impl Lists {
    pub(super) fn new() -> Self {
        Self { lines: Pages::new(), free: NONE }
    }

    pub(super) fn iter(&self, list: &List) -> impl Iterator<Item = Uin> {
        let first = self.line(list.0);
        let lines = std::iter::successors(first, |line| self.line(line.next));
        lines.flat_map(|line| line.users.iter().copied().take_while(|&user| user != Uin::NONE))
    }

    pub(super) fn contains(&self, list: &List, user: Uin) -> bool {
        self.iter(list).any(|other| other == user)
    }

    /// Puts somebody on a list. Whether he was not on it. There is no room when there are 2^32 - 1 lines.
    pub(super) fn insert(&mut self, list: &mut List, user: Uin) -> bool {
        if user == Uin::NONE || self.contains(list, user) {
            return false;
        }
        let has_room = self.line(list.0).is_some_and(|line| line.users.contains(&Uin::NONE));
        if !has_room {
            let Some(line) = self.take(list.0) else { return false };
            *list = List(line);
        }
        let place = self.line_mut(list.0).and_then(|line| line.users.iter_mut().find(|place| **place == Uin::NONE));
        place.map(|place| *place = user).is_some()
    }

    /// Takes somebody off a list. Whether he was on it.
    pub(super) fn remove(&mut self, list: &mut List, user: Uin) -> bool {
        // An empty place is nobody.
        let mut number = if user == Uin::NONE { NONE } else { list.0 };
        while let Some(line) = self.line(number) {
            if let Some(place) = line.users.iter().position(|&other| other == user) {
                let last = self.pop(list);
                if let Some(place) = self.line_mut(number).and_then(|line| line.users.get_mut(place))
                    && let Some(last) = last.filter(|&last| last != user)
                {
                    *place = last;
                }
                return true;
            }
            number = line.next;
        }
        false
    }

    /// Empties a list.
    pub(super) fn clear(&mut self, list: &mut List) {
        while self.line(list.0).is_some() {
            self.give_back_first(list);
        }
    }

    /// Takes the last one out of the first line.
    fn pop(&mut self, list: &mut List) -> Option<Uin> {
        let line = self.line_mut(list.0)?;
        let last = line.users.iter_mut().rev().find(|user| **user != Uin::NONE)?;
        let last = std::mem::replace(last, Uin::NONE);
        if line.users.first() == Some(&Uin::NONE) {
            self.give_back_first(list);
        }
        Some(last)
    }

    fn give_back_first(&mut self, list: &mut List) {
        let free = self.free;
        if let Some(line) = self.line_mut(list.0) {
            let next = std::mem::replace(line, Line { users: [Uin::NONE; LINE_LEN], next: free }).next;
            self.free = list.0;
            *list = List(next);
        }
    }

    /// An empty line before another one.
    fn take(&mut self, next: u32) -> Option<u32> {
        let number = self.free;
        if let Some(line) = self.line_mut(number) {
            self.free = std::mem::replace(&mut line.next, next);
            return Some(number);
        }
        self.lines.push(Line { users: [Uin::NONE; LINE_LEN], next })
    }

    fn line(&self, number: u32) -> Option<&Line> {
        self.lines.get(number)
    }

    fn line_mut(&mut self, number: u32) -> Option<&mut Line> {
        self.lines.get_mut(number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(usize, u32),
        Remove(usize, u32),
        Clear(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            60 => (0..3_usize, 0..50_u32).prop_map(|(list, user)| Step::Insert(list, user)),
            40 => (0..3_usize, 0..50_u32).prop_map(|(list, user)| Step::Remove(list, user)),
            1 => (0..3_usize).prop_map(Step::Clear),
        ];
        proptest::collection::vec(step, 1..400)
    }

    #[test]
    fn a_line_of_a_list_is_one_of_the_cache() {
        assert_eq!((size_of::<Line>(), size_of::<(Uin, List)>()), (64, 8));
    }

    proptest! {
        /// Against sets: nobody is lost, doubled or on another list, and no line is lost or longer in use than needed.
        #[test]
        fn each_list_is_a_set_of_its_own(steps in steps()) {
            let (mut lists, mut own, mut model) = (Lists::new(), <[List; 3]>::default(), <[BTreeSet<u32>; 3]>::default());
            for step in steps {
                match step {
                    Step::Insert(list, user) => {
                        prop_assert_eq!(lists.insert(&mut own[list], Uin(user)), user != 0 && model[list].insert(user));
                    }
                    Step::Remove(list, user) => {
                        prop_assert_eq!(lists.remove(&mut own[list], Uin(user)), user != 0 && model[list].remove(&user));
                    }
                    Step::Clear(list) => {
                        lists.clear(&mut own[list]);
                        model[list].clear();
                    }
                }
                for (list, set) in own.iter().zip(&model) {
                    let mut users: Vec<u32> = lists.iter(list).map(|user| user.0).collect();
                    users.sort_unstable();
                    prop_assert_eq!(&users, &set.iter().copied().collect::<Vec<_>>());
                    prop_assert_eq!(list.line().is_none(), set.is_empty());
                }
                let next = |&number: &u32| lists.line(number).map(|line| line.next);
                let free = std::iter::successors(Some(lists.free), next).filter(|&number| number != NONE).count();
                let used: usize = model.iter().map(|set| set.len().div_ceil(LINE_LEN)).sum();
                prop_assert_eq!(lists.lines.len() as usize, free + used);
            }
        }
    }
}
