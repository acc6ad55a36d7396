//! What clients ask, once their session is open.

use std::sync::Arc;

use myicq_wire::link::{Again, Receipt};
use myicq_wire::{
    AddFriendReply, Address, Authorization, BroadcastMessage, ClientHeader, Command, EnterGroup, KeepAliveReply, List,
    MAX_PASSWORD_LEN, MessageKind, MessageRef, ModifyUser, RelayRequest, RemoteContacts, Reply, Request, SearchCustom,
    SearchRandom, Secret, SendMessage, Seq, Str, Typing, message,
};

use super::{Frontend, profile, search};
use crate::counters::{Drop, Event};
use crate::hub::{Ask, Hub, Question, Refusal, Search, SessionKey};
use crate::store::MessageId;
use crate::time::Now;

/// A question is called after the request that asks it.
pub(super) fn question(session: SessionKey, command: Command, seq: Seq) -> Question {
    Question { session, number: u32::from(command.number()) << 16 | u32::from(seq.number()) }
}

/// The request behind a question.
pub(super) fn asked_by(question: Question) -> Option<(Command, Seq)> {
    let [command, seq] = [question.number >> 16, question.number & 0xFFFF].map(u16::try_from);
    Command::from_number(command.ok()?).zip(Seq::new(seq.ok()?))
}

impl Frontend {
    /// A datagram with a number, from a proven address.
    pub(super) fn on_request(&mut self, now: Now, key: SessionKey, datagram: &[u8], hub: &mut Hub) {
        if self.receive(now, key, datagram, hub) {
            // On an ordered link others may have waited for this one.
            while let Some(session) = self.sessions.get_mut(key)
                && let Some((_, early)) = session.link.release(&mut self.retained)
            {
                self.open_and_handle(now, key, &early, hub);
            }
        }
    }

    /// Whether it was new and has been handled. It must open before its number is marked as received: anybody can send a number.
    fn receive(&mut self, now: Now, key: SessionKey, datagram: &[u8], hub: &mut Hub) -> bool {
        let Ok((header, body)) = ClientHeader::decode(datagram) else { return false };
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let mut scratch = std::mem::take(&mut self.scratch);
        let opened = session.open(&header, body, &mut scratch);
        let handled = match (opened, header.seq) {
            (Err(error), _) => {
                self.counters.undecoded(error.kind);
                false
            }
            (Ok(_), None) => {
                self.counters.drop(Drop::NoSeq);
                false
            }
            (Ok(request), Some(seq)) => {
                let receipt = session.link.on_receive(&mut self.retained, now.instant, seq, datagram);
                if receipt == Receipt::New {
                    self.handle(now, key, seq, &request, hub);
                } else {
                    self.on_not_new(key, seq, receipt);
                }
                receipt == Receipt::New
            }
        };
        self.scratch = scratch;
        handled
    }

    /// A datagram that the link kept. It has been opened before.
    fn open_and_handle(&mut self, now: Now, key: SessionKey, datagram: &[u8], hub: &mut Hub) {
        let Ok((header, body)) = ClientHeader::decode(datagram) else { return };
        let mut scratch = std::mem::take(&mut self.scratch);
        if let Some(session) = self.sessions.get_mut(key)
            && let (Ok(request), Some(seq)) = (session.open(&header, body, &mut scratch), header.seq)
        {
            self.handle(now, key, seq, &request, hub);
        }
        self.scratch = scratch;
    }

    fn on_not_new(&mut self, key: SessionKey, seq: Seq, receipt: Receipt) {
        let cause = match receipt {
            // It will be counted when it is handled.
            Receipt::New | Receipt::Early => return,
            Receipt::Duplicate(Again::Silence) => Drop::DuplicateOpen,
            Receipt::Duplicate(Again::Acknowledge) => {
                self.acknowledge_again(key, seq);
                Drop::DuplicateAnswered
            }
            Receipt::Duplicate(Again::Reply) => Drop::DuplicateAnswered,
            Receipt::Stale => Drop::Stale,
            Receipt::TooFar => Drop::TooFar,
            Receipt::Busy => Drop::Busy,
        };
        self.counters.drop(cause);
    }

    fn handle(&mut self, now: Now, key: SessionKey, seq: Seq, request: &Request<'_>, hub: &mut Hub) {
        match *request {
            _ if self.is_in_doubt(key, seq, request) => {
                self.refuse(now, key, (request.command(), seq), Refusal::InDoubt, hub);
            }
            Request::KeepAlive(_) => self.on_keepalive(key, seq, hub.online_users()),
            Request::GetRemoteContactList => {
                let domain = self.config.listen.domain.clone();
                let contacts = RemoteContacts { domain: Str(domain.as_bytes()), contacts: List::new(&[]) };
                self.reply(now, key, seq, &Reply::GetRemoteContactList(contacts), hub);
            }
            Request::GetServerList => self.reply_servers(now, key, seq, hub),
            Request::AddFriend(contact) if !self.is_here(contact.domain) => {
                let (uin, domain) = (contact.uin, contact.domain);
                let reply = AddFriendReply { uin, result: Authorization::NOBODY, domain };
                self.reply(now, key, seq, &Reply::AddFriend(reply), hub);
            }
            // Nobody of another domain is on a list of this server.
            Request::DelFriend(contact) if !self.is_here(contact.domain) => self.acknowledge(key, seq),
            // Nor is anybody there whom it knows.
            Request::SearchRandom(SearchRandom { domain })
            | Request::SearchCustom(SearchCustom::Uin(Address { domain, .. }))
                if !self.is_here(domain) =>
            {
                self.reply(now, key, seq, &Reply::Search(List::new(&[])), hub);
            }
            // For the plug-ins of games. In a group that talks they do nothing.
            Request::GroupStart(_) | Request::GroupCommand(_) => self.acknowledge(key, seq),
            _ => match self.question_of(key, request) {
                Ok(Some(ask)) => hub.handle_ask(now, question(key, request.command(), seq), ask),
                Ok(None) => {
                    self.counters.event(Event::Unsupported);
                    self.acknowledge(key, seq);
                }
                Err(refusal) => self.refuse(now, key, (request.command(), seq), refusal, hub),
            },
        }
    }

    /// What a request asks of the hub, if it asks anything.
    fn question_of<'a>(&self, key: SessionKey, request: &Request<'a>) -> Result<Option<Ask<'a>>, Refusal> {
        let Some(session) = self.sessions.get(key) else { return Ok(None) };
        let ask = match *request {
            Request::GetContactList => Ask::Contacts,
            Request::UpdateUser => Ask::Profile(session.uin),
            Request::ChangeStatus(change) => Ask::ChangeStatus(change.status),
            Request::UpdateContact(contact) if self.is_here(contact.domain) => Ask::Profile(contact.uin),
            Request::UpdateContact(_) => return Err(Refusal::OtherDomain),
            Request::AddFriend(contact) => Ask::AddContact(contact.uin),
            Request::DelFriend(contact) => Ask::RemoveContact(contact.uin),
            Request::ModifyUser(change) => self.new_profile(key, &change)?,
            Request::SendMessage(message) => self.new_message(key, &message)?,
            Request::SearchRandom(_) => Ask::Search(Search::Random),
            Request::SearchCustom(SearchCustom::Uin(address)) => Ask::Search(Search::Number(address.uin)),
            Request::SearchCustom(SearchCustom::Words(words)) => {
                Ask::Search(search::from_wire(&words, session.charset))
            }
            Request::BroadcastMessage(BroadcastMessage { kind: MessageKind::TEXT, text }) => {
                Ask::Broadcast(session.charset.decode(message::words(text.0)).into_owned())
            }
            Request::BroadcastMessage(_) => return Err(Refusal::Malformed),
            Request::GetGroupList(list) => Ask::Groups(list.group_type),
            Request::SearchGroup(group) => Ask::Group(group.group),
            Request::CreateGroup(group) => self.new_group(key, &group)?,
            Request::EnterGroup(EnterGroup { group, password: Secret(password) }) => {
                Ask::EnterGroup { group, password: password.into() }
            }
            Request::ExitGroup(group) => Ask::ExitGroup(group.group),
            Request::GroupMessage(said) => self.new_group_text(key, &said)?,
            Request::Typing(Typing { uin: to, is_typing }) if session.has_receipts() => {
                Ask::Typing { to, is_typing: is_typing != 0 }
            }
            Request::Relay(RelayRequest { uin }) if session.has_relays() => Ask::Relay(uin),
            Request::Read(MessageRef { uin: from, id }) if session.has_receipts() => {
                Ask::Read { from, up_to: MessageId(id) }
            }
            _ => return Ok(None),
        };
        Ok(Some(ask))
    }

    /// Whether a domain is this server's own.
    fn is_here(&self, domain: Option<Str<'_>>) -> bool {
        domain.is_none_or(|domain| domain.is_empty() || *domain == *self.config.listen.domain.as_bytes())
    }

    /// COMPAT: the clients of 2003 do not acknowledge this reply, so it is not retained.
    fn on_keepalive(&mut self, key: SessionKey, seq: Seq, online_users: u32) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.link.acknowledge(seq);
        // Where every number must be retained, it has none.
        let own = session.link.take_seq();
        self.push_unretained(key, own, Some(seq), &Reply::KeepAlive(KeepAliveReply { online_users }));
    }

    fn new_profile(&self, key: SessionKey, change: &ModifyUser<'_>) -> Result<Ask<'static>, Refusal> {
        let charset = self.sessions.get(key).map_or(self.config.legacy.charset, |session| session.charset);
        let profile = profile::from_wire(&change.profile, change.auth, charset, &self.config.limits)?;
        let password = match change.password {
            Some(Secret(password)) if password.is_empty() || password.len() > MAX_PASSWORD_LEN => {
                return Err(Refusal::TooLong);
            }
            Some(Secret(password)) => Some(password.into()),
            None => None,
        };
        Ok(Ask::ModifyProfile(Arc::clone(&profile), password))
    }

    /// A message in a form that crashes no client of 2003.
    fn new_message<'a>(&self, key: SessionKey, sent: &SendMessage<'a>) -> Result<Ask<'a>, Refusal> {
        let SendMessage { kind, to, text: Str(text), domain } = *sent;
        let charset = self.sessions.get(key).map_or(self.config.legacy.charset, |session| session.charset);
        if !self.is_here(domain) {
            return Err(Refusal::OtherDomain);
        }
        if kind == MessageKind::ADDED {
            return Err(Refusal::NotAllowed);
        }
        if !profile::is_sayable(text, charset, &self.config.limits) {
            return Err(Refusal::TooLong);
        }
        let text = message::sanitize(kind, text, charset).map_err(|_| Refusal::Malformed)?;
        Ok(Ask::Send { to, kind, text, charset })
    }
}
