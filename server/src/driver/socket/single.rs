//! One datagram in one system call, for systems that have no other.

use std::io;

use myicq_wire::MAX_DATAGRAM;
use tokio::net::UdpSocket;

use super::Calls;
use super::incoming::{Filled, Incoming};
use super::outgoing::Outgoing;

#[derive(Debug)]
pub(in crate::driver) struct Single;

impl Calls for Single {
    fn new(_: &UdpSocket) -> Self {
        Self
    }

    fn buffer_bytes(&self) -> usize {
        // With one byte more than a datagram may have, a longer one does not pass for one that just fits.
        MAX_DATAGRAM + 1
    }

    fn segments_max(&self) -> usize {
        1
    }

    fn receive(&mut self, io: &UdpSocket, incoming: &mut Incoming) -> io::Result<u64> {
        let (buffers, filled) = incoming.parts();
        for buffer in buffers {
            match io.try_recv_from(buffer) {
                Ok((length, from)) => filled.push(Filled { from, length, stride: None }),
                // Shows again at the next call.
                Err(_) if !filled.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(0)
    }

    fn send(&mut self, io: &UdpSocket, outgoing: &Outgoing) -> io::Result<usize> {
        if let Some(((to, _), datagram)) = outgoing.next_messages().zip(outgoing.next_datagrams()).next() {
            io.try_send_to(&datagram, to)?;
        }
        Ok(1)
    }
}
