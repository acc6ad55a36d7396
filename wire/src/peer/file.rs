//! The packets of a file session.

use core::fmt;

use super::{HELLO, Hello, PEER_HEADER_LEN, PacketLayout, PeerHeader, unknown_command};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::field::{Field, Str};
use crate::ids::{Face, Uin};
use crate::layout::{FieldLayout, Layout};
use crate::reader::Reader;
use crate::tunnel::Framer;
use crate::writer::Writer;

/// The bytes of a file that a client of 2003 puts into one FILE_DATA.
pub const FILE_CHUNK_LEN: usize = 2_048;

/// The bytes of a file that go into one FILE_DATA where both sides know the extension.
pub const LONG_CHUNK_LEN: usize = 32_768;

/// The longest frame of a file session that is taken or sent, in bytes without its length.
pub const MAX_FILE_FRAME: usize = PEER_HEADER_LEN + LONG_CHUNK_LEN;

const FILE_INFO: u16 = 0x1000;
const FILE_RECEIVE: u16 = 0x1001;
const FILE_DATA: u16 = 0x1002;
const FILE_OFFER: u16 = 0x1010;
const FILE_RESUME: u16 = 0x1011;
const FILE_START: u16 = 0x1012;
const FILE_END: u16 = 0x1013;
const FILE_RESULT: u16 = 0x1014;

/// A framer for file sessions.
pub fn file_frames() -> Framer {
    Framer::new(PEER_HEADER_LEN, MAX_FILE_FRAME)
}

/// A packet of a file session. In version 1 nothing in it is acknowledged: TCP delivers it, and the sender closes behind
/// the last byte. From [`FileOffer`](Self::FileOffer) on they are extensions, used only where both sides have said
/// [`LONG_FILES`](super::LONG_FILES).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum PeerFile<'a> {
    /// Opens the session.
    Hello(Hello<'a>),
    /// What is offered.
    FileInfo {
        /// Its name, in the bytes of the sender's file system: nothing may be done with it before [`is_bare_name`](super::is_bare_name) has
        /// seen it.
        name: Str<'a>,
        /// Its length in bytes.
        size: u32,
    },
    /// "Go ahead."
    FileReceive,
    /// The next bytes of the file: up to [`FILE_CHUNK_LEN`] in version 1, up to [`LONG_CHUNK_LEN`] in the extension.
    FileData(&'a [u8]),
    /// In the place of FILE_INFO: what is offered, of any size.
    FileOffer {
        /// Its name in UTF-8; as unsafe as that of FILE_INFO.
        name: Str<'a>,
        /// Its length in bytes.
        size: u64,
    },
    /// In the place of FILE_RECEIVE: "go ahead from here", because so much is there already.
    FileResume {
        /// How many bytes are there; 0 if none.
        offset: u64,
        /// The hash of those.
        hash: FileHash,
    },
    /// "From here on": the offset of FILE_RESUME, or 0 if the bytes that are there are not the beginning of this file.
    FileStart {
        /// Where the first FILE_DATA belongs.
        offset: u64,
    },
    /// Behind the last FILE_DATA.
    FileEnd {
        /// The hash of the whole file.
        hash: FileHash,
    },
    /// What the receiver made of it; the last frame of all. In the place of FILE_RESUME it refuses the file.
    FileResult(FileResult),
}

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct FileHash(pub [u8; 32]);

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileHash({self})")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for FileHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'a> Field<'a> for FileHash {
    const LAYOUT: Layout = Layout::Bytes(32);

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, DecodeError> {
        let start = *reader;
        let bytes = reader.take(32, what)?;
        bytes.try_into().map(Self).map_err(|_| start.error(DecodeErrorKind::TooShort, what))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.bytes(&self.0)
    }
}

/// What the receiver made of a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct FileResult(pub u8);

impl FileResult {
    const LAYOUT: Layout = Layout::Number {
        len: 1,
        values: &[(0, "DONE"), (1, "DAMAGED"), (2, "TOO_LARGE"), (3, "BAD_NAME"), (4, "DISK"), (5, "REFUSED")],
    };

    /// It is whole, compared with its hash, and in its place.
    pub const DONE: Self = Self(0);
    /// Its hash is another one than FILE_END says.
    pub const DAMAGED: Self = Self(1);
    /// It is larger than the receiver takes.
    pub const TOO_LARGE: Self = Self(2);
    /// Its name is none that can be given to a file.
    pub const BAD_NAME: Self = Self(3);
    /// The receiver's disk failed or is full.
    pub const DISK: Self = Self(4);
    /// The receiver does not want it.
    pub const REFUSED: Self = Self(5);
}

impl<'a> PeerFile<'a> {
    /// The packets of a file session as data.
    pub const LAYOUTS: &'static [PacketLayout] = &[
        Hello::LAYOUT,
        (
            FILE_INFO,
            "FILE_INFO",
            Layout::Fields(&[FieldLayout::always("name", Str::LAYOUT), FieldLayout::always("size", u32::LAYOUT)]),
        ),
        (FILE_RECEIVE, "FILE_RECEIVE", Layout::Fields(&[])),
        (FILE_DATA, "FILE_DATA", Layout::Fields(&[FieldLayout::always("data", Layout::Rest)])),
        (
            FILE_OFFER,
            "FILE_OFFER",
            Layout::Fields(&[FieldLayout::always("name", Str::LAYOUT), FieldLayout::always("size", u64::LAYOUT)]),
        ),
        (
            FILE_RESUME,
            "FILE_RESUME",
            Layout::Fields(&[
                FieldLayout::always("offset", u64::LAYOUT),
                FieldLayout::always("hash", FileHash::LAYOUT),
            ]),
        ),
        (FILE_START, "FILE_START", Layout::Fields(&[FieldLayout::always("offset", u64::LAYOUT)])),
        (FILE_END, "FILE_END", Layout::Fields(&[FieldLayout::always("hash", FileHash::LAYOUT)])),
        (FILE_RESULT, "FILE_RESULT", Layout::Fields(&[FieldLayout::always("result", FileResult::LAYOUT)])),
    ];

    /// Reads a frame, without its length. What follows the last field is ignored.
    ///
    /// # Errors
    /// What is wrong with which field, [`DecodeErrorKind::UnknownCommand`].
    pub fn decode(frame: &'a [u8]) -> Result<(PeerHeader, Self), DecodeError> {
        let (header, body) = PeerHeader::decode(frame)?;
        let mut reader = Reader::new(body);
        let packet = match header.command {
            HELLO => Self::Hello(Hello::read(&mut reader, header.reserved)?),
            FILE_INFO => Self::FileInfo { name: Field::read(&mut reader, "name")?, size: reader.dword("size")? },
            FILE_RECEIVE => Self::FileReceive,
            FILE_DATA => Self::FileData(body),
            FILE_OFFER => Self::FileOffer { name: Field::read(&mut reader, "name")?, size: reader.qword("size")? },
            FILE_RESUME => {
                Self::FileResume { offset: reader.qword("offset")?, hash: Field::read(&mut reader, "hash")? }
            }
            FILE_START => Self::FileStart { offset: reader.qword("offset")? },
            FILE_END => Self::FileEnd { hash: Field::read(&mut reader, "hash")? },
            FILE_RESULT => Self::FileResult(FileResult(reader.byte("result")?)),
            _ => return Err(unknown_command()),
        };
        Ok((header, packet))
    }

    /// Writes the frame, its length before it, into `buffer`, and says how long all that is.
    ///
    /// # Errors
    /// [`EncodeError::Full`], [`EncodeError::TooLong`] over [`MAX_FILE_FRAME`], what is wrong with a name.
    pub fn encode(&self, uin: Uin, face: Face, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        let command = match self {
            Self::Hello(_) => HELLO,
            Self::FileInfo { .. } => FILE_INFO,
            Self::FileReceive => FILE_RECEIVE,
            Self::FileData(_) => FILE_DATA,
            Self::FileOffer { .. } => FILE_OFFER,
            Self::FileResume { .. } => FILE_RESUME,
            Self::FileStart { .. } => FILE_START,
            Self::FileEnd { .. } => FILE_END,
            Self::FileResult(_) => FILE_RESULT,
        };
        let reserved = if let Self::Hello(hello) = self { hello.extensions } else { 0 };
        PeerHeader { reserved, command, uin, face }.encode(MAX_FILE_FRAME, buffer, |writer| match *self {
            Self::Hello(hello) => hello.write(writer),
            Self::FileInfo { name, size } => {
                name.write(writer)?;
                writer.dword(size)
            }
            Self::FileReceive => Ok(()),
            Self::FileData(bytes) => writer.bytes(bytes),
            Self::FileOffer { name, size } => {
                name.write(writer)?;
                writer.qword(size)
            }
            Self::FileResume { offset, hash } => {
                writer.qword(offset)?;
                hash.write(writer)
            }
            Self::FileStart { offset } => writer.qword(offset),
            Self::FileEnd { hash } => hash.write(writer),
            Self::FileResult(result) => writer.byte(result.0),
        })
    }
}
