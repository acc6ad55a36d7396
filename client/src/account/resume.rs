//! A session that outlives a restart of the server (docs/protocol.md, "When the server starts again").

use myicq_wire::{MAX_DATAGRAM, Resume, ResumeReply, Seq, encode_request};

use super::{Account, MAX_EVENTS, MAX_OUTBOX, State};
use crate::event::Event;

/// A start of the server, and what was said to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Resumed {
    start: u64,
    newest: Seq,
}

impl Account {
    /// The server has started again, and asks where the session stands. It asks until it has the answer.
    pub(super) fn on_restart(&mut self, resume: &ResumeReply) {
        let (Some(first), true, State::Online) = (Seq::new(resume.first), self.is_exactly_once(), self.state) else {
            return;
        };
        match self.resumed {
            Some(Resumed { start, newest }) if start == resume.start => self.answer_restart(start, newest),
            // It has been under way since before the last start.
            Some(Resumed { start, .. }) if start > resume.start => self.stats.refused += 1,
            _ => {
                if self.events.len() >= MAX_EVENTS || !self.link.follow(&mut self.retained, first) {
                    self.stats.refused += 1;
                    return;
                }
                let newest = self.link.unsent_seq(&self.retained).previous();
                self.resumed = Some(Resumed { start: resume.start, newest });
                self.tell(Event::ServerRestarted);
                self.answer_restart(resume.start, newest);
            }
        }
    }

    fn answer_restart(&mut self, start: u64, newest: Seq) {
        if self.outbox.len() >= MAX_OUTBOX {
            return;
        }
        let oldest = self.link.oldest_seq(&self.retained).number();
        let resume = Resume { start, oldest, newest: newest.number(), status: self.config.status };
        let mut datagram = vec![0; MAX_DATAGRAM];
        let check = Some(self.random.byte());
        let (envelope, request) = (self.envelope(None), myicq_wire::Request::Resume(resume));
        if let Ok(len) = encode_request(&envelope, &request, check, Some(self.sealing()), &mut datagram) {
            datagram.truncate(len);
            self.outbox.push_back(datagram);
        }
    }
}
