//! What passes through one relay.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use myicq_wire::{Instant, RELAY_HELLO_LEN, RELAY_READY, RelayHello};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use zeroize::Zeroizing;

use super::super::clock::Clock;
use super::{RelayMeter, sleep_until};
use crate::relays::{RelayEnd, Relays, Side};

/// Bytes that one end has said and the other not yet taken, beyond what the system holds. While there are any, nothing more is read.
const BUFFER_LEN: usize = 16 * 1_024;

/// What a connection wants.
pub(super) async fn greet(stream: &mut TcpStream, patience: Duration) -> Result<RelayHello, RelayEnd> {
    let mut bytes = Zeroizing::new([0; RELAY_HELLO_LEN]);
    #[expect(clippy::disallowed_methods, reason = "the driver waits for the socket")]
    let read = tokio::time::timeout(patience, stream.read_exact(&mut *bytes)).await;
    match read {
        Err(_) => Err(RelayEnd::TooSlow),
        Ok(Err(_)) => Err(RelayEnd::Malformed),
        Ok(Ok(_)) => RelayHello::decode(&bytes).map_err(|_| RelayEnd::Malformed),
    }
}

/// One relay both of whose ends are there.
pub(super) struct Passage {
    pub(super) number: u32,
    pub(super) relays: Rc<RefCell<Relays>>,
    pub(super) clock: Clock,
    pub(super) meter: Arc<RelayMeter>,
}

impl Passage {
    /// Carries bytes both ways until each end has closed its side, or something is wrong; and says what it was.
    pub(super) async fn carry(&self, asker: &mut TcpStream, other: &mut TcpStream, idle: Duration) -> RelayEnd {
        // What is small may be an acknowledgement that the other end waits for.
        let _ = (asker.set_nodelay(true), other.set_nodelay(true));
        let (from_asker, to_asker) = asker.split();
        let (from_other, to_other) = other.split();
        let alive_until = Cell::new(self.clock.now().instant + idle);
        let directions = async {
            let (mut to_asker, mut to_other) = (to_asker, to_other);
            let ready = async {
                to_asker.write_all(&[RELAY_READY]).await?;
                to_other.write_all(&[RELAY_READY]).await
            };
            ready.await.map_err(|_| RelayEnd::Closed)?;
            let alive = |until: Instant| alive_until.set(until + idle);
            tokio::try_join!(
                self.direction(Side::Asker, from_asker, to_other, alive),
                self.direction(Side::Other, from_other, to_asker, alive)
            )
        };
        tokio::select! {
            outcome = directions => outcome.err().unwrap_or(RelayEnd::Closed),
            () = self.outlive(&alive_until) => RelayEnd::Idle,
        }
    }

    /// Carries what one end says until it has closed its side, and tells the other that it has.
    async fn direction(
        &self,
        side: Side,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        alive: impl Fn(Instant),
    ) -> Result<(), RelayEnd> {
        let mut buffer = vec![0; BUFFER_LEN];
        loop {
            let len = from.read(&mut buffer).await.map_err(|_| RelayEnd::Closed)?;
            if len == 0 {
                return to.shutdown().await.map_err(|_| RelayEnd::Closed);
            }
            let now = self.clock.now();
            let next = self.relays.borrow_mut().carry(now, self.number, side, len)?;
            alive(next);
            self.meter.carried(len);
            let mut left = buffer.get(..len).unwrap_or_default();
            while !left.is_empty() {
                let taken = to.write(left).await.map_err(|_| RelayEnd::Closed)?;
                left = left.get(taken..).unwrap_or_default();
                alive(next.max(self.clock.now().instant));
            }
            if next > self.clock.now().instant {
                sleep_until(self.clock.to_runtime(next)).await;
            }
        }
    }

    /// Returns when nothing has passed for too long.
    async fn outlive(&self, alive_until: &Cell<Instant>) {
        while self.clock.now().instant < alive_until.get() {
            sleep_until(self.clock.to_runtime(alive_until.get())).await;
        }
    }
}
