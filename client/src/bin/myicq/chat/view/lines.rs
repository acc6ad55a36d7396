//! The rows of a conversation.

use jiff::Timestamp;
use jiff::civil::Date;
use ratatui::style::Color;
use ratatui::text::{Line as Row, Span};

use super::text::{tame, width, wrap};
use super::{Look, QUIET, STRONG};
use crate::chat::model::{Conversation, Line, Model, Progress, Speaker};

/// Cells in front of what is said: "12:34 ".
const MARGIN: usize = 6;

/// The last rows of a conversation, the oldest first: as many as are needed, or some more.
pub(super) fn rows(
    model: &Model,
    conversation: &Conversation,
    look: &Look,
    max: usize,
    needed: usize,
) -> Vec<Row<'static>> {
    let mut newest_first: Vec<Row<'static>> = Vec::new();
    let mut lines = conversation.lines.iter().rev().peekable();
    while let Some(line) = lines.next() {
        newest_first.extend(rows_of(model, line, look, max).into_iter().rev());
        let (day, _) = moment(line.time, look);
        if lines.peek().is_none_or(|older| moment(older.time, look).0 != day) {
            newest_first.push(Row::styled(day.strftime("── %A, %-d %B %Y ──").to_string(), QUIET));
        }
        if newest_first.len() >= needed {
            break;
        }
    }
    newest_first.reverse();
    newest_first
}

/// Day and time of day where the user is.
fn moment(time: u32, look: &Look) -> (Date, String) {
    let time = Timestamp::from_second(i64::from(time)).unwrap_or_default().to_zoned_datetime(look.zone.clone());
    (time.date(), time.strftime("%H:%M ").to_string())
}

fn rows_of(model: &Model, line: &Line, look: &Look, max: usize) -> Vec<Row<'static>> {
    let (speaker, colour) = match line.speaker {
        Speaker::Me => ("you: ".to_owned(), Some(Color::Cyan)),
        Speaker::User(uin) => (format!("{}: ", model.name(uin)), Some(Color::Magenta)),
        Speaker::Away(uin) => (format!("{} (away): ", model.name(uin)), Some(Color::Magenta)),
        Speaker::Program => ("* ".to_owned(), None),
    };
    let speaker = tame(&speaker);
    let name_style = colour.map_or(QUIET, |colour| look.coloured(STRONG, colour));
    let room = max.saturating_sub(MARGIN);
    let mut texts = wrap(&format!("{speaker}{}", tame(&line.text)), room).into_iter();
    let (_, time) = moment(line.time, look);
    let mut rows = Vec::new();
    if let Some(first) = texts.next() {
        let rest = first.strip_prefix(&*speaker).map(str::to_owned);
        let spans = match rest {
            Some(rest) => vec![Span::styled(time, QUIET), Span::styled(speaker, name_style), Span::raw(rest)],
            None => vec![Span::styled(time, QUIET), Span::raw(first)],
        };
        rows.push(Row::from(spans));
    }
    rows.extend(texts.map(|text| Row::from(format!("{}{text}", " ".repeat(MARGIN)))));
    add_progress(&mut rows, &line.progress, look, max);
    rows
}

/// How far one's own words have come, behind them, or below where there is no room.
fn add_progress(rows: &mut Vec<Row<'static>>, progress: &Progress, look: &Look, max: usize) {
    let (text, style) = match progress {
        Progress::None => return,
        Progress::Sending => ("(sending)", QUIET),
        Progress::Sent => ("(sent)", QUIET),
        Progress::Delivered => ("(delivered)", QUIET),
        Progress::Read => ("(read)", look.coloured(QUIET, Color::Green)),
        Progress::Failed => ("(NOT SENT)", look.coloured(STRONG, Color::Red)),
    };
    let used: usize = rows.last().map_or(max, |row| row.spans.iter().map(|span| width(&span.content)).sum());
    match rows.last_mut().filter(|_| used + 1 + width(text) <= max) {
        Some(row) => row.spans.push(Span::styled(format!(" {text}"), style)),
        None => rows.push(Row::from(vec![Span::raw(" ".repeat(MARGIN)), Span::styled(text, style)])),
    }
}
