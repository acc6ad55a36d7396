//! The machine of [`crate::account`] on tokio: a socket, a clock and randomness around it.
//!
//! Everything here may be dropped at any point of its work. What that means is said at each function.

mod builder;
mod client;
mod direct;
mod events;
mod groups;
mod session;
mod system;
mod transport;

pub use builder::{Builder, ConnectError};
pub use client::{Client, Receipt};
pub use direct::{AcceptFile, Direct, DirectStats, FileOffer};
pub use events::Events;
