//! Datagrams on their way to the driver: one buffer for all of them, so that a burst costs no allocation.

use std::net::SocketAddr;

use myicq_wire::cipher::Key;
use myicq_wire::{EncodeError, Envelope, MAX_DATAGRAM, Reply, Seq, encode_reply, seal_reply};

/// What is to be sent, in order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// To whom, and where in `bytes` the datagram ends.
    datagrams: Vec<(SocketAddr, usize)>,
    /// How many have been taken.
    taken: usize,
}

impl Outbox {
    pub(super) fn push(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.bytes.extend_from_slice(datagram);
        self.datagrams.push((to, self.bytes.len()));
    }

    /// Encodes a datagram that nobody retains, and enciphers its body where there is a key. Says how long it is.
    pub(super) fn push_reply(
        &mut self,
        to: SocketAddr,
        envelope: &Envelope,
        ackseq: Option<Seq>,
        reply: &Reply<'_>,
        key: Option<&Key>,
    ) -> Result<usize, EncodeError> {
        let start = self.bytes.len();
        self.bytes.resize(start + MAX_DATAGRAM, 0);
        let room = self.bytes.get_mut(start..).unwrap_or_default();
        let encoded = encode_reply(envelope, ackseq, reply, room);
        let encoded = encoded.and_then(|len| key.map_or(Ok(len), |key| seal_reply(key, len, room)));
        self.bytes.truncate(start + encoded.unwrap_or(0));
        let len = encoded?;
        self.datagrams.push((to, self.bytes.len()));
        Ok(len)
    }

    /// The one that was put in last.
    pub(super) fn last(&self) -> &[u8] {
        let before_last = self.datagrams.len().checked_sub(2).and_then(|place| self.datagrams.get(place));
        self.bytes.get(before_last.map_or(0, |&(_, end)| end)..).unwrap_or_default()
    }

    /// The next of them. After the last one the buffer is empty again.
    pub(super) fn pop(&mut self) -> Option<(SocketAddr, &[u8])> {
        let Some(&(to, end)) = self.datagrams.get(self.taken) else {
            self.bytes.clear();
            self.datagrams.clear();
            self.taken = 0;
            return None;
        };
        let start = self.taken.checked_sub(1).and_then(|last| self.datagrams.get(last)).map_or(0, |&(_, end)| end);
        self.taken += 1;
        Some((to, self.bytes.get(start..end).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_out_as_they_went_in() {
        let to = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut outbox = Outbox::default();
        for round in 0..2 {
            outbox.push(to, b"one");
            assert_eq!(outbox.push_reply(to, &Envelope::default(), Seq::new(7), &Reply::Ack, None), Ok(20));
            assert_eq!(outbox.last().len(), 20);
            outbox.push(to, b"");
            assert_eq!(outbox.last(), b"");
            assert_eq!(outbox.pop(), Some((to, &b"one"[..])), "round {round}");
            assert_eq!(outbox.pop().unwrap().1.len(), 20);
            assert_eq!(outbox.pop(), Some((to, &b""[..])));
            assert_eq!(outbox.pop(), None);
        }
    }
}
