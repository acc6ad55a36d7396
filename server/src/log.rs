//! The log, on the error output: for people, for programs, or for the journal of systemd.

use std::fmt;
use std::io::{self, IsTerminal};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::cli::{LogArgs, LogFormat};
use crate::exit::{Exit, Failure};

/// Starts it. To be called once.
pub(crate) fn start(args: &LogArgs) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&args.log).map_err(|error| {
        Failure::new(
            Exit::Usage,
            anyhow::anyhow!("--log {:?}: {error}; try error, warn, info, debug or trace", args.log),
        )
    })?;
    // A log that cannot be written must not end the server.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).log_internal_errors(false);
    match args.log_format {
        LogFormat::Human if goes_to_the_journal() => {
            log.with_ansi(false)
                .event_format(Journal(tracing_subscriber::fmt::format().without_time().with_level(false)))
                .init();
        }
        LogFormat::Human => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// Lines as systemd's journal wants them: it has the time itself, and takes the level from a number in front of the line (sd-daemon(3)).
struct Journal(Format<Full, ()>);

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}

/// Whether the error output is the journal's: systemd says which file that is, so that a redirection is not mistaken for it.
#[cfg(unix)]
fn goes_to_the_journal() -> bool {
    use std::os::unix::fs::MetadataExt;

    #[expect(clippy::disallowed_methods, reason = "the command line may look at the environment and at files")]
    let (stream, output) = (std::env::var("JOURNAL_STREAM"), std::fs::metadata("/dev/stderr"));
    stream.is_ok_and(|stream| output.is_ok_and(|output| stream == format!("{}:{}", output.dev(), output.ino())))
}

#[cfg(not(unix))]
fn goes_to_the_journal() -> bool {
    false
}
