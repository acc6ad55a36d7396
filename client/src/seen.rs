//! The messages that were shown already, so that none is shown twice.

use std::collections::{HashSet, VecDeque};

/// How many messages are remembered.
pub const MAX_SEEN: usize = 1_024;

/// The numbers of the last [`MAX_SEEN`] messages. Outlives the session: when the acknowledgement of a message is lost and the
/// session with it, the message comes again in the next one.
#[derive(Clone, Debug, Default)]
pub struct SeenMessages {
    ids: HashSet<u64>,
    oldest_first: VecDeque<u64>,
}

impl SeenMessages {
    /// Remembers these, the oldest first.
    pub fn from_ids(ids: impl IntoIterator<Item = u64>) -> Self {
        let mut seen = Self::default();
        ids.into_iter().for_each(|id| {
            seen.insert(id);
        });
        seen
    }

    /// Remembers a message, and forgets the oldest when there are too many. `false` if it was known already.
    pub fn insert(&mut self, id: u64) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.oldest_first.push_back(id);
        if self.oldest_first.len() > MAX_SEEN {
            if let Some(oldest) = self.oldest_first.pop_front() {
                self.ids.remove(&oldest);
            }
        }
        true
    }

    /// Whether this message was shown.
    pub fn contains(&self, id: u64) -> bool {
        self.ids.contains(&id)
    }

    /// The numbers, the oldest first: to be kept until the next session.
    pub fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.oldest_first.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_maximum_and_forgets_the_oldest_beyond_it() {
        let max = MAX_SEEN as u64;
        let mut seen = SeenMessages::from_ids(0..max);
        assert_eq!(seen.ids().count(), MAX_SEEN);
        assert!(!seen.insert(0), "the oldest of the maximum is still known");
        assert!(seen.insert(max), "one past it is new");
        assert!(seen.insert(0), "and has pushed the oldest out");
        assert!(!seen.insert(max));
        assert_eq!(seen.ids().next(), Some(2));
        assert_eq!(seen.ids().count(), MAX_SEEN);
    }
}
