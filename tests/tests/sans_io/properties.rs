//! Every packet that can be written is read back as it was, whatever its content.
#![expect(clippy::unwrap_used, reason = "this is test: what is not as it must be ends it, or is shown")]

use std::collections::BTreeSet;
use std::sync::Mutex;

use arbitrary::{Arbitrary, Unstructured};
use myicq_tests::layout;
use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::message::{self as message_kinds, Message};
use myicq_wire::peer::{self, PeerFile, PeerHeader, PeerMessage};
use myicq_wire::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};

/// Runs `property` on bytes of a fixed generator: the same in every run.
fn on_bytes(cases: u32, property: impl Fn(&[u8]) -> TestCaseResult) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner.run(&prop::collection::vec(any::<u8>(), 4..700), |bytes| property(&bytes)).unwrap();
}

/// A value made of the bytes; a case without one is passed over.
fn made<'a, T: Arbitrary<'a>>(bytes: &'a [u8]) -> Result<T, TestCaseError> {
    T::arbitrary_take_rest(Unstructured::new(bytes)).map_err(|_| TestCaseError::reject("not enough bytes"))
}

/// The kinds that came up, so that none can be missing unnoticed.
#[derive(Default)]
struct Kinds(Mutex<BTreeSet<Command>>);

impl Kinds {
    fn note(&self, command: Command) {
        self.0.lock().unwrap().insert(command);
    }

    fn all(&self, wanted: impl Fn(&CommandInfo) -> bool) {
        let wanted: BTreeSet<_> = COMMANDS.iter().filter(|info| wanted(info)).map(|info| info.command).collect();
        assert_eq!(*self.0.lock().unwrap(), wanted);
    }
}

#[test]
fn requests() {
    let kinds = Kinds::default();
    on_bytes(6_000, |bytes| {
        let (header, request): (ClientHeader, Request<'_>) = made(bytes)?;
        let ClientHeader { reserved, uin, session, seq, .. } = header;
        let envelope = Envelope { reserved, uin, session, seq };
        let key = Key::new(&bytes[..4]);
        for form in [None, Some(CipherForm::Original), Some(CipherForm::Textbook), Some(CipherForm::Cbc)] {
            let sealing = form.map(|form| Sealing { key: &key, form });
            let mut buffer = [0x55; MAX_DATAGRAM];
            let len = encode_request(&envelope, &request, Some(bytes[0]), sealing, &mut buffer)?;
            let (read, body) = ClientHeader::decode(&buffer[..len])?;
            if form.is_none() {
                prop_assert_eq!(layout::behind(&Request::layout(request.command()).unwrap(), body), Some(&[][..]));
            }
            let mut scratch = [0xAA; MAX_DATAGRAM];
            let opened = open_request(&read, body, sealing, &mut scratch)?;
            match (opened, request) {
                // What the plug-ins say has no length of its own, so the padding comes with it.
                (Request::GroupCommand(opened), Request::GroupCommand(sent)) => {
                    prop_assert!(opened.data.0.starts_with(sent.data.0) && opened.data.0.len() < sent.data.0.len() + 8);
                }
                (opened, request) => prop_assert_eq!(opened, request),
            }
            prop_assert_eq!((read.uin, read.session, read.seq, read.reserved), (uin, session, seq, reserved));
        }
        kinds.note(request.command());
        Ok(())
    });
    kinds.all(|info| info.request.is_some());
}

#[test]
fn replies() {
    let kinds = Kinds::default();
    on_bytes(6_000, |bytes| {
        let (header, mut reply): (ServerHeader, Reply<'_>) = made(bytes)?;
        if let Reply::Message(message) = &mut reply {
            // Its id stands behind the domain, and cannot be there without one.
            message.domain = message.domain.or(message.id.map(|_| Str::default()));
        }
        let ServerHeader { reserved, uin, session, seq, ackseq, .. } = header;
        let mut buffer = [0x55; MAX_DATAGRAM];
        let len = encode_reply(&Envelope { reserved, uin, session, seq }, ackseq, &reply, &mut buffer)?;
        let (read, body) = ServerHeader::decode(&buffer[..len])?;
        prop_assert_eq!(read, ServerHeader { command: reply.command().number(), ..header });
        prop_assert_eq!(Reply::decode(reply.command(), body)?, reply);
        prop_assert_eq!(layout::behind(&Reply::layout(reply.command()).unwrap(), body), Some(&[][..]));
        let key = Key::new(&bytes[..4]);
        // A body of the longest may have no room for the padding.
        if let Ok(len) = seal_reply(&key, len, &mut buffer) {
            let (read, body) = ServerHeader::decode(&buffer[..len])?;
            let mut scratch = [0xAA; MAX_DATAGRAM];
            prop_assert_eq!(open_reply(&read, body, Some(&key), &mut scratch)?, reply);
        }
        // What later servers may have to say behind it is passed over, but for the fields that may be missing.
        kinds.note(reply.command());
        Ok(())
    });
    kinds.all(|info| info.reply);
}

#[test]
fn headers() {
    on_bytes(2_000, |bytes| {
        let (client, server): (ClientHeader, ServerHeader) = made(bytes)?;
        let mut buffer = [0x55; HEADER_LEN];
        client.encode(&mut Writer::new(&mut buffer))?;
        prop_assert_eq!(ClientHeader::decode(&buffer)?, (client, &[][..]));
        server.encode(&mut Writer::new(&mut buffer))?;
        prop_assert_eq!(ServerHeader::decode(&buffer)?, (server, &[][..]));
        Ok(())
    });
}

#[test]
fn texts() {
    on_bytes(6_000, |bytes| {
        let message: Message<'_> = made(bytes)?;
        let text = message.to_vec();
        let read = Message::parse(message.kind(), &text)?;
        prop_assert_eq!(read.kind(), message.kind());
        // A separator or a NUL within a field goes out as `?`: what was read is written the same.
        prop_assert_eq!(read.to_vec(), text.clone());
        if !bytes.iter().any(|byte| matches!(byte, 0 | 0xFF)) {
            prop_assert_eq!(read, message);
        }
        Ok(())
    });
}

#[test]
fn frames_of_direct_sessions() {
    on_bytes(4_000, |bytes| {
        let (message, file, uin): (PeerMessage<'_>, PeerFile<'_>, Uin) = made(bytes)?;
        let face = Face(bytes[0]);
        let mut buffer = [0x55; 2 + peer::MAX_PEER_FRAME];
        if !matches!(message, PeerMessage::Message { kind, text, .. } if !message_kinds::has_text(kind) && !text.is_empty())
        {
            let len = message.encode(uin, face, &mut buffer)?;
            let (header, read) = PeerMessage::decode(&buffer[2..len])?;
            prop_assert_eq!((header.uin, header.face, read), (uin, face, message));
            prop_assert_eq!(behind_frame(PeerMessage::LAYOUTS, &buffer[2..len]), Some(&[][..]));
        }
        let len = file.encode(uin, face, &mut buffer)?;
        let (header, read) = PeerFile::decode(&buffer[2..len])?;
        prop_assert_eq!((header.uin, header.face, read), (uin, face, file));
        prop_assert_eq!(behind_frame(PeerFile::LAYOUTS, &buffer[2..len]), Some(&[][..]));
        Ok(())
    });
}

fn behind_frame<'a>(layouts: &[peer::PacketLayout], frame: &'a [u8]) -> Option<&'a [u8]> {
    let (header, body) = PeerHeader::decode(frame).unwrap();
    let (_, _, layout) = layouts.iter().find(|(number, ..)| *number == header.command).unwrap();
    layout::behind(layout, body)
}

/// A buffer that is too small gives an error and never a part of a datagram that looks whole.
#[test]
fn small_buffers() {
    on_bytes(1_000, |bytes| {
        let request: Request<'_> = made(bytes)?;
        let mut buffer = [0; MAX_DATAGRAM];
        let len = encode_request(&Envelope::default(), &request, Some(9), None, &mut buffer)?;
        for short in [0, HEADER_LEN - 1, HEADER_LEN, len - 1] {
            if short < len {
                let encoded = encode_request(&Envelope::default(), &request, Some(9), None, &mut buffer[..short]);
                prop_assert!(matches!(encoded, Err(EncodeError::Full(_))), "{encoded:?}");
            }
        }
        prop_assert_eq!(encode_request(&Envelope::default(), &request, Some(9), None, &mut buffer[..len])?, len);
        Ok(())
    });
}
