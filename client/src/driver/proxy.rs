//! The ways that begin at a proxy: an HTTP proxy that makes a connection to the server's tunnel, and a SOCKS5 proxy that passes datagrams on.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use base64::Engine as _;
use httparse::{EMPTY_HEADER, Response, Status};
use myicq_wire::MAX_DATAGRAM;
use tokio::net::{TcpStream, UdpSocket};
use zeroize::Zeroizing;

use super::socks5::{self, SocksError};
use super::system::socket_to;
use crate::error::Misuse;

/// Bytes of an HTTP proxy's answer, with all its headers.
const ANSWER_MAX: usize = 4_096;

/// Headers of an HTTP proxy's answer.
const HEADERS_MAX: usize = 64;

/// The most bytes that a user's name or his password may have at a proxy.
pub const MAX_PROXY_LOGIN_LEN: usize = 255;

/// Who one is to a proxy. It gets both in the clear, and so does everybody on the way to it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyLogin {
    user: String,
    password: Zeroizing<Vec<u8>>,
}

impl ProxyLogin {
    /// A user and a password, which may be empty.
    ///
    /// # Errors
    /// [`Misuse::FieldTooLong`] over [`MAX_PROXY_LOGIN_LEN`] bytes, or for a user of none; [`Misuse::ProxyUser`] for one with a colon, which an
    /// HTTP proxy would take for the end of it, or with a control character.
    pub fn new(user: impl Into<String>, password: impl AsRef<[u8]>) -> Result<Self, Misuse> {
        let (user, password) = (user.into(), password.as_ref());
        for (field, len) in [("user of the proxy", user.len()), ("password of the proxy", password.len())] {
            if len > MAX_PROXY_LOGIN_LEN {
                return Err(Misuse::FieldTooLong { field, len, max: MAX_PROXY_LOGIN_LEN });
            }
        }
        if user.is_empty() || user.contains(|character: char| character == ':' || character.is_control()) {
            return Err(Misuse::ProxyUser);
        }
        Ok(Self { user, password: Zeroizing::new(password.to_vec()) })
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }

    pub(super) fn password(&self) -> &[u8] {
        &self.password
    }

    /// As RFC 7617 has it.
    fn basic(&self) -> Zeroizing<String> {
        let both = Zeroizing::new([self.user.as_bytes(), b":", &self.password].concat());
        Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(&*both))
    }
}

impl fmt::Debug for ProxyLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyLogin").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why a proxy does not do what it is there for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// An HTTP proxy makes no connection to the server.
    #[error("the proxy answers with {status}{}", if *.status == 407 { ": it wants a user and a password, or others" } else { "" })]
    Http {
        /// The status of its answer.
        status: u16,
    },
    /// A SOCKS5 proxy passes nothing on.
    #[error(transparent)]
    Socks(#[from] SocksError),
    /// The server's address is none that a proxy could be told.
    #[error("the address of the server is no host and port")]
    Address,
}

/// Asks an HTTP proxy for a connection to `server`.
pub(super) async fn connect(
    tcp: &TcpStream,
    server: &str,
    login: Option<&ProxyLogin>,
) -> io::Result<Result<(), ProxyError>> {
    let basic = login.map(ProxyLogin::basic);
    let basic = basic.as_ref().map_or(["", "", ""], |basic| ["Proxy-Authorization: Basic ", basic.as_str(), "\r\n"]);
    let head = ["CONNECT ", server, " HTTP/1.1\r\nHost: ", server, "\r\n"];
    let request = Zeroizing::new([&head[..], &basic, &["\r\n"]].concat().concat());
    write(tcp, request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        // Byte by byte: what follows the answer is not ours to take here.
        let [byte] = read(tcp).await?;
        answer.push(byte);
        match status_of(&answer)? {
            Some(200..300) => return Ok(Ok(())),
            Some(status) => return Ok(Err(ProxyError::Http { status })),
            None => {}
        }
    }
}

/// The status of an answer, once all of its head is there.
fn status_of(answer: &[u8]) -> io::Result<Option<u16>> {
    if !answer.ends_with(b"\n") {
        return if answer.len() < ANSWER_MAX { Ok(None) } else { Err(ErrorKind::InvalidData.into()) };
    }
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = Response::new(&mut headers);
    match response.parse(answer).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))? {
        Status::Complete(_) => Ok(response.code),
        Status::Partial if answer.len() < ANSWER_MAX => Ok(None),
        Status::Partial => Err(ErrorKind::InvalidData.into()),
    }
}

/// Asks a SOCKS5 proxy to pass datagrams on, and says where it takes them.
async fn associate(tcp: &TcpStream, login: Option<&ProxyLogin>) -> io::Result<Result<SocketAddr, SocksError>> {
    write(tcp, socks5::greeting(login.is_some())).await?;
    match (socks5::wants_login(read(tcp).await?, login.is_some()), login) {
        (Err(error), _) => return Ok(Err(error)),
        (Ok(true), Some(login)) => {
            write(tcp, &socks5::login(login)).await?;
            if let Err(error) = socks5::check_login(read(tcp).await?) {
                return Ok(Err(error));
            }
        }
        (Ok(_), _) => {}
    }
    write(tcp, &socks5::ASSOCIATE).await?;
    let head: [u8; 5] = read(tcp).await?;
    let rest = match socks5::rest_of_answer(head) {
        Ok(rest) => rest,
        Err(error) => return Ok(Err(error)),
    };
    let mut answer = head.to_vec();
    for _ in 0..rest {
        let byte: [u8; 1] = read(tcp).await?;
        answer.extend(byte);
    }
    Ok(socks5::relay(&answer, tcp.peer_addr()?.ip()))
}

/// Datagrams through a SOCKS5 proxy. It passes them on as long as the connection stands on which it was asked to.
#[derive(Debug)]
pub(super) struct Relayed {
    tcp: TcpStream,
    udp: UdpSocket,
    /// What stands in front of each datagram to the server.
    header: Vec<u8>,
    buffer: Box<[u8]>,
}

impl Relayed {
    pub(super) async fn open(
        tcp: TcpStream,
        server: &str,
        login: Option<&ProxyLogin>,
    ) -> io::Result<Result<Self, ProxyError>> {
        let Some(header) = socks5::header(server) else { return Ok(Err(ProxyError::Address)) };
        let relay = match associate(&tcp, login).await? {
            Ok(relay) => relay,
            Err(error) => return Ok(Err(error.into())),
        };
        let udp = socket_to(relay).await?;
        let buffer = vec![0; socks5::HEADER_MAX + MAX_DATAGRAM].into();
        Ok(Ok(Self { tcp, udp, header, buffer }))
    }

    /// The next datagram's length in `buffer`, which has room for any.
    ///
    /// Cancel-safe.
    pub(super) async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let received = tokio::select! {
                received = self.udp.recv(&mut self.buffer) => received?,
                ready = self.tcp.readable() => match ready.and_then(|()| self.tcp.try_read(&mut [0; 64])) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    Ok(0) | Err(_) => return Err(ErrorKind::UnexpectedEof.into()),
                    // Nothing is said there any more; if it is, it is nothing to us.
                    Ok(_) => continue,
                },
            };
            if let Some(datagram) = self.buffer.get(..received).and_then(socks5::datagram) {
                let len = datagram.len().min(buffer.len());
                buffer.iter_mut().zip(datagram).for_each(|(to, &byte)| *to = byte);
                return Ok(len);
            }
        }
    }

    pub(super) async fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        // It may hold a password.
        let framed = Zeroizing::new([&self.header, datagram].concat());
        self.udp.send(&framed).await.map(drop)
    }
}

async fn write(tcp: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        tcp.writable().await?;
        match tcp.try_write(bytes) {
            Ok(len) => bytes = bytes.get(len..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn read<const LEN: usize>(tcp: &TcpStream) -> io::Result<[u8; LEN]> {
    let (mut bytes, mut at) = ([0; LEN], 0);
    while at < LEN {
        tcp.readable().await?;
        match tcp.try_read(bytes.get_mut(at..).unwrap_or_default()) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(len) => at += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_a_proxy_is_read_to_the_end_of_its_head() {
        let answer = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
        assert!((0..answer.len()).all(|len| status_of(&answer[..len]).unwrap().is_none()));
        assert_eq!(status_of(answer).unwrap(), Some(200));
        assert_eq!(status_of(b"HTTP/1.0 407 Who are you\r\n\r\n").unwrap(), Some(407));
        assert!(status_of(b"SSH-2.0-OpenSSH\r\n").is_err());
        let endless = [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; ANSWER_MAX]].concat();
        assert!(status_of(&endless[..ANSWER_MAX - 1]).unwrap().is_none() && status_of(&endless[..ANSWER_MAX]).is_err());
    }

    #[test]
    fn a_login_is_checked_and_hidden() {
        let ann = ProxyLogin::new("Aladdin", "open sesame").unwrap();
        assert_eq!(*ann.basic(), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "as in RFC 7617");
        assert!(!format!("{ann:?}").contains("sesame"));
        assert!(ProxyLogin::new("a".repeat(MAX_PROXY_LOGIN_LEN), [b'x'; MAX_PROXY_LOGIN_LEN]).is_ok());
        assert!(ProxyLogin::new("a".repeat(MAX_PROXY_LOGIN_LEN + 1), "").is_err());
        assert!(ProxyLogin::new("a", [b'x'; MAX_PROXY_LOGIN_LEN + 1]).is_err());
        for user in ["", "a:b", "a\r\nb"] {
            assert_eq!(ProxyLogin::new(user, ""), Err(Misuse::ProxyUser), "{user:?}");
        }
    }
}
