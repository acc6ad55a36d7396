//! The screen: a title, the conversations at the left, one of them at the right, what is typed, and what the next key does.

mod files;
mod lines;
mod status;
mod text;

use jiff::tz::TimeZone;
use myicq_client::{Status, status_name};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use self::text::{cut, fill, tame, width};
use super::model::{Connection, Conversation, Model, Room, With};

/// Cells of the list of conversations, and how wide a screen must be to have it.
const LIST_WIDTH: u16 = 22;
const WIDE: u16 = 60;

/// Rows that what is typed can take.
const TYPED_MAX: usize = 5;

/// How things look. Colour repeats what words and signs say, and never says it alone.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) has_colour: bool,
    pub(crate) zone: TimeZone,
}

impl Look {
    fn coloured(&self, style: Style, colour: Color) -> Style {
        if self.has_colour { style.fg(colour) } else { style }
    }
}

const BAR: Style = Style::new().add_modifier(Modifier::REVERSED);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const QUIET: Style = Style::new().add_modifier(Modifier::DIM);

/// Draws everything, and says how much room a conversation has.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &Model, look: &Look) -> Room {
    let area = frame.area();
    let Rect { width, height, .. } = area;
    if width < 2 || height < 4 {
        return Room::default();
    }
    let (rows, cursor) = typed(model, usize::from(width), usize::from(height));
    let typed_height = u16::try_from(rows.len()).unwrap_or(u16::MAX).min(height - 3);
    let middle = Rect { y: 1, height: height - 2 - typed_height, ..area };
    let list_width = if width < WIDE { 0 } else { LIST_WIDTH };
    let (list, rest) = (Rect { width: list_width, ..middle }, width - list_width);
    let shown = Rect { x: list_width, width: rest, ..middle };

    let buffer = frame.buffer_mut();
    draw_title(buffer, area, model);
    draw_list(buffer, list, model, look);
    let room = model.shown().map(|conversation| draw_conversation(buffer, shown, model, conversation, look));
    for (row, text) in (middle.bottom()..).zip(&rows) {
        buffer.set_stringn(0, row, text, usize::from(width), Style::new());
    }
    let bottom = Rect { y: height - 1, height: 1, ..area };
    draw_bar(buffer, bottom, &status::status(model, look), "");
    frame.set_cursor_position((cursor.0.min(width - 1), middle.bottom() + cursor.1));
    room.unwrap_or_default()
}

/// The rows of what is typed, and where in them the cursor is.
fn typed(model: &Model, width: usize, height: usize) -> (Vec<String>, (u16, u16)) {
    let editor = &model.editor;
    let prompt = match (editor.search(), model.shown()) {
        (Some(search), _) => format!("look for \"{}\": ", cut(&tame(&search.words), width / 3)),
        (None, Some(conversation)) => format!("{}> ", cut(&tame(&model.title(conversation)), width / 4)),
        (None, None) => String::new(),
    };
    let before = if editor.search().is_some() { editor.shown() } else { editor.before() };
    let rows = fill(&format!("{prompt}{}", editor.shown()), width);
    let to_cursor = fill(&format!("{prompt}{before}"), width);
    let (row, column) = (to_cursor.len() - 1, to_cursor.last().map_or(0, |row| self::width(row)));
    // The rows around the cursor, where not all of them can be seen.
    let seen = TYPED_MAX.min(height.saturating_sub(3)).max(1);
    let first = (row + 1).saturating_sub(seen);
    let rows = rows.into_iter().skip(first).take(seen).collect();
    let small = |number| u16::try_from(number).unwrap_or(u16::MAX);
    (rows, (small(column), small(row - first)))
}

fn draw_title(buffer: &mut Buffer, area: Rect, model: &Model) {
    let who = if model.nick.is_empty() { format!("{}", model.me) } else { format!("{} ({})", model.nick, model.me) };
    let state = match &model.connection {
        Connection::Online => shown_status(Some(model.status)),
        Connection::Lost { .. } | Connection::Over { .. } => "NOT CONNECTED",
    };
    let contacts = model.people.values().filter(|person| person.is_contact);
    let here = contacts.clone().filter(|person| person.presence.is_some()).count();
    let left = format!("MyICQ · {} · {state} · {here} of {} here", tame(&who), contacts.count());
    draw_bar(buffer, Rect { height: 1, ..area }, &left, &model.server);
}

/// A row in reverse, with something at its right where there is room.
fn draw_bar(buffer: &mut Buffer, row: Rect, left: &str, right: &str) {
    let max = usize::from(row.width);
    let left = cut(left, max.saturating_sub(2));
    let gap = max.saturating_sub(2 + width(&left) + width(right));
    let right = if gap >= 2 { right } else { "" };
    let text = format!(" {left}{}{right}", " ".repeat(gap));
    buffer.set_style(row, BAR);
    buffer.set_stringn(row.x, row.y, text, max, BAR);
}

pub(super) fn shown_status(status: Option<Status>) -> &'static str {
    status.map_or("offline", |status| status_name(status).unwrap_or("online"))
}

fn draw_list(buffer: &mut Buffer, area: Rect, model: &Model, look: &Look) {
    if area.width == 0 {
        return;
    }
    let rows = usize::from(area.height);
    // The one that is shown stays in sight.
    let first = (model.current + 1).saturating_sub(rows);
    let seen = model.conversations.iter().enumerate().skip(first).take(rows);
    for (row, (place, conversation)) in (area.top()..).zip(seen) {
        let (text, style) = listed(model, place, conversation, look);
        buffer.set_stringn(0, row, text, usize::from(area.width - 1), style);
    }
    for row in area.top()..area.bottom() {
        buffer.set_stringn(area.right() - 1, row, "│", 1, QUIET);
    }
}

/// A row of the list: its number, whether the other is here, how he is called, how much is new.
fn listed(model: &Model, place: usize, conversation: &Conversation, look: &Look) -> (String, Style) {
    let number = if place < 9 { (place + 1).to_string() } else { " ".to_owned() };
    let (sign, colour) = match conversation.with {
        With::Program => ('*', None),
        With::Group(_) => ('#', None),
        With::User(uin) => match model.people.get(&uin).and_then(|person| person.presence) {
            Some(Status::ONLINE) => ('+', Some(Color::Green)),
            Some(_) => ('~', Some(Color::Yellow)),
            None => ('-', None),
        },
    };
    let news = match conversation {
        Conversation { asked, .. } if !asked.is_empty() => "(?)".to_owned(),
        Conversation { unread: 0, transfers, .. } => {
            transfers.first().map(|transfer| format!("({}%)", files::percent(transfer))).unwrap_or_default()
        }
        Conversation { unread, .. } => format!("({unread})"),
    };
    let is_shown = place == model.current;
    let mark = if is_shown { '>' } else { ' ' };
    let max = usize::from(LIST_WIDTH) - 1 - 5 - width(&news);
    let name = cut(&tame(&model.title(conversation)), max.saturating_sub(1));
    let gap = " ".repeat(max.saturating_sub(width(&name)));
    let style = colour.map_or(Style::new(), |colour| look.coloured(Style::new(), colour));
    let style = if is_shown || !news.is_empty() { style.patch(STRONG) } else { style };
    (format!("{mark}{number} {sign} {name}{gap}{news}"), style)
}

fn draw_conversation(buffer: &mut Buffer, area: Rect, model: &Model, conversation: &Conversation, look: &Look) -> Room {
    let max = usize::from(area.width);
    let header = format!(" {}", cut(&tame(&header(model, conversation)), max.saturating_sub(2)));
    buffer.set_stringn(area.x, area.y, header, max, STRONG.add_modifier(Modifier::UNDERLINED));
    // Files on their way are below what is said, whatever of that is seen.
    let room = area.height.saturating_sub(1);
    let transfers = conversation.transfers.iter().take(usize::from(room / 2));
    let below = u16::try_from(transfers.len()).unwrap_or(0);
    for (row, transfer) in (area.bottom() - below..).zip(transfers) {
        buffer.set_stringn(area.x + 1, row, files::row(transfer, max.saturating_sub(2)), max, STRONG);
    }
    let area = Rect { height: area.height - below, ..area };
    let page = usize::from(room - below);
    // One cell of room at the left, one at the right.
    let rows = lines::rows(model, conversation, look, max.saturating_sub(2), conversation.scroll + 2 * page);
    let above = rows.len().saturating_sub(page);
    let first = above.saturating_sub(conversation.scroll);
    // The newest is at the bottom.
    let top = area.bottom() - u16::try_from(rows.len().min(page)).unwrap_or(area.height);
    for (row, line) in (top..area.bottom()).zip(rows.iter().skip(first)) {
        buffer.set_line(area.x + 1, row, line, area.width.saturating_sub(1));
    }
    Room { page, above }
}

/// Who is in it, and what is known of him.
fn header(model: &Model, conversation: &Conversation) -> String {
    match conversation.with {
        With::Program => "what this program has to say".to_owned(),
        With::Group(_) if conversation.members.is_empty() => "a group that you have left".to_owned(),
        With::Group(group) => format!("group {} ({group}) · {} in it", conversation.title, conversation.members.len()),
        With::User(uin) => {
            let person = model.people.get(&uin);
            let name = model.full_name(uin);
            let is_contact = person.is_some_and(|person| person.is_contact);
            let state = match person.and_then(|person| person.presence) {
                None if !is_contact => "not on your list",
                presence => shown_status(presence),
            };
            let types =
                if person.is_some_and(|person| person.types_until.is_some()) { " · is typing …" } else { "" };
            format!("{name} · {state}{types}")
        }
    }
}
