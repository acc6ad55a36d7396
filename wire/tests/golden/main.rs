//! The packets of `wire/testdata`: what each means, and what happens when its bytes change.
#![expect(clippy::indexing_slicing, clippy::panic, reason = "this is test: what is not as it must be ends it")]

mod datagrams;
mod exhaustive;
mod flat;
mod packets;
mod streams;
