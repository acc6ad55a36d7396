//! Between the model and the world: keys, the server, the history, the clock, signals.

use std::future::{pending, poll_fn};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::{Event as Input, EventStream};
use futures_core::Stream;
use myicq_client::{Builder, Client, ConnectError, EndReason, Event, Events, RequestError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::model::{Action, Model, Past, Reply, Request};
use super::perform::{perform, spawn};
use super::terminal::Screen;
use super::view::Look;
use crate::failure::Failure;
use crate::history::Recorder;
use crate::output::unix_time;

/// How many messages of earlier days a conversation begins with.
const RECALLED: u32 = 50;

/// How many messages a search shows.
const FOUND: u32 = 100;

/// Seconds until the server is tried again, doubled each time, up to the most.
const FIRST_WAIT: u32 = 1;
const LONGEST_WAIT: u32 = 60;

/// What comes from elsewhere than the user, the server and the clock.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The server's answer to something that was asked.
    Reply(Request, Result<Reply, RequestError>),
    /// What came of trying to reach the server again.
    Session(Result<(Client, Events), ConnectError>),
}

/// What woke the loop.
enum Wake {
    Input(Option<io::Result<Input>>),
    Happened(Option<myicq_client::account::Delivery>),
    Arrived(Outcome),
    Time,
    /// The shell wants its terminal.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no such signal"))]
    Suspend,
    /// The terminal is ours again.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no such signal"))]
    Resumed,
    Stop,
}

#[derive(Debug)]
pub(super) struct Driver {
    model: Model,
    look: Look,
    recorder: Recorder,
    /// The folder for the files of others.
    into: PathBuf,
    builder: Builder,
    client: Client,
    events: Option<Events>,
    screen: Screen,
    inputs: EventStream,
    signals: Signals,
    to_us: UnboundedSender<Outcome>,
    outcomes: UnboundedReceiver<Outcome>,
    /// Whether the server is being tried just now, and how long to wait after the next failure.
    is_connecting: bool,
    wait: u32,
}

impl Driver {
    pub(super) fn new(
        model: Model,
        look: Look,
        recorder: Recorder,
        into: PathBuf,
        builder: Builder,
        (client, events): (Client, Events),
    ) -> io::Result<Self> {
        let (to_us, outcomes) = unbounded_channel();
        let signals = Signals::new()?;
        let screen = Screen::open()?;
        Ok(Self {
            model,
            look,
            recorder,
            into,
            builder,
            client,
            events: Some(events),
            screen,
            inputs: EventStream::new(),
            signals,
            to_us,
            outcomes,
            is_connecting: false,
            wait: FIRST_WAIT,
        })
    }

    /// Runs until the user leaves, or somebody wants the program to end.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        let outcome = self.chat().await;
        self.client.logout().await;
        Ok(outcome?)
    }

    async fn chat(&mut self) -> io::Result<()> {
        loop {
            if let Some(trouble) = self.recorder.take_trouble() {
                self.model.handle_trouble(unix_time(), trouble);
            }
            while let Some(action) = self.model.poll_action() {
                if action == Action::Quit {
                    return Ok(());
                }
                self.act(action).await?;
            }
            let room = self.screen.draw(&self.model, &self.look)?;
            self.model.handle_drawn(room);
            match self.wake().await {
                Wake::Input(Some(input)) => self.on_input(input?),
                // The terminal is gone.
                Wake::Input(None) | Wake::Stop => return Ok(()),
                Wake::Happened(Some(delivery)) => {
                    let now = unix_time();
                    if let Event::Ended { reason } = delivery.event {
                        self.on_ended(now, reason);
                    }
                    // What is written down now must not come back as what was said earlier: so first the model, then the history.
                    self.model.handle_event(now, delivery.event.clone());
                    while let Some(action) = self.model.poll_action() {
                        self.act(action).await?;
                    }
                    self.recorder.on_event(&delivery.event);
                    if let Some((events, ticket)) = self.events.as_ref().zip(delivery.ticket) {
                        events.confirm(ticket);
                    }
                }
                Wake::Happened(None) => self.events = None,
                Wake::Arrived(outcome) => self.on_outcome(outcome),
                Wake::Time => self.on_time(),
                Wake::Suspend => self.screen.suspend()?,
                Wake::Resumed => self.screen.resume()?,
            }
        }
    }

    async fn wake(&mut self) -> Wake {
        let deadline = self.model.poll_timeout();
        let events = async {
            match &mut self.events {
                Some(events) => events.next_delivery().await,
                None => pending().await,
            }
        };
        tokio::select! {
            input = poll_fn(|context| std::pin::Pin::new(&mut self.inputs).poll_next(context)) => Wake::Input(input),
            delivery = events => Wake::Happened(delivery),
            Some(outcome) = self.outcomes.recv() => Wake::Arrived(outcome),
            () = wait_until(deadline) => Wake::Time,
            wake = self.signals.next() => wake,
        }
    }

    fn on_input(&mut self, input: Input) {
        match input {
            Input::Key(key) => self.model.handle_key(unix_time(), key),
            Input::Paste(text) => self.model.handle_paste(unix_time(), &text),
            // The next drawing asks how large the terminal is.
            Input::Resize(..) | Input::FocusGained | Input::FocusLost | Input::Mouse(_) => {}
        }
    }

    async fn act(&mut self, action: Action) -> io::Result<()> {
        match action {
            Action::Ask(request) => perform(self.client.clone(), self.into.clone(), request, self.to_us.clone()).await,
            Action::Recall(uin) => {
                // Without a history nothing was said.
                let past = self.recorder.last(Some(uin), "", RECALLED).unwrap_or_default();
                self.model.handle_recalled(uin, past.into_iter().map(Past::from).collect());
            }
            Action::Search { with, words } => {
                let found = self.recorder.last(with, &words, FOUND);
                let found = found.map(|found| found.into_iter().map(Past::from).collect());
                self.model.handle_found(unix_time(), &words, found.map_err(|error| format!("{error:#}")));
            }
            Action::Connect => self.connect(),
            Action::Redraw => self.screen.clear()?,
            Action::Suspend => self.screen.suspend()?,
            Action::Bell => self.screen.ring()?,
            Action::Quit => {}
        }
        Ok(())
    }

    fn on_outcome(&mut self, outcome: Outcome) {
        let now = unix_time();
        match outcome {
            Outcome::Reply(request, reply) => {
                if let (Request::Send { to, text, .. }, Ok(Reply::Sent(_, id))) = (&request, &reply) {
                    self.recorder.on_sent(*to, text, now, *id);
                }
                self.model.handle_reply(now, request, reply);
            }
            Outcome::Session(Ok((client, events))) => {
                (self.client, self.events) = (client, Some(events));
                (self.is_connecting, self.wait) = (false, FIRST_WAIT);
            }
            Outcome::Session(Err(error)) => {
                self.is_connecting = false;
                let is_final = matches!(error, ConnectError::Ended(reason) if !is_passing(reason));
                self.lose(now, error.to_string(), is_final);
            }
        }
    }

    fn on_ended(&mut self, now: u32, reason: EndReason) {
        self.lose(now, reason.to_string(), !is_passing(reason));
    }

    /// Tells that there is no server, and when it is tried again.
    fn lose(&mut self, now: u32, reason: String, is_final: bool) {
        let again_at = (!is_final).then_some(now + self.wait);
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        self.model.handle_lost(now, reason, again_at);
    }

    fn on_time(&mut self) {
        let now = unix_time();
        self.model.handle_timeout(now);
        if self.model.is_due(now) {
            self.connect();
        }
    }

    fn connect(&mut self) {
        if std::mem::replace(&mut self.is_connecting, true) {
            return;
        }
        self.model.handle_connecting();
        let seen = self.client.seen().unwrap_or_default();
        let connecting = self.builder.clone().status(self.model.status).seen(seen).connect();
        let to_us = self.to_us.clone();
        spawn(async move {
            let _ = to_us.send(Outcome::Session(connecting.await));
        });
    }
}

/// Whether a server that was lost for this reason may be there again in a moment.
fn is_passing(reason: EndReason) -> bool {
    matches!(reason, EndReason::Lost | EndReason::TimedOut | EndReason::Unreachable)
}

/// Returns when the clock of the machine shows this time.
#[expect(clippy::disallowed_methods, reason = "the command line is a driver")]
async fn wait_until(time: Option<u32>) {
    match time {
        Some(time) => tokio::time::sleep(Duration::from_secs(time.saturating_sub(unix_time()).into())).await,
        None => pending().await,
    }
}

/// What the system wants of the program.
#[cfg(unix)]
#[derive(Debug)]
struct Signals {
    stops: [tokio::signal::unix::Signal; 3],
    suspends: tokio::signal::unix::Signal,
    continues: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use rustix::process::Signal;
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            stops: [signal(SignalKind::terminate())?, signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?],
            suspends: signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?,
            continues: signal(SignalKind::from_raw(Signal::CONT.as_raw()))?,
        })
    }

    async fn next(&mut self) -> Wake {
        let [terminate, hangup, interrupt] = &mut self.stops;
        tokio::select! {
            _ = terminate.recv() => Wake::Stop,
            _ = hangup.recv() => Wake::Stop,
            _ = interrupt.recv() => Wake::Stop,
            _ = self.suspends.recv() => Wake::Suspend,
            _ = self.continues.recv() => Wake::Resumed,
        }
    }
}

#[cfg(not(unix))]
#[derive(Debug)]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Wake {
        // An error says that there is no console to get it from.
        match tokio::signal::ctrl_c().await {
            Ok(()) => Wake::Stop,
            Err(_) => pending().await,
        }
    }
}
