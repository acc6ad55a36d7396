//! The packets of `wire/testdata`, for those who need their bytes alone.

use serde_json::Value;

/// The files that hold datagrams.
pub const CLIENT_FILES: [&str; 3] = [
    include_str!("../../wire/testdata/session.jsonl"),
    include_str!("../../wire/testdata/reliability.jsonl"),
    include_str!("../../wire/testdata/handmade.jsonl"),
];

/// The lines of a file, each an object.
pub fn rows(file: &str) -> impl Iterator<Item = Value> {
    file.lines().map(|line| serde_json::from_str(line).unwrap())
}

/// The bytes of a row.
pub fn bytes(row: &Value, name: &str) -> Vec<u8> {
    hex::decode(row[name].as_str().unwrap_or_default()).unwrap()
}

/// What clients sent.
pub fn client_datagrams(files: &[&str]) -> Vec<Vec<u8>> {
    let rows = files.iter().flat_map(|file| rows(file));
    rows.filter(|row| row["from"] == "client").map(|row| bytes(&row, "hex")).collect()
}
