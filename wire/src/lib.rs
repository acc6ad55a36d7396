//! The MyICQ protocol, version 1, as the programs of 2002 and 2003 speak it, with the extensions of this project.
//!
//! What both ends must agree on and nothing else: headers, commands and bodies ([`Request`], [`Reply`]), the text of
//! messages ([`message`]), the cipher ([`cipher`]), charsets ([`charset`]), the frames of direct sessions ([`peer`])
//! and the reliability of the datagrams ([`link`]). No socket, no clock, no randomness, no thread: bytes and `now` come in as
//! arguments. Without the feature `std` the crate needs `alloc` alone.
//!
//! Decoding borrows from the datagram and allocates nothing; encoding fills the caller's buffer.
//!
//! ```
//! use myicq_wire::{ClientHeader, Request};
//!
//! let datagram = hex::decode("0001000000000000271101020304000639d2000b00000000").unwrap();
//! let (header, body) = ClientHeader::decode(&datagram).unwrap();
//! assert_eq!(header.uin.0, 10_001);
//! assert_eq!(header.known_command().unwrap().name(), "UDP_KEEPALIVE");
//! # let _ = body;
//! ```
//!
//! Features, all additive: `std` (default; the same of the crates below), `serde` (ids in both directions, packets to be
//! shown), `arbitrary` (packets out of the bytes of a fuzzer).
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod capability;
pub mod charset;
pub mod check_code;
pub mod cipher;
mod command;
mod datagram;
mod error;
mod field;
mod header;
mod histogram;
mod ids;
mod invite;
pub mod layout;
pub mod link;
pub mod message;
pub mod peer;
mod profile;
mod reader;
mod relay;
mod reply;
mod request;
mod time;
pub mod tunnel;
mod writer;

pub use capability::Capabilities;
pub use command::{Answer, COMMANDS, Command, CommandInfo, RequestInfo};
pub use datagram::{
    Envelope, Sealing, encode_reply, encode_request, open_reply, open_request, readdress_reply, seal_reply,
};
pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use field::{Field, List, Opaque, Record, Secret, Str};
pub use header::{COMMAND_AT, ClientHeader, HEADER_LEN, MAX_DATAGRAM, ServerHeader, UIN_AT, VERSION};
pub use histogram::Histogram;
pub use ids::*;
pub use invite::{
    DEFAULT_PORT, DOMAIN_KEY, ID_KEY, INVITE_MAX, Invite, InviteError, NAME_MAX, SERVICE_TYPE, ServerId, is_name,
};
pub use profile::Profile;
pub use reader::Reader;
pub use relay::*;
pub use reply::*;
pub use request::*;
pub use time::{Instant, UnixTime};
pub use writer::Writer;

/// The examples of the crate's page are compiled, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
