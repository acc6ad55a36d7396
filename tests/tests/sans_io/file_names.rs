//! More than five hundred names that a file from the network must not get, made by rule, each offered in a file session as an old and as a new
//! program would: it is refused before anything touches a disk.
#![expect(clippy::unwrap_used, reason = "this is test: what is not as it must be ends it, or is shown")]

use std::collections::BTreeSet;

use myicq_client::peer::{FileEvent, FileSession, Identity, PeerTimeouts, Side};
use myicq_client::{Face, Uin};
use myicq_wire::peer::{Hello, LONG_FILES, PeerFile, is_bare_name};
use myicq_wire::{Instant, Str};

const BEN: Uin = Uin(10_002);

/// Names of Windows for what is no file, in any folder, with any ending, in any case.
fn devices() -> Vec<String> {
    let mut devices: Vec<String> = ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"].map(String::from).into();
    for port in ["com", "lpt"] {
        devices.extend("0123456789¹²³".chars().map(|number| format!("{port}{number}")));
    }
    let shapes: [fn(&str) -> String; 8] = [
        str::to_owned,
        str::to_uppercase,
        |name| format!("{name}.txt"),
        |name| format!("{}.TAR.gz", name.to_uppercase()),
        |name| format!("{name} .txt"),
        |name| format!("{name}   "),
        |name| format!("{name}."),
        |name| format!("{name}:stream"),
    ];
    devices.iter().flat_map(|name| shapes.iter().map(move |shape| shape(name))).collect()
}

/// Ways out of the folder, on every system.
fn paths() -> Vec<String> {
    let mut paths = Vec::new();
    for separator in [
        "/", "\\", ":", "//", "\\\\", "/./", "\\..\\", "\u{2044}", "\u{2215}", "\u{2216}", "\u{FF0F}", "\u{FF3C}",
        "\u{29F8}",
    ] {
        for (before, after) in [("..", "x"), ("", "etc"), ("a", "b"), ("C:", "x"), ("~", "x"), ("a", "")] {
            paths.push(format!("{before}{separator}{after}"));
        }
    }
    paths.extend(
        [
            ".",
            "..",
            "...",
            "....",
            ". .",
            " ",
            "  ",
            "",
            "\\\\?\\C:\\x",
            "\\\\.\\pipe\\x",
            "file:///x",
            "C:x",
            "x:y:$DATA",
        ]
        .map(String::from),
    );
    paths.extend(["%2e%2e/x", "..%2f..\\x", "a/../../x", "/dev/null", "x/", "\\x", "NUL/x"].map(String::from));
    paths
}

/// Characters that do something, or hide something, at the start, within and at the end of a name.
fn characters() -> Vec<String> {
    let controls = (0..0x20).chain(0x7F..0xA0).filter_map(char::from_u32);
    let marks = "\u{AD}\u{61C}\u{180E}\u{200B}\u{200C}\u{200D}\u{200E}\u{200F}\u{2028}\u{2029}\u{202A}\u{202B}\u{202C}\u{202D}\u{202E}\
        \u{2060}\u{2066}\u{2067}\u{2068}\u{2069}\u{206F}\u{FEFF}\u{FFF9}\u{FFFE}\u{FFFF}\u{1FFFE}\u{E0001}\u{E0041}";
    let wild = "*?\"<>|";
    controls
        .chain(marks.chars())
        .chain(wild.chars())
        .flat_map(|letter| [format!("{letter}a"), format!("a{letter}b"), format!("photo{letter}gpj.exe")])
        .collect()
}

/// What a file system would change without saying so, or not take.
fn lengths_and_ends() -> Vec<String> {
    let mut names: Vec<String> = [256, 257, 300, 1_000, 4_000].map(|len| "a".repeat(len)).into();
    names.push("ä".repeat(128));
    names.extend(["a.", "a ", "a..", "a. ", " a", "a.txt.", "a.txt ", "  a.txt"].map(String::from));
    names
}

fn evil() -> BTreeSet<String> {
    [devices(), paths(), characters(), lengths_and_ends()].into_iter().flatten().collect()
}

/// The frames of a sender of 2003, or of today, with this name.
fn offer(name: &str, is_long: bool) -> Vec<u8> {
    let hello = Hello { is_sender: true, domain: Some(Str(b"")), extensions: if is_long { LONG_FILES } else { 0 } };
    let name = Str(name.as_bytes());
    let info = if is_long { PeerFile::FileOffer { name, size: 9 } } else { PeerFile::FileInfo { name, size: 9 } };
    let mut stream = Vec::new();
    for packet in [PeerFile::Hello(hello), info] {
        let mut buffer = vec![0; 5_000];
        let Ok(len) = packet.encode(BEN, Face(0), &mut buffer) else { continue };
        stream.extend_from_slice(buffer.get(..len).unwrap());
    }
    stream
}

#[test]
fn evil_names_are_refused_in_every_session() {
    let names = evil();
    assert!(names.len() >= 500, "only {}", names.len());
    for name in &names {
        assert!(!is_bare_name(name.as_bytes()), "{name:?}");
        // A NUL cannot even be said: it would end the STRING.
        for is_long in [true, false].into_iter().filter(|_| !name.contains('\0')) {
            let me = Identity { uin: Uin(10_001), face: Face(0), domain: Vec::new() };
            let start = Instant(1_000_000);
            let mut session = FileSession::receiving(start, me, BEN, Side::Accepted, PeerTimeouts::default());
            let stream = offer(name, is_long);
            let event = session.next_event(start, &mut &stream[..]);
            assert_eq!(event, Ok(Some(FileEvent::BadName)), "{name:?}");
            assert!(session.is_over());
        }
    }
}

#[test]
fn names_of_people_are_taken() {
    for name in [
        "notes.txt",
        "Holiday 2026 (1).tar.gz",
        ".profile",
        "宋体.txt",
        "Résumé – März.pdf",
        "файл.doc",
        "👍.png",
        "a",
        "-rf",
        "console.log",
        "com10",
        "auxiliary.txt",
        "null",
        "a..b",
        "100%.txt",
        "a;b&c.txt",
        "O'Brien.txt",
        "שלום.txt",
    ] {
        assert!(is_bare_name(name.as_bytes()), "{name:?}");
    }
    assert!(is_bare_name("a".repeat(255).as_bytes()));
}
