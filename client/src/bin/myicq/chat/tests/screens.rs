//! What people see.

use myicq_client::{Authorization, Face, Message};

use super::*;
use crate::chat::model::{Found, LineId, Progress};

fn sent(chat: &mut Chat, is_delivered: bool, id: u64) {
    let request = chat.asked().into_iter().find(|request| matches!(request, Request::Send { .. })).unwrap();
    let progress = if is_delivered { Progress::Delivered } else { Progress::Sent };
    chat.answer(request, Ok(Reply::Sent(progress, Some(id))));
}

#[test]
fn a_conversation() {
    let mut chat = Chat::with_contacts();
    chat.model.handle_recalled(
        BOB,
        vec![past(BOB, false, NOON - 86_400, "see you tomorrow"), past(BOB, true, NOON - 86_390, "yes")],
    );
    chat.press(&["M-2"]);
    chat.hears(
        BOB,
        7,
        Message::text("hello Ann, how are you? I have been looking for you all over the place since this morning"),
    );
    for (text, is_delivered, id) in [("read", true, 8), ("delivered", true, 9), ("stored", false, 10)] {
        chat.press(&[text, "Enter"]);
        sent(&mut chat, is_delivered, id);
    }
    chat.happens(Event::Read { by: BOB, up_to: 8 });
    chat.press(&["still on its way", "Enter"]);
    chat.hears(LI, 11, Message::text("你好"));
    chat.happens(Event::Typing { from: BOB, is_typing: true });
    chat.press(&["and what I am typi"]);
    chat.shows("conversation");
}

#[test]
fn nothing_yet() {
    Chat::new().shows("beginning");
}

#[test]
fn wide_characters_and_hostile_ones() {
    let mut chat = Chat::with_contacts();
    chat.press(&["M-3"]);
    chat.hears(LI, 1, Message::text("三星堆遗址位于四川省广汉市，是一处距今约三千到五千年的古蜀文化遗址，被称为二十世纪人类最伟大的考古发现之一"));
    chat.hears(LI, 2, Message::text("a\u{1b}[2Jb\u{9b}31mc\u{202e}d\te\r\n12:00 Bob: I never said this"));
    chat.hears(LI, 3, Message::text("family 👩‍👧 e\u{301} ｱﾞ"));
    chat.press(&["我也很好，谢谢你。今天天气不错，我们下午一起去公园散步怎么样？晚上再去吃火锅，好不好"]);
    let (buffer, _) = chat.drawn();
    assert!(buffer.content().iter().all(|cell| !cell.symbol().contains(crate::output::is_obeyed)));
    chat.shows("wide");
}

#[test]
fn somebody_asks() {
    let mut chat = Chat::with_contacts();
    let ask =
        Message::AuthRequest { face: Face(0), nick: "Eve\n12:00 Bob: hi".into(), reason: "we met at the fair".into() };
    chat.hears(EVE, 1, ask);
    chat.press(&["M-a"]);
    chat.shows("authorization");
    chat.press(&["M-y"]);
    assert!(chat.asked().contains(&Request::Authorize(EVE)));
    chat.press(&["M-y"]);
    assert!(!chat.asked().contains(&Request::Authorize(EVE)), "it is answered once");
}

#[test]
fn people_are_found() {
    let mut chat = Chat::with_contacts();
    chat.press(&["/find Bob", "Enter"]);
    let request = Request::FindWords { nick: "Bob".into(), email: String::new() };
    assert_eq!(chat.asked(), std::slice::from_ref(&request));
    let found = [(10_002, true, "Bob", "Kent"), (10_040, false, "Bob\u{1b}[31m", ""), (10_041, true, "bob", "四川")];
    let found = found.map(|(uin, online, nick, province)| Found {
        uin: Uin(uin),
        is_here: online,
        nick: nick.into(),
        province: province.into(),
    });
    chat.answer(request, Ok(Reply::Found(found.into())));
    chat.shows("search");
}

#[test]
fn a_group() {
    let mut chat = Chat::with_contacts();
    chat.press(&["/join 7", "Enter"]);
    let request = chat.asked().pop().unwrap();
    let members = [(ME, "Ann"), (BOB, "Bob"), (EVE, "Eve")];
    let members = members.map(|(uin, nick)| (uin, nick.to_owned()));
    chat.answer(request, Ok(Reply::Members(members.into())));
    let group = myicq_client::GroupId(7);
    let titled = vec![(group, "chess club".to_owned(), 3)];
    chat.answer(Request::Group(group), Ok(Reply::Groups(titled)));
    chat.happens(Event::GroupMessage { group, from: EVE, time: NOON, text: "who plays?".into() });
    chat.press(&["me", "Enter"]);
    chat.answer(Request::Say { group, text: "me".into(), line: LineId(0) }, Ok(Reply::Done));
    chat.happens(Event::GroupExited { group, uin: BOB });
    chat.shows("group");
}

#[test]
fn the_server_is_lost() {
    let mut chat = Chat::with_contacts();
    chat.press(&["M-2", "are you there?"]);
    chat.happens(Event::ConnectionLost { reason: myicq_client::EndReason::Lost, retry_in_ms: 3_500 });
    chat.press(&["Enter"]);
    assert_eq!(chat.asked(), [Request::Typing { to: BOB, is_typing: true }], "nothing is sent into the void");
    chat.press(&["M-1"]);
    chat.shows("lost");
    chat.press(&["M-2"]);
    assert!(chat.screen().contains("Bob> are you there?"), "what could not be sent is still there");
}

#[test]
fn what_was_typed_is_looked_for() {
    let mut chat = Chat::with_contacts();
    chat.press(&["M-2", "first", "Enter", "second", "Enter", "C-r", "fi"]);
    chat.shows("typed_before");
}

#[test]
fn a_file() {
    let mut chat = Chat::with_contacts();
    let transfer = myicq_client::TransferId(3);
    chat.happens(Event::FileOffered { transfer, from: BOB, reason: "holiday.tar.gz, 40.00 MiB".into() });
    chat.press(&["M-a"]);
    chat.shows("offer");
    chat.press(&["M-y"]);
    assert_eq!(chat.asked(), [Request::Accept(transfer)]);
    let name = "holiday.tar.gz".to_owned();
    chat.happens(Event::FileStarted { transfer, with: BOB, name, size: 40 << 20, resumed: 0, is_relayed: false });
    chat.happens(Event::FileProgress { transfer, done: 15 << 20, size: 40 << 20, per_second: 5 << 20 });
    chat.shows("file");
    chat.press(&["/cancel", "Enter"]);
    assert_eq!(chat.asked(), [Request::Cancel(transfer)]);
    chat.happens(Event::FileFailed { transfer, with: BOB, reason: myicq_client::FileError::Cancelled });
    assert!(chat.model.conversations[1].transfers.is_empty());
    chat.press(&["/file Bob ~/photo 1.jpg", "Enter", "/file photo 1.jpg", "Enter"]);
    let offer = |path: &str| Request::Offer { to: BOB, path: path.into() };
    assert_eq!(chat.asked(), [offer("~/photo 1.jpg"), offer("photo 1.jpg")]);
}

#[test]
fn the_help() {
    let mut chat = Chat::with_contacts();
    chat.size = (80, 40);
    chat.press(&["/help", "Enter"]);
    chat.shows("help");
}

#[test]
fn a_small_screen() {
    let mut chat = Chat::with_contacts();
    chat.size = (40, 10);
    chat.press(&["M-2"]);
    chat.hears(BOB, 1, Message::text("a small screen has room for one conversation and no list"));
    chat.shows("small");
    for size in [(1, 1), (2, 4), (80, 3), (7, 5), (300, 100)] {
        chat.size = size;
        chat.press(&["PgUp", "x", "PgDn"]);
    }
}

#[test]
fn whom_one_may_not_just_add() {
    let mut chat = Chat::with_contacts();
    chat.press(&["/add 10666", "Enter"]);
    let request = chat.asked().pop().unwrap();
    chat.answer(request, Ok(Reply::Added(Authorization::REQUIRED)));
    chat.press(&["/add 10666 we met at the fair"]);
    chat.shows("adding");
    chat.press(&["Enter"]);
    let request = chat.asked().pop().unwrap();
    chat.answer(request, Ok(Reply::Added(Authorization::REQUIRED)));
    assert_eq!(chat.asked(), [Request::AskToAdd { whom: EVE, reason: "we met at the fair".into() }]);
}

#[test]
fn without_colour_nothing_has_one() {
    let mut chat = Chat::with_contacts();
    chat.press(&["M-2", "hello", "Enter"]);
    let coloured = |chat: &mut Chat| {
        let (buffer, _) = chat.drawn();
        buffer.content().iter().filter(|cell| cell.fg != ratatui::style::Color::Reset).count()
    };
    assert!(coloured(&mut chat) > 0);
    let screen = chat.screen();
    chat.look.has_colour = false;
    assert_eq!((coloured(&mut chat), chat.screen()), (0, screen));
}
