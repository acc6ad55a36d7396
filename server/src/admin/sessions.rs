//! `myicqd sessions`: who is here.

use std::io::{self, Write};

use myicq_server::control::{Answer, Request, Session};
use serde_json::json;

use super::place::ask_server;
use crate::cli::SessionsArgs;
use crate::exit::Failure;

/// Lists the sessions of the server that is running.
pub(crate) fn run(args: &SessionsArgs) -> Result<(), Failure> {
    let config = args.server.config()?;
    let mut out = io::stdout().lock();
    let mut has_heading = args.json;
    let print = |part| {
        let Answer::Session(session) = part else { return Ok(()) };
        if args.json {
            return writeln!(out, "{}", json!(session));
        }
        if !has_heading {
            has_heading = true;
            let heading = ["uin", "state", "idle", "rtt", "unacked", "queued"];
            let [uin, state, idle, rtt, unacked, queued] = heading;
            writeln!(out, "{uin:>10}  {state:<9}  {idle:>6}  {rtt:>7}  {unacked:>7}  {queued:>6}  address")?;
        }
        write_line(&mut out, &session)
    };
    ask_server(&config.store.data, &Request::Sessions {}, print)?;
    if !has_heading {
        writeln!(out, "nobody is here")?;
    }
    Ok(out.flush()?)
}

fn write_line(out: &mut impl Write, session: &Session) -> io::Result<()> {
    let Session { uin, state, address, idle_ms, round_trip_ms, in_flight, queued, .. } = session;
    let idle = format!("{} s", idle_ms / 1_000);
    let rtt = round_trip_ms.map_or_else(|| "-".to_owned(), |time| format!("{time} ms"));
    writeln!(out, "{uin:>10}  {state:<9}  {idle:>6}  {rtt:>7}  {in_flight:>7}  {queued:>6}  {address}")
}
