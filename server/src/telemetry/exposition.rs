//! The metrics as Prometheus scrapes them.

use std::fmt::{Display, Write};
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::catalogue::{METRICS, MetricKind};
use super::process;
use super::requests::RequestMetrics;

/// Bucket bounds in seconds of the histograms that go through the facade.
const BUCKETS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How often samples move from the histograms' queues into their buckets when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// The facade has one recorder per process, so this is one, too; several instances in one process share it.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Makes the `metrics` facade count. Later calls change nothing.
pub fn install_metrics() {
    handle();
}

fn handle() -> &'static PrometheusHandle {
    RECORDER.get_or_init(|| {
        // The bounds are a constant that is not empty, which is all that is asked of them.
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).unwrap_or_default();
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed; only request and process metrics are exposed");
        }
        describe();
        let upkeep = handle.clone();
        // Without the thread the queues are emptied by each scrape, which is the usual case anyway.
        let _ = std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            loop {
                std::thread::park_timeout(UPKEEP);
                upkeep.run_upkeep();
            }
        });
        handle
    })
}

fn describe() {
    for metric in METRICS {
        match metric.kind {
            MetricKind::Counter => metrics::describe_counter!(metric.name, metric.help),
            MetricKind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            MetricKind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
        }
    }
}

/// Everything in the Prometheus text format: the facade's metrics, those of `requests`, build and process. Blocks a
/// little.
pub fn render_metrics(requests: &RequestMetrics) -> String {
    let mut out = handle().render();
    requests.render(&mut out);
    head(&mut out, "keystead_build_info");
    // Writing to a string does not fail.
    let _ = writeln!(out, "keystead_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    process::render(&mut out);
    out
}

/// The `HELP` and `TYPE` lines of `name`, from the table.
pub(super) fn head(out: &mut String, name: &'static str) {
    if let Some(metric) = METRICS.iter().find(|metric| metric.name == name) {
        let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {}", metric.help, metric.kind.as_str());
    }
}

/// A metric without labels.
pub(super) fn value(out: &mut String, name: &'static str, value: impl Display) {
    head(out, name);
    let _ = writeln!(out, "{name} {value}");
}
