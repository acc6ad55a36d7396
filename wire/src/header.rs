//! The 20 bytes at the front of every datagram (docs/protocol.md, "Headers").

use crate::command::Command;
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::ids::{Seq, SessionId, Uin};
use crate::reader::Reader;
use crate::writer::Writer;

/// The version WORD of this protocol.
pub const VERSION: u16 = 1;

/// Bytes of a datagram's header, in either direction.
pub const HEADER_LEN: usize = 20;

/// Where the number of the command stands in a datagram of the server.
pub const COMMAND_AT: usize = 14;

/// Where the uin lies in a datagram, in either direction: a DWORD, big-endian. For who must sort datagrams before they are decoded.
pub const UIN_AT: usize = 6;

/// The longest datagram that the programs of 2002 take, in bytes.
pub const MAX_DATAGRAM: usize = 4096;

/// The header of a datagram from a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ClientHeader {
    /// 0, or in LOGIN and NEW_UIN the capabilities that the client offers.
    pub reserved: u32,
    /// Who sends it; [`Uin::NONE`] in NEW_UIN.
    pub uin: Uin,
    /// The session that it belongs to.
    pub session: SessionId,
    /// The number of the command, which may be unknown.
    pub command: u16,
    /// The datagram's own number; in UDP_ACK that of the datagram it acknowledges.
    pub seq: Option<Seq>,
    /// See [`crate::check_code`].
    pub check_code: u16,
}

/// The header of a datagram from the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ServerHeader {
    /// 0, or in the replies to LOGIN and NEW_UIN the capabilities that the server grants.
    pub reserved: u32,
    /// Whom it is for.
    pub uin: Uin,
    /// The session that it belongs to.
    pub session: SessionId,
    /// The number of the command, which may be unknown.
    pub command: u16,
    /// The datagram's own number; none for one that only acknowledges.
    pub seq: Option<Seq>,
    /// The client's datagram that it acknowledges.
    pub ackseq: Option<Seq>,
}

/// The fields that lie the same in both directions, and the last WORD.
fn decode(datagram: &[u8]) -> Result<(ServerHeader, u16, &[u8]), DecodeError> {
    let mut reader = Reader::new(datagram);
    let version = reader;
    if reader.word("version")? != VERSION {
        return Err(version.error(DecodeErrorKind::Version, "version"));
    }
    let header = ServerHeader {
        reserved: reader.dword("reserved")?,
        uin: Uin(reader.dword("uin")?),
        session: SessionId(reader.dword("sid")?),
        command: reader.word("cmd")?,
        seq: Seq::new(reader.word("seq")?),
        ackseq: None,
    };
    let last = reader.word("cc or ackseq")?;
    Ok((header, last, reader.rest()))
}

fn encode(header: &ServerHeader, last: u16, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    writer.word(VERSION)?;
    writer.dword(header.reserved)?;
    writer.dword(header.uin.0)?;
    writer.dword(header.session.0)?;
    writer.word(header.command)?;
    writer.word(Seq::number_or_zero(header.seq))?;
    writer.word(last)
}

impl ClientHeader {
    /// Splits a datagram into its header and its body, which may be enciphered.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`] or [`DecodeErrorKind::Version`].
    pub fn decode(datagram: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (ServerHeader { reserved, uin, session, command, seq, .. }, check_code, body) = decode(datagram)?;
        Ok((Self { reserved, uin, session, command, seq, check_code }, body))
    }

    /// Writes the 20 bytes.
    ///
    /// # Errors
    /// [`EncodeError::Full`].
    pub fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        let Self { reserved, uin, session, command, seq, check_code } = *self;
        encode(&ServerHeader { reserved, uin, session, command, seq, ackseq: None }, check_code, writer)
    }

    /// The command, if a client has one of this number.
    pub fn known_command(&self) -> Option<Command> {
        Command::from_number(self.command).filter(|command| command.request().is_some())
    }
}

impl ServerHeader {
    /// Splits a datagram into its header and its body.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`] or [`DecodeErrorKind::Version`].
    pub fn decode(datagram: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (header, ackseq, body) = decode(datagram)?;
        Ok((Self { ackseq: Seq::new(ackseq), ..header }, body))
    }

    /// Writes the 20 bytes.
    ///
    /// # Errors
    /// [`EncodeError::Full`].
    pub fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        encode(self, Seq::number_or_zero(self.ackseq), writer)
    }

    /// The command, if a server has one of this number.
    pub fn known_command(&self) -> Option<Command> {
        Command::from_number(self.command).filter(|command| command.is_reply())
    }
}
