//! Every limit and timeout of the server, with its default and the reason for it; and where they are set.

mod groups;
mod load;
mod settings;

pub use groups::{GROUP_TYPES_MAX, GroupType};
pub use load::{ConfigError, Override};
pub use settings::{SETTINGS, Setting, Wanted};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use myicq_wire::charset::Charset;

/// What the server is run with. `Config::default()` is a server for this machine alone.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen for datagrams.
    pub listen: SocketAddr,
    /// Threads that serve users, 1 to [`crate::SHARDS_MAX`]. `None`: one for each core that this process may use, since each
    /// can keep one busy and more would only take turns.
    pub shards: Option<u32>,
    /// The folder of the database.
    pub data: PathBuf,
    /// The name of this server's domain, by which clients call their accounts. Never empty.
    pub domain: String,
    /// Times of a session.
    pub session: SessionConfig,
    /// What is held at most, and how often things may be done.
    pub limits: Limits,
    /// The types of groups that clients are told of, at most [`GROUP_TYPES_MAX`]. None: there are no groups.
    pub group_types: Vec<GroupType>,
    /// The charset of clients that speak plain v1.
    pub charset: Charset,
    /// What a password hash costs, and when it is computed.
    pub security: Security,
}

/// Times of a session.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// A session ends when nothing has come from its client for this long. 180 s, as in the last releases of the original
    /// server: three keep-alives of the original client, which sends one a minute.
    pub keepalive_timeout: Duration,
    /// A login whose address has not been proven is forgotten after this long. 90 s: an original client acknowledges the
    /// LOGIN reply once, and when that is lost its next datagram is the keep-alive of the first minute.
    pub half_open_timeout: Duration,
    /// How long a sender's acknowledgement waits for the recipient's before the message is stored. 250 ms: above the
    /// round trip of any network this is meant for, below what a person notices.
    pub delivery_hold: Duration,
}

/// What is held at most.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Whether rates are limited. No rate is limited yet; load tests on loopback say no already.
    pub rates: bool,
    /// Logins whose address has not been proven. 4,096: renetcode's cap.
    pub half_open_max: usize,
    /// Registrations remembered for their repetitions and for the login that follows.
    pub registrations_max: usize,
    /// Password hashes waiting or being computed; beyond it logins are dropped, and clients ask again.
    pub hash_queue_max: usize,
    /// Contacts on one list. 256, as the original server had it.
    pub contacts_max: usize,
    /// Stored messages for one user, until he comes. 1,000, as mosquitto queues.
    pub offline_max: usize,
    /// Stored messages from one user to another. 100, as ejabberd stores.
    pub offline_pair_max: usize,
    /// Bytes of a message's words, without the font. 450, as the original had it.
    pub text_max: usize,
    /// Bytes of a profile's field. 255; the nick's limit of 16 bytes is the protocol's own.
    pub profile_field_max: usize,
    /// Groups at the same time, in all. 1,000: each is named in lists, and a few dozen fit one.
    pub groups_max: usize,
    /// Groups that one user is in at the same time. 16: a window for each.
    pub groups_per_user_max: usize,
    /// Users in one group. 256: who enters is told of all of them in one datagram.
    pub group_members_max: usize,
    /// How long what is said to everybody waits for those who are away. 30 days, as ejabberd and others have it for messages.
    pub broadcast_lifetime: Duration,
}

/// What a password hash costs, and when it is computed.
#[derive(Clone, Debug)]
pub struct Security {
    /// Memory of a new argon2id hash, in KiB. 19 MiB with two iterations: OWASP's second choice.
    pub argon2_memory_kib: u32,
    /// Iterations of a new argon2id hash.
    pub argon2_iterations: u32,
    /// Hashes computed at the same time.
    pub argon2_threads: usize,
    /// For how long a right password is recognised without argon2; zero: not at all. 12 h: a day at work, or an evening, with one hash.
    pub verifier_lifetime: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            shards: None,
            data: PathBuf::from("myicq-data"),
            domain: "localhost".to_owned(),
            session: SessionConfig {
                keepalive_timeout: Duration::from_secs(180),
                half_open_timeout: Duration::from_secs(90),
                delivery_hold: Duration::from_millis(250),
            },
            limits: Limits {
                rates: true,
                half_open_max: 4096,
                registrations_max: 4096,
                hash_queue_max: 256,
                contacts_max: 256,
                offline_max: 1000,
                offline_pair_max: 100,
                text_max: 450,
                profile_field_max: 255,
                groups_max: 1000,
                groups_per_user_max: 16,
                group_members_max: 256,
                broadcast_lifetime: Duration::from_secs(30 * 86_400),
            },
            group_types: vec![GroupType { name: "chat".to_owned(), display_name: "Chat".to_owned() }],
            charset: Charset::Gbk,
            security: Security {
                argon2_memory_kib: 19 * 1024,
                argon2_iterations: 2,
                argon2_threads: 4,
                verifier_lifetime: Duration::from_secs(12 * 3_600),
            },
        }
    }
}
