//! One user of a crowd: a registration or a session, and what is to be told of it. Without I/O.

use myicq_client::account::{Account, Answer, Config, Entropy, Registration, RequestId};
use myicq_client::{EndReason, Event, Misuse, Password, RequestError, SeenMessages, Timeouts};
use myicq_wire::{ClientHeader, Command, Instant, Seq, Uin};

/// What happens to a member.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    /// He is a user now, or why he is not.
    Registered(Result<Uin, EndReason>),
    /// His session tells him something.
    Event(Event),
    /// What became of something that he asked.
    Answer(RequestId, Result<Answer, RequestError>),
}

/// What a member's program does.
#[derive(Debug)]
enum Machine {
    Nothing,
    Registering(Box<Registration>),
    Session(Box<Account>),
}

/// A user and his program.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) uin: Uin,
    machine: Machine,
    /// The newest number that he has used, by which what goes out again is told apart.
    newest: Option<Seq>,
    /// Datagrams that he sent again.
    pub(super) resent: u64,
    /// Repeated datagrams in the sessions before this one.
    duplicates: u64,
    /// Counts his registrations and sessions, whose numbers must differ.
    pub(super) generation: u32,
    /// When the crowd is to look after him, if nothing comes before.
    pub(super) armed: Option<Instant>,
}

impl Member {
    /// Nobody in particular yet, if `uin` is none.
    pub(super) fn new(uin: Uin) -> Self {
        let machine = Machine::Nothing;
        Self { uin, machine, newest: None, resent: 0, duplicates: 0, generation: 0, armed: None }
    }

    pub(super) fn register(&mut self, password: &Password, entropy: Entropy) -> Result<(), Misuse> {
        let registration = Registration::new(password, entropy, Timeouts::default())?;
        self.replace(Machine::Registering(Box::new(registration)));
        Ok(())
    }

    pub(super) fn log_in(&mut self, config: Config, entropy: Entropy) -> Result<(), Misuse> {
        let seen = self.session().map_or_else(SeenMessages::default, |account| account.seen().clone());
        self.replace(Machine::Session(Box::new(Account::new(config, entropy, seen)?)));
        Ok(())
    }

    fn replace(&mut self, machine: Machine) {
        self.duplicates = self.duplicates();
        self.machine = machine;
        self.newest = None;
    }

    /// Repeated datagrams that came: what the server sent again, or the network repeated.
    pub(super) fn duplicates(&self) -> u64 {
        self.duplicates + self.session().map_or(0, |account| account.stats().duplicates)
    }

    pub(super) fn session(&self) -> Option<&Account> {
        if let Machine::Session(account) = &self.machine { Some(account) } else { None }
    }

    pub(super) fn session_mut(&mut self) -> Option<&mut Account> {
        if let Machine::Session(account) = &mut self.machine { Some(account) } else { None }
    }

    pub(super) fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        match &mut self.machine {
            Machine::Nothing => {}
            Machine::Registering(registration) => registration.handle_datagram(datagram),
            Machine::Session(account) => account.handle_datagram(now, datagram),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Machine::Session(account) = &mut self.machine {
            account.handle_timeout(now);
        }
    }

    /// The next datagram to be sent.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let datagram = match &mut self.machine {
            Machine::Nothing => None,
            Machine::Registering(registration) => registration.poll_transmit(now),
            Machine::Session(account) => account.poll_transmit(now),
        }?;
        self.count(&datagram);
        Some(datagram)
    }

    fn count(&mut self, datagram: &[u8]) {
        let Ok((header, _)) = ClientHeader::decode(datagram) else { return };
        let is_numbered = header.known_command().is_some_and(|command| command != Command::Ack);
        let Some(seq) = header.seq.filter(|_| is_numbered) else { return };
        if self.newest.is_none_or(|newest| seq.ahead_of(newest) > 0) {
            self.newest = Some(seq);
        } else {
            self.resent += 1;
        }
    }

    /// The next thing that happened.
    pub(super) fn poll_notice(&mut self) -> Option<Notice> {
        match &mut self.machine {
            Machine::Nothing => None,
            Machine::Registering(registration) => {
                let outcome = registration.outcome()?;
                // The acknowledgement of the reply has gone out by now; should it be lost, the server gives up by itself.
                self.machine = Machine::Nothing;
                self.uin = outcome.unwrap_or(Uin::NONE);
                Some(Notice::Registered(outcome))
            }
            Machine::Session(account) => {
                let event = account.poll_event().map(Notice::Event);
                event.or_else(|| account.poll_answer().map(|(id, answer)| Notice::Answer(id, answer)))
            }
        }
    }

    /// When to call [`Member::handle_timeout`] and [`Member::poll_transmit`] again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Nothing => None,
            Machine::Registering(registration) => registration.poll_timeout(),
            Machine::Session(account) => account.poll_timeout(),
        }
    }
}
