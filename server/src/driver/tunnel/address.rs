//! How a connection looks to the shards: an address like any other, so that nothing above the driver has to know of tunnels.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::num::NonZeroU32;

/// A connection of the tunnel. No two have the same number before 2^32 of them.
pub(super) type Number = NonZeroU32;

/// The address of a connection, for which nothing that comes over UDP can be taken: the number stands in the flow information, which is 0
/// in all that the system tells of a datagram. An IPv4 address is written in the form that IPv6 has for it; whoever looks at it as an
/// address reads it canonically.
pub(super) fn of(peer: SocketAddr, number: Number) -> SocketAddr {
    let ip = match peer.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    SocketAddrV6::new(ip, peer.port(), number.get(), 0).into()
}

/// The connection that an address is of; `None` for one of UDP.
pub(in crate::driver) fn number(address: SocketAddr) -> Option<Number> {
    match address {
        SocketAddr::V4(_) => None,
        SocketAddr::V6(address) => Number::new(address.flowinfo()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_an_address_of_its_own_with_the_peers_ip() {
        for peer in ["192.0.2.1:5000", "[2001:db8::1]:5000"] {
            let peer: SocketAddr = peer.parse().unwrap();
            let [one, two] = [1, 2].map(|it| of(peer, Number::new(it).unwrap()));
            assert!(one != two && one != peer && two != peer);
            assert_eq!((number(one), number(two), number(peer)), (Number::new(1), Number::new(2), None));
            assert_eq!((one.ip().to_canonical(), one.port()), (peer.ip(), peer.port()));
        }
    }
}
