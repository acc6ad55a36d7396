//! `myicqd trace UIN`: what becomes of each of a user's datagrams, while it happens.

use std::io::{self, Write};

use myicq_server::control::{Answer, Request, Traced};
use serde_json::json;

use super::place::ask_server;
use crate::cli::TraceArgs;
use crate::exit::Failure;

/// Shows what happens to the user until Ctrl-C.
pub(crate) fn run(args: &TraceArgs) -> Result<(), Failure> {
    let config = args.server.config()?;
    let mut out = io::stdout().lock();
    let print = |part| {
        let Answer::Traced(traced) = part else { return Ok(()) };
        if args.json {
            writeln!(out, "{}", json!(traced))?;
        } else {
            writeln!(out, "{}", line(&traced))?;
        }
        out.flush()
    };
    ask_server(&config.store.data, &Request::Trace { uin: args.uin.0 }, print)?;
    Ok(())
}

/// The time of day, in UTC, and what happened.
fn line(traced: &Traced) -> String {
    let Traced { time, what, .. } = traced;
    let milliseconds = time / 1_000;
    let seconds = milliseconds / 1_000;
    let (hour, minute, second, fraction) =
        (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60, milliseconds % 1_000);
    let mut line = format!("{hour:02}:{minute:02}:{second:02}.{fraction:03}  {what:<7}");
    let place = if what == "in" { "from" } else { "to" };
    let parts = [
        traced.command.clone(),
        traced.seq.map(|seq| format!("seq {seq}")),
        traced.answers.map(|seq| format!("for {seq}")),
        traced.address.as_ref().map(|address| format!("{place} {address}")),
        traced.bytes.map(|bytes| format!("{bytes} bytes")),
        traced.fate.clone(),
        traced.count.map(|count| format!("{count} more, faster than they could be told")),
    ];
    for part in parts.into_iter().flatten() {
        line.push_str("  ");
        line.push_str(&part);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_applies() {
        let traced = Traced {
            time: 1_700_000_000_123_456,
            what: "in".to_owned(),
            fate: Some("drop_stale".to_owned()),
            command: Some("UDP_LOGIN".to_owned()),
            seq: Some(7),
            address: Some("127.0.0.1:9".to_owned()),
            bytes: Some(60),
            ..Traced::default()
        };
        let expected = "22:13:20.123  in       UDP_LOGIN  seq 7  from 127.0.0.1:9  60 bytes  drop_stale";
        assert_eq!(line(&traced), expected);
    }
}
