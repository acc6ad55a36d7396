//! What the tests, the fuzz targets and the long campaigns share.
//!
//! [`fuzz`] has the bodies of the fuzz targets, so that `cargo test` replays their corpus; [`link_model`] is two links over
//! a network of bytes. [`host`] is a server without its driver, [`client`] and [`original`] are the programs of its users,
//! [`network`] lies between them, [`sim`] lets them live in virtual time, [`oracle`] knows what should have
//! happened, [`course`] is what a seed stands for, and [`script`] plays written scenes. [`dissector`] makes the dissector for Wireshark, and [`layout`] reads bodies as it does.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this crate is test: what is not as it must be ends it"
)]

pub mod campaign;
pub mod client;
pub mod course;
pub mod dissector;
pub mod fuzz;
pub mod host;
pub mod layout;
pub mod link_model;
pub mod load;
pub mod multitude;
#[cfg(target_os = "linux")]
pub mod namespaces;
pub mod network;
pub mod oracle;
pub mod original;
pub mod process;
pub mod relay;
pub mod script;
pub mod sim;
pub mod testdata;
pub mod tools;

/// The number behind an option of the command line, for the two programs of this crate.
///
/// # Panics
/// When it is none.
#[expect(clippy::disallowed_methods, reason = "the two programs have no other settings")]
pub fn number_after(option: &str) -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != option);
    arguments.next()?;
    Some(arguments.next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{option} needs a number")))
}
