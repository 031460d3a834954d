//! Streams of those who cannot send a header: a ticket once, then what the stream itself handed them.

use std::time::Duration;

use http::Method;
use keystead::args;
use serde_json::json;

use super::{Talk, numbers};
use crate::support::{Client, Instance, Store, both_stores};

async fn ticket(api: &Client, talk: &Talk) -> String {
    let made = api.post(&format!("{}/ticket", talk.path), json!({})).await.expect(201);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    format!("{}?ticket={}", talk.stream(), made.str("/ticket"))
}

async fn a_ticket_opens_a_stream_once_and_the_stream_goes_on(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    talk.say(&ada.api, [1]).await;
    let address = ticket(&ada.api, &talk).await;
    let mut events = instance.listen(&address).await;
    assert_eq!(events.segments(1).await, numbers([1]));
    let last = events.last_id.clone();
    assert!(last.starts_with("1.") && !address.contains(&last[2..]), "{last}");
    instance.get(&address).await.expect_problem(401, "unauthenticated");
    // As a browser does when it lost its connection: the same address, and what it heard last. At any instance, again and again.
    drop(events);
    talk.say(&ada.api, [2]).await;
    let mut again = second.with("last-event-id", &last).listen(&address).await;
    assert_eq!(again.segments(1).await, numbers([2]));
    let mut once_more = instance.with("last-event-id", &again.last_id).listen(&address).await;
    talk.say(&ada.api, [3]).await;
    assert_eq!(once_more.segments(1).await, numbers([3]));
    // It is longer than an access token.
    instance.change("UPDATE voice_sessions SET ends_at = $1", args![instance.clock.now().plus(Duration::from_secs(200_000))]).await;
    instance.advance(Duration::from_secs(1800));
    let fresh = instance.signed_in("ada@example.com").await;
    talk.say(&fresh.api, [4]).await;
    assert_eq!(once_more.segments(1).await, numbers([4]));
    // And shorter than a day.
    instance.advance(Duration::from_secs(86_400));
    assert_eq!(once_more.expect("reconnect").await.data["reason"], "token_expired");
    instance.with("last-event-id", &once_more.last_id).get(&address).await.expect_problem(401, "token_expired");
}

async fn a_pass_is_for_one_transcript_and_one_sign_in(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let other = instance.signed_in("ada@example.com").await;
    let (talk, another) = (Talk::begin(&instance, &ada).await, Talk::begin(&instance, &ada).await);
    talk.say(&ada.api, [1]).await;
    let address = ticket(&ada.api, &talk).await;
    let mut events = instance.listen(&address).await;
    events.segments(1).await;
    let last = events.last_id.clone();
    instance.with("last-event-id", &last).get(&another.stream()).await.expect_problem(401, "unauthenticated");
    let changed = format!("1.{}{}", if last.starts_with("1.A") { 'B' } else { 'A' }, &last[3..]);
    for pass in [changed.as_str(), "1.", "1.x", "1.AAAA", &format!("1.{}", "A".repeat(300)), &format!("{last}A")] {
        instance.with("last-event-id", pass).get(&address).await.expect_problem(401, "unauthenticated");
    }
    instance.with("last-event-id", "1").get(&address).await.expect_problem(401, "unauthenticated");
    ada.api.send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    events.expect("revoked").await;
    instance.with("last-event-id", &last).get(&address).await.expect_problem(401, "session_revoked");
    talk.say(&other.api, [2]).await;
}

async fn a_ticket_is_worth_little(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, eve) = (instance.signed_up("ada@example.com").await, instance.signed_up("eve@example.com").await);
    let (talk, another) = (Talk::begin(&instance, &ada).await, Talk::begin(&instance, &ada).await);
    eve.api.post(&format!("{}/ticket", talk.path), json!({})).await.expect_problem(404, "not_found");
    let made = ada.api.post("/api/v1/account/tokens", json!({"name": "x", "scopes": ["transcripts:read"]})).await.expect(201);
    let token = instance.with_token(made.str("/secret"));
    token.post(&format!("{}/ticket", talk.path), json!({})).await.expect_problem(403, "insufficient_scope");
    // For another transcript, or too late, it is none; and it is used up by the trial.
    let address = ticket(&ada.api, &talk).await;
    instance.get(&address.replace(&talk.id.to_string(), &another.id.to_string())).await.expect_problem(401, "unauthenticated");
    instance.get(&address).await.expect_problem(401, "unauthenticated");
    let address = ticket(&ada.api, &talk).await;
    instance.advance(Duration::from_secs(31));
    instance.get(&address).await.expect_problem(401, "unauthenticated");
    let of_the_past = ticket(&ada.api, &talk).await;
    ada.api.send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    instance.get(&of_the_past).await.expect_problem(401, "session_revoked");
    for odd in ["", "x", &"x".repeat(5000), "%00", "%ff"] {
        let status = instance.get(&format!("{}?ticket={odd}", talk.stream())).await.status;
        assert!(status == 401 || status == 400, "{odd}: {status}");
    }
    let stored = instance.rows("SELECT secret_hash FROM codes WHERE purpose = 'transcript_ticket'", vec![]).await;
    assert!(!stored.is_empty());
}

/// Who guesses has the budget of an anonymous caller, and when that is used up, nothing is looked at any more.
async fn a_flood_of_guesses_is_refused(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__GLOBAL", "10/15m").set("TRUSTED_PROXIES", "127.0.0.1/32").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let address = ticket(&ada.api, &talk).await;
    let (guesser, other) = (instance.at_address("203.0.113.9"), instance.at_address("203.0.113.10"));
    let mut statuses = Vec::new();
    for n in 0..20 {
        let opening = if n % 2 == 0 { guesser.clone() } else { guesser.with("last-event-id", "1.AAAA") };
        statuses.push(opening.get(&format!("{}?ticket={n:043}", talk.stream())).await.status);
    }
    assert_eq!((&statuses[..10], &statuses[10..]), ([401; 10].as_slice(), [429; 10].as_slice()));
    guesser.get(&address).await.expect_problem(429, "rate_limited");
    assert_eq!(other.probe(&address).await, Some(200));
}

/// Of many that bring one ticket at once, one gets in.
async fn one_of_many_uses_a_ticket(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let address = ticket(&ada.api, &talk).await;
    let tries = (0..16).map(|number| {
        let (api, address) = (if number % 2 == 0 { Client::clone(&instance) } else { Client::clone(&second) }, &address);
        async move { api.probe(address).await }
    });
    let mut statuses = futures_util::future::join_all(tries).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [[Some(200)].as_slice(), &[Some(401); 15]].concat());
}

both_stores!(
    a_flood_of_guesses_is_refused,
    a_pass_is_for_one_transcript_and_one_sign_in,
    a_ticket_is_worth_little,
    a_ticket_opens_a_stream_once_and_the_stream_goes_on,
    one_of_many_uses_a_ticket
);
