//! What the service manager is told, where one has started the server and wants to know (systemd, `Type=notify`).

use std::time::Duration;

use sd_notify::NotifyState;

use super::inquiry::{Inquiry, PATIENCE};

/// The server is ready: it listens there.
pub(super) fn ready(addresses: &[std::net::SocketAddr]) {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("listening on udp {}", addresses.join(", ")))]);
}

/// The configuration is being read again: [`reloaded`] follows.
pub(super) fn reloading() {
    // The time belongs to it: systemd waits for the next word that is later than this.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!("no time to tell the service manager: {error}"),
    }
}

/// It has been read again, or was wrong and is as before.
pub(super) fn reloaded() {
    tell(&[NotifyState::Ready]);
}

/// The server stops, which may take some seconds.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Tells the service manager again and again that the server is alive, where it wants that, as long as all shards and the store answer. When
/// they do not any more, it ends the server and starts it again.
pub(super) async fn watchdog(inquiry: Inquiry) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    // As systemd recommends: half of the time.
    #[expect(clippy::disallowed_methods, reason = "the driver waits")]
    let mut ticks = tokio::time::interval(pause(limit));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if inquiry.is_alive(PATIENCE.min(pause(limit))).await {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("the store or a shard does not answer; the service manager is left in the dark");
        }
    }
}

/// An interval may not be zero.
fn pause(limit: Duration) -> Duration {
    (limit / 2).max(Duration::from_millis(1))
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager does not listen: {error}");
    }
}
