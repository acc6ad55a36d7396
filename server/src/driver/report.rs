//! What the shards have counted, in the log.

use std::fmt;
use std::iter::Sum;

use myicq_wire::link::Measured;

use super::socket::Traffic;
use crate::counters::Counters;

/// What a shard has counted since the start.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// Which shard.
    pub(super) shard: u32,
    /// Sessions now, open and half-open.
    pub(super) sessions: usize,
    /// Those of them that wait for the proof of their address.
    pub(super) half_open: usize,
    /// Users who are here and show it, of all shards.
    pub(super) online_users: u32,
    /// At its socket.
    pub(super) traffic: Traffic,
    /// Datagrams that came to its socket and were for another shard.
    pub(super) handed_over: u64,
    /// Those of them that the other shard had no room for.
    pub(super) handover_drops: u64,
    /// Requests that the store had no room for.
    pub(super) store_refused: u64,
    /// Requests that the store has not answered.
    pub(super) store_requests: usize,
    /// By its sessions' links.
    pub(super) links: Measured,
    /// By name.
    pub(super) counters: Counters,
}

/// What all of them have counted together.
pub(super) fn total(reports: &[Report]) -> Report {
    let mut total = Report {
        shard: 0,
        sessions: reports.iter().map(|report| report.sessions).sum(),
        half_open: reports.iter().map(|report| report.half_open).sum(),
        online_users: reports.iter().map(|report| report.online_users).max().unwrap_or(0),
        traffic: reports.iter().map(|report| report.traffic).sum(),
        handed_over: 0,
        handover_drops: 0,
        store_refused: 0,
        store_requests: reports.iter().map(|report| report.store_requests).sum(),
        links: Measured::default(),
        counters: reports.iter().map(|report| &report.counters).sum(),
    };
    for report in reports {
        total.handed_over += report.handed_over;
        total.handover_drops += report.handover_drops;
        total.store_refused += report.store_refused;
        total.links.resent += report.links.resent;
        total.links.round_trips.merge(&report.links.round_trips);
    }
    total
}

/// Writes to the log what the shards have counted, each and together.
pub(super) fn log(mut reports: Vec<Report>, what: &'static str) {
    reports.sort_by_key(|report| report.shard);
    if reports.len() > 1 {
        for report in &reports {
            log_one(report, Some(report.shard), what);
        }
    }
    log_one(&total(&reports), None, what);
}

/// One line; that of all together names no shard.
fn log_one(report: &Report, shard: Option<u32>, what: &'static str) {
    let Report { sessions, traffic, handed_over, handover_drops, store_refused, .. } = *report;
    let Traffic { received, receive_errors, kernel_drops, sent, send_errors } = traffic;
    tracing::info!(
        shard,
        sessions,
        received,
        receive_errors,
        kernel_drops,
        handed_over,
        handover_drops,
        sent,
        send_errors,
        store_refused,
        counters = %NonZero(&report.counters),
        "{what}"
    );
}

impl Sum for Traffic {
    fn sum<I: Iterator<Item = Self>>(shards: I) -> Self {
        shards.fold(Self::default(), |total, shard| Self {
            received: total.received + shard.received,
            receive_errors: total.receive_errors + shard.receive_errors,
            kernel_drops: total.kernel_drops + shard.kernel_drops,
            sent: total.sent + shard.sent,
            send_errors: total.send_errors + shard.send_errors,
        })
    }
}

/// What has been counted at all, as `name=count`.
struct NonZero<'a>(&'a Counters);

impl fmt::Display for NonZero<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, count) in self.0.iter().filter(|(_, count)| *count > 0) {
            write!(f, "{separator}{name}={count}")?;
            separator = " ";
        }
        Ok(())
    }
}
