//! Users who have been told their number and do not exist yet. One is written when his address is proven, and not before: a forged
//! registration costs a number and some memory, and leaves nobody behind.

use hashbrown::HashMap;
use myicq_wire::Uin;

use super::{Attempt, Effect, Hub, Load, Password, RegistrationRefusal, Waiting};
use crate::store::{Outcome, Work};
use crate::time::Now;

/// Somebody who is to be a user.
#[derive(Debug)]
pub(super) struct Newcomer {
    password: Password,
    /// Whether his address is proven: he is on his way to the disk, and nothing but the disk can stop him.
    is_proven: bool,
}

/// By their numbers. As many as registrations and half-open sessions are remembered.
pub(super) type Newcomers = HashMap<Uin, Newcomer>;

impl Hub {
    /// A number for somebody has been taken, or not.
    pub(super) fn on_reserved(&mut self, attempt: Attempt, password: Password, outcome: &Outcome) {
        self.attempts -= 1;
        let reserved = match *outcome {
            Outcome::Reserved(uin) => Ok((uin, password)),
            _ => Err(RegistrationRefusal::Failed),
        };
        self.effects.push_back(Effect::Registered(attempt, reserved));
    }

    /// Somebody is told that this will be his number, which is one of ours.
    pub fn expect_newcomer(&mut self, uin: Uin, password: Password) {
        self.newcomers.insert(uin, Newcomer { password, is_proven: false });
    }

    /// Whether this is the password of somebody who does not exist yet; `None` when there is no such.
    pub fn is_newcomers_password(&self, uin: Uin, password: &Password) -> Option<bool> {
        let newcomer = self.newcomers.get(&uin)?;
        // Keyed hashes, so that the time tells nothing.
        Some(self.verifiers.verifier(uin, &newcomer.password) == self.verifiers.verifier(uin, password))
    }

    /// The address of somebody is proven: he is written, and [`Effect::Arrived`] says when he is. `false` when nobody of this number is
    /// waited for.
    pub fn handle_newcomer_proven(&mut self, now: Now, uin: Uin) -> bool {
        let Some(newcomer) = self.newcomers.get_mut(&uin) else { return false };
        if !std::mem::replace(&mut newcomer.is_proven, true) {
            self.write_newcomer(now, uin);
        }
        true
    }

    /// Nobody waits for the proof of somebody's address any more. Whether he is forgotten.
    pub fn forget_newcomer(&mut self, uin: Uin) -> bool {
        let is_waiting = self.newcomers.get(&uin).is_some_and(|newcomer| !newcomer.is_proven);
        is_waiting && self.newcomers.remove(&uin).is_some()
    }

    /// Hashes his password first.
    pub(super) fn write_newcomer(&mut self, now: Now, uin: Uin) {
        let Some(password) = self.newcomers.get(&uin).map(|newcomer| newcomer.password.clone()) else { return };
        if self.begin_attempt() {
            self.ask_password(password, None, Waiting::NewcomerHash(uin));
        } else {
            self.load_later(now, None, Load::Newcomer(uin));
        }
    }

    pub(super) fn on_newcomer_hash(&mut self, now: Now, uin: Uin, hash: Option<String>) {
        match hash {
            Some(password_hash) => self.ask_store(Work::CreateUser { uin, password_hash }, Waiting::Newcomer(uin)),
            None => self.on_newcomer_written(now, uin, &Outcome::Failed),
        }
    }

    /// What his client has acknowledged is kept in mind for as long as the disk fails.
    pub(super) fn on_newcomer_written(&mut self, now: Now, uin: Uin, outcome: &Outcome) {
        self.attempts -= 1;
        let is_written = match outcome {
            Outcome::Created(_) => true,
            // The administrator has given his number to another.
            Outcome::NotCreated(_) => false,
            _ => return self.load_later(now, None, Load::Newcomer(uin)),
        };
        self.newcomers.remove(&uin);
        self.effects.push_back(Effect::Arrived(uin, is_written));
    }
}
