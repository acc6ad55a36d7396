//! One user whose changes of status many others watch. The next change comes when all have heard of the one before.

use clap::Args;
use myicq_client::Event;
use myicq_client::account::Request;
use myicq_wire::{Instant, Status};

use super::arguments::{Common, count};
use super::crowd::Crowd;
use super::figures::{Figures, Latency};
use super::member::Notice;
use super::{Stage, prepare, tell};

/// The member whom all others watch.
const STAR: usize = 0;

/// How many watch how much.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Users who have one other on their list.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = count(100_000))]
    watchers: usize,
    /// How often that one changes his status.
    #[arg(long, value_name = "K", default_value_t = 100, value_parser = count(1_000_000))]
    changes: usize,
}

#[derive(Debug)]
struct Watch {
    /// What each watcher was last told.
    shown: Vec<Option<Status>>,
    /// What the star is, and since when.
    status: Status,
    at: Instant,
    /// Who has been told of that.
    told: usize,
    told_again: u64,
    ended: u64,
    refused: u64,
    each: Latency,
}

pub(super) fn run(options: &Options, common: &Common) -> anyhow::Result<Figures> {
    let everybody = options.watchers + 1;
    let befriend = |crowd: &mut Crowd| {
        tell("watching");
        prepare::log_in_all(crowd, 0..everybody, |_, _, _| Ok(()))?;
        prepare::add_contacts(crowd, options.watchers, (1..everybody).map(|watcher| (watcher, STAR)))?;
        prepare::log_out_all(crowd, everybody)
    };
    let mut stage = Stage::set(common, everybody, befriend)?;
    let mut figures = stage.figures("fanout", common);
    let crowd = &mut stage.crowd;
    let mut watch = Watch::new(everybody, crowd.now());
    tell("logging in");
    // The star comes first, so that each of the others finds him here.
    prepare::log_in_all(crowd, 0..everybody, |_, member, notice| {
        watch.handle(member, &notice, Instant::default());
        Ok(())
    })?;
    let is_ready = watch.wait(crowd, options.watchers)?;

    tell("changing");
    let (mut changes, mut missing, mut all) = (0, options.watchers - watch.told, Latency::new());
    watch.each = Latency::new();
    let begin = stage.meter.read();
    while is_ready && missing == 0 && changes < options.changes {
        watch.change(crowd)?;
        watch.wait(crowd, options.watchers)?;
        missing = options.watchers - watch.told;
        all.record(crowd.now().since(watch.at));
        changes += 1;
    }
    let cost = stage.meter.since(begin);

    let notices = (changes * options.watchers - missing) as u64;
    figures.set("watchers", options.watchers);
    figures.set("changes", changes);
    figures.set_measured("seconds", Some(cost.time.as_secs_f64()));
    figures.set("notices", notices);
    figures.set_measured("notices_per_second", Some(cost.rate(notices)));
    figures.set_latency("notice", &watch.each);
    figures.set_latency("all_told", &all);
    cost.add_to(&mut figures, "", "notice", notices);
    figures.set_failures("lost", missing as u64);
    figures.set_failures("refused", watch.refused);
    figures.set_failures("sessions_ended", watch.ended);
    figures.set("told_again", watch.told_again);
    stage.strike(&mut figures)?;
    Ok(figures)
}

impl Watch {
    fn new(everybody: usize, now: Instant) -> Self {
        Self {
            shown: vec![None; everybody],
            status: Status::ONLINE,
            at: now,
            told: 0,
            told_again: 0,
            ended: 0,
            refused: 0,
            each: Latency::new(),
        }
    }

    fn change(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        self.status = if self.status == Status::ONLINE { Status::AWAY } else { Status::ONLINE };
        self.at = crowd.now();
        self.told = 0;
        let request = Request::status(self.status)?;
        crowd.ask(STAR, request).map(drop)
    }

    /// Waits until all know what the star is. Whether they do.
    fn wait(&mut self, crowd: &mut Crowd, watchers: usize) -> anyhow::Result<bool> {
        if self.told == watchers {
            return Ok(true);
        }
        crowd.run_until_done(|crowd, member, notice| {
            self.handle(member, &notice, crowd.now());
            Ok(self.told == watchers)
        })
    }

    fn handle(&mut self, member: usize, notice: &Notice, now: Instant) {
        let status = match notice {
            Notice::Event(Event::Online(presence)) => presence.status,
            Notice::Event(Event::StatusChanged { status, .. }) => *status,
            Notice::Event(Event::Ended { .. }) => {
                self.ended += 1;
                return;
            }
            Notice::Answer(_, Err(_)) => {
                self.refused += 1;
                return;
            }
            _ => return,
        };
        if status == self.status && self.shown[member] != Some(status) {
            self.shown[member] = Some(status);
            self.told += 1;
            self.each.record(now.since(self.at));
        } else {
            self.told_again += 1;
        }
    }
}
