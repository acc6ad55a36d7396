//! The users who are here.

use myicq_wire::{Status, Uin};

use super::broadcasts::Reading;
use super::directory::Directory;
use super::lists::List;
use super::messages::Mailbox;
use super::rates::Bucket;
use super::{Place, Presence, SessionKey, presence};
use crate::pages::Pages;
use crate::store::MessageId;

/// A user who is here: what a message to him touches, and no more, because among many users each look at another place is a wait for
/// memory.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Online {
    pub(super) session: SessionKey,
    pub(super) mailbox: Mailbox,
    pub(super) flight: Flight,
    pub(super) status: Status,
    /// What he says, to users and groups.
    pub(super) messages: Bucket,
}

/// Messages told to a session and not yet acknowledged by it, by rising number. Each of them knows the one behind it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flight {
    /// 0 where there is none.
    pub(super) first: MessageId,
    /// Of no meaning where there is none.
    pub(super) last: MessageId,
    pub(super) count: u8,
}

/// What is asked of a user less often than once for each message.
#[derive(Debug)]
pub(super) struct Details {
    pub(super) place: Place,
    /// Whom he watches: his list, once it has been loaded.
    pub(super) contacts: List,
    /// How far he is with what is said to everybody.
    pub(super) reading: Reading,
    pub(super) searches: Bucket,
}

/// Those who are here, each where his session is: slots of sessions are dense, and no two that are open have the same.
#[derive(Debug)]
pub(super) struct Users {
    slots: Pages<Option<Online>>,
    details: Pages<Option<Details>>,
    directory: Directory,
}

impl Users {
    /// Nobody, of a server with so many shards.
    pub(super) fn new(shards: u32) -> Self {
        Self { slots: Pages::new(), details: Pages::new(), directory: Directory::new(shards) }
    }

    pub(super) fn slot(&self, uin: Uin) -> Option<u32> {
        self.directory.find(uin)
    }

    pub(super) fn get(&self, uin: Uin) -> Option<&Online> {
        self.slots.get(self.directory.find(uin)?)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, uin: Uin) -> Option<&mut Online> {
        self.slots.get_mut(self.directory.find(uin)?)?.as_mut()
    }

    /// The list of a user who is here.
    pub(super) fn contacts_mut(&mut self, uin: Uin) -> Option<&mut List> {
        let details = self.details.get_mut(self.directory.find(uin)?)?.as_mut();
        details.map(|details| &mut details.contacts)
    }

    /// More of the user whose session this is, as long as it is open.
    pub(super) fn details_mut(&mut self, session: SessionKey) -> Option<&mut Details> {
        if !self.is_open(session) {
            return None;
        }
        self.details.get_mut(session.slot)?.as_mut()
    }

    /// What others see of a user, if they do.
    pub(super) fn presence(&self, uin: Uin) -> Option<Presence> {
        let Online { status, session, .. } = *self.get(uin)?;
        let place = self.details.get(session.slot)?.as_ref()?.place;
        presence::is_visible(status).then_some(Presence { uin, status, place })
    }

    /// What the user of a session wants to be shown as, and where he is.
    pub(super) fn whereabouts(&self, session: SessionKey) -> Option<(Status, Place)> {
        let user = self.slots.get(session.slot)?.as_ref().filter(|user| user.session == session)?;
        Some((user.status, self.details.get(session.slot)?.as_ref()?.place))
    }

    /// Whose session is in a slot, if there is somebody in it; `None` behind the last slot.
    pub(super) fn in_slot(&self, slot: u32) -> Option<Option<SessionKey>> {
        self.slots.get(slot).map(|user| user.as_ref().map(|user| user.session))
    }

    pub(super) fn is_open(&self, session: SessionKey) -> bool {
        let user = self.slots.get(session.slot).and_then(Option::as_ref);
        user.is_some_and(|user| user.session == session)
    }

    /// The user whose session this is, as long as it is open.
    pub(super) fn of_mut(&mut self, session: SessionKey) -> Option<&mut Online> {
        self.slots.get_mut(session.slot)?.as_mut().filter(|user| user.session == session)
    }

    /// Takes in a user who is not here.
    pub(super) fn insert(&mut self, user: Online, details: Details) {
        let SessionKey { uin, slot, .. } = user.session;
        debug_assert!(self.directory.find(uin).is_none(), "{uin} is here already");
        while self.slots.len() <= slot {
            if self.slots.push(None).is_none() || self.details.push(None).is_none() {
                return;
            }
        }
        if let (Some(user_here), Some(details_here)) = (self.slots.get_mut(slot), self.details.get_mut(slot)) {
            debug_assert!(user_here.is_none(), "two open sessions in slot {slot}");
            (*user_here, *details_here) = (Some(user), Some(details));
            self.directory.set(uin, Some(slot));
        }
    }

    pub(super) fn remove(&mut self, session: SessionKey) -> Option<(Online, Details)> {
        if !self.is_open(session) {
            return None;
        }
        self.directory.remove(session.uin);
        Some((self.slots.get_mut(session.slot)?.take()?, self.details.get_mut(session.slot)?.take()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_touches_is_one_line_of_the_cache() {
        assert!(size_of::<Option<Online>>() <= 64, "{} bytes", size_of::<Option<Online>>());
        assert!(size_of::<Option<Details>>() <= 48, "{} bytes", size_of::<Option<Details>>());
    }
}
