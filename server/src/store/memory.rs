//! A store in memory, for simulations and tests: the same answers as on a disk, and nothing to wait for.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use myicq_wire::{Authorization, Uin, UnixTime};

use super::{
    AddOutcome, Broadcast, CHOSEN_UIN_MAX, Card, Message, MessageId, NotCreated, NotStored, Outcome, Profile, Reply,
    Request, Room, Store, UserSummary, Work,
};

/// Requests for authorization of one user that are remembered until they are answered. One more, and his oldest is forgotten: as
/// many as a contact list of the original server had room for.
pub(super) const OPEN_REQUESTS_MAX: usize = 256;

/// A store that forgets everything with the process. A clone is what a disk would hold at that moment.
#[derive(Clone, Default)]
pub struct MemoryStore {
    users: BTreeMap<Uin, User>,
    /// The highest number that a user has or had.
    last_uin: Option<Uin>,
    /// Whom each user has asked for authorization, the oldest request first.
    requests: BTreeMap<Uin, Vec<Uin>>,
    messages: BTreeMap<(Uin, MessageId), Arc<Message>>,
    /// The numbers of all messages: each is unique, whoever the recipient is.
    ids: BTreeSet<MessageId>,
    /// How many are kept, by sender and day.
    days: BTreeMap<(Uin, u64), usize>,
    /// By rising number.
    broadcasts: Vec<Broadcast>,
}

#[derive(Clone)]
struct User {
    password_hash: String,
    profile: Arc<Profile>,
    contacts: BTreeSet<Uin>,
    last_broadcast: MessageId,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither password hashes nor texts belong into a log.
        f.debug_struct("MemoryStore")
            .field("users", &self.users.len())
            .field("messages", &self.messages.len())
            .finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    async fn commit(&mut self, batch: Vec<Request>) -> Vec<Reply> {
        batch.iter().map(|request| self.apply(request)).collect()
    }
}

impl MemoryStore {
    /// Does one request.
    pub fn apply(&mut self, request: &Request) -> Reply {
        Reply { ticket: request.ticket, outcome: self.perform(&request.work) }
    }

    fn perform(&mut self, work: &Work) -> Outcome {
        match *work {
            Work::ReserveUin => self.reserve_uin().map_or(Outcome::Failed, Outcome::Reserved),
            Work::CreateUser { uin: Uin::NONE, .. } => Outcome::Failed,
            Work::CreateUser { uin, .. } if self.users.contains_key(&uin) => Outcome::NotCreated(NotCreated::Taken),
            Work::CreateUser { uin, ref password_hash } => self.insert_user(uin, Profile::default(), password_hash),
            Work::LoadAccount { uin } => Outcome::Account(self.users.get(&uin).map(|user| user.password_hash.clone())),
            Work::LoadProfile { uin } => Outcome::Profile(self.users.get(&uin).map(|user| Arc::clone(&user.profile))),
            Work::LoadCards { ref uins } => Outcome::Cards(self.cards(|uin, _| uins.contains(&uin)).collect()),
            Work::SearchUsers { ref nick, ref email, after, limit } => {
                let is_so = |wanted: &str, text: &str| wanted.is_empty() || wanted.eq_ignore_ascii_case(text);
                let found = self
                    .cards(|uin, profile| uin > after && is_so(nick, &profile.nick) && is_so(email, &profile.email));
                Outcome::Cards(found.take(if nick.is_empty() && email.is_empty() { 0 } else { limit }).collect())
            }
            Work::SaveProfile { uin, ref profile, ref password_hash } => {
                self.save_profile(uin, profile, password_hash.as_ref())
            }
            Work::LoadContacts { uin } => Outcome::Contacts(
                self.users.get(&uin).map(|user| user.contacts.iter().copied().collect()).unwrap_or_default(),
            ),
            Work::AddContact { owner, contact, max } => Outcome::Added(self.add_contact(owner, contact, max)),
            Work::RemoveContact { owner, contact } => {
                self.users.get_mut(&owner).map(|user| user.contacts.remove(&contact));
                Outcome::Done
            }
            Work::RequestAuthorization { asker, target } => self.request_authorization(asker, target),
            Work::AnswerAuthorization { asker, target, granted, max } => {
                Outcome::Authorized(self.answer_authorization(asker, target, granted, max))
            }
            Work::StoreMessage { ref message, room } => self.store_message(message, room),
            Work::LoadLastMessage => {
                let message = self.ids.last().copied().unwrap_or_default();
                Outcome::LastMessage(message.max(self.newest_broadcast()))
            }
            Work::StoreBroadcast { ref broadcast, expired, max } => self.store_broadcast(broadcast, expired, max),
            Work::LoadBroadcasts { limit } => {
                let older = self.broadcasts.len().saturating_sub(limit);
                Outcome::Broadcasts(self.broadcasts.iter().skip(older).cloned().collect())
            }
            Work::LoadLastBroadcast { uin } => {
                Outcome::LastBroadcast(self.users.get(&uin).map(|user| user.last_broadcast).unwrap_or_default())
            }
            Work::ReadBroadcast { uin, id } => {
                if i64::try_from(id.0).is_err() {
                    return Outcome::Failed;
                }
                if let Some(user) = self.users.get_mut(&uin) {
                    user.last_broadcast = user.last_broadcast.max(id);
                }
                Outcome::Done
            }
            Work::LoadMessages { recipient, after, limit } => Outcome::Messages(
                self.mailbox(recipient).filter(|message| message.id > after).take(limit).map(Arc::clone).collect(),
            ),
            Work::DeleteMessage { recipient, id } => {
                self.forget_message(recipient, id);
                Outcome::Done
            }
            Work::ExpireMessages { before, limit } => self.expire_messages(before, limit),
            Work::CountMessages => Outcome::Count(self.messages.len() as u64),
            Work::AddUser { uin, ref nick, ref password_hash } => self.add_user(uin, nick, password_hash),
            Work::ListUsers { after, limit } => Outcome::Users(self.list_users(after, limit)),
            Work::SetPassword { uin, ref password_hash } => {
                let user = self.users.get_mut(&uin);
                Outcome::Found(user.map(|user| user.password_hash.clone_from(password_hash)).is_some())
            }
            Work::RemoveUser { uin } => Outcome::Removed(self.remove_user(uin)),
        }
    }

    fn reserve_uin(&mut self) -> Option<Uin> {
        let next = self.last_uin.map_or(Some(Uin::FIRST.0), |last| last.0.checked_add(1)).map(Uin)?;
        self.last_uin = Some(next);
        Some(next)
    }

    fn newest_broadcast(&self) -> MessageId {
        self.broadcasts.last().map(|broadcast| broadcast.id).unwrap_or_default()
    }

    fn store_broadcast(&mut self, broadcast: &Broadcast, expired: UnixTime, max: usize) -> Outcome {
        let numbers = [broadcast.id.0, broadcast.time.0, expired.0];
        if numbers.iter().any(|&number| i64::try_from(number).is_err()) || broadcast.id <= self.newest_broadcast() {
            return Outcome::Failed;
        }
        self.broadcasts.push(broadcast.clone());
        self.broadcasts.retain(|other| other.time > expired);
        self.broadcasts.drain(..self.broadcasts.len().saturating_sub(max));
        Outcome::Done
    }

    fn cards(&self, wanted: impl Fn(Uin, &Profile) -> bool) -> impl Iterator<Item = Card> {
        let users = self.users.iter().filter(move |(uin, user)| wanted(**uin, &user.profile));
        users.map(|(&uin, user)| {
            let Profile { face, nick, province, .. } = &*user.profile;
            Card { uin, face: *face, nick: nick.clone(), province: province.clone() }
        })
    }

    fn insert_user(&mut self, uin: Uin, profile: Profile, password_hash: &str) -> Outcome {
        let user = User {
            password_hash: password_hash.to_owned(),
            profile: Arc::new(profile),
            contacts: BTreeSet::new(),
            last_broadcast: self.newest_broadcast(),
        };
        self.users.insert(uin, user);
        self.last_uin = self.last_uin.max(Some(uin)).max(Some(Uin(Uin::FIRST.0 - 1)));
        Outcome::Created(uin)
    }

    fn add_user(&mut self, uin: Option<Uin>, nick: &str, password_hash: &str) -> Outcome {
        let profile = Profile { nick: nick.to_owned(), ..Profile::default() };
        match uin {
            Some(uin) if !(Uin(1)..=CHOSEN_UIN_MAX).contains(&uin) => Outcome::NotCreated(NotCreated::NotAllowed),
            Some(uin) if self.users.contains_key(&uin) => Outcome::NotCreated(NotCreated::Taken),
            uin => match uin.or_else(|| self.reserve_uin()) {
                Some(uin) => self.insert_user(uin, profile, password_hash),
                None => Outcome::Failed,
            },
        }
    }

    fn list_users(&self, after: Uin, limit: usize) -> Vec<UserSummary> {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let users = self.users.range((Bound::Excluded(after), Bound::Unbounded)).take(limit);
        let summary = |(&uin, user): (&Uin, &User)| UserSummary {
            uin,
            nick: user.profile.nick.clone(),
            // It has no clock.
            created: UnixTime(0),
            contacts: count(user.contacts.len()),
            messages: count(self.mailbox(uin).count()),
        };
        users.map(summary).collect()
    }

    fn remove_user(&mut self, uin: Uin) -> Option<u64> {
        self.users.remove(&uin)?;
        self.users.values_mut().for_each(|user| {
            user.contacts.remove(&uin);
        });
        self.requests.remove(&uin);
        self.requests.values_mut().for_each(|targets| targets.retain(|&target| target != uin));
        let ids: Vec<_> = self.mailbox(uin).map(|message| message.id).collect();
        ids.iter().for_each(|&id| self.forget_message(uin, id));
        Some(ids.len() as u64)
    }

    fn save_profile(&mut self, uin: Uin, profile: &Arc<Profile>, password_hash: Option<&String>) -> Outcome {
        let Some(user) = self.users.get_mut(&uin) else { return Outcome::Failed };
        user.profile = Arc::clone(profile);
        if let Some(password_hash) = password_hash {
            user.password_hash.clone_from(password_hash);
        }
        Outcome::Done
    }

    fn add_contact(&mut self, owner: Uin, contact: Uin, max: usize) -> AddOutcome {
        if owner == contact {
            return AddOutcome::Refused(Authorization::NOBODY);
        }
        let Some(auth) = self.users.get(&contact).map(|user| user.profile.auth) else { return AddOutcome::NoSuchUser };
        let Some(user) = self.users.get_mut(&owner) else { return AddOutcome::NoSuchUser };
        if user.contacts.contains(&contact) {
            AddOutcome::AlreadyThere
        } else if auth != Authorization::ANYONE {
            AddOutcome::Refused(auth)
        } else if user.contacts.len() >= max {
            AddOutcome::ListFull
        } else {
            user.contacts.insert(contact);
            AddOutcome::Added
        }
    }

    fn request_authorization(&mut self, asker: Uin, target: Uin) -> Outcome {
        if asker != target && self.users.contains_key(&asker) && self.users.contains_key(&target) {
            let open = self.requests.entry(asker).or_default();
            open.retain(|&other| other != target);
            open.push(target);
            open.drain(..open.len().saturating_sub(OPEN_REQUESTS_MAX));
        }
        Outcome::Done
    }

    fn answer_authorization(&mut self, asker: Uin, target: Uin, granted: bool, max: usize) -> bool {
        let Some(open) = self.requests.get_mut(&asker) else { return false };
        let Some(at) = open.iter().position(|&asked| asked == target) else { return false };
        open.remove(at);
        if let Some(user) = self.users.get_mut(&asker)
            && granted
            && user.contacts.len() < max
        {
            user.contacts.insert(target);
        }
        true
    }

    fn store_message(&mut self, message: &Arc<Message>, room: Room) -> Outcome {
        if i64::try_from(message.id.0).is_err() || i64::try_from(message.time.0).is_err() {
            return Outcome::Failed;
        }
        if !self.users.contains_key(&message.to) {
            return Outcome::Stored(Err(NotStored::NoSuchUser));
        }
        let (mut messages, mut bytes, mut of_pair) = (0, message.text.len(), 0);
        for other in self.mailbox(message.to) {
            messages += 1;
            bytes += other.text.len();
            of_pair += usize::from(other.from == message.from);
        }
        if messages >= room.messages || bytes > room.bytes || of_pair >= room.of_pair {
            return Outcome::Stored(Err(NotStored::MailboxFull));
        }
        let day = (message.from, message.id.day());
        if self.days.get(&day).copied().unwrap_or_default() >= room.of_sender_in_a_day {
            return Outcome::Stored(Err(NotStored::DayFull));
        }
        if !self.ids.insert(message.id) {
            return Outcome::Failed;
        }
        *self.days.entry(day).or_default() += 1;
        self.messages.insert((message.to, message.id), Arc::clone(message));
        Outcome::Stored(Ok(()))
    }

    fn forget_message(&mut self, recipient: Uin, id: MessageId) {
        let Some(message) = self.messages.remove(&(recipient, id)) else { return };
        self.ids.remove(&id);
        if let Entry::Occupied(mut kept) = self.days.entry((message.from, id.day())) {
            *kept.get_mut() -= 1;
            if *kept.get() == 0 {
                kept.remove();
            }
        }
    }

    fn expire_messages(&mut self, before: MessageId, limit: usize) -> Outcome {
        let mut expired: Vec<_> = self.messages.keys().copied().filter(|&(_, id)| id < before).collect();
        expired.sort_unstable_by_key(|&(_, id)| id);
        expired.truncate(limit);
        expired.iter().for_each(|&(recipient, id)| self.forget_message(recipient, id));
        Outcome::Count(expired.len() as u64)
    }

    /// The messages of one recipient, by rising number.
    fn mailbox(&self, recipient: Uin) -> impl Iterator<Item = &Arc<Message>> {
        let all = (recipient, MessageId(0))..=(recipient, MessageId(u64::MAX));
        self.messages.range(all).map(|(_, message)| message)
    }
}
