//! `myicq contacts`, `myicq add` and `myicq remove`

use clap::Args;
use myicq_client::{Authorization, Client, Uin};

use crate::auth;
use crate::connection::Login;
use crate::failure::{Failure, code};
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    login: Login,
    /// Print one JSON array instead of one number a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    #[command(flatten)]
    change: ChangeArguments,
    /// Where the contact wants to be asked first, ask with these words
    #[arg(long, value_name = "REASON")]
    ask: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArguments {
    #[command(flatten)]
    login: Login,
    /// Whom
    #[arg(value_name = "UIN")]
    contact: Uin,
}

pub(crate) async fn list(arguments: ListArguments) -> Result<(), Failure> {
    let client = arguments.login.connect_quietly().await?;
    let contacts = client.contacts().await;
    client.logout().await;
    let contacts = contacts?;
    if arguments.json {
        output::json(&contacts)?;
    } else {
        contacts.into_iter().try_for_each(output::line)?;
    }
    Ok(())
}

pub(crate) async fn add(arguments: AddArguments) -> Result<(), Failure> {
    let contact = arguments.change.contact;
    let client = arguments.change.login.connect_quietly().await?;
    let outcome = add_or_ask(&client, contact, arguments.ask).await;
    client.logout().await;
    match (outcome?, contact) {
        (Outcome::Added, _) => Ok(()),
        (Outcome::Asked, contact) => Err(not_added(format!("{contact} was asked, and decides"))),
        (Outcome::MustAsk, contact) => {
            Err(not_added(format!("{contact} wants to be asked first: give your reason with --ask")))
        }
        (Outcome::Refused, contact) => Err(not_added(format!("{contact} wants to be on nobody's list, or is nobody"))),
    }
}

enum Outcome {
    Added,
    Asked,
    MustAsk,
    Refused,
}

async fn add_or_ask(client: &Client, contact: Uin, reason: Option<String>) -> Result<Outcome, Failure> {
    match (client.add(contact).await?, reason) {
        (Authorization::ANYONE, _) => Ok(Outcome::Added),
        (Authorization::REQUIRED, Some(reason)) => {
            auth::ask(client, contact, reason).await?;
            Ok(Outcome::Asked)
        }
        (Authorization::REQUIRED, None) => Ok(Outcome::MustAsk),
        _ => Ok(Outcome::Refused),
    }
}

fn not_added(message: String) -> Failure {
    Failure::new(code::NOT_ADDED, message)
}

pub(crate) async fn remove(arguments: ChangeArguments) -> Result<(), Failure> {
    let client = arguments.login.connect_quietly().await?;
    let removed = client.remove(arguments.contact).await;
    client.logout().await;
    Ok(removed?)
}
