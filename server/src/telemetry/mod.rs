//! What the server says about itself: log lines and metrics.
//!
//! Lines go into a [`LogBuffer`] in memory, which a thread of its own writes out every 50 ms, so that a
//! line costs a request no system call. The access log is formatted by hand straight into the buffer;
//! everything else goes through `tracing` into the same buffer. Metrics of requests are kept in plain
//! atomics ([`RequestMetrics`]); everything else goes through the `metrics` facade. All names stand in
//! one table, [`METRICS`]. Neither logs nor metrics hold personal data: no addresses, no user agents, no
//! query strings, route templates instead of paths.

mod access;
mod buffer;
mod catalogue;
mod exposition;
mod process;
mod requests;
mod subscriber;
mod timestamp;

pub use access::{AccessLine, trace_id};
pub use buffer::{Captured, LogBuffer};
pub use catalogue::{METRICS, Metric, MetricKind, metrics_reference};
pub use exposition::{install_metrics, render_metrics};
pub use requests::RequestMetrics;
pub use subscriber::Telemetry;
