//! What happens, as C sees it.

use std::ffi::{c_char, c_void};

/// The session is open. `value`: how many users are online.
pub const MYICQ_EVENT_LOGGED_IN: u32 = 1;
/// The session has ended; the last event of a session. `code`: why, 0 after a logout. myicq_reconnect opens another.
pub const MYICQ_EVENT_ENDED: u32 = 2;
/// `uin` says `text`, as a person. `value`: when the server took it, in Unix seconds. `id`: the message's own number, 0 if it has none.
pub const MYICQ_EVENT_MESSAGE: u32 = 3;
/// The program of `uin`, who is away, says `text`.
pub const MYICQ_EVENT_AUTO_REPLY: u32 = 4;
/// `uin` asks to have you on his list; `text`: why. Answer with myicq_authorize.
pub const MYICQ_EVENT_AUTH_REQUEST: u32 = 5;
/// `uin` lets you have him on your list.
pub const MYICQ_EVENT_AUTH_ACCEPTED: u32 = 6;
/// `uin` does not want to be on your list; `text`: why.
pub const MYICQ_EVENT_AUTH_REJECTED: u32 = 7;
/// `uin` has put you on his list.
pub const MYICQ_EVENT_ADDED: u32 = 8;
/// `uin`, a contact, is here, or is shown differently. `value`: the status.
pub const MYICQ_EVENT_PRESENCE: u32 = 9;
/// `uin` types a message to you; `value`: 1, or 0 when he has stopped.
pub const MYICQ_EVENT_TYPING: u32 = 10;
/// Your message `id`, which had been stored, has reached `uin`.
pub const MYICQ_EVENT_DELIVERED: u32 = 11;
/// `uin` has read your messages up to `id`.
pub const MYICQ_EVENT_READ: u32 = 12;
/// `uin` says `text` in the group `value`.
pub const MYICQ_EVENT_GROUP_MESSAGE: u32 = 13;
/// `uin` has entered the group `value`; `text`: his nick.
pub const MYICQ_EVENT_GROUP_ENTERED: u32 = 14;
/// `uin` has left the group `value`.
pub const MYICQ_EVENT_GROUP_EXITED: u32 = 15;
/// A request has its answer. `request`: its number. `code`: 0, or why not; `text` then has the words. What else there is depends on the
/// request.
pub const MYICQ_EVENT_ANSWER: u32 = 16;
/// A new user has the number `uin`; the last event of a registration.
pub const MYICQ_EVENT_REGISTERED: u32 = 18;
/// One item of the answer to a request, before its MYICQ_EVENT_ANSWER: a contact (`uin`), a user found (`uin`, `value` 1 for online,
/// `text` the nick), a group (`value` its number, `text` its name), a member of a group (`uin`, `text` the nick).
pub const MYICQ_EVENT_ITEM: u32 = 17;

/// Here.
pub const MYICQ_STATUS_ONLINE: u32 = 0;
/// Not here.
pub const MYICQ_STATUS_OFFLINE: u32 = 1;
/// Away from the keyboard.
pub const MYICQ_STATUS_AWAY: u32 = 2;
/// Here, but shown to nobody.
pub const MYICQ_STATUS_INVISIBLE: u32 = 3;

/// Something that happened. Fields that an event does not speak of are 0; `text` is never null.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct myicq_event {
    /// Which: one of MYICQ_EVENT_….
    pub kind: u32,
    /// Who.
    pub uin: u32,
    /// The message's own number.
    pub id: u64,
    /// The number of the request that is answered.
    pub request: i64,
    /// A number: see the kind.
    pub value: u32,
    /// 0, or an error.
    pub code: i32,
    /// UTF-8 with a NUL behind it. It holds until the callback returns.
    pub text: *const c_char,
    /// The bytes of the text without the NUL.
    pub text_len: usize,
}

/// Called by myicq_process for each event. It may call any function with the same client. A message is acknowledged to the server when it
/// has returned, so one that the program did not get to see comes again.
pub type myicq_callback = Option<unsafe extern "C" fn(event: *const myicq_event, user: *mut c_void)>;
