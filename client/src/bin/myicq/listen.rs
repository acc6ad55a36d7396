//! `myicq listen`

use std::future;
use std::io;
use std::time::Duration;

use clap::Args;
use myicq_client::account::Delivery;
use myicq_client::{Client, EndReason, Event, Events, Message, Uin, status_name};

use crate::connection::{Login, duration};
use crate::direct::DirectOptions;
use crate::exec::{Exec, ExecOptions};
use crate::failure::Failure;
use crate::history::{Keep, Recorder};
use crate::output::{self, Plain, Utc};
use crate::shown::{NoteOptions, Shown};
use crate::status::Shown as Status;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: Login,
    /// Print each event as a JSON object in one line
    #[arg(long)]
    json: bool,
    /// End after this many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this long (500ms, 90s, 2m, 1h)
    #[arg(long = "for", value_parser = duration, value_name = "DURATION")]
    duration: Option<Duration>,
    /// What the contacts are to see
    #[arg(long, value_enum, default_value = "online")]
    status: Status,
    /// Tell contacts that their messages have been read, once they are printed
    #[arg(long)]
    mark_read: bool,
    /// End when the server does not answer any more, instead of trying again and again
    #[arg(long)]
    no_reconnect: bool,
    #[command(flatten)]
    direct: DirectOptions,
    #[command(flatten)]
    exec: ExecOptions,
    #[command(flatten)]
    shown: NoteOptions,
    #[command(flatten)]
    keep: Keep,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (account, builder) = arguments.login.account()?;
    let (shown, seen) = Shown::open(&arguments.shown, &account);
    let mut recorder = Recorder::new(arguments.keep, account);
    recorder.complain();
    let builder = if arguments.no_reconnect { builder.reconnect(None) } else { builder };
    let builder = builder.status(arguments.status.into()).direct(arguments.direct.direct()).seen(seen);
    let (client, mut events) = builder.connect().await?;
    let mut listener = Listener {
        reader: arguments.mark_read.then_some(&client),
        json: arguments.json,
        left: arguments.count,
        shown,
        recorder: Some(recorder),
        exec: Exec::new(arguments.exec),
    };
    let outcome = listener.run(&mut events, arguments.duration).await;
    client.logout().await;
    if let Some(exec) = listener.exec {
        exec.finish().await;
    }
    outcome
}

/// Where events go.
#[derive(Debug, Default)]
pub(crate) struct Listener<'a> {
    /// Who tells of each message that it has been read.
    pub(crate) reader: Option<&'a Client>,
    pub(crate) json: bool,
    /// How many messages there are to be still.
    pub(crate) left: Option<u64>,
    pub(crate) shown: Shown,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) exec: Option<Exec>,
}

impl Listener<'_> {
    /// Prints what happens until the connection ends, somebody wants the program to end, or there have been so many messages.
    pub(crate) async fn run(&mut self, events: &mut Events, duration: Option<Duration>) -> Result<(), Failure> {
        let stopped = until_stopped(duration);
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                // First what is there already, so that a message is never overtaken by the end.
                biased;
                delivery = events.next_delivery() => {
                    let Some(Delivery { event, ticket, .. }) = delivery else { break Ok(()) };
                    // Confirmed when it is out: what could not be printed stays with the server.
                    match self.show(&event).await {
                        Ok(()) => ticket.into_iter().for_each(|ticket| events.confirm(ticket)),
                        // Who reads along has had enough.
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break Ok(()),
                        Err(error) => break Err(error.into()),
                    }
                    match event {
                        Event::Ended { reason: EndReason::LoggedOut } => break Ok(()),
                        Event::Ended { reason } => break Err(reason.into()),
                        Event::Message { from, id, .. } => self.on_shown(from, id).await,
                        _ => {}
                    }
                    if self.left == Some(0) {
                        break Ok(());
                    }
                }
                outcome = &mut stopped => break outcome.map_err(Failure::from),
            }
        }
    }

    async fn show(&mut self, event: &Event) -> io::Result<()> {
        match event {
            event if self.json => output::json(event)?,
            // For programs that show groups, at every login, and for those that have spoken of a file.
            Event::GroupTypes { .. } | Event::RelayOffered { .. } => {}
            event => output::line(human(event))?,
        }
        if let Some(exec) = &mut self.exec {
            exec.on_event(event).await?;
        }
        if let Event::Message { id: Some(id), .. } = event {
            self.shown.add(*id);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.on_event(event);
            recorder.complain();
        }
        Ok(())
    }

    async fn on_shown(&mut self, from: Uin, id: Option<u64>) {
        if let Some((reader, id)) = self.reader.zip(id) {
            // The end of the session shows as an event, and nothing else is worth ending it.
            let _ = reader.read(from, id).await;
        }
        self.left = self.left.map(|left| left - 1);
    }
}

/// Returns when somebody wants the program to end, or `duration` is over.
#[expect(clippy::disallowed_methods, reason = "the command line is a driver")]
pub(crate) async fn until_stopped(duration: Option<Duration>) -> io::Result<()> {
    let time = async {
        match duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => future::pending().await,
        }
    };
    tokio::select! {
        () = time => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
        terminated = terminated() => terminated,
    }
}

#[cfg(unix)]
async fn terminated() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::terminate())?.recv().await;
    Ok(())
}

#[cfg(not(unix))]
async fn terminated() -> io::Result<()> {
    future::pending().await
}

/// An event as one line for people.
fn human(event: &Event) -> String {
    let whom = |uin: &_, domain: &Option<String>| match domain {
        Some(domain) => format!("{uin}@{}", Plain(domain)),
        None => format!("{uin}"),
    };
    match event {
        Event::LoggedIn { ip, online_users, .. } => format!("* logged in from {ip}, {online_users} online"),
        Event::ConnectionLost { reason, retry_in_ms } => {
            format!("* connection lost: {reason}; next try in {} s", retry_in_ms.div_ceil(1_000))
        }
        Event::ConnectionResumed { .. } => "* connected again".to_owned(),
        Event::ServerRestarted => "* the server has started again".to_owned(),
        Event::Message { from, domain, time, message, .. } => {
            format!("{} {} {}", Utc(*time), whom(from, domain), said(message))
        }
        Event::Online(user) => {
            format!("* {} is {}", whom(&user.uin, &user.domain), status_name(user.status).unwrap_or("online"))
        }
        Event::Offline { uin, domain } => format!("* {} is offline", whom(uin, domain)),
        Event::StatusChanged { uin, domain, status } => {
            format!("* {} is {}", whom(uin, domain), status_name(*status).unwrap_or("online"))
        }
        Event::Delivered { to, id } => format!("* {to} has got message {id}"),
        Event::Read { by, up_to } => format!("* {by} has read up to message {up_to}"),
        Event::Typing { from, is_typing: true } => format!("* {from} is typing"),
        Event::Typing { from, is_typing: false } => format!("* {from} has stopped typing"),
        Event::GroupEntered { group, member } => {
            format!("* {} {} entered group {group}", member.uin, Plain(&member.nick))
        }
        Event::GroupExited { group, uin } => format!("* {uin} left group {group}"),
        Event::GroupMessage { group, from, time, text } => {
            format!("{} {from} in group {group} says: {}", Utc(*time), Plain(text))
        }
        Event::FileOffered { from, reason, .. } => {
            format!("* {from} offers a file, which \"myicq file receive\" takes: {}", Plain(reason))
        }
        Event::Ended { reason } => format!("* {reason}"),
        event => format!("* {event:?}"),
    }
}

fn said(message: &Message) -> String {
    match message {
        Message::Text { text } => format!("says: {}", Plain(text)),
        Message::AutoReply { text } => format!("is away and says: {}", Plain(text)),
        Message::AuthAccepted => "lets you add him".to_owned(),
        Message::AuthRequest { nick, reason, .. } => format!("({}) wants to add you: {}", Plain(nick), Plain(reason)),
        Message::AuthRejected { reason } => format!("does not let you add him: {}", Plain(reason)),
        Message::Added => "has added you".to_owned(),
        Message::TcpRequest { session, reason, .. } => {
            format!("wants a direct session ({}): {}", Plain(session), Plain(reason))
        }
        Message::TcpAccepted { session, .. } => format!("accepts a direct session ({})", Plain(session)),
        Message::TcpRejected { session } => format!("refuses a direct session ({})", Plain(session)),
        Message::Unknown { number, text } => format!("sends something of kind {number}: {}", Plain(text)),
        message => format!("sends {message:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(message: Message) -> Event {
        Event::Message { from: Uin(10_002), domain: None, time: 1_049_932_800, id: Some(7), is_direct: false, message }
    }

    #[test]
    fn an_event_is_one_line_for_people() {
        let line = human(&message(Message::text("first\nsecond")));
        assert_eq!(line, "2003-04-10 00:00:00Z 10002 says: first\\nsecond");
        let offline = Event::Offline { uin: Uin(10_003), domain: Some("other.example".to_owned()) };
        assert_eq!(human(&offline), "* 10003@other.example is offline");
    }

    #[test]
    fn an_event_is_one_json_object_for_programs() {
        let json = serde_json::to_string(&message(Message::text("first\nsecond"))).unwrap();
        let fields = r#""from":10002,"time":1049932800,"id":7,"kind":"text","text":"first\nsecond""#;
        assert_eq!(json, format!(r#"{{"event":"message",{fields}}}"#));
        let ended = Event::Ended { reason: EndReason::Replaced };
        assert_eq!(serde_json::to_string(&ended).unwrap(), r#"{"event":"ended","reason":"replaced"}"#);
    }
}
