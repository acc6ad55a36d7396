//! What the server says of itself on its network: multicast DNS, on a thread of the library's own (docs/protocol.md, "How a server
//! is found").

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};
use myicq_wire::{DOMAIN_KEY, ID_KEY, Invite, SERVICE_TYPE, ServerId};
use rand::Rng;

use super::identity::server_id_or_new;
use crate::config::Config;

/// How long the end waits until the network has been told that the server is gone.
const GOODBYE_PATIENCE: Duration = Duration::from_millis(500);

/// Stands as long as the server is announced.
pub(super) struct Announcement(ServiceDaemon);

impl Drop for Announcement {
    fn drop(&mut self) {
        // Clients that hear nothing forget the server after two minutes.
        if let Ok(gone) = self.0.shutdown() {
            let _ = gone.recv_timeout(GOODBYE_PATIENCE);
        }
    }
}

/// Announces a server that other machines reach, if it is to be, and logs the line that invites to it. It serves its users whether
/// that works or not.
pub(super) fn start(config: &Config, listen: &[SocketAddr], random: &mut impl Rng) -> Option<Announcement> {
    let outward = listen.iter().copied().filter(|address| !address.ip().is_loopback());
    // A service has one port: what listens at another is for those who are told.
    let mut listen: Vec<SocketAddr> = outward.collect();
    let port = listen.first()?.port();
    let id = server_id_or_new(&config.store.data, random);
    let id = id.inspect_err(|error| tracing::warn!(%error, "no id for this server: it is not announced")).ok()?;
    for address in listen.iter().flat_map(|&address| reachable(address).unwrap_or_default()) {
        tracing::info!(invite = %Invite::new(address, &config.listen.domain, Some(id)), "clients can come by this line");
    }
    if !config.listen.announce {
        return None;
    }
    listen.retain(|address| address.port() == port);
    let announced = announce(&config.listen.domain, id, &listen);
    announced.inspect_err(|error| tracing::warn!(%error, "not announced on the network")).ok()
}

/// The addresses under which other machines reach what listens on an address of this one: that, or those of all interfaces. Those
/// that hold on one cable only (link-local) are left out, since they need the name of an interface on the other machine.
///
/// # Errors
/// The system does not say what interfaces it has.
pub fn reachable(listen: SocketAddr) -> io::Result<Vec<SocketAddr>> {
    if !listen.ip().is_unspecified() {
        return Ok(vec![listen]);
    }
    let interfaces = if_addrs::get_if_addrs()?.into_iter();
    let outward = interfaces.filter(|interface| !interface.is_loopback() && !interface.is_link_local());
    let alike = outward.map(|interface| interface.ip()).filter(|ip| ip.is_ipv4() == listen.is_ipv4());
    Ok(alike.map(|ip| SocketAddr::new(ip, listen.port())).collect())
}

fn announce(domain: &str, id: ServerId, listen: &[SocketAddr]) -> Result<Announcement, mdns_sd::Error> {
    let announcement = Announcement(ServiceDaemon::new()?);
    announcement.0.register(service(domain, id, listen)?)?;
    Ok(announcement)
}

/// What is announced, with one port. Names have the id in them, so that two servers of one domain do not have to agree on who is called
/// what.
fn service(domain: &str, id: ServerId, listen: &[SocketAddr]) -> Result<ServiceInfo, mdns_sd::Error> {
    let (everywhere, somewhere): (Vec<SocketAddr>, Vec<_>) =
        listen.iter().copied().partition(|address: &SocketAddr| address.ip().is_unspecified());
    let addresses: Vec<IpAddr> = somewhere.iter().map(|address| address.ip()).collect();
    let port = listen.first().map_or(0, SocketAddr::port);
    let properties = [(DOMAIN_KEY, domain.to_owned()), (ID_KEY, id.to_string())];
    let (name, host) = (format!("{domain} {id}"), format!("myicqd-{id}.local."));
    let mut service = ServiceInfo::new(SERVICE_TYPE, &name, &host, &*addresses, port, &properties[..])?;
    if !everywhere.is_empty() {
        service = service.enable_addr_auto();
        let families = everywhere.iter().map(|address| if address.is_ipv4() { IfKind::IPv4 } else { IfKind::IPv6 });
        service.set_interfaces(families.collect());
    }
    Ok(service)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const ID: ServerId = ServerId(0x0123_4567_89ab_cdef);

    fn announced(listen: &str) -> ServiceInfo {
        let listen: Vec<SocketAddr> = listen.split(',').map(|address| address.parse().unwrap()).collect();
        service("chat.example.org", ID, &listen).unwrap()
    }

    #[test]
    fn the_announcement_says_where_and_who() {
        let service = announced("192.0.2.7:8001");
        assert_eq!(service.get_type(), "_myicq._udp.local.");
        assert_eq!((service.get_port(), service.get_hostname()), (8_001, "myicqd-0123456789abcdef.local."));
        assert_eq!(*service.get_addresses(), HashSet::from([IpAddr::from([192, 0, 2, 7])]));
        assert_eq!(announced("192.0.2.7:8001,[2001:db8::7]:8001").get_addresses().len(), 2);
        assert!(!service.is_addr_auto());
        assert_eq!(service.get_property_val_str("domain"), Some("chat.example.org"));
        assert_eq!(service.get_property_val_str("id"), Some("0123456789abcdef"));
    }

    #[test]
    fn a_server_on_all_addresses_announces_those_that_there_are() {
        for listen in ["0.0.0.0:8000", "[::]:8000", "0.0.0.0:8000,[::]:8000"] {
            assert!(announced(listen).is_addr_auto());
        }
    }

    #[test]
    fn the_longest_name_fits_a_label_of_dns() {
        let service = service(&"a".repeat(40), ID, &[SocketAddr::from(([192, 0, 2, 7], 1))]).unwrap();
        let label = service.get_fullname().strip_suffix(&format!(".{SERVICE_TYPE}")).unwrap();
        assert!(label.len() <= 63, "{label}");
    }

    #[test]
    fn a_server_of_this_machine_alone_is_not_announced() {
        let config = Config::default();
        assert!(config.listen.announce);
        assert!(start(&config, &config.listen.udp, &mut StdRng::seed_from_u64(7)).is_none());
    }

    #[test]
    fn one_address_is_reached_there_and_no_loopback_leads_to_all() {
        let one = SocketAddr::from(([192, 0, 2, 7], 8_000));
        assert_eq!(reachable(one).unwrap(), [one]);
        let all = reachable(SocketAddr::from(([0, 0, 0, 0], 8_000))).unwrap();
        assert!(all.iter().all(|address| address.is_ipv4() && !address.ip().is_loopback() && address.port() == 8_000));
    }
}
