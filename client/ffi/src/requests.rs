//! What a program asks. Each of these returns the number of the request, above 0, which its MYICQ_EVENT_ANSWER carries; or an error, below 0,
//! and then nothing was sent. Before the session is open a request waits for that.
//!
//! # Safety
//! For all of them: `client` is one that was made here and not freed, or null; a text with a length has so many bytes; one without has a NUL at its end.

use std::ffi::c_char;

use ::myicq_client::account::Request;
use ::myicq_client::{Face, GroupId, Message, Password, Status, Uin};

use crate::client::{counted, myicq_client, text, with};
use crate::errors::{Failed, guarded};

unsafe fn ask(client: *mut myicq_client, request: impl FnOnce() -> Result<Request, Failed>) -> i64 {
    // SAFETY: as the caller promises.
    guarded(|| unsafe { with(client, |session| session.request(request()?)) })
}

/// Says something to somebody. The answer comes when his program has the message or the server has stored it; its `id` is the message's own number, 0
/// if the server does not say.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_send(client: *mut myicq_client, to: u32, text: *const c_char, text_len: usize) -> i64 {
    // SAFETY: as the caller promises.
    unsafe { ask(client, || Ok(Request::send(Uin(to), &Message::text(counted(text, text_len)?))?)) }
}

/// Asks for the contact list: an MYICQ_EVENT_ITEM for each.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_contacts(client: *mut myicq_client) -> i64 {
    // SAFETY: as the caller promises.
    unsafe { ask(client, || Ok(Request::contacts())) }
}

/// Puts somebody on the list. `value` of the answer: 0 done, 1 he wants to be asked with myicq_ask_to_add, 2 nobody may.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_add(client: *mut myicq_client, uin: u32) -> i64 {
    // SAFETY: as the caller promises.
    unsafe { ask(client, || Ok(Request::add(Uin(uin))?)) }
}

/// Asks somebody to be on the list, with a nick to be called by and a reason.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_ask_to_add(
    client: *mut myicq_client,
    uin: u32,
    nick: *const c_char,
    reason: *const c_char,
) -> i64 {
    let request = || {
        // SAFETY: as the caller promises.
        let (nick, reason) = unsafe { (text(nick)?.to_owned(), text(reason)?.to_owned()) };
        Ok(Request::send(Uin(uin), &Message::AuthRequest { face: Face::default(), nick, reason })?)
    };
    // SAFETY: as the caller promises.
    unsafe { ask(client, request) }
}

/// Answers an MYICQ_EVENT_AUTH_REQUEST: yes, or, with `allow` 0, no.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_authorize(client: *mut myicq_client, uin: u32, allow: i32) -> i64 {
    let answer = if allow == 0 { Message::AuthRejected { reason: String::new() } } else { Message::AuthAccepted };
    // SAFETY: as the caller promises.
    unsafe { ask(client, || Ok(Request::send(Uin(uin), &answer)?)) }
}

/// Takes somebody off the list.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_remove(client: *mut myicq_client, uin: u32) -> i64 {
    // SAFETY: as the caller promises.
    unsafe { ask(client, || Ok(Request::remove(Uin(uin))?)) }
}

/// Changes what contacts see: one of MYICQ_STATUS_… but OFFLINE.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_set_status(client: *mut myicq_client, status: u32) -> i64 {
    // SAFETY: as the caller promises.
    unsafe { ask(client, || Ok(Request::status(Status(status))?)) }
}

/// Looks for users by nick, e-mail address or both; what is empty is not asked for. An MYICQ_EVENT_ITEM for each, 25 at most by rising number; `after`
/// is the last of the page before, 0 for the first.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_search(
    client: *mut myicq_client,
    nick: *const c_char,
    email: *const c_char,
    after: u32,
) -> i64 {
    // SAFETY: as the caller promises.
    unsafe { ask(client, || Ok(Request::search_words(text(nick)?, text(email)?, Uin(after))?)) }
}

/// Looks for the user of a number.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_search_uin(client: *mut myicq_client, uin: u32) -> i64 {
    // SAFETY: as the caller promises.
    unsafe { ask(client, || Ok(Request::search_uin(Uin(uin))?)) }
}

/// Says that one types a message to somebody, or, with 0, has stopped.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_typing(client: *mut myicq_client, to: u32, is_typing: i32) -> i64 {
    // SAFETY: as the caller promises.
    unsafe { ask(client, || Ok(Request::typing(Uin(to), is_typing != 0)?)) }
}

/// Says that one has read what somebody said, up to the message with this number.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_read(client: *mut myicq_client, from: u32, up_to: u64) -> i64 {
    // SAFETY: as the caller promises.
    unsafe { ask(client, || Ok(Request::read(Uin(from), up_to)?)) }
}

/// The groups of a type, from 0: an MYICQ_EVENT_ITEM for each.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_groups(client: *mut myicq_client, group_type: u16) -> i64 {
    // SAFETY: as the caller promises.
    unsafe { ask(client, || Ok(Request::groups(group_type))) }
}

/// Enters a group, with its password, or "" for one without: an MYICQ_EVENT_ITEM for each who is in it.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_enter_group(client: *mut myicq_client, group: u32, password: *const c_char) -> i64 {
    let request = || {
        // SAFETY: as the caller promises.
        let password = unsafe { text(password)? };
        let password = if password.is_empty() { None } else { Some(Password::new(password)?) };
        Ok(Request::enter_group(GroupId(group), password)?)
    };
    // SAFETY: as the caller promises.
    unsafe { ask(client, request) }
}

/// Leaves a group.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_exit_group(client: *mut myicq_client, group: u32) -> i64 {
    // SAFETY: as the caller promises.
    unsafe { ask(client, || Ok(Request::exit_group(GroupId(group)))) }
}

/// Says something to a group.
///
/// # Safety
/// See the head of this file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_say_to_group(
    client: *mut myicq_client,
    group: u32,
    text: *const c_char,
    text_len: usize,
) -> i64 {
    // SAFETY: as the caller promises.
    unsafe { ask(client, || Ok(Request::say_to_group(GroupId(group), counted(text, text_len)?)?)) }
}
