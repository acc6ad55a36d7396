//! The client, and what a program's loop does with it.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_void};

use ::myicq_client::{Password, Uin};

use crate::errors::{Failed, MYICQ_ERROR_ENDED, MYICQ_OK, code, guarded};
use crate::event::{myicq_callback, myicq_event};
use crate::session::{Session, Told};

/// A user's session with a server, or a registration. It belongs to one thread at a time.
pub struct myicq_client {
    session: RefCell<Session>,
    callback: myicq_callback,
    user: *mut c_void,
    /// Whether the callback runs, and whether it has freed the client meanwhile.
    is_calling: Cell<bool>,
    is_freed: Cell<bool>,
}

impl std::fmt::Debug for myicq_client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("myicq_client")
    }
}

/// The version of this library: "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn myicq_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Begins to log in to the server at "host:port". Resolving the host may block; nothing afterwards does. `callback` is called with `user` from
/// within myicq_process alone. Null if it cannot be done: myicq_last_error says why.
///
/// # Safety
/// `server` and `password` are texts with a NUL at their end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_new(
    server: *const c_char,
    uin: u32,
    password: *const c_char,
    callback: myicq_callback,
    user: *mut c_void,
) -> *mut myicq_client {
    // SAFETY: as the caller promises.
    unsafe { opened(server, password, callback, user, || Ok(Uin(uin)).and_then(somebody)) }
}

/// Begins to register a new user. The outcome is an event: MYICQ_EVENT_REGISTERED or MYICQ_EVENT_ENDED; then the client is to be freed. Else as
/// myicq_new.
///
/// # Safety
/// As myicq_new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_register(
    server: *const c_char,
    password: *const c_char,
    callback: myicq_callback,
    user: *mut c_void,
) -> *mut myicq_client {
    // SAFETY: as the caller promises.
    unsafe { opened(server, password, callback, user, || Ok(Uin::NONE)) }
}

fn somebody(uin: Uin) -> Result<Uin, Failed> {
    if uin == Uin::NONE { Err(Failed::argument("0 is not the number of a user")) } else { Ok(uin) }
}

unsafe fn opened(
    server: *const c_char,
    password: *const c_char,
    callback: myicq_callback,
    user: *mut c_void,
    uin: impl FnOnce() -> Result<Uin, Failed>,
) -> *mut myicq_client {
    let mut opened = std::ptr::null_mut();
    guarded(|| {
        // SAFETY: as the caller promises.
        let (server, password) = unsafe { (text(server)?, text(password)?) };
        let session = Session::open(server, uin()?, Password::new(password)?)?;
        let client = myicq_client {
            session: RefCell::new(session),
            callback,
            user,
            is_calling: Cell::new(false),
            is_freed: Cell::new(false),
        };
        opened = Box::into_raw(Box::new(client));
        Ok(0)
    });
    opened
}

/// What to wait for: the descriptor (on Windows the SOCKET) that is readable when something has come. It changes with myicq_reconnect. -1 for a null
/// client.
///
/// # Safety
/// `client` is one that was made here and not freed, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_fd(client: *const myicq_client) -> isize {
    // SAFETY: as the caller promises.
    let fd = guarded(|| unsafe { with(client, |session| Ok(descriptor(session.socket()))) });
    isize::try_from(fd).map_or(-1, |fd| fd.max(-1))
}

#[cfg(unix)]
fn descriptor(socket: &std::net::UdpSocket) -> i64 {
    std::os::fd::AsRawFd::as_raw_fd(socket).into()
}

#[cfg(windows)]
fn descriptor(socket: &std::net::UdpSocket) -> i64 {
    i64::try_from(std::os::windows::io::AsRawSocket::as_raw_socket(socket)).unwrap_or(-1)
}

/// For how many milliseconds to wait at most before myicq_process is to be called, if nothing comes: for poll() and its like. -1: for ever.
///
/// # Safety
/// As myicq_fd.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_timeout_ms(client: *const myicq_client) -> i32 {
    // SAFETY: as the caller promises.
    let timeout = guarded(|| unsafe { with(client, |session| Ok(session.timeout().map_or(-1, milliseconds))) });
    i32::try_from(timeout).map_or(-1, |timeout| timeout.max(-1))
}

/// Rounded up, or the loop would come too early, again and again.
fn milliseconds(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_micros().div_ceil(1_000)).unwrap_or(i64::MAX).min(i32::MAX.into())
}

/// Does what is due: reads what has come, sends what is to be sent, and calls the callback for each event. To be called when myicq_fd is
/// readable and when myicq_timeout_ms has passed; more often does no harm. 0, or MYICQ_ERROR_ENDED when the session is over and all
/// its events were told.
///
/// # Safety
/// As myicq_fd.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_process(client: *mut myicq_client) -> i32 {
    let mut is_over = false;
    let outcome = code(|| {
        // SAFETY: as the caller promises.
        let client = unsafe { client.as_ref() }.ok_or_else(null)?;
        if client.is_calling.replace(true) {
            return Err(Failed::argument("myicq_process was called from within the callback"));
        }
        client.take_turn();
        client.is_calling.set(false);
        is_over = client.session.borrow().is_over();
        Ok(())
    });
    // SAFETY: as the caller promises; and nothing else frees a client that its callback has freed.
    if unsafe { client.as_ref() }.is_some_and(|client| client.is_freed.get() && !client.is_calling.get()) {
        // SAFETY: it was made by `opened`, and nobody may use it any more.
        drop(unsafe { Box::from_raw(client) });
        return MYICQ_ERROR_ENDED;
    }
    if outcome == MYICQ_OK && is_over { MYICQ_ERROR_ENDED } else { outcome }
}

impl myicq_client {
    /// No borrow lasts while the callback runs: it may call what it likes.
    fn take_turn(&self) {
        self.session.borrow_mut().turn();
        while !self.is_freed.get() {
            let Some(told) = self.session.borrow_mut().next_event() else { break };
            self.call(&told);
            if let Some(ticket) = told.ticket {
                self.session.borrow_mut().confirm(ticket);
            }
        }
        self.session.borrow_mut().flush();
    }

    fn call(&self, told: &Told) {
        let Some(callback) = self.callback else { return };
        // The wire has no NUL in a text; one that a program of another making sent ends it here.
        let bytes: Vec<u8> = told.text.bytes().take_while(|byte| *byte != 0).collect();
        let text = CString::new(bytes).unwrap_or_default();
        let Told { kind, uin, id, request, value, code, .. } = *told;
        let text_len = text.as_bytes().len();
        let event = myicq_event { kind, uin, id, request, value, code, text: text.as_ptr(), text_len };
        // SAFETY: the program gave this function for this, and the event lives until it returns.
        unsafe { callback(&event, self.user) };
    }
}

/// Begins another session of the same user after the end of one, with what is remembered of the messages shown: none is shown again. myicq_fd is another one from then on.
///
/// # Safety
/// As myicq_fd.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_reconnect(client: *mut myicq_client) -> i32 {
    // SAFETY: as the caller promises.
    code(|| unsafe { with(client, Session::reopen) })
}

/// Logs out. The events that are left, the end among them, are told by the next myicq_process.
///
/// # Safety
/// As myicq_fd.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_logout(client: *mut myicq_client) -> i32 {
    let log_out = |session: &mut Session| {
        session.log_out();
        Ok(())
    };
    // SAFETY: as the caller promises.
    code(|| unsafe { with(client, log_out) })
}

/// Frees a client, and logs out before if that has not happened. Nothing happens for null. From within the callback it is put off until the callback
/// has returned.
///
/// # Safety
/// As myicq_fd; the client is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn myicq_free(client: *mut myicq_client) {
    code(|| {
        // SAFETY: as the caller promises.
        let Some(freed) = (unsafe { client.as_ref() }) else { return Ok(()) };
        freed.session.try_borrow_mut().map_err(|_| null())?.log_out();
        if freed.is_calling.get() {
            freed.is_freed.set(true);
        } else {
            // SAFETY: it was made by `opened`, and nobody may use it any more.
            drop(unsafe { Box::from_raw(client) });
        }
        Ok(())
    });
}

fn null() -> Failed {
    Failed::argument("a pointer is null")
}

/// Does something with the session of a client.
///
/// # Safety
/// As myicq_fd.
pub(crate) unsafe fn with<T>(
    client: *const myicq_client,
    what: impl FnOnce(&mut Session) -> Result<T, Failed>,
) -> Result<T, Failed> {
    // SAFETY: as the caller promises.
    let client = unsafe { client.as_ref() }.ok_or_else(null)?;
    what(&mut client.session.borrow_mut())
}

/// A text of the caller that ends with a NUL.
///
/// # Safety
/// It does, or it is null.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Result<&'a str, Failed> {
    if text.is_null() {
        return Err(null());
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_str().map_err(|_| Failed::argument("a text is no UTF-8"))
}

/// A text of the caller with its length.
///
/// # Safety
/// There are so many bytes, or it is null.
pub(crate) unsafe fn counted<'a>(text: *const c_char, len: usize) -> Result<&'a str, Failed> {
    if text.is_null() || isize::try_from(len).is_err() {
        return Err(null());
    }
    // SAFETY: as the caller promises.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast(), len) };
    std::str::from_utf8(bytes).map_err(|_| Failed::argument("a text is no UTF-8"))
}
