//! Many users who fill the mailbox of one who is away, as far as the limits of a server let them, and what is left for the others.
#![expect(clippy::disallowed_methods, reason = "a driver: it looks at the size of files")]

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::bail;
use clap::Args;
use myicq_client::account::{Request, RequestId};
use myicq_client::{Event, RequestError};
use myicq_wire::Instant;

use super::arguments::{Common, count};
use super::crowd::Crowd;
use super::figures::{Figures, Latency};
use super::member::Notice;
use super::pairs::{number_of, text};
use super::{Stage, prepare, target, tell};

/// Who says how much.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Users who say something to one who is away, and then once to one of the others.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = count(10_000))]
    senders: usize,
    /// What each of them says to that one.
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = count(1_000))]
    each: usize,
    /// Others who are away.
    #[arg(long, value_name = "M", default_value_t = 100, value_parser = count(10_000))]
    others: usize,
}

/// Bytes of a message's text.
const SIZE: usize = 400;

/// What became of the messages to some users.
#[derive(Debug, Default)]
struct Mail {
    said: u64,
    under_way: HashMap<(usize, RequestId), (u64, Instant)>,
    promised: HashSet<u64>,
    refused: u64,
    /// Neither promised nor refused, or something else than that.
    failed: u64,
}

pub(super) fn run(options: &Options, common: &Common) -> anyhow::Result<Figures> {
    let Options { senders, each, others } = *options;
    let mut stage = Stage::set_on(common, target::MAILBOXES, senders + 1 + others, |_| Ok(()))?;
    let Some(folder) = stage.target.folder() else { bail!("filling is for a server of one's own: --spawn") };
    let mut figures = stage.figures("fill", common);
    let crowd = &mut stage.crowd;
    tell("logging in");
    prepare::log_in_all(crowd, 0..senders, |_, _, _| Ok(()))?;
    let size = kib(&folder)?;

    tell("filling a mailbox");
    let (mut full, mut rest) = (Mail::default(), Mail::default());
    let mut latency = full.say_all(crowd, each, senders, |_| senders)?;
    figures.set("senders", senders);
    figures.set("said", full.said);
    figures.set("stored", full.promised.len());
    figures.set("refused", full.refused);
    figures.set_latency("answer", &latency);
    tell("saying something to the others");
    latency = rest.say_all(crowd, 1, senders, |sender| senders + 1 + sender % others)?;
    figures.set("others_said", rest.said);
    figures.set("others_stored", rest.promised.len());
    figures.set_failures("others_refused", rest.refused);
    figures.set_latency("others_answer", &latency);
    figures.set("store_grown_kib", kib(&folder)?.saturating_sub(size));

    tell("coming back");
    let (mut heard, wanted) = (HashSet::new(), full.promised.len() + rest.promised.len());
    let mut hear = |member: usize, notice: &Notice| {
        let Notice::Event(Event::Message { message, .. }) = notice else { return };
        heard.extend(number_of(message).map(|number| (member == senders, number)));
    };
    prepare::log_in_all(crowd, senders..senders + 1 + others, |_, member, notice| {
        hear(member, &notice);
        Ok(())
    })?;
    let mut came = 0;
    crowd.run_until_done(|_, member, notice| {
        came += usize::from(matches!(notice, Notice::Event(Event::Message { .. })));
        hear(member, &notice);
        Ok(came >= wanted)
    })?;
    let lost = full.promised.iter().filter(|&&number| !heard.contains(&(true, number))).count()
        + rest.promised.iter().filter(|&&number| !heard.contains(&(false, number))).count();
    figures.set("heard", heard.len());
    figures.set_failures("lost", lost as u64);
    figures.set_failures("failed", full.failed + rest.failed);
    figures.set_failures("unanswered", (full.under_way.len() + rest.under_way.len()) as u64);
    stage.strike(&mut figures)?;
    Ok(figures)
}

impl Mail {
    /// Each of the first `senders` says so much to the member that `recipient` names, one after the other.
    fn say_all(
        &mut self,
        crowd: &mut Crowd,
        each: usize,
        senders: usize,
        recipient: impl Fn(usize) -> usize,
    ) -> anyhow::Result<Latency> {
        let (mut latency, mut left) = (Latency::new(), vec![each; senders]);
        for sender in 0..senders {
            self.say(crowd, &mut left, sender, recipient(sender))?;
        }
        crowd.run_until_done(|crowd, member, notice| {
            match notice {
                Notice::Answer(id, answer) => {
                    let Some((number, at)) = self.under_way.remove(&(member, id)) else { return Ok(false) };
                    latency.record(crowd.now().since(at));
                    match answer {
                        Ok(_) => drop(self.promised.insert(number)),
                        Err(RequestError::Refused(_)) => self.refused += 1,
                        Err(_) => self.failed += 1,
                    }
                    self.say(crowd, &mut left, member, recipient(member))?;
                }
                Notice::Event(Event::Ended { reason }) => bail!("a session has ended: {reason}"),
                _ => {}
            }
            Ok(self.under_way.is_empty())
        })?;
        Ok(latency)
    }

    fn say(&mut self, crowd: &mut Crowd, left: &mut [usize], sender: usize, recipient: usize) -> anyhow::Result<()> {
        if left[sender] > 0 {
            left[sender] -= 1;
            let (number, at) = (self.said, crowd.now());
            let request = Request::send(crowd.uin(recipient), &text(number, SIZE))?;
            if let Some(id) = crowd.ask(sender, request)? {
                self.under_way.insert((sender, id), (number, at));
                self.said += 1;
            }
        }
        Ok(())
    }
}

/// The size of all files in a folder.
fn kib(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes / 1_024)
}
