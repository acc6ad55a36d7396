//! The MyICQ server: `myicqd` as a library.
//!
//! A datagram's way: [`driver`] → [`shard`] → [`frontend`] → [`hub`], and what the hub decides goes back the same way or to the
//! [`store`]. Only the driver touches sockets, clocks, threads and files; everything above it is a state machine that tests drive
//! with a clock of their own.
#![forbid(unsafe_code)]

mod board;
pub mod config;
pub mod control;
mod counters;
pub mod driver;
pub mod frontend;
pub mod hub;
mod pages;
pub mod passwords;
mod relays;
pub mod shard;
mod share;
pub mod store;
mod time;

pub use board::Listing;
pub use config::Config;
pub use counters::{Counters, Drop, Event, Fate};
pub use relays::{Admitted, RelayEnd, Relays, Side};
pub use shard::{Input, Output, Post, Shard};
pub use share::{SHARDS_MAX, Share};
pub use time::Now;
