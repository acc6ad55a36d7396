//! The file in which sessions outlive the process. It is enciphered with a key that lies beside it, because it holds what the bodies of
//! its sessions are enciphered with: a copy of the one is worth nothing without the other.
//!
//! It begins with [`MAGIC`], the nonce and the tag. Enciphered behind them are the time at which it was saved, which start of the server
//! saved it, whether that ended in good order, and the sessions.
#![expect(clippy::disallowed_methods, reason = "the driver reads and writes what it keeps")]

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use myicq_wire::{DecodeError, Reader, UnixTime};
use rand::Rng;
use rand::rngs::StdRng;
use zeroize::Zeroizing;

use crate::frontend::myicq::{NoSessions, SavedSession};

/// What it is called in the data folder.
const FILE: &str = "sessions";

/// What it is called until it is whole.
const PART: &str = "sessions.part";

/// What its key is called: 32 bytes.
const KEY_FILE: &str = "sessions.key";

/// How it begins. The last byte is the version: one of another version is not read.
const MAGIC: [u8; 8] = *b"MYICQSE\x01";

const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
const HEAD_LEN: usize = MAGIC.len() + NONCE_LEN + TAG_LEN;

/// Bytes of it, at most: several million sessions.
const FILE_MAX: u64 = 512 << 20;

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
    #[error("it is damaged, or its key is another one")]
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
        let mut bytes = Zeroizing::new(Vec::new());
        match File::open(self.folder.join(FILE)) {
            Ok(file) => file.take(FILE_MAX).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (head, body) = bytes.split_at_mut_checked(HEAD_LEN).ok_or(Unusable::Foreign)?;
        let mut head = Reader::new(head);
        if head.take(MAGIC.len(), "magic")? != MAGIC {
            return Err(Unusable::Foreign);
        }
        let nonce = XNonce::try_from(head.take(NONCE_LEN, "nonce")?).map_err(|_| Unusable::Foreign)?;
        let tag = Tag::try_from(head.take(TAG_LEN, "tag")?).map_err(|_| Unusable::Foreign)?;
        let opened = self.cipher.decrypt_inout_detached(&nonce, &MAGIC, (&mut *body).into(), &tag);
        opened.map_err(|_| Unusable::Damaged)?;

        let mut reader = Reader::new(body);
        let at = UnixTime(reader.qword("saved_at")?);
        let saved = Saved { at, start: reader.qword("start")?, is_exact: reader.byte("is_exact")? == 1 };
        // From the future, where the clock was set back: nobody knows how old it is.
        if Duration::from_micros(now.0.abs_diff(at.0)) > age_max {
            return Err(Unusable::Old);
        }
        Ok(Some((saved, SavedSession::read_all(reader.rest())?)))
    }

    /// Writes it anew. Until that is on the disk, the old one stays.
    pub(super) fn write(&mut self, saved: Saved, pages: &[Page]) -> io::Result<()> {
        let len = pages.iter().map(|page| page.len()).sum::<usize>();
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD_LEN + 17 + len));
        let mut nonce = [0; NONCE_LEN];
        self.random.fill_bytes(&mut nonce);
        bytes.extend(MAGIC);
        bytes.extend(nonce);
        bytes.extend([0; TAG_LEN]);
        bytes.extend(saved.at.0.to_be_bytes());
        bytes.extend(saved.start.to_be_bytes());
        bytes.push(saved.is_exact.into());
        pages.iter().for_each(|page| bytes.extend_from_slice(page));

        let (head, body) = bytes.split_at_mut(HEAD_LEN);
        let sealed = self.cipher.encrypt_inout_detached(&nonce.into(), &MAGIC, body.into());
        let tag = sealed.map_err(|_| io::Error::other("too many sessions for one file"))?;
        head.iter_mut().rev().zip(tag.iter().rev()).for_each(|(place, byte)| *place = *byte);

        let part = self.folder.join(PART);
        // One that was left by a process that was killed.
        if let Err(error) = std::fs::remove_file(&part)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = create_private(&part)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, self.folder.join(FILE))?;
        sync_folder(&self.folder)
    }
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

    fn reason(file: &SessionsFile) -> String {
        file.read(SAVED.at, AGE_MAX).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_back_by_who_has_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = open(folder.path());
        assert!(file.read(SAVED.at, AGE_MAX).unwrap().is_none(), "there is none yet");
        file.write(SAVED, &[Page::default()]).unwrap();
        let (saved, sessions) = open(folder.path()).read(SAVED.at, AGE_MAX).unwrap().unwrap();
        assert_eq!((saved, sessions.len()), (SAVED, 0));
        // Bytes that are no sessions, but whole: of another version that forgot to say so.
        file.write(SAVED, &[Zeroizing::new(b"plain text".to_vec())]).unwrap();
        assert_eq!(reason(&file), "it holds something else than sessions");
        let bytes = std::fs::read(folder.path().join(FILE)).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"plain"), "it is enciphered");
        std::fs::remove_file(folder.path().join(KEY_FILE)).unwrap();
        let other = SessionsFile::open(folder.path(), StdRng::seed_from_u64(8)).unwrap();
        assert_eq!(reason(&other), "it is damaged, or its key is another one");
        remove(folder.path()).unwrap();
        remove(folder.path()).unwrap();
        assert!(file.read(SAVED.at, AGE_MAX).unwrap().is_none());
    }

    #[test]
    fn every_damage_and_every_foreign_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = open(folder.path());
        file.write(SAVED, &[]).unwrap();
        let whole = std::fs::read(folder.path().join(FILE)).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(folder.path().join(FILE), damaged).unwrap();
            assert!(file.read(SAVED.at, AGE_MAX).is_err(), "byte {at}");
            std::fs::write(folder.path().join(FILE), &whole[..at]).unwrap();
            assert!(file.read(SAVED.at, AGE_MAX).is_err(), "{at} bytes of it");
        }
    }

    #[test]
    fn an_old_one_is_not_used_nor_one_from_the_future() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = open(folder.path());
        file.write(SAVED, &[]).unwrap();
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
        open(folder.path()).write(SAVED, &[]).unwrap();
        assert_eq!((mode(FILE), mode(KEY_FILE)), (0o600, 0o600));
        let key = folder.path().join(KEY_FILE);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        let file = SessionsFile::open(folder.path(), StdRng::seed_from_u64(8)).unwrap();
        assert_eq!((mode(KEY_FILE), reason(&file)), (0o600, Unusable::Damaged.to_string()));
    }
}
