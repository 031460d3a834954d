//! What the store tells Prometheus.

use metrics::gauge;

use super::PoolStatus;

const CONNECTIONS: &str = "keystead_db_pool_connections";
const WAITING: &str = "keystead_db_pool_waiting";

pub(super) fn report(store: &'static str, status: PoolStatus) {
    // Counts of connections and callers are exact as floats.
    gauge!(CONNECTIONS, "store" => store, "state" => "in_use").set(status.in_use as f64);
    gauge!(CONNECTIONS, "store" => store, "state" => "idle").set(status.idle as f64);
    gauge!(WAITING, "store" => store).set(status.waiting as f64);
}
