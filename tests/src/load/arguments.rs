//! What can be said on the command line of `myicq-load`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};

use super::{fanout, fill, guess, idle, logins, offline, pairs};

/// The longest time that can be asked for.
const SECONDS_MAX: f64 = 3_600.0;

/// Loads a MyICQ server as many users would, and measures what it does and what that costs.
///
/// The users are sessions of this project's client library, on real sockets, all in one thread. Each run makes its own
/// users, ends by itself, and fails when anything was lost.
#[derive(Debug, Parser)]
#[command(
    name = "myicq-load",
    version,
    arg_required_else_help = true,
    after_long_help = "\
Exit codes:
  0  all that was said was heard
  1  something was lost or failed
  2  the arguments are wrong
  3  it could not be measured: no server there, not enough sockets, a user who could not log in

Figures:
  A table, or with --json one object with the same names. Latencies are in microseconds. \"server cpu us per message\"
  is the time that the server has spent computing (utime + stime of its process) for each message heard. Where
  \"generator cpu share\" is near 1, this program was the limit and not the server: then its rates say nothing about the
  server, and its latencies are those of a queue; the cost of a message stays what it is.

  On a loopback interface a send also does the receiver's part of the work, so each side pays for what it sends.

A server of one's own (--spawn) runs in a temporary folder, without limits of rates and with the cheapest password
hashes, but for guess and fill, is started anew once the users are made, and is ended with the run. Settings for it go by its environment:
  MYICQD_ARGON2_MEMORY_KIB=19456 myicq-load logins --spawn target/release/myicqd --users 1000

Users that were made on a running server (--server) stay there: registration knows no way back. They are offline, with
the password \"load test\".

Examples:
  myicq-load pairs --spawn target/release/myicqd --pairs 1000 --window 1 --secs 3
  myicq-load pairs --spawn target/release/myicqd --pairs 1 --window 1 --secs 3 --plain --json
  myicq-load fanout --spawn target/release/myicqd --watchers 1000 --changes 100
  myicq-load idle --spawn target/release/myicqd --sessions 100000 --hold 65
  myicq-load logins --spawn target/release/myicqd --users 10000
  myicq-load offline --spawn target/release/myicqd --senders 8 --away 512 --count 50000
  myicq-load fill --spawn target/release/myicqd --senders 1000
  myicq-load guess --spawn target/release/myicqd --addresses 64
  taskset -c 1 myicq-load pairs --spawn target/release/myicqd --server-cpus 0
  myicq-load pairs --server 127.0.0.1:8000 --pid $(pidof myicqd)"
)]
pub struct Arguments {
    #[command(subcommand)]
    pub(super) load: Load,
}

/// What to do to the server.
#[derive(Debug, Subcommand)]
pub(super) enum Load {
    /// Pairs of users, one of each talking to the other.
    Pairs(On<pairs::Options>),
    /// One user whose changes of status many others watch.
    Fanout(On<fanout::Options>),
    /// Users who are here and say nothing.
    Idle(On<idle::Options>),
    /// Users who log in, each for the first time since the server began, and then once more.
    Logins(On<logins::Options>),
    /// Messages for users who are away, and their coming back.
    Offline(On<offline::Options>),
    /// Pairs of users who talk while somebody guesses at passwords.
    Guess(On<guess::Options>),
    /// Users who fill the mailbox of one who is away.
    Fill(On<fill::Options>),
}

/// A load, and the server that it is for.
#[derive(Debug, Args)]
pub(super) struct On<T: Args> {
    #[command(flatten)]
    pub(super) options: T,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What all loads have in common.
#[derive(Clone, Debug, Args)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) target: Where,
    /// The processors of that server, as taskset takes them: "0", "0,1".
    #[arg(long, value_name = "LIST", conflicts_with = "server")]
    pub(super) server_cpus: Option<String>,
    /// The process of the running server, to see what it costs.
    #[arg(long, value_name = "PID", conflicts_with = "spawn")]
    pub(super) pid: Option<u32>,
    /// The server may be on another machine, and whoever it belongs to knows of this.
    #[arg(long)]
    pub(super) owner_agrees: bool,
    /// Sessions like those of the clients of 2003, without exactly-once.
    #[arg(long)]
    pub(super) plain: bool,
    /// Sockets at most; with more users than sockets, users share them.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = count(16_384))]
    pub(super) sockets: usize,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(super) json: bool,
}

/// Which server.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Where {
    /// Start this myicqd, and end it afterwards.
    #[arg(long, value_name = "PROGRAM")]
    pub(super) spawn: Option<PathBuf>,
    /// A running server, on this machine.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(super) server: Option<SocketAddr>,
}

/// A number from 1 on.
pub(super) fn count(max: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=max)
}

/// A time in seconds, whole or not.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| format!("a number of seconds from 0 to {SECONDS_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_number_ends_where_its_range_ends() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        let at = "myicq-load pairs --server 127.0.0.1:1";
        for good in ["--window 32", "--window 1", "--pairs 100000", "--size 450", "--secs 3600", "--secs 0.25"] {
            assert!(parse(&format!("{at} {good}")).is_ok(), "{good}");
        }
        for bad in
            ["--window 33", "--window 0", "--pairs 100001", "--size 451", "--size 11", "--secs 3601", "--secs -1"]
        {
            assert!(parse(&format!("{at} {bad}")).is_err(), "{bad}");
        }
        assert!(parse("myicq-load pairs").is_err(), "it needs a server");
        assert!(parse("myicq-load pairs --server 127.0.0.1:1 --spawn myicqd").is_err(), "it needs one server");
    }
}
