//! Writing a file survives whoever writes it.

use std::io::Write;
use std::sync::Arc;

use serde_json::json;

use super::{EXPORTS, acts, audit_csv, auditor, fetched, ordered, url};
use crate::support::{Ground, Instance, Process, SignedIn, Store, both_stores, eventually};

/// Two workers have the same job, because one of them was taken for dead: the file is one, whole, of one of them.
async fn two_workers_write_one_file(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = auditor(&instance).await;
    acts(&instance, &auditor, 1_500).await;
    let second = instance.second().await;
    let export = ordered(&auditor.api, audit_csv()).await;
    let id: uuid::Uuid = export["id"].as_str().unwrap().parse().unwrap();
    instance.change("UPDATE exports SET status = 'queued', finished_at = NULL WHERE id = $1", keystead::args![id]).await;
    for instance in [&instance, &second, &instance] {
        let (jobs, now) = (instance.running.app.ground.jobs.clone(), instance.clock.now());
        let ticket = json!({"export": id, "person": auditor.id()});
        let app = &instance.running.app;
        app.ground.db.write(async move |tx| jobs.enqueue(tx, keystead::exports::EXPORT, &ticket, now).await).await.unwrap();
    }
    eventually("all of them to end", async || {
        let left = instance.count("SELECT count(*) FROM jobs WHERE kind = 'exports.produce'", vec![]).await;
        (left == 0).then_some(())
    })
    .await;
    let export = auditor.api.get(&format!("{EXPORTS}/{id}")).await.expect(200).body["export"].clone();
    assert_eq!(export["status"], "ready");
    let (_, _, file) = fetched(&auditor, url(&export), &[]).await;
    let lines = String::from_utf8(file).unwrap().lines().count();
    assert_eq!(lines as i64 - 1, export["progress"]["rows"].as_i64().unwrap());
    let runs = instance.count("SELECT count(DISTINCT run) FROM export_chunks WHERE export_id = $1", keystead::args![id]).await;
    assert!(runs >= 1);
}

/// Each worker that wrote it was killed: whoever waits for it is told with the end of its job, not three days later.
async fn a_file_that_kills_its_writers_has_failed(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = auditor(&instance).await;
    let export = ordered(&auditor.api, audit_csv()).await;
    let id: uuid::Uuid = export["id"].as_str().unwrap().parse().unwrap();
    instance.change("UPDATE exports SET status = 'running', finished_at = NULL WHERE id = $1", keystead::args![id]).await;
    let (jobs, later) = (instance.running.app.ground.jobs.clone(), instance.clock.now().plus(std::time::Duration::from_secs(60)));
    let ticket = json!({"export": id, "person": auditor.id()});
    let enqueue = async move |tx: &mut keystead::db::Tx| jobs.enqueue(tx, keystead::exports::EXPORT, &ticket, later).await;
    instance.running.app.ground.db.write(enqueue).await.unwrap();
    instance.change("UPDATE jobs SET attempts = max_attempts WHERE kind = 'exports.produce'", vec![]).await;
    instance.advance(std::time::Duration::from_secs(61));
    let export = super::over(&auditor.api, &id.to_string()).await;
    assert_eq!((&export["status"], &export["failure"]["code"]), (&json!("failed"), &json!("broken")));
    assert_eq!(instance.count("SELECT count(*) FROM export_chunks", vec![]).await, 0);
    assert_eq!(instance.count("SELECT count(*) FROM jobs WHERE state = 'dead'", vec![]).await, 1);
}

/// Killed while it writes: another instance writes it to its end, and serves it.
async fn process_killed_while_it_writes(store: Store) {
    let ground = Arc::new(Ground::migrated(store).await);
    let env = [("KEYSTEAD_DEV__CLOCK", "true"), ("KEYSTEAD_LIMITS__ENABLED", "false")];
    let first = Process::spawn(Arc::clone(&ground), &env).await;
    let instance = Instance::builder(store).on(Arc::clone(&ground)).start().await;
    let auditor = auditor(&instance).await;
    acts(&instance, &auditor, 5_000).await;
    instance.stop().await;
    let there = SignedIn { api: first.api.with_token(&auditor.access_token), ..auditor };
    let order = there.api.post(EXPORTS, audit_csv()).await.expect(202);
    let path = format!("{EXPORTS}/{}", order.str("/export/id"));
    eventually("it to be written", async || {
        let rows = there.api.get(&path).await.expect(200).body["export"]["progress"]["rows"].as_i64();
        (rows > Some(0)).then_some(())
    })
    .await;
    let ground = first.kill9().await;
    let second = Process::spawn(ground, &env).await;
    let there = SignedIn { api: second.api.with_token(&there.access_token), ..there };
    // Whoever was killed holds the job for its lease.
    second.api.post("/dev/clock", json!({"advance": 61})).await.expect(200);
    let begun = there.api.get(&path).await.expect(200).body["export"]["progress"].clone();
    eventually("it to be taken over", async || (there.api.get(&path).await.expect(200).body["export"]["progress"] != begun).then_some(()))
        .await;
    let export = eventually("it to be ready", async || {
        let export = there.api.get(&path).await.expect(200).body["export"].clone();
        (export["status"] == "ready").then_some(export)
    })
    .await;
    let (status, _, file) = fetched(&there, url(&export), &[]).await;
    let lines = String::from_utf8(file).unwrap().lines().count();
    assert!(status == 200 && lines > 5_000, "{status}, {lines} lines");
    assert_eq!(lines as i64 - 1, export["progress"]["rows"].as_i64().unwrap());
}

both_stores!(a_file_that_kills_its_writers_has_failed, process_killed_while_it_writes, two_workers_write_one_file);

/// Rows of the trail, made by the engine itself: a test that wrote each of them would take minutes.
async fn rows(instance: &Instance, person: &SignedIn, count: i64) {
    let sql = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $2 - 1)
        INSERT INTO audit_events (id, at, actor_type, actor_id, action, target_type, target_id, outcome, details, seq)
        SELECT unhex(printf('01a00000%08x7000800000000000', i)), i, 'user', $1, 'session.started', 'user', $1, 'success', '{}', i - 2000000000 FROM n";
    let who: uuid::Uuid = person.id().parse().unwrap();
    assert_eq!(instance.change(sql, keystead::args![who, count]).await, u64::try_from(count).unwrap());
}

/// What a file costs in memory does not depend on its length. `KEYSTEAD_TEST_ROWS=1000000` measures the long one.
#[tokio::test]
async fn process_many_rows_take_little_memory() {
    let many = std::env::var("KEYSTEAD_TEST_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(60_000_i64);
    let ground = Arc::new(Ground::migrated(Store::Sqlite).await);
    let instance = Instance::builder(Store::Sqlite).on(Arc::clone(&ground)).start().await;
    let auditor = auditor(&instance).await;
    rows(&instance, &auditor, many).await;
    instance.stop().await;
    let process = Process::spawn(ground, &[("KEYSTEAD_LIMITS__ENABLED", "false")]).await;
    let there = SignedIn { api: process.api.with_token(&auditor.access_token), ..auditor };
    let resident = async || {
        let text = process.ops.get("/metrics").await.expect(200).text;
        let line = text.lines().find(|line| line.starts_with("process_resident_memory_bytes")).expect("the figure of memory");
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() / f64::from(1024 * 1024)
    };
    // A first, short one opens what any request opens.
    ordered(&there.api, json!({"kind": "audit", "format": "json", "filter": {"action": "user.registered"}})).await;
    let idle = resident().await;
    let order = there.api.post(EXPORTS, audit_csv()).await.expect(202);
    let path = format!("{EXPORTS}/{}", order.str("/export/id"));
    let (mut most, mut last) = (idle, json!(null));
    let export = loop {
        let export = eventually("it to go on", async || {
            let export = there.api.get(&path).await.expect(200).body["export"].clone();
            (export["progress"] != last || export["status"] == "ready").then_some(export)
        })
        .await;
        most = most.max(resident().await);
        if export["status"] != "running" && export["status"] != "queued" {
            break export;
        }
        last = export["progress"].clone();
    };
    assert_eq!(export["status"], "ready", "{export}");
    assert!(export["progress"]["rows"].as_i64() >= Some(many));
    let said = format!("{many} rows, {} bytes: {idle:.1} MiB before, {most:.1} MiB at most\n", export["bytes"]);
    std::io::stderr().write_all(said.as_bytes()).unwrap();
    assert!(most - idle < 32.0, "{idle:.1} MiB before, {most:.1} MiB at most");
}
