//! Which server, who, and with which password.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use myicq_client::{Builder, Capabilities, Client, Direct, Events, MAX_PASSWORD_LEN, Password, SUPPORTED, Status, Uin};
use myicq_wire::{DEFAULT_PORT, Invite};

use crate::discover;
use crate::failure::Failure;

/// The port of a server's tunnel, where none is named.
const TUNNEL_PORT: u16 = 443;

/// The port of a proxy, where none is named.
const PROXY_PORT: u16 = 8_080;

/// More of a password than any may have, so that one that is too long is told from one that fits.
const MAX_LINE: u64 = MAX_PASSWORD_LEN as u64 + 3;

#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Host and UDP port of the server, or its invite (myicq://…) [default: the one that announces itself on this network]
    #[arg(long, env = "MYICQ_SERVER", value_name = "ADDR")]
    server: Option<String>,
    /// Go through the TCP tunnel of the server: its address is that of the tunnel then, with port 443 where none is named
    #[arg(long, env = "MYICQ_TUNNEL")]
    tunnel: bool,
    /// Go through the TCP tunnel of the server, by this HTTP proxy: http://host:port
    #[arg(long, env = "MYICQ_PROXY", value_name = "URL", value_parser = proxy)]
    proxy: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PasswordSource {
    /// Read the password from the first line of the standard input
    #[arg(long)]
    password_stdin: bool,
    /// Read the password from the first line of this file
    #[arg(long, env = "MYICQ_PASSWORD_FILE", value_name = "FILE", hide_env_values = true)]
    password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    #[command(flatten)]
    server: Server,
    /// The user's number
    #[arg(long, env = "MYICQ_UIN", value_name = "N")]
    uin: Uin,
    #[command(flatten)]
    password: PasswordSource,
    /// Offer these beyond version 1, with commas between: cbc, utf8, sealed, receipts, once; or none. All of them unless this says otherwise
    #[arg(long, env = "MYICQ_OFFER", value_name = "LIST", value_parser = capabilities, default_value_t = SUPPORTED, hide_default_value = true)]
    offer: Capabilities,
    /// Go on only with a server that grants these. The password itself always goes out in the clear
    #[arg(long, env = "MYICQ_REQUIRE", value_name = "LIST", value_parser = capabilities)]
    require: Option<Capabilities>,
}

impl Server {
    pub(crate) fn builder(&self) -> Result<Builder, Failure> {
        let builder = |port| self.address(port).map(Client::builder);
        match &self.proxy {
            Some(proxy) => Ok(builder(Some(TUNNEL_PORT))?.proxy(proxy)),
            None if self.tunnel => Ok(builder(Some(TUNNEL_PORT))?.tunnel()),
            None => builder(None),
        }
    }

    /// Host and port, of the tunnel where its port is given: an invite and an announcement name the one for datagrams.
    fn address(&self, tunnel: Option<u16>) -> Result<String, Failure> {
        match self.server.as_deref() {
            None => tunnel.map_or_else(discover::server, |port| Ok(format!("127.0.0.1:{port}"))),
            Some(invite) if Invite::is_meant(invite) => {
                let invite = invite.parse::<Invite>();
                let invite = invite.map_err(|error| Failure::usage(format!("--server: {error}")))?;
                Ok(tunnel.map_or_else(|| invite.address(), |port| format!("{}:{port}", invite.host)))
            }
            Some(server) => Ok(with_port(server, tunnel.unwrap_or(DEFAULT_PORT))),
        }
    }
}

impl Login {
    /// Opens a session in which messages can be received.
    pub(crate) async fn connect(&self, status: Status) -> Result<(Client, Events), Failure> {
        Ok(self.builder()?.status(status).connect().await?)
    }

    fn builder(&self) -> Result<Builder, Failure> {
        // First what is there at once: a server may have to be looked for.
        let password = self.password.read("Password: ")?;
        let builder = self.server.builder()?.credentials(self.uin, password);
        Ok(builder.offer(self.offer).require(self.require.unwrap_or_default()))
    }

    /// Opens a session for one errand. The contacts do not see it, and waiting messages stay with the server.
    pub(crate) async fn connect_quietly(&self) -> Result<Client, Failure> {
        let (client, _) = self.builder()?.direct(None).status(Status::INVISIBLE).connect().await?;
        Ok(client)
    }

    /// Opens a session for files: contacts see it, and messages that are not about files stay with the server however long it stands.
    pub(crate) async fn connect_for_files(&self, direct: Direct) -> Result<(Client, Events), Failure> {
        let offered = self.offer.difference(Capabilities::ONCE);
        Ok(self.builder()?.offer(offered).direct(direct).connect().await?)
    }

    /// Opens a session that takes no messages however long it stands.
    pub(crate) async fn connect_plainly(&self) -> Result<Client, Failure> {
        let offered = self.offer.difference(Capabilities::ONCE);
        let (client, _) = self.builder()?.offer(offered).direct(None).status(Status::INVISIBLE).connect().await?;
        Ok(client)
    }
}

impl PasswordSource {
    /// The password, asked for with `prompt` if nothing says where it is and there is somebody to ask.
    pub(crate) fn read(&self, prompt: &str) -> Result<Password, Failure> {
        let line = if self.password_stdin {
            first_line(std::io::stdin().lock())?
        } else if let Some(path) = &self.password_file {
            return password_from(path);
        } else if std::io::stdin().is_terminal() {
            rpassword::prompt_password(prompt)?.into_bytes()
        } else {
            return Err(Failure::usage("no password: use --password-stdin, or set MYICQ_PASSWORD_FILE"));
        };
        Ok(Password::new(zeroize::Zeroizing::new(line))?)
    }
}

/// The password in the first line of a file.
#[expect(clippy::disallowed_methods, reason = "the command line is a driver")]
pub(crate) fn password_from(path: &Path) -> Result<Password, Failure> {
    let open = std::fs::File::open(path).and_then(|file| first_line(std::io::BufReader::new(file)));
    let line = open.map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    Ok(Password::new(zeroize::Zeroizing::new(line))?)
}

fn first_line(input: impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    input.take(MAX_LINE).read_until(b'\n', &mut line)?;
    for end in [b'\n', b'\r'] {
        if line.last() == Some(&end) {
            line.pop();
        }
    }
    Ok(line)
}

/// A host without a port gets that of MyICQ, and an IPv6 address without brackets gets those as well.
fn with_port(server: &str, port: u16) -> String {
    let (host, rest) = server.rsplit_once(']').unwrap_or(("", server));
    match (host.is_empty(), rest.matches(':').count()) {
        (_, 0) => format!("{server}:{port}"),
        (true, 2..) => format!("[{server}]:{port}"),
        _ => server.to_owned(),
    }
}

/// Host and port of "http://host:port".
fn proxy(url: &str) -> Result<String, String> {
    let host = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    if host.is_empty() || host.contains(['/', '@']) {
        return Err(format!("\"{url}\" is no proxy without a password: write http://host:port"));
    }
    Ok(with_port(host, PROXY_PORT))
}

/// "sealed,once", or "none".
fn capabilities(text: &str) -> Result<Capabilities, String> {
    if text == "none" {
        return Ok(Capabilities::NONE);
    }
    let known = |name: &str| {
        let names = Capabilities::NAMED.into_iter().filter(|&(capability, _)| SUPPORTED.contains(capability));
        let found =
            names.into_iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(capability, _)| capability);
        found.ok_or_else(|| format!("\"{name}\" is none of {SUPPORTED}"))
    };
    text.split(',').map(|name| known(name.trim())).try_fold(Capabilities::NONE, |all, one| Ok(all.union(one?)))
}

/// "90", "90s", "1500ms", "2m", "1h".
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or_default();
    let wrong = || format!("\"{text}\" is no duration: write 500ms, 90s, 2m or 1h");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_added_where_none_is() {
        for (server, full) in [
            ("localhost", "localhost:8000"),
            ("localhost:9", "localhost:9"),
            ("127.0.0.1", "127.0.0.1:8000"),
            ("::1", "[::1]:8000"),
            ("[::1]", "[::1]:8000"),
            ("[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(with_port(server, DEFAULT_PORT), full);
        }
    }

    #[test]
    fn a_proxy_is_a_host_and_a_port() {
        assert_eq!(proxy("http://proxy.example:3128/"), Ok("proxy.example:3128".to_owned()));
        assert_eq!(proxy("proxy.example"), Ok("proxy.example:8080".to_owned()));
        for wrong in ["", "http://", "https://proxy.example", "http://me:secret@proxy.example"] {
            assert!(proxy(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn capabilities_are_named_as_they_are_shown() {
        assert_eq!(capabilities("none"), Ok(Capabilities::NONE));
        assert_eq!(capabilities(&SUPPORTED.to_string()), Ok(SUPPORTED));
        assert_eq!(capabilities("SEALED"), Ok(Capabilities::SEALED));
        for wrong in ["", "relay", "sealed,", "sealed;once"] {
            assert!(capabilities(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1_500)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "s", "1d", "-1", "99999999999999999999", "18446744073709551615h", "1,5s", "１s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        assert_eq!(first_line(&b"secret\r\nmore\n"[..]).unwrap(), b"secret");
        assert_eq!(first_line(&b" with space "[..]).unwrap(), b" with space ");
        let long = vec![b'a'; 10_000];
        assert!(Password::new(first_line(&*long).unwrap()).is_err());
    }
}
