//! Registers a new user, without I/O.

use myicq_wire::link::{Link, Outgoing, Output, Retained, Timing, Token};
use myicq_wire::{
    Capabilities, Envelope, HEADER_LEN, Instant, MAX_DATAGRAM, NewUin, Reply, Request, Secret, Seq, ServerHeader,
    SessionId, Uin, encode_request,
};
use zeroize::Zeroize;

use super::{Entropy, Timeouts};
use crate::error::{EndReason, Misuse};
use crate::password::Password;
use crate::random::Random;

/// A session of its own that ends with the number of the new user. Driven as an [`Account`](super::Account) is.
#[derive(Debug)]
pub struct Registration {
    session: SessionId,
    /// The number of the NEW_UIN.
    seq: Seq,
    link: Link,
    retained: Retained,
    timing: Timing,
    /// The number that the server has given, which is the user's once it confirms it.
    reserved: Option<Uin>,
    /// The acknowledgement of the reply.
    outbox: Option<Vec<u8>>,
    outcome: Option<Result<Uin, EndReason>>,
}

impl Registration {
    /// The NEW_UIN is ready to be sent. It is repeated until the server answers; a server of this project makes one user of all the
    /// repetitions, once it knows that its answer has come, and says so.
    ///
    /// # Errors
    /// None today: a [`Password`] fits.
    pub fn new(password: &Password, entropy: Entropy, timeouts: Timeouts) -> Result<Self, Misuse> {
        let mut random = Random::new(entropy.seed);
        let (mut link, mut retained) = (Link::new(entropy.first_seq, random.dword()), Retained::new());
        let mut buffer = [0; MAX_DATAGRAM];
        let seq = link.next_seq();
        let reserved = Capabilities::ONCE.0;
        let envelope = Envelope { reserved, uin: Uin::NONE, session: entropy.session, seq: Some(seq) };
        let body = Request::NewUin(NewUin { password: Secret(password.as_bytes()) });
        let len = encode_request(&envelope, &body, Some(random.byte()), None, &mut buffer);
        let len = len.map_err(|_| Misuse::TooLarge)?;
        let bytes = buffer.get(..len).ok_or(Misuse::TooLarge)?;
        let outgoing = Outgoing { secret: true, ..Outgoing::new(seq, bytes, Token::default()) };
        let sent = link.send(&mut retained, outgoing);
        buffer.zeroize();
        sent.map_err(|_| Misuse::TooManyRequests(0))?;
        let timing = timeouts.link;
        Ok(Self { session: entropy.session, seq, link, retained, timing, reserved: None, outbox: None, outcome: None })
    }

    /// Takes a datagram from the server's address.
    pub fn handle_datagram(&mut self, datagram: &[u8]) {
        let Ok((header, body)) = ServerHeader::decode(datagram) else { return };
        let Some(command) = header.known_command().filter(|_| header.session == self.session) else { return };
        let reply = match (Reply::decode(command, body), self.reserved) {
            (Ok(Reply::NewUin(reply)), _) => reply,
            // To nobody but who has acknowledged the reply.
            (Ok(Reply::Ack), Some(uin)) if header.ackseq == Some(self.seq) => return self.finish(Ok(uin)),
            _ => return,
        };
        match self.outcome {
            // COMPAT: a refusal is not acknowledged, as by the clients of 2003.
            None if reply.uin == Uin::NONE => return self.finish(Err(EndReason::RegistrationRefused)),
            // The NEW_UIN goes on being repeated, and each repetition of the reply acknowledged, until the server has heard it.
            None if Capabilities(header.reserved).contains(Capabilities::ONCE) => self.reserved = Some(reply.uin),
            None => self.finish(Ok(reply.uin)),
            // The reply again, because its acknowledgement was lost.
            Some(Ok(uin)) if uin == reply.uin => {}
            Some(_) => return,
        }
        if let Some(seq) = header.seq {
            let acknowledgement = self.acknowledgement(reply.uin, seq);
            self.outbox = Some(acknowledgement);
        }
    }

    /// Ends the registration as [`Account::handle_disconnected`](super::Account::handle_disconnected) ends a session.
    pub fn handle_disconnected(&mut self, reason: EndReason) {
        self.finish(Err(reason));
    }

    /// The first outcome stands, whatever comes after it.
    fn finish(&mut self, outcome: Result<Uin, EndReason>) {
        self.outcome.get_or_insert(outcome);
        self.link.drain(&mut self.retained).for_each(drop);
    }

    fn acknowledgement(&self, uin: Uin, seq: Seq) -> Vec<u8> {
        let mut datagram = vec![0; HEADER_LEN];
        let envelope = Envelope { reserved: 0, uin, session: self.session, seq: Some(seq) };
        let encoded = encode_request(&envelope, &Request::Ack, None, None, &mut datagram);
        debug_assert_eq!(encoded, Ok(HEADER_LEN), "a header has this length");
        datagram
    }

    /// The next datagram to be sent. To be called until there is none, also after the outcome: the reply is acknowledged.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        if let Some(datagram) = self.outbox.take() {
            return Some(datagram);
        }
        match self.link.poll(&mut self.retained, now, &self.timing)? {
            Output::Transmit(datagram) => Some(datagram.to_vec()),
            Output::GivenUp(_) => {
                self.finish(Err(EndReason::TimedOut));
                None
            }
        }
    }

    /// When to call [`Registration::poll_transmit`] again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.link.poll_timeout()
    }

    /// The number of the new user, or why there is none.
    pub fn outcome(&self) -> Option<Result<Uin, EndReason>> {
        self.outcome
    }
}
