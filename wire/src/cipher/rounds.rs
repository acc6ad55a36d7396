//! The sixteen rounds of DES, over several blocks at once.

use des::Des;
use des::cipher::Block;
use zeroize::ZeroizeOnDrop;

use super::BLOCK_LEN;
use super::tables::{RoundKeys, SUBSTITUTES, narrowed, round_keys, widened};

/// What the rounds of one key add, 128 bytes. Wiped when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub(super) struct Rounds(RoundKeys);

impl Rounds {
    /// Of 8 bytes, whose lowest bits are ignored.
    pub(super) fn new(key: &[u8; BLOCK_LEN]) -> Self {
        Self(round_keys(key))
    }

    /// Enciphers each block by itself.
    pub(super) fn encipher(&self, blocks: &mut [Block<Des>]) {
        each(blocks, self.0.iter().copied());
    }

    /// Deciphers each block by itself: the same rounds, the last one's key first.
    pub(super) fn decipher(&self, blocks: &mut [Block<Des>]) {
        each(blocks, self.0.iter().rev().map(|&[first, second]| [second, first]));
    }
}

/// A block alone waits in every round for what the tables answer. With four in lock-step there is nearly always one that
/// can go on.
fn each(blocks: &mut [Block<Des>], keys: impl Iterator<Item = [u64; 2]> + Clone) {
    let rest = by_lanes::<4>(blocks, keys.clone());
    let rest = by_lanes::<3>(rest, keys.clone());
    let rest = by_lanes::<2>(rest, keys.clone());
    by_lanes::<1>(rest, keys);
}

/// Works on as many blocks as are multiples of `LANES`, and gives back the others.
fn by_lanes<const LANES: usize>(
    blocks: &mut [Block<Des>],
    keys: impl Iterator<Item = [u64; 2]> + Clone,
) -> &mut [Block<Des>] {
    let mut groups = blocks.chunks_exact_mut(LANES);
    for group in &mut groups {
        let (mut left, mut right) = ([0; LANES], [0; LANES]);
        for ((left, right), block) in left.iter_mut().zip(&mut right).zip(&*group) {
            let [a, b, c, d, e, f, g, h] = block.0;
            *left = widened(u32::from_be_bytes([a, b, c, d]));
            *right = widened(u32::from_be_bytes([e, f, g, h]));
        }
        for [first, second] in keys.clone() {
            left.iter_mut().zip(&right).for_each(|(left, &right)| *left ^= substituted(right ^ first));
            right.iter_mut().zip(&left).for_each(|(right, &left)| *right ^= substituted(left ^ second));
        }
        for ((left, right), block) in left.into_iter().zip(right).zip(group) {
            // The halves change places once more at the end, so that the same rounds undo it.
            block.0 = (u64::from(narrowed(right)) << 32 | u64::from(narrowed(left))).to_be_bytes();
        }
    }
    groups.into_remainder()
}

/// What the S-boxes and P make of a half that the round's key has been added to.
#[expect(clippy::indexing_slicing, reason = "six bits are less than the 64 entries of each table")]
#[inline]
fn substituted(half: u64) -> u64 {
    let [a, b, c, d, e, f, g, h] = half.to_le_bytes().map(|byte| usize::from(byte & 63));
    let [of_a, of_b, of_c, of_d, of_e, of_f, of_g, of_h] = &SUBSTITUTES;
    of_a[a] ^ of_b[b] ^ of_c[c] ^ of_d[d] ^ of_e[e] ^ of_f[f] ^ of_g[g] ^ of_h[h]
}
