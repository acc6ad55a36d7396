//! A file session: one file, from one side to the other.
//!
//! Version 1 sends name and size, waits for a go-ahead, and sends the bytes; that they are the right ones, nobody asks. Between programs
//! of this project, which know each other by their HELLO, a file may have any size, goes on where an earlier try was cut off, and
//! is compared by its SHA-256 before the receiver calls it done.

mod state;

use std::time::Duration;

use myicq_wire::peer::{FILE_CHUNK_LEN, FileHash, FileResult, LONG_CHUNK_LEN, PeerFile, file_frames};
use myicq_wire::tunnel::Framer;
use myicq_wire::{Instant, Uin};

use self::state::{Role, Stage, State};
use super::{Identity, PeerEnd, PeerTimeouts};

/// How long a sender that has connected waits for a sign that the other program knows the extension. COMPAT: a client of 2003 that
/// listened says nothing before it has seen FILE_INFO.
const SIGN_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How a connection came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// This side has connected, and says HELLO.
    Connected,
    /// The other side has.
    Accepted,
}

/// What a file session tells its owner, who answers to the first three.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileEvent<'a> {
    /// To the receiver: what the file is called, which is a name and no path, and how long it is. Answered by [`FileSession::accept`] or
    /// [`FileSession::conclude`].
    Offered {
        /// Its name.
        name: String,
        /// Its length in bytes.
        size: u64,
        /// Whether the sender can leave out what is here already.
        can_resume: bool,
    },
    /// To the sender: the receiver has the first `offset` bytes, and they have this hash. Answered by [`FileSession::start`].
    Requested {
        /// How many bytes.
        offset: u64,
        /// Their hash; `None` if there are none.
        hash: Option<FileHash>,
    },
    /// To the receiver: all bytes are here. Answered by [`FileSession::conclude`].
    Whole {
        /// The hash that the file must have, if the sender tells.
        hash: Option<FileHash>,
    },
    /// To the receiver: the bytes begin here. What lies behind is to be thrown away.
    Started {
        /// From the start of the file.
        offset: u64,
    },
    /// To the receiver: the next bytes.
    Data(&'a [u8]),
    /// To the sender: what became of it. The stream may be closed.
    Concluded(FileResult),
    /// To the receiver: the name is none, and the file was refused. The stream is to be closed once the output is written.
    BadName,
}

/// One connection with another client, for one file.
#[derive(Debug)]
pub struct FileSession {
    framer: Framer,
    state: State,
}

impl FileSession {
    /// Sends a file of this name and length to `other`.
    pub fn sending(
        now: Instant,
        me: Identity,
        other: Uin,
        side: Side,
        (name, size): (String, u64),
        timeouts: PeerTimeouts,
    ) -> Self {
        Self::new(now, me, other, side, Role::Sending { name }, size, timeouts)
    }

    /// Takes a file from `other`.
    pub fn receiving(now: Instant, me: Identity, other: Uin, side: Side, timeouts: PeerTimeouts) -> Self {
        Self::new(now, me, other, side, Role::Receiving, 0, timeouts)
    }

    fn new(now: Instant, me: Identity, other: Uin, side: Side, role: Role, size: u64, timeouts: PeerTimeouts) -> Self {
        let (output, deadline) = (Vec::new(), None);
        let (is_long, at, asked) = (false, 0, 0);
        let mut state =
            State { me, other, role, side, stage: Stage::Hello, is_long, size, at, asked, output, timeouts, deadline };
        match (side, &state.role) {
            (Side::Accepted, _) => state.wait(now, Stage::Hello, timeouts.hello),
            (Side::Connected, Role::Sending { .. }) => {
                state.say_hello();
                state.wait(now, Stage::Sign, SIGN_TIMEOUT);
            }
            (Side::Connected, Role::Receiving) => {
                state.say_hello();
                state.wait(now, Stage::Info, timeouts.piece);
            }
        }
        Self { framer: file_frames(), state }
    }

    /// The next thing that happens, out of what the session knows and what `input` holds; `None` when all of that is used up. While the
    /// owner owes an answer, nothing is taken.
    ///
    /// # Errors
    /// Why the session is over. The stream is to be closed.
    pub fn next_event(&mut self, now: Instant, input: &mut &[u8]) -> Result<Option<FileEvent<'_>>, PeerEnd> {
        if let Some(event) = self.state.on_own(now) {
            return Ok(Some(event));
        }
        // A frame that has led to no event is let go before the next one is looked for.
        while self.state.takes_input() {
            match self.framer.next_frame(input).map_err(|_| PeerEnd::Malformed)? {
                None => return Ok(None),
                Some(frame) if self.state.is_control(frame) => {
                    if let Some(event) = self.state.on_frame(now, frame)? {
                        return Ok(Some(event));
                    }
                }
                Some(_) => break,
            }
        }
        if !self.state.takes_input() {
            return Ok(None);
        }
        // It has been taken in, and is what is held.
        match self.framer.held_frame() {
            Some(frame) => self.state.on_data(now, frame).map(Some),
            None => Ok(None),
        }
    }

    /// The receiver takes the file, of which the first `offset` bytes are there and have this hash. Where the sender cannot resume, all
    /// of it comes.
    pub fn accept(&mut self, now: Instant, offset: u64, hash: FileHash) {
        let state = &mut self.state;
        if state.stage != Stage::Deciding {
            return;
        }
        if state.is_long {
            state.asked = offset.min(state.size);
            state.write(&PeerFile::FileResume { offset: state.asked, hash });
        } else {
            state.write(&PeerFile::FileReceive);
        }
        state.wait(now, Stage::Start, state.timeouts.decision);
    }

    /// The receiver says what became of the file, or that it does not want it. Then the output is to be written, and the stream closed.
    pub fn conclude(&mut self, result: FileResult) {
        if self.state.is_long && self.state.stage != Stage::Over {
            self.state.write(&PeerFile::FileResult(result));
        }
        self.state.over();
    }

    /// The sender begins at this byte: the one that was asked for, or the first.
    pub fn start(&mut self, now: Instant, offset: u64) {
        let state = &mut self.state;
        if state.stage != Stage::Comparing {
            return;
        }
        state.at = if state.is_long && offset == state.asked { offset } else { 0 };
        if state.is_long {
            let offset = state.at;
            state.write(&PeerFile::FileStart { offset });
        }
        state.wait(now, Stage::Data, state.timeouts.piece);
    }

    /// The sender's next bytes. What would go beyond the length that was offered is left out.
    pub fn data(&mut self, bytes: &[u8]) {
        let state = &mut self.state;
        if state.stage != Stage::Data || state.role == Role::Receiving {
            return;
        }
        let left = usize::try_from(state.size - state.at).unwrap_or(usize::MAX);
        let bytes = bytes.get(..left).unwrap_or(bytes);
        for chunk in bytes.chunks(if state.is_long { LONG_CHUNK_LEN } else { FILE_CHUNK_LEN }) {
            state.write(&PeerFile::FileData(chunk));
        }
        state.at += bytes.len() as u64;
    }

    /// The sender has sent all bytes, which have this hash.
    pub fn finish(&mut self, now: Instant, hash: FileHash) {
        let state = &mut self.state;
        if state.stage != Stage::Data || state.at != state.size {
            return;
        }
        if state.is_long {
            state.write(&PeerFile::FileEnd { hash });
            state.wait(now, Stage::Result, state.timeouts.decision);
        } else {
            state.over();
        }
    }

    /// How many bytes have come or gone, with those that were there before.
    pub fn progress(&self) -> u64 {
        self.state.at
    }

    /// Whether the other program is one of this project.
    pub fn is_long(&self) -> bool {
        self.state.is_long
    }

    /// What is to be written to the stream.
    pub fn output(&self) -> &[u8] {
        &self.state.output
    }

    /// The [output](FileSession::output), to be written by an owner who then says so with [`FileSession::on_written`].
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.state.output)
    }

    /// The stream takes bytes.
    pub fn on_written(&mut self, now: Instant) {
        if self.state.stage == Stage::Data {
            self.state.deadline = Some(now + self.state.timeouts.piece);
        }
    }

    /// Whether everything has been said: the stream is to be closed once the output is written.
    pub fn is_over(&self) -> bool {
        self.state.stage == Stage::Over
    }

    /// The stream has ended.
    ///
    /// # Errors
    /// [`PeerEnd::Cut`] where that is not its proper end.
    pub fn handle_closed(&self) -> Result<(), PeerEnd> {
        let is_proper = match self.state.stage {
            Stage::Over => true,
            // COMPAT: in version 1 the sender closes behind the last byte.
            Stage::Checking => !self.state.is_long,
            _ => false,
        };
        if is_proper { Ok(()) } else { Err(PeerEnd::Cut) }
    }

    /// Does what is due.
    ///
    /// # Errors
    /// Why the session is over.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), PeerEnd> {
        if self.state.deadline.is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        match self.state.stage {
            Stage::Sign => self.state.send_info(now),
            Stage::Hello => Err(PeerEnd::NoHello),
            _ => Err(PeerEnd::Slow),
        }
    }

    /// When to call [`FileSession::handle_timeout`], if nothing comes before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.state.deadline
    }
}
