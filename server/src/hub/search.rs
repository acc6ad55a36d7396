//! Looking for users.

use super::{Answer, Hub, Question, Refusal, Search, Waiting};
use crate::store::{Outcome, Work};

/// Users on one page, as the original server had it. The next page begins behind the last of them.
pub(super) const PAGE_LEN: usize = 25;

impl Hub {
    pub(super) fn search(&mut self, question: Question, search: Search) {
        let work = match search {
            Search::Number(uin) => Work::LoadCards { uins: vec![uin] },
            Search::Words { nick, email, after } => Work::SearchUsers { nick, email, after, limit: PAGE_LEN },
            Search::Random => {
                let uins = self.share.draw_visible(&mut self.rng, question.session.uin, PAGE_LEN);
                Work::LoadCards { uins }
            }
        };
        self.ask_store(work, Waiting::Search(question));
    }

    pub(super) fn on_found(&mut self, question: Question, outcome: Outcome) {
        let answer = match outcome {
            Outcome::Cards(cards) => {
                let with_presence = cards.into_iter().map(|card| (self.share.is_visible(card.uin), card));
                Answer::Found(with_presence.map(|(is_visible, card)| (card, is_visible)).collect())
            }
            _ => Answer::Refused(Refusal::Storage),
        };
        self.answer(question, answer);
    }
}
