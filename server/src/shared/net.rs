//! The net under the pushes: what other instances tell is also polled for, so that a push that got lost is late and not lost.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::db::DbError;

/// How often: the longest that an instance is behind when pushes do not work.
const POLL_EVERY: Duration = Duration::from_millis(500);

/// Does `poll` twice a second until `stop`; what fails is tried again at the next tick.
pub async fn follow<F: Future<Output = Result<(), DbError>>>(what: &'static str, stop: CancellationToken, poll: impl Fn() -> F) {
    let mut tick = tokio::time::interval(POLL_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = poll().await {
            tracing::debug!(%error, what, "cannot poll for what was changed; relying on pushes");
        }
    }
}
