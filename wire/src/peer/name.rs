//! Names of files from the network.

/// The longest file name, in bytes: what file systems take.
pub const MAX_FILE_NAME: usize = 255;

/// Whether a name from the network can be the name of a new file in a folder of the receiver's choice, on any system:
/// no way into another folder, no device, nothing that a file system would silently change into another name, and no
/// character that makes a name look like another one.
///
/// Give it the name in UTF-8. In GB 18030 and Shift_JIS a letter may end in the byte of `\`, and the name is refused
/// then.
pub fn is_bare_name(name: &[u8]) -> bool {
    let unsafe_byte = |byte: &u8| byte.is_ascii_control() || b"/\\:*?\"<>|".contains(byte);
    // This also refuses "." and "..".
    let whole = name.last().is_some_and(|last| !matches!(last, b'.' | b' ')) && name.first() != Some(&b' ');
    whole
        && name.len() <= MAX_FILE_NAME
        && !name.iter().any(unsafe_byte)
        && !core::str::from_utf8(name).is_ok_and(|name| name.contains(is_disguise))
        && !is_device(name)
}

/// What is not seen, turns the direction of what follows, ends a line, or looks like the separator of folders; and what is no
/// letter in any language.
fn is_disguise(letter: char) -> bool {
    let unseen_or_turning = matches!(letter, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}');
    let like_a_separator = matches!(
        letter,
        '\u{2044}'
            | '\u{2215}'
            | '\u{2216}'
            | '\u{29F5}'
            | '\u{29F8}'
            | '\u{29F9}'
            | '\u{FE68}'
            | '\u{FF0F}'
            | '\u{FF1A}'
            | '\u{FF3C}'
    );
    letter.is_control() || unseen_or_turning || like_a_separator || u32::from(letter) & 0xFFFE == 0xFFFE
}

/// Windows takes these for devices in any folder, whatever their case and their extension.
fn is_device(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 7] = [b"con", b"prn", b"aux", b"nul", b"conin$", b"conout$", b"clock$"];
    let stem = name.split(|&byte| byte == b'.').next().unwrap_or_default().trim_ascii_end();
    let is = |device: &[u8]| stem.eq_ignore_ascii_case(device);
    let numbered = stem.split_at_checked(3).is_some_and(|(port, number)| {
        (port.eq_ignore_ascii_case(b"com") || port.eq_ignore_ascii_case(b"lpt"))
            && (matches!(number, [b'0'..=b'9']) || [&b"\xc2\xb9"[..], b"\xc2\xb2", b"\xc2\xb3"].contains(&number))
    });
    numbered || NAMES.into_iter().any(is)
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn names_that_stay_where_they_are_put() {
        let longest = vec![b'a'; 255];
        let bare: [&[u8]; 9] = [
            b"notes.txt",
            b"a",
            ".profile".as_bytes(),
            "宋体.tar.gz".as_bytes(),
            b"\xcb\xce.txt",
            b"console.log",
            b"com10",
            b"com.txt",
            &longest,
        ];
        for name in bare {
            assert!(is_bare_name(name), "{}", name.escape_ascii());
        }
        let too_long: Vec<u8> = vec![b'a'; 256];
        let mut refused: Vec<&[u8]> = vec![b"", b".", b"..", b"...", b" ", b"a.", b"a ", b" a", &too_long];
        refused.extend([
            &b"/etc/passwd"[..],
            b"../a",
            b"a/b",
            b"a\\b",
            b"C:a",
            b"a:stream",
            b"a\0b",
            b"a\nb",
            b"a\x7f",
            b"a*",
        ]);
        refused.extend([
            &b"nul"[..],
            b"CON",
            b"Aux.txt",
            b"prn .txt",
            b"com1",
            b"LPT9.tar.gz",
            b"clock$",
            b"com\xc2\xb9",
        ]);
        refused.extend(["a\u{85}".as_bytes(), "photo\u{202E}gpj.exe".as_bytes(), "a\u{2066}b".as_bytes()]);
        for name in refused {
            assert!(!is_bare_name(name), "{}", name.escape_ascii());
        }
    }
}
