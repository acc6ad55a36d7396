//! The header in the tree is what the sources would make today.
//!
//! `MYICQ_UPDATE=1 cargo test --workspace --test header` makes it anew.
#![expect(clippy::disallowed_methods, reason = "reads and writes a file of the project")]

use std::path::Path;

#[test]
fn the_header() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut made = Vec::new();
    cbindgen::generate(folder).unwrap().write(&mut made);
    let file = folder.join("include/myicq.h");
    if std::env::var_os("MYICQ_UPDATE").is_some() {
        std::fs::write(&file, made).unwrap();
    } else if std::fs::read(&file).unwrap_or_default() != made {
        panic!(
            "include/myicq.h is not what the sources make of it: MYICQ_UPDATE=1 cargo test --workspace --test header"
        );
    }
}
