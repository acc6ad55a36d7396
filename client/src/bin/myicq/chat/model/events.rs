//! What happens, as the library tells it.

use myicq_client::{Event, GroupId, Message, Presence, Status, Uin, status_name};

use super::{Action, Asked, Connection, Line, Model, Request, Speaker, TYPES_FOR, With};

impl Model {
    /// Something happened.
    pub(crate) fn handle_event(&mut self, now: u32, event: Event) {
        match event {
            Event::LoggedIn { ip, online_users, .. } => self.on_logged_in(now, &format!("{ip}"), online_users),
            Event::Message { from, domain: Some(domain), time, message, .. } => {
                // Nobody of another server can be answered.
                let said = format!("{from}@{domain}: {}", unusual(&message));
                self.add_line(0, Line::new(time, Speaker::Program, said));
            }
            Event::Message { from, time, id, message, .. } => self.on_message(from, time, id, message),
            Event::Online(Presence { uin, domain: None, status, .. }) => self.on_presence(now, uin, Some(status)),
            Event::StatusChanged { uin, domain: None, status } => self.on_presence(now, uin, Some(status)),
            Event::Offline { uin, domain: None } => self.on_presence(now, uin, None),
            Event::Delivered { to, id } => {
                self.with_user(to).into_iter().for_each(|conversation| conversation.on_delivered(id));
            }
            Event::Read { by, up_to } => {
                self.with_user(by).into_iter().for_each(|conversation| conversation.on_read(up_to));
            }
            Event::Typing { from, is_typing } => {
                if let Some(person) = self.people.get_mut(&from) {
                    person.types_until = is_typing.then_some(now + TYPES_FOR);
                }
            }
            Event::GroupEntered { group, member } => {
                self.learn_nick(member.uin, &member.nick);
                self.on_member(now, group, member.uin, true);
            }
            Event::GroupExited { group, uin } => self.on_member(now, group, uin, false),
            Event::GroupMessage { group, from, time, text } => {
                if let Some(place) = self.place(With::Group(group)) {
                    self.add_line(place, Line::new(time, Speaker::User(from), text));
                    self.ring();
                }
            }
            event @ (Event::FileOffered { .. }
            | Event::FileStarted { .. }
            | Event::FileProgress { .. }
            | Event::FileDone { .. }
            | Event::FileFailed { .. }) => self.on_file(now, event),
            // For programs that offer them in a menu; /rooms takes a number.
            Event::GroupTypes { .. } => {}
            Event::ConnectionLost { reason, retry_in_ms } => {
                let wait = u32::try_from(retry_in_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
                self.on_lost(now, reason.to_string(), Some(now.saturating_add(wait)));
            }
            Event::ConnectionResumed { new_session } => {
                if new_session {
                    self.forget_presence();
                }
                self.connection = Connection::Online;
                self.tell_in(now, With::Program, "the server is there again");
                self.look();
            }
            Event::Ended { reason } => self.on_lost(now, reason.to_string(), None),
            event => self.tell_in(now, With::Program, format!("{event:?}")),
        }
    }

    /// The server is gone, and is tried again at some time, or never.
    fn on_lost(&mut self, now: u32, reason: String, again_at: Option<u32>) {
        let was_online = self.is_online();
        self.typing = None;
        if was_online || again_at.is_none() {
            self.tell_in(now, With::Program, format!("the server was lost: {reason}"));
        }
        if again_at.is_none() {
            self.forget_presence();
        }
        self.connection = match again_at {
            Some(again_at) => Connection::Lost { reason, again_at },
            None => Connection::Over { reason },
        };
    }

    /// The session is another one: who is here is told anew.
    fn forget_presence(&mut self) {
        self.lose_transfers();
        for person in self.people.values_mut() {
            (person.presence, person.types_until) = (None, None);
        }
    }

    fn on_logged_in(&mut self, now: u32, ip: &str, online_users: u32) {
        self.connection = Connection::Online;
        let others = match online_users {
            0 | 1 => "nobody else is here".to_owned(),
            count => format!("{count} are here"),
        };
        self.tell_in(now, With::Program, format!("logged in from {ip}; {others}"));
        self.ask(Request::Contacts);
        self.ask(Request::OwnProfile { is_asked: false });
        let groups: Vec<Request> = self
            .conversations
            .iter()
            .filter_map(|conversation| match conversation.with {
                With::Group(group) if !conversation.members.is_empty() => {
                    Some(Request::Enter { group, password: conversation.password.clone() })
                }
                _ => None,
            })
            .collect();
        groups.into_iter().for_each(|request| self.ask(request));
        self.look();
    }

    fn on_message(&mut self, from: Uin, time: u32, id: Option<u64>, message: Message) {
        if let Message::AuthRequest { nick, .. } = &message {
            self.learn_nick(from, nick);
        }
        let Some(place) = self.place(With::User(from)) else {
            let said = format!("{}: {}", self.full_name(from), unusual(&message));
            self.add_line(0, Line::new(time, Speaker::Program, said));
            return;
        };
        if let Some(person) = self.people.get_mut(&from) {
            person.types_until = None;
        }
        let is_wish = matches!(message, Message::AuthRequest { .. });
        let is_accepted = matches!(message, Message::AuthAccepted);
        let (speaker, text) = match message {
            Message::Text { text } => (Speaker::User(from), text),
            Message::AutoReply { text } => (Speaker::Away(from), text),
            Message::Added => {
                let is_stranger = self.has_list && !self.people.get(&from).is_some_and(|person| person.is_contact);
                let next = if is_stranger { format!("; /add {from} puts him on yours") } else { String::new() };
                (Speaker::Program, format!("{} has put you on his list{next}", self.full_name(from)))
            }
            message => (Speaker::Program, format!("{} {}", self.full_name(from), unusual(&message))),
        };
        self.add_line(place, Line { id, ..Line::new(time, speaker, text) });
        if is_wish {
            self.add_asked(place, Asked::Wish);
        }
        if is_accepted {
            // The server has put him on the list by now.
            self.ask(Request::Contacts);
        }
        self.ring();
    }

    fn on_presence(&mut self, now: u32, uin: Uin, status: Option<Status>) {
        let Some(person) = self.person(uin) else { return };
        let before = std::mem::replace(&mut person.presence, status);
        person.types_until = None;
        if before == status {
            return;
        }
        let shown = status.map_or("offline", |status| status_name(status).unwrap_or("online"));
        let text = format!("{} is {shown}", self.name(uin));
        // Nothing that one would have to look at: it is seen in the list.
        if let Some(conversation) = self.with_user(uin) {
            conversation.push(Line::new(now, Speaker::Program, text));
        }
    }

    fn on_member(&mut self, now: u32, group: GroupId, uin: Uin, is_here: bool) {
        let text = format!("{} {}", self.full_name(uin), if is_here { "has come in" } else { "has left" });
        let found = self.conversations.iter_mut().find(|conversation| conversation.with == With::Group(group));
        if let Some(conversation) = found {
            conversation.members.retain(|member| *member != uin);
            conversation.members.extend(is_here.then_some(uin));
            conversation.push(Line::new(now, Speaker::Program, text));
        }
    }

    fn with_user(&mut self, uin: Uin) -> Option<&mut super::Conversation> {
        self.conversations.iter_mut().find(|conversation| conversation.with == With::User(uin))
    }

    pub(super) fn ring(&mut self) {
        // Once is enough for all that comes at the same time.
        if self.settings.bell && !self.actions.contains(&Action::Bell) {
            self.actions.push_back(Action::Bell);
        }
    }
}

/// What somebody says that is not just words, behind his name.
fn unusual(message: &Message) -> String {
    match message {
        Message::Text { text } => format!("says: {text}"),
        Message::AutoReply { text } => format!("is away and says: {text}"),
        Message::AuthAccepted => "lets you add him: he is on your list".to_owned(),
        Message::AuthRequest { reason, .. } if reason.is_empty() => "asks whether he may add you".to_owned(),
        Message::AuthRequest { reason, .. } => format!("asks whether he may add you: {reason}"),
        Message::AuthRejected { reason } if reason.is_empty() => "does not let you add him".to_owned(),
        Message::AuthRejected { reason } => format!("does not let you add him: {reason}"),
        Message::Added => "has put you on his list".to_owned(),
        Message::TcpRequest { session, reason, .. } => format!("wants a direct session ({session}): {reason}"),
        Message::TcpAccepted { session, .. } => format!("accepts a direct session ({session})"),
        Message::TcpRejected { session } => format!("refuses a direct session ({session})"),
        Message::Unknown { number, text } => format!("sends something of kind {number}: {text}"),
        message => format!("sends {message:?}"),
    }
}
