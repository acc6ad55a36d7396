//! The store on a disk (docs/benchmarks.md, "The store"): messages stored in a second, and how long a login and a message wait for it.
//!
//! `cargo bench -p myicq-server --bench store` takes two minutes. With `-- --users 1000000 --contacts 10` it builds a database of that
//! size in the temporary folder (some 300 MB), and measures there. With `-- --postgres URL` it makes schemas in that database, whose server
//! is on this machine, and measures there what it measures in a file otherwise; its processes are counted in.
#![expect(clippy::disallowed_methods, reason = "measures real time on a real disk")]
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark of what does not work is worth nothing")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use myicq_server::store::{
    self, Database, DatabaseUrl, Message, MessageId, Outcome, Reply, Request, Room, SqliteStore, Store, Ticket, Work,
};
use myicq_wire::charset::Charset;
use myicq_wire::{MessageKind, Uin, UnixTime};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, query};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// How long each figure is measured.
const SECONDS: f64 = 2.0;

/// Rounds of all figures; the median of each is to be read.
const ROUNDS: usize = 3;

/// Recipients of the messages when nothing else is asked for.
const RECIPIENTS: u32 = 1000;

/// What the configuration has, but that each sender has as much to say as it takes.
const ROOM: Room = Room { messages: 1000, bytes: 1 << 18, of_pair: 100, of_sender_in_a_day: usize::MAX };

/// Ticks of the clock of /proc/self/stat in a second.
const TICKS: f64 = 100.0;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number_after = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u32>().ok()
    };
    let postgres = arguments.iter().position(|argument| argument == "--postgres").and_then(|at| arguments.get(at + 1));
    let postgres = postgres.map(String::as_str);
    match number_after("--users") {
        Some(users) => large(users, number_after("--contacts").unwrap_or(10)).await,
        None => {
            for round in 1..=ROUNDS {
                println!("round {round}");
                append();
                for batch in [1, 64, 256, 1024] {
                    stored(postgres, batch).await;
                }
                through_the_loop(postgres).await;
                emptied(postgres).await;
                waiting(postgres, false).await;
                waiting(postgres, true).await;
            }
        }
    }
}

/// An empty database of a measurement.
struct Place {
    folder: TempDir,
    /// A connection with another database, and the URL of a schema there.
    postgres: Option<(PgConnection, DatabaseUrl)>,
}

/// The schema of a measurement: there is one at a time.
const SCHEMA: &str = "myicq_bench";

impl Place {
    async fn new(postgres: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let Some(url) = postgres else { return Self { folder, postgres: None } };
        let mut connection = PgConnection::connect(url).await.unwrap();
        let make = format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}");
        connection.execute(AssertSqlSafe(make)).await.unwrap();
        let url = format!("{url}{}options=-csearch_path%3D{SCHEMA}", if url.contains('?') { '&' } else { '?' });
        Self { folder, postgres: Some((connection, DatabaseUrl::parse(&url).unwrap())) }
    }

    async fn with_users(&self, users: u32) -> Database {
        let url = self.postgres.as_ref().map(|(_, url)| url);
        let mut store = Database::open(self.folder.path(), url).await.unwrap();
        let mut left = users;
        while left > 0 {
            let batch = left.min(1024);
            let create =
                || request(Work::AddUser { uin: None, nick: String::new(), password_hash: "$argon2id$".repeat(9) });
            store.commit((0..batch).map(|_| create()).collect()).await;
            left -= batch;
        }
        store
    }
}

/// Messages of one text to users in no order, each number once.
struct Messages {
    seed: u64,
    id: u64,
    users: u32,
}

impl Messages {
    fn new(users: u32) -> Self {
        Self { seed: 1, id: 1_700_000_000_000_000, users }
    }

    /// Any user: a linear congruential generator.
    fn uin(&mut self) -> Uin {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Uin(Uin::FIRST.0 + u32::try_from(self.seed >> 33).unwrap() % self.users)
    }

    fn message(&mut self) -> Work {
        self.id += 37;
        let message = Message {
            id: MessageId(self.id),
            from: self.uin(),
            to: self.uin(),
            time: UnixTime(self.id),
            kind: MessageKind::TEXT,
            text: vec![b'x'; 64],
            charset: Charset::Gbk,
        };
        Work::StoreMessage { message: Arc::new(message), room: ROOM }
    }
}

fn request(work: Work) -> Request {
    Request { ticket: Ticket(0), work }
}

/// What this process has used of its processors, all threads; and the processes of PostgreSQL, where there are any.
fn cpu_seconds() -> f64 {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    let own = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let counted = processes.filter(|stat| stat.contains("(postgres)")).chain([own]);
    let ticks = counted.flat_map(|stat| {
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).collect::<Vec<_>>()
    });
    ticks.sum::<f64>() / TICKS
}

/// Counts something until the time is over.
struct Meter {
    began: Instant,
    cpu: f64,
    count: u32,
}

impl Meter {
    fn start() -> Self {
        Self { began: Instant::now(), cpu: cpu_seconds(), count: 0 }
    }

    fn goes_on(&self) -> bool {
        self.began.elapsed().as_secs_f64() < SECONDS
    }

    fn report(&self, what: &str) {
        let (count, seconds) = (f64::from(self.count), self.began.elapsed().as_secs_f64());
        let cpu = (cpu_seconds() - self.cpu) * 1e6 / count;
        println!("{what:<46} {:>9.0}/s {cpu:>7.1} us of CPU each", count / seconds);
    }
}

/// What the disk can do at all.
fn append() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = File::create(folder.path().join("log")).unwrap();
    let mut meter = Meter::start();
    while meter.goes_on() {
        file.write_all(&[7; 128]).unwrap();
        file.sync_data().unwrap();
        meter.count += 1;
    }
    meter.report("append 128 bytes, sync");
}

fn check(replies: &[Reply]) {
    let has_failed = |reply: &Reply| matches!(reply.outcome, Outcome::Failed | Outcome::Stored(Err(_)));
    assert!(!replies.iter().any(has_failed));
}

async fn stored(postgres: Option<&str>, batch: u32) {
    let place = Place::new(postgres).await;
    let mut store = place.with_users(RECIPIENTS).await;
    let mut messages = Messages::new(RECIPIENTS);
    let mut meter = Meter::start();
    while meter.goes_on() {
        check(&store.commit((0..batch).map(|_| request(messages.message())).collect()).await);
        meter.count += batch;
    }
    meter.report(&format!("messages stored, {batch} in a commit"));
    store.close().await;
}

/// As the server does it: up to so many requests without an answer, one more for each answer.
async fn through_the_loop(postgres: Option<&str>) {
    for window in [64, 256, 1024, 4096] {
        let place = Place::new(postgres).await;
        let writer = place.with_users(RECIPIENTS).await;
        let reader = writer.reader().await.unwrap();
        let mut messages = Messages::new(RECIPIENTS);
        let (sender, requests) = mpsc::unbounded_channel();
        (0..window).for_each(|_| sender.send(request(messages.message())).unwrap());
        let (mut meter, mut sender) = (Meter::start(), Some(sender));
        let (writer, reader) = store::run(writer, reader, requests, |replies| {
            check(&replies);
            meter.count += u32::try_from(replies.len()).unwrap();
            sender = sender.take().filter(|_| meter.goes_on());
            let again = sender.iter().flat_map(|sender| replies.iter().map(move |_| sender));
            again.for_each(|sender| sender.send(request(messages.message())).unwrap());
        })
        .await;
        meter.report(&format!("messages stored, {window} under way"));
        reader.close().await;
        writer.close().await;
    }
}

/// What those who come find in their mailboxes, 32 of them at once.
async fn emptied(postgres: Option<&str>) {
    let place = Place::new(postgres).await;
    let mut store = place.with_users(RECIPIENTS).await;
    let mut reader = store.reader().await.unwrap();
    let mut messages = Messages::new(RECIPIENTS);
    for _ in 0..100 {
        check(&store.commit((0..1000).map(|_| request(messages.message())).collect()).await);
    }
    let uins: Vec<Uin> = (Uin::FIRST.0..).map(Uin).take(RECIPIENTS as usize).collect();
    let mut meter = Meter::start();
    for batch in uins.chunks(32) {
        let load = |&recipient| request(Work::LoadMessages { recipient, after: MessageId(0), limit: 24 });
        let found = reader.commit(batch.iter().map(load).collect()).await.into_iter();
        let found =
            found.filter_map(|reply| if let Outcome::Messages(found) = reply.outcome { Some(found) } else { None });
        let delete = found.flatten().map(|message| Work::DeleteMessage { recipient: message.to, id: message.id });
        let deletes: Vec<Request> = delete.map(request).collect();
        meter.count += u32::try_from(deletes.len()).unwrap();
        check(&store.commit(deletes).await);
    }
    meter.report("messages loaded, then deleted, 768 in a commit");
    reader.close().await;
    store.close().await;
}

/// How long one message and one login at a time wait, alone and beside 1,024 messages that are always under way.
async fn waiting(postgres: Option<&str>, is_busy: bool) {
    let place = Place::new(postgres).await;
    let writer = place.with_users(RECIPIENTS).await;
    let reader = writer.reader().await.unwrap();
    let mut messages = Messages::new(RECIPIENTS);
    let (sender, requests) = mpsc::unbounded_channel();
    let mut ask = |ticket: u64, sender: &mpsc::UnboundedSender<Request>| {
        let work = match ticket {
            1 => Work::LoadContacts { uin: messages.uin() },
            _ => messages.message(),
        };
        sender.send(Request { ticket: Ticket(ticket), work }).unwrap();
    };
    // Ticket 0 is the crowd, 1 a login, 2 a message.
    (0..if is_busy { 1024 } else { 0 }).for_each(|_| ask(0, &sender));
    ask(1, &sender);
    ask(2, &sender);
    let (mut asked, mut waits) = ([Instant::now(); 3], [Vec::new(), Vec::new(), Vec::new()]);
    let (meter, mut sender) = (Meter::start(), Some(sender));
    let (writer, reader) = store::run(writer, reader, requests, |replies| {
        check(&replies);
        sender = sender.take().filter(|_| meter.goes_on());
        for Ticket(ticket) in replies.iter().map(|reply| reply.ticket) {
            let kind = usize::try_from(ticket).unwrap();
            if let (Some(asked), Some(waits)) = (asked.get_mut(kind), waits.get_mut(kind)) {
                waits.push(asked.elapsed());
                *asked = Instant::now();
            }
            sender.iter().for_each(|sender| ask(ticket, sender));
        }
    })
    .await;
    let crowd = if is_busy { "beside 1,024 messages under way" } else { "alone" };
    let [_, logins, stored] = &mut waits;
    report_waits(&format!("LoadContacts, {crowd}"), logins);
    report_waits(&format!("StoreMessage, {crowd}"), stored);
    reader.close().await;
    writer.close().await;
}

fn report_waits(what: &str, waits: &mut [Duration]) {
    waits.sort_unstable();
    let [p50, p99, p999] =
        [500, 990, 999].map(|part| waits.get(waits.len() * part / 1000).map_or(0, Duration::as_micros));
    println!("{what:<46} p50 {p50} us, p99 {p99} us, p99.9 {p999} us of {}", waits.len());
}

/// A database of so many users, each with so many contacts, and what it costs to work with it.
async fn large(users: u32, contacts: u32) {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    SqliteStore::open(folder.path()).await.unwrap().close().await;
    build(&folder.path().join("myicq.db"), users, contacts).await.unwrap();
    let size: u64 = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    let built = began.elapsed().as_secs_f64();
    let mut messages = Messages::new(users);
    println!("{users} users, {contacts} contacts each: {} MB, built in {built:.1} s", size / 1_000_000);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let mut store = SqliteStore::open(folder.path()).await.unwrap();
        let mut reader = store.reader().await.unwrap();
        println!("opened in {:.1} ms", began.elapsed().as_secs_f64() * 1e3);

        let account = |messages: &mut Messages| Work::LoadAccount { uin: messages.uin() };
        let list = |messages: &mut Messages| Work::LoadContacts { uin: messages.uin() };
        for batch in [1, 256] {
            repeat(&mut reader, &format!("LoadAccount, {batch} at once"), batch, || account(&mut messages)).await;
            repeat(&mut reader, &format!("LoadContacts, {batch} at once"), batch, || list(&mut messages)).await;
        }
        let add = |messages: &mut Messages| Work::AddContact {
            owner: messages.uin(),
            contact: messages.uin(),
            max: usize::MAX,
        };
        repeat(&mut store, "AddContact, 256 in a commit", 256, || add(&mut messages)).await;
        for batch in [64, 256, 1024] {
            let what = format!("messages stored, {batch} in a commit");
            repeat(&mut store, &what, batch, || messages.message()).await;
        }
        reader.close().await;
        store.close().await;
    }
}

async fn repeat(store: &mut impl Store, what: &str, batch: u32, mut work: impl FnMut() -> Work) {
    let mut meter = Meter::start();
    while meter.goes_on() {
        check(&store.commit((0..batch).map(|_| request(work())).collect()).await);
        meter.count += batch;
    }
    meter.report(what);
}

/// Fills an empty database in one transaction: registrations and requests would take hours.
async fn build(file: &Path, users: u32, contacts: u32) -> sqlx::Result<()> {
    let mut connection: SqliteConnection = SqliteConnectOptions::new().filename(file).connect().await?;
    connection.execute("PRAGMA cache_size = -262144; BEGIN").await?;
    let sql = "WITH RECURSIVE step (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM step WHERE i + 1 < ?1) \
               INSERT INTO users (uin, password_hash, nick, city, email) \
               SELECT ?2 + i, printf('$argon2id$v=19$m=19456,t=2,p=1$%043d$%022d', i, i), \
               'user ' || i, 'Berlin', i || '@example.org' FROM step";
    query(sql).bind(users).bind(Uin::FIRST.0).execute(&mut connection).await?;
    // Contacts lie all over the users, as they do in life.
    let sql = "WITH RECURSIVE step (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM step WHERE i < ?3) \
               INSERT OR IGNORE INTO contacts (owner, contact) \
               SELECT uin, ?2 + (uin - ?2 + i * 7919 + uin * i % 104729) % ?1 FROM users CROSS JOIN step";
    query(sql).bind(users).bind(Uin::FIRST.0).bind(contacts).execute(&mut connection).await?;
    connection.execute("COMMIT").await?;
    connection.close().await
}
