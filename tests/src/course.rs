//! What a seed stands for: so many users, such weather, and what they do in it.

use std::time::Duration;

use myicq_wire::Status;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::client::{Ask, Notice, found};
use crate::host::{Delays, config};
use crate::network::Weather;
use crate::oracle::{Figures, Oracle};
use crate::sim::{Program, World};

/// More half-open and forgotten sessions than these users can have made.
const MAX_SESSIONS: usize = 200;

/// What the network does in a course.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Climate {
    /// Whatever the seed draws.
    Drawn,
    /// 30 % lost, 10 % twice, a quarter out of order, each way.
    Foul,
    /// As drawn, and damaged datagrams besides. Version 1 has no code that would find each of them, so nothing is said about
    /// what was acknowledged: only that everybody survives and finds together again.
    Corrupting,
    /// As drawn, on a disk that keeps no message: here the oracle must find something.
    LyingDisk,
}

/// A course under way.
struct Course {
    random: StdRng,
    /// When sessions are saved and how the server ends, where it keeps them: drawn apart, so that a seed in which it does not stays as it was.
    keeping: Option<StdRng>,
    world: World,
    oracle: Oracle,
    climate: Climate,
}

/// Lives through a course.
///
/// # Panics
/// When the oracle finds something.
pub fn live(seed: u64, climate: Climate) -> Figures {
    let mut random = StdRng::seed_from_u64(seed);
    let weather = draw_weather(&mut random, climate);
    let mut config = config();
    config.limits.rates = false;
    let delays = Delays {
        commit: Duration::from_millis(random.random_range(0..40)),
        answer: Duration::from_millis(random.random_range(0..5)),
        password: Duration::from_millis(random.random_range(0..60)),
        post: Duration::from_millis(random.random_range(0..3)),
    };
    let shards = random.random_range(1..=3);
    let mut world = World::new(shards, config.clone(), delays, seed, weather);
    for _ in 0..random.random_range(2..=5) {
        let program = if random.random_range(0..3) == 0 { Program::Original } else { Program::Ours };
        world.user(program, "hunter2", &config);
    }
    for owner in 0..world.users.len() {
        for contact in (0..world.users.len()).filter(|&contact| contact != owner) {
            world.befriend(owner, contact);
        }
    }
    let oracle = Oracle::new(climate == Climate::Corrupting);
    world.host.forgets_messages = climate == Climate::LyingDisk;
    let keeping = seed.is_multiple_of(2).then(|| StdRng::seed_from_u64(seed ^ 0x5E55_1015));
    let mut course = Course { random, keeping, world, oracle, climate };
    course.live();
    course.oracle.figures
}

fn draw_weather(random: &mut StdRng, climate: Climate) -> Weather {
    if climate == Climate::Foul {
        return Weather::FOUL;
    }
    let least = random.random_range(0..50);
    Weather {
        loss: random.random_range(0..=300),
        duplication: random.random_range(0..=500),
        reordering: random.random_range(0..=500),
        corruption: if climate == Climate::Corrupting { random.random_range(1..=150) } else { 0 },
        delay: (Duration::from_millis(least), Duration::from_millis(least + random.random_range(1..200))),
        lateness: Duration::from_millis(random.random_range(0..5_000)),
    }
}

impl Course {
    fn live(&mut self) {
        for user in 0..self.world.users.len() {
            self.log_in(user);
        }
        self.run(Duration::from_secs(3));
        for _ in 0..self.random.random_range(10..60) {
            self.act();
            let pause = self.random.random_range(0..4_000);
            self.run(Duration::from_millis(pause));
            self.return_the_lost();
        }
        self.come_to_rest();
    }

    fn run(&mut self, time: Duration) {
        self.world.run_for(time);
        self.oracle.observe(&mut self.world);
        if self.keeping.as_mut().is_some_and(|random| random.random_range(0..3) == 0) {
            self.world.host.save();
        }
        assert!(self.world.host.sessions() <= MAX_SESSIONS, "{} sessions", self.world.host.sessions());
    }

    fn log_in(&mut self, user: usize) {
        self.oracle.on_session(user);
        self.world.log_in(user);
    }

    /// Whose session was lost logs in again.
    fn return_the_lost(&mut self) {
        for user in 0..self.world.users.len() {
            if !self.world.users[user].has_session() && self.random.random_range(0..3) > 0 {
                self.log_in(user);
            }
        }
    }

    fn act(&mut self) {
        let user = self.random.random_range(0..self.world.users.len());
        match self.random.random_range(0..100) {
            0..55 => self.say(user),
            55..64 => self.be_in_groups(user),
            64..66 => drop(self.world.ask(user, &Ask::FindSome)),
            66..70 => {
                let (number, text) = self.oracle.next_broadcast();
                self.world.host.broadcast(self.world.now, number, &text);
            }
            70..80 => self.change_status(user),
            80..86 => self.world.log_out(user),
            86..90 => self.world.leave(user),
            // From another address, while the old session lives: it is replaced.
            90..94 => self.log_in(user),
            94..97 => {
                let clog = Duration::from_millis(self.random.random_range(0..20_000));
                self.world.network.clogged_until = self.world.now + clog;
            }
            _ => {
                self.oracle.on_crash(self.world.users.len());
                if self.keeping.as_mut().is_some_and(|random| random.random()) {
                    self.world.restart();
                } else {
                    self.world.crash();
                }
            }
        }
        self.oracle.observe(&mut self.world);
    }

    /// Some messages in a row, to one other or to several.
    fn say(&mut self, from: usize) {
        for _ in 0..self.random.random_range(1..=6) {
            let to = self.random.random_range(0..self.world.users.len());
            if to == from {
                continue;
            }
            let text = self.oracle.next_text();
            let what = Ask::Say { to: self.world.users[to].uin, text };
            if let Ok(ask) = self.world.ask(from, &what) {
                self.oracle.on_said(from, to, ask);
            }
        }
    }

    /// Makes a group, or enters one, says something in it, or leaves it.
    fn be_in_groups(&mut self, user: usize) {
        let known = self.oracle.groups.len();
        let group = (known > 0).then(|| self.oracle.groups[self.random.random_range(known.saturating_sub(3)..known)]);
        let (name, password) = ("group".to_owned(), String::new());
        let Some(group) = group.filter(|_| self.random.random_range(0..5) > 0) else {
            let made = self.world.ask(user, &Ask::CreateGroup { name, password });
            self.oracle.creations.extend(made.ok());
            return;
        };
        drop(self.world.ask(user, &Ask::EnterGroup { group, password }));
        self.run(Duration::from_secs(1));
        for _ in 0..self.random.random_range(0..6) {
            let text = self.oracle.next_group_text(user);
            drop(self.world.ask(user, &Ask::SayInGroup { group, text }));
            let pause = self.random.random_range(0..500);
            self.run(Duration::from_millis(pause));
        }
        if self.random.random_range(0..3) == 0 {
            drop(self.world.ask(user, &Ask::ExitGroup(group)));
        }
    }

    fn change_status(&mut self, user: usize) {
        let status = [Status::ONLINE, Status::AWAY, Status::INVISIBLE][self.random.random_range(0..3)];
        if let Ok(ask) = self.world.ask(user, &Ask::Status(status)) {
            self.oracle.on_status(user, ask);
        }
    }

    /// The sky clears. Everybody comes back, sees the others as they are, and gets what was kept for him.
    fn come_to_rest(&mut self) {
        self.world.network.weather = Weather::FAIR;
        for _ in 0..12 {
            self.run(Duration::from_secs(40));
            for user in 0..self.world.users.len() {
                if !self.world.users[user].has_session() {
                    self.log_in(user);
                }
            }
        }
        self.run(Duration::from_secs(40));
        if self.climate != Climate::Corrupting && self.everybody_is_ours() {
            self.oracle.check_presence(&self.world);
        }
        for user in 0..self.world.users.len() {
            self.world.log_out(user);
            self.run(Duration::from_secs(5));
        }
        for user in 0..self.world.users.len() {
            self.log_in(user);
            self.run(Duration::from_secs(5));
        }
        self.run(Duration::from_secs(30));
        assert!(self.world.users.iter().all(|user| user.is_online()), "everybody is back");
        self.oracle.check_presence(&self.world);
        self.check_search();
        if self.climate != Climate::Corrupting {
            self.oracle.check_messages(&mut self.world);
            self.oracle.check_broadcasts_and_groups(&self.world);
        }
        for user in 0..self.world.users.len() {
            self.world.log_out(user);
        }
        self.run(Duration::from_secs(600));
        assert_eq!(self.world.host.sessions(), 0, "nobody is left");
        assert!(self.world.host.is_idle());
    }

    /// Everybody is found as what he shows, also who belongs to another shard.
    fn check_search(&mut self) {
        for user in 0..self.world.users.len() {
            let (uin, status) = (self.world.users[user].uin, self.world.users[user].status);
            self.world.ask(0, &Ask::FindUin(uin)).expect("a search can be asked");
            self.world.run_for(Duration::from_secs(5));
            let answers = self.world.users[0].notices.iter();
            let mut answer = answers.filter_map(|(_, notice)| match notice {
                Notice::Answer { text, .. } => Some(text.clone()),
                _ => None,
            });
            let expected = found([(uin, status != Status::INVISIBLE)].into_iter());
            assert_eq!(answer.next_back(), Some(expected), "what a search says of {uin}");
            self.oracle.observe(&mut self.world);
        }
    }

    /// A client of 2003 whose acknowledgement was lost does not take the next notice for lost, so what it sees may be old.
    fn everybody_is_ours(&self) -> bool {
        self.world.users.iter().all(|user| user.program == Program::Ours)
    }
}
