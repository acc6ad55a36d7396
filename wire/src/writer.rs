//! A cursor that fills the caller's buffer.

use crate::error::EncodeError;

/// Writes BYTE, WORD, DWORD and STRING to the front of a slice.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    /// A cursor at the start of `buffer`, whose old content does not matter.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, at: 0 }
    }

    /// How many bytes have been written.
    pub fn len(&self) -> usize {
        self.at
    }

    /// Whether nothing has been written yet.
    pub fn is_empty(&self) -> bool {
        self.at == 0
    }

    /// Appends `bytes` as they are.
    ///
    /// # Errors
    /// [`EncodeError::Full`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let full = EncodeError::Full(self.buffer.len());
        let end = self.at.checked_add(bytes.len()).ok_or(full)?;
        self.buffer.get_mut(self.at..end).ok_or(full)?.copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    /// One byte.
    ///
    /// # Errors
    /// [`EncodeError::Full`].
    pub fn byte(&mut self, value: u8) -> Result<(), EncodeError> {
        self.bytes(&[value])
    }

    /// Two bytes, the higher first.
    ///
    /// # Errors
    /// [`EncodeError::Full`].
    pub fn word(&mut self, value: u16) -> Result<(), EncodeError> {
        self.bytes(&value.to_be_bytes())
    }

    /// Four bytes, the highest first.
    ///
    /// # Errors
    /// [`EncodeError::Full`].
    pub fn dword(&mut self, value: u32) -> Result<(), EncodeError> {
        self.bytes(&value.to_be_bytes())
    }

    /// Eight bytes, the highest first.
    ///
    /// # Errors
    /// [`EncodeError::Full`].
    pub fn qword(&mut self, value: u64) -> Result<(), EncodeError> {
        self.bytes(&value.to_be_bytes())
    }

    /// A STRING: its length with the NUL, the bytes, the NUL.
    ///
    /// # Errors
    /// [`EncodeError::Full`], [`EncodeError::TooLong`] over 65,534 bytes, [`EncodeError::Nul`].
    pub fn string(&mut self, text: &[u8]) -> Result<(), EncodeError> {
        let length = text.len().checked_add(1).and_then(|length| u16::try_from(length).ok());
        let length = length.ok_or(EncodeError::TooLong)?;
        if text.contains(&0) {
            return Err(EncodeError::Nul);
        }
        self.word(length)?;
        self.bytes(text)?;
        self.byte(0)
    }
}
