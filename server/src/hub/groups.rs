//! Groups that talk. One lives as long as somebody is in it, in the memory of the shard that its number maps to; who is in which knows
//! each user's shard as well, so that what concerns a session ends with it.
//!
//! To be in a group is to be seen there. So who is invisible is in none: he enters none, and leaves all when he goes invisible. Otherwise he
//! could be told from somebody who is not here.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use myicq_wire::charset::Charset;
use myicq_wire::{GroupError, GroupId, Uin};

use super::{
    Answer, Content, GroupNews, Hub, Letter, Member, Password, Question, Refusal, SessionKey, Tell, Waiting, presence,
};
use crate::board::Listing;
use crate::store::{Card, Outcome, Work};
use crate::time::Now;

/// The first number of a group is the next one. Numbers begin anew with the server: no group outlives it.
const BEFORE_FIRST: u32 = 10_000;

/// A group of this shard.
#[derive(Debug)]
struct Group {
    group_type: u16,
    name: String,
    password: Password,
    members: Vec<Member>,
}

/// What a shard knows of groups.
#[derive(Debug)]
pub(super) struct Groups {
    here: BTreeMap<GroupId, Group>,
    /// The groups, of whichever shard, that our users are in, or will be once the answer has come: a group as often as that was asked.
    joined: HashMap<SessionKey, Vec<GroupId>>,
    last: u32,
}

impl Default for Groups {
    fn default() -> Self {
        Self { here: BTreeMap::new(), joined: HashMap::new(), last: BEFORE_FIRST }
    }
}

impl Groups {
    fn joined(&self, session: SessionKey) -> &[GroupId] {
        self.joined.get(&session).map_or(&[], Vec::as_slice)
    }

    /// Takes back that a session is in a group, once or altogether.
    fn leave(&mut self, session: SessionKey, group: GroupId, altogether: bool) {
        let Some(joined) = self.joined.get_mut(&session) else { return };
        if altogether {
            joined.retain(|&other| other != group);
        } else if let Some(place) = joined.iter().position(|&other| other == group) {
            joined.swap_remove(place);
        }
        if joined.is_empty() {
            self.joined.remove(&session);
        }
    }
}

/// What a session wants to be in.
#[derive(Debug)]
pub(super) enum Joining {
    New { group_type: u16, name: String, password: Password },
    Old { group: GroupId, password: Password },
}

impl Hub {
    /// A session wants to be in a group. First comes how it is to be called there.
    pub(super) fn join(&mut self, question: Question, joining: Joining) {
        let uins = vec![question.session.uin];
        self.ask_store(Work::LoadCards { uins }, Waiting::Joining(question, joining));
    }

    pub(super) fn on_own_card(&mut self, question: Question, joining: Joining, outcome: Outcome) {
        let Some(user) = self.online.of_mut(question.session) else { return };
        let is_visible = presence::is_visible(user.status);
        let card = if let Outcome::Cards(cards) = outcome { cards.into_iter().next() } else { None };
        let Some(Card { uin, face, nick, .. }) = card else {
            return self.answer(question, Answer::Refused(Refusal::Storage));
        };
        let member = Member { uin, face, nick };
        match joining {
            Joining::New { .. } if !is_visible => self.answer(question, Answer::Refused(Refusal::NotAllowed)),
            Joining::New { group_type, name, password } => {
                self.create_group(question, Group { group_type, name, password, members: vec![member] });
            }
            Joining::Old { group, password } => {
                let joined = self.groups.joined(question.session);
                let is_one_more = !joined.contains(&group) && joined.len() >= self.config.limits.groups_per_user_max;
                let refused = match (is_visible, is_one_more) {
                    (false, _) => GroupError::NOT_EXIST,
                    (true, true) => GroupError::TOO_MANY,
                    (true, false) => {
                        self.groups.joined.entry(question.session).or_default().push(group);
                        return self.post_to_group(group, Content::EnterGroup { group, member, password, question });
                    }
                };
                self.answer(question, Answer::Entered(group, Err(refused)));
            }
        }
    }

    fn create_group(&mut self, question: Question, group: Group) {
        let limits = &self.config.limits;
        let has_room = self.groups.here.len() < self.share.part_of(limits.groups_max)
            && self.groups.joined(question.session).len() < limits.groups_per_user_max;
        // Of this shard's own numbers, so that it is the one that has the group.
        let next = u32::try_from(self.share.number_from(u64::from(self.groups.last) + 1)).ok();
        let Some(number) = next.filter(|_| has_room) else {
            return self.answer(question, Answer::Refused(Refusal::TooMany));
        };
        let id = GroupId(number);
        self.groups.last = number;
        self.groups.here.insert(id, group);
        self.groups.joined.entry(question.session).or_default().push(id);
        self.list_group(id);
        self.answer(question, Answer::Created(id));
    }

    /// Somebody wants to enter a group of ours.
    pub(super) fn on_enter_group(&mut self, id: GroupId, member: Member, password: &Password, question: Question) {
        let uin = member.uin;
        let outcome = match self.groups.here.get_mut(&id) {
            None => Err(GroupError::NOT_EXIST),
            Some(group) if group.members.iter().any(|other| other.uin == uin) => Err(GroupError::ALREADY_IN),
            Some(group) if *group.password != **password => Err(GroupError::WRONG_PASSWORD),
            Some(group) if group.members.len() >= self.config.limits.group_members_max => Err(GroupError::FULL),
            Some(group) => {
                group.members.push(member.clone());
                Ok(group.members.clone())
            }
        };
        self.post(uin, Content::Entered(question, id, outcome.clone()));
        if outcome.is_ok() {
            self.list_group(id);
            self.tell_group(id, uin, GroupNews::Entered(id, member));
        }
    }

    /// What became of what a session of ours wanted to be in.
    pub(super) fn on_entered(&mut self, question: Question, id: GroupId, outcome: Result<Vec<Member>, GroupError>) {
        if outcome.is_err() {
            self.groups.leave(question.session, id, false);
        }
        // Whoever went invisible in the meantime has left it again.
        let is_in = self.groups.joined(question.session).contains(&id);
        let outcome = if outcome.is_ok() && !is_in { Err(GroupError::NOT_EXIST) } else { outcome };
        self.answer(question, Answer::Entered(id, outcome));
    }

    pub(super) fn exit_group(&mut self, question: Question, group: GroupId) {
        let session = question.session;
        if self.groups.joined(session).contains(&group) {
            self.groups.leave(session, group, true);
            self.post_to_group(group, Content::ExitGroup(group, session.uin));
        }
        self.answer(question, Answer::Done);
    }

    /// A session leaves all of its groups.
    pub(super) fn exit_groups(&mut self, session: SessionKey) {
        for group in self.groups.joined.remove(&session).unwrap_or_default() {
            self.post_to_group(group, Content::ExitGroup(group, session.uin));
        }
    }

    /// Somebody leaves a group of ours, if he is in it.
    pub(super) fn on_exit_group(&mut self, id: GroupId, uin: Uin) {
        let Some(group) = self.groups.here.get_mut(&id) else { return };
        let Some(place) = group.members.iter().position(|member| member.uin == uin) else { return };
        group.members.remove(place);
        if group.members.is_empty() {
            self.groups.here.remove(&id);
            self.share.strike_group(id);
        } else {
            self.list_group(id);
            self.tell_group(id, uin, GroupNews::Exited(id, uin));
        }
    }

    pub(super) fn say_to_group(&mut self, question: Question, group: GroupId, text: Vec<u8>, charset: Charset) {
        if self.groups.joined(question.session).contains(&group) {
            self.post_to_group(group, Content::SayToGroup { group, text, charset, question });
        } else {
            self.answer(question, Answer::Refused(Refusal::NoSuchGroup));
        }
    }

    /// Somebody says something to a group of ours. He is answered when it is on its way to each of the others.
    pub(super) fn on_group_said(&mut self, now: Now, id: GroupId, text: Vec<u8>, charset: Charset, question: Question) {
        let from = question.session.uin;
        let group = self.groups.here.get(&id);
        let is_in = group.is_some_and(|group| group.members.iter().any(|member| member.uin == from));
        if is_in {
            let time = now.unix;
            self.tell_group(id, from, GroupNews::Said { group: id, from, time, text, charset });
        }
        self.post(from, Content::Verdict(question, if is_in { Ok(None) } else { Err(Refusal::NoSuchGroup) }));
    }

    /// Tells all but one of a group of ours: one letter for each of the other shards.
    fn tell_group(&mut self, id: GroupId, but: Uin, news: GroupNews) {
        let Some(group) = self.groups.here.get(&id) else { return };
        let news = Arc::new(news);
        let mut dealt: BTreeMap<u32, Vec<Uin>> = BTreeMap::new();
        for member in group.members.iter().filter(|member| member.uin != but) {
            dealt.entry(self.share.owner(member.uin)).or_default().push(member.uin);
        }
        for (shard, members) in dealt {
            let content = Content::GroupNews(members.into(), Arc::clone(&news));
            self.post_to(shard, Letter { to: Uin::NONE, content });
        }
    }

    /// There is news for these of our users, as far as they are still in the group.
    pub(super) fn on_group_news(&mut self, members: &[Uin], news: &Arc<GroupNews>) {
        let session = |uin: &Uin| self.online.get(*uin).map(|user| user.session);
        let is_in = |session: &SessionKey| self.groups.joined(*session).contains(&news.group());
        let sessions: Vec<_> = members.iter().filter_map(session).filter(is_in).collect();
        if !sessions.is_empty() {
            self.effects.push_back(super::Effect::TellAll(sessions, Tell::Group(Arc::clone(news))));
        }
    }

    pub(super) fn find_group(&mut self, question: Question, group: GroupId) {
        let answer = self.share.group(group).map_or(Answer::Refused(Refusal::NoSuchGroup), Answer::Group);
        self.answer(question, answer);
    }

    fn list_group(&self, id: GroupId) {
        if let Some(group) = self.groups.here.get(&id) {
            let members = u16::try_from(group.members.len()).unwrap_or(u16::MAX);
            let (name, group_type) = (group.name.clone(), group.group_type);
            self.share.list_group(Listing { group: id, name, group_type, members });
        }
    }

    fn post_to_group(&mut self, group: GroupId, content: Content) {
        let shard = self.share.owner_of_number(group.0.into());
        self.post_to(shard, Letter { to: Uin::NONE, content });
    }
}
