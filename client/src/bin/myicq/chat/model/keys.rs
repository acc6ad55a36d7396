//! What each key does.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::command::{is_secret, parse};
use super::{Action, Line, LineId, Model, Progress, Request, Speaker, TYPING_AGAIN, Typing, With};

impl Model {
    /// A key was pressed.
    pub(crate) fn handle_key(&mut self, now: u32, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.hint = None;
        if std::mem::take(&mut self.names_key) {
            self.hint = Some(format!("this is {}", named(key)));
            return;
        }
        let is_leaving = std::mem::take(&mut self.is_leaving);
        if !matches!(key.code, KeyCode::Tab | KeyCode::BackTab) {
            self.completion = None;
        }
        let is_searching = self.editor.search().is_some();
        if is_searching && self.editor.handle_key(key) {
            return;
        }
        let is_done = if key.modifiers.contains(KeyModifiers::ALT) {
            self.on_alt(now, key.code)
        } else if key.modifiers.contains(KeyModifiers::CONTROL) {
            self.on_control(key.code, is_leaving)
        } else {
            self.on_plain(now, key.code)
        };
        if !is_done && self.editor.handle_key(key) {
            self.on_typed(now);
        }
    }

    /// Something was pasted. A new line in it is one of the message, and enters nothing.
    pub(crate) fn handle_paste(&mut self, now: u32, text: &str) {
        self.completion = None;
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        self.hint = (!self.editor.insert(&text)).then(|| "that is too much to paste".to_owned());
        self.on_typed(now);
    }

    fn on_alt(&mut self, now: u32, code: KeyCode) -> bool {
        match code {
            KeyCode::Left => self.step(false),
            KeyCode::Right => self.step(true),
            KeyCode::Char(digit @ '1'..='9') => {
                let place = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
                self.go(place.unwrap_or(1) - 1);
            }
            KeyCode::Char('a') => match self.next_with_news() {
                Some(place) => self.go(place),
                None => self.hint = Some("nothing new anywhere".to_owned()),
            },
            KeyCode::Char('y') => self.answer_asked(now, true),
            KeyCode::Char('n') => self.answer_asked(now, false),
            KeyCode::Char('k') => {
                self.names_key = true;
                self.hint = Some("press a key to see what it is called".to_owned());
            }
            _ => return false,
        }
        true
    }

    fn on_control(&mut self, code: KeyCode, is_leaving: bool) -> bool {
        match code {
            KeyCode::Char('p') => self.step(false),
            KeyCode::Char('n') => self.step(true),
            KeyCode::Char('x') => self.go(self.previous),
            KeyCode::Char('l') => self.actions.push_back(Action::Redraw),
            KeyCode::Char('z') => self.actions.push_back(Action::Suspend),
            KeyCode::Char('c') if !self.editor.text().is_empty() => {
                self.editor.set(String::new());
                self.stop_typing();
            }
            KeyCode::Char('c') if is_leaving => self.actions.push_back(Action::Quit),
            KeyCode::Char('c') => {
                self.is_leaving = true;
                self.hint = Some("Ctrl-C once more logs out and ends".to_owned());
            }
            _ => return false,
        }
        true
    }

    fn on_plain(&mut self, now: u32, code: KeyCode) -> bool {
        match code {
            KeyCode::F(5) => self.step(false),
            KeyCode::F(6) => self.step(true),
            KeyCode::PageUp => self.scroll(true),
            KeyCode::PageDown => self.scroll(false),
            KeyCode::Tab => self.complete(false),
            KeyCode::BackTab => self.complete(true),
            KeyCode::Enter => self.enter(now),
            _ => return false,
        }
        true
    }

    fn step(&mut self, is_forward: bool) {
        let count = self.conversations.len();
        let to = if is_forward { self.current + 1 } else { self.current + count - 1 };
        self.go(to % count.max(1));
    }

    /// The next conversation, from the one that is shown on, in which there is something new.
    pub(crate) fn next_with_news(&self) -> Option<usize> {
        let all = || self.conversations.iter().enumerate();
        let later = all().skip(self.current + 1).chain(all().take(self.current));
        later.into_iter().find(|(_, conversation)| conversation.unread > 0).map(|(place, _)| place)
    }

    fn scroll(&mut self, is_up: bool) {
        // One row of what was seen stays, so that one finds one's way.
        let rows = self.room.page.saturating_sub(1).max(1);
        let above = self.room.above;
        if let Some(conversation) = self.shown_mut() {
            let scroll = conversation.scroll;
            conversation.scroll = if is_up { (scroll + rows).min(above) } else { scroll.saturating_sub(rows) };
        }
        self.look();
    }

    /// Enters what is typed.
    fn enter(&mut self, now: u32) {
        let typed = self.editor.text();
        if typed.trim().is_empty() {
            return;
        }
        // Two slashes are one that is meant.
        let (command, text) = match typed.strip_prefix('/') {
            Some(slashed) if slashed.starts_with('/') => (None, slashed.to_owned()),
            Some(command) => (Some(command.to_owned()), String::new()),
            None => (None, typed.to_owned()),
        };
        match command {
            Some(command) => match parse(&command) {
                Ok(parsed) => {
                    let is_secret = is_secret(self.editor.text());
                    self.editor.take(is_secret);
                    self.obey(now, parsed);
                }
                Err(usage) => self.hint = Some(usage),
            },
            None => self.say(now, text),
        }
    }

    /// Says what is typed to those in the conversation. What cannot be sent stays where it is typed.
    fn say(&mut self, now: u32, text: String) {
        let Some(with) = self.shown().map(|conversation| conversation.with).filter(|with| *with != With::Program)
        else {
            self.hint = Some("nobody is here: F6 goes to the next conversation, /msg WHO to a new one".to_owned());
            return;
        };
        if !self.is_online() {
            self.hint = Some("there is no server at the moment: it stays here until there is".to_owned());
            return;
        }
        self.editor.take(false);
        self.stop_typing();
        self.send(now, with, text);
    }

    /// Hands something over to be sent, and shows it.
    pub(super) fn send(&mut self, now: u32, with: With, text: String) {
        let line = LineId(self.next_line);
        self.next_line += 1;
        let shown = Line { line: Some(line), progress: Progress::Sending, ..Line::new(now, Speaker::Me, text.clone()) };
        let Some(conversation) = self.place(with).and_then(|place| self.conversations.get_mut(place)) else { return };
        conversation.scroll = 0;
        conversation.push(shown);
        match with {
            With::User(to) => self.ask(Request::Send { to, text, line }),
            With::Group(group) => self.ask(Request::Say { group, text, line }),
            With::Program => {}
        }
        self.look();
    }

    /// Tells the other that one types, once and then again from time to time.
    fn on_typed(&mut self, now: u32) {
        let text = self.editor.text();
        let is_message = !text.is_empty() && (!text.starts_with('/') || text.starts_with("//"));
        let Some(to) = self.partner().filter(|_| is_message && self.is_online() && self.settings.typing) else {
            self.stop_typing();
            return;
        };
        match &mut self.typing {
            Some(typing) if typing.to == to && typing.told_at + TYPING_AGAIN > now => typing.key_at = now,
            _ => {
                self.typing = Some(Typing { to, told_at: now, key_at: now });
                self.ask(Request::Typing { to, is_typing: true });
            }
        }
    }
}

/// How a key is called.
fn named(key: KeyEvent) -> String {
    let name = match key.code {
        KeyCode::Char(' ') => "Space".to_owned(),
        KeyCode::Char(letter) => letter.to_string(),
        KeyCode::F(number) => format!("F{number}"),
        code => format!("{code:?}"),
    };
    let control = if key.modifiers.contains(KeyModifiers::CONTROL) { "Ctrl-" } else { "" };
    let alt = if key.modifiers.contains(KeyModifiers::ALT) { "Alt-" } else { "" };
    format!("{control}{alt}{name}")
}
