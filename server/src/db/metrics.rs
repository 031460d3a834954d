//! What the store tells Prometheus.

use metrics::gauge;

use super::PoolStatus;

pub(super) fn report(store: &'static str, status: PoolStatus) {
    // Counts of connections and callers are exact as floats.
    gauge!("keystead_db_pool_in_use", "store" => store).set(status.in_use as f64);
    gauge!("keystead_db_pool_idle", "store" => store).set(status.idle as f64);
    gauge!("keystead_db_pool_waiting", "store" => store).set(status.waiting as f64);
}
