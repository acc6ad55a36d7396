//! The charsets of texts: what the programs of 2003 had in their locales, and UTF-8 (docs/protocol.md, values).
//!
//! ASCII is a part of each of them. No text in any of them contains the byte 0xFF, which separates the fields of a
//! message, or NUL, which ends a STRING: where a charset has a letter at 0xFF (`ÿ` in windows-1252, `я` in
//! windows-1251), that letter cannot be sent and becomes `?`.
//!
//! GB 18030 here is that of the WHATWG (edition of 2022 for decoding and encoding). All of Unicode goes there and back
//! again but 20 characters: NUL and the private U+E5E5 cannot be encoded, and the private U+E78D to U+E796, U+E81E,
//! U+E826, U+E82B, U+E82C, U+E832, U+E843, U+E854 and U+E864 share their code with the characters that have replaced
//! them since.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::ops::Range;
use core::str::FromStr;

use encoding_rs::{DecoderResult, EncoderResult, Encoding};

/// What stands for a character that the charset does not have.
const UNKNOWN: u8 = b'?';

/// A charset that the texts of a session can be in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum Charset {
    /// Our own clients.
    Utf8,
    /// China: all that GBK has, and the rest of Unicode in four bytes.
    #[default]
    Gb18030,
    /// COMPAT: China, towards clients of 2003, which end at once when a text is not GBK. Reads GB 18030; writes, and
    /// lets through, the 21,791 two-byte characters of their system library alone.
    Gbk,
    /// Taiwan and Hong Kong.
    Big5,
    /// Korea.
    EucKr,
    /// Japan.
    ShiftJis,
    /// Central Europe.
    Windows1250,
    /// Cyrillic.
    Windows1251,
    /// Western Europe.
    Windows1252,
    /// Greek.
    Windows1253,
    /// Turkish.
    Windows1254,
    /// Hebrew.
    Windows1255,
    /// Arabic.
    Windows1256,
    /// Baltic.
    Windows1257,
    /// Vietnamese.
    Windows1258,
}

/// No charset has this label.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no such charset; there are utf-8, gb18030, gbk, big5, euc-kr, shift_jis and windows-1250 to windows-1258")]
pub struct UnknownCharset;

impl Charset {
    /// All of them, with the labels that the configuration uses.
    const LABELS: [(Self, &'static str); 15] = [
        (Self::Utf8, "utf-8"),
        (Self::Gb18030, "gb18030"),
        (Self::Gbk, "gbk"),
        (Self::Big5, "big5"),
        (Self::EucKr, "euc-kr"),
        (Self::ShiftJis, "shift_jis"),
        (Self::Windows1250, "windows-1250"),
        (Self::Windows1251, "windows-1251"),
        (Self::Windows1252, "windows-1252"),
        (Self::Windows1253, "windows-1253"),
        (Self::Windows1254, "windows-1254"),
        (Self::Windows1255, "windows-1255"),
        (Self::Windows1256, "windows-1256"),
        (Self::Windows1257, "windows-1257"),
        (Self::Windows1258, "windows-1258"),
    ];

    /// Every charset there is.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::LABELS.into_iter().map(|(charset, _)| charset)
    }

    /// The charset of this label, or of another one that the WHATWG lists for it, in any case: `cp1251`, `GB2312`.
    pub fn from_label(label: &str) -> Option<Self> {
        let name = Encoding::for_label(label.as_bytes())?.name();
        Self::LABELS.into_iter().find(|(_, label)| label.eq_ignore_ascii_case(name)).map(|(charset, _)| charset)
    }

    /// The label, in lower case.
    pub fn label(self) -> &'static str {
        Self::LABELS.into_iter().find(|&(charset, _)| charset == self).map_or("", |(_, label)| label)
    }

    fn encoding(self) -> &'static Encoding {
        match self {
            Self::Utf8 => encoding_rs::UTF_8,
            Self::Gb18030 | Self::Gbk => encoding_rs::GB18030,
            Self::Big5 => encoding_rs::BIG5,
            Self::EucKr => encoding_rs::EUC_KR,
            Self::ShiftJis => encoding_rs::SHIFT_JIS,
            Self::Windows1250 => encoding_rs::WINDOWS_1250,
            Self::Windows1251 => encoding_rs::WINDOWS_1251,
            Self::Windows1252 => encoding_rs::WINDOWS_1252,
            Self::Windows1253 => encoding_rs::WINDOWS_1253,
            Self::Windows1254 => encoding_rs::WINDOWS_1254,
            Self::Windows1255 => encoding_rs::WINDOWS_1255,
            Self::Windows1256 => encoding_rs::WINDOWS_1256,
            Self::Windows1257 => encoding_rs::WINDOWS_1257,
            Self::Windows1258 => encoding_rs::WINDOWS_1258,
        }
    }

    /// The text that these bytes are, with U+FFFD for what is not valid.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        self.encoding().decode_without_bom_handling(bytes).0
    }

    /// The bytes of a text, with `?` for each character that the charset does not have.
    pub fn encode(self, text: &str) -> Cow<'_, [u8]> {
        if !text.contains('\0') && (self == Self::Utf8 || text.is_ascii()) {
            return Cow::Borrowed(text.as_bytes());
        }
        let mut encoder = self.encoding().new_encoder();
        let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
        loop {
            let mut chunk = [0; 256];
            let (result, read, written) = encoder.encode_from_utf8_without_replacement(rest, &mut chunk, true);
            bytes.extend(chunk.iter().take(written));
            rest = rest.get(read..).unwrap_or_default();
            match result {
                EncoderResult::InputEmpty => break,
                EncoderResult::OutputFull => {}
                EncoderResult::Unmappable(_) => bytes.push(UNKNOWN),
            }
        }
        Cow::Owned(self.without_strangers(bytes))
    }

    /// Whether the bytes are a text in this charset that a message may carry: well-formed, without NUL and without
    /// 0xFF.
    pub fn is_valid(self, bytes: &[u8]) -> bool {
        if bytes.is_ascii() {
            return !bytes.contains(&0);
        }
        !bytes.iter().any(|byte| matches!(byte, 0 | 0xFF))
            && self.first_malformed(bytes).is_none()
            && self.strangers(bytes).next().is_none()
    }

    /// The bytes as they are if they [are valid](Charset::is_valid), or else with `?` for each character that is not.
    pub fn repair(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        if self.is_valid(bytes) {
            return Cow::Borrowed(bytes);
        }
        let (mut repaired, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
        while let Some(malformed) = self.first_malformed(rest) {
            repaired.extend_from_slice(rest.get(..malformed.start).unwrap_or_default());
            repaired.push(UNKNOWN);
            rest = rest.get(malformed.end..).unwrap_or_default();
        }
        repaired.extend_from_slice(rest);
        Cow::Owned(self.without_strangers(repaired))
    }

    /// The bytes of the same text in another charset; borrowed, if they are the same.
    pub fn transcode(self, bytes: &[u8], to: Self) -> Cow<'_, [u8]> {
        if self == to || bytes.is_ascii() {
            return to.repair(bytes);
        }
        match self.decode(bytes) {
            Cow::Borrowed(text) => to.encode(text),
            Cow::Owned(text) => Cow::Owned(to.encode(&text).into_owned()),
        }
    }

    /// Whether a text is within a limit of `max` bytes. Limits are those of the clients of 2003, in the bytes of their charsets; so a text in
    /// UTF-8 counts as it would in GB 18030, and nobody may say less for having the longer form.
    pub fn fits(self, bytes: &[u8], max: usize) -> bool {
        // A character of two bytes in UTF-8 may have four there, and none has more than twice as many.
        if self != Self::Utf8 || bytes.is_ascii() || bytes.len().saturating_mul(2) <= max {
            return bytes.len() <= max;
        }
        let chunks = bytes.utf8_chunks();
        let len: usize =
            chunks.map(|chunk| gb18030_len(chunk.valid()) + usize::from(!chunk.invalid().is_empty())).sum();
        len <= max
    }

    /// As much of the front of a valid text as `max` bytes hold, without splitting a character.
    pub fn cut(self, bytes: &[u8], max: usize) -> &[u8] {
        if bytes.len() <= max {
            return bytes;
        }
        let end = self.characters(bytes).map(|character| character.end).take_while(|&end| end <= max).last();
        bytes.get(..end.unwrap_or(0)).unwrap_or_default()
    }

    /// Whether most characters take two bytes, the first of which has its highest bit set.
    pub(crate) fn is_double_byte(self) -> bool {
        matches!(self, Self::Gb18030 | Self::Gbk | Self::Big5 | Self::EucKr | Self::ShiftJis)
    }

    /// The first bytes that are no character. A decoder that starts behind them is in step again.
    fn first_malformed(self, bytes: &[u8]) -> Option<Range<usize>> {
        let mut decoder = self.encoding().new_decoder_without_bom_handling();
        let (mut at, mut sink) = (0, [0; 256]);
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let (result, read, _) = decoder.decode_to_utf8_without_replacement(rest, &mut sink, true);
            at += read;
            match result {
                DecoderResult::InputEmpty => return None,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(len, seen_since) => {
                    let end = at.saturating_sub(usize::from(seen_since));
                    return Some(end.saturating_sub(usize::from(len))..end);
                }
            }
        }
    }

    /// Where each character of a well-formed text lies. Of another text: where it would, never past the end.
    fn characters(self, bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let start = at;
            let rest = bytes.get(start..)?;
            at += self.character_len(*rest.first()?, rest.get(1).copied()).min(rest.len());
            Some(start..at)
        })
    }

    fn character_len(self, first: u8, second: Option<u8>) -> usize {
        match (self, first) {
            (_, 0..=0x7F) => 1,
            (Self::Utf8, 0xC2..=0xDF) => 2,
            (Self::Utf8, 0xE0..=0xEF) => 3,
            (Self::Utf8, 0xF0..=0xF4) => 4,
            (Self::Gb18030 | Self::Gbk, 0x81..=0xFE) if matches!(second, Some(b'0'..=b'9')) => 4,
            (Self::Gb18030 | Self::Gbk | Self::Big5 | Self::EucKr, 0x81..=0xFE) => 2,
            (Self::ShiftJis, 0x81..=0x9F | 0xE0..=0xFC) => 2,
            _ => 1,
        }
    }

    /// The characters of a well-formed text that the charset as such does not have, though `encoding_rs` does; and NUL
    /// and 0xFF.
    fn strangers(self, bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
        self.characters(bytes).filter(move |character| {
            match (self, bytes.get(character.clone()).unwrap_or_default()) {
                (_, [0 | 0xFF]) => true,
                // COMPAT: the euro of Windows, which GB 18030 and the GBK of other systems do not have.
                (Self::Gb18030 | Self::Gbk, [0x80]) => true,
                (Self::Gbk, code) => !in_gbk(code),
                _ => false,
            }
        })
    }

    fn without_strangers(self, bytes: Vec<u8>) -> Vec<u8> {
        let mut kept = Vec::with_capacity(bytes.len());
        let mut at = 0;
        for stranger in self.strangers(&bytes) {
            kept.extend_from_slice(bytes.get(at..stranger.start).unwrap_or_default());
            kept.push(UNKNOWN);
            at = stranger.end;
        }
        if at == 0 {
            return bytes;
        }
        kept.extend_from_slice(bytes.get(at..).unwrap_or_default());
        kept
    }
}

impl FromStr for Charset {
    type Err = UnknownCharset;

    fn from_str(label: &str) -> Result<Self, UnknownCharset> {
        Self::from_label(label).ok_or(UnknownCharset)
    }
}

fn gb18030_len(text: &str) -> usize {
    let mut encoder = encoding_rs::GB18030.new_encoder();
    let (mut len, mut rest) = (0, text);
    loop {
        let mut chunk = [0; 256];
        let (result, read, written) = encoder.encode_from_utf8_without_replacement(rest, &mut chunk, true);
        len += written;
        rest = rest.get(read..).unwrap_or_default();
        match result {
            EncoderResult::InputEmpty => return len,
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(_) => len += 1,
        }
    }
}

/// Whether GBK, as the system libraries of 2003 have it, has this character of GB 18030.
fn in_gbk(code: &[u8]) -> bool {
    match code {
        [0..=0x7F] => true,
        // What GB 18030 added to GBK where GBK had gaps.
        [0xA2, 0xE3] | [0xA8, 0xBC | 0xBF] | [0xA9, 0x89..=0x95] | [0xFE, 0x50..=0xFF] => false,
        [0xA3, 0xA0] | [0xA6, 0xD9..=0xDF | 0xEC..=0xED | 0xF3] => false,
        // The rest of the gaps is private use: nobody knows how that looks.
        [_, _] => !Charset::Gb18030.decode(code).contains(|letter| matches!(letter, '\u{E000}'..='\u{F8FF}')),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};

    use proptest::prelude::*;

    use super::*;

    fn every_character() -> impl Iterator<Item = char> {
        '\0'..=char::MAX
    }

    #[test]
    fn all_of_unicode_goes_to_gb_18030_and_back_but_these() {
        let charset = Charset::Gb18030;
        let lost: Vec<char> = every_character()
            .filter(|letter| {
                let mut buffer = [0; 4];
                let text: &str = letter.encode_utf8(&mut buffer);
                let bytes = charset.encode(text);
                assert!(charset.is_valid(&bytes), "{letter:?}");
                charset.decode(&bytes) != text
            })
            .collect();
        let exceptions = ['\0', '\u{E5E5}']
            .into_iter()
            .chain('\u{E78D}'..='\u{E796}')
            .chain(['\u{E81E}', '\u{E826}', '\u{E82B}', '\u{E82C}', '\u{E832}', '\u{E843}', '\u{E854}', '\u{E864}']);
        let mut exceptions: Vec<char> = exceptions.collect();
        exceptions.sort_unstable();
        assert_eq!(lost, exceptions);
    }

    #[test]
    fn a_text_in_utf_8_counts_as_in_gb_18030() {
        for text in
            ["", "ascii", "\u{4e2d}\u{56fd}", "\u{e9}\u{f1}", "\u{20000}a\u{e9}", "\u{e5e5}", &"\u{4e2d}".repeat(225)]
        {
            let (utf8, len) = (text.as_bytes(), Charset::Gb18030.encode(text).len());
            assert!(Charset::Utf8.fits(utf8, len), "{text}");
            assert!(len == 0 || !Charset::Utf8.fits(utf8, len - 1), "{text}");
        }
        assert!(
            Charset::Utf8.fits(b"\xe4\xb8\xff9\xff", 4) && !Charset::Utf8.fits(b"\xe4\xb8\xff9\xff", 3),
            "? and separators"
        );
        assert!(Charset::Gbk.fits(b"\xd6\xd0", 2) && !Charset::Gbk.fits(b"\xd6\xd0", 1));
    }

    #[test]
    fn gbk_is_what_the_library_of_2003_has() {
        let pairs = (0x81..=0xFE_u8).flat_map(|lead| (0x40..=0xFE_u8).map(move |trail| [lead, trail]));
        let accepted: Vec<[u8; 2]> = pairs.filter(|pair| trail_ok(pair[1]) && Charset::Gbk.is_valid(pair)).collect();
        assert_eq!(accepted.len(), 21_791, "as glibc and Python count them");
        assert!(accepted.iter().all(|pair| Charset::Gbk.encode(&Charset::Gbk.decode(pair)) == &pair[..]));

        assert_eq!(Charset::Gbk.encode("体€ä\u{20000}\u{E000}!"), b"\xcc\xe5????!".as_slice());
        assert_eq!(Charset::Gbk.decode(b"\x81\x30\x8a\x31"), "ä", "read, but not written");
        assert_eq!(Charset::Gbk.repair(b"\xcc\xe5\x81\x30\x8a\x31\x80."), b"\xcc\xe5??.".as_slice());
    }

    fn trail_ok(trail: u8) -> bool {
        trail != 0x7F
    }

    #[test]
    fn what_is_not_valid_is_replaced_character_by_character() {
        let gb18030 = |bytes: &[u8]| Charset::Gb18030.repair(bytes).into_owned();
        assert_eq!(gb18030(b"\xcb\xce\xcc\xe5"), b"\xcb\xce\xcc\xe5");
        assert_eq!(gb18030(b"\xcb\xce\xcc"), b"\xcb\xce?");
        assert_eq!(gb18030(b"\xcb hi"), b"? hi", "an ASCII character is never swallowed");
        assert_eq!(gb18030(b"\x81\x30\x81\x20"), b"?0? ");
        assert_eq!(gb18030(b"\x81\x30\x81\x30\x80"), b"\x81\x30\x81\x30?");
        assert_eq!(gb18030(b"a\xffb\0c"), b"a?b?c");
        let utf8 = |bytes: &[u8]| Charset::Utf8.repair(bytes).into_owned();
        assert_eq!(utf8(b"\xe5\xae\x8b\xcb\xce\xff\0"), b"\xe5\xae\x8b?????"[..7].to_vec());
        assert_eq!(Charset::Windows1251.repair(b"\xec\xff\xf1\xee"), b"\xec?\xf1\xee".as_slice());
        assert_eq!(Charset::Windows1251.encode("мясо"), b"\xec?\xf1\xee".as_slice());
    }

    #[test]
    fn what_is_valid_is_not_copied() {
        for charset in Charset::all() {
            assert!(matches!(charset.encode("plain"), Cow::Borrowed(_)));
            assert!(matches!(charset.decode(b"plain"), Cow::Borrowed(_)));
            assert!(matches!(charset.transcode(b"plain", Charset::Big5), Cow::Borrowed(_)));
            assert_eq!(charset.encode("a\0b"), b"a?b".as_slice());
        }
        assert!(matches!(Charset::Gb18030.repair(b"\xcb\xce"), Cow::Borrowed(_)));
        assert!(matches!(Charset::Utf8.encode("体"), Cow::Borrowed(_)));
    }

    #[test]
    fn texts_change_their_charset() {
        let transcode = |bytes: &[u8], from: Charset, to: Charset| from.transcode(bytes, to).into_owned();
        assert_eq!(transcode("宋体".as_bytes(), Charset::Utf8, Charset::Gb18030), b"\xcb\xce\xcc\xe5");
        assert_eq!(transcode(b"\xcb\xce\xcc\xe5", Charset::Gb18030, Charset::Utf8), "宋体".as_bytes());
        assert_eq!(transcode(b"\xcb\xce\xcc", Charset::Gb18030, Charset::Utf8), "宋\u{FFFD}".as_bytes());
        assert_eq!(transcode("宋!".as_bytes(), Charset::Utf8, Charset::Windows1252), b"?!");
    }

    #[test]
    fn cutting_splits_no_character() {
        for (charset, text) in [(Charset::Utf8, "aä宋𠀀b"), (Charset::Gb18030, "aä宋𠀀b"), (Charset::ShiftJis, "aｱ漢b")]
        {
            let bytes = charset.encode(text);
            let mut seen = 0;
            for max in 0..=bytes.len() + 1 {
                let cut = charset.cut(&bytes, max);
                assert!(cut.len() <= max && charset.is_valid(cut) && bytes.starts_with(cut), "{charset:?} {max}");
                seen = seen.max(charset.decode(cut).chars().count());
                assert_eq!(seen, charset.decode(cut).chars().count(), "no shorter than with a smaller limit");
            }
            assert_eq!(seen, text.chars().count());
        }
    }

    #[test]
    fn labels_name_the_charsets() {
        for charset in Charset::all() {
            assert_eq!(charset.label().parse(), Ok(charset));
        }
        assert_eq!(Charset::from_label("GB2312"), Some(Charset::Gbk));
        assert_eq!(Charset::from_label("UTF8"), Some(Charset::Utf8));
        assert_eq!(Charset::from_label("cp1251"), Some(Charset::Windows1251));
        for unknown in ["", "utf-16", "iso-2022-jp", "klingon"] {
            assert_eq!(unknown.parse::<Charset>(), Err(UnknownCharset), "{unknown}");
        }
        assert!(UnknownCharset.to_string().contains("gb18030"));
    }

    proptest! {
        #[test]
        fn whatever_comes_in_what_goes_out_is_valid(
            bytes in proptest::collection::vec(any::<u8>(), 0..80),
            text in any::<String>(),
            max in 0_usize..90,
        ) {
            for charset in Charset::all() {
                let repaired = charset.repair(&bytes);
                prop_assert!(charset.is_valid(&repaired), "{charset:?} {repaired:?}");
                prop_assert!(!repaired.iter().any(|byte| matches!(byte, 0 | 0xFF)));
                prop_assert_eq!(charset.repair(&repaired), &repaired[..]);
                prop_assert!(charset.is_valid(charset.cut(&repaired, max)));
                prop_assert!(charset.cut(&bytes, max).len() <= max);
                prop_assert!(charset.is_valid(&charset.encode(&text)), "{charset:?}");
                for to in Charset::all() {
                    prop_assert!(to.is_valid(&charset.transcode(&bytes, to)), "{charset:?} {to:?}");
                }
            }
        }

        #[test]
        fn decoding_agrees_with_repair(bytes in proptest::collection::vec(0x30_u8..0xFF, 0..40)) {
            let charset = Charset::Gb18030;
            prop_assume!(!bytes.contains(&0x80));
            let replaced = charset.decode(&bytes).replace('\u{FFFD}', "?");
            let repaired = charset.repair(&bytes);
            prop_assert_eq!(charset.decode(&repaired), replaced);
        }
    }
}
