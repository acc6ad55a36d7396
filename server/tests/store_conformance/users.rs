//! What the administrator does on a store that no server has open.

use myicq_server::store::{Outcome, SqliteStore, UserError, UserSummary, Work};
use myicq_wire::Uin;

use crate::{ANN, Asker, BOB, CID, EVIL, NOBODY, create, keep, message};

async fn with_store<T>(test: impl AsyncFnOnce(&mut Asker<SqliteStore>) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    test(&mut Asker::new(SqliteStore::open(folder.path()).await.unwrap())).await
}

fn numbers(users: &[UserSummary]) -> Vec<Uin> {
    users.iter().map(|user| user.uin).collect()
}

#[tokio::test]
async fn users_get_the_number_that_is_chosen_or_the_next() {
    with_store(async |asker| {
        let store = &mut asker.store;
        assert_eq!(store.insert_user_with(None, "ann", "hash").await.unwrap(), ANN);
        for (chosen, next) in [(Uin(1), BOB), (Uin::ADMINISTRATOR, CID), (Uin(20_000), Uin(20_001))] {
            assert_eq!(store.insert_user_with(Some(chosen), "", "hash").await.unwrap(), chosen);
            assert_eq!(store.insert_user_with(None, "", "hash").await.unwrap(), next);
        }
        let taken = store.insert_user_with(Some(ANN), "", "hash").await.unwrap_err();
        assert!(matches!(taken, UserError::Taken(ANN)) && taken.to_string().contains("10001"));
        let (last, beyond) = (Uin(1 << 31), Uin((1 << 31) + 1));
        for uin in [Uin::NONE, beyond] {
            let error = store.insert_user_with(Some(uin), "", "hash").await.unwrap_err();
            assert!(matches!(error, UserError::NotAllowed(refused) if refused == uin));
        }
        store.insert_user_with(Some(last), "", "hash").await.unwrap();
        assert_eq!(asker.ask(create("hash")).await, Outcome::Created(beyond), "registrations go on");
    })
    .await;
}

#[tokio::test]
async fn users_are_listed_in_pages() {
    with_store(async |asker| {
        asker.register_three().await;
        asker.ask_all([Work::AddContact { owner: BOB, contact: CID, max: 9 }, keep(message(1, ANN, BOB))]).await;
        let store = &mut asker.store;
        assert_eq!(numbers(&store.list_users(2, Uin::NONE).await.unwrap()), [ANN, BOB]);
        assert_eq!(numbers(&store.list_users(2, BOB).await.unwrap()), [CID]);
        assert_eq!(numbers(&store.list_users(usize::MAX, CID).await.unwrap()), []);
        let bob = store.find_user(BOB).await.unwrap().unwrap();
        assert_eq!((bob.uin, bob.contacts, bob.messages, bob.nick.as_str()), (BOB, 1, 1, ""));
        assert!(bob.created.seconds() > 1_700_000_000);
        assert_eq!(store.find_user(NOBODY).await.unwrap(), None);
        assert_eq!(store.find_user(Uin::NONE).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_removed_user_leaves_no_trace_and_his_number_rests() {
    with_store(async |asker| {
        asker.register_three().await;
        let add = |owner, contact| Work::AddContact { owner, contact, max: 9 };
        let question = |asker, target| Work::RequestAuthorization { asker, target };
        asker.ask_all([add(ANN, CID), add(CID, ANN), add(ANN, BOB), question(CID, ANN), question(ANN, CID)]).await;
        asker.ask_all([keep(message(1, ANN, CID)), keep(message(2, CID, ANN))]).await;
        assert!(asker.store.remove_user(CID).await.unwrap());
        assert!(!asker.store.remove_user(CID).await.unwrap());
        assert_eq!(asker.contacts(ANN).await, [BOB]);
        assert_eq!(asker.waiting(ANN).await, [2], "what he said stays said");
        let next = Uin(CID.0 + 1);
        assert_eq!(asker.ask(create("hash")).await, Outcome::Created(next));
        asker.store.insert_user_with(Some(CID), "", "hash").await.unwrap();
        assert_eq!((asker.contacts(CID).await, asker.waiting(CID).await), (vec![], vec![]));
        let answer = |asker, target| Work::AnswerAuthorization { asker, target, granted: true, max: 9 };
        let outcomes = asker.ask_all([answer(CID, ANN), answer(ANN, CID)]).await;
        assert_eq!(outcomes, [Outcome::Authorized(false), Outcome::Authorized(false)]);
    })
    .await;
}

#[tokio::test]
async fn names_and_passwords_are_never_read_as_sql() {
    with_store(async |asker| {
        for evil in EVIL {
            let uin = asker.store.insert_user_with(None, evil, evil).await.unwrap();
            assert_eq!(asker.store.find_user(uin).await.unwrap().unwrap().nick, evil);
            assert_eq!(asker.ask(Work::LoadAccount { uin }).await, Outcome::Account(Some(evil.to_owned())));
            let other = format!("{evil}{evil}");
            assert!(asker.store.set_password_hash(uin, &other).await.unwrap());
            assert_eq!(asker.ask(Work::LoadAccount { uin }).await, Outcome::Account(Some(other)));
        }
        assert!(!asker.store.set_password_hash(NOBODY, "hash").await.unwrap());
    })
    .await;
}
