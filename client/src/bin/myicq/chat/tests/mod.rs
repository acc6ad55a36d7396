//! Keys and events in, screens out. The screens are kept in client/tests/screens, so that they can be looked at;
//! `MYICQ_UPDATE=1 cargo test -p myicq-client --bin myicq` draws them anew.

mod behaviour;
mod screens;

use std::path::Path;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use myicq_client::{Event, Message, Presence, RequestError, Status, Uin};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, CellWidth};

use super::model::{Action, Model, Past, Reply, Request};
use super::view::{Look, draw};

/// 27 November 2026, 12:00 UTC.
const NOON: u32 = 1_795_780_800;

const ME: Uin = Uin(10_001);
const BOB: Uin = Uin(10_002);
const LI: Uin = Uin(10_003);
const EVE: Uin = Uin(10_666);

/// A chat without a server and without a terminal.
struct Chat {
    model: Model,
    now: u32,
    size: (u16, u16),
    look: Look,
}

impl Chat {
    /// One that has just begun, with nobody on the list.
    fn new() -> Self {
        let model = Model::new(ME, "server.example:8000".to_owned(), Status::ONLINE);
        let look = Look { has_colour: true, zone: TimeZone::UTC };
        let mut chat = Self { model, now: NOON, size: (80, 24), look };
        let granted = myicq_client::SUPPORTED;
        let ip = std::net::Ipv4Addr::new(192, 0, 2, 1);
        chat.happens(Event::LoggedIn { ip, online_users: 3, exactly_once: true, granted });
        chat.model.handle_reply(NOON, Request::OwnProfile { is_asked: false }, Ok(own_profile("Ann")));
        chat
    }

    /// One with Bob, who is here, and 李雷, who is not, on the list.
    fn with_contacts() -> Self {
        let mut chat = Self::new();
        chat.model.handle_reply(NOON, Request::Contacts, Ok(Reply::Contacts(vec![BOB, LI])));
        for (uin, nick) in [(BOB, "Bob"), (LI, "李雷")] {
            let profile = Box::new(myicq_client::Profile { nick: nick.to_owned(), ..myicq_client::Profile::default() });
            chat.model.handle_reply(NOON, Request::Profile { uin, is_asked: false }, Ok(Reply::Profile(profile)));
        }
        chat.happens(online(BOB, Status::ONLINE));
        chat.actions();
        chat
    }

    fn happens(&mut self, event: Event) {
        self.model.handle_event(self.now, event);
    }

    fn hears(&mut self, from: Uin, id: u64, message: Message) {
        self.happens(said(from, self.now, id, message));
    }

    /// Presses keys, with a screen drawn after each: "C-a" is Ctrl-A, "M-a" Alt-A, "F6" that key; everything else is typed.
    fn press(&mut self, keys: &[&str]) {
        for key in keys {
            for key in parsed(key) {
                self.model.handle_key(self.now, key);
                self.drawn();
            }
        }
    }

    /// What is to be done by now.
    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.model.poll_action()).collect()
    }

    /// What the server was asked since the last time.
    fn asked(&mut self) -> Vec<Request> {
        let asked = self.actions().into_iter().filter_map(|action| match action {
            Action::Ask(request) => Some(request),
            _ => None,
        });
        asked.collect()
    }

    fn answer(&mut self, request: Request, reply: Result<Reply, RequestError>) {
        self.model.handle_reply(self.now, request, reply);
    }

    fn drawn(&mut self) -> (Buffer, (u16, u16)) {
        let (width, height) = self.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let mut room = super::model::Room::default();
        terminal.draw(|frame| room = draw(frame, &self.model, &self.look)).unwrap();
        self.model.handle_drawn(room);
        let cursor = terminal.get_cursor_position().unwrap();
        (terminal.backend().buffer().clone(), (cursor.x, cursor.y))
    }

    /// What is on the screen, with an underscore where the cursor is.
    fn screen(&mut self) -> String {
        let (buffer, cursor) = self.drawn();
        let mut text = String::new();
        for y in 0..buffer.area.height {
            let mut row = String::new();
            let mut x = 0;
            while x < buffer.area.width {
                let cell = buffer.cell((x, y)).unwrap();
                let is_cursor = (x, y) == cursor && cell.symbol() == " ";
                row.push_str(if is_cursor { "_" } else { cell.symbol() });
                x += cell.symbol().cell_width().max(1);
            }
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text
    }

    /// Compares the screen with the one that is kept under this name.
    fn shows(&mut self, name: &str) {
        let screen = self.screen();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(format!("{name}.txt"));
        #[expect(clippy::disallowed_methods, reason = "the test compares with a file of the project")]
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        #[expect(clippy::disallowed_methods, reason = "and makes it anew where one asks for it")]
        if std::env::var_os("MYICQ_UPDATE").is_some() {
            std::fs::write(&file, screen).unwrap();
        } else if kept != screen {
            panic!(
                "the screen is not that of client/tests/screens/{name}.txt (MYICQ_UPDATE=1 draws it anew):\n{screen}"
            );
        }
    }
}

fn parsed(key: &str) -> Vec<KeyEvent> {
    let (modifiers, name) = match key.split_at_checked(2) {
        Some(("C-", name)) if !name.is_empty() => (KeyModifiers::CONTROL, name),
        Some(("M-", name)) if !name.is_empty() => (KeyModifiers::ALT, name),
        _ => (KeyModifiers::NONE, key),
    };
    let code = match name {
        "Enter" => KeyCode::Enter,
        "Tab" => KeyCode::Tab,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Up" => KeyCode::Up,
        "PgUp" => KeyCode::PageUp,
        "PgDn" => KeyCode::PageDown,
        "F5" => KeyCode::F(5),
        "F6" => KeyCode::F(6),
        text => return text.chars().map(|letter| KeyEvent::new(KeyCode::Char(letter), modifiers)).collect(),
    };
    vec![KeyEvent::new(code, modifiers)]
}

fn own_profile(nick: &str) -> Reply {
    let profile = myicq_client::Profile { nick: nick.to_owned(), ..myicq_client::Profile::default() };
    Reply::OwnProfile(Box::new(profile), myicq_client::Authorization::ANYONE)
}

fn online(uin: Uin, status: Status) -> Event {
    let ip = std::net::Ipv4Addr::new(192, 0, 2, 2);
    Event::Online(Presence { uin, domain: None, status, ip, port: 0, real_ip: ip })
}

fn said(from: Uin, time: u32, id: u64, message: Message) -> Event {
    Event::Message { from, domain: None, time, id: Some(id), is_direct: false, message }
}

fn past(with: Uin, is_mine: bool, time: u32, text: &str) -> Past {
    Past { with, is_mine, time, text: text.to_owned() }
}
