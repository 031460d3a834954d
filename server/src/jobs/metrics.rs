//! What the queue tells Prometheus. Gauges come from the table, so every instance reports the same: take `max`, not `sum`.

use std::collections::BTreeSet;
use std::time::Duration;

use metrics::{counter, gauge, histogram};

use super::store::KindDepth;
use crate::time::Timestamp;

pub(super) fn ran(kind: &str, took: Duration) {
    histogram!("keystead_job_seconds", "kind" => kind.to_owned()).record(took.as_secs_f64());
}

pub(super) fn finished(kind: &str, outcome: &'static str) {
    counter!("keystead_jobs_finished_total", "kind" => kind.to_owned(), "outcome" => outcome).increment(1);
}

/// The gauges, with the kinds they were ever set for: a kind that left the table is set to zero, not left standing.
pub(super) struct Gauges {
    kinds: BTreeSet<String>,
}

impl Gauges {
    pub(super) fn new(known: impl Iterator<Item = &'static str>) -> Self {
        Self { kinds: known.map(str::to_owned).collect() }
    }

    pub(super) fn set(&mut self, lines: &[KindDepth], now: Timestamp) {
        self.kinds.extend(lines.iter().map(|line| line.kind.clone()));
        for kind in &self.kinds {
            let line = lines.iter().find(|line| line.kind == *kind);
            let age = line.and_then(|line| line.oldest_due).map_or(Duration::ZERO, |due| now.since(due));
            // Counts far below 2^53 are exact as floats.
            gauge!("keystead_jobs_queued", "kind" => kind.clone()).set(line.map_or(0, |line| line.queued) as f64);
            gauge!("keystead_jobs_dead", "kind" => kind.clone()).set(line.map_or(0, |line| line.dead) as f64);
            gauge!("keystead_jobs_oldest_due_age_seconds", "kind" => kind.clone()).set(age.as_secs_f64());
        }
    }
}
