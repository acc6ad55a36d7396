//! Messages for users who are away: acknowledged when they are on the disk, and heard when those users come.

use std::collections::HashMap;

use clap::Args;
use myicq_client::Event;
use myicq_client::account::{Request, RequestId};
use myicq_wire::Instant;
use myicq_wire::link::WINDOW;

use super::arguments::{Common, count};
use super::crowd::Crowd;
use super::figures::{Figures, Latency};
use super::member::Notice;
use super::pairs::{number_of, text};
use super::{Stage, prepare, tell};

/// Who says how much to whom.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Users who say something.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = count(1_000))]
    senders: usize,
    /// Users who are away.
    #[arg(long, value_name = "M", default_value_t = 512, value_parser = count(100_000))]
    away: usize,
    /// Messages, all of them together. A server that runs already keeps 1,000 for each user, and 100 of each sender for him.
    #[arg(long, value_name = "K", default_value_t = 10_000, value_parser = count(10_000_000))]
    count: usize,
    /// Messages of a sender that are under way at any time.
    #[arg(long, value_name = "W", default_value_t = 32, value_parser = count(WINDOW.into()))]
    window: usize,
}

/// Bytes of a message's text.
const SIZE: usize = 64;

#[derive(Debug)]
struct Mail {
    senders: usize,
    away: usize,
    /// Of each message by its number, whether it was acknowledged and whether it was heard.
    messages: Vec<(bool, bool)>,
    /// Messages said by now.
    said: usize,
    under_way: HashMap<(usize, RequestId), (usize, Instant)>,
    promised: u64,
    heard: u64,
    refused: u64,
    heard_again: u64,
    ended: u64,
    acknowledgement: Latency,
}

pub(super) fn run(options: &Options, common: &Common) -> anyhow::Result<Figures> {
    let Options { senders, away, .. } = *options;
    let mut stage = Stage::set(common, senders + away, |_| Ok(()))?;
    let mut figures = stage.figures("offline", common);
    let crowd = &mut stage.crowd;
    tell("logging in");
    prepare::log_in_all(crowd, 0..senders, |_, _, _| Ok(()))?;
    let mut mail = Mail::new(options);

    tell("saying");
    let begin = stage.meter.read();
    mail.say_all(crowd, options.window)?;
    let cost = stage.meter.since(begin);
    figures.set("senders", senders);
    figures.set("away", away);
    figures.set_measured("seconds", Some(cost.time.as_secs_f64()));
    figures.set("stored", mail.promised);
    figures.set_measured("stored_per_second", Some(cost.rate(mail.promised)));
    figures.set_latency("acknowledgement", &mail.acknowledgement);
    cost.add_to(&mut figures, "", "message", mail.promised);

    tell("coming back");
    let begin = stage.meter.read();
    prepare::log_in_all(crowd, senders..senders + away, |_, member, notice| {
        mail.handle(member, &notice, Instant::default());
        Ok(())
    })?;
    if mail.heard < mail.promised {
        crowd.run_until_done(|crowd, member, notice| {
            mail.handle(member, &notice, crowd.now());
            Ok(mail.heard >= mail.promised)
        })?;
    }
    let cost = stage.meter.since(begin);
    figures.set_measured("heard_per_second", Some(cost.rate(mail.heard)));
    cost.add_to(&mut figures, "return_", "message", mail.heard);
    mail.conclude(&mut figures, common.plain);
    stage.strike(&mut figures)?;
    Ok(figures)
}

impl Mail {
    fn new(options: &Options) -> Self {
        Self {
            senders: options.senders,
            away: options.away,
            messages: vec![(false, false); options.count],
            said: 0,
            under_way: HashMap::new(),
            promised: 0,
            heard: 0,
            refused: 0,
            heard_again: 0,
            ended: 0,
            acknowledgement: Latency::new(),
        }
    }

    fn say_all(&mut self, crowd: &mut Crowd, window: usize) -> anyhow::Result<()> {
        for count in 0..self.senders * window {
            self.say(crowd, count % self.senders)?;
        }
        crowd.run_until_done(|crowd, member, notice| {
            if self.handle(member, &notice, crowd.now()) {
                self.say(crowd, member)?;
            }
            Ok(self.under_way.is_empty())
        })?;
        Ok(())
    }

    /// The next message, if there is one more, goes from this sender to the next one of those who are away.
    fn say(&mut self, crowd: &mut Crowd, sender: usize) -> anyhow::Result<()> {
        if self.said < self.messages.len() {
            let recipient = crowd.uin(self.senders + self.said % self.away);
            let request = Request::send(recipient, &text(self.said as u64, SIZE))?;
            let at = crowd.now();
            if let Some(id) = crowd.ask(sender, request)? {
                self.under_way.insert((sender, id), (self.said, at));
                self.said += 1;
            }
        }
        Ok(())
    }

    /// Whether it was the answer to a message.
    fn handle(&mut self, member: usize, notice: &Notice, now: Instant) -> bool {
        match notice {
            Notice::Answer(id, answer) => {
                let Some((number, at)) = self.under_way.remove(&(member, *id)) else { return false };
                if answer.is_ok() {
                    self.promised += 1;
                    self.messages[number].0 = true;
                    self.acknowledgement.record(now.since(at));
                } else {
                    self.refused += 1;
                }
                return true;
            }
            Notice::Event(Event::Message { message, .. }) => {
                let number = number_of(message).and_then(|number| usize::try_from(number).ok());
                match number.and_then(|number| self.messages.get_mut(number)) {
                    Some((_, is_heard)) if !*is_heard => {
                        *is_heard = true;
                        self.heard += 1;
                    }
                    _ => self.heard_again += 1,
                }
            }
            Notice::Event(Event::Ended { .. }) => self.ended += 1,
            _ => {}
        }
        false
    }

    fn conclude(&self, figures: &mut Figures, is_plain: bool) {
        let lost = self.messages.iter().filter(|(is_promised, is_heard)| *is_promised && !is_heard).count();
        figures.set("said", self.said);
        figures.set("heard", self.heard);
        figures.set_failures("lost", lost as u64);
        figures.set_failures("unanswered", self.under_way.len() as u64);
        figures.set_failures("refused", self.refused);
        figures.set_failures("sessions_ended", self.ended);
        if is_plain {
            figures.set("heard_again", self.heard_again);
        } else {
            figures.set_failures("heard_again", self.heard_again);
        }
    }
}
