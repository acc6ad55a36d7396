//! Users who log in, each for the first time since the server began, and then once more.

use clap::Args;

use super::arguments::{Common, count};
use super::crowd::MEMBERS_MAX;
use super::figures::Figures;
use super::{Stage, prepare, tell};

/// How many log in.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Users who log in twice.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = count(MEMBERS_MAX.into()))]
    users: usize,
}

pub(super) fn run(options: &Options, common: &Common) -> anyhow::Result<Figures> {
    let mut stage = Stage::set(common, options.users, |_| Ok(()))?;
    let mut figures = stage.figures("logins", common);
    figures.set("at_once", prepare::LOGINS_AT_ONCE);
    for name in ["first", "second"] {
        tell(&format!("{name} login"));
        let begin = stage.meter.read();
        let latency = prepare::log_in_all(&mut stage.crowd, 0..options.users, |_, _, _| Ok(()))?;
        let cost = stage.meter.since(begin);
        figures.set_measured(format!("{name}_logins_per_second"), Some(cost.rate(options.users as u64)));
        figures.set_latency(&format!("{name}_login"), &latency);
        cost.add_to(&mut figures, &format!("{name}_"), "login", options.users as u64);
        prepare::log_out_all(&mut stage.crowd, options.users)?;
    }
    stage.strike(&mut figures)?;
    Ok(figures)
}
