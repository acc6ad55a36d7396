//! What the terminal client knows and decides. Without I/O: keys, events and replies go in, actions come out, and `now` is an
//! argument, in Unix seconds.

mod command;
mod complete;
mod conversation;
mod editor;
mod events;
mod files;
mod keys;
mod obey;
mod replies;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use myicq_client::{Authorization, GroupId, Password, Profile, Status, TransferId, Uin};

pub(crate) use self::command::{COMMANDS, find as find_command, first_word};
use self::complete::Completion;
#[cfg(test)]
pub(crate) use self::conversation::MAX_LINES;
pub(crate) use self::conversation::{Conversation, Line, LineId, Progress, Speaker, With};
pub(crate) use self::editor::Editor;
pub(crate) use self::files::{Asked, Transfer};
use crate::history::Entry;

/// How many people are known by name. Those beyond are shown by their numbers.
const MAX_PEOPLE: usize = 10_000;

/// How many conversations there are at most. What strangers say beyond is shown in the program's own.
pub(crate) const MAX_CONVERSATIONS: usize = 500;

/// For how long somebody is shown as typing after he was last heard to.
const TYPES_FOR: u32 = 20;

/// How often the other is told that one still types, and after how long without a key that one has stopped.
const TYPING_AGAIN: u32 = 10;

/// What is to be done outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Ask the server; the answer goes to [`Model::handle_reply`].
    Ask(Request),
    /// Look up the last that was said with somebody: [`Model::handle_recalled`].
    Recall(Uin),
    /// Look for words in what was said, with somebody or with all: [`Model::handle_found`].
    Search { with: Option<Uin>, words: String },
    /// Draw everything anew.
    Redraw,
    /// Give the terminal back to the shell for a while.
    Suspend,
    /// Make it heard that there is something.
    Bell,
    /// Log out and end.
    Quit,
}

/// What the server is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Request {
    Send { to: Uin, text: String, line: LineId },
    Say { group: GroupId, text: String, line: LineId },
    Contacts,
    OwnProfile { is_asked: bool },
    Profile { uin: Uin, is_asked: bool },
    Add { whom: Uin, reason: String },
    AskToAdd { whom: Uin, reason: String },
    Remove(Uin),
    Authorize(Uin),
    Deny { whom: Uin, reason: String },
    FindUin(Uin),
    FindWords { nick: String, email: String },
    FindRandom,
    Status(Status),
    Groups(u16),
    Group(GroupId),
    Enter { group: GroupId, password: Option<Password> },
    Create { name: String, password: Option<Password> },
    Exit(GroupId),
    Read { from: Uin, up_to: u64 },
    Typing { to: Uin, is_typing: bool },
    Offer { to: Uin, path: PathBuf },
    Accept(TransferId),
    Refuse(TransferId),
    Cancel(TransferId),
}

/// What it answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    Done,
    /// How far a message has come, and its number.
    Sent(Progress, Option<u64>),
    Contacts(Vec<Uin>),
    OwnProfile(Box<Profile>, Authorization),
    Profile(Box<Profile>),
    Added(Authorization),
    Found(Vec<Found>),
    /// Number, name, members.
    Groups(Vec<(GroupId, String, u16)>),
    /// Number and nick.
    Members(Vec<(Uin, String)>),
    Created(Option<GroupId>),
}

/// A user whom a search has found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    pub(crate) uin: Uin,
    pub(crate) is_here: bool,
    pub(crate) nick: String,
    pub(crate) province: String,
}

impl From<Entry> for Past {
    fn from(Entry { with, is_mine, time, text, .. }: Entry) -> Self {
        Self { with, is_mine, time, text }
    }
}

/// What was said at an earlier time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Past {
    pub(crate) with: Uin,
    pub(crate) is_mine: bool,
    /// Unix seconds.
    pub(crate) time: u32,
    pub(crate) text: String,
}

/// Whether there is a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Connection {
    Online,
    /// It was lost for this reason, and is tried again at this time.
    Lost {
        reason: String,
        again_at: u32,
    },
    /// It said something after which nothing is tried again.
    Over {
        reason: String,
    },
}

/// Somebody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Person {
    /// What he calls himself; may be empty.
    pub(crate) nick: String,
    /// What he is shown as; `None` while he is not seen.
    pub(crate) presence: Option<Status>,
    pub(crate) is_contact: bool,
    /// Until when he is shown as typing.
    pub(crate) types_until: Option<u32>,
}

/// What can be switched on and off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// The terminal's bell for each message.
    pub(crate) bell: bool,
    /// Tell others that their messages were read.
    pub(crate) read: bool,
    /// Tell others that one types.
    pub(crate) typing: bool,
}

/// To whom one types: when he was told last, and when the last key was pressed.
#[derive(Clone, Copy, Debug)]
struct Typing {
    to: Uin,
    told_at: u32,
    key_at: u32,
}

/// What the view has found out about its room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Room {
    /// Rows of a conversation that are seen at once.
    pub(crate) page: usize,
    /// Rows of it that can be above those.
    pub(crate) above: usize,
}

/// The terminal client.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) me: Uin,
    pub(crate) nick: String,
    pub(crate) server: String,
    pub(crate) status: Status,
    pub(crate) connection: Connection,
    pub(crate) people: BTreeMap<Uin, Person>,
    /// Whether it is known who of them is on the list.
    has_list: bool,
    pub(crate) conversations: Vec<Conversation>,
    /// Which of them is shown.
    pub(crate) current: usize,
    /// Which was shown before.
    previous: usize,
    pub(crate) editor: Editor,
    pub(crate) settings: Settings,
    /// What the status line says until the next key.
    pub(crate) hint: Option<String>,
    room: Room,
    completion: Option<Completion>,
    typing: Option<Typing>,
    next_line: u64,
    /// For the group that is made next.
    group_password: Option<Password>,
    /// Whether the next key is to be named instead of obeyed.
    names_key: bool,
    /// Whether Ctrl-C ends the program.
    is_leaving: bool,
    actions: VecDeque<Action>,
}

impl Model {
    pub(crate) fn new(me: Uin, server: String, status: Status) -> Self {
        Self {
            me,
            nick: String::new(),
            server,
            status,
            connection: Connection::Online,
            people: BTreeMap::new(),
            has_list: false,
            conversations: vec![Conversation::new(With::Program)],
            current: 0,
            previous: 0,
            editor: Editor::default(),
            settings: Settings { bell: true, read: true, typing: true },
            hint: None,
            room: Room::default(),
            completion: None,
            typing: None,
            next_line: 0,
            group_password: None,
            names_key: false,
            is_leaving: false,
            actions: VecDeque::new(),
        }
    }

    /// What is to be done next.
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Model::handle_timeout`].
    pub(crate) fn poll_timeout(&self) -> Option<u32> {
        let others = self.people.values().filter_map(|person| person.types_until);
        let own = self.typing.map(|typing| typing.key_at + TYPING_AGAIN);
        others.chain(own).min()
    }

    /// That time is there.
    pub(crate) fn handle_timeout(&mut self, now: u32) {
        for person in self.people.values_mut() {
            person.types_until = person.types_until.filter(|until| *until > now);
        }
        if self.typing.is_some_and(|typing| typing.key_at + TYPING_AGAIN <= now) {
            self.stop_typing();
        }
    }

    /// Something here went wrong.
    pub(crate) fn handle_trouble(&mut self, now: u32, trouble: String) {
        self.tell_in(now, With::Program, trouble);
    }

    /// What was drawn.
    pub(crate) fn handle_drawn(&mut self, room: Room) {
        self.room = room;
        if let Some(conversation) = self.conversations.get_mut(self.current) {
            conversation.scroll = conversation.scroll.min(room.above);
        }
    }

    /// The last that was said with somebody on earlier days, the oldest first.
    pub(crate) fn handle_recalled(&mut self, with: Uin, past: Vec<Past>) {
        if let Some(conversation) = self.conversations.iter_mut().find(|found| found.with == With::User(with)) {
            conversation.recall(past.into_iter().map(|past| {
                let speaker = if past.is_mine { Speaker::Me } else { Speaker::User(past.with) };
                Line::new(past.time, speaker, past.text)
            }));
        }
    }

    /// The conversation that is shown.
    pub(crate) fn shown(&self) -> Option<&Conversation> {
        self.conversations.get(self.current)
    }

    fn shown_mut(&mut self) -> Option<&mut Conversation> {
        self.conversations.get_mut(self.current)
    }

    /// With whom one talks in what is shown.
    fn partner(&self) -> Option<Uin> {
        match self.shown()?.with {
            With::User(uin) => Some(uin),
            With::Program | With::Group(_) => None,
        }
    }

    pub(crate) fn is_online(&self) -> bool {
        self.connection == Connection::Online
    }

    /// How somebody is called in a conversation.
    pub(crate) fn name(&self, uin: Uin) -> String {
        let nick = self.people.get(&uin).map_or("", |person| &person.nick);
        if uin == Uin::ADMINISTRATOR {
            "the administrator".to_owned()
        } else if nick.is_empty() {
            uin.to_string()
        } else {
            nick.to_owned()
        }
    }

    /// How somebody is called where it must be clear who it is: a nick is what anybody likes.
    pub(crate) fn full_name(&self, uin: Uin) -> String {
        match self.people.get(&uin) {
            Some(person) if !person.nick.is_empty() => format!("{} ({uin})", person.nick),
            _ => uin.to_string(),
        }
    }

    pub(crate) fn title(&self, conversation: &Conversation) -> String {
        match conversation.with {
            With::Program => "myicq".to_owned(),
            With::User(uin) => self.name(uin),
            With::Group(group) if conversation.title.is_empty() => group.to_string(),
            With::Group(_) => conversation.title.clone(),
        }
    }

    /// Somebody, if there is room for him.
    fn person(&mut self, uin: Uin) -> Option<&mut Person> {
        if self.people.len() >= MAX_PEOPLE && !self.people.contains_key(&uin) {
            return None;
        }
        Some(self.people.entry(uin).or_default())
    }

    /// A nick stays in its line: otherwise it could pretend to be the next one.
    fn learn_nick(&mut self, uin: Uin, nick: &str) {
        let nick = nick.split(|letter: char| letter.is_control() || letter.is_whitespace());
        let nick: Vec<&str> = nick.filter(|word| !word.is_empty()).collect();
        if uin == self.me {
            self.nick = nick.join(" ");
        } else if let Some(person) = self.person(uin) {
            person.nick = nick.join(" ");
        }
    }

    /// The place of a conversation, which is made if it is not there and there is room.
    fn place(&mut self, with: With) -> Option<usize> {
        let found = self.conversations.iter().position(|conversation| conversation.with == with);
        if found.is_some() || self.conversations.len() >= MAX_CONVERSATIONS {
            return found;
        }
        self.conversations.push(Conversation::new(with));
        if let With::User(uin) = with {
            self.actions.push_back(Action::Recall(uin));
            let is_known = self.people.get(&uin).is_some_and(|person| !person.nick.is_empty());
            if !is_known && self.is_online() && self.person(uin).is_some() {
                self.ask(Request::Profile { uin, is_asked: false });
            }
        }
        Some(self.conversations.len() - 1)
    }

    /// Shows another conversation. What is typed stays with the one that it was typed in.
    fn go(&mut self, to: usize) {
        if to == self.current || to >= self.conversations.len() {
            return;
        }
        self.stop_typing();
        let draft = self.editor.text().to_owned();
        if let Some(conversation) = self.shown_mut() {
            conversation.draft = draft;
        }
        (self.previous, self.current) = (self.current, to);
        let draft = self.shown_mut().map(|conversation| std::mem::take(&mut conversation.draft));
        self.editor.set(draft.unwrap_or_default());
        self.completion = None;
        self.look();
    }

    /// What is shown is looked at.
    fn look(&mut self) {
        let (is_told, is_online) = (self.settings.read, self.is_online());
        let Some(conversation) = self.conversations.get_mut(self.current) else { return };
        if conversation.scroll > 0 {
            return;
        }
        conversation.unread = 0;
        if let (With::User(from), true) = (conversation.with, is_online) {
            if let Some(up_to) = conversation.to_read.take().filter(|_| is_told) {
                self.ask(Request::Read { from, up_to });
            }
        }
    }

    fn ask(&mut self, request: Request) {
        self.actions.push_back(Action::Ask(request));
    }

    /// Asks something that has no effect without a server, and says so where there is none.
    fn ask_online(&mut self, request: Request) {
        if self.is_online() {
            self.ask(request);
        } else {
            self.hint = Some("there is no server at the moment: nothing was sent".to_owned());
        }
    }

    /// Says something to the one in front of the screen, in the conversation that is shown.
    fn tell(&mut self, now: u32, text: impl Into<String>) {
        if let Some(conversation) = self.shown_mut() {
            conversation.scroll = 0;
            conversation.push(Line::new(now, Speaker::Program, text));
        }
    }

    /// The same in a certain one.
    fn tell_in(&mut self, now: u32, with: With, text: impl Into<String>) {
        let place = self.place(with).unwrap_or_default();
        self.add_line(place, Line::new(now, Speaker::Program, text));
    }

    /// Adds what somebody else says.
    fn add_line(&mut self, place: usize, line: Line) {
        let is_shown = place == self.current;
        let Some(conversation) = self.conversations.get_mut(place) else { return };
        conversation.to_read = line.id.or(conversation.to_read);
        conversation.push(line);
        conversation.unread += 1;
        if is_shown {
            self.look();
        }
    }

    fn stop_typing(&mut self) {
        if let Some(Typing { to, .. }) = self.typing.take() {
            if self.is_online() {
                self.ask(Request::Typing { to, is_typing: false });
            }
        }
    }
}
