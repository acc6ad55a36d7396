//! What every load begins with: users, their lists, and sessions.

use std::collections::HashMap;

use anyhow::bail;
use myicq_client::account::{Answer, Request};
use myicq_client::{EndReason, Event};
use myicq_wire::{Authorization, Uin};

use super::crowd::Crowd;
use super::figures::Latency;
use super::member::Notice;

/// Registrations and logins under way at the same time: half of what a server of this project hashes passwords for by default.
pub(super) const LOGINS_AT_ONCE: usize = 128;

/// Requests under way at the same time, all users together.
const ASKS_AT_ONCE: usize = 128;

/// Users who go between two pauses. Nobody acknowledges a LOGOUT, so nothing else keeps them from flooding the server.
const LEAVE_AT_ONCE: usize = 64;

/// The pause between two such groups.
const LEAVE_PAUSE: std::time::Duration = std::time::Duration::from_millis(1);

/// Makes a user of every member.
pub(super) fn register_all(crowd: &mut Crowd, count: usize) -> anyhow::Result<Vec<Uin>> {
    let mut begun = count.min(LOGINS_AT_ONCE);
    for member in 0..begun {
        crowd.register(member)?;
    }
    let mut made = 0;
    let is_done = crowd.run_until_done(|crowd, _, notice| {
        if let Notice::Registered(outcome) = notice {
            outcome?;
            made += 1;
            if begun < count {
                crowd.register(begun)?;
                begun += 1;
            }
        }
        Ok(made == count)
    })?;
    if !is_done {
        bail!("{made} of {count} users were registered, then nothing came any more");
    }
    Ok((0..count).map(|member| crowd.uin(member)).collect())
}

/// Opens a session of each of these members, a limited number at a time. What else happens meanwhile goes to `other`.
pub(super) fn log_in_all(
    crowd: &mut Crowd,
    mut members: impl ExactSizeIterator<Item = usize>,
    mut other: impl FnMut(&mut Crowd, usize, Notice) -> anyhow::Result<()>,
) -> anyhow::Result<Latency> {
    let (count, mut open, mut latency, mut begun) = (members.len(), 0, Latency::new(), HashMap::new());
    if count == 0 {
        return Ok(latency);
    }
    for member in members.by_ref().take(LOGINS_AT_ONCE) {
        begun.insert(member, crowd.now());
        crowd.log_in(member)?;
    }
    let is_done = crowd.run_until_done(|crowd, member, notice| {
        match notice {
            Notice::Event(Event::LoggedIn { .. }) => {
                begun.remove(&member).into_iter().for_each(|at| latency.record(crowd.now().since(at)));
                open += 1;
                if let Some(next) = members.next() {
                    begun.insert(next, crowd.now());
                    crowd.log_in(next)?;
                }
            }
            Notice::Event(Event::Ended { reason }) if reason != EndReason::LoggedOut && begun.contains_key(&member) => {
                bail!("user {} could not log in: {reason}", crowd.uin(member));
            }
            notice => other(crowd, member, notice)?,
        }
        Ok(open == count)
    })?;
    if !is_done {
        bail!("{open} of {count} users logged in, then nothing came any more");
    }
    Ok(latency)
}

/// Ends the sessions of all members.
pub(super) fn log_out_all(crowd: &mut Crowd, count: usize) -> anyhow::Result<()> {
    for member in 0..count {
        crowd.log_out(member)?;
        if (member + 1) % LEAVE_AT_ONCE == 0 {
            crowd.run_until(crowd.now() + LEAVE_PAUSE, |_, _, _| Ok(()))?;
        }
    }
    // The last words of those who go are of no interest to what comes next.
    crowd.run_until(crowd.now() + LEAVE_PAUSE, |_, _, _| Ok(()))
}

/// Puts each second on the list of the member before him. All of them must be logged in.
pub(super) fn add_contacts(
    crowd: &mut Crowd,
    count: usize,
    pairs: impl Iterator<Item = (usize, usize)>,
) -> anyhow::Result<()> {
    ask_all(crowd, count, pairs, |crowd, contact| Ok(Request::add(crowd.uin(contact))?))
}

/// Waits until the server has looked for messages that these members have missed. It does so at their login, and what is said to them
/// before goes by way of the disk, for as long as the talk has no pause. The store answers in order, so an answer of it shows.
pub(super) fn settle(crowd: &mut Crowd, members: impl ExactSizeIterator<Item = usize>) -> anyhow::Result<()> {
    ask_all(crowd, members.len(), members.map(|member| (member, ())), |_, ()| Ok(Request::own_profile()))
}

/// Lets members ask something of the server, a limited number at a time, and waits for all the answers.
fn ask_all<T>(
    crowd: &mut Crowd,
    count: usize,
    mut asks: impl Iterator<Item = (usize, T)>,
    request: impl Fn(&Crowd, T) -> anyhow::Result<Request>,
) -> anyhow::Result<()> {
    let mut ask_next = |crowd: &mut Crowd| -> anyhow::Result<()> {
        if let Some((member, what)) = asks.next() {
            crowd.ask(member, request(crowd, what)?)?;
        }
        Ok(())
    };
    for _ in 0..ASKS_AT_ONCE.min(count) {
        ask_next(crowd)?;
    }
    let mut answered = 0;
    let is_done = count == 0
        || crowd.run_until_done(|crowd, member, notice| {
            match notice {
                Notice::Answer(_, Err(error)) => bail!("user {} got no answer: {error}", crowd.uin(member)),
                Notice::Answer(_, Ok(Answer::Added(result))) if result != Authorization::ANYONE => {
                    bail!("user {} could not add a contact: {result:?}", crowd.uin(member));
                }
                Notice::Answer(..) => {
                    answered += 1;
                    ask_next(crowd)?;
                }
                _ => {}
            }
            Ok(answered == count)
        })?;
    if !is_done {
        bail!("{answered} of {count} requests were answered, then nothing came any more");
    }
    Ok(())
}
