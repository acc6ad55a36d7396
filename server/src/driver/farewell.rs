//! How shards end together: none may go while another could still send it a letter that somebody's acknowledgement hangs on.
//!
//! A shard that is told to stop and has nothing under way says so to all others, behind its last letters. Those letters may
//! give others something to do, whose outcome comes back as letters again. So a shard that has heard all others, and is idle
//! once more, says so a second time, and goes when it has heard that of all.

use super::mail::Round;

/// What a shard has said and heard.
#[derive(Debug)]
pub(super) struct Farewell {
    others: u32,
    first_said: bool,
    second_said: bool,
    firsts_heard: u32,
    seconds_heard: u32,
}

impl Farewell {
    /// For one of so many shards.
    pub(super) fn new(shards: u32) -> Self {
        let others = shards.saturating_sub(1);
        Self { others, first_said: false, second_said: false, firsts_heard: 0, seconds_heard: 0 }
    }

    /// Another shard is idle. It may be so before this one has been told to stop.
    pub(super) fn on_heard(&mut self, round: Round) {
        match round {
            Round::First => self.firsts_heard += 1,
            Round::Second => self.seconds_heard += 1,
        }
    }

    /// What a shard that is to stop and is idle has to say to all others, if anything.
    pub(super) fn poll_idle(&mut self) -> Option<Round> {
        if !self.first_said {
            self.first_said = true;
            Some(Round::First)
        } else if !self.second_said && self.firsts_heard >= self.others {
            self.second_said = true;
            Some(Round::Second)
        } else {
            None
        }
    }

    /// Whether no letter can come any more.
    pub(super) fn is_over(&self) -> bool {
        self.second_said && self.seconds_heard >= self.others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shard_alone_goes_when_it_is_idle() {
        let mut farewell = Farewell::new(1);
        assert!(!farewell.is_over());
        assert_eq!([farewell.poll_idle(), farewell.poll_idle()], [Some(Round::First), Some(Round::Second)]);
        assert!(farewell.is_over());
    }

    #[test]
    fn nobody_goes_before_all_have_been_idle_twice() {
        let mut farewell = Farewell::new(3);
        farewell.on_heard(Round::First);
        assert_eq!([farewell.poll_idle(), farewell.poll_idle()], [Some(Round::First), None]);
        farewell.on_heard(Round::First);
        assert_eq!([farewell.poll_idle(), farewell.poll_idle()], [Some(Round::Second), None]);
        farewell.on_heard(Round::Second);
        assert!(!farewell.is_over());
        farewell.on_heard(Round::Second);
        assert!(farewell.is_over());
    }
}
