//! What packages install beside the program, made of the command line itself.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments;
use crate::failure::{Failure, code};

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The folder for them, made when it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// Which shell
    shell: Shell,
}

/// Writes a manual page for each command into a folder.
pub(crate) fn man(ManArguments { folder }: &ManArguments) -> Result<(), Failure> {
    #[expect(clippy::disallowed_methods, reason = "the command line is a driver")]
    let made = std::fs::create_dir_all(folder);
    let written = made.and_then(|()| clap_mangen::generate_to(arguments::Arguments::command(), folder));
    let told = written.with_context(|| format!("cannot write manual pages to {}", folder.display()));
    told.map_err(|error| Failure { error, code: code::FAILURE })
}

/// Prints what a shell needs to complete our commands.
pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut arguments::Arguments::command(), "myicq", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}
