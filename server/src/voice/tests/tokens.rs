//! `/api/v1/voice/sessions/{id}/token`: what is in it, how long it is good, who gets one.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use keystead::time::Timestamp;
use serde_json::json;

use super::{API_KEY, API_SECRET, REDEEM, SESSIONS, TURN_SECRET, events, gatekeeper, opened, with_livekit};
use crate::oauth::{admin, claims};
use crate::support::{Instance, Store, both_stores};

async fn a_token_says_what_livekit_reads(store: Store) {
    let instance = with_livekit(store)
        .set("KEYSTEAD_VOICE__TURN_URLS", "turn:turn.example.com:3478?transport=udp,stun:stun.example.com,turns:turn.example.com:5349")
        .set("KEYSTEAD_VOICE__TURN_SECRET", TURN_SECRET)
        .start()
        .await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = opened(&ada.api).await;
    let made = ada.api.post(&format!("{SESSIONS}/{id}/token"), json!({})).await.expect(201);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let room = format!("voice-{id}");
    assert_eq!((made.str("/url"), made.str("/room")), ("wss://livekit.example.com", room.as_str()));

    let header: jsonwebtoken::Header = jsonwebtoken::decode_header(made.str("/token")).unwrap();
    assert_eq!(header.alg, jsonwebtoken::Algorithm::HS256);
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.set_issuer(&[API_KEY]);
    let key = jsonwebtoken::DecodingKey::from_secret(API_SECRET.as_bytes());
    let read = jsonwebtoken::decode::<serde_json::Value>(made.str("/token"), &key, &validation).unwrap().claims;
    assert_eq!(read["sub"], ada.id());
    assert_eq!(read["video"], json!({"room": room, "roomJoin": true, "canPublish": true, "canSubscribe": true}));
    let (from, until) = (read["nbf"].as_i64().unwrap(), read["exp"].as_i64().unwrap());
    assert!((599..=600).contains(&(until - from)), "{read}");
    assert_eq!(Timestamp::parse_rfc3339(made.str("/expiresAt")).unwrap(), Timestamp::from_secs(until));
    assert!(read["jti"].is_string());

    let username = format!("{until}:{}", ada.id());
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TURN_SECRET.as_bytes()), username.as_bytes());
    assert_eq!(
        made.body["iceServers"],
        json!([
            {"urls": ["stun:stun.example.com"]},
            {"urls": ["turn:turn.example.com:3478?transport=udp", "turns:turn.example.com:5349"], "username": username,
                "credential": BASE64_STANDARD.encode(mac)}
        ])
    );
    // Each is another one, and on record by its id.
    let again = super::token(&ada.api, &id).await;
    let issued = events(&instance, "voice_token.issued").await;
    let ids: Vec<_> = issued.iter().map(|(event, _)| event.target.unwrap().to_string()).collect();
    assert_eq!(ids, [read["jti"].as_str().unwrap(), claims(&again)["jti"].as_str().unwrap()]);
    assert!(issued.iter().all(|(event, details)| details["voiceSession"] == id && !event.details.contains("eyJ")));
}

async fn without_a_media_server_it_says_how_to_enable_it(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = opened(&ada.api).await;
    let service = gatekeeper(&instance).await;
    for answer in [
        ada.api.post(&format!("{SESSIONS}/{id}/token"), json!({})).await,
        ada.api.post(&format!("{SESSIONS}/01920000-0000-7000-8000-000000000000/token"), json!({})).await,
        service.post(REDEEM, json!({"token": "x"})).await,
    ] {
        let refused = answer.expect_problem(404, "feature_disabled");
        assert!(refused.str("/detail").contains("KEYSTEAD_VOICE__LIVEKIT_URL"), "{refused}");
    }
}

/// A token is never good for longer than what it was issued to.
async fn a_token_ends_with_the_sign_in(store: Store) {
    let instance = with_livekit(store).set("KEYSTEAD_SESSIONS__IDLE_TTL", "5m").set("KEYSTEAD_SESSIONS__ABSOLUTE_TTL", "5m").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = opened(&ada.api).await;
    let made = ada.api.post(&format!("{SESSIONS}/{id}/token"), json!({})).await.expect(201);
    let ends = Timestamp::parse_rfc3339(ada.session["expiresAt"].as_str().unwrap()).unwrap();
    let expires = Timestamp::parse_rfc3339(made.str("/expiresAt")).unwrap();
    assert!(expires <= ends && ends < expires.plus(Duration::from_secs(1)), "{expires:?} {ends:?}");
    assert_eq!(claims(made.str("/token"))["exp"], expires.as_secs());
}

async fn a_program_ends_its_tokens_too(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let made = json!({"name": "assistant", "scopes": ["voice:read", "voice:write"], "expiresIn": 120});
    let program = instance.with_token(ada.api.post("/api/v1/account/tokens", made).await.expect(201).str("/secret"));
    let id = opened(&program).await;
    let made = program.post(&format!("{SESSIONS}/{id}/token"), json!({})).await.expect(201);
    let expires = Timestamp::parse_rfc3339(made.str("/expiresAt")).unwrap();
    assert!(expires <= instance.clock.now().plus(Duration::from_secs(120)));
    // What it opened is its person's.
    assert_eq!(ada.api.get(SESSIONS).await.expect(200).body["items"][0]["id"], id);
    let reader = json!({"name": "reader", "scopes": ["voice:read"]});
    let reader = instance.with_token(ada.api.post("/api/v1/account/tokens", reader).await.expect(201).str("/secret"));
    reader.get(&format!("{SESSIONS}/{id}")).await.expect(200);
    reader.post(SESSIONS, json!({})).await.expect_problem(403, "insufficient_scope");
    reader.post(&format!("{SESSIONS}/{id}/token"), json!({})).await.expect_problem(403, "insufficient_scope");
    reader.post(&format!("{SESSIONS}/{id}/end"), json!({})).await.expect_problem(403, "insufficient_scope");
}

/// An administrator who acts as somebody neither hears what they say nor speaks for them.
async fn whoever_acts_as_them_does_not_speak_for_them(store: Store) {
    let instance = with_livekit(store).start().await;
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = opened(&ada.api).await;
    let acting = root.api.post(&format!("/api/v1/admin/users/{}/impersonate", ada.id()), json!({"reason": "a ticket"})).await.expect(201);
    let acting = instance.with_token(acting.str("/accessToken"));
    acting.get(SESSIONS).await.expect_problem(403, "insufficient_scope");
    acting.post(SESSIONS, json!({})).await.expect_problem(403, "insufficient_scope");
    acting.post(&format!("{SESSIONS}/{id}/token"), json!({})).await.expect_problem(403, "insufficient_scope");
    acting.post(&format!("{SESSIONS}/{id}/end"), json!({})).await.expect_problem(403, "insufficient_scope");
}

async fn asking_is_limited_per_address_and_person(store: Store) {
    let instance = with_livekit(store)
        .set("TRUSTED_PROXIES", "127.0.0.1/32")
        .set("KEYSTEAD_LIMITS__VOICE_TOKEN", "20/15m")
        .set("KEYSTEAD_LIMITS__API_USER", "22/1m")
        .start()
        .await;
    let ada = instance.signed_up("ada@example.com").await.api.at_address("203.0.113.7");
    let id = opened(&ada).await;
    let path = format!("{SESSIONS}/{id}/token");
    for _ in 0..20 {
        ada.post(&path, json!({})).await.expect(201);
    }
    let refused = ada.post(&path, json!({})).await.expect_problem(429, "rate_limited");
    assert!(refused.header("ratelimit-policy").is_some_and(|policy| policy.contains("\"voice_token\";q=20;w=900")), "{refused}");
    let elsewhere = ada.at_address("203.0.113.8");
    elsewhere.post(&path, json!({})).await.expect(201);
    elsewhere.post(&path, json!({})).await.expect(201);
    let refused = elsewhere.post(&path, json!({})).await.expect_problem(429, "rate_limited");
    assert!(refused.header("ratelimit-policy").is_some_and(|policy| policy.contains("\"api_user\";q=22;w=60")), "{refused}");
}

async fn a_repeated_request_gets_the_same_token(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let (one, other) = (opened(&ada.api).await, opened(&ada.api).await);
    let api = ada.api.with("idempotency-key", "once");
    let first = super::token(&api, &one).await;
    assert_eq!(super::token(&api, &one).await, first);
    assert_ne!(super::token(&api, &other).await, first, "the key belongs to the session");
    let refused = api.post(&format!("{SESSIONS}/{one}/token"), json!({"canPublish": false})).await;
    refused.expect_problem(400, "invalid_request");
}

both_stores!(
    a_program_ends_its_tokens_too,
    a_repeated_request_gets_the_same_token,
    a_token_ends_with_the_sign_in,
    a_token_says_what_livekit_reads,
    asking_is_limited_per_address_and_person,
    whoever_acts_as_them_does_not_speak_for_them,
    without_a_media_server_it_says_how_to_enable_it
);
