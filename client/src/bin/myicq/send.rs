//! `myicq send`

use clap::Args;
use myicq_client::{Status, Uin};

use crate::connection::Login;
use crate::failure::Failure;
use crate::history::{Keep, Recorder};
use crate::output::{self, unix_time};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: Login,
    /// To whom
    #[arg(long, value_name = "N")]
    to: Uin,
    /// Print a JSON object that says how far it has come: {"arrival":"delivered","id":N}, "stored", "accepted" or "direct"
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    keep: Keep,
    /// What to say: at most 450 bytes in GB 18030
    #[arg(allow_hyphen_values = true)]
    text: String,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { login, to, json, keep, text } = arguments;
    let (account, builder) = login.account()?;
    let (client, _) = builder.direct(None).status(Status::INVISIBLE).connect().await?;
    let sent = match client.send(to, &text).await {
        Ok(receipt) => receipt.acknowledged().await,
        Err(error) => Err(error),
    };
    client.logout().await;
    let arrival = sent?;
    let mut recorder = Recorder::new(keep, account);
    recorder.on_sent(to, &text, unix_time(), arrival.id());
    recorder.complain();
    if json {
        output::json(&arrival)?;
    }
    Ok(())
}
