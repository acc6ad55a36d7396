//! `myicq search`

use clap::Args;
use myicq_client::{Client, FoundUser, RequestError, Uin};

use crate::connection::Login;
use crate::failure::Failure;
use crate::output::{self, Plain};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: Login,
    #[command(flatten)]
    wanted: Wanted,
    /// Only numbers above this one: the last of the page before
    #[arg(long, value_name = "UIN", default_value = "0", conflicts_with_all = ["whom", "random"])]
    after: Uin,
    /// Print one JSON array instead of one user a line
    #[arg(long)]
    json: bool,
}

/// Whom to look for.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Wanted {
    /// The user of this number
    #[arg(value_name = "UIN", conflicts_with_all = ["nick", "email", "random"])]
    whom: Option<Uin>,
    /// Users who call themselves so
    #[arg(long, conflicts_with = "random")]
    nick: Option<String>,
    /// Users with this e-mail address
    #[arg(long, conflicts_with = "random")]
    email: Option<String>,
    /// Some users who are online
    #[arg(long)]
    random: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let client = arguments.login.connect_quietly().await?;
    let found = search(&client, &arguments.wanted, arguments.after).await;
    client.logout().await;
    let found = found?;
    if arguments.json {
        return Ok(output::json(&found)?);
    }
    Ok(found.iter().try_for_each(|user| output::line(human(user)))?)
}

async fn search(client: &Client, wanted: &Wanted, after: Uin) -> Result<Vec<FoundUser>, RequestError> {
    let text = |words: &Option<String>| words.clone().unwrap_or_default();
    match wanted.whom {
        Some(uin) => client.search_uin(uin).await,
        None if wanted.random => client.search_random().await,
        None => client.search_words(&text(&wanted.nick), &text(&wanted.email), after).await,
    }
}

/// A user as one line for people.
fn human(user: &FoundUser) -> String {
    let presence = if user.online { "online" } else { "offline" };
    let mut line = format!("{} {presence}", user.uin);
    for text in [&user.nick, &user.province].into_iter().filter(|text| !text.is_empty()) {
        line.push_str(&format!(" {}", Plain(text)));
    }
    line
}
