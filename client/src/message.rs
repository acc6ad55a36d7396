//! What people say to each other, as text of today.

use myicq_wire::charset::Charset;
use myicq_wire::message as wire;
use myicq_wire::{Face, MessageKind, Writer};

use crate::error::Misuse;
use crate::profile::{MAX_NICK_LEN, encode_text};

/// The most bytes that the words of a message may have in GB 18030.
pub const MAX_TEXT_LEN: usize = wire::MAX_WORDS;

/// A message, received or to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "kind", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Message {
    /// Words. Fonts, which the clients of 2003 send along, are not kept.
    Text {
        /// What is said.
        text: String,
    },
    /// Words that a program says in the place of a person who is away.
    AutoReply {
        /// What is said.
        text: String,
    },
    /// "You may add me."
    AuthAccepted,
    /// "May I add you?"
    AuthRequest {
        /// The picture of the one who asks.
        face: Face,
        /// His nick.
        nick: String,
        /// Why he asks.
        reason: String,
    },
    /// "You may not add me."
    AuthRejected {
        /// Why not.
        reason: String,
    },
    /// "I have added you": made by the server alone.
    Added,
    /// "Let us open a direct session": shown, not answered by this library yet.
    TcpRequest {
        /// What the session is for: "sendfile".
        session: String,
        /// What is said along.
        reason: String,
        /// The port to connect to; 0 when the receiver of the request is to listen.
        port: u16,
    },
    /// "Yes, on this port."
    TcpAccepted {
        /// What the session is for: "sendfile".
        session: String,
        /// The port to connect to.
        port: u16,
    },
    /// "No."
    TcpRejected {
        /// What the session was for: "sendfile".
        session: String,
    },
    /// A message of a kind that this library does not know, or without the fields of its kind.
    Unknown {
        /// The number of its kind.
        number: u8,
        /// All of its text.
        text: String,
    },
}

impl Message {
    /// Words to somebody.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// Reads the text of a message that came in. One that does not have the form of its kind is kept as it is: it
    /// has been acknowledged, so it must be shown.
    pub(crate) fn decode(kind: MessageKind, text: &[u8], charset: Charset) -> Self {
        let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // Field by field: not every field of a client of 2003 is in the same charset.
        let text = &*wire::transcode(kind, text, charset, Charset::Utf8);
        let Ok(message) = wire::Message::parse(kind, text) else {
            return Self::Unknown { number: kind.0, text: string(text) };
        };
        match message {
            wire::Message::Text { words, .. } => Self::Text { text: string(words) },
            wire::Message::AutoReply { words } => Self::AutoReply { text: string(words) },
            wire::Message::AuthAccepted => Self::AuthAccepted,
            wire::Message::AuthRequest { face, nick, reason } => {
                Self::AuthRequest { face, nick: string(nick), reason: string(reason) }
            }
            wire::Message::AuthRejected { reason } => Self::AuthRejected { reason: string(reason) },
            wire::Message::Added => Self::Added,
            wire::Message::TcpRequest { session, reason, port } => {
                Self::TcpRequest { session: string(session), reason: string(reason), port }
            }
            wire::Message::TcpAccepted { session, port } => Self::TcpAccepted { session: string(session), port },
            wire::Message::TcpRejected { session } => Self::TcpRejected { session: string(session) },
            _ => Self::Unknown { number: kind.0, text: string(text) },
        }
    }

    /// The kind and the text as they go to the wire.
    pub(crate) fn encode(&self, charset: Charset) -> Result<(MessageKind, Vec<u8>), Misuse> {
        let words = |text: &str| encode_text("message", text, usize::MAX, charset);
        let (kind, text) = match self {
            Self::Text { text } => (MessageKind::TEXT, words(text)?),
            Self::AutoReply { text } => (MessageKind::AUTO_REPLY, words(text)?),
            Self::AuthAccepted => (MessageKind::AUTH_ACCEPTED, Vec::new()),
            Self::AuthRequest { face, nick, reason } => {
                let nick = encode_text("nick", nick, MAX_NICK_LEN, charset)?;
                let reason = words(reason)?;
                check_len(&reason, charset)?;
                let message = wire::Message::AuthRequest { face: *face, nick: &nick, reason: &reason };
                return Ok((MessageKind::AUTH_REQUEST, written(&message)?));
            }
            Self::AuthRejected { reason } => (MessageKind::AUTH_REJECTED, words(reason)?),
            Self::TcpRequest { session, reason, port } => {
                let (session, reason) = (words(session)?, words(reason)?);
                check_len(&reason, charset)?;
                let message = wire::Message::TcpRequest { session: &session, reason: &reason, port: *port };
                return Ok((MessageKind::TCP_REQUEST, written(&message)?));
            }
            Self::TcpAccepted { session, port } => {
                let message = wire::Message::TcpAccepted { session: &words(session)?, port: *port };
                return Ok((MessageKind::TCP_ACCEPTED, written(&message)?));
            }
            Self::TcpRejected { session } => {
                let message = wire::Message::TcpRejected { session: &words(session)? };
                return Ok((MessageKind::TCP_REJECTED, written(&message)?));
            }
            Self::Added | Self::Unknown { .. } => return Err(Misuse::Kind),
        };
        check_len(&text, charset)?;
        Ok((kind, text))
    }
}

fn check_len(text: &[u8], charset: Charset) -> Result<(), Misuse> {
    if !charset.fits(text, MAX_TEXT_LEN) {
        let len = charset.transcode(text, Charset::Gb18030).len();
        return Err(Misuse::MessageTooLong { len, max: MAX_TEXT_LEN });
    }
    Ok(())
}

fn written(message: &wire::Message<'_>) -> Result<Vec<u8>, Misuse> {
    let mut buffer = [0; wire::MAX_TEXT + MAX_TEXT_LEN];
    let mut writer = Writer::new(&mut buffer);
    let max = wire::MAX_TEXT;
    message.write(&mut writer).map_err(|_| Misuse::MessageTooLong { len: max, max })?;
    let len = writer.len();
    Ok(buffer.get(..len).unwrap_or_default().to_vec())
}
