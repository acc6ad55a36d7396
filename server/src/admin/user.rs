//! `myicqd user …`: through the server where one is running, else straight on its store.

use std::io::{self, BufRead, Write};

use anyhow::anyhow;
use myicq_server::control::{Answer, User, UserRequest};
use myicq_server::{Config, passwords};
use myicq_wire::{MAX_PASSWORD_LEN, Uin};
use rand::TryRng;
use serde_json::json;
use zeroize::Zeroizing;

use super::place::Place;
use super::runtime;
use crate::cli::{UserArgs, UserCommand};
use crate::exit::{Exit, Failure};

/// Does one of the commands.
pub(crate) fn run(args: UserArgs) -> Result<(), Failure> {
    let config = args.server.config()?;
    runtime()?.block_on(command(&config, args.command))
}

async fn command(config: &Config, command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Export { uin } => export(config, uin).await,
        UserCommand::Add { uin, nick, json, .. } => {
            let uin = add(config, uin, nick, hash(config)?).await?;
            Ok(if json {
                writeln!(io::stdout(), "{}", json!({ "uin": uin.0 }))
            } else {
                writeln!(io::stdout(), "{uin}")
            }?)
        }
        UserCommand::List { json } => list(config, json).await,
        UserCommand::Show { uin, json } => {
            let place = Place::open(config, false).await?;
            place.ask_users(config, UserRequest::Show { uin: uin.0 }, |part| show(part, json)).await?;
            Ok(())
        }
        UserCommand::Passwd { uin, json, .. } => {
            let request = UserRequest::Passwd { uin: uin.0, password_hash: hash(config)? };
            ask(config, false, request).await?;
            Ok(if json { writeln!(io::stdout(), "{}", json!({ "uin": uin.0 })) } else { Ok(()) }?)
        }
        UserCommand::Remove { uin, json } => {
            let answer = ask(config, false, UserRequest::Remove { uin: uin.0 }).await?;
            let Answer::Removed { messages } = answer else { return Ok(()) };
            let object = json!({ "uin": uin.0, "messages": messages });
            Ok(if json { writeln!(io::stdout(), "{object}") } else { Ok(()) }?)
        }
    }
}

/// Makes a user with the hash of his password, in the folder that the configuration names, and gives back his number.
pub(crate) async fn add(
    config: &Config,
    uin: Option<Uin>,
    nick: String,
    password_hash: String,
) -> Result<Uin, Failure> {
    let request = UserRequest::Add { uin: uin.map(|uin| uin.0), nick, password_hash };
    match ask(config, true, request).await? {
        Answer::Created { uin } => Ok(Uin(uin)),
        other => Err(Failure::new(Exit::Software, anyhow!("a user was asked for, and the answer is {other:?}"))),
    }
}

/// Asks for what is answered in one line.
async fn ask(config: &Config, make: bool, request: UserRequest) -> Result<Answer, Failure> {
    Place::open(config, make).await?.ask_users(config, request, |_| Ok(())).await
}

async fn list(config: &Config, as_json: bool) -> Result<(), Failure> {
    let place = Place::open(config, false).await?;
    let mut out = io::stdout().lock();
    if !as_json {
        writeln!(out, "{:>10}  {:<10}  {:>8}  {:>8}  nick", "uin", "created", "contacts", "waiting")?;
    }
    let print = |part| {
        let Answer::User(user) = part else { return Ok(()) };
        if as_json {
            return writeln!(out, "{}", json!(user));
        }
        let User { uin, ref nick, created, contacts, messages } = user;
        let (nick, day) = (printable(nick), date(created));
        writeln!(out, "{uin:>10}  {day}  {contacts:>8}  {messages:>8}  {nick}")
    };
    place.ask_users(config, UserRequest::List {}, print).await?;
    Ok(out.flush()?)
}

fn show(part: Answer, as_json: bool) -> io::Result<()> {
    let Answer::User(user) = part else { return Ok(()) };
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{}", json!(user))?;
    } else {
        let User { uin, nick, created, contacts, messages } = user;
        let (nick, day) = (printable(&nick), date(created));
        writeln!(out, "uin       {uin}\nnick      {nick}\ncreated   {day}")?;
        writeln!(out, "contacts  {contacts}\nwaiting   {messages}")?;
    }
    out.flush()
}

/// All that is kept of a user, an object a line.
async fn export(config: &Config, uin: Uin) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let print = |part| if let Answer::Exported(object) = part { writeln!(out, "{object}") } else { Ok(()) };
    Place::open(config, false).await?.ask_users(config, UserRequest::Export { uin: uin.0 }, print).await?;
    Ok(out.flush()?)
}

/// A nick for a terminal, which must not obey what a user calls himself.
fn printable(nick: &str) -> String {
    nick.replace(char::is_control, "\u{FFFD}")
}

fn hash(config: &Config) -> Result<String, Failure> {
    let password = read_password(io::stdin().lock())?;
    let mut salt = [0; 16];
    rand::rngs::SysRng.try_fill_bytes(&mut salt).map_err(|error| Failure::new(Exit::System, error))?;
    Ok(passwords::hash(&password, salt, &config.security)?)
}

/// The first line, without its end.
fn read_password(input: impl BufRead) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // With room for all that is read, so that no copy stays behind in memory that is given back.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_LEN + 3));
    input.take(MAX_PASSWORD_LEN as u64 + 2).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        line.pop();
    }
    if line.ends_with(b"\r") {
        line.pop();
    }
    // Letters beyond ASCII are other bytes in the charset of each client.
    if (1..=MAX_PASSWORD_LEN).contains(&line.len()) && line.iter().all(|byte| (0x20..0x7F).contains(byte)) {
        return Ok(line);
    }
    let message = anyhow!(
        "the password must be 1 to {MAX_PASSWORD_LEN} printable ASCII characters in the first line of the input"
    );
    Err(Failure::new(Exit::Usage, message))
}

/// The day of a time in seconds since 1970, in UTC, as ISO 8601 writes it.
fn date(seconds: u64) -> String {
    let is_leap = |year: u32| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut day) = (1970, seconds / 86_400);
    let days_of = |year| if is_leap(year) { 366 } else { 365 };
    while day >= days_of(year) {
        day -= days_of(year);
        year += 1;
    }
    let february = days_of(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_041_379_199, "2002-12-31"),
            (1_041_379_200, "2003-01-01"),
            (u64::from(u32::MAX), "2106-02-07"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn a_password_is_the_first_line() {
        for input in ["secret", "secret\n", "secret\r\n", "secret\nmore"] {
            assert_eq!(read_password(input.as_bytes()).unwrap().as_slice(), b"secret", "{input:?}");
        }
        let longest = "a".repeat(MAX_PASSWORD_LEN);
        assert!(read_password(format!("{longest}\r\n").as_bytes()).is_ok());
        for input in ["", "\n", "\0", "pässword", &format!("{longest}a")] {
            assert!(read_password(input.as_bytes()).is_err(), "{input:?}");
        }
    }

    #[test]
    fn a_nick_does_not_move_the_cursor() {
        assert_eq!(printable("林\u{1b}[2J"), "林\u{FFFD}[2J");
    }
}
