//! Every setting of the server: what it is, its default and the reason for that. The comments below are what users read, in
//! `--help`, the manual pages, `myicqd config show`, docs/myicqd.example.toml and docs/operations.md.

mod form;
mod groups;
mod hints;
mod load;
mod registration;
mod reload;
mod show;
mod table;

pub use form::Toml;
pub use groups::{GROUP_TYPES_MAX, GroupType};
pub use hints::{Hint, hints, unknown_variables};
pub use load::{ConfigError, ConfigErrors, Loaded, Override, Sources};
pub use registration::Registration;
pub use reload::Reload;
pub use show::document;
pub use table::Setting;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use myicq_wire::charset::Charset;

use self::form::{Address, Addresses, CharsetLabel, Domain, Folder, Number, OnOff, Or, Postgres, Time};
use self::groups::GroupTypes;
use self::registration::RegistrationWord;
use self::table::settings;
use crate::passwords;
use crate::share::SHARDS_MAX;
use crate::store::DatabaseUrl;

/// The reply that carries a list is one datagram of at most 4,096 bytes, four for each contact.
const CONTACTS_IN_A_DATAGRAM: usize = 1_000;

// A setting is `live` where a reload changes it in the running server, and `restart` where it waits for the next start. Its flag
// and its variable are made of its name, or of what stands behind `as`.
settings! {
    /// Where the server is reached, and by how many threads it serves.
    listen: Listen {
        /// Where to listen for datagrams; port 0: any free one.
        ///
        /// By default only this machine gets in. An address of IPv6 takes no IPv4: for both, name both, as in
        /// `0.0.0.0:8000, [::]:8000`.
        restart udp as "listen": Vec<SocketAddr> = vec![SocketAddr::from(([127, 0, 0, 1], 8000))], Addresses;

        /// Where to listen for connections of the TCP tunnel; off: nowhere; port 0: any free one.
        ///
        /// Off, because most networks let datagrams through. Clients of 2003 look for it at port 443, through their HTTP proxy.
        restart tunnel: Option<SocketAddr> = None, Or("off", Address);

        /// Where to listen for the two ends of a relay, through which files go where no direct connection is possible; off: nowhere;
        /// port 0: any free one.
        ///
        /// Off, because it is the server's network that carries the files.
        restart relay: Option<SocketAddr> = None, Or("off", Address);

        /// The name of this server, by which clients call their accounts.
        ///
        /// It may be no longer because the reply to a forged registration carries it to somebody who has not asked.
        live domain: String = "localhost".to_owned(), Domain;

        /// Whether servers that other machines reach say so on their network (mDNS), so that clients there find them.
        ///
        /// One that only this machine reaches is not announced in any case.
        restart announce: bool = true, OnOff;

        /// Threads that serve users; auto: one for each core that the process may use.
        ///
        /// Each can keep one core busy, and more would only take turns. On systems other than Linux there is one.
        restart shards: Option<u32> = None, Or("auto", Number(1..=SHARDS_MAX));
    }

    /// Where things are kept.
    store: StoreConfig {
        /// The folder of the database, made when it is not there.
        restart data: PathBuf = PathBuf::from("myicq-data"), Folder;

        /// The database: sqlite, which is a file in that folder; or the URL of one of PostgreSQL, which this server then has to itself.
        ///
        /// SQLite is enough until one machine's disk is not. The password may stand in the URL, which nothing shows with it, or
        /// in libpq's password file.
        restart database: Option<DatabaseUrl> = None, Or("sqlite", Postgres);
    }

    /// Times of a session.
    session: SessionConfig {
        /// A session ends after this long without a word from its client.
        ///
        /// Three keep-alives of the original client, which sends one a minute, as in the last releases of the original server.
        live keepalive_timeout: Duration = Duration::from_mins(3), Time(Duration::from_secs(1)..=Duration::from_hours(24));

        /// A login whose address has not been proven is forgotten after this long.
        ///
        /// An original client acknowledges the LOGIN reply once. When that is lost, its next datagram is the keep-alive of the
        /// first minute.
        live half_open_timeout: Duration = Duration::from_secs(90), Time(Duration::from_secs(1)..=Duration::from_mins(10));

        /// How often sessions are saved, so that they go on when the server has been killed; off: none outlives it.
        ///
        /// What a killed server does not know any more happened after the last time; five seconds of that are little. At the end of a
        /// server that is told to stop they are saved in any case but off.
        restart save_interval: Option<Duration> = Some(Duration::from_secs(5)), Or("off", Time(Duration::from_secs(1)..=Duration::from_mins(1)));

        /// How long a message may wait for its recipient's acknowledgement before it is stored.
        ///
        /// Above the round trip of any network that this is meant for, below what a person notices.
        live delivery_hold: Duration = Duration::from_millis(250), Time(Duration::from_millis(1)..=Duration::from_secs(10));

        /// How long a frame of the tunnel may take from its first byte to its last, and the first one from the beginning of the
        /// connection; also how long a peer may take to read anything.
        ///
        /// Longer than any round trip; a connection that brings its bytes one by one is not kept for them.
        restart tunnel_frame_timeout: Duration = Duration::from_secs(10), Time(Duration::from_secs(1)..=Duration::from_mins(5));

        /// A connection of the tunnel ends after this long without a frame.
        ///
        /// Longer than its session lives without a word from the client.
        restart tunnel_idle_timeout: Duration = Duration::from_mins(5), Time(Duration::from_secs(1)..=Duration::from_hours(24));

        /// How long a relay waits for its two ends.
        ///
        /// Both are told at once; what a datagram that is lost costs is seconds.
        restart relay_wait_timeout: Duration = Duration::from_secs(30), Time(Duration::from_secs(1)..=Duration::from_mins(10));

        /// A relay ends after this long without a byte, in either direction.
        ///
        /// Longer than a network is away when a telephone changes it.
        restart relay_idle_timeout: Duration = Duration::from_mins(1), Time(Duration::from_secs(1)..=Duration::from_hours(1));
    }

    /// What is held at most, and how often things may be done.
    limits: Limits {
        /// Whether rates are limited; off is for load tests, and only on loopback.
        ///
        /// The settings whose names end in `_per_…` and in `_burst` are rates. The others are maxima, and hold in any case.
        live rates: bool = true, OnOff;

        /// Logins whose address has not been proven, at most.
        ///
        /// As many as renetcode holds.
        live half_open_max: usize = 4_096, Number(1..=1_000_000);

        /// Of these, from one address at most; the oldest makes room.
        ///
        /// As many as renetcode has. They last for one round trip, so that many may come from behind one address. Those of this
        /// machine are not counted; of IPv6 a network of 64 bits counts as one address.
        live half_open_address_max: usize = 8, Number(1..=1_000_000);

        /// Wrong passwords for one user, in a minute.
        ///
        /// As ergo has it. Beyond it logins are dropped, and clients ask again. Where the user logged in last counts apart, so that
        /// others cannot keep him out by guessing.
        live user_wrong_logins_per_minute: u32 = 3, Number(1..=1_000);

        /// Wrong passwords from one address, in a minute.
        ///
        /// As ergo has it. Logins under way count until they turn out right.
        live address_wrong_logins_per_minute: u32 = 10, Number(1..=1_000);

        /// From where users may register: this machine and private networks, everywhere, or nowhere.
        ///
        /// On the internet anybody could take any number of them.
        live registration: Registration = Registration::Private, RegistrationWord;

        /// Registrations from one address, in an hour.
        ///
        /// A household. Those from this machine are not counted.
        live address_registrations_per_hour: u32 = 3, Number(1..=10_000);

        /// Messages of one session, to users and groups, at once.
        ///
        /// A long text that is sent in pieces.
        live messages_burst: u32 = 10, Number(1..=1_000);

        /// Messages of one session, in a second, from there on.
        ///
        /// As ergo has it; nobody types faster.
        live messages_per_second: u32 = 2, Number(1..=1_000);

        /// Searches of one session, in a minute.
        ///
        /// 250 users: enough to find somebody, and slow for who wants to have them all.
        live searches_per_minute: u32 = 10, Number(1..=1_000);

        /// Registrations remembered for their repetitions and for the login that follows, at most.
        live registrations_max: usize = 4_096, Number(1..=1_000_000);

        /// Passwords waiting to be hashed or compared, at most.
        ///
        /// Beyond it logins are dropped, and clients ask again.
        live hash_queue_max: usize = 256, Number(1..=100_000);

        /// Connections of the tunnel, at most.
        ///
        /// Half of the files that a process may have open on most systems, and 32 MiB if none of them is read.
        restart tunnel_max: usize = 512, Number(1..=100_000);

        /// Connections of the tunnel from one address, or from one network of IPv6 (/64), at most.
        ///
        /// An office behind one proxy has one address.
        restart tunnel_per_address_max: usize = 64, Number(1..=100_000);

        /// Relays at the same time, at most.
        ///
        /// Two connections and 32 KiB each.
        restart relays_max: usize = 64, Number(1..=10_000);

        /// Relays of one user at the same time, whoever asked for them, at most.
        ///
        /// Some files at once, with different people.
        restart relay_per_user_max: usize = 4, Number(1..=1_000);

        /// Connections for relays from one address, or from one network of IPv6 (/64), at most.
        ///
        /// A household, some of whom send each other files.
        restart relay_per_address_max: usize = 16, Number(1..=10_000);

        /// MiB that one relay carries, at most.
        ///
        /// 5 GiB: the largest file of version 1 has 4, and its frames take a little.
        restart relay_mib_max: u64 = 5 * 1_024, Number(1..=1_048_576);

        /// MiB that relays carry for one user in a day (UTC): what he says, not what he hears.
        ///
        /// Two of the largest files. What was carried is forgotten when the server starts.
        restart relay_user_mib_per_day: u64 = 10 * 1_024, Number(1..=1_048_576);

        /// KiB in a second that a relay carries in each direction.
        ///
        /// A third of what a line of 100 Mbit/s has.
        restart relay_kib_per_second: u64 = 4 * 1_024, Number(1..=10_485_760);

        /// Relays that one session asks for, in a minute.
        ///
        /// More than somebody has files to send.
        live relays_per_minute: u32 = 10, Number(1..=1_000);

        /// Contacts on one list, at most.
        ///
        /// As the original server had it; what one datagram can carry is the most.
        live contacts_max: usize = 256, Number(1..=CONTACTS_IN_A_DATAGRAM);

        /// Messages kept for one user who is away, at most.
        ///
        /// As many as mosquitto queues.
        live offline_max: usize = 1_000, Number(1..=1_000_000);

        /// Messages kept from one user for another, at most.
        ///
        /// As many as ejabberd stores.
        live offline_pair_max: usize = 100, Number(1..=1_000_000);

        /// Bytes of the messages kept for one user who is away, at most.
        ///
        /// As many as 1,000 of the longest messages have. Times the users, this bounds the disk, also where `offline_max` is raised for
        /// people who say little at a time.
        live offline_bytes_max: usize = 512 * 1024, Number(1..=1 << 30);

        /// Messages that one user leaves on a day for those who are away, at most; what they have fetched does not count.
        ///
        /// As many as ten mailboxes take from one user. Days are those of UTC.
        live offline_day_max: usize = 1_000, Number(1..=1_000_000);

        /// How long a message is kept for somebody who does not come.
        ///
        /// 30 days, as others have it. Its sender is not told.
        live offline_lifetime: Duration = Duration::from_hours(30 * 24), Time(Duration::from_hours(1)..=Duration::from_hours(10 * 365 * 24));

        /// Bytes of a message's words, without the font, at most.
        ///
        /// As the original had it.
        live text_max: usize = 450, Number(1..=450);

        /// Bytes of a field of a profile, at most.
        ///
        /// The nick's limit of 16 bytes is the protocol's own.
        live profile_field_max: usize = 255, Number(16..=255);

        /// Groups at the same time, in all, at most.
        ///
        /// Each is named in lists, and a few dozen fit one.
        live groups_max: usize = 1_000, Number(1..=100_000);

        /// Groups that one user is in at the same time, at most.
        ///
        /// A window for each.
        live groups_per_user_max: usize = 16, Number(1..=1_000);

        /// Users in one group, at most.
        ///
        /// Who enters is told of all of them in one datagram.
        live group_members_max: usize = 256, Number(1..=256);

        /// How long what is said to everybody waits for those who are away.
        ///
        /// 30 days, as others have it for messages.
        live broadcast_lifetime: Duration = Duration::from_hours(30 * 24), Time(Duration::from_hours(1)..=Duration::from_hours(365 * 24));
    }

    /// Groups, in which several users talk.
    groups: GroupsConfig {
        /// Types of groups that clients are told of, as in "chat=Chat, talk=Small talk"; an empty list: no groups.
        ///
        /// Clients know a type by its place in the list, and are told of them once, at their login.
        restart types as "group_types": Vec<GroupType> = vec![GroupType::chat()], GroupTypes;
    }

    /// For clients of 2002 and 2003.
    legacy: Legacy {
        /// The charset of clients that speak plain version 1.
        ///
        /// It is one for all of them; what this project's own client sends and gets is always all of Unicode. A session keeps
        /// the one that it began with.
        live charset: Charset = Charset::Gbk, CharsetLabel;
    }

    /// How the server can be watched, over HTTP: `/metrics` for Prometheus, and `/health`.
    metrics: Metrics {
        /// Where to answer HTTP requests for /metrics and /health; off: nowhere.
        restart listen as "metrics-listen": Option<SocketAddr> = None, Or("off", Address);

        /// Whether that may be an address that other machines can reach.
        ///
        /// Nobody is asked for a password there, and how much is going on is not for everybody.
        restart remote as "metrics-remote": bool = false, OnOff;
    }

    /// What a password hash costs, and when it is computed.
    security: Security {
        /// Memory of a new password hash (argon2id), in KiB.
        ///
        /// 19 MiB with two iterations are OWASP's second choice. For a load test, small values make logins cheap.
        restart argon2_memory_kib: u32 = 19 * 1024, Number(passwords::MEMORY_KIB);

        /// Iterations of a new password hash.
        restart argon2_iterations: u32 = 2, Number(passwords::ITERATIONS);

        /// Password hashes computed at the same time.
        restart argon2_threads: usize = 4, Number(1..=64);

        /// How long a right password is recognised without its hash; 0s: not at all.
        ///
        /// 12 h are a day at work, or an evening, with one hash.
        restart verifier_lifetime: Duration = Duration::from_hours(12), Time(Duration::ZERO..=Duration::from_hours(7 * 24));
    }
}
