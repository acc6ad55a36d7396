//! One connection: what it hears goes to the shards, what they say goes out behind a bounded queue.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use myicq_wire::{Instant, Writer, tunnel};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::Notify;

use super::inbound::{Heard, Inbound, Patience};
use super::{Clock, End, Shards};

/// Bytes that may wait for a peer to read them: some windows of the link. A peer for which more would have to wait loses its connection.
pub(super) const QUEUE_MAX: usize = 64 * 1024;

/// Bytes taken from the system at once.
const READ_LEN: usize = 4_096;

/// A queue that was longer gives its memory back.
const KEPT_CAPACITY: usize = 4_096;

/// What a request of a proxy is answered with.
const CONNECTED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// What waits to be written. The router puts it in, the connection takes it out, both on one thread.
#[derive(Default)]
pub(super) struct Queue {
    bytes: Cell<Vec<u8>>,
    state: Cell<QueueState>,
    changed: Notify,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("state", &self.state).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum QueueState {
    #[default]
    Open,
    /// More had to wait than may.
    Full,
    /// The server stops: what waits goes out, and then nothing.
    Closing,
}

impl Queue {
    pub(super) fn push(&self, datagram: &[u8]) {
        let mut frame = [0; tunnel::PREFIX_LEN + myicq_wire::MAX_DATAGRAM];
        let mut writer = Writer::new(&mut frame);
        if tunnel::write(datagram, &mut writer).is_ok() {
            let len = writer.len();
            self.push_bytes(frame.get(..len).unwrap_or_default());
        }
    }

    fn push_bytes(&self, bytes: &[u8]) {
        let mut waiting = self.bytes.take();
        if waiting.len() + bytes.len() > QUEUE_MAX {
            self.state.set(QueueState::Full);
        } else {
            waiting.extend_from_slice(bytes);
        }
        self.bytes.set(waiting);
        self.changed.notify_one();
    }

    pub(super) fn close(&self) {
        self.state.set(QueueState::Closing);
        self.changed.notify_one();
    }

    /// Waits until there is something, and exchanges it for an empty buffer.
    async fn take(&self, mut empty: Vec<u8>) -> Result<Vec<u8>, End> {
        loop {
            let waiting = self.bytes.replace(empty);
            match self.state.get() {
                QueueState::Full => return Err(End::NotReading),
                _ if !waiting.is_empty() => return Ok(waiting),
                QueueState::Closing => return Err(End::Stopping),
                QueueState::Open => empty = waiting,
            }
            self.changed.notified().await;
        }
    }
}

/// Serves a connection until it ends, and says why it did.
pub(super) async fn serve(
    mut stream: TcpStream,
    address: SocketAddr,
    queue: Rc<Queue>,
    shards: Shards,
    (clock, patience): (Clock, Patience),
) -> End {
    // Without it, an acknowledgement would wait for the one of the system.
    if stream.set_nodelay(true).is_err() {
        return End::Closed;
    }
    let (mut reading, mut writing) = stream.split();
    tokio::select! {
        end = receive(&mut reading, address, &queue, &shards, clock, patience) => end,
        end = transmit(&mut writing, &queue, clock, patience) => end,
    }
}

async fn receive(
    stream: &mut ReadHalf<'_>,
    address: SocketAddr,
    queue: &Queue,
    shards: &Shards,
    clock: Clock,
    patience: Patience,
) -> End {
    let mut inbound = Inbound::new(clock.now().instant, patience);
    let mut chunk = vec![0; READ_LEN];
    loop {
        let bytes = match in_time(clock, inbound.deadline(), stream.read(&mut chunk)).await {
            None => return inbound.end_at_deadline(),
            Some(Ok(0) | Err(_)) => return End::Closed,
            Some(Ok(len)) => chunk.get(..len).unwrap_or_default(),
        };
        let outcome = inbound.receive(clock.now().instant, bytes, |heard| match heard {
            Heard::Datagram(datagram) => shards.hand_over(address, datagram),
            Heard::Connect => queue.push_bytes(CONNECTED),
        });
        if let Err(end) = outcome {
            return end;
        }
    }
}

async fn transmit(stream: &mut WriteHalf<'_>, queue: &Queue, clock: Clock, patience: Patience) -> End {
    let mut spare = Vec::new();
    loop {
        let mut bytes = match queue.take(spare).await {
            Ok(bytes) => bytes,
            Err(end) => return end,
        };
        let mut left = &*bytes;
        while !left.is_empty() {
            // Each piece that the peer takes gives it as much time again: what waits meanwhile is bounded.
            match in_time(clock, clock.now().instant + patience.frame, stream.write(left)).await {
                None => return End::NotReading,
                Some(Ok(0) | Err(_)) => return End::Closed,
                Some(Ok(len)) => left = left.get(len..).unwrap_or_default(),
            }
        }
        bytes.clear();
        spare = if bytes.capacity() > KEPT_CAPACITY { Vec::new() } else { bytes };
    }
}

/// What comes of it, unless the deadline comes first.
async fn in_time(
    clock: Clock,
    deadline: Instant,
    work: impl Future<Output = io::Result<usize>>,
) -> Option<io::Result<usize>> {
    match clock.to_runtime(deadline) {
        #[expect(clippy::disallowed_methods, reason = "the driver waits for the socket")]
        Some(deadline) => tokio::time::timeout_at(deadline, work).await.ok(),
        None => Some(work.await),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is there to be taken now.
    fn take_now(queue: &Queue) -> Option<Result<usize, End>> {
        let taken = std::pin::pin!(queue.take(Vec::new()));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match taken.poll(&mut context) {
            std::task::Poll::Ready(taken) => Some(taken.map(|bytes| bytes.len())),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn so_many_bytes_wait_and_no_more() {
        let queue = Queue::default();
        assert_eq!(take_now(&queue), None);
        queue.push(&[7; 20]);
        assert_eq!((take_now(&queue), take_now(&queue)), (Some(Ok(22)), None));
        (0..16).for_each(|_| queue.push(&[7; 4_094]));
        assert_eq!((take_now(&queue), QUEUE_MAX), (Some(Ok(QUEUE_MAX)), 16 * 4_096));
        (0..16).for_each(|_| queue.push(&[7; 4_094]));
        queue.push(&[7; 20]);
        assert_eq!(take_now(&queue), Some(Err(End::NotReading)));
    }

    #[test]
    fn what_waits_goes_out_before_the_end() {
        let queue = Queue::default();
        queue.push(&[7; 20]);
        queue.close();
        assert_eq!((take_now(&queue), take_now(&queue)), (Some(Ok(22)), Some(Err(End::Stopping))));
    }
}
