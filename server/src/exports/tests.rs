//! What somebody who orders their data gets, and what nobody else does.

#[path = "tests/bounds.rs"]
mod bounds;
#[path = "tests/downloading.rs"]
mod downloading;
#[path = "tests/ending.rs"]
mod ending;
#[path = "tests/money.rs"]
mod money;
#[path = "tests/ordering.rs"]
mod ordering;
#[path = "tests/paper.rs"]
mod paper;
#[path = "tests/producing.rs"]
mod producing;
#[path = "tests/streaming.rs"]
mod streaming;

use http::HeaderMap;
use serde_json::{Value, json};

use crate::support::{Client, Instance, SignedIn, Store, eventually};

const EXPORTS: &str = "/api/v1/exports";
const ACCOUNT: &str = "/api/v1/account/export";
const STREAM: &str = "/api/v1/exports/stream";

/// Orders, and waits until it is over; the export.
async fn ordered(api: &Client, order: Value) -> Value {
    let answer = api.post(EXPORTS, order).await.expect(202);
    over(api, answer.str("/export/id")).await
}

/// Waits until an export is over; the export.
async fn over(api: &Client, id: &str) -> Value {
    let path = format!("{EXPORTS}/{id}");
    eventually("the export to be over", async || {
        let export = api.get(&path).await.expect(200).body["export"].clone();
        (!matches!(export["status"].as_str(), Some("queued" | "running"))).then_some(export)
    })
    .await
}

/// The bytes behind a path, with status and headers; a file need not be text.
async fn fetched(person: &SignedIn, path: &str, range: &[(&'static str, &str)]) -> (u16, HeaderMap, Vec<u8>) {
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let mut request = http.get(format!("{}{path}", person.api.base())).bearer_auth(&person.access_token);
    for (name, value) in range {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.headers().clone(), answer.bytes().await.unwrap().to_vec())
}

fn url(export: &Value) -> &str {
    export["downloadUrl"].as_str().unwrap()
}

/// Somebody who may read the trail.
async fn auditor(instance: &Instance) -> SignedIn {
    let auditor = instance.signed_up("auditor@example.com").await;
    instance.set_roles(&auditor, "auditor").await;
    auditor
}

/// So many acts of somebody, behind the server's back.
async fn acts(instance: &Instance, person: &SignedIn, count: i64) {
    let who: uuid::Uuid = person.id().parse().unwrap();
    let now = instance.clock.now();
    let sql = "INSERT INTO audit_events (id, at, actor_type, actor_id, action, target_type, target_id, outcome, details)
        VALUES ($1, $2, 'user', $3, 'session.started', 'user', $3, 'success', '{\"padding\":\"0123456789012345678901234567890123456789\"}')";
    for _ in 0..count {
        let id = instance.running.app.ground.random.uuid(now);
        instance.change(sql, keystead::args![id, now, who]).await;
    }
}

/// As many acts of somebody that take so many bytes each, made by the engine itself.
async fn large_acts(instance: &Instance, person: &SignedIn, count: i64, bytes: usize) {
    let now = instance.clock.now();
    let ids = now.lowest_id().simple().to_string();
    let details = json!({"padding": "x".repeat(bytes)}).to_string();
    let sql = match instance.ground.store {
        Store::Sqlite => {
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $4 - 1)
            INSERT INTO audit_events (id, at, actor_type, actor_id, action, target_type, target_id, outcome, details)
            SELECT unhex($2 || '70008000' || printf('%012x', i)), $3, 'user', $1, 'session.started', 'user', $1, 'success', $5 FROM n"
        }
        Store::Postgres => {
            "INSERT INTO audit_events (id, at, actor_type, actor_id, action, target_type, target_id, outcome, details)
            SELECT ($2::text || '70008000' || lpad(to_hex(i), 12, '0'))::uuid, $3, 'user', $1, 'session.started', 'user', $1, 'success', $5::text
                FROM generate_series(0, $4::bigint - 1) AS i"
        }
    };
    let who: uuid::Uuid = person.id().parse().unwrap();
    instance.change(sql, keystead::args![who, ids[..12].to_owned(), now, count, details]).await;
}

/// As many exports of somebody that are long over: rows of an account.
async fn old_orders(instance: &Instance, person: &SignedIn, count: i64) {
    let sql = match instance.ground.store {
        Store::Sqlite => {
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $3 - 1)
            INSERT INTO exports (id, user_id, kind, format, wish, status, rows_done, bytes, created_at, updated_at, finished_at)
            SELECT randomblob(16), $1, 'account', 'json', x'00', 'expired', 0, 0, $2, $2, $2 FROM n"
        }
        Store::Postgres => {
            "INSERT INTO exports (id, user_id, kind, format, wish, status, rows_done, bytes, created_at, updated_at, finished_at)
            SELECT gen_random_uuid(), $1, 'account', 'json', ''::bytea, 'expired', 0, 0, $2::bigint, $2::bigint, $2::bigint
                FROM generate_series(1, $3::bigint)"
        }
    };
    let who: uuid::Uuid = person.id().parse().unwrap();
    assert_eq!(instance.change(sql, keystead::args![who, instance.clock.now(), count]).await, u64::try_from(count).unwrap());
}

fn audit_csv() -> Value {
    json!({"kind": "audit", "format": "csv"})
}
