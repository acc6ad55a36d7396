//! The file in which sessions outlive the process. It is enciphered with a key that lies beside it, because it holds what the bodies of
//! its sessions are enciphered with: a copy of the one is worth nothing without the other.
//!
//! It begins with [`MAGIC`] and a nonce. Behind them are pages, each its length in four bytes and then enciphered as the next of a STREAM, so
//! that none can be changed, left out or moved. All but the last are sessions; that says at which time and by which start of the server they
//! were saved, and whether it had ended in good order. However many sessions there are, one page of them at a time is in memory.
#![expect(clippy::disallowed_methods, reason = "the driver reads and writes what it keeps")]

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aead_stream::{DecryptorBE32, EncryptorBE32};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use myicq_wire::{DecodeError, Reader, UnixTime};
use rand::Rng;
use rand::rngs::StdRng;
use zeroize::Zeroizing;

use crate::frontend::myicq::{NoSessions, PAGE_LEN, SavedSession};

/// What it is called in the data folder.
const FILE: &str = "sessions";

/// What it is called until it is whole.
const PART: &str = "sessions.part";

/// What its key is called: 32 bytes.
const KEY_FILE: &str = "sessions.key";

/// How it begins. The last byte is the version: one of another version is not read.
const MAGIC: [u8; 8] = *b"MYICQSE\x02";

/// What is left of the cipher's nonce when STREAM has numbered the pages.
const NONCE_LEN: usize = 19;
const TAG_LEN: usize = 16;

/// Some sessions as bytes.
pub(super) type Page = Zeroizing<Vec<u8>>;

/// What was saved with the sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Saved {
    /// When.
    pub(super) at: UnixTime,
    /// By which start of the server: later ones have higher numbers.
    pub(super) start: u64,
    /// It had nothing under way, and did nothing more.
    pub(super) is_exact: bool,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is no file of sessions of this version")]
    Foreign,
    #[error("it is damaged or not whole, or its key is another one")]
    Damaged,
    #[error(transparent)]
    NoSessions(#[from] NoSessions),
    #[error("it is too old: its clients have gone")]
    Old,
}

impl From<DecodeError> for Unusable {
    fn from(_: DecodeError) -> Self {
        Self::NoSessions(NoSessions)
    }
}

/// The file and its key.
pub(super) struct SessionsFile {
    folder: PathBuf,
    cipher: XChaCha20Poly1305,
    random: StdRng,
}

impl SessionsFile {
    /// Takes its key from the data folder, or draws one.
    pub(super) fn open(folder: &Path, mut random: StdRng) -> io::Result<Self> {
        let key = key(&folder.join(KEY_FILE), &mut random)?;
        let cipher = XChaCha20Poly1305::new((&*key).into());
        Ok(Self { folder: folder.to_owned(), cipher, random })
    }

    /// Reads it, if it is there and no older than this.
    pub(super) fn read(
        &self,
        now: UnixTime,
        age_max: Duration,
    ) -> Result<Option<(Saved, Vec<SavedSession>)>, Unusable> {
        let mut file = match File::open(self.folder.join(FILE)) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (mut magic, mut nonce) = ([0; MAGIC.len()], [0; NONCE_LEN]);
        file.read_exact(&mut magic).and_then(|()| file.read_exact(&mut nonce)).map_err(|_| Unusable::Foreign)?;
        if magic != MAGIC {
            return Err(Unusable::Foreign);
        }
        let mut decryptor = DecryptorBE32::from_aead(self.cipher.clone(), &nonce.into());
        let mut sessions = Vec::new();
        loop {
            let mut page = read_page(&mut file)?;
            if file.fill_buf()?.is_empty() {
                decryptor.decrypt_last_in_place(&MAGIC, &mut *page).map_err(|_| Unusable::Damaged)?;
                let saved = Saved::read(&page)?;
                // From the future, where the clock was set back: nobody knows how old it is.
                let is_old = Duration::from_micros(now.0.abs_diff(saved.at.0)) > age_max;
                return if is_old { Err(Unusable::Old) } else { Ok(Some((saved, sessions))) };
            }
            decryptor.decrypt_next_in_place(&MAGIC, &mut *page).map_err(|_| Unusable::Damaged)?;
            sessions.append(&mut SavedSession::read_all(&page)?);
        }
    }

    /// Begins to write it anew. Until that is at its [end](Self::end), the old one stays.
    pub(super) fn begin(&mut self) -> io::Result<Writing> {
        let part = self.folder.join(PART);
        // One that was begun, and never ended.
        if let Err(error) = std::fs::remove_file(&part)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut nonce = [0; NONCE_LEN];
        self.random.fill_bytes(&mut nonce);
        let mut file = create_private(&part)?;
        file.write_all(&MAGIC)?;
        file.write_all(&nonce)?;
        Ok(Writing { file, encryptor: EncryptorBE32::from_aead(self.cipher.clone(), &nonce.into()) })
    }

    /// All sessions are written: puts the new file into the place of the old one, on the disk, too.
    pub(super) fn end(&self, writing: Writing, saved: Saved) -> io::Result<()> {
        let Writing { mut file, encryptor } = writing;
        let mut page = saved.write();
        encryptor.encrypt_last_in_place(&MAGIC, &mut page).map_err(too_many)?;
        write_page(&mut file, &page)?;
        file.sync_all()?;
        std::fs::rename(self.folder.join(PART), self.folder.join(FILE))?;
        sync_folder(&self.folder)
    }
}

/// A file that is being written.
pub(super) struct Writing {
    file: File,
    encryptor: EncryptorBE32<XChaCha20Poly1305>,
}

impl Writing {
    /// Adds a page of sessions.
    pub(super) fn push(&mut self, mut page: Page) -> io::Result<()> {
        self.encryptor.encrypt_next_in_place(&MAGIC, &mut *page).map_err(too_many)?;
        write_page(&mut self.file, &page)
    }
}

impl Saved {
    fn write(self) -> Vec<u8> {
        [&self.at.0.to_be_bytes()[..], &self.start.to_be_bytes(), &[self.is_exact.into()]].concat()
    }

    fn read(page: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(page);
        let at = UnixTime(reader.qword("saved_at")?);
        Ok(Self { at, start: reader.qword("start")?, is_exact: reader.byte("is_exact")? == 1 })
    }
}

fn too_many<E>(_: E) -> io::Error {
    io::Error::other("too many sessions for one file")
}

fn write_page(file: &mut File, page: &[u8]) -> io::Result<()> {
    let len = u32::try_from(page.len()).map_err(too_many)?;
    file.write_all(&len.to_be_bytes())?;
    file.write_all(page)
}

fn read_page(file: &mut impl Read) -> Result<Page, Unusable> {
    let mut len = [0; 4];
    file.read_exact(&mut len).map_err(|_| Unusable::Damaged)?;
    let len = usize::try_from(u32::from_be_bytes(len)).ok().filter(|&len| len <= PAGE_LEN + TAG_LEN);
    let mut page = Zeroizing::new(vec![0; len.ok_or(Unusable::Damaged)?]);
    file.read_exact(&mut page).map_err(|_| Unusable::Damaged)?;
    Ok(page)
}

/// Removes the file of sessions, where there is one.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_file(folder.join(FILE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The key in a file. One is drawn where there is none, or one that is no key or that others can read.
fn key(file: &Path, random: &mut StdRng) -> io::Result<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    match File::open(file) {
        Ok(mut there) => {
            let metadata = there.metadata()?;
            if metadata.len() == 32 && is_private(&metadata) {
                there.read_exact(&mut *key)?;
                return Ok(key);
            }
            tracing::warn!("{} is no key, or not for its owner alone (0600): it is drawn anew", file.display());
            std::fs::remove_file(file)?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    random.fill_bytes(&mut *key);
    let mut new = create_private(file)?;
    new.write_all(&*key)?;
    new.sync_all()?;
    Ok(key)
}

#[cfg(unix)]
fn is_private(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o077 == 0
}

#[cfg(not(unix))]
fn is_private(_: &std::fs::Metadata) -> bool {
    true
}

/// A new file that only this user can read.
fn create_private(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

/// Puts the new name on the disk. Elsewhere a folder cannot be opened.
#[cfg_attr(
    not(unix),
    expect(unused_variables, clippy::unnecessary_wraps, reason = "it can fail where folders can be synced")
)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

impl std::fmt::Debug for SessionsFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionsFile").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const AGE_MAX: Duration = Duration::from_mins(3);
    const SAVED: Saved = Saved { at: UnixTime(1_800_000_000_000_000), start: 7, is_exact: true };

    fn open(folder: &Path) -> SessionsFile {
        SessionsFile::open(folder, StdRng::seed_from_u64(7)).unwrap()
    }

    fn write(file: &mut SessionsFile, pages: &[&[u8]]) {
        let mut writing = file.begin().unwrap();
        pages.iter().for_each(|page| writing.push(Zeroizing::new(page.to_vec())).unwrap());
        file.end(writing, SAVED).unwrap();
    }

    fn reason(file: &SessionsFile) -> String {
        file.read(SAVED.at, AGE_MAX).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_back_by_who_has_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = open(folder.path());
        assert!(file.read(SAVED.at, AGE_MAX).unwrap().is_none(), "there is none yet");
        write(&mut file, &[&[], &[]]);
        let (saved, sessions) = open(folder.path()).read(SAVED.at, AGE_MAX).unwrap().unwrap();
        assert_eq!((saved, sessions.len()), (SAVED, 0));
        // Bytes that are no sessions, but whole: of another version that forgot to say so.
        write(&mut file, &[b"plain text"]);
        assert_eq!(reason(&file), "it holds something else than sessions");
        let bytes = std::fs::read(folder.path().join(FILE)).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"plain"), "it is enciphered");
        std::fs::remove_file(folder.path().join(KEY_FILE)).unwrap();
        let other = SessionsFile::open(folder.path(), StdRng::seed_from_u64(8)).unwrap();
        assert_eq!(reason(&other), "it is damaged or not whole, or its key is another one");
        remove(folder.path()).unwrap();
        remove(folder.path()).unwrap();
        assert!(file.read(SAVED.at, AGE_MAX).unwrap().is_none());
    }

    #[test]
    fn what_is_not_written_to_its_end_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = open(folder.path());
        write(&mut file, &[]);
        drop(file.begin().unwrap());
        assert_eq!(file.read(SAVED.at, AGE_MAX).unwrap().unwrap().0, SAVED);
        write(&mut file, &[&[]]);
        assert!(!folder.path().join(PART).exists());
    }

    #[test]
    fn every_damage_and_every_foreign_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = open(folder.path());
        write(&mut file, &[&[], &[]]);
        let whole = std::fs::read(folder.path().join(FILE)).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(folder.path().join(FILE), damaged).unwrap();
            assert!(file.read(SAVED.at, AGE_MAX).is_err(), "byte {at}");
            std::fs::write(folder.path().join(FILE), &whole[..at]).unwrap();
            assert!(file.read(SAVED.at, AGE_MAX).is_err(), "{at} bytes of it");
        }
        let (head, page) = (MAGIC.len() + NONCE_LEN, 4 + TAG_LEN);
        let left_out = [&whole[..head], &whole[head + page..]].concat();
        let moved = [
            &whole[..head],
            &whole[head + page..head + 2 * page],
            &whole[head..head + page],
            &whole[head + 2 * page..],
        ];
        for damaged in [left_out, moved.concat()] {
            std::fs::write(folder.path().join(FILE), damaged).unwrap();
            assert_eq!(reason(&file), Unusable::Damaged.to_string());
        }
    }

    #[test]
    fn an_old_one_is_not_used_nor_one_from_the_future() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = open(folder.path());
        write(&mut file, &[]);
        for (away, is_used) in [(180_000_000, true), (180_000_001, false)] {
            for now in [SAVED.at.0 + away, SAVED.at.0 - away] {
                assert_eq!(file.read(UnixTime(now), AGE_MAX).is_ok(), is_used, "{away} µs");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn both_are_for_their_owner_alone_and_a_key_that_others_can_read_is_none() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().mode() & 0o777;
        write(&mut open(folder.path()), &[]);
        assert_eq!((mode(FILE), mode(KEY_FILE)), (0o600, 0o600));
        let key = folder.path().join(KEY_FILE);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        let file = SessionsFile::open(folder.path(), StdRng::seed_from_u64(8)).unwrap();
        assert_eq!((mode(KEY_FILE), reason(&file)), (0o600, Unusable::Damaged.to_string()));
    }
}
