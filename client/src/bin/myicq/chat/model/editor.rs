//! The line in which one types, with the keys that fingers know from a shell.

use std::collections::VecDeque;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_segmentation::UnicodeSegmentation;

/// The most bytes of what is being typed. Far more than a message may have, so that one that is too long can be shortened.
pub(crate) const MAX_TYPED: usize = 8_192;

/// How many lines are remembered.
pub(crate) const MAX_PAST: usize = 500;

/// What is being typed, where, and what was typed before.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    text: String,
    /// In bytes, at the edge of a character as people see it.
    cursor: usize,
    killed: String,
    /// What was entered, the oldest first.
    past: VecDeque<String>,
    /// Which of these is shown, and what had been typed instead.
    recalled: Option<(usize, String)>,
    search: Option<Search>,
}

/// A search through what was entered.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// What is looked for.
    pub(crate) words: String,
    /// Where it is.
    found: Option<usize>,
}

impl Editor {
    /// What is typed, or what a search has found.
    pub(crate) fn shown(&self) -> &str {
        match &self.search {
            Some(Search { found, .. }) => found.and_then(|at| self.past.get(at)).map_or("", String::as_str),
            None => &self.text,
        }
    }

    /// What is typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What is typed before the cursor.
    pub(crate) fn before(&self) -> &str {
        self.text.get(..self.cursor).unwrap_or_default()
    }

    fn after(&self) -> &str {
        self.text.get(self.cursor..).unwrap_or_default()
    }

    /// The search that is under way.
    pub(crate) fn search(&self) -> Option<&Search> {
        self.search.as_ref()
    }

    /// Replaces what is typed, with the cursor at its end.
    pub(crate) fn set(&mut self, text: String) {
        self.cursor = text.len();
        self.text = text;
        self.recalled = None;
    }

    /// Takes what is typed away, and remembers it if it may be seen again.
    pub(crate) fn take(&mut self, is_secret: bool) -> String {
        let text = std::mem::take(&mut self.text);
        self.cursor = 0;
        self.recalled = None;
        if !is_secret && !text.is_empty() && self.past.back() != Some(&text) {
            self.past.push_back(text.clone());
            if self.past.len() > MAX_PAST {
                self.past.pop_front();
            }
        }
        text
    }

    /// Puts something in at the cursor; `false` if there is no room for it.
    pub(crate) fn insert(&mut self, text: &str) -> bool {
        if self.text.len() + text.len() > MAX_TYPED {
            return false;
        }
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
        // What is put in may join what is behind it to one character.
        self.cursor = self.edge(self.cursor);
        true
    }

    /// Replaces the last `len` bytes before the cursor.
    pub(crate) fn complete(&mut self, len: usize, text: &str) {
        let start = self.cursor.saturating_sub(len);
        self.cut(start, self.cursor);
        self.insert(text);
    }

    /// Does what a key says; `false` if it is none of ours.
    pub(crate) fn handle_key(&mut self, key: KeyEvent) -> bool {
        if self.search.is_some() {
            return self.on_search_key(key);
        }
        let is = |modifier| key.modifiers.contains(modifier);
        match (key.code, is(KeyModifiers::CONTROL), is(KeyModifiers::ALT)) {
            (KeyCode::Char(letter), true, false) => return self.on_control(letter),
            (KeyCode::Char('b'), _, true) => self.cursor = self.word_before(),
            (KeyCode::Char('f'), _, true) => self.cursor = self.word_after(),
            (KeyCode::Char('d'), _, true) => self.kill(self.cursor, self.word_after()),
            (KeyCode::Backspace, _, true) => self.kill(self.word_before(), self.cursor),
            (KeyCode::Enter, _, true) => drop(self.insert("\n")),
            (KeyCode::Char(letter), false, false) if !letter.is_control() => {
                return self.insert(letter.encode_utf8(&mut [0; 4]));
            }
            (KeyCode::Backspace, ..) => self.cut(self.previous(), self.cursor),
            (KeyCode::Delete, ..) => self.cut(self.cursor, self.next()),
            (KeyCode::Left, _, false) => self.cursor = self.previous(),
            (KeyCode::Right, _, false) => self.cursor = self.next(),
            (KeyCode::Home, ..) => self.cursor = 0,
            (KeyCode::End, ..) => self.cursor = self.text.len(),
            (KeyCode::Up, ..) => self.recall(true),
            (KeyCode::Down, ..) => self.recall(false),
            _ => return false,
        }
        true
    }

    fn on_control(&mut self, letter: char) -> bool {
        match letter {
            'a' => self.cursor = 0,
            'e' => self.cursor = self.text.len(),
            'b' => self.cursor = self.previous(),
            'f' => self.cursor = self.next(),
            'd' => self.cut(self.cursor, self.next()),
            'h' => self.cut(self.previous(), self.cursor),
            'k' => self.kill(self.cursor, self.text.len()),
            'u' => self.kill(0, self.cursor),
            'w' => self.kill(self.space_before(), self.cursor),
            'y' => {
                let killed = std::mem::take(&mut self.killed);
                self.insert(&killed);
                self.killed = killed;
            }
            't' => self.transpose(),
            'r' => self.search = Some(Search::default()),
            _ => return false,
        }
        true
    }

    /// The keys of a search: what is typed narrows it, Ctrl-R goes on to what is older, Enter takes what was found, and
    /// whatever else takes it and does what it does.
    fn on_search_key(&mut self, key: KeyEvent) -> bool {
        let Some(search) = &mut self.search else { return false };
        let has_control = key.modifiers.contains(KeyModifiers::CONTROL);
        let below = match key.code {
            KeyCode::Char('r') if has_control => search.found.unwrap_or(self.past.len()),
            KeyCode::Char('g') if has_control => {
                self.search = None;
                return true;
            }
            KeyCode::Esc => {
                self.search = None;
                return true;
            }
            KeyCode::Char(letter) if !has_control && !key.modifiers.contains(KeyModifiers::ALT) => {
                if search.words.len() < MAX_TYPED {
                    search.words.push(letter);
                }
                search.found.map_or(self.past.len(), |at| at + 1)
            }
            KeyCode::Backspace => {
                search.words.pop();
                self.past.len()
            }
            code => {
                let found = search.found.and_then(|at| self.past.get(at)).cloned();
                self.search = None;
                found.into_iter().for_each(|found| self.set(found));
                return code == KeyCode::Enter || self.handle_key(key);
            }
        };
        let words = search.words.to_lowercase();
        let matching = self.past.iter().take(below).rposition(|line| line.to_lowercase().contains(&words));
        // Where there is nothing older, what was found stays.
        search.found = if words.is_empty() { None } else { matching.or(search.found) };
        true
    }

    fn recall(&mut self, is_up: bool) {
        let at = self.recalled.as_ref().map_or(self.past.len(), |(at, _)| *at);
        let to = if is_up { at.checked_sub(1) } else { Some(at + 1).filter(|to| *to <= self.past.len()) };
        let Some(to) = to else { return };
        let typed = match self.recalled.take() {
            Some((_, typed)) => typed,
            None => self.text.clone(),
        };
        if let Some(line) = self.past.get(to).cloned() {
            self.set(line);
            self.recalled = Some((to, typed));
        } else {
            self.set(typed);
        }
    }

    fn cut(&mut self, from: usize, to: usize) {
        if from < to && to <= self.text.len() {
            self.text.replace_range(from..to, "");
            self.cursor = self.edge(from);
        }
    }

    fn kill(&mut self, from: usize, to: usize) {
        if let Some(killed) = self.text.get(from..to).filter(|killed| !killed.is_empty()) {
            self.killed = killed.to_owned();
            self.cut(from, to);
        }
    }

    fn transpose(&mut self) {
        if self.after().is_empty() {
            self.cursor = self.previous();
        }
        let (from, to) = (self.previous(), self.next());
        let (Some(first), Some(second)) = (self.text.get(from..self.cursor), self.text.get(self.cursor..to)) else {
            return;
        };
        let swapped = format!("{second}{first}");
        if !first.is_empty() && !second.is_empty() {
            self.text.replace_range(from..to, &swapped);
            self.cursor = self.edge(to);
        }
    }

    fn previous(&self) -> usize {
        self.before().grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn next(&self) -> usize {
        self.cursor + self.after().graphemes(true).next().map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        self.before().unicode_word_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn word_after(&self) -> usize {
        let word = self.after().unicode_word_indices().next();
        word.map_or(self.text.len(), |(at, word)| self.cursor + at + word.len())
    }

    fn space_before(&self) -> usize {
        let word = self.before().trim_end();
        word.rfind(char::is_whitespace)
            .map_or(0, |at| at + word.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8))
    }

    /// The edge of a character at `at` or behind it.
    fn edge(&self, at: usize) -> usize {
        let edges = self.text.grapheme_indices(true).map(|(edge, _)| edge);
        edges.into_iter().find(|edge| *edge >= at).unwrap_or(self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "C-a" is Ctrl-A, "M-b" Alt-B; a name is that key; everything else is typed.
    fn press(editor: &mut Editor, keys: &[&str]) {
        for key in keys {
            let (modifiers, rest) = match key.split_once('-') {
                Some(("C", rest)) => (KeyModifiers::CONTROL, rest),
                Some(("M", rest)) => (KeyModifiers::ALT, rest),
                _ => (KeyModifiers::NONE, *key),
            };
            let code = match rest {
                "Left" => KeyCode::Left,
                "Right" => KeyCode::Right,
                "Up" => KeyCode::Up,
                "Down" => KeyCode::Down,
                "Backspace" => KeyCode::Backspace,
                "Delete" => KeyCode::Delete,
                "Enter" => KeyCode::Enter,
                "Esc" => KeyCode::Esc,
                text => {
                    for letter in text.chars() {
                        editor.handle_key(KeyEvent::new(KeyCode::Char(letter), modifiers));
                    }
                    continue;
                }
            };
            editor.handle_key(KeyEvent::new(code, modifiers));
        }
    }

    fn typed(keys: &[&str]) -> (String, String) {
        let mut editor = Editor::default();
        press(&mut editor, keys);
        (editor.before().to_owned(), editor.after().to_owned())
    }

    fn halves(before: &str, after: &str) -> (String, String) {
        (before.to_owned(), after.to_owned())
    }

    #[test]
    fn keys_are_those_of_a_shell() {
        assert_eq!(typed(&["hello world", "C-a", "M-f"]), halves("hello", " world"));
        assert_eq!(typed(&["hello world", "M-b"]), halves("hello ", "world"));
        assert_eq!(typed(&["hello world", "C-w"]), halves("hello ", ""));
        assert_eq!(typed(&["hello world", "C-w", "C-a", "C-y"]), halves("world", "hello "));
        assert_eq!(typed(&["hello", "C-b", "C-b", "C-k"]), halves("hel", ""));
        assert_eq!(typed(&["hello", "C-b", "C-u"]), halves("", "o"));
        assert_eq!(typed(&["hello", "C-t"]), halves("helol", ""));
        assert_eq!(typed(&["hello world", "C-a", "M-d"]), halves("", " world"));
        assert_eq!(typed(&["hello world", "M-Backspace"]), halves("hello ", ""));
        assert_eq!(typed(&["ab", "Left", "C-d", "Backspace"]), halves("", ""));
        assert_eq!(typed(&["a", "M-Enter", "b"]), halves("a\nb", ""));
        assert_eq!(typed(&["C-d", "C-k", "C-w", "C-y", "C-t", "Left", "Right", "Delete"]), halves("", ""));
    }

    #[test]
    fn the_cursor_goes_by_what_people_see_as_characters() {
        assert_eq!(typed(&["你e\u{301}", "Left"]), halves("你", "e\u{301}"));
        assert_eq!(typed(&["你👩‍👧", "Backspace", "Backspace"]), halves("", ""));
        assert_eq!(typed(&["你好", "Left", "Left", "Delete"]), halves("", "好"));
        assert_eq!(typed(&["一 二", "C-w"]), halves("一 ", ""));
        assert_eq!(typed(&["一\u{3000}二", "C-w"]), halves("一\u{3000}", ""));
    }

    #[test]
    fn what_was_entered_comes_back_and_what_was_being_typed_is_kept() {
        let mut editor = Editor::default();
        for line in ["first", "second"] {
            editor.set(line.to_owned());
            editor.take(false);
        }
        press(&mut editor, &["dra", "Up"]);
        assert_eq!(editor.text(), "second");
        press(&mut editor, &["Up", "Up"]);
        assert_eq!(editor.text(), "first");
        press(&mut editor, &["Down", "Down"]);
        assert_eq!(editor.text(), "dra");
        press(&mut editor, &["Down"]);
        assert_eq!(editor.text(), "dra");
        editor.set("/join 1 secret".to_owned());
        editor.take(true);
        press(&mut editor, &["Up"]);
        assert_eq!(editor.text(), "second");
    }

    #[test]
    fn a_search_goes_to_what_is_older_and_can_be_left() {
        let mut editor = Editor::default();
        for line in ["to Bob", "to Ann", "another"] {
            editor.set(line.to_owned());
            editor.take(false);
        }
        press(&mut editor, &["C-r", "to"]);
        assert_eq!((editor.shown(), editor.text()), ("to Ann", ""));
        press(&mut editor, &["C-r"]);
        assert_eq!(editor.shown(), "to Bob");
        press(&mut editor, &["C-r"]);
        assert_eq!(editor.shown(), "to Bob", "there is nothing older");
        press(&mut editor, &["Esc"]);
        assert_eq!(editor.shown(), "");
        press(&mut editor, &["C-r", "ann", "Enter"]);
        assert_eq!(editor.text(), "to Ann");
        press(&mut editor, &["C-r", "x", "Backspace", "o", "Left"]);
        assert_eq!((editor.before(), editor.after()), ("anothe", "r"));
    }

    #[test]
    fn what_is_typed_and_what_is_remembered_has_an_end() {
        let mut editor = Editor::default();
        assert!(editor.insert(&"a".repeat(MAX_TYPED)));
        assert!(!editor.insert("a"));
        for line in 0..=MAX_PAST {
            editor.set(line.to_string());
            editor.take(false);
        }
        assert_eq!((editor.past.len(), editor.past.front().map(String::as_str)), (MAX_PAST, Some("1")));
    }
}
