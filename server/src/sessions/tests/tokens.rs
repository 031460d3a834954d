use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keystead::config::MasterKey;
use keystead::secret::RootKeys;
use keystead::sessions::token::RefreshToken;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::{refresh, rows};
use crate::support::{Ground, Instance, PASSWORD, Store, both_stores};

fn roots(bytes: &[u8]) -> RootKeys {
    let keys: Vec<_> = bytes.iter().map(|byte| MasterKey { id: byte.to_string(), key: [*byte; 32].into() }).collect();
    RootKeys::new(&keys)
}

fn open(roots: &RootKeys, text: &str) -> Option<RefreshToken> {
    RefreshToken::open(roots, &text.to_owned().into())
}

proptest! {
    #[test]
    fn a_token_says_what_it_was_made_with(session in any::<u128>(), generation in 0_i64.., salt in any::<[u8; 32]>()) {
        let token = RefreshToken { session: Uuid::from_u128(session), generation, salt };
        let sealed = token.seal(&roots(&[1]));
        let text = sealed.expose_secret();
        prop_assert!(text.starts_with("ksr_") && text.is_ascii() && text.len() == 127, "{}", text.len());
        prop_assert_eq!(open(&roots(&[1]), text), Some(token.clone()));
        // The key that was current before still opens it; a key of another installation does not.
        prop_assert_eq!(open(&roots(&[2, 1]), text), Some(token.clone()));
        prop_assert_eq!(open(&roots(&[2]), text), None);
    }

    #[test]
    fn a_changed_token_is_no_token(at in 0_usize..92, bit in 0_u8..8) {
        let token = RefreshToken { session: Uuid::from_u128(7), generation: 3, salt: [9; 32] };
        let sealed = token.seal(&roots(&[1]));
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&sealed.expose_secret()[4..]).unwrap();
        prop_assert_eq!(bytes.len(), 92);
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(open(&roots(&[1]), &format!("ksr_{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))), None);
    }

    #[test]
    fn garbage_is_no_token(text in "(ksr_)?[A-Za-z0-9_=+/ -]{0,200}") {
        prop_assert_eq!(open(&roots(&[1]), &text), None);
    }
}

/// Whatever is not a token of this installation is refused alike, wherever it is presented.
async fn made_up_tokens_are_refused_alike(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let elsewhere = another_installation(store).await;
    let eve = elsewhere.signed_up("ada@example.com").await;
    let good = &ada.refresh_token;
    let flipped = format!("{}{}", &good[..good.len() - 1], if good.ends_with('A') { 'B' } else { 'A' });
    let forged = RefreshToken { session: ada.session_id().parse().unwrap(), generation: 0, salt: [0; 32] }.seal(&roots(&[1]));
    let made_up = [
        "",
        "ksr_",
        "null",
        "ksr_AAAA",
        &good[4..],
        &good[..good.len() - 1],
        &format!("{good}A"),
        &format!("{good}="),
        &format!(" {good}"),
        &good.to_uppercase(),
        &flipped,
        &eve.refresh_token,
        forged.expose_secret(),
        &ada.access_token,
        &"A".repeat(100_000),
        "ksr_' OR 1=1; --",
        "ksr_\u{0}",
    ]
    .map(str::to_owned);
    for token in made_up {
        let answer = refresh(&instance, &token).await.expect_problem(401, "unauthenticated");
        assert!(answer.header("www-authenticate").is_some_and(|scheme| scheme.starts_with("Bearer")), "{answer}");
        let answer = instance.post("/api/v1/auth/logout", serde_json::json!({ "refreshToken": token })).await;
        answer.expect_problem(401, "unauthenticated");
    }
    refresh(&instance, good).await.expect(200);
}

/// One with keys of its own: the harness's template, which other instances are copied from, holds signing keys.
async fn another_installation(store: Store) -> Instance {
    let ground = std::sync::Arc::new(Ground::empty(store).await);
    Instance::builder(store).on(ground).set("KEYSTEAD_MASTER_KEY", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=").start().await
}

/// An authentic token whose session is gone, or that names a session by another salt, opens nothing.
async fn an_authentic_token_of_no_session_is_refused(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let roots = &instance.running.app.ground.roots;
    let nobody = RefreshToken { session: Uuid::from_u128(1), generation: 0, salt: [1; 32] }.seal(roots);
    refresh(&instance, nobody.expose_secret()).await.expect_problem(401, "unauthenticated");
    let salted = RefreshToken { session: ada.session_id().parse().unwrap(), generation: 0, salt: [1; 32] }.seal(roots);
    refresh(&instance, salted.expose_secret()).await.expect_problem(401, "unauthenticated");
    instance.post("/api/v1/auth/logout", serde_json::json!({ "refreshToken": salted.expose_secret() })).await.expect(204);
    // A generation that was never issued, such as after a restored backup, asks for a new sign-in and ends nothing.
    let session = rows(&instance, "SELECT salt FROM sessions").await;
    let salt: Vec<u8> = session[0].get(0).unwrap();
    let early = RefreshToken { session: ada.session_id().parse().unwrap(), generation: 5, salt: salt.try_into().unwrap() }.seal(roots);
    refresh(&instance, early.expose_secret()).await.expect(401);
    refresh(&instance, &ada.refresh_token).await.expect(200);
}

/// Sessions of closed accounts are over, whichever token is shown.
async fn tokens_of_people_who_are_gone_are_refused(store: Store) {
    let instance = Instance::start(store).await;
    for (name, close) in [("suspended", 0), ("deleted", 1), ("erased", 2)] {
        let email = format!("{name}@example.com");
        let person = instance.signed_up(&email).await;
        let (id, now) = (person.id().parse().unwrap(), instance.clock.now());
        let by = || keystead::accounts::By::of(keystead::audit::Actor::System);
        let lifecycle = &instance.running.app.lifecycle;
        match close {
            0 => lifecycle.suspend(id, by(), now).await.map(|_| ()),
            1 => lifecycle.delete(id, by(), now).await.map(|_| ()),
            _ => {
                lifecycle.delete(id, by(), now).await.unwrap();
                lifecycle.erase(id, by(), now).await.map(|_| ())
            }
        }
        .unwrap();
        let answer = refresh(&instance, &person.refresh_token).await;
        assert_eq!(answer.status, 401, "{name}\n{answer}");
        person.api.get("/api/v1/auth/me").await.expect_problem(401, "session_revoked");
        person.api.get("/api/v1/auth/verify").await.expect_problem(401, "session_revoked");
        let session = person.api.get("/api/v1/auth/session").await.expect(200);
        assert_eq!(session.body["authenticated"], false, "{session}");
    }
}

/// The forms in which access tokens are forged.
async fn forged_access_tokens_are_refused(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let elsewhere = another_installation(store).await;
    let elsewhere = elsewhere.signed_up("ada@example.com").await;
    let parts: Vec<&str> = ada.access_token.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let unsigned = encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    let decoded = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let later = encode(&decoded.replace("\"exp\":1", "\"exp\":9"));
    let stranger = encode(&decoded.replace(ada.id(), &Uuid::from_u128(7).to_string()));
    let forged = [
        String::new(),
        "x".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!("{unsigned}.{claims}."),
        format!("{unsigned}.{claims}.{signature}"),
        format!("{header}.{claims}."),
        format!("{header}.{later}.{signature}"),
        format!("{header}.{stranger}.{signature}"),
        format!("{}.{claims}.{signature}", encode(r#"{"alg":"HS256","typ":"at+jwt","kid":"x"}"#)),
        format!("{header}.{claims}.{}", elsewhere.access_token.rsplit('.').next().unwrap()),
        format!("{}x", ada.access_token),
        format!("{}.", ada.access_token),
        elsewhere.access_token,
        ada.refresh_token.clone(),
        "A".repeat(8000),
    ];
    for token in forged {
        let answer = instance.with_token(&token).get("/api/v1/auth/me").await.expect_problem(401, "unauthenticated");
        assert!(answer.header("www-authenticate").is_some(), "{answer}");
    }
    for (scheme, status) in [("bearer", 200), ("BEARER", 200), ("Basic", 401), ("Token", 401), ("Bearer  ", 200), ("", 401)] {
        let value = format!("{scheme} {}", ada.access_token);
        instance.with("authorization", &value).get("/api/v1/auth/me").await.expect(status);
    }
    ada.api.get("/api/v1/auth/me").await.expect(200);
}

/// T1: fifteen minutes, no more; and the answer says so.
async fn access_tokens_end(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up("ada@example.com").await;
    let login = serde_json::json!({"email": "ada@example.com", "password": PASSWORD, "transport": "body"});
    let answer = instance.post("/api/v1/auth/login", login).await.expect(200);
    assert_eq!((answer.body["expiresIn"].as_u64(), answer.str("/tokenType")), (Some(900), "Bearer"));
    let api = instance.with_token(answer.str("/accessToken"));
    instance.advance(Duration::from_secs(890));
    api.get("/api/v1/auth/me").await.expect(200);
    instance.advance(Duration::from_secs(11));
    api.get("/api/v1/auth/me").await.expect_problem(401, "token_expired");
    // One that was never seen before it ended is refused as well.
    refresh(&instance, answer.str("/refreshToken")).await.expect(200);
    let fresh = refresh(&instance, answer.str("/refreshToken")).await.expect(200);
    instance.advance(Duration::from_secs(901));
    instance.with_token(fresh.str("/accessToken")).get("/api/v1/auth/me").await.expect_problem(401, "token_expired");
}

both_stores!(
    made_up_tokens_are_refused_alike,
    an_authentic_token_of_no_session_is_refused,
    tokens_of_people_who_are_gone_are_refused,
    forged_access_tokens_are_refused,
    access_tokens_end,
);
