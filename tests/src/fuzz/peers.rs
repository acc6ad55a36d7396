//! The machines of direct sessions, at the mercy of the other side.

use myicq_client::peer::{
    FileEvent, FileHash, FileResult, FileSession, Identity, LetterId, MAX_UNACKNOWLEDGED, MAX_UNCONFIRMED,
    MessageEvent, MessageSession, PeerTimeouts, Side,
};
use myicq_client::{Face, Uin};
use myicq_wire::peer::{LONG_CHUNK_LEN, is_bare_name};
use myicq_wire::{Instant, MessageKind};

const START: Instant = Instant(1_000_000);
const BEN: Uin = Uin(10_002);

/// What the sender of a file has.
const CONTENT: &[u8] = b"what is in the file";

/// A stream from the other side, in pieces. The first two bytes say in which session, and how large the pieces are.
pub fn peer_sessions(data: &[u8]) {
    let [kind, size, stream @ ..] = data else { return };
    let (me, timeouts) = (Identity { uin: Uin(10_001), face: Face(0), domain: Vec::new() }, PeerTimeouts::default());
    let (pieces, offer) = (stream.chunks(usize::from(*size).max(1)), ("a".to_owned(), CONTENT.len() as u64));
    // The captured sessions are between these two, each of whom is the other side of one of ours.
    let (ann, ben) = (Uin(10_001), BEN);
    match kind % 6 {
        0 => messages(MessageSession::accepted(START, me, vec![ann, ben], timeouts), pieces),
        1 => messages(MessageSession::connected(START, me, ben, timeouts), pieces),
        2 => file(FileSession::receiving(START, me, ann, Side::Accepted, timeouts), pieces),
        3 => file(FileSession::sending(START, me, ben, Side::Accepted, offer, timeouts), pieces),
        4 => file(FileSession::receiving(START, me, ann, Side::Connected, timeouts), pieces),
        _ => file(FileSession::sending(START, me, ben, Side::Connected, offer, timeouts), pieces),
    }
}

fn messages<'a>(mut session: MessageSession, pieces: impl Iterator<Item = &'a [u8]>) {
    let (mut unconfirmed, mut unacknowledged, mut letter) = (Vec::new(), 0, 0);
    for piece in pieces {
        session.handle_input(START, piece);
        while let Some(event) = session.poll_event() {
            match event {
                MessageEvent::Hello(uin) => assert_eq!(session.other(), Some(uin)),
                MessageEvent::Message { id, .. } => unconfirmed.push(id),
                MessageEvent::Acknowledged(_) => unacknowledged -= 1,
            }
        }
        assert!(unconfirmed.len() <= MAX_UNCONFIRMED);
        if unconfirmed.len() > 40 {
            unconfirmed.drain(..).for_each(|id| session.confirm(id));
        }
        letter += 1;
        unacknowledged += usize::from(session.send(START, LetterId(letter), MessageKind::TEXT, 5, b"hello"));
        assert!(unacknowledged <= MAX_UNACKNOWLEDGED);
        assert!(session.ended().is_some() != session.poll_timeout().is_some());
        let written = session.output().len();
        session.on_written(written);
    }
}

fn file<'a>(mut session: FileSession, pieces: impl Iterator<Item = &'a [u8]>) {
    let (mut size, mut at) = (0, 0);
    for mut piece in pieces {
        loop {
            let Ok(event) = session.next_event(START, &mut piece) else { return };
            match event {
                None => break,
                Some(FileEvent::Offered { name, size: offered, .. }) => {
                    assert!(is_bare_name(name.as_bytes()));
                    size = offered;
                    session.accept(START, offered / 2, FileHash([0; 32]));
                }
                Some(FileEvent::Started { offset }) => at = offset,
                Some(FileEvent::Data(bytes)) => {
                    assert!(bytes.len() <= LONG_CHUNK_LEN);
                    at += bytes.len() as u64;
                    assert!(at <= size, "more of a file than it has");
                }
                Some(FileEvent::Whole { .. }) => {
                    assert_eq!(at, size);
                    session.conclude(FileResult::DAMAGED);
                }
                Some(FileEvent::Requested { offset, .. }) => {
                    assert!(offset <= CONTENT.len() as u64);
                    session.start(START, offset);
                    session.data(
                        usize::try_from(offset).ok().and_then(|offset| CONTENT.get(offset..)).unwrap_or_default(),
                    );
                    session.finish(START, FileHash([0; 32]));
                }
                Some(FileEvent::Concluded(_) | FileEvent::BadName) => assert!(session.is_over()),
            }
        }
        drop(session.take_output());
    }
}
