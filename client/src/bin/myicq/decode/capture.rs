//! The packets of a capture, in its order: what UDP and TCP carry, and where it is on its way.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};

use etherparse::defrag::IpDefragPool;
use etherparse::{IpNumber, NetSlice, SlicedPacket, TcpSlice, TransportSlice, UdpSlice};
use pcap_parser::data::{PacketData, get_packetdata};
use pcap_parser::traits::PcapNGPacketBlock as _;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

use crate::failure::{Failure, code};

/// Bytes of the buffer that a capture is read through, and what it may grow to for one block.
const BUFFER: usize = 64 * 1024;
const MAX_BUFFER: usize = 16 * 1024 * 1024;

/// The first fragment of a datagram is forgotten so many packets later.
const FRAGMENTS_KEPT: u64 = 1_024;

/// Ticks of a second where a capture does not say how many.
const MICROSECONDS: u64 = 1_000_000;

/// What one packet of the network carries.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    /// Its number in the capture, from 1.
    pub(super) number: u64,
    /// When it was captured: Unix seconds.
    pub(super) time: f64,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) payload: &'a [u8],
    /// In a stream, the sequence number of the first byte, and whether the stream begins here.
    pub(super) stream: Option<(u32, bool)>,
}

/// Whether a file that begins like this is a capture.
pub(super) fn is_capture(start: &[u8]) -> bool {
    const PCAP: [[u8; 4]; 5] = [
        [0xa1, 0xb2, 0xc3, 0xd4],
        [0xd4, 0xc3, 0xb2, 0xa1],
        [0xa1, 0xb2, 0x3c, 0x4d],
        [0x4d, 0x3c, 0xb2, 0xa1],
        [0x0a, 0x0d, 0x0d, 0x0a],
    ];
    PCAP.iter().any(|magic| start.starts_with(magic))
}

/// Hands over each packet of a capture. One that is neither UDP nor TCP, or not whole, is passed over.
pub(super) fn read(
    input: impl Read + Send,
    mut take: impl FnMut(Packet<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let broken = |error: &PcapError<&[u8]>| Failure::new(code::FAILURE, format!("the capture is damaged: {error:?}"));
    let mut reader = create_reader(BUFFER, input).map_err(|error| broken(&error))?;
    let (mut capture, mut capacity) = (Capture::default(), BUFFER);
    loop {
        let is_all_read = reader.reader_exhausted();
        match reader.next() {
            Ok((len, block)) => {
                capture.block(&block, &mut take)?;
                reader.consume(len);
            }
            Err(PcapError::Eof) => return Ok(()),
            // One that was cut off, as by Ctrl-C, ends where its last whole block does.
            Err(PcapError::Incomplete(_) | PcapError::UnexpectedEof) if is_all_read => return Ok(()),
            Err(PcapError::Incomplete(_)) => reader.refill().map_err(|error| broken(&error))?,
            Err(PcapError::BufferTooSmall) if capacity < MAX_BUFFER => {
                capacity *= 2;
                reader.grow(capacity);
                reader.refill().map_err(|error| broken(&error))?;
            }
            Err(error) => return Err(broken(&error)),
        }
    }
}

#[derive(Default)]
struct Capture {
    /// The interfaces of this section: kind of link, ticks of a second, seconds to add.
    links: Vec<(Linktype, u64, i64)>,
    number: u64,
    fragments: Fragments,
}

struct Fragments(IpDefragPool<u64>);

impl Default for Fragments {
    fn default() -> Self {
        Self(IpDefragPool::new())
    }
}

impl Capture {
    fn block(
        &mut self,
        block: &PcapBlockOwned<'_>,
        take: &mut impl FnMut(Packet<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let ticks = if header.is_nanosecond_precision() { 1_000_000_000 } else { MICROSECONDS };
                self.links = vec![(header.network, ticks, 0)];
            }
            PcapBlockOwned::Legacy(packet) => {
                let Some((link, ticks, _)) = self.links.first().copied() else { return Ok(()) };
                let time = f64::from(packet.ts_sec) + f64::from(packet.ts_usec) / ticks as f64;
                return self.frame(link, time, packet.data, take);
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => self.links.clear(),
            PcapBlockOwned::NG(Block::InterfaceDescription(link)) => {
                self.links.push((link.linktype, link.ts_resolution().unwrap_or(MICROSECONDS), link.if_tsoffset));
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let link = usize::try_from(packet.if_id).ok().and_then(|id| self.links.get(id));
                let Some((link, ticks, offset)) = link.copied() else { return Ok(()) };
                let stamp = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let time = stamp as f64 / ticks as f64 + offset as f64;
                return self.frame(link, time, packet.packet_data(), take);
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                let Some((link, ..)) = self.links.first().copied() else { return Ok(()) };
                return self.frame(link, 0.0, packet.packet_data(), take);
            }
            PcapBlockOwned::NG(_) => {}
        }
        Ok(())
    }

    fn frame(
        &mut self,
        link: Linktype,
        time: f64,
        bytes: &[u8],
        take: &mut impl FnMut(Packet<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.number += 1;
        let sliced = match get_packetdata(bytes, link, bytes.len()) {
            Some(PacketData::L2(frame)) => SlicedPacket::from_ethernet(frame),
            Some(PacketData::L3(_, packet)) => SlicedPacket::from_ip(packet),
            _ => return Ok(()),
        };
        let Ok(sliced) = sliced else { return Ok(()) };
        let hosts = match &sliced.net {
            Some(NetSlice::Ipv4(ip)) => {
                (IpAddr::V4(ip.header().source_addr()), IpAddr::V4(ip.header().destination_addr()))
            }
            Some(NetSlice::Ipv6(ip)) => {
                (IpAddr::V6(ip.header().source_addr()), IpAddr::V6(ip.header().destination_addr()))
            }
            _ => return Ok(()),
        };
        let number = self.number;
        match &sliced.transport {
            Some(TransportSlice::Udp(udp)) => take(datagram(number, time, hosts, udp)),
            Some(TransportSlice::Tcp(tcp)) => take(segment(number, time, hosts, tcp)),
            Some(_) => Ok(()),
            None => {
                let Fragments(pool) = &mut self.fragments;
                let whole = pool.process_sliced_packet(&sliced, number, ()).ok().flatten();
                pool.retain(|first| number - first < FRAGMENTS_KEPT);
                let Some(whole) = whole.filter(|whole| whole.ip_number == IpNumber::UDP) else { return Ok(()) };
                UdpSlice::from_slice(&whole.payload).map_or(Ok(()), |udp| take(datagram(number, time, hosts, &udp)))
            }
        }
    }
}

fn datagram<'a>(number: u64, time: f64, hosts: (IpAddr, IpAddr), udp: &UdpSlice<'a>) -> Packet<'a> {
    let from = SocketAddr::new(hosts.0, udp.source_port());
    Packet {
        number,
        time,
        from,
        to: SocketAddr::new(hosts.1, udp.destination_port()),
        payload: udp.payload(),
        stream: None,
    }
}

fn segment<'a>(number: u64, time: f64, hosts: (IpAddr, IpAddr), tcp: &TcpSlice<'a>) -> Packet<'a> {
    // The beginning of a stream takes a number of its own.
    let first = tcp.sequence_number().wrapping_add(u32::from(tcp.syn()));
    Packet {
        number,
        time,
        from: SocketAddr::new(hosts.0, tcp.source_port()),
        to: SocketAddr::new(hosts.1, tcp.destination_port()),
        payload: tcp.payload(),
        stream: Some((first, tcp.syn())),
    }
}
