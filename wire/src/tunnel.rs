//! Datagrams in a TCP stream, each behind its length in a WORD (docs/protocol.md, TCP tunnel), and the [`Framer`] that
//! finds them again. Direct sessions ([`crate::peer`]) frame their packets the same way.
//!
//! COMPAT: a client of 2003 behind an HTTP proxy opens such a stream with CONNECT to the server's port 443.

use alloc::vec::Vec;

use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::header::{HEADER_LEN, MAX_DATAGRAM};
use crate::reader::Reader;
use crate::writer::Writer;

/// Bytes of the length before each frame. It does not count itself.
pub const PREFIX_LEN: usize = 2;

/// A framer for the datagrams of a tunnel, either way.
pub fn datagrams() -> Framer {
    Framer::new(HEADER_LEN, MAX_DATAGRAM)
}

/// Writes a datagram with its length before it.
///
/// # Errors
/// [`EncodeError::TooLong`] over [`MAX_DATAGRAM`] bytes, [`EncodeError::Full`].
pub fn write(datagram: &[u8], writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    writer.word(prefix(datagram.len(), MAX_DATAGRAM)?)?;
    writer.bytes(datagram)
}

/// The length before a frame of `len` bytes.
pub(crate) fn prefix(len: usize, max: usize) -> Result<u16, EncodeError> {
    u16::try_from(len).ok().filter(|_| len <= max).ok_or(EncodeError::TooLong)
}

/// Finds the frames in a stream that arrives in pieces of any size.
///
/// It takes from its input what belongs to the present frame and not a byte more, so that it never holds more than
/// one frame of the longest kind. Memory is taken as the bytes arrive: a length alone costs nothing.
///
/// ```
/// # use myicq_wire::{HEADER_LEN, tunnel};
/// let datagram = [1; HEADER_LEN];
/// let stream = [&[0, 20], &datagram[..], &[0, 20], &datagram[..], &[0]].concat();
/// let mut framer = tunnel::datagrams();
/// let (mut input, mut found) = (&stream[..], 0);
/// while let Some(frame) = framer.next_frame(&mut input)? {
///     assert_eq!(frame, datagram);
///     found += 1;
/// }
/// assert!(found == 2 && input.is_empty());
/// # Ok::<(), myicq_wire::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct Framer {
    min: usize,
    max: usize,
    /// The frame with its prefix, as far as it has come; whole only between a call and the next.
    held: Vec<u8>,
}

impl Framer {
    /// For frames of `min` to `max` bytes, not counting the length before them.
    pub fn new(min: usize, max: usize) -> Self {
        Self { min, max, held: Vec::new() }
    }

    /// Takes bytes off the front of `input`. `None` says that all of them were taken and the frame goes on: call again
    /// with what comes next. A frame may be followed by another one, so call until then.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`] or [`DecodeErrorKind::TooLong`] for a length outside the limits. Where
    /// the next frame begins is unknown from there on: every later call fails in the same way, and the stream should be
    /// closed.
    pub fn next_frame(&mut self, input: &mut &[u8]) -> Result<Option<&[u8]>, DecodeError> {
        if self.wanted()? == Some(0) {
            self.held.clear();
        }
        loop {
            // Without a whole prefix one byte is certain to belong to this frame.
            let wanted = self.wanted()?;
            if wanted == Some(0) {
                return Ok(self.held.get(PREFIX_LEN..));
            }
            let (taken, rest) = input.split_at(wanted.unwrap_or(1).min(input.len()));
            if taken.is_empty() {
                return Ok(None);
            }
            self.held.extend_from_slice(taken);
            *input = rest;
        }
    }

    /// The frame that the last call of [`next_frame`](Framer::next_frame) returned, until the next call.
    pub fn held_frame(&self) -> Option<&[u8]> {
        (self.wanted() == Ok(Some(0))).then(|| self.held.get(PREFIX_LEN..)).flatten()
    }

    /// Whether a frame has begun to come and is not whole.
    pub fn is_within_frame(&self) -> bool {
        !self.held.is_empty() && self.wanted() != Ok(Some(0))
    }

    /// How many bytes are missing, once the length has come.
    fn wanted(&self) -> Result<Option<usize>, DecodeError> {
        let mut reader = Reader::new(&self.held);
        let Ok(length) = reader.word("length").map(usize::from) else { return Ok(None) };
        let error = |kind| DecodeError { kind, what: "length", at: 0 };
        if length < self.min {
            return Err(error(DecodeErrorKind::TooShort));
        }
        if length > self.max {
            return Err(error(DecodeErrorKind::TooLong));
        }
        Ok(Some(length.saturating_sub(reader.rest().len())))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_at_the_limits_and_beyond() {
        let frame = |length: u16| {
            let stream = [&length.to_be_bytes()[..], &vec![7; usize::from(length)]].concat();
            let mut framer = datagrams();
            let first = framer.next_frame(&mut &stream[..]).map(|frame| frame.map(<[u8]>::len));
            (first, framer.next_frame(&mut &[][..]).is_err())
        };
        let refused = |kind| (Err(DecodeError { kind, what: "length", at: 0 }), true);
        assert_eq!(frame(0), refused(DecodeErrorKind::TooShort));
        assert_eq!(frame(19), refused(DecodeErrorKind::TooShort));
        assert_eq!(frame(20), (Ok(Some(20)), false));
        assert_eq!(frame(4_096), (Ok(Some(4_096)), false));
        assert_eq!(frame(4_097), refused(DecodeErrorKind::TooLong));
        assert_eq!(frame(65_535), refused(DecodeErrorKind::TooLong));
    }

    #[test]
    fn a_frame_may_be_empty_where_that_is_allowed() {
        let mut framer = Framer::new(0, 1);
        let mut input = &b"\0\0\0\0\0\x01x"[..];
        for expected in [Some(&b""[..]), Some(b""), Some(b"x"), None, None] {
            assert_eq!(framer.next_frame(&mut input), Ok(expected));
        }
    }

    #[test]
    fn only_so_long_a_datagram_is_written() {
        let mut buffer = vec![0xAA; 4_200];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(write(&[1; 4_097], &mut writer), Err(EncodeError::TooLong));
        assert_eq!(write(&[1; 4_096], &mut writer), Ok(()));
        assert_eq!(writer.len(), 4_098);
        assert_eq!(buffer[..3], [0x10, 0, 1]);
    }

    proptest! {
        #[test]
        fn frames_come_out_whole_however_the_stream_is_cut(
            frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 3..40), 0..12),
            pieces in proptest::collection::vec(1_usize..50, 1..20),
        ) {
            let length = |frame: &Vec<u8>| u16::try_from(frame.len()).unwrap().to_be_bytes();
            let stream: Vec<u8> = frames.iter().flat_map(|frame| [&length(frame)[..], frame].concat()).collect();
            let mut framer = Framer::new(3, 39);
            let (mut rest, mut found) = (&stream[..], Vec::new());
            for piece in pieces.iter().cycle() {
                let (mut piece, later) = rest.split_at((*piece).min(rest.len()));
                while let Some(frame) = framer.next_frame(&mut piece).unwrap() {
                    found.push(frame.to_vec());
                }
                prop_assert!(piece.is_empty());
                prop_assert!(framer.held.len() <= PREFIX_LEN + 39);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, frames);
        }
    }
}
