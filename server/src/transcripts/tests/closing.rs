//! Streams end when the right to listen does.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;

use super::{Talk, numbers};
use crate::support::{Instance, Store, both_stores};

async fn the_end_of_the_sign_in_ends_the_stream(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let other = instance.signed_in("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let mut here = ada.api.listen(&talk.stream()).await;
    let mut far = second.with_token(&ada.access_token).listen(&talk.stream()).await;
    let mut stays = other.api.listen(&talk.stream()).await;
    ada.api.send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    let ended = Instant::now();
    for events in [&mut here, &mut far] {
        let told = events.expect("revoked").await;
        assert_eq!(told.data["reason"], "session_revoked");
        assert_eq!(events.next().await, None);
    }
    // Within a second by design; a machine that does much else may take a little longer.
    assert!(ended.elapsed() < Duration::from_secs(2), "{:?}", ended.elapsed());
    talk.say(&other.api, [1]).await;
    assert_eq!(stays.segments(1).await, numbers([1]));
}

async fn the_end_of_the_token_asks_for_another(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    talk.say(&ada.api, [1]).await;
    instance
        .change("UPDATE voice_sessions SET ends_at = $1", keystead::args![instance.clock.now().plus(Duration::from_secs(86_400))])
        .await;
    let mut events = ada.api.listen(&talk.stream()).await;
    assert_eq!(events.segments(1).await, numbers([1]));
    instance.advance(Duration::from_secs(901));
    let told = events.expect("reconnect").await;
    assert_eq!((&told.data["reason"], told.id.as_str()), (&json!("token_expired"), "1"));
    assert_eq!(events.next().await, None);
    ada.api.with("last-event-id", "1").get(&talk.stream()).await.expect_problem(401, "token_expired");
    let fresh = instance.post("/api/v1/auth/refresh", json!({"refreshToken": ada.refresh_token})).await.expect(200);
    let api = instance.with_token(fresh.str("/accessToken"));
    talk.say(&api, [2]).await;
    assert_eq!(api.with("last-event-id", "1").listen(&talk.stream()).await.segments(1).await, numbers([2]));
}

async fn a_revoked_token_ends_its_stream(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let made = ada.api.post("/api/v1/account/tokens", json!({"name": "x", "scopes": ["transcripts:read"]})).await.expect(201);
    let mut events = instance.with_token(made.str("/secret")).listen(&talk.stream()).await;
    ada.api.delete(&format!("/api/v1/account/tokens/{}", made.str("/token/id"))).await.expect(204);
    events.expect("revoked").await;
    assert_eq!(events.next().await, None);
}

async fn whoever_is_erased_is_heard_no_more(store: Store) {
    let instance = Instance::start(store).await;
    let root = instance.signed_up("root@example.com").await;
    instance.set_roles(&root, "admin").await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    talk.say(&ada.api, [1]).await;
    let mut events = ada.api.listen(&talk.stream()).await;
    events.segments(1).await;
    let path = format!("/api/v1/admin/users/{}/erase", ada.id());
    root.api.post(&path, json!({"reason": "asked for it"})).await.expect(202);
    // Whichever is noticed first: that the sign-in is over, or that the session is.
    assert!(events.next().await.is_some_and(|told| ["revoked", "end"].contains(&told.event.as_str())));
    assert_eq!(events.next().await, None);
    crate::support::eventually("nothing is left", async || {
        (instance.count("SELECT count(*) FROM transcript_segments", vec![]).await == 0).then_some(())
    })
    .await;
}

both_stores!(
    a_revoked_token_ends_its_stream,
    the_end_of_the_sign_in_ends_the_stream,
    the_end_of_the_token_asks_for_another,
    whoever_is_erased_is_heard_no_more
);
