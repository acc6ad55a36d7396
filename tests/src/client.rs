//! The two programs that a user may have, seen from his chair: what he can ask, and what he gets to see.

use std::collections::BTreeMap;

use myicq_client::account::{Account, Answer, Config, Entropy, Registration, Request};
use myicq_client::{EndReason, Event, GroupRefused, Message, Password, Profile, SeenMessages, Timeouts};
use myicq_wire::{Authorization, Capabilities, GroupId, Instant, MessageKind, Status, Uin};

use crate::original::Original;

#[expect(missing_docs, reason = "the fields are what their types say")]
/// What a user asks of his program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// Say something.
    Say { to: Uin, text: String },
    /// "May I add you?"
    AskAuthorization { to: Uin, reason: String },
    /// "You may", or not.
    Authorize { to: Uin, granted: bool },
    /// "Take this file", or "I take it".
    File { to: Uin, accepted: bool },
    /// Have a way to somebody through the server.
    Relay(Uin),
    /// Be shown differently.
    Status(Status),
    /// Have somebody on the list.
    Add(Uin),
    /// Have somebody off the list.
    Remove(Uin),
    /// See the list.
    Contacts,
    /// See somebody's profile.
    Profile(Uin),
    /// See one's own.
    OwnProfile,
    /// See what the server calls itself.
    Domain,
    /// Find the user of a number.
    FindUin(Uin),
    /// Find users by their nick.
    FindNick(String),
    /// Find some who are here.
    FindSome,
    /// See the servers.
    Servers,
    /// See the groups of the first type.
    Groups,
    /// See one group.
    Group(GroupId),
    /// Start the game of a group and make a move, where the program has games.
    Play(GroupId),
    /// Say something to everybody.
    Broadcast(String),
    /// Make a group.
    CreateGroup { name: String, password: String },
    /// Enter one.
    EnterGroup { group: GroupId, password: String },
    /// Leave one.
    ExitGroup(GroupId),
    /// Say something in one.
    SayInGroup { group: GroupId, text: String },
    /// Have another nick and another way to be added, and perhaps another password.
    Modify { nick: String, auth: Authorization, password: Option<String> },
}

#[expect(missing_docs, reason = "the fields are what their types say")]
/// What a user gets to see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The session is open.
    LoggedIn,
    /// The server has started again, and nobody is here until he is told of.
    Resumed,
    /// Somebody says something: the words, or the reason.
    Message { from: Uin, kind: MessageKind, text: String },
    /// A contact is here, shown as this.
    Here(Uin, Status),
    /// A contact is gone.
    Gone(Uin),
    /// Somebody wants a way through the server.
    Relay(Uin),
    /// Somebody entered a group.
    Entered(GroupId, Uin),
    /// Somebody left a group.
    Left(GroupId, Uin),
    /// Somebody says something in a group.
    SaidInGroup { group: GroupId, from: Uin, text: String },
    /// What became of an [`Ask`].
    Verdict { ask: u64, done: bool },
    /// An answer that is more than a verdict; the verdict comes as well.
    Answer { ask: u64, text: String },
    /// The session is over.
    Ended(String),
}

/// A session in one program or the other.
#[derive(Debug)]
pub enum Session {
    /// This project's client.
    Ours(Box<Ours>),
    /// The client of 2003.
    Original(Box<Original>),
}

/// This project's client: the machine itself, and which of its requests is which of the user's.
#[derive(Debug)]
pub struct Ours {
    account: Account,
    asks: BTreeMap<myicq_client::account::RequestId, u64>,
    /// The network damages what comes: a message of a kind that nobody sends, or a capability not granted, is not the server's.
    pub may_be_damaged: bool,
}

impl Ours {
    /// Logs in, and offers these.
    pub fn new(
        uin: Uin,
        password: &str,
        status: Status,
        offered: Capabilities,
        random: [u8; 14],
        seen: SeenMessages,
    ) -> Self {
        let mut config = Config::new(uin, Password::new(password).unwrap());
        config.offered = offered;
        config.status = status;
        config.real_ip = [127, 0, 0, 1].into();
        config.port = 32_765;
        let account = Account::new(config, Entropy::from_bytes(random), seen).unwrap();
        Self { account, asks: BTreeMap::new(), may_be_damaged: false }
    }

    /// What it remembers of the messages that it has shown.
    pub fn seen(&self) -> SeenMessages {
        self.account.seen().clone()
    }

    fn ask(&mut self, ask: u64, what: &Ask) -> Result<(), String> {
        let request = match what {
            Ask::Say { to, text } => Request::send(*to, &Message::text(text.clone())),
            Ask::AskAuthorization { to, reason } => {
                let message =
                    Message::AuthRequest { face: myicq_wire::Face(1), nick: "nick".into(), reason: reason.clone() };
                Request::send(*to, &message)
            }
            Ask::Authorize { to, granted: true } => Request::send(*to, &Message::AuthAccepted),
            Ask::Authorize { to, granted: false } => Request::send(*to, &Message::AuthRejected { reason: "no".into() }),
            Ask::File { to, accepted } => {
                let session = "sendfile".to_owned();
                let message = if *accepted {
                    Message::TcpAccepted { session, port: 4_000 }
                } else {
                    Message::TcpRequest { session, reason: "a file".into(), port: 0 }
                };
                Request::send(*to, &message)
            }
            Ask::Relay(to) => Request::relay(*to),
            Ask::Status(status) => Request::status(*status),
            Ask::Add(uin) => Request::add(*uin),
            Ask::Remove(uin) => Request::remove(*uin),
            Ask::Contacts => Ok(Request::contacts()),
            Ask::Profile(uin) => Request::profile(*uin),
            Ask::OwnProfile => Ok(Request::own_profile()),
            Ask::Domain => Ok(Request::remote_contacts()),
            Ask::FindUin(uin) => Request::search_uin(*uin),
            Ask::FindNick(nick) => Request::search_words(nick, "", Uin::NONE),
            Ask::FindSome => Ok(Request::search_random()),
            Ask::Servers => Ok(Request::servers()),
            Ask::Groups => Ok(Request::groups(0)),
            Ask::Group(group) => Ok(Request::group(*group)),
            Ask::Play(group) => {
                let start = self.account.request(Request::start_group(*group));
                self.asks.insert(start.map_err(|misuse| misuse.to_string())?, ask);
                Request::group_command(*group, b"e2-e4")
            }
            Ask::Broadcast(text) => Request::broadcast(text),
            Ask::CreateGroup { name, password } => Request::create_group(0, name, Password::new(password).ok()),
            Ask::EnterGroup { group, password } => Request::enter_group(*group, Password::new(password).ok()),
            Ask::ExitGroup(group) => Ok(Request::exit_group(*group)),
            Ask::SayInGroup { group, text } => Request::say_to_group(*group, text),
            Ask::Modify { nick, auth, password } => {
                let profile = Profile { nick: nick.clone(), ..Profile::default() };
                let password = password.as_deref().map(|password| Password::new(password).unwrap());
                Request::modify(&profile, *auth, password)
            }
        };
        let id = request.and_then(|request| self.account.request(request)).map_err(|misuse| misuse.to_string())?;
        self.asks.insert(id, ask);
        Ok(())
    }

    fn notices(&mut self) -> Vec<Notice> {
        let mut notices = Vec::new();
        while let Some(event) = self.account.poll_event() {
            notices.extend(notice(event, self.may_be_damaged));
        }
        while let Some((id, answer)) = self.account.poll_answer() {
            let ask = self.asks.remove(&id).expect("each request is answered once");
            notices.extend(answer.as_ref().ok().and_then(answer_text).map(|text| Notice::Answer { ask, text }));
            let done = matches!(&answer, Ok(answer) if !matches!(answer, Answer::GroupEntered(Err(_))) && *answer != Answer::Added(Authorization::NOBODY) && *answer != Answer::Added(Authorization::REQUIRED));
            notices.push(Notice::Verdict { ask, done });
        }
        notices
    }
}

fn notice(event: Event, may_be_damaged: bool) -> Option<Notice> {
    Some(match event {
        Event::LoggedIn { exactly_once, .. } => {
            assert!(exactly_once || may_be_damaged, "our server grants ONCE to our client");
            Notice::LoggedIn
        }
        Event::ServerRestarted => Notice::Resumed,
        Event::Message { from, message, .. } => {
            let (kind, text) = match message {
                Message::Text { text } => (MessageKind::TEXT, text),
                Message::AutoReply { text } => (MessageKind::AUTO_REPLY, text),
                Message::AuthAccepted => (MessageKind::AUTH_ACCEPTED, String::new()),
                Message::AuthRequest { reason, .. } => (MessageKind::AUTH_REQUEST, reason),
                Message::AuthRejected { reason } => (MessageKind::AUTH_REJECTED, reason),
                Message::Added => (MessageKind::ADDED, String::new()),
                Message::TcpRequest { reason, .. } => (MessageKind::TCP_REQUEST, reason),
                Message::TcpAccepted { .. } => (MessageKind::TCP_ACCEPTED, String::new()),
                _ if may_be_damaged => return None,
                other => panic!("{other:?}"),
            };
            Notice::Message { from, kind, text }
        }
        Event::Online(presence) => Notice::Here(presence.uin, presence.status),
        Event::StatusChanged { uin, status, .. } => Notice::Here(uin, status),
        Event::Offline { uin, .. } => Notice::Gone(uin),
        Event::RelayOffered { from, .. } => Notice::Relay(from),
        Event::GroupEntered { group, member } => Notice::Entered(group, member.uin),
        Event::GroupExited { group, uin } => Notice::Left(group, uin),
        Event::GroupMessage { group, from, text, .. } => Notice::SaidInGroup { group, from, text },
        Event::Ended { reason } => Notice::Ended(reason.to_string()),
        _ => return None,
    })
}

fn answer_text(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Contacts(uins) => Some(list(uins.iter().copied())),
        Answer::Profile(profile) => Some(profile.nick.clone()),
        Answer::OwnProfile(own) => Some(own.profile.nick.clone()),
        Answer::RemoteContacts(remote) => Some(remote.domain.clone()),
        Answer::Added(result) => Some(added(*result)),
        Answer::Found(users) => Some(found(users.iter().map(|user| (user.uin, user.online)))),
        Answer::Servers(servers) => {
            Some(counted(servers.iter().map(|server| (server.domain.clone(), server.online_users))))
        }
        Answer::Groups(groups) => {
            Some(counted(groups.iter().map(|group| (group.name.clone(), u32::from(group.members)))))
        }
        Answer::Group(group) => Some(counted(group.iter().map(|group| (group.name.clone(), u32::from(group.members))))),
        Answer::GroupCreated(group) => Some(group.unwrap_or_default().to_string()),
        Answer::GroupEntered(Ok(members)) => Some(list(members.iter().map(|member| member.uin))),
        Answer::GroupEntered(Err(refused)) => Some(not_entered(*refused).to_owned()),
        _ => None,
    }
}

/// Numbers as a play writes them.
pub fn list(uins: impl Iterator<Item = Uin>) -> String {
    uins.map(|uin| uin.to_string()).collect::<Vec<_>>().join(" ")
}

/// Users who were found, as a play writes them.
pub fn found(users: impl Iterator<Item = (Uin, bool)>) -> String {
    let shown = users.map(|(uin, online)| format!("{uin} {}", if online { "online" } else { "offline" }));
    shown.collect::<Vec<_>>().join(", ")
}

/// Servers or groups with those who are there, as a play writes them.
pub fn counted(names: impl Iterator<Item = (String, u32)>) -> String {
    names.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

/// Why somebody is not in a group, as a play writes it.
pub fn not_entered(refused: GroupRefused) -> &'static str {
    match refused {
        GroupRefused::NoSuchGroup => "no such group",
        GroupRefused::AlreadyIn => "already in it",
        GroupRefused::TooMany => "in too many",
        GroupRefused::WrongPassword => "wrong password",
        GroupRefused::Full => "full",
        _ => "for another reason",
    }
}

/// The result of ADD_FRIEND as a play writes it.
pub fn added(result: Authorization) -> String {
    match result {
        Authorization::ANYONE => "added",
        Authorization::REQUIRED => "must ask",
        _ => "nobody may",
    }
    .to_owned()
}

impl Session {
    /// A datagram has come.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        match self {
            Self::Ours(ours) => ours.account.handle_datagram(now, datagram),
            Self::Original(original) => original.handle_datagram(now, datagram),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Ours(ours) => ours.account.handle_timeout(now),
            Self::Original(original) => original.handle_timeout(now),
        }
    }

    /// Asks; the verdict comes as a [`Notice`].
    ///
    /// # Errors
    /// What the program says when it refuses by itself.
    pub fn ask(&mut self, now: Instant, ask: u64, what: &Ask) -> Result<(), String> {
        match self {
            Self::Ours(ours) => ours.ask(ask, what),
            Self::Original(original) => original.ask(now, ask, what),
        }
    }

    /// Ends the session.
    pub fn log_out(&mut self) {
        match self {
            Self::Ours(ours) => ours.account.log_out(),
            Self::Original(original) => original.log_out("logged out"),
        }
    }

    /// The next datagram to be sent.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        match self {
            Self::Ours(ours) => ours.account.poll_transmit(now),
            Self::Original(original) => original.poll_transmit(),
        }
    }

    /// What there is to see.
    pub fn notices(&mut self) -> Vec<Notice> {
        match self {
            Self::Ours(ours) => ours.notices(),
            Self::Original(original) => original.take_notices(),
        }
    }

    /// When to call [`Session::handle_timeout`] and [`Session::poll_transmit`] again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Ours(ours) => ours.account.poll_timeout(),
            Self::Original(original) => original.poll_timeout(),
        }
    }
}

/// A registration with this project's client.
pub fn register(password: &str, random: [u8; 14]) -> Registration {
    Registration::new(&Password::new(password).unwrap(), Entropy::from_bytes(random), Timeouts::default()).unwrap()
}

/// The number that a registration brought, once there is one.
///
/// # Errors
/// Why there is none.
pub fn registered(registration: &Registration) -> Result<Option<Uin>, EndReason> {
    registration.outcome().transpose()
}
