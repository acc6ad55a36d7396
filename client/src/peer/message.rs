//! A message session: HELLO, then messages and their acknowledgements in both directions.

use std::collections::VecDeque;

use myicq_wire::peer::{Hello, MAX_PEER_FRAME, PeerMessage, frames};
use myicq_wire::tunnel::{Framer, PREFIX_LEN};
use myicq_wire::{Instant, MessageKind, Str, Uin};

use super::{Identity, LetterId, PeerEnd, PeerTimeouts};

/// How many messages may wait for the other side's acknowledgement.
pub const MAX_UNACKNOWLEDGED: usize = 32;

/// How many messages of the other side may wait to be confirmed here: twice what one of us lets wait.
pub const MAX_UNCONFIRMED: usize = 64;

/// Bytes that may wait to be written.
const MAX_OUTPUT: usize = 256 * 1024;

/// The id of the first message of each side; they count down from there.
const FIRST_ID: u32 = 0xFFFF_FFFE;

/// What a message session tells its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MessageEvent {
    /// The other side has said who it is, and may be.
    Hello(Uin),
    /// A message came, to be [confirmed](MessageSession::confirm).
    Message {
        /// Its id in this session.
        id: u32,
        /// Its kind.
        kind: MessageKind,
        /// When it was sent, as its sender says: Unix seconds, UTC.
        time: u32,
        /// Its text.
        text: Vec<u8>,
    },
    /// A message has reached the other side's program.
    Acknowledged(LetterId),
}

/// Who is at the other end.
#[derive(Debug)]
enum Other {
    Known(Uin),
    /// One of these, as his HELLO will say, until then.
    OneOf {
        allowed: Vec<Uin>,
        until: Instant,
    },
}

/// A message that was sent and is not acknowledged.
#[derive(Debug)]
struct Sent {
    id: u32,
    letter: LetterId,
    until: Instant,
}

/// One connection with another client, for messages.
#[derive(Debug)]
pub struct MessageSession {
    me: Identity,
    other: Other,
    timeouts: PeerTimeouts,
    framer: Framer,
    output: Vec<u8>,
    events: VecDeque<MessageEvent>,
    next_id: u32,
    sent: VecDeque<Sent>,
    unconfirmed: VecDeque<u32>,
    frame_by: Option<Instant>,
    idle_at: Instant,
    ended: Option<PeerEnd>,
}

impl MessageSession {
    /// Connected to `other`: the HELLO is ready to be sent.
    pub fn connected(now: Instant, me: Identity, other: Uin, timeouts: PeerTimeouts) -> Self {
        let mut session = Self::new(now, me, Other::Known(other), timeouts);
        let domain = session.me.domain.clone();
        session.write(&PeerMessage::Hello(Hello { is_sender: true, domain: Some(Str(&domain)), extensions: 0 }));
        session
    }

    /// Somebody has connected, from an address where the server says that these are.
    pub fn accepted(now: Instant, me: Identity, allowed: Vec<Uin>, timeouts: PeerTimeouts) -> Self {
        Self::new(now, me, Other::OneOf { allowed, until: now + timeouts.hello }, timeouts)
    }

    fn new(now: Instant, me: Identity, other: Other, timeouts: PeerTimeouts) -> Self {
        Self {
            me,
            other,
            timeouts,
            framer: frames(),
            output: Vec::new(),
            events: VecDeque::new(),
            next_id: FIRST_ID,
            sent: VecDeque::new(),
            unconfirmed: VecDeque::new(),
            frame_by: None,
            idle_at: now + timeouts.idle,
            ended: None,
        }
    }

    /// Takes bytes from the stream.
    pub fn handle_input(&mut self, now: Instant, mut input: &[u8]) {
        // Taken out while a frame of it is looked at.
        let mut framer = std::mem::replace(&mut self.framer, frames());
        let mut frame_by = self.frame_by;
        while self.ended.is_none() {
            match framer.next_frame(&mut input) {
                Ok(Some(frame)) => {
                    (self.idle_at, frame_by) = (now + self.timeouts.idle, None);
                    self.on_frame(frame);
                }
                Ok(None) => break,
                Err(_) => self.end(PeerEnd::Malformed),
            }
        }
        self.frame_by = framer.is_within_frame().then(|| frame_by.unwrap_or(now + self.timeouts.frame));
        self.framer = framer;
    }

    fn on_frame(&mut self, frame: &[u8]) {
        let Ok((header, packet)) = PeerMessage::decode(frame) else { return self.end(PeerEnd::Malformed) };
        match (&self.other, &packet) {
            (Other::OneOf { allowed, .. }, PeerMessage::Hello(_)) => {
                if !allowed.contains(&header.uin) {
                    return self.end(PeerEnd::Stranger);
                }
                self.other = Other::Known(header.uin);
                self.events.push_back(MessageEvent::Hello(header.uin));
            }
            (Other::OneOf { .. }, _) => self.end(PeerEnd::NoHello),
            (Other::Known(uin), _) if *uin != header.uin => self.end(PeerEnd::Contradiction),
            (Other::Known(_), PeerMessage::Hello(_)) => self.end(PeerEnd::Contradiction),
            (Other::Known(_), PeerMessage::Message { id, kind, time, text }) => {
                self.on_message(*id, *kind, *time, text.to_vec());
            }
            (Other::Known(_), PeerMessage::MessageAck { id }) => {
                // An acknowledgement of what was never sent, or twice, changes nothing.
                if let Some(at) = self.sent.iter().position(|sent| sent.id == *id) {
                    self.events.extend(self.sent.remove(at).map(|sent| MessageEvent::Acknowledged(sent.letter)));
                }
            }
            (Other::Known(_), _) => self.end(PeerEnd::Malformed),
        }
    }

    fn on_message(&mut self, id: u32, kind: MessageKind, time: u32, text: Vec<u8>) {
        if !may_come_directly(kind) {
            // Not acknowledged, so it comes through the server, where it has its effect, or has none.
            return;
        }
        if self.unconfirmed.len() >= MAX_UNCONFIRMED {
            return self.end(PeerEnd::TooMuch);
        }
        self.unconfirmed.push_back(id);
        self.events.push_back(MessageEvent::Message { id, kind, time, text });
    }

    /// Whether one more message may be sent.
    pub fn has_room(&self) -> bool {
        self.ended.is_none() && self.sent.len() < MAX_UNACKNOWLEDGED && matches!(self.other, Other::Known(_))
    }

    /// Sends a message. `false` if there is no room for it, or its text is too long for a frame: then nothing was sent.
    pub fn send(&mut self, now: Instant, letter: LetterId, kind: MessageKind, time: u32, text: &[u8]) -> bool {
        let id = self.next_id;
        if !self.has_room() || !self.write(&PeerMessage::Message { id, kind, time, text: Str(text) }) {
            return false;
        }
        self.next_id = self.next_id.wrapping_sub(1);
        self.idle_at = now + self.timeouts.idle;
        self.sent.push_back(Sent { id, letter, until: now + self.timeouts.acknowledgement });
        true
    }

    /// Acknowledges a message that has reached its reader.
    pub fn confirm(&mut self, id: u32) {
        if let Some(at) = self.unconfirmed.iter().position(|unconfirmed| *unconfirmed == id) {
            self.unconfirmed.remove(at);
            self.write(&PeerMessage::MessageAck { id });
        }
    }

    fn write(&mut self, packet: &PeerMessage<'_>) -> bool {
        let mut buffer = [0; PREFIX_LEN + MAX_PEER_FRAME];
        let Ok(len) = packet.encode(self.me.uin, self.me.face, &mut buffer) else { return false };
        if self.output.len() + len > MAX_OUTPUT {
            self.end(PeerEnd::Slow);
            return false;
        }
        self.output.extend_from_slice(buffer.get(..len).unwrap_or_default());
        true
    }

    /// What is to be written to the stream.
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// So many bytes of the [output](MessageSession::output) have been written.
    pub fn on_written(&mut self, len: usize) {
        self.output.drain(..len.min(self.output.len()));
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<MessageEvent> {
        self.events.pop_front()
    }

    /// Ends the session if a deadline has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let passed = |at: Instant| at <= now;
        if matches!(self.other, Other::OneOf { until, .. } if passed(until)) {
            self.end(PeerEnd::NoHello);
        } else if self.frame_by.is_some_and(passed) {
            self.end(PeerEnd::Slow);
        } else if self.sent.front().is_some_and(|sent| passed(sent.until)) {
            self.end(PeerEnd::Unacknowledged);
        } else if passed(self.idle_at) {
            self.end(PeerEnd::Idle);
        }
    }

    /// When to call [`MessageSession::handle_timeout`], if nothing comes before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let hello = if let Other::OneOf { until, .. } = self.other { Some(until) } else { None };
        let deadlines = [hello, self.frame_by, self.sent.front().map(|sent| sent.until), Some(self.idle_at)];
        deadlines.into_iter().flatten().min().filter(|_| self.ended.is_none())
    }

    /// The stream has ended.
    pub fn handle_closed(&mut self) {
        self.end(PeerEnd::Cut);
    }

    /// Ends the session on this side's wish.
    pub fn close(&mut self) {
        self.end(PeerEnd::Left);
    }

    fn end(&mut self, reason: PeerEnd) {
        self.ended.get_or_insert(reason);
    }

    /// Why the session has ended, if it has: the stream is to be closed, and what was not acknowledged goes through the server.
    pub fn ended(&self) -> Option<PeerEnd> {
        self.ended
    }

    /// Who is at the other end, once that is known.
    pub fn other(&self) -> Option<Uin> {
        if let Other::Known(uin) = self.other { Some(uin) } else { None }
    }
}

/// Authorizations and their requests have an effect on the server, so one that came by another way would only look like one.
fn may_come_directly(kind: MessageKind) -> bool {
    matches!(
        kind,
        MessageKind::TEXT
            | MessageKind::AUTO_REPLY
            | MessageKind::TCP_REQUEST
            | MessageKind::TCP_ACCEPTED
            | MessageKind::TCP_REJECTED
    )
}
