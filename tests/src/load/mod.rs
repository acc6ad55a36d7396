//! The load generator: users by the thousand on real sockets, and what they cost the server.
//!
//! `crowd` is the driver: one thread, some sockets, and for each user a `member`, the client's machine without I/O. `prepare` brings
//! users and sessions about; each of the loads is a file. `meter` reads what the processes cost.

mod arguments;
mod crowd;
mod fanout;
mod figures;
mod fill;
mod guess;
mod idle;
mod logins;
mod member;
mod meter;
mod offline;
mod pairs;
mod prepare;
mod target;

use std::io::{self, IsTerminal as _, Write as _};

use myicq_wire::{Capabilities, Uin};

pub use arguments::Arguments;
pub use figures::Figures;

use arguments::{Common, Load, On};
use crowd::Crowd;
use meter::Meter;
use target::Target;

impl Arguments {
    /// Does what was asked.
    ///
    /// # Errors
    /// It could not be measured. What was measured and is not as it must be is among the [figures](Figures::failures).
    pub fn run(&self) -> anyhow::Result<Figures> {
        match &self.load {
            Load::Pairs(On { options, common }) => pairs::run(options, common),
            Load::Fanout(On { options, common }) => fanout::run(options, common),
            Load::Idle(On { options, common }) => idle::run(options, common),
            Load::Logins(On { options, common }) => logins::run(options, common),
            Load::Offline(On { options, common }) => offline::run(options, common),
            Load::Guess(On { options, common }) => guess::run(options, common),
            Load::Fill(On { options, common }) => fill::run(options, common),
        }
    }

    /// Whether the figures are for a program.
    pub fn is_json(&self) -> bool {
        match &self.load {
            Load::Pairs(On { common, .. })
            | Load::Fanout(On { common, .. })
            | Load::Idle(On { common, .. })
            | Load::Logins(On { common, .. })
            | Load::Offline(On { common, .. })
            | Load::Guess(On { common, .. })
            | Load::Fill(On { common, .. }) => common.json,
        }
    }
}

/// A server that knows the users, and the users, all of them offline.
#[derive(Debug)]
struct Stage {
    target: Target,
    meter: Meter,
    crowd: Crowd,
    count: usize,
}

impl Stage {
    /// Makes so many users. `befriend` may give them contacts; it finds nobody logged in and leaves nobody so.
    fn set(
        common: &Common,
        count: usize,
        befriend: impl FnOnce(&mut Crowd) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        Self::set_on(common, target::LENIENT, count, befriend)
    }

    /// The same with settings for a server of one's own.
    fn set_on(
        common: &Common,
        settings: &'static str,
        count: usize,
        befriend: impl FnOnce(&mut Crowd) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let mut target = Target::new(common, settings)?;
        let offered = if common.plain { Capabilities::NONE } else { Capabilities::ONCE };
        let crowd = |target: &Target, uins: &[Uin]| Crowd::new(target.address(), uins, common.sockets, offered);
        tell(&format!("registering {count} users"));
        let mut makers = crowd(&target, &vec![Uin::NONE; count])?;
        let uins = prepare::register_all(&mut makers, count)?;
        befriend(&mut makers)?;
        target.start_anew()?;
        let crowd = crowd(&target, &uins)?;
        Ok(Self { meter: target.meter(), target, crowd, count })
    }

    /// What every load says of itself.
    fn figures(&self, load: &str, common: &Common) -> Figures {
        let mut figures = Figures::default();
        figures.set("load", load);
        figures.set("sessions_like", if common.plain { "2003" } else { "ours" });
        figures.set("users", self.count);
        figures.set("sockets", self.crowd.sockets());
        figures
    }

    /// Sends everybody home, and adds what the links and the server's memory came to.
    fn strike(mut self, figures: &mut Figures) -> anyhow::Result<()> {
        figures.set("resends_of_users", self.crowd.resent());
        figures.set("duplicates_from_server", self.crowd.duplicates());
        figures.set("datagrams_without_room", self.crowd.not_sent);
        figures.set("server_resident_kib", self.meter.server_resident_kib());
        prepare::log_out_all(&mut self.crowd, self.count)?;
        self.target.end()
    }
}

/// What is going on, for somebody who watches.
fn tell(what: &str) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        // Nobody misses it.
        let _ = writeln!(stderr, "{what} …");
    }
}
