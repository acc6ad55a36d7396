//! Text in cells: how wide it is, where its rows end, and what of it never reaches the terminal.

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

use crate::output::is_obeyed;

/// Cells that a text takes in one row.
pub(super) fn width(text: &str) -> usize {
    text.graphemes(true).map(|grapheme| usize::from(cells(grapheme))).sum()
}

fn cells(grapheme: &str) -> u16 {
    if grapheme.contains(char::is_control) { 0 } else { grapheme.cell_width() }
}

/// Text of others without what a terminal would obey. Its lines stay lines.
pub(super) fn tame(text: &str) -> String {
    let mut tame = String::with_capacity(text.len());
    // A line may end as on Windows.
    for letter in text.replace("\r\n", "\n").chars() {
        match letter {
            '\n' => tame.push('\n'),
            '\t' => tame.push_str("    "),
            letter if is_obeyed(letter) => tame.extend(letter.escape_default()),
            letter => tame.push(letter),
        }
    }
    tame
}

/// As much of a text as fits.
pub(super) fn cut(text: &str, max: usize) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let mut left = max.saturating_sub(1);
    let fitting = text.graphemes(true).take_while(|grapheme| {
        let rest = left.checked_sub(usize::from(cells(grapheme)));
        left = rest.unwrap_or(0);
        rest.is_some()
    });
    let mut short: String = fitting.collect();
    if max > 0 {
        short.push('…');
    }
    short
}

/// The rows of a text, broken between words where there are some, and between any two characters where there are none.
pub(super) fn wrap(text: &str, max: usize) -> Vec<String> {
    text.split('\n').flat_map(|line| wrap_line(line, max.max(2))).collect()
}

fn wrap_line(line: &str, max: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let (mut row, mut row_width) = (String::new(), 0);
    // Bytes of the row behind which it may end.
    let mut end = None;
    for grapheme in line.graphemes(true) {
        let cells = usize::from(cells(grapheme));
        if row_width + cells > max {
            // A space at the end of a row need not be seen.
            if grapheme == " " {
                rows.push(std::mem::take(&mut row));
                (row_width, end) = (0, None);
                continue;
            }
            let rest = row.split_off(end.unwrap_or(row.len()));
            rows.push(std::mem::replace(&mut row, rest).trim_end_matches(' ').to_owned());
            (row_width, end) = (width(&row), None);
        }
        if cells == 2 && !row.is_empty() {
            end = Some(row.len());
        }
        row.push_str(grapheme);
        row_width += cells;
        if grapheme == " " || cells == 2 {
            end = Some(row.len());
        }
    }
    rows.push(row);
    rows
}

/// The rows of what is being typed, broken wherever they are full, so that it is plain where the cursor is.
pub(super) fn fill(text: &str, max: usize) -> Vec<String> {
    let max = max.max(2);
    let mut rows = vec![String::new()];
    let mut row_width = 0;
    for grapheme in text.graphemes(true) {
        if grapheme == "\n" {
            rows.push(String::new());
            row_width = 0;
            continue;
        }
        let shown = if grapheme.contains(is_obeyed) { "\u{fffd}" } else { grapheme };
        let cells = usize::from(cells(shown));
        if row_width + cells > max {
            rows.push(String::new());
            row_width = 0;
        }
        if let Some(row) = rows.last_mut() {
            row.push_str(shown);
        }
        row_width += cells;
    }
    // The cursor has a cell, too.
    if row_width == max {
        rows.push(String::new());
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_end_between_words_and_wide_characters() {
        assert_eq!(wrap("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(wrap("the quick", 9), ["the quick"]);
        assert_eq!(wrap("the quick ", 9), ["the quick", ""]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("你好世界", 5), ["你好", "世界"]);
        assert_eq!(wrap("ab你好", 5), ["ab你", "好"]);
        assert_eq!(wrap("a\n\nb", 5), ["a", "", "b"]);
        assert_eq!(wrap("", 5), [""]);
        for max in 0..9 {
            let rows = wrap("你 good-bye 好 everybody", max);
            assert!(rows.iter().all(|row| width(row) <= max.max(2)), "{max}: {rows:?}");
        }
    }

    #[test]
    fn what_is_typed_fills_its_rows() {
        assert_eq!(fill("abcd", 4), ["abcd", ""]);
        assert_eq!(fill("abc你", 4), ["abc", "你"]);
        assert_eq!(fill("a\u{1b}[\u{202e}", 9), ["a\u{fffd}[\u{fffd}"]);
        assert_eq!(fill("a\nb", 9), ["a", "b"]);
    }

    #[test]
    fn what_a_terminal_would_obey_is_spelled_out() {
        assert_eq!(tame("a\tb\n\u{1b}[2J\u{202e}"), "a    b\n\\u{1b}[2J\\u{202e}");
        assert_eq!(tame("你好 👍"), "你好 👍");
    }

    #[test]
    fn a_cut_text_says_so() {
        assert_eq!((cut("abc", 3), cut("abcd", 3)), ("abc".into(), "ab…".into()));
        assert_eq!((cut("你好啊", 5), cut("你好啊", 4)), ("你好…".into(), "你…".into()));
        assert_eq!(cut("abc", 0), "");
    }
}
