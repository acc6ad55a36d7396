//! `myicqd user …`: straight on the database, which no server may have open meanwhile.

use std::io::{self, BufRead, Write};
use std::path::Path;

use anyhow::anyhow;
use myicq_server::config::Sources;
use myicq_server::store::{SqliteStore, UserSummary};
use myicq_server::{Config, passwords};
use myicq_wire::{MAX_PASSWORD_LEN, Uin, UnixTime};
use rand::TryRng;
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::{UserArgs, UserCommand};
use crate::exit::{Exit, Failure};

/// Bytes of a nick, as the protocol has it.
const NICK_MAX: usize = 16;

/// Users asked of the database at a time.
const PAGE: usize = 1_000;

/// Does one of the commands.
pub(crate) fn run(args: UserArgs) -> Result<(), Failure> {
    let mut config = Sources { file: args.config, overrides: Vec::new() }.load()?.config;
    if let Some(data) = args.data {
        config.store.data = data;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(Exit::System, error))?.block_on(command(&config, args.command))
}

async fn command(config: &Config, command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Add { uin, nick, .. } => add(config, uin, &nick).await,
        UserCommand::List { json } => list(&config.store.data, json).await,
        UserCommand::Show { uin, json } => show(&config.store.data, uin, json).await,
        UserCommand::Export { uin } => export(&config.store.data, uin).await,
        UserCommand::Passwd { uin, .. } => passwd(config, uin).await,
        UserCommand::Remove { uin } => remove(&config.store.data, uin).await,
    }
}

async fn add(config: &Config, uin: Option<Uin>, nick: &str) -> Result<(), Failure> {
    check_nick(config, nick)?;
    let hash = hash(config)?;
    let mut store = SqliteStore::open(&config.store.data).await?;
    let added = store.insert_user_with(uin, nick, &hash).await;
    store.close().await;
    Ok(writeln!(io::stdout(), "{}", added?)?)
}

async fn list(folder: &Path, as_json: bool) -> Result<(), Failure> {
    let mut store = existing(folder).await?;
    let mut out = io::stdout().lock();
    if !as_json {
        writeln!(out, "{:>10}  {:<10}  {:>8}  {:>8}  nick", "uin", "created", "contacts", "waiting")?;
    }
    let mut after = Uin::NONE;
    loop {
        let page = store.list_users(PAGE, after).await?;
        for user in &page {
            if as_json {
                writeln!(out, "{}", object(user))?;
            } else {
                let UserSummary { uin, created, contacts, messages, .. } = user;
                let nick = printable(&user.nick);
                writeln!(out, "{uin:>10}  {}  {contacts:>8}  {messages:>8}  {nick}", date(*created))?;
            }
        }
        let Some(last) = page.last() else { break };
        after = last.uin;
    }
    store.close().await;
    Ok(out.flush()?)
}

async fn show(folder: &Path, uin: Uin, as_json: bool) -> Result<(), Failure> {
    let mut store = existing(folder).await?;
    let found = store.find_user(uin).await;
    store.close().await;
    let user = found?.ok_or_else(|| nobody(uin))?;
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{}", object(&user))?;
    } else {
        let UserSummary { uin, created, contacts, messages, .. } = user;
        let nick = printable(&user.nick);
        writeln!(out, "uin       {uin}\nnick      {nick}\ncreated   {}", date(created))?;
        writeln!(out, "contacts  {contacts}\nwaiting   {messages}")?;
    }
    Ok(out.flush()?)
}

async fn export(folder: &Path, uin: Uin) -> Result<(), Failure> {
    let mut store = existing(folder).await?;
    let user = store.find_user(uin).await?.ok_or_else(|| nobody(uin))?;
    let exported = super::export::export(&mut store, &user, io::stdout().lock()).await;
    store.close().await;
    exported
}

async fn passwd(config: &Config, uin: Uin) -> Result<(), Failure> {
    let hash = hash(config)?;
    let mut store = existing(&config.store.data).await?;
    let is_set = store.set_password_hash(uin, &hash).await;
    store.close().await;
    if is_set? { Ok(()) } else { Err(nobody(uin)) }
}

async fn remove(folder: &Path, uin: Uin) -> Result<(), Failure> {
    let mut store = existing(folder).await?;
    let is_removed = store.remove_user(uin).await;
    store.close().await;
    if is_removed? { Ok(()) } else { Err(nobody(uin)) }
}

/// The store of a folder that is there: a misspelt name must not make an empty database.
async fn existing(folder: &Path) -> Result<SqliteStore, Failure> {
    #[expect(clippy::disallowed_methods, reason = "the command line may touch files")]
    let is_there = folder.is_dir();
    if !is_there {
        let message = anyhow!("there is no data folder {}; name the server's with --data", folder.display());
        return Err(Failure::new(Exit::NoInput, message));
    }
    Ok(SqliteStore::open(folder).await?)
}

fn nobody(uin: Uin) -> Failure {
    Failure::new(Exit::NoUser, anyhow!("there is no user {uin}; `myicqd user list` shows those there are"))
}

fn object(user: &UserSummary) -> serde_json::Value {
    json!({
        "uin": user.uin.0,
        "nick": user.nick,
        "created": user.created.seconds(),
        "contacts": user.contacts,
        "messages": user.messages,
    })
}

/// A nick for a terminal, which must not obey what a user calls himself.
fn printable(nick: &str) -> String {
    nick.replace(char::is_control, "\u{FFFD}")
}

fn check_nick(config: &Config, nick: &str) -> Result<(), Failure> {
    if config.legacy.charset.encode(nick).len() > NICK_MAX || nick.chars().any(char::is_control) {
        let message = anyhow!(
            "the nick may have {NICK_MAX} bytes in {}, and no control characters",
            config.legacy.charset.label()
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(())
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

/// The day, in UTC, as ISO 8601 writes it.
fn date(time: UnixTime) -> String {
    let is_leap = |year: u32| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut day) = (1970, time.seconds() / 86_400);
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
            assert_eq!(date(UnixTime(seconds * 1_000_000)), expected);
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
    fn a_nick_fits_the_clients_of_2003() {
        let config = Config::default();
        assert!(check_nick(&config, "八个汉字十六字节").is_ok());
        assert!(check_nick(&config, "八个汉字十六字节a").is_err());
        assert!(check_nick(&config, "a\u{7}b").is_err());
        assert_eq!(printable("林\u{1b}[2J"), "林\u{FFFD}[2J");
    }
}
