//! What the administrator does beside running the server.

pub(crate) mod config;
mod export;
pub(crate) mod pages;
pub(crate) mod user;
