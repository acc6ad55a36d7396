//! One suite over every backend.

use std::sync::Arc;

use myicq_server::store::{AddOutcome, Broadcast, Card, Message, MessageId, NotStored, Outcome, Profile, Store, Work};
use myicq_wire::charset::Charset;
use myicq_wire::{Authorization, Face, MessageKind, Uin, UnixTime};

use crate::{ANN, Asker, BOB, CID, EVIL, NOBODY, create, keep, keep_up_to, load, message, on_every_backend, save};

on_every_backend! {
    nothing_is_known_of_strangers
    users_are_numbered_and_empty
    profiles_and_passwords_are_replaced
    contacts_are_added_as_their_profile_says
    contact_lists_end_at_their_maximum
    authorization_is_given_once_to_who_asked
    granted_contacts_keep_to_the_maximum
    the_oldest_question_is_forgotten_first
    messages_come_back_as_they_went
    a_mailbox_ends_at_its_maximum
    a_pair_ends_at_its_maximum
    messages_are_read_in_pages
    messages_are_deleted_one_by_one
    a_message_number_is_taken_once
    numbers_beyond_the_disk_are_refused
    a_batch_sees_itself_in_order
    texts_are_never_read_as_sql
    users_are_found_by_whole_words
    found_users_come_in_pages
    cards_are_those_of_users_who_exist
    broadcasts_are_for_those_who_were_there
    broadcasts_end_at_their_maximum_and_their_time
    broadcast_numbers_rise
    ten_thousand_registrations
}

async fn nothing_is_known_of_strangers<S: Store>(mut asker: Asker<S>) {
    let (recipient, asking) = (NOBODY, ANN);
    let outcomes = asker
        .ask_all([
            Work::LoadAccount { uin: NOBODY },
            Work::LoadProfile { uin: NOBODY },
            save(NOBODY, Profile::default(), Some("hash")),
            Work::LoadContacts { uin: NOBODY },
            Work::AddContact { owner: NOBODY, contact: Uin(5), max: 9 },
            Work::RemoveContact { owner: NOBODY, contact: Uin(5) },
            Work::RequestAuthorization { asker: asking, target: NOBODY },
            Work::AnswerAuthorization { asker: asking, target: NOBODY, granted: true, max: 9 },
            keep(message(1, NOBODY, NOBODY)),
            load(recipient, 0, 9),
            Work::DeleteMessage { recipient, id: MessageId(1) },
        ])
        .await;
    let expected = [
        Outcome::Account(None),
        Outcome::Profile(None),
        Outcome::Failed,
        Outcome::Contacts(Vec::new()),
        Outcome::Added(AddOutcome::NoSuchUser),
        Outcome::Done,
        Outcome::Done,
        Outcome::Authorized(false),
        Outcome::Stored(Err(NotStored::NoSuchUser)),
        Outcome::Messages(Vec::new()),
        Outcome::Done,
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(asker.ask_all([]).await, [], "an empty batch is nothing to do");
}

async fn users_are_numbered_and_empty<S: Store>(mut asker: Asker<S>) {
    let outcomes = asker.ask_all([create("one"), create("two"), create("one")]).await;
    assert_eq!(outcomes, [ANN, BOB, CID].map(Outcome::Created), "the administrator's number is left out");
    assert_eq!(asker.ask(Work::LoadAccount { uin: BOB }).await, Outcome::Account(Some("two".to_owned())));
    assert_eq!(asker.ask(Work::LoadAccount { uin: Uin::ADMINISTRATOR }).await, Outcome::Account(None));
    assert_eq!(asker.ask(Work::LoadProfile { uin: ANN }).await, Outcome::Profile(Some(Arc::default())));
    assert_eq!(asker.contacts(ANN).await, []);
    assert_eq!(asker.waiting(ANN).await, [0; 0]);
}

async fn profiles_and_passwords_are_replaced<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    let text = |field: &str| format!("{field} 宋");
    let profile = Profile {
        face: Face(255),
        nick: text("nick"),
        age: 1,
        gender: 2,
        country: text("country"),
        province: text("province"),
        city: text("city"),
        email: text("email"),
        address: text("address"),
        zipcode: text("zipcode"),
        tel: text("tel"),
        name: text("name"),
        blood: 3,
        college: text("college"),
        occupation: text("occupation"),
        homepage: text("homepage"),
        intro: "x".repeat(70_000),
        auth: Authorization(255),
    };
    assert_eq!(asker.ask(save(BOB, profile.clone(), None)).await, Outcome::Done);
    let loaded = asker.ask_all([Work::LoadProfile { uin: BOB }, Work::LoadAccount { uin: BOB }]).await;
    assert_eq!(loaded, [Outcome::Profile(Some(Arc::new(profile))), Outcome::Account(Some("hash".to_owned()))]);

    assert_eq!(asker.ask(save(BOB, Profile::default(), Some("new"))).await, Outcome::Done);
    let loaded = asker.ask_all([Work::LoadProfile { uin: BOB }, Work::LoadAccount { uin: BOB }]).await;
    assert_eq!(loaded, [Outcome::Profile(Some(Arc::default())), Outcome::Account(Some("new".to_owned()))]);
    assert_eq!(asker.ask(Work::LoadAccount { uin: ANN }).await, Outcome::Account(Some("hash".to_owned())));
}

fn add(owner: Uin, contact: Uin, max: usize) -> Work {
    Work::AddContact { owner, contact, max }
}

async fn contacts_are_added_as_their_profile_says<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    assert_eq!(asker.ask(add(ANN, ANN, 9)).await, Outcome::Added(AddOutcome::Refused(Authorization::NOBODY)));
    assert_eq!(asker.ask(add(ANN, NOBODY, 9)).await, Outcome::Added(AddOutcome::NoSuchUser));
    assert_eq!(asker.ask(add(ANN, CID, 9)).await, Outcome::Added(AddOutcome::Added));
    assert_eq!(asker.ask(add(ANN, BOB, 9)).await, Outcome::Added(AddOutcome::Added));
    assert_eq!(asker.ask(add(ANN, BOB, 9)).await, Outcome::Added(AddOutcome::AlreadyThere));
    assert_eq!(asker.contacts(ANN).await, [BOB, CID]);
    assert_eq!(asker.contacts(BOB).await, [], "a list is one-sided");

    for auth in [Authorization::REQUIRED, Authorization::NOBODY, Authorization(77)] {
        asker.be_asked(ANN, auth).await;
        assert_eq!(asker.ask(add(BOB, ANN, 9)).await, Outcome::Added(AddOutcome::Refused(auth)));
    }
    asker.be_asked(BOB, Authorization::NOBODY).await;
    assert_eq!(asker.ask(add(ANN, BOB, 9)).await, Outcome::Added(AddOutcome::AlreadyThere), "who is there stays");

    assert_eq!(asker.ask(Work::RemoveContact { owner: ANN, contact: CID }).await, Outcome::Done);
    assert_eq!(asker.ask(Work::RemoveContact { owner: ANN, contact: CID }).await, Outcome::Done);
    assert_eq!(asker.contacts(ANN).await, [BOB]);
}

async fn contact_lists_end_at_their_maximum<S: Store>(mut asker: Asker<S>) {
    let max = 256;
    asker.ask_all((0..max + 2).map(|_| create("hash"))).await;
    let others = (1..).map(|step| Uin(ANN.0 + step));
    let outcomes = asker.ask_all(others.take(max).map(|contact| add(ANN, contact, max))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Added(AddOutcome::Added)));
    let last = Uin(ANN.0 + 257);
    assert_eq!(asker.ask(add(ANN, last, max)).await, Outcome::Added(AddOutcome::ListFull));
    assert_eq!(asker.ask(add(ANN, BOB, max)).await, Outcome::Added(AddOutcome::AlreadyThere));
    asker.ask(Work::RemoveContact { owner: ANN, contact: BOB }).await;
    assert_eq!(asker.ask(add(ANN, last, max)).await, Outcome::Added(AddOutcome::Added));
    assert_eq!(asker.contacts(ANN).await.len(), max);
    assert_eq!(asker.ask(add(BOB, CID, 0)).await, Outcome::Added(AddOutcome::ListFull));
}

fn question(asker: Uin, target: Uin) -> Work {
    Work::RequestAuthorization { asker, target }
}

fn answer(asker: Uin, target: Uin, granted: bool) -> Work {
    Work::AnswerAuthorization { asker, target, granted, max: 256 }
}

async fn authorization_is_given_once_to_who_asked<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    asker.be_asked(BOB, Authorization::REQUIRED).await;
    assert_eq!(asker.ask(answer(ANN, BOB, true)).await, Outcome::Authorized(false), "nobody asked");
    assert_eq!(asker.contacts(ANN).await, []);

    assert_eq!(asker.ask_all([question(ANN, BOB), question(ANN, BOB)]).await, [Outcome::Done, Outcome::Done]);
    assert_eq!(asker.ask(answer(BOB, ANN, true)).await, Outcome::Authorized(false), "the other way round");
    assert_eq!(asker.ask(answer(CID, BOB, true)).await, Outcome::Authorized(false), "for somebody else");
    assert_eq!(asker.ask(answer(ANN, BOB, true)).await, Outcome::Authorized(true));
    assert_eq!(asker.contacts(ANN).await, [BOB]);
    assert_eq!(asker.ask(answer(ANN, BOB, true)).await, Outcome::Authorized(false), "twice asked is once");

    asker.ask(question(CID, BOB)).await;
    assert_eq!(asker.ask(answer(CID, BOB, false)).await, Outcome::Authorized(true));
    assert_eq!(asker.contacts(CID).await, [], "refused");
    assert_eq!(asker.ask(answer(CID, BOB, true)).await, Outcome::Authorized(false), "a refusal is an answer");
    asker.ask_all([question(ANN, ANN), question(ANN, NOBODY), question(NOBODY, ANN)]).await;
    for (from, to) in [(ANN, ANN), (ANN, NOBODY), (NOBODY, ANN)] {
        assert_eq!(asker.ask(answer(from, to, true)).await, Outcome::Authorized(false));
    }
    assert_eq!(asker.contacts(ANN).await, [BOB]);
}

async fn granted_contacts_keep_to_the_maximum<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    asker.ask_all([add(ANN, BOB, 9), question(ANN, BOB), question(ANN, CID)]).await;
    let grant = |target, max| Work::AnswerAuthorization { asker: ANN, target, granted: true, max };
    assert_eq!(asker.ask(grant(BOB, 1)).await, Outcome::Authorized(true));
    assert_eq!(asker.ask(grant(CID, 1)).await, Outcome::Authorized(true));
    assert_eq!(asker.contacts(ANN).await, [BOB]);
    asker.ask(question(ANN, CID)).await;
    assert_eq!(asker.ask(grant(CID, 2)).await, Outcome::Authorized(true));
    assert_eq!(asker.contacts(ANN).await, [BOB, CID]);
}

async fn the_oldest_question_is_forgotten_first<S: Store>(mut asker: Asker<S>) {
    asker.ask_all((0..259).map(|_| create("hash"))).await;
    let other = |step| Uin(ANN.0 + step);
    asker.ask_all((1..=256).map(|step| question(ANN, other(step)))).await;
    // Asked again, the first is the newest; the second has to make room.
    asker.ask_all([question(ANN, other(1)), question(BOB, other(2)), question(ANN, other(257))]).await;
    let outcomes = asker.ask_all([2, 1, 3, 257].map(|step| answer(ANN, other(step), false))).await;
    assert_eq!(outcomes, [false, true, true, true].map(Outcome::Authorized));
    assert_eq!(asker.ask(answer(BOB, other(2), false)).await, Outcome::Authorized(true));
}

async fn messages_come_back_as_they_went<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let charsets = Charset::all().zip(1..);
    let mut messages: Vec<Message> = charsets
        .map(|(charset, id)| Message { charset, text: every_byte.as_slice().into(), ..message(id, BOB, ANN) })
        .collect();
    let last = i64::MAX.cast_unsigned();
    messages.push(Message {
        from: Uin(u32::MAX),
        time: UnixTime(last),
        kind: MessageKind(255),
        text: Vec::default(),
        ..message(last, BOB, ANN)
    });
    for message in &messages {
        assert_eq!(asker.ask(keep(message.clone())).await, Outcome::Stored(Ok(())));
    }
    let expected = messages.into_iter().map(Arc::new).collect();
    assert_eq!(asker.ask(load(ANN, 0, 100)).await, Outcome::Messages(expected));
    assert_eq!(asker.waiting(BOB).await, [0; 0]);
}

async fn a_mailbox_ends_at_its_maximum<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    let (max, full) = (1000, Outcome::Stored(Err(NotStored::MailboxFull)));
    let from = |id: u64| if id.is_multiple_of(2) { BOB } else { CID };
    let outcomes = asker.ask_all((1..=1000).map(|id| keep_up_to(message(id, from(id), ANN), max, max))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Stored(Ok(()))));
    assert_eq!(asker.ask(keep_up_to(message(1001, BOB, ANN), max, max)).await, full);
    assert_eq!(asker.ask(keep_up_to(message(1001, BOB, CID), max, max)).await, Outcome::Stored(Ok(())));
    asker.ask(Work::DeleteMessage { recipient: ANN, id: MessageId(500) }).await;
    assert_eq!(asker.ask(keep_up_to(message(1002, BOB, ANN), max, max)).await, Outcome::Stored(Ok(())));
    assert_eq!(asker.ask(keep_up_to(message(1003, BOB, ANN), max, max)).await, full);
    assert_eq!(asker.ask(keep_up_to(message(1003, BOB, BOB), 0, 9)).await, full);
}

async fn a_pair_ends_at_its_maximum<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    let full = Outcome::Stored(Err(NotStored::MailboxFull));
    let outcomes = asker.ask_all((1..=100).map(|id| keep(message(id, BOB, ANN)))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Stored(Ok(()))));
    assert_eq!(asker.ask(keep(message(101, BOB, ANN))).await, full);
    let others = [keep(message(102, CID, ANN)), keep(message(103, BOB, CID)), keep(message(104, ANN, BOB))];
    assert_eq!(asker.ask_all(others).await, [const { Outcome::Stored(Ok(())) }; 3], "other pairs have room");
    asker.ask(Work::DeleteMessage { recipient: ANN, id: MessageId(1) }).await;
    let outcomes = asker.ask_all([keep(message(105, BOB, ANN)), keep(message(106, BOB, ANN))]).await;
    assert_eq!(outcomes, [Outcome::Stored(Ok(())), full.clone()]);
    assert_eq!(asker.ask(keep_up_to(message(107, BOB, BOB), 9, 0)).await, full);
}

async fn messages_are_read_in_pages<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    // Not in the order of their numbers: several shards may store for one recipient.
    asker.ask_all([5, 3, 9, 1, 7].map(|id| keep(message(id, BOB, ANN)))).await;
    asker.ask(keep(message(4, ANN, BOB))).await;
    let pages = [(0, 2), (3, 2), (7, 2), (9, 2), (0, 0), (4, 100), (u64::MAX, 9)];
    let expected: [&[u64]; 7] = [&[1, 3], &[5, 7], &[9], &[], &[], &[5, 7, 9], &[]];
    for ((after, limit), ids) in pages.into_iter().zip(expected) {
        let messages = ids.iter().map(|&id| Arc::new(message(id, BOB, ANN))).collect();
        assert_eq!(asker.ask(load(ANN, after, limit)).await, Outcome::Messages(messages), "{after} {limit}");
    }
}

async fn messages_are_deleted_one_by_one<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    asker.ask_all([1, 2, 3].map(|id| keep(message(id, BOB, ANN)))).await;
    let delete = |recipient, id| Work::DeleteMessage { recipient, id: MessageId(id) };
    let others = [delete(BOB, 2), delete(ANN, 4), delete(ANN, u64::MAX), delete(ANN, 2), delete(ANN, 2)];
    assert_eq!(asker.ask_all(others).await, [const { Outcome::Done }; 5]);
    assert_eq!(asker.waiting(ANN).await, [1, 3], "only one's own");
}

async fn a_message_number_is_taken_once<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    let works = [keep(message(1, BOB, ANN)), keep(message(1, BOB, CID)), keep(message(2, BOB, CID))];
    let kept = Outcome::Stored(Ok(()));
    assert_eq!(asker.ask_all(works).await, [kept.clone(), Outcome::Failed, kept.clone()], "the others are not harmed");
    assert_eq!((asker.waiting(ANN).await, asker.waiting(CID).await), (vec![1], vec![2]));
    asker.ask(Work::DeleteMessage { recipient: ANN, id: MessageId(1) }).await;
    assert_eq!(asker.ask(keep(message(1, BOB, CID))).await, kept);
}

async fn numbers_beyond_the_disk_are_refused<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    let past = i64::MAX.cast_unsigned() + 1;
    let time = Message { time: UnixTime(past), ..message(1, BOB, ANN) };
    let id = Message { id: MessageId(past), time: UnixTime(1), ..message(1, BOB, ANN) };
    assert_eq!(asker.ask_all([keep(time), keep(id)]).await, [Outcome::Failed, Outcome::Failed]);
    assert_eq!(asker.waiting(ANN).await, [0; 0]);
}

async fn a_batch_sees_itself_in_order<S: Store>(mut asker: Asker<S>) {
    let outcomes = asker
        .ask_all([
            load(ANN, 0, 9),
            create("hash"),
            keep(message(1, ANN, ANN)),
            load(ANN, 0, 9),
            save(ANN, Profile::default(), Some("other")),
            Work::LoadAccount { uin: ANN },
            Work::DeleteMessage { recipient: ANN, id: MessageId(1) },
            load(ANN, 0, 9),
        ])
        .await;
    let expected = [
        Outcome::Messages(Vec::new()),
        Outcome::Created(ANN),
        Outcome::Stored(Ok(())),
        Outcome::Messages(vec![Arc::new(message(1, ANN, ANN))]),
        Outcome::Done,
        Outcome::Account(Some("other".to_owned())),
        Outcome::Done,
        Outcome::Messages(Vec::new()),
    ];
    assert_eq!(outcomes, expected);
}

async fn texts_are_never_read_as_sql<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    for (evil, id) in EVIL.into_iter().zip(1..) {
        let evil = evil.to_owned();
        let fields = [(); 12].map(|()| evil.clone());
        let [nick, country, province, city, email, address, zipcode, tel, name, college, occupation, homepage] = fields;
        let profile = Profile {
            nick,
            country,
            province,
            city,
            email,
            address,
            zipcode,
            tel,
            name,
            college,
            occupation,
            homepage,
            intro: evil.clone(),
            ..Profile::default()
        };
        let letter = Message { text: evil.as_bytes().into(), ..message(id, BOB, ANN) };
        let works = [save(ANN, profile.clone(), Some(&evil)), keep(letter.clone()), create(&evil)];
        assert!(!asker.ask_all(works).await.contains(&Outcome::Failed));
        let loads = [Work::LoadProfile { uin: ANN }, Work::LoadAccount { uin: ANN }, load(ANN, id - 1, 1)];
        let expected = [
            Outcome::Profile(Some(Arc::new(profile))),
            Outcome::Account(Some(evil)),
            Outcome::Messages(vec![Arc::new(letter)]),
        ];
        assert_eq!(asker.ask_all(loads).await, expected);
    }
    assert_eq!(asker.ask(Work::LoadAccount { uin: BOB }).await, Outcome::Account(Some("hash".to_owned())));
}

fn search(nick: &str, email: &str, after: Uin, limit: usize) -> Work {
    Work::SearchUsers { nick: nick.to_owned(), email: email.to_owned(), after, limit }
}

fn found(outcome: Outcome) -> Vec<Uin> {
    let Outcome::Cards(cards) = outcome else { unreachable!("{outcome:?}") };
    cards.into_iter().map(|card| card.uin).collect()
}

async fn users_are_found_by_whole_words<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    let profile = |nick: &str, email: &str| Profile { nick: nick.into(), email: email.into(), ..Profile::default() };
    asker.ask(save(ANN, profile("Ann 宋", "ann@example.org"), None)).await;
    asker.ask(save(BOB, profile("ann 宋", ""), None)).await;
    asker.ask(save(CID, profile("", "ANN@example.org"), None)).await;
    for (nick, email, expected) in [
        ("ANN 宋", "", &[ANN, BOB][..]),
        ("", "ann@Example.org", &[ANN, CID]),
        ("ann 宋", "ann@example.org", &[ANN]),
        ("ann 宋", "bob@example.org", &[]),
        ("Ann", "", &[]),
        ("%", "", &[]),
        ("Ann _", "", &[]),
        ("", "", &[]),
    ] {
        assert_eq!(found(asker.ask(search(nick, email, Uin::NONE, 9)).await), expected, "{nick:?} {email:?}");
    }
    for evil in EVIL {
        asker.ask(save(BOB, profile(evil, evil), None)).await;
        assert_eq!(found(asker.ask(search(evil, evil, Uin::NONE, 9)).await), [BOB], "{evil:?}");
    }
}

async fn found_users_come_in_pages<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    for uin in [ANN, BOB, CID] {
        asker.ask(save(uin, Profile { nick: "same".into(), ..Profile::default() }, None)).await;
    }
    assert_eq!(found(asker.ask(search("same", "", Uin::NONE, 2)).await), [ANN, BOB]);
    assert_eq!(found(asker.ask(search("same", "", BOB, 2)).await), [CID]);
    assert_eq!(found(asker.ask(search("same", "", CID, 2)).await), []);
    assert_eq!(found(asker.ask(search("same", "", Uin::NONE, 0)).await), []);
    assert_eq!(found(asker.ask(search("same", "", Uin(u32::MAX), usize::MAX)).await), []);
}

async fn cards_are_those_of_users_who_exist<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    let profile = Profile { face: Face(7), nick: "n".into(), province: "p".into(), ..Profile::default() };
    asker.ask(save(BOB, profile, None)).await;
    let outcome = asker.ask(Work::LoadCards { uins: vec![CID, NOBODY, BOB, CID] }).await;
    let card = |uin, face, nick: &str, province: &str| Card { uin, face, nick: nick.into(), province: province.into() };
    assert_eq!(outcome, Outcome::Cards(vec![card(BOB, Face(7), "n", "p"), card(CID, Face(0), "", "")]));
    assert_eq!(asker.ask(Work::LoadCards { uins: Vec::new() }).await, Outcome::Cards(Vec::new()));
}

fn broadcast(id: u64) -> Broadcast {
    Broadcast { id: MessageId(id), time: UnixTime(id), text: format!("broadcast {id} 宋") }
}

fn say_to_all(id: u64) -> Work {
    Work::StoreBroadcast { broadcast: broadcast(id), expired: UnixTime(0), max: 100 }
}

async fn broadcasts_are_for_those_who_were_there<S: Store>(mut asker: Asker<S>) {
    let last = |uin| Work::LoadLastBroadcast { uin };
    let up_to = |id| Outcome::LastBroadcast(MessageId(id));
    let read = |uin, id| Work::ReadBroadcast { uin, id: MessageId(id) };
    asker.ask(create("hash")).await;
    assert_eq!(asker.ask(say_to_all(5)).await, Outcome::Done);
    asker.ask(create("hash")).await;
    assert_eq!(asker.ask_all([last(ANN), last(BOB), last(NOBODY)]).await, [up_to(0), up_to(5), up_to(0)]);
    assert_eq!(
        asker.ask_all([read(ANN, 5), read(NOBODY, 5), last(ANN)]).await,
        [Outcome::Done, Outcome::Done, up_to(5)]
    );
    assert_eq!(asker.ask_all([read(ANN, 3), last(ANN)]).await, [Outcome::Done, up_to(5)], "nobody goes back");
    assert_eq!(asker.ask(read(ANN, u64::MAX)).await, Outcome::Failed);
    assert_eq!(asker.ask(Work::LoadBroadcasts { limit: 9 }).await, Outcome::Broadcasts(vec![broadcast(5)]));
}

async fn broadcasts_end_at_their_maximum_and_their_time<S: Store>(mut asker: Asker<S>) {
    let say = |id, expired, max| Work::StoreBroadcast { broadcast: broadcast(id), expired: UnixTime(expired), max };
    let all = || Work::LoadBroadcasts { limit: usize::MAX };
    let kept = |ids: &[u64]| Outcome::Broadcasts(ids.iter().copied().map(broadcast).collect());
    let done = [Outcome::Done, Outcome::Done, Outcome::Done];
    assert_eq!(asker.ask_all([say(1, 0, 3), say(2, 0, 3), say(3, 0, 3)]).await, done);
    assert_eq!(asker.ask(all()).await, kept(&[1, 2, 3]));
    assert_eq!(asker.ask(Work::LoadBroadcasts { limit: 2 }).await, kept(&[2, 3]), "the latest");
    asker.ask(say(4, 0, 3)).await;
    assert_eq!(asker.ask(all()).await, kept(&[2, 3, 4]));
    asker.ask(say(5, 3, 3)).await;
    assert_eq!(asker.ask(all()).await, kept(&[4, 5]), "what is of that time has expired");
}

async fn broadcast_numbers_rise<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    assert_eq!(asker.ask(say_to_all(5)).await, Outcome::Done);
    assert_eq!(
        asker.ask_all([say_to_all(5), say_to_all(4), say_to_all(u64::MAX)]).await,
        [const { Outcome::Failed }; 3]
    );
    assert_eq!(asker.ask(Work::LoadLastMessage).await, Outcome::LastMessage(MessageId(5)));
    asker.ask(keep(message(9, ANN, BOB))).await;
    assert_eq!(asker.ask(Work::LoadLastMessage).await, Outcome::LastMessage(MessageId(9)));
}

async fn ten_thousand_registrations<S: Store>(mut asker: Asker<S>) {
    for first in (0..10_000).step_by(1000) {
        let outcomes = asker.ask_all((0..1000).map(|_| create("hash"))).await;
        let expected = (0..1000).map(|step| Outcome::Created(Uin(ANN.0 + first + step)));
        assert!(outcomes.into_iter().eq(expected));
    }
}
