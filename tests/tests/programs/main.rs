//! The programs as they are built, on real sockets and files.

mod backup;
mod c_abi;
mod chat;
mod commands;
mod demo;
mod direct;
mod examples;
mod files;
mod kill9;
mod library;
mod load;
mod relays;
mod restart;
mod smoke;
mod socks;
mod tunnel;
