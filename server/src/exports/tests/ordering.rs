//! Orders: who may have what, how many, and what is wrong with an order.

use std::time::Duration;

use keystead::exports::{FILES_MAX, UNDER_WAY_MAX};
use serde_json::{Value, json};

use super::{ACCOUNT, EXPORTS, audit_csv, auditor, fetched, ordered, over, url};
use crate::support::{Instance, Store, both_stores};

async fn an_account_is_exported_whole(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    ada.api.patch("/api/v1/account", json!({"role": "Analyst"})).await.expect(200);
    let answer = ada.api.post(ACCOUNT, json!({"format": "json"})).await.expect(202);
    let export = &answer.body["export"];
    assert_eq!((&export["kind"], &export["format"], &export["status"]), (&json!("account"), &json!("json"), &json!("queued")));
    assert_eq!((&export["progress"], &export["expiresAt"]), (&json!({"percent": 0, "rows": 0}), &Value::Null));
    let export = over(&ada.api, answer.str("/export/id")).await;
    assert_eq!((&export["status"], &export["progress"]["percent"], &export["failure"]), (&json!("ready"), &json!(100), &Value::Null));
    assert!(export["expiresAt"].is_string() && export["progress"]["rows"].as_i64() > Some(5), "{export}");

    let (status, headers, bytes) = fetched(&ada, url(&export), &[]).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "application/json"));
    let name = headers["content-disposition"].to_str().unwrap();
    assert!(name.starts_with("attachment; filename=\"account-20") && name.ends_with(".json\""), "{name}");
    let file: Value = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!((&file["export"]["kind"], &file["export"]["owner"]["email"]), (&json!("account"), &json!("ada@example.com")));
    assert_eq!(file["profile"][0]["role"], "Analyst");
    assert_eq!(file["sessions"].as_array().unwrap().len(), 1);
    // Each holding is told of; what is not there says why.
    let contents = file["export"]["contents"].as_array().unwrap();
    assert_eq!(contents.len(), keystead::app::holdings().len());
    for content in contents {
        let there = file[content["name"].as_str().unwrap()].is_array();
        assert_eq!(there, content["withheld"].is_null(), "{content}");
        assert!(content["about"].as_str().unwrap().contains(" Kept "), "{content}");
    }
    let mine = ada.api.get(EXPORTS).await.expect(200);
    assert_eq!(mine.body["items"].as_array().unwrap().len(), 1);
    let events = instance.events().await;
    let acts: Vec<_> = events.iter().filter(|event| event.action.starts_with("export.")).map(|event| event.action.as_str()).collect();
    assert_eq!(acts, ["export.requested", "export.downloaded"]);
    assert!(
        events
            .iter()
            .filter(|event| event.action.starts_with("export."))
            .all(|event| { event.target.map(|id| id.to_string()).as_deref() == export["id"].as_str() && event.sealed_for == event.actor })
    );
}

async fn the_trail_takes_its_scope(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, auditor) = (instance.signed_up("ada@example.com").await, auditor(&instance).await);
    ada.api.post(EXPORTS, audit_csv()).await.expect_problem(403, "insufficient_scope");
    let export = ordered(&auditor.api, audit_csv()).await;
    assert_eq!(export["status"], "ready");
    let (_, headers, bytes) = fetched(&auditor, url(&export), &[]).await;
    assert_eq!(headers["content-type"].to_str().unwrap(), "text/csv; charset=utf-8");
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("seq,id,at,actorType,") && text.contains(ada.id()) && text.ends_with("\r\n"), "{text}");
    assert_eq!(text.lines().count() as i64 - 1, export["progress"]["rows"].as_i64().unwrap());
    // Narrowed as a search is.
    let filter = json!({"kind": "audit", "format": "json", "filter": {"actor": ada.id(), "action": "session.started"}});
    let export = ordered(&auditor.api, filter).await;
    let (_, _, bytes) = fetched(&auditor, url(&export), &[]).await;
    let file: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(file["events"].as_array().unwrap().len(), 1, "{file}");
    assert_eq!((&file["events"][0]["action"], &file["events"][0]["ip"]), (&json!("session.started"), &json!("127.0.0.1")));
    // Whoever lost the scope has no use for a file that waits.
    instance.set_roles(&auditor, "user").await;
    auditor.api.get(url(&export)).await.expect_problem(403, "insufficient_scope");
}

/// Between the order and its turn the right may go; and nothing is written then.
async fn what_may_not_be_had_any_more_is_not_written(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = auditor(&instance).await;
    let export = ordered(&auditor.api, audit_csv()).await;
    let id: uuid::Uuid = export["id"].as_str().unwrap().parse().unwrap();
    instance.set_roles(&auditor, "user").await;
    let again = "UPDATE exports SET status = 'queued', finished_at = NULL WHERE id = $1";
    instance.change(again, keystead::args![id]).await;
    let app = &instance.running.app;
    let (jobs, now) = (app.ground.jobs.clone(), instance.clock.now());
    let ticket = json!({"export": id, "person": auditor.id()});
    app.ground.db.write(async move |tx| jobs.enqueue(tx, keystead::exports::EXPORT, &ticket, now).await).await.unwrap();
    let export = over(&auditor.api, export["id"].as_str().unwrap()).await;
    assert_eq!((&export["status"], &export["failure"]["code"]), (&json!("failed"), &json!("forbidden")));
    assert_eq!(instance.count("SELECT count(*) FROM export_chunks", vec![]).await, 0);
}

async fn others_find_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, eve) = (instance.signed_up("ada@example.com").await, instance.signed_up("eve@example.com").await);
    instance.set_roles(&eve, "admin").await;
    let answer = ada.api.post(ACCOUNT, json!({"format": "json"})).await.expect(202);
    let export = over(&ada.api, answer.str("/export/id")).await;
    let path = format!("{EXPORTS}/{}", answer.str("/export/id"));
    for path in [path.clone(), url(&export).to_owned(), format!("{path}/events")] {
        eve.api.get(&path).await.expect_problem(404, "not_found");
    }
    eve.api.delete(&path).await.expect_problem(404, "not_found");
    assert_eq!(eve.api.get(EXPORTS).await.expect(200).body["items"], json!([]));
    for nobody in ["01920000-0000-7000-8000-000000000000", "x"] {
        ada.api.get(&format!("{EXPORTS}/{nobody}/download")).await.expect_problem(404, "not_found");
    }
    ada.api.delete(&path).await.expect(204);
    ada.api.get(url(&export)).await.expect_problem(404, "not_found");
    assert_eq!(instance.count("SELECT count(*) FROM export_chunks", vec![]).await, 0);
}

async fn what_acts_for_a_person_gets_what_it_was_granted(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = auditor(&instance).await;
    let token = async |scopes: Value| {
        let made = auditor.api.post("/api/v1/account/tokens", json!({"name": "x", "scopes": scopes})).await.expect(201);
        instance.with_token(made.str("/secret"))
    };
    let (few, all) = (token(json!(["exports:write"])).await, token(json!(["exports:write", "audit:read"])).await);
    few.post(EXPORTS, audit_csv()).await.expect_problem(403, "insufficient_scope");
    few.post(EXPORTS, json!({"kind": "account", "format": "json"})).await.expect_problem(403, "insufficient_scope");
    few.post(ACCOUNT, json!({"format": "json"})).await.expect_problem(403, "insufficient_scope");
    all.post(EXPORTS, json!({"kind": "account", "format": "json"})).await.expect_problem(403, "insufficient_scope");
    let export = ordered(&all, audit_csv()).await;
    all.get(url(&export)).await.expect(200);
    few.get(url(&export)).await.expect_problem(403, "insufficient_scope");
    few.get(EXPORTS).await.expect(200);
    // An administrator who acts as somebody takes nothing of theirs along.
    let (root, bob) = (instance.signed_up("root@example.com").await, instance.signed_up("bob@example.com").await);
    instance.set_roles(&root, "admin").await;
    let lent = root.api.post(&format!("/api/v1/admin/users/{}/impersonate", bob.id()), json!({"reason": "a ticket"})).await;
    let lent = instance.with_token(lent.expect(201).str("/accessToken"));
    lent.post(EXPORTS, json!({"kind": "account", "format": "json"})).await.expect_problem(403, "insufficient_scope");
    lent.post(ACCOUNT, json!({"format": "json"})).await.expect_problem(403, "insufficient_scope");
}

async fn what_is_wrong_is_named(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = auditor(&instance).await;
    let refused = async |order: Value, status: u16, code: &str, fields: &[&str]| {
        let answer = auditor.api.post(EXPORTS, order).await.expect_problem(status, code);
        assert_eq!(answer.field_errors(), fields, "{answer}");
    };
    refused(json!({"kind": "everything", "format": "csv"}), 422, "validation_failed", &["kind:unknown"]).await;
    refused(json!({"kind": "account", "format": "csv"}), 422, "validation_failed", &["format:not_offered"]).await;
    refused(json!({"kind": "account", "format": "json", "csv": {"bom": true}}), 422, "validation_failed", &["csv:not_offered"]).await;
    refused(json!({"kind": "account", "format": "json", "filter": {"from": "x"}}), 400, "invalid_request", &["filter:invalid"]).await;
    refused(json!({"kind": "audit", "format": "csv", "filter": {"who": 1}}), 400, "invalid_request", &["filter:invalid"]).await;
    refused(json!({"kind": "audit", "format": "csv", "filter": {"actor": "x"}}), 400, "invalid_request", &["actor:invalid_id"]).await;
    refused(json!({"kind": "audit", "format": "csv", "filter": {"from": "x"}}), 400, "invalid_request", &["from:invalid_time"]).await;
    for body in
        [json!({}), json!({"kind": "audit"}), json!({"kind": "audit", "format": "docx"}), json!({"kind": 1, "format": "csv"}), json!([])]
    {
        auditor.api.post(EXPORTS, body).await.expect_problem(400, "invalid_request");
    }
    for csv in [json!({"delimiter": "\t"}), json!({"bom": 1}), json!({"quote": "'"})] {
        auditor.api.post(EXPORTS, json!({"kind": "audit", "format": "csv", "csv": csv})).await.expect_problem(400, "invalid_request");
    }
    assert_eq!(instance.count("SELECT count(*) FROM exports", vec![]).await, 0);
}

async fn a_repeated_order_is_one(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = auditor(&instance).await;
    let api = auditor.api.with("idempotency-key", "once");
    let (first, again) = (api.post(EXPORTS, audit_csv()).await, api.post(EXPORTS, audit_csv()).await);
    assert_eq!(first.expect(202).body, again.expect(202).body);
    api.post(EXPORTS, json!({"kind": "audit", "format": "json"})).await.expect_problem(422, "idempotency_key_reused");
    assert_eq!(instance.count("SELECT count(*) FROM exports", vec![]).await, 1);
}

async fn a_person_has_so_many_and_no_more(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__API_USER", "1000/1m").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id: uuid::Uuid = ada.id().parse().unwrap();
    let waiting = "INSERT INTO exports (id, user_id, kind, format, wish, status, rows_done, bytes, created_at, updated_at)
        VALUES ($1, $2, 'account', 'json', $3, 'queued', 0, 0, $4, $4)";
    let now = instance.clock.now();
    let fresh = || instance.running.app.ground.random.uuid(now);
    for _ in 0..UNDER_WAY_MAX - 1 {
        instance.change(waiting, keystead::args![fresh(), id, vec![0_u8], now]).await;
    }
    // Sixteen at once: one place is left.
    let all = (0..16).map(|_| ada.api.post(ACCOUNT, json!({"format": "json"})));
    let answers = futures_util::future::join_all(all).await;
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    // One that is written while others are ordered makes room again.
    assert!((1..=4).contains(&accepted), "{accepted} were accepted");
    assert!(answers.iter().all(|answer| answer.status == 202 || answer.body["code"] == "conflict"));
    let ready =
        "INSERT INTO exports (id, user_id, kind, format, wish, status, rows_done, bytes, created_at, updated_at, finished_at, expires_at)
        VALUES ($1, $2, 'account', 'json', $3, 'ready', 0, 0, $4, $4, $4, $5)";
    instance.change("DELETE FROM exports", vec![]).await;
    for _ in 0..FILES_MAX {
        instance.change(ready, keystead::args![fresh(), id, vec![0_u8], now, now.plus(Duration::from_secs(60))]).await;
    }
    ada.api.post(ACCOUNT, json!({"format": "json"})).await.expect_problem(409, "conflict");
    instance.advance(Duration::from_secs(61));
    ada.api.post(ACCOUNT, json!({"format": "json"})).await.expect(202);
}

async fn orders_are_limited(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__API_USER", "2/1m").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    for _ in 0..2 {
        ada.api.post(EXPORTS, json!({"kind": "x", "format": "csv"})).await.expect(422);
    }
    ada.api.post(EXPORTS, json!({"kind": "x", "format": "csv"})).await.expect_problem(429, "rate_limited");
}

both_stores!(
    a_person_has_so_many_and_no_more,
    a_repeated_order_is_one,
    an_account_is_exported_whole,
    orders_are_limited,
    others_find_nothing,
    the_trail_takes_its_scope,
    what_acts_for_a_person_gets_what_it_was_granted,
    what_is_wrong_is_named,
    what_may_not_be_had_any_more_is_not_written
);
