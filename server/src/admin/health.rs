//! `myicqd health`: for whoever has to know whether the server serves, a container's health check for instance.

use std::io::{self, Write};

use anyhow::anyhow;
use myicq_server::control::{Answer, Health, Request};
use serde_json::json;

use super::place::ask_server;
use crate::cli::HealthArgs;
use crate::exit::{Exit, Failure};

/// Says which parts of the server answer, and fails unless all of them do.
pub(crate) fn run(args: &HealthArgs) -> Result<(), Failure> {
    let config = args.server.config()?;
    let answer = ask_server(&config.store.data, &Request::Health {}, |_| Ok(()))?;
    let Answer::Health(health) = answer else { return Ok(()) };
    let Health { shards, answering, store } = health;
    if args.json {
        writeln!(io::stdout(), "{}", json!(health))?;
    } else {
        let store = if store { "answers" } else { "does not answer" };
        writeln!(io::stdout(), "{answering} of {shards} shards answer; the store {store}")?;
    }
    if health.is_healthy() {
        Ok(())
    } else {
        Err(Failure::new(Exit::Unavailable, anyhow!("the server is not healthy")))
    }
}
