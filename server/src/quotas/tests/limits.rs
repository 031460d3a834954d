//! Limits of people's own, and what administrators see.

use std::time::Duration;

use serde_json::{Value, json};

use super::{CONSUME, at, consume, recorded, reserve, state, with_quota};
use crate::oauth::admin;
use crate::support::{SignedIn, Store, both_stores};

fn of(person: &SignedIn, path: &str) -> String {
    format!("/api/v1/admin/users/{}/quotas{path}", person.id())
}

async fn somebody_gets_more_or_less(store: Store) {
    let instance = with_quota(store, "10/1d").start().await;
    let (root, ada) = (admin(&instance).await, instance.signed_up("ada@example.com").await);
    consume(&ada.api, json!(10)).await.expect(200);
    consume(&ada.api, json!(1)).await.expect_problem(429, "quota_exceeded");
    let put = root.api.put(&of(&ada, "/tokens"), json!({"limit": 30})).await.expect(200);
    assert_eq!(
        (&put.body["limit"], &put.body["used"], &put.body["ownLimit"]),
        (&json!(30), &json!(10), &json!({"limit": 30, "until": null}))
    );
    consume(&ada.api, json!(20)).await.expect(200);
    consume(&ada.api, json!(1)).await.expect_problem(429, "quota_exceeded");
    // Less than was used lets nothing through, and takes nothing back.
    root.api.put(&of(&ada, "/tokens"), json!({"limit": 0})).await.expect(200);
    assert_eq!(state(&ada.api).await, (30, 0, 0));
    consume(&ada.api, json!(1)).await.expect_problem(429, "quota_exceeded");
    root.api.delete(&of(&ada, "/tokens")).await.expect(204);
    root.api.delete(&of(&ada, "/tokens")).await.expect_problem(404, "not_found");
    let shown = root.api.get(&of(&ada, "")).await.expect(200);
    assert_eq!((&shown.body["items"][0]["limit"], &shown.body["items"][0]["ownLimit"]), (&json!(10), &json!(null)));
    assert_eq!((recorded(&instance, "quota.limit_set").await, recorded(&instance, "quota.limit_removed").await), (2, 1));
    let events = instance.events().await;
    let set: Vec<Value> =
        events.iter().filter(|e| e.action == "quota.limit_set").map(|e| serde_json::from_str(&e.details).unwrap()).collect();
    assert_eq!(set[1], json!({"quota": "tokens", "limit": 0, "until": null, "before": 30}));
}

async fn a_limit_of_ones_own_ends_by_itself(store: Store) {
    let instance = with_quota(store, "10/1d").clock(at("2026-03-10T12:00:00Z")).start().await;
    let (root, ada) = (admin(&instance).await, instance.signed_up("ada@example.com").await);
    let body = json!({"limit": 100, "until": "2026-03-10T13:05:00+01:00"});
    let put = root.api.put(&of(&ada, "/tokens"), body).await.expect(200);
    assert_eq!(put.body["ownLimit"]["until"], "2026-03-10T12:05:00Z");
    consume(&ada.api, json!(8)).await.expect(200);
    instance.advance(Duration::from_secs(299));
    consume(&ada.api, json!(2)).await.expect(200);
    instance.advance(Duration::from_secs(1));
    consume(&ada.api, json!(1)).await.expect_problem(429, "quota_exceeded");
    assert_eq!(ada.api.get("/api/v1/quotas").await.expect(200).body["items"][0]["ownLimit"], json!(null));
    instance.advance(Duration::from_secs(12 * 3600));
    let ada = instance.signed_in("ada@example.com").await;
    consume(&ada.api, json!(11)).await.expect_problem(429, "quota_exceeded");
    consume(&ada.api, json!(10)).await.expect(200);
}

async fn what_cannot_be_a_limit(store: Store) {
    let instance = with_quota(store, "10/1d").start().await;
    let (root, ada) = (admin(&instance).await, instance.signed_up("ada@example.com").await);
    for (body, wrong) in [
        (json!({"limit": u64::MAX}), "limit:out_of_range"),
        (json!({"limit": 1, "until": "2001-01-01T00:00:00Z"}), "until:out_of_range"),
        (json!({"limit": 1, "until": "tomorrow"}), "until:invalid"),
    ] {
        let answer = root.api.put(&of(&ada, "/tokens"), body).await.expect_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), [wrong]);
    }
    for body in [json!({"limit": -1}), json!({"limit": 1.5}), json!({"limit": "1"}), json!({}), json!({"limit": 1, "reason": "x"})] {
        root.api.put(&of(&ada, "/tokens"), body).await.expect_problem(400, "invalid_request");
    }
    root.api.put(&of(&ada, "/nothing"), json!({"limit": 1})).await.expect_problem(404, "not_found");
    let nobody = "/api/v1/admin/users/01920000-0000-7000-8000-000000000000/quotas";
    root.api.put(&format!("{nobody}/tokens"), json!({"limit": 1})).await.expect_problem(404, "not_found");
    root.api.get(nobody).await.expect_problem(404, "not_found");
    root.api.get(&format!("{nobody}/tokens/history")).await.expect_problem(404, "not_found");
    assert_eq!(recorded(&instance, "quota.limit_set").await, 0);
}

async fn an_auditor_sees_and_does_not_change(store: Store) {
    let instance = with_quota(store, "10/1d").start().await;
    let (ada, auditor) = (instance.signed_up("ada@example.com").await, instance.signed_up("audit@example.com").await);
    instance.set_roles(&auditor, "auditor").await;
    reserve(&ada.api, 4).await;
    let shown = auditor.api.get(&of(&ada, "")).await.expect(200);
    assert_eq!((&shown.body["items"][0]["reserved"], &shown.body["nextCursor"]), (&json!(4), &json!(null)));
    auditor.api.get(&of(&ada, "/tokens/history")).await.expect(200);
    auditor.api.put(&of(&ada, "/tokens"), json!({"limit": 1})).await.expect_problem(403, "insufficient_scope");
    auditor.api.delete(&of(&ada, "/tokens")).await.expect_problem(403, "insufficient_scope");
    auditor.api.post(CONSUME, json!({"amount": 1, "subject": ada.id()})).await.expect_problem(403, "insufficient_scope");
}

async fn many_quotas_are_paged(store: Store) {
    let mut builder = with_quota(store, "10/1d");
    for name in ["A", "B", "C", "D"] {
        builder = builder.set(&format!("KEYSTEAD_QUOTAS__{name}"), "1/1h");
    }
    let instance = builder.start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let (mut path, mut names) = ("/api/v1/quotas?limit=2".to_owned(), Vec::new());
    loop {
        let page = ada.api.get(&path).await.expect(200);
        names.extend(page.body["items"].as_array().unwrap().iter().map(|quota| quota["name"].as_str().unwrap().to_owned()));
        let Some(cursor) = page.body["nextCursor"].as_str() else { break };
        path = format!("/api/v1/quotas?limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["a", "b", "c", "d", "tokens"]);
}

both_stores!(
    a_limit_of_ones_own_ends_by_itself,
    an_auditor_sees_and_does_not_change,
    many_quotas_are_paged,
    somebody_gets_more_or_less,
    what_cannot_be_a_limit,
);
