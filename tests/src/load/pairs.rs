//! Pairs of users, one of each talking to the other, with a number of messages under way at any time.

use std::collections::VecDeque;
use std::time::Duration;

use clap::Args;
use myicq_client::account::{Request, RequestId};
use myicq_client::{EndReason, Event, MAX_TEXT_LEN, Message};
use myicq_wire::Instant;
use myicq_wire::link::WINDOW;

use super::arguments::{Common, count, seconds};
use super::crowd::Crowd;
use super::figures::{Figures, Latency};
use super::member::Notice;
use super::{Stage, prepare, tell};

/// How many messages begin between two pauses, so that the beginning does not bury the server.
const BEGIN_AT_ONCE: usize = 64;

/// The pause between two such groups.
const BEGIN_PAUSE: Duration = Duration::from_micros(500);

/// The shortest text, in which a message's number has room.
pub(super) const SIZE_MIN: u64 = 12;

/// Who talks, and how much.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Pairs of users, one of each talking to the other.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count(100_000))]
    pairs: usize,
    /// Messages of a pair that are under way at any time. Of more than 24 some go by way of the disk.
    #[arg(long, value_name = "W", default_value_t = 1, value_parser = count(WINDOW.into()))]
    window: usize,
    /// Seconds for which it is measured.
    #[arg(long, value_name = "S", default_value = "3", value_parser = seconds)]
    secs: Duration,
    /// Seconds before that.
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    warm_up: Duration,
    /// Bytes of a message's text.
    #[arg(long, value_name = "B", default_value_t = 64, value_parser = size())]
    size: usize,
}

fn size() -> clap::builder::RangedU64ValueParser<usize> {
    clap::builder::RangedU64ValueParser::new().range(SIZE_MIN..=MAX_TEXT_LEN as u64)
}

/// A message with a number in its text, so that its way can be followed.
pub(super) fn text(number: u64, size: usize) -> Message {
    Message::text(format!("{:x<size$}", format!("{number} ")))
}

/// The number in a message's text.
pub(super) fn number_of(message: &Message) -> Option<u64> {
    let Message::Text { text } = message else { return None };
    text.split(' ').next()?.parse().ok()
}

/// A message that was neither heard nor acknowledged, or only one of the two.
#[derive(Debug)]
struct Said {
    number: u64,
    at: Instant,
    id: RequestId,
    is_heard: bool,
    is_answered: bool,
}

/// One pair: the member with an even number talks to the one behind him.
#[derive(Debug, Default)]
struct Pair {
    last: u64,
    under_way: VecDeque<Said>,
}

#[derive(Debug)]
struct Pairs {
    pairs: Vec<Pair>,
    size: usize,
    is_plain: bool,
    is_saying: bool,
    is_measuring: bool,
    said: u64,
    heard: u64,
    heard_again: u64,
    refused: u64,
    ended: u64,
    renewed: u64,
    delivery: Latency,
    acknowledgement: Latency,
}

pub(super) fn run(options: &Options, common: &Common) -> anyhow::Result<Figures> {
    let mut stage = Stage::set(common, options.pairs * 2, |_| Ok(()))?;
    let mut figures = stage.figures("pairs", common);
    tell("logging in");
    prepare::log_in_all(&mut stage.crowd, 0..options.pairs * 2, |_, _, _| Ok(()))?;
    let crowd = &mut stage.crowd;
    prepare::settle(crowd, (0..options.pairs).map(|pair| pair * 2 + 1))?;
    let mut pairs = Pairs::new(options, common);

    tell("talking");
    pairs.begin(crowd, options.window)?;
    crowd.run_until(crowd.now() + options.warm_up, |crowd, member, notice| pairs.handle(crowd, member, notice))?;
    pairs.is_measuring = true;
    let begin = stage.meter.read();
    crowd.run_until(crowd.now() + options.secs, |crowd, member, notice| pairs.handle(crowd, member, notice))?;
    let cost = stage.meter.since(begin);
    pairs.is_measuring = false;
    pairs.is_saying = false;
    tell("waiting for the last words");
    pairs.wait(crowd)?;

    figures.set("window", options.window);
    figures.set("bytes", options.size);
    figures.set_measured("seconds", Some(cost.time.as_secs_f64()));
    figures.set("messages", pairs.heard);
    figures.set_measured("messages_per_second", Some(cost.rate(pairs.heard)));
    figures.set_latency("delivery", &pairs.delivery);
    figures.set_latency("acknowledgement", &pairs.acknowledgement);
    cost.add_to(&mut figures, "", "message", pairs.heard);
    pairs.conclude(&mut figures);
    stage.strike(&mut figures)?;
    Ok(figures)
}

impl Pairs {
    fn new(options: &Options, common: &Common) -> Self {
        Self {
            pairs: (0..options.pairs).map(|_| Pair::default()).collect(),
            size: options.size,
            is_plain: common.plain,
            is_saying: true,
            is_measuring: false,
            said: 0,
            heard: 0,
            heard_again: 0,
            refused: 0,
            ended: 0,
            renewed: 0,
            delivery: Latency::new(),
            acknowledgement: Latency::new(),
        }
    }

    /// Lets every pair begin, some at a time.
    fn begin(&mut self, crowd: &mut Crowd, window: usize) -> anyhow::Result<()> {
        for count in 0..self.pairs.len() * window {
            self.say(crowd, count / window)?;
            if count % BEGIN_AT_ONCE == BEGIN_AT_ONCE - 1 {
                let until = crowd.now() + BEGIN_PAUSE;
                crowd.run_until(until, |crowd, member, notice| self.handle(crowd, member, notice))?;
            }
        }
        Ok(())
    }

    /// Waits for what is under way.
    fn wait(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        let is_done = |pairs: &Self| pairs.pairs.iter().all(|pair| pair.under_way.is_empty());
        if !is_done(self) {
            crowd.run_until_done(|crowd, member, notice| {
                self.handle(crowd, member, notice)?;
                Ok(self.pairs[member / 2].under_way.is_empty() && is_done(self))
            })?;
        }
        Ok(())
    }

    fn say(&mut self, crowd: &mut Crowd, pair: usize) -> anyhow::Result<()> {
        let number = self.pairs[pair].last + 1;
        let request = Request::send(crowd.uin(pair * 2 + 1), &text(number, self.size))?;
        let at = crowd.now();
        if let Some(id) = crowd.ask(pair * 2, request)? {
            let said = Said { number, at, id, is_heard: false, is_answered: false };
            self.pairs[pair].under_way.push_back(said);
            self.pairs[pair].last = number;
            self.said += 1;
        }
        Ok(())
    }

    fn handle(&mut self, crowd: &mut Crowd, member: usize, notice: Notice) -> anyhow::Result<()> {
        let pair = member / 2;
        match notice {
            Notice::Event(Event::Message { message, .. }) => {
                number_of(&message).into_iter().for_each(|number| self.on_heard(crowd.now(), pair, number));
            }
            Notice::Answer(id, answer) => {
                self.refused += u64::from(answer.is_err());
                self.on_answered(crowd.now(), pair, id, answer.is_ok());
                if self.is_saying {
                    self.say(crowd, pair)?;
                }
            }
            // COMPAT: in plain version 1 a session must end before its numbers come again, and its client logs in anew.
            Notice::Event(Event::Ended { reason: EndReason::Replaced }) if self.is_plain => {
                self.renewed += 1;
                crowd.log_in(member)?;
            }
            Notice::Event(Event::Ended { .. }) => self.ended += 1,
            _ => {}
        }
        Ok(())
    }

    fn on_heard(&mut self, now: Instant, pair: usize, number: u64) {
        let under_way = &mut self.pairs[pair].under_way;
        let Some(at) = under_way.iter().position(|said| said.number == number && !said.is_heard) else {
            self.heard_again += 1;
            return;
        };
        if self.is_measuring {
            self.heard += 1;
            self.delivery.record(now.since(under_way[at].at));
        }
        under_way[at].is_heard = true;
        if under_way[at].is_answered {
            under_way.remove(at);
        }
    }

    fn on_answered(&mut self, now: Instant, pair: usize, id: RequestId, is_promised: bool) {
        let under_way = &mut self.pairs[pair].under_way;
        let Some(at) = under_way.iter().position(|said| said.id == id && !said.is_answered) else { return };
        if self.is_measuring && is_promised {
            self.acknowledgement.record(now.since(under_way[at].at));
        }
        under_way[at].is_answered = true;
        // What was refused need not be heard.
        if under_way[at].is_heard || !is_promised {
            under_way.remove(at);
        }
    }

    fn conclude(&self, figures: &mut Figures) {
        let left = || self.pairs.iter().flat_map(|pair| &pair.under_way);
        let lost = left().filter(|said| said.is_answered && !said.is_heard).count();
        let unanswered = left().filter(|said| !said.is_answered).count();
        figures.set("said", self.said);
        figures.set_failures("lost", lost as u64);
        figures.set_failures("unanswered", unanswered as u64);
        figures.set_failures("refused", self.refused);
        figures.set_failures("sessions_ended", self.ended);
        if self.is_plain {
            figures.set("heard_again", self.heard_again);
            figures.set("sessions_renewed", self.renewed);
        } else {
            figures.set_failures("heard_again", self.heard_again);
        }
    }
}
