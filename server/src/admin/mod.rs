//! What the administrator does beside running the server.

pub(crate) mod user;
