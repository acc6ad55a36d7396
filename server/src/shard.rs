//! A shard: some of the users, whole. The frontend in front, the hub behind, no I/O.
//!
//! Whoever drives it hands in what came ([`Input`]), then takes out what is to be done ([`Shard::poll_output`]) until there is
//! nothing left, and calls again when something came or [`Shard::poll_timeout`] says that it is time.

use std::net::SocketAddr;
use std::sync::Arc;

use myicq_wire::link::Measured;
use myicq_wire::{Instant, RelayPass, Uin};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::counters::Counters;
use crate::frontend::myicq::{Frontend, Registered, SavedPage, SavedSession, SessionView, TraceEvent};
use crate::hub::{Hub, Letter, PasswordJob, PasswordResult, Refusal, RelayOrder};
use crate::passwords::HashError;
use crate::share::Share;
use crate::store;
use crate::time::Now;

/// What comes into a shard.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram, of at most 4,096 bytes.
    Datagram {
        /// From where.
        from: SocketAddr,
        /// All of it.
        bytes: &'a [u8],
    },
    /// The store has answered.
    Store(store::Reply),
    /// A password has been hashed, or compared with its hash.
    Password(PasswordResult),
    /// A relay is open, with the pass of the one who asked and that of the other; or there is none: the answer to [`Output::Relay`].
    Relay(RelayOrder, Result<[RelayPass; 2], Refusal>),
    /// Another shard has something to say, in the order in which it said it. What comes together is answered together: who has come to know that a
    /// hundred are here is told of them at once.
    Posts(Vec<Post>),
    /// The administrator wants something of the store that the hub has to know of: [`Output::Errand`].
    Errand {
        /// Comes back with what became of it.
        number: u64,
        /// What.
        work: store::Work,
    },
    /// Some settings have other values. What has a deadline keeps it.
    Config(Arc<Config>),
    /// A session of an earlier process goes on. After [`Shard::begin_restore`]; older logins first.
    Restore(SavedSession),
    /// The operator says something to everybody. For the shard that [owns](crate::Share::owner) [`Uin::ADMINISTRATOR`](myicq_wire::Uin::ADMINISTRATOR).
    Broadcast {
        /// Comes back with the verdict.
        number: u64,
        /// What, in UTF-8.
        text: String,
    },
    /// Time has passed.
    Timeout,
}

/// What shards say to each other. What one says to another must arrive in order.
#[derive(Debug)]
pub enum Post {
    /// About users.
    Letter(Letter),
    /// About a user who has just registered, and whose login will come to the other shard.
    Registered(Registered),
}

/// What is to be done for a shard.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send a datagram.
    Datagram {
        /// To where.
        to: SocketAddr,
        /// All of it.
        bytes: &'a [u8],
    },
    /// Ask the store. In this order.
    Store(store::Request),
    /// Hash a password, or compare one with its hash, away from the shard's thread.
    Password(PasswordJob),
    /// Open a relay ([`crate::Relays`]).
    Relay(RelayOrder),
    /// Hand this to another shard.
    Post {
        /// To which.
        shard: u32,
        /// What.
        post: Post,
    },
    /// What became of what the operator said: it is on the disk, and on its way to those who are here; or it is refused.
    Broadcast {
        /// That of the input.
        number: u64,
        /// Why not.
        verdict: Result<(), Refusal>,
    },
    /// An errand of the administrator is done.
    Errand {
        /// Which.
        number: u64,
        /// What became of it.
        outcome: store::Outcome,
    },
}

/// Some of the users of a server, whole.
#[derive(Debug)]
pub struct Shard {
    frontend: Frontend,
    hub: Hub,
}

impl Shard {
    /// A shard without users, which will have those of its share. `rng` makes the key of the verifiers and the first sequence numbers of
    /// sessions, and must be seeded by the system.
    ///
    /// # Errors
    /// Passwords cannot be hashed at the configured cost.
    pub fn new(config: Arc<Config>, share: Share, mut rng: StdRng) -> Result<Self, HashError> {
        let mut verifier_key = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *verifier_key);
        let hub = Hub::new(Arc::clone(&config), share.clone(), &verifier_key, StdRng::from_rng(&mut rng))?;
        Ok(Self { frontend: Frontend::new(config, share, rng), hub })
    }

    /// Says which start of the server this is, later ones with higher numbers, and the highest [serial](SavedSession::serial) of the
    /// sessions that go on. To be called before anything comes in.
    pub fn begin_restore(&mut self, start: u64, last_serial: u64) {
        self.frontend.begin_restore(start, last_serial);
    }

    /// Up to `max` sessions from a slot on, 0 for the first, as they are to be kept, and the slot from which to go on, if there are more:
    /// those whose address is proven and `stays` when the process ends. A session that begins or ends in between may be missing.
    pub fn save_from(&self, slot: u32, max: usize, stays: impl Fn(SocketAddr) -> bool) -> SavedPage {
        self.frontend.save_from(slot, max, &self.hub, stays)
    }

    /// Takes in what came. [`Shard::poll_output`] is to be called next, until it has nothing.
    pub fn handle_input(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Datagram { from, bytes } => self.frontend.handle_datagram(now, from, bytes, &mut self.hub),
            Input::Store(reply) => self.hub.handle_store(now, reply),
            Input::Password(result) => self.hub.handle_password(now, result),
            Input::Relay(order, opened) => self.hub.handle_relay(now, order, opened),
            Input::Posts(posts) => {
                for post in posts {
                    match post {
                        Post::Letter(letter) => self.hub.push_letter(letter),
                        Post::Registered(registered) => {
                            self.frontend.handle_registered(now, registered, &mut self.hub);
                        }
                    }
                }
                self.hub.handle_letters(now);
            }
            Input::Errand { number, work } => self.hub.handle_errand(now, number, work),
            Input::Config(config) => {
                self.hub.handle_config(Arc::clone(&config));
                self.frontend.handle_config(config);
            }
            Input::Restore(saved) => self.frontend.restore(now, saved, &mut self.hub),
            Input::Broadcast { number, text } => self.hub.handle_broadcast(now, number, text),
            Input::Timeout => {
                self.hub.handle_timeout(now);
                self.frontend.handle_timeout(now, &mut self.hub);
            }
        }
        self.frontend.handle_effects(now, &mut self.hub);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output<'_>> {
        if let Some(request) = self.hub.poll_store() {
            return Some(Output::Store(request));
        }
        if let Some(job) = self.hub.poll_password() {
            return Some(Output::Password(job));
        }
        if let Some(order) = self.hub.poll_relay() {
            return Some(Output::Relay(order));
        }
        if let Some((shard, letter)) = self.hub.poll_letter() {
            return Some(Output::Post { shard, post: Post::Letter(letter) });
        }
        if let Some((shard, registered)) = self.frontend.poll_registered() {
            return Some(Output::Post { shard, post: Post::Registered(registered) });
        }
        if let Some((number, verdict)) = self.hub.poll_broadcast() {
            return Some(Output::Broadcast { number, verdict });
        }
        if let Some((number, outcome)) = self.hub.poll_errand() {
            return Some(Output::Errand { number, outcome });
        }
        self.frontend.poll_datagram().map(|(to, bytes)| Output::Datagram { to, bytes })
    }

    /// When [`Input::Timeout`] is due, if nothing comes before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match (self.frontend.poll_timeout(), self.hub.poll_timeout()) {
            (Some(frontend), Some(hub)) => Some(frontend.min(hub)),
            (frontend, hub) => frontend.or(hub),
        }
    }

    /// What has been counted since the start.
    pub fn counters(&self) -> &Counters {
        self.frontend.counters()
    }

    /// What the links of its sessions have measured since the start.
    pub fn links(&self) -> &Measured {
        self.frontend.links()
    }

    /// How many users are here and show it, on all shards together.
    pub fn online_users(&self) -> u32 {
        self.hub.online_users()
    }

    /// How many of the sessions wait for the proof of their address.
    pub fn half_open(&self) -> usize {
        self.frontend.half_open()
    }

    /// From here on, what becomes of this user's datagrams comes out of [`Shard::poll_trace`]; of nobody's, for `None`.
    pub fn set_trace(&mut self, whom: Option<Uin>) {
        self.frontend.set_trace(whom);
    }

    /// What has happened to the user who is traced, in order. There is nothing when nobody is.
    pub fn poll_trace(&mut self) -> Option<TraceEvent> {
        self.frontend.poll_trace()
    }

    /// How many sessions there are, open and half-open.
    pub fn sessions(&self) -> usize {
        self.frontend.sessions()
    }

    /// Up to `max` sessions from a slot on, 0 for the first, and the slot from which to go on, if there are more. A session that
    /// begins or ends in between may be missing.
    pub fn sessions_from(&self, now: Now, slot: u32, max: usize) -> (Vec<SessionView>, Option<u32>) {
        let (views, next) = self.frontend.views(now.instant, slot, max);
        let views = views.into_iter().map(|(key, view)| SessionView { status: self.hub.status(key), ..view });
        (views.collect(), next)
    }

    /// Asks for nothing more from clients and takes nothing more from them, so that what is under way can end. Messages that
    /// wait for their recipient's acknowledgement go to the store at once.
    pub fn begin_shutdown(&mut self, now: Now) {
        self.frontend.begin_shutdown();
        self.hub.begin_shutdown(now);
        self.frontend.handle_effects(now, &mut self.hub);
    }

    /// Whether nothing is under way any more.
    pub fn is_idle(&self) -> bool {
        self.hub.is_idle()
    }
}
