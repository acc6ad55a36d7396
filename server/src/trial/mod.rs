//! Servers that are only tried: on this machine alone, in a temporary folder, and gone without a trace.

pub(crate) mod demo;
pub(crate) mod smoke;

use anyhow::Context as _;
use myicq_server::config::{Override, SETTINGS, Sources};
use tempfile::TempDir;

use crate::exit::{Exit, Failure};

/// Where a trial listens unless it is told otherwise: at any free port, which nobody beyond this machine reaches.
const ANY_PORT: &str = "127.0.0.1:0";

/// A folder that goes when this is dropped. Only its owner can look into it.
fn temporary_folder() -> Result<TempDir, Failure> {
    let made =
        tempfile::Builder::new().prefix("myicqd-").tempdir().context("cannot make a temporary folder; see TMPDIR");
    made.map_err(|error| Failure::new(Exit::CannotCreate, error))
}

/// Sets a setting over everything that is said elsewhere.
fn force(sources: &mut Sources, key: &str, value: String, place: &str) {
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.key() == key) {
        sources.overrides.push(Override { setting, value, place: place.to_owned() });
    }
}
