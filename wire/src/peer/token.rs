//! The mark by which a message that comes by two ways is known to be one.

use alloc::vec::Vec;
use core::fmt;

use crate::ids::MessageKind;
use crate::message::SEPARATOR;

/// Which field of a TEXT it is, from 0: the words and the four of the font come before it.
const FIELD: usize = 5;

/// Names a TEXT that was sent directly, and again through the server when nothing acknowledged it: both have the same one.
///
/// It is a field behind the font: `#` and 16 hexadecimal digits. COMPAT: clients of 2003 cut a TEXT off at its first
/// separator, and servers pass on what lies behind it, so anybody may be sent one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MessageToken(pub u64);

impl MessageToken {
    /// The token of a message, if it has one.
    pub fn find(kind: MessageKind, text: &[u8]) -> Option<Self> {
        if kind != MessageKind::TEXT {
            return None;
        }
        let field = text.split(|&byte| byte == SEPARATOR).nth(FIELD)?;
        let digits = field.strip_prefix(b"#").filter(|digits| digits.len() == 16)?;
        let digits = core::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        u64::from_str_radix(digits?, 16).ok().map(Self)
    }

    /// Puts the token behind the fields of a TEXT, which must have none yet.
    pub fn append(self, text: &mut Vec<u8>) {
        let separators = text.iter().filter(|&&byte| byte == SEPARATOR).count();
        text.extend(core::iter::repeat_n(SEPARATOR, FIELD.saturating_sub(separators)));
        text.extend_from_slice(alloc::format!("{self}").as_bytes());
    }
}

impl fmt::Display for MessageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{MAX_TEXT, MAX_WORDS, Message, words};

    #[test]
    fn a_token_lies_behind_words_and_font() {
        for text in [&b""[..], b"hi", b"hi\xff\xcb\xce\xcc\xe5\xff9\xff0\xff0"] {
            let mut marked = text.to_vec();
            assert_eq!(MessageToken::find(MessageKind::TEXT, &marked), None);
            MessageToken(0x0123_4567_89ab_cdef).append(&mut marked);
            assert!(marked.ends_with(b"\xff#0123456789abcdef"), "{}", marked.escape_ascii());
            assert_eq!(MessageToken::find(MessageKind::TEXT, &marked), Some(MessageToken(0x0123_4567_89ab_cdef)));
            assert_eq!(MessageToken::find(MessageKind::AUTO_REPLY, &marked), None);
            assert_eq!(words(&marked), words(text));
            assert!(Message::parse(MessageKind::TEXT, &marked).is_ok());
        }
    }

    #[test]
    fn the_longest_words_have_room_for_one() {
        let mut text = alloc::vec![b'a'; MAX_WORDS];
        MessageToken(1).append(&mut text);
        assert!(text.len() <= MAX_TEXT);
    }

    #[test]
    fn what_is_no_token_is_none() {
        for field in [
            &b""[..],
            b"#",
            b"#0123456789abcde",
            b"#0123456789abcdef0",
            b"#+123456789abcdef",
            b"0123456789abcdef0",
            b"#0123456789abcdeg",
        ] {
            let text = [b"hi\xff\xff\xff\xff\xff", field].concat();
            assert_eq!(MessageToken::find(MessageKind::TEXT, &text), None, "{}", field.escape_ascii());
        }
    }
}
