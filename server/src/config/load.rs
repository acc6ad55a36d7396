//! Where the settings come from: a flag before the environment, that before the file, and that before the default.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::{Config, Listen, SETTINGS, Setting, Toml};

/// One thing that is wrong with the configuration: one line that says what and what to do. What the system said is its source.
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
    #[error("{place}: {given} is not allowed; it takes {}", .setting.wanted)]
    Value {
        /// The flag, the variable, or file, line and key.
        place: String,
        /// What was given, in quotes, unless it may hold a password.
        given: String,
        /// For what.
        setting: &'static Setting,
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
    /// Whoever can reach the metrics may read them.
    #[error(
        "metrics.listen is {0}, which other machines may reach, and anybody there may read it; listen on 127.0.0.1, or \
         set metrics.remote = \"on\""
    )]
    MetricsRemote(std::net::SocketAddr),
}

impl ConfigError {
    fn value(place: String, given: &str, setting: &'static Setting) -> Self {
        let given = if setting.is_secret { "this".to_owned() } else { format!("{given:?}") };
        Self::Value { place, given, setting }
    }
}

/// Everything that is wrong with the configuration, at least one thing. Is shown as the first of them, and how many more there are.
#[derive(Debug)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// A line for each of them, with its cause; those of the file first.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|error| match error {
            ConfigError::File { source, .. } => format!("{error}: {source}"),
            _ => error.to_string(),
        })
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().next().unwrap_or_default())?;
        match self.0.len() {
            0 | 1 => Ok(()),
            all => write!(f, " (and {} more; `myicqd config check` has all)", all - 1),
        }
    }
}

impl std::error::Error for ConfigErrors {}

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

/// All that a configuration is made of. It can be asked for one again, when the file has changed.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, where there is one.
    pub file: Option<PathBuf>,
    /// What goes before the file.
    pub overrides: Vec<Override>,
}

/// A configuration, and where its values are from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// For each of [`SETTINGS`], in their order.
    places: Vec<Option<String>>,
}

impl Loaded {
    /// Where a setting has its value from (`myicqd.toml:3`, `--listen`, `MYICQD_LISTEN`); none, where it has its default.
    pub fn place(&self, setting: &Setting) -> Option<&str> {
        let index = SETTINGS.iter().position(|one| one.flag == setting.flag)?;
        self.places.get(index)?.as_deref()
    }

    fn set(&mut self, setting: &Setting, value: &str, place: String) -> bool {
        let is_allowed = setting.set(&mut self.config, value);
        if let Some(index) = SETTINGS.iter().position(|one| one.flag == setting.flag)
            && let Some(known) = self.places.get_mut(index)
        {
            *known = Some(place);
        }
        is_allowed
    }
}

impl Default for Loaded {
    fn default() -> Self {
        Self { config: Config::default(), places: vec![None; SETTINGS.len()] }
    }
}

impl Sources {
    /// Reads the file, if there is one, and applies what goes before it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Loaded, ConfigErrors> {
        let (mut loaded, mut errors) = (Loaded::default(), Vec::new());
        if let Some(path) = &self.file {
            match read(path) {
                Ok(text) => errors.extend(File::new(path.display().to_string(), &text, &mut loaded).apply()),
                Err(error) => errors.push(error),
            }
        }
        for Override { setting, value, place } in &self.overrides {
            if !loaded.set(setting, value, place.clone()) {
                errors.push(ConfigError::value(place.clone(), value, setting));
            }
        }
        // What is wrong in itself would be told twice.
        if errors.is_empty() {
            errors.extend(loaded.config.check().err());
        }
        if errors.is_empty() { Ok(loaded) } else { Err(ConfigErrors(errors)) }
    }
}

impl Listen {
    /// An address on which others than this machine may get in.
    pub fn for_others(&self) -> Option<&std::net::SocketAddr> {
        self.udp.iter().find(|address| !address.ip().is_loopback())
    }
}

impl Config {
    /// What no setting can see alone.
    ///
    /// # Errors
    /// Which values do not go together.
    pub fn check(&self) -> Result<(), ConfigError> {
        let others = [self.listen.tunnel, self.listen.relay].into_iter().flatten();
        let mut listeners = self.listen.udp.iter().copied().chain(others);
        if let Some(address) = listeners.find(|address| !self.limits.rates && !address.ip().is_loopback()) {
            return Err(ConfigError::RatesOff(address));
        }
        if let Some(metrics) = self.metrics.listen
            && !self.metrics.remote
            && !metrics.ip().is_loopback()
        {
            return Err(ConfigError::MetricsRemote(metrics));
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the configuration is a file; it is read at the start and when asked for"
    )]
    std::fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })
}

/// A configuration file that is being applied.
struct File<'a> {
    name: String,
    text: &'a str,
    loaded: &'a mut Loaded,
    /// With the byte that each is about.
    errors: Vec<(usize, ConfigError)>,
}

impl<'a> File<'a> {
    fn new(name: String, text: &'a str, loaded: &'a mut Loaded) -> Self {
        Self { name, text, loaded, errors: Vec::new() }
    }

    /// Takes over what is right, and gives back what is wrong, by line.
    fn apply(mut self) -> impl Iterator<Item = ConfigError> {
        self.read();
        self.errors.sort_by_key(|&(at, _)| at);
        self.errors.into_iter().map(|(_, error)| error)
    }

    fn read(&mut self) {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            let message = error.message().to_owned();
            self.errors.push((at, ConfigError::Syntax { place: self.place(at), message }));
        }
        // What is left of a file that is no TOML says nothing about what was meant.
        if !self.errors.is_empty() {
            return;
        }
        for (section, value) in root.get_ref() {
            let (name, at) = (section.get_ref().as_ref(), section.span().start);
            match value.get_ref() {
                DeValue::Table(keys) if SETTINGS.iter().any(|setting| setting.section == name) => {
                    self.apply_section(name, keys);
                }
                DeValue::Table(_) => self.report_unknown_section(name, at),
                _ => self.report_unknown_key(name, at),
            }
        }
    }

    fn apply_section(&mut self, section: &str, keys: &DeTable<'_>) {
        for (key, value) in keys {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            match SETTINGS.iter().find(|setting| setting.section == section && setting.name == name) {
                Some(setting) => self.set(setting, value, at),
                None => self.report_unknown_key(&format!("{section}.{name}"), at),
            }
        }
    }

    fn set(&mut self, setting: &'static Setting, value: &Spanned<DeValue<'_>>, at: usize) {
        let place = self.place(at);
        let named = format!("{place}: {}", setting.key());
        let given = match (value.get_ref(), setting.toml) {
            (DeValue::Integer(number), Toml::Number | Toml::NumberOrText) => decimal(number),
            (DeValue::String(text), Toml::Text | Toml::NumberOrText) => text.to_string(),
            (_, toml) => {
                let wanted = match toml {
                    Toml::Number => "a whole number without quotes",
                    Toml::Text => "a text in quotes",
                    Toml::NumberOrText => "a whole number without quotes, or a word in quotes",
                };
                return self.errors.push((at, ConfigError::Type { place: named, wanted }));
            }
        };
        if !self.loaded.set(setting, &given, place) {
            self.errors.push((at, ConfigError::value(named, &given, setting)));
        }
    }

    fn report_unknown_key(&mut self, key: &str, at: usize) {
        let known: Vec<String> = SETTINGS.iter().map(Setting::key).collect();
        // A key in the wrong section, or in none, is near to its namesake, however long the section's name.
        let bare = key.rsplit('.').next().unwrap_or(key);
        let namesake = SETTINGS.iter().find(|setting| setting.name == bare).map(Setting::key);
        let nearest = namesake.or_else(|| nearest(key, known)).unwrap_or_default();
        self.errors.push((at, ConfigError::UnknownKey { place: self.place(at), key: key.to_owned(), nearest }));
    }

    fn report_unknown_section(&mut self, name: &str, at: usize) {
        let known = SETTINGS.iter().map(|setting| setting.section.to_owned());
        let nearest = nearest(name, known).map(|name| format!("[{name}]")).unwrap_or_default();
        self.errors.push((at, ConfigError::UnknownKey { place: self.place(at), key: format!("[{name}]"), nearest }));
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

pub(super) fn nearest(name: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    let known = known.into_iter().map(|known| (strsim::jaro_winkler(name, &known), known));
    known.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Loaded, Vec<String>> {
        let mut loaded = Loaded::default();
        let mut errors: Vec<_> = File::new("myicqd.toml".to_owned(), text, &mut loaded).apply().collect();
        errors.extend(loaded.config.check().err());
        if errors.is_empty() { Ok(loaded) } else { Err(errors.iter().map(ToString::to_string).collect()) }
    }

    fn apply(text: &str) -> Result<Config, String> {
        load(text).map(|loaded| loaded.config).map_err(|errors| errors.join("\n"))
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let text = "[limits]\ncontact_max = 1\ntext_max = 451\n[sesion]\n[listen]\nshards = true\n";
        let errors = load(text).unwrap_err();
        assert_eq!(errors.len(), 4, "{errors:?}");
        let expected = [(2, "contact_max"), (3, "text_max"), (4, "[sesion]"), (6, "listen.shards")];
        for (error, (line, key)) in errors.iter().zip(expected) {
            assert!(error.starts_with(&format!("myicqd.toml:{line}: ")) && error.contains(key), "{errors:?}");
        }
        let errors = load("[limits\ntext_max = \n").unwrap_err();
        assert!(errors.iter().all(|error| error.starts_with("myicqd.toml:")), "{errors:?}");
    }

    #[test]
    fn each_value_knows_where_it_is_from() {
        let loaded = load("[listen]\n# for tests\nshards = 2\n").unwrap();
        let place = |name: &str| loaded.place(SETTINGS.iter().find(|setting| setting.name == name).unwrap());
        assert_eq!((place("shards"), place("udp")), (Some("myicqd.toml:3"), None));
    }

    #[test]
    fn shards_are_counted_or_left_to_the_machine() {
        for (text, shards) in [("4", Some(4)), ("'auto'", None), ("0x10", Some(16))] {
            assert_eq!(apply(&format!("[listen]\nshards = {text}")).unwrap().listen.shards, shards);
        }
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
        assert!(apply("[listen]\nrelay = '0.0.0.0:8001'\n[limits]\nrates = 'off'").is_err());
        let both = apply("[listen]\nudp = '127.0.0.1:8000, [::]:8000'\n[limits]\nrates = 'off'").unwrap_err();
        assert!(both.contains("and [::]:8000 is not"), "{both}");
    }

    #[test]
    fn there_is_one_address_of_each_family() {
        let udp = |text: &str| apply(&format!("[listen]\nudp = '{text}'"));
        for sound in ["[::]:1", "0.0.0.0:8000,[::]:8000", "[::1]:8000 , 127.0.0.1:9"] {
            assert!(udp(sound).is_ok(), "{sound}");
        }
        for junk in ["", ",", "127.0.0.1:1,", "127.0.0.1:1, 127.0.0.2:1", "[::1]:1,[::2]:1", "0.0.0.0:1,[::]:1,[::1]:2"]
        {
            assert!(udp(junk).unwrap_err().contains("one of IPv4 and one of IPv6"), "{junk}");
        }
    }

    #[test]
    fn an_override_goes_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("myicqd.toml");
        #[expect(clippy::disallowed_methods, reason = "the test writes a configuration")]
        std::fs::write(&path, "[listen]\nudp = '127.0.0.1:1'\ndomain = 'from.file'").unwrap();
        let setting = SETTINGS.iter().find(|setting| setting.flag == "listen").unwrap();
        let listen = |value: &str| Override { setting, value: value.to_owned(), place: "--listen".to_owned() };
        let load = |file: Option<&Path>, value: &str| {
            Sources { file: file.map(Path::to_owned), overrides: vec![listen(value)] }.load()
        };
        let loaded = load(Some(&path), "127.0.0.1:2").unwrap();
        assert_eq!((loaded.config.listen.udp[0].port(), &*loaded.config.listen.domain), (2, "from.file"));
        assert_eq!(loaded.place(setting), Some("--listen"));
        let message = load(None, "nowhere").unwrap_err().to_string();
        assert!(
            message.starts_with("--listen: \"nowhere\" is not allowed; it takes an address and a port"),
            "{message}"
        );
        let errors = load(Some(&folder.path().join("none")), "nowhere").unwrap_err();
        assert!(errors.to_string().starts_with("cannot read the configuration "), "{errors}");
        assert_eq!(errors.lines().count(), 2);
    }
}
