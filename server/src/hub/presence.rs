//! Who is here, and who sees it.

use myicq_wire::{Status, Uin};

use super::messages::Mailbox;
use super::{Answer, Change, Content, Hub, Online, Place, Presence, Question, Refusal, SessionKey, Tell};
use crate::time::Now;

/// To others an invisible user is offline.
pub(super) fn is_visible(status: Status) -> bool {
    matches!(status, Status::ONLINE | Status::AWAY)
}

/// COMPAT: a login as "offline" is one as "online".
pub(super) fn at_login(status: Status) -> Status {
    if matches!(status, Status::AWAY | Status::INVISIBLE) { status } else { Status::ONLINE }
}

impl Online {
    fn presence(&self, uin: Uin) -> Option<Presence> {
        is_visible(self.status).then_some(Presence { uin, status: self.status, place: self.place })
    }
}

impl Hub {
    /// A user is here, through a session whose address is proven. Another session of his is replaced. Keys of sessions rise in the order
    /// of their logins.
    pub fn open(&mut self, now: Now, session: SessionKey, uin: Uin, status: Status, place: Place) {
        let old = self.online.get(&uin).map(|user| user.session);
        if old.is_some_and(|old| old > session) {
            // The proof of an older login came late: the newer one stays.
            return self.tell(session, Tell::Replaced);
        }
        let mut was_seen = false;
        if let Some(old) = old {
            self.tell(old, Tell::Replaced);
            was_seen = self.forget_session(old).is_some();
        }
        let status = at_login(status);
        let user =
            Online { session, status, place, contacts: Vec::new(), mailbox: Mailbox::default(), in_flight: Vec::new() };
        self.share.count_visible(false, is_visible(status));
        if was_seen || is_visible(status) {
            self.announce(uin, user.presence(uin), Change::CameOrWent);
        }
        self.online.insert(uin, user);
        self.sessions.insert(session, uin);
        self.load_contacts(session, uin);
        self.load_messages(uin);
        self.settle(now);
    }

    /// A session has ended. What it has not acknowledged is kept for the next one.
    pub fn close(&mut self, now: Now, session: SessionKey) {
        if let Some(uin) = self.forget_session(session) {
            self.announce(uin, None, Change::CameOrWent);
        }
        self.settle(now);
    }

    /// The user whose session it was, if others saw him.
    fn forget_session(&mut self, session: SessionKey) -> Option<Uin> {
        let uin = self.sessions.remove(&session)?;
        let user = self.online.remove(&uin)?;
        for id in &user.in_flight {
            self.abandon(*id);
        }
        for contact in &user.contacts {
            self.post(*contact, Content::Unwatch(uin));
        }
        let visible = is_visible(user.status);
        self.share.count_visible(visible, false);
        visible.then_some(uin)
    }

    pub(super) fn change_status(&mut self, question: Question, uin: Uin, status: Status) {
        let Some(user) = self.online.get_mut(&uin) else { return };
        if status.0 > Status::INVISIBLE.0 {
            self.answer(question, Answer::Refused(Refusal::Malformed));
            return;
        }
        let (before, after) = (is_visible(user.status), is_visible(status));
        let changed = user.status != status;
        user.status = status;
        let presence = user.presence(uin);
        self.share.count_visible(before, after);
        match (before, after) {
            (true, true) if changed => self.announce(uin, presence, Change::Status),
            (true, false) | (false, true) => self.announce(uin, presence, Change::CameOrWent),
            _ => {}
        }
        self.answer(question, Answer::Done);
    }

    fn announce(&mut self, uin: Uin, presence: Option<Presence>, change: Change) {
        let Some(watchers) = self.watchers.get(&uin) else { return };
        for &watcher in watchers {
            self.letters.push_back(super::Letter { to: watcher, content: Content::Seen(uin, presence, change) });
        }
    }

    pub(super) fn on_watch(&mut self, target: Uin, watcher: Uin) {
        let watchers = self.watchers.entry(target).or_default();
        if !watchers.contains(&watcher) {
            watchers.push(watcher);
        }
        if let Some(presence) = self.online.get(&target).and_then(|user| user.presence(target)) {
            self.post(watcher, Content::Seen(target, Some(presence), Change::AlreadyHere));
        }
    }

    pub(super) fn on_unwatch(&mut self, target: Uin, watcher: Uin) {
        if let Some(watchers) = self.watchers.get_mut(&target) {
            watchers.retain(|&other| other != watcher);
            if watchers.is_empty() {
                self.watchers.remove(&target);
            }
        }
    }

    pub(super) fn on_seen(&mut self, watcher: Uin, whom: Uin, presence: Option<Presence>, change: Change) {
        let Some(session) = self.online.get(&watcher).map(|user| user.session) else { return };
        match (presence, change) {
            (None, _) => {
                self.take_back_arrival(watcher, whom);
                self.tell(session, Tell::Gone(whom));
            }
            (Some(presence), Change::Status) => self.tell(session, Tell::StatusChanged(whom, presence.status)),
            (Some(presence), Change::AlreadyHere | Change::CameOrWent) => {
                self.take_back_arrival(watcher, whom);
                self.arrivals.entry(watcher).or_default().push(presence);
            }
        }
    }

    /// Forgets what was to be told of somebody, because something newer is.
    fn take_back_arrival(&mut self, watcher: Uin, whom: Uin) {
        if let Some(arrivals) = self.arrivals.get_mut(&watcher) {
            arrivals.retain(|presence| presence.uin != whom);
        }
    }

    pub(super) fn tell_arrivals(&mut self) {
        while let Some((watcher, arrivals)) = self.arrivals.pop_first() {
            if let Some(user) = self.online.get(&watcher)
                && !arrivals.is_empty()
            {
                let session = user.session;
                self.tell(session, Tell::Here(arrivals));
            }
        }
    }
}
