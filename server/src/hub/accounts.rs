//! Registering and logging in, up to the point where there is a session.

use std::net::IpAddr;

use myicq_wire::Uin;

use super::{Answer, Attempt, Effect, Hub, LoginRefusal, Password, Refusal, RegistrationRefusal, Waiting};
use crate::store::{Outcome, Ticket, Work};
use crate::time::Now;

/// A password to be hashed or compared, away from the hub's thread: both take tens of milliseconds.
#[derive(Debug)]
pub struct PasswordJob {
    /// Comes back with the result.
    pub ticket: Ticket,
    /// The password.
    pub password: Password,
    /// With what to compare it: a PHC string. `None`: make a new hash.
    pub hash: Option<String>,
}

/// What came of a [`PasswordJob`].
#[derive(Debug)]
pub struct PasswordResult {
    /// The job's.
    pub ticket: Ticket,
    /// What came of it.
    pub outcome: PasswordOutcome,
}

/// What can come of it.
#[derive(Debug)]
pub enum PasswordOutcome {
    /// A new hash: a PHC string.
    Hash(String),
    /// Whether the password fits the hash.
    Fits(bool),
    /// Neither: there was not enough memory.
    Failed,
}

/// How far a login has come.
#[derive(Debug)]
pub(super) enum LoginStep {
    /// The account is being loaded.
    Account { uin: Uin, password: Password },
    /// The password is being compared, with a hash that nobody has if there is no such user: both refusals take as long.
    Password { known: bool },
}

impl Hub {
    /// Somebody wants to log in: [`Effect::LoggedIn`]. Opens no session yet. A password that is known to be right is answered at once,
    /// however many others wait.
    pub fn handle_login(&mut self, now: Now, attempt: Attempt, uin: Uin, ip: IpAddr, password: Password) {
        let limits = &self.config.limits;
        let verifier = self.verifiers.verifier(uin, &password);
        if !self.throttle.may_try(now.instant, uin, ip, limits) {
            self.effects.push_back(Effect::LoggedIn(attempt, Err(LoginRefusal::TooOften)));
        } else if self.verifiers.is_known(now.instant, uin, &verifier) {
            self.throttle.on_known(uin, ip);
            self.effects.push_back(Effect::LoggedIn(attempt, Ok(())));
        } else if !self.throttle.begin(now.instant, attempt, (uin, ip), self.verifiers.has(uin), limits) {
            self.effects.push_back(Effect::LoggedIn(attempt, Err(LoginRefusal::TooOften)));
        } else if self.begin_attempt() {
            self.verifiers.begin(attempt, uin, verifier);
            let step = LoginStep::Account { uin, password };
            self.ask_store(Work::LoadAccount { uin }, Waiting::Login(attempt, step));
        } else {
            // Whoever keeps argon2 busy could otherwise try passwords as fast as datagrams come: of those that argon2 never sees, the right
            // one alone would be answered. So one try is all that a verifier is good for.
            self.verifiers.forget(uin);
            self.throttle.end(now.instant, attempt, Err(LoginRefusal::Unavailable), &self.config.limits);
            self.effects.push_back(Effect::LoggedIn(attempt, Err(LoginRefusal::Unavailable)));
        }
    }

    /// Somebody wants a number: [`Effect::Registered`]. He is no user before his address is proven.
    pub fn handle_registration(&mut self, now: Now, attempt: Attempt, ip: IpAddr, password: Password) {
        // First, so that who asks again because nobody had time for him has not used up his tries.
        if self.newcomers.len() >= self.config.limits.registrations_max || !self.begin_attempt() {
            self.effects.push_back(Effect::Registered(attempt, Err(RegistrationRefusal::Busy)));
        } else if let Err(refusal) = self.throttle.register(now.instant, ip, &self.config.limits) {
            self.attempts -= 1;
            self.effects.push_back(Effect::Registered(attempt, Err(refusal)));
        } else {
            self.ask_store(Work::ReserveUin, Waiting::Registration(attempt, password));
        }
    }

    /// A password has been hashed or compared.
    pub fn handle_password(&mut self, now: Now, result: PasswordResult) {
        match (self.waiting.remove(&result.ticket), result.outcome) {
            (Some(Waiting::Login(attempt, LoginStep::Password { known })), PasswordOutcome::Fits(fits)) => {
                let outcome = match (known, fits) {
                    (true, true) => {
                        self.verifiers.prove(now.instant, attempt);
                        Ok(())
                    }
                    (true, false) => Err(LoginRefusal::WrongPassword),
                    (false, _) => Err(LoginRefusal::NoSuchUser),
                };
                self.end_login(now, attempt, outcome);
            }
            (Some(Waiting::NewcomerHash(uin)), PasswordOutcome::Hash(hash)) => {
                self.on_newcomer_hash(now, uin, Some(hash));
            }
            (Some(Waiting::NewPassword { question, uin, profile }), PasswordOutcome::Hash(hash)) => {
                self.save_profile(question, uin, profile, Some(hash));
            }
            (Some(Waiting::Login(attempt, _)), PasswordOutcome::Failed) => {
                self.end_login(now, attempt, Err(LoginRefusal::Unavailable));
            }
            (Some(Waiting::NewcomerHash(uin)), PasswordOutcome::Failed) => self.on_newcomer_hash(now, uin, None),
            (Some(Waiting::NewPassword { question, .. }), PasswordOutcome::Failed) => {
                self.answer(question, Answer::Refused(Refusal::Busy));
            }
            (None, _) => {}
            (Some(other), outcome) => debug_assert!(false, "{other:?} cannot go on with {outcome:?}"),
        }
        self.settle(now);
    }

    pub(super) fn on_account(&mut self, now: Now, attempt: Attempt, step: LoginStep, outcome: Outcome) {
        let (LoginStep::Account { uin, password }, Outcome::Account(hash)) = (step, outcome) else {
            self.end_login(now, attempt, Err(LoginRefusal::Unavailable));
            return;
        };
        let known = hash.is_some();
        if !known {
            self.verifiers.forget(uin);
        }
        let hash = hash.unwrap_or_else(|| self.dummy_hash.clone());
        self.ask_password(password, Some(hash), Waiting::Login(attempt, LoginStep::Password { known }));
    }

    pub(super) fn ask_password(&mut self, password: Password, hash: Option<String>, waiting: Waiting) {
        let ticket = self.ticket(waiting);
        self.password_jobs.push_back(PasswordJob { ticket, password, hash });
    }

    /// Whether another login or registration may begin. What comes after them (profiles) is bounded by the sessions.
    pub(super) fn begin_attempt(&mut self) -> bool {
        let room = self.attempts < self.share.part_of(self.config.limits.hash_queue_max);
        self.attempts += usize::from(room);
        room
    }

    fn end_login(&mut self, now: Now, attempt: Attempt, outcome: Result<(), LoginRefusal>) {
        self.attempts -= 1;
        self.throttle.end(now.instant, attempt, outcome, &self.config.limits);
        self.verifiers.drop_unproven(attempt);
        self.effects.push_back(Effect::LoggedIn(attempt, outcome));
    }
}
