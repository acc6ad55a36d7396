//! What has been counted, in the text form of OpenMetrics, which Prometheus and others read.

use std::fmt::Error;
use std::time::Duration;

use myicq_wire::Histogram;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::relay::Figures;
use super::report::Report;
use crate::relays::RelayEnd;

/// The content type of the text.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All there is to tell, at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Of all shards together.
    pub(super) total: Report,
    pub(super) shards: usize,
    pub(super) commits: Histogram,
    pub(super) reads: Histogram,
    /// Messages that wait for their recipients.
    pub(super) kept: u64,
    pub(super) relays: Figures,
    /// Since the start.
    pub(super) uptime: Duration,
}

impl Snapshot {
    /// The text.
    pub(super) fn text(self) -> String {
        let mut registry = Registry::with_prefix("myicqd");
        registry.register_collector(Box::new(self));
        let mut out = String::new();
        // Only a writer that refuses can make it fail, and a string takes everything.
        let _ = text::encode(&mut out, &registry);
        out
    }

    fn encode_datagrams(&self, out: &mut Encoder<'_>) -> Result<(), Error> {
        let Report { counters, traffic, links, .. } = &self.total;
        out.counters(
            "datagrams_received",
            "Datagrams from clients, by command and by what became of them at first sight",
            counters.received().map(|(command, fate, count)| ([("command", command), ("fate", fate)], count)),
        )?;
        let by = |label: &'static str| move |(name, count)| ([(label, name)], count);
        out.counters(
            "datagrams_sent",
            "Datagrams to clients, by command",
            counters.sent_by_command().map(by("command")),
        )?;
        out.counters("drops", "Datagrams that were dropped, by cause", counters.drops().map(by("reason")))?;
        out.counters(
            "undecoded",
            "Datagrams that were none, by what was wrong",
            counters.undecoded_by_kind().map(by("reason")),
        )?;
        out.counters("refusals", "Requests that were refused, by reason", counters.refusals().map(by("reason")))?;
        out.counters("events", "What happened, by name", counters.events().map(by("event")))?;
        out.counter("kernel_drops", "Datagrams that came faster than they were taken", traffic.kernel_drops)?;
        out.counter("receive_errors", "Errors of receiving", traffic.receive_errors)?;
        out.counter("send_errors", "Datagrams that the system refused or had no room for", traffic.send_errors)?;
        out.counter("handovers", "Datagrams that came to another shard's socket", self.total.handed_over)?;
        out.counter("handover_drops", "Those of them for which there was no room", self.total.handover_drops)?;
        out.counter("retransmissions", "Datagrams that were sent again for want of an acknowledgement", links.resent)?;
        out.histogram("round_trip", "From a datagram to its acknowledgement", &links.round_trips)
    }

    fn encode_state(&self, out: &mut Encoder<'_>) -> Result<(), Error> {
        let Report { sessions, half_open, online_users, .. } = self.total;
        let states = [("open", sessions.saturating_sub(half_open)), ("half_open", half_open)];
        out.gauges(
            "sessions",
            "Sessions, by whether their address is proven",
            states.map(|(state, count)| ([("state", state)], gauge(count))),
        )?;
        out.gauge("users_online", "Users who are here and show it", online_users.into())?;
        out.gauge("shards", "Threads that serve users", gauge(self.shards))?;
        out.gauge(
            "messages_waiting",
            "Messages kept for users who are away",
            i64::try_from(self.kept).unwrap_or(i64::MAX),
        )?;
        out.gauge("uptime_seconds", "Since the start", i64::try_from(self.uptime.as_secs()).unwrap_or(i64::MAX))?;
        let build = [(
            [("version", env!("CARGO_PKG_VERSION")), ("os", std::env::consts::OS), ("arch", std::env::consts::ARCH)],
            1,
        )];
        out.gauges("build_info", "What is running", build)
    }

    fn encode_relays(&self, out: &mut Encoder<'_>) -> Result<(), Error> {
        let Figures { open, connections, bytes, ends } = self.relays;
        out.gauge("relays", "Relays, those that wait for their ends among them", gauge(open))?;
        out.gauge("relay_connections", "Connections for relays", gauge(connections))?;
        out.counter("relay_bytes", "Bytes that relays have carried", bytes)?;
        let named = RelayEnd::NAMED.into_iter().zip(ends).map(|((_, reason), count)| ([("reason", reason)], count));
        out.counters("relay_ends", "Relays, and connections for them, that ended, by reason", named)
    }

    fn encode_store(&self, out: &mut Encoder<'_>) -> Result<(), Error> {
        out.histogram("store_commit", "From the beginning of a commit to its end", &self.commits)?;
        out.histogram("store_read", "The same of reads beside the commits", &self.reads)?;
        out.gauge("store_requests", "Requests that the store has not answered", gauge(self.total.store_requests))?;
        out.counter("store_refusals", "Requests that failed because too many were unanswered", self.total.store_refused)
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut out = Encoder(encoder);
        self.encode_datagrams(&mut out)?;
        self.encode_state(&mut out)?;
        self.encode_relays(&mut out)?;
        self.encode_store(&mut out)
    }
}

/// Values of which each is written once.
struct Encoder<'a>(DescriptorEncoder<'a>);

impl Encoder<'_> {
    fn counter(&mut self, name: &str, help: &str, count: u64) -> Result<(), Error> {
        ConstCounter::new(count).encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        counts: impl IntoIterator<Item = ([(&'static str, &'static str); N], u64)>,
    ) -> Result<(), Error> {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in counts {
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, value: i64) -> Result<(), Error> {
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, &'static str); N], i64)>,
    ) -> Result<(), Error> {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, times: &Histogram) -> Result<(), Error> {
        let bound = |bucket| Histogram::upper_bound(bucket).map_or(f64::INFINITY, |bound| bound.as_secs_f64());
        let buckets: Vec<(f64, u64)> =
            times.counts().iter().enumerate().map(|(at, &count)| (bound(at), count)).collect();
        let count = times.counts().iter().sum();
        let mut metric = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(times.total().as_secs_f64(), count, &buckets, None)
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::report;

    #[test]
    fn every_line_is_one_of_open_metrics_and_every_reason_is_there() {
        let mut total = report::total(&[]);
        total.counters.drop(crate::Drop::Stale);
        total.links.round_trips.record(Duration::from_millis(1));
        let (commits, reads) = (Histogram::default(), Histogram::default());
        let relays = Figures { bytes: 7, ..Figures::default() };
        let snapshot = Snapshot { total, shards: 2, commits, reads, kept: 3, relays, uptime: Duration::from_secs(5) };
        let text = snapshot.text();
        for line in [
            "myicqd_drops_total{reason=\"stale\"} 1",
            "myicqd_drops_total{reason=\"wrong_address\"} 0",
            "myicqd_datagrams_received_total{command=\"UDP_LOGIN\",fate=\"taken\"} 0",
            "myicqd_datagrams_sent_total{command=\"UDP_SRV_MESSAGE\"} 0",
            "myicqd_refusals_total{reason=\"storage\"} 0",
            "myicqd_events_total{event=\"logins\"} 0",
            "myicqd_sessions{state=\"half_open\"} 0",
            "myicqd_messages_waiting 3",
            "myicqd_relays 0",
            "myicqd_relay_bytes_total 7",
            "myicqd_relay_ends_total{reason=\"stranger\"} 0",
            "myicqd_uptime_seconds 5",
            "myicqd_round_trip_seconds_count 1",
            "myicqd_round_trip_seconds_bucket{le=\"0.001024\"} 1",
            "myicqd_round_trip_seconds_bucket{le=\"+Inf\"} 1",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        let mut names = std::collections::BTreeSet::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            assert!(names.insert(line.split(' ').next()), "{line} comes twice");
        }
    }
}
