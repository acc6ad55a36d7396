//! The C ABI of `myicq-client`: an opaque client, a descriptor to wait for, and a function that does what is due.
//!
//! It stands on the machine without I/O of [`myicq_client::account`] and adds a socket that never blocks, a clock and
//! randomness. There are no threads: the program's own loop waits for [`myicq_fd`] to be readable, for at most
//! [`myicq_timeout_ms`], and then calls [`myicq_process`], which calls the program's function for each event.
//!
//! Every entry is guarded: a panic becomes [`MYICQ_ERROR_INTERNAL`] and never reaches the caller. A null pointer is
//! [`MYICQ_ERROR_ARGUMENT`]. This is the one crate of the project with unsafe code, all of it to read the caller's pointers and to hand
//! out the client's own.
#![expect(non_camel_case_types, reason = "names as C has them")]
#![expect(unsafe_code, reason = "a C ABI reads the pointers of its caller")]

mod client;
mod errors;
mod event;
mod requests;
mod session;

pub use client::*;
pub use errors::*;
pub use event::*;
pub use requests::*;
