//! How a client learns where a server is: by a line that people pass on, and by what the server announces on its network
//! (docs/protocol.md, "How a server is found").

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

/// The UDP port of a server, where none is named.
pub const DEFAULT_PORT: u16 = 8_000;

/// The DNS-SD type under which servers announce themselves by multicast DNS (RFC 6762, RFC 6763).
pub const SERVICE_TYPE: &str = "_myicq._udp.local.";

/// The key in an invite and in an announcement of the name by which the server calls its accounts.
pub const DOMAIN_KEY: &str = "domain";

/// The key in an invite and in an announcement of the [`ServerId`].
pub const ID_KEY: &str = "id";

/// Bytes of an invite at most.
pub const INVITE_MAX: usize = 512;

/// Bytes of a host or domain at most: as many as DNS allows.
pub const NAME_MAX: usize = 253;

const SCHEME: &str = "myicq://";

/// Tells one server from another. It is drawn at random once and written where everybody reads it: it proves nothing, since
/// version 1 has no key of the server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerId(pub u64);

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ServerId {
    type Err = InviteError;

    /// 16 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, InviteError> {
        // `from_str_radix` would take "+" too.
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InviteError::Id);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| InviteError::Id)
    }
}

/// `myicq://HOST:PORT/?domain=NAME&id=ID`: a server, in one line that can be pasted. Port and everything behind it may be missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invite {
    /// A name or an address; one of IPv6 in brackets.
    pub host: String,
    /// UDP.
    pub port: u16,
    /// By which name the server calls its accounts.
    pub domain: Option<String>,
    /// Which server it is.
    pub id: Option<ServerId>,
}

impl Invite {
    /// An invite to a server at an address.
    pub fn new(address: SocketAddr, domain: &str, id: Option<ServerId>) -> Self {
        let host = match address.ip() {
            IpAddr::V4(ip) => alloc::format!("{ip}"),
            IpAddr::V6(ip) => alloc::format!("[{ip}]"),
        };
        Self { host, port: address.port(), domain: Some(domain.to_owned()), id }
    }

    /// Whether a text wants to be one.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// Host and port, as they are looked up.
    pub fn address(&self) -> String {
        alloc::format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}:{}/", self.host, self.port)?;
        let mut separator = '?';
        if let Some(domain) = &self.domain {
            write!(f, "{separator}{DOMAIN_KEY}={domain}")?;
            separator = '&';
        }
        self.id.map_or(Ok(()), |id| write!(f, "{separator}{ID_KEY}={id}"))
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    /// What a later version adds behind the question mark is passed over.
    fn from_str(text: &str) -> Result<Self, InviteError> {
        if text.len() > INVITE_MAX {
            return Err(InviteError::Length);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(InviteError::Scheme)?;
        let (place, query) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = split_port(place)?;
        if !is_host(host) {
            return Err(InviteError::Host);
        }
        let mut invite = Self { host: host.to_owned(), port, domain: None, id: None };
        let query = query.strip_prefix('?').unwrap_or(query);
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                DOMAIN_KEY if is_name(value) => invite.domain = Some(value.to_owned()),
                DOMAIN_KEY => return Err(InviteError::Domain),
                ID_KEY => invite.id = Some(value.parse()?),
                _ => {}
            }
        }
        Ok(invite)
    }
}

/// Whether a text can be the name of a server: letters, digits, dots and hyphens. What is announced on a network is anybody's word,
/// and goes to terminals.
pub fn is_name(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    is_plain && (1..=NAME_MAX).contains(&text.len())
}

fn is_host(text: &str) -> bool {
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    bracketed.map_or_else(|| is_name(text), |ip| ip.parse::<Ipv6Addr>().is_ok())
}

fn split_port(place: &str) -> Result<(&str, u16), InviteError> {
    match place.rsplit_once(':') {
        // What is behind a colon within brackets belongs to the address.
        Some((host, port)) if !port.ends_with(']') => {
            let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
            let port = port.and_then(|port| port.parse().ok()).filter(|port| *port > 0);
            Ok((host, port.ok_or(InviteError::Port)?))
        }
        _ => Ok((place, DEFAULT_PORT)),
    }
}

/// What is wrong with an invite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InviteError {
    /// It is longer than [`INVITE_MAX`].
    Length,
    /// It does not begin with `myicq://`.
    Scheme,
    /// The host is no name and no address.
    Host,
    /// The port is none.
    Port,
    /// The domain is no name.
    Domain,
    /// The id does not have 16 hexadecimal digits.
    Id,
}

impl fmt::Display for InviteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "an invite has 512 bytes at most",
            Self::Scheme => "an invite begins with myicq://",
            Self::Host => "the invite names no host",
            Self::Port => "the invite has a port that is none",
            Self::Domain => "the invite has a domain that is none",
            Self::Id => "the invite has an id without 16 hexadecimal digits",
        })
    }
}

impl core::error::Error for InviteError {}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    fn read(text: &str) -> Result<Invite, InviteError> {
        text.parse()
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (address, line) in [
            ("192.0.2.7:8000", "myicq://192.0.2.7:8000/?domain=chat.example.org&id=00000000000004d2"),
            ("[2001:db8::7]:9", "myicq://[2001:db8::7]:9/?domain=chat.example.org&id=00000000000004d2"),
        ] {
            let invite = Invite::new(address.parse().unwrap(), "chat.example.org", Some(ServerId(1_234)));
            assert_eq!(invite.to_string(), line);
            assert_eq!(read(line), Ok(invite.clone()));
            assert_eq!(invite.address(), address);
        }
    }

    #[test]
    fn all_but_the_host_may_be_missing() {
        for (line, address) in [
            ("myicq://chat.example.org", "chat.example.org:8000"),
            ("myicq://chat.example.org:9/", "chat.example.org:9"),
            ("myicq://[::1]", "[::1]:8000"),
            ("myicq://[::1]:9/?", "[::1]:9"),
            ("myicq://10.0.0.1/?key=later&id=00000000000000ff", "10.0.0.1:8000"),
        ] {
            assert_eq!(read(line).unwrap().address(), address, "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, error) in [
            ("http://a", InviteError::Scheme),
            ("myicq://", InviteError::Host),
            ("myicq://a b", InviteError::Host),
            ("myicq://[::1", InviteError::Host),
            ("myicq://[::g]", InviteError::Host),
            ("myicq://::1:8000", InviteError::Host),
            ("myicq://a:0", InviteError::Port),
            ("myicq://a:65536", InviteError::Port),
            ("myicq://a:+1", InviteError::Port),
            ("myicq://a/?domain=", InviteError::Domain),
            ("myicq://a/?domain=a\u{1b}[2J", InviteError::Domain),
            ("myicq://a/?id=+000000000000001", InviteError::Id),
            ("myicq://a/?id=123", InviteError::Id),
        ] {
            assert_eq!(read(line), Err(error), "{line}");
        }
    }

    #[test]
    fn names_and_invites_have_an_end() {
        assert!(is_name(&"a".repeat(NAME_MAX)) && !is_name(&"a".repeat(NAME_MAX + 1)));
        let mut line = String::from("myicq://a/?later=");
        line.extend(core::iter::repeat_n('x', INVITE_MAX - line.len()));
        assert!(read(&line).is_ok());
        line.push('x');
        assert_eq!(read(&line), Err(InviteError::Length));
    }
}
