//! The dissector for Wireshark, in `tshark`, on captures of the packets that the tests have.
//!
//! `MYICQ_UPDATE=1 cargo test -p myicq-tests --test project` makes captures and what is read out of them anew.
#![expect(clippy::disallowed_methods, reason = "reads and writes the files of the project, and runs tshark")]
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test: what is not as it must be ends it"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use myicq_tests::dissector::samples::{self, PORT, TUNNEL_PORT};
use myicq_tests::process::program;
use myicq_tests::{testdata, tools};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/wireshark")
}

fn keep(name: &str, made: &[u8]) {
    let file = folder().join(name);
    if std::env::var_os("MYICQ_UPDATE").is_some() {
        fs::write(&file, made).unwrap();
    } else if fs::read(&file).unwrap_or_default() != made {
        panic!("{name} is not what it would be today: MYICQ_UPDATE=1 cargo test -p myicq-tests --test project");
    }
}

/// What tshark shows of our protocols, and nothing of those below them; without what differs from version to version.
fn read(capture: &Path) -> Vec<Value> {
    let output = Command::new("tshark")
        .args([
            "-n",
            "-T",
            "json",
            "--no-duplicate-keys",
            "-J",
            "myicq myicq_peer",
            "-o",
            &format!("myicq_tunnel.port:{TUNNEL_PORT}"),
        ])
        .arg("-X")
        .arg(format!("lua_script:{}", folder().join("myicq.lua").display()))
        .arg("-r")
        .arg(capture)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!complaints.contains("Lua"), "{complaints}");
    let frames: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    frames.into_iter().map(|mut frame| frame["_source"]["layers"].take()).map(ours).collect()
}

fn ours(mut layers: Value) -> Value {
    let layers = layers.as_object_mut().unwrap();
    layers.retain(|name, _| name.starts_with("myicq"));
    Value::Object(std::mem::take(layers))
}

/// One frame a line, so that a difference shows which.
fn lines(frames: &[Value]) -> Vec<u8> {
    frames.iter().flat_map(|frame| format!("{frame}\n").into_bytes()).collect()
}

fn compare(capture: &str, made: &[u8], golden: &str) -> Option<Vec<Value>> {
    keep(capture, made);
    if !tools::has("tshark", "--version") {
        return None;
    }
    let frames = read(&folder().join(capture));
    keep(golden, &lines(&frames));
    Some(frames)
}

#[test]
fn every_datagram_of_a_captured_session_is_understood() {
    let [session, ..] = testdata::CLIENT_FILES;
    if let Some(frames) = compare("session.pcap", &samples::datagrams(session, PORT), "session.json") {
        assert_eq!(frames.len(), testdata::rows(session).count());
        for (frame, row) in frames.iter().zip(testdata::rows(session)) {
            assert_eq!(frame["myicq"]["myicq.from"], row["from"], "{}", row["name"]);
            let number = |name: &str| frame["myicq"][name].as_str().and_then(|text| text.parse().ok());
            assert_eq!(number("myicq.seq"), row["header"]["seq"].as_u64(), "{}", row["name"]);
            assert!(!frame.to_string().contains("malformed"), "{}: {frame}", row["name"]);
        }
    }
}

#[test]
fn a_server_on_another_port_is_known_by_its_first_login() {
    let [session, ..] = testdata::CLIENT_FILES;
    let capture = tempfile::NamedTempFile::new().unwrap();
    fs::write(capture.path(), samples::datagrams(session, PORT + 1)).unwrap();
    if tools::has("tshark", "--version") {
        let frames = read(capture.path());
        assert_eq!(frames, read(&folder().join("session.pcap")));
    }
}

#[test]
fn every_command_and_extension_is_understood() {
    let [.., handmade] = testdata::CLIENT_FILES;
    if let Some(frames) = compare("commands.pcap", &samples::datagrams(handmade, PORT), "commands.json") {
        // Of the sealed ones the capture has no login that says so.
        for (frame, row) in frames.iter().zip(testdata::rows(handmade)).filter(|(_, row)| row["cipher"] != "sealed") {
            assert!(!frame.to_string().contains("malformed"), "{}: {frame}", row["name"]);
        }
    }
}

#[test]
fn streams_are_taken_apart_wherever_their_segments_end() {
    let tunnel = include_str!("../../../wire/testdata/tunnel.jsonl");
    let shown = |frames: &[Value], protocol: &str| {
        let packets = frames.iter().filter_map(|frame| frame.get(protocol));
        packets.map(|packets| packets.as_array().map_or(1, Vec::len)).sum::<usize>()
    };
    if let Some(frames) = compare("tunnel.pcap", &samples::streams(tunnel), "tunnel.json") {
        assert_eq!(shown(&frames, "myicq"), testdata::rows(tunnel).count());
    }
    let peer = include_str!("../../../wire/testdata/peer.jsonl");
    if let Some(frames) = compare("direct.pcap", &samples::streams(peer), "direct.json") {
        assert_eq!(shown(&frames, "myicq_peer"), testdata::rows(peer).count());
    }
}

/// What `myicq decode` reads out of a capture, a packet a line.
fn decoded(capture: &Path) -> Vec<Value> {
    let ports = [PORT, TUNNEL_PORT].map(|port| format!("--port={port}"));
    let output = Command::new(program("myicq")).args(["decode", "--json", "--file"]).arg(capture).args(ports).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(read_line).collect()
}

fn read_line(line: &[u8]) -> Value {
    serde_json::from_slice(line).unwrap()
}

#[test]
fn a_capture_is_deciphered_with_the_passwords_of_its_logins() {
    let [session, ..] = testdata::CLIENT_FILES;
    let packets = decoded(&folder().join("session.pcap"));
    assert_eq!(packets.len(), testdata::rows(session).count());
    for (packet, row) in packets.iter().zip(testdata::rows(session)) {
        assert_eq!((&packet["from"], &packet["error"]), (&row["from"], &Value::Null), "{packet}");
        let cipher = if row["enciphered"] == true { "original" } else { "none" };
        assert_eq!(packet["cipher"], cipher, "{}", row["name"]);
    }
    let tunnel = decoded(&folder().join("tunnel.pcap"));
    assert_eq!(tunnel.len(), testdata::rows(include_str!("../../../wire/testdata/tunnel.jsonl")).count());
    let direct = decoded(&folder().join("direct.pcap"));
    assert_eq!(direct.len(), testdata::rows(include_str!("../../../wire/testdata/peer.jsonl")).count());
    assert!(tunnel.iter().chain(&direct).all(|packet| packet["error"].is_null()));
}

#[test]
fn a_capture_that_ends_in_mid_packet_is_read_up_to_there() {
    let whole = fs::read(folder().join("session.pcap")).unwrap();
    let cut = tempfile::NamedTempFile::new().unwrap();
    fs::write(cut.path(), &whole[..whole.len() - 5]).unwrap();
    assert_eq!(decoded(cut.path()).len(), decoded(&folder().join("session.pcap")).len() - 1);
}

#[test]
fn both_kinds_of_captures_are_read_alike() {
    if tools::has("editcap", "--version") {
        let next_generation = tempfile::NamedTempFile::new().unwrap();
        let mut convert = Command::new("editcap");
        convert.args(["-F", "pcapng"]).arg(folder().join("session.pcap")).arg(next_generation.path());
        assert!(convert.status().unwrap().success());
        assert_eq!(decoded(next_generation.path()), decoded(&folder().join("session.pcap")));
    }
}
