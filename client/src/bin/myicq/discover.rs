//! Which server, where none is named: the one that announces itself on this network (docs/protocol.md, "How a server is found").

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use mdns_sd::{ResolvedService, ServiceDaemon, ServiceEvent};
use myicq_wire::{DEFAULT_PORT, DOMAIN_KEY, ID_KEY, Invite, SERVICE_TYPE, ServerId, is_name};

use crate::failure::Failure;

/// How long servers are looked for.
const SEARCH: Duration = Duration::from_secs(3);

/// How long others are looked for once there is one. On a network at work all answer at once.
const SEARCH_FOR_OTHERS: Duration = Duration::from_secs(1);

/// Servers told apart at most: anybody on the network can announce as many as he likes.
const SERVERS_MAX: usize = 32;

/// Addresses of one server looked at, at most.
const ADDRESSES_MAX: usize = 16;

/// Host and port of the only server on this network; of this machine, where there is none.
///
/// # Errors
/// There are several.
pub(crate) fn server() -> Result<String, Failure> {
    let found = search().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot look for servers");
        Found::default()
    });
    let (address, note) = choose(&found)?;
    // With stderr gone, the address may still be right.
    let _ = writeln!(std::io::stderr(), "myicq: {note}");
    Ok(address)
}

/// Servers by their ids, or by the names of their announcements.
#[derive(Debug, Default)]
struct Found(BTreeMap<String, Invite>);

impl Found {
    /// Takes in what somebody on the network says, which may be anything.
    fn on_announced(&mut self, service: &ResolvedService) {
        let Some(address) = best(service) else { return };
        let text = |key| service.get_property_val_str(key);
        let domain = text(DOMAIN_KEY).filter(|domain| is_name(domain));
        let id = text(ID_KEY).and_then(|id| id.parse::<ServerId>().ok());
        let key = id.map_or_else(|| service.get_fullname().to_owned(), |id| id.to_string());
        if self.0.len() < SERVERS_MAX || self.0.contains_key(&key) {
            let invite = Invite { domain: domain.map(str::to_owned), ..Invite::new(address, "", id) };
            self.0.insert(key, invite);
        }
    }
}

/// The address to use: of IPv4 before IPv6, since clients that speak version 1 alone show each other no other. One that holds on a
/// cable alone (link-local) would need the name of an interface.
fn best(service: &ResolvedService) -> Option<SocketAddr> {
    let addresses = service.get_addresses().iter().take(ADDRESSES_MAX).map(mdns_sd::ScopedIp::to_ip_addr);
    let usable = addresses.filter(|ip| match ip {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_unicast_link_local(),
    });
    // IPv4 comes before IPv6 in their order.
    usable.min().map(|ip| SocketAddr::new(ip, service.get_port())).filter(|address| address.port() != 0)
}

fn search() -> Result<Found, mdns_sd::Error> {
    let daemon = ServiceDaemon::new()?;
    let events = daemon.browse(SERVICE_TYPE)?;
    #[expect(clippy::disallowed_methods, reason = "the command line waits for the network")]
    let start = Instant::now();
    let (mut found, mut end) = (Found::default(), start + SEARCH);
    while let Ok(event) = events.recv_deadline(end) {
        if let ServiceEvent::ServiceResolved(service) = event {
            found.on_announced(&service);
            if !found.0.is_empty() {
                #[expect(clippy::disallowed_methods, reason = "the command line waits for the network")]
                let now = Instant::now();
                end = end.min(now + SEARCH_FOR_OTHERS);
            }
        }
    }
    // The thread of the search ends with us at the latest.
    let _ = daemon.shutdown();
    Ok(found)
}

/// Host and port, and what to tell the user about them.
fn choose(found: &Found) -> Result<(String, String), Failure> {
    let mut servers = found.0.values();
    match (servers.next(), servers.next()) {
        (None, _) => {
            let address = format!("127.0.0.1:{DEFAULT_PORT}");
            let note =
                format!("no server on this network says that it is there; trying {address} (--server says which)");
            Ok((address, note))
        }
        (Some(server), None) => {
            let domain = server.domain.as_deref().map_or_else(String::new, |domain| format!(", \"{domain}\""));
            let address = server.address();
            let note = format!("the server on this network: {address}{domain} (--server says which)");
            Ok((address, note))
        }
        (Some(_), Some(_)) => {
            let mut lines = "there are several servers on this network; say which:".to_owned();
            for server in found.0.values() {
                // Writing to a string does not fail.
                let _ = write!(lines, "\n  --server '{server}'");
            }
            Err(Failure::usage(lines))
        }
    }
}

#[cfg(test)]
mod tests {
    use mdns_sd::ServiceInfo;

    use super::*;

    fn announced(addresses: &str, port: u16, properties: &[(&str, &str)]) -> ResolvedService {
        let name = format!("somebody at {addresses}");
        ServiceInfo::new(SERVICE_TYPE, &name, "host.local.", addresses, port, properties).unwrap().as_resolved_service()
    }

    fn found(services: &[ResolvedService]) -> Found {
        let mut found = Found::default();
        services.iter().for_each(|service| found.on_announced(service));
        found
    }

    const ANN: [(&str, &str); 2] = [("domain", "chat.example.org"), ("id", "0123456789abcdef")];

    #[test]
    fn the_only_server_is_used() {
        let twice = [announced("192.0.2.7,2001:db8::7", 8_001, &ANN), announced("192.0.2.7", 8_001, &ANN)];
        let (address, note) = choose(&found(&twice)).unwrap();
        assert_eq!(address, "192.0.2.7:8001");
        assert!(note.contains("192.0.2.7:8001, \"chat.example.org\""), "{note}");
    }

    #[test]
    fn of_several_servers_each_is_a_line_to_paste() {
        let two = [announced("192.0.2.7", 8_001, &ANN), announced("2001:db8::9", 8_000, &[])];
        let message = choose(&found(&two)).unwrap_err().error.to_string();
        let lines: Vec<&str> = message.lines().skip(1).collect();
        let expected = [
            "  --server 'myicq://192.0.2.7:8001/?domain=chat.example.org&id=0123456789abcdef'",
            "  --server 'myicq://[2001:db8::9]:8000/'",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn without_a_server_it_is_this_machine() {
        assert_eq!(choose(&Found::default()).unwrap().0, "127.0.0.1:8000");
    }

    #[test]
    fn what_cannot_be_used_or_shown_is_left_out() {
        for addresses in ["fe80::7", "0.0.0.0", "224.0.0.251"] {
            assert!(found(&[announced(addresses, 8_000, &ANN)]).0.is_empty(), "{addresses}");
        }
        assert!(found(&[announced("192.0.2.7", 0, &ANN)]).0.is_empty());
        let odd = announced("192.0.2.7", 8_000, &[("domain", "\u{1b}[2J"), ("id", "what")]);
        assert_eq!(found(&[odd]).0.values().next().unwrap().to_string(), "myicq://192.0.2.7:8000/");
    }

    #[test]
    fn the_list_has_an_end() {
        let many: Vec<_> =
            (0..=SERVERS_MAX).map(|n| announced("192.0.2.7", 8_000, &[("id", &format!("{n:016x}"))])).collect();
        assert_eq!(found(&many).0.len(), SERVERS_MAX);
    }
}
