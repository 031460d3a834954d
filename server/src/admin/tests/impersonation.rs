//! An administrator acts as somebody else: what that opens, what it never opens, and when it ends.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use keystead::args;
use serde_json::{Value, json};

use super::{ADA, admin, of, with_scopes};
use crate::support::{Answer, Client, Instance, PASSWORD, SignedIn, Store, both_stores};

const ME: &str = "/api/v1/auth/me";

async fn asked(by: &SignedIn, person: &SignedIn, body: Value) -> Answer {
    by.api.post(&of(person, "/impersonate"), body).await
}

/// A client that acts as `person`, and the answer that said so.
async fn acting(instance: &Instance, by: &SignedIn, person: &SignedIn) -> (Client, Answer) {
    let answer = asked(by, person, json!({"reason": "ticket 42 of Ada Lovelace"})).await.expect(201);
    (instance.with_token(answer.str("/accessToken")), answer)
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

async fn an_administrator_sees_what_the_person_sees(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let (api, answer) = acting(&instance, &root, &ada).await;
    assert_eq!((answer.str("/tokenType"), &answer.body["expiresIn"]), ("Bearer", &json!(900)));
    assert!(!answer.text.contains("refreshToken") && answer.header("set-cookie").is_none(), "{answer}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let said = claims(answer.str("/accessToken"));
    assert_eq!((&said["sub"], &said["act"]), (&json!(ada.id()), &json!({"sub": root.id()})), "RFC 8693 section 4.1");
    assert_eq!((&said["sid"], &said["scope"]), (&answer.body["session"]["id"], &json!("account:read flags:evaluate quotas:use")));

    assert_eq!(api.get(ME).await.expect(200).str("/user/email"), ADA);
    let verified = api.get("/api/v1/auth/verify").await.expect(200);
    assert_eq!(verified.str("/impersonatedBy"), root.id());
    for path in ["/api/v1/account", "/api/v1/sessions", "/api/v1/account/consents", "/api/v1/flags", "/api/v1/auth/session"] {
        api.get(path).await.expect(200);
    }
    instance.advance(Duration::from_secs(901));
    api.get(ME).await.expect_problem(401, "token_expired");
}

async fn the_person_is_told_and_can_end_it(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let (api, answer) = acting(&instance, &root, &ada).await;
    let mail = instance.mail_to(ADA).await;
    assert!(mail.subject.contains("Support is using") && mail.text.contains("15 minutes"), "{}", mail.text);
    assert!(!mail.text.contains("ticket 42"), "the reason is for the record: {}", mail.text);

    let listed = ada.api.get("/api/v1/sessions").await.expect(200);
    let items = listed.body["items"].as_array().unwrap();
    let theirs = items.iter().find(|item| item["id"] == answer.body["session"]["id"]).expect("it stands among the sessions");
    assert_eq!((&theirs["impersonatedBy"], &theirs["device"]), (&json!(root.id()), &json!("Administrator")));
    assert!(theirs["ip"].is_null() && theirs["userAgent"].is_null(), "where the administrator is, is theirs: {theirs}");
    let own = items.iter().find(|item| item["id"] == ada.session_id()).unwrap();
    assert!(own["impersonatedBy"].is_null());

    ada.api.delete(&format!("/api/v1/sessions/{}", answer.str("/session/id"))).await.expect(204);
    api.get(ME).await.expect_problem(401, "session_revoked");
    root.api.get(ME).await.expect(200);
}

/// The reason is personal: it stands sealed. Everything done so names both.
async fn everything_is_on_record_with_both(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let (api, answer) = acting(&instance, &root, &ada).await;
    api.patch("/api/v1/account", json!({"name": "Ada King"})).await.expect(200);
    api.send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    api.get(ME).await.expect_problem(401, "session_revoked");

    let events = instance.events().await;
    assert!(!events.iter().any(|event| event.details.contains("ticket 42")), "a reason in the clear");
    let find = |action: &str| events.iter().rfind(|event| event.action == action).unwrap_or_else(|| panic!("no {action}"));
    let begun = find("user.impersonated");
    assert_eq!(begun.actor.unwrap().to_string(), root.id());
    assert_eq!(begun.target.unwrap().to_string(), ada.id());
    let details: Value = serde_json::from_str(&begun.details).unwrap();
    assert_eq!(details, json!({"session": answer.str("/session/id"), "minutes": 15}));
    for action in ["user.profile_updated", "session.ended"] {
        let event = find(action);
        assert_eq!(event.actor.unwrap().to_string(), ada.id(), "{action}");
        assert_eq!(serde_json::from_str::<Value>(&event.details).unwrap()["impersonator"], root.id(), "{action}");
    }
    let found = root.api.get("/api/v1/admin/audit?action=user.impersonated").await.expect(200);
    assert_eq!(found.str("/items/0/reason"), "ticket 42 of Ada Lovelace");

    // What the person does themselves names nobody else.
    ada.api.patch("/api/v1/account", json!({"name": "Ada"})).await.expect(200);
    let own = instance.events().await.into_iter().rfind(|event| event.action == "user.profile_updated").unwrap();
    assert!(!own.details.contains("impersonator"), "{}", own.details);
}

/// Nothing of the account can be taken over, and nothing outlives the session.
async fn what_is_for_the_person_alone_is_closed(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let (api, answer) = acting(&instance, &root, &ada).await;
    let session = ada.session_id().to_owned();
    let refused = [
        (
            Method::POST,
            "/api/v1/auth/password/change".to_owned(),
            json!({"currentPassword": PASSWORD, "newPassword": "Other-Giraffe-Sings-43"}),
        ),
        (Method::POST, "/api/v1/auth/session/extend".to_owned(), json!({})),
        (Method::POST, "/api/v1/auth/logout-all".to_owned(), json!({})),
        (Method::DELETE, "/api/v1/sessions".to_owned(), json!({})),
        (Method::DELETE, format!("/api/v1/sessions/{session}"), json!({})),
        (Method::POST, "/api/v1/account/consents".to_owned(), json!({"policy": "terms", "version": "1"})),
        (Method::POST, "/api/v1/account/tokens".to_owned(), json!({"name": "x", "scopes": ["account:read"]})),
        (Method::GET, "/api/v1/account/tokens".to_owned(), Value::Null),
        (Method::POST, "/api/v1/auth/device/lookup".to_owned(), json!({"userCode": "BCDF-GHJK"})),
        (Method::POST, "/api/v1/auth/device/approve".to_owned(), json!({"userCode": "BCDF-GHJK"})),
        (Method::GET, "/api/v1/account/applications".to_owned(), Value::Null),
    ];
    for (method, path, body) in refused {
        let body = Some(body).filter(|body| !body.is_null());
        api.send(method, &path, body).await.expect_problem(403, "insufficient_scope");
    }
    ada.api.get(ME).await.expect(200);
    // There is no refresh token, and the access token is none.
    let body = json!({"refreshToken": answer.str("/accessToken")});
    instance.post("/api/v1/auth/refresh", body).await.expect_problem(401, "unauthenticated");
}

/// Every operation that is for the person alone, as the reference declares it: none may be forgotten when one is added.
async fn the_list_of_what_is_open_is_short(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let (api, _) = acting(&instance, &root, &ada).await;
    let mut open = Vec::new();
    for operation in crate::closed::operations() {
        if matches!(operation.guard(), Ok(crate::closed::Guard::Person)) {
            let answer = api.send(operation.method.clone(), &operation.path(), None).await;
            if !(answer.status == 403 && answer.body["code"] == "insufficient_scope") {
                open.push(operation.name());
            }
        }
        if matches!(operation.guard(), Ok(crate::closed::Guard::Scoped(_))) {
            let answer = api.send(operation.method.clone(), &operation.path(), None).await;
            assert_eq!(answer.status, 403, "{} is open to whoever acts as somebody else", operation.name());
        }
    }
    open.sort();
    assert_eq!(
        open,
        ["GET /api/v1/account/consents", "GET /api/v1/auth/me", "GET /api/v1/auth/verify", "GET /api/v1/sessions", "PATCH /api/v1/account",]
    );
}

/// The silent way to an authorization code is open to whoever is signed in themselves.
async fn an_application_is_let_in_by_nobody_else(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let client = json!({"name": "Player", "grantTypes": ["authorization_code"], "redirectUris": ["https://player.example.com/back"],
        "scopes": ["openid"], "tokenEndpointAuthMethod": "none"});
    let client = root.api.post("/api/v1/admin/clients", client).await.expect(201).str("/client/clientId").to_owned();
    let (api, _) = acting(&instance, &root, &ada).await;
    let query = format!(
        "/oauth2/authorize?response_type=code&client_id={client}&redirect_uri=https%3A%2F%2Fplayer.example.com%2Fback&scope=openid&prompt=none&state=s\
        &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
    );
    let location = |answer: &Answer| answer.header("location").unwrap_or_default().to_owned();
    // It is as if nobody were signed in.
    let answer = api.get(&query).await;
    assert!(location(&answer).contains("error=login_required"), "{answer}");
    let theirs = ada.api.get(&query).await;
    assert!(location(&theirs).contains("error=consent_required"), "the person herself is known: {theirs}");
}

/// Nobody becomes more than they are.
async fn nobody_reaches_above_themselves(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let support = with_scopes(&instance, &root, "support@example.com", "support", &["users:impersonate", "tickets:close"]).await;
    let reader = with_scopes(&instance, &root, "reader@example.com", "reader", &["users:read", "users:write"]).await;
    let why = || json!({"reason": "ticket 42"});
    asked(&reader, &ada, why()).await.expect_problem(403, "insufficient_scope");
    asked(&support, &root, why()).await.expect_problem(403, "forbidden");
    asked(&support, &reader, why()).await.expect_problem(403, "forbidden");
    let clerk = with_scopes(&instance, &root, "clerk@example.com", "clerk", &["tickets:open"]).await;
    asked(&support, &clerk, why()).await.expect_problem(403, "forbidden");
    asked(&support, &support, why()).await.expect_problem(409, "conflict");
    asked(&support, &ada, why()).await.expect(201);
    assert_eq!(instance.events().await.iter().filter(|event| event.action == "user.impersonated").count(), 1);
}

/// An administrator as another administrator is none, here and for services that read roles and scopes from the token.
async fn acting_as_an_administrator_administers_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let (root, other) = (admin(&instance).await, instance.signed_up("other@example.com").await);
    root.api.put("/api/v1/admin/roles/clerk", json!({"scopes": ["tickets:close"]})).await.expect(200);
    instance.change("UPDATE users SET roles = 'admin clerk user' WHERE id = $1", args![other.id().parse::<uuid::Uuid>().unwrap()]).await;
    instance.running.app.people.receive(other.id().parse::<uuid::Uuid>().unwrap().as_bytes());
    let (api, answer) = acting(&instance, &root, &other).await;
    let said = claims(answer.str("/accessToken"));
    assert_eq!(
        (&said["roles"], &said["scope"]),
        (&json!(["clerk", "user"]), &json!("account:read flags:evaluate quotas:use tickets:close"))
    );
    for path in ["/api/v1/admin/users", "/api/v1/admin/audit", "/api/v1/admin/keys", "/api/v1/admin/roles", "/api/v1/admin/stats"] {
        api.get(path).await.expect_problem(403, "insufficient_scope");
    }
    // Not even another one: from one account to the next would hide who began.
    let ada = instance.signed_up(ADA).await;
    api.post(&of(&ada, "/impersonate"), json!({"reason": "x"})).await.expect_problem(403, "insufficient_scope");
    assert_eq!(api.get("/health").await.expect(200).body.get("checks"), None, "the detail of health is for operators");
}

/// A program, or an application that somebody let in, does not act as others.
async fn a_program_acts_as_nobody(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let made = json!({"name": "x", "scopes": ["users:impersonate"], "expiresIn": 3600});
    let secret = root.api.post("/api/v1/account/tokens", made).await.expect(201).str("/secret").to_owned();
    let answer = instance.with_token(&secret).post(&of(&ada, "/impersonate"), json!({"reason": "x"})).await;
    answer.expect_problem(403, "forbidden");
}

async fn it_ends_with_the_session_of_the_administrator(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let elsewhere = instance.signed_in("root@example.com").await;
    let (here, _) = acting(&instance, &root, &ada).await;
    let (there, _) = acting(&instance, &elsewhere, &ada).await;
    root.api.send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    here.get(ME).await.expect_problem(401, "session_revoked");
    there.get(ME).await.expect(200);

    let third = instance.signed_in("root@example.com").await;
    let (other, _) = acting(&instance, &third, &ada).await;
    third.api.delete("/api/v1/sessions").await.expect(200);
    there.get(ME).await.expect_problem(401, "session_revoked");
    other.get(ME).await.expect(200);
    third.api.send(Method::POST, "/api/v1/auth/logout-all", None).await.expect(204);
    other.get(ME).await.expect_problem(401, "session_revoked");
    ada.api.get(ME).await.expect(200);
    // A token of a session that has just ended opens none.
    asked(&third, &ada, json!({"reason": "x"})).await.expect_problem(401, "session_revoked");
}

/// A refusal is remembered for as long as the token lives, which is longer than other access tokens do.
async fn an_ended_one_stays_ended(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let answer = asked(&root, &ada, json!({"reason": "x", "minutes": 60})).await.expect(201);
    let api = instance.with_token(answer.str("/accessToken"));
    ada.api.delete(&format!("/api/v1/sessions/{}", answer.str("/session/id"))).await.expect(204);
    for _ in 0..6 {
        api.get(ME).await.expect_problem(401, "session_revoked");
        instance.advance(Duration::from_secs(540));
        instance.running.app.sessions.revocations().poll().await.unwrap();
    }
    // And a good one lives as long as it says, though the keys are replaced meanwhile.
    let ada = instance.signed_in(ADA).await;
    let root = instance.signed_in("root@example.com").await;
    let answer = asked(&root, &ada, json!({"reason": "x", "minutes": 60})).await.expect(201);
    root.api.send(Method::POST, "/api/v1/admin/keys/rotate", None).await.expect(200);
    instance.advance(Duration::from_secs(3_590));
    instance.with_token(answer.str("/accessToken")).get(ME).await.expect(200);
}

/// Whoever may not do this any more does not do it, from the next request on, and does not get it back with the role.
async fn it_ends_when_the_administrator_loses_the_role(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let support = with_scopes(&instance, &root, "support@example.com", "support", &["users:impersonate"]).await;
    let (used, _) = acting(&instance, &support, &ada).await;
    let (unused, _) = acting(&instance, &support, &ada).await;
    instance.set_roles(&support, "user").await;
    used.get(ME).await.expect_problem(401, "session_revoked");
    instance.running.app.housekeep(instance.clock.now()).await;
    instance.set_roles(&support, "support").await;
    used.get(ME).await.expect_problem(401, "session_revoked");
    unused.get(ME).await.expect_problem(401, "session_revoked");

    // Nor when the role loses the scope, or the administrator the account.
    let (api, _) = acting(&instance, &support, &ada).await;
    root.api.put("/api/v1/admin/roles/support", json!({"scopes": []})).await.expect(200);
    api.get(ME).await.expect_problem(401, "session_revoked");
    root.api.put("/api/v1/admin/roles/support", json!({"scopes": ["users:impersonate"]})).await.expect(200);
    let (api, _) = acting(&instance, &support, &ada).await;
    root.api.post(&of(&support, "/suspend"), json!({})).await.expect(200);
    api.get(ME).await.expect_problem(401, "session_revoked");
}

/// A service that asks about the token learns who acts, and that it has ended.
async fn a_service_learns_who_acts(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let client = json!({"name": "Gateway", "grantTypes": ["client_credentials"], "scopes": ["tokens:introspect"], "tokenEndpointAuthMethod": "client_secret_post"});
    let client = root.api.post("/api/v1/admin/clients", client).await.expect(201);
    let support = with_scopes(&instance, &root, "support@example.com", "support", &["users:impersonate"]).await;
    let (_, answer) = acting(&instance, &support, &ada).await;
    let form = [
        ("client_id", client.str("/client/clientId")),
        ("client_secret", client.str("/clientSecret")),
        ("token", answer.str("/accessToken")),
    ];
    let body = form.map(|(name, value)| format!("{name}={value}")).join("&");
    let ask = async || {
        instance.send_bytes(Method::POST, "/oauth2/introspect", "application/x-www-form-urlencoded", body.clone().into_bytes()).await
    };
    let said = ask().await.expect(200);
    assert_eq!((&said.body["active"], &said.body["act"]), (&json!(true), &json!({"sub": support.id()})), "{said}");
    assert_eq!(said.str("/scope"), "account:read flags:evaluate quotas:use");
    instance.set_roles(&support, "user").await;
    assert_eq!(ask().await.expect(200).body, json!({"active": false}));
}

async fn only_a_good_reason_and_a_short_time(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    asked(&root, &ada, json!({})).await.expect_problem(400, "invalid_request");
    for reason in ["", "   ", &"x".repeat(501), "a\nb"] {
        asked(&root, &ada, json!({"reason": reason})).await.expect_problem(422, "validation_failed");
    }
    for minutes in [0, 61, u64::MAX] {
        asked(&root, &ada, json!({"reason": "x", "minutes": minutes})).await.expect_problem(422, "validation_failed");
    }
    asked(&root, &ada, json!({"reason": "x", "scope": "users:write"})).await.expect_problem(400, "invalid_request");
    let nobody = "/api/v1/admin/users/01920000-0000-7000-8000-000000000000/impersonate";
    root.api.post(nobody, json!({"reason": "x"})).await.expect_problem(404, "not_found");
    root.api.post(&of(&ada, "/suspend"), json!({})).await.expect(200);
    asked(&root, &ada, json!({"reason": "x"})).await.expect_problem(409, "conflict");

    // The same request twice is one session and one letter.
    root.api.post(&of(&ada, "/activate"), json!({})).await.expect(200);
    let once = root.api.with("idempotency-key", "impersonate-1");
    let (first, again) = (
        once.post(&of(&ada, "/impersonate"), json!({"reason": "x", "minutes": 1})).await.expect(201),
        once.post(&of(&ada, "/impersonate"), json!({"reason": "x", "minutes": 1})).await.expect(201),
    );
    assert_eq!((&first.body, &first.body["expiresIn"]), (&again.body, &json!(60)));
    assert_eq!(instance.events().await.iter().filter(|event| event.action == "user.impersonated").count(), 1);
}

both_stores!(
    a_program_acts_as_nobody,
    a_service_learns_who_acts,
    acting_as_an_administrator_administers_nothing,
    an_administrator_sees_what_the_person_sees,
    an_application_is_let_in_by_nobody_else,
    an_ended_one_stays_ended,
    everything_is_on_record_with_both,
    it_ends_when_the_administrator_loses_the_role,
    it_ends_with_the_session_of_the_administrator,
    nobody_reaches_above_themselves,
    only_a_good_reason_and_a_short_time,
    the_list_of_what_is_open_is_short,
    the_person_is_told_and_can_end_it,
    what_is_for_the_person_alone_is_closed
);
