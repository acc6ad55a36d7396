//! What a capture has of the protocol: sessions with a server, through its tunnel, and between clients.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use myicq_wire::cipher::Key;
use myicq_wire::peer::{self, PEER_HEADER_LEN};
use myicq_wire::tunnel::{self, Framer};
use myicq_wire::{ClientHeader, DecodeError, Request, SessionId, open_request};
use serde_json::{Value, json};

use super::capture::Packet;
use super::datagram::{self, Peer};
use crate::failure::Failure;

/// Bytes that wait in one direction of a stream for those before them; where more come, the capture has a hole.
const MAX_WAITING: usize = 256 * 1024;

/// The ids of messages count down from the highest, the lengths of file names are small: so their frames are told apart.
const MESSAGE_ID_START: u8 = 0xFF;

/// What is known so far.
pub(super) struct Conversations {
    ports: Vec<u16>,
    /// For sessions whose login the capture does not have.
    given: Option<Key>,
    keys: HashMap<SessionId, Key>,
    streams: HashMap<(SocketAddr, SocketAddr), Stream>,
}

/// One direction of a TCP connection.
struct Stream {
    /// The number of the next byte.
    next: u32,
    waiting: BTreeMap<u32, Vec<u8>>,
    content: Content,
}

enum Content {
    Tunnel(Framer),
    Direct(Framer),
    /// Nothing of ours, or nothing that could be followed.
    Other,
}

impl Conversations {
    /// `ports` are those of servers.
    pub(super) fn new(ports: &[u16], given: Option<Key>) -> Self {
        Self { ports: ports.to_vec(), given, keys: HashMap::new(), streams: HashMap::new() }
    }

    /// Hands over all that became whole with a packet.
    pub(super) fn packet(
        &mut self,
        packet: &Packet<'_>,
        mut show: impl FnMut(&Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let is_ours = self.ports.contains(&packet.from.port()) || self.ports.contains(&packet.to.port());
        match packet.stream {
            None if is_ours => show(&labelled(packet, self.datagram(packet, packet.payload))),
            None => Ok(()),
            Some((first, is_start)) => {
                for decoded in self.segment(packet, first, is_start, is_ours) {
                    show(&labelled(packet, decoded))?;
                }
                Ok(())
            }
        }
    }

    fn datagram(&mut self, packet: &Packet<'_>, bytes: &[u8]) -> Result<Value, DecodeError> {
        let key = |keys: &HashMap<SessionId, Key>, session| keys.get(&session).cloned();
        let session = ClientHeader::decode(bytes)?.0.session;
        if !self.ports.contains(&packet.to.port()) {
            let key = key(&self.keys, session);
            return datagram::server(bytes, key.as_ref().or(self.given.as_ref()));
        }
        if let Some(password) = password(bytes) {
            self.keys.insert(session, password);
        }
        let key = key(&self.keys, session);
        datagram::client(bytes, key.as_ref().or(self.given.as_ref()))
    }

    fn segment(
        &mut self,
        packet: &Packet<'_>,
        first: u32,
        is_start: bool,
        is_ours: bool,
    ) -> Vec<Result<Value, DecodeError>> {
        let ends = (packet.from, packet.to);
        if is_start {
            self.streams.remove(&ends);
        }
        if packet.payload.is_empty() {
            return Vec::new();
        }
        let is_direct = self.streams.get(&(packet.to, packet.from)).is_some_and(Stream::is_direct);
        let mut stream = self.streams.remove(&ends).unwrap_or_else(|| Stream {
            next: first.wrapping_add(proxy_head(packet.payload)),
            waiting: BTreeMap::new(),
            content: Content::of(packet.payload, is_ours, is_direct),
        });
        stream.put(first, packet.payload);
        let mut found = Vec::new();
        while let Some(bytes) = stream.take() {
            stream.content.frames(&bytes, |is_tunnel, frame| {
                found.push(if is_tunnel { self.datagram(packet, frame) } else { direct(frame) });
            });
        }
        self.streams.insert(ends, stream);
        found
    }
}

/// The key of a session that a datagram opens.
fn password(bytes: &[u8]) -> Option<Key> {
    let (header, body) = ClientHeader::decode(bytes).ok()?;
    match open_request(&header, body, None, &mut []).ok()? {
        Request::Login(login) => Some(Key::new(login.password.0)),
        Request::NewUin(registration) => Some(Key::new(registration.password.0)),
        _ => None,
    }
}

/// The bytes of what a client says to an HTTP proxy, or hears from it, before its tunnel begins.
fn proxy_head(start: &[u8]) -> u32 {
    const END: &[u8] = b"\r\n\r\n";
    let is_head = start.starts_with(b"CONNECT ") || start.starts_with(b"HTTP/");
    let end = start.windows(END.len()).position(|bytes| bytes == END).filter(|_| is_head);
    end.and_then(|end| u32::try_from(end + END.len()).ok()).unwrap_or(0)
}

fn direct(frame: &[u8]) -> Result<Value, DecodeError> {
    let (header, body) = peer::PeerHeader::decode(frame)?;
    // The two kinds of session share numbers.
    let is_message = body.first() == Some(&MESSAGE_ID_START) && header.command != FILE_DATA;
    datagram::peer(if is_message { Peer::Message } else { Peer::File }, frame)
}

/// The one command whose body may begin with anything.
const FILE_DATA: u16 = 0x1002;

fn labelled(packet: &Packet<'_>, decoded: Result<Value, DecodeError>) -> Value {
    let mut labelled = json!({
        "packet": packet.number,
        "time": packet.time,
        "source": packet.from.to_string(),
        "destination": packet.to.to_string(),
    });
    let decoded = decoded.unwrap_or_else(|error| json!({"error": error.to_string()}));
    if let (Some(fields), Value::Object(more)) = (labelled.as_object_mut(), decoded) {
        fields.extend(more);
    }
    labelled
}

impl Content {
    /// What a stream is, by its first bytes.
    fn of(start: &[u8], is_ours: bool, is_direct: bool) -> Self {
        if is_ours {
            return Self::Tunnel(tunnel::datagrams());
        }
        let is_hello =
            start.get(2..).and_then(|frame| peer::PeerHeader::decode(frame).ok()).is_some_and(|(header, _)| {
                header.reserved <= u32::from(u8::MAX) && header.command == 1 && start.len() > 2 + PEER_HEADER_LEN
            });
        if is_hello || is_direct { Self::Direct(peer::file_frames()) } else { Self::Other }
    }

    fn frames(&mut self, mut bytes: &[u8], mut found: impl FnMut(bool, &[u8])) {
        let (is_tunnel, framer) = match self {
            Self::Tunnel(framer) => (true, framer),
            Self::Direct(framer) => (false, framer),
            Self::Other => return,
        };
        loop {
            match framer.next_frame(&mut bytes) {
                Ok(Some(frame)) => found(is_tunnel, frame),
                Ok(None) => return,
                Err(_) => break,
            }
        }
        *self = Self::Other;
    }
}

impl Stream {
    fn is_direct(&self) -> bool {
        matches!(self.content, Content::Direct(_))
    }

    /// Keeps bytes until those before them are there. What came before is passed over.
    fn put(&mut self, first: u32, bytes: &[u8]) {
        if matches!(self.content, Content::Other) {
            return;
        }
        let kept = self.waiting.entry(first).or_default();
        if kept.len() < bytes.len() {
            *kept = bytes.to_vec();
        }
        let next = self.next;
        self.waiting.retain(|first, bytes| is_left(next, *first, bytes));
        if self.waiting.values().map(Vec::len).sum::<usize>() > MAX_WAITING {
            (self.content, self.waiting) = (Content::Other, BTreeMap::new());
        }
    }

    /// The next bytes, once they are there. Segments may overlap: one that was sent again can have more in it.
    fn take(&mut self) -> Option<Vec<u8>> {
        let next = self.next;
        let first = *self.waiting.iter().find(|(first, bytes)| offset(next, **first) < bytes.len())?.0;
        let bytes = self.waiting.remove(&first)?.split_off(offset(next, first));
        self.next = next.wrapping_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        Some(bytes)
    }
}

/// Where `next` lies in a segment that begins with `first`; far beyond its end if it lies before it.
fn offset(next: u32, first: u32) -> usize {
    usize::try_from(next.wrapping_sub(first)).unwrap_or(usize::MAX)
}

/// Whether anything of a segment is still to come: it ends behind `next`, in serial arithmetic.
fn is_left(next: u32, first: u32, bytes: &[u8]) -> bool {
    let end = first.wrapping_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    end.wrapping_sub(next).wrapping_sub(1) < u32::MAX / 2
}
