//! What can be wrong with bytes that came in, and with values that are to go out.

use core::fmt;

/// These bytes are not a packet. Says which field is wrong, and where it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeError {
    /// What is wrong with the field.
    pub kind: DecodeErrorKind,
    /// The field, in the words of docs/protocol.md.
    pub what: &'static str,
    /// Where it begins: bytes from the start of the header or body that was being read.
    pub at: usize,
}

/// The ways in which bytes fail to be a packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The bytes end before the field does.
    TooShort,
    /// The version WORD is not 1.
    Version,
    /// The sender has no such command.
    UnknownCommand,
    /// The length of a STRING is larger than the bytes behind it.
    StringLength,
    /// A STRING does not end in NUL, or has another one inside.
    StringNul,
    /// A count is larger than the bytes behind it can hold.
    Count,
    /// The body goes on after its last field, with more than the padding of a cipher block.
    Trailing,
    /// The check code does not fit the body.
    CheckCode,
    /// An enciphered body is not a whole number of blocks.
    Blocks,
    /// A frame is longer than the protocol has any.
    TooLong,
    /// A field within a text is missing or not a number.
    TextField,
}

impl DecodeErrorKind {
    /// Every kind, in the order of the counters that servers keep by it.
    pub const ALL: [Self; 11] = [
        Self::TooShort,
        Self::Version,
        Self::UnknownCommand,
        Self::StringLength,
        Self::StringNul,
        Self::Count,
        Self::Trailing,
        Self::CheckCode,
        Self::Blocks,
        Self::TooLong,
        Self::TextField,
    ];

    /// The name under which it is counted.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::Version => "version",
            Self::UnknownCommand => "unknown_command",
            Self::StringLength => "string_length",
            Self::StringNul => "string_nul",
            Self::Count => "count",
            Self::Trailing => "trailing",
            Self::CheckCode => "check_code",
            Self::Blocks => "blocks",
            Self::TooLong => "too_long",
            Self::TextField => "text_field",
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.kind {
            DecodeErrorKind::TooShort => "the bytes end within it",
            DecodeErrorKind::Version => "not version 1",
            DecodeErrorKind::UnknownCommand => "no such command",
            DecodeErrorKind::StringLength => "its length is larger than the bytes behind it",
            DecodeErrorKind::StringNul => "no NUL at its end, or one before",
            DecodeErrorKind::Count => "larger than the bytes behind it can hold",
            DecodeErrorKind::Trailing => "bytes after the last field",
            DecodeErrorKind::CheckCode => "does not fit the body",
            DecodeErrorKind::Blocks => "not a whole number of cipher blocks",
            DecodeErrorKind::TooLong => "longer than the protocol allows",
            DecodeErrorKind::TextField => "missing, or not a number",
        };
        write!(f, "{} at byte {}: {problem}", self.what, self.at)
    }
}

impl core::error::Error for DecodeError {}

/// This value cannot be put on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The caller's buffer ends before the packet does.
    #[error("the buffer of {0} bytes is too small")]
    Full(usize),
    /// A text is longer than a STRING can be, or a list longer than its count can say.
    #[error("a text or list is longer than 65,534")]
    TooLong,
    /// A text holds a NUL, which would end it early at the other side.
    #[error("a text holds a NUL")]
    Nul,
}
