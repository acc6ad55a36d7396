//! `myicq file`

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use myicq_client::{
    AcceptFile, Authorization, Client, EndReason, Event, Events, FileError, FileOffer, TransferId, Uin,
};

use crate::connection::{Login, duration};
use crate::direct::Ports;
use crate::failure::{Failure, code};
use crate::listen::until_stopped;
use crate::output::{self, Plain};

/// How long transfers have to say that they have ended, when the program is told to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// How a bar looks: name, what is done of what, how fast, how long still.
const BAR: &str = "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";

#[derive(Debug, Args)]
#[command(after_help = "\
Files go directly from one program to the other, by TCP; through the server where that is not possible and the server has relays.
The two must see each other: each has the other on the contact list. Who is not there is added, if he lets anybody.

A transfer that was cut off goes on where it was, when the same command is given again on both sides; what has come lies in the
folder of the file under a name that begins with \".myicq-\". Between programs of this project a file is compared by its SHA-256
before it gets its name. No file is written over: a second \"a.txt\" becomes \"a (1).txt\".

Examples:
  myicq file receive --into ~/Downloads --accept 10002
  myicq file send 10001 holiday.tar.gz
  myicq file receive --accept all --count 1 --json
  myicq file send 10001 report.pdf --reason 'as promised' --ports 33765-33774")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Offer a file to somebody who is online, and send it
    Send(Send),
    /// Take the files that are offered
    Receive(Receive),
}

#[derive(Debug, Args)]
struct Session {
    #[command(flatten)]
    login: Login,
    #[command(flatten)]
    ports: Ports,
    /// Print each event as a JSON object in one line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Send {
    #[command(flatten)]
    session: Session,
    /// To whom
    #[arg(value_name = "UIN")]
    to: Uin,
    /// Which file
    file: PathBuf,
    /// What is said along [default: name and size]
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
struct Receive {
    #[command(flatten)]
    session: Session,
    /// The folder where files are to be
    #[arg(long, value_name = "DIR", default_value = ".")]
    into: PathBuf,
    /// From whom: "ask" at the terminal, "all", or numbers of users
    #[arg(long, value_name = "WHO", num_args = 1.., default_value = "ask", value_parser = accepted)]
    accept: Vec<Accepted>,
    /// Refuse a file of more bytes
    #[arg(long, value_name = "BYTES", default_value_t = u64::MAX, hide_default_value = true)]
    max_size: u64,
    /// End after so many files, and fail if the last of them failed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this long (500ms, 90s, 2m, 1h)
    #[arg(long = "for", value_parser = duration, value_name = "DURATION")]
    duration: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Accepted {
    Ask,
    All,
    From(Uin),
}

fn accepted(text: &str) -> Result<Accepted, String> {
    match text {
        "ask" => Ok(Accepted::Ask),
        "all" => Ok(Accepted::All),
        uin => uin.parse().map(Accepted::From).map_err(|_| format!("\"{uin}\" is not ask, all, or a number")),
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        Action::Send(arguments) => send(arguments).await,
        Action::Receive(arguments) => receive(arguments).await,
    }
}

impl Session {
    async fn connect(&self) -> Result<(Client, Events), Failure> {
        self.login.connect_for_files(self.ports.direct()).await
    }
}

async fn send(arguments: Send) -> Result<(), Failure> {
    let Send { session, to, file, reason } = arguments;
    let (client, events) = session.connect().await?;
    let work = async {
        see(&client, to).await?;
        client.offer_file(to, FileOffer { path: file, reason }).await?;
        Files::new(&client, events, session.json, Some(1)).run(None).await
    };
    let outcome = work.await;
    client.logout().await;
    outcome
}

async fn receive(arguments: Receive) -> Result<(), Failure> {
    let Receive { session, into, accept, max_size, count, duration } = arguments;
    if accept.contains(&Accepted::Ask) && !std::io::stdin().is_terminal() {
        return Err(Failure::usage("there is no terminal to ask at: say --accept all, or from whom"));
    }
    let (client, events) = session.connect().await?;
    let work = async {
        for accepted in &accept {
            if let Accepted::From(uin) = accepted {
                see(&client, *uin).await?;
            }
        }
        let mut files = Files::new(&client, events, session.json, count);
        files.inbox = Some(Inbox { into, accept, max_size });
        files.run(duration).await
    };
    let outcome = work.await;
    client.logout().await;
    outcome
}

/// Has somebody on the contact list, without which one does not see where he is.
async fn see(client: &Client, uin: Uin) -> Result<(), Failure> {
    if client.contacts().await?.contains(&uin) || client.add(uin).await? == Authorization::ANYONE {
        return Ok(());
    }
    Err(Failure::new(code::NOT_ADDED, format!("{uin} is not on the contact list: see \"myicq add --ask\"")))
}

/// What is done with what is offered.
struct Inbox {
    into: PathBuf,
    accept: Vec<Accepted>,
    max_size: u64,
}

/// The files of one run.
struct Files<'a> {
    client: &'a Client,
    events: Events,
    json: bool,
    left: Option<u64>,
    inbox: Option<Inbox>,
    bars: MultiProgress,
    under_way: HashMap<TransferId, ProgressBar>,
    failure: Option<FileError>,
}

impl<'a> Files<'a> {
    fn new(client: &'a Client, events: Events, json: bool, left: Option<u64>) -> Self {
        let (bars, under_way) = (MultiProgress::new(), HashMap::new());
        Self { client, events, json, left, inbox: None, bars, under_way, failure: None }
    }

    /// Until there have been so many files, or somebody wants the program to end.
    async fn run(&mut self, duration: Option<Duration>) -> Result<(), Failure> {
        let stopped = until_stopped(duration);
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                delivery = self.events.next_delivery() => {
                    let Some(delivery) = delivery else { return Ok(()) };
                    // What is not about files stays with the server.
                    if let (Event::FileOffered { .. }, Some(ticket)) = (&delivery.event, delivery.ticket) {
                        self.events.confirm(ticket);
                    }
                    self.on_event(&delivery.event).await?;
                    if self.left == Some(0) {
                        break;
                    }
                }
                outcome = &mut stopped => {
                    self.stop().await;
                    outcome?;
                    break;
                }
            }
        }
        self.failure.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn on_event(&mut self, event: &Event) -> Result<(), Failure> {
        let is_about_files = matches!(
            event,
            Event::FileOffered { .. }
                | Event::FileStarted { .. }
                | Event::FileProgress { .. }
                | Event::FileDone { .. }
                | Event::FileFailed { .. }
        );
        if self.json && is_about_files {
            output::json(event)?;
        }
        match event {
            Event::FileOffered { transfer, from, reason } => self.on_offered(*transfer, *from, reason).await?,
            Event::FileStarted { transfer, name, size, resumed, .. } => {
                let bar = if self.json { ProgressBar::hidden() } else { self.bars.add(ProgressBar::new(*size)) };
                bar.set_style(ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.set_message(Plain(name).to_string());
                bar.set_position(*resumed);
                bar.reset_eta();
                self.under_way.insert(*transfer, bar);
            }
            Event::FileProgress { transfer, done, .. } => {
                if let Some(bar) = self.under_way.get(transfer) {
                    bar.set_position(*done);
                }
            }
            Event::FileDone { transfer, path, size, is_verified, .. } => {
                self.over(*transfer);
                self.failure = None;
                if !self.json {
                    let compared = if *is_verified { "compared" } else { "not compared: the other program cannot" };
                    output::line(format_args!("{} ({size} bytes, {compared})", Plain(&path.to_string_lossy())))?;
                }
            }
            Event::FileFailed { transfer, reason, .. } => {
                self.over(*transfer);
                self.failure = Some(*reason);
                if self.left != Some(0) {
                    // The last one is the failure of the whole.
                    self.say(&reason.to_string());
                }
            }
            Event::Ended { reason: EndReason::LoggedOut } => {}
            Event::Ended { reason } => return Err((*reason).into()),
            _ => {}
        }
        Ok(())
    }

    fn over(&mut self, transfer: TransferId) {
        if let Some(bar) = self.under_way.remove(&transfer) {
            bar.finish_and_clear();
        }
        self.left = self.left.map(|left| left - 1);
    }

    async fn on_offered(&mut self, transfer: TransferId, from: Uin, reason: &str) -> Result<(), Failure> {
        let Some(inbox) = &self.inbox else {
            // Who sends a file does not take one by the way.
            return Ok(self.client.refuse_file(transfer).await?);
        };
        let is_accepted = inbox.accept.contains(&Accepted::All)
            || inbox.accept.contains(&Accepted::From(from))
            || (inbox.accept.contains(&Accepted::Ask) && self.bars.suspend(|| ask(from, reason))?);
        if !is_accepted {
            return Ok(self.client.refuse_file(transfer).await?);
        }
        if let Err(failure) = see(self.client, from).await {
            // There may be another way to him than a direct one.
            self.say(&format!("{:#}", failure.error));
        }
        let accept = AcceptFile { folder: inbox.into.clone(), max_size: inbox.max_size };
        match self.client.accept_file(transfer, accept).await {
            Ok(()) => self.under_way.insert(transfer, ProgressBar::hidden()).map_or((), drop),
            Err(error) => self.say(&error.to_string()),
        }
        Ok(())
    }

    /// Gives up what is under way, so that what has come of it is kept.
    async fn stop(&mut self) {
        let mut left = 0;
        for transfer in self.under_way.keys() {
            left += usize::from(self.client.cancel_file(*transfer).await.is_ok());
        }
        if left > 0 {
            self.failure = Some(FileError::Cancelled);
        }
        let stopped = async {
            while left > 0 {
                match self.events.next_delivery().await {
                    Some(delivery) => left -= usize::from(matches!(delivery.event, Event::FileFailed { .. })),
                    None => break,
                }
            }
        };
        #[expect(clippy::disallowed_methods, reason = "the command line is a driver")]
        let _ = tokio::time::timeout(STOP_TIMEOUT, stopped).await;
    }

    fn say(&self, text: &str) {
        // With stderr gone, nobody wants to know.
        self.bars.suspend(|| drop(writeln!(std::io::stderr(), "myicq: {text}")));
    }
}

/// Asks at the terminal. Nothing else happens meanwhile, for as long as a person needs.
fn ask(from: Uin, reason: &str) -> std::io::Result<bool> {
    output::line(format_args!("{from} offers a file: {}. Take it? [y/N]", Plain(reason)))?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_whom() {
        assert_eq!(accepted("all"), Ok(Accepted::All));
        assert_eq!(accepted("10002"), Ok(Accepted::From(Uin(10_002))));
        assert!(accepted("nobody").is_err());
    }
}
