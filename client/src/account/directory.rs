//! Users, servers and groups as lists show them.

use myicq_wire::charset::Charset;
use myicq_wire::{Face, Found, GroupId, GroupType as WireGroupType, Member as WireMember, Server, Uin};

/// A user whom a search found.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FoundUser {
    /// Who.
    pub uin: Uin,
    /// Whether he is here and shows it.
    pub online: bool,
    /// His picture.
    pub face: Face,
    /// His name.
    pub nick: String,
    /// Where he lives.
    pub province: String,
}

/// A server of the server's list.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ServerEntry {
    /// Its domain.
    pub domain: String,
    /// What it says of itself.
    pub description: String,
    /// How many users are online there.
    pub online_users: u32,
}

/// A group.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Group {
    /// Its number.
    pub group: GroupId,
    /// How it is called.
    pub name: String,
    /// How many are in it.
    pub members: u16,
}

/// Somebody who is in a group.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Member {
    /// Who.
    pub uin: Uin,
    /// His picture.
    pub face: Face,
    /// His name.
    pub nick: String,
}

/// A type of groups. Its number is its place in the list, from 0.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct GroupType {
    /// Its name among programs.
    pub name: String,
    /// Its name for people.
    pub display_name: String,
}

fn text(text: &[u8], charset: Charset) -> String {
    charset.decode(text).into_owned()
}

impl FoundUser {
    pub(super) fn new(found: &Found<'_>, charset: Charset) -> Self {
        let Found { uin, online, face, nick, province } = *found;
        Self { uin, online: online != 0, face, nick: text(&nick, charset), province: text(&province, charset) }
    }
}

impl ServerEntry {
    pub(super) fn new(server: &Server<'_>, charset: Charset) -> Self {
        let Server { domain, description, online_users } = *server;
        Self { domain: text(&domain, charset), description: text(&description, charset), online_users }
    }
}

impl Group {
    pub(super) fn new(group: GroupId, name: &[u8], members: u16, charset: Charset) -> Self {
        Self { group, name: text(name, charset), members }
    }
}

impl Member {
    pub(super) fn new(member: &WireMember<'_>, charset: Charset) -> Self {
        Self { uin: member.uin, face: member.face, nick: text(&member.nick, charset) }
    }
}

impl GroupType {
    pub(super) fn new(of: &WireGroupType<'_>, charset: Charset) -> Self {
        Self { name: text(&of.name, charset), display_name: text(&of.display_name, charset) }
    }
}
