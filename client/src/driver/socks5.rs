//! What is said to a SOCKS5 proxy that passes datagrams on: RFC 1928 (UDP ASSOCIATE) and RFC 1929 (user and password), without I/O.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use zeroize::Zeroizing;

use super::proxy::ProxyLogin;

const VERSION: u8 = 5;
const LOGIN_VERSION: u8 = 1;

const NO_LOGIN: u8 = 0;
const WITH_LOGIN: u8 = 2;

const UDP_ASSOCIATE: u8 = 3;

const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// The most bytes in front of a datagram: those of the longest name.
pub(super) const HEADER_MAX: usize = 4 + 1 + 255 + 2;

/// Why a SOCKS5 proxy passes nothing on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocksError {
    /// It is no SOCKS5 proxy.
    #[error("what answers there is no SOCKS5 proxy")]
    NotSocks,
    /// It lets nobody in by a way that this client has: without a login, or with a user and a password.
    #[error("the proxy wants another login than this client offers: it may want a user and a password")]
    NoLogin,
    /// The user or the password is wrong.
    #[error("the proxy does not accept the user or the password")]
    WrongLogin,
    /// It does not pass datagrams on.
    #[error("the proxy passes no datagrams on (UDP ASSOCIATE)")]
    NoDatagrams,
    /// Its rules forbid it.
    #[error("the rules of the proxy forbid it")]
    Forbidden,
    /// For a reason of its own.
    #[error("the proxy refuses with code {0}")]
    Refused(u8),
}

/// Which ways to log in are offered.
pub(super) fn greeting(has_login: bool) -> &'static [u8] {
    if has_login { &[VERSION, 2, NO_LOGIN, WITH_LOGIN] } else { &[VERSION, 1, NO_LOGIN] }
}

/// Whether the proxy wants the login; from the two bytes that answer the greeting.
pub(super) fn wants_login(answer: [u8; 2], has_login: bool) -> Result<bool, SocksError> {
    match answer {
        [VERSION, NO_LOGIN] => Ok(false),
        [VERSION, WITH_LOGIN] if has_login => Ok(true),
        [VERSION, _] => Err(SocksError::NoLogin),
        _ => Err(SocksError::NotSocks),
    }
}

/// The login itself, which goes out in the clear.
pub(super) fn login(login: &ProxyLogin) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(3 + 2 * usize::from(u8::MAX)));
    bytes.push(LOGIN_VERSION);
    for part in [login.user().as_bytes(), login.password()] {
        bytes.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(part.get(..usize::from(u8::MAX)).unwrap_or(part));
    }
    bytes
}

/// From the two bytes that answer the login.
pub(super) fn check_login(answer: [u8; 2]) -> Result<(), SocksError> {
    match answer {
        [LOGIN_VERSION, 0] => Ok(()),
        [LOGIN_VERSION, _] => Err(SocksError::WrongLogin),
        _ => Err(SocksError::NotSocks),
    }
}

/// "Pass datagrams on": from an address that is not known yet, since the proxy may see another one than we do.
pub(super) const ASSOCIATE: [u8; 10] = [VERSION, UDP_ASSOCIATE, 0, IPV4, 0, 0, 0, 0, 0, 0];

/// How many bytes of the answer follow its first five.
pub(super) fn rest_of_answer(head: [u8; 5]) -> Result<usize, SocksError> {
    let [version, reply, _, kind, first] = head;
    match (version, reply) {
        (VERSION, 0) => {}
        (VERSION, 2) => return Err(SocksError::Forbidden),
        (VERSION, 7) => return Err(SocksError::NoDatagrams),
        (VERSION, code) => return Err(SocksError::Refused(code)),
        _ => return Err(SocksError::NotSocks),
    }
    match kind {
        IPV4 => Ok(3 + 2),
        IPV6 => Ok(15 + 2),
        NAME => Ok(usize::from(first) + 2),
        _ => Err(SocksError::NotSocks),
    }
}

/// Where the proxy takes datagrams: `proxy` itself where it names no address, or only a name, of its own.
pub(super) fn relay(answer: &[u8], proxy: IpAddr) -> Result<SocketAddr, SocksError> {
    let (kind, address) = answer.get(3..).and_then(<[u8]>::split_first).ok_or(SocksError::NotSocks)?;
    let (ip, port) = match *kind {
        IPV4 => address.split_first_chunk::<4>().map(|(ip, port)| (Some(IpAddr::from(*ip)), port)),
        IPV6 => address.split_first_chunk::<16>().map(|(ip, port)| (Some(IpAddr::from(*ip)), port)),
        _ => address.split_last_chunk::<2>().map(|(_, port)| (None, &port[..])),
    }
    .ok_or(SocksError::NotSocks)?;
    let port = <[u8; 2]>::try_from(port).map(u16::from_be_bytes).map_err(|_| SocksError::NotSocks)?;
    Ok(SocketAddr::new(ip.filter(|ip| !ip.is_unspecified()).unwrap_or(proxy), port))
}

/// What stands in front of each datagram to `server`, "host:port". A name is left to the proxy to look for, as by the clients of 2003. `None` if there
/// is no port, or the name is too long.
pub(super) fn header(server: &str) -> Option<Vec<u8>> {
    let (host, port) = server.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut header = vec![0, 0, 0];
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        header.push(IPV4);
        header.extend(ip.octets());
    } else if let Ok(ip) = host.parse::<Ipv6Addr>() {
        header.push(IPV6);
        header.extend(ip.octets());
    } else {
        header.extend([NAME, u8::try_from(host.len()).ok()?]);
        header.extend(host.bytes());
    }
    header.extend(port.to_be_bytes());
    Some(header)
}

/// The datagram behind what the proxy puts in front of it. `None` for what is none, or a part of one.
pub(super) fn datagram(bytes: &[u8]) -> Option<&[u8]> {
    let ([_, _, fragment, kind], rest) = bytes.split_first_chunk::<4>()?;
    let len = match *kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => 1 + usize::from(*rest.first()?),
        _ => return None,
    };
    rest.get(len + 2..).filter(|_| *fragment == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn the_words_are_those_of_the_rfcs() {
        assert_eq!(greeting(false), [5, 1, 0]);
        assert_eq!(greeting(true), [5, 2, 0, 2]);
        let ann = ProxyLogin::new("ann", "secret").unwrap();
        assert_eq!(*login(&ann), *b"\x01\x03ann\x06secret");
        assert_eq!(header("192.0.2.7:8000").unwrap(), [0, 0, 0, 1, 192, 0, 2, 7, 0x1f, 0x40]);
        assert_eq!(header("chat.example:8000").unwrap(), b"\0\0\0\x03\x0cchat.example\x1f\x40");
        let v6 = header("[2001:db8::7]:1").unwrap();
        assert_eq!((v6[3], v6.len(), &v6[19..]), (4, 22, &[7, 0, 1][..]));
        for wrong in ["chat.example", "chat.example:x", &format!("{}:1", "a".repeat(256))] {
            assert_eq!(header(wrong), None, "{wrong}");
        }
        assert_eq!(header(&format!("{}:1", "a".repeat(255))).unwrap().len(), HEADER_MAX);
    }

    #[test]
    fn the_answers_of_a_proxy_are_told_apart() {
        assert_eq!(wants_login([5, 0], true), Ok(false));
        assert_eq!(wants_login([5, 2], true), Ok(true));
        assert_eq!(wants_login([5, 2], false), Err(SocksError::NoLogin), "it was not offered");
        assert_eq!(wants_login([5, 0xff], true), Err(SocksError::NoLogin));
        assert_eq!(wants_login(*b"HT", true), Err(SocksError::NotSocks));
        assert_eq!((check_login([1, 0]), check_login([1, 1])), (Ok(()), Err(SocksError::WrongLogin)));
        assert_eq!(check_login([5, 0]), Err(SocksError::NotSocks));
        assert_eq!(rest_of_answer([5, 2, 0, 1, 0]), Err(SocksError::Forbidden));
        assert_eq!(rest_of_answer([5, 7, 0, 1, 0]), Err(SocksError::NoDatagrams));
        assert_eq!(rest_of_answer([5, 1, 0, 1, 0]), Err(SocksError::Refused(1)));
        assert_eq!(rest_of_answer([4, 0, 0, 1, 0]), Err(SocksError::NotSocks));
        assert_eq!(rest_of_answer([5, 0, 0, 9, 0]), Err(SocksError::NotSocks));
    }

    #[test]
    fn the_relay_is_where_the_proxy_says_or_the_proxy_itself() {
        let relays: [(&[u8], &str); 4] = [
            (&[5, 0, 0, 1, 192, 0, 2, 9, 0x1f, 0x40], "192.0.2.9:8000"),
            (&[5, 0, 0, 1, 0, 0, 0, 0, 0x1f, 0x40], "192.0.2.1:8000"),
            (&[5, 0, 0, 3, 1, b'x', 0x1f, 0x40], "192.0.2.1:8000"),
            (&[5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x1f, 0x40], "[::1]:8000"),
        ];
        for (answer, expected) in relays {
            let head: [u8; 5] = answer[..5].try_into().unwrap();
            assert_eq!(rest_of_answer(head), Ok(answer.len() - 5));
            assert_eq!(relay(answer, PROXY).unwrap().to_string(), expected);
            assert!((0..answer.len() - 2).all(|len| relay(&answer[..len], PROXY).is_err() || answer[3] == 3));
        }
    }

    #[test]
    fn datagrams_come_behind_an_address() {
        for address in ["192.0.2.7:1", "[2001:db8::7]:1", "chat.example:1"] {
            let header = header(address).unwrap();
            let framed = [&header[..], b"hello"].concat();
            assert_eq!(datagram(&framed), Some(&b"hello"[..]));
            assert!((0..header.len()).all(|len| datagram(&framed[..len]).is_none()), "{address}");
        }
        assert_eq!(datagram(&[0, 0, 1, 1, 1, 2, 3, 4, 0, 1, 7]), None, "a part");
        assert_eq!(datagram(&[0, 0, 0, 2, 1, 2, 3, 4, 0, 1, 7]), None, "an address of no kind");
    }
}
