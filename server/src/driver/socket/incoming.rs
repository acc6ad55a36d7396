//! What has come in one system call.

use std::net::SocketAddr;

use super::BATCH;

/// Buffers for a call behind one that has filled fewer: to prepare them all takes longer than to look at the one datagram that comes where two
/// talk alone.
pub(super) const FEW: usize = 4;

/// Buffers for one call, and what is in them.
#[derive(Debug)]
pub(in crate::driver) struct Incoming {
    bytes: Box<[u8]>,
    buffer_bytes: usize,
    filled: Vec<Filled>,
    /// Buffers that the next call may fill, or the last one might.
    room: usize,
    /// The buffer that the next datagram is in, and where in it.
    next: (usize, usize),
}

/// What is in a buffer.
#[derive(Clone, Copy, Debug)]
pub(in crate::driver) struct Filled {
    pub(super) from: SocketAddr,
    /// Bytes in all.
    pub(super) length: usize,
    /// Bytes of each datagram but the last, which may be shorter; none where it is one datagram.
    pub(super) stride: Option<usize>,
}

impl Incoming {
    pub(super) fn new(buffer_bytes: usize) -> Self {
        let bytes = vec![0; BATCH * buffer_bytes].into();
        Self { bytes, buffer_bytes, filled: Vec::with_capacity(BATCH), room: BATCH, next: (0, 0) }
    }

    pub(super) fn clear(&mut self) {
        self.room = if self.filled.len() < FEW { FEW } else { BATCH };
        self.filled.clear();
        self.next = (0, 0);
    }

    pub(super) fn is_full(&self) -> bool {
        self.filled.len() >= self.room
    }

    /// The buffers, and the list of what is in them, one after the other.
    pub(super) fn parts(&mut self) -> (impl ExactSizeIterator<Item = &mut [u8]>, &mut Vec<Filled>) {
        (self.bytes.chunks_exact_mut(self.buffer_bytes).take(self.room), &mut self.filled)
    }

    /// The next datagram.
    pub(super) fn next_datagram(&mut self) -> Option<(SocketAddr, &[u8])> {
        let (buffer, start) = self.next;
        let Filled { from, length, stride } = *self.filled.get(buffer)?;
        let end = length.min(start + stride.unwrap_or(length).max(1));
        self.next = if end < length { (buffer, end) } else { (buffer + 1, 0) };
        let base = buffer * self.buffer_bytes;
        Some((from, self.bytes.get(base + start..base + end).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_with_a_stride_is_several_datagrams() {
        let from = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut incoming = Incoming::new(8);
        let mut lengths = |length, stride| {
            incoming.clear();
            incoming.parts().1.extend([Filled { from, length, stride }, Filled { from, length: 1, stride: None }]);
            let mut lengths = Vec::new();
            while let Some((_, datagram)) = incoming.next_datagram() {
                lengths.push(datagram.len());
            }
            lengths
        };
        assert_eq!(lengths(8, Some(3)), [3, 3, 2, 1]);
        assert_eq!(lengths(8, Some(4)), [4, 4, 1]);
        assert_eq!(lengths(8, None), [8, 1]);
        assert_eq!(lengths(3, Some(5)), [3, 1]);
        // Nothing is a datagram, too, and no stride may keep the loop from going on.
        assert_eq!(lengths(0, None), [0, 1]);
        assert_eq!(lengths(2, Some(0)), [1, 1, 1]);
    }
}
