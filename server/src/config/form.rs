//! What values look like: how each kind is written, what it may be, and what its flag calls it.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use myicq_wire::charset::Charset;

use crate::store::DatabaseUrl;

/// How the configuration file has a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Toml {
    /// As a number, without quotes.
    Number,
    /// In quotes.
    Text,
    /// As a number, or a word in quotes.
    NumberOrText,
}

/// How a kind of value is written.
pub(super) trait Form {
    /// What it is in the configuration.
    type Value;

    /// What the help calls the value.
    fn name(&self) -> String;

    /// What is allowed, in words that follow "it takes".
    fn wanted(&self) -> String;

    fn toml(&self) -> Toml {
        Toml::Text
    }

    /// Whether a value may hold a password, so that one that was given is not repeated.
    fn is_secret(&self) -> bool {
        false
    }

    /// Nothing, if it is not allowed.
    fn parse(&self, text: &str) -> Option<Self::Value>;

    /// So that reading it back gives the same, but for a password.
    fn show(&self, value: &Self::Value) -> String;
}

/// A whole number within a range.
#[derive(Debug)]
pub(super) struct Number<T>(pub(super) RangeInclusive<T>);

impl<T: FromStr + PartialOrd + Display> Form for Number<T> {
    type Value = T;

    fn name(&self) -> String {
        "N".to_owned()
    }

    fn wanted(&self) -> String {
        format!("a whole number from {} to {}", self.0.start(), self.0.end())
    }

    fn toml(&self) -> Toml {
        Toml::Number
    }

    fn parse(&self, text: &str) -> Option<T> {
        // `parse` would take "+8" too.
        let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse().ok().filter(|value| self.0.contains(value))
    }

    fn show(&self, value: &T) -> String {
        value.to_string()
    }
}

/// A time within a range, with its unit.
#[derive(Debug)]
pub(super) struct Time(pub(super) RangeInclusive<Duration>);

/// The units of a time, from the largest on, in milliseconds. `m` stands before `ms` only in value: suffixes are told apart whole.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Form for Time {
    type Value = Duration;

    fn name(&self) -> String {
        "TIME".to_owned()
    }

    fn wanted(&self) -> String {
        let (from, to) = (self.show(self.0.start()), self.show(self.0.end()));
        format!("a time from {from} to {to}, with its unit: 250ms, 120s, 3m, 1h")
    }

    fn parse(&self, text: &str) -> Option<Duration> {
        let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let milliseconds = digits.parse::<u64>().ok()?.checked_mul(*length)?;
        Some(Duration::from_millis(milliseconds)).filter(|value| self.0.contains(value))
    }

    /// In the largest unit in which it is a whole number.
    fn show(&self, time: &Duration) -> String {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let whole = UNITS.iter().find(|(_, length)| milliseconds >= *length && milliseconds % length == 0);
        whole.map_or_else(|| "0s".to_owned(), |(unit, length)| format!("{}{unit}", milliseconds / length))
    }
}

/// What another form takes, or a word for none of that.
#[derive(Debug)]
pub(super) struct Or<F>(pub(super) &'static str, pub(super) F);

impl<F: Form> Form for Or<F> {
    type Value = Option<F::Value>;

    fn name(&self) -> String {
        format!("{}|{}", self.1.name(), self.0)
    }

    fn wanted(&self) -> String {
        format!("{}, or \"{}\"", self.1.wanted(), self.0)
    }

    fn toml(&self) -> Toml {
        if self.1.toml() == Toml::Number { Toml::NumberOrText } else { self.1.toml() }
    }

    fn is_secret(&self) -> bool {
        self.1.is_secret()
    }

    fn parse(&self, text: &str) -> Option<Self::Value> {
        if text == self.0 { Some(None) } else { self.1.parse(text).map(Some) }
    }

    fn show(&self, value: &Self::Value) -> String {
        value.as_ref().map_or_else(|| self.0.to_owned(), |value| self.1.show(value))
    }
}

/// Yes or no.
#[derive(Debug)]
pub(super) struct OnOff;

impl Form for OnOff {
    type Value = bool;

    fn name(&self) -> String {
        "on|off".to_owned()
    }

    fn wanted(&self) -> String {
        "\"on\" or \"off\"".to_owned()
    }

    fn parse(&self, text: &str) -> Option<bool> {
        match text {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        }
    }

    fn show(&self, value: &bool) -> String {
        if *value { "on" } else { "off" }.to_owned()
    }
}

/// Where to listen.
#[derive(Debug)]
pub(super) struct Address;

impl Form for Address {
    type Value = SocketAddr;

    fn name(&self) -> String {
        "ADDR:PORT".to_owned()
    }

    fn wanted(&self) -> String {
        "an address and a port, as 0.0.0.0:8000 or [::1]:8000".to_owned()
    }

    fn parse(&self, text: &str) -> Option<SocketAddr> {
        text.parse().ok()
    }

    fn show(&self, value: &SocketAddr) -> String {
        value.to_string()
    }
}

/// Where to listen: one address, or one of each family.
#[derive(Debug)]
pub(super) struct Addresses;

impl Form for Addresses {
    type Value = Vec<SocketAddr>;

    fn name(&self) -> String {
        "ADDR:PORT,…".to_owned()
    }

    fn wanted(&self) -> String {
        "an address and a port, as 0.0.0.0:8000 or [::1]:8000, or one of IPv4 and one of IPv6 with a comma between them"
            .to_owned()
    }

    fn parse(&self, text: &str) -> Option<Vec<SocketAddr>> {
        let addresses: Option<Vec<SocketAddr>> = text.split(',').map(|address| address.trim().parse().ok()).collect();
        addresses.filter(|addresses| match addresses[..] {
            [one, other] => one.is_ipv4() != other.is_ipv4(),
            ref addresses => addresses.len() == 1,
        })
    }

    fn show(&self, value: &Vec<SocketAddr>) -> String {
        value.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// A path.
#[derive(Debug)]
pub(super) struct Folder;

impl Form for Folder {
    type Value = PathBuf;

    fn name(&self) -> String {
        "DIR".to_owned()
    }

    fn wanted(&self) -> String {
        "the path of a folder".to_owned()
    }

    fn parse(&self, text: &str) -> Option<PathBuf> {
        if text.is_empty() { None } else { Some(PathBuf::from(text)) }
    }

    fn show(&self, value: &PathBuf) -> String {
        value.display().to_string()
    }
}

/// The URL of a database of PostgreSQL.
#[derive(Debug)]
pub(super) struct Postgres;

impl Form for Postgres {
    type Value = DatabaseUrl;

    fn name(&self) -> String {
        "URL".to_owned()
    }

    fn wanted(&self) -> String {
        "postgres://USER:PASSWORD@HOST:PORT/DATABASE, where each part may be left out".to_owned()
    }

    fn is_secret(&self) -> bool {
        true
    }

    fn parse(&self, text: &str) -> Option<DatabaseUrl> {
        DatabaseUrl::parse(text)
    }

    fn show(&self, value: &DatabaseUrl) -> String {
        value.to_string()
    }
}

/// The name of a server. It travels in datagrams and in the accounts that clients show: nothing in it that needs quoting anywhere.
#[derive(Debug)]
pub(super) struct Domain;

/// Bytes of the domain. The reply to a registration carries it to an address that nothing is known of: with a longer one it could be
/// more than three times as long as the request.
const DOMAIN_MAX: usize = 40;

impl Form for Domain {
    type Value = String;

    fn name(&self) -> String {
        "NAME".to_owned()
    }

    fn wanted(&self) -> String {
        format!("1 to {DOMAIN_MAX} letters, digits, dots and hyphens")
    }

    fn parse(&self, text: &str) -> Option<String> {
        let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
        if is_name && (1..=DOMAIN_MAX).contains(&text.len()) { Some(text.to_ascii_lowercase()) } else { None }
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// A charset by its label.
#[derive(Debug)]
pub(super) struct CharsetLabel;

impl Form for CharsetLabel {
    type Value = Charset;

    fn name(&self) -> String {
        "NAME".to_owned()
    }

    fn wanted(&self) -> String {
        let labels: Vec<_> = Charset::all().map(Charset::label).collect();
        format!("a charset: {}", labels.join(", "))
    }

    fn parse(&self, text: &str) -> Option<Charset> {
        Charset::from_label(text)
    }

    fn show(&self, value: &Charset) -> String {
        value.label().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_ends_where_its_range_ends() {
        let form = Number(8..=1_000_u32);
        assert_eq!((form.parse("8"), form.parse("1000")), (Some(8), Some(1_000)));
        assert_eq!(form.wanted(), "a whole number from 8 to 1000");
        for junk in ["7", "1001", "", "-9", "+9", "1e2", " 9", "9 ", "99999999999999999999999"] {
            assert_eq!(form.parse(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn a_number_or_a_word() {
        let form = Or("auto", Number(1..=64_u32));
        for (text, value) in [("1", Some(1)), ("64", Some(64)), ("auto", None)] {
            assert_eq!(form.parse(text), Some(value));
            assert_eq!(form.show(&value), text);
        }
        for junk in ["0", "65", "all", ""] {
            assert_eq!(form.parse(junk), None, "{junk:?}");
        }
        assert_eq!((form.name(), form.toml()), ("N|auto".to_owned(), Toml::NumberOrText));
        assert_eq!(Or("off", Address).toml(), Toml::Text);
    }

    #[test]
    fn times_have_a_unit() {
        let form = Time(Duration::from_secs(1)..=Duration::from_hours(24));
        for (text, seconds) in [("3m", 180), ("120s", 120), ("2000ms", 2), ("24h", 86_400), ("1s", 1)] {
            assert_eq!(form.parse(text), Some(Duration::from_secs(seconds)));
        }
        for junk in ["", "120", "s", "1.5s", "-1s", "2d", "25h", "999ms", "0s", "é", "99999999999999999h"] {
            assert_eq!(form.parse(junk), None, "{junk:?}");
        }
        let from_zero = Time(Duration::ZERO..=Duration::from_hours(1));
        assert_eq!(from_zero.parse("0s"), Some(Duration::ZERO));
        for (milliseconds, shown) in [(0, "0s"), (1_500, "1500ms"), (90_000, "90s"), (180_000, "3m")] {
            assert_eq!(form.show(&Duration::from_millis(milliseconds)), shown);
        }
    }

    #[test]
    fn a_domain_is_a_name() {
        assert_eq!(Domain.parse("Chat.Example.org").as_deref(), Some("chat.example.org"));
        assert!(Domain.parse(&"a".repeat(DOMAIN_MAX)).is_some());
        for junk in ["", "a b", "a\0", "a/b", "中", &"a".repeat(DOMAIN_MAX + 1)] {
            assert_eq!(Domain.parse(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn addresses_are_numbers() {
        assert_eq!(Address.parse("[::1]:0"), Some(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0))));
        assert_eq!(Address.parse("localhost:8000"), None);
    }
}
