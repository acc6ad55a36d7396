//! Groups, between packets and the hub's words.

use std::cmp::Reverse;
use std::sync::Arc;

use myicq_wire::cipher::BLOCK_LEN;
use myicq_wire::link::Token;
use myicq_wire::{
    CreateGroup, EnterGroupReply, GroupEntered, GroupEntry, GroupError, GroupExited, GroupId, GroupInfo, GroupMessage,
    GroupRef, GroupSaid, GroupType, HEADER_LEN, List, MAX_DATAGRAM, Member as WireMember, MessageKind, Reply, Secret,
    Seq, Str, message,
};

use super::Frontend;
use super::notices::QUEUED_MAX;
use super::profile::{self, NICK_MAX, shown_max};
use crate::board::Listing;
use crate::counters::Drop;
use crate::hub::{Ask, GroupNews, Hub, Member, Refusal, SessionKey};
use crate::time::Now;

/// Bytes of a group's name.
const NAME_MAX: usize = 32;

/// Bytes of a group's password.
const PASSWORD_MAX: usize = 32;

/// Groups of one list: what fits one datagram with the longest names. The protocol has no second page.
const LIST_LEN: usize = 90;

/// Bytes of a datagram that may be sealed: its body takes whole blocks of the cipher.
const SEALED_MAX: usize = HEADER_LEN + (MAX_DATAGRAM - HEADER_LEN) / BLOCK_LEN * BLOCK_LEN;

/// Bytes of the reply to GET_GROUP_LIST without its groups, and of a group without its name.
const LIST_AT: usize = HEADER_LEN + 2;
const ENTRY_LEN: usize = 4 + 2 + 1 + 2;

/// Bytes of the reply to ENTER_GROUP without its members, and of a member without his name.
const MEMBERS_AT: usize = HEADER_LEN + 4 + 2 + 2;
const MEMBER_LEN: usize = 4 + 1 + 2 + 1;

impl Frontend {
    /// Tells a client that has just come which types of groups there are, as the clients of 2003 expect it behind the LOGIN reply.
    pub(super) fn tell_group_types(&mut self, now: Now, key: SessionKey, hub: &mut Hub) {
        let Some(session) = self.sessions.get(key).filter(|_| !self.config.groups.types.is_empty()) else { return };
        let (config, charset) = (Arc::clone(&self.config), session.charset);
        let texts = config.groups.types.iter().map(|it| (charset.encode(&it.name), charset.encode(&it.display_name)));
        let texts: Vec<_> = texts.collect();
        let types =
            texts.iter().map(|(name, display_name)| GroupType { name: Str(name), display_name: Str(display_name) });
        let types: Vec<_> = types.collect();
        self.retain(now, key, &Reply::GroupTypes(List::new(&types)), None, Token(0), hub);
    }

    pub(super) fn new_group(&self, key: SessionKey, group: &CreateGroup<'_>) -> Result<Ask<'static>, Refusal> {
        let charset = self.sessions.get(key).map_or(self.config.legacy.charset, |session| session.charset);
        let CreateGroup { group_type, name, password: Secret(password) } = *group;
        if !charset.fits(&name, NAME_MAX) || password.len() > PASSWORD_MAX {
            return Err(Refusal::TooLong);
        }
        if name.is_empty() || usize::from(group_type) >= self.config.groups.types.len() {
            return Err(Refusal::Malformed);
        }
        Ok(Ask::CreateGroup { group_type, name: charset.decode(name.0).into_owned(), password: password.into() })
    }

    /// What is said in a group has the form of a message that is said to one.
    pub(super) fn new_group_text(&self, key: SessionKey, said: &GroupMessage<'_>) -> Result<Ask<'static>, Refusal> {
        let charset = self.sessions.get(key).map_or(self.config.legacy.charset, |session| session.charset);
        let GroupMessage { group, text: Str(text) } = *said;
        if !profile::is_sayable(text, charset, &self.config.limits) {
            return Err(Refusal::TooLong);
        }
        let text = message::sanitize(MessageKind::TEXT, text, charset).map_err(|_| Refusal::Malformed)?;
        Ok(Ask::SayToGroup { group, text: text.into_owned(), charset })
    }

    /// Of more than there is room for, those with the most members.
    pub(super) fn reply_groups(
        &mut self,
        now: Now,
        key: SessionKey,
        seq: Seq,
        mut groups: Vec<Listing>,
        hub: &mut Hub,
    ) {
        let Some(session) = self.sessions.get(key) else { return };
        let charset = session.charset;
        if groups.len() > LIST_LEN {
            groups.sort_by_key(|listing| Reverse(listing.members));
            groups.truncate(LIST_LEN);
            groups.sort_by_key(|listing| listing.group);
        }
        let room = (SEALED_MAX - LIST_AT).checked_div(groups.len()).unwrap_or(SEALED_MAX);
        let name_max = room.saturating_sub(ENTRY_LEN).min(shown_max(NAME_MAX, charset));
        let names: Vec<_> = groups.iter().map(|listing| charset.encode(&listing.name)).collect();
        let entries = groups.iter().zip(&names).map(|(&Listing { group, members, .. }, name)| GroupEntry {
            group,
            name: Str(charset.cut(name, name_max)),
            members,
        });
        let entries: Vec<_> = entries.collect();
        self.reply(now, key, seq, &Reply::GetGroupList(List::new(&entries)), hub);
    }

    pub(super) fn reply_group(&mut self, now: Now, key: SessionKey, seq: Seq, listing: &Listing, hub: &mut Hub) {
        let Some(session) = self.sessions.get(key) else { return };
        let Listing { group, group_type, members, .. } = *listing;
        let name = session.charset.encode(&listing.name);
        let name = Str(session.charset.cut(&name, shown_max(NAME_MAX, session.charset)));
        self.reply(now, key, seq, &Reply::SearchGroup(GroupInfo { group, name, group_type, members }), hub);
    }

    /// What plain version 1 says where there is no such group, and where none could be made: it has no other word.
    pub(super) fn reply_no_group(&mut self, now: Now, key: SessionKey, seq: Seq, is_new: bool, hub: &mut Hub) {
        let reply = if is_new {
            Reply::CreateGroup(GroupRef { group: GroupId(0) })
        } else {
            Reply::SearchGroup(GroupInfo { group: GroupId(0), name: Str(b""), group_type: 0, members: 0 })
        };
        self.reply(now, key, seq, &reply, hub);
    }

    pub(super) fn reply_entered(
        &mut self,
        now: Now,
        (key, seq): (SessionKey, Seq),
        group: GroupId,
        outcome: &Result<Vec<Member>, GroupError>,
        hub: &mut Hub,
    ) {
        let Some(session) = self.sessions.get(key) else { return };
        let charset = session.charset;
        let members = outcome.as_ref().map_or(&[][..], Vec::as_slice);
        // All are named in one datagram, the more of them the shorter.
        let room = (SEALED_MAX - MEMBERS_AT).checked_div(members.len()).unwrap_or(SEALED_MAX);
        let nick_max = room.saturating_sub(MEMBER_LEN).min(shown_max(NICK_MAX, charset));
        let nicks: Vec<_> = members.iter().map(|member| charset.encode(&member.nick)).collect();
        let list = members.iter().zip(&nicks).map(|(&Member { uin, face, .. }, nick)| WireMember {
            uin,
            face,
            nick: Str(charset.cut(nick, nick_max)),
        });
        let list: Vec<_> = list.collect();
        let outcome = outcome.as_ref().map(|_| List::new(&list)).map_err(|&error| error);
        self.reply(now, key, seq, &Reply::EnterGroup(EnterGroupReply { group, outcome }), hub);
    }

    /// A client that is slow to acknowledge misses what happens in its groups: otherwise anybody in one of them could bury it.
    pub(super) fn tell_group_news(&mut self, now: Now, key: SessionKey, news: &GroupNews, hub: &mut Hub) {
        let Some(session) = self.sessions.get(key) else { return };
        if session.link.queued() >= QUEUED_MAX {
            return self.counters.drop(Drop::GroupNews);
        }
        let charset = session.charset;
        match news {
            GroupNews::Entered(group, Member { uin, face, nick }) => {
                let nick = charset.encode(nick);
                let member =
                    WireMember { uin: *uin, face: *face, nick: Str(charset.cut(&nick, shown_max(NICK_MAX, charset))) };
                let reply = Reply::GroupEntered(GroupEntered { group: *group, member });
                self.retain(now, key, &reply, None, Token(0), hub);
            }
            GroupNews::Exited(group, uin) => {
                let reply = Reply::GroupExited(GroupExited { group: *group, uin: *uin });
                self.retain(now, key, &reply, None, Token(0), hub);
            }
            GroupNews::Said { group, from, time, text, charset: own } => {
                let text = message::transcode(MessageKind::TEXT, text, *own, charset);
                let said = GroupSaid { group: *group, from: *from, time: time.seconds(), text: Str(&text) };
                self.retain(now, key, &Reply::GroupMessage(said), None, Token(0), hub);
            }
        }
    }
}
