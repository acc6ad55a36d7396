//! Whole datagrams: header, check code and cipher put together.

use crate::check_code;
use crate::cipher::{CipherForm, Iv, Key, padded_len};
use crate::command::Command;
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::header::{ClientHeader, HEADER_LEN, MAX_DATAGRAM, ServerHeader};
use crate::ids::{Seq, SessionId, Uin};
use crate::reply::Reply;
use crate::request::Request;
use crate::writer::Writer;

/// The fields of a header that do not follow from the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Envelope {
    /// 0, or the capabilities offered or granted.
    pub reserved: u32,
    /// The client's user, in either direction.
    pub uin: Uin,
    /// The session.
    pub session: SessionId,
    /// The datagram's own number, or in an UDP_ACK from a client that of what it acknowledges.
    pub seq: Option<Seq>,
}

/// How the bodies of a session are enciphered.
#[derive(Clone, Copy, Debug)]
pub struct Sealing<'a> {
    /// With which key.
    pub key: &'a Key,
    /// In which form.
    pub form: CipherForm,
}

fn iv(session: SessionId, command: Command, seq: Option<Seq>) -> Iv {
    Iv { session, command: command.number(), seq: Seq::number_or_zero(seq) }
}

/// Writes a client's datagram into `buffer` and says how long it is.
///
/// `check` is a random number that chooses the position of the check code; without one the code is 0, as the clients of
/// 2003 have it in NEW_UIN and LOGIN. `sealing` is used by the commands that are enciphered and may be missing for
/// the others.
///
/// # Errors
/// [`EncodeError::Full`] for a buffer that is too small or a datagram over [`MAX_DATAGRAM`] bytes; what is wrong with a text.
pub fn encode_request(
    envelope: &Envelope,
    request: &Request<'_>,
    check: Option<u8>,
    sealing: Option<Sealing<'_>>,
    buffer: &mut [u8],
) -> Result<usize, EncodeError> {
    let (buffer, full) = limited(buffer);
    let command = request.command();
    let (head, body) = buffer.split_at_mut_checked(HEADER_LEN).ok_or(full)?;
    let mut writer = Writer::new(body);
    request.write(&mut writer)?;
    let mut len = writer.len();
    let written = body.get(..len).ok_or(full)?;
    let check_code = check.map_or(0, |random| check_code::check_code(written, random));

    let enciphered = command.request().is_some_and(|request| request.enciphered);
    if let Some(Sealing { key, form }) = sealing.filter(|_| enciphered) {
        let padded = body.get_mut(..padded_len(len)).ok_or(full)?;
        padded.iter_mut().skip(len).for_each(|byte| *byte = 0);
        len = padded.len();
        key.encipher(form, iv(envelope.session, command, envelope.seq), padded).map_err(|_| full)?;
    }
    let Envelope { reserved, uin, session, seq } = *envelope;
    ClientHeader { reserved, uin, session, command: command.number(), seq, check_code }
        .encode(&mut Writer::new(head))?;
    Ok(HEADER_LEN + len)
}

/// Writes a server's datagram into `buffer` and says how long it is. `ackseq` is the request that it acknowledges.
///
/// # Errors
/// As [`encode_request`].
pub fn encode_reply(
    envelope: &Envelope,
    ackseq: Option<Seq>,
    reply: &Reply<'_>,
    buffer: &mut [u8],
) -> Result<usize, EncodeError> {
    let (buffer, _) = limited(buffer);
    let Envelope { reserved, uin, session, seq } = *envelope;
    let mut writer = Writer::new(buffer);
    ServerHeader { reserved, uin, session, command: reply.command().number(), seq, ackseq }.encode(&mut writer)?;
    reply.write(&mut writer)?;
    Ok(writer.len())
}

/// Addresses a server's datagram to somebody else: what many are told is encoded once. What it acknowledges, if anything, stays.
///
/// # Errors
/// [`EncodeError::Full`] when it is no datagram.
pub fn readdress_reply(envelope: &Envelope, datagram: &mut [u8]) -> Result<(), EncodeError> {
    let full = EncodeError::Full(datagram.len());
    let (header, _) = ServerHeader::decode(datagram).map_err(|_| full)?;
    let Envelope { reserved, uin, session, seq } = *envelope;
    ServerHeader { reserved, uin, session, seq, ..header }.encode(&mut Writer::new(datagram))
}

/// Whether a server's body is enciphered in a session with [`SEALED`](crate::Capabilities::SEALED): all but those of the replies
/// that grant it, which the client has to read first.
const fn is_sealed(command: u16) -> bool {
    command != Command::Login.number() && command != Command::NewUin.number()
}

/// Enciphers the body of a server's datagram where it lies, for a session with [`SEALED`](crate::Capabilities::SEALED), and says
/// how long the datagram is then. `len` is its length so far; behind it, `buffer` must have room for up to seven zeros.
///
/// # Errors
/// [`EncodeError::Full`] for a buffer that is too small, a datagram that gets longer than [`MAX_DATAGRAM`] bytes, or none at all.
pub fn seal_reply(key: &Key, len: usize, buffer: &mut [u8]) -> Result<usize, EncodeError> {
    let (buffer, full) = limited(buffer);
    let (header, body) = buffer.get(..len).and_then(|bytes| ServerHeader::decode(bytes).ok()).ok_or(full)?;
    if !is_sealed(header.command) {
        return Ok(len);
    }
    let body_len = body.len();
    let padded = buffer.get_mut(HEADER_LEN..HEADER_LEN + padded_len(body_len)).ok_or(full)?;
    padded.iter_mut().skip(body_len).for_each(|byte| *byte = 0);
    key.encipher(CipherForm::Cbc, sealed_iv(&header), padded).map_err(|_| full)?;
    Ok(HEADER_LEN + padded.len())
}

fn sealed_iv(header: &ServerHeader) -> Iv {
    Iv { session: header.session, command: header.command, seq: Seq::number_or_zero(header.seq) }.sealed()
}

/// Opens a server's body: deciphers it into `scratch` where there is a `key`, which is for sessions with
/// [`SEALED`](crate::Capabilities::SEALED), and reads the fields.
///
/// # Errors
/// As [`open_request`], without the check code: a server's body has none, so a wrong key shows only in fields that cannot be.
pub fn open_reply<'a>(
    header: &ServerHeader,
    body: &'a [u8],
    key: Option<&Key>,
    scratch: &'a mut [u8],
) -> Result<Reply<'a>, DecodeError> {
    let command = header.known_command().ok_or(UNKNOWN_COMMAND)?;
    let Some(key) = key.filter(|_| is_sealed(header.command)) else { return Reply::decode(command, body) };
    let scratch = scratch.get_mut(..body.len()).ok_or(TOO_LONG)?;
    scratch.copy_from_slice(body);
    key.decipher(CipherForm::Cbc, sealed_iv(header), scratch)?;
    Reply::decode(command, scratch)
}

const UNKNOWN_COMMAND: DecodeError = DecodeError { kind: DecodeErrorKind::UnknownCommand, what: "cmd", at: 14 };
const TOO_LONG: DecodeError = DecodeError { kind: DecodeErrorKind::TooLong, what: "body", at: 0 };

/// Opens a client's body: deciphers it into `scratch` if its command is enciphered and there is a `sealing`, checks the check
/// code, and reads the fields.
///
/// # Errors
/// [`DecodeErrorKind::UnknownCommand`], [`DecodeErrorKind::Blocks`], [`DecodeErrorKind::CheckCode`], or what is wrong with
/// which field. [`DecodeErrorKind::TooLong`] when `scratch` is too small for the body.
pub fn open_request<'a>(
    header: &ClientHeader,
    body: &'a [u8],
    sealing: Option<Sealing<'_>>,
    scratch: &'a mut [u8],
) -> Result<Request<'a>, DecodeError> {
    let command = header.known_command().ok_or(UNKNOWN_COMMAND)?;
    let enciphered = command.request().is_some_and(|request| request.enciphered);
    let plain = match sealing {
        Some(Sealing { key, form }) if enciphered => {
            let scratch = scratch.get_mut(..body.len()).ok_or(TOO_LONG)?;
            scratch.copy_from_slice(body);
            key.decipher(form, iv(header.session, command, header.seq), scratch)?;
            &*scratch
        }
        _ => body,
    };
    // COMPAT: the clients of 2003 send NEW_UIN and LOGIN, the two bodies in the clear, without a check code.
    let unchecked = !enciphered && header.check_code == 0;
    if !unchecked && !check_code::check(plain, header.check_code) {
        return Err(DecodeError { kind: DecodeErrorKind::CheckCode, what: "cc", at: 18 });
    }
    Request::decode(command, plain)
}

/// At most one datagram of `buffer`, and the error for what does not fit.
fn limited(buffer: &mut [u8]) -> (&mut [u8], EncodeError) {
    let len = buffer.len().min(MAX_DATAGRAM);
    (buffer.get_mut(..len).unwrap_or_default(), EncodeError::Full(len))
}
