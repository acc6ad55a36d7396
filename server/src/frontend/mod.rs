//! The ways in. Each translates between the hub's words and a wire of its own.

pub mod myicq;
