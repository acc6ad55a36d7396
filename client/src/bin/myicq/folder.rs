//! Where the program keeps what outlives it.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folder for the data of this program, by the customs of the system: `$XDG_DATA_HOME/myicq`, or `~/.local/share/myicq`; `None` where
/// nobody says where home is.
pub(crate) fn data() -> Option<PathBuf> {
    let named = |variable| variable_of(variable).map(PathBuf::from);
    // A path that is not absolute is to be ignored, says the XDG Base Directory Specification.
    let xdg = named("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let ours = if cfg!(windows) {
        named("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        named("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        named("HOME").map(|home| home.join(".local/share"))
    };
    xdg.or(ours).map(|folder| folder.join("myicq"))
}

/// A path in which "~/" stands for the home folder, as people write it where no shell reads along.
#[cfg(feature = "chat")]
pub(crate) fn expanded(path: &std::path::Path) -> PathBuf {
    let home = variable_of(if cfg!(windows) { "USERPROFILE" } else { "HOME" });
    match (home, path.strip_prefix("~")) {
        (Some(home), Ok(rest)) => PathBuf::from(home).join(rest),
        _ => path.to_owned(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
fn variable_of(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Makes the folder, for nobody else's eyes, where it is not there yet.
#[expect(clippy::disallowed_methods, reason = "the command line is a driver")]
pub(crate) fn make(folder: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
