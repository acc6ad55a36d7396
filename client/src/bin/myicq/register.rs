//! `myicq register`

use clap::Args;

use crate::connection::{PasswordSource, Server};
use crate::failure::Failure;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    password: PasswordSource,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let password = arguments.password.read("Password of the new user: ")?;
    let uin = arguments.server.builder()?.register(&password).await?;
    Ok(output::line(uin)?)
}
