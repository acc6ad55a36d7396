//! The socket over which the administrator's commands reach a running server ([`crate::control`]).

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use myicq_wire::Uin;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::Semaphore;

use super::inquiry::{Inquiry, PATIENCE as HEALTH_PATIENCE};
use crate::config::Config;
use crate::control::{Answer, Problem, REQUEST_MAX, Request, SOCKET, answer_broadcast};

/// Connections at a time. Further ones are told so.
const CONNECTIONS_MAX: usize = 16;

/// How long a connection may take to say what it wants, and to take a part of the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The socket. Its file goes with it.
#[derive(Debug)]
pub(super) struct ControlSocket {
    listener: tokio::net::UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Makes the socket in the data folder, which nobody else may be using: a socket that is there already is left from a server that
    /// was killed.
    #[expect(clippy::disallowed_methods, reason = "the driver makes the socket, and removes it")]
    pub(super) fn bind(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(&path)?)?;
        // Before anybody can connect to it.
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        socket.listen(128)?;
        socket.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(socket.into())?;
        Ok(Self { listener, path })
    }

    /// Serves the administrator, until it is dropped.
    pub(super) async fn serve(&self, config: Arc<Config>, inquiry: Inquiry) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                // Too many open files, most likely: others have to close some.
                #[expect(clippy::disallowed_methods, reason = "the driver waits")]
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (config, inquiry, place) =
                (Arc::clone(&config), inquiry.clone(), Arc::clone(&room).try_acquire_owned());
            tokio::task::spawn_local(async move {
                // Who has gone does not wait for an answer.
                let _ = match place {
                    Ok(_place) => converse(stream, &config, &inquiry).await,
                    Err(_) => turn_away(stream).await,
                };
            });
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        #[expect(clippy::disallowed_methods, reason = "the driver removes what it has made")]
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn turn_away(stream: UnixStream) -> io::Result<()> {
    let message = format!("the server talks to {CONNECTIONS_MAX} commands already; try again later");
    let mut teller = Teller::new(stream.into_split().1);
    teller.tell(&Answer::failed(Problem::Unavailable, message)).await?;
    teller.finish().await
}

/// One request and its answers.
async fn converse(stream: UnixStream, config: &Config, inquiry: &Inquiry) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    let mut teller = Teller::new(writer);
    let mut line = Vec::new();
    let mut reader = BufReader::new(reader.take(REQUEST_MAX as u64 + 1));
    in_time(reader.read_until(b'\n', &mut line)).await?;
    if line.len() > REQUEST_MAX {
        let message = format!("a request has {REQUEST_MAX} bytes at most");
        teller.tell(&Answer::failed(Problem::Request, message)).await?;
        return teller.finish().await;
    }
    match serde_json::from_slice(&line) {
        Ok(Request::User(request)) => {
            let ask = async |whom, work| inquiry.errand(whom, work).await;
            request.perform(config.legacy.charset, ask, async |answer| teller.tell(&answer).await).await?;
        }
        Ok(Request::Sessions {}) => tell_sessions(inquiry, &mut teller).await?,
        Ok(Request::Health {}) => teller.tell(&Answer::Health(inquiry.health(HEALTH_PATIENCE).await)).await?,
        Ok(Request::Broadcast { text }) => teller.tell(&answer_broadcast(inquiry.broadcast(text).await)).await?,
        Ok(Request::Trace { uin }) => tell_trace(inquiry, Uin(uin), &mut reader, &mut teller).await?,
        Err(error) => {
            let message = format!("this is no request: {error}");
            teller.tell(&Answer::failed(Problem::Request, message)).await?;
        }
    }
    teller.finish().await
}

async fn tell_sessions(inquiry: &Inquiry, teller: &mut Teller) -> io::Result<()> {
    for shard in 0..inquiry.shards() {
        let mut next = Some(0);
        while let Some(slot) = next
            && let Some((views, rest)) = inquiry.sessions(shard, slot).await
        {
            for view in &views {
                teller.tell(&Answer::Session(view.into())).await?;
            }
            next = rest;
        }
    }
    teller.tell(&Answer::Done {}).await
}

/// Until whoever looks has seen enough, and hangs up.
async fn tell_trace(
    inquiry: &Inquiry,
    whom: Uin,
    reader: &mut (impl AsyncRead + Unpin),
    teller: &mut Teller,
) -> io::Result<()> {
    let mut traced = inquiry.trace(whom);
    let mut nothing = [0];
    loop {
        let next = tokio::select! {
            next = traced.recv() => next,
            _ = reader.read(&mut nothing) => return Ok(()),
        };
        let Some(next) = next else {
            let message = "somebody looks at a user of the same shard already, or the server is stopping";
            return teller.tell(&Answer::failed(Problem::Unavailable, message)).await;
        };
        teller.tell(&Answer::Traced(next.into())).await?;
        if traced.is_empty() {
            teller.flush().await?;
        }
    }
}

/// The way back to who has asked.
struct Teller(BufWriter<OwnedWriteHalf>);

impl Teller {
    fn new(writer: OwnedWriteHalf) -> Self {
        Self(BufWriter::new(writer))
    }

    async fn tell(&mut self, answer: &Answer) -> io::Result<()> {
        let mut line = serde_json::to_vec(answer)?;
        line.push(b'\n');
        in_time(self.0.write_all(&line)).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        in_time(self.0.flush()).await
    }

    async fn finish(mut self) -> io::Result<()> {
        in_time(self.0.shutdown()).await
    }
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    #[expect(clippy::disallowed_methods, reason = "the driver waits for the socket")]
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
