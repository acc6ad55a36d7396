//! One message session on a TCP connection.

use std::io::ErrorKind;
use std::net::SocketAddrV4;
use std::time::Duration;

use myicq_wire::{MessageKind, Uin};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::super::system::{Clock, stream_to};
use crate::peer::{ConnectionId, Identity, LetterId, MessageEvent, MessageSession, PeerEnd, PeerTimeouts};

/// Bytes that are read at once.
const READ_LEN: usize = 4_096;

/// What the session's task wants of a connection. When nobody can want anything any more, it is closed.
#[derive(Debug)]
pub(super) enum Command {
    Send { letter: LetterId, kind: MessageKind, time: u32, text: Vec<u8> },
    Confirm(u32),
}

/// What a connection tells the session's task.
#[derive(Debug)]
pub(in crate::driver) enum Notice {
    /// It has come about, and it is known who is there.
    Connected { uin: Uin, is_own: bool },
    /// It has not.
    Unconnected { uin: Uin },
    /// Something else has happened on it.
    Event(Uin, MessageEvent),
    /// It is over.
    Lost { uin: Option<Uin>, end: PeerEnd },
}

/// By which a connection is known, and by which it tells.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: ConnectionId,
    pub(super) clock: Clock,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) notices: mpsc::Sender<(ConnectionId, Notice)>,
}

impl Line {
    /// Whether somebody still wants to know.
    async fn tell(&self, notice: Notice) -> bool {
        self.notices.send((self.id, notice)).await.is_ok()
    }
}

/// Connects, and carries the session until it is over.
pub(super) async fn connect(line: Line, me: Identity, uin: Uin, to: SocketAddrV4, timeouts: PeerTimeouts) {
    match connect_in_time(to, line.clock, timeouts.connect).await {
        Some(stream) => {
            let session = MessageSession::connected(line.clock.now(), me, uin, timeouts);
            if line.tell(Notice::Connected { uin, is_own: true }).await {
                run(line, session, stream).await;
            }
        }
        None => drop(line.tell(Notice::Unconnected { uin }).await),
    }
}

/// A connection, if it comes about in time.
pub(super) async fn connect_in_time(to: SocketAddrV4, clock: Clock, timeout: Duration) -> Option<TcpStream> {
    let deadline = clock.now() + timeout;
    tokio::select! {
        stream = stream_to(to.into()) => stream.ok(),
        () = clock.wait_until(Some(deadline)) => None,
    }
}

/// Carries the session until it is over.
pub(super) async fn run(mut line: Line, mut session: MessageSession, stream: TcpStream) {
    let mut buffer = [0; READ_LEN];
    loop {
        while let Some(event) = session.poll_event() {
            let notice = match (event, session.other()) {
                (MessageEvent::Hello(uin), _) => Notice::Connected { uin, is_own: false },
                (event, Some(uin)) => Notice::Event(uin, event),
                // Nothing happens before it is known who is there.
                (_, None) => continue,
            };
            if !line.tell(notice).await {
                return;
            }
        }
        if let Some(end) = session.ended() {
            #[cfg(feature = "tracing")]
            tracing::debug!(other = ?session.other(), %end, "direct session");
            line.tell(Notice::Lost { uin: session.other(), end }).await;
            return;
        }
        let has_output = !session.output().is_empty();
        tokio::select! {
            ready = stream.readable() => match ready.and_then(|()| stream.try_read(&mut buffer)) {
                Ok(0) => session.handle_closed(),
                Ok(len) => session.handle_input(line.clock.now(), buffer.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => session.handle_closed(),
            },
            ready = stream.writable(), if has_output => match ready.and_then(|()| stream.try_write(session.output())) {
                Ok(len) => session.on_written(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => session.handle_closed(),
            },
            command = line.commands.recv() => match command {
                Some(Command::Send { letter, kind, time, text }) => {
                    if !session.send(line.clock.now(), letter, kind, time, &text) {
                        // It goes through the server, then, with all that waits before it.
                        session.close();
                        line.tell(Notice::Lost { uin: session.other(), end: PeerEnd::Left }).await;
                        return;
                    }
                }
                Some(Command::Confirm(id)) => session.confirm(id),
                None => {
                    // An acknowledgement that is not said now makes a message come again.
                    drop(stream.try_write(session.output()));
                    return;
                }
            },
            () = line.clock.wait_until(session.poll_timeout()) => session.handle_timeout(line.clock.now()),
        }
    }
}
