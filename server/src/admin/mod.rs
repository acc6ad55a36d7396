//! What the administrator does beside running the server.

mod backup;
mod broadcast;
pub(crate) mod config;
mod health;
pub(crate) mod invite;
pub(crate) mod pages;
mod place;
mod sessions;
mod trace;
pub(crate) mod user;

pub(crate) use backup::run as backup;
pub(crate) use broadcast::run as broadcast;
pub(crate) use health::run as health;
pub(crate) use sessions::run as sessions;
pub(crate) use trace::run as trace;

use tokio::runtime::Runtime;

use crate::exit::{Exit, Failure};

fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(Exit::System, error))
}
