//! Where a command does its work: in the server that is running, or on the store of one that is not.

use std::io;
use std::path::Path;

use anyhow::anyhow;
use myicq_server::Config;
use myicq_server::control::{Answer, Problem, Request, UserRequest, store_broadcast};
use myicq_server::store::{self, Database, Outcome, Store, Ticket, Work};
use myicq_wire::UnixTime;

use crate::exit::{Exit, Failure};

#[cfg(unix)]
use connection::Connection;

/// Where.
pub(crate) enum Place {
    #[cfg(unix)]
    Server(Connection),
    Store(Database),
}

impl Place {
    /// The server that has the data folder; where none has, its store, which is made only if `make` says so: a misspelt name must not make an
    /// empty database.
    pub(crate) async fn open(config: &Config, make: bool) -> Result<Self, Failure> {
        let folder = &config.store.data;
        if !make {
            check_folder(folder)?;
        }
        #[cfg(unix)]
        if let Some(connection) = Connection::open(folder)? {
            return Ok(Self::Server(connection));
        }
        Ok(Self::Store(Database::open(folder, config.store.database.as_ref()).await?))
    }

    /// Has something done with users. Hands each of them to `on_part`, and gives back the end of the answer.
    pub(crate) async fn ask_users(
        self,
        config: &Config,
        request: UserRequest,
        mut on_part: impl FnMut(Answer) -> io::Result<()>,
    ) -> Result<Answer, Failure> {
        match self {
            #[cfg(unix)]
            Self::Server(connection) => connection.ask(&Request::User(request), on_part),
            Self::Store(mut store) => {
                let mut last = None;
                let tell = async |answer: Answer| {
                    if answer.is_last() {
                        last = Some(answer);
                        Ok(())
                    } else {
                        on_part(answer)
                    }
                };
                let told =
                    request.perform(config.legacy.charset, async |_, work| ask(&mut store, work).await, tell).await;
                store.close().await;
                told?;
                last.map_or_else(|| Err(interrupted()), succeeded)
            }
        }
    }

    /// Says something to everybody, to each once: at once, where a server is running, or at his next login.
    pub(crate) async fn broadcast(self, config: &Config, text: String) -> Result<(), Failure> {
        let answer = match self {
            #[cfg(unix)]
            Self::Server(connection) => connection.ask(&Request::Broadcast { text }, |_| Ok(()))?,
            Self::Store(mut store) => {
                #[expect(clippy::disallowed_methods, reason = "the command line may read the clock")]
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                let now = UnixTime(u64::try_from(now.as_micros()).unwrap_or(u64::MAX));
                let answer = store_broadcast(config, now, text, async |_, work| ask(&mut store, work).await).await;
                store.close().await;
                succeeded(answer)?
            }
        };
        debug_assert_eq!(answer, Answer::Done {});
        Ok(())
    }
}

async fn ask(store: &mut Database, work: Work) -> Option<Outcome> {
    let replies = store.commit(vec![store::Request { ticket: Ticket(0), work }]).await;
    replies.into_iter().next().map(|reply| reply.outcome)
}

/// Asks the server that has the data folder. It must be running.
pub(crate) fn ask_server(
    folder: &Path,
    request: &Request,
    on_part: impl FnMut(Answer) -> io::Result<()>,
) -> Result<Answer, Failure> {
    check_folder(folder)?;
    #[cfg(unix)]
    if let Some(connection) = Connection::open(folder)? {
        return connection.ask(request, on_part);
    }
    #[cfg(not(unix))]
    let _ = (request, on_part);
    let message = anyhow!(
        "no server is running on the data folder {}; start one, or name its folder with --data",
        folder.display()
    );
    Err(Failure::new(Exit::Unavailable, message))
}

pub(crate) fn check_folder(folder: &Path) -> Result<(), Failure> {
    #[expect(clippy::disallowed_methods, reason = "the command line may touch files")]
    let is_there = folder.is_dir();
    if is_there {
        return Ok(());
    }
    let message = anyhow!("there is no data folder {}; name the server's with --data", folder.display());
    Err(Failure::new(Exit::NoInput, message))
}

fn succeeded(last: Answer) -> Result<Answer, Failure> {
    let Answer::Failed { problem, message } = last else { return Ok(last) };
    let exit = match problem {
        Problem::User => Exit::NoUser,
        Problem::Request => Exit::Usage,
        Problem::Storage => Exit::Io,
        Problem::Unavailable => Exit::Unavailable,
    };
    Err(Failure::new(exit, anyhow!(message)))
}

fn interrupted() -> Failure {
    Failure::new(
        Exit::Unavailable,
        anyhow!("the server has ended before it had answered; what it was asked may be done"),
    )
}

#[cfg(unix)]
mod connection {
    use std::io::{self, BufRead, BufReader, ErrorKind, Write};
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::time::Duration;

    use anyhow::anyhow;
    use myicq_server::control::{Answer, Request, SOCKET};

    use super::{interrupted, succeeded};
    use crate::exit::{Exit, Failure};

    /// How long the server may take for a part of its answer.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A connection to the server that has a data folder.
    pub(crate) struct Connection(UnixStream);

    impl Connection {
        /// `None` when there is no server: no socket, or one that was left by a server that was killed.
        pub(crate) fn open(folder: &Path) -> Result<Option<Self>, Failure> {
            let path = folder.join(SOCKET);
            #[expect(clippy::disallowed_methods, reason = "the command line may talk to the server")]
            match UnixStream::connect(&path) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE))?;
                    Ok(Some(Self(stream)))
                }
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
                // Where no socket could be made, there is none.
                Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(None),
                Err(error) => {
                    let problem = format!("cannot reach the server through {}; be its user, or root", path.display());
                    Err(Failure::new(Exit::Io, anyhow::Error::new(error).context(problem)))
                }
            }
        }

        /// Asks, hands the parts of the answer to `on_part`, and gives back its end.
        pub(crate) fn ask(
            mut self,
            request: &Request,
            mut on_part: impl FnMut(Answer) -> io::Result<()>,
        ) -> Result<Answer, Failure> {
            let mut line = serde_json::to_vec(request).map_err(io::Error::from)?;
            line.push(b'\n');
            self.0.write_all(&line)?;
            if matches!(request, Request::Trace { .. }) {
                // It may be long until something happens.
                self.0.set_read_timeout(None)?;
            }
            let mut lines = BufReader::new(self.0);
            loop {
                let mut line = Vec::new();
                match lines.read_until(b'\n', &mut line) {
                    Ok(0) => return Err(interrupted()),
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        let message = anyhow!("the server has not answered for {} s", PATIENCE.as_secs());
                        return Err(Failure::new(Exit::Unavailable, message));
                    }
                    Err(error) => return Err(error.into()),
                }
                let answer: Answer = serde_json::from_slice(&line).map_err(|error| {
                    let problem = "the server answers what this myicqd does not understand; use the one of the server";
                    Failure::new(Exit::Software, anyhow::Error::new(error).context(problem))
                })?;
                if answer.is_last() {
                    return succeeded(answer);
                }
                on_part(answer)?;
            }
        }
    }
}
