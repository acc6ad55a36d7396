//! Which server, who, and with which password.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use myicq_client::{
    Builder, Capabilities, Client, Direct, Events, MAX_PASSWORD_LEN, MAX_PROXY_LOGIN_LEN, Password, ProxyLogin,
    SUPPORTED, Status, Uin,
};
use myicq_wire::{DEFAULT_PORT, Invite};

use crate::discover;
use crate::failure::Failure;
use crate::history::Account;

/// The port of a server's tunnel, where none is named.
const TUNNEL_PORT: u16 = 443;

/// The port of a proxy, where none is named.
const PROXY_PORT: u16 = 8_080;

/// The port of a SOCKS proxy, where none is named.
const SOCKS_PORT: u16 = 1_080;

/// More of a password than any may have, that of a proxy included, so that one that is too long is told from one that fits.
const MAX_LINE: u64 = MAX_PROXY_LOGIN_LEN as u64 + 3;

// The passwords of users are shorter than those of proxies.
const _: () = assert!(MAX_PASSWORD_LEN <= MAX_PROXY_LOGIN_LEN);

#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Host and UDP port of the server, or its invite (myicq://…) [default: the one that announces itself on this network]
    #[arg(long, global = true, env = "MYICQ_SERVER", value_name = "ADDR")]
    server: Option<String>,
    /// Go through the TCP tunnel of the server: its address is that of the tunnel then, with port 443 where none is named
    #[arg(long, global = true, env = "MYICQ_TUNNEL")]
    tunnel: bool,
    /// Go by this proxy. `socks5://[USER@]HOST[:PORT]` passes datagrams on; `http://[USER@]HOST[:PORT]` leads through the TCP tunnel of the server
    #[arg(long, global = true, env = "MYICQ_PROXY", value_name = "URL", value_parser = proxy)]
    proxy: Option<Proxy>,
    /// Read the password of the proxy's USER from the first line of this file; without it, it is asked for at the terminal
    #[arg(long, global = true, env = "MYICQ_PROXY_PASSWORD_FILE", value_name = "FILE", hide_env_values = true)]
    proxy_password_file: Option<PathBuf>,
}

/// What the URL of a proxy says.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Proxy {
    is_socks: bool,
    /// Host and port.
    address: String,
    user: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PasswordSource {
    /// Read the password from the first line of the standard input
    #[arg(long, global = true)]
    password_stdin: bool,
    /// Read the password from the first line of this file
    #[arg(long, global = true, env = "MYICQ_PASSWORD_FILE", value_name = "FILE", hide_env_values = true)]
    password_file: Option<PathBuf>,
}

/// Each of these is taken behind a command's own subcommand, too.
#[derive(Debug, Args)]
pub(crate) struct Login {
    #[command(flatten)]
    server: Server,
    /// The user's number
    #[arg(long, global = true, env = "MYICQ_UIN", value_name = "N")]
    uin: Option<Uin>,
    #[command(flatten)]
    password: PasswordSource,
    /// Offer these beyond version 1, with commas between: cbc, utf8, sealed, receipts, relay, once; or none. All of them unless this says otherwise
    #[arg(long, global = true, env = "MYICQ_OFFER", value_name = "LIST", value_parser = capabilities, default_value_t = SUPPORTED, hide_default_value = true)]
    offer: Capabilities,
    /// Go on only with a server that grants these. The password itself always goes out in the clear
    #[arg(long, global = true, env = "MYICQ_REQUIRE", value_name = "LIST", value_parser = capabilities)]
    require: Option<Capabilities>,
}

impl Server {
    pub(crate) fn builder(&self) -> Result<Builder, Failure> {
        self.reached().map(|(_, builder)| builder)
    }

    /// Where the server is, and what begins with it.
    fn reached(&self) -> Result<(String, Builder), Failure> {
        let is_tunnel = self.proxy.as_ref().map_or(self.tunnel, |proxy| !proxy.is_socks);
        let address = self.address(is_tunnel.then_some(TUNNEL_PORT))?;
        let builder = Client::builder(&address);
        let builder = match &self.proxy {
            Some(proxy) if proxy.is_socks => builder.socks5(&proxy.address, self.proxy_login(proxy)?),
            Some(proxy) => builder.proxy(&proxy.address, self.proxy_login(proxy)?),
            None if self.tunnel => builder.tunnel(),
            None => builder,
        };
        Ok((address, builder))
    }

    fn proxy_login(&self, proxy: &Proxy) -> Result<Option<ProxyLogin>, Failure> {
        let Some(user) = &proxy.user else { return Ok(None) };
        let password = match &self.proxy_password_file {
            Some(path) => line_of(path)?,
            None if std::io::stdin().is_terminal() => {
                rpassword::prompt_password(format!("Password of {user} at the proxy: "))?.into_bytes()
            }
            None => return Err(Failure::usage("no password for the proxy: use --proxy-password-file")),
        };
        Ok(Some(ProxyLogin::new(user, zeroize::Zeroizing::new(password))?))
    }

    /// Host and port, of the tunnel where its port is given: an invite and an announcement name the one for datagrams.
    fn address(&self, tunnel: Option<u16>) -> Result<String, Failure> {
        match self.server.as_deref() {
            None => tunnel.map_or_else(discover::server, |port| Ok(format!("127.0.0.1:{port}"))),
            Some(server) => named(server, tunnel).map_err(|error| Failure::usage(format!("--server: {error}"))),
        }
    }
}

/// Host and port of a server that is named by its address or its invite.
pub(crate) fn named(server: &str, tunnel: Option<u16>) -> Result<String, String> {
    if !Invite::is_meant(server) {
        return Ok(with_port(server, tunnel.unwrap_or(DEFAULT_PORT)));
    }
    let invite: Invite = server.parse().map_err(|error| format!("{error}"))?;
    Ok(tunnel.map_or_else(|| invite.address(), |port| format!("{}:{port}", invite.host)))
}

impl Login {
    /// Opens a session in which messages can be received.
    pub(crate) async fn connect(&self, status: Status) -> Result<(Client, Events), Failure> {
        Ok(self.builder()?.status(status).connect().await?)
    }

    fn builder(&self) -> Result<Builder, Failure> {
        self.account().map(|(_, builder)| builder)
    }

    /// Who logs in where, and what begins the session.
    pub(crate) fn account(&self) -> Result<(Account, Builder), Failure> {
        let owner = self.uin.ok_or_else(|| Failure::usage("who are you? Use --uin, or set MYICQ_UIN"))?;
        // First what is there at once: a server may have to be looked for.
        let password = self.password.read("Password: ")?;
        let (server, builder) = self.server.reached()?;
        let builder = builder.credentials(owner, password).offer(self.offer);
        Ok((Account { server, owner }, builder.require(self.require.unwrap_or_default())))
    }

    /// Opens a session for one errand. The contacts do not see it, and waiting messages stay with the server.
    pub(crate) async fn connect_quietly(&self) -> Result<Client, Failure> {
        // Who waits for one answer wants to know soon that there is none.
        let builder = self.builder()?.direct(None).reconnect(None);
        let (client, _) = builder.status(Status::INVISIBLE).connect().await?;
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
pub(crate) fn password_from(path: &Path) -> Result<Password, Failure> {
    Ok(Password::new(zeroize::Zeroizing::new(line_of(path)?))?)
}

/// The first line of a file.
#[expect(clippy::disallowed_methods, reason = "the command line is a driver")]
fn line_of(path: &Path) -> Result<Vec<u8>, Failure> {
    let open = std::fs::File::open(path).and_then(|file| first_line(std::io::BufReader::new(file)));
    open.map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
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

/// What "socks5://user@host:port" and "http://user@host:port" say. Without a scheme it is an HTTP proxy.
fn proxy(url: &str) -> Result<Proxy, String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    // As curl has it, the "h" says that the proxy looks for the server: ours always does.
    let (is_socks, port) = match scheme {
        "http" => (false, PROXY_PORT),
        "socks5" | "socks5h" => (true, SOCKS_PORT),
        _ => return Err(format!("\"{url}\" is no proxy: write socks5://host:port or http://host:port")),
    };
    let (user, host) = rest.rsplit_once('@').map_or((None, rest), |(user, host)| (Some(user), host));
    let host = host.trim_end_matches('/');
    if host.is_empty() || host.contains('/') || user.is_some_and(str::is_empty) {
        return Err(format!("\"{url}\" is no proxy: write {scheme}://host:port, or {scheme}://user@host:port"));
    }
    if user.is_some_and(|user| user.contains(':')) {
        // Not shown again: everybody on this machine has been able to read it by now.
        return Err("a password is never an argument: use --proxy-password-file".to_owned());
    }
    Ok(Proxy { is_socks, address: with_port(host, port), user: user.map(str::to_owned) })
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
    fn a_proxy_is_a_host_and_a_port_and_perhaps_a_user() {
        let http = |address: &str, user: Option<&str>| {
            Ok(Proxy { is_socks: false, address: address.to_owned(), user: user.map(str::to_owned) })
        };
        let socks = |address, user| http(address, user).map(|proxy| Proxy { is_socks: true, ..proxy });
        assert_eq!(proxy("http://proxy.example:3128/"), http("proxy.example:3128", None));
        assert_eq!(proxy("proxy.example"), http("proxy.example:8080", None));
        assert_eq!(proxy("http://ann@proxy.example"), http("proxy.example:8080", Some("ann")));
        assert_eq!(proxy("socks5://ann@b@[::1]"), socks("[::1]:1080", Some("ann@b")));
        assert_eq!(proxy("socks5h://proxy.example:9"), socks("proxy.example:9", None));
        for wrong in ["", "http://", "https://proxy.example", "socks4://proxy.example", "http://@proxy.example", "a/b"]
        {
            assert!(proxy(wrong).is_err(), "{wrong}");
        }
        let refused = proxy("http://me:secret@proxy.example").unwrap_err();
        assert!(refused.contains("--proxy-password-file") && !refused.contains("secret"), "{refused}");
    }

    #[test]
    fn capabilities_are_named_as_they_are_shown() {
        assert_eq!(capabilities("none"), Ok(Capabilities::NONE));
        assert_eq!(capabilities(&SUPPORTED.to_string()), Ok(SUPPORTED));
        assert_eq!(capabilities("SEALED"), Ok(Capabilities::SEALED));
        for wrong in ["", "delay", "sealed,", "sealed;once"] {
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
