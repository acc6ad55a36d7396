//! What every store must do, asked of each of them; and what only a store on a disk can do.
//!
//! The tests of PostgreSQL are ignored unless they are asked for: they need a server. `MYICQ_TEST_POSTGRES` is the URL of a database in
//! which they may make schemas, and `cargo test --test store_conformance -- --ignored` runs them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod files;
mod migrations;
mod place;
mod postgres;
mod room;
mod sequences;
mod suite;
mod users;

use std::sync::Arc;

use myicq_server::store::{Message, MessageId, Outcome, Profile, Reply, Request, Room, Store, Ticket, Work};
use myicq_wire::charset::Charset;
use myicq_wire::{Authorization, MessageKind, Uin, UnixTime};

/// The first three numbers of registrations.
const ANN: Uin = Uin(10_001);
const BOB: Uin = Uin(10_002);
const CID: Uin = Uin(10_003);

/// A number that nobody has.
const NOBODY: Uin = Uin(4_000_000_000);

/// Texts that mean something to SQL, to C or to a terminal.
const EVIL: [&str; 8] = [
    "'; DROP TABLE users; --",
    "\" OR 1=1 --",
    "?1 :name @name $name",
    "%s%n\\x00\\",
    "a\0b",
    "宋体 \u{1F600} \u{202E}",
    "\r\n\t\u{1B}[2J",
    "X'41'||char(0)",
];

/// Makes of each function a test of every store.
macro_rules! on_every_backend {
    ($($name:ident)*) => {
        mod memory {
            use super::*;
            $(#[tokio::test] async fn $name() {
                super::$name(Asker::new(myicq_server::store::MemoryStore::default())).await;
            })*
        }
        mod sqlite {
            use super::*;
            $(#[tokio::test] async fn $name() {
                let place = crate::place::Place::sqlite();
                super::$name(Asker::new(place.open().await)).await;
            })*
        }
        mod postgres {
            use super::*;
            $(#[tokio::test]
            #[ignore = "needs a PostgreSQL server, named by MYICQ_TEST_POSTGRES as in .ci/run"]
            async fn $name() {
                let place = crate::place::Place::postgres().await;
                super::$name(Asker::new(place.open().await)).await;
                place.remove().await;
            })*
        }
    };
}
use on_every_backend;

/// Asks a store, and checks that the replies are those of the requests.
struct Asker<S> {
    store: S,
    ticket: u64,
}

impl<S: Store> Asker<S> {
    fn new(store: S) -> Self {
        Self { store, ticket: 0 }
    }

    /// Does all of it in one commit.
    async fn ask_all(&mut self, works: impl IntoIterator<Item = Work>) -> Vec<Outcome> {
        let first = self.ticket;
        let batch = works.into_iter().map(|work| {
            self.ticket += 1;
            Request { ticket: Ticket(self.ticket), work }
        });
        let batch: Vec<Request> = batch.collect();
        let tickets: Vec<u64> = (first + 1..=self.ticket).collect();
        let replies: Vec<Reply> = self.store.commit(batch).await;
        assert_eq!(replies.iter().map(|reply| reply.ticket.0).collect::<Vec<_>>(), tickets);
        replies.into_iter().map(|reply| reply.outcome).collect()
    }

    async fn ask(&mut self, work: Work) -> Outcome {
        self.ask_all([work]).await.pop().unwrap()
    }

    /// Makes [`ANN`], [`BOB`] and [`CID`].
    async fn register_three(&mut self) {
        for uin in [ANN, BOB, CID] {
            assert_eq!(self.ask(create("hash")).await, Outcome::Created(uin));
        }
    }

    async fn be_asked(&mut self, uin: Uin, auth: Authorization) {
        let work = save(uin, Profile { auth, ..Profile::default() }, None);
        assert_eq!(self.ask(work).await, Outcome::Done);
    }

    async fn contacts(&mut self, uin: Uin) -> Vec<Uin> {
        let outcome = self.ask(Work::LoadContacts { uin }).await;
        let Outcome::Contacts(contacts) = outcome else { unreachable!("{outcome:?}") };
        contacts
    }

    /// The numbers of the messages that wait for somebody.
    async fn waiting(&mut self, recipient: Uin) -> Vec<u64> {
        let outcome = self.ask(load(recipient, 0, usize::MAX)).await;
        let Outcome::Messages(messages) = outcome else { unreachable!("{outcome:?}") };
        messages.iter().map(|message| message.id.0).collect()
    }
}

fn create(password_hash: &str) -> Work {
    Work::AddUser { uin: None, nick: String::new(), password_hash: password_hash.to_owned() }
}

fn save(uin: Uin, profile: Profile, password_hash: Option<&str>) -> Work {
    Work::SaveProfile { uin, profile: Arc::new(profile), password_hash: password_hash.map(str::to_owned) }
}

fn message(id: u64, from: Uin, to: Uin) -> Message {
    Message {
        id: MessageId(id),
        from,
        to,
        time: UnixTime(id),
        kind: MessageKind::TEXT,
        text: format!("text {id}").into_bytes(),
        charset: Charset::Gbk,
    }
}

fn keep(message: Message) -> Work {
    keep_up_to(message, 1000, 100)
}

fn keep_up_to(message: Message, max: usize, pair_max: usize) -> Work {
    keep_in(message, Room { messages: max, of_pair: pair_max, ..Room::UNLIMITED })
}

fn keep_in(message: Message, room: Room) -> Work {
    Work::StoreMessage { message: Arc::new(message), room }
}

fn load(recipient: Uin, after: u64, limit: usize) -> Work {
    Work::LoadMessages { recipient, after: MessageId(after), limit }
}
