//! The packets of `wire/testdata`: what each means, and what happens when its bytes change.

mod datagrams;
mod exhaustive;
mod flat;
mod packets;
mod streams;
