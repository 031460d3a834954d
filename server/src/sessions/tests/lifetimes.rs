use std::time::Duration;

use http::Method;

use super::{refresh, time};
use crate::support::{Instance, SignedIn, Store, both_stores};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// T9: both ends stand in the answer, as configured.
async fn both_ends_can_be_read(store: Store) {
    let instance =
        Instance::builder(store).set("KEYSTEAD_SESSIONS__IDLE_TTL", "2h").set("KEYSTEAD_SESSIONS__ABSOLUTE_TTL", "5h").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let created = time(&ada.session["createdAt"]);
    assert_eq!(time(&ada.session["idleExpiresAt"]), created.plus(2 * HOUR));
    assert_eq!(time(&ada.session["expiresAt"]), created.plus(5 * HOUR));
    let read = ada.api.get("/api/v1/auth/session").await.expect(200);
    assert_eq!(read.body["session"], ada.session);
}

/// A session that nobody uses ends, and says that it has expired; nothing is recorded as a replay.
async fn an_idle_session_ends(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_SESSIONS__IDLE_TTL", "2h").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    instance.advance(2 * HOUR - MINUTE);
    let next = refresh(&instance, &ada.refresh_token).await.expect(200);
    instance.advance(2 * HOUR - MINUTE);
    let next = refresh(&instance, next.str("/refreshToken")).await.expect(200);
    instance.advance(2 * HOUR);
    refresh(&instance, next.str("/refreshToken")).await.expect_problem(401, "token_expired");
    refresh(&instance, &ada.refresh_token).await.expect_problem(401, "token_expired");
    let session = instance.with_token(next.str("/accessToken")).get("/api/v1/auth/session").await.expect(200);
    assert_eq!(session.body["authenticated"], false);
}

/// However often it is refreshed.
async fn a_session_ends_absolutely(store: Store) {
    let instance =
        Instance::builder(store).set("KEYSTEAD_SESSIONS__IDLE_TTL", "2h").set("KEYSTEAD_SESSIONS__ABSOLUTE_TTL", "5h").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let end = time(&ada.session["expiresAt"]);
    let mut token = ada.refresh_token.clone();
    for _ in 0..4 {
        instance.advance(HOUR);
        token = refresh(&instance, &token).await.expect(200).str("/refreshToken").to_owned();
    }
    instance.advance(HOUR - 5 * MINUTE);
    let last = refresh(&instance, &token).await.expect(200);
    assert_eq!(time(&last.body["session"]["expiresAt"]), end);
    assert_eq!(time(&last.body["session"]["idleExpiresAt"]), end, "no promise beyond the end");
    assert!(last.body["expiresIn"].as_u64().is_some_and(|seconds| (200..=300).contains(&seconds)), "the access token ends with it\n{last}");
    let api = instance.with_token(last.str("/accessToken"));
    api.send(Method::POST, "/api/v1/auth/session/extend", None).await.expect(200);
    instance.advance(5 * MINUTE);
    refresh(&instance, last.str("/refreshToken")).await.expect_problem(401, "token_expired");
    api.get("/api/v1/auth/me").await.expect_problem(401, "token_expired");
}

/// T2: seven days, counted from the last rotation.
async fn a_refresh_token_ends(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    instance.advance(7 * DAY - HOUR);
    let next = refresh(&instance, &ada.refresh_token).await.expect(200);
    instance.advance(7 * DAY - HOUR);
    let next = refresh(&instance, next.str("/refreshToken")).await.expect(200);
    instance.advance(7 * DAY);
    refresh(&instance, next.str("/refreshToken")).await.expect_problem(401, "token_expired");
}

/// With the defaults, where idle end and refresh token are seven days each: what extend says is true.
async fn an_extended_session_lives_as_long_as_it_says(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    instance.advance(14 * MINUTE);
    let extended = extend(&ada).await;
    let idle = time(&extended["idleExpiresAt"]);
    assert!(idle >= time(&ada.session["idleExpiresAt"]).plus(14 * MINUTE), "{extended}");
    assert_eq!(extended["expiresAt"], ada.session["expiresAt"]);
    instance.advance(7 * DAY - 5 * MINUTE);
    assert!(instance.clock.now() < idle);
    refresh(&instance, &ada.refresh_token).await.expect(200);
}

/// Extending goes up to the absolute end and no further.
async fn extending_stops_at_the_absolute_end(store: Store) {
    let instance =
        Instance::builder(store).set("KEYSTEAD_SESSIONS__IDLE_TTL", "30m").set("KEYSTEAD_SESSIONS__ABSOLUTE_TTL", "40m").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    instance.advance(14 * MINUTE);
    let extended = extend(&ada).await;
    assert_eq!(extended["idleExpiresAt"], ada.session["expiresAt"]);
    ada.api.send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    ada.api.send(Method::POST, "/api/v1/auth/session/extend", None).await.expect_problem(401, "session_revoked");
}

async fn extend(who: &SignedIn) -> serde_json::Value {
    let answer = who.api.send(Method::POST, "/api/v1/auth/session/extend", None).await.expect(200);
    let read = who.api.get("/api/v1/auth/session").await.expect(200);
    assert_eq!(read.body["session"], answer.body["session"]);
    answer.body["session"].clone()
}

/// The idle life may be shorter than an access token's: then that is shorter, too.
async fn no_access_token_outlives_an_idle_session(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_SESSIONS__IDLE_TTL", "5m").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    instance.advance(5 * MINUTE);
    ada.api.get("/api/v1/auth/me").await.expect_problem(401, "token_expired");
}

both_stores!(
    both_ends_can_be_read,
    an_idle_session_ends,
    a_session_ends_absolutely,
    a_refresh_token_ends,
    an_extended_session_lives_as_long_as_it_says,
    extending_stops_at_the_absolute_end,
    no_access_token_outlives_an_idle_session,
);
