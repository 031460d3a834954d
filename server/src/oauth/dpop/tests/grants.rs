//! What a proof at the token endpoint binds.

use serde_json::{Value, json};

use super::super::device::{APPROVE, Device};
use super::super::id_token::player;
use super::super::{Registered, admin, claims, expect_refusal, form, register, service};
use super::{Key, TOKEN, claims_of};
use crate::support::{Answer, Client, Instance, Store, both_stores};

const SERVICE: &[(&str, &str)] = &[("grant_type", "client_credentials")];
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The tokens of a public client for a device that somebody let in; bound to `key`.
async fn let_in(instance: &Instance, client: &str, key: &Key) -> Answer {
    let ada = instance.signed_up("ada@example.com").await;
    let device = Device::of(instance, client).await;
    device.decided(&ada, APPROVE).await.expect(204);
    device.poll(&key.at(instance, instance, TOKEN)).await.expect(200)
}

async fn refreshed(api: &Client, client: &str, token: &str) -> Answer {
    form(api, TOKEN, &[("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)]).await
}

async fn a_proof_binds_the_token_of_a_service(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &["users:read"]).await;
    for key in [Key::ed25519(), Key::p256(), Key::rsa()] {
        let answer = form(&key.at(&instance, &made.basic(&instance), TOKEN), TOKEN, SERVICE).await.expect(200);
        assert_eq!((answer.str("/token_type"), answer.str("/scope")), ("DPoP", "users:read"));
        let token = answer.str("/access_token");
        assert_eq!(claims(token)["cnf"], json!({"jkt": key.jkt()}));
        let told = form(&made.basic(&instance), "/oauth2/introspect", &[("token", token)]).await.expect(200);
        assert_eq!((told.str("/token_type"), &told.body["cnf"]), ("DPoP", &json!({"jkt": key.jkt()})));
    }
    let plain = form(&made.basic(&instance), TOKEN, SERVICE).await.expect(200);
    assert_eq!((plain.str("/token_type"), claims(plain.str("/access_token")).get("cnf")), ("Bearer", None));
    let told = form(&made.basic(&instance), "/oauth2/introspect", &[("token", plain.str("/access_token"))]).await.expect(200);
    assert_eq!((told.str("/token_type"), told.body.get("cnf")), ("Bearer", None));
}

async fn a_proof_that_is_not_good_gets_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &["users:read"]).await;
    let (key, good) = (Key::ed25519(), || claims_of(&instance, "POST", TOKEN, None));
    let changed = |name: &str, value: Value| {
        let mut claims = good();
        claims[name] = value;
        key.proof(&claims)
    };
    let now = instance.clock.now().as_secs();
    let none = {
        let mut header = key.header();
        header["alg"] = "none".into();
        key.signed(&header, &good()).rsplit_once('.').unwrap().0.to_owned() + "."
    };
    let refused = [
        String::new(),
        "garbage".to_owned(),
        none,
        changed("htm", "GET".into()),
        changed("htu", "http://localhost:8080/oauth2/introspect".into()),
        changed("htu", "https://evil.example/oauth2/token".into()),
        changed("iat", json!(now - 120)),
        changed("iat", json!(now + 120)),
        changed("jti", "".into()),
        format!("{}, {}", key.proof(&good()), key.proof(&good())),
    ];
    for proof in &refused {
        let answer = form(&made.basic(&instance).with("dpop", proof), TOKEN, SERVICE).await;
        expect_refusal(&answer, 400, "invalid_dpop_proof");
    }
    // Where nothing is issued nothing was used up.
    let proof = key.proof(&good());
    let impostor = Registered { id: made.id.clone(), secret: "wrong".into() };
    expect_refusal(&form(&impostor.basic(&instance).with("dpop", &proof), TOKEN, SERVICE).await, 401, "invalid_client");
    form(&made.basic(&instance).with("dpop", &proof), TOKEN, SERVICE).await.expect(200);
}

/// Once, whichever instance is asked; of sixteen at once exactly one.
async fn a_proof_is_good_once(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &["users:read"]).await;
    let key = Key::ed25519();
    let claims = claims_of(&instance, "POST", TOKEN, None);
    let api = made.basic(&instance).with("dpop", &key.proof(&claims));
    let answers = futures_util::future::join_all((0..16).map(|_| form(&api, TOKEN, SERVICE))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    answers.iter().filter(|answer| answer.status != 200).for_each(|answer| expect_refusal(answer, 400, "invalid_dpop_proof"));
    // The same id signed anew is the same proof; that of another key is another one.
    expect_refusal(&form(&made.basic(&instance).with("dpop", &key.proof(&claims)), TOKEN, SERVICE).await, 400, "invalid_dpop_proof");
    form(&made.basic(&instance).with("dpop", &Key::p256().proof(&claims)), TOKEN, SERVICE).await.expect(200);
    if store == Store::Postgres {
        let second = instance.second().await;
        let api = made.basic(&second).with("dpop", &key.proof(&claims));
        expect_refusal(&form(&api, TOKEN, SERVICE).await, 400, "invalid_dpop_proof");
    }
    // At the end of its minute it is still remembered, and afterwards it is too old.
    for seconds in [59, 2, 60, 60] {
        instance.advance(std::time::Duration::from_secs(seconds));
        expect_refusal(&form(&api, TOKEN, SERVICE).await, 400, "invalid_dpop_proof");
    }
}

async fn refresh_tokens_of_public_clients_need_the_key(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["openid", "shows:watch"]).await;
    let (key, thief) = (Key::p256(), Key::p256());
    let tokens = let_in(&instance, &client, &key).await;
    assert_eq!((tokens.str("/token_type"), &claims(tokens.str("/access_token"))["cnf"]["jkt"]), ("DPoP", &json!(key.jkt())));
    let token = tokens.str("/refresh_token");
    expect_refusal(&refreshed(&instance, &client, token).await, 400, "invalid_grant");
    expect_refusal(&refreshed(&thief.at(&instance, &instance, TOKEN), &client, token).await, 400, "invalid_grant");
    // A proof that was made for the thief's own request to another place.
    let elsewhere = key.at(&instance, &instance, "/oauth2/introspect");
    expect_refusal(&refreshed(&elsewhere, &client, token).await, 400, "invalid_dpop_proof");
    let next = refreshed(&key.at(&instance, &instance, TOKEN), &client, token).await.expect(200);
    assert_eq!((next.str("/token_type"), &claims(next.str("/access_token"))["cnf"]["jkt"]), ("DPoP", &json!(key.jkt())));
    expect_refusal(&refreshed(&instance, &client, next.str("/refresh_token")).await, 400, "invalid_grant");
    refreshed(&key.at(&instance, &instance, TOKEN), &client, next.str("/refresh_token")).await.expect(200);
}

/// A session that began without a key gets one by the first refresh that shows it; whoever comes with an older token and without
/// the key then ends it: one of the two is a thief.
async fn a_refresh_binds_what_was_not_bound(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["openid"]).await;
    let ada = instance.signed_up("ada@example.com").await;
    let device = Device::of(&instance, &client).await;
    device.decided(&ada, APPROVE).await.expect(204);
    let first = device.poll(&instance).await.expect(200);
    let (key, thief) = (Key::ed25519(), Key::ed25519());
    let second = refreshed(&key.at(&instance, &instance, TOKEN), &client, first.str("/refresh_token")).await.expect(200);
    assert_eq!(second.str("/token_type"), "DPoP");
    let token = second.str("/refresh_token");
    expect_refusal(&refreshed(&instance, &client, token).await, 400, "invalid_grant");
    expect_refusal(&refreshed(&thief.at(&instance, &instance, TOKEN), &client, token).await, 400, "invalid_grant");
    // The same request again, whose answer was lost.
    refreshed(&key.at(&instance, &instance, TOKEN), &client, first.str("/refresh_token")).await.expect(200);
    let third = refreshed(&key.at(&instance, &instance, TOKEN), &client, token).await.expect(200);
    expect_refusal(&refreshed(&instance, &client, first.str("/refresh_token")).await, 400, "invalid_grant");
    let ended = refreshed(&key.at(&instance, &instance, TOKEN), &client, third.str("/refresh_token")).await;
    expect_refusal(&ended, 400, "invalid_grant");
    assert!(instance.events().await.iter().any(|event| event.action == "session.replayed"));
}

/// RFC 9449 section 5: a client that proves itself may change its key.
async fn refresh_tokens_of_other_clients_need_the_client(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let body = json!({"name": "Hub", "grantTypes": [DEVICE, "refresh_token"], "scopes": ["openid"]});
    let hub = register(&root.api, body).await;
    let ada = instance.signed_up("ada@example.com").await;
    let begun = form(&hub.basic(&instance), "/oauth2/device_authorization", &[]).await.expect(200);
    ada.api.post(APPROVE, json!({"userCode": begun.str("/user_code")})).await.expect(204);
    let (key, next) = (Key::ed25519(), Key::p256());
    let poll = [("grant_type", DEVICE), ("device_code", begun.str("/device_code"))];
    let tokens = form(&key.at(&instance, &hub.basic(&instance), TOKEN), TOKEN, &poll).await.expect(200);
    let refresh = |token: &str| [("grant_type", "refresh_token".to_owned()), ("refresh_token", token.to_owned())];
    let ask = async |api: Client, token: &str| {
        let parameters = refresh(token);
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        form(&api, TOKEN, &parameters).await
    };
    let second = ask(next.at(&instance, &hub.basic(&instance), TOKEN), tokens.str("/refresh_token")).await.expect(200);
    assert_eq!(claims(second.str("/access_token"))["cnf"]["jkt"], next.jkt());
    let third = ask(hub.basic(&instance), second.str("/refresh_token")).await.expect(200);
    assert_eq!(third.str("/token_type"), "Bearer");
}

async fn a_client_can_be_held_to_it(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let body = json!({"name": "Bank", "grantTypes": ["client_credentials"], "scopes": ["users:read"], "dpopBoundAccessTokens": true});
    let bank = register(&root.api, body).await;
    expect_refusal(&form(&bank.basic(&instance), TOKEN, SERVICE).await, 400, "invalid_dpop_proof");
    let key = Key::ed25519();
    form(&key.at(&instance, &bank.basic(&instance), TOKEN), TOKEN, SERVICE).await.expect(200);
    let path = format!("/api/v1/admin/clients/{}", bank.id);
    let shown = root.api.get(&path).await.expect(200);
    assert_eq!(shown.body["client"]["dpopBoundAccessTokens"], true);
    root.api.patch(&path, json!({"dpopBoundAccessTokens": false})).await.expect(200);
    form(&bank.basic(&instance), TOKEN, SERVICE).await.expect(200);
}

async fn discovery_names_the_algorithms(store: Store) {
    let instance = Instance::start(store).await;
    let said = instance.get("/.well-known/openid-configuration").await.expect(200);
    assert_eq!(said.body["dpop_signing_alg_values_supported"], json!(["EdDSA", "Ed25519", "ES256", "PS256", "RS256"]));
}

both_stores!(
    a_proof_binds_the_token_of_a_service,
    a_proof_that_is_not_good_gets_nothing,
    a_proof_is_good_once,
    refresh_tokens_of_public_clients_need_the_key,
    a_refresh_binds_what_was_not_bound,
    refresh_tokens_of_other_clients_need_the_client,
    a_client_can_be_held_to_it,
    discovery_names_the_algorithms,
);
