//! What may change places: the order of requests only counts where they touch the same thing.

use std::collections::HashMap;

use myicq_wire::Uin;

use super::{MessageId, Work};

/// What requests meet in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Thing {
    /// A user's password and profile.
    Account(Uin),
    /// A user's list, and whom he has asked to be on it.
    Contacts(Uin),
    /// What is kept for a user.
    Mailbox(Uin),
    /// How far a user is with what is said to everybody.
    Broadcasts(Uin),
    /// A message's number, whoever the recipient is: each is taken once.
    Number(MessageId),
}

/// How a request touches things.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Touch {
    /// Reads this and changes nothing.
    Reads(Thing),
    /// Changes the first; what it does depends on the second, too.
    Writes(Thing, Option<Thing>),
    /// Reads what cannot be named beforehand, and needs no more than what has been answered.
    ReadsAny,
    /// Changes or reads what cannot be named beforehand.
    Alone,
}

impl Touch {
    pub(super) fn of(work: &Work) -> Self {
        match *work {
            Work::ReserveUin
            | Work::CreateUser { .. }
            | Work::AddUser { .. }
            // The lists of all others, too.
            | Work::RemoveUser { .. }
            // The mailboxes of anybody.
            | Work::ExpireMessages { .. }
            | Work::LoadLastMessage
            | Work::StoreBroadcast { .. }
            | Work::LoadBroadcasts { .. } => Self::Alone,
            Work::LoadCards { .. } | Work::SearchUsers { .. } | Work::ListUsers { .. } | Work::CountMessages => {
                Self::ReadsAny
            }
            Work::LoadAccount { uin } | Work::LoadProfile { uin } => Self::Reads(Thing::Account(uin)),
            Work::SaveProfile { uin, .. } | Work::SetPassword { uin, .. } => Self::Writes(Thing::Account(uin), None),
            Work::LoadLastBroadcast { uin } => Self::Reads(Thing::Broadcasts(uin)),
            Work::ReadBroadcast { uin, .. } => Self::Writes(Thing::Broadcasts(uin), None),
            Work::LoadContacts { uin } => Self::Reads(Thing::Contacts(uin)),
            Work::AddContact { owner, contact, .. } => {
                Self::Writes(Thing::Contacts(owner), Some(Thing::Account(contact)))
            }
            Work::RemoveContact { owner, .. } => Self::Writes(Thing::Contacts(owner), None),
            Work::RequestAuthorization { asker, .. } | Work::AnswerAuthorization { asker, .. } => {
                Self::Writes(Thing::Contacts(asker), None)
            }
            Work::StoreMessage { ref message, .. } => {
                Self::Writes(Thing::Mailbox(message.to), Some(Thing::Number(message.id)))
            }
            Work::LoadMessages { recipient, .. } => Self::Reads(Thing::Mailbox(recipient)),
            Work::DeleteMessage { recipient, id } => Self::Writes(Thing::Mailbox(recipient), Some(Thing::Number(id))),
        }
    }
}

/// Works that can be done together, each with its place in the batch.
#[derive(PartialEq, Eq, Debug, Default)]
pub(super) struct Stage<'a> {
    /// Come first, in this order.
    pub(super) writes: Vec<(usize, &'a Work)>,
    /// Come after all of the writes, in any order.
    pub(super) reads: Vec<(usize, &'a Work)>,
}

/// Puts a batch into as few stages as it takes for the same answers as one by one.
pub(super) fn stages<'a>(works: impl IntoIterator<Item = &'a Work>) -> Vec<Stage<'a>> {
    let mut stages: Vec<Stage<'_>> = Vec::new();
    // For each thing, the first stage in which it can still be touched, and whether it has been read there.
    let mut open: HashMap<Thing, (usize, bool)> = HashMap::new();
    let mut first = 0;
    for (place, work) in works.into_iter().enumerate() {
        let touch = Touch::of(work);
        let seen = |thing: Thing| open.get(&thing).copied().filter(|&(stage, _)| stage >= first);
        let (stage, things) = match touch {
            Touch::Reads(thing) => (seen(thing).map_or(first, |(stage, _)| stage), [Some(thing), None]),
            Touch::Writes(thing, also) => {
                let behind = |thing| seen(thing).map_or(first, |(stage, is_read)| stage + usize::from(is_read));
                (behind(thing).max(also.map_or(first, behind)), [Some(thing), also])
            }
            Touch::ReadsAny | Touch::Alone => {
                let stage = stages.len();
                first = stage + 1;
                (stage, [None, None])
            }
        };
        if stages.len() <= stage {
            stages.resize_with(stage + 1, Stage::default);
        }
        let is_read = matches!(touch, Touch::Reads(_) | Touch::ReadsAny);
        open.extend(things.into_iter().flatten().map(|thing| (thing, (stage, is_read))));
        if let Some(stage) = stages.get_mut(stage) {
            let list = if is_read { &mut stage.reads } else { &mut stage.writes };
            list.push((place, work));
        }
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Uin = Uin(1);
    const BOB: Uin = Uin(2);

    fn delete(recipient: Uin, id: u64) -> Work {
        Work::DeleteMessage { recipient, id: MessageId(id) }
    }

    fn messages(recipient: Uin) -> Work {
        Work::LoadMessages { recipient, after: MessageId(0), limit: 9 }
    }

    fn create() -> Work {
        Work::CreateUser { uin: ANN, password_hash: String::new() }
    }

    /// The places in each stage: of its writes, and of its reads.
    fn places(works: &[Work]) -> Vec<(Vec<usize>, Vec<usize>)> {
        let places = |placed: Vec<(usize, &Work)>| placed.into_iter().map(|(place, _)| place).collect();
        stages(works).into_iter().map(|stage| (places(stage.writes), places(stage.reads))).collect()
    }

    #[test]
    fn what_touches_nothing_in_common_goes_together() {
        let remove = Work::RemoveContact { owner: BOB, contact: ANN };
        let works = [delete(ANN, 1), messages(BOB), delete(ANN, 2), Work::LoadContacts { uin: ANN }, remove];
        assert_eq!(places(&works), [(vec![0, 2, 4], vec![1, 3])]);
        assert_eq!(places(&[]), []);
    }

    #[test]
    fn a_write_comes_behind_the_reads_before_it() {
        let works = [messages(ANN), messages(BOB), delete(ANN, 1), messages(ANN), messages(BOB), delete(ANN, 2)];
        assert_eq!(places(&works), [(vec![], vec![0, 1, 4]), (vec![2], vec![3]), (vec![5], vec![])]);
    }

    #[test]
    fn what_depends_on_two_things_comes_behind_both() {
        let add = Work::AddContact { owner: BOB, contact: ANN, max: 9 };
        let works = [Work::LoadAccount { uin: ANN }, add, Work::LoadContacts { uin: BOB }];
        assert_eq!(places(&works), [(vec![], vec![0]), (vec![1], vec![2])]);
        let works = [delete(ANN, 1), messages(ANN), delete(ANN, 2), delete(BOB, 2), delete(BOB, 3)];
        assert_eq!(places(&works), [(vec![0], vec![1]), (vec![2, 3, 4], vec![])], "a number is one thing");
    }

    #[test]
    fn what_touches_everything_goes_alone() {
        let works = [messages(ANN), create(), messages(ANN), create(), delete(BOB, 1)];
        let alone = |place| (vec![place], vec![]);
        assert_eq!(places(&works), [(vec![], vec![0]), alone(1), (vec![], vec![2]), alone(3), alone(4)]);
        let works = [delete(ANN, 1), Work::CountMessages, delete(ANN, 2)];
        assert_eq!(places(&works), [alone(0), (vec![], vec![1]), alone(2)]);
    }
}
