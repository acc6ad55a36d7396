//! The same for programs without async: each function waits until it is done.
//!
//! ```no_run
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use myicq_client::{Event, Password, Uin, blocking::Client};
//!
//! let password = Password::new("hunter2")?;
//! let (client, events) = Client::builder("127.0.0.1:8000").credentials(Uin(10_001), password).connect_blocking()?;
//! client.send(Uin(10_002), "hello")?.acknowledged()?;
//! for event in events {
//!     if let Event::Message { from, message, .. } = event {
//!         println!("{from}: {message:?}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A connection has a thread of its own, which ends when it is over. All of this panics within an async runtime, as tokio's own blocking calls do:
//! there is [`crate::Client`] for that.

use std::time::Duration;

use tokio::runtime::Handle;

use crate::account::{Arrival, Delivery, FoundUser, Group, Member, OwnProfile, RemoteContacts, ServerEntry, Ticket};
use crate::driver::{AcceptFile, Builder, ConnectError, DirectStats, FileOffer, Health, system};
use crate::error::{EndReason, RequestError};
use crate::event::{Event, TransferId};
use crate::message::Message;
use crate::password::Password;
use crate::profile::Profile;
use crate::seen::SeenMessages;
use crate::{Authorization, GroupId, Status, Uin};

/// As [`crate::Client`].
#[derive(Clone, Debug)]
pub struct Client {
    client: crate::Client,
    runtime: Handle,
}

/// As [`crate::Receipt`].
#[derive(Debug)]
pub struct Receipt {
    receipt: crate::Receipt,
    runtime: Handle,
}

/// As [`crate::Events`]. As an iterator, it waits for each next one.
#[derive(Debug)]
pub struct Events {
    events: crate::Events,
    runtime: Handle,
}

/// The same names, without async.
impl Builder {
    /// As [`Builder::connect`].
    ///
    /// # Errors
    /// As [`Builder::connect`]; [`ConnectError::Socket`] where there can be no thread, too.
    pub fn connect_blocking(self) -> Result<(Client, Events), ConnectError> {
        let runtime = system::runtime()?;
        let (client, events) = runtime.block_on(self.connect())?;
        let handle = runtime.handle().clone();
        let over = client.task_over();
        system::spawn_thread(move || runtime.block_on(over))?;
        Ok((Client { client, runtime: handle.clone() }, Events { events, runtime: handle }))
    }

    /// As [`Builder::register`].
    ///
    /// # Errors
    /// As [`Builder::register`].
    pub fn register_blocking(self, password: &Password) -> Result<Uin, ConnectError> {
        system::runtime()?.block_on(self.register(password))
    }
}

macro_rules! as_async {
    ($($name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        impl Client {
            $(
                #[doc = concat!("As [`Client::", stringify!($name), "`](crate::Client::", stringify!($name), ").")]
                ///
                /// # Errors
                /// The same.
                pub fn $name(&self, $($argument: $type),*) -> $output {
                    self.runtime.block_on(self.client.$name($($argument),*))
                }
            )*
        }
    };
}

as_async! {
    contacts() -> Result<Vec<Uin>, RequestError>;
    remote_contacts() -> Result<RemoteContacts, RequestError>;
    add(uin: Uin) -> Result<Authorization, RequestError>;
    remove(uin: Uin) -> Result<(), RequestError>;
    set_status(status: Status) -> Result<(), RequestError>;
    profile(uin: Uin) -> Result<Profile, RequestError>;
    own_profile() -> Result<OwnProfile, RequestError>;
    modify(profile: &Profile, authorization: Authorization, password: Option<Password>) -> Result<(), RequestError>;
    read(from: Uin, up_to: u64) -> Result<(), RequestError>;
    typing(to: Uin, is_typing: bool) -> Result<(), RequestError>;
    search_random() -> Result<Vec<FoundUser>, RequestError>;
    search_uin(uin: Uin) -> Result<Vec<FoundUser>, RequestError>;
    search_words(nick: &str, email: &str, after: Uin) -> Result<Vec<FoundUser>, RequestError>;
    servers() -> Result<Vec<ServerEntry>, RequestError>;
    groups(group_type: u16) -> Result<Vec<Group>, RequestError>;
    group(group: GroupId) -> Result<Option<Group>, RequestError>;
    create_group(group_type: u16, name: &str, password: Option<Password>) -> Result<Option<GroupId>, RequestError>;
    enter_group(group: GroupId, password: Option<Password>) -> Result<Vec<Member>, RequestError>;
    exit_group(group: GroupId) -> Result<(), RequestError>;
    start_group(group: GroupId) -> Result<(), RequestError>;
    group_command(group: GroupId, data: &[u8]) -> Result<(), RequestError>;
    offer_file(to: Uin, offer: FileOffer) -> Result<TransferId, RequestError>;
    accept_file(transfer: TransferId, accept: AcceptFile) -> Result<(), RequestError>;
    refuse_file(transfer: TransferId) -> Result<(), RequestError>;
    cancel_file(transfer: TransferId) -> Result<(), RequestError>;
    direct_stats() -> Option<DirectStats>;
    health() -> Option<Health>;
    logout() -> EndReason;
    ended() -> EndReason;
}

macro_rules! with_receipt {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        impl Client {
            $(
                #[doc = concat!("As [`Client::", stringify!($name), "`](crate::Client::", stringify!($name), ").")]
                ///
                /// # Errors
                /// The same.
                pub fn $name(&self, $($argument: $type),*) -> Result<Receipt, RequestError> {
                    let receipt = self.runtime.block_on(self.client.$name($($argument),*))?;
                    Ok(Receipt { receipt, runtime: self.runtime.clone() })
                }
            )*
        }
    };
}

with_receipt! {
    send(to: Uin, text: impl Into<String>);
    send_message(to: Uin, message: &Message);
    broadcast(text: &str);
    say_to_group(group: GroupId, text: &str);
}

impl Client {
    /// As [`crate::Client::builder`]; then [`Builder::connect_blocking`].
    pub fn builder(address: impl Into<String>) -> Builder {
        crate::Client::builder(address)
    }

    /// As [`crate::Client::uin`].
    pub fn uin(&self) -> Uin {
        self.client.uin()
    }

    /// As [`crate::Client::seen`].
    pub fn seen(&self) -> Option<SeenMessages> {
        self.client.seen()
    }
}

impl Receipt {
    /// As [`crate::Receipt::acknowledged`].
    ///
    /// # Errors
    /// The same.
    pub fn acknowledged(self) -> Result<Arrival, RequestError> {
        self.runtime.block_on(self.receipt.acknowledged())
    }
}

impl Events {
    /// As [`crate::Events::next_delivery`].
    pub fn next_delivery(&mut self) -> Option<Delivery> {
        self.runtime.block_on(self.events.next_delivery())
    }

    /// As [`crate::Events::confirm`].
    pub fn confirm(&self, ticket: Ticket) {
        self.events.confirm(ticket);
    }

    /// As [`crate::Events::try_next`].
    pub fn try_next(&mut self) -> Option<Event> {
        self.events.try_next()
    }

    /// The next event, if there is one within this time.
    pub fn next_within(&mut self, time: Duration) -> Option<Event> {
        let events = &mut self.events;
        self.runtime.block_on(async {
            tokio::select! {
                event = events.next() => event,
                () = system::wait(time) => None,
            }
        })
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.runtime.block_on(self.events.next())
    }
}
