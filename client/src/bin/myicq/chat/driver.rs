//! Between the model and the world: keys, the server, the history, the clock, signals.

use std::future::{pending, poll_fn};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::{Event as Input, EventStream};
use futures_core::Stream;
use myicq_client::{Client, Event, Events, RequestError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::model::{Action, Model, Past, Reply, Request};
use super::perform::perform;
use super::terminal::Screen;
use super::view::Look;
use crate::failure::Failure;
use crate::history::Recorder;
use crate::output::unix_time;
use crate::shown::Shown;

/// How many messages of earlier days a conversation begins with.
const RECALLED: u32 = 50;

/// How many messages a search shows.
const FOUND: u32 = 100;

/// The server's answer to something that was asked.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) request: Request,
    pub(super) reply: Result<Reply, RequestError>,
}

/// What woke the loop.
enum Wake {
    Input(Option<io::Result<Input>>),
    Happened(Option<myicq_client::account::Delivery>),
    Answered(Answered),
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
    shown: Shown,
    client: Client,
    events: Option<Events>,
    screen: Screen,
    inputs: EventStream,
    signals: Signals,
    to_us: UnboundedSender<Answered>,
    answers: UnboundedReceiver<Answered>,
}

impl Driver {
    pub(super) fn new(
        model: Model,
        look: Look,
        recorder: Recorder,
        into: PathBuf,
        shown: Shown,
        (client, events): (Client, Events),
    ) -> io::Result<Self> {
        let (to_us, answers) = unbounded_channel();
        let signals = Signals::new()?;
        let screen = Screen::open()?;
        Ok(Self {
            model,
            look,
            recorder,
            into,
            shown,
            client,
            events: Some(events),
            screen,
            inputs: EventStream::new(),
            signals,
            to_us,
            answers,
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
                    // What is written down now must not come back as what was said earlier: so first the model, then the history.
                    self.model.handle_event(now, delivery.event.clone());
                    while let Some(action) = self.model.poll_action() {
                        self.act(action).await?;
                    }
                    self.recorder.on_event(&delivery.event);
                    if let Event::Message { id: Some(id), .. } = delivery.event {
                        self.shown.add(id);
                    }
                    if let Some((events, ticket)) = self.events.as_ref().zip(delivery.ticket) {
                        events.confirm(ticket);
                    }
                }
                Wake::Happened(None) => self.events = None,
                Wake::Answered(answered) => self.on_answered(answered),
                Wake::Time => self.model.handle_timeout(unix_time()),
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
            Some(answered) = self.answers.recv() => Wake::Answered(answered),
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
            Action::Redraw => self.screen.clear()?,
            Action::Suspend => self.screen.suspend()?,
            Action::Bell => self.screen.ring()?,
            Action::Quit => {}
        }
        Ok(())
    }

    fn on_answered(&mut self, Answered { request, reply }: Answered) {
        let now = unix_time();
        if let (Request::Send { to, text, .. }, Ok(Reply::Sent(_, id))) = (&request, &reply) {
            self.recorder.on_sent(*to, text, now, *id);
        }
        self.model.handle_reply(now, request, reply);
    }
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
