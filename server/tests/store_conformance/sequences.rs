//! Random sequences of requests: the store on the disk answers as the one in memory does, whatever came before.

use std::sync::Arc;

use myicq_server::store::{
    Broadcast, MemoryStore, Message, MessageId, Profile, Reply, Request, Room, Ticket, Work, run,
};
use myicq_wire::charset::Charset;
use myicq_wire::{Authorization, Face, MessageKind, Uin, UnixTime};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::place::Place;
use crate::{ANN, Asker, EVIL, create, load, save};

/// Few users, so that they meet; and numbers that nobody has.
fn uin() -> impl Strategy<Value = Uin> {
    prop_oneof![
        12 => (0..6_u32).prop_map(|step| Uin(ANN.0 + step)),
        1 => prop::sample::select(vec![0, 9, 10_000, u32::MAX]).prop_map(Uin),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![prop::sample::select(EVIL.to_vec()).prop_map(str::to_owned), any::<String>()]
}

fn profile() -> impl Strategy<Value = Profile> {
    let auth = prop_oneof![4 => 0..4_u8, 1 => any::<u8>()].prop_map(Authorization);
    (any::<[u8; 4]>(), text(), text(), text(), auth).prop_map(
        |([face, age, gender, blood], nick, city, intro, auth)| Profile {
            face: Face(face),
            nick,
            age,
            gender,
            city,
            blood,
            intro,
            auth,
            ..Profile::default()
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let charset = prop::sample::select(Charset::all().collect::<Vec<_>>());
    let id = prop_oneof![30 => 1..60_u64, 1 => any::<u64>()];
    let time = prop_oneof![30 => 0..1_u64 << 60, 1 => any::<u64>()];
    (id, uin(), uin(), time, any::<u8>(), vec(any::<u8>(), 0..40), charset).prop_map(
        |(id, from, to, time, kind, text, charset)| Message {
            id: MessageId(id),
            from,
            to,
            time: UnixTime(time),
            kind: MessageKind(kind),
            text,
            charset,
        },
    )
}

/// What a sender leaves in a day is not limited here: what counts against it need not be done in order.
fn room() -> impl Strategy<Value = Room> {
    (0..8_usize, 0..200_usize, 0..4_usize).prop_map(|(messages, bytes, of_pair)| Room {
        messages,
        bytes,
        of_pair,
        ..Room::UNLIMITED
    })
}

fn work() -> impl Strategy<Value = Work> {
    let id = || prop_oneof![20 => 0..60_u64, 1 => any::<u64>()];
    prop_oneof![
        2 => text().prop_map(|hash| create(&hash)),
        1 => Just(Work::ReserveUin),
        1 => (uin(), text()).prop_map(|(uin, password_hash)| Work::CreateUser { uin, password_hash }),
        1 => uin().prop_map(|uin| Work::LoadAccount { uin }),
        1 => uin().prop_map(|uin| Work::LoadProfile { uin }),
        2 => (uin(), profile(), prop::option::of(text())).prop_map(|(uin, profile, hash)| save(uin, profile, hash.as_deref())),
        1 => uin().prop_map(|uin| Work::LoadContacts { uin }),
        4 => (uin(), uin(), 0..5_usize).prop_map(|(owner, contact, max)| Work::AddContact { owner, contact, max }),
        1 => (uin(), uin()).prop_map(|(owner, contact)| Work::RemoveContact { owner, contact }),
        3 => (uin(), uin()).prop_map(|(asker, target)| Work::RequestAuthorization { asker, target }),
        3 => (uin(), uin(), any::<bool>(), 0..5_usize).prop_map(|(asker, target, granted, max)| {
            Work::AnswerAuthorization { asker, target, granted, max }
        }),
        8 => (message(), room()).prop_map(|(message, room)| Work::StoreMessage { message: Arc::new(message), room }),
        2 => (uin(), id(), 0..6_usize).prop_map(|(recipient, after, limit)| load(recipient, after, limit)),
        3 => (uin(), id()).prop_map(|(recipient, id)| Work::DeleteMessage { recipient, id: MessageId(id) }),
        1 => (id(), 0..4_usize).prop_map(|(id, limit)| Work::ExpireMessages { before: MessageId(id), limit }),
        1 => Just(Work::LoadLastMessage),
        1 => (id(), 0..60_u64, 0..4_usize).prop_map(|(id, expired, max)| {
            let broadcast = Broadcast { id: MessageId(id), time: UnixTime(id), text: "text".to_owned() };
            Work::StoreBroadcast { broadcast, expired: UnixTime(expired), max }
        }),
        1 => (0..4_usize).prop_map(|limit| Work::LoadBroadcasts { limit }),
        1 => uin().prop_map(|uin| Work::LoadLastBroadcast { uin }),
        1 => (uin(), id()).prop_map(|(uin, id)| Work::ReadBroadcast { uin, id: MessageId(id) }),
        1 => Just(Work::CountMessages),
        1 => (prop::option::of(uin()), text(), text()).prop_map(|(uin, nick, password_hash)| {
            Work::AddUser { uin, nick, password_hash }
        }),
        1 => (uin(), text()).prop_map(|(uin, password_hash)| Work::SetPassword { uin, password_hash }),
        1 => uin().prop_map(|uin| Work::RemoveUser { uin }),
    ]
}

/// What the loop in front of the store does at once, without regard to what has not been answered yet.
fn glance() -> impl Strategy<Value = Work> {
    let word =
        || prop_oneof![1 => Just(String::new()), 4 => prop::sample::select(EVIL.to_vec()).prop_map(str::to_owned)];
    prop_oneof![
        vec(uin(), 0..5).prop_map(|uins| Work::LoadCards { uins }),
        (word(), word(), uin(), 0..5_usize)
            .prop_map(|(nick, email, after, limit)| { Work::SearchUsers { nick, email, after, limit } }),
    ]
}

/// Everything there is to know of the first users.
fn everything() -> Vec<Work> {
    let of = |uin| {
        [Work::LoadAccount { uin }, Work::LoadProfile { uin }, Work::LoadContacts { uin }, load(uin, 0, usize::MAX)]
    };
    (0..8).flat_map(|step| of(Uin(ANN.0 + step))).collect()
}

/// In batches, each in one commit, against one by one.
async fn compare(place: Place, batches: Vec<Vec<Work>>) {
    let mut memory = Asker::new(MemoryStore::default());
    let mut disk = Asker::new(place.open().await);
    for batch in batches {
        let expected = memory.ask_all(batch.clone()).await;
        assert_eq!(disk.ask_all(batch.clone()).await, expected, "{batch:#?}");
    }
    let expected = memory.ask_all(everything()).await;
    assert_eq!(disk.ask_all(everything()).await, expected);

    disk.store.close().await;
    let mut reopened = Asker::new(place.open().await);
    assert_eq!(reopened.ask_all(everything()).await, expected, "after it was opened again");
    reopened.store.close().await;
    place.remove().await;
}

/// Through the loop of the server, whose answers may come in another order, against one by one. What nobody can rely on is left
/// out: a user of whom it has not been answered yet that he came or went, what is read from all users, and what expires.
async fn compare_loop(place: Place, users: usize, works: Vec<Work>) {
    let mut memory = Asker::new(MemoryStore::default());
    let mut disk = Asker::new(place.open().await);
    let registrations: Vec<Work> = (0..users).map(|_| create("hash")).collect();
    assert_eq!(disk.ask_all(registrations.clone()).await, memory.ask_all(registrations).await);
    let is_left_out = |work: &Work| {
        matches!(
            work,
            Work::CreateUser { .. }
                | Work::AddUser { .. }
                | Work::RemoveUser { .. }
                | Work::CountMessages
                | Work::ExpireMessages { .. }
        )
    };
    let works: Vec<Work> = works.into_iter().filter(|work| !is_left_out(work)).chain(everything()).collect();
    let expected = memory.ask_all(works.clone()).await;

    let reader = disk.store.reader().await.unwrap();
    let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
    let numbered = (0..).map(Ticket).zip(works.clone()).map(|(ticket, work)| Request { ticket, work });
    let mut asked = numbered.collect::<Vec<_>>();
    let rest = asked.split_off(asked.len() / 2);
    asked.into_iter().for_each(|request| sender.send(request).unwrap());
    let (mut rest, mut answers) = (Some((sender, rest)), Vec::new());
    let (store, reader) = run(disk.store, reader, requests, |replies| {
        answers.extend(replies);
        // The other half while some of the first are under way.
        if let Some((sender, rest)) = rest.take() {
            rest.into_iter().for_each(|request| sender.send(request).unwrap());
        }
    })
    .await;
    reader.close().await;
    store.close().await;
    place.remove().await;
    answers.sort_unstable_by_key(|reply| reply.ticket);
    let expected = (0..).map(Ticket).zip(expected).map(|(ticket, outcome)| Reply { ticket, outcome });
    assert_eq!(answers, expected.collect::<Vec<_>>(), "{works:#?}");
}

fn batches() -> impl Strategy<Value = Vec<Vec<Work>>> {
    vec(vec(prop_oneof![10 => work(), 1 => glance()], 1..60), 1..12)
}

fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_loop_answers_as_one_by_one(users in 0..6_usize, works in vec(work(), 0..120)) {
        block_on(compare_loop(Place::sqlite(), users, works));
    }

    #[test]
    fn both_stores_answer_alike(users in 0..6_usize, mut batches in batches()) {
        batches.insert(0, (0..users).map(|_| create("hash")).collect());
        block_on(compare(Place::sqlite(), batches));
    }

    #[test]
    #[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
    fn the_loop_before_postgres_answers_as_one_by_one(users in 0..6_usize, works in vec(work(), 0..120)) {
        block_on(async { compare_loop(Place::postgres().await, users, works).await });
    }

    #[test]
    #[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
    fn postgres_answers_alike(users in 0..6_usize, mut batches in batches()) {
        batches.insert(0, (0..users).map(|_| create("hash")).collect());
        block_on(async { compare(Place::postgres().await, batches).await });
    }
}
