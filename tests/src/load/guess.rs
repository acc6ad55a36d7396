//! Users who talk while somebody guesses at passwords: how much of that gets as far as a hash, and what the others notice of it.
#![expect(clippy::disallowed_methods, reason = "a driver: it opens the sockets of the one who guesses")]

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use myicq_client::Event;
use myicq_client::account::Request as Asked;
use myicq_wire::{
    Envelope, Instant, Ipv4, Login, MAX_DATAGRAM, Request, Secret, Seq, SessionId, Status, Uin, encode_request,
};

use super::arguments::{Common, count, seconds};
use super::crowd::Crowd;
use super::figures::{Figures, Latency};
use super::member::Notice;
use super::pairs::{number_of, text};
use super::{Stage, prepare, target, tell};

/// How much is guessed, and from where.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Pairs of users, one of each talking to the other.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = count(4))]
    pairs: usize,
    /// Seconds for which it is measured, without guesses and then with them.
    #[arg(long, value_name = "S", default_value = "10", value_parser = seconds)]
    secs: Duration,
    /// Guesses in a second. The default makes 10,000 a minute.
    #[arg(long, value_name = "N", default_value_t = 167, value_parser = count(100_000))]
    rate: usize,
    /// Addresses from which they come: 127.1.0.1 and those that follow.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count(65_534))]
    addresses: usize,
}

/// How often a pair says something.
const SAY_EVERY: Duration = Duration::from_millis(10);

/// Bytes of a message's text.
const SIZE: usize = 64;

/// Numbers that no user has.
const STRANGERS: u32 = 1_000_000_000;

/// When each message was said, by its number.
#[derive(Debug, Default)]
struct Talk {
    last: u64,
    under_way: HashMap<u64, Instant>,
    refused: u64,
}

/// Somebody who tries numbers and passwords, each number once, and answers nothing.
#[derive(Debug)]
struct Guesser {
    sockets: Vec<UdpSocket>,
    guesses: u32,
    /// Each of them was judged by a hash: what is over the limit is dropped.
    answers: u64,
}

pub(super) fn run(options: &Options, common: &Common) -> anyhow::Result<Figures> {
    if common.target.server.is_some() {
        bail!("guessing is for a server of one's own: --spawn");
    }
    let mut stage = Stage::set_on(common, target::LIMITED, options.pairs * 2, |_| Ok(()))?;
    let mut figures = stage.figures("guess", common);
    tell("logging in");
    prepare::log_in_all(&mut stage.crowd, 0..options.pairs * 2, |_, _, _| Ok(()))?;
    prepare::settle(&mut stage.crowd, (0..options.pairs).map(|pair| pair * 2 + 1))?;
    let mut guesser = Guesser::new(stage.target.address(), options.addresses)?;
    let mut talk = Talk::default();

    tell("talking");
    let quiet = talk.go_on(&mut stage.crowd, options, |_| Ok(()))?;
    tell("talking while somebody guesses");
    let begin = stage.crowd.now();
    let begin_cost = stage.meter.read();
    let guessed = talk.go_on(&mut stage.crowd, options, |now| {
        let due = now.since(begin).as_secs_f64() * options.rate as f64;
        while f64::from(guesser.guesses) < due {
            guesser.guess()?;
        }
        guesser.listen()
    })?;
    let cost = stage.meter.since(begin_cost);

    figures.set("addresses", options.addresses);
    figures.set("guesses", guesser.guesses);
    figures.set("hashed", guesser.answers);
    figures.set_latency("quiet_delivery", &quiet);
    figures.set_latency("guessed_delivery", &guessed);
    cost.add_to(&mut figures, "guessed_", "guess", guesser.guesses.into());
    figures.set("said", talk.last);
    figures.set_failures("lost", talk.under_way.len() as u64);
    figures.set_failures("refused", talk.refused);
    stage.strike(&mut figures)?;
    Ok(figures)
}

impl Talk {
    /// Lets the pairs talk for a while, and `meanwhile` be done every millisecond.
    fn go_on(
        &mut self,
        crowd: &mut Crowd,
        options: &Options,
        mut meanwhile: impl FnMut(Instant) -> anyhow::Result<()>,
    ) -> anyhow::Result<Latency> {
        let (mut latency, mut next) = (Latency::new(), crowd.now());
        let end = next + options.secs;
        while crowd.now() < end {
            if next <= crowd.now() {
                (0..options.pairs).try_for_each(|pair| self.say(crowd, pair))?;
                next = next + SAY_EVERY;
            }
            meanwhile(crowd.now())?;
            let until = next.min(crowd.now() + Duration::from_millis(1));
            crowd.run_until(until, |crowd, _, notice| self.handle(crowd.now(), &notice, &mut latency))?;
        }
        while !self.under_way.is_empty() {
            let is_done = crowd.run_until_done(|crowd, _, notice| {
                self.handle(crowd.now(), &notice, &mut latency)?;
                Ok(self.under_way.is_empty())
            })?;
            if !is_done {
                break;
            }
        }
        Ok(latency)
    }

    fn say(&mut self, crowd: &mut Crowd, pair: usize) -> anyhow::Result<()> {
        self.last += 1;
        let at = crowd.now();
        let request = Asked::send(crowd.uin(pair * 2 + 1), &text(self.last, SIZE))?;
        if crowd.ask(pair * 2, request)?.is_some() {
            self.under_way.insert(self.last, at);
        }
        Ok(())
    }

    fn handle(&mut self, now: Instant, notice: &Notice, latency: &mut Latency) -> anyhow::Result<()> {
        match notice {
            Notice::Event(Event::Message { message, .. }) => {
                let said = number_of(message).and_then(|number| self.under_way.remove(&number));
                said.into_iter().for_each(|at| latency.record(now.since(at)));
            }
            Notice::Event(Event::Ended { reason }) => bail!("a session has ended: {reason}"),
            Notice::Answer(_, answer) => self.refused += u64::from(answer.is_err()),
            _ => {}
        }
        Ok(())
    }
}

impl Guesser {
    fn new(server: SocketAddr, addresses: usize) -> anyhow::Result<Self> {
        let open = |host: usize| {
            let ip = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + u32::try_from(host)?);
            let socket = UdpSocket::bind((ip, 0)).with_context(|| format!("no socket with the address {ip}"))?;
            socket.connect(server)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let sockets = (0..addresses).map(open).collect::<anyhow::Result<_>>()?;
        Ok(Self { sockets, guesses: 0, answers: 0 })
    }

    fn guess(&mut self) -> anyhow::Result<()> {
        self.guesses += 1;
        let number = self.guesses;
        let login = Login {
            password: Secret(b"letmein"),
            status: Status::ONLINE,
            tcp_version: 1,
            real_ip: Ipv4(0x7F00_0001),
            port: 0,
        };
        let envelope =
            Envelope { reserved: 0, uin: Uin(STRANGERS + number), session: SessionId(number), seq: Seq::new(1) };
        let mut datagram = [0; MAX_DATAGRAM];
        let len = encode_request(&envelope, &Request::Login(login), None, None, &mut datagram)?;
        let socket = &self.sockets[number as usize % self.sockets.len()];
        // One that the system has no room for is not made up for.
        drop(socket.send(&datagram[..len]));
        Ok(())
    }

    fn listen(&mut self) -> anyhow::Result<()> {
        let mut buffer = [0; MAX_DATAGRAM];
        for socket in &self.sockets {
            loop {
                match socket.recv(&mut buffer) {
                    Ok(_) => self.answers += 1,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}
