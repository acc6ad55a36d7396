//! Contact lists, and who may be put on them.

use myicq_wire::{Authorization, MessageKind, Uin};

use super::{Answer, Content, Hub, Letter, Question, Refusal, SessionKey, Waiting};
use crate::store::{AddOutcome, Outcome, Work};

impl Hub {
    pub(super) fn add_contact(&mut self, question: Question, owner: Uin, contact: Uin) {
        let max = self.config.limits.contacts_max;
        self.ask_store(Work::AddContact { owner, contact, max }, Waiting::AddContact { question, owner, contact });
    }

    pub(super) fn on_added(&mut self, question: Question, owner: Uin, contact: Uin, outcome: &Outcome) {
        let answer = match *outcome {
            Outcome::Added(AddOutcome::Added | AddOutcome::AlreadyThere) => {
                Answer::Added(contact, Authorization::ANYONE)
            }
            Outcome::Added(AddOutcome::Refused(authorization)) => Answer::Added(contact, authorization),
            // Plain v1 has no other word for these two.
            Outcome::Added(AddOutcome::NoSuchUser | AddOutcome::ListFull) => {
                Answer::Added(contact, Authorization::NOBODY)
            }
            _ => Answer::Refused(Refusal::Storage),
        };
        self.answer(question, answer);
        if *outcome == Outcome::Added(AddOutcome::Added) {
            self.on_listed(owner, contact);
            let text = Box::default();
            let charset = self.config.charset;
            let kind = MessageKind::ADDED;
            self.post(contact, Content::Deliver { from: owner, kind, text, charset, sender: None });
        }
    }

    pub(super) fn remove_contact(&mut self, question: Question, owner: Uin, contact: Uin) {
        if let Some(user) = self.online.get_mut(&owner)
            && user.contacts.contains(&contact)
        {
            user.contacts.retain(|&other| other != contact);
            self.post(contact, Content::Unwatch(owner));
        }
        self.ask_store(Work::RemoveContact { owner, contact }, Waiting::Done(question));
    }

    /// The list of somebody who has just come.
    pub(super) fn on_own_contacts(&mut self, session: SessionKey, outcome: Outcome) {
        let (Some(&uin), Outcome::Contacts(contacts)) = (self.sessions.get(&session), outcome) else { return };
        for contact in contacts {
            self.on_listed(uin, contact);
        }
    }

    /// Somebody is on the list of a user of ours, in the store. If the user is here, he watches him from now on.
    pub(super) fn on_listed(&mut self, owner: Uin, contact: Uin) {
        if let Some(user) = self.online.get_mut(&owner)
            && !user.contacts.contains(&contact)
        {
            user.contacts.push(contact);
            self.post(contact, Content::Watch(owner));
        }
    }

    /// The target answers a request; `letter` is the message that says so.
    pub(super) fn on_authorized(
        &mut self,
        letter: Letter,
        question: Question,
        (asker, target, granted): (Uin, Uin, bool),
        outcome: &Outcome,
    ) {
        match outcome {
            Outcome::Authorized(true) => {
                self.letters.push_back(letter);
                if granted {
                    self.post(asker, Content::Listed(target));
                }
            }
            // Nobody can put himself on somebody's list by answering what was never asked.
            Outcome::Authorized(false) => self.answer(question, Answer::Refused(Refusal::NotAsked)),
            _ => self.answer(question, Answer::Refused(Refusal::Storage)),
        }
    }
}
