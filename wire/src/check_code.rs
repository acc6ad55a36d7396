//! The check code: one byte of the plain body, and where it stands (docs/protocol.md, check code).
//!
//! It tells the receiver that it deciphered with the right key. Once in 256 wrong keys it is mistaken, and it says
//! nothing about a change of any other byte: it is no authentication.

/// The code of a plain, unpadded body. `random` chooses the position among the first 256 bytes. An empty body has the
/// code 0.
pub fn check_code(body: &[u8], random: u8) -> u16 {
    let index = match body.len() {
        0 => return 0,
        // Every u8 is a position within the first 256 bytes.
        256.. => random,
        len => u8::try_from(usize::from(random) % len).unwrap_or(0),
    };
    u16::from_be_bytes([index, body.get(usize::from(index)).copied().unwrap_or(0)])
}

/// Whether `code` fits a plain body, which may still have the padding of the cipher. The position must lie inside, and
/// an empty body has no code but 0.
pub fn check(body: &[u8], code: u16) -> bool {
    let [index, value] = code.to_be_bytes();
    body.get(usize::from(index)).map_or(body.is_empty() && code == 0, |&byte| byte == value)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn of_all_codes_exactly_one_for_each_position_fits() {
        let body = b"\x0b\0\0\0\x27\x11\0\x03hi\0";
        for code in 0..=u16::MAX {
            let [index, value] = code.to_be_bytes();
            assert_eq!(check(body, code), body.get(usize::from(index)) == Some(&value), "{code:#06x}");
        }
    }

    #[test]
    fn an_empty_body_has_the_code_zero_alone() {
        assert_eq!(check_code(&[], 77), 0);
        assert!(check(&[], 0));
        assert!((1..=u16::MAX).all(|code| !check(&[], code)));
    }

    #[test]
    fn what_is_made_fits_whatever_the_length_and_the_random_number() {
        for len in [1, 2, 7, 255, 256, 257, 4_096] {
            let body: Vec<u8> = (0..len).map(|at: usize| at.to_be_bytes()[7] ^ 0x5a).collect();
            for random in 0..=255 {
                let code = check_code(&body, random);
                assert!(check(&body, code), "{len} {random}");
                assert!(usize::from(code >> 8) < len);
            }
        }
    }

    #[test]
    fn captured_codes_fit() {
        // Of a client of 2003: KEEPALIVE, and ADD_FRIEND with the padding of its block.
        assert!(check(b"\x77\x0d\x36\xcc", 0x010d));
        assert!(check(b"\0\0\x27\x12\0\0\0\0", 0x0312));
        assert!(!check(b"\0\0\x27\x12", 0x0400), "the position lies behind the end");
    }
}
