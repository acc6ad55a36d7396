//! A client made of bare packets: it acknowledges and numbers as it is told to, and never sends again of its own accord.

use std::net::SocketAddr;

use myicq_wire::cipher::{CipherForm, Iv, Key};
use myicq_wire::{
    Address, Capabilities, Command, Envelope, Login, LoginError, LoginReply, MessageKind, NewUin, RefusalReason,
    Refused, Reply, Request, Resume, ResumeReply, Sealing, Secret, SendMessage, Seq, ServerHeader, ServerMessage,
    SessionId, Status, Str, Uin, encode_request, message,
};

use crate::scene::{PASSWORD, Scene};

/// What a client offers at its login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Offer {
    /// Nothing, as those of 2003.
    Plain,
    /// Exactly once, in order.
    Once,
    /// These, as ours may.
    With(Capabilities),
}

impl Offer {
    pub(crate) fn capabilities(self) -> Capabilities {
        match self {
            Self::Plain => Capabilities::NONE,
            Self::Once => Capabilities::ONCE,
            Self::With(capabilities) => capabilities,
        }
    }

    fn has(self, capability: Capabilities) -> bool {
        self.capabilities().contains(capability)
    }
}

/// One session of a user, also before and after it.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) uin: Uin,
    pub(crate) address: SocketAddr,
    pub(crate) session: SessionId,
    /// The number of the next request.
    pub(crate) seq: u16,
    pub(crate) offer: Offer,
    pub(crate) key: Key,
}

/// A datagram from the server.
pub(crate) struct Heard {
    pub(crate) header: ServerHeader,
    pub(crate) body: Vec<u8>,
    /// Bytes of all of it.
    pub(crate) len: usize,
}

impl Client {
    pub(crate) fn new(uin: Uin, address: SocketAddr, session: SessionId, offer: Offer) -> Self {
        Self { uin, address, session, seq: 100, offer, key: Key::new(PASSWORD) }
    }

    /// A request as it goes over the wire, with the next number.
    pub(crate) fn encode(&mut self, request: &Request<'_>) -> Vec<u8> {
        let seq = Seq::new(self.seq).unwrap();
        self.seq = seq.next().number();
        let reserved =
            if matches!(request, Request::Login(_) | Request::NewUin(_)) { self.offer.capabilities().0 } else { 0 };
        let uin = if matches!(request, Request::NewUin(_)) { Uin::NONE } else { self.uin };
        let form = if self.offer.has(Capabilities::CBC) { CipherForm::Cbc } else { CipherForm::Original };
        let sealing = Sealing { key: &self.key, form };
        encode(&Envelope { reserved, uin, session: self.session, seq: Some(seq) }, request, Some(sealing))
    }

    pub(crate) fn send(&mut self, scene: &mut Scene, request: &Request<'_>) {
        let datagram = self.encode(request);
        scene.datagram(self.address, &datagram);
    }

    /// Answers a server that has started again.
    pub(crate) fn resume(&self, scene: &mut Scene, resume: Resume) {
        let form = if self.offer.has(Capabilities::CBC) { CipherForm::Cbc } else { CipherForm::Original };
        let envelope = Envelope { reserved: 0, uin: self.uin, session: self.session, seq: None };
        let sealing = Some(Sealing { key: &self.key, form });
        scene.datagram(self.address, &encode(&envelope, &Request::Resume(resume), sealing));
    }

    pub(crate) fn say(&mut self, scene: &mut Scene, to: Uin, words: &str) {
        self.send(scene, &said(to, MessageKind::TEXT, words.as_bytes()));
    }

    pub(crate) fn add(&mut self, scene: &mut Scene, contact: Uin) {
        self.send(scene, &Request::AddFriend(Address { uin: contact, domain: None }));
    }

    /// Sends a LOGIN and acknowledges nothing.
    pub(crate) fn knock(&mut self, scene: &mut Scene, status: Status) {
        let login = Login { password: Secret(PASSWORD), status, tcp_version: 1, real_ip: Default::default(), port: 9 };
        self.send(scene, &Request::Login(login));
    }

    /// Logs in, and takes and acknowledges what comes then.
    pub(crate) fn log_in(&mut self, scene: &mut Scene, status: Status) -> Vec<Heard> {
        self.knock(scene, status);
        self.listen(scene)
    }

    pub(crate) fn log_out(&mut self, scene: &mut Scene) {
        self.send(scene, &Request::Logout);
    }

    pub(crate) fn register(&mut self, scene: &mut Scene, password: &[u8]) {
        self.send(scene, &Request::NewUin(NewUin { password: Secret(password) }));
    }

    pub(crate) fn acknowledge(&self, scene: &mut Scene, seq: Seq) {
        let envelope = Envelope { reserved: 0, uin: self.uin, session: self.session, seq: Some(seq) };
        scene.datagram(self.address, &encode(&envelope, &Request::Ack, None));
    }

    /// Takes what has come, and acknowledges nothing.
    pub(crate) fn take(&self, scene: &mut Scene) -> Vec<Heard> {
        let mut heard = scene.take(self.address, self.session);
        if self.offer.has(Capabilities::SEALED) {
            heard.iter_mut().for_each(|datagram| datagram.unseal(&self.key));
        }
        heard
    }

    /// Takes what has come and acknowledges it, until nothing more comes.
    pub(crate) fn listen(&self, scene: &mut Scene) -> Vec<Heard> {
        let mut all = Vec::new();
        loop {
            let heard = self.take(scene);
            if heard.is_empty() {
                return all;
            }
            for datagram in &heard {
                // COMPAT: the clients of 2003 do not acknowledge the reply to a KEEPALIVE.
                if let Some(seq) = datagram.header.seq.filter(|_| datagram.command() != Command::KeepAlive) {
                    self.acknowledge(scene, seq);
                }
            }
            all.extend(heard);
        }
    }
}

impl Heard {
    pub(crate) fn command(&self) -> Command {
        self.header.known_command().unwrap()
    }

    /// Makes the body of a sealed datagram plain.
    fn unseal(&mut self, key: &Key) {
        if self.command() != Command::Login {
            let ServerHeader { session, command, seq, .. } = self.header;
            let iv = Iv { session, command, seq: Seq::number_or_zero(seq) };
            key.decipher(CipherForm::Cbc, iv.sealed(), &mut self.body).unwrap();
        }
    }

    pub(crate) fn reply(&self) -> Reply<'_> {
        Reply::decode(self.command(), &self.body).unwrap()
    }

    pub(crate) fn seq(&self) -> Seq {
        self.header.seq.unwrap()
    }

    pub(crate) fn message(&self) -> Option<ServerMessage<'_>> {
        if let Reply::Message(message) = self.reply() { Some(message) } else { None }
    }

    pub(crate) fn login_error(&self) -> Option<LoginError> {
        if let Reply::Login(LoginReply::Refused(error)) = self.reply() { Some(error) } else { None }
    }

    pub(crate) fn asks_to_resume(&self) -> Option<ResumeReply> {
        if let Reply::Resume(resume) = self.reply() { Some(resume) } else { None }
    }

    pub(crate) fn refusal(&self) -> Option<RefusalReason> {
        if let Reply::Refused(Refused { reason }) = self.reply() { Some(reason) } else { None }
    }
}

/// A message as a request.
pub(crate) fn said(to: Uin, kind: MessageKind, text: &[u8]) -> Request<'_> {
    Request::SendMessage(SendMessage { kind, to, text: Str(text), domain: None })
}

/// What has come, by its commands.
pub(crate) fn commands(heard: &[Heard]) -> Vec<Command> {
    heard.iter().map(Heard::command).collect()
}

/// The words of the messages that have come.
pub(crate) fn words(heard: &[Heard]) -> Vec<String> {
    let messages = heard.iter().filter_map(Heard::message);
    messages.map(|it| String::from_utf8_lossy(message::words(&it.text)).into_owned()).collect()
}

fn encode(envelope: &Envelope, request: &Request<'_>, sealing: Option<Sealing<'_>>) -> Vec<u8> {
    let mut buffer = vec![0; myicq_wire::MAX_DATAGRAM];
    let len = encode_request(envelope, request, Some(0), sealing, &mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}
