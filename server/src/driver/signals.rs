//! The signals of the system.

use std::io;

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Signal {
    /// To stop: SIGTERM, SIGINT.
    Stop,
    /// To read the configuration again: SIGHUP.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no such signal here"))]
    Reload,
    /// To write the counters to the log: SIGUSR1.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no such signal here"))]
    Report,
}

/// The signals that the server obeys, from the moment this is made.
#[derive(Debug)]
#[cfg(unix)]
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    report: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            report: signal(SignalKind::user_defined1())?,
        })
    }

    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.report.recv() => Signal::Report,
        }
    }
}

/// Ctrl-C, where there are no signals.
#[derive(Debug)]
#[cfg(windows)]
pub(super) struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    pub(super) async fn next(&mut self) -> Signal {
        // `None` would mean that the console is gone: nobody can ask for anything any more.
        let _ = self.0.recv().await;
        Signal::Stop
    }
}
