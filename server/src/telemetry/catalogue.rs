//! Every metric there is: one table, from which the help lines and `docs/metrics.md` are made.

use std::fmt::Write;

/// What kind of number a metric is, as Prometheus means it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl MetricKind {
    /// The word of the text format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric. Seconds and bytes are the units, as the names say.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The full name.
    pub name: &'static str,
    /// What kind of number.
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// One sentence for people.
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Histogram, labels, help }
}

/// All metrics, in the order of their names.
pub const METRICS: &[Metric] = &[
    counter(
        "keystead_authorizations_total",
        &["outcome"],
        "Authorization requests by what became of them (asked, granted, denied, refused, unreadable); one that asks a person counts again when they decide.",
    ),
    counter(
        "keystead_backchannel_logouts_total",
        &["outcome"],
        "Attempts to tell a client that a session ended, by outcome (delivered, refused, unreachable, forbidden, left_alone).",
    ),
    gauge("keystead_build_info", &["version"], "Always 1; the label names the running version."),
    counter("keystead_cache_requests_total", &["cache", "result"], "Look-ups in a cache in memory, by cache and result (hit, miss)."),
    counter(
        "keystead_client_authentications_total",
        &["method", "outcome"],
        "Attempts of OAuth clients to prove themselves, by method (secret, private_key_jwt, none) and outcome (success, refused).",
    ),
    counter(
        "keystead_db_commit_callers_total",
        &[],
        "Writes on SQLite that a durable commit carried; divided by the commits, how well they share.",
    ),
    counter("keystead_db_commits_total", &[], "Durable commits on SQLite."),
    gauge(
        "keystead_db_pool_connections",
        &["state", "store"],
        "Database connections (SQLite: threads), by state (in_use, idle) and store (main, keyring, replica).",
    ),
    gauge("keystead_db_pool_waiting", &["store"], "Callers that wait for a database connection, by store."),
    counter(
        "keystead_device_sign_ins_total",
        &["step"],
        "Sign-ins of devices that have come to a step (begun, approved, denied, signed_in).",
    ),
    counter(
        "keystead_dpop_proofs_total",
        &["outcome", "place"],
        "Proofs of possession, by place (oauth, resource) and outcome (accepted, refused).",
    ),
    counter("keystead_exports_total", &["outcome"], "Exports that were ordered, by how they ended (ready, failed)."),
    counter(
        "keystead_fanout_dropped_total",
        &[],
        "Messages to other instances that were dropped; the poll of the database is the net under them.",
    ),
    histogram("keystead_http_request_seconds", &["method", "route", "status"], "Time from a request's head to its answer's head."),
    counter("keystead_http_shed_total", &[], "Requests refused with 503 because too many were in flight."),
    histogram("keystead_job_seconds", &["kind"], "How long the handlers of jobs ran, by kind."),
    gauge(
        "keystead_jobs_dead",
        &["kind"],
        "Jobs that failed for good and wait for a person, by kind. Every instance tells the same: take max.",
    ),
    counter("keystead_jobs_finished_total", &["kind", "outcome"], "Attempts at jobs that ended, by kind and outcome."),
    gauge(
        "keystead_jobs_oldest_due_age_seconds",
        &["kind"],
        "How long the oldest due job has been waiting, by kind. Every instance tells the same: take max.",
    ),
    gauge("keystead_jobs_queued", &["kind"], "Jobs waiting to run, by kind. Every instance tells the same: take max."),
    counter("keystead_limit_hits_total", &["policy"], "Requests refused with 429, by rate limit policy."),
    counter("keystead_lockouts_total", &[], "Addresses locked after too many failed sign-ins."),
    counter("keystead_logins_total", &["outcome"], "Sign-ins with a password, by outcome (success, or the code of the problem)."),
    counter("keystead_mail_sent_total", &["outcome", "template"], "Deliveries of letters, by template and outcome (sent, retry, refused)."),
    counter("keystead_oauth_tokens_total", &["grant"], "Access tokens that OAuth clients got, by grant."),
    histogram("keystead_password_hash_seconds", &[], "How long hashing or verifying a password took."),
    gauge("keystead_password_pool_memory_bytes", &[], "Memory that the password hashing threads hold."),
    gauge("keystead_password_pool_queue", &[], "Passwords that wait to be hashed or verified."),
    counter("keystead_password_pool_refused_total", &[], "Passwords refused with 503 because the wait would have been too long."),
    histogram("keystead_password_pool_wait_seconds", &[], "How long passwords waited before they were hashed or verified."),
    counter("keystead_quota_consumed_total", &["quota"], "Units consumed, by quota."),
    counter("keystead_quota_refused_total", &["quota"], "Requests refused with 429 because too little was left, by quota."),
    counter(
        "keystead_quota_reservations_total",
        &["outcome", "quota"],
        "Reservations that were made, committed and released, by quota; what is missing in the end has expired.",
    ),
    counter("keystead_quota_warnings_total", &["quota"], "People who came to the threshold of a quota, once per period, by quota."),
    counter(
        "keystead_realtime_closes_total",
        &["reason"],
        "Realtime connections that ended, by reason (lost, closed_by_client, or the reason in the close frame).",
    ),
    gauge("keystead_realtime_connections", &[], "Realtime connections that are open."),
    counter("keystead_realtime_frames_total", &[], "Frames that realtime clients sent."),
    counter("keystead_realtime_joins_total", &[], "Channels that realtime clients joined."),
    counter(
        "keystead_refreshes_total",
        &["branch"],
        "Refreshes, by what the token was found to be (rotated, repeated, lost_answer, replay).",
    ),
    counter("keystead_shared_errors_total", &["operation"], "Commands that Redis did not carry out in time, by operation."),
    histogram("keystead_shared_roundtrip_seconds", &["operation"], "How long Redis takes to answer, by operation."),
    gauge("keystead_shared_up", &[], "1 while Redis answers, 0 while it is lost."),
    gauge("keystead_transcript_listeners", &[], "Live streams of transcripts that are open on this instance."),
    counter(
        "keystead_transcript_listeners_behind_total",
        &[],
        "Times that a listener was too slow for the live stream of a transcript, was told so and was read to from the database.",
    ),
    counter(
        "keystead_transcript_segments_total",
        &["outcome"],
        "Segments of transcripts that were posted, by outcome (stored, repeated: accepted without effect, refused: with a conflict or after the end).",
    ),
    counter(
        "keystead_voice_tokens_total",
        &["outcome"],
        "Voice tokens, by what became of them (issued, redeemed; refused as repeated, revoked, expired, session_over, unknown).",
    ),
    counter("process_cpu_seconds_total", &[], "CPU time of this process, user and system."),
    gauge("process_max_fds", &[], "File descriptors this process may open."),
    gauge("process_open_fds", &[], "File descriptors this process has open."),
    gauge("process_resident_memory_bytes", &[], "Memory of this process that is in RAM."),
    gauge("process_start_time_seconds", &[], "When this process started, in seconds since the Unix epoch."),
    gauge("process_threads", &[], "Threads of this process."),
];

/// The table as `docs/metrics.md` has it.
pub fn metrics_reference() -> String {
    let mut page = String::from(
        "# Metrics\n\nGenerated from the table in `server/src/telemetry/catalogue.rs`; a test keeps this page current.\n\
         Scraped from the operations listener (`KEYSTEAD_OPS_ADDR`, `GET /metrics`) in the Prometheus text format.\n\n\
         | name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for metric in METRICS {
        let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        // Writing to a string does not fail.
        let _ = writeln!(page, "| `{}` | {} | {labels} | {} |", metric.name, metric.kind.as_str(), metric.help);
    }
    page
}
