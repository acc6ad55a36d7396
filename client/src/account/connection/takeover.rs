//! When a session counts as lost, and how the next one takes its place.

use std::collections::VecDeque;
use std::mem;

use myicq_wire::Instant;

use super::{Connection, Down, Output, PathId, Search};
use crate::account::direct::Source;
use crate::account::{Account, Delivery, MAX_EVENTS, Ticket};
use crate::error::{EndReason, LoginRefused, RequestError};
use crate::event::Event;

impl Connection {
    /// Draws the conclusions of what the sessions have come to.
    pub(super) fn settle(&mut self, now: Instant) {
        if self.ended.is_none() {
            self.look_at_next(now);
        }
        if self.ended.is_none() {
            self.look_at_current(now);
        }
        self.collect_answers();
    }

    fn look_at_next(&mut self, now: Instant) {
        let Some(Down { search: Search::LoggingIn(_, next), .. }) = &self.down else { return };
        match next.ended() {
            None if next.is_online() => self.take_over(),
            None => {}
            Some(EndReason::LoginRefused(LoginRefused::WrongPassword)) if self.has_other_password() => {
                self.on_failed_try(now, EndReason::Lost);
            }
            Some(reason) if is_passing(reason) => self.on_failed_try(now, reason),
            Some(reason) => self.finish(reason),
        }
    }

    fn look_at_current(&mut self, now: Instant) {
        self.was_online |= self.account.is_online();
        match self.account.ended() {
            Some(reason) if self.policy.is_none() || !self.was_online || !is_passing(reason) => self.finish(reason),
            Some(reason) => {
                self.leave_current();
                if self.down.is_none() {
                    self.on_lost(now, reason);
                }
            }
            None if self.policy.is_none() || !self.was_online => {}
            None if self.account.is_silent(now) && self.down.is_none() => self.on_lost(now, EndReason::Lost),
            None if !self.account.is_silent(now) && self.down.is_some() => self.on_answer_after_all(),
            None => {}
        }
    }

    /// The session has ended, but not for good: nobody is told, and its way is closed.
    fn leave_current(&mut self) {
        let Some(path) = self.path.take() else { return };
        self.account.events.retain(|delivery| !matches!(delivery.event, Event::Ended { .. }));
        leave(&mut self.outbox, path, &mut self.account);
    }

    pub(super) fn on_lost(&mut self, now: Instant, reason: EndReason) {
        self.down = Some(Down { since: now, tries: 0, search: Search::Waiting(now) });
        self.wait_for_next_try(now, reason);
    }

    pub(super) fn on_failed_try(&mut self, now: Instant, reason: EndReason) {
        self.stop_search();
        if let Some(down) = &mut self.down {
            down.tries = down.tries.saturating_add(1);
        }
        self.wait_for_next_try(now, reason);
    }

    fn wait_for_next_try(&mut self, now: Instant, reason: EndReason) {
        let Some((down, policy)) = self.down.as_mut().zip(self.policy) else { return };
        if policy.give_up_after.is_some_and(|limit| now.since(down.since) >= limit) {
            return self.finish(reason);
        }
        let wait = policy.wait(down.tries, &mut self.random);
        down.search = Search::Waiting(now + wait);
        let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let event = Event::ConnectionLost { reason, retry_in_ms };
        // Who does not look meanwhile needs the last word alone.
        match self.account.events.back_mut() {
            Some(Delivery { event: last @ Event::ConnectionLost { .. }, .. }) => *last = event,
            _ => self.account.tell(event),
        }
    }

    /// The session of now goes on: it was the network that was away.
    fn on_answer_after_all(&mut self) {
        self.stop_search();
        self.down = None;
        self.account.tell(Event::ConnectionResumed { new_session: false });
        self.ask_what_waits();
    }

    /// Ends what was begun to reach the server anew.
    fn stop_search(&mut self) {
        let Some(down) = &mut self.down else { return };
        match mem::replace(&mut down.search, Search::Waiting(down.since)) {
            Search::LoggingIn(path, mut next) => {
                next.log_out();
                leave(&mut self.outbox, path, &mut next);
            }
            // Closed when it has been opened.
            Search::Opening(_) | Search::Waiting(_) => {}
        }
    }

    fn take_over(&mut self) {
        // What it was asked and has not answered is given back.
        self.account.end(EndReason::Lost);
        self.leave_current();
        self.collect_answers();
        if let Some(Down { search: Search::LoggingIn(path, next), .. }) = self.down.take() {
            self.path = Some(path);
            let last = mem::replace(&mut self.account, *next);
            self.account.succeed(last);
        }
        self.ask_what_waits();
    }

    fn ask_what_waits(&mut self) {
        for (id, request) in mem::take(&mut self.waiting) {
            match self.account.request(request.clone()) {
                Ok(inner) => drop(self.asked.insert(inner, (id, request))),
                Err(misuse) => self.answers.push_back((id, Err(misuse.into()))),
            }
        }
    }

    /// Passes on what the session answers. What it leaves unanswered waits for the next one, if asking twice does no harm.
    pub(super) fn collect_answers(&mut self) {
        let is_lost = self.account.ended().is_some() && self.ended.is_none();
        while let Some((inner, answer)) = self.account.poll_answer() {
            let Some((id, request)) = self.asked.remove(&inner) else { continue };
            match &answer {
                Err(RequestError::Ended(_) | RequestError::NotAcknowledged) if is_lost => {
                    if request.is_repeatable() {
                        self.waiting.insert(id, request);
                    } else {
                        self.answers.push_back((id, Err(RequestError::Unknown)));
                    }
                    continue;
                }
                Ok(_) => request.change(&mut self.config),
                Err(_) => {}
            }
            self.answers.push_back((id, answer));
        }
    }

    /// The password was to be changed when the session was lost, and it is not known whether it was: now it is.
    fn has_other_password(&mut self) -> bool {
        let mut changed = self.config.clone();
        self.waiting.values().for_each(|request| request.change(&mut changed));
        let is_other = changed.password != self.config.password;
        self.config.password = changed.password;
        is_other
    }

    pub(super) fn finish(&mut self, reason: EndReason) {
        if self.ended.is_some() {
            return;
        }
        self.stop_search();
        (self.ended, self.down) = (Some(reason), None);
        if self.path.is_some() {
            self.account.end(reason);
        } else {
            self.account.tell(Event::Ended { reason });
        }
        self.collect_answers();
        let unanswered = mem::take(&mut self.waiting).into_keys();
        self.answers.extend(unanswered.map(|id| (id, Err(RequestError::Ended(reason)))));
    }
}

/// Whether a later try may succeed where this one has not.
fn is_passing(reason: EndReason) -> bool {
    matches!(reason, EndReason::Lost | EndReason::TimedOut | EndReason::Unreachable)
}

/// The LOGOUT of a session goes out, and its way is closed.
fn leave(outbox: &mut VecDeque<Output>, path: PathId, account: &mut Account) {
    outbox.extend(account.outbox.drain(..).map(|datagram| Output::Transmit(path, datagram)));
    outbox.push_back(Output::Close(path));
}

impl Account {
    /// Goes on where the last session of the user ended.
    fn succeed(&mut self, last: Self) {
        self.seen = last.seen;
        // Their readers have them still. They come again in this session, and are not shown again.
        self.handed = last.handed.into_keys().map(|id| (id, None)).collect();
        self.unconfirmed = last.unconfirmed;
        self.unconfirmed.values_mut().for_each(|others| others.retain(|other| matches!(other, Source::Direct(_))));
        self.confirmations = last.confirmations;
        let first = mem::replace(&mut self.events, last.events);
        // What nobody has taken of the messages comes again from the server.
        let (events, unconfirmed) = (&mut self.events, &mut self.unconfirmed);
        events.retain(|delivery| match delivery.ticket {
            Some(Ticket { source: Source::Server(_), token, .. }) => {
                token.into_iter().for_each(|token| drop(unconfirmed.remove(&token)));
                false
            }
            _ => true,
        });
        let too_many = self.events.len().saturating_sub(MAX_EVENTS);
        self.events.drain(..too_many);
        self.tell(Event::ConnectionResumed { new_session: true });
        self.events.extend(first);
    }
}
