//! Which messages a user has been shown on this machine, so that none is shown again in a later run.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use myicq_client::{MAX_SEEN, SeenMessages};

use crate::folder;
use crate::history::Account;

/// More than the file ever grows to: each line is a number of up to 20 digits.
const FILE_MAX: u64 = 64 * 1024;

/// Lines at which the file is written anew with the last [`MAX_SEEN`] of them.
const LINES_MAX: usize = 2 * MAX_SEEN;

#[derive(Debug, Args)]
pub(crate) struct NoteOptions {
    /// Keep no note of the numbers of messages that were shown: one whose acknowledgement was lost may be shown again in another run
    #[arg(long, env = "MYICQ_NO_SEEN")]
    no_seen: bool,
}

/// The note of what was shown: one number a line, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    file: Option<File>,
}

impl Shown {
    /// What earlier runs have noted, and where to note more. Without a folder for it, or with one that cannot be written, there is nothing to note,
    /// which is said once.
    pub(crate) fn open(options: &NoteOptions, account: &Account) -> (Self, SeenMessages) {
        let Some(path) = path_for(account).filter(|_| !options.no_seen) else { return Default::default() };
        match open(&path) {
            Ok((file, seen)) => (Self { file: Some(file) }, seen),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "cannot note what is shown");
                // With stderr gone, there is nobody to tell.
                let _ = writeln!(io::stderr(), "myicq: cannot note what is shown in {}: {error}", path.display());
                Default::default()
            }
        }
    }

    /// Notes that this message has been shown. A crash of the machine may lose the note, and the message is shown again then.
    pub(crate) fn add(&mut self, id: u64) {
        let failed = self.file.as_mut().is_some_and(|file| file.write_all(format!("{id}\n").as_bytes()).is_err());
        if failed {
            // A full disk: from here on there is no note.
            self.file = None;
        }
    }
}

/// Message numbers are those of one server, and what was shown is one user's.
fn path_for(Account { server, owner }: &Account) -> Option<PathBuf> {
    let server: String = server.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '_' }).collect();
    Some(folder::data()?.join("seen").join(format!("{owner}@{server}")))
}

#[expect(clippy::disallowed_methods, reason = "the command line is a driver")]
fn open(path: &Path) -> io::Result<(File, SeenMessages)> {
    if let Some(parent) = path.parent() {
        folder::make(parent)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let mut text = Vec::new();
    (&mut file).take(FILE_MAX).read_to_end(&mut text)?;
    let (seen, lines) = parse(&text);
    if lines > LINES_MAX {
        let rest: String = seen.ids().map(|id| format!("{id}\n")).collect();
        let new = path.with_extension("new");
        std::fs::write(&new, rest)?;
        std::fs::rename(&new, path)?;
        file = options.open(path)?;
    } else if !text.is_empty() && !text.ends_with(b"\n") {
        // A line that a crash has cut ends here, so that the next one is not joined to it.
        file.write_all(b"\n")?;
    }
    Ok((file, seen))
}

/// What is noted, and in how many lines. What is no number was damaged, and is passed over.
fn parse(text: &[u8]) -> (SeenMessages, usize) {
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let number = |line| std::str::from_utf8(line).ok()?.parse().ok();
    (SeenMessages::from_ids(lines.clone().filter_map(number)), lines.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_is_known_in_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen/10001@localhost_8000");
        let (file, seen) = open(&path).unwrap();
        assert_eq!(seen.ids().count(), 0);
        let mut shown = Shown { file: Some(file) };
        (0..=LINES_MAX as u64).for_each(|id| shown.add(id));
        // A crash in the middle of a line.
        shown.file.as_mut().unwrap().write_all(b"99").unwrap();
        let ids = |seen: SeenMessages| seen.ids().collect::<Vec<_>>();
        let last: Vec<u64> = (LINES_MAX as u64 + 2 - MAX_SEEN as u64..=LINES_MAX as u64).chain([99]).collect();
        assert_eq!(ids(open(&path).unwrap().1), last);
        let (file, seen) = open(&path).unwrap();
        assert_eq!((ids(seen), file.metadata().unwrap().len() < 16_384), (last, true), "written anew, and as short");
    }

    #[test]
    fn a_damaged_note_is_read_as_far_as_it_can_be() {
        let (seen, lines) = parse(b"1\n\xff\xfe\nx\n-2\n18446744073709551616\n3");
        assert_eq!((seen.ids().collect::<Vec<_>>(), lines), (vec![1, 3], 6));
    }
}
