//! The settings as a table, which [`settings!`] makes of what stands in the structs.

use super::Config;
use super::form::{Form, Toml};

/// One value that can be set.
#[derive(Debug)]
pub struct Setting {
    /// Its table in the configuration file.
    pub section: &'static str,
    /// What that table is about, as a sentence.
    pub section_about: String,
    /// Its key in that table.
    pub name: &'static str,
    /// Its flag on the command line, without the dashes.
    pub flag: String,
    /// Its environment variable.
    pub env: String,
    /// What its value is called in the help.
    pub value: String,
    /// What it sets, as a sentence.
    pub about: String,
    /// Why its default is what it is, and what else there is to know; may be empty.
    pub reason: String,
    /// What it takes, in words: "a whole number from 1 to 1000".
    pub wanted: String,
    /// How the file has it.
    pub toml: Toml,
    /// Whether a reload changes it in the running server. Otherwise it waits for the next start.
    pub is_live: bool,
    /// Whether its value may hold a password, which is to be shown nowhere.
    pub is_secret: bool,
    access: Access,
}

/// The way from a setting to its place in the configuration.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) set: fn(&mut Config, &str) -> Option<()>,
    pub(super) show: fn(&Config) -> String,
    pub(super) copy: fn(&mut Config, &Config),
}

impl Setting {
    pub(super) fn new(
        (section, section_doc): (&'static str, &str),
        (name, flag): (&'static str, Option<&str>),
        doc: &str,
        is_live: bool,
        form: &impl Form,
        access: Access,
    ) -> Self {
        let flag = flag.unwrap_or(name).replace('_', "-");
        let env = format!("MYICQD_{}", flag.to_ascii_uppercase().replace('-', "_"));
        let (about, reason) = doc.split_once("\n\n").unwrap_or((doc, ""));
        Self {
            section,
            section_about: in_one_line(section_doc),
            name,
            flag,
            env,
            value: form.name(),
            about: in_one_line(about),
            reason: in_one_line(reason),
            wanted: form.wanted(),
            toml: form.toml(),
            is_live,
            is_secret: form.is_secret(),
            access,
        }
    }

    /// How messages call it: `limits.contacts_max`.
    pub fn key(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// Sets it, unless it does not take this value. Says whether it does.
    #[must_use]
    pub fn set(&self, config: &mut Config, value: &str) -> bool {
        (self.access.set)(config, value).is_some()
    }

    /// Its value, as it would be given to a flag.
    pub fn show(&self, config: &Config) -> String {
        (self.access.show)(config)
    }

    /// Gives it the value that it has in another configuration.
    pub fn copy(&self, config: &mut Config, from: &Config) {
        (self.access.copy)(config, from);
    }
}

fn in_one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Makes of a list of sections with their settings: the struct [`Config`], one for each section, their defaults, and the table
/// [`super::SETTINGS`].
macro_rules! settings {
    (@is_live live) => { true };
    (@is_live restart) => { false };
    (@flag) => { None };
    (@flag $flag:literal) => { Some($flag) };
    ($(
        $(#[doc = $section_doc:literal])+
        $section:ident: $struct:ident { $(
            $(#[doc = $doc:literal])+
            $change:ident $name:ident $(as $flag:literal)?: $type:ty = $default:expr, $form:expr;
        )+ }
    )+) => {
        /// What the server is run with. `Config::default()` is a server for this machine alone.
        #[derive(Clone, Debug)]
        pub struct Config {
            $( $(#[doc = $section_doc])+ pub $section: $struct, )+
        }

        $(
            $(#[doc = $section_doc])+
            #[derive(Clone, Debug)]
            pub struct $struct {
                $( $(#[doc = $doc])+ pub $name: $type, )+
            }
        )+

        impl Default for Config {
            fn default() -> Self {
                Self { $( $section: $struct { $( $name: $default, )+ }, )+ }
            }
        }

        /// Every setting, in the order of the help and of docs/operations.md.
        pub static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
            use self::form::Form as _;
            let mut table = Vec::new();
            $(
                let section = (stringify!($section), concat!($($section_doc, "\n"),+));
                $( table.push(Setting::new(
                    section,
                    (stringify!($name), settings!(@flag $($flag)?)),
                    concat!($($doc, "\n"),+),
                    settings!(@is_live $change),
                    &$form,
                    table::Access {
                        set: |config, text| $form.parse(text).map(|value| config.$section.$name = value),
                        show: |config| $form.show(&config.$section.$name),
                        copy: |config, from| config.$section.$name.clone_from(&from.$section.$name),
                    },
                )); )+
            )+
            table
        });
    };
}
pub(super) use settings;

#[cfg(test)]
mod tests {
    use super::super::SETTINGS;
    use super::*;

    #[test]
    fn every_default_is_allowed_and_reads_back_as_itself() {
        let defaults = Config::default();
        for setting in SETTINGS.iter() {
            let mut config = Config::default();
            assert!(setting.set(&mut config, &setting.show(&defaults)), "{}: {}", setting.key(), setting.wanted);
            setting.copy(&mut config, &defaults);
            assert_eq!(format!("{config:?}"), format!("{defaults:?}"), "{}", setting.key());
        }
    }

    #[test]
    fn names_are_unique_and_everything_is_said() {
        for (index, setting) in SETTINGS.iter().enumerate() {
            assert!(!SETTINGS[..index].iter().any(|other| other.flag == setting.flag), "{}", setting.key());
            for sentence in [&setting.section_about, &setting.about, &setting.reason] {
                assert!(sentence.is_empty() || sentence.ends_with('.'), "{sentence}");
            }
            assert!(!setting.about.is_empty() && !setting.wanted.is_empty(), "{}", setting.key());
        }
    }

    #[test]
    fn names_are_made_of_names() {
        let names = |key: &str| SETTINGS.iter().find(|setting| setting.key() == key).map(|it| (&*it.flag, &*it.env));
        assert_eq!(names("session.keepalive_timeout"), Some(("keepalive-timeout", "MYICQD_KEEPALIVE_TIMEOUT")));
        assert_eq!(names("listen.udp"), Some(("listen", "MYICQD_LISTEN")));
    }

    #[test]
    fn a_comment_is_a_sentence_and_its_reason() {
        let udp = SETTINGS.iter().find(|setting| setting.name == "udp").unwrap();
        assert_eq!(udp.about, "Where to listen for datagrams; port 0: any free one.");
        assert!(udp.reason.starts_with("By default only this machine gets in."), "{}", udp.reason);
    }
}
