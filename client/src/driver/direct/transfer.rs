//! The task of one file: how its two ends come together. What they say then is in [`super::carry`].

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use myicq_wire::peer::is_bare_name;
use myicq_wire::{Capabilities, Face, RelayPass, Uin};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::carry::{self, Report};
use super::connection::connect_in_time;
use super::disk::Source;
use super::files::{AcceptFile, FileOffer, SEND_FILE};
use super::{Direct, Places};
use crate::driver::Client;
use crate::driver::system::{Clock, blocking};
use crate::error::FileError;
use crate::event::{Event, TransferId};
use crate::message::Message;
use crate::peer::{FileSession, Identity, Side, is_at, is_reachable, reach};

/// How long the server may take to tell where the other one is, after a login or when he has just come.
const PLACE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the side that listens waits for the other one, before there is another way or none.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a receiver waits for any way at all, the relay among them.
const ANY_WAY_TIMEOUT: Duration = Duration::from_secs(30);

/// What others say to a transfer.
#[derive(Debug)]
pub(super) enum Signal {
    /// The other one takes the file, and listens on this port, or is about to connect if it is 0.
    Accepted(u16),
    /// He does not.
    Refused,
    /// He wants to have a stream through the server.
    Relayed(RelayPass),
    /// The program gives it up.
    Cancel,
}

/// All that a transfer's task has.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) id: TransferId,
    pub(super) me: Uin,
    pub(super) with: Uin,
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) direct: Direct,
    pub(super) places: watch::Receiver<Places>,
    pub(super) signals: mpsc::UnboundedReceiver<Signal>,
    pub(super) events: mpsc::Sender<Event>,
}

/// How a stream came about.
struct Way {
    stream: TcpStream,
    side: Side,
    is_relayed: bool,
}

/// Offers a file, and sends it if it is wanted.
pub(super) async fn send(mut context: Context, offer: FileOffer) {
    let path = offer.path.clone();
    let outcome = context.offer_and_send(offer).await;
    context.over(outcome.map(|(size, is_verified)| (path, size, is_verified))).await;
}

/// Takes a file that was offered with this port.
pub(super) async fn receive(mut context: Context, port: u16, accept: AcceptFile) {
    let outcome = context.accept_and_receive(port, accept).await;
    context.over(outcome).await;
}

impl Context {
    async fn over(self, outcome: Result<(PathBuf, u64, bool), FileError>) {
        let (transfer, with) = (self.id, self.with);
        let event = match outcome {
            Ok((path, size, is_verified)) => Event::FileDone { transfer, with, path, size, is_verified },
            Err(reason) => Event::FileFailed { transfer, with, reason },
        };
        #[cfg(feature = "tracing")]
        tracing::debug!(?event, "file");
        // When the session is over, nobody waits for it.
        drop(self.events.send(event).await);
    }

    async fn offer_and_send(&mut self, offer: FileOffer) -> Result<(u64, bool), FileError> {
        let name = offer.path.file_name().and_then(|name| name.to_str()).filter(|name| is_bare_name(name.as_bytes()));
        let name = name.ok_or(FileError::BadName)?.to_owned();
        let path = offer.path.clone();
        let source = blocking(move || Source::open(&path)).await?;
        let size = source.size();
        self.wait_for_place().await;
        let address = self.address();
        // COMPAT: who can be reached listens, and the port of the offer says who that is.
        let listener = if address.is_none() && self.is_reachable() { self.direct.bind().await.ok() } else { None };
        if address.is_none() && listener.is_none() && !self.has_relay() {
            let is_here = self.places.borrow().others.contains_key(&self.with);
            return Err(if is_here { FileError::NoConnection } else { FileError::NotHere });
        }
        let port = listener.as_ref().and_then(|listener| listener.local_addr().ok()).map_or(0, |local| local.port());
        let reason = offer.reason.unwrap_or_else(|| format!("{name} ({size} bytes)"));
        self.say(Message::TcpRequest { session: SEND_FILE.to_owned(), reason, port }).await?;

        let way = self.meet_as_sender(address, listener).await?;
        let report = self.report(way.is_relayed, size);
        let (now, me, timeouts) = (self.clock.now(), self.identity().await, self.direct.timeouts);
        let session = FileSession::sending(now, me, self.with, way.side, (name.clone(), size), timeouts);
        let is_verified = carry::send(way.stream, session, (source, name), report, &mut self.signals).await?;
        Ok((size, is_verified))
    }

    async fn accept_and_receive(&mut self, port: u16, accept: AcceptFile) -> Result<(PathBuf, u64, bool), FileError> {
        self.wait_for_place().await;
        let way = if port == 0 {
            let listener = self.direct.bind().await.map_err(|error| FileError::Disk(error.kind()))?;
            let port = listener.local_addr().map_err(|error| FileError::Disk(error.kind()))?.port();
            self.say(Message::TcpAccepted { session: SEND_FILE.to_owned(), port }).await?;
            self.meet_as_receiver(Some(listener)).await?
        } else {
            self.say(Message::TcpAccepted { session: SEND_FILE.to_owned(), port: 0 }).await?;
            let to = self.address().map(|address| SocketAddrV4::new(address, port));
            match self.connect(to).await {
                Some(stream) => Way { stream, side: Side::Connected, is_relayed: false },
                None => self.meet_as_receiver(None).await?,
            }
        };
        let report = self.report(way.is_relayed, 0);
        let (now, me, timeouts) = (self.clock.now(), self.identity().await, self.direct.timeouts);
        let session = FileSession::receiving(now, me, self.with, way.side, timeouts);
        carry::receive(way.stream, session, accept, report, &mut self.signals).await
    }

    /// Waits until the other one takes the file, and there is a stream to him.
    async fn meet_as_sender(
        &mut self,
        address: Option<Ipv4Addr>,
        listener: Option<TcpListener>,
    ) -> Result<Way, FileError> {
        let clock = self.clock;
        let mut deadline = clock.now() + self.direct.timeouts.decision;
        loop {
            tokio::select! {
                signal = self.signals.recv() => match signal {
                    Some(Signal::Accepted(port)) => {
                        let to = address.filter(|_| port != 0).map(|address| SocketAddrV4::new(address, port));
                        if let Some(stream) = self.connect(to).await {
                            return Ok(Way { stream, side: Side::Connected, is_relayed: false });
                        }
                        if listener.is_none() {
                            return self.relay().await;
                        }
                        deadline = clock.now() + ARRIVAL_TIMEOUT;
                    }
                    Some(Signal::Refused) => return Err(FileError::Refused),
                    // It is the sender who asks for one.
                    Some(Signal::Relayed(_)) => {}
                    Some(Signal::Cancel) | None => return Err(FileError::Cancelled),
                },
                stream = arrival(listener.as_ref(), &self.places, self.with) => {
                    return Ok(Way { stream, side: Side::Accepted, is_relayed: false });
                }
                () = clock.wait_until(Some(deadline)) => {
                    let was_accepted = deadline < clock.now() + self.direct.timeouts.decision && listener.is_some();
                    return if was_accepted && self.has_relay() { self.relay().await } else { Err(FileError::NoAnswer) };
                }
            }
        }
    }

    /// Waits until the sender has come, by whichever way.
    async fn meet_as_receiver(&mut self, listener: Option<TcpListener>) -> Result<Way, FileError> {
        let clock = self.clock;
        let deadline = clock.now() + ANY_WAY_TIMEOUT;
        loop {
            tokio::select! {
                signal = self.signals.recv() => match signal {
                    Some(Signal::Cancel) | None => return Err(FileError::Cancelled),
                    Some(Signal::Relayed(pass)) => return self.open_relay(&pass, Side::Accepted).await,
                    Some(Signal::Accepted(_) | Signal::Refused) => {}
                },
                stream = arrival(listener.as_ref(), &self.places, self.with) => {
                    return Ok(Way { stream, side: Side::Accepted, is_relayed: false });
                }
                () = clock.wait_until(Some(deadline)) => return Err(FileError::NoConnection),
            }
        }
    }

    async fn connect(&self, to: Option<SocketAddrV4>) -> Option<TcpStream> {
        connect_in_time(to?, self.clock, self.direct.timeouts.connect).await
    }

    /// A stream through the server.
    async fn relay(&self) -> Result<Way, FileError> {
        let pass = self.client.relay(self.with).await.map_err(|_| FileError::NoConnection)?;
        self.open_relay(&pass, Side::Connected).await
    }

    async fn open_relay(&self, pass: &RelayPass, side: Side) -> Result<Way, FileError> {
        let stream = self.client.open_relay(pass).await.map_err(|_| FileError::NoConnection)?;
        Ok(Way { stream, side, is_relayed: true })
    }

    fn has_relay(&self) -> bool {
        self.places.borrow().granted.contains(Capabilities::RELAY)
    }

    /// Where to connect to, if the rule allows it.
    fn address(&self) -> Option<Ipv4Addr> {
        let places = self.places.borrow();
        reach(places.own?, places.others.get(&self.with)?)
    }

    /// Whether the other one may connect here, and it can be told that it is him.
    fn is_reachable(&self) -> bool {
        let places = self.places.borrow();
        let Some(((own, real), other)) = places.own.zip(places.real).zip(places.others.get(&self.with)) else {
            return false;
        };
        is_reachable(own, real, other.ip)
    }

    /// Waits until the server has told where the other one is, or long enough.
    async fn wait_for_place(&mut self) {
        let (clock, with) = (self.clock, self.with);
        let deadline = clock.now() + PLACE_TIMEOUT;
        tokio::select! {
            // An error says that the session is over, which shows soon enough.
            place = self.places.wait_for(|places| places.own.is_some() && places.others.contains_key(&with)) => drop(place),
            () = clock.wait_until(Some(deadline)) => {}
        }
    }

    async fn say(&self, message: Message) -> Result<(), FileError> {
        let sent = self.client.send_message(self.with, &message).await;
        let receipt = sent.map_err(|_| FileError::NotSent)?;
        receipt.acknowledged().await.map_err(|_| FileError::NotSent)?;
        Ok(())
    }

    /// COMPAT: a client of 2003 knows who connects by number and domain.
    async fn identity(&self) -> Identity {
        let domain = self.client.remote_contacts().await.map(|contacts| contacts.domain.into_bytes());
        Identity { uin: self.me, face: Face(0), domain: domain.unwrap_or_default() }
    }

    fn report(&self, is_relayed: bool, size: u64) -> Report {
        Report::new(self.id, self.with, self.clock, self.events.clone(), is_relayed, size)
    }
}

/// The next connection from where the other one is; for ever none without a listener.
async fn arrival(listener: Option<&TcpListener>, places: &watch::Receiver<Places>, with: Uin) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        let Ok((stream, from)) = listener.accept().await else { return std::future::pending().await };
        let SocketAddr::V4(from) = from else { continue };
        if places.borrow().others.get(&with).is_some_and(|other| is_at(*from.ip(), other)) {
            // Nothing waits for company in it; a stream that cannot be told so works all the same.
            drop(stream.set_nodelay(true));
            return stream;
        }
    }
}
