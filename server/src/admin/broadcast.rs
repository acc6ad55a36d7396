//! `myicqd broadcast`: something for everybody.

use myicq_server::control::Request;

use super::place::ask_server;
use crate::cli::BroadcastArgs;
use crate::exit::Failure;

/// Has the server that is running say something to everybody, to each once: at once, or at his next login.
pub(crate) fn run(args: BroadcastArgs) -> Result<(), Failure> {
    let config = args.server.config()?;
    ask_server(&config.store.data, &Request::Broadcast { text: args.text }, |_| Ok(()))?;
    Ok(())
}
