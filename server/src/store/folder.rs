//! The data folder: for this user's eyes only, and for one server at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use super::OpenError;

/// Whoever has locked this file has the data folder to himself. SQLite's own locks are held only during a transaction.
const LOCK: &str = "myicqd.lock";

/// Takes the folder, which is made where it is missing, until the file is dropped.
#[expect(clippy::disallowed_methods, reason = "the store is where files are touched")]
pub(super) fn lock(folder: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Folder { folder: folder.to_owned(), source };
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder).map_err(failed)?;

    let file = open_private(&folder.join(LOCK)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Opens a file for writing, as it is; makes an empty one that only this user can read where there is none.
#[expect(clippy::disallowed_methods, reason = "the store is where files are touched")]
pub(super) fn open_private(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}
