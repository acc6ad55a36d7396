//! What keys and events lead to, where the screen does not show it.

use myicq_client::{EndReason, Message};

use super::*;
use crate::chat::model::{Progress, With};

fn shown(chat: &Chat) -> With {
    chat.model.shown().unwrap().with
}

#[test]
fn keys_go_from_conversation_to_conversation() {
    let mut chat = Chat::with_contacts();
    for (key, with) in [
        ("F6", With::User(BOB)),
        ("C-n", With::User(LI)),
        ("M-Right", With::Program),
        ("F5", With::User(LI)),
        ("C-p", With::User(BOB)),
        ("M-3", With::User(LI)),
        ("C-x", With::User(BOB)),
        ("M-9", With::User(BOB)),
        ("M-Left", With::Program),
    ] {
        chat.press(&[key]);
        assert_eq!(shown(&chat), with, "{key}");
    }
    chat.hears(LI, 1, Message::text("hi"));
    chat.press(&["M-a"]);
    assert_eq!(shown(&chat), With::User(LI));
    chat.press(&["M-a"]);
    assert_eq!(shown(&chat), With::User(LI));
}

#[test]
fn what_is_typed_stays_with_its_conversation() {
    let mut chat = Chat::with_contacts();
    chat.press(&["M-2", "to Bob", "F6", "to Li", "F5"]);
    assert_eq!(chat.model.editor.text(), "to Bob");
    chat.press(&["F6"]);
    assert_eq!(chat.model.editor.text(), "to Li");
}

#[test]
fn who_has_put_one_on_his_list_is_offered_for_ones_own_where_he_is_not_on_it() {
    let hint = |chat: &mut Chat, from| {
        chat.hears(from, 1, Message::Added);
        chat.press(&["M-a"]);
        chat.screen().contains(&format!("/add {from}"))
    };
    assert!(hint(&mut Chat::with_contacts(), EVE));
    assert!(!hint(&mut Chat::with_contacts(), BOB));
    // The list may come after what was said meanwhile.
    assert!(!hint(&mut Chat::new(), EVE));
}

#[test]
fn a_message_is_read_when_it_is_seen() {
    let mut chat = Chat::with_contacts();
    chat.hears(BOB, 5, Message::text("one"));
    chat.hears(BOB, 6, Message::text("two"));
    assert_eq!(chat.actions(), [Action::Bell], "one bell for all that comes together");
    chat.press(&["M-2"]);
    assert_eq!(chat.asked(), [Request::Read { from: BOB, up_to: 6 }]);
    chat.hears(BOB, 7, Message::text("three"));
    assert_eq!(chat.asked(), [Request::Read { from: BOB, up_to: 7 }]);
    chat.press(&["/set read off", "Enter"]);
    chat.hears(BOB, 8, Message::text("four"));
    assert_eq!(chat.asked(), []);
}

#[test]
fn scrolled_up_nothing_new_is_seen() {
    let mut chat = Chat::with_contacts();
    chat.press(&["M-2"]);
    for id in 0..50 {
        chat.hears(BOB, id, Message::text(format!("line {id}")));
    }
    chat.drawn();
    chat.press(&["PgUp"]);
    chat.asked();
    chat.hears(BOB, 50, Message::text("surprise"));
    assert_eq!(chat.asked(), []);
    assert!(chat.screen().contains("line 20") && !chat.screen().contains("surprise"), "{}", chat.screen());
    chat.press(&["PgUp", "PgUp", "PgUp", "PgUp", "PgUp"]);
    assert!(chat.screen().contains("line 0"));
    chat.press(&["PgDn", "PgDn", "PgDn", "PgDn"]);
    assert!(chat.screen().contains("surprise"), "{}", chat.screen());
    assert_eq!(chat.asked(), [Request::Read { from: BOB, up_to: 50 }]);
}

#[test]
fn typing_is_told_once_and_again_from_time_to_time() {
    let mut chat = Chat::with_contacts();
    chat.press(&["M-2", "he"]);
    let typing = |is_typing| Request::Typing { to: BOB, is_typing };
    assert_eq!(chat.asked(), [typing(true)]);
    chat.now += 10;
    chat.press(&["l"]);
    assert_eq!(chat.asked(), [typing(true)]);
    assert_eq!(chat.model.poll_timeout(), Some(chat.now + 10));
    chat.model.handle_timeout(chat.now + 10);
    assert_eq!(chat.asked(), [typing(false)]);
    chat.press(&["l", "C-u"]);
    assert_eq!(chat.asked(), [typing(true), typing(false)]);
    chat.press(&["/msg", "C-u"]);
    assert_eq!(chat.asked(), [], "a command is nobody's business");
    chat.press(&["/set typing off", "Enter", "hello"]);
    assert_eq!(chat.asked(), []);
}

#[test]
fn somebody_types_until_he_has_stopped_or_said_it() {
    let mut chat = Chat::with_contacts();
    chat.press(&["M-2"]);
    let typing = |is_typing| Event::Typing { from: BOB, is_typing };
    chat.happens(typing(true));
    assert!(chat.screen().contains("is typing"));
    chat.happens(typing(false));
    assert!(!chat.screen().contains("is typing"));
    chat.happens(typing(true));
    chat.hears(BOB, 1, Message::text("hi"));
    assert!(!chat.screen().contains("is typing"));
    chat.happens(typing(true));
    chat.model.handle_timeout(chat.model.poll_timeout().unwrap());
    assert!(!chat.screen().contains("is typing"));
}

#[test]
fn a_slash_can_be_said() {
    let mut chat = Chat::with_contacts();
    chat.press(&["M-2", "//etc/passwd", "Enter"]);
    let texts: Vec<Request> = chat.asked();
    assert!(matches!(texts.as_slice(), [.., Request::Send { text, .. }] if text == "/etc/passwd"), "{texts:?}");
    chat.press(&["/dance", "Enter"]);
    assert!(chat.screen().contains("there is no /dance"));
    assert_eq!(chat.model.editor.text(), "/dance", "what was wrong can be mended");
}

#[test]
fn names_and_commands_are_completed() {
    let mut chat = Chat::with_contacts();
    for (typed, completed) in [
        (&["/he", "Tab"][..], "/help "),
        (&["/re", "Tab", "Tab"], "/redraw "),
        (&["/re", "Tab", "Tab", "Tab"], "/remove "),
        (&["/msg b", "Tab"], "/msg Bob "),
        (&["/msg 李", "Tab"], "/msg 李雷 "),
        (&["/status a", "Tab"], "/status away "),
        (&["/set b", "Tab", "of", "Tab"], "/set bell off "),
        (&["hello bo", "Tab"], "hello Bob "),
    ] {
        chat.press(&["C-u"]);
        chat.press(typed);
        assert_eq!(chat.model.editor.text(), completed, "{typed:?}");
    }
    chat.press(&["C-u", "zz", "Tab"]);
    assert!(chat.screen().contains("nothing begins like this"));
}

#[test]
fn a_name_that_two_have_is_nobodys() {
    let mut chat = Chat::with_contacts();
    chat.hears(EVE, 1, Message::text("hi"));
    let profile = Box::new(myicq_client::Profile { nick: "bob".into(), ..myicq_client::Profile::default() });
    chat.answer(Request::Profile { uin: EVE, is_asked: false }, Ok(Reply::Profile(profile)));
    chat.press(&["/msg Bob hi", "Enter"]);
    assert!(chat.screen().contains("\"bob\" may be Bob (10002) or bob (10666)"), "{}", chat.screen());
    chat.press(&["C-u", "/msg bo", "Tab"]);
    assert_eq!(chat.model.editor.text(), "/msg 10002 ");
}

#[test]
fn what_did_not_go_out_says_so() {
    let mut chat = Chat::with_contacts();
    chat.press(&["M-2", "hello", "Enter"]);
    let request = chat.asked().into_iter().find(|request| matches!(request, Request::Send { .. })).unwrap();
    chat.answer(request, Err(RequestError::NotAcknowledged));
    let screen = chat.screen();
    assert!(screen.contains("you: hello (NOT SENT)") && screen.contains("not sent: the server did not"), "{screen}");
    chat.press(&["Up"]);
    assert_eq!(chat.model.editor.text(), "hello");
}

#[test]
fn a_stored_message_arrives_later() {
    let mut chat = Chat::with_contacts();
    chat.press(&["M-2", "hello", "Enter"]);
    let request = chat.asked().into_iter().find(|request| matches!(request, Request::Send { .. })).unwrap();
    chat.answer(request, Ok(Reply::Sent(Progress::Sent, Some(9))));
    assert!(chat.screen().contains("hello (sent)"));
    chat.happens(Event::Delivered { to: BOB, id: 9 });
    assert!(chat.screen().contains("hello (delivered)"));
    chat.happens(Event::Read { by: BOB, up_to: 8 });
    assert!(chat.screen().contains("hello (delivered)"));
    chat.happens(Event::Read { by: BOB, up_to: 9 });
    assert!(chat.screen().contains("hello (read)"));
}

#[test]
fn the_server_comes_back_and_so_do_groups() {
    let mut chat = Chat::with_contacts();
    chat.press(&["/join 7 open", "Enter"]);
    let entering = chat.asked();
    chat.answer(entering[0].clone(), Ok(Reply::Members(vec![(ME, "Ann".to_owned())])));
    chat.actions();
    chat.happens(Event::ConnectionLost { reason: EndReason::Lost, retry_in_ms: 500 });
    assert!(chat.screen().contains("NOT CONNECTED") && chat.screen().contains("1 of 2 here"), "nobody has gone yet");
    chat.happens(Event::ConnectionResumed { new_session: true });
    assert!(chat.screen().contains("0 of 2 here"), "who is here is told anew");
    let (ip, granted) = (std::net::Ipv4Addr::LOCALHOST, myicq_client::Capabilities::NONE);
    chat.happens(Event::LoggedIn { ip, online_users: 1, exactly_once: true, granted });
    assert_eq!(chat.asked(), [Request::Contacts, Request::OwnProfile { is_asked: false }, entering[0].clone()]);
}

#[test]
fn leaving_needs_two_presses() {
    let mut chat = Chat::with_contacts();
    chat.press(&["x", "C-c", "C-c", "a", "C-u", "C-c"]);
    assert!(!chat.actions().contains(&Action::Quit));
    chat.press(&["C-c"]);
    assert_eq!(chat.actions(), [Action::Quit]);
}

#[test]
fn conversations_have_an_end() {
    let mut chat = Chat::new();
    let max = u32::try_from(crate::chat::model::MAX_CONVERSATIONS).unwrap();
    for stranger in 0..=max {
        chat.hears(Uin(20_000 + stranger), 1, Message::text("buy this"));
    }
    assert_eq!(chat.model.conversations.len(), crate::chat::model::MAX_CONVERSATIONS);
    assert!(chat.screen().contains("buy this"), "what has no room of its own is shown here");
    chat.press(&["M-2", "/close", "Enter"]);
    assert_eq!(chat.model.conversations.len(), crate::chat::model::MAX_CONVERSATIONS - 1);
}

#[test]
fn lines_have_an_end() {
    let mut chat = Chat::with_contacts();
    for id in 0..=crate::chat::model::MAX_LINES as u64 {
        chat.hears(BOB, id, Message::text("again"));
    }
    assert_eq!(chat.model.conversations[1].lines.len(), crate::chat::model::MAX_LINES);
}

#[test]
fn earlier_words_are_looked_for() {
    let mut chat = Chat::with_contacts();
    chat.press(&["M-2", "/history nine", "Enter"]);
    assert_eq!(chat.actions(), [Action::Search { with: Some(BOB), words: "nine".into() }]);
    let found = vec![past(BOB, false, NOON - 900_000, "at nine?"), past(BOB, true, NOON - 899_000, "nine it is")];
    chat.model.handle_found(NOON, "nine", Ok(found));
    let screen = chat.screen();
    for text in ["2 messages with \"nine\" in it", "Tuesday, 17 November 2026", "Bob: at nine?", "you: nine it is"] {
        assert!(screen.contains(text), "{text}: {screen}");
    }
}

#[test]
fn a_paste_is_one_message() {
    let mut chat = Chat::with_contacts();
    chat.press(&["M-2"]);
    chat.model.handle_paste(NOON, "one\r\ntwo\r/quit");
    assert_eq!(chat.model.editor.text(), "one\ntwo\n/quit");
    chat.model.handle_paste(NOON, &"x".repeat(10_000));
    assert!(chat.screen().contains("too much to paste"));
}
