//! `myicq group`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use myicq_client::{Client, GroupId, Password, Status};

use crate::connection::{Login, duration, password_from};
use crate::failure::{Failure, code};
use crate::listen::Listener;
use crate::output::{self, Plain};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: Login,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the groups of a type: number, members, name
    List {
        /// The type: its place among those of the server, from 0
        #[arg(long = "type", value_name = "N", default_value = "0")]
        group_type: u16,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Make a group, print its number, and listen in it
    Create {
        /// How it is to be called
        name: String,
        /// The type: its place among those of the server, from 0
        #[arg(long = "type", value_name = "N", default_value = "0")]
        group_type: u16,
        #[command(flatten)]
        stay: Stay,
    },
    /// Enter a group, print who is in it, and listen
    Enter {
        /// Its number
        group: GroupId,
        #[command(flatten)]
        stay: Stay,
    },
}

#[derive(Debug, Args)]
struct Stay {
    /// Read the password of the group from the first line of this file
    #[arg(long, value_name = "FILE")]
    group_password_file: Option<PathBuf>,
    /// Say this in the group at once
    #[arg(long, value_name = "TEXT")]
    say: Option<String>,
    /// Print each event as a JSON object in one line
    #[arg(long)]
    json: bool,
    /// End after this long (500ms, 90s, 2m, 1h)
    #[arg(long = "for", value_parser = duration, value_name = "DURATION")]
    duration: Option<Duration>,
}

impl Stay {
    fn password(&self) -> Result<Option<Password>, Failure> {
        self.group_password_file.as_deref().map(password_from).transpose()
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (group, stay) = match arguments.action {
        Action::List { group_type, json } => {
            let client = arguments.login.connect_quietly().await?;
            let listed = list(&client, group_type, json).await;
            client.logout().await;
            return listed;
        }
        Action::Create { name, group_type, stay } => (Entry::New { name, group_type }, stay),
        Action::Enter { group, stay } => (Entry::Old(group), stay),
    };
    let password = stay.password()?;
    let (client, mut events) = arguments.login.connect(Status::ONLINE).await?;
    let mut outcome = enter(&client, group, password, &stay).await;
    if outcome.is_ok() {
        outcome = Listener { json: stay.json, ..Listener::default() }.run(&mut events, stay.duration).await;
    }
    client.logout().await;
    outcome
}

enum Entry {
    New { name: String, group_type: u16 },
    Old(GroupId),
}

async fn list(client: &Client, group_type: u16, json: bool) -> Result<(), Failure> {
    let groups = client.groups(group_type).await?;
    if json {
        return Ok(output::json(&groups)?);
    }
    for group in groups {
        output::line(format_args!("{} {} {}", group.group, group.members, Plain(&group.name)))?;
    }
    Ok(())
}

async fn enter(client: &Client, entry: Entry, password: Option<Password>, stay: &Stay) -> Result<(), Failure> {
    let group = match entry {
        Entry::New { name, group_type } => {
            let made = client.create_group(group_type, &name, password).await?;
            let group = made.ok_or_else(|| Failure::new(code::REFUSED, "the server did not make the group"))?;
            output::line(group)?;
            group
        }
        Entry::Old(group) => {
            let members = client.enter_group(group, password).await?;
            if stay.json {
                output::json(&members)?;
            } else {
                for member in members {
                    output::line(format_args!("* {} {} is here", member.uin, Plain(&member.nick)))?;
                }
            }
            group
        }
    };
    if let Some(text) = &stay.say {
        client.say_to_group(group, text).await?.acknowledged().await?;
    }
    Ok(())
}
