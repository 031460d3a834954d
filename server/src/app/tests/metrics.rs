//! Every metric is in the catalogue, every label bounded, nothing personal in any of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use http::Method;
use keystead::telemetry::{METRICS, Metric};

use super::story;
use crate::support::{Instance, Store, both_stores};

/// Names in the source that look like a metric and are none.
const NO_METRICS: &[&str] = &["keystead_refresh"];

/// Of one sample: the metric, its labels, its value.
type Sample = (&'static Metric, BTreeMap<String, String>, f64);

fn metric(name: &str) -> &'static Metric {
    let exactly = |name: &str| METRICS.iter().find(|metric| metric.name == name);
    let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
    exactly(name).or_else(|| exactly(base?)).unwrap_or_else(|| panic!("{name} is not in the catalogue"))
}

/// Label values here hold no comma and no quote, or the test fails at it.
fn samples(exposition: &str) -> Vec<Sample> {
    let lines = exposition.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let read = |line: &str| {
        let (left, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = left.split_once('{').map_or((left, ""), |(name, labels)| (name, labels.strip_suffix('}').unwrap()));
        let pairs = labels.split("\",").filter(|pair| !pair.is_empty()).map(|pair| {
            let (label, value) = pair.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            (label.to_owned(), value.trim_end_matches('"').to_owned())
        });
        (metric(name), pairs.filter(|(label, _)| label != "le").collect(), value.parse().unwrap_or_else(|_| panic!("{line}")))
    };
    lines.map(read).collect()
}

/// One per combination of labels.
fn series(samples: &[Sample]) -> BTreeSet<String> {
    samples.iter().map(|(metric, labels, _)| format!("{} {labels:?}", metric.name)).collect()
}

async fn hostile(instance: &Instance, round: u32) {
    for number in 0..50 {
        instance.get(&format!("/{round}/{number}/adalbertina")).await.expect(404);
        instance.get(&format!("/api/v1/sessions/{round}-{number}")).await;
        instance.delete(&format!("/api/v1/sessions/{round}-{number}")).await.expect(401);
        let method = Method::from_bytes(format!("BREW{round}X{number}").as_bytes()).unwrap();
        instance.send(method, "/api/v1/auth/me", None).await;
    }
    for path in ["/%00", "/%22%7D%20evil", "//", "/api/v1/auth/me/", "/api/v1/..%2f..%2fetc/passwd", "/api/v1/auth/%6De"] {
        instance.get(path).await;
    }
}

async fn every_metric_is_known_and_bounded(store: Store) {
    let instance = Instance::builder(store).set("TRUSTED_PROXIES", "127.0.0.1/32").start().await;
    let story = story::live(&instance).await;
    hostile(&instance, 1).await;
    let before = instance.ops().get("/metrics").await.expect(200);
    assert_eq!(before.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    hostile(&instance, 2).await;
    let after = instance.ops().get("/metrics").await.expect(200).text;

    let document = serde_json::to_value(keystead::app::openapi()).unwrap();
    let documented = document["paths"].as_object().unwrap();
    let found = samples(&after);
    for (metric, labels, value) in &found {
        let named: BTreeSet<&str> = labels.keys().map(String::as_str).collect();
        assert_eq!(named, metric.labels.iter().copied().collect(), "{}", metric.name);
        assert!(value.is_finite(), "{}", metric.name);
        for (label, value) in labels {
            let fits = match label.as_str() {
                "method" => ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"].contains(&value.as_str()),
                "route" => documented.contains_key(value) || value == "unmatched" || value.starts_with("/dev/"),
                "status" => value.len() == 3 && value.bytes().all(|b| b.is_ascii_digit()),
                "version" => value == env!("CARGO_PKG_VERSION"),
                _ => value.len() < 40 && value.bytes().all(|b| b.is_ascii_lowercase() || b"._".contains(&b)),
            };
            assert!(fits, "{} has {label}={value:?}", metric.name);
        }
    }
    for (what, secret) in &story.secrets {
        assert!(!after.contains(secret.as_str()), "the {what} stands in the metrics");
    }
    assert!(!after.contains("adalbertina") && !after.contains(&story.user));
    assert_eq!(series(&samples(&before.text)), series(&found), "strangers make no series");

    let moved = |name: &str, label: &str, value: &str| {
        let mut of = found.iter().filter(|(metric, labels, _)| metric.name == name && labels.get(label).is_none_or(|is| is == value));
        assert!(of.any(|(_, _, count)| *count >= 1.0), "{name} {label}={value}\n{after}");
    };
    for (name, label, value) in [
        ("keystead_logins_total", "outcome", "success"),
        ("keystead_logins_total", "outcome", "invalid_credentials"),
        ("keystead_refreshes_total", "branch", "rotated"),
        ("keystead_refreshes_total", "branch", "replay"),
        ("keystead_mail_sent_total", "template", "verify_email"),
        ("keystead_jobs_finished_total", "outcome", "done"),
        ("keystead_cache_requests_total", "result", "hit"),
        ("keystead_password_hash_seconds", "", ""),
        ("keystead_http_request_seconds", "route", "/api/v1/auth/login"),
        ("process_resident_memory_bytes", "", ""),
    ] {
        moved(name, label, value);
    }
    match store {
        Store::Sqlite => moved("keystead_db_commits_total", "", ""),
        Store::Postgres => moved("keystead_shared_up", "", ""),
    }
}

both_stores!(every_metric_is_known_and_bounded);

/// Both ways, so that neither a new metric nor a dead entry goes unseen. `docs/metrics.md` is made of the catalogue.
#[test]
fn the_catalogue_names_what_the_source_counts() {
    fn walk(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let is_test = path.ends_with("tests") || path.ends_with("tests.rs");
            if path.is_dir() && !is_test {
                walk(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rs") && !is_test && !path.ends_with("telemetry/catalogue.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for quoted in text.split('"') {
                    let plain = quoted.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
                    let known = ["keystead_", "process_"].iter().any(|start| quoted.starts_with(start));
                    if plain && known && !NO_METRICS.contains(&quoted) {
                        found.insert(quoted.to_owned());
                    }
                }
            }
        }
    }
    let mut counted = BTreeSet::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut counted);
    let catalogue: BTreeSet<String> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(counted, catalogue);
}
