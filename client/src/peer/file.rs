//! A file session: one file, from one side to the other.
//!
//! Version 1 sends name and size, waits for a go-ahead, and sends the bytes; that they are the right ones, nobody asks. Between programs
//! of this project, which know each other by their HELLO, a file may have any size, goes on where an earlier try was cut off, and
//! is compared by its SHA-256 before the receiver calls it done.

use std::time::Duration;

use myicq_wire::charset::Charset;
use myicq_wire::peer::{
    FILE_CHUNK_LEN, FileHash, FileResult, Hello, LONG_CHUNK_LEN, LONG_FILES, MAX_FILE_FRAME, PeerFile, PeerHeader,
    file_frames, is_bare_name,
};
use myicq_wire::tunnel::{Framer, PREFIX_LEN};
use myicq_wire::{Instant, Str, Uin};

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

#[derive(Clone, PartialEq, Eq, Debug)]
enum Role {
    Sending { name: String },
    Receiving,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
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

/// One connection with another client, for one file.
#[derive(Debug)]
pub struct FileSession {
    framer: Framer,
    state: State,
}

/// All but the framer, out of which frames are borrowed while this changes.
#[derive(Debug)]
struct State {
    me: Identity,
    other: Uin,
    role: Role,
    side: Side,
    stage: Stage,
    /// Both sides know the extension.
    is_long: bool,
    /// The length of the file, once it is known.
    size: u64,
    /// How many of its bytes have come or gone, with those that were there before.
    at: u64,
    /// What the receiver asked for.
    asked: u64,
    output: Vec<u8>,
    timeouts: PeerTimeouts,
    deadline: Option<Instant>,
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

impl State {
    fn wait(&mut self, now: Instant, stage: Stage, timeout: Duration) {
        (self.stage, self.deadline) = (stage, Some(now + timeout));
    }

    /// The owner has the word.
    fn pause(&mut self, stage: Stage) {
        (self.stage, self.deadline) = (stage, None);
    }

    fn over(&mut self) {
        self.pause(Stage::Over);
    }

    fn takes_input(&self) -> bool {
        !matches!(self.stage, Stage::Deciding | Stage::Comparing | Stage::Checking | Stage::Over)
    }

    fn write(&mut self, packet: &PeerFile<'_>) {
        let start = self.output.len();
        self.output.resize(start + PREFIX_LEN + MAX_FILE_FRAME, 0);
        let buffer = self.output.get_mut(start..).unwrap_or_default();
        let written = packet.encode(self.me.uin, self.me.face, buffer);
        debug_assert!(written.is_ok(), "what is said in a file session fits into its frames");
        self.output.truncate(start + written.unwrap_or(0));
    }

    fn say_hello(&mut self) {
        let is_sender = self.role != Role::Receiving;
        let domain = self.me.domain.clone();
        self.write(&PeerFile::Hello(Hello { is_sender, domain: Some(Str(&domain)), extensions: LONG_FILES }));
    }

    /// What happens without anything coming.
    fn on_own(&mut self, now: Instant) -> Option<FileEvent<'static>> {
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

    fn send_info(&mut self, now: Instant) -> Result<(), PeerEnd> {
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
    fn is_control(&self, frame: &[u8]) -> bool {
        !matches!(PeerFile::decode(frame), Ok((_, PeerFile::FileData(_))))
    }

    fn check(&self, header: &PeerHeader) -> Result<(), PeerEnd> {
        if header.uin == self.other {
            return Ok(());
        }
        Err(if self.stage == Stage::Hello { PeerEnd::Stranger } else { PeerEnd::Contradiction })
    }

    fn on_data<'a>(&mut self, now: Instant, frame: &'a [u8]) -> Result<FileEvent<'a>, PeerEnd> {
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
    fn on_frame(&mut self, now: Instant, frame: &[u8]) -> Result<Option<FileEvent<'static>>, PeerEnd> {
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

    fn on_hello(&mut self, now: Instant, hello: &Hello<'_>) -> Result<(), PeerEnd> {
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

    fn on_info(&mut self, name: &[u8], size: u64) -> FileEvent<'static> {
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
