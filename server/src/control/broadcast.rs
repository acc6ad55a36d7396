//! Something for everybody, said by the operator: by a running server, or into a store for everybody's next login.

use myicq_wire::{Uin, UnixTime};

use super::{Answer, Problem};
use crate::config::Config;
use crate::hub::{Refusal, broadcast_work};
use crate::store::{MessageId, Outcome, Work};

/// What became of it, as an answer. `None`: the server is stopping.
pub fn answer_broadcast(verdict: Option<Result<(), Refusal>>) -> Answer {
    let (problem, message) = match verdict {
        Some(Ok(())) => return Answer::Done {},
        Some(Err(Refusal::TooLong)) => (Problem::Request, "the text is longer than limits.text_max"),
        Some(Err(Refusal::Malformed)) => (Problem::Request, "the text is empty, or has a NUL in it"),
        Some(Err(_)) => (Problem::Storage, "the store failed, as the log says; nobody is told"),
        None => (Problem::Unavailable, "the server is stopping"),
    };
    Answer::failed(problem, message)
}

/// Stores it while no server is running; it is told to everybody at his next login. `ask` is as in
/// [`UserRequest::perform`](super::UserRequest::perform).
pub async fn store_broadcast(
    config: &Config,
    now: UnixTime,
    text: String,
    mut ask: impl AsyncFnMut(Uin, Work) -> Option<Outcome>,
) -> Answer {
    let Some(Outcome::LastMessage(MessageId(last))) = ask(Uin::ADMINISTRATOR, Work::LoadLastMessage).await else {
        return answer_broadcast(Some(Err(Refusal::Storage)));
    };
    // As the hub does it: the microsecond, made to rise.
    let verdict = match broadcast_work(config, now, text, || MessageId(now.0.max(last.saturating_add(1)))) {
        Ok((_, work)) => match ask(Uin::ADMINISTRATOR, work).await {
            Some(Outcome::Done) => Ok(()),
            _ => Err(Refusal::Storage),
        },
        Err(refusal) => Err(refusal),
    };
    answer_broadcast(Some(verdict))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MemoryStore, Request, Ticket};

    const NOW: UnixTime = UnixTime(1_800_000_000_000_000);

    async fn say(store: &mut MemoryStore, text: &str) -> Answer {
        let ask = async |_, work| Some(store.apply(&Request { ticket: Ticket(0), work }).outcome);
        store_broadcast(&Config::default(), NOW, text.to_owned(), ask).await
    }

    #[tokio::test]
    async fn numbers_rise_whatever_the_clock_says() {
        let mut store = MemoryStore::default();
        for text in ["one", "two"] {
            assert_eq!(say(&mut store, text).await, Answer::Done {});
        }
        let load = Request { ticket: Ticket(0), work: Work::LoadBroadcasts { limit: 9 } };
        let Outcome::Broadcasts(kept) = store.apply(&load).outcome else { panic!("no broadcasts") };
        let kept: Vec<_> = kept.iter().map(|kept| (kept.id.0, kept.time, &*kept.text)).collect();
        assert_eq!(kept, [(NOW.0, NOW, "one"), (NOW.0 + 1, NOW, "two")]);
    }

    #[tokio::test]
    async fn what_a_running_server_refuses_is_refused() {
        let mut store = MemoryStore::default();
        let longest = "a".repeat(Config::default().limits.text_max);
        assert_eq!(say(&mut store, &longest).await, Answer::Done {});
        for text in ["", "a\0b", &format!("{longest}a")] {
            let answer = say(&mut store, text).await;
            assert!(matches!(answer, Answer::Failed { problem: Problem::Request, .. }), "{answer:?}");
        }
    }
}
