//! `myicqd broadcast`: something for everybody.

use super::place::Place;
use super::runtime;
use crate::cli::BroadcastArgs;
use crate::exit::Failure;

/// Says something to everybody, to each once: at once to those who are here, to the others at their next login.
pub(crate) fn run(args: BroadcastArgs) -> Result<(), Failure> {
    let config = args.server.config()?;
    runtime()?.block_on(async { Place::open(&config, false).await?.broadcast(&config, args.text).await })
}
