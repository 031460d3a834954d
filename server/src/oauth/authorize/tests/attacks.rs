//! What RFC 9700 warns of.

use std::time::Duration;

use serde_json::json;

use super::super::{admin, expect_refusal, form, service};
use super::{APPLICATIONS, APPROVE, BACK, LOOKUP, TOKEN, VERIFIER, agreed, location, parameter};
use super::{challenge, changed, code, exchange, exchange_with, expect_event, link, open, parameters, refresh, shop, shop_with, waiting};
use crate::support::{Instance, Store, both_stores};

/// Section 4.5: a code that comes again was seen by somebody else; what it gave first is void.
async fn a_code_used_twice_takes_back_what_it_gave(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let code = code(&instance, &ada, &shop).await;
    let tokens = exchange(&instance, &shop, &code).await.expect(200);
    expect_refusal(&exchange(&instance, &shop, &code).await, 400, "invalid_grant");
    expect_refusal(&refresh(&instance, &shop, tokens.str("/refresh_token")).await, 400, "invalid_grant");
    let seen = form(&shop.basic(&instance), "/oauth2/introspect", &[("token", tokens.str("/access_token"))]).await;
    assert_eq!(seen.expect(200).body, json!({"active": false}), "the access token too, at once");
    expect_event(&instance, "authorization.code_replayed").await;
    ada.api.get("/api/v1/auth/me").await.expect(200);
}

/// Of many that come at the same time with one code, none keeps a session: one code, one use.
async fn a_code_is_never_worth_two_sessions(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let code = code(&instance, &ada, &shop).await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (basic, code) = (shop.basic(&instance), code.clone());
        all.spawn(async move {
            let body = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", BACK), ("code_verifier", VERIFIER)];
            form(&basic, TOKEN, &body).await
        });
    }
    let answers = all.join_all().await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1, "one, and only one, gets tokens");
    answers.iter().filter(|answer| answer.status != 200).for_each(|lost| expect_refusal(lost, 400, "invalid_grant"));
    expect_refusal(&refresh(&instance, &shop, won[0].str("/refresh_token")).await, 400, "invalid_grant");
}

/// Section 4.5.3: an injected code meets the verifier of another request.
async fn a_code_is_bound_to_its_request(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let other = shop_with(&instance, json!({"name": "Other"})).await;
    let code = code(&instance, &ada, &shop).await;
    let (long, itself) = ("a".repeat(129), challenge(VERIFIER));
    for wrong in ["another-verifier-of-the-right-length-000000", "short", &long, &itself] {
        expect_refusal(&exchange_with(&instance, &shop, &code, &[("code_verifier", wrong)]).await, 400, "invalid_grant");
    }
    expect_refusal(&exchange_with(&instance, &shop, &code, &[("redirect_uri", "https://shop.example/other")]).await, 400, "invalid_grant");
    for missing in ["code", "code_verifier", "redirect_uri"] {
        expect_refusal(&exchange_with(&instance, &shop, &code, &[(missing, "")]).await, 400, "invalid_request");
    }
    expect_refusal(&exchange(&instance, &other, &code).await, 400, "invalid_grant");
    expect_refusal(&exchange(&instance, &shop, "made-up").await, 400, "invalid_grant");
    exchange(&instance, &shop, &code).await.expect(200);
}

/// Section 4.1: an address that is not registered is never gone to, however near it comes.
async fn nobody_is_sent_elsewhere(store: Store) {
    let instance = Instance::start(store).await;
    let shop = shop(&instance).await;
    let tricks = [
        "https://shop.example/callback/",
        "https://shop.example/callback?x=1",
        "https://shop.example/callback/../callback",
        "https://shop.example/Callback",
        "https://SHOP.example/callback",
        "https://shop.example:443/callback",
        "https://shop.example:8443/callback",
        "https://shop.example/%63allback",
        "https://shop.example%2fcallback",
        "https://shop.example/callback#fragment",
        "https://shop.example/callback%23",
        "https://shop.example@evil.example/callback",
        "https://evil.example\\@shop.example/callback",
        "https://shop.example.evil.example/callback",
        "https://evil.example/https://shop.example/callback",
        "http://shop.example/callback",
        "//shop.example/callback",
        "javascript:alert(1)",
        "",
    ];
    for trick in tricks {
        let answer = open(&instance, &changed(&shop.id, &[("redirect_uri", trick)])).await;
        expect_refusal(&answer, 400, "invalid_request");
        assert_eq!(answer.header("location"), None, "{trick}");
    }
    let unknown = open(&instance, &parameters("01920000-0000-7000-8000-000000000000")).await;
    assert_eq!((unknown.status, unknown.header("location"), &unknown.body["error"]), (400, None, &json!("invalid_client")));
    for twice in ["redirect_uri=https://evil.example/", "state=again"] {
        expect_refusal(&instance.get(&format!("{}&{twice}", link(&parameters(&shop.id)))).await, 400, "invalid_request");
    }
    // A person is shown a page that repeats nothing of the link.
    let evil = changed(&shop.id, &[("redirect_uri", "https://evil.example/<script>alert(1)</script>")]);
    let page = instance.with("accept", "text/html").get(&link(&evil)).await.expect(400);
    assert!(page.text.contains("<h1>") && !page.text.contains("evil"), "{page}");
}

/// A client for services cannot send people here, and one that signs people in has no token for itself. There is no implicit
/// and no password grant.
async fn a_client_does_what_it_was_registered_for(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let reports = service(&root.api, &["orders:read"]).await;
    let answer = open(&instance, &parameters(&reports.id)).await;
    assert_eq!((answer.status, &answer.body["error"]), (400, &json!("unauthorized_client")));
    expect_refusal(&exchange(&instance, &reports, "x").await, 400, "unauthorized_client");
    let shop = shop(&instance).await;
    let itself = form(&shop.basic(&instance), TOKEN, &[("grant_type", "client_credentials")]).await;
    expect_refusal(&itself, 400, "unauthorized_client");
    for never in ["password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer"] {
        expect_refusal(&form(&shop.basic(&instance), TOKEN, &[("grant_type", never)]).await, 400, "unsupported_grant_type");
    }
}

/// A token that an application got lets nobody else in: only the person decides.
async fn an_application_cannot_let_others_in(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let tokens = exchange(&instance, &shop, &code(&instance, &ada, &shop).await).await.expect(200);
    let thing = instance.with_token(tokens.str("/access_token"));
    let request = waiting(&open(&thing, &parameters(&shop.id)).await);
    thing.post(APPROVE, json!({ "request": request })).await.expect_problem(403, "insufficient_scope");
    thing.get(APPLICATIONS).await.expect_problem(403, "insufficient_scope");
}

/// A refresh cookie that was superseded long ago says nothing about who sits there.
async fn an_old_cookie_opens_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let shop = shop_with(&instance, json!({"firstParty": true})).await;
    let ada = instance.signed_up("ada@example.com").await;
    let thief = instance.with("cookie", &format!("keystead_refresh={}", ada.refresh_token));
    assert!(parameter(&location(&open(&thief, &parameters(&shop.id)).await), "code").is_some());
    instance.post("/api/v1/auth/refresh", json!({"refreshToken": ada.refresh_token})).await.expect(200);
    assert!(parameter(&location(&open(&thief, &parameters(&shop.id)).await), "code").is_some(), "a tab that lags behind");
    instance.advance(Duration::from_secs(11));
    waiting(&open(&thief, &parameters(&shop.id)).await);
}

/// RFC 8252 section 8.6: whatever runs on the machine can call itself the native application, so somebody is asked each time.
async fn native_applications_ask_each_time(store: Store) {
    let instance = Instance::start(store).await;
    let native = json!({"tokenEndpointAuthMethod": "none", "redirectUris": ["http://127.0.0.1/callback"], "firstParty": true});
    let native = shop_with(&instance, native).await;
    let ada = instance.signed_up("ada@example.com").await;
    let asked = changed(&native.id, &[("redirect_uri", "http://127.0.0.1:4711/callback")]);
    agreed(&instance, &ada, &asked).await;
    let request = waiting(&open(&ada.api, &asked).await);
    let shown = ada.api.post(LOOKUP, json!({ "request": request })).await.expect(200);
    assert_eq!(shown.body["consentRequired"], true);
}

/// What an application does for people ends with its registration: at the guards, at introspection and at the next refresh.
async fn a_registration_that_shrinks_counts_at_once(store: Store) {
    let instance = Instance::start(store).await;
    let one = "https://one.example";
    let shop = shop_with(&instance, json!({"scopes": ["openid", "account:read", "offline_access"], "resources": [one]})).await;
    let ada = instance.signed_up("ada@example.com").await;
    let granted = async |more: &[(&str, &str)]| {
        let mut asked = vec![("scope", "openid account:read offline_access")];
        asked.extend(more);
        let back = agreed(&instance, &ada, &changed(&shop.id, &asked)).await;
        exchange(&instance, &shop, &parameter(&back, "code").unwrap()).await.expect(200)
    };
    let (tokens, bound) = (granted(&[]).await, granted(&[("resource", one)]).await);
    let thing = instance.with_token(tokens.str("/access_token"));
    thing.get("/api/v1/account").await.expect(200);
    let root = instance.signed_in("root@example.com").await;
    let path = format!("/api/v1/admin/clients/{}", shop.id);
    root.api.patch(&path, json!({"scopes": ["openid", "offline_access"], "resources": []})).await.expect(200);
    thing.get("/api/v1/account").await.expect_problem(403, "insufficient_scope");
    let seen = form(&shop.basic(&instance), "/oauth2/introspect", &[("token", tokens.str("/access_token"))]).await.expect(200);
    assert_eq!(seen.str("/scope"), "openid offline_access");
    let next = refresh(&instance, &shop, tokens.str("/refresh_token")).await.expect(200);
    assert_eq!(next.str("/scope"), "openid offline_access");
    expect_refusal(&refresh(&instance, &shop, bound.str("/refresh_token")).await, 400, "invalid_target");
    root.api.patch(&path, json!({"disabled": true})).await.expect(200);
    thing.get("/api/v1/account").await.expect_problem(403, "insufficient_scope");
}

/// Nobody is told who people are, without their say, by whoever may only register clients.
async fn only_administrators_register_what_is_not_asked_about(store: Store) {
    let instance = Instance::start(store).await;
    let ours = shop_with(&instance, json!({"firstParty": true})).await;
    let root = instance.signed_in("root@example.com").await;
    root.api.put("/api/v1/admin/roles/registrar", json!({"scopes": ["clients:write"]})).await.expect(200);
    let eve = instance.signed_up("eve@example.com").await;
    instance.set_roles(&eve, "registrar").await;
    let path = format!("/api/v1/admin/clients/{}", ours.id);
    let body =
        json!({"name": "Trap", "grantTypes": ["authorization_code"], "redirectUris": ["https://evil.example/"], "scopes": ["openid"]});
    let created = eve.api.post("/api/v1/admin/clients", body.clone()).await.expect(201);
    let trap = format!("/api/v1/admin/clients/{}", created.str("/client/clientId"));
    let mut trusted = body;
    trusted["firstParty"] = json!(true);
    eve.api.post("/api/v1/admin/clients", trusted).await.expect_problem(403, "insufficient_scope");
    eve.api.patch(&trap, json!({"firstParty": true})).await.expect_problem(403, "insufficient_scope");
    eve.api.patch(&path, json!({"redirectUris": ["https://evil.example/"]})).await.expect_problem(403, "insufficient_scope");
    eve.api.post(&format!("{path}/rotate-secret"), json!({})).await.expect_problem(403, "insufficient_scope");
}

/// Section 4.16: the page cannot be framed.
async fn the_page_stands_alone(store: Store) {
    let instance = Instance::start(store).await;
    let page = instance.get("/authorize?request=x").await.expect(200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("script-src 'self'"), "{policy}");
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.text.matches("<script").count(), page.text.matches(".js\" defer></script>").count(), "nothing inline");
    instance.get("/signing-in.js").await.expect(200);
    instance.get("/authorize.js").await.expect(200);
}

both_stores!(
    a_client_does_what_it_was_registered_for,
    a_code_is_bound_to_its_request,
    a_code_is_never_worth_two_sessions,
    a_code_used_twice_takes_back_what_it_gave,
    a_registration_that_shrinks_counts_at_once,
    an_old_cookie_opens_nothing,
    an_application_cannot_let_others_in,
    native_applications_ask_each_time,
    nobody_is_sent_elsewhere,
    only_administrators_register_what_is_not_asked_about,
    the_page_stands_alone,
);
