//! The little randomness that a session needs after its start. Not for secrets: check codes and keep-alives are none.

/// SplitMix64: numbers that look random, the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> [u8; 8] {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let [byte, ..] = self.next();
        byte
    }

    pub(crate) fn dword(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.next();
        u32::from_le_bytes([a, b, c, d])
    }
}
