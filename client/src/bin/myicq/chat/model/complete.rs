//! Completing names and commands with the Tab key.

use super::{COMMANDS, Model, With};

/// What the Tab key has offered.
#[derive(Debug)]
pub(super) struct Completion {
    offers: Vec<String>,
    at: usize,
    /// Bytes before the cursor that stand for the offer now.
    len: usize,
}

impl Model {
    /// Puts in the next thing that what is typed may become.
    pub(super) fn complete(&mut self, is_backwards: bool) {
        let Some(mut completion) = self.completion.take().or_else(|| self.offers()) else {
            self.hint = Some("nothing begins like this".to_owned());
            return;
        };
        let Some(offer) = completion.offers.get(completion.at) else { return };
        self.editor.complete(completion.len, offer);
        completion.len = offer.len();
        if completion.offers.len() > 1 {
            let others: Vec<&str> = completion.offers.iter().map(|offer| offer.trim()).collect();
            self.hint = Some(format!("Tab: {}", others.join(" ")));
        }
        let count = completion.offers.len();
        completion.at = if is_backwards { completion.at + count - 1 } else { completion.at + 1 } % count;
        self.completion = Some(completion);
    }

    fn offers(&self) -> Option<Completion> {
        let before = self.editor.before();
        let (start, word) = match before.rfind(char::is_whitespace) {
            Some(at) => before.split_at_checked(at).map(|(start, word)| (start, word.trim_start()))?,
            None => ("", before),
        };
        let offers = match (start.trim(), word.strip_prefix('/')) {
            ("", Some(beginning)) => {
                let named = COMMANDS.iter().filter(|syntax| syntax.name.starts_with(beginning));
                named.map(|syntax| format!("/{} ", syntax.name)).collect()
            }
            ("/help", _) => matching(word, COMMANDS.iter().map(|syntax| syntax.name.to_owned())),
            ("/status", _) => matching(word, ["online", "away", "invisible"].map(str::to_owned)),
            ("/set", _) => matching(word, ["bell", "read", "typing"].map(str::to_owned)),
            ("/set bell" | "/set read" | "/set typing", _) => matching(word, ["on", "off"].map(str::to_owned)),
            _ => self.names(word),
        };
        (!offers.is_empty()).then_some(Completion { offers, at: 0, len: word.len() })
    }

    /// What people can be called by whose name begins so, the one in the conversation first. A name that has a space in it, or belongs to
    /// several, would not be understood: there it is the number.
    fn names(&self, beginning: &str) -> Vec<String> {
        let shown = self.shown().map(|conversation| conversation.with);
        let first = self.people.iter().filter(|(uin, _)| shown == Some(With::User(**uin)));
        let others = self.people.iter().filter(|(uin, _)| shown != Some(With::User(**uin)));
        let beginning = beginning.to_lowercase();
        let named = first.chain(others).filter(|(uin, person)| {
            person.nick.to_lowercase().starts_with(&beginning) || uin.to_string().starts_with(&beginning)
        });
        let called = named.map(|(uin, person)| {
            let is_clear = !person.nick.contains(' ') && self.whom(&person.nick) == Ok(*uin);
            if is_clear { format!("{} ", person.nick) } else { format!("{uin} ") }
        });
        called.collect()
    }
}

fn matching(beginning: &str, of: impl IntoIterator<Item = String>) -> Vec<String> {
    let beginning = beginning.to_lowercase();
    of.into_iter().filter(|name| name.to_lowercase().starts_with(&beginning)).map(|name| format!("{name} ")).collect()
}
