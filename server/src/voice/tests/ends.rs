//! What ends with a sign-in, with a person's access, with a program's token.

use futures_util::future::join_all;
use keystead::accounts::By;
use keystead::audit::Actor;
use serde_json::json;
use uuid::Uuid;

use super::{REDEEM, SESSIONS, events, gatekeeper, opened, token, with_livekit};
use crate::oauth::claims;
use crate::support::{Store, both_stores};

/// Everything that follows names the sign-in that ended, which is the target of its own end.
async fn a_sign_in_ends_what_was_opened_in_it(store: Store) {
    let instance = with_livekit(store).start().await;
    let second = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let other = instance.signed_in("ada@example.com").await;
    let service = gatekeeper(&instance).await;
    let (hers, others) = (opened(&ada.api).await, opened(&other.api).await);
    let own = token(&ada.api, &hers).await;
    let lent = token(&ada.api, &others).await;
    let elsewhere = token(&other.api, &hers).await;
    let untouched = token(&other.api, &others).await;

    other.api.delete(&format!("/api/v1/sessions/{}", ada.session_id())).await.expect(204);
    for (token, status) in [(&own, 410), (&lent, 410), (&elsewhere, 410), (&untouched, 200)] {
        service.post(REDEEM, json!({"token": token})).await.expect(status);
    }
    let status = async |id: &str| second.with_token(&other.access_token).get(&format!("{SESSIONS}/{id}")).await.expect(200);
    assert_eq!(status(&hers).await.str("/voiceSession/status"), "ended");
    assert_eq!(status(&others).await.str("/voiceSession/status"), "active");

    let cause = ada.session_id();
    assert_eq!(events(&instance, "session.ended").await[0].0.target.unwrap().to_string(), cause);
    let ended = events(&instance, "voice_session.ended").await;
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].0.target.unwrap().to_string(), &ended[0].1["cause"]), (hers.clone(), &json!(cause)));
    let revoked = events(&instance, "voice_tokens.revoked").await;
    let mut ids: Vec<_> = revoked.iter().flat_map(|(_, details)| details["tokens"].as_array().unwrap().clone()).collect();
    let mut expected: Vec<_> = [&own, &lent, &elsewhere].map(|token| claims(token)["jti"].clone()).into();
    ids.sort_by_key(ToString::to_string);
    expected.sort_by_key(ToString::to_string);
    assert_eq!(ids, expected);
    assert!(revoked.iter().all(|(_, details)| details["cause"] == cause && details["of"] == ada.id()));
}

async fn signing_out_ends_it_as_well(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = opened(&ada.api).await;
    let token = token(&ada.api, &id).await;
    let service = gatekeeper(&instance).await;
    ada.api.send(http::Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    service.post(REDEEM, json!({"token": token})).await.expect_problem(410, "gone");
    let again = instance.signed_in("ada@example.com").await;
    assert_eq!(again.api.get(SESSIONS).await.expect(200).body["items"][0]["status"], "ended");
}

/// Whatever is asked for while the sign-in ends, nothing that is good is left.
async fn asking_and_signing_out_at_once_leaves_nothing(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let other = instance.signed_in("ada@example.com").await;
    let service = gatekeeper(&instance).await;
    let (hers, others) = (opened(&ada.api).await, opened(&other.api).await);
    let paths = [format!("{SESSIONS}/{hers}/token"), format!("{SESSIONS}/{others}/token"), SESSIONS.to_owned()];
    let asked = join_all((0..24).map(|number| ada.api.post(&paths[number % 3], json!({}))));
    let end = format!("/api/v1/sessions/{}", ada.session_id());
    let (answers, ended) = futures_util::future::join(asked, other.api.delete(&end)).await;
    ended.expect(204);
    for answer in answers {
        assert!(matches!(answer.status, 201 | 401 | 409), "{answer}");
        if let Some(token) = answer.body["token"].as_str() {
            service.post(REDEEM, json!({"token": token})).await.expect_problem(410, "gone");
        }
    }
    let open = "SELECT count(*) FROM voice_sessions WHERE end_reason IS NULL";
    assert_eq!(instance.count(open, vec![]).await, 1, "the other sign-in's");
}

async fn whoever_loses_access_is_not_let_in(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let service = gatekeeper(&instance).await;
    let made = json!({"name": "assistant", "scopes": ["voice:write"]});
    let program = instance.with_token(ada.api.post("/api/v1/account/tokens", made).await.expect(201).str("/secret"));
    let (hers, its) = (opened(&ada.api).await, opened(&program).await);
    let tokens = [token(&ada.api, &hers).await, token(&program, &its).await, token(&program, &hers).await];
    let person: Uuid = ada.id().parse().unwrap();
    let lifecycle = &instance.running.app.lifecycle;
    lifecycle.suspend(person, By::of(Actor::Operator), instance.clock.now()).await.unwrap();
    for token in &tokens {
        service.post(REDEEM, json!({"token": token})).await.expect_problem(410, "gone");
    }
    let ended = events(&instance, "voice_session.ended").await;
    let reason = |id: &str| ended.iter().find(|(event, _)| event.target.unwrap().to_string() == id).unwrap().1["reason"].clone();
    assert_eq!((ended.len(), reason(&hers), reason(&its)), (2, json!("session_ended"), json!("access_lost")));
    lifecycle.delete(person, By::of(Actor::Operator), instance.clock.now()).await.unwrap();
    lifecycle.erase(person, By::of(Actor::Operator), instance.clock.now()).await.unwrap();
    for table in ["SELECT count(*) FROM voice_sessions", "SELECT count(*) FROM voice_tokens"] {
        assert_eq!(instance.count(table, vec![]).await, 0, "{table}");
    }
    service.post(REDEEM, json!({"token": tokens[0]})).await.expect_problem(422, "validation_failed");
}

async fn a_revoked_program_is_not_let_in(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let service = gatekeeper(&instance).await;
    let made = ada.api.post("/api/v1/account/tokens", json!({"name": "assistant", "scopes": ["voice:write"]})).await.expect(201);
    let program = instance.with_token(made.str("/secret"));
    let id = opened(&ada.api).await;
    let token = token(&program, &id).await;
    ada.api.delete(&format!("/api/v1/account/tokens/{}", made.str("/token/id"))).await.expect(204);
    service.post(REDEEM, json!({"token": token})).await.expect_problem(410, "gone");
    assert_eq!(ada.api.get(&format!("{SESSIONS}/{id}")).await.expect(200).str("/voiceSession/status"), "active");
}

both_stores!(
    a_revoked_program_is_not_let_in,
    a_sign_in_ends_what_was_opened_in_it,
    asking_and_signing_out_at_once_leaves_nothing,
    signing_out_ends_it_as_well,
    whoever_loses_access_is_not_let_in
);
