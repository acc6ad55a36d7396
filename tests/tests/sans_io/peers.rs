//! What the machines of direct sessions do with peers that are slow, silent, too loud or liars, and that two of ours bring a file over whatever
//! is cut.
#![expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is test: what is not as it must be ends it, or is shown"
)]

use std::time::Duration;

use myicq_client::peer::{
    FileEvent, FileHash, FileResult, FileSession, Identity, LetterId, MAX_UNACKNOWLEDGED, MAX_UNCONFIRMED,
    MessageEvent, MessageSession, PeerEnd, PeerTimeouts, Side,
};
use myicq_client::{Face, Uin};
use myicq_wire::peer::{Hello, PeerFile, PeerMessage};
use myicq_wire::{Instant, MessageKind, Str};

const START: Instant = Instant(1_000_000);
const ANN: Uin = Uin(10_001);
const BEN: Uin = Uin(10_002);

fn identity(uin: Uin) -> Identity {
    Identity { uin, face: Face(7), domain: b"example.org".to_vec() }
}

fn timeouts() -> PeerTimeouts {
    PeerTimeouts::default()
}

fn message(uin: Uin, packet: &PeerMessage<'_>) -> Vec<u8> {
    let mut buffer = vec![0; 5_000];
    let len = packet.encode(uin, Face(7), &mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

fn file(uin: Uin, packet: &PeerFile<'_>) -> Vec<u8> {
    let mut buffer = vec![0; 40_000];
    let len = packet.encode(uin, Face(7), &mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

fn hello(is_sender: bool, extensions: u32) -> Hello<'static> {
    Hello { is_sender, domain: Some(Str(b"example.org")), extensions }
}

fn text(id: u32) -> PeerMessage<'static> {
    PeerMessage::Message { id, kind: MessageKind::TEXT, time: 5, text: Str(b"hello") }
}

/// Ann has accepted a connection from an address where Ben is.
fn accepted(input: &[Vec<u8>]) -> MessageSession {
    let mut session = MessageSession::accepted(START, identity(ANN), vec![BEN], timeouts());
    input.iter().for_each(|piece| session.handle_input(START, piece));
    session
}

#[test]
fn whoever_is_not_who_he_says_is_dropped() {
    let hello = PeerMessage::Hello(hello(true, 0));
    let end = |input: &[Vec<u8>]| accepted(input).ended();
    assert_eq!(end(&[message(BEN, &hello)]), None);
    assert_eq!(end(&[message(Uin(10_003), &hello)]), Some(PeerEnd::Stranger));
    assert_eq!(end(&[message(BEN, &text(1))]), Some(PeerEnd::NoHello));
    assert_eq!(end(&[message(BEN, &hello), message(BEN, &hello)]), Some(PeerEnd::Contradiction));
    assert_eq!(end(&[message(BEN, &hello), message(ANN, &text(1))]), Some(PeerEnd::Contradiction));
    assert_eq!(end(&[b"GET / HTTP/1.1\r\n".to_vec()]), Some(PeerEnd::Malformed));
    assert_eq!(end(&[message(BEN, &hello), vec![0x10, 0x01]]), Some(PeerEnd::Malformed), "a frame one byte too long");
    assert_eq!(end(&[message(BEN, &hello), vec![0x10, 0x00]]), None, "and the longest");
}

#[test]
fn whoever_is_silent_or_slow_is_dropped() {
    let hello = message(BEN, &PeerMessage::Hello(hello(true, 0)));
    let after = |session: &mut MessageSession| {
        let due = session.poll_timeout().unwrap();
        session.handle_timeout(Instant(due.0 - 1));
        assert_eq!(session.ended(), None, "not before its time");
        session.handle_timeout(due);
        (due.since(START), session.ended().unwrap())
    };
    assert_eq!(after(&mut accepted(&[])), (timeouts().hello, PeerEnd::NoHello));
    // Byte by byte does not help: the time counts from the first one.
    assert_eq!(after(&mut accepted(&[vec![hello[0]], vec![hello[1]]])), (timeouts().hello, PeerEnd::NoHello));
    let mut dripping = accepted(&[hello.clone(), vec![0]]);
    dripping.handle_input(START + Duration::from_secs(5), &[20]);
    assert_eq!(after(&mut dripping), (timeouts().frame, PeerEnd::Slow));
    assert_eq!(after(&mut accepted(std::slice::from_ref(&hello))), (timeouts().idle, PeerEnd::Idle));
    let mut deaf = accepted(&[hello]);
    assert!(deaf.send(START, LetterId(1), MessageKind::TEXT, 5, b"hello"));
    assert_eq!(after(&mut deaf), (timeouts().acknowledgement, PeerEnd::Unacknowledged));
}

#[test]
fn whoever_says_too_much_is_dropped_and_windows_have_their_ends() {
    let hello = message(BEN, &PeerMessage::Hello(hello(true, 0)));
    let mut session = accepted(&[hello]);
    assert_eq!(session.poll_event(), Some(MessageEvent::Hello(BEN)));
    for id in 0..MAX_UNCONFIRMED as u32 {
        session.handle_input(START, &message(BEN, &text(id)));
    }
    session.confirm(3);
    session.handle_input(START, &message(BEN, &text(100)));
    assert_eq!(session.ended(), None);
    for letter in 0..MAX_UNACKNOWLEDGED as u64 {
        assert!(session.send(START, LetterId(letter), MessageKind::TEXT, 5, b"hello"));
    }
    assert!(!session.send(START, LetterId(99), MessageKind::TEXT, 5, b"hello"), "one past the window");
    session.handle_input(START, &message(BEN, &PeerMessage::MessageAck { id: 0xFFFF_FFFE }));
    session.handle_input(START, &message(BEN, &PeerMessage::MessageAck { id: 0xFFFF_FFFE }));
    assert!(session.send(START, LetterId(99), MessageKind::TEXT, 5, b"hello"));
    let last = std::iter::from_fn(|| session.poll_event()).last();
    assert_eq!(last, Some(MessageEvent::Acknowledged(LetterId(0))), "and once");
    session.handle_input(START, &message(BEN, &text(101)));
    assert_eq!(session.ended(), Some(PeerEnd::TooMuch));
}

#[test]
fn what_has_an_effect_on_the_server_is_not_taken_directly() {
    let mut session = accepted(&[message(BEN, &PeerMessage::Hello(hello(true, 0)))]);
    for kind in [MessageKind::AUTH_ACCEPTED, MessageKind::AUTH_REQUEST, MessageKind::AUTH_REJECTED, MessageKind::ADDED]
    {
        let forged = PeerMessage::Message { id: 1, kind, time: 5, text: Str(b"7\xffnick\xffwhy") };
        session.handle_input(START, &message(BEN, &forged));
    }
    assert_eq!(std::iter::from_fn(|| session.poll_event()).count(), 1, "the HELLO alone");
}

/// Ben sends to Ann, who says `extensions`.
struct Pair {
    sender: FileSession,
    receiver: FileSession,
}

impl Pair {
    fn new(sender_side: Side, size: u64) -> Self {
        let receiver_side = if sender_side == Side::Connected { Side::Accepted } else { Side::Connected };
        let offer = ("notes.txt".to_owned(), size);
        Self {
            sender: FileSession::sending(START, identity(BEN), ANN, sender_side, offer, timeouts()),
            receiver: FileSession::receiving(START, identity(ANN), BEN, receiver_side, timeouts()),
        }
    }

    /// Lets both talk until nothing happens any more. The receiver has the first `have` bytes of `content` before.
    fn run(&mut self, content: &[u8], have: &[u8]) -> (Vec<u8>, Option<FileResult>) {
        let (mut file, mut result) = (have.to_vec(), None);
        let hash = |bytes: &[u8]| {
            FileHash([bytes.iter().fold(bytes.len() as u8, |sum, byte| sum.wrapping_mul(31) ^ byte); 32])
        };
        loop {
            let (down, up) = (self.sender.take_output(), self.receiver.take_output());
            if down.is_empty() && up.is_empty() {
                return (file, result);
            }
            let mut input = &down[..];
            while let Some(event) = self.receiver.next_event(START, &mut input).unwrap() {
                match event {
                    FileEvent::Offered { name, size, can_resume } => {
                        assert_eq!((name.as_str(), size, can_resume), ("notes.txt", content.len() as u64, true));
                        self.receiver.accept(START, have.len() as u64, hash(have));
                    }
                    FileEvent::Started { offset } => file.truncate(offset as usize),
                    FileEvent::Data(bytes) => file.extend_from_slice(bytes),
                    FileEvent::Whole { hash: expected } => {
                        let is_right = expected == Some(hash(&file));
                        self.receiver.conclude(if is_right { FileResult::DONE } else { FileResult::DAMAGED });
                    }
                    event => panic!("{event:?}"),
                }
            }
            let mut input = &up[..];
            while let Some(event) = self.sender.next_event(START, &mut input).unwrap() {
                match event {
                    FileEvent::Requested { offset, hash: theirs } => {
                        let begins_so = theirs.is_some_and(|theirs| theirs == hash(&content[..offset as usize]));
                        let offset = if begins_so { offset } else { 0 };
                        self.sender.start(START, offset);
                        self.sender.data(&content[offset as usize..]);
                        self.sender.finish(START, hash(content));
                    }
                    FileEvent::Concluded(concluded) => result = Some(concluded),
                    event => panic!("{event:?}"),
                }
            }
        }
    }
}

#[test]
fn a_file_between_two_of_ours_whoever_listens() {
    let content: Vec<u8> = (0..100_000_u32).map(|at| (at * 7 % 251) as u8).collect();
    for side in [Side::Connected, Side::Accepted] {
        for have in [&content[..0], &content[..1], &content[..70_000], &content[..], &[9; 500][..]] {
            let mut pair = Pair::new(side, content.len() as u64);
            let (file, result) = pair.run(&content, have);
            assert!(file == content && result == Some(FileResult::DONE), "{side:?}, {} bytes there", have.len());
            assert!(pair.sender.is_over() && pair.receiver.is_over());
        }
        let (file, result) = Pair::new(side, 0).run(&[], &[]);
        assert_eq!((file.len(), result), (0, Some(FileResult::DONE)), "an empty one");
    }
}

/// The receiver has said HELLO to a sender that is played by the test.
fn receiver(input: &[Vec<u8>]) -> Result<Vec<String>, PeerEnd> {
    let mut session = FileSession::receiving(START, identity(ANN), BEN, Side::Accepted, timeouts());
    let (stream, mut seen) = (input.concat(), Vec::new());
    let mut input = &stream[..];
    while let Some(event) = session.next_event(START, &mut input)? {
        let is_offer = matches!(event, FileEvent::Offered { .. });
        seen.push(format!("{event:?}").split([' ', '(']).next().unwrap().to_owned());
        if is_offer {
            session.accept(START, 0, FileHash([0; 32]));
        }
    }
    Ok(seen)
}

#[test]
fn senders_that_lie_are_dropped() {
    let hello = file(BEN, &PeerFile::Hello(hello(true, 0)));
    let info = |name: &'static [u8], size| file(BEN, &PeerFile::FileInfo { name: Str(name), size });
    let data = |len: usize| file(BEN, &PeerFile::FileData(&vec![1; len]));
    let end = |input: &[Vec<u8>]| receiver(input);
    assert_eq!(end(&[hello.clone(), info(b"a", 3), data(3)]).unwrap(), ["Offered", "Started", "Data", "Whole"]);
    assert_eq!(end(&[hello.clone(), info(b"a", 0)]).unwrap(), ["Offered", "Started", "Whole"]);
    assert_eq!(end(&[hello.clone(), info(b"a", 3), data(4)]), Err(PeerEnd::Contradiction), "one byte more");
    assert_eq!(end(&[hello.clone(), info(b"a", 3), data(2), info(b"b", 3)]), Err(PeerEnd::Contradiction));
    assert_eq!(end(&[hello.clone(), data(1)]), Err(PeerEnd::Contradiction), "bytes of nothing");
    assert_eq!(end(&[info(b"a", 3)]), Err(PeerEnd::NoHello));
    assert_eq!(end(&[data(3)]), Err(PeerEnd::NoHello));
    assert_eq!(end(&[file(ANN, &PeerFile::FileReceive)]), Err(PeerEnd::Stranger));
    let receiving = file(BEN, &PeerFile::Hello(Hello { is_sender: false, ..self::hello(true, 0) }));
    assert_eq!(end(&[receiving]), Err(PeerEnd::Contradiction), "two receivers");
    for name in [&b"../a"[..], b"", b"con", b"a/b", b"\xff\xfe/"] {
        assert_eq!(end(&[hello.clone(), info(name, 3)]).unwrap(), ["BadName"], "{}", name.escape_ascii());
    }
    let offer = file(BEN, &PeerFile::FileOffer { name: Str(b"a"), size: u64::MAX });
    let start = |offset| file(BEN, &PeerFile::FileStart { offset });
    assert_eq!(end(&[hello.clone(), offer.clone(), start(0), data(9)]).unwrap(), ["Offered", "Started", "Data"]);
    assert_eq!(end(&[hello.clone(), offer.clone(), start(1)]), Err(PeerEnd::Contradiction), "from where nothing is");
    let finish = file(BEN, &PeerFile::FileEnd { hash: FileHash([0; 32]) });
    assert_eq!(end(&[hello, offer, start(0), data(9), finish]), Err(PeerEnd::Contradiction), "too early");
}

#[test]
fn a_sender_waits_for_each_thing_its_time_and_no_longer() {
    let offer = || ("notes.txt".to_owned(), 9);
    let mut sender = FileSession::sending(START, identity(BEN), ANN, Side::Accepted, offer(), timeouts());
    assert_eq!(sender.handle_timeout(START + timeouts().hello), Err(PeerEnd::NoHello));
    let stream = file(ANN, &PeerFile::Hello(Hello { is_sender: false, ..hello(true, 0) }));
    assert_eq!(sender.next_event(START, &mut &stream[..]), Ok(None));
    assert!(!sender.is_long());
    assert_eq!(sender.poll_timeout(), Some(START + timeouts().decision));
    assert_eq!(sender.handle_timeout(START + timeouts().decision), Err(PeerEnd::Slow));
    let stream = file(ANN, &PeerFile::FileReceive);
    sender.next_event(START, &mut &stream[..]).unwrap().unwrap();
    assert_eq!(sender.poll_timeout(), None, "it is for the owner now");
    sender.start(START, 0);
    assert_eq!(sender.handle_timeout(START + timeouts().piece), Err(PeerEnd::Slow));
    sender.on_written(START + Duration::from_secs(9));
    assert_eq!(sender.handle_timeout(START + timeouts().piece), Ok(()));
    assert_eq!(sender.handle_closed(), Err(PeerEnd::Cut));
}

#[test]
fn a_client_of_2003_is_not_sent_what_its_four_bytes_cannot_count() {
    let connected = |size| {
        let offer = ("notes.txt".to_owned(), size);
        let mut sender = FileSession::sending(START, identity(BEN), ANN, Side::Connected, offer, timeouts());
        sender.handle_timeout(sender.poll_timeout().unwrap())
    };
    assert_eq!(connected(u64::from(u32::MAX)), Ok(()));
    assert_eq!(connected(u64::from(u32::MAX) + 1), Err(PeerEnd::TooLargeForPeer));
}
