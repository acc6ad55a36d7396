//! What waits to be sent, and into which messages it goes.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};

/// The longest datagram that becomes a segment. The system wants each segment to fit into a packet of the way it goes, and
/// refuses the message otherwise; this fits into any that carries IPv6 (1,280 bytes with 48 of headers).
const SEGMENT_BYTES_MAX: usize = 1_232;

/// What a message may hold in all: UDP's own limit over IPv4.
const MESSAGE_BYTES_MAX: usize = 65_507;

/// Datagrams to be sent, in one buffer.
#[derive(Debug, Default)]
pub(in crate::driver) struct Outgoing {
    bytes: Vec<u8>,
    datagrams: Vec<Datagram>,
    /// The datagrams by address, each address's in the order in which they were pushed: a key for the address, and the index.
    order: Vec<(u64, usize)>,
    messages: Vec<Message>,
    /// Messages that have left.
    done: usize,
}

#[derive(Clone, Copy, Debug)]
struct Datagram {
    to: SocketAddr,
    start: usize,
    length: usize,
}

/// What one address gets at once: a datagram, or several of one length, of which the last may be shorter.
#[derive(Clone, Copy, Debug)]
struct Message {
    /// Its place among those to the same address, counted in changes of `segment`: what comes later must not overtake.
    turn: usize,
    /// The length of its segments; 0 where it is one datagram.
    segment: usize,
    /// Where in `order` its datagrams begin, and how many it has.
    first: usize,
    count: usize,
}

impl Outgoing {
    /// How many datagrams have been pushed.
    pub(super) fn len(&self) -> usize {
        self.datagrams.len()
    }

    pub(super) fn push(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.datagrams.push(Datagram { to, start: self.bytes.len(), length: datagram.len() });
        self.bytes.extend_from_slice(datagram);
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.datagrams.clear();
        self.order.clear();
        self.messages.clear();
        self.done = 0;
    }

    /// Makes messages of the datagrams. Messages with segments of one length come together, since one system call takes one
    /// length; those to one address keep their order.
    pub(super) fn plan(&mut self, segments_max: usize) {
        self.order.extend(self.datagrams.iter().enumerate().map(|(index, datagram)| (key(datagram.to), index)));
        self.order.sort_unstable();
        let (mut first, mut last) = (0, None::<(SocketAddr, Message)>);
        while let Some(head) = self.in_order(first) {
            let count = self.run(first, segments_max);
            let segment = if count > 1 { head.length } else { 0 };
            let turn = match last {
                Some((to, last)) if to == head.to => last.turn + usize::from(last.segment != segment),
                _ => 0,
            };
            let message = Message { turn, segment, first, count };
            self.messages.push(message);
            last = Some((head.to, message));
            first += count;
        }
        self.messages.sort_unstable_by_key(|message| (message.turn, message.segment, message.first));
    }

    /// Makes each datagram that is left a message of its own.
    pub(super) fn split(&mut self) {
        let left = self.messages.split_off(self.done);
        let single = |first| Message { turn: 0, segment: 0, first, count: 1 };
        let ranges = left.iter().map(|message| message.first..message.first + message.count);
        self.messages.extend(ranges.flatten().map(single));
    }

    /// Messages that have not left.
    pub(super) fn left(&self) -> usize {
        self.messages.len() - self.done
    }

    /// So many messages are done with; says how many datagrams that were.
    pub(super) fn advance(&mut self, messages: usize) -> u64 {
        let done = self.messages.iter().skip(self.done).take(messages);
        let datagrams = done.map(|message| message.count as u64).sum();
        self.done = self.messages.len().min(self.done + messages);
        datagrams
    }

    /// The length of segments that the next message has, and with it those that may go in the same call; 0: none.
    pub(super) fn segment(&self) -> usize {
        self.messages.get(self.done).map_or(0, |message| message.segment)
    }

    /// The messages that may go in the same call as the next one, beginning with it: to whom, and how many datagrams.
    pub(super) fn next_messages(&self) -> impl Iterator<Item = (SocketAddr, usize)> {
        let segment = self.segment();
        let alike = self.messages.iter().skip(self.done).take_while(move |message| message.segment == segment);
        alike.filter_map(|message| Some((self.in_order(message.first)?.to, message.count)))
    }

    /// The datagrams of these messages, one after the other.
    pub(super) fn next_datagrams(&self) -> impl Iterator<Item = IoSlice<'_>> {
        let messages = self.messages.iter().skip(self.done);
        let datagrams = messages.flat_map(|message| self.order.iter().skip(message.first).take(message.count));
        datagrams.filter_map(|&(_, index)| {
            let Datagram { start, length, .. } = *self.datagrams.get(index)?;
            Some(IoSlice::new(self.bytes.get(start..start + length)?))
        })
    }

    fn in_order(&self, at: usize) -> Option<Datagram> {
        self.order.get(at).and_then(|&(_, index)| self.datagrams.get(index)).copied()
    }

    /// How many of the datagrams from `first` on can leave as segments of one message.
    fn run(&self, first: usize, segments_max: usize) -> usize {
        let Some(head) = self.in_order(first).filter(|head| (1..=SEGMENT_BYTES_MAX).contains(&head.length)) else {
            return 1;
        };
        let (mut count, mut bytes) = (1, head.length);
        while count < segments_max
            && let Some(next) = self.in_order(first + count)
            && next.to == head.to
            && (1..=head.length).contains(&next.length)
            && bytes + next.length <= MESSAGE_BYTES_MAX
        {
            (count, bytes) = (count + 1, bytes + next.length);
            if next.length < head.length {
                break;
            }
        }
        count
    }
}

/// Equal for equal addresses; different ones rarely share it, and then only lose that their datagrams leave together.
fn key(address: SocketAddr) -> u64 {
    let port = u64::from(address.port());
    match address.ip() {
        IpAddr::V4(ip) => u64::from(u32::from(ip)) << 16 | port,
        IpAddr::V6(ip) => ip.segments().iter().fold(port, |key, &segment| key.rotate_left(13) ^ u64::from(segment)),
    }
}
