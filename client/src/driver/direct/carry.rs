//! A file over a stream, of whatever kind: the machine says what is said, and the disk is read and written beside it.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use myicq_wire::peer::{FileHash, FileResult};
use myicq_wire::{Instant, Uin};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::disk::{Source, Target};
use super::files::AcceptFile;
use super::transfer::Signal;
use crate::driver::system::{Clock, blocking};
use crate::error::FileError;
use crate::event::{Event, TransferId};
use crate::peer::{FileEvent, FileSession, PeerEnd, Speed};

/// Bytes of a file that are read from the disk at once.
const CHUNK: usize = 256 * 1024;

/// Bytes that are read from the stream at once.
const READ_LEN: usize = 256 * 1024;

/// Bytes that may wait for the disk; beyond it the stream is not read.
const PENDING_MAX: usize = 1024 * 1024;

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// How long the other side may take to close, when all has been said.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Tells the program how it goes.
#[derive(Debug)]
pub(super) struct Report {
    transfer: TransferId,
    with: Uin,
    clock: Clock,
    events: mpsc::Sender<Event>,
    is_relayed: bool,
    size: u64,
    speed: Option<Speed>,
    next_at: Instant,
}

impl Report {
    pub(super) fn new(
        transfer: TransferId,
        with: Uin,
        clock: Clock,
        events: mpsc::Sender<Event>,
        is_relayed: bool,
        size: u64,
    ) -> Self {
        Self { transfer, with, clock, events, is_relayed, size, speed: None, next_at: clock.now() }
    }

    async fn started(&mut self, name: String, size: u64, resumed: u64) {
        let now = self.clock.now();
        (self.size, self.speed, self.next_at) = (size, Some(Speed::new(now, resumed)), now + PROGRESS_EVERY);
        let (transfer, with, is_relayed) = (self.transfer, self.with, self.is_relayed);
        // When the session is over, nobody waits for it.
        drop(self.events.send(Event::FileStarted { transfer, with, name, size, resumed, is_relayed }).await);
    }

    fn progress(&mut self, done: u64) {
        let now = self.clock.now();
        let Some(speed) = self.speed.as_mut().filter(|_| now >= self.next_at) else { return };
        self.next_at = now + PROGRESS_EVERY;
        let (transfer, size, per_second) = (self.transfer, self.size, speed.update(now, done));
        // Who does not look in time sees the next one.
        drop(self.events.try_send(Event::FileProgress { transfer, done, size, per_second }));
    }
}

/// Work on the disk that is under way, and what it gives back.
type Job<T> = Pin<Box<dyn Future<Output = Result<T, FileError>> + Send>>;

/// The result of a job, once there is one.
async fn done<T>(job: &mut Option<Job<T>>) -> Result<T, FileError> {
    match job {
        Some(running) => {
            let result = running.await;
            *job = None;
            result
        }
        None => std::future::pending().await,
    }
}

/// The stream, and what waits to be written to it.
struct Wire<S> {
    stream: S,
    output: Vec<u8>,
    written: usize,
    clock: Clock,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    fn new(stream: S, clock: Clock) -> Self {
        Self { stream, output: Vec::new(), written: 0, clock }
    }

    fn is_flushed(&self) -> bool {
        self.written == self.output.len()
    }

    /// What is to be written next, taken from the machine when the last of it is gone.
    fn fill(&mut self, session: &mut FileSession) {
        if self.is_flushed() {
            (self.output, self.written) = (session.take_output(), 0);
        }
    }

    /// Writes all that waits, lets the other side read it, and closes.
    async fn close(mut self) -> Result<(), FileError> {
        let (clock, deadline) = (self.clock, self.clock.now() + CLOSE_TIMEOUT);
        let closing = async {
            self.stream.write_all(self.output.get(self.written..).unwrap_or_default()).await?;
            self.stream.shutdown().await?;
            // What comes now has nothing to say.
            let mut rest = [0; 1_024];
            while self.stream.read(&mut rest).await? > 0 {}
            Ok::<(), io::Error>(())
        };
        tokio::select! {
            closed = closing => closed.map_err(|_| FileError::Connection(PeerEnd::Cut)),
            () = clock.wait_until(Some(deadline)) => Err(FileError::Connection(PeerEnd::Slow)),
        }
    }
}

/// What is to be sent: the file, and what was read of it.
struct Outbox {
    source: Option<Source>,
    name: String,
    ready: Option<Vec<u8>>,
    reading: Option<Job<(Source, Vec<u8>)>>,
    /// From the receiver's go-ahead to the last byte.
    is_sending: bool,
}

impl Outbox {
    /// Gives the machine what was read, and has the next bytes read while they are written.
    fn feed(&mut self, session: &mut FileSession, is_flushed: bool, report: &mut Report) {
        if !self.is_sending {
            return;
        }
        if is_flushed {
            if let Some(bytes) = self.ready.take() {
                session.data(&bytes);
                report.progress(session.progress());
            }
        }
        if self.ready.is_some() || self.reading.is_some() {
            return;
        }
        if let Some(mut source) = self.source.take() {
            if source.is_at_end() {
                session.finish(report.clock.now(), source.hash());
                self.is_sending = false;
                self.source = Some(source);
            } else {
                self.reading = Some(Box::pin(blocking(move || source.next(CHUNK).map(|bytes| (source, bytes)))));
            }
        }
    }

    /// Takes what the receiver says; in the end, what has become of the file.
    async fn hear(
        &mut self,
        session: &mut FileSession,
        mut input: &[u8],
        report: &mut Report,
    ) -> Result<Option<FileResult>, FileError> {
        let clock = report.clock;
        while let Some(event) = session.next_event(clock.now(), &mut input)? {
            match event {
                FileEvent::Requested { offset, hash } => {
                    let mut source = self.source.take().ok_or(PeerEnd::Contradiction)?;
                    let (source, offset) =
                        blocking(move || source.skip(offset, hash).map(|offset| (source, offset))).await?;
                    report.started(self.name.clone(), source.size(), offset).await;
                    session.start(clock.now(), offset);
                    (self.source, self.is_sending) = (Some(source), true);
                }
                FileEvent::Concluded(result) => return Ok(Some(result)),
                _ => return Err(PeerEnd::Contradiction.into()),
            }
        }
        Ok(None)
    }
}

/// Sends a file; whether the receiver has compared it.
pub(super) async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    mut session: FileSession,
    (source, name): (Source, String),
    mut report: Report,
    signals: &mut mpsc::UnboundedReceiver<Signal>,
) -> Result<bool, FileError> {
    let clock = report.clock;
    let (mut wire, mut buffer) = (Wire::new(stream, clock), vec![0; 4_096]);
    let mut outbox = Outbox { source: Some(source), name, ready: None, reading: None, is_sending: false };
    loop {
        outbox.feed(&mut session, wire.is_flushed(), &mut report);
        wire.fill(&mut session);
        if session.is_over() && wire.is_flushed() {
            // COMPAT: in version 1 that the other side closes is all that it says.
            return wire.close().await.map(|()| false);
        }
        let has_output = !wire.is_flushed();
        let (mut reader, mut writer) = tokio::io::split(&mut wire.stream);
        tokio::select! {
            read = reader.read(&mut buffer) => match read {
                Ok(0) | Err(_) => {
                    session.handle_closed()?;
                    return Ok(false);
                }
                Ok(len) => {
                    let heard = buffer.get(..len).unwrap_or_default();
                    if let Some(result) = outbox.hear(&mut session, heard, &mut report).await? {
                        return concluded(result);
                    }
                }
            },
            wrote = writer.write(wire.output.get(wire.written..).unwrap_or_default()), if has_output => {
                wire.written += wrote.map_err(|_| PeerEnd::Cut)?;
                session.on_written(clock.now());
            }
            read = done(&mut outbox.reading) => {
                let (source, bytes) = read?;
                (outbox.source, outbox.ready) = (Some(source), Some(bytes));
            }
            signal = signals.recv() => cancelled(signal)?,
            () = clock.wait_until(session.poll_timeout()) => session.handle_timeout(clock.now())?,
        }
    }
}

fn concluded(result: FileResult) -> Result<bool, FileError> {
    Err(match result {
        FileResult::DONE => return Ok(true),
        FileResult::DAMAGED => FileError::Damaged,
        FileResult::TOO_LARGE => FileError::TooLarge,
        FileResult::BAD_NAME => FileError::BadName,
        FileResult::DISK => FileError::OtherDisk,
        _ => FileError::Refused,
    })
}

fn cancelled(signal: Option<Signal>) -> Result<(), FileError> {
    match signal {
        Some(Signal::Cancel) | None => Err(FileError::Cancelled),
        // An answer that came twice, or late.
        Some(_) => Ok(()),
    }
}

/// What has come and is not on the disk yet.
#[derive(Default)]
struct Inbox {
    target: Option<Target>,
    name: String,
    size: u64,
    pending: Vec<u8>,
    writing: Option<Job<Target>>,
    /// All bytes are here, and have this hash, if it is known.
    whole: Option<Option<FileHash>>,
}

/// Takes a file; where it is now, how long it is, and whether it was compared.
pub(super) async fn receive<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    mut session: FileSession,
    accept: AcceptFile,
    mut report: Report,
    signals: &mut mpsc::UnboundedReceiver<Signal>,
) -> Result<(PathBuf, u64, bool), FileError> {
    let (mut wire, mut inbox) = (Wire::new(stream, report.clock), Inbox::default());
    let outcome = take_in(&mut wire, &mut session, &mut inbox, &accept, &mut report, signals).await;
    if outcome.is_err() {
        inbox.keep().await;
    }
    match outcome {
        Ok(_) => session.conclude(FileResult::DONE),
        Err(FileError::Damaged) => session.conclude(FileResult::DAMAGED),
        Err(FileError::TooLarge) => session.conclude(FileResult::TOO_LARGE),
        Err(FileError::Disk(_)) => session.conclude(FileResult::DISK),
        Err(FileError::Cancelled) => session.conclude(FileResult::REFUSED),
        Err(_) => {}
    }
    wire.output.drain(..wire.written);
    wire.written = 0;
    wire.output.extend(session.take_output());
    // The file is where it is, whether or not the sender hears of it.
    let _ = wire.close().await;
    outcome
}

async fn take_in<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    session: &mut FileSession,
    inbox: &mut Inbox,
    accept: &AcceptFile,
    report: &mut Report,
    signals: &mut mpsc::UnboundedReceiver<Signal>,
) -> Result<(PathBuf, u64, bool), FileError> {
    let (clock, mut buffer) = (report.clock, vec![0; READ_LEN]);
    loop {
        inbox.write();
        if let Some(hash) = inbox.whole.filter(|_| inbox.writing.is_none()) {
            let target = inbox.target.take().ok_or(PeerEnd::Contradiction)?;
            let path = blocking(move || target.finish(hash)).await?;
            return Ok((path, inbox.size, hash.is_some()));
        }
        wire.fill(session);
        let (has_output, can_read) = (!wire.is_flushed(), inbox.pending.len() < PENDING_MAX && inbox.whole.is_none());
        let (mut reader, mut writer) = tokio::io::split(&mut wire.stream);
        tokio::select! {
            read = reader.read(&mut buffer), if can_read => match read {
                Ok(0) | Err(_) => session.handle_closed()?,
                Ok(len) => {
                    inbox.take(session, buffer.get(..len).unwrap_or_default(), accept, report).await?;
                    report.progress(session.progress());
                }
            },
            wrote = writer.write(wire.output.get(wire.written..).unwrap_or_default()), if has_output => {
                wire.written += wrote.map_err(|_| PeerEnd::Cut)?;
                session.on_written(clock.now());
            }
            wrote = done(&mut inbox.writing) => inbox.target = Some(wrote?),
            signal = signals.recv() => cancelled(signal)?,
            // While the disk is slow, it is not the other side that is.
            () = clock.wait_until(session.poll_timeout()), if can_read => session.handle_timeout(clock.now())?,
        }
    }
}

impl Inbox {
    /// Lets the disk work, if it does not.
    fn write(&mut self) {
        if self.pending.is_empty() || self.writing.is_some() {
            return;
        }
        if let Some(mut target) = self.target.take() {
            let bytes = std::mem::replace(&mut self.pending, Vec::with_capacity(READ_LEN));
            self.writing = Some(Box::pin(blocking(move || target.write(&bytes).map(|()| target))));
        }
    }

    /// Brings what has come to the disk, for the next try.
    async fn keep(&mut self) {
        let target = match self.writing.take() {
            Some(writing) => writing.await.ok(),
            None => self.target.take(),
        };
        if let Some(mut target) = target {
            let bytes = std::mem::take(&mut self.pending);
            // What is not there then comes again.
            let _ = blocking(move || target.write(&bytes)).await;
        }
    }

    async fn take(
        &mut self,
        session: &mut FileSession,
        mut input: &[u8],
        accept: &AcceptFile,
        report: &mut Report,
    ) -> Result<(), FileError> {
        let clock = report.clock;
        loop {
            match session.next_event(clock.now(), &mut input)? {
                Some(FileEvent::Data(bytes)) => self.pending.extend_from_slice(bytes),
                Some(FileEvent::Offered { name, size, .. }) => {
                    if size > accept.max_size {
                        return Err(FileError::TooLarge);
                    }
                    (self.name, self.size) = (name.clone(), size);
                    let (folder, from) = (accept.folder.clone(), report.with);
                    let target = blocking(move || Target::open(&folder, from, &name, size)).await?;
                    let (offset, hash) = target.present();
                    self.target = Some(target);
                    session.accept(clock.now(), offset, hash);
                }
                Some(FileEvent::Started { offset }) => {
                    self.target.as_mut().ok_or(PeerEnd::Contradiction)?.begin(offset)?;
                    report.started(self.name.clone(), self.size, offset).await;
                }
                Some(FileEvent::Whole { hash }) => self.whole = Some(hash),
                Some(FileEvent::BadName) => return Err(FileError::BadName),
                Some(_) => return Err(PeerEnd::Contradiction.into()),
                None => return Ok(()),
            }
        }
    }
}
