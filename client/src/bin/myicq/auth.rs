//! `myicq auth`

use clap::{Args, Subcommand};
use myicq_client::{Client, Message, Uin};

use crate::connection::Login;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: Login,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Ask somebody whether one may have him on the list, as "myicq add --ask" does
    Ask {
        /// Whom
        #[arg(value_name = "UIN")]
        contact: Uin,
        /// Why
        reason: String,
    },
    /// Let somebody who has asked have one on his list
    Accept {
        /// Whom
        #[arg(value_name = "UIN")]
        contact: Uin,
    },
    /// Tell somebody that he may not have one on his list
    Deny {
        /// Whom
        #[arg(value_name = "UIN")]
        contact: Uin,
        /// Why not
        #[arg(long, default_value = "")]
        reason: String,
    },
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let client = arguments.login.connect_quietly().await?;
    let outcome = match arguments.action {
        Action::Ask { contact, reason } => ask(&client, contact, reason).await,
        Action::Accept { contact } => tell(&client, contact, &Message::AuthAccepted).await,
        Action::Deny { contact, reason } => tell(&client, contact, &Message::AuthRejected { reason }).await,
    };
    client.logout().await;
    outcome
}

/// "May I add you?", under one's own name and picture.
pub(crate) async fn ask(client: &Client, contact: Uin, reason: String) -> Result<(), Failure> {
    let own = client.own_profile().await?.profile;
    tell(client, contact, &Message::AuthRequest { face: own.face, nick: own.nick, reason }).await
}

async fn tell(client: &Client, contact: Uin, message: &Message) -> Result<(), Failure> {
    client.send_message(contact, message).await?.acknowledged().await?;
    Ok(())
}
