//! Which of the settings of a new configuration a running server takes over.

use super::{Config, ConfigError, SETTINGS, Setting};

/// What a new configuration comes to in a running server.
#[derive(Clone, Debug)]
pub struct Reload {
    /// What holds from now on.
    pub config: Config,
    /// The settings that have changed.
    pub changed: Vec<&'static Setting>,
    /// Those that would have, and keep their old value until the next start.
    pub kept: Vec<&'static Setting>,
}

impl Config {
    /// This configuration with what is new in another one, as far as a running server can change it.
    ///
    /// # Errors
    /// What is new does not go together with what must stay.
    pub fn reload(&self, new: &Self) -> Result<Reload, ConfigError> {
        let differ = SETTINGS.iter().filter(|setting| setting.show(self) != setting.show(new));
        let (changed, kept): (Vec<_>, Vec<_>) = differ.partition(|setting| setting.is_live);
        let mut config = self.clone();
        for setting in &changed {
            setting.copy(&mut config, new);
        }
        config.check()?;
        Ok(Reload { config, changed, kept })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(settings: &[&Setting]) -> Vec<&'static str> {
        settings.iter().map(|setting| setting.name).collect()
    }

    #[test]
    fn what_is_live_changes_and_the_rest_is_kept() {
        let (old, mut new) = (Config::default(), Config::default());
        (new.limits.contacts_max, new.security.argon2_threads) = (7, 8);
        let reload = old.reload(&new).unwrap();
        assert_eq!((names(&reload.changed), names(&reload.kept)), (vec!["contacts_max"], vec!["argon2_threads"]));
        assert_eq!((reload.config.limits.contacts_max, reload.config.security.argon2_threads), (7, 4));
        let again = reload.config.reload(&new).unwrap();
        assert!(again.changed.is_empty() && names(&again.kept) == ["argon2_threads"], "it is said until it is done");
    }

    #[test]
    fn what_is_new_must_go_with_what_stays() {
        let (mut old, mut new) = (Config::default(), Config::default());
        old.listen.udp = vec![([0, 0, 0, 0], 8_000).into()];
        new.limits.rates = false;
        assert!(matches!(old.reload(&new), Err(ConfigError::RatesOff(_))), "it still listens for everybody");
    }
}
