//! What the administrator does with users, asked of every store.

use myicq_server::store::{CHOSEN_UIN_MAX, NotCreated, NotStored, Outcome, Store, Work};
use myicq_wire::{Uin, UnixTime};

use crate::place::Place;
use crate::{ANN, Asker, BOB, CID, EVIL, NOBODY, create, keep, message, on_every_backend};

on_every_backend! {
    users_get_the_number_that_is_chosen_or_the_next
    users_are_listed_in_pages
    a_removed_user_leaves_no_trace_and_his_number_rests
    nothing_is_kept_for_a_removed_user
    names_and_passwords_are_never_read_as_sql
    messages_are_counted
}

fn add(uin: Option<Uin>, nick: &str) -> Work {
    Work::AddUser { uin, nick: nick.to_owned(), password_hash: "hash".to_owned() }
}

impl<S: Store> Asker<S> {
    /// Number, nick, contacts and messages of the users after one.
    async fn users(&mut self, limit: usize, after: Uin) -> Vec<(Uin, String, u32, u32)> {
        let outcome = self.ask(Work::ListUsers { after, limit }).await;
        let Outcome::Users(users) = outcome else { unreachable!("{outcome:?}") };
        users.into_iter().map(|user| (user.uin, user.nick, user.contacts, user.messages)).collect()
    }

    async fn numbers(&mut self, limit: usize, after: Uin) -> Vec<Uin> {
        self.users(limit, after).await.into_iter().map(|(uin, ..)| uin).collect()
    }
}

async fn users_get_the_number_that_is_chosen_or_the_next<S: Store>(mut asker: Asker<S>) {
    assert_eq!(asker.ask(add(None, "ann")).await, Outcome::Created(ANN));
    for (chosen, next) in [(Uin(1), BOB), (Uin::ADMINISTRATOR, CID), (Uin(20_000), Uin(20_001))] {
        let outcomes = asker.ask_all([add(Some(chosen), ""), add(None, "")]).await;
        assert_eq!(outcomes, [Outcome::Created(chosen), Outcome::Created(next)]);
    }
    // One that is refused takes nothing else with it.
    let outcomes = asker.ask_all([add(Some(ANN), ""), create("hash")]).await;
    assert_eq!(outcomes, [Outcome::NotCreated(NotCreated::Taken), Outcome::Created(Uin(20_002))]);
    let beyond = Uin(CHOSEN_UIN_MAX.0 + 1);
    for uin in [Uin::NONE, beyond] {
        assert_eq!(asker.ask(add(Some(uin), "")).await, Outcome::NotCreated(NotCreated::NotAllowed));
    }
    assert_eq!(asker.ask(add(Some(CHOSEN_UIN_MAX), "")).await, Outcome::Created(CHOSEN_UIN_MAX));
    assert_eq!(asker.ask(create("hash")).await, Outcome::Created(beyond), "registrations go on");
}

async fn users_are_listed_in_pages<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    asker.ask_all([Work::AddContact { owner: BOB, contact: CID, max: 9 }, keep(message(1, ANN, BOB))]).await;
    assert_eq!(asker.numbers(2, Uin::NONE).await, [ANN, BOB]);
    assert_eq!(asker.numbers(2, BOB).await, [CID]);
    assert_eq!(asker.numbers(usize::MAX, CID).await, []);
    assert_eq!(asker.users(1, ANN).await, [(BOB, String::new(), 1, 1)]);
}

#[tokio::test]
async fn the_disk_knows_since_when_there_is_a_user() {
    users_have_a_date(Place::sqlite()).await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
async fn postgres_knows_since_when_there_is_a_user() {
    users_have_a_date(Place::postgres().await).await;
}

async fn users_have_a_date(place: Place) {
    let mut asker = Asker::new(place.open().await);
    asker.register_three().await;
    let outcome = asker.ask(Work::ListUsers { after: Uin::NONE, limit: 1 }).await;
    let since = UnixTime(1_700_000_000_000_000);
    assert!(
        matches!(&outcome, Outcome::Users(users) if users.first().is_some_and(|user| user.created > since)),
        "{outcome:?}"
    );
    asker.store.close().await;
    place.remove().await;
}

async fn a_removed_user_leaves_no_trace_and_his_number_rests<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    let add_contact = |owner, contact| Work::AddContact { owner, contact, max: 9 };
    let question = |asker, target| Work::RequestAuthorization { asker, target };
    let works = [add_contact(ANN, CID), add_contact(CID, ANN), add_contact(ANN, BOB)];
    asker.ask_all(works.into_iter().chain([question(CID, ANN), question(ANN, CID)])).await;
    asker.ask_all([keep(message(1, ANN, CID)), keep(message(2, CID, ANN))]).await;
    assert_eq!(asker.ask(Work::RemoveUser { uin: CID }).await, Outcome::Removed(Some(1)));
    assert_eq!(asker.ask(Work::RemoveUser { uin: CID }).await, Outcome::Removed(None));
    assert_eq!(asker.contacts(ANN).await, [BOB]);
    assert_eq!(asker.waiting(ANN).await, [2], "what he said stays said");
    let next = Uin(CID.0 + 1);
    assert_eq!(asker.ask(create("hash")).await, Outcome::Created(next));
    assert_eq!(asker.ask(add(Some(CID), "")).await, Outcome::Created(CID));
    assert_eq!((asker.contacts(CID).await, asker.waiting(CID).await), (vec![], vec![]));
    let answer = |asker, target| Work::AnswerAuthorization { asker, target, granted: true, max: 9 };
    let outcomes = asker.ask_all([answer(CID, ANN), answer(ANN, CID)]).await;
    assert_eq!(outcomes, [Outcome::Authorized(false), Outcome::Authorized(false)]);
}

/// Also where it is known how many there were.
async fn nothing_is_kept_for_a_removed_user<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    let remove = Work::RemoveUser { uin: CID };
    let outcomes = asker.ask_all([keep(message(1, ANN, CID)), remove, keep(message(2, ANN, CID))]).await;
    let nobody = Outcome::Stored(Err(NotStored::NoSuchUser));
    assert_eq!(outcomes, [Outcome::Stored(Ok(())), Outcome::Removed(Some(1)), nobody.clone()]);
    assert_eq!(asker.ask(keep(message(3, ANN, CID))).await, nobody);
    assert_eq!(asker.ask(keep(message(1, ANN, BOB))).await, Outcome::Stored(Ok(())), "its number is free again");
}

async fn names_and_passwords_are_never_read_as_sql<S: Store>(mut asker: Asker<S>) {
    for (step, evil) in (0..).zip(EVIL) {
        let uin = Uin(ANN.0 + step);
        let (nick, password_hash) = (evil.to_owned(), evil.to_owned());
        let outcome = asker.ask(Work::AddUser { uin: None, nick, password_hash }).await;
        assert_eq!(outcome, Outcome::Created(uin));
        assert_eq!(asker.users(1, Uin(uin.0 - 1)).await, [(uin, evil.to_owned(), 0, 0)]);
        assert_eq!(asker.ask(Work::LoadAccount { uin }).await, Outcome::Account(Some(evil.to_owned())));
        let other = format!("{evil}{evil}");
        let set = Work::SetPassword { uin, password_hash: other.clone() };
        assert_eq!(asker.ask(set).await, Outcome::Found(true));
        assert_eq!(asker.ask(Work::LoadAccount { uin }).await, Outcome::Account(Some(other)));
    }
    let set = Work::SetPassword { uin: NOBODY, password_hash: "hash".to_owned() };
    assert_eq!(asker.ask(set).await, Outcome::Found(false));
}

async fn messages_are_counted<S: Store>(mut asker: Asker<S>) {
    assert_eq!(asker.ask(Work::CountMessages).await, Outcome::Count(0));
    asker.register_three().await;
    asker.ask_all([keep(message(1, ANN, CID)), keep(message(2, CID, ANN))]).await;
    assert_eq!(asker.ask(Work::CountMessages).await, Outcome::Count(2));
}
