//! Reserve, commit, release, expire.

use std::time::Duration;

use serde_json::json;

use super::{RESERVE, at, commit, consume, recorded, release, reserve, state, with_quota};
use crate::support::{Client, Instance, Store, both_stores};

async fn what_is_reserved_is_not_there_for_others(store: Store) {
    let instance = with_quota(store, "100/1d").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let answer = ada.api.post(RESERVE, json!({"amount": 60})).await.expect(201);
    assert_eq!((answer.str("/reservation/state"), &answer.body["reservation"]["committed"]), ("open", &json!(null)));
    assert_eq!((&answer.body["quota"]["reserved"], &answer.body["quota"]["remaining"]), (&json!(60), &json!(40)));
    consume(&ada.api, json!(41)).await.expect_problem(429, "quota_exceeded");
    ada.api.post(RESERVE, json!({"amount": 41})).await.expect_problem(429, "quota_exceeded");
    consume(&ada.api, json!(40)).await.expect(200);
    let id = answer.str("/reservation/id");
    let done = commit(&ada.api, id, 25).await.expect(200);
    assert_eq!((done.str("/reservation/state"), &done.body["reservation"]["committed"]), ("committed", &json!(25)));
    assert_eq!(state(&ada.api).await, (65, 0, 35));
    let other = reserve(&ada.api, 35).await;
    assert_eq!(release(&ada.api, &other).await.expect(200).str("/reservation/state"), "released");
    assert_eq!(state(&ada.api).await, (65, 0, 35));
}

async fn settling_again_changes_nothing(store: Store) {
    let instance = with_quota(store, "100/1d").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let (one, two) = (reserve(&ada.api, 30).await, reserve(&ada.api, 30).await);
    let first = commit(&ada.api, &one, 20).await.expect(200);
    assert_eq!(commit(&ada.api, &one, 20).await.expect(200).body, first.body);
    commit(&ada.api, &one, 21).await.expect_problem(409, "conflict");
    release(&ada.api, &one).await.expect_problem(409, "conflict");
    release(&ada.api, &two).await.expect(200);
    release(&ada.api, &two).await.expect(200);
    commit(&ada.api, &two, 5).await.expect_problem(409, "conflict");
    commit(&ada.api, &two, 0).await.expect_problem(409, "conflict");
    assert_eq!(state(&ada.api).await, (20, 0, 80));
}

async fn nothing_may_have_been_used(store: Store) {
    let instance = with_quota(store, "100/1d").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = reserve(&ada.api, 30).await;
    commit(&ada.api, &id, 0).await.expect(200);
    assert_eq!(state(&ada.api).await, (0, 0, 100));
}

async fn more_than_was_reserved_is_taken_if_it_is_there(store: Store) {
    let instance = with_quota(store, "100/1d").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = reserve(&ada.api, 30).await;
    commit(&ada.api, &id, 75).await.expect(200);
    assert_eq!(state(&ada.api).await, (75, 0, 25));
    let id = reserve(&ada.api, 20).await;
    commit(&ada.api, &id, 26).await.expect_problem(429, "quota_exceeded");
    // Nothing changed, and what was reserved may still be committed.
    assert_eq!(state(&ada.api).await, (75, 20, 5));
    assert_eq!(recorded(&instance, "quota.exceeded").await, 1);
    commit(&ada.api, &id, 20).await.expect(200);
    assert_eq!(state(&ada.api).await, (95, 0, 5));
    assert_eq!(recorded(&instance, "quota.warned").await, 1);
}

async fn a_reservation_expires_by_itself(store: Store) {
    let instance = with_quota(store, "100/1d").clock(at("2026-03-10T15:00:00Z")).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = reserve(&ada.api, 60).await;
    ada.api.post(RESERVE, json!({"amount": 40, "ttlSeconds": 60})).await.expect(201);
    let refused = consume(&ada.api, json!(50)).await.expect_problem(429, "quota_exceeded");
    // The first of them to expire.
    assert_eq!(refused.header("retry-after"), Some("60"));
    instance.advance(Duration::from_secs(60));
    assert_eq!(state(&ada.api).await, (0, 60, 40));
    consume(&ada.api, json!(41)).await.expect_problem(429, "quota_exceeded");
    consume(&ada.api, json!(40)).await.expect(200);
    instance.advance(Duration::from_secs(240));
    assert_eq!(state(&ada.api).await, (40, 0, 60));
    consume(&ada.api, json!(60)).await.expect(200);
    commit(&ada.api, &id, 1).await.expect_problem(410, "gone");
    assert_eq!(release(&ada.api, &id).await.expect(200).str("/reservation/state"), "expired");
    assert_eq!(state(&ada.api).await, (100, 0, 0));
}

/// An instance whose clock is ahead gave the units away: the reservation has expired for all.
async fn what_expired_for_one_instance_has_for_all(store: Store) {
    if store == Store::Sqlite {
        return;
    }
    let first = with_quota(store, "100/1d").clock(at("2026-03-10T15:00:00Z")).start().await;
    let second = with_quota(store, "100/1d").second(&first).clock(at("2026-03-10T15:05:30Z")).start().await;
    let ada = first.signed_up("ada@example.com").await;
    let id = reserve(&ada.api, 100).await;
    let elsewhere = second.with_token(&ada.access_token);
    consume(&elsewhere, json!(100)).await.expect(200);
    commit(&ada.api, &id, 100).await.expect_problem(410, "gone");
    assert_eq!(state(&ada.api).await, (100, 0, 0));
}

async fn lifetimes_that_are_none(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    for seconds in [json!(0), json!(86_401), json!(u64::MAX)] {
        let answer = ada.api.post(RESERVE, json!({"amount": 1, "ttlSeconds": seconds})).await;
        assert_eq!(answer.expect_problem(422, "validation_failed").field_errors(), ["ttlSeconds:out_of_range"]);
    }
    for seconds in [json!(-1), json!(1.5), json!("60")] {
        ada.api.post(RESERVE, json!({"amount": 1, "ttlSeconds": seconds})).await.expect_problem(400, "invalid_request");
    }
    ada.api.post(RESERVE, json!({"amount": 0})).await.expect_problem(422, "validation_failed");
    let id = reserve(&ada.api, 1).await;
    let path = format!("/api/v1/quotas/reservations/{id}/commit");
    for amount in [json!(-1), json!(0.5), json!("1"), json!(null)] {
        ada.api.post(&path, json!({"amount": amount})).await.expect_problem(400, "invalid_request");
    }
    ada.api.post(&path, json!({"amount": u64::MAX})).await.expect_problem(422, "validation_failed");
    commit(&ada.api, &id, 1).await.expect(200);
}

async fn somebody_elses_reservation_is_not_there(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, eve) = (instance.signed_up("ada@example.com").await, instance.signed_up("eve@example.com").await);
    let id = reserve(&ada.api, 10).await;
    commit(&eve.api, &id, 1).await.expect_problem(404, "not_found");
    release(&eve.api, &id).await.expect_problem(404, "not_found");
    for id in ["nothing", "01920000-0000-7000-8000-000000000000"] {
        release(&eve.api, id).await.expect_problem(404, "not_found");
    }
    assert_eq!(state(&ada.api).await, (0, 10, 49_990));
}

async fn a_reservation_belongs_to_the_day_in_which_it_was_made(store: Store) {
    let instance = with_quota(store, "100/1d").clock(at("2026-03-10T23:58:00Z")).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    consume(&ada.api, json!(10)).await.expect(200);
    let (one, two) = (reserve(&ada.api, 60).await, reserve(&ada.api, 20).await);
    instance.advance(Duration::from_secs(180));
    assert_eq!(state(&ada.api).await, (0, 0, 100));
    consume(&ada.api, json!(5)).await.expect(200);
    commit(&ada.api, &one, 50).await.expect(200);
    assert_eq!(state(&ada.api).await, (5, 0, 95));
    // What is beyond the reservation is used now.
    commit(&ada.api, &two, 23).await.expect(200);
    assert_eq!(state(&ada.api).await, (8, 0, 92));
    let history = ada.api.get("/api/v1/quotas/tokens/history?from=2026-03-10").await.expect(200);
    let days = json!([{"day": "2026-03-10", "used": 80, "limit": 100}, {"day": "2026-03-11", "used": 8, "limit": 100}]);
    assert_eq!(history.body["items"], days);
}

/// What is asked first on a new day may be something that changes nothing.
async fn a_day_is_put_away_once(store: Store) {
    let instance = with_quota(store, "100/1d").clock(at("2026-03-10T23:59:00Z")).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = reserve(&ada.api, 60).await;
    commit(&ada.api, &id, 50).await.expect(200);
    instance.advance(Duration::from_secs(120));
    for _ in 0..3 {
        commit(&ada.api, &id, 50).await.expect(200);
        commit(&ada.api, &id, 51).await.expect_problem(409, "conflict");
        release(&ada.api, &id).await.expect_problem(409, "conflict");
    }
    consume(&ada.api, json!(1)).await.expect(200);
    let history = ada.api.get("/api/v1/quotas/tokens/history?from=2026-03-10").await.expect(200);
    assert_eq!((&history.body["items"][0]["used"], &history.body["items"][1]["used"]), (&json!(50), &json!(1)));
}

async fn reserving_with_a_key_reserves_once(store: Store) {
    let instance = with_quota(store, "100/1d").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let api = ada.api.with("idempotency-key", "one");
    let (one, two) = (reserve(&api, 30).await, reserve(&api, 30).await);
    assert_eq!((one, state(&ada.api).await), (two, (0, 30, 70)));
}

/// A reservation may live longer than the key that it was made with.
async fn a_day_later_the_key_reserves_anew(store: Store) {
    let instance = with_quota(store, "100/30d").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let long = json!({"amount": 30, "ttlSeconds": 86_400});
    let made = |api: Client| {
        let long = long.clone();
        async move { api.with("idempotency-key", "one").post(RESERVE, long).await.expect(201).str("/reservation/id").to_owned() }
    };
    let first = made(ada.api.clone()).await;
    instance.advance(Duration::from_secs(86_400 - 60));
    let ada = instance.signed_in("ada@example.com").await;
    // The answer was lost; the receipt is as good as the key would be.
    instance.change("DELETE FROM idempotency_keys", Vec::new()).await;
    assert_eq!(made(ada.api.clone()).await, first);
    instance.change("DELETE FROM idempotency_keys", Vec::new()).await;
    instance.advance(Duration::from_secs(60));
    let second = made(ada.api.clone()).await;
    assert_ne!(second, first);
    instance.change("DELETE FROM idempotency_keys", Vec::new()).await;
    assert_eq!(made(ada.api.clone()).await, second);
    assert_eq!(state(&ada.api).await, (0, 30, 70), "the first one has expired");
}

both_stores!(
    a_day_later_the_key_reserves_anew,
    a_day_is_put_away_once,
    a_reservation_belongs_to_the_day_in_which_it_was_made,
    a_reservation_expires_by_itself,
    lifetimes_that_are_none,
    more_than_was_reserved_is_taken_if_it_is_there,
    nothing_may_have_been_used,
    reserving_with_a_key_reserves_once,
    settling_again_changes_nothing,
    somebody_elses_reservation_is_not_there,
    what_expired_for_one_instance_has_for_all,
    what_is_reserved_is_not_there_for_others,
);
