//! What the server says about itself.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use http::Method;
use keystead::config::LogFormat;
use keystead::error::Problem;
use keystead::telemetry::{AccessLine, LogBuffer, METRICS, RequestMetrics, install_metrics, metrics_reference, render_metrics, trace_id};
use keystead::time::Timestamp;
use proptest::prelude::*;

fn line(at: Timestamp) -> AccessLine<'static> {
    AccessLine {
        at,
        method: &Method::GET,
        route: Some("/api/v1/auth/me"),
        status: 200,
        took: Duration::from_micros(1234),
        request_id: "01920000-1111",
        user: None,
        trace_id: None,
    }
}

proptest! {
    /// The hand-written calendar agrees with the library's over all the years that RFC 3339 can write.
    #[test]
    fn times_are_written_as_the_library_writes_them(micros in -62_167_219_200_000_000i64..=253_402_300_799_999_999) {
        let at = Timestamp::from_micros(micros);
        let (log, captured) = LogBuffer::capture(LogFormat::Json);
        log.access(&line(at));
        log.flush();
        let written: serde_json::Value = serde_json::from_str(&captured.text()).unwrap();
        prop_assert_eq!(Timestamp::parse_rfc3339(written["timestamp"].as_str().unwrap()), Some(at));
    }
}

#[test]
fn a_line_in_both_formats() {
    let at = Timestamp::parse_rfc3339("2026-02-28T23:59:59.000042Z").unwrap();
    let written = |format| {
        let (log, captured) = LogBuffer::capture(format);
        log.access(&line(at));
        log.failure(&AccessLine { status: 500, ..line(at) }, &Problem::internal("a \"quoted\"\ncause"));
        log.flush();
        captured.text()
    };
    assert_eq!(
        written(LogFormat::Json),
        "{\"timestamp\":\"2026-02-28T23:59:59.000042Z\",\"level\":\"INFO\",\"target\":\"keystead::access\",\"message\":\"request\",\
         \"method\":\"GET\",\"route\":\"/api/v1/auth/me\",\"status\":200,\"durationMs\":1.234,\"requestId\":\"01920000-1111\"}\n\
         {\"timestamp\":\"2026-02-28T23:59:59.000042Z\",\"level\":\"ERROR\",\"target\":\"keystead::access\",\"message\":\"request failed\",\
         \"method\":\"GET\",\"route\":\"/api/v1/auth/me\",\"status\":500,\"durationMs\":1.234,\"requestId\":\"01920000-1111\",\
         \"code\":\"internal\",\"cause\":\"a \\\"quoted\\\"\\ncause\"}\n"
    );
    assert_eq!(
        written(LogFormat::Pretty),
        "2026-02-28T23:59:59.000042Z  INFO GET /api/v1/auth/me 200 1.234ms request=01920000-1111\n\
         2026-02-28T23:59:59.000042Z ERROR GET /api/v1/auth/me 500 1.234ms request=01920000-1111 code=internal cause=\"a \\\"quoted\\\"\\ncause\"\n"
    );
}

#[test]
fn only_valid_trace_ids_are_taken() {
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let take = |text: &str| trace_id(&text.parse().unwrap()).map(str::to_owned);
    assert_eq!(take(&format!("00-{id}-00f067aa0ba902b7-01")).as_deref(), Some(id));
    for wrong in [
        "",
        "00",
        "00-",
        &format!("ff-{id}-00f067aa0ba902b7-01"),
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-\"}{\"-x-y",
    ] {
        assert_eq!(take(wrong), None, "{wrong}");
    }
}

/// A sink that tells the test of every write.
struct Told(mpsc::Sender<Vec<u8>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_leave_by_themselves_and_in_order() {
    let (told, writes) = mpsc::channel();
    let log = LogBuffer::start(Box::new(Told(told)), LogFormat::Json);
    for round in 0..3 {
        for i in 0..100 {
            log.append(format!("{round} {i}\n").as_bytes(), i == 99 && round == 1);
        }
        let mut text = String::new();
        while text.lines().count() < 100 {
            text += std::str::from_utf8(&writes.recv_timeout(Duration::from_secs(5)).unwrap()).unwrap();
        }
        assert_eq!(text, (0..100).map(|i| format!("{round} {i}\n")).collect::<String>());
    }
    log.append(b"last words\n", false);
    drop(log);
    let rest: Vec<u8> = writes.iter().flatten().collect();
    assert_eq!(rest, b"last words\n", "nothing is lost at the end");
}

/// A sink that blocks until the test lets it go on.
struct Stuck(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.recv();
        let _ = self.1.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_stops_costs_lines_and_not_requests() {
    let (go, wait) = mpsc::channel();
    let (told, writes) = mpsc::channel();
    let log = LogBuffer::start(Box::new(Stuck(wait, told)), LogFormat::Json);
    let kib = [b'x'; 1024];
    for _ in 0..20_000 {
        log.append(&kib, false);
    }
    drop(go);
    log.flush();
    drop(log);
    let text = String::from_utf8(writes.iter().flatten().collect()).unwrap();
    assert!(text.contains("log lines dropped"), "the loss is told");
    assert!(text.len() < 20 * 1024 * 1024 && text.len() > 8_000_000);
}

#[test]
fn the_exposition_names_everything_once_and_with_help() {
    install_metrics();
    install_metrics();
    metrics::counter!("keystead_limit_hits_total", "policy" => "login").increment(1);
    let requests = RequestMetrics::new();
    requests.record(&Method::GET, Some("/x"), 200, Duration::from_secs(100));
    let text = render_metrics(&requests);
    for expected in [
        "keystead_http_request_seconds_bucket{method=\"GET\",route=\"/x\",status=\"200\",le=\"10\"} 0",
        "keystead_http_request_seconds_bucket{method=\"GET\",route=\"/x\",status=\"200\",le=\"+Inf\"} 1",
        "keystead_http_request_seconds_sum{method=\"GET\",route=\"/x\",status=\"200\"} 100",
        &format!("keystead_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
        "# TYPE keystead_limit_hits_total counter",
    ] {
        assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
    }
    for metric in ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_start_time_seconds"] {
        let value = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ')).unwrap().parse::<f64>().unwrap();
        assert!(value >= 0.0, "{metric}");
    }
    let heads: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let mut once = heads.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), heads.len(), "{heads:?}");
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let name = line.split(['{', ' ']).next().unwrap();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        assert!(METRICS.iter().any(|metric| metric.name == name || metric.name == base), "{name} is not in the table");
    }
}

#[test]
fn the_table_is_sorted_and_the_page_is_current() {
    assert!(METRICS.is_sorted_by_key(|metric| metric.name));
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    if std::env::var_os("KEYSTEAD_UPDATE").is_some() {
        std::fs::write(page, metrics_reference()).unwrap();
    }
    let committed = std::fs::read_to_string(page).unwrap_or_default();
    assert!(committed == metrics_reference(), "docs/metrics.md is not current: run this test with KEYSTEAD_UPDATE=1 and commit the page");
}
