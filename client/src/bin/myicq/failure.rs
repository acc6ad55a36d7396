//! How a command fails: one line for people, a code for scripts.

use std::io;

use myicq_client::{ConnectError, EndReason, FileError, Misuse, RequestError};

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What is wrong and what to do.
    pub(crate) error: anyhow::Error,
    /// One of [`code`].
    pub(crate) code: u8,
}

/// The exit codes. The help shows the same list.
pub(crate) mod code {
    pub(crate) const FAILURE: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const NO_SERVER: u8 = 3;
    pub(crate) const REFUSED: u8 = 4;
    pub(crate) const NOT_ACKNOWLEDGED: u8 = 5;
    pub(crate) const SESSION_ENDED: u8 = 6;
    pub(crate) const NOT_ADDED: u8 = 7;
    pub(crate) const FILE: u8 = 8;
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { error: anyhow::Error::msg(message.into()), code }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(code::USAGE, message)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { error: error.into(), code: code::FAILURE }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self { error: error.into(), code: code::FAILURE }
    }
}

impl From<Misuse> for Failure {
    fn from(misuse: Misuse) -> Self {
        Self { error: misuse.into(), code: code::USAGE }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Misuse(misuse) => misuse.into(),
            ConnectError::Ended(reason) => reason.into(),
            error @ ConnectError::Proxy(_) => {
                Self { error: anyhow::Error::new(error).context("check --proxy and --server"), code: code::NO_SERVER }
            }
            error @ ConnectError::Address { .. } => {
                Self { error: anyhow::Error::new(error).context("check --server"), code: code::NO_SERVER }
            }
            error => Self { error: error.into(), code: code::FAILURE },
        }
    }
}

impl From<EndReason> for Failure {
    fn from(reason: EndReason) -> Self {
        let (code, advice) = match reason {
            EndReason::Unreachable => (code::NO_SERVER, ": check --server and whether myicqd runs there"),
            EndReason::TimedOut => (code::NO_SERVER, ": check --server and the firewalls on the way (UDP)"),
            EndReason::LoginRefused(_) => (code::REFUSED, ": check --uin and the password"),
            EndReason::NotGranted(_) => (code::REFUSED, ": see --require"),
            EndReason::RegistrationRefused => (code::REFUSED, ": ask its operator for a number"),
            EndReason::Replaced => (code::SESSION_ENDED, ": a user has one session at a time"),
            _ => (code::SESSION_ENDED, ""),
        };
        Self::new(code, format!("{reason}{advice}"))
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let code = match error {
            FileError::Refused | FileError::TooLarge => code::REFUSED,
            FileError::BadName => code::USAGE,
            FileError::NoAnswer | FileError::NotSent => code::NOT_ACKNOWLEDGED,
            _ => code::FILE,
        };
        Self { error: error.into(), code }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Misuse(misuse) => misuse.into(),
            error @ RequestError::Ended(_) => Self { error: error.into(), code: code::SESSION_ENDED },
            RequestError::Refused(_) | RequestError::Group(_) => Self { error: error.into(), code: code::REFUSED },
            RequestError::NotAcknowledged => {
                Self::new(code::NOT_ACKNOWLEDGED, format!("{error}: it may have arrived or not; try again later"))
            }
            error => Self { error: error.into(), code: code::NOT_ACKNOWLEDGED },
        }
    }
}
