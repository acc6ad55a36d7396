//! What is made of the code and kept in the project, so that it can be read there, is what the code would make today.
//!
//! `MYICQ_UPDATE=1 cargo test -p myicq-tests --test project` makes it anew.
#![expect(clippy::disallowed_methods, reason = "reads and writes the files of the project")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "what the tests share panics as the tests themselves do")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use myicq_server::Config;
use myicq_server::config::{Loaded, SETTINGS, document};
use myicq_tests::dissector;

#[test]
fn the_example_of_a_configuration() {
    keep("docs/myicqd.example.toml", |_| document(&Loaded::default()));
}

#[test]
fn the_table_of_settings() {
    keep("docs/operations.md", |page| {
        let (before, rest) = page.split_once("<!-- settings -->\n").expect("the page marks where the settings begin");
        let (_, after) = rest.split_once("<!-- end of settings -->\n").expect("and where they end");
        format!("{before}<!-- settings -->\n{}<!-- end of settings -->\n{after}", table())
    });
}

fn table() -> String {
    let defaults = Config::default();
    let mut table = String::from("| key | flag and variable | default | what |\n|---|---|---|---|\n");
    for setting in SETTINGS.iter() {
        let (key, flag, env) = (setting.key(), &setting.flag, &setting.env);
        let restart = if setting.is_live { "" } else { " *A change needs a restart.*" };
        let text = format!("{} Takes {}. {}", setting.about, setting.wanted, setting.reason);
        let default = setting.show(&defaults);
        writeln!(table, "| `{key}` | `--{flag}` `{env}` | `{default}` | {}{restart} |", text.trim_end()).unwrap();
    }
    table
}

#[test]
fn the_dissector() {
    keep("docs/wireshark/myicq.lua", |_| dissector::dissector());
}

/// Compares a file with what `make` makes of it, or writes that.
fn keep(path: &str, make: impl Fn(&str) -> String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let found = fs::read_to_string(&file).unwrap_or_default();
    let made = make(&found);
    if std::env::var_os("MYICQ_UPDATE").is_some() {
        fs::write(&file, made).unwrap();
    } else if found != made {
        panic!("{path} is not what the code makes of it: MYICQ_UPDATE=1 cargo test -p myicq-tests --test project");
    }
}
