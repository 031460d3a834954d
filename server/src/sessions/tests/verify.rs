use std::time::Duration;

use serde_json::{Value, json};

use super::{refresh, time};
use crate::support::{Instance, Store, both_stores};

/// T7: whom the token is for, in which session, with which scopes, until when.
async fn verify_tells_whom_the_token_is_for(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let answer = ada.api.get("/api/v1/auth/verify").await.expect(200);
    assert_eq!(answer.body["valid"], true);
    assert_eq!(answer.body["user"], ada.user);
    assert_eq!(answer.body["session"], ada.session);
    assert_eq!(answer.body["scopes"], json!([]));
    // The scopes of this moment, not of when the token was issued.
    instance.set_roles(&ada, "user auditor").await;
    let now = ada.api.get("/api/v1/auth/verify").await.expect(200);
    assert!(now.body["scopes"].as_array().unwrap().contains(&json!("audit:read")), "{now}");
    instance.set_roles(&ada, "user").await;
    let ends = time(&answer.body["expiresAt"]);
    assert!(ends > instance.clock.now().plus(Duration::from_secs(880)) && ends < instance.clock.now().plus(Duration::from_secs(901)));
    instance.advance(Duration::from_secs(901));
    ada.api.get("/api/v1/auth/verify").await.expect_problem(401, "token_expired");
    let me = instance.with_token(refresh(&instance, &ada.refresh_token).await.expect(200).str("/accessToken")).get("/api/v1/auth/me").await;
    assert_eq!(me.expect(200).body["user"]["id"], ada.user["id"]);
}

/// GET session answers nobody, a cookie's owner and a token's owner; it never fails for want of credentials.
async fn session_answers_everyone(store: Store) {
    let instance = Instance::start(store).await;
    let nobody = json!({"authenticated": false, "session": Value::Null, "csrfToken": Value::Null});
    assert_eq!(instance.get("/api/v1/auth/session").await.expect(200).body, nobody);
    assert_eq!(instance.with_token("garbage").get("/api/v1/auth/session").await.expect(200).body, nobody);
    assert_eq!(instance.with("cookie", "keystead_refresh=garbage").get("/api/v1/auth/session").await.expect(200).body, nobody);

    let ada = instance.signed_up("ada@example.com").await;
    let expected = json!({"authenticated": true, "session": ada.session, "csrfToken": ada.csrf});
    assert_eq!(ada.api.get("/api/v1/auth/session").await.expect(200).body, expected);
    let cookie = format!("theme=dark; keystead_refresh={}; x=y", ada.refresh_token);
    let by_cookie = instance.with("cookie", &cookie);
    assert_eq!(by_cookie.get("/api/v1/auth/session").await.expect(200).body, expected);
    // A dead token does not stand in the way of a live cookie.
    instance.advance(Duration::from_secs(901));
    let both = by_cookie.with_token(&ada.access_token).get("/api/v1/auth/session").await.expect(200);
    assert_eq!(both.str("/session/id"), ada.session_id());
    assert_eq!(ada.api.get("/api/v1/auth/session").await.expect(200).body, nobody);

    instance.post("/api/v1/auth/logout", json!({ "refreshToken": ada.refresh_token })).await.expect(204);
    assert_eq!(by_cookie.get("/api/v1/auth/session").await.expect(200).body, nobody);
}

/// T1: the published keys verify the token, and its claims are those of RFC 9068.
async fn the_published_keys_verify_the_token(store: Store) {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let published = instance.get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(published.header("content-type"), Some("application/jwk-set+json"));
    let (signed, signature) = ada.access_token.rsplit_once('.').unwrap();
    let part = |text: &str| serde_json::from_slice::<Value>(&BASE64.decode(text).unwrap()).unwrap();
    let (header, claims) = signed.split_once('.').map(|(header, claims)| (part(header), part(claims))).unwrap();
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("at+jwt")));
    let keys = published.body["keys"].as_array().unwrap();
    assert!(keys.iter().all(|key| key.get("d").is_none()), "{published}");
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).unwrap_or_else(|| panic!("{header} in {published}"));
    assert_eq!((&key["kty"], &key["crv"], &key["use"]), (&json!("OKP"), &json!("Ed25519"), &json!("sig")));
    let public = BASE64.decode(key["x"].as_str().unwrap()).unwrap();
    UnparsedPublicKey::new(&ED25519, public).verify(signed.as_bytes(), &BASE64.decode(signature).unwrap()).expect("the signature");

    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("http://localhost:8080"), &json!("http://localhost:8080")));
    assert_eq!((&claims["sub"], &claims["sid"]), (&ada.user["id"], &ada.session["id"]));
    assert_eq!((&claims["client_id"], &claims["roles"]), (&json!("keystead"), &json!(["user"])));
    assert_eq!(claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat), Some(900));
    assert!(claims["jti"].is_string() && claims["nbf"] == claims["iat"] && claims["scope"].is_string(), "{claims}");
}

both_stores!(verify_tells_whom_the_token_is_for, session_answers_everyone, the_published_keys_verify_the_token);
