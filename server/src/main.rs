//! `myicqd`: arguments → configuration → driver.
#![forbid(unsafe_code)]

mod admin;
#[cfg(unix)]
mod again;
mod cli;
mod exit;
mod log;
mod trial;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use myicq_server::driver::{self, Listening};

use crate::cli::{Cli, Command, RunArgs};
use crate::exit::{Exit, Failure};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => run(cli.run),
        Some(Command::Run(args)) => run(args),
        Some(Command::User(args)) => admin::user::run(args),
        Some(Command::Broadcast(args)) => admin::broadcast(args),
        Some(Command::Sessions(args)) => admin::sessions(&args),
        Some(Command::Backup(args)) => admin::backup(&args),
        Some(Command::Trace(args)) => admin::trace(&args),
        Some(Command::Health(args)) => admin::health(&args),
        Some(Command::Config(args)) => admin::config::run(args),
        Some(Command::Invite(args)) => admin::invite::run(args),
        Some(Command::Man { folder }) => admin::pages::man(&folder),
        Some(Command::Completions { shell }) => admin::pages::completions(shell),
    };
    match done {
        Ok(()) => Exit::Ok.into(),
        // Whoever reads our output has read enough, as in `myicqd user list | head`.
        Err(failure) if failure.is_broken_pipe() => Exit::Ok.into(),
        Err(failure) => {
            // Where there is nobody to tell, the code still tells.
            if !failure.is_told() {
                let _ = writeln!(io::stderr(), "myicqd: {failure}");
            }
            failure.exit().into()
        }
    }
}

fn run(args: RunArgs) -> Result<(), Failure> {
    log::start(&args.log)?;
    let sources = args.sources.into_sources();
    if args.smoke {
        return trial::smoke::run(sources);
    }
    if args.demo {
        return trial::demo::run(sources);
    }
    let config = sources.load()?.config;
    match driver::run(config, Some(sources), |listening, _| announce(&listening)) {
        #[cfg(unix)]
        Err(failure @ driver::RunError::Died(_)) => Err(again::start(failure)),
        ended => Ok(ended?),
    }
}

/// Scripts wait for the first of these lines. One that has closed our output does not want it.
fn announce(listening: &Listening) {
    let mut out = io::stdout().lock();
    for udp in &listening.udp {
        let _ = writeln!(out, "listening on udp {udp}");
    }
    if let Some(tunnel) = listening.tunnel {
        let _ = writeln!(out, "listening on tcp {tunnel}");
    }
    if let Some(relay) = listening.relay {
        let _ = writeln!(out, "listening for relays on tcp {relay}");
    }
    let _ = out.flush();
}
