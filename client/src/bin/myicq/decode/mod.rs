//! `myicq decode`

mod capture;
mod conversation;
mod datagram;

use std::fs::File;
use std::io::{BufRead, BufReader, Seek as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use myicq_wire::DEFAULT_PORT;
use myicq_wire::cipher::Key;
use serde_json::Value;

use self::conversation::Conversations;
use self::datagram::Peer;
use crate::failure::{Failure, code};
use crate::output::{self, Plain};

#[derive(Debug, Args)]
#[command(after_help = "\
A capture needs no password where it has the logins: a client sends it in the clear, and what follows in that session is
deciphered with it. It may have datagrams, the TCP tunnel and direct sessions in it.

Examples:
  myicq decode 000100000000000000002b4f79d4000239d00000000868756e7465723200
  myicq decode --password hunter2 --from client --json - <datagrams.txt
  myicq decode --file office.pcap --json | jq 'select(.command == \"UDP_LOGIN\")'")]
pub(crate) struct Arguments {
    /// The password of the session, to decipher what the client sends, and a server to a sealed session. It is visible to other users of this machine
    #[arg(long)]
    password: Option<String>,
    /// Who sent it
    #[arg(long, value_enum, default_value = "auto", conflicts_with_all = ["peer", "port"])]
    from: From,
    /// A frame of a direct TCP session of this kind
    #[arg(long, value_enum)]
    peer: Option<Peer>,
    /// Print one JSON object in one line for each
    #[arg(long)]
    json: bool,
    /// A capture of a network (pcap or pcapng), or a text with one datagram in hexadecimal a line
    #[arg(long, value_name = "FILE", conflicts_with = "hex")]
    file: Option<PathBuf>,
    /// In a capture: the port of the server, for UDP and for its TCP tunnel; may be given more than once
    #[arg(long, value_name = "PORT", default_values_t = [DEFAULT_PORT], requires = "file")]
    port: Vec<u16>,
    /// The bytes in hexadecimal, in one or more pieces; "-" reads one datagram a line from the standard input
    #[arg(required_unless_present = "file")]
    hex: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum From {
    Client,
    Server,
    /// Find out; where both fit, the client
    Auto,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let key = arguments.password.as_ref().map(|password| Key::new(password.as_bytes()));
    if let Some(path) = &arguments.file {
        return file(arguments, key, path);
    }
    if arguments.hex != ["-"] {
        return line(arguments, key.as_ref(), &arguments.hex.concat());
    }
    lines(arguments, key.as_ref(), std::io::stdin().lock())
}

#[expect(clippy::disallowed_methods, reason = "this is the command line, which reads files")]
fn file(arguments: &Arguments, key: Option<Key>, path: &Path) -> Result<(), Failure> {
    let named = |error: std::io::Error| Failure::new(code::FAILURE, format!("{}: {error}", path.display()));
    let mut file = BufReader::new(File::open(path).map_err(named)?);
    if !capture::is_capture(file.fill_buf().map_err(named)?) {
        return lines(arguments, key.as_ref(), file);
    }
    file.rewind().map_err(named)?;
    let mut conversations = Conversations::new(&arguments.port, key);
    capture::read(file, |packet| conversations.packet(&packet, |decoded| show(arguments, decoded)))
}

/// One that does not decode must not hide the others.
fn lines(arguments: &Arguments, key: Option<&Key>, input: impl BufRead) -> Result<(), Failure> {
    let mut first_failure = Ok(());
    for text in input.lines() {
        let text = text?;
        if !text.trim().is_empty() {
            let outcome = line(arguments, key, &text);
            first_failure = first_failure.and(outcome);
        }
    }
    first_failure
}

fn line(arguments: &Arguments, key: Option<&Key>, text: &str) -> Result<(), Failure> {
    let digits: String = text.chars().filter(|character| !character.is_whitespace() && *character != ':').collect();
    let bytes =
        hex::decode(digits).map_err(|error| Failure::usage(format!("these are not hexadecimal bytes: {error}")))?;
    let decoded = match (arguments.peer, arguments.from) {
        (Some(kind), _) => datagram::peer(kind, &bytes),
        (None, From::Client) => datagram::client(&bytes, key),
        (None, From::Server) => datagram::server(&bytes, key),
        (None, From::Auto) => datagram::either(&bytes, key),
    };
    show(arguments, &decoded.map_err(|error| Failure::new(code::FAILURE, error.to_string()))?)
}

fn show(arguments: &Arguments, decoded: &Value) -> Result<(), Failure> {
    if arguments.json {
        return Ok(output::json(decoded)?);
    }
    print("", decoded)?;
    // Where several follow each other, a blank line tells them apart.
    if arguments.file.is_some() {
        output::line(format_args!(""))?;
    }
    Ok(())
}

/// One field a line, with the way to it in front: "body.login.status: 0".
fn print(path: &str, value: &Value) -> std::io::Result<()> {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| print(&below(name), value)),
        Value::Array(items) if items.is_empty() => output::line(format_args!("{path}: (none)")),
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(index, item)| print(&below(&index.to_string()), item))
        }
        Value::Null => output::line(format_args!("{path}: (none)")),
        Value::String(text) => output::line(format_args!("{path}: {}", Plain(text))),
        number => output::line(format_args!("{path}: {number}")),
    }
}
