//! Databases of every earlier version, with what a server may have left in them: each is brought up to date, and nothing is lost.
//!
//! The SQL in `schemas` is named by the version of the tables that it needs: a database of a version has what needs that or an
//! earlier one.

use std::sync::Arc;

use myicq_server::store::{Broadcast, Database, Message, MessageId, NotStored, Outcome, Profile, UserSummary, Work};
use myicq_wire::charset::Charset;
use myicq_wire::{Authorization, Face, MessageKind, Uin, UnixTime};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};

use crate::place::Place;
use crate::{ANN, Asker, BOB, CID, create, keep, keep_up_to, load, message};

static SQLITE: Migrator = sqlx::migrate!("src/store/migrations");
static POSTGRES: Migrator = sqlx::migrate!("src/store/postgres/migrations");

const SQLITE_LEFT: [(usize, &str); 2] =
    [(1, include_str!("schemas/sqlite_1.sql")), (3, include_str!("schemas/sqlite_3.sql"))];
const POSTGRES_LEFT: [(usize, &str); 1] = [(1, include_str!("schemas/postgres_1.sql"))];

/// Whom the administrator has given this number.
const CHOSEN: Uin = Uin(7);

/// The numbers of messages and broadcasts in the files begin here.
const BASE: u64 = 1_700_000_000_000_000;

#[tokio::test]
async fn every_earlier_sqlite_database_keeps_what_it_holds() {
    for version in 1..=SQLITE.iter().count() {
        let place = Place::sqlite();
        let file = place.folder.path().join("myicq.db");
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        tables(&SQLITE, version).run(&mut connection).await.unwrap();
        for sql in left(&SQLITE_LEFT, version) {
            connection.execute(sql).await.unwrap();
        }
        connection.close().await.unwrap();
        everything_is_there(&place, version >= 3).await;
    }
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
async fn every_earlier_postgres_database_keeps_what_it_holds() {
    for version in 1..=POSTGRES.iter().count() {
        let place = Place::postgres().await;
        let mut connection = place.connect().await;
        tables(&POSTGRES, version).run(&mut connection).await.unwrap();
        for sql in left(&POSTGRES_LEFT, version) {
            connection.execute(sql).await.unwrap();
        }
        connection.close().await.unwrap();
        everything_is_there(&place, true).await;
        place.remove().await;
    }
}

/// The tables of a version, as the program of that time made them.
fn tables(migrations: &Migrator, version: usize) -> Migrator {
    Migrator::with_migrations(migrations.iter().take(version).cloned().collect())
}

/// What a database of a version holds.
fn left<'a>(files: &'a [(usize, &'static str)], version: usize) -> impl Iterator<Item = &'static str> + 'a {
    files.iter().filter(move |(since, _)| *since <= version).map(|(_, sql)| *sql)
}

async fn everything_is_there(place: &Place, has_broadcasts: bool) {
    let mut asker = Asker::new(place.open().await);
    users_are_there(&mut asker).await;
    lists_and_questions_are_there(&mut asker).await;
    messages_are_there(&mut asker).await;
    broadcasts_are_there(&mut asker, has_broadcasts).await;
    asker.store.close().await;
}

async fn users_are_there(asker: &mut Asker<Database>) {
    let user = |uin, nick: &str, second: u64, contacts, messages| UserSummary {
        uin,
        nick: nick.to_owned(),
        created: UnixTime(second * 1_000_000),
        contacts,
        messages,
    };
    let users = vec![
        user(CHOSEN, "Ann", 1_700_000_004, 1, 1),
        user(ANN, "林", 1_700_000_001, 2, 0),
        user(BOB, "", 1_700_000_002, 1, 2),
        user(CID, "", 1_700_000_003, 0, 1),
    ];
    assert_eq!(asker.ask(Work::ListUsers { after: Uin::NONE, limit: 9 }).await, Outcome::Users(users));
    let hash = |hash: &str| Outcome::Account(Some(hash.to_owned()));
    let accounts = [ANN, BOB, CID, CHOSEN].map(|uin| Work::LoadAccount { uin });
    let hashes = [hash("$argon2id$v=19$m=8,t=1,p=1$AAAA$BBBB"), hash("two"), hash("three"), hash("seven")];
    assert_eq!(asker.ask_all(accounts).await, hashes);
    let text = str::to_owned;
    let profile = Profile {
        face: Face(7),
        nick: text("林"),
        age: 23,
        gender: 1,
        country: text("中国"),
        province: text("浙江"),
        city: text("杭州"),
        email: text("Lin@example.org"),
        address: text("a \"street\""),
        zipcode: text("310000"),
        tel: text("0571"),
        name: text("Lin 's"),
        blood: 3,
        college: text("ZJU"),
        occupation: text("poet"),
        homepage: text("http://example.org/"),
        intro: text("two\nlines"),
        auth: Authorization(2),
    };
    assert_eq!(asker.ask(Work::LoadProfile { uin: ANN }).await, Outcome::Profile(Some(Arc::new(profile))));
    assert_eq!(asker.ask(Work::LoadProfile { uin: BOB }).await, Outcome::Profile(Some(Arc::default())));
    let search = Work::SearchUsers { nick: text("ANN"), email: String::new(), after: Uin::NONE, limit: 9 };
    let outcome = asker.ask(search).await;
    let Outcome::Cards(cards) = outcome else { unreachable!("{outcome:?}") };
    assert_eq!(cards.iter().map(|card| card.uin).collect::<Vec<_>>(), [CHOSEN], "what is searched for is found");
}

async fn lists_and_questions_are_there(asker: &mut Asker<Database>) {
    assert_eq!((asker.contacts(ANN).await, asker.contacts(BOB).await), (vec![CHOSEN, BOB], vec![CID]));
    assert_eq!((asker.contacts(CHOSEN).await, asker.contacts(CID).await), (vec![ANN], vec![]));
    let answer = |asker, target| Work::AnswerAuthorization { asker, target, granted: true, max: 9 };
    let outcomes = asker.ask_all([answer(CID, ANN), answer(BOB, CHOSEN), answer(ANN, BOB)]).await;
    assert_eq!(outcomes, [true, true, false].map(Outcome::Authorized));
    assert_eq!((asker.contacts(CID).await, asker.contacts(BOB).await), (vec![ANN], vec![CHOSEN, CID]));
}

async fn messages_are_there(asker: &mut Asker<Database>) {
    let kept = |id: u64, from, to, time, kind, charset, text: &[u8]| {
        let (id, time, kind, text) = (MessageId(id), UnixTime(time), MessageKind(kind), text.to_vec());
        Arc::new(Message { id, from, to, time, kind, text, charset })
    };
    let (gone, text) = (Uin(10_004), b"hello\xFFSimSun\xFF9\xFF0\xFF0");
    let of_bob = vec![
        kept(BASE + 3, gone, BOB, BASE + 3, 0, Charset::Utf8, "海".as_bytes()),
        kept(BASE + 7, ANN, BOB, BASE + 7, 0, Charset::Gbk, text),
    ];
    let of_cid = vec![kept(BASE + 5, Uin::ADMINISTRATOR, CID, BASE + 4, 4, Charset::Big5, b"")];
    let of_chosen = vec![kept(BASE + 9, ANN, CHOSEN, 9, 255, Charset::Gbk, b"\0\xFF")];
    let outcomes = asker.ask_all([BOB, CID, CHOSEN, ANN].map(|uin| load(uin, 0, 9))).await;
    assert_eq!(outcomes, [of_bob, of_cid, of_chosen, vec![]].map(Outcome::Messages));
    assert_eq!(asker.ask(keep(message(BASE + 3, CID, ANN))).await, Outcome::Failed, "its number is taken");
    let full = Outcome::Stored(Err(NotStored::MailboxFull));
    assert_eq!(asker.ask(keep_up_to(message(BASE + 20, CID, BOB), 2, 9)).await, full);
    assert_eq!(asker.ask(keep_up_to(message(BASE + 20, ANN, BOB), 9, 1)).await, full);
    assert_eq!(asker.ask(Work::RemoveUser { uin: CID }).await, Outcome::Removed(Some(1)));
    assert_eq!((asker.waiting(BOB).await, asker.waiting(CID).await), (vec![BASE + 3, BASE + 7], vec![]));
    assert_eq!(asker.ask(create("hash")).await, Outcome::Created(Uin(10_009)), "the numbers go on");
}

async fn broadcasts_are_there(asker: &mut Asker<Database>, has_broadcasts: bool) {
    let said = |id: u64, time, text: &str| Broadcast { id: MessageId(id), time: UnixTime(time), text: text.to_owned() };
    let all = vec![said(BASE + 11, BASE + 11, "The server moves."), said(BASE + 13, BASE + 12, "海 it's done")];
    let (kept, last, read) = match has_broadcasts {
        true => (all, BASE + 13, [BASE + 11, 0, BASE + 13]),
        false => (vec![], BASE + 9, [0; 3]),
    };
    assert_eq!(asker.ask(Work::LoadBroadcasts { limit: 9 }).await, Outcome::Broadcasts(kept));
    assert_eq!(asker.ask(Work::LoadLastMessage).await, Outcome::LastMessage(MessageId(last)));
    let outcomes = asker.ask_all([ANN, BOB, CHOSEN].map(|uin| Work::LoadLastBroadcast { uin })).await;
    assert_eq!(outcomes, read.map(|id| Outcome::LastBroadcast(MessageId(id))));
}
