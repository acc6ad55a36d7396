//! Where the settings come from: a flag before the environment, that before the file, and that before the default.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::Config;
use super::settings::{SETTINGS, Setting, Wanted};

/// Why there is no configuration. Each is one line that says what and what to do; what the system said is its source.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{place}: {message}")]
    Syntax {
        /// File and line.
        place: String,
        /// What is wrong there.
        message: String,
    },
    /// The file has a key that does not exist.
    #[error("{place}: unknown key `{key}`; did you mean `{nearest}`?")]
    UnknownKey {
        /// File and line.
        place: String,
        /// The key, with its section.
        key: String,
        /// The known one that is nearest to it.
        nearest: String,
    },
    /// A setting does not take this value.
    #[error("{place}: {given} is not allowed; it takes {wanted}")]
    Value {
        /// The flag, the variable, or file, line and key.
        place: String,
        /// What was given.
        given: String,
        /// What is allowed.
        wanted: Wanted,
    },
    /// Values in the file are numbers or texts.
    #[error("{place}: write {wanted}")]
    Type {
        /// File, line and key.
        place: String,
        /// What is to be written.
        wanted: &'static str,
    },
    /// Rates may be lifted for a load test, which comes from this machine, and for nobody else.
    #[error(
        "limits.rates = \"off\" is accepted only while every listener is on loopback, and {0} is not; listen on 127.0.0.1 \
         or leave the rates on"
    )]
    RatesOff(std::net::SocketAddr),
}

/// A value from the command line or the environment.
#[derive(Clone, Debug)]
pub struct Override {
    /// What it sets.
    pub setting: &'static Setting,
    /// The value.
    pub value: String,
    /// How it was given, for messages: `--listen`, `MYICQD_LISTEN`.
    pub place: String,
}

impl Config {
    /// The configuration of a file, if there is one, and of what goes before it.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn load(file: Option<&Path>, overrides: &[Override]) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if let Some(path) = file {
            config.read(path)?;
        }
        for Override { setting, value, place } in overrides {
            setting.set(&mut config, value).map_err(|wanted| ConfigError::Value {
                place: place.clone(),
                given: format!("{value:?}"),
                wanted,
            })?;
        }
        config.check()?;
        Ok(config)
    }

    fn read(&mut self, path: &Path) -> Result<(), ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "the configuration is read once, before the server runs")]
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        File { name: path.display().to_string(), text: &text }.apply(self)
    }

    /// What no setting can see alone.
    fn check(&self) -> Result<(), ConfigError> {
        if !self.limits.rates && !self.listen.ip().is_loopback() {
            return Err(ConfigError::RatesOff(self.listen));
        }
        Ok(())
    }
}

/// A configuration file.
struct File<'a> {
    name: String,
    text: &'a str,
}

impl File<'_> {
    fn apply(&self, config: &mut Config) -> Result<(), ConfigError> {
        let root = DeTable::parse(self.text).map_err(|error| ConfigError::Syntax {
            place: self.place(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        for (section, value) in root.get_ref() {
            let (name, at) = (section.get_ref().as_ref(), section.span().start);
            match value.get_ref() {
                DeValue::Table(keys) if SETTINGS.iter().any(|setting| setting.section == name) => {
                    self.apply_section(config, name, keys)?;
                }
                DeValue::Table(_) => return Err(self.unknown_section(name, at)),
                _ => return Err(self.unknown_key(name, at)),
            }
        }
        Ok(())
    }

    fn apply_section(&self, config: &mut Config, section: &str, keys: &DeTable<'_>) -> Result<(), ConfigError> {
        for (key, value) in keys {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            let setting = SETTINGS.iter().find(|setting| setting.section == section && setting.name == name);
            let setting = setting.ok_or_else(|| self.unknown_key(&format!("{section}.{name}"), at))?;
            self.set(config, setting, value, at)?;
        }
        Ok(())
    }

    fn set(
        &self,
        config: &mut Config,
        setting: &Setting,
        value: &Spanned<DeValue<'_>>,
        at: usize,
    ) -> Result<(), ConfigError> {
        let place = format!("{}: {}", self.place(at), setting.key());
        let given = match value.get_ref() {
            DeValue::Integer(number) if setting.is_number => decimal(number),
            DeValue::String(text) if !setting.is_number => text.to_string(),
            _ if setting.is_number => return Err(ConfigError::Type { place, wanted: "a whole number without quotes" }),
            _ => return Err(ConfigError::Type { place, wanted: "a text in quotes" }),
        };
        setting.set(config, &given).map_err(|wanted| ConfigError::Value { place, given: format!("{given:?}"), wanted })
    }

    fn unknown_key(&self, key: &str, at: usize) -> ConfigError {
        let known: Vec<String> = SETTINGS.iter().map(Setting::key).collect();
        // A key in the wrong section, or in none, is near to its namesake, however long the section's name.
        let bare = key.rsplit('.').next().unwrap_or(key);
        let namesake = SETTINGS.iter().find(|setting| setting.name == bare).map(Setting::key);
        let nearest = namesake.or_else(|| nearest(key, known)).unwrap_or_default();
        ConfigError::UnknownKey { place: self.place(at), key: key.to_owned(), nearest }
    }

    fn unknown_section(&self, name: &str, at: usize) -> ConfigError {
        let known = SETTINGS.iter().map(|setting| setting.section.to_owned());
        let nearest = nearest(name, known).map(|name| format!("[{name}]")).unwrap_or_default();
        ConfigError::UnknownKey { place: self.place(at), key: format!("[{name}]"), nearest }
    }

    /// The file and the line of a byte in it.
    fn place(&self, at: usize) -> String {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        format!("{}:{}", self.name, 1 + before.iter().filter(|byte| **byte == b'\n').count())
    }
}

/// Numbers of TOML may be in another base; those that no setting could take stay as they are.
fn decimal(number: &DeInteger<'_>) -> String {
    let value = i64::from_str_radix(number.as_str(), number.radix());
    value.map_or_else(|_| number.to_string(), |value| value.to_string())
}

fn nearest(name: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    let known = known.into_iter().map(|known| (strsim::jaro_winkler(name, &known), known));
    known.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(text: &str) -> Result<Config, String> {
        let mut config = Config::default();
        let file = File { name: "myicqd.toml".to_owned(), text };
        let applied = file.apply(&mut config).and_then(|()| config.check());
        applied.map(|()| config).map_err(|error| error.to_string())
    }

    #[test]
    fn a_load_test_lifts_the_rates_and_cheapens_the_hashes() {
        let text = "[limits]\nrates = \"off\"\n[security]\nargon2_memory_kib = 8\nargon2_iterations = 1\n";
        let config = apply(text).unwrap();
        assert!(!config.limits.rates);
        assert_eq!((config.security.argon2_memory_kib, config.security.argon2_iterations), (8, 1));
    }

    #[test]
    fn an_empty_file_and_empty_sections_change_nothing() {
        let config = apply("# nothing\n[store]\n[listen]\n").unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        for (text, message) in [
            (
                "[limits]\n\ncontact_max = 1",
                "myicqd.toml:3: unknown key `limits.contact_max`; did you mean `limits.contacts_max`?",
            ),
            (
                "keepalive_timeout = '3m'",
                "myicqd.toml:1: unknown key `keepalive_timeout`; did you mean `session.keepalive_timeout`?",
            ),
            (
                "[limits]\ncharset = 'gbk'",
                "myicqd.toml:2: unknown key `limits.charset`; did you mean `legacy.charset`?",
            ),
            ("[limit]\nrates = 'on'", "myicqd.toml:1: unknown key `[limit]`; did you mean `[limits]`?"),
        ] {
            assert_eq!(apply(text).unwrap_err(), message);
        }
    }

    #[test]
    fn a_wrong_value_says_what_is_allowed() {
        for (text, message) in [
            (
                "[limits]\ncontacts_max = 0",
                "myicqd.toml:2: limits.contacts_max: \"0\" is not allowed; it takes a whole number from 1 to 1000",
            ),
            ("[limits]\ncontacts_max = '5'", "myicqd.toml:2: limits.contacts_max: write a whole number without quotes"),
            ("[session]\ndelivery_hold = 250", "myicqd.toml:2: session.delivery_hold: write a text in quotes"),
            ("[limits]\nrates = false", "myicqd.toml:2: limits.rates: write a text in quotes"),
            (
                "[limits]\nrates = 'of'",
                "myicqd.toml:2: limits.rates: \"of\" is not allowed; it takes \"on\" or \"off\"",
            ),
        ] {
            assert_eq!(apply(text).unwrap_err(), message);
        }
        assert!(apply("[limits\n").unwrap_err().starts_with("myicqd.toml:1: "));
        assert!(apply("[limits]\ncontacts_max = 1\ncontacts_max = 2").unwrap_err().starts_with("myicqd.toml:3: "));
    }

    #[test]
    fn rates_stay_on_beyond_loopback() {
        let message = apply("[listen]\nudp = '0.0.0.0:8000'\n[limits]\nrates = 'off'").unwrap_err();
        assert!(message.contains("only while every listener is on loopback, and 0.0.0.0:8000 is not"), "{message}");
        assert!(apply("[listen]\nudp = '[::1]:8000'\n[limits]\nrates = 'off'").is_ok());
    }

    #[test]
    fn an_override_goes_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("myicqd.toml");
        #[expect(clippy::disallowed_methods, reason = "the test writes a configuration")]
        std::fs::write(&path, "[listen]\nudp = '127.0.0.1:1'\ndomain = 'from.file'").unwrap();
        let setting = SETTINGS.iter().find(|setting| setting.flag == "listen").unwrap();
        let listen = |value: &str| Override { setting, value: value.to_owned(), place: "--listen".to_owned() };
        let config = Config::load(Some(&path), &[listen("127.0.0.1:2")]).unwrap();
        assert_eq!((config.listen.port(), config.domain.as_str()), (2, "from.file"));
        let message = Config::load(None, &[listen("nowhere")]).unwrap_err().to_string();
        assert!(
            message.starts_with("--listen: \"nowhere\" is not allowed; it takes an address and a port"),
            "{message}"
        );
        let message = Config::load(Some(&folder.path().join("none")), &[]).unwrap_err().to_string();
        assert!(message.starts_with("cannot read the configuration "), "{message}");
    }
}
