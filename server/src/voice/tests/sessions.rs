//! `/api/v1/voice/sessions`.

use std::time::Duration;

use futures_util::future::join_all;
use keystead::voice::ACTIVE_MAX;
use serde_json::{Value, json};

use super::{SESSIONS, events, opened, with_livekit};
use crate::support::{Instance, Store, both_stores};

const IDLE: Duration = Duration::from_secs(30 * 60);

/// Without a media server, too: a transcript needs none.
async fn a_session_is_opened_seen_and_ended(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    assert_eq!(ada.api.get(SESSIONS).await.expect(200).body, json!({"items": [], "nextCursor": null}));
    let made = ada.api.post(SESSIONS, json!({"title": "  Morning talk ", "language": "DE-ch"})).await.expect(201);
    let view = made.body["voiceSession"].clone();
    let id = view["id"].as_str().unwrap();
    assert_eq!((&view["title"], &view["language"], &view["status"]), (&json!("Morning talk"), &json!("de-CH"), &json!("active")));
    assert_eq!((&view["room"], &view["endedAt"]), (&json!(format!("voice-{id}")), &Value::Null));
    assert_eq!(view["createdAt"], view["lastActiveAt"]);
    let path = format!("{SESSIONS}/{id}");
    assert_eq!(ada.api.get(&path).await.expect(200).body["voiceSession"], view);
    assert_eq!(ada.api.get(SESSIONS).await.expect(200).body["items"], json!([view]));

    instance.advance(Duration::from_secs(60));
    let ended = ada.api.post(&format!("{path}/end"), json!({})).await.expect(200).body["voiceSession"].clone();
    assert_eq!((&ended["status"], &ended["idleExpiresAt"]), (&json!("ended"), &Value::Null));
    assert!(ended["endedAt"].is_string());
    // Again and later it is the same.
    instance.advance(Duration::from_secs(60));
    assert_eq!(ada.api.send(http::Method::POST, &format!("{path}/end"), None).await.expect(200).body["voiceSession"], ended);
    assert_eq!(ada.api.get(&path).await.expect(200).body["voiceSession"], ended);

    let started = events(&instance, "voice_session.started").await;
    let over = events(&instance, "voice_session.ended").await;
    assert_eq!((started.len(), over.len()), (1, 1));
    for (event, details) in started.iter().chain(&over) {
        assert_eq!((event.actor.unwrap().to_string(), event.target.unwrap().to_string()), (ada.id().to_owned(), id.to_owned()));
        assert!(!details.to_string().contains("Morning"));
    }
    // What she calls it is nowhere to be read.
    let sealed: Vec<u8> = instance.rows("SELECT title FROM voice_sessions", vec![]).await[0].get(0).unwrap();
    assert!(!sealed.windows(7).any(|window| window == b"Morning"));
}

async fn what_is_wrong_is_named(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let long = "x".repeat(201);
    for (body, faults) in [
        (json!({"title": " ", "language": "german!"}), vec!["language:invalid", "title:required"]),
        (json!({"title": long}), vec!["title:too_long"]),
        (json!({"title": "a\u{0}b"}), vec!["title:invalid_characters"]),
        (json!({"language": ""}), vec!["language:invalid"]),
        (json!({"language": "en_US"}), vec!["language:invalid"]),
        (json!({"language": format!("x-{}", "a-".repeat(40))}), vec!["language:invalid"]),
    ] {
        let refused = ada.api.post(SESSIONS, body.clone()).await.expect_problem(422, "validation_failed");
        let mut named = refused.field_errors();
        named.sort();
        assert_eq!(named, faults, "{body}");
    }
    for body in [json!({"title": 1}), json!({"name": "x"}), json!([]), json!({"userId": ada.id()})] {
        ada.api.post(SESSIONS, body).await.expect_problem(400, "invalid_request");
    }
    for (given, kept) in [("zh-hant-tw", "zh-Hant-TW"), ("i-klingon", "i-klingon"), ("sr-latn-rs-u-co-phonebk", "sr-Latn-RS-u-co-phonebk")]
    {
        let made = ada.api.post(SESSIONS, json!({"title": null, "language": given})).await.expect(201);
        assert_eq!((made.str("/voiceSession/language"), &made.body["voiceSession"]["title"]), (kept, &Value::Null));
    }
    for nowhere in ["x", "01920000-0000-7000-8000-000000000000"] {
        ada.api.get(&format!("{SESSIONS}/{nowhere}")).await.expect_problem(404, "not_found");
        ada.api.post(&format!("{SESSIONS}/{nowhere}/end"), json!({})).await.expect_problem(404, "not_found");
        ada.api.post(&format!("{SESSIONS}/{nowhere}/token"), json!({})).await.expect_problem(404, "not_found");
    }
}

/// It expires in the moment in which it was not used for long enough; nobody has to sweep.
async fn a_session_that_is_not_used_expires(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let (used, left) = (opened(&ada.api).await, opened(&ada.api).await);
    instance.advance(IDLE - Duration::from_secs(60));
    let ada = instance.signed_in("ada@example.com").await;
    super::token(&ada.api, &used).await;
    instance.advance(Duration::from_secs(61));
    let found = ada.api.get(&format!("{SESSIONS}/{left}")).await.expect(200).body["voiceSession"].clone();
    assert_eq!(found["status"], "expired");
    let used = ada.api.get(&format!("{SESSIONS}/{used}")).await.expect(200).body["voiceSession"].clone();
    assert_eq!(used["status"], "active");
    assert!(used["lastActiveAt"].as_str() > used["createdAt"].as_str());
    // It cannot be used or ended any more; ending it says what it is.
    ada.api.post(&format!("{SESSIONS}/{left}/token"), json!({})).await.expect_problem(409, "conflict");
    assert_eq!(ada.api.post(&format!("{SESSIONS}/{left}/end"), json!({})).await.expect(200).body["voiceSession"], found);
    assert!(events(&instance, "voice_session.ended").await.is_empty());
}

async fn somebody_elses_session_is_not_there(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let eve = instance.signed_up("eve@example.com").await;
    let id = opened(&ada.api).await;
    let path = format!("{SESSIONS}/{id}");
    eve.api.get(&path).await.expect_problem(404, "not_found");
    eve.api.post(&format!("{path}/end"), json!({})).await.expect_problem(404, "not_found");
    eve.api.post(&format!("{path}/token"), json!({})).await.expect_problem(404, "not_found");
    assert_eq!(eve.api.get(SESSIONS).await.expect(200).body["items"], json!([]));
    assert_eq!(ada.api.get(&path).await.expect(200).body["voiceSession"]["status"], "active");
}

/// Sixteen at once open the last ones that there is room for; of sixteen that end one, one does.
async fn a_person_has_so_many_and_no_more(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let first = opened(&ada.api).await;
    for _ in 0..ACTIVE_MAX - 4 {
        opened(&ada.api).await;
    }
    let answers = join_all((0..16).map(|_| ada.api.post(SESSIONS, json!({})))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 3);
    for refused in answers.into_iter().filter(|answer| answer.status != 201) {
        refused.expect_problem(409, "conflict");
    }
    let path = format!("{SESSIONS}/{first}/end");
    for answer in join_all((0..16).map(|_| ada.api.post(&path, json!({})))).await {
        answer.expect(200);
    }
    assert_eq!(events(&instance, "voice_session.ended").await.len(), 1);
    opened(&ada.api).await;
}

async fn a_repeated_request_opens_one(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let api = ada.api.with("idempotency-key", "once");
    let first = api.post(SESSIONS, json!({"title": "x"})).await.expect(201);
    assert_eq!(api.post(SESSIONS, json!({"title": "x"})).await.expect(201).body, first.body);
    api.post(SESSIONS, json!({"title": "y"})).await.expect_problem(422, "idempotency_key_reused");
    assert_eq!(instance.count("SELECT count(*) FROM voice_sessions", vec![]).await, 1);
}

async fn sessions_are_paged(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let mut made = Vec::new();
    for _ in 0..5 {
        instance.advance(Duration::from_millis(2));
        made.push(opened(&ada.api).await);
    }
    let first = ada.api.get(&format!("{SESSIONS}?limit=3")).await.expect(200);
    let second = ada.api.get(&format!("{SESSIONS}?limit=3&cursor={}", first.str("/nextCursor"))).await.expect(200);
    let items = [&first, &second].into_iter().flat_map(|page| page.body["items"].as_array().unwrap());
    made.reverse();
    assert_eq!(items.map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), made);
    ada.api.get(&format!("{SESSIONS}?limit=0")).await.expect_problem(400, "invalid_request");
}

/// Ten in five minutes from one address, whoever asks.
async fn opening_is_limited_per_address(store: Store) {
    let instance =
        Instance::builder(store).set("TRUSTED_PROXIES", "127.0.0.1/32").set("KEYSTEAD_LIMITS__VOICE_SESSION", "10/5m").start().await;
    let ada = instance.signed_up("ada@example.com").await.api.at_address("203.0.113.7");
    let bob = instance.signed_up("bob@example.com").await.api.at_address("203.0.113.7");
    for _ in 0..5 {
        opened(&ada).await;
        opened(&bob).await;
    }
    let refused = bob.post(SESSIONS, json!({})).await.expect_problem(429, "rate_limited");
    assert!(refused.header("ratelimit-policy").is_some_and(|policy| policy.contains("\"voice_session\";q=10;w=300")), "{refused}");
    opened(&bob.at_address("203.0.113.8")).await;
    bob.get(SESSIONS).await.expect(200);
}

/// What a session leaves behind goes when transcripts go.
async fn old_sessions_are_forgotten(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = opened(&ada.api).await;
    super::token(&ada.api, &id).await;
    let now = instance.advance(Duration::from_secs(89 * 86_400));
    instance.running.app.housekeep(now).await;
    assert_eq!(instance.count("SELECT count(*) FROM voice_sessions", vec![]).await, 1);
    assert_eq!(instance.count("SELECT count(*) FROM voice_tokens", vec![]).await, 0, "a token is forgotten a day after its end");
    let now = instance.advance(Duration::from_secs(2 * 86_400));
    instance.running.app.housekeep(now).await;
    assert_eq!(instance.count("SELECT count(*) FROM voice_sessions", vec![]).await, 0);
}

both_stores!(
    a_person_has_so_many_and_no_more,
    a_repeated_request_opens_one,
    a_session_is_opened_seen_and_ended,
    a_session_that_is_not_used_expires,
    old_sessions_are_forgotten,
    opening_is_limited_per_address,
    sessions_are_paged,
    somebody_elses_session_is_not_there,
    what_is_wrong_is_named
);
