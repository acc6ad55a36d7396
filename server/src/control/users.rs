//! What is wanted of users, done with what a store does: that of a running server, or one that a command has opened.

use std::io;

use myicq_wire::Uin;
use myicq_wire::charset::Charset;

use super::{Answer, NICK_MAX, Problem, UserRequest, export};
use crate::store::{CHOSEN_UIN_MAX, NotCreated, Outcome, Work};

/// Users or messages asked of the store at a time: others wait for so many to be read, and no longer.
pub(super) const PAGE: usize = 256;

impl UserRequest {
    /// Does it with what a store does for `ask`, and hands each part of the answer to `tell`, the last one too. A nick must fit the clients that
    /// write in `charset`. `ask` gives nothing back when there is no store to be asked any more.
    ///
    /// # Errors
    /// That of `tell`.
    pub async fn perform(
        self,
        charset: Charset,
        mut ask: impl AsyncFnMut(Uin, Work) -> Option<Outcome>,
        mut tell: impl AsyncFnMut(Answer) -> io::Result<()>,
    ) -> io::Result<()> {
        if let Err(message) = self.check(charset) {
            return tell(Answer::failed(Problem::Request, message)).await;
        }
        if let Self::Export { uin } = self {
            return export::perform(Uin(uin), ask, tell).await;
        }
        let is_list = matches!(self, Self::List {});
        let (whom, mut work) = self.work();
        loop {
            let outcome = ask(whom, work).await;
            let Some(Outcome::Users(users)) = outcome else { return tell(last_answer(whom, outcome)).await };
            let last = users.last().map(|user| user.uin);
            for user in users.into_iter().filter(|user| is_list || user.uin == whom) {
                tell(Answer::User(user.into())).await?;
            }
            match last {
                Some(after) if is_list => work = Work::ListUsers { after, limit: PAGE },
                // Who comes behind the number that was asked for is somebody else.
                Some(uin) if uin != whom => return tell(nobody(whom)).await,
                None if !is_list => return tell(nobody(whom)).await,
                _ => return tell(Answer::Done {}).await,
            }
        }
    }

    fn check(&self, charset: Charset) -> Result<(), String> {
        match self {
            Self::Add { nick, .. } if charset.encode(nick).len() > NICK_MAX || nick.chars().any(char::is_control) => {
                let label = charset.label();
                Err(format!("the nick may have {NICK_MAX} bytes in {label}, and no control characters"))
            }
            Self::Add { password_hash, .. } | Self::Passwd { password_hash, .. }
                if !crate::passwords::is_hash(password_hash) =>
            {
                Err("the hash of the password is no PHC string".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Whom it is about, and the first work.
    fn work(self) -> (Uin, Work) {
        match self {
            Self::Add { uin, nick, password_hash } => {
                let uin = uin.map(Uin);
                (uin.unwrap_or(Uin::NONE), Work::AddUser { uin, nick, password_hash })
            }
            Self::List {} => (Uin::NONE, Work::ListUsers { after: Uin::NONE, limit: PAGE }),
            Self::Show { uin } | Self::Export { uin } => {
                (Uin(uin), Work::ListUsers { after: Uin(uin.saturating_sub(1)), limit: 1 })
            }
            Self::Passwd { uin, password_hash } => (Uin(uin), Work::SetPassword { uin: Uin(uin), password_hash }),
            Self::Remove { uin } => (Uin(uin), Work::RemoveUser { uin: Uin(uin) }),
        }
    }
}

pub(super) fn last_answer(whom: Uin, outcome: Option<Outcome>) -> Answer {
    match outcome {
        None => Answer::failed(Problem::Unavailable, "the server is stopping; try again when it has"),
        Some(Outcome::Created(Uin(uin))) => Answer::Created { uin },
        Some(Outcome::Found(true)) => Answer::Done {},
        Some(Outcome::Removed(Some(messages))) => Answer::Removed { messages },
        Some(Outcome::Found(false) | Outcome::Removed(None)) => nobody(whom),
        Some(Outcome::NotCreated(NotCreated::Taken)) => {
            Answer::failed(Problem::User, format!("there is a user {whom} already: choose another number, or none"))
        }
        Some(Outcome::NotCreated(NotCreated::NotAllowed)) => Answer::failed(
            Problem::Request,
            format!("no user can be number {whom}: choose one from 1 to {CHOSEN_UIN_MAX}, or none"),
        ),
        Some(_) => Answer::failed(Problem::Storage, "the database failed; the log says why"),
    }
}

pub(super) fn nobody(uin: Uin) -> Answer {
    Answer::failed(Problem::User, format!("there is no user {uin}; `myicqd user list` shows those there are"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::{MemoryStore, Store, Ticket};

    const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    pub(in crate::control) async fn answers(store: &mut MemoryStore, request: UserRequest) -> Vec<Answer> {
        let mut answers = Vec::new();
        let ask = async |_, work| {
            let replies = store.commit(vec![crate::store::Request { ticket: Ticket(0), work }]).await;
            replies.into_iter().next().map(|reply| reply.outcome)
        };
        let tell = async |answer| {
            answers.push(answer);
            Ok(())
        };
        request.perform(Charset::Gbk, ask, tell).await.unwrap();
        assert!(answers.iter().rev().skip(1).all(|answer| !answer.is_last()));
        assert!(answers.last().is_some_and(Answer::is_last));
        answers
    }

    fn add(uin: Option<u32>, nick: &str) -> UserRequest {
        UserRequest::Add { uin, nick: nick.to_owned(), password_hash: HASH.to_owned() }
    }

    pub(in crate::control) fn problem(answers: &[Answer]) -> Problem {
        match answers {
            [Answer::Failed { problem, message }] if !message.contains('\n') => *problem,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn users_come_and_go() {
        let mut store = MemoryStore::default();
        assert_eq!(answers(&mut store, add(None, "林")).await, [Answer::Created { uin: 10_001 }]);
        assert_eq!(answers(&mut store, add(Some(7), "")).await, [Answer::Created { uin: 7 }]);
        assert_eq!(problem(&answers(&mut store, add(Some(7), "")).await), Problem::User);
        assert_eq!(problem(&answers(&mut store, add(Some(0), "")).await), Problem::Request);
        let shown = answers(&mut store, UserRequest::Show { uin: 10_001 }).await;
        assert!(matches!(&shown[..], [Answer::User(user), Answer::Done {}] if user.nick == "林"), "{shown:?}");
        // The next one is there, and is not he; and behind the last there is nobody.
        for uin in [6, 10_002, 0, u32::MAX] {
            assert_eq!(problem(&answers(&mut store, UserRequest::Show { uin }).await), Problem::User);
        }
        let passwd = |uin| UserRequest::Passwd { uin, password_hash: HASH.to_owned() };
        assert_eq!(answers(&mut store, passwd(7)).await, [Answer::Done {}]);
        assert_eq!(problem(&answers(&mut store, passwd(8)).await), Problem::User);
        assert_eq!(answers(&mut store, UserRequest::Remove { uin: 7 }).await, [Answer::Removed { messages: 0 }]);
        assert_eq!(problem(&answers(&mut store, UserRequest::Remove { uin: 7 }).await), Problem::User);
    }

    #[tokio::test]
    async fn a_list_has_all_pages() {
        let mut store = MemoryStore::default();
        assert_eq!(answers(&mut store, UserRequest::List {}).await, [Answer::Done {}]);
        for count in [PAGE, PAGE + 1] {
            while answers(&mut store, UserRequest::List {}).await.len() <= count {
                answers(&mut store, add(None, "")).await;
            }
            let listed = answers(&mut store, UserRequest::List {}).await;
            let numbers = listed.iter().filter_map(|answer| match answer {
                Answer::User(user) => Some(user.uin),
                _ => None,
            });
            assert_eq!(numbers.collect::<Vec<_>>(), (10_001..).take(count).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn what_clients_could_not_bear_is_refused() {
        let mut store = MemoryStore::default();
        assert_eq!(answers(&mut store, add(None, "八个汉字十六字节")).await.len(), 1);
        for nick in ["八个汉字十六字节a", "a\u{7}b"] {
            assert_eq!(problem(&answers(&mut store, add(None, nick)).await), Problem::Request);
        }
        let add = UserRequest::Add { uin: None, nick: String::new(), password_hash: "hunter2".to_owned() };
        assert_eq!(problem(&answers(&mut store, add).await), Problem::Request);
    }

    #[tokio::test]
    async fn a_server_that_is_stopping_says_so() {
        let mut answers = Vec::new();
        let tell = async |answer| {
            answers.push(answer);
            Ok(())
        };
        UserRequest::List {}.perform(Charset::Gbk, async |_, _| None, tell).await.unwrap();
        assert_eq!(problem(&answers), Problem::Unavailable);
    }
}
