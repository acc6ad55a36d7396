//! Contact lists, and who may be put on them.

use std::borrow::Cow;
use std::collections::VecDeque;

use myicq_wire::{Authorization, MessageKind, Uin};

use super::messages::{Said, Sent};
use super::{Answer, Content, Hub, Load, Question, Refusal, SessionKey, Waiting};
use crate::store::{AddOutcome, Outcome, Work};
use crate::time::Now;

impl Hub {
    pub(super) fn add_contact(&mut self, question: Question, owner: Uin, contact: Uin) {
        let max = self.config.limits.contacts_max;
        self.ask_store(Work::AddContact { owner, contact, max }, Waiting::AddContact { question, owner, contact });
    }

    pub(super) fn on_added(&mut self, now: Now, question: Question, owner: Uin, contact: Uin, outcome: &Outcome) {
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
            let (kind, text, charset) = (MessageKind::ADDED, Cow::Borrowed(&[][..]), self.config.legacy.charset);
            self.pass_on(now, Said { from: owner, to: contact, kind, text, charset }, None);
        }
    }

    pub(super) fn remove_contact(&mut self, question: Question, owner: Uin, contact: Uin) {
        self.ask_store(Work::RemoveContact { owner, contact }, Waiting::RemoveContact { question, owner, contact });
    }

    pub(super) fn on_removed(&mut self, question: Question, owner: Uin, contact: Uin, outcome: &Outcome) {
        if *outcome != Outcome::Done {
            return self.answer(question, Answer::Refused(Refusal::Storage));
        }
        if let Some(contacts) = self.online.contacts_mut(owner)
            && self.lists.remove(contacts, contact)
        {
            self.post(contact, Content::Unwatch(owner));
        }
        self.answer(question, Answer::Done);
    }

    pub(super) fn load_contacts(&mut self, session: SessionKey) {
        self.ask_store(Work::LoadContacts { uin: session.uin }, Waiting::OwnContacts(session));
    }

    /// The list of somebody who has just come.
    pub(super) fn on_own_contacts(&mut self, now: Now, session: SessionKey, outcome: Outcome) {
        if !self.online.is_open(session) {
            return;
        }
        let Outcome::Contacts(contacts) = outcome else { return self.load_later(now, Some(session), Load::Contacts) };
        for contact in contacts {
            self.on_listed(session.uin, contact);
        }
    }

    /// Somebody is on the list of a user of ours, in the store. If the user is here, he watches him from now on.
    pub(super) fn on_listed(&mut self, owner: Uin, contact: Uin) {
        if let Some(contacts) = self.online.contacts_mut(owner)
            && self.lists.insert(contacts, contact)
        {
            self.post(contact, Content::Watch(owner));
        }
    }

    /// A session says something that changes something first. What it says to the same user behind it waits, so that it stays in order.
    pub(super) fn authorize(&mut self, question: Question, said: Said<'static>) {
        let Said { from, to, kind, .. } = said;
        let work = if kind == MessageKind::AUTH_REQUEST {
            Work::RequestAuthorization { asker: from, target: to }
        } else {
            let granted = kind == MessageKind::AUTH_ACCEPTED;
            Work::AnswerAuthorization { asker: to, target: from, granted, max: self.config.limits.contacts_max }
        };
        self.authorizing.insert((from, to), VecDeque::new());
        self.ask_store(work, Waiting::Authorization((question, said)));
    }

    pub(super) fn on_authorization(&mut self, now: Now, sent: Sent, outcome: &Outcome) {
        let (_, said) = &sent;
        match *outcome {
            Outcome::Authorized(asked) if said.kind == MessageKind::AUTH_ACCEPTED => {
                // Whether the asker has him on his list now: it may be full. If he has though nobody asks any more, the same answer came
                // before, and was not acknowledged.
                let uin = said.to;
                self.ask_store(Work::LoadContacts { uin }, Waiting::Authorized { sent, asked });
            }
            Outcome::Done | Outcome::Authorized(_) => self.end_authorization(now, sent, Ok(())),
            _ => self.end_authorization(now, sent, Err(Refusal::Storage)),
        }
    }

    pub(super) fn on_authorized(&mut self, now: Now, sent: Sent, asked: bool, outcome: &Outcome) {
        let Outcome::Contacts(contacts) = outcome else {
            return self.end_authorization(now, sent, Err(Refusal::Storage));
        };
        let (asker, target) = (sent.1.to, sent.1.from);
        let listed = contacts.contains(&target);
        if listed {
            self.post(asker, Content::Listed(target));
        }
        // Nobody can put himself on somebody's list by answering what was never asked.
        self.end_authorization(now, sent, if asked || listed { Ok(()) } else { Err(Refusal::NotAsked) });
    }

    /// Lets the message go, and what has waited behind it.
    fn end_authorization(&mut self, now: Now, (question, said): Sent, verdict: Result<(), Refusal>) {
        let behind = self.authorizing.remove(&(said.from, said.to)).unwrap_or_default();
        match verdict {
            Ok(()) => self.pass_on(now, said, Some(question)),
            Err(refusal) => self.answer(question, Answer::Refused(refusal)),
        }
        behind.into_iter().for_each(|(question, said)| self.send(now, question, said));
    }
}
