//! `myicqd --smoke`: whether this installation works. A server is started, and two users are registered, log in, and one says
//! something to the other, through a real socket and a real database.

use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use myicq_server::config::Sources;
use myicq_server::driver;
use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::message::Message;
use myicq_wire::{
    Envelope, Ipv4, Login, LoginReply, MAX_DATAGRAM, MessageKind, NewUin, Reply, Request, Sealing, Secret, SendMessage,
    Seq, ServerHeader, SessionId, Status, Str, Uin, encode_request,
};

use super::{ANY_PORT, force, temporary_folder};
use crate::exit::{Exit, Failure};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// The password of both, for as long as the server lives.
const PASSWORD: &[u8] = b"a smoke test";

/// What the one says.
const WORDS: &[u8] = b"Is anybody there?";

/// Starts a server with this configuration in a temporary folder, tries it, and stops it.
pub(crate) fn run(mut sources: Sources) -> Result<(), Failure> {
    let folder = temporary_folder()?;
    force(&mut sources, "store.data", folder.path().join("data").display().to_string(), "--smoke");
    force(&mut sources, "store.database", "sqlite".to_owned(), "--smoke");
    force(&mut sources, "listen.udp", ANY_PORT.to_owned(), "--smoke");
    force(&mut sources, "listen.tunnel", "off".to_owned(), "--smoke");
    force(&mut sources, "listen.relay", "off".to_owned(), "--smoke");
    let config = sources.load()?.config;
    let mut trial = None;
    driver::run(config, None, |listening, stop| {
        let address = listening.first_udp();
        #[expect(clippy::disallowed_methods, reason = "the clients wait for the server")]
        let thread = std::thread::Builder::new().name("smoke".to_owned()).spawn(move || {
            let result = converse(address);
            stop.stop();
            result
        });
        trial = Some(thread);
    })?;
    let result = trial.context("the server has stopped before it was tried").and_then(|thread| Ok(thread?));
    let result =
        result.map(JoinHandle::join).and_then(|ended| ended.map_err(|_| anyhow!("the trial has failed")).flatten());
    result.map_err(|error| Failure::new(Exit::Failure, error.context("the server does not work")))?;
    let done = "two users were registered and logged in, and a message went from one to the other";
    Ok(writeln!(io::stdout(), "this installation works: {done}")?)
}

fn converse(server: SocketAddr) -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the clients wait for the server")]
    let deadline = Instant::now() + PATIENCE;
    let mut ann = Client::register(server, deadline)?;
    let mut bob = Client::register(server, deadline)?;
    ann.log_in()?;
    bob.log_in()?;
    let text = Message::Text { words: WORDS, font: None }.to_vec();
    let message = SendMessage { kind: MessageKind::TEXT, to: bob.uin, text: Str(&text), domain: None };
    let sent = ann.send(&Request::SendMessage(message))?;
    bob.wait("the message", |_, reply| match reply {
        Reply::Message(message) if message.from == ann.uin && *message.text == *WORDS => Some(()),
        _ => None,
    })?;
    ann.wait("the acknowledgement of a message", |answered, _| (answered == Some(sent)).then_some(()))
}

/// A client of plain version 1 (docs/protocol.md). On this machine nothing is lost: it sends nothing twice.
struct Client {
    socket: UdpSocket,
    deadline: Instant,
    uin: Uin,
    session: SessionId,
    last_seq: u16,
    key: Key,
}

impl Client {
    fn register(server: SocketAddr, deadline: Instant) -> anyhow::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "the command line may open sockets")]
        let socket = UdpSocket::bind(ANY_PORT).context("no socket for a client")?;
        socket.connect(server)?;
        let (session, key) = (SessionId(1), Key::new(PASSWORD));
        let mut client = Self { socket, deadline, uin: Uin::NONE, session, last_seq: 0, key };
        client.send(&Request::NewUin(NewUin { password: Secret(PASSWORD) }))?;
        let uin = client.wait("a registration", |_, reply| match reply {
            Reply::NewUin(reply) => Some(reply.uin),
            _ => None,
        })?;
        client.uin = Some(uin).filter(|uin| *uin != Uin::NONE).context("a registration was refused")?;
        Ok(client)
    }

    /// In the session of the registration, as the clients of 2003: its acknowledgement makes the user, and an answer to what is asked behind
    /// it says that he is made.
    fn log_in(&mut self) -> anyhow::Result<()> {
        let (password, real_ip) = (Secret(PASSWORD), Ipv4(0x7F00_0001));
        self.send(&Request::Login(Login { password, status: Status::ONLINE, tcp_version: 1, real_ip, port: 0 }))?;
        let reply = self.wait("a login", |_, reply| match reply {
            Reply::Login(reply) => Some(*reply),
            _ => None,
        })?;
        match reply {
            LoginReply::Success(_) => {
                let asked = self.send(&Request::GetServerList)?;
                self.wait("a question", |answered, _| (answered == Some(asked)).then_some(()))
            }
            LoginReply::Refused(error) => Err(anyhow!("a login was refused with the code {}", error.0)),
        }
    }

    fn send(&mut self, request: &Request<'_>) -> anyhow::Result<Seq> {
        self.last_seq += 1;
        let seq = Seq::new(self.last_seq).context("no number for a datagram")?;
        self.transmit(request, seq)?;
        Ok(seq)
    }

    fn transmit(&self, request: &Request<'_>, seq: Seq) -> anyhow::Result<()> {
        let mut buffer = [0; MAX_DATAGRAM];
        let envelope = Envelope { reserved: 0, uin: self.uin, session: self.session, seq: Some(seq) };
        let sealing = Sealing { key: &self.key, form: CipherForm::Original };
        let length = encode_request(&envelope, request, None, Some(sealing), &mut buffer)?;
        self.socket.send(buffer.get(..length).unwrap_or_default())?;
        Ok(())
    }

    /// Waits for a reply that `wanted` takes; it is also told which datagram a reply acknowledges. Whatever is to be acknowledged
    /// is.
    fn wait<T>(&self, what: &str, mut wanted: impl FnMut(Option<Seq>, &Reply<'_>) -> Option<T>) -> anyhow::Result<T> {
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            #[expect(clippy::disallowed_methods, reason = "the clients wait for the server")]
            let left = self.deadline.saturating_duration_since(Instant::now());
            // A timeout of zero would be none at all.
            self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let length = self.socket.recv(&mut buffer).with_context(|| format!("no answer in time to {what}"))?;
            let Ok((header, body)) = ServerHeader::decode(buffer.get(..length).unwrap_or_default()) else { continue };
            if let Some(seq) = header.seq.filter(|_| header.session == self.session) {
                self.transmit(&Request::Ack, seq)?;
            }
            let reply = header.known_command().and_then(|command| Reply::decode(command, body).ok());
            if let Some(found) = reply.and_then(|reply| wanted(header.ackseq, &reply)) {
                return Ok(found);
            }
        }
    }
}
