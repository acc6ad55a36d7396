//! What can be said on the command line.

use clap::{Parser, Subcommand};

#[cfg(feature = "chat")]
use crate::chat;
use crate::{
    auth, contacts, decode, file, group, history, listen, pages, profile, register, search, send, server, status,
};

/// A client for MyICQ (LinQ) on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "myicq",
    version,
    arg_required_else_help = true,
    after_long_help = "\
Exit codes:
  0  done
  1  something else went wrong, with the terminal, a file, or bytes to decode
  2  the arguments are wrong, or ask for what cannot be sent
  3  no server there, or no answer in time
  4  the server refused the login, the registration or the request, or does not grant what --require names
  5  the server did not acknowledge the message or the change
  6  the session ended before: lost, or replaced by another login of the same user
  7  the contact was not added: it wants to be asked first, or nobody may
  8  the file did not come to its end; given the same command again, it goes on where it was

Without --server, a server that announces itself on this network is looked for, for 3 s at most; where there is none, it is
127.0.0.1:8000. With several, nothing is done, and they are listed. A password goes to whatever announces itself: name the
server on a network that others use, too. \"myicqd invite\" prints lines that --server takes.

Environment:
  MYICQ_SERVER, MYICQ_UIN, MYICQ_PASSWORD_FILE, MYICQ_TUNNEL, MYICQ_PROXY, MYICQ_PROXY_PASSWORD_FILE, MYICQ_OFFER, MYICQ_REQUIRE,
  MYICQ_NO_SEEN, MYICQ_NO_HISTORY, MYICQ_NO_DIRECT stand in for the options of the same name
  MYICQ_LOG  what to log on stderr, for example \"debug\"

A password is never an argument (decode, which talks to nobody, is the exception): it comes from the first line of the
standard input (--password-stdin), from a file, or is asked for at the terminal.

A user has one session at a time: while \"myicq listen\" runs, another command of the same user ends it (exit code 6). Commands other than
listen leave waiting messages with the server. Where the server does not answer any more, listen says so, and comes back by itself when it does
(--no-reconnect ends it instead, with 6); the other commands end.

listen notes the numbers of the messages that it has shown in the folder for this user's data ($XDG_DATA_HOME/myicq/seen, or
~/.local/share/myicq/seen), so that none is shown again by a later run.

What send, listen and chat see said is kept in the same folder, the last 100000 messages, for \"myicq history\"; --no-history keeps nothing,
\"myicq history --forget\" deletes what is kept.

Examples:
  echo hunter2 | myicq register --server 127.0.0.1:8000 --password-stdin
  echo hunter2 | myicq send --uin 10001 --password-stdin --to 10002 'hello'
  MYICQ_UIN=10002 MYICQ_PASSWORD_FILE=~/.myicq-password myicq listen --json
  MYICQ_UIN=10002 MYICQ_PASSWORD_FILE=~/.myicq-password myicq listen --exec ./on-event
  MYICQ_UIN=10002 MYICQ_PASSWORD_FILE=~/.myicq-password myicq auth accept 10001
  MYICQ_UIN=10002 myicq contacts --proxy socks5://ann@proxy.example --proxy-password-file ~/.proxy-password
  MYICQ_UIN=10002 MYICQ_PASSWORD_FILE=~/.myicq-password myicq chat
  myicq history --uin 10002 10001 --search 'hello'"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register a new user and print his number.
    Register(register::Arguments),
    /// Send a message; done once the server has acknowledged it.
    Send(send::Arguments),
    /// Print what happens, one event a line.
    Listen(listen::Arguments),
    /// Print the numbers on the contact list.
    Contacts(contacts::ListArguments),
    /// Put somebody on the contact list.
    Add(contacts::AddArguments),
    /// Take somebody off the contact list.
    Remove(contacts::ChangeArguments),
    /// Ask somebody for his authorization, or answer somebody who asks.
    Auth(auth::Arguments),
    /// Find users by number, nick or e-mail address.
    Search(search::Arguments),
    /// List groups, make one, or enter one.
    Group(group::Arguments),
    /// Send files, and receive them.
    File(file::Arguments),
    /// Show a status to the contacts.
    Status(status::Arguments),
    /// Print a profile, or change one's own.
    Profile(profile::Arguments),
    /// List the servers that the server knows.
    Servers(server::Arguments),
    /// Say whether the server answers, how fast, and what it grants.
    Ping(server::Arguments),
    /// Say something to everybody, as the administrator (10000) may.
    Broadcast(server::BroadcastArguments),
    /// Chat in the terminal.
    #[cfg(feature = "chat")]
    Chat(chat::Arguments),
    /// Print what was said, as far as it is kept on this machine.
    History(history::Arguments),
    /// Take a datagram apart.
    Decode(decode::Arguments),
    /// Write the manual pages.
    Man(pages::ManArguments),
    /// Print what a shell needs to complete the commands.
    Completions(pages::CompletionsArguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_contract_of_the_command_line_is_kept() {
        for line in [
            "myicq register --server 127.0.0.1:8000 --password-stdin",
            "myicq send --server 127.0.0.1:8000 --uin 10001 --password-stdin --to 10002 hello",
            "myicq send --server a:1 --uin 10001 --password-stdin --to 10002 --json hello",
            "myicq listen --server a:1 --uin 10001 --password-stdin --json --count 2 --for 1500ms",
            "myicq listen --uin 10001 --offer cbc,sealed,once --require sealed --mark-read",
            "myicq register --server a:443 --tunnel --password-stdin",
            "myicq send --server a:443 --proxy http://proxy:3128 --uin 10001 --password-stdin --to 10002 hello",
            "myicq contacts --server a:1 --uin 10001 --password-stdin",
            "myicq add --server a:1 --uin 10001 --password-stdin 10002",
            "myicq remove --server a:1 --uin 10001 --password-stdin 10002",
            "myicq search --server a:1 --uin 10001 --password-stdin 10002",
            "myicq search --server a:1 --uin 10001 --password-stdin --nick Ann --email ann@example.org --after 10002",
            "myicq search --server a:1 --uin 10001 --password-stdin --random --json",
            "myicq group --server a:1 --uin 10001 --password-stdin list --json",
            "myicq group --server a:1 --uin 10001 --password-stdin create talk --say hello --for 1s",
            "myicq group --server a:1 --uin 10001 --password-stdin enter 10001 --json",
            "myicq status --server a:1 --uin 10001 --password-stdin away --for 1m",
            "myicq profile --server a:1 --uin 10001 --password-stdin",
            "myicq profile --server a:1 --uin 10001 --password-stdin 10002",
            "myicq profile --server a:1 --uin 10001 --password-stdin set --nick me --auth required",
            "myicq file send --server a:1 --uin 10001 --password-stdin 10002 notes.txt --reason why --json",
            "myicq file receive --uin 10001 --into /tmp --accept 10002 10003 --max-size 1000000 --count 1 --ports 7-9",
            "myicq listen --uin 10001 --exec ./on-event --exec-max 1 --no-reconnect --no-seen --no-direct",
            "myicq chat --uin 10001 --ports 33765-33774",
            "myicq auth --server a:1 --uin 10001 --password-stdin ask 10002 please",
            "myicq auth --server a:1 --uin 10001 --password-stdin accept 10002",
            "myicq auth accept 10002 --server a:1 --uin 10001 --password-stdin",
            "myicq profile set --nick me --uin 10001 --password-stdin",
            "myicq group enter 10001 --proxy socks5://p --offer utf8 --uin 10001 --password-file p",
            "myicq auth --server a:1 --uin 10001 --password-stdin deny 10002 --reason no",
            "myicq servers --server a:1 --uin 10001 --password-stdin --json",
            "myicq ping --server a:1 --uin 10001 --password-stdin",
            "myicq broadcast --server a:1 --uin 10000 --password-stdin hello",
            "myicq send --proxy socks5://ann@proxy --proxy-password-file p --uin 10001 --password-stdin --to 10002 hello",
            "myicq chat --server a:1 --uin 10001 --password-stdin --status away --no-history",
            "myicq history --uin 10001 10002 --search hello --limit 10 --json",
            "myicq history --uin 10001 10002 --forget",
            "myicq decode --password hunter2 --from client 0001 0000",
            "myicq decode --json --peer message -",
        ] {
            Arguments::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn a_password_is_never_an_argument_of_what_talks_to_a_server() {
        for line in
            ["myicq register --password p", "myicq send --uin 1 --password p --to 2 hello", "myicq listen --for 1x"]
        {
            assert_eq!(Arguments::try_parse_from(line.split(' ')).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
