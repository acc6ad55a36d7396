//! Keeps a place for somebody who is away: prints what people say, and tells each of them once when he will be back.
//!
//! `away_bot SERVER UIN TEXT`, with the password in the first line of the standard input.
#![expect(clippy::disallowed_methods, reason = "a program has arguments")]

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Write};

use myicq_client::{Builder, Client, Event, Message, Password, Status};

/// Until the session ends.
pub(crate) async fn run(builder: Builder, text: &str, mut out: impl Write) -> Result<(), Box<dyn Error>> {
    let (client, mut events) = builder.status(Status::AWAY).connect().await?;
    let mut told = BTreeSet::new();
    while let Some(event) = events.next().await {
        match event {
            Event::Message { from, message: Message::Text { text: said }, .. } => {
                // It is nobody else's any more: what is not printed is lost.
                writeln!(out, "{from}: {}", said.escape_debug())?;
                out.flush()?;
                if told.insert(from) {
                    client.send_message(from, &Message::AutoReply { text: text.to_owned() }).await?;
                }
            }
            Event::Ended { reason } => return Err(reason.to_string().into()),
            _ => {}
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, uin, text] = &arguments[..] else { return Err("away_bot SERVER UIN TEXT".into()) };
    let mut password = String::new();
    io::stdin().read_line(&mut password)?;
    let builder = Client::builder(server).credentials(uin.parse()?, Password::new(password.trim_end())?);
    run(builder, text, io::stdout()).await
}
