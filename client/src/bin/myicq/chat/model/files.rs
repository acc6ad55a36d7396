//! Files that are offered, come and go.

use std::path::PathBuf;

use myicq_client::{Event, TransferId, Uin};

use super::{Line, Model, Request, Speaker, With, first_word};

/// How many questions of one user are kept; what he asks beyond goes unheard, as offers do that nobody answers.
const MAX_ASKED: usize = 16;

/// What somebody waits for an answer to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// Whether he may add one.
    Wish,
    /// Whether one takes a file.
    File(TransferId),
}

/// A file on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Transfer {
    pub(crate) id: TransferId,
    pub(crate) name: String,
    /// In bytes, all of them.
    pub(crate) size: u64,
    pub(crate) done: u64,
    pub(crate) per_second: u64,
    pub(crate) is_relayed: bool,
}

impl Model {
    /// Something happened to a file.
    pub(super) fn on_file(&mut self, now: u32, event: Event) {
        match event {
            Event::FileOffered { transfer, from, reason } => {
                let Some(place) = self.place(With::User(from)) else { return };
                let text = format!("{} offers a file: {reason}", self.full_name(from));
                self.add_line(place, Line::new(now, Speaker::Program, text));
                self.add_asked(place, Asked::File(transfer));
                self.ring();
            }
            Event::FileStarted { transfer, with, name, size, resumed, is_relayed } => {
                let Some(place) = self.place(With::User(with)) else { return };
                let begun = Transfer { id: transfer, name, size, done: resumed, per_second: 0, is_relayed };
                self.conversations.get_mut(place).into_iter().for_each(|found| found.transfers.push(begun.clone()));
            }
            Event::FileProgress { transfer, done, size, per_second } => {
                let all = self.conversations.iter_mut().flat_map(|conversation| &mut conversation.transfers);
                for found in all.filter(|found| found.id == transfer) {
                    (found.done, found.size, found.per_second) = (done, size, per_second);
                }
            }
            Event::FileDone { transfer, with, path, size, is_verified } => {
                self.end_transfer(transfer);
                let compared = if is_verified { "its SHA-256 is right" } else { "nothing tells whether it is whole" };
                let size = indicatif::BinaryBytes(size);
                self.tell_in(now, With::User(with), format!("done: {} ({size}, {compared})", path.display()));
            }
            Event::FileFailed { transfer, with, reason } => {
                self.end_transfer(transfer);
                self.tell_in(now, With::User(with), format!("the file did not come to its end: {reason}"));
            }
            _ => {}
        }
    }

    fn end_transfer(&mut self, transfer: TransferId) {
        for conversation in &mut self.conversations {
            conversation.transfers.retain(|found| found.id != transfer);
            conversation.asked.retain(|asked| *asked != Asked::File(transfer));
        }
    }

    /// Without a session no file goes on.
    pub(super) fn lose_transfers(&mut self) {
        for conversation in &mut self.conversations {
            conversation.transfers.clear();
            conversation.asked.retain(|asked| *asked == Asked::Wish);
        }
    }

    pub(super) fn add_asked(&mut self, place: usize, asked: Asked) {
        let Some(conversation) = self.conversations.get_mut(place) else { return };
        if conversation.asked.len() < MAX_ASKED && !conversation.asked.contains(&asked) {
            conversation.asked.push(asked);
        }
    }

    /// Answers what was asked first in the conversation that is shown.
    pub(super) fn answer_asked(&mut self, now: u32, is_yes: bool) {
        let asked = self.shown().and_then(|conversation| conversation.asked.first().copied());
        match (asked, self.partner()) {
            (Some(Asked::Wish), Some(whom)) => self.answer_wish(now, whom, is_yes, String::new()),
            (Some(Asked::File(transfer)), _) => self.answer_offer(transfer, is_yes),
            _ => self.hint = Some("nobody asks anything here".to_owned()),
        }
    }

    /// Takes the file that is offered in the conversation that is shown.
    pub(super) fn accept(&mut self) {
        let offered = self.shown().and_then(|conversation| {
            conversation.asked.iter().find_map(|asked| match asked {
                Asked::File(transfer) => Some(*transfer),
                Asked::Wish => None,
            })
        });
        match offered {
            Some(transfer) => self.answer_offer(transfer, true),
            None => self.hint = Some("no file is offered here".to_owned()),
        }
    }

    fn answer_offer(&mut self, transfer: TransferId, is_yes: bool) {
        for conversation in &mut self.conversations {
            conversation.asked.retain(|asked| *asked != Asked::File(transfer));
        }
        self.ask_online(if is_yes { Request::Accept(transfer) } else { Request::Refuse(transfer) });
    }

    /// Offers a file to somebody who is named, or is in the conversation.
    pub(super) fn offer(&mut self, words: &str) {
        let (who, path) = first_word(words);
        let named = self.whom(who).ok().filter(|_| !path.is_empty());
        let (to, path) = match (named, self.partner()) {
            (Some(to), _) => (to, path),
            (None, Some(partner)) => (partner, words),
            (None, None) => {
                self.hint = Some("/file WHO PATH says to whom".to_owned());
                return;
            }
        };
        self.offer_to(to, PathBuf::from(path));
    }

    fn offer_to(&mut self, to: Uin, path: PathBuf) {
        if let Some(place) = self.place(With::User(to)) {
            self.go(place);
        }
        self.ask_online(Request::Offer { to, path });
    }

    /// Gives up the files of the conversation that is shown.
    pub(super) fn cancel(&mut self) {
        let transfers = self.shown().map(|conversation| conversation.transfers.clone()).unwrap_or_default();
        if transfers.is_empty() {
            self.hint = Some("no file is on its way here".to_owned());
        }
        for transfer in transfers {
            self.ask_online(Request::Cancel(transfer.id));
        }
    }
}
