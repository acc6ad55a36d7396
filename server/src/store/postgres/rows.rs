//! What stands in rows, as the types of the store have it.

use std::borrow::Cow;

use myicq_wire::Uin;
use sqlx::Row;
use sqlx::error::{Error, Result};
use sqlx::postgres::PgRow;

use crate::store::{MessageId, Outcome};

/// Stands in a text for a NUL, which PostgreSQL keeps in none, with [`NUL`] behind it; with [`ITSELF`], for itself. No text of a client has
/// it: Unicode has no character there.
const MARK: char = '\u{10FFFF}';
const NUL: char = '0';
const ITSELF: char = '1';

/// A text as it goes into the database. Two are the same, also but for capitals of ASCII, where they were before.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            '\0' => escaped.extend([MARK, NUL]),
            MARK => escaped.extend([MARK, ITSELF]),
            char => escaped.push(char),
        }
    }
    Cow::Owned(escaped)
}

fn unescaped(text: String) -> String {
    if !text.contains(MARK) {
        return text;
    }
    let (mut original, mut is_marked) = (String::with_capacity(text.len()), false);
    for char in text.chars() {
        match (is_marked, char) {
            (false, MARK) => {
                is_marked = true;
                continue;
            }
            (true, NUL) => original.push('\0'),
            (true, ITSELF) => original.push(MARK),
            (_, char) => original.push(char),
        }
        is_marked = false;
    }
    original
}

pub(super) fn text(row: &PgRow, column: &str) -> Result<String> {
    row.try_get(column).map(unescaped)
}

pub(super) fn byte(row: &PgRow, column: &str) -> Result<u8> {
    row.try_get::<i16, _>(column)?.try_into().map_err(decode)
}

pub(super) fn uin(row: &PgRow, column: &str) -> Result<Uin> {
    row.try_get::<i64, _>(column)?.try_into().map(Uin).map_err(decode)
}

pub(super) fn id(row: &PgRow, column: &str) -> Result<MessageId> {
    unsigned(row, column).map(MessageId)
}

/// A number that SQL counts with a sign.
pub(super) fn unsigned<T: TryFrom<i64>>(row: &PgRow, column: &str) -> Result<T>
where
    T::Error: std::error::Error + Send + Sync + 'static,
{
    row.try_get::<i64, _>(column)?.try_into().map_err(decode)
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Decode(Box::new(error))
}

/// Uins as they are bound.
pub(super) fn uins(uins: impl IntoIterator<Item = Uin>) -> Vec<i64> {
    uins.into_iter().map(|uin| uin.0.into()).collect()
}

/// A number of rows as SQL counts them.
pub(super) fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// What lies there and cannot be understood fails alone.
pub(super) fn or_failed(outcome: Result<Outcome>) -> Outcome {
    outcome.unwrap_or_else(|error| {
        tracing::error!("the database holds what cannot be understood: {error}");
        Outcome::Failed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_went() {
        for text in ["", "林 \u{FFFF}", "a\0b\0", "\u{10FFFF}0", "\0\u{10FFFF}\u{10FFFF}\0", "\u{10FFFF}"] {
            let there = escaped(text).into_owned();
            assert!(!there.contains('\0'));
            assert_eq!(unescaped(there), text);
        }
        assert_eq!(unescaped("a\u{10FFFF}b\u{10FFFF}".to_owned()), "ab", "nobody has written that");
    }
}
