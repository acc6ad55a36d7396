//! What is kept of a session so that it outlives the process, as bytes (docs/architecture.md, "When the process ends").

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use myicq_wire::charset::Charset;
use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::link::{HISTORY, Snapshot};
use myicq_wire::{Capabilities, DecodeError, EncodeError, Ipv4, Reader, Seq, SessionId, Status, Uin, Writer};
use zeroize::Zeroizing;

/// Numbers that are left out in a session of version 1, because they may have been used after it was saved: a client of 2003 takes one that
/// comes again for a duplicate. With the default interval there is room for 400 datagrams in a second.
const SKIPPED: u16 = 2_048;

/// The same with ONCE, where there are as many numbers as one likes. So far ahead, no datagram that is still under way is taken for one of
/// those that follow; and it takes a dozen starts that a client hears nothing of until it is near where it was.
const SKIPPED_ONCE: u16 = 10_000;

/// Bytes of a session, at most: an IPv6 address, and nothing of its client's last numbers settled.
pub(super) const SAVED_MAX: usize = 92 + 2 * HISTORY as usize;

/// Bytes in which sessions are handed out, at most: several hundred of those that are at rest.
pub const PAGE_LEN: usize = 64 * 1024;

/// Bytes of a session, at least.
const SAVED_MIN: usize = 60;

/// These bytes are no sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it holds something else than sessions")]
pub struct NoSessions;

impl From<DecodeError> for NoSessions {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

/// An open session as it is kept.
#[derive(Clone, Debug)]
pub struct SavedSession {
    pub(super) uin: Uin,
    pub(super) id: SessionId,
    pub(super) address: SocketAddr,
    /// Later logins have higher ones.
    pub(super) serial: u64,
    pub(super) login_seq: Seq,
    pub(super) granted: Capabilities,
    pub(super) charset: Charset,
    pub(super) form: Option<CipherForm>,
    pub(super) key: Key,
    pub(super) status: Status,
    pub(super) port: u16,
    pub(super) real_ip: Ipv4,
    pub(super) link: Snapshot,
    /// Nothing has happened since it was saved.
    pub(super) is_exact: bool,
}

impl SavedSession {
    /// Whose session it is.
    pub fn uin(&self) -> Uin {
        self.uin
    }

    /// Where it stands among all logins of its server: later ones have higher numbers.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Leaves out as many numbers as may have been used since it was saved. To be called once, and what is restored to be saved before
    /// anything is sent: then no number is used twice, however often the process ends. `is_exact` says that it had ended in good order.
    pub fn go_on(&mut self, is_exact: bool) {
        let skipped = if self.granted.contains(Capabilities::ONCE) { SKIPPED_ONCE } else { SKIPPED };
        self.link.next_seq = self.link.next_seq.plus(skipped);
        self.link.issued = self.link.issued.saturating_add(skipped);
        self.is_exact &= is_exact;
    }

    /// Appends it.
    ///
    /// # Errors
    /// There is no room.
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.dword(self.uin.0)?;
        writer.dword(self.id.0)?;
        write_address(self.address, writer)?;
        writer.qword(self.serial)?;
        writer.word(self.login_seq.number())?;
        writer.dword(self.granted.0)?;
        writer.string(self.charset.label().as_bytes())?;
        writer.byte(match self.form {
            None => 0,
            Some(CipherForm::Original) => 1,
            Some(CipherForm::Textbook) => 2,
            Some(CipherForm::Cbc) => 3,
        })?;
        writer.bytes(self.key.bytes())?;
        writer.dword(self.status.0)?;
        writer.word(self.port)?;
        writer.dword(self.real_ip.0)?;
        writer.byte(self.is_exact.into())?;
        let Snapshot { next_seq, issued, highest, unsettled } = &self.link;
        writer.word(next_seq.number())?;
        writer.word(*issued)?;
        writer.word(Seq::number_or_zero(*highest))?;
        let unsettled = unsettled.get(..usize::from(HISTORY)).unwrap_or(unsettled);
        writer.word(u16::try_from(unsettled.len()).unwrap_or(HISTORY))?;
        unsettled.iter().try_for_each(|seq| writer.word(seq.number()))
    }

    /// All of these as bytes, in pages of [`PAGE_LEN`] at most.
    pub fn pages(sessions: &[Self]) -> impl Iterator<Item = Zeroizing<Vec<u8>>> {
        sessions.chunks(PAGE_LEN / SAVED_MAX).map(|sessions| {
            let mut bytes = Zeroizing::new(vec![0; PAGE_LEN]);
            let mut writer = Writer::new(&mut bytes);
            let written = sessions.iter().try_for_each(|session| session.write(&mut writer));
            debug_assert!(written.is_ok(), "a session takes at most {SAVED_MAX} bytes");
            let len = writer.len();
            bytes.truncate(len);
            bytes
        })
    }

    /// Reads all that there are. What is allocated for them is bounded by the number of bytes.
    ///
    /// # Errors
    /// Something is no session, or is not whole.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, NoSessions> {
        let mut reader = Reader::new(bytes);
        let mut sessions = Vec::with_capacity(bytes.len() / SAVED_MIN);
        while !reader.rest().is_empty() {
            sessions.push(Self::read(&mut reader)?);
        }
        Ok(sessions)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, NoSessions> {
        Ok(Self {
            uin: Uin(reader.dword("uin")?),
            id: SessionId(reader.dword("sid")?),
            address: read_address(reader)?,
            serial: reader.qword("serial")?,
            login_seq: read_seq(reader, "login_seq")?,
            granted: Capabilities(reader.dword("granted")?),
            charset: {
                let label = reader.string("charset")?;
                let charset = std::str::from_utf8(label).ok().and_then(Charset::from_label);
                charset.ok_or(NoSessions)?
            },
            form: match reader.byte("form")? {
                0 => None,
                1 => Some(CipherForm::Original),
                2 => Some(CipherForm::Textbook),
                3 => Some(CipherForm::Cbc),
                _ => return Err(NoSessions),
            },
            key: Key::new(reader.take(8, "key")?),
            status: Status(reader.dword("status")?),
            port: reader.word("port")?,
            real_ip: Ipv4(reader.dword("real_ip")?),
            is_exact: reader.byte("is_exact")? == 1,
            link: Snapshot {
                next_seq: read_seq(reader, "next_seq")?,
                issued: reader.word("issued")?,
                highest: Seq::new(reader.word("highest")?),
                unsettled: {
                    let count = reader.word("unsettled")?;
                    if count > HISTORY {
                        return Err(NoSessions);
                    }
                    (0..count).map(|_| read_seq(reader, "unsettled")).collect::<Result<_, _>>()?
                },
            },
        })
    }
}

fn read_seq(reader: &mut Reader<'_>, what: &'static str) -> Result<Seq, NoSessions> {
    Seq::new(reader.word(what)?).ok_or(NoSessions)
}

fn write_address(address: SocketAddr, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    match address {
        SocketAddr::V4(address) => {
            writer.byte(4)?;
            writer.bytes(&address.ip().octets())?;
        }
        SocketAddr::V6(address) => {
            writer.byte(6)?;
            writer.bytes(&address.ip().octets())?;
            writer.dword(address.scope_id())?;
        }
    }
    writer.word(address.port())
}

fn read_address(reader: &mut Reader<'_>) -> Result<SocketAddr, NoSessions> {
    match reader.byte("address")? {
        4 => {
            let ip = reader.dword("address")?.into();
            Ok(SocketAddrV4::new(ip, reader.word("port")?).into())
        }
        6 => {
            let high = u128::from(reader.qword("address")?);
            let ip = (high << 64 | u128::from(reader.qword("address")?)).into();
            let scope = reader.dword("scope")?;
            Ok(SocketAddrV6::new(ip, reader.word("port")?, 0, scope).into())
        }
        _ => Err(NoSessions),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn session(address: &str, granted: Capabilities, unsettled: u16) -> SavedSession {
        let seq = |number| Seq::new(number).unwrap();
        SavedSession {
            uin: Uin(10_001),
            id: SessionId(0x1234_5678),
            address: address.parse().unwrap(),
            serial: 7,
            login_seq: seq(99),
            granted,
            charset: Charset::Windows1252,
            form: Some(CipherForm::Textbook),
            key: Key::new(b"hunter2"),
            status: Status::AWAY,
            port: 32_765,
            real_ip: Ipv4(0x7F00_0001),
            link: Snapshot {
                next_seq: seq(65_000),
                issued: 64_000,
                highest: Some(seq(2_000)),
                unsettled: (0..unsettled).map(|behind| seq(2_000 - behind)).collect(),
            },
            is_exact: true,
        }
    }

    fn write(session: &SavedSession) -> Vec<u8> {
        let mut bytes = [0x55; SAVED_MAX];
        let mut writer = Writer::new(&mut bytes);
        session.write(&mut writer).unwrap();
        let len = writer.len();
        bytes[..len].to_vec()
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (address, unsettled) in [("192.0.2.1:5000", 0), ("[fe80::1%7]:5000", HISTORY - 1)] {
            let saved = session(address, Capabilities::ONCE, unsettled);
            let bytes = write(&saved);
            assert!((SAVED_MIN..=SAVED_MAX).contains(&bytes.len()));
            let mut two = bytes.clone();
            two.extend(&bytes);
            let read = SavedSession::read_all(&two).unwrap();
            assert_eq!(read.len(), 2);
            assert_eq!((format!("{:?}", read[1]), write(&read[1])), (format!("{saved:?}"), bytes.clone()));
            for len in 1..bytes.len() {
                assert_eq!(SavedSession::read_all(&bytes[..len]).unwrap_err(), NoSessions, "{len} bytes of it");
            }
        }
    }

    proptest! {
        #[test]
        fn anything_else_is_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(sessions) = SavedSession::read_all(&bytes) {
                prop_assert!(sessions.len() <= bytes.len() / SAVED_MIN);
            }
        }

        #[test]
        fn a_damaged_one_is_refused_or_read(at in 0..100_usize, byte in any::<u8>()) {
            let mut bytes = write(&session("192.0.2.1:5000", Capabilities::NONE, 30));
            bytes[at] = byte;
            drop(SavedSession::read_all(&bytes));
        }
    }

    #[test]
    fn the_numbers_go_on_behind_those_that_may_have_been_used() {
        let mut plain = session("192.0.2.1:5000", Capabilities::UTF8, 0);
        plain.go_on(true);
        assert_eq!((plain.link.next_seq.number(), plain.link.issued, plain.is_exact), (1_513, u16::MAX, true));
        let mut once = session("192.0.2.1:5000", Capabilities::ONCE, 0);
        once.go_on(false);
        assert_eq!((once.link.next_seq.number(), once.is_exact), (9_465, false));
        once.go_on(true);
        assert!(!once.is_exact, "what was in doubt stays so");
    }
}
