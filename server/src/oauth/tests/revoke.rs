//! `POST /oauth2/revoke`: a client gives back what is its own.

use serde_json::json;

use super::{admin, expect_refusal, form, service};
use crate::support::{Client, Instance, Store, both_stores, eventually};

const AUDIT: &str = "/api/v1/admin/audit";

async fn a_client_revokes_its_own_token(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &["audit:read"]).await;
    let (token, kept) = (made.token(&instance).await, made.token(&instance).await);
    for _ in 0..2 {
        let answer = form(&made.basic(&instance), "/oauth2/revoke", &[("token", &token)]).await.expect(200);
        assert_eq!(answer.text, "");
    }
    instance.with_token(&token).get(AUDIT).await.expect_problem(401, "session_revoked");
    let told = form(&made.basic(&instance), "/oauth2/introspect", &[("token", &token)]).await.expect(200);
    assert_eq!(told.text, r#"{"active":false}"#);
    instance.with_token(&kept).get(AUDIT).await.expect(200);
    let revoked = instance.events().await.into_iter().filter(|event| event.action == "token.revoked");
    let revoked: Vec<_> = revoked.map(|event| (event.actor_type, event.actor.unwrap().to_string(), event.target_type)).collect();
    assert_eq!(revoked, [("client".to_owned(), made.id, "token".to_owned())]);
}

async fn a_stranger_revokes_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let (made, stranger) = (service(&root.api, &["audit:read"]).await, service(&root.api, &["tokens:introspect"]).await);
    let token = made.token(&instance).await;
    for target in [&token, &ada.access_token, &ada.refresh_token, "x"] {
        form(&stranger.basic(&instance), "/oauth2/revoke", &[("token", target)]).await.expect(200);
        form(&instance, "/oauth2/revoke", &[("token", target), ("client_id", "keystead-cli")]).await.expect(200);
    }
    instance.with_token(&token).get(AUDIT).await.expect(200);
    ada.api.get("/api/v1/auth/me").await.expect(200);
    instance.post("/api/v1/auth/refresh", json!({"refreshToken": ada.refresh_token})).await.expect(200);

    expect_refusal(&form(&instance, "/oauth2/revoke", &[("token", &token)]).await, 401, "invalid_client");
    expect_refusal(&form(&instance, "/oauth2/revoke", &[("token", &token), ("client_id", &made.id)]).await, 401, "invalid_client");
    expect_refusal(&form(&made.basic(&instance), "/oauth2/revoke", &[]).await, 400, "invalid_request");
}

/// Whoever holds a token of the first-party sign-in may give it back, and that is the end of its session.
async fn a_token_of_a_session_ends_the_session(store: Store) {
    let instance = Instance::start(store).await;
    for by_refresh in [true, false] {
        let ada = instance.signed_up(&format!("ada-{by_refresh}@example.com")).await;
        let token = if by_refresh { &ada.refresh_token } else { &ada.access_token };
        form(&instance, "/oauth2/revoke", &[("token", token), ("client_id", "keystead"), ("token_type_hint", "unknown")]).await.expect(200);
        ada.api.get("/api/v1/auth/me").await.expect_problem(401, "session_revoked");
        instance.post("/api/v1/auth/refresh", json!({"refreshToken": ada.refresh_token})).await.expect_problem(401, "session_revoked");
        let ended = instance
            .events()
            .await
            .into_iter()
            .find(|event| event.target.is_some_and(|id| id.to_string() == ada.session_id()) && event.action == "session.ended");
        let ended = ended.expect("on record");
        assert!(ended.actor.unwrap().to_string() == ada.id() && ended.details.contains("revoked_by_client"), "{ended:?}");
    }
}

both_stores!(a_client_revokes_its_own_token, a_stranger_revokes_nothing, a_token_of_a_session_ends_the_session);

async fn is_refused_within_a_second(api: &Client) {
    let began = std::time::Instant::now();
    eventually("the other instance to refuse it", async || (api.get(AUDIT).await.status == 401).then_some(())).await;
    assert!(began.elapsed() < std::time::Duration::from_secs(1), "it took {:?}", began.elapsed());
}

/// By push, and where no push arrives by poll; and an instance that starts later knows it, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_instance_refuses_a_revoked_token_within_a_second() {
    let one = Instance::start(Store::Postgres).await;
    let two = one.second().await;
    let lonely = Instance::builder(Store::Postgres).second(&one).set("REDIS_URL", "redis://127.0.0.1:1").start().await;
    let root = admin(&one).await;
    let made = service(&root.api, &["audit:read"]).await;
    let token = made.token(&one).await;
    for instance in [&two, &lonely] {
        instance.with_token(&token).get(AUDIT).await.expect(200);
    }
    form(&made.basic(&one), "/oauth2/revoke", &[("token", &token)]).await.expect(200);
    is_refused_within_a_second(&two.with_token(&token)).await;
    is_refused_within_a_second(&lonely.with_token(&token)).await;
    let later = one.second().await;
    later.with_token(&token).get(AUDIT).await.expect_problem(401, "session_revoked");
}
