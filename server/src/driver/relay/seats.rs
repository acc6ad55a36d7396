//! How many connections there may be for relays, of all and of one address.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use super::super::streams::network;
use crate::relays::RelayEnd;

/// Connections beyond two for each relay: those that have not said yet what they want.
const SPARE: usize = 64;

/// The places for connections.
#[derive(Debug)]
pub(super) struct Seats {
    max: usize,
    per_address_max: usize,
    /// How many there are of each [`network`].
    taken: Rc<RefCell<HashMap<IpAddr, usize>>>,
}

/// A connection's place, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    network: IpAddr,
    taken: Rc<RefCell<HashMap<IpAddr, usize>>>,
}

impl Seats {
    pub(super) fn new(relays_max: usize, per_address_max: usize) -> Self {
        Self { max: relays_max.saturating_mul(2) + SPARE, per_address_max, taken: Rc::default() }
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.borrow().values().sum()
    }

    /// A place for a connection from there, if there is one.
    pub(super) fn take(&self, ip: IpAddr) -> Result<Seat, RelayEnd> {
        let network = network(ip);
        if self.taken() >= self.max {
            return Err(RelayEnd::Full);
        }
        let mut taken = self.taken.borrow_mut();
        let of_address = taken.entry(network).or_default();
        if *of_address >= self.per_address_max {
            return Err(RelayEnd::FullOfAddress);
        }
        *of_address += 1;
        Ok(Seat { network, taken: Rc::clone(&self.taken) })
    }
}

impl Seat {
    /// From where, as it is counted.
    pub(super) fn network(&self) -> IpAddr {
        self.network
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.taken.borrow_mut();
        if let Some(count) = taken.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_one_address_and_so_many_of_all() {
        let seats = Seats::new(1, 2);
        let at = |last| IpAddr::from([192, 0, 2, last]);
        let first = [seats.take(at(1)).unwrap(), seats.take(at(1)).unwrap()];
        assert_eq!(seats.take(at(1)).unwrap_err(), RelayEnd::FullOfAddress);
        let others: Vec<_> = (2..66).map(|last| seats.take(at(last)).unwrap()).collect();
        assert_eq!((seats.taken(), 2 + SPARE), (66, 66));
        assert_eq!(seats.take(at(99)).unwrap_err(), RelayEnd::Full);
        drop(first);
        assert!(seats.take(at(1)).is_ok());
        drop(others);
        assert_eq!(seats.taken(), 0);
        assert!(seats.taken.borrow().is_empty());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let seats = Seats::new(8, 1);
        let _one = seats.take("2001:db8::1".parse().unwrap()).unwrap();
        assert_eq!(seats.take("2001:db8::2".parse().unwrap()).unwrap_err(), RelayEnd::FullOfAddress);
        assert!(seats.take("2001:db8:0:1::1".parse().unwrap()).is_ok());
    }
}
