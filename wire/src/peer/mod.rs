//! Direct sessions between two clients over TCP (docs/protocol.md, peer sessions).
//!
//! There are two kinds, on different ports, and their commands share numbers: [`PeerMessage`] and [`PeerFile`]. In both
//! a frame is a length, a [header](PeerHeader) and a body; nothing is enciphered, and nothing proves who the other side
//! is but the address that the server told.

mod file;
mod name;
mod token;

use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::field::{Field, Str};
use crate::header::VERSION;
use crate::ids::{Face, MessageKind, Uin};
use crate::layout::{FieldLayout, Layout};
use crate::message;
use crate::reader::Reader;
use crate::tunnel::{Framer, PREFIX_LEN, prefix};
use crate::writer::Writer;

/// Bytes of a frame's header, behind the length.
pub const PEER_HEADER_LEN: usize = 13;

/// The longest frame that is taken or sent, in bytes without its length: a datagram's worth, twice what a client of
/// 2003 sends.
pub const MAX_PEER_FRAME: usize = 4_096;

pub use file::{FILE_CHUNK_LEN, FileHash, FileResult, LONG_CHUNK_LEN, MAX_FILE_FRAME, PeerFile, file_frames};
pub use name::{MAX_FILE_NAME, is_bare_name};
pub use token::MessageToken;

const HELLO: u16 = 0x0001;
const MESSAGE: u16 = 0x1000;
const MESSAGE_ACK: u16 = 0x1001;

/// In the `reserved` of a HELLO: whoever says it knows the further frames of a file session, from FILE_OFFER on
/// (docs/protocol.md, "Files of any size").
pub const LONG_FILES: u32 = 0x01;

/// A framer for message sessions.
pub fn frames() -> Framer {
    Framer::new(PEER_HEADER_LEN, MAX_PEER_FRAME)
}

/// What stands before the body of a frame, the version aside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct PeerHeader {
    /// 0, but in the HELLO of a program of this project, see [`Hello::extensions`].
    pub reserved: u32,
    /// What the body is, together with the kind of the session.
    pub command: u16,
    /// Who says that he sends it.
    pub uin: Uin,
    /// His picture.
    pub face: Face,
}

impl PeerHeader {
    /// Takes a frame, without its length, apart into header and body.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`], [`DecodeErrorKind::Version`].
    pub fn decode(frame: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut reader = Reader::new(frame);
        let start = reader;
        if reader.word("version")? != VERSION {
            return Err(start.error(DecodeErrorKind::Version, "version"));
        }
        let header = Self {
            reserved: reader.dword("reserved")?,
            command: reader.word("cmd")?,
            uin: Uin(reader.dword("uin")?),
            face: Face(reader.byte("face")?),
        };
        Ok((header, reader.rest()))
    }

    /// Writes header and body behind their length, and says how many bytes of `buffer` all that is.
    fn encode(
        &self,
        max: usize,
        buffer: &mut [u8],
        body: impl FnOnce(&mut Writer<'_>) -> Result<(), EncodeError>,
    ) -> Result<usize, EncodeError> {
        let full = EncodeError::Full(buffer.len());
        let (head, rest) = buffer.split_at_mut_checked(PREFIX_LEN + PEER_HEADER_LEN).ok_or(full)?;
        let mut rest = Writer::new(rest);
        body(&mut rest)?;
        let len = PEER_HEADER_LEN + rest.len();
        let mut head = Writer::new(head);
        head.word(prefix(len, max)?)?;
        head.word(VERSION)?;
        head.dword(self.reserved)?;
        head.word(self.command)?;
        head.dword(self.uin.0)?;
        head.byte(self.face.0)?;
        Ok(PREFIX_LEN + len)
    }
}

/// What the side that connected says at once. The one that listened says none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Hello<'a> {
    /// Whether the one who connected sends the file; always set in a message session.
    pub is_sender: bool,
    /// His domain; missing from the programs before release 1.0.
    pub domain: Option<Str<'a>>,
    /// What he knows beyond version 1: [`LONG_FILES`], or nothing. It lies in `reserved`, where a client of 2003 has 0.
    pub extensions: u32,
}

/// A packet of a direct session as data: the number of its command, its name, and how its body lies.
pub type PacketLayout = (u16, &'static str, Layout);

impl<'a> Hello<'a> {
    const LAYOUT: PacketLayout = (
        HELLO,
        "HELLO",
        Layout::Fields(&[
            FieldLayout::always("is_sender", u8::LAYOUT),
            FieldLayout::always("domain", <Option<Str<'_>>>::LAYOUT),
        ]),
    );

    fn read(reader: &mut Reader<'a>, extensions: u32) -> Result<Self, DecodeError> {
        Ok(Self { is_sender: reader.byte("is_sender")? != 0, domain: Field::read(reader, "domain")?, extensions })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.byte(u8::from(self.is_sender))?;
        self.domain.write(writer)
    }
}

/// A packet of a message session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum PeerMessage<'a> {
    /// Opens the session.
    Hello(Hello<'a>),
    /// A message, which does not go through the server.
    Message {
        /// 0xFFFFFFFE for the first, then counting down; each side counts its own.
        id: u32,
        /// Its kind.
        kind: MessageKind,
        /// When it was sent: Unix seconds, UTC.
        time: u32,
        /// Its text, see [`crate::message`].
        text: Str<'a>,
    },
    /// The message has come. COMPAT: one that is not acknowledged in 5 seconds is sent again through the server.
    MessageAck {
        /// Which.
        id: u32,
    },
}

impl<'a> PeerMessage<'a> {
    /// The packets of a message session as data.
    pub const LAYOUTS: &'static [PacketLayout] = &[
        Hello::LAYOUT,
        (
            MESSAGE,
            "MESSAGE",
            Layout::Fields(&[
                FieldLayout::always("id", u32::LAYOUT),
                FieldLayout::always("kind", MessageKind::LAYOUT),
                FieldLayout::always("time", u32::LAYOUT),
                FieldLayout::unless("text", Str::LAYOUT, "kind", message::TEXTLESS),
            ]),
        ),
        (MESSAGE_ACK, "MESSAGE_ACK", Layout::Fields(&[FieldLayout::always("id", u32::LAYOUT)])),
    ];

    /// Reads a frame, without its length. What follows the last field is ignored: later programs may have more to say.
    ///
    /// # Errors
    /// What is wrong with which field, [`DecodeErrorKind::UnknownCommand`].
    pub fn decode(frame: &'a [u8]) -> Result<(PeerHeader, Self), DecodeError> {
        let (header, body) = PeerHeader::decode(frame)?;
        let mut reader = Reader::new(body);
        let packet = match header.command {
            HELLO => Self::Hello(Hello::read(&mut reader, header.reserved)?),
            MESSAGE => {
                let (id, kind) = (reader.dword("id")?, MessageKind(reader.byte("type")?));
                let time = reader.dword("time")?;
                let text = if message::has_text(kind) { Field::read(&mut reader, "text")? } else { Str::default() };
                Self::Message { id, kind, time, text }
            }
            MESSAGE_ACK => Self::MessageAck { id: reader.dword("id")? },
            _ => return Err(unknown_command()),
        };
        Ok((header, packet))
    }

    /// Writes the frame, its length before it, into `buffer`, and says how long all that is.
    ///
    /// # Errors
    /// [`EncodeError::Full`], [`EncodeError::TooLong`] over [`MAX_PEER_FRAME`], what is wrong with a text.
    pub fn encode(&self, uin: Uin, face: Face, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        let command = match self {
            Self::Hello(_) => HELLO,
            Self::Message { .. } => MESSAGE,
            Self::MessageAck { .. } => MESSAGE_ACK,
        };
        let reserved = if let Self::Hello(hello) = self { hello.extensions } else { 0 };
        PeerHeader { reserved, command, uin, face }.encode(MAX_PEER_FRAME, buffer, |writer| match *self {
            Self::Hello(hello) => hello.write(writer),
            Self::Message { id, kind, time, text } => {
                writer.dword(id)?;
                writer.byte(kind.0)?;
                writer.dword(time)?;
                if message::has_text(kind) { text.write(writer) } else { Ok(()) }
            }
            Self::MessageAck { id } => writer.dword(id),
        })
    }
}

fn unknown_command() -> DecodeError {
    DecodeError { kind: DecodeErrorKind::UnknownCommand, what: "cmd", at: 6 }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const DOMAIN: Option<Str<'_>> = Some(Str(b"stub.example"));

    /// A captured frame is read as this packet, and written as that frame.
    macro_rules! captured {
        ($hex:literal, $uin:literal, $face:literal, $packet:expr, $kind:ident) => {{
            let stream = hex::decode($hex).unwrap();
            let mut framer = frames();
            let frame = framer.next_frame(&mut &stream[..]).unwrap().unwrap();
            let (header, packet) = $kind::decode(frame).unwrap();
            assert_eq!((header.reserved, header.uin.0, header.face.0, packet), (0, $uin, $face, $packet));
            let mut buffer = [0xAA; 128];
            let len = packet.encode(header.uin, header.face, &mut buffer).unwrap();
            assert_eq!(hex::encode(&buffer[..len]), $hex);
        }};
    }

    #[test]
    fn a_captured_message_session() {
        let hello = PeerMessage::Hello(Hello { is_sender: true, domain: DOMAIN, extensions: 0 });
        captured!("001d0001000000000001000027110c01000d737475622e6578616d706c6500", 10_001, 12, hello, PeerMessage);
        let text = Str(b"direct one\xff\xcb\xce\xcc\xe5\xff9\xff0\xff0");
        let message = PeerMessage::Message { id: 0xffff_fffe, kind: MessageKind::TEXT, time: 0x6b00_2135, text };
        captured!(
            "002e0001000000001000000027110cfffffffe006b0021350016646972656374206f6e65ffcbcecce5ff39ff30ff3000",
            10_001,
            12,
            message,
            PeerMessage
        );
        let ack = PeerMessage::MessageAck { id: 0xffff_fffe };
        captured!("001100010000000010010000271200fffffffe", 10_002, 0, ack, PeerMessage);
    }

    #[test]
    fn a_captured_file_session() {
        let hello = PeerFile::Hello(Hello { is_sender: false, domain: DOMAIN, extensions: 0 });
        captured!("001d0001000000000001000027120000000d737475622e6578616d706c6500", 10_002, 0, hello, PeerFile);
        let info = PeerFile::FileInfo { name: Str(b"rev-notes.txt"), size: 1_666 };
        captured!("00210001000000001000000027110c000e7265762d6e6f7465732e7478740000000682", 10_001, 12, info, PeerFile);
        captured!("000d00010000000010010000271200", 10_002, 0, PeerFile::FileReceive, PeerFile);
        captured!("001100010000000010020000271200000306ff", 10_002, 0, PeerFile::FileData(&[0, 3, 6, 255]), PeerFile);
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let refused = |hex: &str| {
            let frame = hex::decode(hex).unwrap();
            let (message, file) = (PeerMessage::decode(&frame).unwrap_err(), PeerFile::decode(&frame).unwrap_err());
            assert_eq!((message.kind, message.at), (file.kind, file.at));
            (message.kind, message.at)
        };
        assert_eq!(refused(""), (DecodeErrorKind::TooShort, 0));
        assert_eq!(refused("0001000000001001000027"), (DecodeErrorKind::TooShort, 8));
        assert_eq!(refused("00020000000010010000271200"), (DecodeErrorKind::Version, 0));
        assert_eq!(refused("0001000000000fff0000271200"), (DecodeErrorKind::UnknownCommand, 6));
        assert_eq!(refused("000100000000000100002712000100ff41"), (DecodeErrorKind::StringLength, 1));
    }

    #[test]
    fn a_hello_may_lack_its_domain_and_two_kinds_their_text() {
        let (_, hello) = PeerMessage::decode(b"\0\x01\0\0\0\0\0\x01\0\0\x27\x12\0\x01").unwrap();
        assert_eq!(hello, PeerMessage::Hello(Hello { is_sender: true, domain: None, extensions: 0 }));
        let added = PeerMessage::Message { id: 1, kind: MessageKind::ADDED, time: 2, text: Str(b"not sent") };
        let mut buffer = [0xAA; 64];
        let len = added.encode(Uin(1), Face(1), &mut buffer).unwrap();
        assert_eq!(len, PREFIX_LEN + PEER_HEADER_LEN + 9);
        let (_, packet) = PeerMessage::decode(&buffer[PREFIX_LEN..len]).unwrap();
        assert_eq!(packet, PeerMessage::Message { id: 1, kind: MessageKind::ADDED, time: 2, text: Str(b"") });
    }

    #[test]
    fn a_frame_at_the_limit_and_one_past_it() {
        let bytes = vec![7; LONG_CHUNK_LEN + 1];
        let mut buffer = vec![0xAA; MAX_FILE_FRAME + 10];
        let mut encode = |bytes: &[u8]| PeerFile::FileData(bytes).encode(Uin(1), Face(1), &mut buffer);
        assert_eq!(encode(&bytes[1..]), Ok(PREFIX_LEN + MAX_FILE_FRAME));
        assert_eq!(encode(&bytes), Err(EncodeError::TooLong));
        let frame = buffer[..PREFIX_LEN + MAX_FILE_FRAME].to_vec();
        assert!(file_frames().next_frame(&mut &frame[..]).unwrap().is_some());
        assert!(frames().next_frame(&mut &frame[..]).is_err(), "a message is never so long");
        assert_eq!(PeerFile::FileReceive.encode(Uin(1), Face(1), &mut [0; 14]), Err(EncodeError::Full(14)));
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_alike(command in prop_oneof![Just(1_u16), 0x1000_u16..0x1004, 0x1010_u16..0x1016], body in any::<Vec<u8>>()) {
            let frame = [b"\0\x01\0\0\0\0", &command.to_be_bytes()[..], b"\0\0\x27\x12\x07", &body].concat();
            let mut buffer = [0xAA; 512];
            if let Ok((header, packet)) = PeerMessage::decode(&frame) {
                let len = packet.encode(header.uin, header.face, &mut buffer).unwrap();
                prop_assert_eq!(PeerMessage::decode(&buffer[PREFIX_LEN..len]), Ok((header, packet)));
            }
            if let Ok((header, packet)) = PeerFile::decode(&frame) {
                let len = packet.encode(header.uin, header.face, &mut buffer).unwrap();
                prop_assert_eq!(PeerFile::decode(&buffer[PREFIX_LEN..len]), Ok((header, packet)));
            }
                    }
    }
}
