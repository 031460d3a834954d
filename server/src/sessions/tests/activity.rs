use std::time::Duration;

use super::{PAST_THE_WINDOW, refresh, rows, time};
use crate::support::{Instance, Store, both_stores};

async fn written(instance: &Instance) -> (i64, i64, i64) {
    let found = rows(instance, "SELECT last_active_at, idle_expires_at, seen_generation FROM sessions").await;
    (found[0].get(0).unwrap(), found[0].get(1).unwrap(), found[0].get(2).unwrap())
}

/// A9: requests write nothing; the batch does, for session and person alike.
async fn use_is_written_in_batches(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let sessions = &instance.running.app.sessions;
    sessions.activity().flush().await.unwrap();
    let before = written(&instance).await;
    instance.advance(Duration::from_secs(3600 * 24));
    let ada = refresh(&instance, &ada.refresh_token).await.expect(200);
    let ada = instance.with_token(ada.str("/accessToken"));
    ada.get("/api/v1/auth/me").await.expect(200);
    sessions.activity().flush().await.unwrap();
    instance.advance(Duration::from_secs(120));
    let rotated = written(&instance).await;
    assert!(rotated.0 > before.0);
    let used = instance.clock.now();
    for _ in 0..50 {
        ada.get("/api/v1/auth/me").await.expect(200);
    }
    sessions.activity().flush().await.unwrap();
    let flushed = written(&instance).await;
    assert!(flushed.0 >= used.as_micros() && flushed.0 > rotated.0, "{flushed:?}");
    assert_eq!(flushed.1 - flushed.0, rotated.1 - rotated.0, "use moves the idle end");
    assert_eq!(flushed.2, 1, "the successor was seen in use");
    let listed = ada.get("/api/v1/sessions").await.expect(200);
    assert_eq!(time(&listed.body["items"][0]["lastActiveAt"]).as_micros(), flushed.0);
    let people = rows(&instance, "SELECT last_active_at FROM users").await;
    assert_eq!(people[0].get::<i64>(0).unwrap(), flushed.0);

    // Within half a minute the same token is not noted again.
    instance.advance(Duration::from_secs(10));
    ada.get("/api/v1/auth/me").await.expect(200);
    sessions.activity().flush().await.unwrap();
    assert_eq!(written(&instance).await, flushed);
}

/// What was used in the last seconds before a stop is written down by the stop, and still tells a replay.
async fn a_stop_loses_no_activity(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let next = refresh(&instance, &ada.refresh_token).await.expect(200);
    instance.with_token(next.str("/accessToken")).get("/api/v1/auth/me").await.expect(200);
    let instance = instance.restart().await;
    assert_eq!(written(&instance).await.2, 1);
    instance.advance(PAST_THE_WINDOW);
    refresh(&instance, &ada.refresh_token).await.expect_problem(401, "session_revoked");
}

/// An older access token that is used later takes nothing back.
async fn the_newest_generation_seen_stays(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let next = refresh(&instance, &ada.refresh_token).await.expect(200);
    instance.with_token(next.str("/accessToken")).get("/api/v1/auth/me").await.expect(200);
    instance.advance(Duration::from_secs(60));
    ada.api.get("/api/v1/auth/me").await.expect(200);
    instance.running.app.sessions.activity().flush().await.unwrap();
    assert_eq!(written(&instance).await.2, 1);
}

both_stores!(use_is_written_in_batches, a_stop_loses_no_activity, the_newest_generation_seen_stays);
