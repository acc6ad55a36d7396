//! A cursor over received bytes. Every read is checked; nothing is copied.

use byteorder::{BigEndian, ByteOrder};

use crate::error::{DecodeError, DecodeErrorKind};

/// Reads BYTE, WORD, DWORD and STRING from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes have been read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The error of this `kind` for the field that begins here.
    pub fn error(&self, kind: DecodeErrorKind, what: &'static str) -> DecodeError {
        DecodeError { kind, what, at: self.at }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`]; nothing has been read then.
    pub fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let taken = self.rest().get(..count).ok_or(self.error(DecodeErrorKind::TooShort, what))?;
        self.at += count;
        Ok(taken)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`].
    pub fn byte(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        let [byte] = *self.take(1, what)? else { return Err(self.error(DecodeErrorKind::TooShort, what)) };
        Ok(byte)
    }

    /// Two bytes, the higher first.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`].
    pub fn word(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        self.take(2, what).map(BigEndian::read_u16)
    }

    /// Four bytes, the highest first.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`].
    pub fn dword(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.take(4, what).map(BigEndian::read_u32)
    }

    /// Eight bytes, the highest first.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`].
    pub fn qword(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        self.take(8, what).map(BigEndian::read_u64)
    }

    /// A STRING: a WORD that counts the bytes and their NUL, the bytes, the NUL. A count of 0 is the empty string.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`], [`DecodeErrorKind::StringLength`] or [`DecodeErrorKind::StringNul`].
    pub fn string(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let start = *self;
        let length = usize::from(self.word(what)?);
        if length == 0 {
            return Ok(&[]);
        }
        let bytes = self.take(length, what).map_err(|_| start.error(DecodeErrorKind::StringLength, what))?;
        match bytes.split_last() {
            Some((0, text)) if !text.contains(&0) => Ok(text),
            _ => Err(start.error(DecodeErrorKind::StringNul, what)),
        }
    }

    /// Whether only the zeros that fill up a cipher block are left.
    pub fn only_padding_left(&self) -> bool {
        let rest = self.rest();
        rest.len() < 8 && rest.iter().all(|&byte| byte == 0)
    }

    /// Ends the reading of a client's body, which may be padded to a cipher block and may hold nothing else.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Trailing`].
    pub fn finish(&self, what: &'static str) -> Result<(), DecodeError> {
        if self.only_padding_left() { Ok(()) } else { Err(self.error(DecodeErrorKind::Trailing, what)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_that_lie_are_refused_where_they_begin() {
        let read = |bytes: &'static [u8]| Reader::new(bytes).string("text").map_err(|error| error.kind);
        assert_eq!(read(b"\0\x03hi\0"), Ok(&b"hi"[..]));
        assert_eq!(read(b"\0\0"), Ok(&b""[..]));
        assert_eq!(read(b"\0\x01\0"), Ok(&b""[..]));
        assert_eq!(read(b"\0"), Err(DecodeErrorKind::TooShort));
        assert_eq!(read(b"\0\x04hi\0"), Err(DecodeErrorKind::StringLength));
        assert_eq!(read(b"\xff\xffhi\0"), Err(DecodeErrorKind::StringLength));
        assert_eq!(read(b"\0\x02hi\0"), Err(DecodeErrorKind::StringNul));
        assert_eq!(read(b"\0\x04h\0i\0"), Err(DecodeErrorKind::StringNul));
    }

    #[test]
    fn seven_zeros_are_padding_and_eight_are_not() {
        assert_eq!(Reader::new(&[0; 7]).finish("body"), Ok(()));
        assert!(Reader::new(&[0; 8]).finish("body").is_err());
        assert!(Reader::new(&[0, 1]).finish("body").is_err());
    }
}
