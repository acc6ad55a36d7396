//! Who is here, and who sees it.

use myicq_wire::{Status, Uin};

use super::broadcasts::Reading;
use super::messages::Mailbox;
use super::rates::Bucket;
use super::{
    Answer, Content, Details, Effect, Flight, Hub, List, Load, Online, Place, Presence, Question, Refusal, SessionKey,
    Sight, Tell, Waiting,
};
use crate::store::{Outcome, Work};
use crate::time::Now;

/// To others an invisible user is offline.
pub(super) fn is_visible(status: Status) -> bool {
    matches!(status, Status::ONLINE | Status::AWAY)
}

/// COMPAT: a login as "offline" is one as "online".
pub(super) fn at_login(status: Status) -> Status {
    if matches!(status, Status::AWAY | Status::INVISIBLE) { status } else { Status::ONLINE }
}

impl Hub {
    /// A user is here, through a session whose address is proven. Another session of his is replaced.
    pub fn open(&mut self, now: Now, session: SessionKey, status: Status, place: Place) {
        let uin = session.uin;
        let old = self.session_of(uin);
        if old.is_some_and(|old| old.serial > session.serial) {
            // The proof of an older login came late: the newer one stays.
            return self.tell(session, Tell::Replaced);
        }
        let mut was_seen = false;
        if let Some(old) = old {
            self.tell(old, Tell::Replaced);
            was_seen = self.forget_session(old);
        }
        let status = at_login(status);
        self.share.show(uin, false, is_visible(status));
        if is_visible(status) {
            self.announce(uin, Sight::Came(Presence { uin, status, place }));
        } else if was_seen {
            self.announce(uin, Sight::Gone(uin));
        }
        let user = Online {
            session,
            status,
            mailbox: Mailbox::default(),
            flight: Flight::default(),
            messages: Bucket::default(),
        };
        self.online.insert(
            user,
            Details { place, contacts: List::default(), reading: Reading::default(), searches: Bucket::default() },
        );
        self.load_contacts(session);
        self.load_messages(uin);
        self.begin_reading(session);
        self.settle(now);
    }

    /// A session of an earlier process goes on. Its user may have been removed while there was none.
    pub fn restore(&mut self, now: Now, session: SessionKey, status: Status, place: Place) {
        self.open(now, session, status, place);
        if self.online.is_open(session) {
            self.load_account(session);
        }
    }

    /// The client of a session that goes on has said what its user is to be shown as.
    pub fn resume(&mut self, now: Now, session: SessionKey, status: Status) {
        if self.online.is_open(session) {
            self.show_as(session, at_login(status));
            self.settle(now);
        }
    }

    pub(super) fn load_account(&mut self, session: SessionKey) {
        self.ask_store(Work::LoadAccount { uin: session.uin }, Waiting::OwnAccount(session));
    }

    pub(super) fn on_own_account(&mut self, now: Now, session: SessionKey, outcome: &Outcome) {
        match outcome {
            Outcome::Account(Some(_)) => {}
            Outcome::Account(None) if self.online.is_open(session) => self.on_user_removed(session.uin),
            Outcome::Account(None) => {}
            _ => self.load_later(now, Some(session), Load::Account),
        }
    }

    /// A session has ended. What it has not acknowledged is kept for the next one.
    pub fn close(&mut self, now: Now, session: SessionKey) {
        if self.forget_session(session) {
            self.announce(session.uin, Sight::Gone(session.uin));
        }
        self.settle(now);
    }

    /// Whether others saw the user whose session it was.
    pub(super) fn forget_session(&mut self, session: SessionKey) -> bool {
        let uin = session.uin;
        let Some((user, mut details)) = self.online.remove(session) else { return false };
        for id in self.deliveries.in_flight(user.flight) {
            self.abandon(id);
        }
        self.store_waiting(uin);
        let contacts: Vec<_> = self.lists.iter(&details.contacts).collect();
        self.lists.clear(&mut details.contacts);
        contacts.into_iter().for_each(|contact| self.post(contact, Content::Unwatch(uin)));
        self.receipts.remove(uin);
        self.partners.remove(uin);
        self.exit_groups(session);
        self.share.show(uin, is_visible(user.status), false);
        is_visible(user.status)
    }

    pub(super) fn change_status(&mut self, question: Question, status: Status) {
        if status.0 > Status::INVISIBLE.0 {
            return self.answer(question, Answer::Refused(Refusal::Malformed));
        }
        self.show_as(question.session, status);
        self.answer(question, Answer::Done);
    }

    fn show_as(&mut self, session: SessionKey, status: Status) {
        let uin = session.uin;
        let Some(user) = self.online.get_mut(uin) else { return };
        let before = std::mem::replace(&mut user.status, status);
        let presence = self.online.presence(uin);
        self.share.show(uin, is_visible(before), is_visible(status));
        if !is_visible(status) {
            self.partners.hide(uin);
        }
        match presence {
            Some(_) if before == status => {}
            Some(_) if is_visible(before) => self.announce(uin, Sight::Status(uin, status)),
            Some(presence) => self.announce(uin, Sight::Came(presence)),
            None if is_visible(before) => {
                self.announce(uin, Sight::Gone(uin));
                self.exit_groups(session);
            }
            None => {}
        }
    }

    /// Shows a user to all who watch him: one letter for each of the other shards.
    pub(super) fn announce(&mut self, uin: Uin, sight: Sight) {
        let watchers = List::at(self.watchers.find(uin));
        for shard in 0..self.share.count() {
            let theirs = self.lists.iter(&watchers).filter(|&watcher| self.share.owner(watcher) == shard);
            let theirs: Box<[Uin]> = theirs.collect();
            if shard == self.share.index() {
                self.on_seen(&theirs, sight);
            } else if let Some(&to) = theirs.first() {
                self.post(to, Content::Seen(theirs, sight));
            }
        }
    }

    pub(super) fn on_watch(&mut self, target: Uin, watcher: Uin) {
        let mut watchers = List::at(self.watchers.find(target));
        self.lists.insert(&mut watchers, watcher);
        self.watchers.set(target, watchers.line());
        if let Some(presence) = self.online.presence(target) {
            self.show(watcher, Sight::Here(presence));
        }
    }

    fn show(&mut self, watcher: Uin, sight: Sight) {
        if self.share.owns(watcher) {
            self.on_seen(&[watcher], sight);
        } else {
            self.post(watcher, Content::Seen([watcher].into(), sight));
        }
    }

    pub(super) fn on_unwatch(&mut self, target: Uin, watcher: Uin) {
        let mut watchers = List::at(self.watchers.find(target));
        self.lists.remove(&mut watchers, watcher);
        self.watchers.set(target, watchers.line());
    }

    /// Users of ours see somebody whom they watch.
    pub(super) fn on_seen(&mut self, watchers: &[Uin], sight: Sight) {
        let tell = match sight {
            Sight::Here(presence) => {
                return watchers.iter().for_each(|&watcher| self.arrivals.entry(watcher).or_default().push(presence));
            }
            Sight::Came(presence) => Tell::Came(presence),
            Sight::Status(uin, status) => Tell::StatusChanged(uin, status),
            Sight::Gone(uin) => Tell::Gone(uin),
        };
        let here = |watcher: &Uin| self.session_of(*watcher);
        let sessions: Vec<_> = watchers.iter().filter_map(here).collect();
        match *sessions {
            [] => {}
            [session] => self.tell(session, tell),
            _ => self.effects.push_back(Effect::TellAll(sessions, tell)),
        }
    }

    pub(super) fn tell_arrivals(&mut self) {
        while let Some((watcher, arrivals)) = self.arrivals.pop_first() {
            if let Some(session) = self.session_of(watcher) {
                self.tell(session, Tell::Here(arrivals));
            }
        }
    }
}
