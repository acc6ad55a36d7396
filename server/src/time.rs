//! What the clocks say, read by drivers alone.

use myicq_wire::{Instant, UnixTime};

/// What the clocks say. The driver reads them once for each batch of inputs.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For timers.
    pub instant: Instant,
    /// For people.
    pub unix: UnixTime,
}
