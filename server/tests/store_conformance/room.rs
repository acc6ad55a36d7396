//! How much is kept and for how long, and numbers that are taken before there is a user: asked of every store.

use myicq_server::store::{Message, MessageId, NotCreated, NotStored, Outcome, Room, Store, Work};
use myicq_wire::Uin;

use crate::{ANN, Asker, BOB, CID, create, keep, keep_in, message, on_every_backend};

on_every_backend! {
    a_mailbox_ends_at_its_bytes
    a_sender_has_his_day
    a_day_ends_where_the_next_begins
    the_oldest_messages_expire_first
    what_has_expired_makes_room
    a_reserved_number_is_taken_and_nobody_has_it
    a_reserved_user_is_made_once
    reserved_numbers_end_with_the_numbers
}

/// Microseconds of a day.
const DAY: u64 = 86_400_000_000;

const KEPT: Outcome = Outcome::Stored(Ok(()));
const FULL: Outcome = Outcome::Stored(Err(NotStored::MailboxFull));
const DAY_FULL: Outcome = Outcome::Stored(Err(NotStored::DayFull));

fn of_bytes(id: u64, bytes: usize) -> Work {
    let message = Message { text: vec![b'x'; bytes], ..message(id, BOB, ANN) };
    keep_in(message, Room { bytes: 10, ..Room::UNLIMITED })
}

fn of_day(id: u64, from: Uin, to: Uin) -> Work {
    keep_in(message(id, from, to), Room { of_sender_in_a_day: 2, ..Room::UNLIMITED })
}

fn delete(recipient: Uin, id: u64) -> Work {
    Work::DeleteMessage { recipient, id: MessageId(id) }
}

fn expire(before: u64, limit: usize) -> Work {
    Work::ExpireMessages { before: MessageId(before), limit }
}

async fn a_mailbox_ends_at_its_bytes<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    let outcomes =
        asker.ask_all([of_bytes(1, 6), of_bytes(2, 5), of_bytes(2, 4), of_bytes(3, 1), of_bytes(3, 0)]).await;
    assert_eq!(outcomes, [KEPT, FULL, KEPT, FULL, KEPT]);
    let outcomes = asker.ask_all([delete(ANN, 1), of_bytes(4, 7), of_bytes(4, 6), of_bytes(5, 1)]).await;
    assert_eq!(outcomes, [Outcome::Done, FULL, KEPT, FULL], "what is gone makes room");
    assert_eq!(
        asker.ask(keep_in(message(6, BOB, CID), Room { bytes: 5, ..Room::UNLIMITED })).await,
        FULL,
        "also the first"
    );
}

async fn a_sender_has_his_day<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    let outcomes =
        asker.ask_all([of_day(1, BOB, ANN), of_day(2, BOB, CID), of_day(3, BOB, ANN), of_day(3, CID, ANN)]).await;
    assert_eq!(outcomes, [KEPT, KEPT, DAY_FULL, KEPT], "another sender has room");
    let outcomes = asker.ask_all([delete(CID, 2), of_day(4, BOB, ANN), of_day(5, BOB, BOB)]).await;
    assert_eq!(outcomes, [Outcome::Done, KEPT, DAY_FULL], "what has been fetched does not count");
}

async fn a_day_ends_where_the_next_begins<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    let outcomes = asker.ask_all([2 * DAY - 2, 2 * DAY - 1, 2 * DAY].map(|id| of_day(id, BOB, ANN))).await;
    assert_eq!(outcomes, [KEPT, KEPT, KEPT]);
    let others = [DAY, 2 * DAY + 1, 3 * DAY - 1, 3 * DAY, 9 * DAY, DAY + 1];
    let outcomes = asker.ask_all(others.map(|id| of_day(id, BOB, ANN))).await;
    assert_eq!(outcomes, [DAY_FULL, KEPT, DAY_FULL, KEPT, KEPT, DAY_FULL]);
    assert_eq!(
        asker.ask(of_day(2 * DAY + 2, BOB, ANN)).await,
        DAY_FULL,
        "days that were counted before are counted again"
    );
}

async fn the_oldest_messages_expire_first<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    asker.ask_all([5, 1, 3].map(|id| keep(message(id, BOB, ANN)))).await;
    asker.ask_all([4, 2].map(|id| keep(message(id, ANN, BOB)))).await;
    assert_eq!(asker.ask(expire(5, 3)).await, Outcome::Count(3));
    assert_eq!((asker.waiting(ANN).await, asker.waiting(BOB).await), (vec![5], vec![4]));
    assert_eq!(asker.ask_all([expire(5, 3), expire(5, 3)]).await, [1, 0].map(Outcome::Count));
    assert_eq!(asker.ask(expire(u64::MAX, usize::MAX)).await, Outcome::Count(1));
    assert_eq!(asker.ask(keep(message(3, CID, ANN))).await, KEPT, "its number is free again");
}

async fn what_has_expired_makes_room<S: Store>(mut asker: Asker<S>) {
    asker.register_three().await;
    let room = Room { messages: 2, bytes: 13, of_pair: 2, of_sender_in_a_day: 2 };
    let keep = |id| keep_in(message(id, BOB, ANN), room);
    assert_eq!(asker.ask_all([keep(1), keep(2), keep(3)]).await, [KEPT, KEPT, FULL]);
    assert_eq!(asker.ask_all([expire(2, 9), keep(3), keep(4)]).await, [Outcome::Count(1), KEPT, FULL]);
}

async fn a_reserved_number_is_taken_and_nobody_has_it<S: Store>(mut asker: Asker<S>) {
    let outcomes = asker.ask_all([Work::ReserveUin, Work::ReserveUin, create("hash")]).await;
    assert_eq!(outcomes, [Outcome::Reserved(ANN), Outcome::Reserved(BOB), Outcome::Created(CID)]);
    assert_eq!(asker.ask(Work::LoadAccount { uin: ANN }).await, Outcome::Account(None));
    let nobody = Outcome::Stored(Err(NotStored::NoSuchUser));
    assert_eq!(asker.ask(keep(message(1, CID, ANN))).await, nobody);
}

async fn a_reserved_user_is_made_once<S: Store>(mut asker: Asker<S>) {
    let made = |uin, hash: &str| Work::CreateUser { uin, password_hash: hash.to_owned() };
    asker.ask_all([Work::ReserveUin, Work::ReserveUin]).await;
    let outcomes = asker.ask_all([made(BOB, "bob"), made(BOB, "other"), made(ANN, "ann")]).await;
    let taken = Outcome::NotCreated(NotCreated::Taken);
    assert_eq!(outcomes, [Outcome::Created(BOB), taken, Outcome::Created(ANN)]);
    let accounts = [ANN, BOB].map(|uin| Work::LoadAccount { uin });
    assert_eq!(asker.ask_all(accounts).await, ["ann", "bob"].map(|hash| Outcome::Account(Some(hash.to_owned()))));
    assert_eq!(asker.ask(Work::ReserveUin).await, Outcome::Reserved(CID));
}

async fn reserved_numbers_end_with_the_numbers<S: Store>(mut asker: Asker<S>) {
    let made = |uin| Work::CreateUser { uin, password_hash: String::new() };
    assert_eq!(asker.ask(made(Uin(u32::MAX - 1))).await, Outcome::Created(Uin(u32::MAX - 1)));
    let last = Outcome::Reserved(Uin(u32::MAX));
    assert_eq!(
        asker.ask_all([Work::ReserveUin, Work::ReserveUin, create("")]).await,
        [last, Outcome::Failed, Outcome::Failed]
    );
    assert_eq!(asker.ask(made(Uin::NONE)).await, Outcome::Failed);
}
