//! How often users and addresses may try to log in and to register, before there is a session.
//!
//! Logins count against their user and their address while they are under way, and afterwards only those whose password was
//! wrong, on all shards together: an office behind one address that logs in at nine is not held up. Whoever guesses at a user's password uses up what
//! strangers may try for that user, not what he may try from where he logged in last.

use std::net::IpAddr;
use std::time::Duration;

use hashbrown::HashMap;
use myicq_wire::{Instant, Uin};

use super::rates::{BUCKETS, Buckets, Rate};
use super::{Attempt, LoginRefusal, RegistrationRefusal};
use crate::config::{Limits, Registration};
use crate::share::Share;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Users of a server of whom it is remembered where they logged in last; some 1 MB. One more, and any one of them is forgotten.
const HOMES_MAX: usize = 1 << 16;

/// An address as limits count it: one of IPv4, or the network of 64 bits that a provider gives to one customer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Source(u64);

impl Source {
    pub(crate) fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V4(ip) => ip.to_bits().into(),
            IpAddr::V6(ip) => u64::try_from(ip.to_bits() >> 64).unwrap_or_default(),
        })
    }
}

/// Whether an address is within reach of few: of this machine, of a private network, or of one cable.
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// A login under way.
#[derive(Clone, Copy, Debug)]
struct Login {
    uin: Uin,
    source: Source,
    /// Under what it counts against its user.
    user: u128,
}

/// What attempts to log in and to register have used up.
#[derive(Debug)]
pub(super) struct Throttle {
    users: Buckets,
    addresses: Buckets,
    registrations: Buckets,
    homes: HashMap<Uin, Source>,
    homes_max: usize,
    /// As many as passwords wait.
    under_way: HashMap<Attempt, Login>,
}

impl Throttle {
    /// Nothing is used up. The key must be random.
    pub(super) fn new(key: &[u8; 32], share: &Share) -> Self {
        let buckets = || Buckets::new(key, share.part_of(BUCKETS));
        let (addresses_key, addresses) = share.addresses(key, BUCKETS);
        Self {
            users: buckets(),
            // Whoever guesses at many users from one address speaks to many shards.
            addresses: Buckets::shared(&addresses_key, addresses),
            registrations: buckets(),
            homes: HashMap::new(),
            homes_max: share.part_of(HOMES_MAX),
            under_way: HashMap::new(),
        }
    }

    fn login(&self, uin: Uin, ip: IpAddr) -> Login {
        let source = Source::of(ip);
        let is_home = self.homes.get(&uin) == Some(&source);
        Login { uin, source, user: u128::from(uin.0) << 1 | u128::from(is_home) }
    }

    /// Whether a password may be tried at all, be it by a look at the verifiers: otherwise those would answer a guess that argon2
    /// never sees.
    pub(super) fn may_try(&self, now: Instant, uin: Uin, ip: IpAddr, limits: &Limits) -> bool {
        let user = self.login(uin, ip).user;
        !limits.rates || self.users.has_room(user, now, user_rate(limits))
    }

    /// A password was right that is known. There is no attempt to end.
    pub(super) fn on_known(&mut self, uin: Uin, ip: IpAddr) {
        self.remember(uin, Source::of(ip));
    }

    /// Argon2 is to judge a login: [`Throttle::end`]. Not, if its user or its address has used up what they have. `is_known` says whether
    /// there is a verifier, at which the password may have been a guess.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        attempt: Attempt,
        (uin, ip): (Uin, IpAddr),
        is_known: bool,
        limits: &Limits,
    ) -> bool {
        let login = self.login(uin, ip);
        if limits.rates {
            if !self.users.take(login.user, now, user_rate(limits)) {
                return false;
            }
            if !self.addresses.take(login.source.0.into(), now, address_rate(limits)) {
                if !is_known {
                    self.users.give_back(login.user, now, user_rate(limits));
                }
                return false;
            }
        }
        self.under_way.insert(attempt, login);
        true
    }

    /// A login is over. Only wrong passwords go on counting.
    pub(super) fn end(&mut self, now: Instant, attempt: Attempt, outcome: Result<(), LoginRefusal>, limits: &Limits) {
        let Some(login) = self.under_way.remove(&attempt) else { return };
        let is_wrong = matches!(outcome, Err(LoginRefusal::WrongPassword | LoginRefusal::NoSuchUser));
        if limits.rates && !is_wrong {
            self.users.give_back(login.user, now, user_rate(limits));
            self.addresses.give_back(login.source.0.into(), now, address_rate(limits));
        }
        if outcome.is_ok() {
            self.remember(login.uin, login.source);
        }
    }

    fn remember(&mut self, uin: Uin, source: Source) {
        if self.homes.len() >= self.homes_max
            && !self.homes.contains_key(&uin)
            && let Some(&other) = self.homes.keys().next()
        {
            self.homes.remove(&other);
        }
        self.homes.insert(uin, source);
    }

    /// Whether somebody may register from an address, which counts as one that did.
    pub(super) fn register(&mut self, now: Instant, ip: IpAddr, limits: &Limits) -> Result<(), RegistrationRefusal> {
        let is_open = match limits.registration {
            Registration::Off => false,
            Registration::Private => is_private(ip),
            Registration::Everywhere => true,
        };
        if !is_open {
            return Err(RegistrationRefusal::Closed);
        }
        // Nobody else can take this machine's own address.
        let is_limited = limits.rates && !ip.to_canonical().is_loopback();
        let rate = Rate::of(limits.address_registrations_per_hour, HOUR);
        if is_limited && !self.registrations.take(Source::of(ip).0.into(), now, rate) {
            return Err(RegistrationRefusal::TooOften);
        }
        Ok(())
    }
}

fn user_rate(limits: &Limits) -> Rate {
    Rate::of(limits.user_wrong_logins_per_minute, MINUTE)
}

fn address_rate(limits: &Limits) -> Rate {
    Rate::of(limits.address_wrong_logins_per_minute, MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_told_from_the_others() {
        let private = [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.7.7",
            "169.254.1.1",
            "::1",
            "fd00::1",
            "fe80::1",
        ];
        for ip in private.into_iter().chain(["::ffff:10.0.0.1"]) {
            assert!(is_private(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["8.8.8.8", "172.32.0.1", "192.169.0.1", "100.64.0.1", "0.0.0.0", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(!is_private(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn an_address_of_ipv6_counts_with_its_network() {
        let source = |ip: &str| Source::of(ip.parse().unwrap());
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:10.0.0.1"), source("10.0.0.1"));
        assert_ne!(source("10.0.0.1"), source("10.0.0.2"));
    }

    #[test]
    fn homes_end_at_their_maximum() {
        let mut throttle = Throttle::new(&[7; 32], &Share::whole());
        throttle.homes_max = 3;
        for uin in 1..=4 {
            throttle.remember(Uin(uin), Source(7));
            throttle.remember(Uin(uin), Source(8));
            assert_eq!(throttle.homes.len(), uin.min(3) as usize);
        }
        assert_eq!(throttle.homes.get(&Uin(4)), Some(&Source(8)));
    }
}
