//! `myicq servers`, `myicq ping` and `myicq broadcast`

use clap::Args;
use myicq_client::{Client, Health};

use crate::connection::Login;
use crate::failure::{Failure, code};
use crate::output::{self, Plain};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: Login,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BroadcastArguments {
    #[command(flatten)]
    login: Login,
    /// What to say: at most 450 bytes in GB 18030
    #[arg(allow_hyphen_values = true)]
    text: String,
}

/// Domain, users online, and what the server says of itself.
pub(crate) async fn list(arguments: Arguments) -> Result<(), Failure> {
    let client = arguments.login.connect_quietly().await?;
    let servers = client.servers().await;
    client.logout().await;
    let servers = servers?;
    if arguments.json {
        return Ok(output::json(&servers)?);
    }
    Ok(servers.iter().try_for_each(|server| {
        output::line(format_args!("{} {} {}", Plain(&server.domain), server.online_users, Plain(&server.description)))
    })?)
}

/// Logs in, asks for something, and says what came of it.
pub(crate) async fn ping(arguments: Arguments) -> Result<(), Failure> {
    let client = arguments.login.connect_quietly().await?;
    let health = health(&client).await;
    client.logout().await;
    let Health { round_trip, granted, online_users, .. } = health?;
    let milliseconds = round_trip.map(|round_trip| round_trip.as_secs_f64() * 1_000.0);
    if arguments.json {
        let granted = granted.to_string();
        let granted: Vec<_> = granted.split(", ").filter(|name| !name.is_empty()).collect();
        let value = serde_json::json!({
            "round_trip_ms": milliseconds, "granted": granted, "online_users": online_users,
        });
        return Ok(output::json(&value)?);
    }
    let took = milliseconds.map_or_else(String::new, |milliseconds| format!(" in {milliseconds:.2} ms"));
    let granted = if granted.is_empty() { "nothing beyond version 1".to_owned() } else { granted.to_string() };
    Ok(output::line(format_args!("the server answers{took}; {online_users} online; it grants {granted}"))?)
}

async fn health(client: &Client) -> Result<Health, Failure> {
    // Its answer gives the first round trip to measure, if the session's own first word did not.
    client.contacts().await?;
    client.health().await.ok_or_else(|| Failure::new(code::SESSION_ENDED, "the session has ended"))
}

/// Says something to everybody.
pub(crate) async fn broadcast(arguments: BroadcastArguments) -> Result<(), Failure> {
    let client = arguments.login.connect_quietly().await?;
    let sent = match client.broadcast(&arguments.text).await {
        Ok(receipt) => receipt.acknowledged().await,
        Err(error) => Err(error),
    };
    client.logout().await;
    sent?;
    Ok(())
}
