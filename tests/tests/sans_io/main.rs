//! What needs no socket and no clock: each test is the same on every machine.

mod allocations;
mod bad_input;
mod captured_peers;
mod captured_session;
mod file_names;
mod lanes;
mod peers;
mod plays;
mod properties;
mod relay_allocations;
mod shards;
mod simulation;
