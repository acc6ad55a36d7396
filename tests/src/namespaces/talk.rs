//! Two people on two hosts, with the library of this project.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use myicq_client::{AcceptFile, Client, Event, Events, FileOffer, Message, Password, Receipt, RequestError, Uin};
use tokio::sync::oneshot;

use super::net::at;
use super::{PASSWORD, SERVER_PORT};

/// How long anything may take before it counts as never.
const PATIENCE: Duration = Duration::from_secs(15);

/// Bytes of a file.
const FILE_LEN: usize = 3_000_000;

/// Somebody on a host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    /// Where.
    pub(super) host: &'static str,
    /// Who.
    pub(super) uin: Uin,
}

/// What a listener has heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// The messages that were shown, by the numbers in them, and whether each came directly.
    pub(super) shown: Vec<(usize, bool)>,
    /// The longest time from the sending of a message to its being shown.
    pub(super) longest: Duration,
    /// Messages of which their sender was told that nobody knows whether they arrived.
    pub(super) unclear: BTreeSet<usize>,
}

impl Heard {
    /// Each message was shown once, and its sender knows it.
    ///
    /// # Errors
    /// Which were not, or more than once, or are unclear.
    pub(super) fn whole(&self, count: usize) -> Result<(), String> {
        let numbers: BTreeSet<usize> = self.shown.iter().map(|&(number, _)| number).collect();
        let missing: Vec<usize> = (0..count).filter(|number| !numbers.contains(number)).collect();
        if self.shown.len() == numbers.len() && missing.is_empty() && self.unclear.is_empty() {
            Ok(())
        } else {
            let Self { shown, unclear, .. } = self;
            Err(format!("{} of {count} shown, {missing:?} missing, {unclear:?} unclear: {shown:?}", shown.len()))
        }
    }

    /// How many came directly.
    pub(super) fn direct(&self) -> usize {
        self.shown.iter().filter(|&&(_, is_direct)| is_direct).count()
    }
}

async fn connect(person: Person, friend: Uin) -> (Client, Events) {
    let password = Password::new(PASSWORD).unwrap();
    let server = format!("{}:{SERVER_PORT}", super::net::SERVER);
    let builder = Client::builder(server).credentials(person.uin, password);
    let (client, events) = builder.connect().await.unwrap();
    client.add(friend).await.unwrap();
    (client, events)
}

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(PATIENCE, work).await;
    outcome.unwrap_or_else(|_| panic!("{what}: waited for {PATIENCE:?}"))
}

/// Waits until the friend is seen to be here.
async fn see(events: &mut Events, friend: Uin) {
    loop {
        match events.next().await.expect("the session is open") {
            Event::Online(presence) if presence.uin == friend => return,
            _ => {}
        }
    }
}

/// One says so many things to the other, with pauses; in the middle, something happens.
pub(super) fn conversation(
    [from, to]: [Person; 2],
    count: usize,
    pause: Duration,
    in_the_middle: impl FnOnce() + Send + 'static,
) -> Heard {
    let (here, is_here) = oneshot::channel();
    let (done, is_done) = oneshot::channel::<()>();
    let start = Instant::now();
    let listener = at(to.host, move || async move {
        let (client, mut events) = connect(to, from.uin).await;
        here.send(()).unwrap();
        let mut heard = Heard::default();
        let listening = async {
            while heard.shown.len() < count {
                let event = events.next().await.expect("the session is open");
                if let Event::Message { from: who, is_direct, message: Message::Text { text }, .. } = event
                    && who == from.uin
                {
                    let (number, sent) = text.split_once(' ').unwrap();
                    let sent = Duration::from_millis(sent.parse().unwrap());
                    heard.longest = heard.longest.max(start.elapsed().saturating_sub(sent));
                    heard.shown.push((number.parse().unwrap(), is_direct));
                }
            }
        };
        let outcome =
            tokio::time::timeout(PATIENCE + pause.saturating_mul(u32::try_from(count).unwrap()), listening).await;
        if outcome.is_ok() {
            // What comes twice comes now.
            is_done.await.unwrap();
            let _ = tokio::time::timeout(Duration::from_millis(500), hear_more(&mut events, &mut heard)).await;
        }
        client.logout().await;
        heard
    });
    let talker = at(from.host, move || async move {
        in_time("the listener", is_here).await.unwrap();
        let (client, mut events) = connect(from, to.uin).await;
        in_time("the friend's presence", see(&mut events, to.uin)).await;
        let mut in_the_middle = Some(in_the_middle);
        let mut receipts = Vec::new();
        for number in 0..count {
            if number == count / 2
                && let Some(happen) = in_the_middle.take()
            {
                happen();
            }
            let text = format!("{number} {}", start.elapsed().as_millis());
            receipts.push(client.send(to.uin, text).await.unwrap());
            tokio::time::sleep(pause).await;
        }
        let unclear = unclear(receipts).await;
        let _ = done.send(());
        client.logout().await;
        unclear
    });
    let unclear = talker.join().expect("the talker");
    Heard { unclear, ..listener.join().expect("the listener") }
}

/// Hears messages for as long as it is let.
async fn hear_more(events: &mut Events, heard: &mut Heard) {
    loop {
        if let Some(Event::Message { is_direct, message: Message::Text { text }, .. }) = events.next().await {
            heard.shown.push((text.split_once(' ').unwrap().0.parse().unwrap(), is_direct));
        }
    }
}

/// Waits for all receipts. Which messages are unclear, by their places.
async fn unclear(receipts: Vec<Receipt>) -> BTreeSet<usize> {
    let mut unclear = BTreeSet::new();
    for (number, receipt) in receipts.into_iter().enumerate() {
        match in_time("a receipt", receipt.acknowledged()).await {
            Err(RequestError::Unknown) => {
                unclear.insert(number);
            }
            receipt => {
                receipt.unwrap();
            }
        }
    }
    unclear
}

/// Sends a file, and says whether it went by way of the server.
pub(super) fn file([from, to]: [Person; 2]) -> bool {
    let (here, is_here) = oneshot::channel();
    let receiver = at(to.host, move || async move {
        let folder = tempfile::tempdir().unwrap();
        let (client, mut events) = connect(to, from.uin).await;
        here.send(()).unwrap();
        let mut is_relayed = None;
        loop {
            match in_time("the file", events.next()).await.expect("the session is open") {
                Event::FileOffered { transfer, from: who, .. } if who == from.uin => {
                    let accept = AcceptFile { folder: folder.path().to_owned(), max_size: u64::MAX };
                    client.accept_file(transfer, accept).await.unwrap();
                }
                Event::FileStarted { is_relayed: it, .. } => is_relayed = Some(it),
                Event::FileDone { path, is_verified, .. } => {
                    assert!(is_verified && std::fs::read(path).unwrap() == bytes(), "the file is another one");
                    break;
                }
                Event::FileFailed { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
        client.logout().await;
        is_relayed.expect("it has begun")
    });
    let sender = at(from.host, move || async move {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a picture.png");
        std::fs::write(&path, bytes()).unwrap();
        in_time("the receiver", is_here).await.unwrap();
        let (client, mut events) = connect(from, to.uin).await;
        in_time("the friend's presence", see(&mut events, to.uin)).await;
        client.offer_file(to.uin, FileOffer { path, reason: None }).await.unwrap();
        loop {
            match in_time("the file", events.next()).await.expect("the session is open") {
                Event::FileDone { .. } => break,
                Event::FileFailed { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
        client.logout().await;
    });
    sender.join().expect("the sender");
    receiver.join().expect("the receiver")
}

fn bytes() -> Vec<u8> {
    (0..FILE_LEN).map(|at| (at * 7 + at / 251).to_le_bytes()[0]).collect()
}
