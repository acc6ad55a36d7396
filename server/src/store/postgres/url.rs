//! Where a PostgreSQL database is. The password is in what connects, and in nothing that is shown.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// What stands in place of a password.
const HIDDEN: &str = "***";

/// The parameters that a URL may have, as libpq has them. sqlx would put those that it does not know into the log, a misspelt password
/// among them.
const PARAMETERS: [&str; 8] = ["host", "port", "dbname", "user", "password", "application_name", "options", "sslmode"];

/// The URL of a PostgreSQL database. What it does not say is looked for in the variables and the password file of libpq.
#[derive(Clone)]
pub struct DatabaseUrl {
    options: PgConnectOptions,
    /// Without its password.
    shown: String,
}

impl DatabaseUrl {
    /// Nothing, if it is none: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE…`, of which each part may be left out. `@`, `/`, `?`
    /// and `#` in a password are written as `%40`, `%2F`, `%3F` and `%23`.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) =
            text.split_once("://").filter(|(scheme, _)| ["postgres", "postgresql"].contains(scheme))?;
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        // Where a password holds one of these as it is, what follows it would be taken for something that may be shown.
        if tail.contains(['@', '#']) {
            return None;
        }
        let host = match authority.rsplit_once('@') {
            Some((user, host)) => match user.split_once(':') {
                Some((user, _)) => format!("{user}:{HIDDEN}@{host}"),
                None => authority.to_owned(),
            },
            None => authority.to_owned(),
        };
        let (path, parameters) = tail.split_once('?').unwrap_or((tail, ""));
        let mut shown = format!("{scheme}://{host}{path}");
        for (index, parameter) in parameters.split('&').filter(|parameter| !parameter.is_empty()).enumerate() {
            let (name, value) = parameter.split_once('=')?;
            if !PARAMETERS.contains(&name) {
                return None;
            }
            let value = if name == "password" { HIDDEN } else { value };
            shown.push_str(&format!("{}{name}={value}", if index == 0 { '?' } else { '&' }));
        }
        Some(Self { options: PgConnectOptions::from_str(text).ok()?, shown })
    }

    /// Whether the way there leaves this machine.
    pub fn is_remote(&self) -> bool {
        let host = self.options.get_host();
        let is_here = |address: IpAddr| address.is_loopback();
        self.options.get_socket().is_none()
            && !host.starts_with('/')
            && host != "localhost"
            && !host.trim_matches(['[', ']']).parse().is_ok_and(is_here)
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        match self.options.get_application_name() {
            Some(_) => self.options.clone(),
            None => self.options.clone().application_name("myicqd"),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        for (text, shown) in [
            ("postgres://ann:s3cret@db.example.org:5433/chat", "postgres://ann:***@db.example.org:5433/chat"),
            ("postgres://ann:s3cret%2F%40@[::1]/chat", "postgres://ann:***@[::1]/chat"),
            ("postgres://ann:s3c:ret@db/chat?sslmode=disable", "postgres://ann:***@db/chat?sslmode=disable"),
            ("postgres://ann:s3c@ret@db/chat", "postgres://ann:***@db/chat"),
            (
                "postgresql:///chat?host=/run/postgresql&password=s3cret&user=ann",
                "postgresql:///chat?host=/run/postgresql&password=***&user=ann",
            ),
            ("postgres://ann@db/chat", "postgres://ann@db/chat"),
            ("postgres://", "postgres://"),
        ] {
            let url = DatabaseUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("s3c"), "{url:?}");
        }
    }

    #[test]
    fn a_socket_and_loopback_are_here() {
        let is_remote = |text| DatabaseUrl::parse(text).unwrap().is_remote();
        for here in [
            "postgres:///a?host=/run/postgresql",
            "postgres://localhost/a",
            "postgres://127.0.0.2",
            "postgres://[::1]/a",
        ] {
            assert!(!is_remote(here), "{here}");
        }
        assert!(is_remote("postgres://db.example.org/a") && is_remote("postgres://192.0.2.1/a"));
    }

    #[test]
    fn what_could_hide_a_password_is_none() {
        for text in [
            "postgres://ann:5432/s3cret@db/chat",
            "postgres://ann:54#s3cret@db/chat",
            "postgres://ann@db/chat?pasword=s3cret",
            "postgres://ann@db/chat?p%61ssword=s3cret",
            "postgres://ann@db/chat?password",
            "postgres://db:port/chat",
            "mysql://db/chat",
            "myicq.db",
            "",
        ] {
            assert!(DatabaseUrl::parse(text).is_none(), "{text}");
        }
    }
}
