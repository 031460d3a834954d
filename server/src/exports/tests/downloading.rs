//! Files: whole, in ranges, from another instance, and until they expire.

use std::time::Duration;

use serde_json::json;

use super::{EXPORTS, acts, audit_csv, auditor, fetched, ordered, url};
use crate::support::{Instance, Store, both_stores};

/// Larger than a part of a file in the database, so that ranges cross from one part to the next.
async fn a_download_goes_on_where_it_broke_off(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = auditor(&instance).await;
    acts(&instance, &auditor, 1_500).await;
    let export = ordered(&auditor.api, audit_csv()).await;
    let (status, headers, whole) = fetched(&auditor, url(&export), &[]).await;
    let size = whole.len();
    assert!(status == 200 && size > 300_000, "{status}, {size} bytes");
    assert_eq!(export["bytes"].as_i64(), i64::try_from(size).ok());
    assert!(instance.count("SELECT count(*) FROM export_chunks", vec![]).await > 1);
    assert_eq!((&headers["accept-ranges"], &headers["content-length"]), (&"bytes".parse().unwrap(), &size.to_string().parse().unwrap()));
    let tag = headers["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with('"'), "{tag}");

    // Another instance has the same file, with the same tag.
    let second = instance.second().await;
    let there = crate::support::SignedIn { api: second.with_token(&auditor.access_token), ..auditor };
    for (range, from, to) in [
        ("bytes=0-99", 0, 100),
        ("bytes=262000-263000", 262_000, 263_001),
        ("bytes=262144-262144", 262_144, 262_145),
        ("bytes=100000-", 100_000, size),
        ("bytes=-77", size - 77, size),
        ("bytes=5-99999999999", 5, size),
        ("bytes=-99999999999", 0, size),
    ] {
        let (status, headers, part) = fetched(&there, url(&export), &[("range", range), ("if-range", &tag)]).await;
        assert_eq!(status, 206, "{range}");
        assert!(part == whole[from..to], "{range}: other bytes");
        assert_eq!(headers["content-range"].to_str().unwrap(), format!("bytes {from}-{}/{size}", to - 1));
        assert_eq!(headers["etag"].to_str().unwrap(), tag);
        assert!(!headers.contains_key("content-encoding"));
    }
    // What is no single range of bytes, or of another file, is answered with all of it.
    for (range, if_range) in [
        ("bytes=0-1,5-6", tag.as_str()),
        ("bytes=9-3", &tag),
        ("bytes=x-", &tag),
        ("bytes=-", &tag),
        ("pages=1-2", &tag),
        ("bytes=0-99", "\"another\""),
        ("bytes=0-99", "Sun, 29 Nov 2026 00:00:00 GMT"),
    ] {
        let (status, _, all) = fetched(&there, url(&export), &[("range", range), ("if-range", if_range)]).await;
        assert!(status == 200 && all == whole, "{range} {if_range}: {status}");
    }
    for range in [format!("bytes={size}-"), format!("bytes={size}-{}", size + 5), "bytes=-0".to_owned()] {
        let answer = there.api.clone().with("range", &range).get(url(&export)).await.expect_problem(416, "range_not_satisfiable");
        assert_eq!(answer.header("content-range"), Some(format!("bytes */{size}").as_str()));
    }
    // Nothing of it stands in the clear.
    for row in instance.rows("SELECT sealed FROM export_chunks", vec![]).await {
        let part: Vec<u8> = row.get(0).unwrap();
        assert!(!part.windows(15).any(|window| window == b"session.started"), "a part stands in the clear");
    }
}

async fn a_file_expires(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_EXPORTS__FILE_TTL", "10m").set("KEYSTEAD_RETENTION__EXPORTS", "2").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let export = ordered(&ada.api, json!({"kind": "account", "format": "json"})).await;
    instance.advance(Duration::from_secs(599));
    ada.api.get(url(&export)).await.expect(200);
    instance.advance(Duration::from_secs(2));
    ada.api.get(url(&export)).await.expect_problem(410, "gone");
    let path = format!("{EXPORTS}/{}", export["id"].as_str().unwrap());
    assert_eq!(ada.api.get(&path).await.expect(200).str("/export/status"), "expired", "before it is swept");
    assert!(instance.count("SELECT count(*) FROM export_chunks", vec![]).await > 0);
    instance.running.app.housekeep(instance.clock.now()).await;
    assert_eq!(instance.count("SELECT count(*) FROM export_chunks", vec![]).await, 0);
    ada.api.get(url(&export)).await.expect_problem(410, "gone");
    assert_eq!(ada.api.get(&path).await.expect(200).str("/export/status"), "expired");
    instance.advance(Duration::from_secs(2 * 24 * 60 * 60));
    instance.running.app.housekeep(instance.clock.now()).await;
    assert_eq!(instance.count("SELECT count(*) FROM exports", vec![]).await, 0);
}

async fn what_is_not_ready_cannot_be_fetched(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let export = ordered(&ada.api, json!({"kind": "account", "format": "json"})).await;
    for (status, code, http) in [("queued", "conflict", 409), ("running", "conflict", 409), ("failed", "gone", 410)] {
        instance.change("UPDATE exports SET status = $1, finished_at = NULL", keystead::args![status]).await;
        let answer = ada.api.get(url(&export)).await.expect_problem(http, code);
        assert_eq!(answer.header("retry-after").is_some(), http == 409);
    }
}

/// Erasing somebody takes their files along.
async fn files_go_with_their_person(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    ordered(&ada.api, json!({"kind": "account", "format": "json"})).await;
    let id: uuid::Uuid = ada.id().parse().unwrap();
    let (app, now) = (&instance.running.app, instance.clock.now());
    let by = || keystead::accounts::By::of(keystead::audit::Actor::System);
    app.lifecycle.delete(id, by(), now).await.unwrap();
    app.lifecycle.erase(id, by(), now).await.unwrap();
    assert_eq!(instance.count("SELECT count(*) FROM exports", vec![]).await, 0);
    assert_eq!(instance.count("SELECT count(*) FROM export_chunks", vec![]).await, 0);
}

both_stores!(a_download_goes_on_where_it_broke_off, a_file_expires, files_go_with_their_person, what_is_not_ready_cannot_be_fetched);
