//! `myicq send`

use clap::Args;
use myicq_client::Uin;

use crate::connection::Login;
use crate::failure::Failure;
use crate::output;

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
    /// What to say: at most 450 bytes in GB 18030
    #[arg(allow_hyphen_values = true)]
    text: String,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let client = arguments.login.connect_quietly().await?;
    let sent = match client.send(arguments.to, arguments.text).await {
        Ok(receipt) => receipt.acknowledged().await,
        Err(error) => Err(error),
    };
    client.logout().await;
    let arrival = sent?;
    if arguments.json {
        output::json(&arrival)?;
    }
    Ok(())
}
