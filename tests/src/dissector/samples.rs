//! Captures to try the dissector and `myicq decode --file` on, put together of the packets of `wire/testdata`.

use std::net::Ipv4Addr;

use etherparse::PacketBuilder;
use serde_json::Value;

use crate::testdata::{bytes, rows};

/// Where the server is in all of them.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// The server's port, where it is the usual one.
pub const PORT: u16 = 8_000;

/// The port of the server's tunnel.
pub const TUNNEL_PORT: u16 = 8_443;

/// What one TCP or UDP packet carries, and where it is on its way.
struct Carried {
    micros: u64,
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    payload: Vec<u8>,
    /// In a stream: how many bytes this end has sent before, and the other.
    stream: Option<(u32, u32)>,
}

/// A file of the classic kind: microseconds, little-endian, Ethernet.
fn file(packets: &[Carried]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(0xa1b2_c3d4_u32.to_le_bytes());
    bytes.extend([2_u16, 4].into_iter().flat_map(u16::to_le_bytes));
    bytes.extend([0_u32, 0, 65_535, 1].into_iter().flat_map(u32::to_le_bytes));
    for packet in packets {
        let hosts = [packet.from.0.octets()[3], packet.to.0.octets()[3]];
        let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, hosts[0]], [2, 0, 0, 0, 0, hosts[1]]).ipv4(
            packet.from.0.octets(),
            packet.to.0.octets(),
            64,
        );
        let mut frame = Vec::new();
        match packet.stream {
            None => builder.udp(packet.from.1, packet.to.1).write(&mut frame, &packet.payload),
            Some((sent, taken)) => {
                let builder = builder.tcp(packet.from.1, packet.to.1, 1 + sent, 65_535).ack(1 + taken).psh();
                builder.write(&mut frame, &packet.payload)
            }
        }
        .unwrap();
        let len = u32::try_from(frame.len()).unwrap();
        let (seconds, micros) = (packet.micros / 1_000_000, packet.micros % 1_000_000);
        let head = [u32::try_from(seconds).unwrap(), u32::try_from(micros).unwrap(), len, len];
        bytes.extend(head.into_iter().flat_map(u32::to_le_bytes));
        bytes.extend(frame);
    }
    bytes
}

/// When a row was captured; those that were put together by hand have 10 ms each.
fn micros(row: &Value, number: usize) -> u64 {
    let seconds = row["t"].as_f64().unwrap_or(0.01 * number as f64);
    std::time::Duration::from_secs_f64(seconds).as_micros().try_into().unwrap()
}

/// Numbers things by the order in which they come up.
#[derive(Default)]
struct Order(Vec<Value>);

impl Order {
    fn of(&mut self, thing: &Value) -> u8 {
        let at = self.0.iter().position(|known| known == thing).unwrap_or_else(|| {
            self.0.push(thing.clone());
            self.0.len() - 1
        });
        u8::try_from(at).unwrap()
    }
}

/// The datagrams of a file, to and from this port of the server: each session has a client of its own.
pub fn datagrams(testdata: &str, port: u16) -> Vec<u8> {
    let mut sessions = Order::default();
    let packets = rows(testdata).enumerate().map(|(number, row)| {
        let order = sessions.of(&row["header"]["sid"]);
        let client = (Ipv4Addr::new(10, 0, 0, 2 + order), 20_000 + u16::from(order));
        let (from, to) = ends(row["from"] == "client", client, (SERVER, port));
        Carried { micros: micros(&row, number), from, to, payload: bytes(&row, "hex"), stream: None }
    });
    file(&packets.collect::<Vec<_>>())
}

type End = (Ipv4Addr, u16);

fn ends(is_first: bool, first: End, second: End) -> (End, End) {
    if is_first { (first, second) } else { (second, first) }
}

/// The streams of a file: those of direct sessions, or of the tunnel. A segment carries a frame, and every third one is cut in two.
pub fn streams(testdata: &str) -> Vec<u8> {
    let (mut connections, mut sent) = (Order::default(), Vec::new());
    let mut packets = Vec::new();
    for (number, row) in rows(testdata).enumerate() {
        let is_tunnel = row["connection"].is_null();
        let order = connections.of(if is_tunnel { &row["header"]["sid"] } else { &row["connection"] });
        let opener = (Ipv4Addr::new(10, 0, 0, 2 + order), 30_000 + u16::from(order));
        let listener = if is_tunnel { (SERVER, TUNNEL_PORT) } else { (Ipv4Addr::new(10, 0, 0, 100), 32_765) };
        let is_opener = row["from"] == "connector" || row["from"] == "client";
        let (from, to) = ends(is_opener, opener, listener);
        if sent.len() <= usize::from(order) {
            sent.resize(usize::from(order) + 1, [0_u32; 2]);
        }
        let frame = bytes(&row, "hex");
        let cut = if number % 3 == 2 { frame.len() / 2 } else { 0 };
        for payload in [&frame[..cut], &frame[cut..]] {
            let counts = &mut sent[usize::from(order)];
            let (mine, other) = (usize::from(!is_opener), usize::from(is_opener));
            if !payload.is_empty() {
                let stream = Some((counts[mine], counts[other]));
                packets.push(Carried { micros: micros(&row, number), from, to, payload: payload.to_vec(), stream });
                counts[mine] += u32::try_from(payload.len()).unwrap();
            }
        }
    }
    file(&packets)
}
