//! `myicq`: a client for the command line.

mod arguments;
mod auth;
#[cfg(feature = "chat")]
mod chat;
mod connection;
mod contacts;
mod decode;
mod direct;
mod discover;
mod exec;
mod failure;
mod file;
mod folder;
mod group;
mod history;
mod listen;
mod output;
mod pages;
mod profile;
mod register;
mod search;
mod send;
mod server;
mod shown;
mod status;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use failure::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log();
    let Err(failure) = run(arguments.command) else { return ExitCode::SUCCESS };
    // With stderr gone, the exit code still says it.
    let _ = writeln!(std::io::stderr(), "myicq: {:#}", failure.error);
    ExitCode::from(failure.code)
}

fn run(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Register(arguments) => register::run(arguments).await,
            Command::Send(arguments) => send::run(arguments).await,
            Command::Listen(arguments) => listen::run(arguments).await,
            Command::Contacts(arguments) => contacts::list(arguments).await,
            Command::Add(arguments) => contacts::add(arguments).await,
            Command::Remove(arguments) => contacts::remove(arguments).await,
            Command::Auth(arguments) => auth::run(arguments).await,
            Command::Search(arguments) => search::run(arguments).await,
            Command::Group(arguments) => group::run(arguments).await,
            Command::File(arguments) => file::run(arguments).await,
            Command::Status(arguments) => status::run(arguments).await,
            Command::Profile(arguments) => profile::run(arguments).await,
            Command::Servers(arguments) => server::list(arguments).await,
            Command::Ping(arguments) => server::ping(arguments).await,
            Command::Broadcast(arguments) => server::broadcast(arguments).await,
            #[cfg(feature = "chat")]
            Command::Chat(arguments) => chat::run(arguments).await,
            Command::History(arguments) => history::run(arguments),
            Command::Decode(arguments) => decode::run(&arguments),
            Command::Man(arguments) => pages::man(&arguments),
            Command::Completions(arguments) => pages::completions(&arguments),
        }
    })
}

/// What the driver does goes to stderr, if MYICQ_LOG asks for it.
fn start_log() {
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("MYICQ_LOG") {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
}
