//! The machine of [`crate::account`] on tokio: a socket, a clock and randomness around it.
//!
//! Everything here may be dropped at any point of its work. What that means is said at each function.

mod builder;
mod client;
mod direct;
mod events;
mod groups;
mod proxy;
mod relay;
mod session;
mod socks5;
pub(crate) mod system;
mod transport;
mod ways;

pub use builder::{Builder, ConnectError};
pub use client::{Client, Health, Receipt};
pub use direct::{AcceptFile, Direct, DirectStats, FileOffer};
pub use events::Events;
pub use proxy::{MAX_PROXY_LOGIN_LEN, ProxyError, ProxyLogin};
pub use relay::RelayError;
pub use socks5::SocksError;
