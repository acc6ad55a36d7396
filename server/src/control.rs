//! What the administrator's commands and a running server say to each other, over a Unix socket in the data folder.
//!
//! A connection is one [`Request`], a line of JSON, and its [`Answer`]s, a line each, up to the first that [is the
//! last](Answer::is_last). Whoever may open the socket may do anything with the server: the system lets only the server's own user do
//! that.

mod broadcast;
mod export;
mod users;

pub use broadcast::{answer_broadcast, store_broadcast};

use myicq_wire::{Capabilities, Command, Seq, Status, Uin, UnixTime};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::frontend::myicq::{SessionView, TraceEvent};
use crate::store::UserSummary;

/// The name of the socket in the data folder.
pub const SOCKET: &str = "myicqd.sock";

/// Bytes of a request at most, with the end of its line. A broadcast is the longest, each of its characters written as an escape.
pub const REQUEST_MAX: usize = 8 * 1_024;

/// Bytes of a nick in the charset of the clients of 2003, as the protocol has it.
pub const NICK_MAX: usize = 16;

/// What is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Something about users.
    User(UserRequest),
    /// All sessions: an [`Answer::Session`] for each.
    Sessions {},
    /// Whether shards and store answer: [`Answer::Health`].
    Health {},
    /// To say something to everybody, to each once: [`Answer::Done`] when it is stored, and on its way to those who are here.
    Broadcast {
        /// What.
        text: String,
    },
    /// What becomes of each datagram of a user from now on: an [`Answer::Traced`] for each, until the connection is closed.
    Trace {
        /// His number.
        uin: u32,
    },
}

/// What is wanted of users. It can be done by a server, or on the store of one that is not running.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum UserRequest {
    /// To make one: [`Answer::Created`].
    Add {
        /// His number; none: the next one.
        uin: Option<u32>,
        /// What he calls himself.
        nick: String,
        /// The hash of his password, as a PHC string.
        password_hash: String,
    },
    /// All of them, by rising number: an [`Answer::User`] for each.
    List {},
    /// One of them: [`Answer::User`].
    Show {
        /// His number.
        uin: u32,
    },
    /// To give one another password, from his next login on: [`Answer::Done`].
    Passwd {
        /// His number.
        uin: u32,
        /// The hash of the password, as a PHC string.
        password_hash: String,
    },
    /// All that is kept of one, but for his password: an [`Answer::Exported`] for him and for each message that waits for him.
    Export {
        /// His number.
        uin: u32,
    },
    /// To remove one, his list, and the messages that wait for him; his session ends: [`Answer::Removed`].
    Remove {
        /// His number.
        uin: u32,
    },
}

/// A part of an answer, or the end of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// One of the users.
    User(User),
    /// One of the sessions.
    Session(Session),
    /// Something that happened to the user who is traced.
    Traced(Traced),
    /// Something that is kept of a user.
    Exported(Value),
    /// Who answers.
    Health(Health),
    /// There is a user now.
    Created {
        /// His number.
        uin: u32,
    },
    /// There is no such user any more.
    Removed {
        /// How many messages waited for him.
        messages: u64,
    },
    /// That was all.
    Done {},
    /// It was not done.
    Failed {
        /// What kind of trouble it is.
        problem: Problem,
        /// What is wrong and what to do, in one line.
        message: String,
    },
}

/// Why something was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// There is no such user, or there is one already.
    User,
    /// The request is not one, or has a value that may not be.
    Request,
    /// The store failed.
    Storage,
    /// The server is stopping, or has as many connections as it may.
    Unavailable,
}

/// A user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct User {
    /// His number.
    pub uin: u32,
    /// What he calls himself.
    pub nick: String,
    /// When he was registered, in seconds since 1970.
    pub created: u64,
    /// How many are on his list.
    pub contacts: u32,
    /// How many messages wait for him.
    pub messages: u32,
}

/// A session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Whose.
    pub uin: u32,
    /// From where: address and port.
    pub address: String,
    /// `online`, `away` or `invisible`; `half-open` until the address is proven.
    pub state: String,
    /// What its client can do beyond version 1, by name.
    pub capabilities: Vec<String>,
    /// In what its client writes.
    pub charset: String,
    /// Milliseconds in which nothing has come.
    pub idle_ms: u64,
    /// Milliseconds from a datagram to its acknowledgement, smoothed, if that has been measured.
    pub round_trip_ms: Option<u64>,
    /// Datagrams that its client has not acknowledged.
    pub in_flight: usize,
    /// Datagrams that wait behind those.
    pub queued: usize,
}

/// Which parts of the server have answered in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Health {
    /// How many shards there are.
    pub shards: u32,
    /// How many of them have answered.
    pub answering: u32,
    /// Whether the store has.
    pub store: bool,
}

impl Health {
    /// Whether all of them have.
    pub fn is_healthy(&self) -> bool {
        self.store && self.answering == self.shards
    }
}

/// Something that happened to a user. What does not apply is left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Traced {
    /// When, in microseconds since 1970.
    pub time: u64,
    /// `in`: a datagram came. `out`: one went to him. `refused`: a request of his was. `event`: his session ended, or a datagram to him
    /// was given up. `lost`: more happened than could be told.
    pub what: String,
    /// What became of it: `taken`, or the name of the counter under which it was counted; the name of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fate: Option<String>,
    /// The command, by its name or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The datagram's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u16>,
    /// The number of the datagram that it acknowledges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<u16>,
    /// From where or to where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Bytes of the datagram.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// How many were lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl From<(UnixTime, TraceEvent)> for Traced {
    fn from((UnixTime(time), event): (UnixTime, TraceEvent)) -> Self {
        let command = |number| {
            let known = Command::from_number(number);
            Some(known.map_or_else(|| format!("0x{number:04X}"), |command| command.name().to_owned()))
        };
        let number = |seq: Option<Seq>| seq.map(Seq::number);
        let what = |what: &str| Self { time, what: what.to_owned(), ..Self::default() };
        match event {
            TraceEvent::Received { from, command: number_of, seq, len, fate } => Self {
                fate: Some(fate.name()),
                command: command(number_of),
                seq: number(seq),
                address: Some(from.to_string()),
                bytes: Some(len),
                ..what("in")
            },
            TraceEvent::Sent { to, command: number_of, seq, answers, len } => Self {
                command: command(number_of),
                seq: number(seq),
                answers: number(answers),
                address: Some(to.to_string()),
                bytes: Some(len),
                ..what("out")
            },
            TraceEvent::Refused { command, seq, refusal } => Self {
                fate: Some(format!("refused_{}", refusal.name())),
                command: Some(command.name().to_owned()),
                seq: Some(seq.number()),
                ..what("refused")
            },
            TraceEvent::Event(event) => Self { fate: Some(event.name().to_owned()), ..what("event") },
            TraceEvent::Lost(count) => Self { count: Some(count), ..what("lost") },
        }
    }
}

impl Answer {
    /// Whether no other follows.
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::User(_) | Self::Session(_) | Self::Traced(_) | Self::Exported(_))
    }

    /// That it was not done.
    pub fn failed(problem: Problem, message: impl Into<String>) -> Self {
        Self::Failed { problem, message: message.into() }
    }
}

impl From<UserSummary> for User {
    fn from(user: UserSummary) -> Self {
        let UserSummary { uin: Uin(uin), nick, created, contacts, messages } = user;
        Self { uin, nick, created: created.seconds().into(), contacts, messages }
    }
}

impl From<&SessionView> for Session {
    fn from(view: &SessionView) -> Self {
        let state = match view.status {
            None => "half-open",
            Some(Status::AWAY) => "away",
            Some(Status::INVISIBLE) => "invisible",
            Some(_) => "online",
        };
        let granted = Capabilities::NAMED.iter().filter(|(one, _)| view.capabilities.contains(*one));
        let milliseconds = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            uin: view.uin.0,
            address: view.address.to_string(),
            state: state.to_owned(),
            capabilities: granted.map(|(_, name)| (*name).to_owned()).collect(),
            charset: view.charset.label().to_owned(),
            idle_ms: milliseconds(view.idle),
            round_trip_ms: view.round_trip.map(milliseconds),
            in_flight: view.in_flight,
            queued: view.queued,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_line() {
        let line = r#"{"user":{"remove":{"uin":7}}}"#;
        let request = Request::User(UserRequest::Remove { uin: 7 });
        assert_eq!(serde_json::to_string(&request).unwrap(), line);
        assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
        assert_eq!(serde_json::from_str::<Request>(r#"{"sessions":{}}"#).unwrap(), Request::Sessions {});
        assert!(serde_json::from_str::<Request>(r#"{"user":{"remove":{"uin":7,"force":true}}}"#).is_err());
        assert_eq!(serde_json::to_string(&Answer::Done {}).unwrap(), r#"{"done":{}}"#);
    }
}
