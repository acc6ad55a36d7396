//! What can go wrong, as numbers and as text.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::myicq_client::{EndReason, LoginRefused, Misuse, RequestError};

/// It is done.
pub const MYICQ_OK: i32 = 0;
/// A pointer is null, a text is no UTF-8, or a number cannot be.
pub const MYICQ_ERROR_ARGUMENT: i32 = -1;
/// The system did not do it: no such host, no socket.
pub const MYICQ_ERROR_SYSTEM: i32 = -2;
/// The session has ended.
pub const MYICQ_ERROR_ENDED: i32 = -3;
/// Too many requests wait for their answers: process some events first.
pub const MYICQ_ERROR_BUSY: i32 = -4;
/// A text is longer than the protocol has room for.
pub const MYICQ_ERROR_TOO_LONG: i32 = -5;
/// The library failed in a way that it should not; the client is of no more use.
pub const MYICQ_ERROR_INTERNAL: i32 = -6;
/// The server did not do it, and said why where it can.
pub const MYICQ_ERROR_REFUSED: i32 = -7;
/// Nothing came back in time; it may or may not have been done.
pub const MYICQ_ERROR_NO_ANSWER: i32 = -8;
/// The password is wrong, or there is no such user.
pub const MYICQ_ERROR_LOGIN: i32 = -9;
/// The same user has logged in elsewhere.
pub const MYICQ_ERROR_REPLACED: i32 = -10;
/// The server does not answer, or not any more.
pub const MYICQ_ERROR_LOST: i32 = -11;

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// What went wrong last in this thread, in words for a person; empty if nothing has. It holds until the next call of a function of this
/// library in this thread.
#[unsafe(no_mangle)]
pub extern "C" fn myicq_last_error() -> *const c_char {
    LAST.with(|last| last.try_borrow().map_or(c"".as_ptr(), |last| last.as_ptr()))
}

/// What an error of this library means, in English. Never null.
#[unsafe(no_mangle)]
pub extern "C" fn myicq_error_text(error: i32) -> *const c_char {
    let text: &'static CStr = match error {
        MYICQ_OK => c"done",
        MYICQ_ERROR_ARGUMENT => c"an argument is wrong",
        MYICQ_ERROR_SYSTEM => c"the system did not do it",
        MYICQ_ERROR_ENDED => c"the session has ended",
        MYICQ_ERROR_BUSY => c"too many requests wait for their answers",
        MYICQ_ERROR_TOO_LONG => c"the text is too long",
        MYICQ_ERROR_INTERNAL => c"the library failed",
        MYICQ_ERROR_REFUSED => c"the server refused it",
        MYICQ_ERROR_NO_ANSWER => c"the server did not answer",
        MYICQ_ERROR_LOGIN => c"wrong number or password",
        MYICQ_ERROR_REPLACED => c"the same user logged in elsewhere",
        MYICQ_ERROR_LOST => c"the server is not there",
        _ => c"an error that this library does not have",
    };
    text.as_ptr()
}

/// An error, and its words for [`myicq_last_error`].
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) code: i32,
    pub(crate) words: String,
}

impl Failed {
    pub(crate) fn new(code: i32, words: impl ToString) -> Self {
        Self { code, words: words.to_string() }
    }

    pub(crate) fn argument(words: &str) -> Self {
        Self::new(MYICQ_ERROR_ARGUMENT, words)
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::new(MYICQ_ERROR_SYSTEM, error)
    }
}

impl From<Misuse> for Failed {
    fn from(misuse: Misuse) -> Self {
        let code = match misuse {
            Misuse::Ended => MYICQ_ERROR_ENDED,
            Misuse::TooManyRequests(_) => MYICQ_ERROR_BUSY,
            Misuse::MessageTooLong { .. } | Misuse::FieldTooLong { .. } | Misuse::TooLarge => MYICQ_ERROR_TOO_LONG,
            _ => MYICQ_ERROR_ARGUMENT,
        };
        Self::new(code, misuse)
    }
}

impl From<EndReason> for Failed {
    fn from(reason: EndReason) -> Self {
        let code = match reason {
            EndReason::LoggedOut => MYICQ_OK,
            EndReason::LoginRefused(LoginRefused::Other(_)) | EndReason::RegistrationRefused => MYICQ_ERROR_REFUSED,
            EndReason::LoginRefused(_) => MYICQ_ERROR_LOGIN,
            EndReason::Replaced => MYICQ_ERROR_REPLACED,
            EndReason::NotGranted(_) => MYICQ_ERROR_REFUSED,
            _ => MYICQ_ERROR_LOST,
        };
        Self::new(code, reason)
    }
}

impl From<RequestError> for Failed {
    fn from(error: RequestError) -> Self {
        let code = match error {
            RequestError::Misuse(misuse) => return misuse.into(),
            RequestError::Ended(_) => MYICQ_ERROR_ENDED,
            RequestError::Refused(_) => MYICQ_ERROR_REFUSED,
            _ => MYICQ_ERROR_NO_ANSWER,
        };
        Self::new(code, error)
    }
}

/// Runs what an entry does. What goes wrong becomes a number, and its words are kept for the thread.
pub(crate) fn guarded(entry: impl FnOnce() -> Result<i64, Failed>) -> i64 {
    let outcome = catch_unwind(AssertUnwindSafe(entry));
    let failed = match outcome {
        Ok(Ok(value)) => return value,
        Ok(Err(failed)) => failed,
        Err(_) => Failed::new(MYICQ_ERROR_INTERNAL, "a defect of the library: please report what was done"),
    };
    let words = CString::new(failed.words).unwrap_or_default();
    LAST.with(|last| last.replace(words));
    failed.code.into()
}

/// As [`guarded`], for an entry that returns an error code alone.
pub(crate) fn code(entry: impl FnOnce() -> Result<(), Failed>) -> i32 {
    let value = guarded(|| entry().map(|()| MYICQ_OK.into()));
    i32::try_from(value).unwrap_or(MYICQ_ERROR_INTERNAL)
}
