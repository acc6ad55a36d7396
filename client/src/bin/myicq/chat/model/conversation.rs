//! One conversation, and what is shown of it.

use std::collections::VecDeque;

use myicq_client::{GroupId, Password, Uin};

use super::{Asked, Transfer};

/// How many lines of a conversation are kept here; earlier ones are in the history.
pub(crate) const MAX_LINES: usize = 2_000;

/// With whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum With {
    /// The program itself.
    Program,
    /// Somebody.
    User(Uin),
    /// Those in a group.
    Group(GroupId),
}

/// Names a line of one's own until the server has given it a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LineId(pub(crate) u64);

/// Who says a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Speaker {
    /// Oneself.
    Me,
    /// Somebody.
    User(Uin),
    /// Somebody's program, because he is away.
    Away(Uin),
    /// This program.
    Program,
}

/// How far a line of one's own has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// Not one's own, or of an earlier day.
    None,
    /// On its way to the server.
    Sending,
    /// The server has it.
    Sent,
    /// It has reached the other's program.
    Delivered,
    /// The other has read it.
    Read,
    /// It did not go out.
    Failed,
}

/// What was said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    /// Names it until it has a number.
    pub(crate) line: Option<LineId>,
    /// The server's number for it.
    pub(crate) id: Option<u64>,
    /// Unix seconds.
    pub(crate) time: u32,
    pub(crate) speaker: Speaker,
    pub(crate) text: String,
    pub(crate) progress: Progress,
}

impl Line {
    pub(crate) fn new(time: u32, speaker: Speaker, text: impl Into<String>) -> Self {
        Self { line: None, id: None, time, speaker, text: text.into(), progress: Progress::None }
    }
}

/// A conversation.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) with: With,
    /// How a group is called.
    pub(crate) title: String,
    pub(crate) lines: VecDeque<Line>,
    /// Lines of others that nobody has looked at.
    pub(crate) unread: usize,
    /// The last message of the other's that he may be told to have been read.
    pub(crate) to_read: Option<u64>,
    /// How many rows the view stands above the newest.
    pub(crate) scroll: usize,
    /// What was being typed here.
    pub(crate) draft: String,
    /// What the other waits for an answer to, the first question first.
    pub(crate) asked: Vec<Asked>,
    /// Files on their way.
    pub(crate) transfers: Vec<Transfer>,
    /// What opens the group.
    pub(crate) password: Option<Password>,
    /// Who is in the group.
    pub(crate) members: Vec<Uin>,
}

impl Conversation {
    pub(crate) fn new(with: With) -> Self {
        Self {
            with,
            title: String::new(),
            lines: VecDeque::new(),
            unread: 0,
            to_read: None,
            scroll: 0,
            draft: String::new(),
            asked: Vec::new(),
            transfers: Vec::new(),
            password: None,
            members: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, line: Line) {
        self.lines.push_back(line);
        if self.lines.len() > MAX_LINES {
            self.lines.pop_front();
        }
    }

    /// What was said on earlier days, the oldest first.
    pub(crate) fn recall(&mut self, lines: impl DoubleEndedIterator<Item = Line>) {
        for line in lines.rev() {
            if self.lines.len() < MAX_LINES {
                self.lines.push_front(line);
            }
        }
    }

    /// What has become of a line of one's own.
    pub(crate) fn settle(&mut self, line: LineId, id: Option<u64>, progress: Progress) {
        if let Some(found) = self.lines.iter_mut().rev().find(|found| found.line == Some(line)) {
            (found.id, found.progress) = (id, progress);
        }
    }

    /// A line of one's own has reached the other.
    pub(crate) fn on_delivered(&mut self, id: u64) {
        for line in self.lines.iter_mut().filter(|line| line.id == Some(id) && line.progress == Progress::Sent) {
            line.progress = Progress::Delivered;
        }
    }

    /// The other has read up to this one.
    pub(crate) fn on_read(&mut self, up_to: u64) {
        let is_covered = |line: &&mut Line| line.speaker == Speaker::Me && line.id.is_some_and(|id| id <= up_to);
        for line in self.lines.iter_mut().filter(is_covered) {
            line.progress = Progress::Read;
        }
    }
}
