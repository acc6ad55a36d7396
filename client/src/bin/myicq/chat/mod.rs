//! `myicq chat`: a terminal client. [`model`] decides, [`view`] draws, [`driver`] goes between them and the world.

mod driver;
mod model;
mod perform;
mod terminal;
#[cfg(test)]
mod tests;
mod view;

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use jiff::tz::TimeZone;

use crate::connection::Login;
use crate::direct::DirectOptions;
use crate::failure::Failure;
use crate::history::{Keep, Recorder};
use crate::shown::{NoteOptions, Shown};
use crate::status::Shown as Status;

#[derive(Debug, Args)]
#[command(after_help = "\
Enter sends, /help lists the commands and the keys, /quit leaves. The last row says what the next key does.

NO_COLOR=1 draws without colours; TZ says in which time zone times are shown.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: Login,
    /// What the contacts are to see
    #[arg(long, value_enum, default_value = "online")]
    status: Status,
    /// The folder where the files of others are to be
    #[arg(long, value_name = "DIR", default_value = ".")]
    into: PathBuf,
    #[command(flatten)]
    direct: DirectOptions,
    #[command(flatten)]
    notes: NoteOptions,
    #[command(flatten)]
    keep: Keep,
}

/// Chats until the user leaves.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() {
        return Err(Failure::usage("chat draws on a terminal, and there is none: see listen and send"));
    }
    let (account, builder) = arguments.login.account()?;
    let status = arguments.status.into();
    let (shown, seen) = Shown::open(&arguments.notes, &account);
    // What goes wrong at first is said where one still is. Later the library comes back by itself.
    let session = builder.status(status).direct(arguments.direct.direct()).seen(seen).connect().await?;
    let model = model::Model::new(account.owner, account.server.clone(), status);
    let recorder = Recorder::new(arguments.keep, account);
    let look = view::Look { has_colour: has_colour(), zone: TimeZone::system() };
    driver::Driver::new(model, look, recorder, arguments.into, shown, session)?.run().await
}

/// Unless the user wants none: <https://no-color.org>.
#[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
fn has_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
