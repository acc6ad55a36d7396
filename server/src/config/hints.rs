//! What a configuration that is allowed may still be meant otherwise.

use super::{Config, SETTINGS, Setting};
use crate::store::DatabaseUrl;

/// Something to think about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hint {
    /// The key that it is about.
    pub key: String,
    /// What may not be meant, and what to do then.
    pub hint: String,
}

/// Everything that stands out in a configuration.
pub fn hints(config: &Config) -> Vec<Hint> {
    let defaults = Config::default();
    let is_for_others = config.listen.for_others().is_some();
    let is_cheap = |security: &super::Security| {
        u64::from(security.argon2_memory_kib) * u64::from(security.argon2_iterations)
            < u64::from(defaults.security.argon2_memory_kib) * u64::from(defaults.security.argon2_iterations)
    };
    let hints = [
        (!is_for_others, "listen.udp", "only this machine gets in; 0.0.0.0:8000 lets in all that reach this machine"),
        (
            is_for_others && config.listen.domain == defaults.listen.domain,
            "listen.domain",
            "accounts on other machines are called by it; give the server a name of its own",
        ),
        (
            config.store.data.is_relative(),
            "store.data",
            "where it is depends on where myicqd is started; write the whole path",
        ),
        (
            config.store.database.as_ref().is_some_and(DatabaseUrl::is_remote),
            "store.database",
            "what goes there over the network is not encrypted; let it go through a network of its own, or a tunnel",
        ),
        (!config.limits.rates, "limits.rates", "no rate is limited, which is for load tests"),
        (
            config.limits.offline_pair_max > config.limits.offline_max,
            "limits.offline_pair_max",
            "is more than limits.offline_max, so that one sender can fill a mailbox",
        ),
        (
            is_for_others && is_cheap(&config.security),
            "security.argon2_memory_kib",
            "a stolen database gives passwords away for less than by default, which is for load tests",
        ),
    ];
    let hints = hints.into_iter().filter(|(applies, ..)| *applies);
    hints.map(|(_, key, hint)| Hint { key: key.to_owned(), hint: hint.to_owned() }).collect()
}

/// What environment variables are called that begin like ours and are none, with the one that may be meant.
pub fn unknown_variables(names: impl IntoIterator<Item = String>, known: &[String]) -> Vec<Hint> {
    let unknown = names.into_iter().filter(|name| {
        name.starts_with("MYICQD_") && !known.contains(name) && !SETTINGS.iter().any(|setting| setting.env == *name)
    });
    let hint = |name: String| {
        let candidates = SETTINGS.iter().map(|setting: &Setting| setting.env.clone());
        let nearest = super::load::nearest(&name, candidates.chain(known.iter().cloned()));
        let hint = format!("sets nothing; did you mean {}?", nearest.unwrap_or_default());
        Hint { key: name, hint }
    };
    unknown.map(hint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::default();
        config.store.data = "/var/lib/myicq".into();
        change(&mut config);
        hints(&config).into_iter().map(|hint| hint.key).collect()
    }

    #[test]
    fn a_server_for_others_has_a_name_and_dear_hashes() {
        assert_eq!(keys(|_| ()), ["listen.udp"]);
        let public = |config: &mut Config| config.listen.udp = vec![([0, 0, 0, 0], 8000).into()];
        assert_eq!(keys(public), ["listen.domain"]);
        let named = |config: &mut Config| {
            public(config);
            config.listen.domain = "chat.example.org".to_owned();
        };
        assert!(keys(named).is_empty());
        let cheap = |config: &mut Config| {
            named(config);
            config.security.argon2_iterations = 1;
        };
        assert_eq!(keys(cheap), ["security.argon2_memory_kib"]);
    }

    #[test]
    fn settings_of_load_tests_stand_out() {
        let load_test = |config: &mut Config| {
            config.limits.rates = false;
            config.limits.offline_max = 99;
            config.store.data = "data".into();
        };
        let expected = ["listen.udp", "store.data", "limits.rates", "limits.offline_pair_max"];
        assert_eq!(keys(load_test), expected);
    }

    #[test]
    fn hints_are_about_settings() {
        let mut config = Config::default();
        config.limits.rates = false;
        for Hint { key, .. } in hints(&config) {
            assert!(SETTINGS.iter().any(|setting| setting.key() == key), "{key}");
        }
    }

    #[test]
    fn a_misspelt_variable_names_the_nearest() {
        let names = ["MYICQD_LISTN", "MYICQD_LISTEN", "MYICQD_LOG", "HOME"].map(str::to_owned);
        let hints = unknown_variables(names, &["MYICQD_LOG".to_owned()]);
        let expected =
            Hint { key: "MYICQD_LISTN".to_owned(), hint: "sets nothing; did you mean MYICQD_LISTEN?".to_owned() };
        assert_eq!(hints, [expected]);
    }
}
