//! `myicqd user export`: a user's profile, his list, and the messages that wait for him. No password, not even as a hash.

use std::io::Write;
use std::sync::Arc;

use anyhow::anyhow;
use myicq_server::store::{Message, MessageId, Outcome, Profile, Request, Store, Ticket, Work};
use myicq_wire::Uin;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};

/// Messages asked of the store at a time.
const PAGE: usize = 1_000;

/// Writes an object a line: first the user, with his profile and his list; then each message that waits for him.
pub(crate) async fn export(store: &mut impl Store, uin: Uin, mut out: impl Write) -> Result<(), Failure> {
    let Outcome::Users(users) = ask(store, Work::ListUsers { after: Uin(uin.0.saturating_sub(1)), limit: 1 }).await
    else {
        return Err(failed());
    };
    let Some(user) = users.into_iter().find(|user| user.uin == uin) else {
        let message = anyhow!("there is no user {uin}; `myicqd user list` shows those there are");
        return Err(Failure::new(Exit::NoUser, message));
    };
    let (Outcome::Profile(profile), Outcome::Contacts(contacts)) =
        (ask(store, Work::LoadProfile { uin }).await, ask(store, Work::LoadContacts { uin }).await)
    else {
        return Err(failed());
    };
    let contacts: Vec<u32> = contacts.into_iter().map(|Uin(contact)| contact).collect();
    let profile = profile.as_deref().map(of_profile);
    let line = json!({ "uin": uin.0, "created": user.created.seconds(), "profile": profile, "contacts": contacts });
    writeln!(out, "{}", json!({ "user": line }))?;
    let mut after = MessageId::default();
    loop {
        let Outcome::Messages(page) = ask(store, Work::LoadMessages { recipient: uin, after, limit: PAGE }).await
        else {
            return Err(failed());
        };
        let Some(last) = page.last() else { return Ok(out.flush()?) };
        after = last.id;
        for message in &page {
            writeln!(out, "{}", json!({ "message": of_message(message) }))?;
        }
    }
}

async fn ask(store: &mut impl Store, work: Work) -> Outcome {
    let replies = store.commit(vec![Request { ticket: Ticket(0), work }]).await;
    replies.into_iter().next().map_or(Outcome::Failed, |reply| reply.outcome)
}

fn failed() -> Failure {
    Failure::new(Exit::Io, anyhow!("the database failed, as the log says above; what was printed is not all"))
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
    use myicq_server::store::MemoryStore;
    use myicq_wire::charset::Charset;
    use myicq_wire::{MessageKind, UnixTime};

    use super::*;

    #[tokio::test]
    async fn a_page_more_than_one_of_messages_comes_out_in_order() {
        let mut store = MemoryStore::default();
        let Outcome::Created(uin) = ask(&mut store, Work::CreateUser { password_hash: "secret".to_owned() }).await
        else {
            panic!("no user");
        };
        for id in 1..=PAGE as u64 + 1 {
            let (kind, text) = (MessageKind::TEXT, b"hello\xFFSimSun\xFF9\xFF0\xFF0".to_vec());
            let time = UnixTime(id * 1_000_000);
            let message = Message { id: MessageId(id), from: Uin(7), to: uin, time, kind, text, charset: Charset::Gbk };
            let work = Work::StoreMessage { message: Arc::new(message), max: usize::MAX, pair_max: usize::MAX };
            assert_eq!(ask(&mut store, work).await, Outcome::Stored(Ok(())));
        }
        let mut out = Vec::new();
        export(&mut store, uin, &mut out).await.unwrap();
        let lines: Vec<Value> =
            out.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        assert_eq!(lines.len(), 1 + PAGE + 1);
        assert_eq!(lines[0]["user"]["created"], 0, "it has no clock");
        let last = &lines[PAGE + 1]["message"];
        let expected = json!({ "from": 7, "time": PAGE + 1, "type": 0, "fields": ["hello", "SimSun", "9", "0", "0"] });
        assert_eq!(*last, expected);
        assert!(!String::from_utf8(out).unwrap().contains("secret"));
    }
}
