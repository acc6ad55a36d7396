//! Files on the disk: the one that is sent, and the one that comes, which has another name until it is whole.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use myicq_wire::Uin;
use myicq_wire::peer::{FileHash, MAX_FILE_NAME};
use sha2::{Digest, Sha256};

use crate::error::FileError;

/// How many files of one name there may be in a folder: "name", "name (1)" and so on.
const MAX_ALIKE: u32 = 9_999;

/// How much is read at once to be hashed.
const HASH_CHUNK: usize = 256 * 1024;

/// A file that is sent.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    hasher: Sha256,
    size: u64,
    at: u64,
}

impl Source {
    #[expect(clippy::disallowed_methods, reason = "the driver is where files come from")]
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let file = File::open(path).map_err(disk)?;
        let metadata = file.metadata().map_err(disk)?;
        if !metadata.is_file() {
            return Err(FileError::Disk(ErrorKind::InvalidInput));
        }
        Ok(Self { file, hasher: Sha256::new(), size: metadata.len(), at: 0 })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Goes on behind the first `offset` bytes, if they have this hash, and otherwise from the start. From where it goes on.
    pub(super) fn skip(&mut self, offset: u64, theirs: Option<FileHash>) -> Result<u64, FileError> {
        self.start_again()?;
        let begins_so = hash_first(&mut self.file, &mut self.hasher, offset).map_err(disk)? == offset
            && theirs == Some(hash_of(&self.hasher));
        if !begins_so {
            self.start_again()?;
        }
        self.at = if begins_so { offset } else { 0 };
        Ok(self.at)
    }

    fn start_again(&mut self) -> Result<(), FileError> {
        self.hasher = Sha256::new();
        self.file.seek(SeekFrom::Start(0)).map(drop).map_err(disk)
    }

    /// The next bytes, up to so many; none at the end.
    ///
    /// # Errors
    /// [`FileError::Changed`] if the file has become shorter.
    pub(super) fn next(&mut self, max: usize) -> Result<Vec<u8>, FileError> {
        let want = usize::try_from(self.size - self.at).unwrap_or(usize::MAX).min(max);
        let mut bytes = vec![0; want];
        self.file.read_exact(&mut bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => FileError::Changed,
            kind => FileError::Disk(kind),
        })?;
        self.hasher.update(&bytes);
        self.at += want as u64;
        Ok(bytes)
    }

    /// Whether all has been read.
    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.size
    }

    /// The hash of all that was read.
    pub(super) fn hash(&self) -> FileHash {
        hash_of(&self.hasher)
    }
}

/// A file that comes.
#[derive(Debug)]
pub(super) struct Target {
    file: File,
    hasher: Sha256,
    part: PathBuf,
    folder: PathBuf,
    name: String,
    at: u64,
}

impl Target {
    /// Opens what an earlier try has left of this file, or begins a new one. `name` is a bare name.
    #[expect(clippy::disallowed_methods, reason = "the driver is where files come from")]
    pub(super) fn open(folder: &Path, from: Uin, name: &str, size: u64) -> Result<Self, FileError> {
        let part = folder.join(part_name(from, name, size));
        match std::fs::symlink_metadata(&part) {
            // Whoever may put a link there does not choose what is written to.
            Ok(there) if !there.is_file() => return Err(FileError::Disk(ErrorKind::AlreadyExists)),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(disk(error)),
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&part).map_err(disk)?;
        let mut hasher = Sha256::new();
        let mut at = hash_first(&mut file, &mut hasher, u64::MAX).map_err(disk)?;
        if at > size {
            (at, hasher) = (0, Sha256::new());
        }
        Ok(Self { file, hasher, part, folder: folder.to_owned(), name: name.to_owned(), at })
    }

    /// How much of the file is there, and its hash.
    pub(super) fn present(&self) -> (u64, FileHash) {
        (self.at, hash_of(&self.hasher))
    }

    /// The bytes begin here: behind what is there, or at the start.
    pub(super) fn begin(&mut self, offset: u64) -> Result<(), FileError> {
        if offset != self.at {
            (self.hasher, self.at) = (Sha256::new(), 0);
        }
        self.file.set_len(self.at).and_then(|()| self.file.seek(SeekFrom::Start(self.at))).map_err(disk)?;
        Ok(())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.file.write_all(bytes).map_err(disk)?;
        self.hasher.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Compares the file with its hash, brings it to the disk for good, and gives it its name, or the next one that is free: no other
    /// file is written over. Where it is now.
    #[expect(clippy::disallowed_methods, reason = "the driver is where files come from")]
    pub(super) fn finish(self, expected: Option<FileHash>) -> Result<PathBuf, FileError> {
        if expected.is_some_and(|expected| expected != hash_of(&self.hasher)) {
            // What is wrong in it nobody knows, so nothing of it serves the next try. If it stays all the same, that one finds out.
            drop(std::fs::remove_file(&self.part));
            return Err(FileError::Damaged);
        }
        self.file.sync_all().map_err(disk)?;
        let path = self.reserve().map_err(disk)?;
        if let Err(error) = std::fs::rename(&self.part, &path) {
            drop(std::fs::remove_file(&path));
            return Err(disk(error));
        }
        // The name, too, is on the disk then; where a folder cannot be synced, it comes there by itself.
        #[cfg(unix)]
        drop(File::open(&self.folder).and_then(|folder| folder.sync_all()));
        Ok(path)
    }

    /// Makes an empty file of the first name that is free, which the whole one then replaces.
    #[expect(clippy::disallowed_methods, reason = "the driver is where files come from")]
    fn reserve(&self) -> io::Result<PathBuf> {
        for number in 0..=MAX_ALIKE {
            let path = self.folder.join(numbered(&self.name, number));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(_) => return Ok(path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }
}

fn disk(error: io::Error) -> FileError {
    FileError::Disk(error.kind())
}

fn hash_of(hasher: &Sha256) -> FileHash {
    FileHash(hasher.clone().finalize().into())
}

/// Hashes the first `len` bytes of a file, or all there are; how many. The next byte is read or written behind them.
fn hash_first(file: &mut File, hasher: &mut Sha256, len: u64) -> io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let (mut buffer, mut done) = (vec![0; HASH_CHUNK], 0);
    while done < len {
        let want = usize::try_from(len - done).unwrap_or(usize::MAX).min(HASH_CHUNK);
        let read = file.read(buffer.get_mut(..want).unwrap_or_default())?;
        if read == 0 {
            break;
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
        done += read as u64;
    }
    Ok(done)
}

/// What a file is called until it is whole: the same for the same file from the same sender, so that the next try finds it.
fn part_name(from: Uin, name: &str, size: u64) -> String {
    let mut hasher = Sha256::new();
    hasher.update(from.0.to_be_bytes());
    hasher.update(size.to_be_bytes());
    hasher.update(name.as_bytes());
    let hash = hash_of(&hasher).to_string();
    format!(".myicq-{}.part", hash.get(..24).unwrap_or_default())
}

/// "name.tar.gz", "name.tar (1).gz" and so on, and never longer than a name may be.
fn numbered(name: &str, number: u32) -> String {
    if number == 0 {
        return name.to_owned();
    }
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    let ending = format!(" ({number}){extension}");
    let mut stem = stem.to_owned();
    while stem.len() + ending.len() > MAX_FILE_NAME && stem.pop().is_some() {}
    stem + &ending
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "these are files")]
mod tests {
    use super::*;

    const BEN: Uin = Uin(10_002);

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn receive(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, FileError> {
        let mut target = Target::open(folder, BEN, name, bytes.len() as u64)?;
        target.begin(0)?;
        target.write(bytes)?;
        let hash = target.present().1;
        target.finish(Some(hash))
    }

    #[test]
    fn nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        for content in [b"first", b"secon", b"third"] {
            receive(folder.path(), "a.tar.gz", content).unwrap();
        }
        assert_eq!(names(folder.path()), ["a.tar (1).gz", "a.tar (2).gz", "a.tar.gz"]);
        assert_eq!(std::fs::read(folder.path().join("a.tar (2).gz")).unwrap(), b"third");
        assert_eq!(numbered(".profile", 3), ".profile (3)");
        assert_eq!(numbered(&format!("{}.txt", "ä".repeat(125)), 12).len(), 255);
    }

    #[test]
    fn what_was_cut_off_goes_on_and_what_is_damaged_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        std::fs::write(&path, b"what is in the file").unwrap();
        let mut source = Source::open(&path).unwrap();
        let mut target = Target::open(folder.path(), BEN, "a", source.size()).unwrap();
        assert_eq!(target.present().0, 0);
        target.begin(0).unwrap();
        target.write(&source.next(7).unwrap()).unwrap();
        drop(target);

        let mut target = Target::open(folder.path(), BEN, "a", source.size()).unwrap();
        let (offset, hash) = target.present();
        assert_eq!((offset, source.skip(offset, Some(hash)).unwrap()), (7, 7));
        target.begin(7).unwrap();
        target.write(&source.next(100).unwrap()).unwrap();
        assert_eq!(source.next(100).unwrap(), b"");
        let done = target.finish(Some(source.hash())).unwrap();
        assert_eq!(std::fs::read(done).unwrap(), b"what is in the file");

        // Another beginning than the sender's is thrown away.
        let mut target = Target::open(folder.path(), BEN, "b", 19).unwrap();
        target.begin(0).unwrap();
        target.write(b"wrong").unwrap();
        let (offset, hash) = target.present();
        assert_eq!(source.skip(offset, Some(hash)).unwrap(), 0);
        target.begin(0).unwrap();
        target.write(b"what is in the fire").unwrap();
        assert_eq!(target.finish(Some(FileHash([0; 32]))), Err(FileError::Damaged));
        assert_eq!(names(folder.path()), ["a", "source"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_place_of_a_part_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        std::fs::write(&precious, b"keep").unwrap();
        std::os::unix::fs::symlink(&precious, folder.path().join(part_name(BEN, "a", 3))).unwrap();
        assert_eq!(receive(folder.path(), "a", b"bad"), Err(FileError::Disk(ErrorKind::AlreadyExists)));
        assert_eq!(std::fs::read(precious).unwrap(), b"keep");
    }
}
