//! Two loops, and what goes from one to the other.

use std::net::SocketAddr;
use std::sync::Arc;

use myicq_wire::{Envelope, NewUin, Request, Secret, Seq, SessionId, Uin, encode_request};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::net::UdpSocket;

use super::*;
use crate::config::{Config, Security};
use crate::driver::{Watch, passwords, socket};
use crate::store::MemoryStore;

fn bind() -> (UdpSocket, SocketAddr) {
    let socket = socket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), 1).unwrap().remove(0);
    let address = socket.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the loop wants a real socket")]
    let socket = UdpSocket::from_std(socket).unwrap();
    (socket, address)
}

/// A registration is for the first shard. Here it comes to the second one's socket, as where the system does not deal
/// datagrams out.
#[tokio::test]
async fn what_comes_to_the_wrong_shard_is_handed_over_and_both_end_together() {
    let security =
        Security { argon2_memory_kib: 8, argon2_iterations: 1, argon2_threads: 1, ..Config::default().security };
    let config = Arc::new(Config { security, ..Config::default() });
    let shares = Share::split(2);
    let (mailboxes, receivers) = Mailboxes::new(&shares);
    let (watch, _ended) = Watch::new();
    let mut seeds = StdRng::seed_from_u64(7);
    let (passwords, threads) = passwords::start(&config.security, &mut seeds, &mailboxes, &watch).unwrap();
    let (store, queue) = mpsc::unbounded_channel();
    let clock = Clock::new();
    let mut addresses = Vec::new();
    let drivers = shares.into_iter().zip(receivers).map(|(share, mailbox)| {
        let shard = Shard::new(Arc::clone(&config), share.clone(), StdRng::from_rng(&mut seeds)).unwrap();
        let (socket, address) = bind();
        addresses.push(address);
        let (mailboxes, store, passwords) = (mailboxes.clone(), store.clone(), passwords.clone());
        let (tunnel, relays, leftovers) = (None, None, None);
        let around = Surroundings { clock, mailbox, mailboxes, store, passwords, tunnel, relays, leftovers };
        ShardDriver::new(shard, share, vec![Socket::new(socket)], around, Inheritance::default())
    });
    let drivers: Vec<_> = drivers.collect();
    let [first, second] = <[ShardDriver; 2]>::try_from(drivers).unwrap();
    drop((store, passwords));

    let store =
        store::run(MemoryStore::default(), MemoryStore::default(), queue, |replies| mailboxes.send_replies(replies));
    let client = async {
        let envelope = Envelope { reserved: 0, uin: Uin::NONE, session: SessionId(77), seq: Seq::new(1) };
        let request = Request::NewUin(NewUin { password: Secret(b"hunter2") });
        let mut buffer = [0; MAX_DATAGRAM];
        let length = encode_request(&envelope, &request, None, None, &mut buffer).unwrap();
        let (client, _) = bind();
        // As if the first had more letters than it may have, and then as if it had read them: the second waits so long, and no
        // longer.
        mailboxes.letters_read(0, 1);
        client.send_to(&buffer[..length], addresses[1]).await.unwrap();
        tokio::task::yield_now().await;
        mailboxes.letters_read(0, usize::MAX);
        let (_, from) = client.recv_from(&mut buffer).await.unwrap();
        mailboxes.send_all(|| Mail::Stop);
        from
    };
    let (first, second, _, from) = tokio::join!(first.serve(), second.serve(), store, client);
    assert_eq!(from, addresses[0]);
    let counts = |report: &Report| (report.traffic.received, report.handed_over, report.traffic.sent);
    assert_eq!((counts(&first), counts(&second)), ((0, 0, 1), (1, 1, 0)));
    assert_eq!((second.handover_drops, second.counters.value("registrations")), (0, 0), "nobody has proven anything");
    for thread in threads {
        thread.join().unwrap();
    }
}
