//! What can be said on the command line and in the environment.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use myicq_server::Config;
use myicq_server::config::{ConfigErrors, Override, SETTINGS, Sources};
use myicq_wire::Uin;

use crate::exit::Exit;

/// A MyICQ server for a small network, with an embedded database.
#[derive(Debug, Parser)]
#[command(name = "myicqd", version, after_help = Exit::list(), args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server; so does no command at all
    #[command(after_help = Exit::list())]
    Run(RunArgs),
    /// Look after the users of a server, whether it is running or not
    #[command(after_help = Exit::list())]
    User(UserArgs),
    /// Say something to everybody: at once to those who are here, to the others at their next login
    #[command(after_help = Exit::list())]
    Broadcast(BroadcastArgs),
    /// List the sessions of a running server
    #[command(after_help = Exit::list())]
    Sessions(SessionsArgs),
    /// Copy the SQLite database into a file, also while the server is running
    #[command(after_help = Exit::list())]
    Backup(BackupArgs),
    /// Show what becomes of each of a user's datagrams, until Ctrl-C
    #[command(after_help = Exit::list())]
    Trace(TraceArgs),
    /// Say whether a running server is healthy
    #[command(after_help = Exit::list())]
    Health(HealthArgs),
    /// Check the configuration, or show it
    Config(ConfigArgs),
    /// Print the lines by which clients come to this server: myicq --server takes them
    #[command(after_help = Exit::list())]
    Invite(InviteArgs),
    /// Write the manual pages
    Man {
        /// The folder for them, made when it is not there
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Print what a shell needs to complete the commands
    Completions {
        /// Which shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Try the server instead of running it: in a temporary folder, two users talk to each other; 0 if it works
    #[arg(long, conflicts_with = "demo")]
    pub(crate) smoke: bool,
    /// Run a server to play with: for this machine alone, in a temporary folder, with two users and what to try
    #[arg(long)]
    pub(crate) demo: bool,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// The configuration file (TOML); flags and variables go before it
    #[arg(long, value_name = "FILE", env = "MYICQD_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
}

impl SourceArgs {
    pub(crate) fn into_sources(self) -> Sources {
        Sources { file: self.config, overrides: self.settings.0 }
    }
}

#[derive(Debug, Args)]
pub(crate) struct InviteArgs {
    /// The name or address under which clients reach the server [default: each address that it listens on]
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say what holds, where each value is from, and all that is wrong or may not be meant
    #[command(after_help = Exit::list())]
    Check(ConfigCommandArgs),
    /// Print the configuration as a file that explains itself
    #[command(after_help = Exit::list())]
    Show(ConfigCommandArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigCommandArgs {
    /// As an object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// What to log: error, warn, info, debug or trace, also by module
    #[arg(long, value_name = "LEVEL", env = "MYICQD_LOG", hide_env_values = true, default_value = "info")]
    pub(crate) log: String,
    /// How to write the log, which goes to the error output
    #[arg(long, value_name = "FORMAT", env = "MYICQD_LOG_FORMAT", hide_env_values = true, default_value = "human")]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Human,
    /// One object a line
    Json,
}

/// Which server a command is about.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The configuration file of the server
    // clap carries a global argument up as well, where another type has the plain name.
    #[arg(
        id = "server_config",
        long = "config",
        value_name = "FILE",
        env = "MYICQD_CONFIG",
        hide_env_values = true,
        global = true
    )]
    config: Option<PathBuf>,
    /// The folder of the database [default: as the configuration says]
    #[arg(
        id = "server_data",
        long = "data",
        value_name = "DIR",
        env = "MYICQD_DATA",
        hide_env_values = true,
        global = true
    )]
    data: Option<PathBuf>,
    /// The database, if it is not in that folder: the URL of one of PostgreSQL [default: as the configuration says]
    #[arg(
        id = "server_database",
        long = "database",
        value_name = "URL|sqlite",
        env = "MYICQD_DATABASE",
        hide_env_values = true,
        global = true
    )]
    database: Option<String>,
}

impl ServerArgs {
    /// The server's configuration.
    pub(crate) fn config(&self) -> Result<Config, ConfigErrors> {
        let database = SETTINGS.iter().find(|setting| setting.key() == "store.database").zip(self.database.clone());
        let overrides = database.map(|(setting, value)| Override { setting, value, place: "--database".to_owned() });
        let mut config =
            Sources { file: self.config.clone(), overrides: overrides.into_iter().collect() }.load()?.config;
        if let Some(data) = &self.data {
            config.store.data.clone_from(data);
        }
        Ok(config)
    }
}

#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(subcommand)]
    pub(crate) command: UserCommand,
}

#[derive(Debug, Args)]
pub(crate) struct BroadcastArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// What to say
    pub(crate) text: String,
}

#[derive(Debug, Args)]
pub(crate) struct SessionsArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// One object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// His number
    pub(crate) uin: Uin,
    /// One object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// As an object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// The file to make; one that is there is left alone
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// As an object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user and print his number
    Add {
        /// His number [default: the next one]
        #[arg(long, value_name = "N")]
        uin: Option<Uin>,
        /// What he calls himself, 16 bytes at most
        #[arg(long, value_name = "NAME", default_value = "")]
        nick: String,
        #[command(flatten)]
        password: PasswordArgs,
        /// As an object
        #[arg(long)]
        json: bool,
    },
    /// List all users, by number
    List {
        /// One object a line
        #[arg(long)]
        json: bool,
    },
    /// Show one user
    Show {
        /// His number
        uin: Uin,
        /// As an object
        #[arg(long)]
        json: bool,
    },
    /// Print a user's profile, his list and the messages that wait for him, an object a line
    Export {
        /// His number
        uin: Uin,
    },
    /// Give a user another password
    Passwd {
        /// His number
        uin: Uin,
        #[command(flatten)]
        password: PasswordArgs,
        /// As an object
        #[arg(long)]
        json: bool,
    },
    /// Remove a user, his list and the messages that wait for him; his session ends
    Remove {
        /// His number
        uin: Uin,
        /// As an object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PasswordArgs {
    /// Read the password from the first line of the input, so that it stands in no history and no list of processes
    #[arg(long, required = true)]
    password_stdin: bool,
}

/// The settings that stand on the command line or in the environment, each as a flag made of its row.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingArgs(pub(crate) Vec<Override>);

impl Args for SettingArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let defaults = Config::default();
        command.args(SETTINGS.iter().map(|setting| {
            // The default is not clap's business: it would go before the file.
            let about = setting.about.trim_end_matches('.');
            let help = format!("{about} [default: {}]", setting.show(&defaults));
            let reason = if setting.reason.is_empty() { String::new() } else { format!("\n\n{}", setting.reason) };
            Arg::new(&*setting.flag)
                .long(&*setting.flag)
                .env(&*setting.env)
                .hide_env_values(true)
                .value_name(&*setting.value)
                .help_heading(setting.section_about.trim_end_matches('.'))
                .long_help(format!("{help}{reason}\n\nIt takes {}", setting.wanted))
                .help(help)
        }))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = SETTINGS.iter().filter_map(|setting| {
            let value = matches.get_one::<String>(&setting.flag)?.clone();
            let place = match matches.value_source(&setting.flag) {
                Some(ValueSource::EnvVariable) => setting.env.clone(),
                _ => format!("--{}", setting.flag),
            };
            Some(Override { setting, value, place })
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_lists_every_setting_and_every_exit_code() {
        let help = Cli::command().render_long_help().to_string();
        for setting in SETTINGS.iter() {
            assert!(help.contains(&format!("--{} <{}>", setting.flag, setting.value)), "{}", setting.flag);
        }
        assert!(help.contains("  75  another myicqd uses the data folder"), "{help}");
    }

    #[test]
    fn run_can_be_said_or_left_out() {
        let settings = |arguments: &[&str]| {
            let cli = Cli::try_parse_from(arguments).unwrap();
            let run = if let Some(Command::Run(run)) = cli.command { run } else { cli.run };
            run.sources.settings.0.into_iter().map(|given| (given.place, given.value)).collect::<Vec<_>>()
        };
        let expected = [("--listen".to_owned(), "127.0.0.1:1".to_owned()), ("--data".to_owned(), "d".to_owned())];
        assert_eq!(settings(&["myicqd", "--data", "d", "--listen", "127.0.0.1:1"]), expected);
        assert_eq!(settings(&["myicqd", "run", "--data=d", "--listen=127.0.0.1:1"]), expected);
    }
}
