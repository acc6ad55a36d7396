//! One suite for every way to the system, and what the batched one does beyond it.

use std::net::{SocketAddr, UdpSocket};

use myicq_wire::MAX_DATAGRAM;

#[cfg(target_os = "linux")]
use super::batched::Batched;
use super::incoming::FEW;
use super::outgoing::Outgoing;
use super::*;

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn open<C: Calls>() -> (Socket<C>, SocketAddr) {
    let socket = bind(loopback(), 1).unwrap().remove(0);
    let address = socket.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the socket is what is tested")]
    let socket = tokio::net::UdpSocket::from_std(socket).unwrap();
    (Socket::new(socket), address)
}

fn client() -> UdpSocket {
    #[expect(clippy::disallowed_methods, reason = "somebody must be at the other end")]
    let client = UdpSocket::bind(loopback()).unwrap();
    // Loopback has delivered what was sent before `send_to` returns: what is not there will not come.
    client.set_nonblocking(true).unwrap();
    client
}

/// All that has come, once something has, as (from, bytes).
async fn take<C: Calls>(socket: &mut Socket<C>) -> Vec<(SocketAddr, Vec<u8>)> {
    let (mut taken, mut is_more) = (Vec::new(), true);
    while taken.is_empty() || is_more {
        socket.readable().await;
        is_more = socket.receive();
        while let Some((from, bytes)) = socket.next_datagram() {
            taken.push((from, bytes.to_vec()));
        }
    }
    taken
}

fn all(client: &UdpSocket) -> Vec<Vec<u8>> {
    let mut buffer = vec![0; 65_536];
    std::iter::from_fn(|| client.recv_from(&mut buffer).ok().map(|(length, _)| buffer[..length].to_vec())).collect()
}

async fn what_came_is_handed_out_in_order<C: Calls>() {
    let (mut socket, address) = open::<C>();
    let clients = [client(), client()];
    for number in 0..40_u8 {
        clients[usize::from(number % 2)].send_to(&vec![number; usize::from(number)], address).unwrap();
    }
    let taken = take(&mut socket).await;
    let expected = (0..40_u8)
        .map(|number| (clients[usize::from(number % 2)].local_addr().unwrap(), vec![number; usize::from(number)]));
    assert_eq!(taken, expected.collect::<Vec<_>>());
    assert!(!socket.receive() && socket.next_datagram().is_none());
    assert_eq!(socket.traffic(), Traffic { received: 40, ..Traffic::default() });
}

async fn a_batch_ends_at_its_maximum<C: Calls>() {
    let (mut socket, address) = open::<C>();
    let client = client();
    // The first call after a quiet time takes few, the next ones whole batches.
    for counts in [&[FEW, BATCH, BATCH / 2][..], &[BATCH, 1], &[1], &[FEW, 1]] {
        for _ in 0..counts.iter().sum() {
            client.send_to(b"x", address).unwrap();
        }
        socket.readable().await;
        for (place, &count) in counts.iter().enumerate() {
            assert_eq!(socket.receive(), place + 1 < counts.len(), "there may be more");
            assert_eq!(std::iter::from_fn(|| socket.next_datagram().map(drop)).count(), count, "{counts:?}");
        }
    }
}

async fn what_is_too_long_shows_as_too_long<C: Calls>() {
    let (mut socket, address) = open::<C>();
    let client = client();
    for length in [MAX_DATAGRAM, MAX_DATAGRAM + 1, 60_000] {
        client.send_to(&vec![7; length], address).unwrap();
    }
    let lengths: Vec<_> = take(&mut socket).await.into_iter().map(|(_, bytes)| bytes.len()).collect();
    assert_eq!(lengths[0], MAX_DATAGRAM);
    assert!(lengths[1..].iter().all(|&length| length > MAX_DATAGRAM), "{lengths:?}");
}

async fn each_gets_what_is_his_in_order<C: Calls>() {
    let (mut socket, _) = open::<C>();
    let clients: Vec<_> = (0..3).map(|_| client()).collect();
    let addresses: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
    // Runs that can leave together, with changes of length and long ones between them, turn by turn.
    let lengths = [10, 10, 4, 9, 9, 9, 0, 2_000, 2_000, 3, 10, 10];
    let mut expected = vec![Vec::new(); 3];
    for round in 0..30_u8 {
        for (index, &length) in lengths.iter().enumerate() {
            let to = (index + usize::from(round)) % 3;
            let datagram = vec![round; length];
            socket.push(addresses[to], &datagram);
            expected[to].push(datagram);
        }
    }
    socket.flush().await;
    for (client, expected) in clients.iter().zip(expected) {
        assert_eq!(all(client), expected);
    }
    let sent = 30 * lengths.len() as u64;
    assert_eq!(socket.traffic(), Traffic { sent, ..Traffic::default() });
    socket.flush().await;
    assert!(all(&clients[0]).is_empty(), "sent once");
}

async fn an_address_that_fails_takes_nothing_from_others<C: Calls>() {
    let (mut socket, _) = open::<C>();
    let client = client();
    let here = client.local_addr().unwrap();
    let nowhere = SocketAddr::from(([255, 255, 255, 255], 9));
    for (to, text) in
        [(here, "one"), (nowhere, "lost"), (nowhere, "lost"), (here, "two"), (nowhere, "too"), (here, "six")]
    {
        socket.push(to, text.as_bytes());
    }
    socket.push(here, &[0; 65_535]);
    socket.push(here, b"end");
    socket.flush().await;
    assert_eq!(all(&client), [&b"one"[..], b"two", b"six", b"end"]);
    assert_eq!(socket.traffic(), Traffic { sent: 4, send_errors: 4, ..Traffic::default() });
}

macro_rules! suite {
    ($name:ident, $calls:ty, $($test:ident),*) => {
        mod $name {
            $(#[tokio::test]
            async fn $test() {
                super::$test::<$calls>().await;
            })*
        }
    };
    ($name:ident, $calls:ty) => {
        suite!(
            $name,
            $calls,
            what_came_is_handed_out_in_order,
            a_batch_ends_at_its_maximum,
            what_is_too_long_shows_as_too_long,
            each_gets_what_is_his_in_order,
            an_address_that_fails_takes_nothing_from_others
        );
    };
}

suite!(one_by_one, super::super::single::Single);
#[cfg(target_os = "linux")]
suite!(many_at_once, super::super::batched::Batched);

/// What goes into one message, as (segment, datagrams), in the order of sending.
fn messages(outgoing: &mut Outgoing, segments_max: usize) -> Vec<(usize, usize)> {
    outgoing.plan(segments_max);
    let mut messages = Vec::new();
    while outgoing.left() > 0 {
        let segment = outgoing.segment();
        messages.push((segment, usize::try_from(outgoing.advance(1)).unwrap()));
    }
    outgoing.clear();
    messages
}

#[test]
fn datagrams_of_one_length_to_one_address_leave_together() {
    let [a, b] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let mut outgoing = Outgoing::default();
    let mut plan = |datagrams: &[(SocketAddr, usize)], segments_max| {
        for &(to, length) in datagrams {
            outgoing.push(to, &vec![0; length]);
        }
        messages(&mut outgoing, segments_max)
    };
    assert_eq!(plan(&[(a, 9), (b, 9), (a, 9), (b, 8), (a, 9)], 64), [(9, 3), (9, 2)], "the last may be shorter");
    assert_eq!(plan(&[(a, 8), (a, 9)], 64), [(0, 1), (0, 1)], "the first may not");
    assert_eq!(plan(&[(a, 9), (a, 8), (a, 8)], 64), [(9, 2), (0, 1)], "nothing behind the shorter one");
    assert_eq!(plan(&[(a, 9); 5], 2), [(9, 2), (9, 2), (0, 1)]);
    assert_eq!(plan(&[(a, 9); 3], 1), [(0, 1); 3]);
    assert_eq!(plan(&[(a, 0), (a, 0), (a, 9), (a, 0)], 64), [(0, 1); 4], "an empty one is no segment");
    let longest = [(a, 1_232), (a, 1_232), (b, 1_233), (b, 1_233)];
    assert_eq!(plan(&longest, 64), [(0, 1), (0, 1), (1_232, 2)], "what fits no packet is not cut to fit");
    let many: Vec<_> = plan(&[(a, 1_232); 60], 64);
    assert_eq!(many, [(1_232, 53), (1_232, 7)], "65,507 bytes and no more");
    // One call for each length, but what comes later to an address stays behind what comes before.
    let mixed = [(a, 9), (a, 9), (a, 5), (a, 7), (a, 7), (b, 7), (b, 7), (b, 9), (b, 9)];
    assert_eq!(plan(&mixed, 64), [(7, 2), (9, 3), (7, 2), (9, 2)]);
}

#[test]
fn a_message_that_is_refused_for_its_segments_is_split() {
    let to = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut outgoing = Outgoing::default();
    for length in [3, 5, 5, 5] {
        outgoing.push(to, &vec![0; length]);
    }
    outgoing.plan(64);
    assert_eq!(outgoing.advance(1), 1);
    outgoing.split();
    let lengths: Vec<_> = outgoing.next_datagrams().map(|datagram| datagram.len()).collect();
    assert_eq!((outgoing.left(), outgoing.segment(), lengths), (3, 0, vec![5, 5, 5]));
}

/// What the system joins on its way is taken apart again.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn joined_datagrams_come_apart() {
    let (mut sender, _) = open::<Batched>();
    let (mut receiver, address) = open::<Batched>();
    let client = client();
    for round in 0..4_u8 {
        // One that is not joined, where the next round has those that are: it must not take from them the room for their length.
        if round % 2 == 0 {
            client.send_to(b"alone", address).unwrap();
        }
        let expected: Vec<_> = (0..20).map(|number| vec![number; if number < 19 { 100 } else { 50 }]).collect();
        for datagram in &expected {
            sender.push(address, datagram);
        }
        sender.flush().await;
        let mut taken = Vec::new();
        while taken.iter().map(Vec::len).sum::<usize>() < 19 * 100 + 50 {
            taken.extend(take(&mut receiver).await.into_iter().map(|(_, bytes)| bytes));
            taken.retain(|bytes| bytes != b"alone");
        }
        assert_eq!(taken, expected);
    }
}

/// The count of what the system drops comes with the next datagram that it does not drop.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_the_system_drops_is_counted() {
    let (mut socket, address) = open::<Batched>();
    nix::sys::socket::setsockopt(&socket.io, nix::sys::socket::sockopt::RcvBuf, &4_096).unwrap();
    let client = client();
    for _ in 0..100 {
        client.send_to(&[0; 1_000], address).unwrap();
    }
    let taken = take(&mut socket).await.len() as u64;
    client.send_to(b"after", address).unwrap();
    take(&mut socket).await;
    assert_eq!(socket.traffic().kernel_drops, 100 - taken);
}
