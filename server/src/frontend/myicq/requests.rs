//! What clients ask, once their session is open.

use std::sync::Arc;

use myicq_wire::link::{Again, Receipt};
use myicq_wire::{
    AddFriendReply, Authorization, ClientHeader, Command, KeepAliveReply, List, MAX_PASSWORD_LEN, MessageKind,
    MessageRef, ModifyUser, RemoteContacts, Reply, Request, Secret, SendMessage, Seq, Str, Typing, message,
};

use super::{Frontend, profile};
use crate::counters::{Drop, Event};
use crate::hub::{Ask, Hub, Question, Refusal, SessionKey};
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
        let Some(session) = self.sessions.get(key) else { return };
        let (command, uin) = (request.command(), session.uin);
        let ask = match *request {
            Request::KeepAlive(_) => return self.on_keepalive(key, seq, hub.online_users()),
            Request::GetContactList => Ask::Contacts,
            Request::GetRemoteContactList => {
                let domain = self.config.listen.domain.clone();
                let contacts = RemoteContacts { domain: Str(domain.as_bytes()), contacts: List::new(&[]) };
                return self.reply(now, key, seq, &Reply::GetRemoteContactList(contacts), hub);
            }
            Request::UpdateUser => Ask::Profile(uin),
            Request::ChangeStatus(change) => Ask::ChangeStatus(change.status),
            Request::UpdateContact(contact) if self.is_here(contact.domain) => Ask::Profile(contact.uin),
            Request::UpdateContact(_) => return self.refuse(now, key, (command, seq), Refusal::OtherDomain, hub),
            Request::AddFriend(contact) if self.is_here(contact.domain) => Ask::AddContact(contact.uin),
            Request::AddFriend(contact) => {
                let (uin, domain) = (contact.uin, contact.domain);
                let reply = AddFriendReply { uin, result: Authorization::NOBODY, domain };
                return self.reply(now, key, seq, &Reply::AddFriend(reply), hub);
            }
            Request::DelFriend(contact) if self.is_here(contact.domain) => Ask::RemoveContact(contact.uin),
            // Nobody of another domain is on a list of this server.
            Request::DelFriend(_) => return self.acknowledge(key, seq),
            Request::ModifyUser(change) => match self.new_profile(key, &change) {
                Ok(ask) => ask,
                Err(refusal) => return self.refuse(now, key, (command, seq), refusal, hub),
            },
            Request::SendMessage(message) => match self.new_message(key, &message) {
                Ok(ask) => ask,
                Err(refusal) => return self.refuse(now, key, (command, seq), refusal, hub),
            },
            Request::Typing(Typing { uin: to, is_typing }) if session.has_receipts() => {
                Ask::Typing { to, is_typing: is_typing != 0 }
            }
            Request::Read(MessageRef { uin: from, id }) if session.has_receipts() => {
                Ask::Read { from, up_to: MessageId(id) }
            }
            _ => {
                self.counters.event(Event::Unsupported);
                return self.acknowledge(key, seq);
            }
        };
        hub.handle_ask(now, question(key, command, seq), ask);
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
        let fits =
            charset.fits(text, message::MAX_TEXT) && charset.fits(message::words(text), self.config.limits.text_max);
        if !fits {
            return Err(Refusal::TooLong);
        }
        let text = message::sanitize(kind, text, charset).map_err(|_| Refusal::Malformed)?;
        Ok(Ask::Send { to, kind, text, charset })
    }
}
