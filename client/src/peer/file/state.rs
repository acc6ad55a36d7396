//! What a file session knows, and what follows from a frame.

use std::time::Duration;

use myicq_wire::charset::Charset;
use myicq_wire::peer::{FileResult, Hello, LONG_FILES, MAX_FILE_FRAME, PeerFile, PeerHeader, is_bare_name};
use myicq_wire::tunnel::PREFIX_LEN;
use myicq_wire::{Instant, Str, Uin};

use super::{FileEvent, Side};
use crate::peer::{Identity, PeerEnd, PeerTimeouts};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Sending { name: String },
    Receiving,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// HELLO is to come.
    Hello,
    /// The sender has said HELLO, and a sign of the other program may come.
    Sign,
    /// FILE_INFO or FILE_OFFER is to come.
    Info,
    /// The receiver's owner decides.
    Deciding,
    /// FILE_RECEIVE or FILE_RESUME is to come.
    Answer,
    /// The sender's owner compares what the receiver has.
    Comparing,
    /// The receiver has said go ahead; in the extension, FILE_START is to come.
    Start,
    /// Bytes go.
    Data,
    /// The receiver's owner brings the file to its place.
    Checking,
    /// FILE_RESULT is to come.
    Result,
    /// Nothing more is to come.
    Over,
}

/// All but the framer, out of which frames are borrowed while this changes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) me: Identity,
    pub(super) other: Uin,
    pub(super) role: Role,
    pub(super) side: Side,
    pub(super) stage: Stage,
    /// Both sides know the extension.
    pub(super) is_long: bool,
    /// The length of the file, once it is known.
    pub(super) size: u64,
    /// How many of its bytes have come or gone, with those that were there before.
    pub(super) at: u64,
    /// What the receiver asked for.
    pub(super) asked: u64,
    pub(super) output: Vec<u8>,
    pub(super) timeouts: PeerTimeouts,
    pub(super) deadline: Option<Instant>,
}

impl State {
    pub(super) fn wait(&mut self, now: Instant, stage: Stage, timeout: Duration) {
        (self.stage, self.deadline) = (stage, Some(now + timeout));
    }

    /// The owner has the word.
    pub(super) fn pause(&mut self, stage: Stage) {
        (self.stage, self.deadline) = (stage, None);
    }

    pub(super) fn over(&mut self) {
        self.pause(Stage::Over);
    }

    pub(super) fn takes_input(&self) -> bool {
        !matches!(self.stage, Stage::Deciding | Stage::Comparing | Stage::Checking | Stage::Over)
    }

    pub(super) fn write(&mut self, packet: &PeerFile<'_>) {
        let start = self.output.len();
        self.output.resize(start + PREFIX_LEN + MAX_FILE_FRAME, 0);
        let buffer = self.output.get_mut(start..).unwrap_or_default();
        let written = packet.encode(self.me.uin, self.me.face, buffer);
        debug_assert!(written.is_ok(), "what is said in a file session fits into its frames");
        self.output.truncate(start + written.unwrap_or(0));
    }

    pub(super) fn say_hello(&mut self) {
        let is_sender = self.role != Role::Receiving;
        let domain = self.me.domain.clone();
        self.write(&PeerFile::Hello(Hello { is_sender, domain: Some(Str(&domain)), extensions: LONG_FILES }));
    }

    /// What happens without anything coming.
    pub(super) fn on_own(&mut self, now: Instant) -> Option<FileEvent<'static>> {
        if self.role != Role::Receiving || self.is_long {
            return None;
        }
        match self.stage {
            Stage::Start => {
                self.wait(now, Stage::Data, self.timeouts.piece);
                Some(FileEvent::Started { offset: 0 })
            }
            Stage::Data if self.at == self.size => {
                self.pause(Stage::Checking);
                Some(FileEvent::Whole { hash: None })
            }
            _ => None,
        }
    }

    pub(super) fn send_info(&mut self, now: Instant) -> Result<(), PeerEnd> {
        let Role::Sending { name } = self.role.clone() else { return Err(PeerEnd::Contradiction) };
        let (name, size) = (Str(name.as_bytes()), self.size);
        if self.is_long {
            self.write(&PeerFile::FileOffer { name, size });
        } else {
            let size = u32::try_from(size).map_err(|_| PeerEnd::TooLargeForPeer)?;
            self.write(&PeerFile::FileInfo { name, size });
        }
        self.wait(now, Stage::Answer, self.timeouts.decision);
        Ok(())
    }

    /// Whether it is a frame of another kind than FILE_DATA.
    pub(super) fn is_control(&self, frame: &[u8]) -> bool {
        !matches!(PeerFile::decode(frame), Ok((_, PeerFile::FileData(_))))
    }

    pub(super) fn check(&self, header: &PeerHeader) -> Result<(), PeerEnd> {
        if header.uin == self.other {
            return Ok(());
        }
        Err(if self.stage == Stage::Hello { PeerEnd::Stranger } else { PeerEnd::Contradiction })
    }

    pub(super) fn on_data<'a>(&mut self, now: Instant, frame: &'a [u8]) -> Result<FileEvent<'a>, PeerEnd> {
        let (header, packet) = PeerFile::decode(frame).map_err(|_| PeerEnd::Malformed)?;
        self.check(&header)?;
        let PeerFile::FileData(bytes) = packet else { return Err(PeerEnd::Contradiction) };
        let is_wanted = self.role == Role::Receiving && self.stage == Stage::Data;
        if !is_wanted || bytes.len() as u64 > self.size - self.at {
            return Err(if self.stage == Stage::Hello { PeerEnd::NoHello } else { PeerEnd::Contradiction });
        }
        self.at += bytes.len() as u64;
        if !bytes.is_empty() {
            self.deadline = Some(now + self.timeouts.piece);
        }
        Ok(FileEvent::Data(bytes))
    }

    /// Takes a frame without bytes of the file.
    pub(super) fn on_frame(&mut self, now: Instant, frame: &[u8]) -> Result<Option<FileEvent<'static>>, PeerEnd> {
        let (header, packet) = PeerFile::decode(frame).map_err(|_| PeerEnd::Malformed)?;
        self.check(&header)?;
        match (self.stage, packet) {
            (Stage::Hello, PeerFile::Hello(hello)) => self.on_hello(now, &hello).map(|()| None),
            (Stage::Hello, _) => Err(PeerEnd::NoHello),
            (Stage::Sign, PeerFile::Hello(hello)) => {
                self.is_long = hello.extensions & LONG_FILES != 0;
                self.send_info(now).map(|()| None)
            }
            // The sign has come too late to be used, and the receiver takes what he is sent.
            (Stage::Answer, PeerFile::Hello(_)) if self.side == Side::Connected => Ok(None),
            (Stage::Info, PeerFile::FileInfo { name, size }) => Ok(Some(self.on_info(&name, size.into()))),
            (Stage::Info, PeerFile::FileOffer { name, size }) => {
                self.is_long = true;
                Ok(Some(self.on_info(&name, size)))
            }
            (Stage::Answer, PeerFile::FileReceive) if !self.is_long => {
                self.pause(Stage::Comparing);
                Ok(Some(FileEvent::Requested { offset: 0, hash: None }))
            }
            (Stage::Answer, PeerFile::FileResume { offset, hash }) if self.is_long => {
                self.pause(Stage::Comparing);
                self.asked = if offset <= self.size { offset } else { 0 };
                let hash = Some(hash).filter(|_| self.asked > 0);
                Ok(Some(FileEvent::Requested { offset: self.asked, hash }))
            }
            (Stage::Start, PeerFile::FileStart { offset }) if offset == 0 || offset == self.asked => {
                self.at = offset;
                self.wait(now, Stage::Data, self.timeouts.piece);
                Ok(Some(FileEvent::Started { offset }))
            }
            (Stage::Data, PeerFile::FileEnd { hash })
                if self.is_long && self.role == Role::Receiving && self.at == self.size =>
            {
                self.pause(Stage::Checking);
                Ok(Some(FileEvent::Whole { hash: Some(hash) }))
            }
            (Stage::Answer | Stage::Data | Stage::Result, PeerFile::FileResult(result))
                if self.is_long && self.role != Role::Receiving =>
            {
                if self.stage != Stage::Result && result == FileResult::DONE {
                    return Err(PeerEnd::Contradiction);
                }
                self.over();
                Ok(Some(FileEvent::Concluded(result)))
            }
            _ => Err(PeerEnd::Contradiction),
        }
    }

    pub(super) fn on_hello(&mut self, now: Instant, hello: &Hello<'_>) -> Result<(), PeerEnd> {
        let is_receiving = self.role == Role::Receiving;
        if hello.is_sender != is_receiving {
            return Err(PeerEnd::Contradiction);
        }
        let is_ours = hello.extensions & LONG_FILES != 0;
        if !is_receiving {
            self.is_long = is_ours;
            return self.send_info(now);
        }
        if is_ours {
            // COMPAT: whoever listens says no HELLO, but to one who knows what it means.
            self.say_hello();
        }
        self.wait(now, Stage::Info, self.timeouts.piece);
        Ok(())
    }

    pub(super) fn on_info(&mut self, name: &[u8], size: u64) -> FileEvent<'static> {
        // COMPAT: a client of 2003 sends the bytes of its file system, which may be those of its language.
        let name = match std::str::from_utf8(name) {
            Ok(name) => name.to_owned(),
            Err(_) => Charset::Gb18030.decode(name).into_owned(),
        };
        self.size = size;
        if !is_bare_name(name.as_bytes()) {
            if self.is_long {
                self.write(&PeerFile::FileResult(FileResult::BAD_NAME));
            }
            self.over();
            return FileEvent::BadName;
        }
        self.pause(Stage::Deciding);
        FileEvent::Offered { name, size, can_resume: self.is_long }
    }
}
