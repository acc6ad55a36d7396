//! Users who are here and say nothing: what a session takes.

use std::time::Duration;

use clap::Args;
use myicq_client::Event;

use super::arguments::{Common, count, seconds};
use super::crowd::{Crowd, MEMBERS_MAX};
use super::figures::Figures;
use super::member::Notice;
use super::{Stage, prepare, tell};

/// How many are here for how long.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Users who are logged in.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = count(MEMBERS_MAX.into()))]
    sessions: usize,
    /// Seconds for which they stay. A client says that it is there once a minute.
    #[arg(long, value_name = "S", default_value = "65", value_parser = seconds)]
    hold: Duration,
    /// Others whom each of them has on his list. They are here, too.
    #[arg(long, value_name = "C", default_value_t = 0)]
    contacts: usize,
}

pub(super) fn run(options: &Options, common: &Common) -> anyhow::Result<Figures> {
    let count = options.sessions;
    // Nobody can have himself or somebody twice on his list.
    let contacts = options.contacts.min(count - 1);
    let befriend = |crowd: &mut Crowd| {
        if contacts > 0 {
            tell("filling lists");
            prepare::log_in_all(crowd, 0..count, |_, _, _| Ok(()))?;
            let pairs = (1..=contacts).flat_map(|step| (0..count).map(move |owner| (owner, (owner + step) % count)));
            prepare::add_contacts(crowd, count * contacts, pairs)?;
            prepare::log_out_all(crowd, count)?;
        }
        Ok(())
    };
    let mut stage = Stage::set(common, count, befriend)?;
    let mut figures = stage.figures("idle", common);
    let crowd = &mut stage.crowd;
    let resident_before = stage.meter.server_resident_kib();
    let mut ended = 0_u64;
    tell("logging in");
    let begin = stage.meter.read();
    prepare::log_in_all(crowd, 0..count, |_, _, _| Ok(()))?;
    let login = stage.meter.since(begin);
    tell("holding");
    let begin = stage.meter.read();
    crowd.run_until(crowd.now() + options.hold, |_, _, notice| {
        ended += u64::from(matches!(notice, Notice::Event(Event::Ended { .. })));
        Ok(())
    })?;
    let cost = stage.meter.since(begin);

    let grown = stage.meter.server_resident_kib().zip(resident_before);
    let grown = grown.map(|(after, before)| after.saturating_sub(before) as f64);
    figures.set("contacts", contacts);
    figures.set_measured("seconds", Some(cost.time.as_secs_f64()));
    figures.set("server_resident_kib_before", resident_before);
    figures.set_measured("server_bytes_per_session", grown.map(|kib| kib * 1024.0 / count as f64));
    figures.set_measured("logins_per_second", Some(login.rate(count as u64)));
    login.add_to(&mut figures, "login_", "login", count as u64);
    cost.add_to(&mut figures, "idle_", "session", count as u64);
    figures.set_failures("sessions_ended", ended);
    stage.strike(&mut figures)?;
    Ok(figures)
}
