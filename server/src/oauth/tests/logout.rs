//! `/oauth2/logout`: what a hint ends, what a person is asked, and where nobody is sent.

use std::time::Duration;

use keystead::args;
use serde_json::json;
use uuid::Uuid;

use super::id_token::let_in;
use super::{admin, claims, form, register};
use crate::support::{Answer, Client, Instance, SignedIn, Store, both_stores};

const PATH: &str = "/oauth2/logout";
const BACK: &str = "https://shop.example.com/signed-out";
const TAGGED: &str = "https://shop.example.com/signed-out?from=keystead";
const NATIVE: &str = "com.example.shop:/signed-out";

/// A client that signs people in, and what of its sign-out is registered.
async fn shop(instance: &Instance) -> String {
    let root = admin(instance).await;
    let body = json!({"name": "Shop <b>&{next}</b>", "tokenEndpointAuthMethod": "none", "scopes": ["openid"],
        "grantTypes": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        "redirectUris": ["https://shop.example.com/callback"], "postLogoutRedirectUris": [BACK, TAGGED, NATIVE]});
    register(&root.api, body).await.id
}

/// Tokens of the client for a session that was opened from the browser session of `person`, as the code grant opens them.
async fn opened_from(instance: &Instance, client: &str, person: &SignedIn) -> Answer {
    let tokens = let_in(instance, client, person).await;
    let (sid, parent): (Uuid, Uuid) =
        (claims(tokens.str("/access_token"))["sid"].as_str().unwrap().parse().unwrap(), person.session_id().parse().unwrap());
    assert_eq!(instance.change("UPDATE sessions SET parent_id = $1 WHERE id = $2", args![parent, sid]).await, 1);
    tokens
}

fn asked(parameters: &[(&str, &str)]) -> String {
    format!("{PATH}?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish())
}

async fn is_over(api: &Client) {
    let answer = api.get("/api/v1/auth/me").await;
    assert!(answer.status == 401 && answer.body["code"] == "session_revoked", "{answer}");
}

#[track_caller]
fn expect_page(answer: &Answer, status: u16, words: &str) {
    assert!(answer.status == status && answer.text.contains(words), "{words}\n{answer}");
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{answer}");
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{answer}");
    assert!(answer.header("location").is_none() && answer.header("cache-control") == Some("no-store"), "{answer}");
}

async fn a_hint_ends_the_browser_and_what_was_opened_from_it(store: Store) {
    let instance = Instance::start(store).await;
    let client = shop(&instance).await;
    instance.signed_up("ada@example.com").await;
    let (browser, elsewhere) = (instance.browser_of("ada@example.com").await, instance.signed_in("ada@example.com").await);
    let (mine, other) = (opened_from(&instance, &client, &browser).await, opened_from(&instance, &client, &elsewhere).await);
    // Long after the ID token has expired.
    instance.advance(Duration::from_secs(24 * 60 * 60));
    let back = browser
        .api
        .post("/api/v1/auth/login", json!({"email": "ada@example.com", "password": crate::support::PASSWORD, "transport": "body"}))
        .await;
    let unrelated = SignedIn::from(&instance, &back.expect(200));
    let answer =
        instance.get(&asked(&[("id_token_hint", mine.str("/id_token")), ("post_logout_redirect_uri", BACK), ("state", "a b&c")])).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("https://shop.example.com/signed-out?state=a+b%26c")));
    let over = "SELECT count(*) FROM sessions WHERE ended_at IS NOT NULL AND end_reason = 'logout'";
    assert_eq!(instance.count(over, args![]).await, 2, "the browser's session and the one that was opened from it");
    unrelated.api.get("/api/v1/auth/me").await.expect(200);
    let token = other.str("/refresh_token");
    form(&instance, "/oauth2/token", &[("grant_type", "refresh_token"), ("client_id", &client), ("refresh_token", token)])
        .await
        .expect(200);
    let token = mine.str("/refresh_token");
    let gone = form(&instance, "/oauth2/token", &[("grant_type", "refresh_token"), ("client_id", &client), ("refresh_token", token)]).await;
    super::expect_refusal(&gone, 400, "invalid_grant");
    let event = instance.events().await.into_iter().rfind(|event| event.action == "session.ended").unwrap();
    assert!(event.target.unwrap().to_string() == browser.session_id() && event.details.contains("logout"), "{event:?}");
    // Again it changes nothing, and leads to the same place.
    let again = instance.get(&asked(&[("id_token_hint", mine.str("/id_token")), ("post_logout_redirect_uri", NATIVE)])).await;
    assert_eq!((again.status, again.header("location")), (303, Some(NATIVE)));
}

/// `offline_access` outlives a sign-out in the browser; that of the client that asks for it ends all the same.
async fn what_may_go_on_without_the_person_ends_by_its_own_hint(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let body = json!({"name": "Mail", "tokenEndpointAuthMethod": "none", "scopes": ["openid", "offline_access"],
        "grantTypes": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]});
    let (mail, calendar) = (register(&root.api, body.clone()).await.id, register(&root.api, body).await.id);
    instance.signed_up("ada@example.com").await;
    let browser = instance.browser_of("ada@example.com").await;
    let (mine, other) = (opened_from(&instance, &mail, &browser).await, opened_from(&instance, &calendar, &browser).await);
    form(&instance, PATH, &[("id_token_hint", mine.str("/id_token"))]).await.expect(200);
    is_over(&browser.api).await;
    instance.with_token(mine.str("/access_token")).get("/oauth2/userinfo").await.expect_problem(401, "session_revoked");
    instance.with_token(other.str("/access_token")).get("/oauth2/userinfo").await.expect(200);
    form(&instance, PATH, &[("id_token_hint", other.str("/id_token"))]).await.expect(200);
    instance.with_token(other.str("/access_token")).get("/oauth2/userinfo").await.expect_problem(401, "session_revoked");
}

async fn a_session_of_a_device_ends_alone(store: Store) {
    let instance = Instance::start(store).await;
    let client = shop(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let tokens = let_in(&instance, &client, &ada).await;
    let by_form = form(&instance, PATH, &[("id_token_hint", tokens.str("/id_token")), ("client_id", &client)]).await;
    expect_page(&by_form, 200, "You are signed out");
    is_over(&instance.with_token(tokens.str("/access_token"))).await;
    ada.api.get("/api/v1/auth/me").await.expect(200);
}

async fn without_proof_the_person_is_asked(store: Store) {
    let instance = Instance::start(store).await;
    let client = shop(&instance).await;
    instance.signed_up("ada@example.com").await;
    let browser = instance.browser_of("ada@example.com").await;
    let tokens = opened_from(&instance, &client, &browser).await;
    let id_token = tokens.str("/id_token");
    let (signed, _) = id_token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(86));
    let access = tokens.str("/access_token");
    for parameters in [
        vec![],
        vec![("client_id", client.as_str())],
        vec![("client_id", "nobody")],
        vec![("id_token_hint", forged.as_str())],
        vec![("id_token_hint", access)],
        vec![("id_token_hint", "a.b.c"), ("logout_hint", "ada@example.com"), ("ui_locales", "de en")],
        vec![("client_id", client.as_str()), ("post_logout_redirect_uri", BACK), ("state", "\"><script>alert(1)</script>")],
    ] {
        for answer in [browser.api.get(&asked(&parameters)).await, form(&browser.api, PATH, &parameters).await] {
            expect_page(&answer, 200, "/oauth2/logout.js");
            assert!(!answer.text.contains("<script>") && !answer.text.contains("<b>"), "{answer}");
        }
    }
    let known = [("client_id", client.as_str()), ("post_logout_redirect_uri", TAGGED), ("state", "x")];
    let page = instance.get(&asked(&known)).await.expect(200);
    assert!(page.text.contains("href=\"https://shop.example.com/signed-out?from=keystead&#38;state=x\""), "{page}");
    assert!(page.text.contains("Shop &#60;b&#62;&#38;&#123;next&#125;&#60;/b&#62;"), "{page}");
    // Nobody was signed out by any of these.
    browser.api.get("/api/v1/auth/me").await.expect(200);
    instance.with_token(access).get("/oauth2/userinfo").await.expect(200);
    // What the page does when the person agrees.
    let (session, script) =
        (browser.api.get("/api/v1/auth/session").await.expect(200), instance.get("/oauth2/logout.js").await.expect(200));
    assert!(script.text.contains("x-csrf-token") && session.body["authenticated"] == true);
    let page = browser.api.with("authorization", "none").with("x-csrf-token", session.str("/csrfToken"));
    page.send(http::Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    is_over(&instance.with_token(access)).await;
}

/// An address is one of the registered ones letter by letter, or nobody is sent there and nobody is signed out.
async fn nobody_is_sent_elsewhere(store: Store) {
    let instance = Instance::start(store).await;
    let client = shop(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let tokens = let_in(&instance, &client, &ada).await;
    let id_token = tokens.str("/id_token");
    for address in [
        "https://evil.example.com/",
        "https://shop.example.com/signed-out/",
        "https://shop.example.com/Signed-out",
        "https://shop.example.com/signed-out?from=evil",
        "https://shop.example.com/signed-out#x",
        "https://shop.example.com/signed-out%2f..",
        "https://shop.example.com/signed-out.evil.example.com",
        "https://shop.example.com@evil.example.com/signed-out",
        "https://shop.example.com/callback",
        "HTTPS://shop.example.com/signed-out",
        "//evil.example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        " https://shop.example.com/signed-out",
        "https://shop.example.com/signed-out\r\nlocation: https://evil.example.com",
    ] {
        for proof in [("id_token_hint", id_token), ("client_id", client.as_str())] {
            let answer = instance.get(&asked(&[proof, ("post_logout_redirect_uri", address)])).await;
            expect_page(&answer, 400, "You were not signed out");
            assert!(!answer.text.contains("evil"), "{answer}");
        }
    }
    // Registered, but of whom?
    expect_page(&instance.get(&asked(&[("post_logout_redirect_uri", BACK)])).await, 400, "has not registered");
    expect_page(&instance.get(&asked(&[("client_id", "nobody"), ("post_logout_redirect_uri", BACK)])).await, 400, "has not registered");
    expect_page(&instance.get(&format!("{PATH}?state=1&state=2")).await, 400, "more than once");
    instance.with_token(tokens.str("/access_token")).get("/oauth2/userinfo").await.expect(200);
}

/// The hint of one client is no proof for another, and a name beside it must be the same.
async fn a_hint_is_for_its_client(store: Store) {
    let instance = Instance::start(store).await;
    let client = shop(&instance).await;
    let root = instance.signed_in("root@example.com").await;
    let body = json!({"name": "Eve's", "tokenEndpointAuthMethod": "none", "scopes": ["openid"], "grantTypes": ["authorization_code"],
        "redirectUris": ["https://eve.example.com/callback"], "postLogoutRedirectUris": ["https://eve.example.com/"]});
    let eve = register(&root.api, body).await.id;
    let ada = instance.signed_up("ada@example.com").await;
    let tokens = let_in(&instance, &client, &ada).await;
    let hint = ("id_token_hint", tokens.str("/id_token"));
    expect_page(&instance.get(&asked(&[hint, ("client_id", &eve)])).await, 400, "in two ways");
    let stolen = [hint, ("post_logout_redirect_uri", "https://eve.example.com/")];
    expect_page(&instance.get(&asked(&stolen)).await, 400, "has not registered");
    instance.with_token(tokens.str("/access_token")).get("/oauth2/userinfo").await.expect(200);
}

both_stores!(
    a_hint_ends_the_browser_and_what_was_opened_from_it,
    what_may_go_on_without_the_person_ends_by_its_own_hint,
    a_session_of_a_device_ends_alone,
    without_proof_the_person_is_asked,
    nobody_is_sent_elsewhere,
    a_hint_is_for_its_client,
);
