//! What becomes of each datagram of one user, for an administrator who looks on. Nobody does, usually, and then it costs one comparison.

use std::collections::VecDeque;
use std::net::SocketAddr;

use myicq_wire::{ClientHeader, Command, Seq, ServerHeader, Uin};

use super::Frontend;
use crate::counters::{Event, Fate};
use crate::hub::Refusal;

/// What waits to be taken out. What comes then is counted and left out.
const TRACE_MAX: usize = 1_024;

/// Something that happened to a user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TraceEvent {
    /// A datagram came in his name.
    Received {
        /// From where.
        from: SocketAddr,
        /// The number of its command.
        command: u16,
        /// Its own number.
        seq: Option<Seq>,
        /// Bytes of all of it.
        len: usize,
        /// What became of it.
        fate: Fate,
    },
    /// A datagram went to him, for the first time or again.
    Sent {
        /// To where.
        to: SocketAddr,
        /// The number of its command.
        command: u16,
        /// Its own number.
        seq: Option<Seq>,
        /// Which of his it acknowledges.
        answers: Option<Seq>,
        /// Bytes of all of it.
        len: usize,
    },
    /// A request of his was refused.
    Refused {
        /// Which.
        command: Command,
        /// Its number.
        seq: Seq,
        /// Why.
        refusal: Refusal,
    },
    /// A session of his ended, or a datagram to him was given up.
    Event(Event),
    /// So many more happened, faster than they were taken.
    Lost(u64),
}

/// Who is looked at, and what has been seen.
#[derive(Debug, Default)]
pub(super) struct Trace {
    whom: Option<Uin>,
    seen: VecDeque<TraceEvent>,
    lost: u64,
}

impl Trace {
    pub(super) fn is_of(&self, uin: Uin) -> bool {
        self.whom == Some(uin)
    }

    pub(super) fn push(&mut self, event: TraceEvent) {
        if self.seen.len() < TRACE_MAX {
            self.seen.push_back(event);
        } else {
            self.lost += 1;
        }
    }

    pub(super) fn received(&mut self, from: SocketAddr, header: &ClientHeader, len: usize, fate: Fate) {
        if self.is_of(header.uin) {
            self.push(TraceEvent::Received { from, command: header.command, seq: header.seq, len, fate });
        }
    }

    pub(super) fn sent(&mut self, to: SocketAddr, datagram: &[u8]) {
        if self.whom.is_some()
            && let Ok((header, _)) = ServerHeader::decode(datagram)
            && self.is_of(header.uin)
        {
            let ServerHeader { command, seq, ackseq, .. } = header;
            self.push(TraceEvent::Sent { to, command, seq, answers: ackseq, len: datagram.len() });
        }
    }

    pub(super) fn event(&mut self, uin: Uin, event: Event) {
        if self.is_of(uin) {
            self.push(TraceEvent::Event(event));
        }
    }
}

impl Frontend {
    /// From here on, what becomes of this user's datagrams comes out of [`Frontend::poll_trace`]; of nobody's, for `None`.
    pub fn set_trace(&mut self, whom: Option<Uin>) {
        self.trace = Trace { whom, ..Trace::default() };
    }

    /// What has happened, in order.
    pub fn poll_trace(&mut self) -> Option<TraceEvent> {
        let next = self.trace.seen.pop_front();
        next.or_else(|| Some(std::mem::take(&mut self.trace.lost)).filter(|lost| *lost > 0).map(TraceEvent::Lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_taken_in_time_is_counted() {
        let mut trace = Trace { whom: Some(Uin(7)), ..Trace::default() };
        trace.event(Uin(8), Event::Expired);
        assert!(trace.seen.is_empty());
        (0..TRACE_MAX).for_each(|_| trace.event(Uin(7), Event::Expired));
        assert_eq!((trace.seen.len(), trace.lost), (TRACE_MAX, 0));
        trace.event(Uin(7), Event::Expired);
        assert_eq!((trace.seen.len(), trace.lost), (TRACE_MAX, 1));
    }
}
