//! Consuming: what it answers, what it refuses, what it tells once.

use std::time::Duration;

use serde_json::json;

use super::{CONSUME, at, consume, recorded, state, with_quota};
use crate::support::{Instance, Store, both_stores};

async fn everybody_has_fifty_thousand_tokens_a_day(store: Store) {
    let instance = Instance::builder(store).clock(at("2026-03-10T15:00:00Z")).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let quotas = ada.api.get("/api/v1/quotas").await.expect(200);
    let untouched = json!({"items": [{"name": "tokens", "limit": 50_000, "used": 0, "reserved": 0, "remaining": 50_000,
        "warning": false, "resetsAt": "2026-03-11T00:00:00Z", "ownLimit": null}], "nextCursor": null});
    assert_eq!(quotas.body, untouched);
    let answer = consume(&ada.api, json!(1_200)).await.expect(200);
    assert_eq!((&answer.body["used"], &answer.body["remaining"]), (&json!(1_200), &json!(48_800)));
    let answer = consume(&ada.api, json!(48_800)).await.expect(200);
    assert_eq!((&answer.body["remaining"], &answer.body["warning"]), (&json!(0), &json!(true)));
    let answer = consume(&ada.api, json!(1)).await.expect_problem(429, "quota_exceeded");
    // Nine hours.
    assert_eq!(answer.header("retry-after"), Some("32400"));
    assert!(answer.str("/detail").contains("0 of 50000 left"), "{answer}");
    let never = consume(&ada.api, json!(50_001)).await.expect_problem(429, "quota_exceeded");
    assert_eq!(never.header("retry-after"), None, "waiting does not help");
    instance.advance(Duration::from_secs(9 * 3600));
    let ada = instance.signed_in("ada@example.com").await;
    assert_eq!(state(&ada.api).await, (0, 0, 50_000));
    consume(&ada.api, json!(50_000)).await.expect(200);
}

async fn all_or_nothing(store: Store) {
    let instance = with_quota(store, "10/1d").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    consume(&ada.api, json!(4)).await.expect(200);
    consume(&ada.api, json!(7)).await.expect_problem(429, "quota_exceeded");
    assert_eq!(state(&ada.api).await, (4, 0, 6));
    consume(&ada.api, json!(6)).await.expect(200);
    // Not even the first time, and not more than there is at all.
    let bob = instance.signed_up("bob@example.com").await;
    consume(&bob.api, json!(11)).await.expect_problem(429, "quota_exceeded");
    assert_eq!(state(&bob.api).await, (0, 0, 10));
}

async fn amounts_that_are_none(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    for amount in ["-1", "1.5", "1e2", "1e400", "\"5\"", "null", "true", "[1]", "18446744073709551616"] {
        let body = format!("{{\"amount\": {amount}}}");
        let answer = ada.api.send_bytes(http::Method::POST, CONSUME, "application/json", body.into_bytes()).await;
        answer.expect_problem(400, "invalid_request");
    }
    for amount in [0, 9_007_199_254_740_992, 9_223_372_036_854_775_808, u64::MAX] {
        consume(&ada.api, json!(amount)).await.expect_problem(422, "validation_failed");
    }
    consume(&ada.api, json!(9_007_199_254_740_991_u64)).await.expect_problem(429, "quota_exceeded");
    ada.api.post(CONSUME, json!({})).await.expect_problem(400, "invalid_request");
    ada.api.post(CONSUME, json!({"amount": 1, "limit": 9})).await.expect_problem(400, "invalid_request");
    ada.api.post(CONSUME, json!({"amount": 1, "subject": "ada"})).await.expect_problem(400, "invalid_request");
    assert_eq!(state(&ada.api).await, (0, 0, 50_000));
}

async fn quotas_that_are_none(store: Store) {
    let instance = with_quota(store, "off").set("KEYSTEAD_QUOTAS__RESERVATIONS", "5/1h").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    for name in ["tokens", "nothing", "TOKENS", "a%27b", "time_zone"] {
        let path = format!("/api/v1/quotas/{name}/consume");
        ada.api.post(&path, json!({"amount": 1})).await.expect_problem(404, "not_found");
    }
    // A name that is part of another path.
    ada.api.post("/api/v1/quotas/reservations/consume", json!({"amount": 1})).await.expect(200);
    ada.api.post("/api/v1/quotas/reservations/reservations", json!({"amount": 1})).await.expect(201);
}

async fn the_threshold_and_the_end_are_told_once_in_a_period(store: Store) {
    let instance = with_quota(store, "100/1d").clock(at("2026-03-10T15:00:00Z")).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let answer = consume(&ada.api, json!(79)).await.expect(200);
    assert_eq!(answer.body["warning"], false);
    let answer = consume(&ada.api, json!(1)).await.expect(200);
    assert_eq!(answer.body["warning"], true);
    for _ in 0..3 {
        consume(&ada.api, json!(1)).await.expect(200);
        consume(&ada.api, json!(50)).await.expect_problem(429, "quota_exceeded");
    }
    assert_eq!((recorded(&instance, "quota.warned").await, recorded(&instance, "quota.exceeded").await), (1, 1));
    let events = instance.events().await;
    let warned = events.iter().find(|event| event.action == "quota.warned").unwrap();
    assert_eq!((warned.target.unwrap().to_string(), warned.actor), (ada.id().to_owned(), warned.target));
    let details: serde_json::Value = serde_json::from_str(&warned.details).unwrap();
    assert_eq!(details, json!({"quota": "tokens", "limit": 100, "used": 80, "resetsAt": "2026-03-11T00:00:00Z"}));
    let metric = async |name| instance.metric(name, &["quota=\"tokens\""]).await;
    assert!(metric("keystead_quota_warnings_total").await >= 1.0 && metric("keystead_quota_refused_total").await >= 3.0);
    assert!(metric("keystead_quota_consumed_total").await >= 83.0);
    instance.advance(Duration::from_secs(24 * 3600));
    let ada = instance.signed_in("ada@example.com").await;
    consume(&ada.api, json!(100)).await.expect(200);
    consume(&ada.api, json!(1)).await.expect_problem(429, "quota_exceeded");
    assert_eq!((recorded(&instance, "quota.warned").await, recorded(&instance, "quota.exceeded").await), (2, 2));
}

async fn a_threshold_of_ones_own(store: Store) {
    let instance = with_quota(store, "10/1d").set("KEYSTEAD_USAGE__WARN_PERCENT", 100).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    assert_eq!(consume(&ada.api, json!(9)).await.expect(200).body["warning"], false);
    assert_eq!(consume(&ada.api, json!(1)).await.expect(200).body["warning"], true);
}

async fn the_same_key_consumes_once(store: Store) {
    let instance = with_quota(store, "100/1d").set("KEYSTEAD_QUOTAS__IMAGES", "100/1d").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let api = ada.api.with("idempotency-key", "one");
    let first = consume(&api, json!(10)).await.expect(200);
    let again = consume(&api, json!(10)).await.expect(200);
    assert_eq!((first.body, again.header("idempotency-replayed")), (again.body.clone(), Some("true")));
    consume(&api, json!(11)).await.expect_problem(422, "idempotency_key_reused");
    // Another quota is another thing.
    let images = api.post("/api/v1/quotas/images/consume", json!({"amount": 10})).await.expect(200);
    assert_eq!((images.str("/name"), state(&ada.api).await), ("images", (10, 0, 90)));
    // A refusal is not kept: when there is room the same request goes through.
    let bob = instance.signed_up("bob@example.com").await;
    let held = super::reserve(&bob.api, 95).await;
    let api = bob.api.with("idempotency-key", "two");
    consume(&api, json!(10)).await.expect_problem(429, "quota_exceeded");
    super::release(&bob.api, &held).await.expect(200);
    consume(&api, json!(10)).await.expect(200);
}

/// An instance is gone between what it did and the note that it answered.
async fn what_was_counted_is_not_counted_again_where_the_answer_was_lost(store: Store) {
    let instance = with_quota(store, "100/1d").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let api = ada.api.with("idempotency-key", "one");
    consume(&api, json!(60)).await.expect(200);
    let held = super::reserve(&api, 30).await;
    assert_eq!(instance.change("DELETE FROM idempotency_keys", Vec::new()).await, 2);
    // It would not fit twice; and it is asked about what fitted.
    let again = consume(&api, json!(60)).await.expect(200);
    assert_eq!((&again.body["used"], &again.body["reserved"]), (&json!(60), &json!(30)));
    assert_eq!(super::reserve(&api, 30).await, held);
    assert_eq!(state(&ada.api).await, (60, 30, 10));
    instance.change("DELETE FROM idempotency_keys", Vec::new()).await;
    // Another amount is another request, and somebody else another caller.
    consume(&api, json!(10)).await.expect(200);
    let bob = instance.signed_up("bob@example.com").await;
    consume(&bob.api.with("idempotency-key", "one"), json!(60)).await.expect(200);
    assert_eq!((state(&ada.api).await, state(&bob.api).await), ((70, 30, 0), (60, 0, 40)));
}

both_stores!(
    a_threshold_of_ones_own,
    all_or_nothing,
    amounts_that_are_none,
    everybody_has_fifty_thousand_tokens_a_day,
    quotas_that_are_none,
    the_same_key_consumes_once,
    the_threshold_and_the_end_are_told_once_in_a_period,
    what_was_counted_is_not_counted_again_where_the_answer_was_lost,
);
