//! How the program ends: one code for each kind of trouble, so that scripts need not read messages.

use std::fmt;
use std::io;
use std::process::ExitCode;

use myicq_server::config::ConfigErrors;
use myicq_server::driver::RunError;
use myicq_server::passwords::HashError;
use myicq_server::store::{BackupError, OpenError};

/// The codes, as in `sysexits.h` where it has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    Ok = 0,
    Failure = 1,
    Usage = 2,
    Data = 65,
    NoInput = 66,
    NoUser = 67,
    Unavailable = 69,
    Software = 70,
    System = 71,
    CannotCreate = 73,
    Io = 74,
    InUse = 75,
}

impl Exit {
    const ALL: [(Self, &'static str); 12] = [
        (Self::Ok, "done, or stopped as asked"),
        (Self::Failure, "any other failure"),
        (Self::Usage, "wrong arguments or configuration"),
        (Self::Data, "the database is damaged, from a newer version, or of a kind that will not do"),
        (Self::NoInput, "there is no such data folder, or no database in it"),
        (Self::NoUser, "there is no such user, or there is one already"),
        (Self::Unavailable, "the address to listen on is taken or cannot be used; or no server is running or answers"),
        (Self::Software, "an internal error; please report it"),
        (Self::System, "the system refuses a thread, memory or a signal handler"),
        (Self::CannotCreate, "the data folder or a backup cannot be made or written"),
        (Self::Io, "reading or writing failed"),
        (Self::InUse, "another myicqd uses the data folder or the database"),
    ];

    /// The list for the help.
    pub(crate) fn list() -> String {
        let lines = Self::ALL.iter().map(|(exit, meaning)| format!("  {:<3} {meaning}\n", *exit as u8));
        format!("Exit codes:\n{}", lines.collect::<String>())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What went wrong, in one line, and the code that goes with it.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    /// None, when it has been told already.
    error: Option<anyhow::Error>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: Some(error.into()) }
    }

    /// A failure of which the user has already read all that there is to say.
    pub(crate) fn told(exit: Exit) -> Self {
        Self { exit, error: None }
    }

    pub(crate) fn is_told(&self) -> bool {
        self.error.is_none()
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether somebody who read our output has gone.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        let error = self.error.as_ref().and_then(|error| error.downcast_ref::<io::Error>());
        error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.as_ref().map_or(Ok(()), |error| write!(f, "{error:#}"))
    }
}

impl From<ConfigErrors> for Failure {
    fn from(error: ConfigErrors) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let exit = match &error {
            OpenError::Folder { .. } => Exit::CannotCreate,
            OpenError::InUse { .. } | OpenError::ServerInUse { .. } => Exit::InUse,
            OpenError::Newer { .. } | OpenError::Corrupt { .. } | OpenError::Unfit { .. } => Exit::Data,
            OpenError::Database { .. } | OpenError::Server { .. } => Exit::Io,
        };
        Self::new(exit, error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let exit = match error {
            RunError::Store(error) => return error.into(),
            RunError::Taken(_)
            | RunError::NoSuchAddress(_)
            | RunError::Privileged(_)
            | RunError::Socket { .. }
            | RunError::Metrics { .. }
            | RunError::Tunnel { .. } => Exit::Unavailable,
            RunError::HashCost(_) => Exit::Usage,
            RunError::System { .. } => Exit::System,
            RunError::Died(_) => Exit::Software,
            _ => Exit::Failure,
        };
        Self::new(exit, error)
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let exit = match &error {
            BackupError::There(_) | BackupError::Target { .. } => Exit::CannotCreate,
            BackupError::NoDatabase(_) => Exit::NoInput,
            BackupError::Database { .. } => Exit::Io,
        };
        Self::new(exit, error)
    }
}

impl From<HashError> for Failure {
    fn from(error: HashError) -> Self {
        Self::new(Exit::System, error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Io, error)
    }
}
