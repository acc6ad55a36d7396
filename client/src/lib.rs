//! A client for MyICQ, the messenger protocol of 2002 that is also known as LinQ.
//!
//! [`account`] is a session with a server without I/O: bytes and `now` in, bytes and events out. The feature `tokio` (on
//! by default) adds the [`driver`]: a [`Client`] that asks and a stream of [`Event`]s that tells.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use myicq_client::{Client, Event, Password, Uin};
//!
//! let password = Password::new("hunter2")?;
//! let (client, mut events) = Client::builder("127.0.0.1:8000").credentials(Uin(10_001), password).connect().await?;
//! client.send(Uin(10_002), "hello").await?.acknowledged().await?;
//! while let Some(event) = events.next().await {
//!     if let Event::Message { from, message, .. } = event {
//!         println!("{from}: {message:?}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The protocol protects nothing against somebody who listens on the way: LOGIN carries the password in the clear, and
//! the cipher is DES with that password, also where a server seals what it sends ([`Capabilities::SEALED`]).
//!
//! Features, all additive: `tokio` (default), `blocking` (the same without async), `serde` (events, messages and profiles can be serialized), `tracing`
//! (what the driver does), `cli` (default; what the command `myicq` needs).
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod account;
#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(feature = "tokio")]
pub mod driver;
mod error;
mod event;
mod message;
mod password;
pub mod peer;
mod profile;
mod random;
mod seen;

pub use account::{
    Answer, Arrival, FoundUser, Group, GroupType, MAX_GROUP_COMMAND_LEN, MAX_GROUP_NAME_LEN, MAX_GROUP_PASSWORD_LEN,
    Member, OwnProfile, Reconnect, RemoteContacts, SUPPORTED, ServerEntry, Timeouts,
};
#[cfg(feature = "tokio")]
pub use driver::{
    AcceptFile, Builder, Client, ConnectError, Direct, DirectStats, Events, FileOffer, Health, MAX_PROXY_LOGIN_LEN,
    ProxyError, ProxyLogin, Receipt, RelayError, SocksError,
};
pub use error::{EndReason, FileError, GroupRefused, LoginRefused, Misuse, Refusal, RequestError};
pub use event::{Event, Presence, TransferId, status_name};
pub use message::{MAX_TEXT_LEN, Message};
pub use myicq_wire::{Authorization, Capabilities, Face, GroupId, Instant, MAX_PASSWORD_LEN, RelayPass, Status, Uin};

pub use password::Password;
pub use profile::{MAX_FIELD_LEN, MAX_NICK_LEN, Profile};
pub use seen::{MAX_SEEN, SeenMessages};

/// The examples of the crate's page are compiled, too.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
mod readme {}
