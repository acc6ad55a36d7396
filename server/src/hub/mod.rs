//! The messenger itself, in its own nouns: users, contacts, presence, messages, groups. It knows no packet, no socket and no SQL.
//!
//! A frontend opens and closes sessions and passes on what they ask; the hub answers with [`Effect`]s, [`store::Request`]s and
//! [`PasswordJob`]s. What comes back from the store is an input like any other. Users belong to a hub by their number: what concerns
//! another user goes by [`Letter`] to the hub that owns him, which with one shard is this one.

mod accounts;
mod broadcasts;
mod contacts;
mod directory;
mod errands;
mod expiry;
mod groups;
mod lists;
mod messages;
mod newcomers;
mod online;
mod password;
mod presence;
mod profiles;
mod rates;
mod receipts;
mod refusal;
mod relay;
mod search;
mod throttle;
mod types;
mod verifiers;
mod waiting;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use myicq_wire::{Instant, Status, Uin};
use rand::rngs::StdRng;

pub use accounts::{PasswordJob, PasswordOutcome, PasswordResult};
pub use broadcasts::broadcast_work;
pub use password::Password;
pub use receipts::{Accepted, Receipt};
pub use refusal::Refusal;
pub use relay::RelayOrder;
pub use types::*;

use self::broadcasts::Broadcasts;
use self::directory::Directory;
use self::groups::{Groups, Joining};
use self::lists::{List, Lists};
use self::messages::{Deliveries, Said, Sent};
use self::newcomers::Newcomers;
use self::online::{Details, Flight, Online, Users};
use self::receipts::Subscribers;
use self::relay::Partners;
pub(crate) use self::throttle::Source;
use self::throttle::Throttle;
use self::verifiers::{REMEMBERED_MAX, Verifiers};
use self::waiting::{Broadcaster, Load, Waiting};
use crate::config::Config;
use crate::passwords::{self, HashError};
use crate::share::Share;
use crate::store::{self, Outcome, Ticket, Work};
use crate::time::Now;

/// How long a store that failed to load something is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Some of the users of a server, and what is between them.
#[derive(Debug)]
pub struct Hub {
    config: Arc<Config>,
    share: Share,
    rng: StdRng,
    /// The hash of a password that nobody has, compared where there is no such user.
    dummy_hash: String,
    verifiers: Verifiers,
    throttle: Throttle,
    newcomers: Newcomers,
    /// Users who are here. The others are in the store.
    online: Users,
    /// Who sees a user come and go: those who are here and have him on their list.
    watchers: Directory,
    /// What is in those lists, and in the users' own.
    lists: Lists,
    deliveries: Deliveries,
    receipts: Subscribers,
    partners: Partners,
    broadcasts: Broadcasts,
    groups: Groups,
    /// What waits behind a message that changes something first, by sender and recipient.
    authorizing: BTreeMap<(Uin, Uin), VecDeque<Sent>>,
    /// What the store failed to load, for which session, and when it is asked again, the first first.
    retries: VecDeque<(Instant, Option<SessionKey>, Load)>,
    /// When messages that are too old are forgotten next; not while that is under way, and not by the shards that leave it to another.
    expiry: Option<Instant>,
    /// What is to go on when the store or a password job has answered.
    waiting: HashMap<Ticket, Waiting>,
    /// Logins and registrations among those.
    attempts: usize,
    /// What is said from now on goes to the store: nobody waits for a recipient any more.
    stopping: bool,
    last_ticket: u64,
    letters: VecDeque<Letter>,
    /// Those for users of other shards, and which.
    posted: VecDeque<(u32, Letter)>,
    /// Who is to be told, at the end of this input, of whom he sees come: one list for each instead of a notice for each.
    arrivals: BTreeMap<Uin, Vec<Presence>>,
    effects: VecDeque<Effect>,
    broadcast_verdicts: VecDeque<(u64, Result<(), Refusal>)>,
    store_requests: VecDeque<store::Request>,
    password_jobs: VecDeque<PasswordJob>,
    relay_orders: VecDeque<RelayOrder>,
    /// What became of the administrator's errands, by their numbers.
    errands: VecDeque<(u64, Outcome)>,
}

impl Hub {
    /// A hub without users. `verifier_key` must be random; `rng` draws lots, and nothing secret rests on it.
    ///
    /// # Errors
    /// Passwords cannot be hashed at the configured cost.
    pub fn new(config: Arc<Config>, share: Share, verifier_key: &[u8; 32], rng: StdRng) -> Result<Self, HashError> {
        let first_expiry = expiry::first(&share);
        let mut hub = Self {
            dummy_hash: passwords::dummy_hash(&config.security)?,
            verifiers: Verifiers::new(
                verifier_key,
                config.security.verifier_lifetime,
                share.part_of(REMEMBERED_MAX),
                share.count(),
            ),
            throttle: Throttle::new(verifier_key, &share),
            newcomers: Newcomers::new(),
            online: Users::new(share.count()),
            watchers: Directory::new(share.count()),
            config,
            share,
            rng,
            lists: Lists::new(),
            deliveries: Deliveries::default(),
            receipts: Subscribers::default(),
            partners: Partners::default(),
            broadcasts: Broadcasts::default(),
            groups: Groups::default(),
            authorizing: BTreeMap::new(),
            retries: VecDeque::new(),
            expiry: first_expiry,
            waiting: HashMap::new(),
            attempts: 0,
            stopping: false,
            last_ticket: 0,
            letters: VecDeque::new(),
            posted: VecDeque::new(),
            arrivals: BTreeMap::new(),
            effects: VecDeque::new(),
            broadcast_verdicts: VecDeque::new(),
            store_requests: VecDeque::new(),
            password_jobs: VecDeque::new(),
            relay_orders: VecDeque::new(),
            errands: VecDeque::new(),
        };
        // Answered before the first login can be: the store does one after the other.
        hub.load_last_message();
        hub.load_broadcasts();
        Ok(hub)
    }

    /// Some settings have other values. What has a deadline keeps it.
    pub fn handle_config(&mut self, config: Arc<Config>) {
        self.config = config;
    }

    /// How many users are here and show it: what clients are told, so that nobody can count the invisible ones.
    pub fn online_users(&self) -> u32 {
        self.share.visible()
    }

    /// What [`Hub::online_users`] will be once this user is here with this status.
    pub fn online_users_after(&self, uin: Uin, status: Status) -> u32 {
        let now = self.online.get(uin).map_or(0, |user| u32::from(presence::is_visible(user.status)));
        self.share.visible().saturating_sub(now) + u32::from(presence::is_visible(presence::at_login(status)))
    }

    /// The slot of the session of a user who is here.
    pub fn slot_of(&self, uin: Uin) -> Option<u32> {
        self.online.slot(uin)
    }

    /// The session of a user who is here.
    pub fn session_of(&self, uin: Uin) -> Option<SessionKey> {
        self.online.get(uin).map(|user| user.session)
    }

    /// What the user of a session is shown as, as long as it is open.
    pub fn status(&self, session: SessionKey) -> Option<Status> {
        self.online.get(session.uin).filter(|user| user.session == session).map(|user| user.status)
    }

    /// What the user of a session is shown as, and where he is, as long as it is open.
    pub fn whereabouts(&self, session: SessionKey) -> Option<(Status, Place)> {
        self.online.whereabouts(session)
    }

    /// What a session asks. Questions of a session that is not open are dropped.
    pub fn handle_ask(&mut self, now: Now, question: Question, ask: Ask<'_>) {
        if !self.online.is_open(question.session) {
            return;
        }
        let uin = question.session.uin;
        if !self.may_ask(now, question.session, &ask) {
            return self.answer(question, Answer::Refused(Refusal::TooOften));
        }
        self.note_consent(now, uin, &ask);
        match ask {
            Ask::Contacts => self.ask_store(Work::LoadContacts { uin }, Waiting::Contacts(question)),
            Ask::Profile(of) => self.ask_store(Work::LoadProfile { uin: of }, Waiting::Profile(question, of)),
            Ask::ModifyProfile(profile, password) => self.modify_profile(question, uin, profile, password),
            Ask::ChangeStatus(status) => self.change_status(question, status),
            Ask::AddContact(contact) => self.add_contact(question, uin, contact),
            Ask::RemoveContact(contact) => self.remove_contact(question, uin, contact),
            Ask::Send { to, kind, text, charset } => {
                self.send(now, question, Said { from: uin, to, kind, text, charset });
            }
            Ask::Read { from, up_to } => self.read(question, from, up_to),
            Ask::Typing { to, is_typing } => self.typing(now, question, to, is_typing),
            Ask::Relay(to) => self.ask_relay(now, question, to),
            Ask::Search(search) => self.search(question, search),
            Ask::Broadcast(text) => self.ask_broadcast(now, question, text),
            Ask::Groups(group_type) => self.answer(question, Answer::Groups(self.share.groups(group_type))),
            Ask::Group(group) => self.find_group(question, group),
            Ask::CreateGroup { group_type, name, password } => {
                self.join(question, Joining::New { group_type, name, password });
            }
            Ask::EnterGroup { group, password } => self.join(question, Joining::Old { group, password }),
            Ask::ExitGroup(group) => self.exit_group(question, group),
            Ask::SayToGroup { group, text, charset } => self.say_to_group(question, group, text, charset),
        }
        self.settle(now);
    }

    /// What the store has answered.
    pub fn handle_store(&mut self, now: Now, reply: store::Reply) {
        let Some(waiting) = self.waiting.remove(&reply.ticket) else { return };
        match waiting {
            Waiting::Login(attempt, step) => self.on_account(now, attempt, step, reply.outcome),
            Waiting::Registration(attempt, password) => self.on_reserved(attempt, password, &reply.outcome),
            Waiting::Newcomer(uin) => self.on_newcomer_written(now, uin, &reply.outcome),
            Waiting::Contacts(question) => {
                let answer = match reply.outcome {
                    Outcome::Contacts(contacts) => Answer::Contacts(contacts),
                    _ => Answer::Refused(Refusal::Storage),
                };
                self.answer(question, answer);
            }
            Waiting::OwnAccount(session) => self.on_own_account(now, session, &reply.outcome),
            Waiting::OwnContacts(session) => self.on_own_contacts(now, session, reply.outcome),
            Waiting::Profile(question, of) => {
                let answer = match reply.outcome {
                    Outcome::Profile(profile) => Answer::Profile(of, profile),
                    _ => Answer::Refused(Refusal::Storage),
                };
                self.answer(question, answer);
            }
            Waiting::Done(question) => {
                let done = reply.outcome == Outcome::Done;
                self.answer(question, if done { Answer::Done } else { Answer::Refused(Refusal::Storage) });
            }
            Waiting::AddContact { question, owner, contact } => {
                self.on_added(now, question, owner, contact, &reply.outcome);
            }
            Waiting::RemoveContact { question, owner, contact } => {
                self.on_removed(question, owner, contact, &reply.outcome);
            }
            Waiting::Authorization(sent) => self.on_authorization(now, sent, &reply.outcome),
            Waiting::Authorized { sent, asked } => self.on_authorized(now, sent, asked, &reply.outcome),
            Waiting::MessageStored(id) => self.on_stored(id, &reply.outcome),
            Waiting::MessagesLoaded(session, limit) => self.on_messages(now, session, limit, reply.outcome),
            Waiting::MessageDeleted | Waiting::BroadcastRead => {}
            Waiting::Expired => self.on_expired(now, &reply.outcome),
            Waiting::LastMessage => self.on_last_message(now, &reply.outcome),
            Waiting::Search(question) => self.on_found(question, reply.outcome),
            Waiting::Joining(question, joining) => self.on_own_card(question, joining, reply.outcome),
            Waiting::Broadcast(by, broadcast) => self.on_broadcast_stored(by, broadcast, &reply.outcome),
            Waiting::Broadcasts => self.on_broadcasts(now, reply.outcome),
            Waiting::LastBroadcast(session) => self.on_last_broadcast(now, session, &reply.outcome),
            Waiting::Errand { number, removed } => self.on_errand(number, removed, reply.outcome),
            Waiting::NewcomerHash(_) | Waiting::NewPassword { .. } => {
                debug_assert!(false, "a password job's ticket came back from the store");
            }
        }
        self.settle(now);
    }

    /// When [`Hub::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let retry = self.retries.front().map(|&(at, ..)| at);
        let own = [self.deliveries.next_deadline(), self.broadcasts.next_deadline(), retry, self.expiry];
        own.into_iter().flatten().min()
    }

    /// Stores what has waited long enough for its recipient, tells the next of those who are to hear a broadcast, forgets what is too old,
    /// and loads what could not be loaded.
    pub fn handle_timeout(&mut self, now: Now) {
        self.store_overdue(now.instant);
        self.walk(now);
        self.expire(now);
        while let Some(&(at, session, load)) = self.retries.front()
            && at <= now.instant
        {
            self.retries.pop_front();
            match (session.filter(|&session| self.online.is_open(session)), load) {
                (Some(session), Load::Account) => self.load_account(session),
                (Some(session), Load::Contacts) => self.load_contacts(session),
                (Some(session), Load::Messages) => self.load_messages(session.uin),
                (Some(session), Load::LastBroadcast) => self.begin_reading(session),
                (_, Load::LastMessage) => self.load_last_message(),
                (_, Load::Broadcasts) => self.load_broadcasts(),
                (_, Load::Newcomer(uin)) => self.write_newcomer(now, uin),
                (None, _) => {}
            }
        }
        self.settle(now);
    }

    /// Stores at once what waits for its recipient's acknowledgement.
    pub fn begin_shutdown(&mut self, now: Now) {
        self.stopping = true;
        self.store_overdue(Instant(u64::MAX));
        self.settle(now);
    }

    /// Whether nothing waits for the store or a password job.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next thing for the frontend to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The next request for the store.
    pub fn poll_store(&mut self) -> Option<store::Request> {
        self.store_requests.pop_front()
    }

    /// Another shard has something to say about a user of ours: [`Hub::handle_letters`] takes it in, with all that came together.
    pub fn push_letter(&mut self, letter: Letter) {
        self.letters.push_back(letter);
    }

    /// What other shards had to say has come.
    pub fn handle_letters(&mut self, now: Now) {
        self.settle(now);
    }

    /// The next letter for another shard, and for which.
    pub fn poll_letter(&mut self) -> Option<(u32, Letter)> {
        self.posted.pop_front()
    }

    /// The next password to be hashed or compared.
    pub fn poll_password(&mut self) -> Option<PasswordJob> {
        self.password_jobs.pop_front()
    }

    /// Takes in the letters that the last input gave rise to, and those that they give rise to.
    fn settle(&mut self, now: Now) {
        while let Some(Letter { to, content }) = self.letters.pop_front() {
            match content {
                Content::Deliver { from, kind, text, charset, sender } => {
                    let text = Cow::Borrowed(&*text);
                    self.deliver(now, &Said { from, to, kind, text, charset }, sender);
                }
                Content::Verdict(question, Ok(Some(accepted))) => self.accept(question, accepted),
                Content::Verdict(question, Ok(None)) => self.answer(question, Answer::Done),
                Content::Verdict(question, Err(refusal)) => self.answer(question, Answer::Refused(refusal)),
                Content::Receipt(receipt) => self.on_receipt(to, receipt),
                Content::AskRelay(question) => self.on_ask_relay(now, to, question),
                Content::Relay(question, pass) => self.answer(question, Answer::Relay(pass)),
                Content::Listed(contact) => self.on_listed(to, contact),
                Content::Unlisted(contact) => self.on_unlisted(to, contact),
                Content::Watch(watcher) => self.on_watch(to, watcher),
                Content::Unwatch(watcher) => self.on_unwatch(to, watcher),
                Content::Seen(watchers, sight) => self.on_seen(&watchers, sight),
                Content::Broadcast(message) => self.on_broadcast(now, message),
                Content::EnterGroup { group, member, password, question } => {
                    self.on_enter_group(group, member, &password, question);
                }
                Content::Entered(question, group, outcome) => self.on_entered(question, group, outcome),
                Content::ExitGroup(group, uin) => self.on_exit_group(group, uin),
                Content::SayToGroup { group, text, charset, question } => {
                    self.on_group_said(now, group, text, charset, question);
                }
                Content::GroupNews(members, news) => self.on_group_news(&members, &news),
            }
        }
        self.tell_arrivals();
    }

    /// The store failed to load something: it is asked again.
    fn load_later(&mut self, now: Now, session: Option<SessionKey>, load: Load) {
        self.retries.push_back((now.instant + RETRY_AFTER, session, load));
    }

    fn answer(&mut self, question: Question, answer: Answer) {
        self.effects.push_back(Effect::Answer(question, answer));
    }

    fn tell(&mut self, session: SessionKey, tell: Tell) {
        self.effects.push_back(Effect::Tell(session, tell));
    }

    fn post(&mut self, to: Uin, content: Content) {
        self.post_to(self.share.owner(to), Letter { to, content });
    }

    fn post_to(&mut self, shard: u32, letter: Letter) {
        if shard == self.share.index() {
            self.letters.push_back(letter);
        } else {
            self.posted.push_back((shard, letter));
        }
    }

    fn ticket(&mut self, waiting: Waiting) -> Ticket {
        self.last_ticket = self.share.number_from(self.last_ticket + 1);
        let ticket = Ticket(self.last_ticket);
        self.waiting.insert(ticket, waiting);
        ticket
    }

    fn ask_store(&mut self, work: Work, waiting: Waiting) {
        let ticket = self.ticket(waiting);
        self.store_requests.push_back(store::Request { ticket, work });
    }
}
