//! What users say of themselves.

use std::sync::Arc;

use myicq_wire::Uin;

use super::{Hub, Password, Question, Waiting};
use crate::store::{Profile, Work};

impl Hub {
    /// A new password is for the next login: the session keeps the key that it logged in with.
    pub(super) fn modify_profile(
        &mut self,
        question: Question,
        uin: Uin,
        profile: Arc<Profile>,
        password: Option<Password>,
    ) {
        match password {
            Some(password) => self.ask_password(password, None, Waiting::NewPassword { question, uin, profile }),
            None => self.save_profile(question, uin, profile, None),
        }
    }

    pub(super) fn save_profile(
        &mut self,
        question: Question,
        uin: Uin,
        profile: Arc<Profile>,
        password_hash: Option<String>,
    ) {
        if password_hash.is_some() {
            self.verifiers.on_change(uin);
        }
        self.ask_store(Work::SaveProfile { uin, profile, password_hash }, Waiting::Done(question));
    }
}
