//! Durations of requests by method, route and status, in plain atomics.
//!
//! The facade's histogram keeps every sample until somebody scrapes and looks its handle up by labels on
//! each call; here a request costs one look-up and two additions, and the memory is bounded.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use http::Method;

/// Upper bounds of the buckets in microseconds.
const BOUNDS: [u64; 14] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000];

/// The label of requests that no route matched.
const UNMATCHED: &str = "unmatched";

/// The counts of one listener.
#[derive(Debug, Default)]
pub struct RequestMetrics {
    routes: RwLock<HashMap<Box<str>, Vec<Series>>>,
    shed: AtomicU64,
}

#[derive(Debug)]
struct Series {
    method: &'static str,
    status: u16,
    /// One per bound, and one beyond the last.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl RequestMetrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts an answered request.
    pub fn record(&self, method: &Method, route: Option<&str>, status: u16, took: Duration) {
        let (method, route) = (method_label(method), route.unwrap_or(UNMATCHED));
        let known = {
            let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
            routes.get(route).and_then(|series| find(series, method, status)).map(|series| series.add(took)).is_some()
        };
        if !known {
            self.record_first(method, route, status, took);
        }
    }

    fn record_first(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let series = routes.entry(route.into()).or_default();
        if find(series, method, status).is_none() {
            series.push(Series { method, status, buckets: Default::default(), nanos: AtomicU64::new(0) });
        }
        if let Some(series) = find(series, method, status) {
            series.add(took);
        }
    }

    /// Counts a request that was refused because too many were in flight.
    pub fn shed(&self) {
        self.shed.fetch_add(1, Ordering::Relaxed);
    }

    /// All counts in the Prometheus text format, with the routes in order.
    pub fn render(&self, out: &mut String) {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<_> = routes.iter().collect();
        sorted.sort_by_key(|(route, _)| *route);
        super::exposition::head(out, "keystead_http_request_seconds");
        for (route, all) in sorted {
            for series in all {
                series.render(route, out);
            }
        }
        super::exposition::value(out, "keystead_http_shed_total", self.shed.load(Ordering::Relaxed));
    }
}

impl Series {
    fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn render(&self, route: &str, out: &mut String) {
        let labels = format!("method=\"{}\",route=\"{route}\",status=\"{}\"", self.method, self.status);
        let mut count = 0;
        // Writing to a string does not fail.
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            count += bucket.load(Ordering::Relaxed);
            let _ = writeln!(out, "keystead_http_request_seconds_bucket{{{labels},le=\"{}\"}} {count}", seconds(*bound));
        }
        count += self.buckets[BOUNDS.len()].load(Ordering::Relaxed);
        let _ = writeln!(out, "keystead_http_request_seconds_bucket{{{labels},le=\"+Inf\"}} {count}");
        let sum = Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64();
        let _ = writeln!(out, "keystead_http_request_seconds_sum{{{labels}}} {sum}");
        let _ = writeln!(out, "keystead_http_request_seconds_count{{{labels}}} {count}");
    }
}

fn find<'a>(series: &'a [Series], method: &'static str, status: u16) -> Option<&'a Series> {
    series.iter().find(|series| series.status == status && series.method == method)
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}

/// Methods are the client's to invent; labels are not.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
