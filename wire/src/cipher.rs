//! DES with the password as its key: how client bodies are enciphered (docs/protocol.md, encryption).
//!
//! What it is worth: nothing against anyone who listens and means it. The key has 56 bits at the very most, and in
//! truth the few of a password's first eight characters (`hunter2b` and `hunter2c` are even the same key, for the
//! lowest bit of each byte is ignored); LOGIN sends that password in the clear; ECB shows which blocks are equal; and
//! nothing is authenticated. It is here because the clients of 2003 speak nothing else. CBC hides equal blocks, no
//! more.
//!
//! The clients of 2003 moreover left out the initial and the final permutation of DES: [`CipherForm::Original`]. The
//! rounds alone are therefore ours (`rounds`); the `des` and `cbc` crates do the rest.

use core::fmt;

use cbc::{Decryptor, Encryptor};
use des::Des;
use des::cipher::{Array, Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt};
use des::cipher::{InnerIvInit, KeyInit};
use zeroize::ZeroizeOnDrop;

use self::rounds::Rounds;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::ids::SessionId;

mod rounds;
mod tables;

/// The length of a cipher block in bytes.
pub const BLOCK_LEN: usize = 8;

/// What a body of `len` bytes is filled up to with zeros before it is enciphered: nothing is added to whole blocks.
pub const fn padded_len(len: usize) -> usize {
    // Saturating: there is no slice within 7 bytes of the whole address space.
    len.saturating_add(BLOCK_LEN - 1) / BLOCK_LEN * BLOCK_LEN
}

/// How blocks are made of a body. The server finds out which of the first two a session uses by what decodes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum CipherForm {
    /// COMPAT: the clients of 2003. Each block by itself (ECB), without the two outer permutations of DES.
    Original,
    /// A client written from the document of 2004, which says "DES" and no more: textbook DES, each block by itself.
    Textbook,
    /// Textbook DES, chained (CBC): the capability [`CBC`](crate::Capabilities::CBC).
    Cbc,
}

/// What makes the chains of [`CipherForm::Cbc`] differ; the other forms do not use it. It is enciphered to become the
/// first link.
///
/// A datagram that is sent again has the same one, and the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Iv {
    /// The session.
    pub session: SessionId,
    /// The command as the header has it.
    pub command: u16,
    /// The datagram's own sequence number, 0 for none.
    pub seq: u16,
}

impl Iv {
    /// The one for a server's body ([`SEALED`](crate::Capabilities::SEALED)), so that no chain starts alike in both
    /// directions.
    #[must_use]
    pub const fn sealed(self) -> Self {
        Self { command: self.command | 0x8000, ..self }
    }

    fn block(self) -> u64 {
        u64::from(self.session.0) << 32 | u64::from(self.command) << 16 | u64::from(self.seq)
    }
}

/// The key of a session, made once of the password that the session logged in with. Wiped when dropped.
///
/// 8 bytes in each session. What the rounds add is made anew for each body: it is sixteen times as long, and among many sessions it costs
/// less to make it than to wait until it has come from memory.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Key([u8; BLOCK_LEN]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

impl Key {
    /// The key of a password: its first 8 bytes, filled up with zeros, parity bits ignored.
    pub fn new(password: &[u8]) -> Self {
        let mut bytes = [0; BLOCK_LEN];
        bytes.iter_mut().zip(password).for_each(|(byte, &from)| *byte = from);
        Self(bytes)
    }

    /// All that the key is made of: [`Key::new`] makes the same key of it. As secret as the password, for whoever keeps a session.
    pub fn bytes(&self) -> &[u8; BLOCK_LEN] {
        &self.0
    }

    /// Enciphers whole blocks in place.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Blocks`] for a length that is not a multiple of 8: see [`padded_len`]. Nothing has
    /// changed then.
    pub fn encipher(&self, form: CipherForm, iv: Iv, body: &mut [u8]) -> Result<(), DecodeError> {
        let blocks = whole_blocks(body)?;
        match form {
            CipherForm::Original => Rounds::new(&self.0).encipher(blocks),
            CipherForm::Textbook => self.textbook().encrypt_blocks(blocks),
            CipherForm::Cbc => {
                let des = self.textbook();
                Encryptor::inner_iv_init(&des, &first_link(&des, iv)).encrypt_blocks(blocks);
            }
        }
        Ok(())
    }

    /// Deciphers whole blocks in place. A wrong key is not noticed here but by the check code.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Blocks`] for a length that is not a multiple of 8. Nothing has changed then.
    pub fn decipher(&self, form: CipherForm, iv: Iv, body: &mut [u8]) -> Result<(), DecodeError> {
        let blocks = whole_blocks(body)?;
        match form {
            CipherForm::Original => Rounds::new(&self.0).decipher(blocks),
            CipherForm::Textbook => self.textbook().decrypt_blocks(blocks),
            CipherForm::Cbc => {
                let des = self.textbook();
                Decryptor::inner_iv_init(&des, &first_link(&des, iv)).decrypt_blocks(blocks);
            }
        }
        Ok(())
    }

    /// Wipes itself when dropped, too.
    fn textbook(&self) -> Des {
        Des::new((&self.0).into())
    }
}

fn first_link(des: &Des, iv: Iv) -> Block<Des> {
    let mut block = iv.block().to_be_bytes().into();
    des.encrypt_block(&mut block);
    block
}

fn whole_blocks(body: &mut [u8]) -> Result<&mut [Block<Des>], DecodeError> {
    match Array::slice_as_chunks_mut(body) {
        (blocks, []) => Ok(blocks),
        _ => Err(DecodeError { kind: DecodeErrorKind::Blocks, what: "body", at: 0 }),
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const FORMS: [CipherForm; 3] = [CipherForm::Original, CipherForm::Textbook, CipherForm::Cbc];
    const IV: Iv = Iv { session: SessionId(0x2b4f_79d4), command: 0x000b, seq: 14_800 };

    fn block(password: &[u8], form: CipherForm, plain: &str) -> alloc::string::String {
        let mut block = hex::decode(plain).unwrap();
        Key::new(password).encipher(form, IV, &mut block).unwrap();
        hex::encode(block)
    }

    fn permute(block: &mut Block<Des>, permutation: fn(u64) -> u64) {
        block.0 = permutation(u64::from_be_bytes(block.0)).to_be_bytes();
    }

    /// The initial permutation of DES. Seen as 8 × 8 bits, it reads the columns from the bottom up, the even ones first.
    fn initial_permutation(block: u64) -> u64 {
        let [a, b, c, d, e, f, g, h] = transposed(block.swap_bytes()).to_be_bytes();
        u64::from_be_bytes([b, d, f, h, a, c, e, g])
    }

    /// The final permutation of DES, the inverse of the initial one.
    fn final_permutation(block: u64) -> u64 {
        let [b, d, f, h, a, c, e, g] = block.to_be_bytes();
        transposed(u64::from_be_bytes([a, b, c, d, e, f, g, h])).swap_bytes()
    }

    /// Rows become columns: first within squares of 2 × 2 bits, then the squares within those of 4 × 4, then these.
    fn transposed(mut bits: u64) -> u64 {
        for (distance, corner) in [(7, 0x00AA_00AA_00AA_00AA), (14, 0x0000_CCCC_0000_CCCC), (28, 0x0000_0000_F0F0_F0F0)]
        {
            let difference = (bits ^ bits >> distance) & corner;
            bits ^= difference | difference << distance;
        }
        bits
    }

    #[test]
    fn known_answers_of_both_block_functions() {
        let plain = hex::encode("12345678");
        assert_eq!(block(b"hunter2", CipherForm::Original, &plain), "a767aff14ad1aea1");
        assert_eq!(block(b"hunter2", CipherForm::Textbook, &plain), "7caa11e4d1509d38");
    }

    #[test]
    fn a_captured_body_of_a_client_of_2003() {
        let mut body = hex::decode("1399803c68183fea").unwrap();
        Key::new(b"hunter2").decipher(CipherForm::Original, IV, &mut body).unwrap();
        assert_eq!(hex::encode(body), "770d36cc00000000");
    }

    /// Our rounds with the outer permutations around them, which is textbook DES.
    fn completed(key: &[u8; BLOCK_LEN], blocks: &mut [Block<Des>], rounds: fn(&Rounds, &mut [Block<Des>])) {
        blocks.iter_mut().for_each(|block| permute(block, initial_permutation));
        rounds(&Rounds::new(key), blocks);
        blocks.iter_mut().for_each(|block| permute(block, final_permutation));
    }

    #[test]
    fn published_answers_of_textbook_des() {
        // Key, plain block, enciphered block; the first four from NBS Special Publication 500-20, the fifth from FIPS
        // 81, the last the worked example of most textbooks.
        for (key, plain, enciphered) in [
            ("0101010101010101", "8000000000000000", "95f8a5e5dd31d900"),
            ("0101010101010101", "95f8a5e5dd31d900", "8000000000000000"),
            ("8001010101010101", "0000000000000000", "95a8d72813daa94d"),
            ("7ca110454a1a6e57", "01a1d6d039776742", "690f5b0d9a26939b"),
            ("0123456789abcdef", "4e6f772069732074", "3fa40e8a984d4815"),
            ("133457799bbcdff1", "0123456789abcdef", "85e813540f0ab405"),
        ] {
            let key: [u8; 8] = hex::decode(key).unwrap().try_into().unwrap();
            assert_eq!(block(&key, CipherForm::Textbook, plain), enciphered, "{plain}");

            let mut ours = [Array(hex::decode(plain).unwrap().try_into().unwrap())];
            completed(&key, &mut ours, Rounds::encipher);
            assert_eq!(hex::encode(ours[0]), enciphered, "{plain}");
            completed(&key, &mut ours, Rounds::decipher);
            assert_eq!(hex::encode(ours[0]), plain);
        }
    }

    #[test]
    fn the_permutations_move_each_bit_where_the_standard_says() {
        // FIPS 46-3 numbers bits from 1 at the highest; the first row of its table reads bits 58, 50, 42 … 2.
        let bit = |number: u32| 1_u64 << (64 - number);
        for (to, from) in [(1, 58), (2, 50), (8, 2), (9, 60), (33, 57), (40, 1), (58, 55), (63, 15), (64, 7)] {
            assert_eq!(initial_permutation(bit(from)), bit(to));
        }
        for number in 1..=64 {
            assert_eq!(final_permutation(initial_permutation(bit(number))), bit(number));
        }
    }

    #[test]
    fn chaining_starts_with_the_enciphered_header_fields() {
        let key = Key::new(b"hunter2");
        let mut header = hex::decode("2b4f79d4000b39d0").unwrap();
        key.encipher(CipherForm::Textbook, IV, &mut header).unwrap();
        // E(0 ^ link), so enciphering the link itself gives the first block.
        let mut chained = [0; 16];
        key.encipher(CipherForm::Cbc, IV, &mut chained).unwrap();
        let mut expected = header;
        for half in chained.chunks(8) {
            key.encipher(CipherForm::Textbook, IV, &mut expected).unwrap();
            assert_eq!(half, expected);
        }
        let mut sealed = [0; 16];
        key.encipher(CipherForm::Cbc, IV.sealed(), &mut sealed).unwrap();
        assert_ne!(sealed, chained);
        assert_eq!(IV.sealed().command, 0x800b);
    }

    #[test]
    fn the_key_is_eight_bytes_without_their_parity_bits() {
        let of = |password: &[u8]| block(password, CipherForm::Original, "0011223344556677");
        assert_eq!(of(b"password"), of(b"password, and what follows"));
        assert_eq!(of(b"abc"), of(b"abc\0\0\0\0\0"));
        assert_eq!(of(b"hunter2b"), of(b"hunter2c"));
        assert_ne!(of(b"hunter2b"), of(b"hunter2d"));
        assert_eq!(of(b""), of(&[1; 8]));
    }

    #[test]
    fn only_whole_blocks_are_taken() {
        let key = Key::new(b"hunter2");
        let mut body = [7; 25];
        for len in 0..=25 {
            let whole = len % 8 == 0;
            assert_eq!(key.encipher(CipherForm::Cbc, IV, &mut body[..len]).is_ok(), whole, "{len}");
            let result = key.decipher(CipherForm::Cbc, IV, &mut body[..len]);
            assert_eq!(result.is_ok(), whole);
            assert!(result.is_ok() || result.unwrap_err().kind == DecodeErrorKind::Blocks);
            assert_eq!(body, [7; 25], "what is refused stays as it is");
        }
        assert_eq!([0, 1, 7, 8, 9, 4_096].map(padded_len), [0, 8, 8, 8, 16, 4_096]);
    }

    #[test]
    fn a_session_holds_few_bytes_of_key() {
        assert_eq!(size_of::<Key>(), 8);
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        assert_eq!(format!("{:?}", Key::new(b"hunter2")), "Key(hidden)");
    }

    proptest! {
        #[test]
        fn our_rounds_are_those_of_des(
            key in any::<[u8; BLOCK_LEN]>(),
            plain in proptest::collection::vec(any::<[u8; BLOCK_LEN]>().prop_map(Array), 1..=64),
        ) {
            let des = Des::new(&key.into());
            let (mut ours, mut theirs) = (plain.clone(), plain.clone());
            completed(&key, &mut ours, Rounds::encipher);
            des.encrypt_blocks(&mut theirs);
            prop_assert_eq!(&ours, &theirs);

            completed(&key, &mut ours, Rounds::decipher);
            prop_assert_eq!(&ours, &plain);
            completed(&key, &mut ours, Rounds::decipher);
            theirs.clone_from(&plain);
            des.decrypt_blocks(&mut theirs);
            prop_assert_eq!(&ours, &theirs);
        }

        #[test]
        fn equal_blocks_come_out_equal_in_every_lane(block in any::<[u8; BLOCK_LEN]>(), blocks in 1..=64_usize) {
            let (key, mut alone) = (Key::new(b"hunter2"), block);
            key.encipher(CipherForm::Original, IV, &mut alone).unwrap();
            let mut body = block.repeat(blocks);
            key.encipher(CipherForm::Original, IV, &mut body).unwrap();
            prop_assert_eq!(body, alone.repeat(blocks));
        }

        #[test]
        fn what_is_enciphered_can_be_deciphered(
            password in proptest::collection::vec(any::<u8>(), 0..12),
            blocks in proptest::collection::vec(any::<[u8; 8]>(), 0..60),
            (session, command, seq) in any::<(u32, u16, u16)>(),
        ) {
            let key = Key::new(&password);
            let iv = Iv { session: SessionId(session), command, seq };
            let plain: Vec<u8> = blocks.concat();
            for form in FORMS {
                let mut body = plain.clone();
                key.encipher(form, iv, &mut body).unwrap();
                key.decipher(form, iv, &mut body).unwrap();
                prop_assert_eq!(&body, &plain);
            }
        }
    }
}
