//! Two lanes to the disk: reads do not wait for the commits of what they do not touch.
//!
//! What changes something goes through the writing lane, in the order in which it came. So does a read of something that is
//! touched there by a request without an answer; any other read goes through the reading lane, at once. A write of what is
//! still being read waits until that has been answered, and all that came behind it in the writing lane waits with it.
//!
//! So the requests that touch one mailbox, one contact list or one account are done and answered in the order in which they
//! came, each on what the earlier ones left. Nothing is promised between two of them: somebody's new password may be found before a
//! message that was stored earlier. A user who is being made exists for others once that is answered; before, nobody knows
//! his number.

use std::collections::{HashMap, VecDeque};

use super::Request;
use super::order::{Thing, Touch};

/// Requests in one commit at most. A thousand messages are some 300 KB in the log of the database, and one wait for the disk.
pub(super) const BATCH_MAX: usize = 1024;

/// Reads that are done together at most. Some milliseconds for the longest contact lists: a login behind them waits no longer.
pub(super) const READS_MAX: usize = 256;

/// Requests on their way to the disk. Has no limit of its own: what a shard may have under way is limited.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    writing: Lane,
    reading: Lane,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Request>,
    /// What those under way touch.
    under_way: Vec<Thing>,
    /// How many in the queue and under way touch it.
    touched: HashMap<Thing, usize>,
}

impl Lanes {
    pub(super) fn handle_request(&mut self, request: Request) {
        match Touch::of(&request.work) {
            Touch::Reads(thing) if !self.writing.touched.contains_key(&thing) => {
                self.reading.push(request, Some(thing));
            }
            Touch::Reads(thing) | Touch::Writes(thing, _) => self.writing.push(request, Some(thing)),
            Touch::ReadsAny => self.reading.push(request, None),
            Touch::Alone => self.writing.push(request, None),
        }
    }

    /// What the next commit is of, once the last one has been answered. Empty when there is nothing that may go.
    pub(super) fn poll_writes(&mut self) -> Vec<Request> {
        let Self { writing, reading } = self;
        writing.start(BATCH_MAX, |thing| !reading.touched.contains_key(&thing))
    }

    /// What is to be read next, once the last reads have been answered.
    pub(super) fn poll_reads(&mut self) -> Vec<Request> {
        self.reading.start(READS_MAX, |_| true)
    }

    /// The commit has been answered.
    pub(super) fn handle_written(&mut self) {
        self.writing.finish();
    }

    /// The reads have been answered.
    pub(super) fn handle_read(&mut self) {
        self.reading.finish();
    }
}

impl Lane {
    fn push(&mut self, request: Request, thing: Option<Thing>) {
        if let Some(thing) = thing {
            *self.touched.entry(thing).or_default() += 1;
        }
        self.queue.push_back(request);
    }

    /// The first of the queue, up to `max` and to one that may not go yet.
    fn start(&mut self, max: usize, may_go: impl Fn(Thing) -> bool) -> Vec<Request> {
        let mut ready = 0;
        for request in self.queue.iter().take(max) {
            if let Touch::Reads(thing) | Touch::Writes(thing, _) = Touch::of(&request.work) {
                if !may_go(thing) {
                    break;
                }
                self.under_way.push(thing);
            }
            ready += 1;
        }
        self.queue.drain(..ready).collect()
    }

    fn finish(&mut self) {
        for thing in self.under_way.drain(..) {
            if let Some(count) = self.touched.get_mut(&thing) {
                *count -= 1;
                if *count == 0 {
                    self.touched.remove(&thing);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use myicq_wire::Uin;

    use super::*;
    use crate::store::{MessageId, Profile, Ticket, Work};

    const ANN: Uin = Uin(1);
    const BOB: Uin = Uin(2);

    fn delete(recipient: Uin) -> Work {
        Work::DeleteMessage { recipient, id: MessageId(1) }
    }

    fn messages(recipient: Uin) -> Work {
        Work::LoadMessages { recipient, after: MessageId(0), limit: 9 }
    }

    fn contacts(uin: Uin) -> Work {
        Work::LoadContacts { uin }
    }

    fn save(uin: Uin) -> Work {
        Work::SaveProfile { uin, profile: Arc::new(Profile::default()), password_hash: None }
    }

    /// Takes requests, numbered by rising tickets.
    fn push(lanes: &mut Lanes, ticket: &mut u64, work: Work) -> u64 {
        *ticket += 1;
        lanes.handle_request(Request { ticket: Ticket(*ticket), work });
        *ticket
    }

    fn tickets(batch: Vec<Request>) -> Vec<u64> {
        batch.into_iter().map(|request| request.ticket.0).collect()
    }

    #[test]
    fn reads_pass_the_commits_of_others() {
        let (mut lanes, mut ticket) = (Lanes::default(), 0);
        push(&mut lanes, &mut ticket, delete(BOB));
        push(&mut lanes, &mut ticket, save(BOB));
        assert_eq!(tickets(lanes.poll_writes()), [1, 2]);
        push(&mut lanes, &mut ticket, messages(ANN));
        push(&mut lanes, &mut ticket, Work::LoadAccount { uin: ANN });
        push(&mut lanes, &mut ticket, contacts(BOB));
        assert_eq!(tickets(lanes.poll_reads()), [3, 4, 5]);
        assert_eq!(tickets(lanes.poll_writes()), [0; 0]);
    }

    #[test]
    fn a_read_waits_for_what_was_written_before_it() {
        let (mut lanes, mut ticket) = (Lanes::default(), 0);
        push(&mut lanes, &mut ticket, delete(ANN));
        assert_eq!(tickets(lanes.poll_writes()), [1]);
        push(&mut lanes, &mut ticket, messages(ANN));
        push(&mut lanes, &mut ticket, messages(BOB));
        assert_eq!(tickets(lanes.poll_reads()), [3]);
        lanes.handle_written();
        assert_eq!(tickets(lanes.poll_writes()), [2]);
        push(&mut lanes, &mut ticket, messages(ANN));
        assert_eq!(tickets(lanes.poll_reads()), [0; 0], "nor does it overtake an earlier read");
        lanes.handle_written();
        assert_eq!(tickets(lanes.poll_writes()), [4]);
        lanes.handle_written();
        push(&mut lanes, &mut ticket, messages(ANN));
        assert_eq!(tickets(lanes.poll_reads()), [5]);
    }

    #[test]
    fn a_write_waits_for_what_was_read_before_it() {
        let (mut lanes, mut ticket) = (Lanes::default(), 0);
        push(&mut lanes, &mut ticket, contacts(ANN));
        let remove = |owner| Work::RemoveContact { owner, contact: Uin(9) };
        push(&mut lanes, &mut ticket, remove(BOB));
        push(&mut lanes, &mut ticket, remove(ANN));
        push(&mut lanes, &mut ticket, remove(BOB));
        assert_eq!(tickets(lanes.poll_writes()), [2]);
        lanes.handle_written();
        assert_eq!(tickets(lanes.poll_writes()), [0; 0], "also while the read is only waiting");
        assert_eq!(tickets(lanes.poll_reads()), [1]);
        assert_eq!(tickets(lanes.poll_writes()), [0; 0]);
        lanes.handle_read();
        assert_eq!(tickets(lanes.poll_writes()), [3, 4]);
    }

    #[test]
    fn batches_end_at_their_maximum() {
        let (mut lanes, mut ticket) = (Lanes::default(), 0);
        for _ in 0..=BATCH_MAX {
            push(&mut lanes, &mut ticket, delete(ANN));
        }
        for _ in 0..=READS_MAX {
            push(&mut lanes, &mut ticket, contacts(ANN));
        }
        assert_eq!((lanes.poll_writes().len(), lanes.poll_reads().len()), (BATCH_MAX, READS_MAX));
        lanes.handle_written();
        lanes.handle_read();
        assert_eq!((lanes.poll_writes().len(), lanes.poll_reads().len()), (1, 1));
        lanes.handle_written();
        lanes.handle_read();
        assert!(lanes.writing.touched.is_empty() && lanes.reading.touched.is_empty());
    }
}
