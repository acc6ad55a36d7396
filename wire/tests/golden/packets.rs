//! The packets of `wire/testdata`: one JSON object a line, with the values that its bytes mean beside them.
//!
//! `session`, `reliability`, `peer` and `tunnel` were captured from a client of 2003 and the server that stood in for its own;
//! `handmade` has what they lack, put together by hand. Text and passwords are hexadecimal, `fields` are in the
//! order of the wire, `body` is plain and without padding. `cipher` names the form of a
//! body where it is an extension of ours, "cbc" or "sealed"; those bytes were made by another program's DES.

use serde_json::Value;

/// One packet.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) name: String,
    /// Whether a client sent it; otherwise the server did.
    pub(crate) from_client: bool,
    pub(crate) wire: Vec<u8>,
    pub(crate) enciphered: bool,
    pub(crate) password: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// The values alone: the names are for the reader of the file.
    pub(crate) fields: Vec<Value>,
    /// The fields within the text.
    pub(crate) parts: Option<Vec<String>>,
    row: Value,
}

impl Packet {
    /// A number of the header.
    pub(crate) fn header(&self, name: &str) -> u64 {
        self.row["header"][name].as_u64().unwrap_or_else(|| panic!("{}: no {name}", self.name))
    }

    /// A word that only some of the files have.
    pub(crate) fn word(&self, name: &str) -> &str {
        self.row[name].as_str().unwrap_or_default()
    }

    fn new(line: &str) -> Self {
        let row: Value = serde_json::from_str(line).expect("a JSON object");
        let bytes = |name: &str| hex::decode(row[name].as_str().unwrap_or_default()).expect("hexadecimal");
        let fields = row["fields"].as_array().expect("fields");
        Self {
            name: row["name"].as_str().expect("name").to_owned(),
            from_client: row["from"] == "client",
            wire: bytes("hex"),
            enciphered: row["enciphered"] == true,
            password: bytes("password"),
            body: bytes("body"),
            fields: fields.iter().map(|field| field[1].clone()).collect(),
            parts: row.get("parts").map(|parts| serde_json::from_value(parts.clone()).expect("parts")),
            row,
        }
    }
}

fn load(text: &str) -> Vec<Packet> {
    text.lines().map(Packet::new).collect()
}

/// The datagrams, in both directions.
pub(crate) fn datagrams() -> Vec<Packet> {
    let files = [
        include_str!("../../testdata/session.jsonl"),
        include_str!("../../testdata/reliability.jsonl"),
        include_str!("../../testdata/handmade.jsonl"),
    ];
    files.into_iter().flat_map(load).collect()
}

/// Frames of direct sessions, each with its length in front.
pub(crate) fn peer_frames() -> Vec<Packet> {
    let files = [include_str!("../../testdata/peer.jsonl"), include_str!("../../testdata/handmade-peer.jsonl")];
    files.into_iter().flat_map(load).collect()
}

/// Datagrams in a TCP stream, each with its length in front.
pub(crate) fn tunnelled() -> Vec<Packet> {
    load(include_str!("../../testdata/tunnel.jsonl"))
}
