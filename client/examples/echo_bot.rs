//! Says back to everybody what he says.
//!
//! `echo_bot SERVER UIN`, with the password in the first line of the standard input.
#![expect(clippy::disallowed_methods, reason = "a program has arguments")]

use std::error::Error;

use myicq_client::{Builder, Client, Event, Message, Password};

/// Until the session ends.
pub(crate) async fn run(builder: Builder) -> Result<(), Box<dyn Error>> {
    let (client, mut events) = builder.connect().await?;
    while let Some(event) = events.next().await {
        match event {
            // It answers as programs do, and answers no program: two of its kind would never stop.
            Event::Message { from, message: Message::Text { text }, .. } => {
                client.send_message(from, &Message::AutoReply { text }).await?;
            }
            Event::Message { from, message: Message::AuthRequest { .. }, .. } => {
                client.send_message(from, &Message::AuthAccepted).await?;
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
    let [server, uin] = &arguments[..] else { return Err("echo_bot SERVER UIN".into()) };
    let mut password = String::new();
    std::io::stdin().read_line(&mut password)?;
    run(Client::builder(server).credentials(uin.parse()?, Password::new(password.trim_end())?)).await
}
