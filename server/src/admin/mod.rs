//! What the administrator does beside running the server.

pub(crate) mod config;
pub(crate) mod pages;
pub(crate) mod user;
