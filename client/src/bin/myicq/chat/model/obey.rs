//! What each command does.

use myicq_client::{Password, Uin};

use super::command::Command;
use super::{Action, Asked, COMMANDS, Model, Request, With, find_command, first_word};

/// The keys, as the help shows them.
const KEYS: [(&str, &str); 8] = [
    ("Enter, Alt-Enter", "send; a new line in the message"),
    ("Tab", "complete a name or a command"),
    ("Alt-1 … Alt-9", "go to this conversation; F5 F6, Alt-arrows or Ctrl-P Ctrl-N to the one beside"),
    ("Alt-a, Ctrl-X", "to the next with something new; back to the one before"),
    ("PgUp PgDn", "earlier and later"),
    ("Up Down, Ctrl-R", "what was typed before; look for it"),
    ("Alt-y Alt-n", "yes and no to what is asked"),
    ("Ctrl-L Ctrl-Z Alt-k", "draw again; to the shell; what a key is called"),
];

impl Model {
    /// Does what was said with a slash.
    pub(super) fn obey(&mut self, now: u32, command: Command) {
        match command {
            Command::Help(name) => self.help(now, name.as_deref()),
            Command::Message { who, text } => self.message(now, &who, text),
            Command::Add { whom, reason } => self.ask_online(Request::Add { whom, reason }),
            Command::Remove(who) => self.with_whom(who.as_deref(), |_, uin| Some(Request::Remove(uin))),
            Command::Authorize(who) => match self.whom_or_partner(who.as_deref()) {
                Ok(whom) => self.answer_wish(now, whom, true, String::new()),
                Err(problem) => self.hint = Some(problem),
            },
            Command::Deny { words } => self.deny(now, &words),
            Command::File(words) => self.offer(&words),
            Command::Accept => self.accept(),
            Command::Cancel => self.cancel(),
            Command::Find(words) => self.find(words),
            Command::Info(Some(who)) if who == "me" => self.ask_online(Request::OwnProfile { is_asked: true }),
            Command::Info(who) => {
                self.with_whom(who.as_deref(), |_, uin| Some(Request::Profile { uin, is_asked: true }));
            }
            Command::Status(status) => self.ask_online(Request::Status(status)),
            Command::Rooms(of_type) => self.ask_online(Request::Groups(of_type)),
            Command::Join { group, password } => match optional_password(&password) {
                Ok(password) => self.ask_online(Request::Enter { group, password }),
                Err(problem) => self.hint = Some(problem),
            },
            Command::Create(name) => {
                let password = self.group_password.take();
                self.ask_online(Request::Create { name, password });
            }
            Command::Password(password) => match optional_password(&password) {
                Ok(password) => {
                    let what = if password.is_some() { "has this password" } else { "is open to all" };
                    self.hint = Some(format!("the group that /create makes next {what}"));
                    self.group_password = password;
                }
                Err(problem) => self.hint = Some(problem),
            },
            Command::Leave => match self.shown().map(|conversation| conversation.with) {
                Some(With::Group(group)) => self.ask_online(Request::Exit(group)),
                _ => self.hint = Some("this is no group".to_owned()),
            },
            Command::Close => self.close(),
            Command::History(words) => {
                let with = self.partner();
                match (with, words.is_empty()) {
                    (None, true) => self.hint = Some("/history WORDS looks for words in all that was said".to_owned()),
                    _ => self.actions.push_back(Action::Search { with, words }),
                }
            }
            Command::Set(change) => self.set(now, change),
            Command::Redraw => self.actions.push_back(Action::Redraw),
            Command::Quit => self.actions.push_back(Action::Quit),
        }
    }

    fn help(&mut self, now: u32, name: Option<&str>) {
        if let Some(name) = name {
            match find_command(name.trim_start_matches('/')) {
                Some(syntax) => self.tell(now, format!("/{} {}\n  {}", syntax.name, syntax.arguments, syntax.about)),
                None => self.hint = Some(format!("there is no /{name}")),
            }
            return;
        }
        let commands = COMMANDS.iter().map(|syntax| (format!("/{} {}", syntax.name, syntax.arguments), syntax.about));
        let keys = KEYS.iter().map(|(key, about)| ((*key).to_owned(), *about));
        let lines = commands.chain(keys).map(|(what, about)| format!("{what:<20}  {about}"));
        self.tell(now, lines.collect::<Vec<_>>().join("\n"));
    }

    fn message(&mut self, now: u32, who: &str, text: String) {
        let whom = match self.whom(who) {
            Ok(whom) => whom,
            Err(problem) => {
                self.hint = Some(problem);
                return;
            }
        };
        let Some(place) = self.place(With::User(whom)) else {
            self.hint = Some("there are as many conversations as may be: /close some".to_owned());
            return;
        };
        self.go(place);
        if !text.is_empty() {
            if self.is_online() {
                self.send(now, With::User(whom), text);
            } else {
                self.editor.set(text);
                self.hint = Some("there is no server at the moment: it stays here until there is".to_owned());
            }
        }
    }

    fn deny(&mut self, now: u32, words: &str) {
        let (who, reason) = first_word(words);
        // Where somebody asks in what is shown, all of it may be the reason.
        let asked = self.shown().and_then(|conversation| conversation.asked.first().copied());
        let is_asked = asked == Some(Asked::Wish);
        if matches!(asked, Some(Asked::File(_))) && words.is_empty() {
            return self.answer_asked(now, false);
        }
        match (self.whom(who), self.partner()) {
            (Ok(whom), _) => self.answer_wish(now, whom, false, reason.to_owned()),
            (Err(_), Some(whom)) if is_asked => self.answer_wish(now, whom, false, words.to_owned()),
            (Err(problem), _) => self.hint = Some(problem),
        }
    }

    /// Says yes or no to somebody who wants to add one.
    pub(super) fn answer_wish(&mut self, now: u32, whom: Uin, is_yes: bool, reason: String) {
        if !self.is_online() {
            self.hint = Some("there is no server at the moment: nothing was sent".to_owned());
            return;
        }
        if let Some(conversation) = self.conversations.iter_mut().find(|found| found.with == With::User(whom)) {
            conversation.asked.retain(|asked| *asked != Asked::Wish);
        }
        let name = self.full_name(whom);
        if is_yes {
            self.ask(Request::Authorize(whom));
            self.tell(now, format!("{name} may add you"));
        } else {
            self.ask(Request::Deny { whom, reason });
            self.tell(now, format!("{name} may not add you"));
        }
    }

    fn find(&mut self, words: String) {
        self.ask_online(match (words.parse(), words.contains('@')) {
            (Ok(uin), _) => Request::FindUin(uin),
            _ if words.is_empty() => Request::FindRandom,
            (_, true) => Request::FindWords { nick: String::new(), email: words },
            (_, false) => Request::FindWords { nick: words, email: String::new() },
        });
    }

    fn close(&mut self) {
        let Some(conversation) = self.shown() else { return };
        let is_needed = match conversation.with {
            With::Program => true,
            With::User(uin) => self.people.get(&uin).is_some_and(|person| person.is_contact),
            With::Group(_) => !conversation.members.is_empty(),
        };
        if is_needed {
            let why = "this stays: /remove takes somebody off your list, /leave you out of a group";
            self.hint = Some(why.to_owned());
            return;
        }
        let closed = self.current;
        self.go(if self.previous == closed { closed - 1 } else { self.previous });
        self.conversations.remove(closed);
        self.current -= usize::from(self.current > closed);
        self.previous = self.current;
    }

    fn set(&mut self, now: u32, change: Option<(String, bool)>) {
        if let Some((name, value)) = change {
            let setting = match name.as_str() {
                "bell" => &mut self.settings.bell,
                "read" => &mut self.settings.read,
                "typing" => &mut self.settings.typing,
                _ => {
                    self.hint = Some(format!("\"{name}\" is none of bell, read and typing"));
                    return;
                }
            };
            *setting = value;
        }
        let on = |value| if value { "on" } else { "off" };
        let settings = self.settings;
        let (bell, read, typing) = (on(settings.bell), on(settings.read), on(settings.typing));
        self.tell(now, format!("bell {bell}, read {read}, typing {typing}: until you leave"));
    }

    /// Asks about somebody who is named, or is in the conversation.
    fn with_whom(&mut self, who: Option<&str>, request: impl FnOnce(&Self, Uin) -> Option<Request>) {
        match self.whom_or_partner(who) {
            Ok(uin) => {
                if let Some(request) = request(self, uin) {
                    self.ask_online(request);
                }
            }
            Err(problem) => self.hint = Some(problem),
        }
    }

    fn whom_or_partner(&self, who: Option<&str>) -> Result<Uin, String> {
        match who {
            Some(who) => self.whom(who),
            None => self.partner().ok_or_else(|| "say who: a number or a name".to_owned()),
        }
    }

    /// Who is meant by a number, a name or its beginning.
    pub(super) fn whom(&self, who: &str) -> Result<Uin, String> {
        if let Ok(uin) = who.parse::<Uin>() {
            return if uin.0 == 0 { Err("0 is nobody's number".to_owned()) } else { Ok(uin) };
        }
        let who = who.to_lowercase();
        let named = |is: &dyn Fn(&str) -> bool| {
            let found = self.people.iter().filter(|(_, person)| is(&person.nick.to_lowercase()));
            found.map(|(uin, _)| *uin).collect::<Vec<_>>()
        };
        let exact = named(&|nick| nick == who);
        let found = if exact.is_empty() { named(&|nick| !who.is_empty() && nick.starts_with(&who)) } else { exact };
        match found.as_slice() {
            [] => Err(format!("nobody here is called \"{who}\": /find {who} looks for him")),
            [uin] => Ok(*uin),
            [first, second, ..] => {
                Err(format!("\"{who}\" may be {} or {}", self.full_name(*first), self.full_name(*second)))
            }
        }
    }
}

fn optional_password(text: &str) -> Result<Option<Password>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    Password::new(text).map(Some).map_err(|misuse| misuse.to_string())
}
