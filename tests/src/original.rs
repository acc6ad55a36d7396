//! A model of the client of April 2003, as captured: what it sends, when it sends it again, and what it stays silent on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use myicq_wire::charset::Charset;
use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::message::Message;
use myicq_wire::*;

use crate::client::{Ask, Notice, added, counted, found, list, not_entered};

/// It looks for datagrams to be sent again this often, from the login on.
const TICK: Duration = Duration::from_secs(5);

/// It sends three more times, then it asks the person or gives up.
const RESENDS: u32 = 3;

const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// What waits for its acknowledgement: everything but NEW_UIN, LOGOUT and the acknowledgements themselves.
#[derive(Debug)]
struct Outstanding {
    bytes: Vec<u8>,
    command: Command,
    ask: Option<u64>,
    sent_at: Instant,
    resent: u32,
}

/// A client of 2003.
#[derive(Debug)]
pub struct Original {
    uin: Uin,
    password: Vec<u8>,
    session: SessionId,
    seq: u16,
    key: Key,
    status: Status,
    /// Whether its folder holds the own profile: then it never fetches the contact list.
    knows_profile: bool,
    /// The network damages what comes: a text that it would die of is not the server's.
    pub may_be_damaged: bool,
    is_online: bool,
    has_ended: bool,
    now: Instant,
    next_tick: Instant,
    next_keep_alive: Option<Instant>,
    outstanding: BTreeMap<u16, Outstanding>,
    /// Every number of the server's that came, for the whole of the session.
    seen: BTreeSet<u16>,
    contacts: BTreeSet<Uin>,
    /// The groups that it has a window for.
    groups: BTreeSet<GroupId>,
    outbox: VecDeque<Vec<u8>>,
    notices: Vec<Notice>,
}

impl Original {
    /// Logs in.
    pub fn new(now: Instant, uin: Uin, password: &str, status: Status, random: [u8; 14], knows_profile: bool) -> Self {
        let mut original = Self::connected(now, password, random);
        original.uin = uin;
        original.status = status;
        original.knows_profile = knows_profile;
        original.log_in();
        original
    }

    /// Registers a new user and logs him in, on the same socket and in the same session.
    pub fn register(now: Instant, password: &str, random: [u8; 14]) -> Self {
        let mut original = Self::connected(now, password, random);
        let password = original.password.clone();
        original.send(&Request::NewUin(NewUin { password: Secret(&password) }), None);
        original
    }

    fn connected(now: Instant, password: &str, random: [u8; 14]) -> Self {
        let [a, b, c, d, e, f, ..] = random;
        Self {
            uin: Uin::NONE,
            password: password.as_bytes().to_vec(),
            session: SessionId((u32::from_be_bytes([a, b, c, d]) >> 1) + 1),
            seq: u16::from_be_bytes([e, f]) % (1 << 14),
            key: Key::new(password.as_bytes()),
            status: Status::ONLINE,
            knows_profile: false,
            may_be_damaged: false,
            is_online: false,
            has_ended: false,
            now,
            next_tick: now + TICK,
            next_keep_alive: None,
            outstanding: BTreeMap::new(),
            seen: BTreeSet::new(),
            contacts: BTreeSet::new(),
            groups: BTreeSet::new(),
            outbox: VecDeque::new(),
            notices: Vec::new(),
        }
    }

    /// Its number, once it has one.
    pub fn uin(&self) -> Uin {
        self.uin
    }

    fn log_in(&mut self) {
        let password = self.password.clone();
        let (status, real_ip) = (self.status, Ipv4(0x7F00_0001));
        let login = Login { password: Secret(&password), status, tcp_version: 1, real_ip, port: 32_765 };
        self.send(&Request::Login(login), None);
    }

    /// Sends a request. Acknowledgements do not use up a number.
    fn send(&mut self, request: &Request<'_>, ask: Option<u64>) {
        self.seq = self.seq.checked_add(1).unwrap_or(1);
        let command = request.command();
        // Its random byte for the check code; NEW_UIN and LOGIN have none.
        let in_the_clear = matches!(command, Command::NewUin | Command::Login);
        let check = (!in_the_clear).then_some(self.seq.to_le_bytes()[0]);
        let bytes = self.encode(request, self.seq, check);
        if !matches!(command, Command::NewUin | Command::Logout) {
            let waiting = Outstanding { bytes: bytes.clone(), command, ask, sent_at: self.now, resent: 0 };
            self.outstanding.insert(self.seq, waiting);
        }
        self.outbox.push_back(bytes);
    }

    fn encode(&self, request: &Request<'_>, seq: u16, check: Option<u8>) -> Vec<u8> {
        let mut buffer = [0; MAX_DATAGRAM];
        let envelope = Envelope { reserved: 0, uin: self.uin, session: self.session, seq: Seq::new(seq) };
        let sealing = Some(Sealing { key: &self.key, form: CipherForm::Original });
        let len = encode_request(&envelope, request, check, sealing, &mut buffer).unwrap();
        buffer[..len].to_vec()
    }

    /// A datagram has come. Only version and session are looked at.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.now = now;
        let Ok((header, body)) = ServerHeader::decode(datagram) else { return };
        if header.session != self.session || self.has_ended {
            return;
        }
        if let Some(ackseq) = header.ackseq {
            self.on_ack(ackseq.number());
        }
        let Some(seq) = header.seq else { return };
        if !self.seen.insert(seq.number()) {
            return;
        }
        let reply = header.known_command().and_then(|command| Reply::decode(command, body).ok());
        let is_acknowledged = reply.as_ref().is_none_or(|reply| self.on_reply(reply));
        if is_acknowledged {
            let ack = self.encode(&Request::Ack, seq.number(), None);
            self.outbox.push_back(ack);
        }
    }

    fn on_ack(&mut self, ackseq: u16) {
        let Some(waiting) = self.outstanding.remove(&ackseq) else { return };
        if let Some(ask) = waiting.ask {
            self.notices.push(Notice::Verdict { ask, done: true });
        }
    }

    /// Does what the reply calls for, and says whether it is acknowledged afterwards.
    fn on_reply(&mut self, reply: &Reply<'_>) -> bool {
        match reply {
            Reply::KeepAlive(_) => return false,
            Reply::NewUin(NewUinReply { uin: Uin::NONE, .. }) => {
                self.log_out("registration refused");
                return false;
            }
            Reply::NewUin(reply) => {
                self.uin = reply.uin;
                self.send(&Request::Logout, None);
                self.log_in();
            }
            Reply::Login(LoginReply::Refused(error)) => {
                self.log_out(&format!("login error {}", error.0));
                return false;
            }
            Reply::Login(LoginReply::Success(_)) => self.on_logged_in(),
            Reply::GetContactList(contacts) => contacts.iter().for_each(|uin| self.meet(uin)),
            Reply::UserOnline(online) => self.see(online.presence.uin, online.presence.status),
            Reply::MultiOnline(here) => here.iter().for_each(|presence| self.see(presence.uin, presence.status)),
            Reply::StatusChanged(changed) => self.see(changed.uin, changed.status),
            Reply::UserOffline(offline) => self.notices.push(Notice::Gone(offline.uin)),
            Reply::Message(message) => self.on_message(message),
            Reply::AddFriend(reply) => self.on_added(reply),
            Reply::UpdateContact(contact) => {
                let text = Charset::Gbk.decode(&contact.profile.nick).into_owned();
                self.notices.push(Notice::Answer { ask: 0, text });
            }
            reply => self.on_list_or_group(reply),
        }
        true
    }

    fn on_list_or_group(&mut self, reply: &Reply<'_>) {
        let text = |bytes: &[u8]| Charset::Gbk.decode(bytes).into_owned();
        let answer = match reply {
            Reply::Search(users) => found(users.iter().map(|user| (user.uin, user.online == 1))),
            Reply::GetServerList(servers) => {
                counted(servers.iter().map(|server| (text(&server.domain), server.online_users)))
            }
            Reply::GetGroupList(groups) => {
                counted(groups.iter().map(|group| (text(&group.name), u32::from(group.members))))
            }
            Reply::SearchGroup(info) => {
                let found = Some((text(&info.name), u32::from(info.members))).filter(|_| info.group != GroupId(0));
                counted(found.into_iter())
            }
            Reply::CreateGroup(GroupRef { group }) => {
                self.groups.insert(*group);
                group.to_string()
            }
            Reply::EnterGroup(EnterGroupReply { group, outcome: Ok(members) }) => {
                self.groups.insert(*group);
                list(members.iter().map(|member| member.uin))
            }
            Reply::EnterGroup(EnterGroupReply { outcome: Err(error), .. }) => not_entered((*error).into()).to_owned(),
            news => return self.on_group_news(news),
        };
        self.notices.push(Notice::Answer { ask: 0, text: answer });
    }

    /// What is said in a group that it is in no more it drops; who enters one opens a window all the same.
    fn on_group_news(&mut self, news: &Reply<'_>) {
        match news {
            Reply::GroupEntered(entered) => self.notices.push(Notice::Entered(entered.group, entered.member.uin)),
            Reply::GroupExited(exited) => self.notices.push(Notice::Left(exited.group, exited.uin)),
            Reply::GroupMessage(said) if self.groups.contains(&said.group) => {
                let text = Charset::Gbk.decode(message::words(&said.text)).into_owned();
                self.notices.push(Notice::SaidInGroup { group: said.group, from: said.from, text });
            }
            _ => {}
        }
    }

    fn on_logged_in(&mut self) {
        if self.is_online {
            return;
        }
        self.is_online = true;
        self.next_keep_alive = Some(self.now + KEEP_ALIVE);
        self.notices.push(Notice::LoggedIn);
        if !self.knows_profile {
            self.send(&Request::GetRemoteContactList, None);
            self.send(&Request::GetContactList, None);
            self.send(&Request::UpdateUser, None);
        }
    }

    /// Somebody on a list from the server, who may be new.
    fn meet(&mut self, uin: Uin) {
        if self.contacts.insert(uin) {
            self.send(&Request::UpdateContact(Address { uin, domain: None }), None);
        }
    }

    fn see(&mut self, uin: Uin, status: Status) {
        self.contacts.insert(uin);
        self.notices.push(Notice::Here(uin, status));
    }

    fn on_added(&mut self, reply: &AddFriendReply<'_>) {
        self.notices.push(Notice::Answer { ask: 0, text: added(reply.result) });
        if reply.result == Authorization::ANYONE {
            self.meet(reply.uin);
        }
    }

    /// # Panics
    /// Where the program of 2003 would.
    fn on_message(&mut self, message: &ServerMessage<'_>) {
        let (kind, from) = (message.kind, message.from);
        let is_shown = message.text.split(|&byte| byte == 0xFF).all(|field| Charset::Gbk.is_valid(field));
        let parsed = match Message::parse(kind, &message.text) {
            Ok(parsed) if is_shown => parsed,
            // Nothing in a datagram of the server tells that it was damaged.
            _ if self.may_be_damaged => return,
            other => panic!("a text that the client of 2003 dies of: {other:?}, in its charset: {is_shown}"),
        };
        if kind == MessageKind::AUTH_ACCEPTED {
            self.meet(from);
        }
        let shown = match parsed {
            Message::Text { words, .. } | Message::AutoReply { words } => words,
            Message::AuthRequest { reason, .. } | Message::AuthRejected { reason } => reason,
            _ => b"",
        };
        self.notices.push(Notice::Message { from, kind, text: Charset::Gbk.decode(shown).into_owned() });
    }

    /// What a person does at this program.
    ///
    /// # Errors
    /// What it refuses by itself.
    pub fn ask(&mut self, now: Instant, ask: u64, what: &Ask) -> Result<(), String> {
        self.now = now;
        if !self.is_online || self.has_ended {
            return Err("not logged in".to_owned());
        }
        let address = |uin: &Uin| Address { uin: *uin, domain: None };
        match what {
            Ask::Say { to, text } => self.say(ask, *to, text)?,
            Ask::AskAuthorization { to, reason } => {
                let text = Message::AuthRequest { face: Face(12), nick: b"nick", reason: &encode(reason) }.to_vec();
                self.message(ask, MessageKind::AUTH_REQUEST, *to, &text);
            }
            Ask::Authorize { to, granted: true } => self.message(ask, MessageKind::AUTH_ACCEPTED, *to, b""),
            Ask::Authorize { to, granted: false } => self.message(ask, MessageKind::AUTH_REJECTED, *to, b"no"),
            Ask::File { to, accepted: false } => {
                self.message(ask, MessageKind::TCP_REQUEST, *to, b"sendfile\xFFa file\xFF0");
            }
            Ask::File { to, accepted: true } => {
                self.message(ask, MessageKind::TCP_ACCEPTED, *to, b"sendfile\xFF4000");
            }
            Ask::Relay(_) => return Err("this program knows no relays".to_owned()),
            Ask::Status(status) => {
                self.status = *status;
                self.send(&Request::ChangeStatus(ChangeStatus { status: *status }), Some(ask));
            }
            Ask::Add(uin) => self.send(&Request::AddFriend(address(uin)), Some(ask)),
            Ask::Remove(uin) => {
                self.contacts.remove(uin);
                self.send(&Request::DelFriend(address(uin)), Some(ask));
            }
            Ask::Contacts => {
                let text = list(self.contacts.iter().copied());
                self.notices.extend([Notice::Answer { ask, text }, Notice::Verdict { ask, done: true }]);
            }
            Ask::Profile(uin) => self.send(&Request::UpdateContact(address(uin)), Some(ask)),
            Ask::OwnProfile | Ask::Domain => return Err("this program asks that when it logs in".to_owned()),
            Ask::FindUin(uin) => {
                self.send(&Request::SearchCustom(SearchCustom::Uin(address(uin))), Some(ask));
            }
            Ask::FindNick(nick) => {
                // In UTF-8, unlike all else.
                let words = SearchWords { nick: Str(nick.as_bytes()), email: Str(b""), start_uin: Uin::NONE };
                self.send(&Request::SearchCustom(SearchCustom::Words(words)), Some(ask));
            }
            Ask::FindSome => self.send(&Request::SearchRandom(SearchRandom { domain: None }), Some(ask)),
            Ask::Servers => self.send(&Request::GetServerList, Some(ask)),
            Ask::Groups => self.send(&Request::GetGroupList(GetGroupList { group_type: 0 }), Some(ask)),
            Ask::Modify { nick, auth, password } => {
                let nick = encode(nick);
                let profile = Profile { nick: Str(&nick), ..Profile::default() };
                let password = password.as_ref().map(|password| Secret(password.as_bytes()));
                self.send(&Request::ModifyUser(ModifyUser { profile, auth: *auth, password }), Some(ask));
            }
            _ => self.ask_group(ask, what)?,
        }
        Ok(())
    }

    fn ask_group(&mut self, ask: u64, what: &Ask) -> Result<(), String> {
        match what {
            Ask::Group(group) => self.send(&Request::SearchGroup(GroupRef { group: *group }), Some(ask)),
            // By its plug-ins; it has none, and the administrator has another program.
            Ask::Play(group) => {
                self.send(&Request::GroupStart(GroupRef { group: *group }), None);
                let command = GroupCommand { group: *group, data: Opaque(b"e2-e4") };
                self.send(&Request::GroupCommand(command), Some(ask));
            }
            Ask::Broadcast(text) => {
                let text = words_in_font(text)?;
                let said = BroadcastMessage { kind: MessageKind::TEXT, text: Str(&text) };
                self.send(&Request::BroadcastMessage(said), Some(ask));
            }
            Ask::CreateGroup { name, password } => {
                let (name, password) = (encode(name), Secret(password.as_bytes()));
                self.send(&Request::CreateGroup(CreateGroup { group_type: 0, name: Str(&name), password }), Some(ask));
            }
            Ask::EnterGroup { group, password } => {
                let password = Secret(password.as_bytes());
                self.send(&Request::EnterGroup(EnterGroup { group: *group, password }), Some(ask));
            }
            Ask::ExitGroup(group) => {
                self.groups.remove(group);
                self.send(&Request::ExitGroup(GroupRef { group: *group }), Some(ask));
            }
            Ask::SayInGroup { group, text } => {
                let text = words_in_font(text)?;
                self.send(&Request::GroupMessage(GroupMessage { group: *group, text: Str(&text) }), Some(ask));
            }
            _ => {}
        }
        Ok(())
    }

    /// Its own text has the font behind it, and it counts the words in UTF-8.
    fn say(&mut self, ask: u64, to: Uin, text: &str) -> Result<(), String> {
        let text = words_in_font(text)?;
        self.message(ask, MessageKind::TEXT, to, &text);
        Ok(())
    }

    fn message(&mut self, ask: u64, kind: MessageKind, to: Uin, text: &[u8]) {
        self.send(&Request::SendMessage(SendMessage { kind, to, text: Str(text), domain: None }), Some(ask));
    }

    /// Sends LOGOUT, once, and closes its socket.
    pub fn log_out(&mut self, why: &str) {
        if self.has_ended {
            return;
        }
        self.send(&Request::Logout, None);
        self.has_ended = true;
        for waiting in std::mem::take(&mut self.outstanding).into_values() {
            self.notices.extend(waiting.ask.map(|ask| Notice::Verdict { ask, done: false }));
        }
        self.notices.push(Notice::Ended(why.to_owned()));
    }

    /// Sends again what is 5, 10 and 15 s old, gives up what is older, and says that it is still there.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.has_ended {
            return;
        }
        if self.next_tick <= now {
            self.next_tick = now + TICK;
            self.resend();
        }
        if self.next_keep_alive.is_some_and(|at| at <= now) && !self.has_ended {
            self.next_keep_alive = Some(now + KEEP_ALIVE);
            self.send(&Request::KeepAlive(KeepAlive { random: 0x5EED }), None);
        }
    }

    fn resend(&mut self) {
        let mut given_up = Vec::new();
        for (&seq, waiting) in &mut self.outstanding {
            if self.now.since(waiting.sent_at) < TICK {
                continue;
            }
            if waiting.resent == RESENDS {
                given_up.push(seq);
            } else {
                self.outbox.push_back(waiting.bytes.clone());
                waiting.resent += 1;
            }
        }
        for seq in given_up {
            let waiting = self.outstanding.remove(&seq).unwrap();
            match waiting.command {
                Command::Login => return self.log_out("no answer to the login"),
                // "You are offline!": here, the person logs in again.
                Command::KeepAlive => return self.log_out("you are offline"),
                // A dialog: here, the person clicks "Cancel".
                _ => self.notices.extend(waiting.ask.map(|ask| Notice::Verdict { ask, done: false })),
            }
        }
    }

    /// The next datagram to be sent.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    /// What there is to see.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// When to call [`Original::handle_timeout`] again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.has_ended).then_some(self.next_keep_alive.map_or(self.next_tick, |at| at.min(self.next_tick)))
    }
}

fn words_in_font(text: &str) -> Result<Vec<u8>, String> {
    if text.len() > 450 {
        return Err("the message is too long".to_owned());
    }
    let words = encode(text);
    let font = message::Font { name: b"\xcb\xce\xcc\xe5", size: b"9", color: b"0", background: b"0" };
    Ok(Message::Text { words: &words, font: Some(font) }.to_vec())
}

fn encode(text: &str) -> Vec<u8> {
    Charset::Gbk.encode(text).into_owned()
}
