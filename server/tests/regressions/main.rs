//! Faults that the server once had, and promises that are easily broken again: each a test of its own name.
//!
//! They speak to a whole shard in the bytes of the wire, with a clock, a store and a network of their own ([`scene`]).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod broadcasts;
mod capabilities;
mod client;
mod errands;
mod groups;
mod half_open;
mod hidden;
mod limits;
mod links;
mod login;
mod messages;
mod presence;
mod profiles;
mod receipts;
mod reflection;
mod registration;
mod relays;
mod restart;
mod scene;
mod search;
mod verifiers;
