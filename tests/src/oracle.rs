//! Who should have got what: keeps a journal of what was said, acknowledged and shown, and compares.

use std::collections::{BTreeMap, BTreeSet};

use myicq_server::store::{MessageId, Outcome, Work};
use myicq_wire::{GroupId, MessageKind, Status, Uin};

use crate::client::Notice;
use crate::sim::{Program, World};

/// One thing that was said. Its text is its number, so that it is known wherever it comes up.
#[derive(Debug)]
struct Said {
    from: usize,
    to: usize,
    ask: u64,
    is_acknowledged: bool,
    /// In which order the recipient was shown it: the count of all that he was shown before.
    shown: Vec<usize>,
}

/// Something that the operator said to everybody.
#[derive(Debug, Default)]
struct Broadcast {
    is_stored: bool,
    /// How often each user was shown it.
    shown: BTreeMap<usize, usize>,
}

/// The journal of a world.
#[derive(Debug, Default)]
pub struct Oracle {
    said: Vec<Said>,
    by_ask: BTreeMap<u64, usize>,
    shown: usize,
    broadcasts: Vec<Broadcast>,
    /// How often each user was shown what was said in a group, by its number.
    in_groups: BTreeMap<(usize, usize), usize>,
    /// Who said what in a group.
    said_in_groups: Vec<usize>,
    /// The groups that were made, some of which may be no more.
    pub groups: Vec<GroupId>,
    /// Requests for a group whose answers have not come.
    pub creations: BTreeSet<u64>,
    /// Sessions that a user has had, and deaths of the server: each may show a client of 2003 a message once more.
    restarts: BTreeMap<usize, usize>,
    /// Requests for another status that were never acknowledged: what others see may be the old one or the new.
    unclear: BTreeMap<u64, usize>,
    /// The network damages datagrams, so what is shown need not be what was said.
    is_damaged: bool,
    /// What was counted.
    pub figures: Figures,
}

/// What a course came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Messages that were said.
    pub said: u64,
    /// Of those, acknowledged to their senders.
    pub acknowledged: u64,
    /// Of those, shown.
    pub shown: u64,
    /// Shown once more by a client of 2003.
    pub repeated: u64,
    /// Broadcasts shown, counted for each user.
    pub broadcasts: u64,
    /// What was said in groups, counted for each who was shown it.
    pub in_groups: u64,
    /// Sessions that ended without their users' wish.
    pub lost_sessions: u64,
    /// Deaths of the server.
    pub crashes: u64,
    /// Sessions of our own client that went on behind one.
    pub resumed: u64,
    /// Datagrams that the network did not bring whole.
    pub harmed: u64,
}

impl Figures {
    /// Adds those of another course.
    pub fn add(&mut self, other: &Self) {
        self.said += other.said;
        self.acknowledged += other.acknowledged;
        self.shown += other.shown;
        self.repeated += other.repeated;
        self.broadcasts += other.broadcasts;
        self.in_groups += other.in_groups;
        self.lost_sessions += other.lost_sessions;
        self.crashes += other.crashes;
        self.resumed += other.resumed;
        self.harmed += other.harmed;
    }
}

impl Oracle {
    /// An empty journal.
    pub fn new(is_damaged: bool) -> Self {
        Self { is_damaged, ..Self::default() }
    }

    /// The text of the next thing to be said.
    pub fn next_text(&self) -> String {
        format!("message {}", self.said.len())
    }

    /// Something was said.
    pub fn on_said(&mut self, from: usize, to: usize, ask: u64) {
        self.by_ask.insert(ask, self.said.len());
        self.said.push(Said { from, to, ask, is_acknowledged: false, shown: Vec::new() });
    }

    /// The number and the text of the next thing that the operator says to everybody.
    pub fn next_broadcast(&mut self) -> (u64, String) {
        let number = self.broadcasts.len();
        self.broadcasts.push(Broadcast::default());
        (number as u64, format!("broadcast {number}"))
    }

    /// Of the next thing to be said in a group.
    pub fn next_group_text(&mut self, from: usize) -> String {
        self.said_in_groups.push(from);
        format!("in a group {}", self.said_in_groups.len() - 1)
    }

    /// A user asked to be shown differently.
    pub fn on_status(&mut self, user: usize, ask: u64) {
        self.unclear.insert(ask, user);
    }

    /// A user begins a session.
    pub fn on_session(&mut self, user: usize) {
        *self.restarts.entry(user).or_default() += 1;
        // What he is shown as is what he logs in with.
        self.unclear.retain(|_, other| *other != user);
    }

    /// The server died.
    pub fn on_crash(&mut self, users: usize) {
        self.figures.crashes += 1;
        (0..users).for_each(|user| *self.restarts.entry(user).or_default() += 1);
    }

    /// Takes in what the users got to see.
    pub fn observe(&mut self, world: &mut World) {
        for user in 0..world.users.len() {
            for (_, notice) in std::mem::take(&mut world.users[user].notices) {
                self.on_notice(user, &notice);
            }
        }
        for (number, verdict) in world.host.take_broadcasts() {
            let broadcast = usize::try_from(number).ok().and_then(|number| self.broadcasts.get_mut(number));
            broadcast.expect("the verdict on what was said").is_stored |= verdict.is_ok();
        }
        self.figures.harmed = world.network.harmed;
    }

    fn on_notice(&mut self, user: usize, notice: &Notice) {
        match notice {
            Notice::Verdict { ask, done } => {
                if *done {
                    self.unclear.remove(ask);
                }
                if let Some(&index) = self.by_ask.get(ask) {
                    self.said[index].is_acknowledged |= *done;
                }
            }
            Notice::Message { from: Uin::ADMINISTRATOR, text, .. } => {
                let number = text.strip_prefix("broadcast ").and_then(|number| number.parse::<usize>().ok());
                match number.and_then(|number| self.broadcasts.get_mut(number)) {
                    Some(broadcast) => *broadcast.shown.entry(user).or_default() += 1,
                    None => assert!(self.is_damaged, "{text:?} was said to everybody by nobody"),
                }
            }
            Notice::SaidInGroup { text, .. } => {
                let number = text.strip_prefix("in a group ").and_then(|number| number.parse::<usize>().ok());
                match number.filter(|&number| self.said_in_groups.get(number).is_some_and(|&from| from != user)) {
                    Some(number) => *self.in_groups.entry((number, user)).or_default() += 1,
                    None => assert!(self.is_damaged, "{text:?} was said in a group by nobody else"),
                }
            }
            Notice::Answer { ask, text } if self.creations.remove(ask) || *ask == 0 => {
                self.groups.extend(text.parse().ok().filter(|&group: &GroupId| group.0 > 0 && group.0 < 1 << 20));
            }
            Notice::Message { kind: MessageKind::TEXT, text, .. } => {
                let number = text.strip_prefix("message ").and_then(|number| number.parse::<usize>().ok());
                let said = number.and_then(|number| self.said.get_mut(number)).filter(|said| said.to == user);
                let Some(said) = said else {
                    // A damaged datagram may be taken for what nobody said: its check code covers one byte.
                    return assert!(self.is_damaged, "{text:?} was shown, which nobody said to this user");
                };
                said.shown.push(self.shown);
                self.shown += 1;
            }
            Notice::Resumed => self.figures.resumed += 1,
            Notice::Ended(why) if why != "logged out" => self.figures.lost_sessions += 1,
            _ => {}
        }
    }

    /// Everything that was acknowledged was shown, or lies in the store; nothing was shown more often than it may, and
    /// between our own clients in the order in which it was said.
    ///
    /// # Panics
    /// When that is not so.
    pub fn check_messages(&mut self, world: &mut World) {
        for (number, said) in self.said.iter().enumerate() {
            let recipient = &world.users[said.to];
            let (uin, program) = (recipient.uin, recipient.program);
            let is_shown = !said.shown.is_empty();
            assert!(
                !said.is_acknowledged || is_shown || stored(world, uin).contains(&format!("message {number}")),
                "message {number} was acknowledged to its sender, and is nowhere: {said:?}"
            );
            let most = match program {
                Program::Ours if world.users[said.from].program == Program::Ours => 1,
                // A client of 2003 sends again what a server that died had taken but not acknowledged. Nothing tells the next
                // server that it is the same.
                Program::Ours => 1 + usize::try_from(self.figures.crashes).expect("a course has few crashes"),
                Program::Original => 1 + self.restarts.get(&said.to).copied().unwrap_or(0),
            };
            assert!(said.shown.len() <= most, "message {number} was shown too often to {program:?}: {said:?}");
            self.figures.said += 1;
            self.figures.acknowledged += u64::from(said.is_acknowledged);
            self.figures.shown += u64::from(is_shown);
            self.figures.repeated += said.shown.len().saturating_sub(1) as u64;
        }
        self.check_order(world);
    }

    /// What was said to everybody was shown to each once, and nothing that was said in a group was shown twice.
    ///
    /// # Panics
    /// When that is not so.
    pub fn check_broadcasts_and_groups(&mut self, world: &World) {
        for (number, broadcast) in self.broadcasts.iter().enumerate() {
            for (user, person) in world.users.iter().enumerate() {
                let shown = broadcast.shown.get(&user).copied().unwrap_or(0);
                assert!(shown > 0 || !broadcast.is_stored, "{} was not shown broadcast {number}", person.uin);
                let most = match person.program {
                    Program::Ours => 1,
                    Program::Original => 1 + self.restarts.get(&user).copied().unwrap_or(0),
                };
                assert!(shown <= most, "{} was shown broadcast {number} {shown} times", person.uin);
                self.figures.broadcasts += u64::from(shown > 0);
            }
        }
        for ((number, user), &shown) in &self.in_groups {
            assert!(shown == 1, "what was said in a group as {number} was shown {shown} times to user {user}");
            self.figures.in_groups += 1;
        }
    }

    fn check_order(&self, world: &World) {
        let mut last = BTreeMap::new();
        for (number, said) in self.said.iter().enumerate() {
            let is_ours = |user: usize| world.users[user].program == Program::Ours;
            let (true, Some(&shown)) = (is_ours(said.from) && is_ours(said.to), said.shown.first()) else { continue };
            let before = last.insert((said.from, said.to), shown);
            assert!(before.is_none_or(|before| before < shown), "message {number} overtook another (ask {})", said.ask);
        }
    }

    /// Every user who is online sees each of his contacts as that one is.
    ///
    /// # Panics
    /// When somebody does not.
    pub fn check_presence(&self, world: &World) {
        for viewer in world.users.iter().filter(|user| user.is_online()) {
            for (index, other) in world.users.iter().enumerate().filter(|(_, other)| other.uin != viewer.uin) {
                if self.unclear.values().any(|&unclear| unclear == index) {
                    continue;
                }
                let shown = (other.is_online() && other.status != Status::INVISIBLE).then_some(other.status);
                let seen = viewer.view.get(&other.uin).copied();
                assert_eq!(seen, shown, "what {} ({:?}) sees of {}", viewer.uin, viewer.program, other.uin);
            }
        }
    }
}

/// The texts that are kept for a user.
pub fn stored(world: &mut World, recipient: Uin) -> Vec<String> {
    let work = Work::LoadMessages { recipient, after: MessageId(0), limit: 10_000 };
    let Outcome::Messages(messages) = world.store(work) else { panic!("no answer from the store") };
    let words = |text: &[u8]| String::from_utf8_lossy(myicq_wire::message::words(text)).into_owned();
    messages.iter().map(|message| words(&message.text)).collect()
}
