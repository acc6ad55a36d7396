//! The house in order: what the compiler and clippy do not look at (CONTRIBUTING.md, "Rules of the house").
#![expect(clippy::disallowed_methods, reason = "reads the files of the project")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "what the tests share panics as the tests themselves do")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use myicq_wire::{Answer, COMMANDS, CommandInfo};

const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 70;

/// What building, fuzzing and running leave in the tree: the folders of .gitignore.
const NOT_OURS: [&str; 8] = [
    ".git",
    "target",
    "fuzz/target",
    "fuzz/artifacts",
    "fuzz/corpus",
    "fuzz/coverage",
    "myicq-data",
    "tests/proptest-regressions",
];

/// Each layer of the server, and what it may not name (docs/architecture.md, "Layers").
const LAYERS: [(&str, &[&str]); 5] = [
    ("server/src/hub/", &["crate::frontend", "crate::driver", "crate::shard", "sqlx", "tokio"]),
    ("server/src/frontend/", &["crate::driver", "crate::shard", "sqlx", "tokio"]),
    ("server/src/store/", &["crate::hub", "crate::frontend", "crate::driver", "crate::shard"]),
    ("client/src/account", &["crate::driver", "tokio"]),
    ("client/src/peer/", &["crate::account", "crate::driver", "tokio"]),
];

#[test]
fn files_and_functions_are_short() {
    assert_none(rust_files().iter().flat_map(|(path, source)| too_long(path, source)));
}

#[test]
fn lints_are_switched_off_with_a_reason() {
    assert_none(rust_files().iter().flat_map(|(path, source)| {
        lines_with_bare_allow(source)
            .into_iter()
            .map(move |line| format!("{path}:{line}: a lint is switched off without a reason"))
    }));
}

#[test]
fn layers_point_downwards() {
    let files = rust_files();
    assert_none(LAYERS.iter().flat_map(|(layer, forbidden)| {
        let inside = files.iter().filter(move |(path, _)| path.starts_with(layer));
        inside.flat_map(move |(path, source)| {
            let code = code_only(source);
            let named = forbidden.iter().filter(move |name| has_word(&code, name));
            named.map(move |name| format!("{path}: names {name}, which is not below it"))
        })
    }));
    for (member, stranger) in [("client", "myicq-server"), ("server", "myicq-client"), ("wire", "myicq-")] {
        let manifest = read(&format!("{member}/Cargo.toml"));
        let dependencies = manifest.lines().skip_while(|line| *line != "[dependencies]");
        assert!(!dependencies.into_iter().any(|line| line.starts_with(stranger)), "{member} depends on {stranger}");
    }
}

#[test]
fn the_map_in_the_readme_is_the_tree() {
    let readme = read("README.md");
    let map = map_paths(&readme);
    assert!(!map.is_empty(), "README.md has no map");
    let top = top_level();
    let known = |path: &str| root().join(path).exists();
    assert_none(map_differences(&map, &top, known));
}

#[test]
fn the_command_table_in_the_docs_is_the_one_in_the_code() {
    let expected: Vec<String> = COMMANDS.iter().map(command_row).collect();
    let found = command_rows(&read("docs/protocol.md"));
    assert_eq!(found.len(), expected.len(), "docs/protocol.md has another number of commands");
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected, "docs/protocol.md differs from wire/src/command.rs");
    }
}

#[test]
fn no_file_names_a_folder_of_somebodys_machine() {
    assert_none(files().iter().filter_map(|path| {
        let text = fs::read_to_string(root().join(path)).ok()?;
        machine_path(&text).map(|found| format!("{path}: {found}"))
    }));
}

#[test]
fn every_play_is_played() {
    let sources: String =
        rust_files().into_iter().filter(|(path, _)| path.starts_with("tests/")).map(|(_, source)| source).collect();
    let scenes = files().into_iter().filter(|path| path.ends_with(".scene"));
    assert_none(scenes.filter(|path| !is_played(path, &sources)).map(|path| format!("{path}: no test plays it")));
}

#[test]
fn names_say_what_a_thing_is() {
    let vague = |path: &String| {
        let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        ["util", "utils", "helper", "helpers", "manager", "misc", "common"].contains(&stem.as_str())
    };
    assert_none(files().into_iter().filter(vague).map(|path| format!("{path}: a name that says nothing")));
}

/// Fails with every one of `problems`, a line each.
fn assert_none(problems: impl IntoIterator<Item = String>) {
    let list = problems.into_iter().fold(String::new(), |mut list, problem| {
        writeln!(list, "  {problem}").unwrap();
        list
    });
    assert!(list.is_empty(), "\n{list}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file of the project, with `/` between its folders whatever the system.
fn files() -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap().map(Result::unwrap) {
            let path = format!("{folder}{}", entry.file_name().to_str().unwrap());
            if NOT_OURS.contains(&path.as_str()) {
            } else if entry.file_type().unwrap().is_dir() {
                folders.push(path + "/");
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn rust_files() -> Vec<(String, String)> {
    let found: Vec<_> = files().into_iter().filter(|path| path.ends_with(".rs")).collect();
    assert!(found.len() > 20, "the walk through the tree has lost its way");
    found.into_iter().map(|path| (path.clone(), read(&path))).collect()
}

fn top_level() -> Vec<String> {
    let mut top: Vec<String> =
        files().iter().map(|path| path.split_once('/').map_or(path.as_str(), |(first, _)| first).to_owned()).collect();
    top.dedup();
    top
}

/// The file and the functions in it that are over the house's measure and do not say why.
fn too_long(path: &str, source: &str) -> Vec<String> {
    let lines: Vec<&str> = source.lines().collect();
    let excused =
        |line: &&str| line.trim_start().strip_prefix("// long: ").is_some_and(|reason| !reason.trim().is_empty());
    let mut problems = Vec::new();
    if lines.len() > MAX_FILE_LINES && !lines.iter().take(5).any(excused) {
        problems.push(format!("{path}: {} lines", lines.len()));
    }
    for (first, length) in functions(&code_only(source)) {
        if length > MAX_FUNCTION_LINES && !first.checked_sub(1).and_then(|above| lines.get(above)).is_some_and(excused)
        {
            problems.push(format!("{path}:{}: a function of {length} lines", first + 1));
        }
    }
    problems
}

/// The functions in code without comments and strings: the line that each begins on, from 0, and how many it takes.
fn functions(code: &str) -> Vec<(usize, usize)> {
    let line_of = |at: usize| code[..at].matches('\n').count();
    let starts = code.match_indices("fn ").map(|(at, _)| at);
    let starts = starts.filter(|&at| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'));
    starts
        .filter_map(|start| {
            body_end(&code[start..]).map(|end| (line_of(start), line_of(start + end) - line_of(start) + 1))
        })
        .collect()
}

/// Where the body ends that `code`, which begins with `fn`, has; none for a declaration.
fn body_end(code: &str) -> Option<usize> {
    let (mut braces, mut others) = (0_usize, 0_usize);
    for (at, character) in code.char_indices() {
        match character {
            '(' | '[' => others += 1,
            ')' | ']' => others = others.checked_sub(1)?,
            '{' => braces += 1,
            '}' if braces == 1 && others == 0 => return Some(at),
            '}' => braces = braces.checked_sub(1)?,
            ';' if braces == 0 && others == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The source with a space in the place of every character of a comment, string or character literal. Lines stay.
fn code_only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while !rest.is_empty() {
        let after_name = code.ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let hidden = hidden_len(rest, after_name);
        if hidden == 0 {
            let character = rest.chars().next().unwrap();
            code.push(character);
            rest = &rest[character.len_utf8()..];
        } else {
            code.extend(rest[..hidden].chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
            rest = &rest[hidden..];
        }
    }
    code
}

/// How many bytes at the front of `rest` are a comment or a literal: 0 for code.
fn hidden_len(rest: &str, after_name: bool) -> usize {
    let to_end_of =
        |close: &str, from: usize| rest[from..].find(close).map_or(rest.len(), |at| from + at + close.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_len(rest);
    }
    if rest.starts_with('"') {
        return quoted_len(rest, '"');
    }
    let raw = rest.strip_prefix('b').unwrap_or(rest);
    if !after_name && raw.starts_with('r') {
        let hashes = raw[1..].chars().take_while(|&hash| hash == '#').count();
        let open = rest.len() - raw.len() + 1 + hashes;
        if rest[open..].starts_with('"') {
            return to_end_of(&format!("\"{}", "#".repeat(hashes)), open + 1);
        }
    }
    let mut next = rest.chars();
    match (next.next(), next.next(), next.next()) {
        (Some('\''), Some('\\'), _) | (Some('\''), Some(_), Some('\'')) => quoted_len(rest, '\''),
        _ => 0,
    }
}

fn block_comment_len(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match rest.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") if depth == 1 => return at + 2,
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Lines, from 1, on which `allow` or `expect` stands as an attribute without a reason.
fn lines_with_bare_allow(source: &str) -> Vec<usize> {
    let code = code_only(source);
    let attributes = ["allow(", "expect("].iter().flat_map(|name| code.match_indices(*name).map(|(at, _)| at));
    let in_attribute = attributes.filter(|&at| {
        code[..at].ends_with(['[', ' ', ','])
            && code[..at].rsplit('\n').next().is_some_and(|line| line.contains("#[") || line.contains("#!["))
    });
    let bare = in_attribute.filter(|&at| !code[at..].split(']').next().is_some_and(|lints| lints.contains("reason =")));
    bare.map(|at| code[..at].matches('\n').count() + 1).collect()
}

fn has_word(text: &str, word: &str) -> bool {
    let part_of_name = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(part_of_name) && !text[at + word.len()..].starts_with(part_of_name))
}

/// The paths of the map in the README: in its first block of code after the heading, before the first two spaces of a line.
fn map_paths(readme: &str) -> Vec<String> {
    let after = readme.split("\n## The map\n").nth(1).unwrap_or_default();
    let block = after.split("```").nth(1).unwrap_or_default();
    let lines = block.lines().skip(1).filter(|line| !line.trim().is_empty());
    lines.flat_map(|line| line.trim().split("  ").next().unwrap_or_default().split(' ').map(str::to_owned)).collect()
}

fn map_differences(map: &[String], top: &[String], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let gone = map.iter().filter(|path| !exists(path)).map(|path| format!("README.md: {path} is not in the tree"));
    let is_named = |entry: &str| map.iter().any(|path| path.split('/').next() == Some(entry));
    let unnamed =
        top.iter().filter(|entry| !is_named(entry)).map(|entry| format!("README.md: {entry} is not in the map"));
    gone.chain(unnamed).collect()
}

/// The row of docs/protocol.md for a command, without the column of its source.
fn command_row(info: &CommandInfo) -> String {
    let (sent, answered) = match info.request {
        None => ("–", "–".to_owned()),
        Some(request) => {
            let sent = if request.enciphered { "enciphered" } else { "clear" };
            let answered = match request.answer {
                Answer::Nothing => "nothing".to_owned(),
                Answer::Ack => "UDP_ACK".to_owned(),
                Answer::Reply(command) => command.name().to_owned(),
            };
            (sent, answered)
        }
    };
    let reply = if info.reply { "yes" } else { "–" };
    format!("0x{:04X} | {} | {sent} | {answered} | {reply}", info.number, info.name)
}

fn command_rows(protocol: &str) -> Vec<String> {
    let section =
        protocol.split("\n## Commands\n").nth(1).unwrap_or_default().split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| 0x"));
    rows.map(|row| format!("0x{}", row.split('|').take(5).map(str::trim).collect::<Vec<_>>().join(" | "))).collect()
}

/// The first path of a developer's machine in `text`.
fn machine_path(text: &str) -> Option<&str> {
    let folders = [
        concat!("/", "root/"),
        concat!("/", "home/"),
        concat!("/", "work/"),
        concat!("/", "Users/"),
        concat!(r"C:\", r"Users\"),
    ];
    let found = folders.iter().flat_map(|folder| text.match_indices(folder));
    let mut absolute = found.filter(|(at, _)| {
        !text[..*at].ends_with(|before: char| before.is_alphanumeric() || "-_.~$}*".contains(before))
    });
    absolute.next().map(|(at, _)| text[at..].split_whitespace().next().unwrap_or_default())
}

/// A play counts as played when a test names it, or when a test goes through its folder.
fn is_played(scene: &str, sources: &str) -> bool {
    let path = Path::new(scene);
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name).and_then(|folder| folder.to_str()).unwrap_or_default();
    has_word(sources, stem)
        || (sources.contains("read_dir") && has_word(sources, folder) && scene.starts_with("tests/scenarios/"))
}

mod the_scanners_can_fail {
    use super::*;

    #[test]
    fn long_files_and_functions() {
        let body = "    let _ = ();\n".repeat(68);
        let fits = format!("fn fits() {{\n{body}}}\n");
        assert_eq!(too_long("a.rs", &fits), [""; 0]);
        let over = format!("fn over() -> [u8; 2] {{\n    ();\n{body}}}\n");
        assert_eq!(too_long("a.rs", &format!("{fits}{over}")), ["a.rs:71: a function of 71 lines"]);
        assert_eq!(too_long("a.rs", &format!("// long: a table\n{over}")), [""; 0]);
        assert_eq!(too_long("a.rs", &format!("// long: \n{over}")).len(), 1);
        assert_eq!(too_long("a.rs", &"\n".repeat(501)), ["a.rs: 501 lines"]);
        assert_eq!(too_long("a.rs", &"\n".repeat(500)), [""; 0]);
    }

    #[test]
    fn braces_in_comments_and_literals_do_not_count() {
        let source = "fn a() { /* } /* } */ } */ let x = ('}', '\\'', \"}\\\"}\", r#\"\"}\"#, b'}', br\"}\"); // }\n}\nfn b<'a>(x: &'a str);\n";
        assert_eq!(functions(&code_only(source)), [(0, 2)]);
        let trait_with_default = "trait T {\n    fn declared(&self) -> u8;\n    fn given(&self) {\n    }\n}\n";
        assert_eq!(functions(trait_with_default), [(2, 2)]);
    }

    #[test]
    fn lints_switched_off_silently() {
        assert_eq!(lines_with_bare_allow("\n#[allow(dead_code)]\nfn a() {}"), [2]);
        assert_eq!(lines_with_bare_allow("#![cfg_attr(test, allow(dead_code))]"), [1]);
        assert_eq!(lines_with_bare_allow("#[expect(\n    dead_code,\n    reason = \"r\"\n)]"), [0; 0]);
        assert_eq!(lines_with_bare_allow("x.expect(\"never\"); // #[allow(dead_code)]"), [0; 0]);
    }

    #[test]
    fn a_map_that_is_wrong() {
        let map = map_paths("# X\n\n## The map\n\n```text\nA B    two files\nc/d.rs    a module\n```\n");
        assert_eq!(map, ["A", "B", "c/d.rs"]);
        let top = ["A", "B", "c", "e"].map(str::to_owned);
        assert_eq!(
            map_differences(&map, &top, |path| path != "B"),
            ["README.md: B is not in the tree", "README.md: e is not in the map"]
        );
    }

    #[test]
    fn a_command_table_that_is_wrong() {
        let table = "\n## Commands\n\n| number | name |\n|---|---|\n| 0x0001 | UDP_ACK | clear | nothing | – | text |\n\n## Next\n| 0x0002 |";
        let found = command_rows(table);
        assert_eq!(found, ["0x0001 | UDP_ACK | clear | nothing | –"]);
        assert_ne!(found[0], command_row(&COMMANDS[0]));
        assert_eq!(command_row(&COMMANDS[0]), "0x0001 | UDP_ACK | clear | nothing | yes");
    }

    #[test]
    fn other_untidiness() {
        assert_eq!(machine_path(concat!("see /", "home/ann/x now")), Some(concat!("/", "home/ann/x")));
        assert_eq!(machine_path("docs/homework/x https://example.org/home"), None);
        assert!(has_word("use tokio::net;", "tokio") && !has_word("tokio_util", "tokio"));
        assert!(is_played("tests/scenarios/a.scene", "play(\"a\")"));
        assert!(!is_played("tests/scenarios/a.scene", "play(\"ab\")"));
        assert!(is_played("tests/scenarios/a.scene", "read_dir(\"scenarios\")"));
    }
}
