//! The bodies of the fuzz targets. Each takes whatever bytes there are and panics when something does not hold.

mod packets;
mod peers;
mod server;

pub use packets::{client_datagram, message_text, peer_stream, server_datagram};
pub use peers::peer_sessions;
pub use server::server_operations;

use crate::link_model;

/// Two links, see [`link_model::exercise`].
pub fn link_operations(data: &[u8]) {
    link_model::exercise(data);
}

/// Takes the bytes of a fuzzer.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its file in `fuzz/fuzz_targets` and of its folder in `fuzz/seeds`.
pub const TARGETS: [(&str, Target); 7] = [
    ("client_datagram", client_datagram),
    ("link_operations", link_operations),
    ("message_text", message_text),
    ("peer_sessions", peer_sessions),
    ("peer_stream", peer_stream),
    ("server_datagram", server_datagram),
    ("server_operations", server_operations),
];
