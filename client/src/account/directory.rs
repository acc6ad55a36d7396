//! Users, servers and groups as lists show them.

use myicq_wire::{
    Face, Found, GroupEntry, GroupId, GroupInfo, GroupType as WireGroupType, Member as WireMember, Server, Uin,
};

use super::request::text;

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

impl From<Found<'_>> for FoundUser {
    fn from(found: Found<'_>) -> Self {
        let Found { uin, online, face, nick, province } = found;
        Self { uin, online: online != 0, face, nick: text(&nick), province: text(&province) }
    }
}

impl From<Server<'_>> for ServerEntry {
    fn from(server: Server<'_>) -> Self {
        let Server { domain, description, online_users } = server;
        Self { domain: text(&domain), description: text(&description), online_users }
    }
}

impl From<GroupEntry<'_>> for Group {
    fn from(entry: GroupEntry<'_>) -> Self {
        Self { group: entry.group, name: text(&entry.name), members: entry.members }
    }
}

impl From<&GroupInfo<'_>> for Group {
    fn from(info: &GroupInfo<'_>) -> Self {
        Self { group: info.group, name: text(&info.name), members: info.members }
    }
}

impl From<WireMember<'_>> for Member {
    fn from(member: WireMember<'_>) -> Self {
        Self { uin: member.uin, face: member.face, nick: text(&member.nick) }
    }
}

impl From<WireGroupType<'_>> for GroupType {
    fn from(of: WireGroupType<'_>) -> Self {
        Self { name: text(&of.name), display_name: text(&of.display_name) }
    }
}
