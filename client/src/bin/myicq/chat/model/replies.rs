//! What the server answers.

use myicq_client::{Authorization, GroupId, Password, Profile, RequestError, Status, Uin, status_name};

use super::{Found, Line, LineId, Model, Past, Progress, Reply, Request, Speaker, With};

impl Model {
    /// The server has answered, or the request came to nothing.
    pub(crate) fn handle_reply(&mut self, now: u32, request: Request, reply: Result<Reply, RequestError>) {
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return self.on_failed(now, request, error),
        };
        match (request, reply) {
            (Request::Send { to, line, .. }, Reply::Sent(progress, id)) => {
                self.settle(With::User(to), line, id, progress);
            }
            (Request::Say { group, line, .. }, _) => self.settle(With::Group(group), line, None, Progress::Sent),
            (_, Reply::Contacts(contacts)) => self.on_contacts(contacts),
            (Request::OwnProfile { is_asked }, Reply::OwnProfile(profile, authorization)) => {
                self.on_own_profile(now, &profile, authorization, is_asked);
            }
            (Request::Profile { uin, is_asked }, Reply::Profile(profile)) => {
                self.learn_nick(uin, &profile.nick);
                if is_asked {
                    self.tell(now, described(&self.full_name(uin), &profile));
                }
            }
            (Request::Add { whom, reason }, Reply::Added(authorization)) => {
                self.on_added(now, whom, reason, authorization);
            }
            (Request::AskToAdd { whom, .. }, _) => {
                self.tell(now, format!("{} was asked whether you may add him", self.full_name(whom)));
            }
            (Request::Remove(uin), _) => {
                if let Some(person) = self.people.get_mut(&uin) {
                    (person.is_contact, person.presence) = (false, None);
                }
                self.tell(now, format!("{} is not on your list any more", self.full_name(uin)));
            }
            (_, Reply::Found(found)) => self.on_found(now, &found),
            (Request::Status(status), _) => self.on_status(now, status),
            (Request::Group(group), Reply::Groups(groups)) => self.learn_title(group, &groups),
            (_, Reply::Groups(groups)) => self.on_groups(now, &groups),
            (Request::Enter { group, password }, Reply::Members(members)) => {
                self.on_entered(now, group, password, &members);
            }
            (Request::Create { name, password }, Reply::Created(Some(group))) => {
                let me = self.me;
                self.on_group(now, group, password, vec![me], "you have made this group, and are alone in it");
                if let Some(conversation) = self.shown_mut() {
                    conversation.title = name;
                }
            }
            (Request::Create { .. }, _) => self.tell(now, "the server did not make the group"),
            (Request::Exit(group), _) => self.on_left(now, group),
            (Request::Offer { to, path }, _) => {
                self.tell_in(now, With::User(to), format!("{} is offered: he decides", path.display()));
            }
            // What says nothing when it has gone well.
            _ => {}
        }
    }

    fn on_failed(&mut self, now: u32, request: Request, error: RequestError) {
        let what = match request {
            Request::Send { to, line, .. } => return self.on_not_sent(now, With::User(to), line, error),
            Request::Say { group, line, .. } => return self.on_not_sent(now, With::Group(group), line, error),
            // Nobody has asked for these.
            Request::Read { .. }
            | Request::Typing { .. }
            | Request::Group(_)
            | Request::Profile { is_asked: false, .. }
            | Request::OwnProfile { is_asked: false } => return,
            Request::Enter { group, .. } => {
                let place = self.conversations.iter_mut().find(|found| found.with == With::Group(group));
                place.into_iter().for_each(|conversation| conversation.members.clear());
                "to enter the group"
            }
            Request::Contacts => "the list of contacts",
            Request::OwnProfile { .. } | Request::Profile { .. } => "the profile",
            Request::Add { .. } => "to put him on the list",
            Request::AskToAdd { .. } => "to ask him",
            Request::Remove(_) => "to take him off the list",
            Request::Authorize(_) | Request::Deny { .. } => "the answer to him",
            Request::FindUin(_) | Request::FindWords { .. } | Request::FindRandom => "the search",
            Request::Status(_) => "the new status",
            Request::Groups(_) => "the list of groups",
            Request::Create { .. } => "to make the group",
            Request::Exit(_) => "to leave the group",
            Request::Offer { .. } => "to offer the file",
            Request::Accept(_) | Request::Refuse(_) => "the answer to the offer",
            Request::Cancel(_) => "to give the file up",
        };
        self.tell(now, format!("not done ({what}): {error}"));
    }

    /// A line of one's own did not go out. It says why, and Up brings the words back.
    fn on_not_sent(&mut self, now: u32, with: With, line: LineId, error: RequestError) {
        self.settle(with, line, None, Progress::Failed);
        self.tell_in(now, with, format!("not sent: {error}"));
    }

    fn settle(&mut self, with: With, line: LineId, id: Option<u64>, progress: Progress) {
        if let Some(conversation) = self.conversations.iter_mut().find(|found| found.with == with) {
            conversation.settle(line, id, progress);
        }
    }

    fn on_contacts(&mut self, contacts: Vec<Uin>) {
        self.has_list = true;
        for person in self.people.values_mut() {
            person.is_contact = false;
        }
        for uin in contacts {
            if let Some(person) = self.person(uin) {
                person.is_contact = true;
                self.place(With::User(uin));
            }
        }
    }

    fn on_own_profile(&mut self, now: u32, profile: &Profile, authorization: Authorization, is_asked: bool) {
        let me = self.me;
        self.learn_nick(me, &profile.nick);
        if is_asked {
            let adding = match authorization {
                Authorization::ANYONE => "anybody may add you",
                Authorization::REQUIRED => "who wants to add you has to ask",
                _ => "nobody may add you",
            };
            self.tell(now, format!("{}\n  {adding}", described(&format!("you ({me})"), profile)));
        }
    }

    fn on_added(&mut self, now: u32, whom: Uin, reason: String, authorization: Authorization) {
        let name = self.full_name(whom);
        match authorization {
            Authorization::ANYONE => {
                self.tell(now, format!("{name} is on your list"));
                self.ask(Request::Contacts);
            }
            Authorization::REQUIRED if !reason.is_empty() => self.ask(Request::AskToAdd { whom, reason }),
            Authorization::REQUIRED => {
                self.tell(now, format!("{name} wants to be asked first: /add {whom} REASON asks him"));
            }
            _ => self.tell(now, format!("{name} wants to be on nobody's list, or is nobody")),
        }
    }

    fn on_status(&mut self, now: u32, status: Status) {
        self.status = status;
        self.tell(now, format!("your contacts see you {}", status_name(status).unwrap_or("online")));
    }

    fn on_found(&mut self, now: u32, found: &[Found]) {
        for user in found {
            if self.people.contains_key(&user.uin) {
                self.learn_nick(user.uin, &user.nick);
            }
        }
        let lines = found.iter().map(|user| {
            let presence = if user.is_here { "online" } else { "offline" };
            format!("{:<10} {presence:<7} {}  {}", user.uin, one_line(&user.nick), one_line(&user.province))
        });
        let lines: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
        let next = match found {
            [] => "nobody was found".to_owned(),
            [Found { uin, .. }, ..] => {
                format!("found:\n{}\n/info {uin} says more, /add {uin} and /msg {uin} go on", lines.join("\n"))
            }
        };
        self.tell(now, next);
    }

    fn on_groups(&mut self, now: u32, groups: &[(GroupId, String, u16)]) {
        let lines = groups.iter().map(|(group, name, members)| format!("{group:<10} {members:>3}  {}", one_line(name)));
        let lines: Vec<String> = lines.collect();
        let text = match groups {
            [] => "there are no groups of this type: /create NAME makes one".to_owned(),
            [(group, ..), ..] => format!("groups:\n{}\n/join {group} enters it", lines.join("\n")),
        };
        self.tell(now, text);
    }

    fn learn_title(&mut self, group: GroupId, groups: &[(GroupId, String, u16)]) {
        let found = self.conversations.iter_mut().find(|conversation| conversation.with == With::Group(group));
        if let Some((conversation, (_, name, _))) = found.zip(groups.first()) {
            conversation.title = one_line(name);
        }
    }

    fn on_entered(&mut self, now: u32, group: GroupId, password: Option<Password>, members: &[(Uin, String)]) {
        for (uin, nick) in members {
            self.learn_nick(*uin, nick);
        }
        let uins: Vec<Uin> = members.iter().map(|(uin, _)| *uin).collect();
        let others = uins.iter().filter(|uin| **uin != self.me).map(|uin| self.full_name(*uin));
        let others: Vec<String> = others.collect();
        let text =
            if others.is_empty() { "you are alone here".to_owned() } else { format!("here: {}", others.join(", ")) };
        self.on_group(now, group, password, uins, &text);
        // How it is called is not said to those who enter.
        self.ask(Request::Group(group));
    }

    fn on_group(&mut self, now: u32, group: GroupId, password: Option<Password>, members: Vec<Uin>, text: &str) {
        let Some(place) = self.place(With::Group(group)) else {
            self.tell(now, "there are as many conversations as may be: /close some");
            return;
        };
        if let Some(conversation) = self.conversations.get_mut(place) {
            (conversation.password, conversation.members) = (password, members);
            conversation.push(Line::new(now, Speaker::Program, text));
        }
        self.go(place);
    }

    fn on_left(&mut self, now: u32, group: GroupId) {
        self.tell_in(now, With::Group(group), "you have left this group: /close takes it from the list");
        let found = self.conversations.iter_mut().find(|conversation| conversation.with == With::Group(group));
        found.into_iter().for_each(|conversation| conversation.members.clear());
    }

    /// What a search in the history has found, the oldest first, or why there is nothing.
    pub(crate) fn handle_found(&mut self, now: u32, words: &str, found: Result<Vec<Past>, String>) {
        let found = match found {
            Ok(found) if found.is_empty() => return self.tell(now, format!("nothing was said with \"{words}\" in it")),
            Ok(found) => found,
            Err(problem) => return self.tell(now, problem),
        };
        let what = if words.is_empty() { String::new() } else { format!(" with \"{words}\" in it") };
        self.tell(now, format!("{} messages{what}, the last of them:", found.len()));
        let partner = self.partner();
        for past in found {
            let (speaker, text) = match past.is_mine {
                true if partner.is_none() => (Speaker::Me, format!("(to {}) {}", self.name(past.with), past.text)),
                true => (Speaker::Me, past.text),
                false => (Speaker::User(past.with), past.text),
            };
            self.shown_mut().into_iter().for_each(|shown| shown.push(Line::new(past.time, speaker, text.clone())));
        }
        self.tell(now, "that was all");
    }
}

/// What somebody says of himself, as far as he does.
fn described(name: &str, profile: &Profile) -> String {
    let age = if profile.age == 0 { String::new() } else { profile.age.to_string() };
    let gender = ["", "male", "female"].get(usize::from(profile.gender)).copied().unwrap_or_default();
    let blood = ["", "A", "B", "O", "AB", "another"].get(usize::from(profile.blood)).copied().unwrap_or_default();
    let fields = [
        ("nick", profile.nick.as_str()),
        ("name", &profile.name),
        ("age", &age),
        ("gender", gender),
        ("blood", blood),
        ("country", &profile.country),
        ("province", &profile.province),
        ("city", &profile.city),
        ("address", &profile.address),
        ("zipcode", &profile.zipcode),
        ("telephone", &profile.tel),
        ("e-mail", &profile.email),
        ("homepage", &profile.homepage),
        ("college", &profile.college),
        ("occupation", &profile.occupation),
        ("intro", &profile.intro),
    ];
    let said = fields.into_iter().filter(|(_, value)| !value.is_empty());
    let lines = said.map(|(field, value)| format!("\n  {field}: {}", one_line(value)));
    format!("{name}{}", lines.collect::<String>())
}

/// A text of others in one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
