//! What comes in on a connection: the request of a proxy, perhaps, and then frames. Without I/O.

use std::time::Duration;

use httparse::{EMPTY_HEADER, Request, Status};
use myicq_wire::Instant;
use myicq_wire::tunnel::{self, Framer};

use super::End;

/// Bytes of a request, with all its headers.
const REQUEST_MAX: usize = 4_096;

/// Headers of a request.
const HEADERS_MAX: usize = 32;

/// How long a peer may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the first byte of a frame, or from the beginning of the connection, to the end of the frame.
    pub(super) frame: Duration,
    /// From the end of a frame to the first byte of the next.
    pub(super) idle: Duration,
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard<'a> {
    /// A datagram, from 20 to 4,096 bytes.
    Datagram(&'a [u8]),
    /// A request to be connected, which is to be answered.
    Connect,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Inbound {
    state: State,
    patience: Patience,
    deadline: Instant,
}

#[derive(Debug)]
enum State {
    /// Nothing has come.
    New,
    /// A request, as far as it has come.
    Request(Vec<u8>),
    Frames(Framer),
}

impl Inbound {
    pub(super) fn new(now: Instant, patience: Patience) -> Self {
        Self { state: State::New, patience, deadline: now + patience.frame }
    }

    /// When the peer has taken too long.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Why the connection ends at the deadline.
    pub(super) fn end_at_deadline(&self) -> End {
        match &self.state {
            State::Frames(framer) if !framer.is_within_frame() => End::Idle,
            _ => End::TooSlow,
        }
    }

    /// Takes what has come, and hands on what is whole.
    ///
    /// # Errors
    /// It is no request and no frame: nothing that follows can be understood.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        mut bytes: &[u8],
        mut hear: impl FnMut(Heard<'_>),
    ) -> Result<(), End> {
        if let (State::New, Some(&first)) = (&self.state, bytes.first()) {
            // The first byte of a frame is the upper half of a length of at most 4,096.
            self.state = if first == b'C' { State::Request(Vec::new()) } else { State::Frames(tunnel::datagrams()) };
        }
        if let State::Request(request) = &mut self.state {
            let had = request.len();
            request.extend_from_slice(bytes);
            let Some(len) = request_len(request)? else { return Ok(()) };
            bytes = bytes.get(len.saturating_sub(had)..).unwrap_or_default();
            hear(Heard::Connect);
            self.state = State::Frames(tunnel::datagrams());
            self.deadline = now + self.patience.frame;
        }
        let State::Frames(framer) = &mut self.state else { return Ok(()) };
        let mut is_begun = framer.is_within_frame();
        while let Some(frame) = framer.next_frame(&mut bytes).map_err(|_| End::Malformed)? {
            hear(Heard::Datagram(frame));
            is_begun = false;
            self.deadline = now + self.patience.idle;
        }
        // Whatever it brings byte by byte, a frame that has begun does not get more time.
        if framer.is_within_frame() && !is_begun {
            self.deadline = now + self.patience.frame;
        }
        Ok(())
    }
}

/// How long a request for a connection is, once it is whole. To where it asks does not matter: there is nothing else that it could
/// be connected to.
fn request_len(bytes: &[u8]) -> Result<Option<usize>, End> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = Request::new(&mut headers);
    match request.parse(bytes).map_err(|_| End::Malformed)? {
        Status::Complete(len) if len <= REQUEST_MAX && request.method == Some("CONNECT") => Ok(Some(len)),
        Status::Partial if bytes.len() < REQUEST_MAX => Ok(None),
        _ => Err(End::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { frame: Duration::from_secs(10), idle: Duration::from_secs(300) };
    const REQUEST: &[u8] = b"CONNECT icq.example:443 HTTP/1.1\r\nHost: icq.example:443\r\nUser-Agent: x\r\n\r\n";

    fn frame(fill: u8) -> Vec<u8> {
        [&[0, 20][..], &[fill; 20]].concat()
    }

    /// What is heard of these bytes, in the short.
    fn hear(inbound: &mut Inbound, now: Instant, bytes: &[u8]) -> Result<Vec<Option<u8>>, End> {
        let mut heard = Vec::new();
        inbound.receive(now, bytes, |it| {
            heard.push(match it {
                Heard::Datagram(datagram) => datagram.first().copied(),
                Heard::Connect => None,
            });
        })?;
        Ok(heard)
    }

    #[test]
    fn frames_follow_at_once_or_behind_a_request_however_they_are_cut() {
        let now = Instant(1);
        for (stream, expected) in [
            ([frame(1), frame(2)].concat(), vec![Some(1), Some(2)]),
            ([REQUEST, &frame(1), &frame(2)].concat(), vec![None, Some(1), Some(2)]),
        ] {
            for size in 1..=stream.len() {
                let mut inbound = Inbound::new(now, PATIENCE);
                let heard: Vec<_> =
                    stream.chunks(size).flat_map(|piece| hear(&mut inbound, now, piece).unwrap()).collect();
                assert_eq!(heard, expected, "in pieces of {size}");
            }
        }
    }

    #[test]
    fn what_is_neither_ends_the_connection() {
        for stream in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"CONNECTED icq.example:443 HTTP/1.1\r\n\r\n",
            b"COPY / HTTP/1.1\r\n\r\n",
            b"C\0",
            &[0, 19],
            &[0x10, 1],
            &[0xFF, 0xFF],
        ] {
            assert_eq!(hear(&mut Inbound::new(Instant(1), PATIENCE), Instant(1), stream), Err(End::Malformed));
        }
    }

    #[test]
    fn a_request_has_at_most_so_many_bytes() {
        let request = |len: usize| {
            let (start, end) = (&b"CONNECT a:1 HTTP/1.1\r\nX: "[..], &b"\r\n\r\n"[..]);
            [start, &vec![b'x'; len - start.len() - end.len()], end].concat()
        };
        let heard = |stream: &[u8]| hear(&mut Inbound::new(Instant(1), PATIENCE), Instant(1), stream);
        assert_eq!(heard(&request(REQUEST_MAX)), Ok(vec![None]));
        assert_eq!(heard(&request(REQUEST_MAX + 1)), Err(End::Malformed));
        assert_eq!(heard(&request(REQUEST_MAX + 1)[..REQUEST_MAX - 1]), Ok(vec![]));
        assert_eq!(heard(&request(REQUEST_MAX + 1)[..REQUEST_MAX]), Err(End::Malformed));
    }

    #[test]
    fn a_frame_byte_by_byte_gets_no_more_time_than_one_at_once() {
        let start = Instant(1_000_000);
        let mut inbound = Inbound::new(start, PATIENCE);
        assert_eq!(inbound.deadline(), start + PATIENCE.frame);
        // A request counts from the beginning of the connection.
        let later = start + Duration::from_secs(9);
        hear(&mut inbound, later, &REQUEST[..30]).unwrap();
        assert_eq!((inbound.deadline(), inbound.end_at_deadline()), (start + PATIENCE.frame, End::TooSlow));
        hear(&mut inbound, later, &REQUEST[30..]).unwrap();
        assert_eq!(inbound.deadline(), later + PATIENCE.frame);

        let mut now = later;
        let frame = frame(7);
        hear(&mut inbound, now, &frame).unwrap();
        assert_eq!((inbound.deadline(), inbound.end_at_deadline()), (now + PATIENCE.idle, End::Idle));
        now = now + Duration::from_secs(60);
        let begun = now;
        for byte in frame.chunks(1).take(21) {
            hear(&mut inbound, now, byte).unwrap();
            assert_eq!((inbound.deadline(), inbound.end_at_deadline()), (begun + PATIENCE.frame, End::TooSlow));
            now = now + Duration::from_millis(400);
        }
        hear(&mut inbound, now, &[&frame[21..], &frame[..1]].concat()).unwrap();
        assert_eq!(inbound.deadline(), now + PATIENCE.frame, "the next one has begun");
    }
}
