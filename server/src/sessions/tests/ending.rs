use http::Method;
use serde_json::json;
use uuid::Uuid;

use super::{refresh, rows};
use crate::support::{Client, Instance, SignedIn, Store, both_stores};

async fn is_over(instance: &Instance, who: &SignedIn) {
    who.api.get("/api/v1/auth/me").await.expect_problem(401, "session_revoked");
    who.api.get("/api/v1/sessions").await.expect_problem(401, "session_revoked");
    refresh(instance, &who.refresh_token).await.expect_problem(401, "session_revoked");
}

async fn goes_on(instance: &Instance, who: &SignedIn) {
    who.api.get("/api/v1/auth/me").await.expect(200);
    refresh(instance, &who.refresh_token).await.expect(200);
}

async fn log_out(api: &Client) {
    api.send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
}

/// T5: by access token and by refresh token; twice is no error; the other sessions stay.
async fn logout_ends_one_session_at_once(store: Store) {
    let instance = Instance::start(store).await;
    let first = instance.signed_up("ada@example.com").await;
    let second = instance.signed_in("ada@example.com").await;
    let third = instance.signed_in("ada@example.com").await;
    log_out(&first.api).await;
    is_over(&instance, &first).await;
    let by_token = json!({ "refreshToken": second.refresh_token });
    instance.post("/api/v1/auth/logout", by_token.clone()).await.expect(204);
    is_over(&instance, &second).await;
    instance.post("/api/v1/auth/logout", by_token).await.expect(204);
    goes_on(&instance, &third).await;
    instance.send(Method::POST, "/api/v1/auth/logout", None).await.expect_problem(401, "unauthenticated");
    let recorded = rows(&instance, "SELECT details FROM audit_events WHERE action = 'session.ended'").await;
    assert_eq!(recorded.len(), 2, "each end once");
}

/// A refresh token that has a successor still signs out.
async fn an_old_refresh_token_signs_out(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let next = refresh(&instance, &ada.refresh_token).await.expect(200);
    instance.post("/api/v1/auth/logout", json!({ "refreshToken": ada.refresh_token })).await.expect(204);
    refresh(&instance, next.str("/refreshToken")).await.expect_problem(401, "session_revoked");
}

async fn logout_all_ends_every_session(store: Store) {
    let instance = Instance::start(store).await;
    let bob = instance.signed_up("bob@example.com").await;
    let first = instance.signed_up("ada@example.com").await;
    let second = instance.signed_in("ada@example.com").await;
    first.api.send(Method::POST, "/api/v1/auth/logout-all", None).await.expect(204);
    is_over(&instance, &first).await;
    is_over(&instance, &second).await;
    goes_on(&instance, &bob).await;
    let again = instance.signed_in("ada@example.com").await;
    goes_on(&instance, &again).await;
}

async fn one_session_or_all_others_can_be_ended(store: Store) {
    let instance = Instance::start(store).await;
    let current = instance.signed_up("ada@example.com").await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(instance.signed_in("ada@example.com").await);
    }
    let path = format!("/api/v1/sessions/{}", others[0].session_id());
    current.api.delete(&path).await.expect(204);
    is_over(&instance, &others[0]).await;
    current.api.delete(&path).await.expect_problem(404, "not_found");
    goes_on(&instance, &others[1]).await;

    let answer = current.api.delete("/api/v1/sessions").await.expect(200);
    assert_eq!(answer.body["revoked"], 2);
    is_over(&instance, &others[1]).await;
    is_over(&instance, &others[2]).await;
    assert_eq!(current.api.delete("/api/v1/sessions").await.expect(200).body["revoked"], 0);
    // One's own by its id is the same as signing out.
    current.api.delete(&format!("/api/v1/sessions/{}", current.session_id())).await.expect(204);
    is_over(&instance, &current).await;
}

/// A stranger's session answers like one that does not exist, and stays.
async fn other_peoples_sessions_do_not_exist(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let eve = instance.signed_up("eve@example.com").await;
    let foreign = eve.api.delete(&format!("/api/v1/sessions/{}", ada.session_id())).await.expect_problem(404, "not_found");
    let missing = eve.api.delete(&format!("/api/v1/sessions/{}", Uuid::from_u128(7))).await.expect_problem(404, "not_found");
    assert_eq!(foreign.body["detail"], missing.body["detail"]);
    for id in ["7", "null", "..%2Faccount", "%27%20OR%201=1", &"9".repeat(3000)] {
        eve.api.delete(&format!("/api/v1/sessions/{id}")).await.expect_problem(404, "not_found");
    }
    goes_on(&instance, &ada).await;
    let seen = eve.api.get("/api/v1/sessions").await.expect(200);
    assert_eq!(seen.body["items"].as_array().map(Vec::len), Some(1));
}

/// Sixteen at once: one of them ends it.
async fn a_session_is_ended_once(store: Store) {
    let instance = Instance::start(store).await;
    let current = instance.signed_up("ada@example.com").await;
    let other = instance.signed_in("ada@example.com").await;
    let path = format!("/api/v1/sessions/{}", other.session_id());
    let answers = futures_util::future::join_all((0..16).map(|_| current.api.delete(&path))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [204, 404].contains(status)), "{statuses:?}");
}

/// P4: sessions that are over are forgotten after the days that are set, and no others.
async fn old_sessions_are_forgotten(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_RETENTION__SESSIONS", 10).start().await;
    instance.signed_up("ada@example.com").await;
    log_out(&instance.signed_in("ada@example.com").await.api).await;
    let days = |count: u64| std::time::Duration::from_secs(count * 24 * 3600);
    instance.running.app.housekeep(instance.advance(days(9))).await;
    assert_eq!(instance.count("SELECT count(*) FROM sessions", vec![]).await, 2);
    instance.running.app.housekeep(instance.advance(days(2))).await;
    assert_eq!(instance.count("SELECT count(*) FROM sessions", vec![]).await, 1);
    assert_eq!(instance.count("SELECT count(*) FROM sessions WHERE ended_at IS NULL", vec![]).await, 1);
    // The other one runs out without being ended, and goes as well.
    instance.running.app.housekeep(instance.advance(days(500))).await;
    assert_eq!(instance.count("SELECT count(*) FROM sessions", vec![]).await, 0);
    let reported = rows(&instance, "SELECT details FROM audit_events WHERE action = 'retention.applied'").await;
    assert_eq!(reported.len(), 2, "each time that something was deleted");
}

both_stores!(
    old_sessions_are_forgotten,
    logout_ends_one_session_at_once,
    an_old_refresh_token_signs_out,
    logout_all_ends_every_session,
    one_session_or_all_others_can_be_ended,
    other_peoples_sessions_do_not_exist,
    a_session_is_ended_once,
);
