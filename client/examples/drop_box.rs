//! Takes every file that anybody sends, and puts it into a folder.
//!
//! `drop_box SERVER UIN FOLDER`, with the password in the first line of the standard input.
#![expect(clippy::disallowed_methods, reason = "a program has arguments")]

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use myicq_client::{AcceptFile, Builder, Client, Event, Message, Password};

/// The most bytes of one file: whoever knows the number could fill the disk.
const MAX_SIZE: u64 = 100 << 20;

/// Until the session ends.
pub(crate) async fn run(builder: Builder, folder: &Path, mut out: impl Write) -> Result<(), Box<dyn Error>> {
    let (client, mut events) = builder.connect().await?;
    while let Some(event) = events.next().await {
        match event {
            // Files go directly from one to the other where they see each other, for which each has the other on the list.
            Event::Message { from, message: Message::Added, .. } => {
                client.add(from).await?;
            }
            Event::Message { from, message: Message::AuthRequest { .. }, .. } => {
                client.send_message(from, &Message::AuthAccepted).await?;
            }
            Event::FileOffered { transfer, from, .. } => {
                let accept = AcceptFile { folder: folder.to_owned(), max_size: MAX_SIZE };
                if let Err(error) = client.accept_file(transfer, accept).await {
                    writeln!(out, "{from}: {error}")?;
                }
            }
            Event::FileDone { with, path, size, .. } => {
                writeln!(out, "{with}: {} ({size} bytes)", path.display().to_string().escape_debug())?;
            }
            Event::FileFailed { with, reason, .. } => writeln!(out, "{with}: {reason}")?,
            Event::Ended { reason } => return Err(reason.to_string().into()),
            _ => {}
        }
        out.flush()?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, uin, folder] = &arguments[..] else { return Err("drop_box SERVER UIN FOLDER".into()) };
    let mut password = String::new();
    io::stdin().read_line(&mut password)?;
    let builder = Client::builder(server).credentials(uin.parse()?, Password::new(password.trim_end())?);
    run(builder, Path::new(folder), io::stdout()).await
}
