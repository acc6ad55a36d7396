//! What was said, kept on this machine, and `myicq history`.

mod store;

use std::io::Write;

use clap::Args;
use myicq_client::{Event, Message, Uin};

pub(crate) use self::store::{Account, Entry, History, Wanted};
use crate::connection::named;
use crate::failure::{Failure, code};
use crate::folder;
use crate::output::{self, Plain, Utc};

/// How many messages are shown where nothing says how many.
const LIMIT: u32 = 50;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only what was said with this user
    #[arg(value_name = "UIN")]
    with: Option<Uin>,
    /// Whose history: the user's own number
    #[arg(long, env = "MYICQ_UIN", value_name = "N")]
    uin: Uin,
    /// Only what was said at this server
    #[arg(long, env = "MYICQ_SERVER", value_name = "ADDR", value_parser = |server: &str| named(server, None))]
    server: Option<String>,
    /// Only messages with all of these words in them
    #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true)]
    search: String,
    /// The last N of them
    #[arg(long, value_name = "N", default_value_t = LIMIT, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print each message as a JSON object in one line
    #[arg(long)]
    json: bool,
    /// Delete all of them, and print how many they were
    #[arg(long, conflicts_with_all = ["limit", "json"])]
    forget: bool,
}

/// Shows or forgets what is kept.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Some(folder) = folder::data() else {
        return Err(Failure::new(code::FAILURE, "there is no home folder for a history: set XDG_DATA_HOME"));
    };
    let mut history = History::open(&folder).map_err(unreadable)?;
    let Arguments { with, uin, server, search, limit, json, forget } = arguments;
    let wanted = Wanted { owner: uin, server, with, words: search };
    if forget {
        let forgotten = history.forget(&wanted).map_err(unreadable)?;
        return Ok(output::line(forgotten)?);
    }
    for entry in history.last(&wanted, limit).map_err(unreadable)? {
        if json {
            output::json(&entry)?;
        } else {
            output::line(human(uin, &entry))?;
        }
    }
    Ok(())
}

fn unreadable(error: impl Into<anyhow::Error>) -> Failure {
    Failure { error: error.into().context("cannot use the history"), code: code::FAILURE }
}

/// A message as one line for people, like `myicq listen` shows it.
fn human(owner: Uin, entry: &Entry) -> String {
    let Entry { with, time, text, .. } = entry;
    match entry.is_mine {
        true => format!("{} {owner} says to {with}: {}", Utc(*time), Plain(text)),
        false => format!("{} {with} says: {}", Utc(*time), Plain(text)),
    }
}

/// Whether there is to be a history.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Keep {
    /// Keep no history of what is said, and show none
    #[arg(long, env = "MYICQ_NO_HISTORY")]
    no_history: bool,
}

/// What writes down what is said. When that fails, there is no history any more, and what is said goes on.
#[derive(Debug)]
pub(crate) struct Recorder {
    account: Account,
    history: Option<History>,
    trouble: Option<String>,
}

impl Recorder {
    pub(crate) fn new(keep: Keep, account: Account) -> Self {
        let wanted = if keep.no_history { None } else { folder::data() };
        let (history, trouble) = match wanted.map(|folder| History::open(&folder)) {
            Some(Ok(history)) => (Some(history), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        Self { account, history, trouble: trouble.as_ref().map(told) }
    }

    /// Writes down what somebody else has said.
    pub(crate) fn on_event(&mut self, event: &Event) {
        if let Event::Message { from, domain: None, time, id, message, .. } = event {
            self.record(*from, false, (*time, *id), message);
        }
    }

    /// Writes down what was said to somebody, once the server has it.
    pub(crate) fn on_sent(&mut self, to: Uin, text: &str, time: u32, id: Option<u64>) {
        self.record(to, true, (time, id), &Message::text(text));
    }

    fn record(&mut self, with: Uin, is_mine: bool, when: (u32, Option<u64>), message: &Message) {
        let Some(history) = &mut self.history else { return };
        if let Err(error) = history.record(&self.account, with, is_mine, when, message) {
            self.history = None;
            self.trouble = Some(told(&error.into()));
        }
    }

    /// Why there is no history any more: once.
    pub(crate) fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Says on stderr why there is no history any more.
    pub(crate) fn complain(&mut self) {
        if let Some(trouble) = self.take_trouble() {
            // With stderr gone, nobody is there to be told.
            let _ = writeln!(std::io::stderr(), "myicq: {trouble}");
        }
    }

    /// The last messages with somebody, or with all, that have these words in them.
    #[cfg(feature = "chat")]
    pub(crate) fn last(&self, with: Option<Uin>, words: &str, limit: u32) -> anyhow::Result<Vec<Entry>> {
        let Some(history) = &self.history else { anyhow::bail!("there is no history") };
        let Account { server, owner } = self.account.clone();
        let wanted = Wanted { owner, server: Some(server), with, words: words.to_owned() };
        Ok(history.last(&wanted, limit)?)
    }
}

fn told(error: &anyhow::Error) -> String {
    format!("no history is kept: {error:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_line_for_people() {
        let entry = Entry {
            server: "a:8000".to_owned(),
            with: Uin(10_002),
            is_mine: true,
            time: 1_049_932_800,
            id: None,
            kind: "text".to_owned(),
            text: "first\nsecond".to_owned(),
        };
        let line = human(Uin(10_001), &entry);
        assert_eq!(line, "2003-04-10 00:00:00Z 10001 says to 10002: first\\nsecond");
        let answer = Entry { is_mine: false, ..entry };
        assert_eq!(human(Uin(10_001), &answer), "2003-04-10 00:00:00Z 10002 says: first\\nsecond");
    }
}
