//! What can be said with a slash.

use myicq_client::{GroupId, Status, Uin};

/// A command as people see it.
#[derive(Debug)]
pub(crate) struct Syntax {
    pub(crate) name: &'static str,
    /// What may stand behind it.
    pub(crate) arguments: &'static str,
    pub(crate) about: &'static str,
}

const fn syntax(name: &'static str, arguments: &'static str, about: &'static str) -> Syntax {
    Syntax { name, arguments, about }
}

/// All of them, in the order in which the help shows them.
pub(crate) const COMMANDS: [Syntax; 22] = [
    syntax("help", "[COMMAND]", "what there is, and the keys"),
    syntax("msg", "WHO [TEXT]", "go to somebody, and say something"),
    syntax("add", "UIN [REASON]", "put somebody on the list; with a reason, ask him where he wants to be asked"),
    syntax("remove", "[WHO]", "take somebody off the list"),
    syntax("auth", "[WHO]", "let somebody add you who has asked (Alt-y)"),
    syntax("deny", "[WHO] [REASON]", "do not let him; refuse his file (Alt-n)"),
    syntax("find", "[UIN|NICK|EMAIL]", "find users; some who are here, where nothing is said"),
    syntax("info", "[WHO]", "what somebody says of himself; \"me\" is you"),
    syntax("status", "online|away|invisible", "what your contacts see"),
    syntax("file", "[WHO] PATH", "offer a file"),
    syntax("accept", "", "take the file that is offered here (Alt-y)"),
    syntax("cancel", "", "give up the file that is on its way here"),
    syntax("rooms", "[TYPE]", "the groups there are"),
    syntax("join", "NUMBER [PASSWORD]", "enter a group"),
    syntax("create", "NAME", "make a group and enter it"),
    syntax("password", "[PASSWORD]", "the password for the group that /create makes next"),
    syntax("leave", "", "leave this group"),
    syntax("close", "", "take this conversation from the list, if nobody on your list is in it"),
    syntax("history", "[WORDS]", "what was said here earlier, or all in which these words are"),
    syntax("set", "[NAME on|off]", "bell, read (tell of reading), typing (tell of typing)"),
    syntax("redraw", "", "draw everything again (Ctrl-L)"),
    syntax("quit", "", "log out and end (Ctrl-C twice)"),
];

/// What was said with a slash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    Help(Option<String>),
    Message { who: String, text: String },
    Add { whom: Uin, reason: String },
    Remove(Option<String>),
    Authorize(Option<String>),
    Deny { words: String },
    File(String),
    Accept,
    Cancel,
    Find(String),
    Info(Option<String>),
    Status(Status),
    Rooms(u16),
    Join { group: GroupId, password: String },
    Create(String),
    Password(String),
    Leave,
    Close,
    History(String),
    Set(Option<(String, bool)>),
    Redraw,
    Quit,
}

/// Reads what stands behind the slash.
pub(crate) fn parse(line: &str) -> Result<Command, String> {
    let (name, rest) = first_word(line);
    let Some(syntax) = find(name) else {
        return Err(unknown(name));
    };
    let usage = || format!("/{} {}: {}", syntax.name, syntax.arguments, syntax.about);
    let word = || Some(rest.to_owned()).filter(|word| !word.is_empty());
    let needed = || word().ok_or_else(usage);
    let nothing = |command| if rest.is_empty() { Ok(command) } else { Err(usage()) };
    match syntax.name {
        "help" => Ok(Command::Help(word())),
        "msg" => {
            let (who, text) = first_word(rest);
            let who = needed().map(|_| who.to_owned())?;
            Ok(Command::Message { who, text: text.to_owned() })
        }
        "add" => {
            let (whom, reason) = first_word(rest);
            let whom = whom.parse().map_err(|_| usage())?;
            Ok(Command::Add { whom, reason: reason.to_owned() })
        }
        "remove" => Ok(Command::Remove(word())),
        "auth" => Ok(Command::Authorize(word())),
        "deny" => Ok(Command::Deny { words: rest.to_owned() }),
        "file" => needed().map(Command::File),
        "accept" => nothing(Command::Accept),
        "cancel" => nothing(Command::Cancel),
        "find" => Ok(Command::Find(rest.to_owned())),
        "info" => Ok(Command::Info(word())),
        "status" => match rest {
            "online" => Ok(Command::Status(Status::ONLINE)),
            "away" => Ok(Command::Status(Status::AWAY)),
            "invisible" => Ok(Command::Status(Status::INVISIBLE)),
            _ => Err(usage()),
        },
        "rooms" if rest.is_empty() => Ok(Command::Rooms(0)),
        "rooms" => rest.parse().map(Command::Rooms).map_err(|_| usage()),
        "join" => {
            let (group, password) = first_word(rest);
            let group = group.trim_start_matches('#').parse().map_err(|_| usage())?;
            Ok(Command::Join { group, password: password.to_owned() })
        }
        "create" => needed().map(Command::Create),
        "password" => Ok(Command::Password(rest.to_owned())),
        "leave" => nothing(Command::Leave),
        "close" => nothing(Command::Close),
        "history" => Ok(Command::History(rest.to_owned())),
        "set" if rest.is_empty() => Ok(Command::Set(None)),
        "set" => match first_word(rest) {
            (name, value @ ("on" | "off")) => Ok(Command::Set(Some((name.to_owned(), value == "on")))),
            _ => Err(usage()),
        },
        "redraw" => nothing(Command::Redraw),
        _ => nothing(Command::Quit),
    }
}

/// Whether a line holds what should not come back with the arrow key.
pub(crate) fn is_secret(line: &str) -> bool {
    let (name, rest) = first_word(line);
    match name {
        "/password" => !rest.is_empty(),
        "/join" => !first_word(rest).1.is_empty(),
        _ => false,
    }
}

/// The command of this name, or of which this is the beginning and of no other.
pub(crate) fn find(name: &str) -> Option<&'static Syntax> {
    let exact = COMMANDS.iter().find(|syntax| syntax.name == name);
    let mut beginning = COMMANDS.iter().filter(|syntax| !name.is_empty() && syntax.name.starts_with(name));
    exact.or_else(|| beginning.next().filter(|_| beginning.next().is_none()))
}

fn unknown(name: &str) -> String {
    let alike: Vec<String> = COMMANDS
        .iter()
        .filter(|syntax| !name.is_empty() && syntax.name.starts_with(name))
        .map(|syntax| format!("/{}", syntax.name))
        .collect();
    match alike.len() {
        0 => format!("there is no /{name}: /help lists what there is, and // sends a slash"),
        _ => format!("/{name} may be {}", alike.join(" or ")),
    }
}

/// The first word and what follows it.
pub(crate) fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_their_words() {
        let message = Command::Message { who: "Bob".into(), text: "hello  there".into() };
        assert_eq!(parse("msg  Bob hello  there "), Ok(message));
        let add = Command::Add { whom: Uin(10_002), reason: "it is me".into() };
        assert_eq!(parse("add 10002 it is me"), Ok(add));
        assert_eq!(parse("status away"), Ok(Command::Status(Status::AWAY)));
        assert_eq!(parse("q"), Ok(Command::Quit), "a beginning is enough where it is that of one alone");
        assert_eq!(parse("set bell off"), Ok(Command::Set(Some(("bell".into(), false)))));
        let join = Command::Join { group: GroupId(7), password: "open it".into() };
        assert_eq!(parse("join #7 open it"), Ok(join));
        assert_eq!(parse("rooms"), Ok(Command::Rooms(0)));
    }

    #[test]
    fn what_is_wrong_says_how_it_would_be_right() {
        for line in [
            "msg",
            "add",
            "add Bob",
            "status",
            "status here",
            "rooms x",
            "join",
            "create",
            "file",
            "set bell",
            "leave it",
        ] {
            let (name, _) = first_word(line);
            assert!(parse(line).is_err_and(|usage| usage.starts_with(&format!("/{name} "))), "{line}");
        }
        assert_eq!(parse("re"), Err("/re may be /remove or /redraw".into()));
        assert!(parse("").is_err() && parse("dance").is_err());
    }

    #[test]
    fn every_command_in_the_table_is_read() {
        for syntax in &COMMANDS {
            let read = parse(syntax.name);
            let is_usage = |text: &String| text.starts_with(&format!("/{} {}", syntax.name, syntax.arguments));
            assert!(read.as_ref().err().is_none_or(is_usage), "{read:?}");
        }
    }

    #[test]
    fn passwords_do_not_come_back() {
        assert!(is_secret("/join 7 open") && is_secret("/password open"));
        assert!(!is_secret("/join 7") && !is_secret("/password") && !is_secret("/msg 7 open"));
    }
}
