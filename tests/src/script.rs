//! Plays: scenes that people can read, played on the simulation over a network that loses nothing.
//!
//! A line is a step; what stands in it must be so when it is played. After `#` comes a remark. The first line names the people,
//! and the scene is played with every mixture of programs, unless a line `all use ours` or `all use the original`
//! says otherwise. At the end nobody may have heard anything that no line speaks of.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use myicq_wire::{Authorization, GroupId, MessageKind, Status, Uin};

use crate::client::{Ask, Notice};
use crate::host::{Delays, config};
use crate::network::Weather;
use crate::sim::{Program, World};

/// Long enough for anything that is not waited out: the server holds acknowledgements a quarter of a second.
const MOMENT: Duration = Duration::from_secs(2);

/// Longer than any program tries.
const GIVING_UP: Duration = Duration::from_secs(60);

/// What came of a scene.
#[derive(Debug, Default)]
pub struct Played {
    /// How many mixtures of programs have played it.
    pub mixtures: usize,
    /// Requests that the server took, by name.
    pub requests: BTreeSet<&'static str>,
    /// Those among them that it took where all used our own program.
    pub requests_of_ours: BTreeSet<&'static str>,
    /// What the server sent, by name.
    pub replies: BTreeSet<&'static str>,
}

/// Plays a scene with every mixture of programs that it admits.
///
/// # Errors
/// The line that is not so, or is not understood, and why.
pub fn play(scene: &str) -> Result<Played, String> {
    let lines: Vec<(usize, &str)> = scene
        .lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line.split('#').next().unwrap_or_default().trim()))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let (_, first) = lines.first().ok_or("an empty scene")?;
    let names: Vec<&str> = first.strip_prefix("people ").ok_or("the first line names the people")?.split(' ').collect();
    let fixed = lines.iter().find_map(|(_, line)| line.strip_prefix("all use "));
    let mixtures = match fixed {
        None => (0..1_u32 << names.len()).collect(),
        Some("ours") => vec![0],
        Some("the original") => vec![(1 << names.len()) - 1],
        Some(other) => return Err(format!("all use {other}: no such program")),
    };
    let mut played = Played { mixtures: mixtures.len(), ..Played::default() };
    for &mixture in &mixtures {
        let mut stage = Stage::new(&names, mixture);
        for (number, line) in lines.iter().skip(1).filter(|(_, line)| !line.starts_with("all use ")) {
            stage.step(line).map_err(|why| format!("line {number}, {:?}: {line}\n    {why}", stage.programs()))?;
        }
        stage.curtain().map_err(|why| format!("at the end, {:?}: {why}", stage.programs()))?;
        let counters = stage.world.host.counters();
        let taken = counters.received().filter(|&(_, fate, count)| fate == "taken" && count > 0);
        let taken: BTreeSet<_> = taken.map(|(name, ..)| name).collect();
        if mixture == 0 {
            played.requests_of_ours.extend(&taken);
        }
        played.requests.extend(taken);
        played.replies.extend(counters.sent_by_command().filter(|&(_, count)| count > 0).map(|(name, _)| name));
    }
    Ok(played)
}

/// What somebody got to see and no line has spoken of yet.
#[derive(Default)]
struct Ears {
    messages: VecDeque<(Uin, MessageKind, String)>,
    answers: VecDeque<String>,
    verdicts: BTreeMap<u64, bool>,
    endings: VecDeque<String>,
    /// Who wants a way through the server.
    relays: VecDeque<Uin>,
    /// What happens in groups: who, in which, and what.
    groups: VecDeque<(Uin, GroupId, String)>,
}

struct Stage {
    world: World,
    names: Vec<String>,
    ears: Vec<Ears>,
    /// The groups by what they are called in the play.
    groups: BTreeMap<String, GroupId>,
}

fn expect<T: PartialEq + std::fmt::Debug>(got: T, wanted: T) -> Result<(), String> {
    if got == wanted { Ok(()) } else { Err(format!("got {got:?}")) }
}

fn status(word: &str) -> Result<Status, String> {
    match word {
        "online" => Ok(Status::ONLINE),
        "away" => Ok(Status::AWAY),
        "invisible" => Ok(Status::INVISIBLE),
        other => Err(format!("{other} is no status")),
    }
}

/// `450*x` stands for as many letters.
fn text(words: &str) -> String {
    let repeated = words.split_once('*').and_then(|(count, what)| Some(what.repeat(count.parse().ok()?)));
    repeated.unwrap_or_else(|| words.to_owned())
}

impl Stage {
    fn new(names: &[&str], mixture: u32) -> Self {
        let delays = Delays { commit: Duration::from_millis(3), ..Delays::NONE };
        let mut world = World::new(1, config(), delays, 1, Weather::FAIR);
        for person in 0..names.len() {
            let program = if mixture >> person & 1 == 0 { Program::Ours } else { Program::Original };
            world.person(program, "hunter2");
        }
        let ears = names.iter().map(|_| Ears::default()).collect();
        Self { world, names: names.iter().map(|&name| name.to_owned()).collect(), ears, groups: BTreeMap::new() }
    }

    fn programs(&self) -> Vec<Program> {
        self.world.users.iter().map(|user| user.program).collect()
    }

    fn who(&self, name: &str) -> Result<usize, String> {
        self.names.iter().position(|other| other == name).ok_or(format!("who is {name}?"))
    }

    /// The number of somebody; `stranger` is nobody's.
    fn uin(&self, name: &str) -> Result<Uin, String> {
        match name {
            "stranger" => Ok(Uin(99_999)),
            "administrator" => Ok(Uin::ADMINISTRATOR),
            _ => self.who(name).map(|who| self.world.users[who].uin),
        }
    }

    fn uin_or_nobody(&self, name: &str) -> Result<Uin, String> {
        self.uin(if name == "nobody" { "stranger" } else { name })
    }

    fn run(&mut self, time: Duration) {
        self.world.run_for(time);
        for (user, ears) in self.world.users.iter_mut().zip(&mut self.ears) {
            for (_, notice) in std::mem::take(&mut user.notices) {
                match notice {
                    Notice::Message { from, kind, text } => ears.messages.push_back((from, kind, text)),
                    Notice::Answer { text, .. } => ears.answers.push_back(text),
                    Notice::Verdict { ask, done } => drop(ears.verdicts.insert(ask, done)),
                    Notice::Ended(why) => ears.endings.push_back(why),
                    Notice::Relay(from) => ears.relays.push_back(from),
                    Notice::Entered(group, who) => ears.groups.push_back((who, group, "enters".to_owned())),
                    Notice::Left(group, who) => ears.groups.push_back((who, group, "leaves".to_owned())),
                    Notice::SaidInGroup { group, from, text } => ears.groups.push_back((from, group, text)),
                    Notice::LoggedIn | Notice::Resumed | Notice::Here(..) | Notice::Gone(_) => {}
                }
            }
        }
    }

    fn step(&mut self, line: &str) -> Result<(), String> {
        let (sentence, rest) = line.split_once(": ").map_or((line, None), |(sentence, rest)| (sentence, Some(rest)));
        let words: Vec<&str> = sentence.split(' ').collect();
        match (words.as_slice(), rest) {
            (["the", "server", "dies"], None) => self.world.crash(),
            (["the", "server", "starts", "again"], None) => self.world.restart(),
            (["the", "server", "saves"], None) => self.world.host.save(),
            (["the", "operator", "says"], Some(words)) => self.world.host.broadcast(self.world.now, 0, words),
            ([seconds, "seconds", "pass"], None) => {
                self.run(Duration::from_secs(seconds.parse().map_err(|_| "how many?")?));
            }
            (["there", "are", count, "sessions"], None) => {
                expect(self.world.host.sessions().to_string(), (*count).to_owned())?;
            }
            ([name, said @ ..], rest) => {
                let who = self.who(name)?;
                return self.come_and_go(who, said, rest).unwrap_or_else(|| self.talk(who, said, rest));
            }
            _ => return Err("not understood".to_owned()),
        }
        self.run(MOMENT);
        Ok(())
    }

    /// Steps about sessions; `None` for another.
    fn come_and_go(&mut self, who: usize, said: &[&str], rest: Option<&str>) -> Option<Result<(), String>> {
        match (said, rest) {
            (["registers"], None) => return Some(self.register(who)),
            (["logs", "in"], Some(problem)) => return Some(self.fail_to_log_in(who, problem)),
            (["logs", "in"], None) => return Some(self.log_in(who, Status::ONLINE)),
            (["logs", "in", "with", password], problem) => {
                (*password).clone_into(&mut self.world.users[who].password);
                return Some(match problem {
                    Some(problem) => self.fail_to_log_in(who, problem),
                    None => self.log_in(who, Status::ONLINE),
                });
            }
            (["logs", "in", word], None) => return Some(status(word).and_then(|status| self.log_in(who, status))),
            (["logs", "out"], None) => self.world.log_out(who),
            (["vanishes"], None) => self.world.leave(who),
            (["is", "the", "administrator"], None) => {
                self.world.administrator(who);
            }
            // Another place of somebody, or somebody whom no server knows.
            (["is", other], None) if *other == "nobody" || self.who(other).is_ok() => match self.uin_or_nobody(other) {
                Ok(uin) => self.world.users[who].uin = uin,
                Err(why) => return Some(Err(why)),
            },
            (["is", "told", "of", "the", "end"], Some(why)) => {
                let got = self.ears[who].endings.pop_front().unwrap_or_default();
                return Some(if why.split(" or ").any(|why| got.contains(why)) {
                    Ok(())
                } else {
                    Err(format!("got {got:?}"))
                });
            }
            _ => return None,
        }
        self.run(MOMENT);
        self.ears[who].endings.retain(|why| why != "logged out");
        Some(Ok(()))
    }

    /// A client of 2003 logs in at once behind its registration; here it then logs out, as the other never was in.
    fn register(&mut self, who: usize) -> Result<(), String> {
        self.world.register(who);
        self.run(MOMENT);
        let user = &self.world.users[who];
        if user.uin == Uin::NONE || user.is_online() != (user.program == Program::Original) {
            return Err("not registered".to_owned());
        }
        self.world.log_out(who);
        self.run(MOMENT);
        self.ears[who].endings.clear();
        Ok(())
    }

    fn log_in(&mut self, who: usize, status: Status) -> Result<(), String> {
        self.world.users[who].status = status;
        self.world.log_in(who);
        self.run(MOMENT);
        if self.world.users[who].is_online() { Ok(()) } else { Err(format!("refused: {:?}", self.ears[who].endings)) }
    }

    fn fail_to_log_in(&mut self, who: usize, problem: &str) -> Result<(), String> {
        self.world.log_in(who);
        self.run(MOMENT);
        let got = self.ears[who].endings.pop_front().unwrap_or_else(|| "logged in".to_owned());
        if problem.split(" or ").any(|problem| got.contains(problem)) { Ok(()) } else { Err(format!("got {got:?}")) }
    }

    /// Steps about what is asked, heard and seen.
    fn talk(&mut self, who: usize, said: &[&str], rest: Option<&str>) -> Result<(), String> {
        let rest_text = text(rest.unwrap_or_default());
        match (said, rest) {
            (["says", "to", to], Some(_)) if *to != "everybody" => {
                self.done(who, &Ask::Say { to: self.uin(to)?, text: rest_text })
            }
            (["says", "in", "vain", "to", to], Some(_)) if *to != "everybody" => {
                self.vain(who, &Ask::Say { to: self.uin(to)?, text: rest_text })
            }
            (["cannot", "say", "to", to], Some(_)) => {
                let asked = self.world.ask(who, &Ask::Say { to: self.uin(to)?, text: rest_text });
                asked.err().map(drop).ok_or("it was sent".to_owned())
            }
            (["asks", to], Some(reason)) => {
                self.done(who, &Ask::AskAuthorization { to: self.uin(to)?, reason: reason.to_owned() })
            }
            (["accepts", to], None) => self.done(who, &Ask::Authorize { to: self.uin(to)?, granted: true }),
            (["accepts", to, "in", "vain"], None) => {
                self.vain(who, &Ask::Authorize { to: self.uin(to)?, granted: true })
            }
            (["rejects", to], None) => self.done(who, &Ask::Authorize { to: self.uin(to)?, granted: false }),
            (["is", "offered", "a", "relay", "by", from], None) => {
                expect(self.ears[who].relays.pop_front(), Some(self.uin(from)?))
            }
            (["offers", to, "a", "file"], None) => self.done(who, &Ask::File { to: self.uin(to)?, accepted: false }),
            (["takes", "the", "file", "of", to], None) => {
                self.done(who, &Ask::File { to: self.uin(to)?, accepted: true })
            }
            (["gets", "a", "relay", "to", to], None) => self.done(who, &Ask::Relay(self.uin(to)?)),
            (["gets", "no", "relay", "to", to], None) => self.vain(who, &Ask::Relay(self.uin(to)?)),
            (["is", word], None) => self.done(who, &Ask::Status(status(word)?)),
            (["adds", whom], Some(result)) => {
                let ask = Ask::Add(self.uin(whom)?);
                self.answered(who, &ask, result)
            }
            (["removes", whom], None) => self.done(who, &Ask::Remove(self.uin(whom)?)),
            (["has", "contacts"], names) => {
                let names = names.unwrap_or_default().split(' ').filter(|name| !name.is_empty());
                let mut uins: Vec<Uin> = names.map(|name| self.uin(name)).collect::<Result<_, _>>()?;
                uins.sort();
                self.answered(who, &Ask::Contacts, &crate::client::list(uins.into_iter()))
            }
            (["looks", "up", "oneself"], Some(nick)) => self.answered(who, &Ask::OwnProfile, nick),
            (["is", "at"], Some(domain)) => self.answered(who, &Ask::Domain, domain),
            (["looks", "up", whom], Some(nick)) => {
                let ask = Ask::Profile(self.uin(whom)?);
                self.answered(who, &ask, nick)
            }
            (["changes", "to", nick, "whom", auth], password) => self.change(who, nick, auth, password),
            (["hears", "nothing"], None) => {
                self.run(MOMENT);
                expect(self.ears[who].messages.pop_front(), None)
            }
            (["hears", from, how @ ..], rest) if *from != "in" => self.hear(who, from, how, rest),
            (["sees", whom, how], None) => {
                let seen = self.world.users[who].view.get(&self.uin(whom)?).copied();
                expect(seen, if *how == "gone" { None } else { Some(status(how)?) })
            }
            _ => self.look_around(who, said, rest),
        }
    }

    /// Steps about searches and groups.
    fn look_around(&mut self, who: usize, said: &[&str], rest: Option<&str>) -> Result<(), String> {
        let words = rest.unwrap_or_default();
        match (said, rest) {
            (["finds", "nick", nick], Some(found)) => self.finds(who, &Ask::FindNick((*nick).to_owned()), found),
            (["finds", "some"], Some(found)) => self.finds(who, &Ask::FindSome, found),
            (["finds", whom], Some(found)) => {
                let ask = Ask::FindUin(self.uin(whom)?);
                self.finds(who, &ask, found)
            }
            (["sees", "servers"], Some(servers)) => self.answered(who, &Ask::Servers, servers),
            (["sees", "group", name], group) => {
                let ask = Ask::Group(self.group(name)?);
                self.answered(who, &ask, group.unwrap_or_default())
            }
            (["sees", "no", "group", name], None) => {
                let ask = Ask::Group(self.group(name)?);
                self.ears[who].answers.clear();
                self.ask(who, &ask, MOMENT)?;
                expect(self.ears[who].answers.pop_front().filter(|group| !group.is_empty()), None)
            }
            (["plays", "in", name], None) => self.done(who, &Ask::Play(self.group(name)?)),
            (["says", "to", "everybody"], Some(_)) => self.done(who, &Ask::Broadcast(words.to_owned())),
            (["says", "in", "vain", "to", "everybody"], Some(_)) => self.vain(who, &Ask::Broadcast(words.to_owned())),
            (["sees", "groups"], groups) => self.answered(who, &Ask::Groups, groups.unwrap_or_default()),
            (["makes", "group", name], password) => {
                let ask =
                    Ask::CreateGroup { name: (*name).to_owned(), password: password.unwrap_or_default().to_owned() };
                self.ask(who, &ask, MOMENT)?;
                let made = self.ears[who].answers.pop_back().and_then(|group| group.parse().ok());
                let group = made.filter(|&group| group != GroupId(0)).ok_or("no group was made")?;
                self.groups.insert((*name).to_owned(), group);
                Ok(())
            }
            (["makes", "no", "group", name], None) => {
                let ask = Ask::CreateGroup { name: (*name).to_owned(), password: String::new() };
                self.ears[who].answers.clear();
                self.ask(who, &ask, MOMENT)?;
                let made = self.ears[who].answers.pop_front();
                expect(made.filter(|group| group != "0"), None)
            }
            (["enters", name, password @ ..], Some(outcome)) => {
                let password = password.strip_prefix(&["with"]).unwrap_or_default().join(" ");
                let ask = Ask::EnterGroup { group: self.group(name)?, password };
                let members: Result<Vec<_>, _> = outcome.split(' ').map(|name| self.uin(name)).collect();
                let wanted = members.map_or(outcome.to_owned(), |uins| crate::client::list(uins.into_iter()));
                self.answered(who, &ask, &wanted)
            }
            (["leaves", name], None) => self.done(who, &Ask::ExitGroup(self.group(name)?)),
            (["says", "in", name], Some(_)) => {
                self.done(who, &Ask::SayInGroup { group: self.group(name)?, text: words.to_owned() })
            }
            (["says", "in", "vain", "in", name], Some(_)) => {
                self.vain(who, &Ask::SayInGroup { group: self.group(name)?, text: words.to_owned() })
            }
            (["hears", "in", name, from], Some(_)) => self.happens(who, name, from, words),
            (["sees", other, what @ ("enter" | "leave"), name], None) => {
                self.happens(who, name, other, if *what == "enter" { "enters" } else { "leaves" })
            }
            _ => Err("not understood".to_owned()),
        }
    }

    fn group(&self, name: &str) -> Result<GroupId, String> {
        self.groups.get(name).copied().ok_or(format!("which group is {name}?"))
    }

    fn happens(&mut self, who: usize, group: &str, other: &str, what: &str) -> Result<(), String> {
        let wanted = (self.uin(other)?, self.group(group)?, what.to_owned());
        expect(self.ears[who].groups.pop_front(), Some(wanted))
    }

    /// `nobody`, or `ben online, carl offline`.
    fn finds(&mut self, who: usize, what: &Ask, found: &str) -> Result<(), String> {
        let named = found.split(", ").filter(|found| *found != "nobody");
        let wanted = named.map(|found| match found.split_once(' ') {
            Some((name, presence)) => self.uin(name).map(|uin| (uin, presence == "online")),
            None => Err(format!("{found}: online or offline?")),
        });
        let wanted: Vec<_> = wanted.collect::<Result<_, _>>()?;
        self.answered(who, what, &crate::client::found(wanted.into_iter()))
    }

    fn change(&mut self, who: usize, nick: &str, auth: &str, password: Option<&str>) -> Result<(), String> {
        let auth = match auth {
            "anyone" => Authorization::ANYONE,
            "asked" => Authorization::REQUIRED,
            "nobody" => Authorization::NOBODY,
            other => return Err(format!("{other} may add?")),
        };
        let password = password.map(str::to_owned);
        self.done(who, &Ask::Modify { nick: nick.to_owned(), auth, password })
    }

    fn hear(&mut self, who: usize, from: &str, how: &[&str], rest: Option<&str>) -> Result<(), String> {
        let kind = match how {
            [] => MessageKind::TEXT,
            ["ask"] => MessageKind::AUTH_REQUEST,
            ["accept"] => MessageKind::AUTH_ACCEPTED,
            ["reject"] => MessageKind::AUTH_REJECTED,
            ["add"] => MessageKind::ADDED,
            ["offer", "a", "file"] => MessageKind::TCP_REQUEST,
            ["take", "the", "file"] => MessageKind::TCP_ACCEPTED,
            other => return Err(format!("{other:?}: not understood")),
        };
        let wanted = (self.uin(from)?, kind, rest.map(text).unwrap_or_default());
        expect(self.ears[who].messages.pop_front(), Some(wanted))
    }

    fn ask(&mut self, who: usize, what: &Ask, time: Duration) -> Result<Option<bool>, String> {
        let ask = self.world.ask(who, what)?;
        self.run(time);
        Ok(self.ears[who].verdicts.remove(&ask))
    }

    fn done(&mut self, who: usize, what: &Ask) -> Result<(), String> {
        expect(self.ask(who, what, MOMENT)?, Some(true))
    }

    fn vain(&mut self, who: usize, what: &Ask) -> Result<(), String> {
        expect(self.ask(who, what, GIVING_UP)?, Some(false))
    }

    fn answered(&mut self, who: usize, what: &Ask, wanted: &str) -> Result<(), String> {
        self.ears[who].answers.clear();
        self.ask(who, what, MOMENT)?;
        expect(self.ears[who].answers.pop_front().as_deref(), Some(wanted))
    }

    /// Nobody has heard anything that no line speaks of.
    fn curtain(&mut self) -> Result<(), String> {
        self.run(MOMENT);
        for (name, ears) in self.names.iter().zip(&self.ears) {
            if let Some(message) = ears.messages.front() {
                return Err(format!("{name} also heard {message:?}"));
            }
            if let Some(from) = ears.relays.front() {
                return Err(format!("{name} was also offered a relay by {from}"));
            }
            if let Some(news) = ears.groups.front() {
                return Err(format!("{name} also saw in a group {news:?}"));
            }
            if let Some(why) = ears.endings.front() {
                return Err(format!("{name} was also told of the end: {why}"));
            }
        }
        Ok(())
    }
}
