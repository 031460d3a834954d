//! Small exports at once, and the progress of large ones.

use serde_json::{Value, json};

use super::{EXPORTS, STREAM, acts, auditor, ordered};
use crate::support::{Instance, Store, both_stores};

async fn a_small_export_comes_at_once(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = auditor(&instance).await;
    let order = json!({"kind": "audit", "format": "csv", "csv": {"bom": true, "delimiter": ";"}, "filter": {"actor": auditor.id()}});
    let answer = auditor.api.post(STREAM, order).await.expect(200);
    assert!(answer.text.starts_with("\u{feff}seq;id;at;") && answer.text.contains(";session.started;"), "{}", answer.text);
    assert!(answer.header("content-disposition").unwrap().ends_with(".csv\""));
    let account = auditor.api.post(STREAM, json!({"kind": "account", "format": "json"})).await.expect(200);
    assert_eq!(account.body["profile"][0]["email"], "auditor@example.com");
    auditor.api.post(STREAM, json!({"kind": "x", "format": "csv"})).await.expect_problem(422, "validation_failed");
    let ada = instance.signed_up("ada@example.com").await;
    ada.api.post(STREAM, json!({"kind": "audit", "format": "csv"})).await.expect_problem(403, "insufficient_scope");
    assert_eq!(instance.count("SELECT count(*) FROM exports", vec![]).await, 0, "nothing was ordered");
    let acts = instance.events().await;
    assert_eq!(acts.iter().filter(|event| event.action == "export.streamed").count(), 2);
}

/// The events as a stock client reads them.
fn heard(text: &str) -> Vec<(String, Value)> {
    let blocks = text.split("\n\n").filter(|block| block.contains("data:"));
    blocks
        .map(|block| {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
            (field("event:"), serde_json::from_str(&field("data:")).expect("JSON"))
        })
        .collect()
}

async fn progress_is_told_until_the_end(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = auditor(&instance).await;
    acts(&instance, &auditor, 1_200).await;
    let order = auditor.api.post(EXPORTS, json!({"kind": "audit", "format": "csv"})).await.expect(202);
    let path = format!("{EXPORTS}/{}/events", order.str("/export/id"));
    // What listens is another instance than may write it.
    let second = instance.second().await;
    let answer = second.with_token(&auditor.access_token).get(&path).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let events = heard(&answer.text);
    let (name, last) = events.last().unwrap();
    assert_eq!((name.as_str(), &last["export"]["status"], &last["export"]["progress"]["percent"]), ("end", &json!("ready"), &json!(100)));
    assert!(events[..events.len() - 1].iter().all(|(name, _)| name == "progress"), "{events:?}");
    let rows: Vec<i64> = events.iter().map(|(_, data)| data["export"]["progress"]["rows"].as_i64().unwrap()).collect();
    assert!(rows.is_sorted() && *rows.last().unwrap() >= 1_200, "{rows:?}");
    // Whoever has heard the end is not told again.
    auditor.api.with("last-event-id", "end").get(&path).await.expect(204);
}

/// A million rows take the memory of a page; here it is only that none is lost or doubled between pages.
async fn every_row_is_there_once(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = auditor(&instance).await;
    acts(&instance, &auditor, 1_300).await;
    let there = instance.count("SELECT count(*) FROM audit_events WHERE action = 'session.started'", vec![]).await;
    let order = json!({"kind": "audit", "format": "csv", "filter": {"action": "session.started"}});
    let export = ordered(&auditor.api, order.clone()).await;
    assert_eq!(export["progress"]["rows"].as_i64(), Some(there));
    let text = auditor.api.post(STREAM, order).await.expect(200).text;
    let mut ids: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    assert_eq!(ids.len() as i64, there);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as i64, there);
}

both_stores!(a_small_export_comes_at_once, every_row_is_there_once, progress_is_told_until_the_end);
