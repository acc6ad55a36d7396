//! The settings by their names: in the file, as flags, and in the environment. One row here is all that a setting needs.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use myicq_wire::charset::{Charset, UnknownCharset};

use super::Config;
use super::groups::{group_types, show_group_types};
use crate::passwords;
use crate::share::SHARDS_MAX;

/// What a setting takes, in words: "a whole number from 1 to 1000". Comes back when it was given something else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted(pub(super) String);

impl Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One value that can be set.
#[derive(Debug)]
pub struct Setting {
    /// Its table in the configuration file.
    pub section: &'static str,
    /// Its key in that table.
    pub name: &'static str,
    /// Its flag on the command line, without the dashes.
    pub flag: &'static str,
    /// Its environment variable.
    pub env: &'static str,
    /// What its value is called in the help.
    pub value: &'static str,
    /// What it sets, in one line of the help.
    pub about: &'static str,
    /// Whether the file has it as a number, without quotes.
    pub is_number: bool,
    set: fn(&mut Config, &str) -> Result<(), Wanted>,
    show: fn(&Config) -> String,
}

impl Setting {
    /// How messages call it: `limits.contacts_max`.
    pub fn key(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// Sets it.
    ///
    /// # Errors
    /// What the setting takes, if not this.
    pub fn set(&self, config: &mut Config, value: &str) -> Result<(), Wanted> {
        (self.set)(config, value)
    }

    /// Its value, as it would be written.
    pub fn show(&self, config: &Config) -> String {
        (self.show)(config)
    }
}

/// A row whose value is a number within a range.
macro_rules! number {
    ($section:literal, $name:literal, $flag:literal, $env:literal, $about:literal, $range:expr, $($field:ident).+) => {
        Setting {
            section: $section,
            name: $name,
            flag: $flag,
            env: $env,
            value: "N",
            about: $about,
            is_number: true,
            set: |config, text| number(text, $range).map(|value| config.$($field).+ = value),
            show: |config| config.$($field).+.to_string(),
        }
    };
}

/// A row whose value is a time within a range, with its unit.
macro_rules! duration {
    ($section:literal, $name:literal, $flag:literal, $env:literal, $about:literal, $range:expr, $($field:ident).+) => {
        Setting {
            section: $section,
            name: $name,
            flag: $flag,
            env: $env,
            value: "TIME",
            about: $about,
            is_number: false,
            set: |config, text| duration(text, $range).map(|value| config.$($field).+ = value),
            show: |config| show_duration(config.$($field).+),
        }
    };
}

/// Every setting, in the order of the help and of docs/operations.md. The reasons for the defaults stand at the fields of
/// [`Config`].
pub static SETTINGS: [Setting; 26] = [
    Setting {
        section: "listen",
        name: "udp",
        flag: "listen",
        env: "MYICQD_LISTEN",
        value: "ADDR:PORT",
        about: "Where to listen for datagrams; port 0: any free one",
        is_number: false,
        set: |config, text| address(text).map(|value| config.listen = value),
        show: |config| config.listen.to_string(),
    },
    Setting {
        section: "listen",
        name: "domain",
        flag: "domain",
        env: "MYICQD_DOMAIN",
        value: "NAME",
        about: "The name of this server, by which clients call their accounts",
        is_number: false,
        set: |config, text| domain(text).map(|value| config.domain = value),
        show: |config| config.domain.clone(),
    },
    Setting {
        section: "listen",
        name: "shards",
        flag: "shards",
        env: "MYICQD_SHARDS",
        value: "N|auto",
        about: "Threads that serve users; auto: one for each core",
        is_number: true,
        set: |config, text| shards(text).map(|value| config.shards = value),
        show: |config| config.shards.map_or_else(|| "auto".to_owned(), |shards| shards.to_string()),
    },
    Setting {
        section: "store",
        name: "data",
        flag: "data",
        env: "MYICQD_DATA",
        value: "DIR",
        about: "The folder of the database, made when it is not there",
        is_number: false,
        set: |config, text| folder(text).map(|value| config.data = value),
        show: |config| config.data.display().to_string(),
    },
    duration!(
        "session",
        "keepalive_timeout",
        "keepalive-timeout",
        "MYICQD_KEEPALIVE_TIMEOUT",
        "A session ends after this long without a word from its client",
        Duration::from_secs(1)..=Duration::from_secs(86_400),
        session.keepalive_timeout
    ),
    duration!(
        "session",
        "half_open_timeout",
        "half-open-timeout",
        "MYICQD_HALF_OPEN_TIMEOUT",
        "A login whose address has not been proven is forgotten after this long",
        Duration::from_secs(1)..=Duration::from_secs(600),
        session.half_open_timeout
    ),
    duration!(
        "session",
        "delivery_hold",
        "delivery-hold",
        "MYICQD_DELIVERY_HOLD",
        "How long a message may wait for its recipient's acknowledgement before it is stored",
        Duration::from_millis(1)..=Duration::from_secs(10),
        session.delivery_hold
    ),
    Setting {
        section: "limits",
        name: "rates",
        flag: "rates",
        env: "MYICQD_RATES",
        value: "on|off",
        about: "Whether rates are limited; no rate is limited yet, so it changes nothing; off only on loopback",
        is_number: false,
        set: |config, text| switch(text).map(|value| config.limits.rates = value),
        show: |config| if config.limits.rates { "on" } else { "off" }.to_owned(),
    },
    number!(
        "limits",
        "half_open_max",
        "half-open-max",
        "MYICQD_HALF_OPEN_MAX",
        "Logins whose address has not been proven, at most",
        1..=1_000_000,
        limits.half_open_max
    ),
    number!(
        "limits",
        "registrations_max",
        "registrations-max",
        "MYICQD_REGISTRATIONS_MAX",
        "Registrations remembered for their repetitions, at most",
        1..=1_000_000,
        limits.registrations_max
    ),
    number!(
        "limits",
        "hash_queue_max",
        "hash-queue-max",
        "MYICQD_HASH_QUEUE_MAX",
        "Passwords waiting to be hashed or compared, at most",
        1..=100_000,
        limits.hash_queue_max
    ),
    number!(
        "limits",
        "contacts_max",
        "contacts-max",
        "MYICQD_CONTACTS_MAX",
        "Contacts on one list, at most",
        1..=CONTACTS_IN_A_DATAGRAM,
        limits.contacts_max
    ),
    number!(
        "limits",
        "offline_max",
        "offline-max",
        "MYICQD_OFFLINE_MAX",
        "Messages kept for one user who is away, at most",
        1..=1_000_000,
        limits.offline_max
    ),
    number!(
        "limits",
        "offline_pair_max",
        "offline-pair-max",
        "MYICQD_OFFLINE_PAIR_MAX",
        "Messages kept from one user for another, at most",
        1..=1_000_000,
        limits.offline_pair_max
    ),
    number!(
        "limits",
        "text_max",
        "text-max",
        "MYICQD_TEXT_MAX",
        "Bytes of a message's words, at most",
        1..=450,
        limits.text_max
    ),
    number!(
        "limits",
        "profile_field_max",
        "profile-field-max",
        "MYICQD_PROFILE_FIELD_MAX",
        "Bytes of a field of a profile, at most",
        16..=255,
        limits.profile_field_max
    ),
    number!(
        "limits",
        "groups_max",
        "groups-max",
        "MYICQD_GROUPS_MAX",
        "Groups at the same time, at most",
        1..=100_000,
        limits.groups_max
    ),
    number!(
        "limits",
        "groups_per_user_max",
        "groups-per-user-max",
        "MYICQD_GROUPS_PER_USER_MAX",
        "Groups that one user is in, at most",
        1..=1_000,
        limits.groups_per_user_max
    ),
    number!(
        "limits",
        "group_members_max",
        "group-members-max",
        "MYICQD_GROUP_MEMBERS_MAX",
        "Users in one group, at most",
        1..=256,
        limits.group_members_max
    ),
    duration!(
        "limits",
        "broadcast_lifetime",
        "broadcast-lifetime",
        "MYICQD_BROADCAST_LIFETIME",
        "How long what is said to everybody waits for those who are away",
        Duration::from_secs(3_600)..=Duration::from_secs(365 * 86_400),
        limits.broadcast_lifetime
    ),
    Setting {
        section: "groups",
        name: "group_types",
        flag: "group-types",
        env: "MYICQD_GROUP_TYPES",
        value: "LIST",
        about: "Types of groups, as in `chat=Chat, talk=Small talk`; an empty list: no groups",
        is_number: false,
        set: |config, text| group_types(text).map(|value| config.group_types = value),
        show: |config| show_group_types(&config.group_types),
    },
    Setting {
        section: "legacy",
        name: "charset",
        flag: "charset",
        env: "MYICQD_CHARSET",
        value: "NAME",
        about: "The charset of clients that speak plain v1",
        is_number: false,
        set: |config, text| charset(text).map(|value| config.charset = value),
        show: |config| config.charset.label().to_owned(),
    },
    number!(
        "security",
        "argon2_memory_kib",
        "argon2-memory-kib",
        "MYICQD_ARGON2_MEMORY_KIB",
        "Memory of a new password hash, in KiB",
        passwords::MEMORY_KIB,
        security.argon2_memory_kib
    ),
    number!(
        "security",
        "argon2_iterations",
        "argon2-iterations",
        "MYICQD_ARGON2_ITERATIONS",
        "Iterations of a new password hash",
        passwords::ITERATIONS,
        security.argon2_iterations
    ),
    number!(
        "security",
        "argon2_threads",
        "argon2-threads",
        "MYICQD_ARGON2_THREADS",
        "Password hashes computed at the same time",
        1..=64,
        security.argon2_threads
    ),
    duration!(
        "security",
        "verifier_lifetime",
        "verifier-lifetime",
        "MYICQD_VERIFIER_LIFETIME",
        "How long a right password is recognised without its hash; 0s: not at all",
        Duration::ZERO..=Duration::from_secs(7 * 86_400),
        security.verifier_lifetime
    ),
];

/// The reply that carries a list is one datagram of at most 4,096 bytes, four for each contact.
const CONTACTS_IN_A_DATAGRAM: usize = 1_000;

fn address(text: &str) -> Result<SocketAddr, Wanted> {
    text.parse().map_err(|_| Wanted("an address and a port, as 0.0.0.0:8000 or [::1]:8000".to_owned()))
}

fn shards(text: &str) -> Result<Option<u32>, Wanted> {
    if text == "auto" { Ok(None) } else { number(text, 1..=SHARDS_MAX).map(Some) }
}

fn charset(text: &str) -> Result<Charset, Wanted> {
    Charset::from_label(text).ok_or_else(|| Wanted(UnknownCharset.to_string()))
}

fn number<T: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<T>) -> Result<T, Wanted> {
    // `parse` would take "+8" too.
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let value = digits.and_then(|digits| digits.parse().ok()).filter(|value| range.contains(value));
    value.ok_or_else(|| Wanted(format!("a whole number from {} to {}", range.start(), range.end())))
}

fn switch(text: &str) -> Result<bool, Wanted> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(Wanted("\"on\" or \"off\"".to_owned())),
    }
}

fn folder(text: &str) -> Result<PathBuf, Wanted> {
    if text.is_empty() { Err(Wanted("the path of a folder".to_owned())) } else { Ok(PathBuf::from(text)) }
}

/// Bytes of the domain. The reply to a registration carries it to an address that nothing is known of: with a longer one it could be
/// more than three times as long as the request.
const DOMAIN_MAX: usize = 40;

/// It travels in datagrams and in the accounts that clients show: nothing in it that needs quoting anywhere.
fn domain(text: &str) -> Result<String, Wanted> {
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    if (1..=DOMAIN_MAX).contains(&text.len()) && is_name(text) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(Wanted(format!("1 to {DOMAIN_MAX} letters, digits, dots and hyphens")))
    }
}

/// The units of a duration, from the largest on, in milliseconds. `m` stands before `ms` only in value: suffixes are told
/// apart whole.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

fn duration(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, Wanted> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let milliseconds = UNITS.iter().find(|(name, _)| *name == unit).and_then(|(_, length)| {
        let count: u64 = digits.parse().ok()?;
        count.checked_mul(*length)
    });
    milliseconds.map(Duration::from_millis).filter(|value| range.contains(value)).ok_or_else(|| {
        let (from, to) = (show_duration(*range.start()), show_duration(*range.end()));
        Wanted(format!("a time from {from} to {to}, with its unit: 250ms, 120s, 3m, 1h"))
    })
}

/// In the largest unit in which it is a whole number, so that reading it back gives the same.
fn show_duration(time: Duration) -> String {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let whole = UNITS.iter().find(|(_, length)| milliseconds >= *length && milliseconds % length == 0);
    whole.map_or_else(|| "0s".to_owned(), |(unit, length)| format!("{}{unit}", milliseconds / length))
}

#[cfg(test)]
mod tests;
