//! What `myicq listen --exec` runs for each event.

use std::ffi::OsString;
use std::io;
use std::process::Stdio;

use clap::Args;
use myicq_client::Event;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::task::JoinSet;

#[derive(Debug, Args)]
pub(crate) struct ExecOptions {
    /// Run this program for each event, with the event as a JSON object on its standard input. What is written here is the name or the path of the
    /// program, taken as it is: there is no shell, there are no arguments, and so nothing to quote; for more, name a script. What it
    /// prints goes where our output goes, and its exit code counts for nothing. A message counts as received once the program has been started
    #[arg(long, value_name = "PROGRAM")]
    exec: Option<OsString>,
    /// So many of them run at once at most; one more event waits until one has ended
    #[arg(long, value_name = "N", default_value = "4", requires = "exec", value_parser = clap::value_parser!(u16).range(1..=256))]
    exec_max: u16,
}

/// Runs a program for each event.
#[derive(Debug)]
pub(crate) struct Exec {
    program: OsString,
    max: usize,
    running: JoinSet<io::Result<()>>,
}

impl Exec {
    pub(crate) fn new(options: ExecOptions) -> Option<Self> {
        let max = options.exec_max.into();
        options.exec.map(|program| Self { program, max, running: JoinSet::new() })
    }

    /// Starts the program for an event, when there is room for it.
    #[expect(clippy::disallowed_methods, reason = "the command line is a driver")]
    pub(crate) async fn on_event(&mut self, event: &Event) -> io::Result<()> {
        while self.running.len() >= self.max {
            self.running.join_next().await;
        }
        let mut json = serde_json::to_vec(event)?;
        json.push(b'\n');
        let child = Command::new(&self.program).stdin(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot run {}: {error}", self.program.to_string_lossy()))
        })?;
        self.running.spawn(async move {
            if let Some(mut input) = child.stdin.take() {
                // A program that does not want to know more is done the sooner.
                let _ = input.write_all(&json).await;
            }
            child.wait().await.map(drop)
        });
        Ok(())
    }

    /// Waits for those that run still.
    pub(crate) async fn finish(mut self) {
        while self.running.join_next().await.is_some() {}
    }
}
