//! The text of a message: which fields it has, by the kind of the message (docs/protocol.md, values).
//!
//! The fields are separated by the byte 0xFF, which no charset uses. An original client takes a text apart without
//! looking how many fields it got, and ends when there are too few: [`Message::parse`] and [`sanitize`] refuse exactly
//! those.

use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::str;

use crate::charset::Charset;
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::ids::{Face, MessageKind};
use crate::writer::Writer;

/// Between two fields of a text.
pub const SEPARATOR: u8 = 0xFF;

/// The longest words, in bytes before the first separator: what the clients of 2003 let a person type.
pub const MAX_WORDS: usize = 450;

/// The longest text that is taken from a sender, with all its fields, in bytes.
///
/// The clients of 2003 reach 461 with their one font. The rest is for fonts with longer names: 62 bytes hold any name
/// of 40 bytes beside a size of two digits and two colours of eight. Conversion to another charset may make the text up
/// to three times as long, which still is far from the 4,096 bytes of a datagram.
pub const MAX_TEXT: usize = 512;

/// How words are to be shown. All four are words of the sender's program; no client reads those of a message it
/// receives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Font<'a> {
    /// The name of the font.
    pub name: &'a [u8],
    /// Its size in points, decimal.
    pub size: &'a [u8],
    /// The colour of the letters, decimal.
    pub color: &'a [u8],
    /// The colour behind them, decimal.
    pub background: &'a [u8],
}

/// A text taken apart. Fields are bytes in the charset of the session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum Message<'a> {
    /// Words from a person.
    Text {
        /// What he says.
        words: &'a [u8],
        /// How it is to look; without all four fields there is none.
        font: Option<Font<'a>>,
    },
    /// Words from the program of a person who is away.
    AutoReply {
        /// What it says.
        words: &'a [u8],
    },
    /// "You may add me." No text.
    AuthAccepted,
    /// "May I add you?"
    AuthRequest {
        /// The picture of the one who asks.
        face: Face,
        /// His nick. COMPAT: often UTF-8 where all else is in the legacy charset.
        nick: &'a [u8],
        /// Why he asks.
        reason: &'a [u8],
    },
    /// "You may not add me."
    AuthRejected {
        /// Why not.
        reason: &'a [u8],
    },
    /// "I have added you." No text.
    Added,
    /// "Let us open a direct session."
    TcpRequest {
        /// What kind of session: `sendfile`.
        session: &'a [u8],
        /// What it is for.
        reason: &'a [u8],
        /// Where the sender listens; 0 if the receiver is to listen.
        port: u16,
    },
    /// "Yes."
    TcpAccepted {
        /// What kind of session.
        session: &'a [u8],
        /// Where the one who accepts listens; 0 if he will connect.
        port: u16,
    },
    /// "No." The document leaves its text open, and no client of 2003 sends one.
    TcpRejected {
        /// What kind of session, as in the other two.
        session: &'a [u8],
    },
}

/// The kinds whose messages have no text.
pub(crate) const TEXTLESS: &[u32] = &[MessageKind::AUTH_ACCEPTED.0 as u32, MessageKind::ADDED.0 as u32];

/// Whether messages of this kind have a text at all. SEND_MSG leaves the STRING out for those that have none.
pub fn has_text(kind: MessageKind) -> bool {
    !TEXTLESS.contains(&u32::from(kind.0))
}

/// The first field of a text: for a TEXT what was said, without the font.
pub fn words(text: &[u8]) -> &[u8] {
    fields(text).next().unwrap_or_default()
}

fn fields(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == SEPARATOR)
}

impl<'a> Message<'a> {
    /// Takes a text apart. Fields beyond those of the kind are passed over, and so is the text of a kind that has none.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TextField`] with the name of the field that is missing or not a decimal number in its range;
    /// called `type` for a kind that the protocol does not have.
    pub fn parse(kind: MessageKind, text: &'a [u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields { text: Some(text), at: 0 };
        Ok(match kind {
            MessageKind::TEXT => Self::Text { words: fields.next("text")?, font: fields.font().ok() },
            MessageKind::AUTO_REPLY => Self::AutoReply { words: fields.next("text")? },
            MessageKind::AUTH_ACCEPTED => Self::AuthAccepted,
            MessageKind::AUTH_REQUEST => Self::AuthRequest {
                face: Face(fields.number("face")?),
                nick: fields.next("nick")?,
                reason: fields.next("reason")?,
            },
            MessageKind::AUTH_REJECTED => Self::AuthRejected { reason: fields.next("reason")? },
            MessageKind::ADDED => Self::Added,
            MessageKind::TCP_REQUEST => Self::TcpRequest {
                session: fields.next("session name")?,
                reason: fields.next("reason")?,
                port: fields.number("port")?,
            },
            MessageKind::TCP_ACCEPTED => {
                Self::TcpAccepted { session: fields.next("session name")?, port: fields.number("port")? }
            }
            MessageKind::TCP_REJECTED => Self::TcpRejected { session: fields.next("session name")? },
            _ => return Err(text_error("type", 0)),
        })
    }

    /// What kind of message this is the text of.
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::Text { .. } => MessageKind::TEXT,
            Self::AutoReply { .. } => MessageKind::AUTO_REPLY,
            Self::AuthAccepted => MessageKind::AUTH_ACCEPTED,
            Self::AuthRequest { .. } => MessageKind::AUTH_REQUEST,
            Self::AuthRejected { .. } => MessageKind::AUTH_REJECTED,
            Self::Added => MessageKind::ADDED,
            Self::TcpRequest { .. } => MessageKind::TCP_REQUEST,
            Self::TcpAccepted { .. } => MessageKind::TCP_ACCEPTED,
            Self::TcpRejected { .. } => MessageKind::TCP_REJECTED,
        }
    }

    /// Appends the text, without the length and the NUL of a STRING; nothing for a kind that has none. A separator or
    /// NUL within a field goes out as `?`, so that a field cannot become two.
    ///
    /// # Errors
    /// [`EncodeError::Full`].
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.put(|bytes| writer.bytes(bytes))
    }

    /// The text as [`Message::write`] writes it.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let Ok(()) = self.put(|bytes| {
            text.extend_from_slice(bytes);
            Ok::<(), core::convert::Infallible>(())
        });
        text
    }

    fn put<E>(&self, mut put: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut line = |fields: &[&[u8]]| {
            for (at, field) in fields.iter().enumerate() {
                if at > 0 {
                    put(&[SEPARATOR])?;
                }
                put_field(field, &mut put)?;
            }
            Ok(())
        };
        match *self {
            Self::AuthAccepted | Self::Added => Ok(()),
            Self::Text { words, font: Some(Font { name, size, color, background }) } => {
                line(&[words, name, size, color, background])
            }
            Self::Text { words: only, font: None }
            | Self::AutoReply { words: only }
            | Self::AuthRejected { reason: only }
            | Self::TcpRejected { session: only } => line(&[only]),
            Self::AuthRequest { face, nick, reason } => line(&[face.0.to_string().as_bytes(), nick, reason]),
            Self::TcpRequest { session, reason, port } => line(&[session, reason, port.to_string().as_bytes()]),
            Self::TcpAccepted { session, port } => line(&[session, port.to_string().as_bytes()]),
        }
    }
}

fn put_field<E>(field: &[u8], put: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    for (at, run) in field.split(|byte| matches!(*byte, 0 | SEPARATOR)).enumerate() {
        if at > 0 {
            put(b"?")?;
        }
        put(run)?;
    }
    Ok(())
}

/// What is left of a text, and where in it that begins.
struct Fields<'a> {
    text: Option<&'a [u8]>,
    at: usize,
}

impl<'a> Fields<'a> {
    fn next(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let text = self.text.ok_or(text_error(what, self.at))?;
        let field = words(text);
        self.text = text.get(field.len() + 1..);
        self.at += field.len() + usize::from(self.text.is_some());
        Ok(field)
    }

    fn number<T: str::FromStr>(&mut self, what: &'static str) -> Result<T, DecodeError> {
        let error = text_error(what, self.at);
        let digits = self.next(what)?;
        // `parse` alone would let a sign pass.
        let decimal = str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        decimal.and_then(|text| text.parse().ok()).ok_or(error)
    }

    fn font(&mut self) -> Result<Font<'a>, DecodeError> {
        Ok(Font {
            name: self.next("font")?,
            size: self.next("size")?,
            color: self.next("colour")?,
            background: self.next("background")?,
        })
    }
}

fn text_error(what: &'static str, at: usize) -> DecodeError {
    DecodeError { kind: DecodeErrorKind::TextField, what, at }
}

/// The text in the form in which it can be passed to an original client whose locale has `charset`: it has the fields
/// of its kind, and what is not valid in the charset is replaced, field by field and character by character. Empty for
/// a kind without text.
///
/// # Errors
/// Those of [`Message::parse`]; such a message must not be passed on.
pub fn sanitize(kind: MessageKind, text: &[u8], charset: Charset) -> Result<Cow<'_, [u8]>, DecodeError> {
    Message::parse(kind, text)?;
    Ok(if has_text(kind) { transcode(kind, text, charset, charset) } else { Cow::Borrowed(&[]) })
}

/// The same text in another charset, field by field; borrowed if no byte changes. What is not valid in `from`, or does
/// not exist in `to`, is replaced.
pub fn transcode(kind: MessageKind, text: &[u8], from: Charset, to: Charset) -> Cow<'_, [u8]> {
    let (mut changed, mut start) = (None::<Vec<u8>>, 0);
    for (position, field) in fields(text).enumerate() {
        let of_field = if is_utf8_nick(kind, position, field, from) { Charset::Utf8 } else { from };
        let converted = of_field.transcode(field, to);
        if matches!(converted, Cow::Owned(_)) && changed.is_none() {
            // Up to this field, and the separator before it, nothing has changed.
            changed = Some(text.get(..start).unwrap_or_default().to_vec());
        } else if position > 0 {
            changed.iter_mut().for_each(|changed| changed.push(SEPARATOR));
        }
        changed.iter_mut().for_each(|changed| changed.extend_from_slice(&converted));
        start += field.len() + 1;
    }
    changed.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// COMPAT: the clients of 2003 put the nick of an AUTH_REQUEST in as they hold it, in UTF-8, once the profile was
/// fetched; one from their cache is in the legacy charset. A double-byte charset may make words (GBK's 路 is C2 B7) of
/// what UTF-8 reads as a letter of two bytes, so there only a longer sequence proves UTF-8.
fn is_utf8_nick(kind: MessageKind, position: usize, field: &[u8], charset: Charset) -> bool {
    let is_nick = kind == MessageKind::AUTH_REQUEST && position == 1;
    is_nick
        && !field.is_ascii()
        && str::from_utf8(field).is_ok_and(|nick| {
            !charset.is_double_byte() || !charset.is_valid(field) || nick.chars().any(|letter| letter >= '\u{800}')
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAPTURED: &[u8] = b"direct one\xff\xcb\xce\xcc\xe5\xff9\xff0\xff0";

    fn error(kind: MessageKind, text: &[u8]) -> (&'static str, usize) {
        let error = Message::parse(kind, text).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::TextField);
        assert_eq!(sanitize(kind, text, Charset::Gb18030), Err(error));
        (error.what, error.at)
    }

    #[test]
    fn the_words_of_a_text_and_their_font() {
        let font = Font { name: b"\xcb\xce\xcc\xe5", size: b"9", color: b"0", background: b"0" };
        let message = Message::parse(MessageKind::TEXT, CAPTURED).unwrap();
        assert_eq!(message, Message::Text { words: b"direct one", font: Some(font) });
        assert_eq!(message.to_vec(), CAPTURED);
        assert_eq!(words(CAPTURED), b"direct one");
        for (text, words) in [(&b""[..], &b""[..]), (b"hi", b"hi"), (b"hi\xff9\xff0\xff0", b"hi"), (b"\xff", b"")] {
            assert_eq!(Message::parse(MessageKind::TEXT, text), Ok(Message::Text { words, font: None }));
        }
    }

    #[test]
    fn captured_requests() {
        let text = b"sendfile\xffhave a look at this\xff0";
        let message = Message::parse(MessageKind::TCP_REQUEST, text).unwrap();
        assert_eq!(message, Message::TcpRequest { session: b"sendfile", reason: b"have a look at this", port: 0 });
        assert_eq!(message.to_vec(), text);
        let message = Message::parse(MessageKind::TCP_ACCEPTED, b"sendfile\xff33766").unwrap();
        assert_eq!(message, Message::TcpAccepted { session: b"sendfile", port: 33_766 });
    }

    #[test]
    fn what_an_original_client_would_crash_on_is_refused() {
        assert_eq!(error(MessageKind::AUTH_REQUEST, b""), ("face", 0));
        assert_eq!(error(MessageKind::AUTH_REQUEST, b"12"), ("nick", 2));
        assert_eq!(error(MessageKind::AUTH_REQUEST, b"12\xffnick"), ("reason", 7));
        assert_eq!(error(MessageKind::TCP_REQUEST, b"sendfile"), ("reason", 8));
        assert_eq!(error(MessageKind::TCP_REQUEST, b"sendfile\xffwhy"), ("port", 12));
        assert_eq!(error(MessageKind::TCP_ACCEPTED, b"sendfile"), ("port", 8));
        for unknown in 9..=255 {
            assert_eq!(error(MessageKind(unknown), b"0\xff0\xff0"), ("type", 0));
        }
    }

    #[test]
    fn numbers_are_decimal_and_in_range() {
        for face in [&b""[..], b"+1", b"-1", b" 1", b"1 ", b"0x1", b"256", b"\xc2\xb2"] {
            let text = [face, b"\xffnick\xffwhy"].concat();
            assert_eq!(error(MessageKind::AUTH_REQUEST, &text), ("face", 0), "{face:?}");
        }
        assert_eq!(error(MessageKind::TCP_ACCEPTED, b"sendfile\xff65536"), ("port", 9));
        assert!(Message::parse(MessageKind::TCP_ACCEPTED, b"sendfile\xff65535").is_ok());
        assert!(Message::parse(MessageKind::AUTH_REQUEST, b"255\xff\xff").is_ok());
    }

    #[test]
    fn two_kinds_have_no_text() {
        for kind in (0..=8).map(MessageKind) {
            assert_eq!(has_text(kind), !matches!(kind.0, 2 | 5), "{kind:?}");
        }
        assert_eq!(Message::parse(MessageKind::ADDED, b"-"), Ok(Message::Added));
        assert_eq!(sanitize(MessageKind::AUTH_ACCEPTED, b"-", Charset::Utf8).unwrap(), b"".as_slice());
    }

    #[test]
    fn each_field_is_repaired_for_itself() {
        let clean = |kind, text| sanitize(kind, text, Charset::Gb18030).unwrap();
        assert!(matches!(clean(MessageKind::TEXT, CAPTURED), Cow::Borrowed(CAPTURED)));
        assert_eq!(
            clean(MessageKind::TEXT, b"\xcb\xce\xcb\xff\xcb\xce\xcb\xff9"),
            b"\xcb\xce?\xff\xcb\xce?\xff9".as_slice()
        );
        assert_eq!(clean(MessageKind::TEXT, b"ok\xff\xcb\xff\xcb\xff"), b"ok\xff?\xff?\xff".as_slice());
        assert_eq!(clean(MessageKind::TEXT, b"\xff\xff"), b"\xff\xff".as_slice());
    }

    #[test]
    fn the_nick_of_a_request_may_be_in_utf_8() {
        let clean = |text, charset| sanitize(MessageKind::AUTH_REQUEST, text, charset).unwrap();
        let request = "7\u{e000}宋体\u{e000}why".replace('\u{e000}', "|");
        let request: Vec<u8> = request.bytes().map(|byte| if byte == b'|' { SEPARATOR } else { byte }).collect();
        assert_eq!(clean(&request, Charset::Gb18030), b"7\xff\xcb\xce\xcc\xe5\xffwhy".as_slice());
        assert_eq!(clean(&request, Charset::Utf8), request);
        let legacy = b"7\xff\xcb\xce\xcc\xe5\xffwhy";
        assert_eq!(clean(legacy, Charset::Gb18030), legacy.as_slice());
        assert_eq!(clean(b"7\xff\xc2\xb7\xff", Charset::Gb18030), b"7\xff\xc2\xb7\xff".as_slice(), "a nick in GBK");
        assert_eq!(clean(b"7\xff\xd0\xb6\xff", Charset::Windows1251), b"7\xff\xe6\xff".as_slice(), "a nick in UTF-8");
        let modern = transcode(MessageKind::AUTH_REQUEST, &request, Charset::Gb18030, Charset::Utf8);
        assert_eq!(modern, request, "it already is what it shall become");
    }

    #[test]
    fn texts_change_their_charset_field_by_field() {
        let modern = transcode(MessageKind::TEXT, CAPTURED, Charset::Gb18030, Charset::Utf8);
        assert_eq!(modern, [b"direct one\xff", "宋体".as_bytes(), b"\xff9\xff0\xff0"].concat());
        assert_eq!(transcode(MessageKind::TEXT, &modern, Charset::Utf8, Charset::Gb18030), CAPTURED);
    }

    #[test]
    fn a_field_cannot_become_two() {
        let message = Message::TcpAccepted { session: b"send\xfffile\0", port: 7 };
        assert_eq!(message.to_vec(), b"send?file?\xff7");
        let mut buffer = [0xAA; 11];
        assert_eq!(message.write(&mut Writer::new(&mut buffer)), Err(EncodeError::Full(11)));
    }

    proptest! {
        #[test]
        fn what_is_sanitized_parses_and_stays(
            kind in 0_u8..10,
            text in proptest::collection::vec(prop_oneof![Just(0xFF_u8), 0x30..=0x39_u8, any::<u8>()], 0..60),
        ) {
            let kind = MessageKind(kind);
            for charset in Charset::all() {
                let Ok(clean) = sanitize(kind, &text, charset) else { continue };
                let message = Message::parse(kind, &clean).unwrap();
                prop_assert_eq!(sanitize(kind, &clean, charset).unwrap(), &clean[..], "{:?}", charset);
                prop_assert_eq!(message.kind(), kind);
                let written = message.to_vec();
                prop_assert_eq!(Message::parse(kind, &written).unwrap(), message);
                let mut buffer = [0xAA; 256];
                let mut writer = Writer::new(&mut buffer);
                message.write(&mut writer).unwrap();
                let len = writer.len();
                prop_assert_eq!(&buffer[..len], &written[..]);
            }
        }
    }
}
