//! Passwords, which are shown nowhere and wiped from memory after use.

use std::fmt;

use myicq_wire::MAX_PASSWORD_LEN;
use zeroize::Zeroizing;

use crate::error::Misuse;

/// A password as it goes to the server. The first 8 bytes are at the same time the key of the cipher.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Takes the bytes as they are, UTF-8 for text.
    ///
    /// # Errors
    /// [`Misuse::EmptyPassword`], [`Misuse::Nul`], and [`Misuse::FieldTooLong`] over [`MAX_PASSWORD_LEN`] bytes.
    pub fn new(password: impl AsRef<[u8]>) -> Result<Self, Misuse> {
        let bytes = password.as_ref();
        let len = bytes.len();
        if len == 0 {
            return Err(Misuse::EmptyPassword);
        }
        if len > MAX_PASSWORD_LEN {
            return Err(Misuse::FieldTooLong { field: "password", len, max: MAX_PASSWORD_LEN });
        }
        if bytes.contains(&0) {
            return Err(Misuse::Nul("password"));
        }
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_limited_and_the_content_hidden() {
        assert_eq!(Password::new(""), Err(Misuse::EmptyPassword));
        assert_eq!(Password::new("a\0b"), Err(Misuse::Nul("password")));
        assert!(Password::new([b'a'; MAX_PASSWORD_LEN]).is_ok());
        assert!(matches!(Password::new([b'a'; MAX_PASSWORD_LEN + 1]), Err(Misuse::FieldTooLong { len: 129, .. })));
        assert!(!format!("{:?}", Password::new("hunter2")).contains("hunter"));
    }
}
