//! Messages that come by another way than the server: directly from another client.

use myicq_wire::peer::MessageToken;
use myicq_wire::{MessageKind, Seq, Uin};

use super::{Account, Delivery, MAX_EVENTS, Ticket};
use crate::account::request::LEGACY;
use crate::event::Event;
use crate::message::Message;
use crate::peer::ConnectionId;

/// Where a direct message is to be acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DirectId {
    /// By which connection it came.
    pub connection: ConnectionId,
    /// Its id there.
    pub message: u32,
}

/// By which way a message came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Source {
    Server(Seq),
    Direct(DirectId),
}

/// As what a token is remembered among the numbers of messages: those are microseconds since 1970, and have no bit so high.
pub(super) fn token_key(token: MessageToken) -> u64 {
    token.0 | 1 << 63
}

impl Account {
    /// Takes a message that `from` said directly. It is shown once, also if its sender, not knowing whether it has come, sends it through
    /// the server as well. [`Account::poll_confirmation`] says when it is to be acknowledged; one that cannot be taken now never is, and
    /// comes through the server.
    pub fn handle_direct(&mut self, at: DirectId, from: Uin, kind: MessageKind, time: u32, text: &[u8]) {
        if self.ended().is_some() || self.events.len() >= MAX_EVENTS || self.unconfirmed.len() >= MAX_EVENTS {
            return;
        }
        let source = Source::Direct(at);
        let token = MessageToken::find(kind, text).map(token_key);
        if token.is_some_and(|token| self.is_shown_already(token, source)) {
            return;
        }
        let message = Message::decode(kind, text, LEGACY);
        let event = Event::Message { from, domain: None, time, id: None, is_direct: true, message };
        self.events
            .push_back(Delivery { event, ticket: Some(Ticket { session: self.session, source, id: None, token }) });
    }

    /// Whether the message of this token was shown, or lies ready to be. Then `source` is acknowledged now, or with it.
    pub(super) fn is_shown_already(&mut self, token: u64, source: Source) -> bool {
        if let Some(others) = self.unconfirmed.get_mut(&token) {
            others.push(source);
            return true;
        }
        if self.seen.contains(token) {
            self.confirm_source(source);
            return true;
        }
        self.unconfirmed.insert(token, Vec::new());
        false
    }

    pub(super) fn confirm_source(&mut self, source: Source) {
        match source {
            Source::Server(seq) if self.is_online() => {
                self.link.acknowledge(seq);
                self.acknowledge(seq);
            }
            Source::Server(_) => {}
            Source::Direct(at) => self.confirmations.push_back(at),
        }
    }

    /// The next direct message that has reached its reader, to be acknowledged where it came from.
    pub fn poll_confirmation(&mut self) -> Option<DirectId> {
        self.confirmations.pop_front()
    }
}
