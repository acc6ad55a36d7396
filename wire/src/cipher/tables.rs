//! The tables of DES as FIPS 46-3 prints them, and what is made of them when this is compiled: what the rounds look up, and
//! what the round keys are put together of.

/// How many rounds a block goes through.
pub(super) const ROUNDS: usize = 16;

/// Permuted choice 1: which of the 64 bits of the key are used, and where. The eighth of each byte is parity.
const PC_1: [u8; 56] = [
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36, //
    63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
];

/// Permuted choice 2: which 48 of those 56 bits a round uses. Row by row, six for each S-box.
const PC_2: [[u8; 6]; 8] = [
    [14, 17, 11, 24, 1, 5],
    [3, 28, 15, 6, 21, 10],
    [23, 19, 12, 4, 26, 8],
    [16, 7, 27, 20, 13, 2],
    [41, 52, 31, 37, 47, 55],
    [30, 40, 51, 45, 33, 48],
    [44, 49, 39, 56, 34, 53],
    [46, 42, 50, 36, 29, 32],
];

/// How far both halves of the key turn to the left before each round, by twos like the round keys.
const KEY_TURNS: [[u32; 2]; ROUNDS / 2] = [[1, 1], [2, 2], [2, 2], [2, 2], [1, 2], [2, 2], [2, 2], [2, 1]];

/// The permutation behind the S-boxes.
const P: [u8; 32] = [
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, //
    2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
];

/// The S-boxes. The outer two of six bits choose the row, the inner four the column.
const S_BOXES: [[[u8; 16]; 4]; 8] = [
    [
        [14, 4, 13, 1, 2, 15, 11, 8, 3, 10, 6, 12, 5, 9, 0, 7],
        [0, 15, 7, 4, 14, 2, 13, 1, 10, 6, 12, 11, 9, 5, 3, 8],
        [4, 1, 14, 8, 13, 6, 2, 11, 15, 12, 9, 7, 3, 10, 5, 0],
        [15, 12, 8, 2, 4, 9, 1, 7, 5, 11, 3, 14, 10, 0, 6, 13],
    ],
    [
        [15, 1, 8, 14, 6, 11, 3, 4, 9, 7, 2, 13, 12, 0, 5, 10],
        [3, 13, 4, 7, 15, 2, 8, 14, 12, 0, 1, 10, 6, 9, 11, 5],
        [0, 14, 7, 11, 10, 4, 13, 1, 5, 8, 12, 6, 9, 3, 2, 15],
        [13, 8, 10, 1, 3, 15, 4, 2, 11, 6, 7, 12, 0, 5, 14, 9],
    ],
    [
        [10, 0, 9, 14, 6, 3, 15, 5, 1, 13, 12, 7, 11, 4, 2, 8],
        [13, 7, 0, 9, 3, 4, 6, 10, 2, 8, 5, 14, 12, 11, 15, 1],
        [13, 6, 4, 9, 8, 15, 3, 0, 11, 1, 2, 12, 5, 10, 14, 7],
        [1, 10, 13, 0, 6, 9, 8, 7, 4, 15, 14, 3, 11, 5, 2, 12],
    ],
    [
        [7, 13, 14, 3, 0, 6, 9, 10, 1, 2, 8, 5, 11, 12, 4, 15],
        [13, 8, 11, 5, 6, 15, 0, 3, 4, 7, 2, 12, 1, 10, 14, 9],
        [10, 6, 9, 0, 12, 11, 7, 13, 15, 1, 3, 14, 5, 2, 8, 4],
        [3, 15, 0, 6, 10, 1, 13, 8, 9, 4, 5, 11, 12, 7, 2, 14],
    ],
    [
        [2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9],
        [14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15, 10, 3, 9, 8, 6],
        [4, 2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14],
        [11, 8, 12, 7, 1, 14, 2, 13, 6, 15, 0, 9, 10, 4, 5, 3],
    ],
    [
        [12, 1, 10, 15, 9, 2, 6, 8, 0, 13, 3, 4, 14, 7, 5, 11],
        [10, 15, 4, 2, 7, 12, 9, 5, 6, 1, 13, 14, 0, 11, 3, 8],
        [9, 14, 15, 5, 2, 8, 12, 3, 7, 0, 4, 10, 1, 13, 11, 6],
        [4, 3, 2, 12, 9, 5, 15, 10, 11, 14, 1, 7, 6, 0, 8, 13],
    ],
    [
        [4, 11, 2, 14, 15, 0, 8, 13, 3, 12, 9, 7, 5, 10, 6, 1],
        [13, 0, 11, 7, 4, 9, 1, 10, 14, 3, 5, 12, 2, 15, 8, 6],
        [1, 4, 11, 13, 12, 3, 7, 14, 10, 15, 6, 8, 0, 5, 9, 2],
        [6, 11, 13, 8, 1, 4, 10, 7, 9, 5, 0, 15, 14, 2, 3, 12],
    ],
    [
        [13, 2, 8, 4, 6, 15, 11, 1, 10, 9, 3, 14, 5, 0, 12, 7],
        [1, 15, 13, 8, 10, 3, 7, 4, 12, 5, 6, 11, 0, 14, 9, 2],
        [7, 11, 4, 1, 9, 12, 14, 2, 0, 6, 10, 13, 15, 3, 5, 8],
        [2, 1, 14, 7, 4, 10, 8, 13, 15, 12, 9, 0, 3, 5, 6, 11],
    ],
];

/// Puts together the bits that `table` names, in its order. The standard numbers bits from 1 at the highest; `width` is
/// the highest number.
const fn chosen(bits: u64, width: u32, mut table: &[u8]) -> u64 {
    let mut chosen = 0;
    while let [number, rest @ ..] = table {
        chosen = chosen << 1 | bits >> (width - *number as u32) & 1;
        table = rest;
    }
    chosen
}

/// Which S-box each byte of a widened half is for, the lowest byte first: from 0, where the standard counts from 1.
const S_BOX_OF_BYTE: [usize; 8] = [7, 5, 3, 1, 6, 4, 2, 0];

/// A half as the rounds keep it: a byte for each S-box, of which the lower six bits are what goes into it.
///
/// The standard's expansion gives an S-box the four bits of its own and one neighbour on either side. Those of the even
/// S-boxes are the lower six of each byte once the half is turned by one to the left, those of the odd ones once it is
/// turned by three to the right. The rounds do nothing but XOR and look up, so once is enough for all of them.
pub(super) const fn widened(half: u32) -> u64 {
    (half.rotate_right(3) as u64) << 32 | half.rotate_left(1) as u64
}

/// The half that was [`widened`].
#[expect(clippy::cast_possible_truncation, reason = "the lower 32 bits are the whole half")]
pub(super) const fn narrowed(wide: u64) -> u32 {
    (wide as u32).rotate_right(1)
}

/// What each S-box and the permutation P make of six bits, widened; in the order of the bytes of a widened half.
pub(super) static SUBSTITUTES: [[u64; 64]; 8] = substitutes();

#[expect(clippy::indexing_slicing, reason = "runs when this is compiled, which fails if an index is too large")]
#[expect(clippy::cast_possible_truncation, reason = "P chooses 32 bits")]
const fn substitutes() -> [[u64; 64]; 8] {
    let mut tables = [[0; 64]; 8];
    let mut at = 0;
    while at < 8 * 64 {
        let (byte, six) = (at / 64, at % 64);
        let s_box = S_BOX_OF_BYTE[byte];
        let four = S_BOXES[s_box][six >> 4 & 2 | six & 1][six >> 1 & 15];
        tables[byte][six] = widened(chosen((four as u64) << (28 - 4 * s_box), 32, &P) as u32);
        at += 1;
    }
    tables
}

/// What each round adds to a widened half, by twos, for the halves are changed in turn.
pub(super) type RoundKeys = [[u64; 2]; ROUNDS / 2];

/// The round keys of the 8 bytes of a key. Every bit of theirs is one of the key's, so they are put together of those that each half of a byte would
/// have alone.
pub(super) fn round_keys(key: &[u8; 8]) -> RoundKeys {
    let mut sum = [[0; 2]; ROUNDS / 2];
    for (byte, [of_high, of_low]) in key.iter().zip(&ROUND_KEYS_OF_HALVES) {
        for part in [of_high.get(usize::from(byte >> 4)), of_low.get(usize::from(byte & 15))].into_iter().flatten() {
            sum.as_flattened_mut().iter_mut().zip(part.as_flattened()).for_each(|(sum, part)| *sum ^= part);
        }
    }
    sum
}

/// The round keys of a key that is 0 but for one half of one byte: by byte, by half with the higher one first, by what is in it.
static ROUND_KEYS_OF_HALVES: [[[RoundKeys; 16]; 2]; 8] = round_keys_of_halves();

#[expect(clippy::indexing_slicing, reason = "runs when this is compiled, which fails if an index is too large")]
const fn round_keys_of_halves() -> [[[RoundKeys; 16]; 2]; 8] {
    let mut table = [[[[[0; 2]; ROUNDS / 2]; 16]; 2]; 8];
    let mut at = 0;
    while at < 8 * 2 * 16 {
        let (byte, half, four) = (at / 32, at / 16 % 2, at % 16);
        table[byte][half][four] = round_keys_by_the_standard((four as u64) << (60 - 8 * byte - 4 * half));
        at += 1;
    }
    table
}

#[expect(clippy::indexing_slicing, reason = "runs when this is compiled, which fails if an index is too large")]
const fn round_keys_by_the_standard(key: u64) -> RoundKeys {
    let mut round_keys = [[0; 2]; ROUNDS / 2];
    let mut halves = chosen(key, 64, &PC_1);
    let mut round = 0;
    while round < ROUNDS {
        let turn = KEY_TURNS[round / 2][round % 2];
        halves = turned(halves >> 28, turn) << 28 | turned(halves, turn);
        let mut byte = 0;
        while byte < 8 {
            round_keys[round / 2][round % 2] |= chosen(halves, 56, &PC_2[S_BOX_OF_BYTE[byte]]) << (8 * byte);
            byte += 1;
        }
        round += 1;
    }
    round_keys
}

/// The lower 28 bits, turned to the left among themselves.
const fn turned(half: u64, by: u32) -> u64 {
    let half = half & 0x0fff_ffff;
    (half << by | half >> (28 - by)) & 0x0fff_ffff
}
