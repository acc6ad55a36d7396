//! What the handle asks about users, servers and groups.

use myicq_wire::{GroupId, Uin};

use super::client::{Client, Receipt};
use crate::account::{Answer, FoundUser, Group, Member, Request, ServerEntry};
use crate::error::RequestError;
use crate::password::Password;

impl Client {
    /// Some users who are here and show it.
    ///
    /// Cancel-safe: it changes nothing.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn search_random(&self) -> Result<Vec<FoundUser>, RequestError> {
        self.found(Request::search_random()).await
    }

    /// The user of this number, if there is one.
    ///
    /// Cancel-safe: it changes nothing.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn search_uin(&self, uin: Uin) -> Result<Vec<FoundUser>, RequestError> {
        self.found(Request::search_uin(uin)?).await
    }

    /// A page of the users who call themselves so and have this e-mail address: see [`Request::search_words`]. The next page begins after
    /// the last user of this one, and an empty page is behind the last.
    ///
    /// Cancel-safe: it changes nothing.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn search_words(&self, nick: &str, email: &str, after: Uin) -> Result<Vec<FoundUser>, RequestError> {
        self.found(Request::search_words(nick, email, after)?).await
    }

    /// The servers that this one knows, itself among them.
    ///
    /// Cancel-safe: it changes nothing.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn servers(&self) -> Result<Vec<ServerEntry>, RequestError> {
        match self.answer(Request::servers()).await? {
            Answer::Servers(servers) => Ok(servers),
            _ => Err(RequestError::NoReply),
        }
    }

    /// Says something to everybody, as [`Uin::ADMINISTRATOR`] may.
    ///
    /// Cancel-safe: as [`Client::send`].
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn broadcast(&self, text: &str) -> Result<Receipt, RequestError> {
        self.ask(Request::broadcast(text)?).await
    }

    /// The groups of a type: its place among those that [`Event::GroupTypes`](crate::Event::GroupTypes) named, from 0.
    ///
    /// Cancel-safe: it changes nothing.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn groups(&self, group_type: u16) -> Result<Vec<Group>, RequestError> {
        match self.answer(Request::groups(group_type)).await? {
            Answer::Groups(groups) => Ok(groups),
            _ => Err(RequestError::NoReply),
        }
    }

    /// One group, if there is one of this number.
    ///
    /// Cancel-safe: it changes nothing.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn group(&self, group: GroupId) -> Result<Option<Group>, RequestError> {
        match self.answer(Request::group(group)).await? {
            Answer::Group(group) => Ok(group),
            _ => Err(RequestError::NoReply),
        }
    }

    /// Makes a group and enters it. Without a password anybody may enter. It lives as long as somebody is in it. `None`: a server that gives
    /// no reason did not make it.
    ///
    /// Cancel-safe: dropped after the request was handed over, the group may be there.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn create_group(
        &self,
        group_type: u16,
        name: &str,
        password: Option<Password>,
    ) -> Result<Option<GroupId>, RequestError> {
        match self.answer(Request::create_group(group_type, name, password)?).await? {
            Answer::GroupCreated(group) => Ok(group),
            _ => Err(RequestError::NoReply),
        }
    }

    /// Enters a group, and says who is in it, oneself among them.
    ///
    /// Cancel-safe: dropped after the request was handed over, one may be in it.
    ///
    /// # Errors
    /// [`RequestError::Group`] where it takes one not in; [`RequestError`].
    pub async fn enter_group(&self, group: GroupId, password: Option<Password>) -> Result<Vec<Member>, RequestError> {
        match self.answer(Request::enter_group(group, password)?).await? {
            Answer::GroupEntered(members) => Ok(members?),
            _ => Err(RequestError::NoReply),
        }
    }

    /// Leaves a group.
    ///
    /// Cancel-safe: as [`Client::add`].
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn exit_group(&self, group: GroupId) -> Result<(), RequestError> {
        self.answer(Request::exit_group(group)).await.map(drop)
    }

    /// Says something to the others in a group. Acknowledged when it is on its way to each of them: who is not there misses it.
    ///
    /// Cancel-safe: as [`Client::send`].
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn say_to_group(&self, group: GroupId, text: &str) -> Result<Receipt, RequestError> {
        self.ask(Request::say_to_group(group, text)?).await
    }

    /// Begins the game that a group is for. A server of this project has no games: it says yes, and does nothing.
    ///
    /// Cancel-safe: as [`Client::add`].
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn start_group(&self, group: GroupId) -> Result<(), RequestError> {
        self.answer(Request::start_group(group)).await.map(drop)
    }

    /// Says what the programs of a game say to each other in a group: bytes that nobody else understands. As with
    /// [`Client::start_group`], a server of this project does nothing.
    ///
    /// Cancel-safe: as [`Client::send`].
    ///
    /// # Errors
    /// [`Misuse::DataTooLong`](crate::Misuse::DataTooLong); [`RequestError`].
    pub async fn group_command(&self, group: GroupId, data: &[u8]) -> Result<(), RequestError> {
        self.answer(Request::group_command(group, data)?).await.map(drop)
    }

    async fn found(&self, request: Request) -> Result<Vec<FoundUser>, RequestError> {
        match self.answer(request).await? {
            Answer::Found(found) => Ok(found),
            _ => Err(RequestError::NoReply),
        }
    }
}
