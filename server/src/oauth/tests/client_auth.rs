//! Which client calls: one way, proven, and a refusal that says nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Registered, admin, expect_refusal, form, raw_form, service};
use crate::support::{Instance, Store, both_stores};

const TOKEN: &str = "/oauth2/token";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

async fn a_wrong_secret_is_refused_as_an_unknown_client(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &[]).await;
    let other = service(&root.api, &[]).await;
    let wrong = |secret: &str| Registered { id: made.id.clone(), secret: secret.to_owned() };
    let known = form(&wrong("kcs_wrong").basic(&instance), TOKEN, &[GRANT]).await;
    expect_refusal(&known, 401, "invalid_client");
    for secret in ["", &made.secret[..46], &format!("{}x", made.secret), &made.secret.to_uppercase(), &other.secret] {
        expect_refusal(&form(&wrong(secret).basic(&instance), TOKEN, &[GRANT]).await, 401, "invalid_client");
    }
    for id in ["01920000-0000-7000-8000-000000000000", "nobody", "", "keystead-cli", &made.id.to_uppercase(), "{x}", "x' OR '1'='1"] {
        let unknown = form(&Registered { id: id.to_owned(), secret: made.secret.clone() }.basic(&instance), TOKEN, &[GRANT]).await;
        expect_refusal(&unknown, 401, "invalid_client");
        assert_eq!(unknown.text, known.text, "{id}");
    }
    let refused = instance.events().await.into_iter().filter(|event| event.action == "client.authentication_failed");
    assert_eq!(refused.filter(|event| event.outcome == "denied").count(), 13);
    form(&made.basic(&instance), TOKEN, &[GRANT]).await.expect(200);
}

async fn one_way_at_a_time(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &[]).await;
    let (id, secret) = (("client_id", made.id.as_str()), ("client_secret", made.secret.as_str()));
    let basic = made.basic(&instance);
    expect_refusal(&form(&basic, TOKEN, &[GRANT, id, secret]).await, 400, "invalid_request");
    expect_refusal(&form(&basic, TOKEN, &[GRANT, secret]).await, 400, "invalid_request");
    let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    expect_refusal(&form(&basic, TOKEN, &[GRANT, kind, ("client_assertion", "a.b.c")]).await, 400, "invalid_request");
    expect_refusal(&form(&instance, TOKEN, &[GRANT, id, secret, kind, ("client_assertion", "a.b.c")]).await, 400, "invalid_request");
    expect_refusal(&form(&instance, TOKEN, &[GRANT, id, kind]).await, 400, "invalid_request");
    expect_refusal(&form(&basic, TOKEN, &[GRANT, ("client_id", "keystead")]).await, 400, "invalid_request");
    // Naming oneself twice is allowed, as long as it is the same name.
    form(&basic, TOKEN, &[GRANT, id]).await.expect(200);
}

async fn nothing_and_nonsense_are_refused(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &[]).await;
    expect_refusal(&form(&instance, TOKEN, &[GRANT]).await, 401, "invalid_client");
    expect_refusal(&form(&instance, TOKEN, &[GRANT, ("client_secret", &made.secret)]).await, 401, "invalid_client");
    // A client with a secret does not get by without it.
    expect_refusal(&form(&instance, TOKEN, &[GRANT, ("client_id", &made.id)]).await, 401, "invalid_client");
    let bearer = format!("Bearer {}", root.access_token);
    let nothing = format!("Basic {}", STANDARD.encode("no colon"));
    let half = format!("Basic {}", STANDARD.encode(format!("{}:%4", made.id)));
    let bytes = format!("Basic {}", STANDARD.encode([0xff, b':', 0xfe]));
    for header in ["Basic", "Basic ", "Basic !!!", "Digest x", &bearer, &nothing, &half, &bytes] {
        expect_refusal(&form(&instance.with("authorization", header), TOKEN, &[GRANT]).await, 401, "invalid_client");
    }
}

/// RFC 6749 section 2.3.1: id and secret are form-encoded before they are joined.
async fn credentials_are_form_decoded(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &[]).await;
    let encoded: String = made.secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let header = format!("basic {}", STANDARD.encode(format!("{}:{encoded}", made.id.replace('-', "%2d"))));
    form(&instance.with("authorization", &header), TOKEN, &[GRANT]).await.expect(200);
}

async fn a_new_secret_voids_the_old_one(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &[]).await;
    form(&made.basic(&instance), TOKEN, &[GRANT]).await.expect(200);
    let path = format!("/api/v1/admin/clients/{}/rotate-secret", made.id);
    let secret = root.api.post(&path, json!({})).await.expect(200).str("/clientSecret").to_owned();
    expect_refusal(&form(&made.basic(&instance), TOKEN, &[GRANT]).await, 401, "invalid_client");
    form(&Registered { secret, ..made }.basic(&instance), TOKEN, &[GRANT]).await.expect(200);
}

/// Failures count against the address, what a client does against the client.
async fn attempts_are_limited_by_address(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__GLOBAL", "8/15m").set("KEYSTEAD_LIMITS__SIGNED_IN", "5/1m").start().await;
    let root = admin(&instance).await;
    let made = service(&root.api, &[]).await;
    let wrong = Registered { id: made.id.clone(), secret: "kcs_wrong".to_owned() }.basic(&instance);
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(form(&wrong, TOKEN, &[GRANT]).await.status);
    }
    assert!(answers.contains(&401) && answers.last() == Some(&429), "{answers:?}");
    raw_form(&instance, TOKEN, "a=1&a=2").await.expect_problem(429, "rate_limited");
    for _ in 0..5 {
        form(&made.basic(&instance), TOKEN, &[GRANT]).await.expect(200);
    }
    form(&made.basic(&instance), TOKEN, &[GRANT]).await.expect_problem(429, "rate_limited");
}

/// A secret outlives the master key it was hashed under, once its client came by.
async fn a_secret_moves_to_the_new_master_key(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &[]).await;
    let hash = async |instance: &Instance| {
        let rows = instance.rows("SELECT secret_hash FROM oauth_clients", Vec::new()).await;
        rows[0].get::<Vec<u8>>(0).unwrap()
    };
    let before = hash(&instance).await;
    let older = keystead::app::App::clone(&instance.running.app).ground.settings.master_keys[0].key.to_vec();
    let keys = format!("new:{},old:{}", STANDARD.encode([9; 32]), STANDARD.encode(older));
    let rotated = Instance::builder(store).second(&instance).set("KEYSTEAD_MASTER_KEY", keys).start().await;
    form(&made.basic(&rotated), TOKEN, &[GRANT]).await.expect(200);
    let after = hash(&rotated).await;
    assert!(before[..4] != after[..4] && after[..4] == rotated.running.app.ground.roots.current());
    form(&made.basic(&rotated), TOKEN, &[GRANT]).await.expect(200);
    assert_eq!(hash(&rotated).await, after);
}

both_stores!(
    a_wrong_secret_is_refused_as_an_unknown_client,
    one_way_at_a_time,
    nothing_and_nonsense_are_refused,
    credentials_are_form_decoded,
    a_new_secret_voids_the_old_one,
    attempts_are_limited_by_address,
    a_secret_moves_to_the_new_master_key,
);
