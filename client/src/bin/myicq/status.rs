//! `myicq status`

use std::time::Duration;

use clap::{Args, ValueEnum};
use myicq_client::Status;

use crate::connection::{Login, duration};
use crate::failure::Failure;
use crate::listen::until_stopped;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: Login,
    /// What the contacts are to see
    #[arg(value_enum)]
    status: Shown,
    /// Keep showing it for this long (500ms, 90s, 2m, 1h). A status lasts as long as its session, so without this it is
    /// gone at once
    #[arg(long = "for", value_parser = duration, value_name = "DURATION")]
    keep: Option<Duration>,
}

/// A status that can be shown.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shown {
    Online,
    Away,
    Invisible,
}

impl From<Shown> for Status {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Online => Self::ONLINE,
            Shown::Away => Self::AWAY,
            Shown::Invisible => Self::INVISIBLE,
        }
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    // Plain: it may stand for long, and takes no messages.
    let client = arguments.login.connect_plainly().await?;
    let changed = client.set_status(arguments.status.into()).await;
    if changed.is_ok() && arguments.keep.is_some() {
        tokio::select! {
            reason = client.ended() => return Err(reason.into()),
            stopped = until_stopped(arguments.keep) => stopped?,
        }
    }
    client.logout().await;
    Ok(changed?)
}
