//! `myicqd run --demo`: a server to play with, and two users to be.

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use myicq_server::config::{Config, Sources};
use myicq_server::{driver, passwords};
use myicq_wire::Uin;
use rand::TryRng;
use zeroize::Zeroizing;

use super::{ANY_PORT, force, temporary_folder};
use crate::admin;
use crate::exit::{Exit, Failure};

/// Of which passwords are made: 32 characters that nobody takes for others.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Characters of a password, of five bits each.
const PASSWORD_LEN: usize = 12;

/// One of the two.
struct Person {
    name: &'static str,
    uin: Uin,
    password: Zeroizing<String>,
    /// Where `myicq` can read the password.
    file: PathBuf,
}

/// Runs a server in a temporary folder until it is told to stop, and says what to try with it.
pub(crate) fn run(mut sources: Sources) -> Result<(), Failure> {
    let folder = temporary_folder()?;
    force(&mut sources, "store.data", folder.path().join("data").display().to_string(), "--demo");
    force(&mut sources, "store.database", "sqlite".to_owned(), "--demo");
    let is_placed = |given: &myicq_server::config::Override| given.setting.key() == "listen.udp";
    if !sources.overrides.iter().any(is_placed) {
        force(&mut sources, "listen.udp", ANY_PORT.to_owned(), "--demo");
    }
    force(&mut sources, "listen.tunnel", "off".to_owned(), "--demo");
    force(&mut sources, "listen.relay", "off".to_owned(), "--demo");
    let config = sources.load()?.config;
    if let Some(address) = config.listen.for_others() {
        let message = anyhow!("--demo is for this machine alone, and {address} is not; leave --listen out");
        return Err(Failure::new(Exit::Usage, message));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::System, error))?;
    let ann = runtime.block_on(add(&config, folder.path(), "Ann"))?;
    let bob = runtime.block_on(add(&config, folder.path(), "Bob"))?;
    driver::run(config, None, |listening, _| {
        crate::announce(&listening);
        // Whoever has closed our output does not want it.
        let _ = explain(io::stdout().lock(), listening.first_udp(), [&ann, &bob]);
    })?;
    Ok(())
}

async fn add(config: &Config, folder: &Path, name: &'static str) -> Result<Person, Failure> {
    let mut random = Zeroizing::new([0; PASSWORD_LEN + 16]);
    rand::rngs::SysRng.try_fill_bytes(&mut *random).map_err(|error| Failure::new(Exit::System, error))?;
    let (letters, salt) = random.split_at(PASSWORD_LEN);
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte % 32)).copied().map(char::from);
    let password = Zeroizing::new(letters.iter().filter_map(letter).collect::<String>());
    let salt = salt.try_into().context("a salt has 16 bytes").map_err(|error| Failure::new(Exit::Software, error))?;
    let hash = passwords::hash(password.as_bytes(), salt, &config.security)?;

    let uin = admin::user::add(config, None, name.to_owned(), hash).await?;
    let file = folder.join(name.to_ascii_lowercase());
    #[expect(clippy::disallowed_methods, reason = "the command line may touch files")]
    std::fs::write(&file, password.as_bytes()).map_err(|error| Failure::new(Exit::CannotCreate, error))?;
    Ok(Person { name, uin, password, file })
}

fn explain(mut out: impl Write, address: SocketAddr, [ann, bob]: [&Person; 2]) -> io::Result<()> {
    let program = Quoted(&client());
    writeln!(out, "A demonstration: only this machine gets in, and everything is gone when it ends, with Ctrl-C.")?;
    for Person { name, uin, password, .. } in [ann, bob] {
        writeln!(out, "{name} is number {uin} with the password {}", **password)?;
    }
    let login =
        |person: &Person| format!("--server {address} --uin {} --password-file {}", person.uin, Quoted(&person.file));
    writeln!(out, "\nIn a second terminal, {} listens:\n", ann.name)?;
    writeln!(out, "  {program} listen {}\n", login(ann))?;
    writeln!(out, "In a third one, {} says something:\n", bob.name)?;
    writeln!(out, "  {program} send {} --to {} 'hello, {}'\n", login(bob), ann.uin, ann.name)?;
    out.flush()
}

/// The client, as it is to be called: by its name, where the shell finds ours by its name; by its path, where it lies beside us.
fn client() -> PathBuf {
    let name = PathBuf::from("myicq").with_extension(std::env::consts::EXE_EXTENSION);
    let Some(folder) = std::env::current_exe().ok().and_then(|ours| Some(ours.parent()?.to_owned())) else {
        return name;
    };
    #[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beside = folder.join(&name);
    #[expect(clippy::disallowed_methods, reason = "the command line may touch files")]
    let is_there = beside.is_file();
    if is_there && !std::env::split_paths(&path).any(|searched| searched == folder) { beside } else { name }
}

/// A path as a shell takes it.
struct Quoted<'a>(&'a Path);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.0.display().to_string();
        if path.chars().all(|c| c.is_alphanumeric() || "/._-:\\".contains(c)) {
            f.write_str(&path)
        } else {
            write!(f, "'{}'", path.replace('\'', r"'\''"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_pasted() {
        let person = |name, uin, file: &str| Person {
            name,
            uin: Uin(uin),
            password: Zeroizing::new("secret".to_owned()),
            file: PathBuf::from(file),
        };
        let (ann, bob) = (person("Ann", 10_001, "/tmp/it's/ann"), person("Bob", 10_002, "/tmp/x/bob"));
        let mut out = Vec::new();
        explain(&mut out, ([127, 0, 0, 1], 4_000).into(), [&ann, &bob]).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r"--uin 10001 --password-file '/tmp/it'\''s/ann'"), "{text}");
        assert!(text.contains("--password-file /tmp/x/bob --to 10001 'hello, Ann'\n"), "{text}");
    }
}
