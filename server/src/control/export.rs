//! All that is kept of a user: his profile, his list, and the messages that wait for him. No password, not even as a hash.

use std::io;
use std::sync::Arc;

use myicq_wire::Uin;
use serde_json::{Value, json};

use super::users::{PAGE, last_answer, nobody};
use super::{Answer, Problem};
use crate::store::{Message, MessageId, Outcome, Profile, Work};

/// Tells an object at a time: first the user, with his profile and his list; then each message that waits for him. `ask` and `tell` are those of
/// [`UserRequest::perform`](super::UserRequest::perform).
pub(super) async fn perform(
    uin: Uin,
    mut ask: impl AsyncFnMut(Uin, Work) -> Option<Outcome>,
    mut tell: impl AsyncFnMut(Answer) -> io::Result<()>,
) -> io::Result<()> {
    let found = ask(uin, Work::ListUsers { after: Uin(uin.0.saturating_sub(1)), limit: 1 }).await;
    let Some(Outcome::Users(users)) = found else { return tell(last_answer(uin, found)).await };
    let Some(user) = users.into_iter().find(|user| user.uin == uin) else { return tell(nobody(uin)).await };
    let profile = ask(uin, Work::LoadProfile { uin }).await;
    let Some(Outcome::Profile(profile)) = profile else { return tell(broken_off(profile)).await };
    let contacts = ask(uin, Work::LoadContacts { uin }).await;
    let Some(Outcome::Contacts(contacts)) = contacts else { return tell(broken_off(contacts)).await };
    let contacts: Vec<u32> = contacts.into_iter().map(|Uin(contact)| contact).collect();
    let profile = profile.as_deref().map(of_profile);
    let object = json!({ "uin": uin.0, "created": user.created.seconds(), "profile": profile, "contacts": contacts });
    tell(Answer::Exported(json!({ "user": object }))).await?;
    let mut after = MessageId::default();
    loop {
        let page = ask(uin, Work::LoadMessages { recipient: uin, after, limit: PAGE }).await;
        let Some(Outcome::Messages(page)) = page else { return tell(broken_off(page)).await };
        let Some(last) = page.last() else { return tell(Answer::Done {}).await };
        after = last.id;
        for message in &page {
            tell(Answer::Exported(json!({ "message": of_message(message) }))).await?;
        }
    }
}

fn broken_off(outcome: Option<Outcome>) -> Answer {
    let (problem, why) = match outcome {
        Some(_) => (Problem::Storage, "the database failed, as the log says"),
        None => (Problem::Unavailable, "the server is stopping"),
    };
    Answer::failed(problem, format!("{why}; what was printed is not all"))
}

fn of_profile(profile: &Profile) -> Value {
    let Profile { nick, age, gender, country, province, city, email, address, .. } = profile;
    let Profile { zipcode, tel, name, blood, college, occupation, homepage, intro, .. } = profile;
    json!({
        "face": profile.face.0, "nick": nick, "age": age, "gender": gender, "country": country, "province": province,
        "city": city, "email": email, "address": address, "zipcode": zipcode, "tel": tel, "name": name, "blood": blood,
        "college": college, "occupation": occupation, "homepage": homepage, "intro": intro, "auth": profile.auth.0,
    })
}

fn of_message(message: &Arc<Message>) -> Value {
    let Message { from, time, kind, text, charset, .. } = &**message;
    // 0xFF separates the fields of a text and is in no charset.
    let fields: Vec<_> = text.split(|&byte| byte == 0xFF).map(|field| charset.decode(field)).collect();
    json!({ "from": from.0, "time": time.seconds(), "type": kind.0, "fields": fields })
}

#[cfg(test)]
mod tests {
    use myicq_wire::charset::Charset;
    use myicq_wire::{MessageKind, UnixTime};

    use super::super::UserRequest;
    use super::super::users::tests::{answers, problem};
    use super::*;
    use crate::store::{MemoryStore, Request, Room, Ticket};

    fn ask(store: &mut MemoryStore, work: Work) -> Outcome {
        store.apply(&Request { ticket: Ticket(0), work }).outcome
    }

    #[tokio::test]
    async fn a_page_more_than_one_of_messages_comes_out_in_order() {
        let mut store = MemoryStore::default();
        let Outcome::Created(uin) =
            ask(&mut store, Work::AddUser { uin: None, nick: String::new(), password_hash: "secret".to_owned() })
        else {
            panic!("no user");
        };
        for id in 1..=PAGE as u64 + 1 {
            let (kind, text) = (MessageKind::TEXT, b"hello\xFFSimSun\xFF9\xFF0\xFF0".to_vec());
            let time = UnixTime(id * 1_000_000);
            let message = Message { id: MessageId(id), from: Uin(7), to: uin, time, kind, text, charset: Charset::Gbk };
            let work = Work::StoreMessage { message: Arc::new(message), room: Room::UNLIMITED };
            assert_eq!(ask(&mut store, work), Outcome::Stored(Ok(())));
        }
        let told = answers(&mut store, UserRequest::Export { uin: uin.0 }).await;
        let exported = told.iter().filter_map(|answer| match answer {
            Answer::Exported(object) => Some(object),
            _ => None,
        });
        let objects: Vec<&Value> = exported.collect();
        assert_eq!((objects.len(), told.last()), (1 + PAGE + 1, Some(&Answer::Done {})));
        assert_eq!(objects[0]["user"]["created"], 0, "it has no clock");
        let expected = json!({ "from": 7, "time": PAGE + 1, "type": 0, "fields": ["hello", "SimSun", "9", "0", "0"] });
        assert_eq!(objects[PAGE + 1]["message"], expected);
        assert!(!format!("{objects:?}").contains("secret"));
    }

    #[tokio::test]
    async fn nothing_is_told_of_nobody() {
        let mut store = MemoryStore::default();
        ask(&mut store, Work::AddUser { uin: None, nick: String::new(), password_hash: String::new() });
        for uin in [0, 10_000, 10_002, u32::MAX] {
            assert_eq!(problem(&answers(&mut store, UserRequest::Export { uin }).await), Problem::User);
        }
    }
}
