//! A network that loses, repeats, delays, damages and holds back datagrams, the same way for the same seed.

use std::time::Duration;

use myicq_wire::Instant;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// How bad it is. Parts are in thousandths of the datagrams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weather {
    /// Lost.
    pub loss: u32,
    /// Arriving twice.
    pub duplication: u32,
    /// Arriving much later than those behind them.
    pub reordering: u32,
    /// Arriving with a flipped bit, cut short or with bytes behind.
    pub corruption: u32,
    /// How long a datagram takes, at least and at most.
    pub delay: (Duration, Duration),
    /// How much later a reordered one may arrive.
    pub lateness: Duration,
}

impl Weather {
    /// Nothing is lost, and everything takes ten milliseconds.
    pub const FAIR: Self = Self {
        loss: 0,
        duplication: 0,
        reordering: 0,
        corruption: 0,
        delay: (Duration::from_millis(10), Duration::from_millis(10)),
        lateness: Duration::ZERO,
    };

    /// 30 % lost, 10 % twice, a quarter out of order.
    pub const FOUL: Self = Self {
        loss: 300,
        duplication: 100,
        reordering: 250,
        corruption: 0,
        delay: (Duration::from_millis(5), Duration::from_millis(80)),
        lateness: Duration::from_secs(2),
    };
}

/// The network between the clients and the server.
#[derive(Debug)]
pub struct Network {
    random: StdRng,
    /// How it is now.
    pub weather: Weather,
    /// Until when everything is held back.
    pub clogged_until: Instant,
    /// How many datagrams did not arrive whole.
    pub harmed: u64,
}

impl Network {
    /// A network in this weather.
    pub fn new(seed: u64, weather: Weather) -> Self {
        Self { random: StdRng::seed_from_u64(seed), weather, clogged_until: Instant::default(), harmed: 0 }
    }

    fn happens(&mut self, thousandths: u32) -> bool {
        self.random.random_range(0..1_000) < thousandths
    }

    /// When which copies of a datagram arrive.
    pub fn carry(&mut self, now: Instant, datagram: &[u8]) -> Vec<(Instant, Vec<u8>)> {
        let copies = if self.happens(self.weather.duplication) { 2 } else { 1 };
        let mut arriving = Vec::new();
        for _ in 0..copies {
            if self.happens(self.weather.loss) {
                self.harmed += 1;
                continue;
            }
            let (least, most) = self.weather.delay;
            let mut at = now + self.between(least, most);
            if self.happens(self.weather.reordering) {
                at = at + self.between(Duration::ZERO, self.weather.lateness);
            }
            let mut bytes = datagram.to_vec();
            if self.happens(self.weather.corruption) {
                self.harmed += 1;
                self.corrupt(&mut bytes);
            }
            arriving.push((at.max(self.clogged_until), bytes));
        }
        arriving
    }

    fn between(&mut self, least: Duration, most: Duration) -> Duration {
        least + most.saturating_sub(least).mul_f64(f64::from(self.random.random_range(0..=1_000_u32)) / 1_000.0)
    }

    fn corrupt(&mut self, bytes: &mut Vec<u8>) {
        match self.random.random_range(0..3) {
            0 => {
                let bit = self.random.random_range(0..bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            1 => bytes.truncate(self.random.random_range(0..bytes.len())),
            _ => bytes.extend((0..self.random.random_range(1..32)).map(|_| 0xA5)),
        }
    }
}
