//! The last row: what the next key would do, as far as one need not know it by heart.

use jiff::Timestamp;

use super::Look;
use super::text::tame;
use crate::chat::model::{Asked, Connection, Model, With, find_command, first_word};

/// What is worth saying most.
pub(super) fn status(model: &Model, look: &Look) -> String {
    if let Some(hint) = &model.hint {
        return tame(hint).replace('\n', " ");
    }
    if model.editor.search().is_some() {
        return "type to look for it · Ctrl-R older · Enter takes it · Esc leaves".to_owned();
    }
    match &model.connection {
        Connection::Lost { reason, again_at } => {
            let again =
                Timestamp::from_second(i64::from(*again_at)).unwrap_or_default().to_zoned_datetime(look.zone.clone());
            return format!("{reason}: again at {}", again.strftime("%H:%M:%S"));
        }
        Connection::Over { reason } => return format!("{reason} · /quit leaves"),
        Connection::Online => {}
    }
    let typed = model.editor.text();
    if let Some(command) = typed.strip_prefix('/').filter(|command| !command.starts_with('/')) {
        let (name, _) = first_word(command);
        return match find_command(name) {
            Some(syntax) => format!("/{} {} · {}", syntax.name, syntax.arguments, syntax.about),
            None => "Tab completes a command · /help lists them · // sends a slash".to_owned(),
        };
    }
    let Some(shown) = model.shown() else { return String::new() };
    if let (With::User(uin), Some(asked)) = (shown.with, shown.asked.first()) {
        let name = tame(&model.name(uin));
        return match asked {
            Asked::Wish => format!("Alt-y lets {name} add you · Alt-n does not · /deny REASON says why not"),
            Asked::File(_) => format!("Alt-y takes the file of {name} · Alt-n refuses it"),
        };
    }
    if shown.scroll > 0 {
        return "PgDn goes back to the newest · PgUp further up".to_owned();
    }
    if let Some(news) = model.next_with_news().and_then(|place| model.conversations.get(place)) {
        let what = if !news.asked.is_empty() { "a question".to_owned() } else { format!("{} new", news.unread) };
        return format!("Alt-a: {what} from {}", tame(&model.title(news)));
    }
    if typed.is_empty() && !shown.transfers.is_empty() {
        return "/cancel gives the file up · Alt-1 F5 F6 to others while it comes".to_owned();
    }
    match (typed.is_empty(), shown.with) {
        (false, With::Program) => "nobody is here: /msg WHO to somebody, F6 to the next conversation".to_owned(),
        (false, _) => "Enter sends · Alt-Enter starts a new line".to_owned(),
        (true, With::Program) => "F6 next conversation · /msg WHO · /find NICK · /add UIN · /help".to_owned(),
        (true, _) => "type to say something · F5 F6 Alt-1 to others · PgUp earlier · /help".to_owned(),
    }
}
