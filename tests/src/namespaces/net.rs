//! The network: a server between two translators of addresses, each with a network behind it.
//!
//! ```text
//! one, two ────┬──── internet 10.9.0.1 (a bridge; the server)
//! 10.9.0.11,12 ├──── gate-a 10.9.0.2 ──── anna 192.168.1.11, ada 192.168.1.12
//!              └──── gate-b 10.9.0.3 ──── ben 192.168.2.11
//! ```
//!
//! All of it lies in a namespace of mounts and one of processes that end with this program, and nothing of it outlives them.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where the server is.
pub(super) const INTERNET: &str = "internet";

/// The address of the server.
pub(super) const SERVER: &str = "10.9.0.1";

/// A host, the network that it is on, by the namespace that has its bridge, its own address, and its way out.
const HOSTS: [(&str, &str, &str, &str); 7] = [
    ("gate-a", INTERNET, "10.9.0.2/24", ""),
    ("gate-b", INTERNET, "10.9.0.3/24", ""),
    ("one", INTERNET, "10.9.0.11/24", ""),
    ("two", INTERNET, "10.9.0.12/24", ""),
    ("anna", "gate-a", "192.168.1.11/24", "192.168.1.1"),
    ("ada", "gate-a", "192.168.1.12/24", "192.168.1.1"),
    ("ben", "gate-b", "192.168.2.11/24", "192.168.2.1"),
];

/// A network's own address, which its bridge has.
const BRIDGES: [(&str, &str); 3] =
    [(INTERNET, "10.9.0.1/24"), ("gate-a", "192.168.1.1/24"), ("gate-b", "192.168.2.1/24")];

/// What a translator does. What comes from outside and is no answer gets no further than here: the way of those that people have at
/// home.
const TRANSLATION: &str = "
table ip translation {
    chain out { type nat hook postrouting priority srcnat; oifname \"eth0\" masquerade; }
    chain through {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname \"bridge\" accept
    }
}";

/// Makes all of it.
pub(super) fn build() {
    for name in [INTERNET].into_iter().chain(HOSTS.map(|(name, ..)| name)) {
        ip(&["netns", "add", name]);
        ip(&["-n", name, "link", "set", "lo", "up"]);
    }
    for (name, address) in BRIDGES {
        ip(&["-n", name, "link", "add", "bridge", "type", "bridge"]);
        ip(&["-n", name, "addr", "add", address, "dev", "bridge"]);
        ip(&["-n", name, "link", "set", "bridge", "up"]);
    }
    for (name, network, address, way_out) in HOSTS {
        let port = format!("to-{name}");
        ip(&["-n", network, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", name]);
        ip(&["-n", network, "link", "set", &port, "master", "bridge", "up"]);
        ip(&["-n", name, "addr", "add", address, "dev", "eth0"]);
        ip(&["-n", name, "link", "set", "eth0", "up"]);
        if !way_out.is_empty() {
            ip(&["-n", name, "route", "add", "default", "via", way_out]);
        }
    }
    for gate in ["gate-a", "gate-b"] {
        run(Command::new("ip").args(["netns", "exec", gate, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]));
        rules(gate, TRANSLATION);
    }
}

/// From now on no TCP gets through to a host, and nobody is told so.
pub(super) fn cut_tcp(host: &str) {
    rules(host, "table ip cut { chain in { type filter hook input priority filter; meta l4proto tcp drop; }; }");
}

/// TCP gets through again.
pub(super) fn mend_tcp(host: &str) {
    rules(host, "delete table ip cut");
}

/// From now on so many in a hundred packets that come to a host are lost.
pub(super) fn lose(host: &str, percent: u32) {
    let rule = format!("numgen random mod 100 < {percent} drop");
    rules(host, &format!("table ip weather {{ chain in {{ type filter hook prerouting priority raw; {rule}; }}; }}"));
}

/// None are lost any more.
pub(super) fn lose_nothing(host: &str) {
    rules(host, "delete table ip weather");
}

fn rules(host: &str, rules: &str) {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", host, "nft", "-f", "-"]).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "nft at {host} does not take {rules}");
}

fn ip(arguments: &[&str]) {
    run(Command::new("ip").args(arguments));
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?} failed");
}

/// Does something on a host, on a thread with a runtime of its own.
pub(super) fn at<F: Future>(host: &'static str, work: impl FnOnce() -> F + Send + 'static) -> JoinHandle<F::Output>
where
    F::Output: Send + 'static,
{
    std::thread::spawn(move || {
        let namespace = File::open(format!("/run/netns/{host}")).unwrap();
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work())
    })
}
