//! Relays (docs/protocol.md, "RELAY"): a stream of bytes between two clients through the server, for files where no direct
//! connection is possible. The server gives each end a [`RelayPass`]; each connects by TCP and says its [`RelayHello`].

use core::fmt;

use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::field::{Field, record};
use crate::ids::{RefusalReason, Uin};
use crate::layout::{FieldLayout, Layout};
use crate::reader::Reader;
use crate::tunnel::PREFIX_LEN;
use crate::writer::Writer;

/// Bytes of a token.
pub const RELAY_TOKEN_LEN: usize = 16;

/// Bytes of a [`RelayHello`] behind its length.
const HELLO_BODY_LEN: u16 = 20;

/// Bytes of a [`RelayHello`], with its length.
pub const RELAY_HELLO_LEN: usize = PREFIX_LEN + 20;

/// The byte by which the server says that the other end is there, too. All that follows it is what that one says.
pub const RELAY_READY: u8 = 1;

/// What lets one end of a relay in, once. It is never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct RelayToken(pub [u8; RELAY_TOKEN_LEN]);

impl fmt::Debug for RelayToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for RelayToken {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(hidden)")
    }
}

impl<'a> Field<'a> for RelayToken {
    const LAYOUT: Layout = Layout::Bytes(RELAY_TOKEN_LEN);

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, DecodeError> {
        let start = *reader;
        let bytes = reader.take(RELAY_TOKEN_LEN, what)?;
        bytes.try_into().map(Self).map_err(|_| start.error(DecodeErrorKind::TooShort, what))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.bytes(&self.0)
    }
}

record! {
    /// UDP_RELAY from a client.
    RelayRequest {
        /// To whom.
        uin: Uin,
    }
}

record! {
    /// With what one end of a relay connects, and how far it carries.
    RelayPass {
        /// The TCP port at the server.
        port: u16,
        /// Which relay.
        number: u32,
        /// What lets this end in.
        token: RelayToken,
        /// Seconds in which both ends must be there.
        wait: u16,
        /// Bytes that it carries at most, both directions together.
        bytes: u64,
    }
}

impl RelayPass {
    /// What the end with this pass says first.
    pub const fn hello(&self) -> RelayHello {
        RelayHello { number: self.number, token: self.token }
    }
}

record! {
    /// UDP_SRV_RELAY.
    RelayOffered {
        /// Who has asked for it.
        from: Uin,
        /// With what to connect.
        pass: RelayPass,
    }
}

/// UDP_RELAY from the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum RelayReply {
    /// With what to connect. The other has his by now.
    Granted(RelayPass),
    /// There is no relay. Never 0.
    Refused(RefusalReason),
}

/// On the wire, in place of a reason.
const GRANTED: RefusalReason = RefusalReason(0);

impl<'a> Field<'a> for RelayReply {
    const LAYOUT: Layout = Layout::Fields(&[
        FieldLayout::always("reason", RefusalReason::LAYOUT),
        FieldLayout::when("pass", RelayPass::LAYOUT, "reason", &[GRANTED.0 as u32]),
    ]);

    fn read(reader: &mut Reader<'a>, what: &'static str) -> Result<Self, DecodeError> {
        match RefusalReason::read(reader, "reason")? {
            GRANTED => Field::read(reader, what).map(Self::Granted),
            reason => Ok(Self::Refused(reason)),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Granted(pass) => {
                GRANTED.write(writer)?;
                pass.write(writer)
            }
            Self::Refused(reason) => reason.write(writer),
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for RelayReply {
    fn arbitrary(source: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        match source.arbitrary()? {
            GRANTED => source.arbitrary().map(Self::Granted),
            reason => Ok(Self::Refused(reason)),
        }
    }
}

record! {
    /// The first that an end of a relay says, and all that it says before [`RELAY_READY`]: a WORD with the length of what follows, 20,
    /// and these.
    RelayHello {
        /// Which relay.
        number: u32,
        /// What lets this end in.
        token: RelayToken,
    }
}

impl RelayHello {
    /// Its bytes.
    pub fn encode(&self) -> [u8; RELAY_HELLO_LEN] {
        let mut bytes = [0; RELAY_HELLO_LEN];
        let mut writer = Writer::new(&mut bytes);
        let written = writer.word(HELLO_BODY_LEN).and_then(|()| self.write(&mut writer));
        debug_assert_eq!(written, Ok(()), "there is room for exactly this");
        bytes
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`], [`DecodeErrorKind::TooLong`]: its length is another one.
    pub fn decode(bytes: &[u8; RELAY_HELLO_LEN]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let start = reader;
        match reader.word("length")? {
            HELLO_BODY_LEN => Field::read(&mut reader, "hello"),
            length if length < HELLO_BODY_LEN => Err(start.error(DecodeErrorKind::TooShort, "length")),
            _ => Err(start.error(DecodeErrorKind::TooLong, "length")),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    const GOLDEN: [u8; RELAY_HELLO_LEN] = [
        0, 20, 0, 0, 1, 2, 0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE,
        0xFF,
    ];

    #[test]
    fn a_hello_is_its_length_its_relay_and_its_token() {
        let token = RelayToken(core::array::from_fn(|at| 0xF0 | u8::try_from(at).unwrap()));
        let hello = RelayHello { number: 0x0102, token };
        assert_eq!(hello.encode(), GOLDEN);
        assert_eq!(RelayHello::decode(&GOLDEN), Ok(hello));
        assert!(!format!("{hello:?}").contains("24"), "a token is not shown");
    }

    #[test]
    fn of_another_length_it_is_none() {
        for (length, kind) in [
            ([0, 0], DecodeErrorKind::TooShort),
            ([0, 19], DecodeErrorKind::TooShort),
            ([0, 21], DecodeErrorKind::TooLong),
            (*b"GE", DecodeErrorKind::TooLong),
        ] {
            let mut bytes = GOLDEN;
            bytes[..2].copy_from_slice(&length);
            assert_eq!(RelayHello::decode(&bytes).map_err(|error| error.kind), Err(kind));
        }
    }
}
