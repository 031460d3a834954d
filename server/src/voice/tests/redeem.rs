//! `/api/v1/voice/token/redeem`: once, whoever asks and wherever.

use std::time::Duration;

use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use keystead::args;
use serde_json::{Value, json};

use super::{API_KEY, API_SECRET, REDEEM, SESSIONS, events, gatekeeper, opened, token, with_livekit};
use crate::oauth::{admin, claims, service};
use crate::support::{Store, both_stores};

async fn a_token_is_redeemed_once(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = opened(&ada.api).await;
    let service = gatekeeper(&instance).await;
    let token = token(&ada.api, &id).await;
    let answer = service.post(REDEEM, json!({"token": token})).await.expect(200);
    assert_eq!((answer.str("/userId"), answer.str("/participant")), (ada.id(), ada.id()));
    assert_eq!((answer.str("/voiceSessionId"), answer.str("/room")), (id.as_str(), format!("voice-{id}").as_str()));
    let again = service.post(REDEEM, json!({"token": token})).await.expect_problem(410, "gone");
    assert!(again.str("/detail").contains("redeemed before"), "{again}");
    let acts = events(&instance, "voice_token.redeemed").await;
    let outcomes: Vec<_> = acts.iter().map(|(event, _)| event.outcome.as_str()).collect();
    assert_eq!(outcomes, ["success", "denied"]);
    assert_eq!(acts[0].1, json!({"of": ada.id(), "voiceSession": id}));
    assert_eq!(acts[1].1, json!({"reason": "repeated"}));
    for (event, _) in &acts {
        assert_eq!(
            (event.actor_type.as_str(), event.target.unwrap().to_string()),
            ("client", claims(&token)["jti"].as_str().unwrap().to_owned())
        );
    }
}

/// Of sixteen at once, on two instances, one lets them in; and no instance knows more of it than the other.
async fn of_many_at_once_one_lets_them_in(store: Store) {
    let instance = with_livekit(store).start().await;
    let second = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = opened(&ada.api).await;
    let root = admin(&instance).await;
    let service = service(&root.api, &["voice:redeem"]).await.token(&instance).await;
    let (here, there) = (instance.with_token(&service), second.with_token(&service));
    for _ in 0..4 {
        let token = token(&ada.api, &id).await;
        let tries = (0..16).map(|number| if number % 2 == 0 { &here } else { &there }.post(REDEEM, json!({"token": token})));
        let answers = join_all(tries).await;
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 410).count(), 15, "{statuses:?}");
    }
}

/// The instance that redeemed it is gone, and so is whatever it kept in memory or in Redis.
async fn it_stays_redeemed_when_an_instance_is_gone(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = opened(&ada.api).await;
    let root = admin(&instance).await;
    let service = service(&root.api, &["voice:redeem"]).await.token(&instance).await;
    let (used, fresh) = (token(&ada.api, &id).await, token(&ada.api, &id).await);
    instance.with_token(&service).post(REDEEM, json!({"token": used})).await.expect(200);
    let instance = instance.restart().await;
    let service = instance.with_token(&service);
    service.post(REDEEM, json!({"token": used})).await.expect_problem(410, "gone");
    service.post(REDEEM, json!({"token": fresh})).await.expect(200);
}

/// A service whose answer was lost asks again with the same key, and gets it.
async fn a_lost_answer_is_given_again(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = opened(&ada.api).await;
    let service = gatekeeper(&instance).await.with("idempotency-key", "join-1");
    let token = token(&ada.api, &id).await;
    let first = service.post(REDEEM, json!({"token": token})).await.expect(200);
    assert_eq!(service.post(REDEEM, json!({"token": token})).await.expect(200).body, first.body);
}

/// But not when its holder must not be let in any more.
async fn a_lost_answer_is_not_given_again_when_it_is_over(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let other = instance.signed_in("ada@example.com").await;
    let service = gatekeeper(&instance).await;
    let redeem = async |key: &str, token: &str| service.with("idempotency-key", key).post(REDEEM, json!({"token": token})).await;
    let (hers, others, late) = (opened(&ada.api).await, opened(&other.api).await, opened(&other.api).await);
    // With the voice session; with the sign-in that the token was issued to, in a session that goes on; by its time.
    let tokens = [token(&other.api, &hers).await, token(&ada.api, &others).await, token(&other.api, &late).await];
    for (key, token) in ["a", "b", "c"].iter().zip(&tokens) {
        redeem(key, token).await.expect(200);
        redeem(key, token).await.expect(200);
    }
    ada.api.send(http::Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    for (key, token) in ["a", "b"].iter().zip(&tokens) {
        redeem(key, token).await.expect_problem(410, "gone");
    }
    redeem("c", &tokens[2]).await.expect(200);
    instance.advance(Duration::from_secs(600));
    redeem("c", &tokens[2]).await.expect_problem(410, "gone");
}

/// What an application got goes with it.
async fn a_disabled_application_lets_nobody_in(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let root = admin(&instance).await;
    let service = service(&root.api, &["voice:redeem"]).await;
    let gatekeeper = instance.with_token(&service.token(&instance).await);
    let id = opened(&ada.api).await;
    let tokens = [token(&ada.api, &id).await, token(&ada.api, &id).await, token(&ada.api, &id).await];
    let registered = json!({"name": "App", "grantTypes": ["client_credentials"], "scopes": []});
    let app = crate::oauth::register(&root.api, registered).await;
    let session: uuid::Uuid = ada.session_id().parse().unwrap();
    let theirs = "UPDATE sessions SET client_id = $1 WHERE id = $2";
    assert_eq!(instance.change(theirs, args![app.id.clone(), session]).await, 1);
    gatekeeper.post(REDEEM, json!({"token": tokens[0]})).await.expect(200);
    let disabled = "UPDATE oauth_clients SET disabled_at = 1 WHERE id = $1";
    let deleted = "UPDATE oauth_clients SET disabled_at = NULL, deleted_at = 1 WHERE id = $1";
    for (token, change) in tokens[1..].iter().zip([disabled, deleted]) {
        assert_eq!(instance.change(change, args![app.id.clone()]).await, 1);
        let refused = gatekeeper.post(REDEEM, json!({"token": token})).await.expect_problem(410, "gone");
        assert!(refused.str("/detail").contains("is over"), "{refused}");
    }
}

async fn what_is_not_good_any_more_is_refused(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let service = gatekeeper(&instance).await;
    let id = opened(&ada.api).await;
    let voided = token(&ada.api, &id).await;
    ada.api.post(&format!("{SESSIONS}/{id}/end"), json!({})).await.expect(200);
    let refused = service.post(REDEEM, json!({"token": voided})).await.expect_problem(410, "gone");
    assert!(refused.str("/detail").contains("revoked"), "{refused}");
    assert_eq!(events(&instance, "voice_session.ended").await[0].1["tokens"], json!([claims(&voided)["jti"]]));

    let id = opened(&ada.api).await;
    let late = token(&ada.api, &id).await;
    instance.advance(Duration::from_secs(600));
    let refused = service.post(REDEEM, json!({"token": late})).await.expect_problem(410, "gone");
    assert!(refused.str("/detail").contains("expired"), "{refused}");
}

/// A session may expire before its tokens do, where it is configured so.
async fn an_expired_session_lets_nobody_in(store: Store) {
    let instance = with_livekit(store).set("KEYSTEAD_VOICE__IDLE_TTL", "60s").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let service = gatekeeper(&instance).await;
    let id = opened(&ada.api).await;
    let token = token(&ada.api, &id).await;
    instance.advance(Duration::from_secs(60));
    let refused = service.post(REDEEM, json!({"token": token})).await.expect_problem(410, "gone");
    assert!(refused.str("/detail").contains("is over"), "{refused}");
}

async fn what_was_not_issued_here_is_refused(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let service = gatekeeper(&instance).await;
    let id = opened(&ada.api).await;
    let good = token(&ada.api, &id).await;
    let mut changed = claims(&good);
    let signed = |header: &Header, claims: &Value, secret: &str| {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    };
    let hs256 = Header::new(Algorithm::HS256);
    let parts: Vec<&str> = good.split('.').collect();
    let forged = signed(&hs256, &changed, "another secret of thirty-two bytes");
    let stronger = signed(&Header::new(Algorithm::HS512), &changed, API_SECRET);
    changed["iss"] = json!("APIother");
    let other_key = signed(&hs256, &changed, API_SECRET);
    changed["iss"] = json!(API_KEY);
    changed["jti"] = json!("01920000-0000-7000-8000-000000000000");
    let unknown = signed(&hs256, &changed, API_SECRET);
    changed["jti"] = json!("no id");
    let nameless = signed(&hs256, &changed, API_SECRET);
    // {"alg":"none"}
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
    let own = ada.access_token.clone();
    let cut = good[..good.len() - 1].to_owned();
    for token in [forged, stronger, other_key, unknown, nameless, unsigned, own, cut, String::new(), "x".repeat(5000), "a.b.c".into()] {
        let refused = service.post(REDEEM, json!({"token": token})).await.expect_problem(422, "validation_failed");
        assert_eq!(refused.field_errors(), ["token:invalid"], "{token}");
    }
    service.post(REDEEM, json!({})).await.expect_problem(400, "invalid_request");
    // None of it has used the token up.
    service.post(REDEEM, json!({"token": good})).await.expect(200);
}

async fn only_who_was_given_the_scope_redeems(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = opened(&ada.api).await;
    let token = token(&ada.api, &id).await;
    ada.api.post(REDEEM, json!({"token": token})).await.expect_problem(403, "insufficient_scope");
    let root = admin(&instance).await;
    let other = service(&root.api, &["flags:read"]).await.token(&instance).await;
    instance.with_token(&other).post(REDEEM, json!({"token": token})).await.expect_problem(403, "insufficient_scope");
    instance.post(REDEEM, json!({"token": token})).await.expect_problem(401, "unauthenticated");
}

both_stores!(
    a_disabled_application_lets_nobody_in,
    a_lost_answer_is_given_again,
    a_lost_answer_is_not_given_again_when_it_is_over,
    a_token_is_redeemed_once,
    an_expired_session_lets_nobody_in,
    it_stays_redeemed_when_an_instance_is_gone,
    of_many_at_once_one_lets_them_in,
    only_who_was_given_the_scope_redeems,
    what_is_not_good_any_more_is_refused,
    what_was_not_issued_here_is_refused
);
