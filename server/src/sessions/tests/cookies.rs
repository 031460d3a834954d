use http::Method;
use serde_json::{Value, json};

use super::PAST_THE_WINDOW;
use crate::support::{Answer, Instance, PASSWORD, SignedIn, Store, both_stores};

const COOKIE: &str = "keystead_refresh";
const HOST_COOKIE: &str = "__Host-keystead_refresh";
const ORIGIN: &str = "http://localhost:8080";

async fn log_in(instance: &Instance, more: Value) -> Answer {
    let mut request = json!({"email": "ada@example.com", "password": PASSWORD});
    request.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    instance.post("/api/v1/auth/login", request).await
}

/// T4: HttpOnly, SameSite=Strict, for the whole site, no longer than the token; and Secure under https.
async fn the_cookie_is_locked_down(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up("ada@example.com").await;
    let answer = log_in(&instance, json!({})).await.expect(200);
    let line = answer.set_cookie(COOKIE).unwrap_or_else(|| panic!("no cookie in\n{answer}")).to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(line.split("; ").any(|part| part == attribute), "{attribute} in {line}");
    }
    assert!(!line.contains("Secure") && !line.contains("Domain"), "{line}");
    assert!(answer.body.get("refreshToken").is_none(), "{answer}");

    let instance = Instance::builder(store).set("KEYSTEAD_PUBLIC_URL", "https://id.example.com").start().await;
    instance.signed_up("ada@example.com").await;
    let answer = log_in(&instance, json!({"transport": "cookie"})).await.expect(200);
    let line = answer.set_cookie(HOST_COOKIE).unwrap_or_else(|| panic!("no cookie in\n{answer}"));
    // What the prefix __Host- asks for.
    assert!(line.contains("Secure") && line.contains("Path=/") && !line.contains("Domain"), "{line}");
    assert!(answer.set_cookie(COOKIE).is_none());
}

async fn transport_body_sets_no_cookie(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up("ada@example.com").await;
    let answer = log_in(&instance, json!({"transport": "body"})).await.expect(200);
    assert!(answer.headers.get("set-cookie").is_none() && answer.str("/refreshToken").starts_with("ksr_"));
    log_in(&instance, json!({"transport": "smoke"})).await.expect_problem(400, "invalid_request");
}

/// G6: a cookie alone does nothing; the token and the right site are needed, for refresh and for logout.
async fn a_cookie_needs_its_csrf_token_and_its_site(store: Store) {
    let instance = Instance::builder(store).set("CORS_ORIGINS", "https://app.example.com").start().await;
    instance.signed_up("ada@example.com").await;
    let ada = instance.browser_of("ada@example.com").await;
    let bob = {
        instance.signed_up("bob@example.com").await;
        instance.browser_of("bob@example.com").await
    };
    let cookie = format!("{COOKIE}={}", cookie_of(&ada));
    let api = instance.with("cookie", &cookie);
    let refused = [
        ("no token", api.with("origin", ORIGIN)),
        ("somebody else's token", api.with("origin", ORIGIN).with("x-csrf-token", &bob.csrf)),
        ("a made-up token", api.with("origin", ORIGIN).with("x-csrf-token", "AAAA")),
        ("an empty token", api.with("origin", ORIGIN).with("x-csrf-token", "")),
        ("another origin", api.with("origin", "https://evil.example").with("x-csrf-token", &ada.csrf)),
        ("no origin", api.with("origin", "null").with("x-csrf-token", &ada.csrf)),
        ("the origin as a prefix", api.with("origin", "http://localhost:8080.evil.example").with("x-csrf-token", &ada.csrf)),
        ("another site", api.with("sec-fetch-site", "cross-site").with("x-csrf-token", &ada.csrf)),
        ("a sibling site", api.with("sec-fetch-site", "same-site").with("x-csrf-token", &ada.csrf)),
        (
            "another site that claims our origin's neighbour",
            api.with("sec-fetch-site", "cross-site").with("origin", "https://evil.example").with("x-csrf-token", &ada.csrf),
        ),
    ];
    for path in ["/api/v1/auth/refresh", "/api/v1/auth/logout"] {
        for (what, caller) in &refused {
            let answer = caller.send(Method::POST, path, None).await;
            assert!(answer.status == 403 && answer.body["code"] == "csrf_failed", "{what}\n{answer}");
            assert!(answer.headers.get("set-cookie").is_none(), "{what} costs nobody the cookie\n{answer}");
        }
    }
    let allowed = [
        ("our page", api.with("origin", ORIGIN).with("sec-fetch-site", "same-origin")),
        ("an old browser on our page", api.with("origin", ORIGIN)),
        ("a listed page", api.with("origin", "https://app.example.com").with("sec-fetch-site", "cross-site")),
        ("no browser at all", api.clone()),
    ];
    for (what, caller) in allowed {
        let answer = caller.with("x-csrf-token", &ada.csrf).send(Method::POST, "/api/v1/auth/refresh", None).await;
        assert!(answer.status == 200 && answer.set_cookie(COOKIE).is_some(), "{what}\n{answer}");
        assert!(answer.body.get("refreshToken").is_none(), "a cookie is answered by a cookie\n{answer}");
    }
    // The cookie authorises nothing else.
    for path in ["/api/v1/auth/logout-all", "/api/v1/auth/session/extend"] {
        let caller = api.with("origin", ORIGIN).with("x-csrf-token", &ada.csrf);
        caller.send(Method::POST, path, None).await.expect_problem(401, "unauthenticated");
    }
    let out = api.with("origin", ORIGIN).with("x-csrf-token", &ada.csrf).send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    let line = out.set_cookie(COOKIE).expect("the cookie is taken back");
    assert!(line.starts_with("keystead_refresh=;") && line.contains("Max-Age=0") && line.contains("Path=/"), "{line}");
    ada.api.get("/api/v1/auth/me").await.expect_problem(401, "session_revoked");
}

fn cookie_of(ada: &SignedIn) -> String {
    ada.api.cookie(COOKIE).expect("a browser keeps its cookie")
}

/// T3 with cookies: whoever loses the race is given the winner's cookie; no refusal ever takes a cookie away.
async fn a_loser_keeps_a_cookie(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up("ada@example.com").await;
    let ada = instance.browser_of("ada@example.com").await;
    let old = cookie_of(&ada);
    let tab = instance.with("cookie", &format!("{COOKIE}={old}")).with("origin", ORIGIN).with("x-csrf-token", &ada.csrf);
    let answers = futures_util::future::join_all((0..20).map(|_| tab.send(Method::POST, "/api/v1/auth/refresh", None))).await;
    let mut cookies: Vec<String> = Vec::new();
    for answer in answers {
        let answer = answer.expect(200);
        let line = answer.set_cookie(COOKIE).expect("a cookie for everyone").to_owned();
        cookies.push(line.split(';').next().unwrap_or_default().to_owned());
    }
    cookies.dedup();
    assert!(cookies.len() == 1 && cookies[0] != format!("{COOKIE}={old}"), "{cookies:?}");

    let newest = instance.with("cookie", &cookies[0]).with("origin", ORIGIN).with("x-csrf-token", &ada.csrf);
    newest.send(Method::POST, "/api/v1/auth/refresh", None).await.expect(200);
    instance.advance(PAST_THE_WINDOW);
    let replayed = tab.send(Method::POST, "/api/v1/auth/refresh", None).await.expect_problem(401, "session_revoked");
    assert!(replayed.headers.get("set-cookie").is_none(), "{replayed}");
    for cookie in ["keystead_refresh=ksr_garbage", "keystead_refresh=", "other=1"] {
        let answer = instance.with("cookie", cookie).send(Method::POST, "/api/v1/auth/refresh", None).await;
        let answer = answer.expect_problem(401, "unauthenticated");
        assert!(answer.headers.get("set-cookie").is_none(), "{answer}");
    }
}

/// A page that has just loaded learns from the cookie who is signed in, and gets the token for its writes.
async fn a_page_that_just_loaded_goes_on(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up("ada@example.com").await;
    let ada = instance.browser_of("ada@example.com").await;
    let page = ada.api.get("/api/v1/auth/session").await.expect(200);
    assert_eq!(page.str("/csrfToken"), ada.csrf);

    let browser = instance.browser();
    let answer = browser.post("/api/v1/auth/login", json!({"email": "ada@example.com", "password": PASSWORD})).await.expect(200);
    let loaded = browser.get("/api/v1/auth/session").await.expect(200);
    assert_eq!((loaded.body["authenticated"].as_bool(), loaded.str("/session/id")), (Some(true), answer.str("/session/id")));
    let csrf = loaded.str("/csrfToken").to_owned();
    let next = browser.with("x-csrf-token", &csrf).send(Method::POST, "/api/v1/auth/refresh", None).await.expect(200);
    assert_eq!(next.str("/csrfToken"), csrf, "it lives as long as the session");
    browser.with("x-csrf-token", &csrf).send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    assert_eq!(browser.cookie(COOKIE), None);
    let after = browser.get("/api/v1/auth/session").await.expect(200);
    assert_eq!((after.body["authenticated"].as_bool(), &after.body["csrfToken"]), (Some(false), &Value::Null));
}

both_stores!(
    the_cookie_is_locked_down,
    transport_body_sets_no_cookie,
    a_cookie_needs_its_csrf_token_and_its_site,
    a_loser_keeps_a_cookie,
    a_page_that_just_loaded_goes_on,
);
