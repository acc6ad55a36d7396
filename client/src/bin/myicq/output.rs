//! What goes to the standard output.

use std::fmt;
use std::io::{self, Write};

/// Prints one line and does not leave it in a buffer, so that a program that reads along has it at once.
pub(crate) fn line(text: impl fmt::Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Prints one JSON value in one line, without what a terminal would obey: JSON itself lets control characters above 0x7F pass, and marks that turn
/// the direction of text.
pub(crate) fn json(value: &impl serde::Serialize) -> io::Result<()> {
    line(tame_json(&serde_json::to_string(value)?))
}

/// Such characters stand within strings alone, where JSON has another way to write them.
fn tame_json(json: &str) -> String {
    let mut tame = String::with_capacity(json.len());
    for character in json.chars() {
        if is_obeyed(character) {
            tame.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            tame.push(character);
        }
    }
    tame
}

/// Whether a terminal would do something instead of showing it. U+061C, U+200E, U+200F and U+202A … U+2069 turn the direction of what follows, also
/// of what we say ourselves; U+2028 and U+2029 end a line.
pub(crate) fn is_obeyed(character: char) -> bool {
    let turns_or_ends =
        matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || turns_or_ends
}

/// Text from somebody else, in one line and without what a terminal would obey.
pub(crate) struct Plain<'a>(pub(crate) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if is_obeyed(character) {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

/// Unix seconds now; 0 where the clock of the machine stands before 1970.
#[expect(clippy::disallowed_methods, reason = "the command line is where time comes from")]
pub(crate) fn unix_time() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u32::try_from(since.as_secs()).unwrap_or(u32::MAX))
}

/// Unix seconds as a date and a time of day in UTC.
pub(crate) struct Utc(pub(crate) u32);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / 86_400, self.0 % 86_400);
        // Days since 1 March of the year 0, in eras of 400 years of 146,097 days; a year begins in March, so that the
        // leap day is its last.
        let day = days + 719_468;
        let (era, day) = (day / 146_097, day % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = era * 400 + year + next;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_399, "2000-02-28 23:59:59Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (951_868_800, "2000-03-01 00:00:00Z"),
            (1_049_932_800, "2003-04-10 00:00:00Z"),
            (u32::MAX, "2106-02-07 06:28:15Z"),
        ] {
            assert_eq!(Utc(seconds).to_string(), date);
        }
    }

    #[test]
    fn text_of_others_stays_in_its_line() {
        assert_eq!(Plain("a\nb\u{1b}[2J\u{9b}c\u{202e}").to_string(), "a\\nb\\u{1b}[2J\\u{9b}c\\u{202e}");
        assert_eq!(Plain("你好 👍").to_string(), "你好 👍");
        assert_eq!(tame_json("{\"text\":\"a\u{9b}2J\u{202e}你\"}"), r#"{"text":"a\u009b2J\u202e你"}"#);
    }
}
