//! Who may register, as a setting.

use super::form::Form;

/// From where users may register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registration {
    /// From nowhere: the operator makes the users.
    Off,
    /// From this machine, private networks (RFC 1918, RFC 4193) and link-local addresses.
    Private,
    /// From any address.
    Everywhere,
}

/// A [`Registration`] by its word.
#[derive(Debug)]
pub(super) struct RegistrationWord;

const WORDS: [(&str, Registration); 3] =
    [("private", Registration::Private), ("everywhere", Registration::Everywhere), ("off", Registration::Off)];

impl Form for RegistrationWord {
    type Value = Registration;

    fn name(&self) -> String {
        "private|everywhere|off".to_owned()
    }

    fn wanted(&self) -> String {
        "\"private\", \"everywhere\" or \"off\"".to_owned()
    }

    fn parse(&self, text: &str) -> Option<Registration> {
        WORDS.iter().find(|(word, _)| *word == text).map(|&(_, value)| value)
    }

    fn show(&self, value: &Registration) -> String {
        WORDS.iter().find(|(_, other)| other == value).map(|&(word, _)| word).unwrap_or_default().to_owned()
    }
}
