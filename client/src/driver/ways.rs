//! The ways to the server that a connection has open: that of its session, and that of the one that may follow.

use std::future::{self, Future};
use std::io;
use std::pin::Pin;

use myicq_wire::MAX_DATAGRAM;

use super::ConnectError;
use super::system::addresses_of;
use super::transport::{Route, Transport};
use crate::account::PathId;
use crate::error::EndReason;

/// Where a way leads, and how it goes.
#[derive(Clone, Debug)]
pub(super) struct Opener {
    pub(super) route: Route,
    pub(super) server: String,
}

impl Opener {
    /// Opens a way to the address whose turn it is: the name of a server may lead to several, and to others than at the last try.
    async fn open(self, tries: usize) -> Result<Transport, EndReason> {
        let found = addresses_of(self.route.first_stop(&self.server)).await.unwrap_or_default();
        let turn = tries.checked_rem(found.len()).and_then(|turn| found.get(turn).copied());
        let address = turn.ok_or(EndReason::Unreachable)?;
        Transport::open(&self.route, address, &self.server).await.map_err(|error| match error {
            ConnectError::Ended(reason) => reason,
            _ => EndReason::Unreachable,
        })
    }
}

type Opening = Pin<Box<dyn Future<Output = Result<Transport, EndReason>> + Send>>;

struct Way {
    path: PathId,
    transport: Transport,
    /// What came last.
    datagram: Box<[u8]>,
}

/// What came of waiting.
pub(super) enum Word {
    /// A datagram of this length, or an error.
    Came(PathId, io::Result<usize>),
    /// Another way is there, or cannot be had.
    Opened(PathId, Result<Transport, EndReason>),
}

pub(super) struct Ways {
    opener: Opener,
    tries: usize,
    opening: Option<(PathId, Opening)>,
    open: [Option<Way>; 2],
}

impl Ways {
    pub(super) fn new(opener: Opener, path: PathId, transport: Transport) -> Self {
        let mut ways = Self { opener, tries: 0, opening: None, open: [None, None] };
        ways.add(path, transport);
        ways
    }

    pub(super) fn add(&mut self, path: PathId, transport: Transport) {
        // There are two at most, the session's and the next one's, so one place is free.
        if let Some(free) = self.open.iter_mut().find(|way| way.is_none()) {
            *free = Some(Way { path, transport, datagram: vec![0; MAX_DATAGRAM].into() });
        }
    }

    pub(super) fn open(&mut self, path: PathId) {
        self.opening = Some((path, Box::pin(self.opener.clone().open(self.tries))));
        self.tries = self.tries.wrapping_add(1);
    }

    pub(super) fn close(&mut self, path: PathId) {
        self.open.iter_mut().filter(|way| way.as_ref().is_some_and(|way| way.path == path)).for_each(|way| *way = None);
    }

    fn find(&mut self, path: PathId) -> Option<&mut Way> {
        self.open.iter_mut().flatten().find(|way| way.path == path)
    }

    pub(super) async fn send(&mut self, path: PathId, datagram: &[u8]) -> io::Result<()> {
        match self.find(path) {
            Some(way) => way.transport.send(datagram).await,
            None => Ok(()),
        }
    }

    /// The datagram that came last by this way.
    pub(super) fn datagram(&mut self, path: PathId, len: usize) -> &[u8] {
        self.find(path).and_then(|way| way.datagram.get(..len)).unwrap_or_default()
    }

    /// What an error of this way means for the session.
    pub(super) fn end(&mut self, path: PathId, error: &io::Error) -> Option<EndReason> {
        self.find(path)?.transport.end(error)
    }

    /// Waits for what comes next.
    ///
    /// Cancel-safe: what is half done goes on when this is called again.
    pub(super) async fn next(&mut self) -> Word {
        let [first, second] = &mut self.open;
        let word = tokio::select! {
            word = receive(first) => word,
            word = receive(second) => word,
            word = opened(&mut self.opening) => word,
        };
        if matches!(word, Word::Opened(..)) {
            self.opening = None;
        }
        word
    }
}

async fn receive(way: &mut Option<Way>) -> Word {
    match way {
        Some(Way { path, transport, datagram }) => Word::Came(*path, transport.receive(datagram).await),
        None => future::pending().await,
    }
}

async fn opened(opening: &mut Option<(PathId, Opening)>) -> Word {
    match opening {
        Some((path, opening)) => Word::Opened(*path, opening.await),
        None => future::pending().await,
    }
}
