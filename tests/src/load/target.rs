//! The server that is loaded: one's own, or one that runs already.
#![expect(clippy::disallowed_methods, reason = "a driver: it starts the server")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use super::arguments::Common;
use super::meter::Meter;
use crate::process::Server;

/// What one's own server is run with: passwords that cost little, and mailboxes that hold whatever comes.
pub(super) const LENIENT: &str = "[limits]\nrates = \"off\"\noffline_max = 1000000\noffline_pair_max = 1000000\n\
                      offline_bytes_max = 1073741824\noffline_day_max = 1000000\n\
                      [security]\nargon2_memory_kib = 8\nargon2_iterations = 1\n";

/// The same with the limits and the hashes that a server has by default, but for how fast its users may talk and how many may come.
pub(super) const LIMITED: &str =
    "[limits]\nmessages_burst = 1000\nmessages_per_second = 1000\naddress_registrations_per_hour = 10000\n";

/// With the mailboxes that a server has by default, and all else as in [`LENIENT`].
pub(super) const MAILBOXES: &str =
    "[limits]\nrates = \"off\"\n[security]\nargon2_memory_kib = 8\nargon2_iterations = 1\n";

/// Where the users go.
#[derive(Debug)]
pub(super) enum Target {
    Own(Box<Own>),
    Running { address: SocketAddr, pid: Option<u32> },
}

/// A server that was started for this, and ends with it.
#[derive(Debug)]
pub(super) struct Own {
    /// `None` only while it is started anew. It ends before its folder does.
    server: Option<Server>,
    folder: TempDir,
    common: Common,
    settings: &'static str,
}

impl Target {
    /// # Errors
    /// There is none, or it is none to be loaded.
    pub(super) fn new(common: &Common, settings: &'static str) -> anyhow::Result<Self> {
        if let Some(address) = common.target.server {
            if !address.ip().to_canonical().is_loopback() && !common.owner_agrees {
                bail!("{address} is not on this machine: only with the consent of its owner, and --owner-agrees");
            }
            return Ok(Self::Running { address, pid: common.pid });
        }
        let mut own = Own { common: common.clone(), folder: tempfile::tempdir()?, server: None, settings };
        own.start()?;
        Ok(Self::Own(Box::new(own)))
    }

    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Own(own) => own.running().address,
            Self::Running { address, .. } => *address,
        }
    }

    /// Forgets what making the users has left in the server's memory. A server that runs already is left alone.
    pub(super) fn start_anew(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Own(own) => own.start(),
            Self::Running { .. } => Ok(()),
        }
    }

    /// Where one's own server keeps what it keeps.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        match self {
            Self::Own(own) => Some(own.folder.path().join("data")),
            Self::Running { .. } => None,
        }
    }

    pub(super) fn meter(&self) -> Meter {
        match self {
            Self::Own(own) => Meter { server: Some(own.running().id()) },
            Self::Running { pid, .. } => Meter { server: *pid },
        }
    }

    /// Ends one's own server.
    ///
    /// # Errors
    /// It did not end well.
    pub(super) fn end(self) -> anyhow::Result<()> {
        match self {
            Self::Own(mut own) => own.stop(),
            Self::Running { .. } => Ok(()),
        }
    }
}

impl Own {
    fn running(&self) -> &Server {
        self.server.as_ref().expect("it was started when this was made")
    }

    fn start(&mut self) -> anyhow::Result<()> {
        self.stop()?;
        let program = self.common.target.spawn.clone().unwrap_or_default();
        let command = match &self.common.server_cpus {
            None => Command::new(&program),
            Some(cpus) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", cpus]).arg(&program);
                command
            }
        };
        let started = Server::launch(command, self.folder.path(), self.settings);
        self.server = Some(started.with_context(|| format!("cannot start {}", program.display()))?);
        Ok(())
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        let Some(server) = self.server.take() else { return Ok(()) };
        let status = server.terminate();
        if !status.success() {
            bail!("the server did not end well: {status}");
        }
        Ok(())
    }
}
