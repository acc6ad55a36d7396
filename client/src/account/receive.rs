//! What the server says.

use myicq_wire::link::{Again, Receipt};
use myicq_wire::peer::MessageToken;
use myicq_wire::{
    Capabilities, Command, DecodeError, GroupId, GroupRef, GroupSaid, Instant, LoginError, LoginReply, LoginSuccess,
    MAX_DATAGRAM, MessageKind, MessageRef, Presence as WirePresence, RelayOffered, RelayReply, Reply, Seq,
    ServerHeader, ServerMessage, Str, Typing, Uin, open_reply,
};

use super::answer::{Answer, Arrival, OwnProfile, RemoteContacts};
use super::direct::{Source, token_key};
use super::directory::{FoundUser, Group, GroupType, Member, ServerEntry};
use super::request::{RequestId, domain, reply_to};
use super::{Account, Delivery, KEEP_ALIVE, LOGIN, MAX_EVENTS, MAX_OUTBOX, State, Ticket};
use crate::error::{EndReason, Refusal, RequestError};
use crate::event::{Event, Presence};
use crate::message::Message;
use crate::profile::Profile;

impl Account {
    /// Takes a datagram from the server's address. What does not belong to this session, or is no packet, is counted
    /// and changes nothing.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        if matches!(self.state, State::Ended(_)) {
            return;
        }
        self.stats.received += 1;
        let mut scratch = [0; MAX_DATAGRAM];
        match self.open(datagram, &mut scratch) {
            Ok(Some((header, reply))) => {
                self.handle_packet(now, &header, reply.as_ref(), datagram);
                self.on_heard(now);
            }
            Ok(None) => self.stats.foreign += 1,
            Err(_) => self.stats.malformed += 1,
        }
    }

    /// The header and the body of a datagram of this session; no body where the command is unknown.
    fn open<'a>(
        &self,
        datagram: &'a [u8],
        scratch: &'a mut [u8],
    ) -> Result<Option<(ServerHeader, Option<Reply<'a>>)>, DecodeError> {
        let (header, body) = ServerHeader::decode(datagram)?;
        if header.session != self.session || datagram.len() > MAX_DATAGRAM {
            return Ok(None);
        }
        // A body that is not whole is not acknowledged: the server's next try may come through unharmed.
        let key = self.granted.contains(Capabilities::SEALED).then_some(&self.key);
        let is_known = header.known_command().is_some();
        let reply = is_known.then(|| open_reply(&header, body, key, scratch)).transpose()?;
        Ok(Some((header, reply)))
    }

    fn handle_packet(&mut self, now: Instant, header: &ServerHeader, reply: Option<&Reply<'_>>, datagram: &[u8]) {
        if let Some(Reply::Login(LoginReply::Refused(error))) = reply {
            // COMPAT: not acknowledged, as by the clients of 2003. In mid-session, another login took this one's place, unless the server
            // says that there is no such user any more.
            let is_refused = self.state == State::LoggingIn || *error == LoginError::INVALID_UIN;
            let refused = EndReason::LoginRefused((*error).into());
            self.end(if is_refused { refused } else { EndReason::Replaced });
            return;
        }
        match (header.ackseq, reply) {
            (Some(ackseq), Some(Reply::Refused(refused))) => self.on_refused(now, ackseq, refused.reason.into()),
            (Some(ackseq), Some(Reply::Sent(sent))) => {
                let id = sent.id;
                let arrival = if sent.is_delivered != 0 { Arrival::Delivered { id } } else { Arrival::Stored { id } };
                self.on_acknowledged(now, ackseq, Answer::Arrived(arrival));
            }
            (Some(ackseq), _) => self.on_acknowledged(now, ackseq, Answer::Acknowledged),
            (None, _) => {}
        }
        if self.state == State::LoggingIn {
            if let Some(Reply::Login(LoginReply::Success(success))) = reply {
                self.on_logged_in(now, header, success, datagram);
            }
            // Anything else came too early, and comes again because it stays unacknowledged.
            return;
        }
        if let Some(Reply::KeepAlive(reply)) = reply {
            self.online_users = reply.online_users;
            if !self.is_exactly_once() {
                // COMPAT: with a number of its own, and never acknowledged.
                return;
            }
        }
        match (header.seq, reply) {
            (Some(seq), _) => self.on_numbered(now, seq, header, reply, datagram),
            (None, Some(Reply::Resume(resume))) => self.on_restart(resume),
            (None, _) => {}
        }
    }

    fn on_acknowledged(&mut self, now: Instant, ackseq: Seq, answer: Answer) {
        let Some(token) = self.link.on_ack(&mut self.retained, now, ackseq) else { return };
        let wait = now + self.config.timeouts.reply;
        if token == LOGIN {
            self.login_reply_by = Some(wait);
            return;
        }
        self.proof = None;
        if token == KEEP_ALIVE {
            self.keep_alive_at = Some(now + self.config.timeouts.keep_alive);
            return;
        }
        let id = RequestId(token.0);
        let Some(pending) = self.pending.get_mut(&id) else { return };
        if reply_to(pending.command).is_some() {
            pending.reply_by = wait;
        } else {
            self.pending.remove(&id);
            self.answers.push_back((id, Ok(answer)));
        }
    }

    fn on_refused(&mut self, now: Instant, ackseq: Seq, refusal: Refusal) {
        let Some(token) = self.link.on_ack(&mut self.retained, now, ackseq) else { return };
        self.proof = None;
        // No server of ours refuses these two so; to one that does, they are acknowledged and no more.
        match token {
            LOGIN => self.login_reply_by = Some(now + self.config.timeouts.reply),
            KEEP_ALIVE => self.keep_alive_at = Some(now + self.config.timeouts.keep_alive),
            _ => {}
        }
        let id = RequestId(token.0);
        if self.pending.remove(&id).is_some() {
            self.answers.push_back((id, Err(refusal.into())));
        }
    }

    fn on_logged_in(&mut self, now: Instant, header: &ServerHeader, success: &LoginSuccess, datagram: &[u8]) {
        self.state = State::Online;
        self.login_reply_by = None;
        self.granted = Capabilities(header.reserved).intersection(self.config.offered);
        self.online_users = success.online_users;
        // COMPAT: a server may acknowledge the LOGIN apart from its reply, and that may be lost.
        self.link.drain(&mut self.retained).for_each(drop);
        if let Some(seq) = header.seq {
            self.link.on_receive(&mut self.retained, now, seq, datagram);
            self.link.acknowledge(seq);
            self.acknowledge(seq);
            self.proof = Some(seq);
        }
        if self.is_exactly_once() {
            self.link.set_ordered();
        }
        if !self.granted.contains(self.config.required) {
            return self.end(EndReason::NotGranted(self.config.required.difference(self.granted)));
        }
        let (ip, online_users) = (success.ip.into(), success.online_users);
        self.tell(Event::LoggedIn { ip, online_users, exactly_once: self.is_exactly_once(), granted: self.granted });
        // At once, because its acknowledgement shows that the server knows our address to be proven.
        self.keep_alive(now);
        for (id, request) in std::mem::take(&mut self.waiting) {
            if let Err(misuse) = self.send_request(id, &request) {
                self.answers.push_back((id, Err(misuse.into())));
            }
        }
    }

    /// A datagram that wants to be acknowledged.
    fn on_numbered(
        &mut self,
        now: Instant,
        seq: Seq,
        header: &ServerHeader,
        reply: Option<&Reply<'_>>,
        datagram: &[u8],
    ) {
        if self.events.len() >= MAX_EVENTS || self.outbox.len() >= MAX_OUTBOX {
            self.stats.refused += 1;
            return;
        }
        match self.link.on_receive(&mut self.retained, now, seq, datagram) {
            Receipt::New => {
                self.proof = None;
                self.on_released(seq, header, reply);
            }
            Receipt::Early => self.proof = None,
            Receipt::Duplicate(again) => {
                self.stats.duplicates += 1;
                if again == Again::Acknowledge {
                    self.acknowledge(seq);
                }
            }
            Receipt::Stale | Receipt::TooFar | Receipt::Busy => self.stats.refused += 1,
        }
        while let Some((seq, datagram)) = self.link.release(&mut self.retained) {
            // It was opened once when it came, so it opens again.
            let mut scratch = [0; MAX_DATAGRAM];
            if let Ok(Some((header, reply))) = self.open(&datagram, &mut scratch) {
                self.on_released(seq, &header, reply.as_ref());
            }
        }
    }

    /// Handles a datagram that is new and whose turn has come, and acknowledges it, unless it is a message: that is
    /// acknowledged when it is confirmed.
    fn on_released(&mut self, seq: Seq, header: &ServerHeader, reply: Option<&Reply<'_>>) {
        match reply {
            Some(Reply::Message(message)) if self.is_to_be_shown(message) => {
                let token = MessageToken::find(message.kind, &message.text).map(token_key);
                if token.is_none_or(|token| !self.is_shown_already(token, Source::Server(seq))) {
                    self.show(seq, message, token);
                }
                return;
            }
            Some(reply) => self.handle_reply(header.ackseq, reply),
            None => self.stats.unknown_commands += 1,
        }
        self.link.acknowledge(seq);
        self.acknowledge(seq);
    }

    fn handle_reply(&mut self, ackseq: Option<Seq>, reply: &Reply<'_>) {
        let charset = self.charset();
        let text = |bytes: &[u8]| charset.decode(bytes).into_owned();
        let (about, answer) = match reply {
            Reply::GetContactList(uins) => (None, Answer::Contacts(uins.iter().collect())),
            Reply::GetRemoteContactList(list) => {
                let contacts = list.contacts.iter().map(|contact| (contact.uin, text(&contact.domain))).collect();
                (None, Answer::RemoteContacts(RemoteContacts { domain: text(&list.domain), contacts }))
            }
            Reply::UpdateContact(contact) => {
                let profile = Profile::decode(&contact.profile, self.charset());
                (Some(contact.uin), Answer::Profile(Box::new(profile)))
            }
            Reply::UpdateUser(user) => {
                let profile = Profile::decode(&user.profile, self.charset());
                (None, Answer::OwnProfile(Box::new(OwnProfile { profile, authorization: user.auth })))
            }
            Reply::Search(found) => {
                (None, Answer::Found(found.iter().map(|found| FoundUser::new(&found, charset)).collect()))
            }
            Reply::GetServerList(list) => {
                (None, Answer::Servers(list.iter().map(|server| ServerEntry::new(&server, charset)).collect()))
            }
            Reply::GetGroupList(list) => (
                None,
                Answer::Groups(list.iter().map(|it| Group::new(it.group, &it.name, it.members, charset)).collect()),
            ),
            Reply::SearchGroup(info) => (
                None,
                Answer::Group(
                    Some(Group::new(info.group, &info.name, info.members, charset))
                        .filter(|found| found.group != GroupId(0)),
                ),
            ),
            Reply::CreateGroup(GroupRef { group }) => {
                (None, Answer::GroupCreated(Some(*group).filter(|group| *group != GroupId(0))))
            }
            Reply::EnterGroup(entered) => {
                let members = entered
                    .outcome
                    .as_ref()
                    .map(|list| list.iter().map(|member| Member::new(&member, charset)).collect());
                (None, Answer::GroupEntered(members.map_err(|&error| error.into())))
            }
            Reply::Relay(RelayReply::Granted(pass)) => (None, Answer::Relay(*pass)),
            Reply::Relay(RelayReply::Refused(reason)) => {
                return self.answer(ackseq, reply.command(), None, Err(Refusal::from(*reason).into()));
            }
            Reply::AddFriend(added) => (Some(added.uin), Answer::Added(added.result)),
            news => return self.handle_news(news),
        };
        self.answer(ackseq, reply.command(), about, Ok(answer));
    }

    /// Gives a request its answer.
    fn answer(
        &mut self,
        ackseq: Option<Seq>,
        reply: Command,
        about: Option<Uin>,
        answer: Result<Answer, RequestError>,
    ) {
        let asked = |command| reply_to(command) == Some(reply);
        let named = self.pending.iter().find(|(_, pending)| Some(pending.seq) == ackseq && asked(pending.command));
        // COMPAT: servers of 2002 forget ackseq at times. Then it is the oldest request that the reply can be for.
        let fitting = || {
            self.pending.iter().find(|(_, pending)| {
                ackseq.is_none() && asked(pending.command) && (pending.about.is_none() || pending.about == about)
            })
        };
        match named.or_else(fitting).map(|(id, _)| *id) {
            Some(id) => {
                self.pending.remove(&id);
                self.answers.push_back((id, answer));
            }
            None => self.stats.unasked += 1,
        }
    }

    /// What the server says without being asked.
    fn handle_news(&mut self, news: &Reply<'_>) {
        let charset = self.charset();
        match news {
            Reply::Message(_) => self.stats.messages_seen_before += 1,
            // It has been said to who asked, when it came.
            Reply::Refused(_) => {}
            Reply::UserOnline(user) => self.tell(Event::Online(presence(&user.presence, user.domain))),
            Reply::MultiOnline(list) => {
                list.iter().for_each(|user| self.tell(Event::Online(presence(&user, None))));
            }
            Reply::UserOffline(user) => self.tell(Event::Offline { uin: user.uin, domain: domain(user.domain) }),
            Reply::StatusChanged(user) => {
                let (uin, status) = (user.uin, user.status);
                self.tell(Event::StatusChanged { uin, domain: domain(user.domain), status });
            }
            Reply::Delivered(MessageRef { uin, id }) => self.tell(Event::Delivered { to: *uin, id: *id }),
            Reply::Read(MessageRef { uin, id }) => self.tell(Event::Read { by: *uin, up_to: *id }),
            Reply::Typing(Typing { uin, is_typing }) => {
                self.tell(Event::Typing { from: *uin, is_typing: *is_typing != 0 });
            }
            Reply::RelayOffered(RelayOffered { from, pass }) => {
                self.tell(Event::RelayOffered { from: *from, pass: *pass });
            }
            Reply::GroupTypes(list) => {
                self.tell(Event::GroupTypes { types: list.iter().map(|it| GroupType::new(&it, charset)).collect() })
            }
            Reply::GroupEntered(entered) => {
                self.tell(Event::GroupEntered { group: entered.group, member: Member::new(&entered.member, charset) });
            }
            Reply::GroupExited(exited) => self.tell(Event::GroupExited { group: exited.group, uin: exited.uin }),
            Reply::GroupMessage(said) => {
                let GroupSaid { group, from, time, text: Str(words) } = *said;
                let words = Message::decode(MessageKind::TEXT, words, charset);
                if let Message::Text { text } = words {
                    self.tell(Event::GroupMessage { group, from, time, text });
                }
            }
            // Nothing in this version asks for the others, or could show them.
            _ => self.stats.unasked += 1,
        }
    }

    /// The message's own number, from servers that give one.
    fn id_of(&self, message: &ServerMessage<'_>) -> Option<u64> {
        message.id.filter(|_| self.is_exactly_once() || self.granted.contains(Capabilities::RECEIPTS))
    }

    fn is_to_be_shown(&self, message: &ServerMessage<'_>) -> bool {
        self.id_of(message).is_none_or(|id| !self.seen.contains(id))
    }

    fn show(&mut self, seq: Seq, message: &ServerMessage<'_>, token: Option<u64>) {
        let id = self.id_of(message);
        if let Some(handed) = id.and_then(|id| self.handed.get_mut(&id)) {
            // Its reader has it from an earlier session, or of a server that has started again since, and has not confirmed it yet.
            *handed = Some(seq);
            return;
        }
        let ticket = Some(Ticket { session: self.session, source: Source::Server(seq), id, token });
        let is_it = |delivery: &&mut Delivery| delivery.ticket.is_some_and(|ticket| ticket.id == id);
        let was_restarted = self.resumed.is_some() && id.is_some();
        if let Some(ready) = was_restarted.then(|| self.events.iter_mut().find(is_it)).flatten() {
            // It lies ready under a number that a server which has started again does not know.
            ready.ticket = ticket;
            return;
        }
        let event = Event::Message {
            from: message.from,
            domain: domain(message.domain),
            time: message.time,
            id,
            is_direct: false,
            message: Message::decode(message.kind, &message.text, self.charset()),
        };
        self.events.push_back(Delivery { event, ticket });
    }
}

fn presence(user: &WirePresence, of: Option<Str<'_>>) -> Presence {
    let WirePresence { uin, status, ip, port, real_ip } = *user;
    Presence { uin, domain: domain(of), status, ip: ip.into(), port, real_ip: real_ip.into() }
}
