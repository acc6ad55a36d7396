//! `myicqd man` and `myicqd completions`: what packages install beside the program, made of the command line itself.

use std::io;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::{Exit, Failure};

/// Writes a manual page for each command into a folder.
pub(crate) fn man(folder: &Path) -> Result<(), Failure> {
    #[expect(clippy::disallowed_methods, reason = "the command line may touch files")]
    let made = std::fs::create_dir_all(folder);
    let written = made.and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    let told = written.with_context(|| format!("cannot write manual pages to {}", folder.display()));
    told.map_err(|error| Failure::new(Exit::Io, error))
}

/// Prints what a shell needs to complete our commands.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "myicqd", &mut script);
    Ok(io::Write::write_all(&mut io::stdout(), &script)?)
}
