//! What relays have carried and how they ended: counted on their own thread, and read by others without a lock.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::relays::RelayEnd;

/// Counts since the start.
#[derive(Debug, Default)]
pub(in crate::driver) struct RelayMeter {
    open: AtomicUsize,
    connections: AtomicUsize,
    bytes: AtomicU64,
    ends: [AtomicU64; RelayEnd::NAMED.len()],
}

/// The same, at one moment.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::driver) struct Figures {
    /// Relays now, those that wait for their ends among them.
    pub(in crate::driver) open: usize,
    /// Connections now.
    pub(in crate::driver) connections: usize,
    /// Carried, in both directions.
    pub(in crate::driver) bytes: u64,
    /// How many ended for which reason, in the order of [`RelayEnd::NAMED`].
    pub(in crate::driver) ends: [u64; RelayEnd::NAMED.len()],
}

impl RelayMeter {
    pub(super) fn set(&self, open: usize, connections: usize) {
        self.open.store(open, Ordering::Relaxed);
        self.connections.store(connections, Ordering::Relaxed);
    }

    pub(super) fn carried(&self, len: usize) {
        self.bytes.fetch_add(len as u64, Ordering::Relaxed);
    }

    pub(super) fn count(&self, end: RelayEnd) {
        let index = RelayEnd::NAMED.iter().position(|&(named, _)| named == end);
        if let Some(count) = index.and_then(|index| self.ends.get(index)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What it has counted.
    pub(in crate::driver) fn read(&self) -> Figures {
        Figures {
            open: self.open.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            ends: std::array::from_fn(|index| self.ends.get(index).map_or(0, |count| count.load(Ordering::Relaxed))),
        }
    }

    /// Writes it to the log, if there is anything.
    pub(super) fn log(&self) {
        let Figures { bytes, ends, .. } = self.read();
        for ((_, reason), count) in RelayEnd::NAMED.into_iter().zip(ends).filter(|&(_, count)| count > 0) {
            tracing::info!(reason, count, "relays, or connections for them, ended");
        }
        if bytes > 0 {
            tracing::info!(bytes, "carried by relays");
        }
    }
}
