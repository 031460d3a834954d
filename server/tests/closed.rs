//! Closed by default: every operation of the API reference is run as nobody. What is open stands in the list
//! below; an operation that neither asks for an access token nor stands there fails.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use keystead::access::SCOPES;
use serde_json::{Value, json};

use crate::support::{Client, Instance, Store, both_stores};

/// Anybody may call these: to sign in, to go on by refresh token, or to ask whether they are signed in. OAuth's endpoints
/// learn from the request itself which client calls.
const OPEN: &[&str] = &[
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/openid-configuration",
    "GET /api/v1/auth/session",
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /oauth2/authorize",
    "GET /oauth2/logout",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/logout",
    "POST /api/v1/auth/password/forgot",
    "POST /api/v1/auth/password/reset",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/signup",
    "POST /api/v1/auth/verify-email",
    "POST /api/v1/auth/verify-email/resend",
    "POST /oauth2/authorize",
    "POST /oauth2/device_authorization",
    "POST /oauth2/introspect",
    "POST /oauth2/logout",
    "POST /oauth2/par",
    "POST /oauth2/revoke",
    "POST /oauth2/token",
];

/// One operation of the document.
pub struct Operation {
    /// The method.
    pub method: Method,
    /// The path with its parameters as they are written: `/api/v1/sessions/{id}`.
    pub template: String,
    /// Its description.
    pub described: Value,
}

impl Operation {
    /// The method and the path as written.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }

    /// A path that names something that does not exist.
    pub fn path(&self) -> String {
        let parts = self.template.split('/').map(|part| if part.starts_with('{') { "01920000-0000-7000-8000-000000000000" } else { part });
        parts.collect::<Vec<_>>().join("/")
    }

    /// Whether it is only for bearers of an access token.
    pub fn is_closed(&self) -> bool {
        let asked = self.described["security"].as_array().cloned().unwrap_or_default();
        !asked.is_empty() && asked.iter().all(|scheme| scheme.get("bearer").is_some())
    }

    /// The scope that its guard asks for.
    pub fn scope(&self) -> Option<String> {
        let scope = self.described["security"].as_array()?.iter().find_map(|scheme| scheme["bearer"][0].as_str())?;
        self.is_closed().then(|| scope.to_owned())
    }
}

/// Every operation of the generated document.
pub fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(keystead::app::openapi()).expect("the document is JSON");
    let paths = document["paths"].as_object().expect("paths").clone();
    let all = paths.into_iter().flat_map(|(template, item)| {
        let item = item.as_object().expect("a path item").clone();
        item.into_iter().filter_map(move |(method, described)| {
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).ok()?;
            described.get("responses")?;
            Some(Operation { method, template: template.clone(), described })
        })
    });
    all.collect()
}

#[test]
fn every_operation_is_closed_or_listed_as_open() {
    let operations = operations();
    assert!(operations.len() > 15, "the document was not read");
    let open: BTreeSet<String> = operations.iter().filter(|operation| !operation.is_closed()).map(Operation::name).collect();
    let listed: BTreeSet<String> = OPEN.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(open, listed, "an operation without `security: bearer` must be listed in OPEN, and nothing else");
}

/// Who is nobody: no token, no token of ours, one that has ended, one whose session has.
async fn nobodies(instance: &Instance) -> Vec<(&'static str, Client)> {
    let ended = instance.signed_up("ada@example.com").await;
    let expired = instance.signed_in("ada@example.com").await;
    instance.advance(Duration::from_secs(901));
    let ended_now = instance.signed_in("ada@example.com").await;
    ended_now.api.send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    let cookie = format!("keystead_refresh={}", instance.signed_in("ada@example.com").await.refresh_token);
    vec![
        ("without a token", Client::clone(instance)),
        ("with garbage", instance.with_token("garbage")),
        ("with an empty token", instance.with("authorization", "Bearer ")),
        ("with a refresh token", instance.with_token(&ended.refresh_token)),
        ("with an expired token", expired.api),
        ("with the token of an ended session", ended_now.api),
        ("with a cookie alone", instance.with("cookie", &cookie)),
    ]
}

/// Nobody gets in, and whether something exists or the body was right is not told either.
async fn nobody_gets_in(store: Store) {
    let instance = Instance::start(store).await;
    let nobodies = nobodies(&instance).await;
    for operation in operations().into_iter().filter(Operation::is_closed) {
        for (what, nobody) in &nobodies {
            for body in [None, Some(json!({})), Some(json!({"unknown": 1}))] {
                let answer = nobody.send(operation.method.clone(), &operation.path(), body).await;
                assert_eq!(answer.status, 401, "{} {what}\n{answer}", operation.name());
                assert!(answer.header("www-authenticate").is_some(), "{} {what}\n{answer}", operation.name());
            }
        }
    }
}

/// A stranger who is signed in finds nothing of others behind their ids.
async fn strangers_find_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let eve = instance.signed_up("eve@example.com").await;
    let mut tried = 0;
    let mine = |operation: &Operation| operation.template.contains('{') && operation.scope().is_none();
    for operation in operations().into_iter().filter(mine) {
        for id in [ada.session_id(), ada.id()] {
            let path = operation.path().replace("01920000-0000-7000-8000-000000000000", id);
            let answer = eve.api.send(operation.method.clone(), &path, None).await;
            // Protocols that others wrote say so in their own words.
            if operation.template.starts_with("/ofrep/") {
                assert_eq!(answer.status, 404, "{answer}");
            } else {
                answer.expect_problem(404, "not_found");
            }
            tried += 1;
        }
    }
    assert!(tried > 0);
    ada.api.get("/api/v1/auth/me").await.expect(200);
}

/// Whoever lacks the scope that the document names gets 403, whatever they ask for; who was granted another scope too.
async fn nobody_passes_without_the_scope(store: Store) {
    let instance = Instance::start(store).await;
    let eve = instance.signed_up("eve@example.com").await;
    let auditor = instance.signed_up("auditor@example.com").await;
    instance.set_roles(&auditor, "auditor").await;
    for operation in operations() {
        let Some(scope) = operation.scope() else { continue };
        assert!(SCOPES.contains(&scope.as_str()), "{} asks for {scope}, which no role grants", operation.name());
        for id in ["01920000-0000-7000-8000-000000000000", eve.id()] {
            let path = operation.path().replace("01920000-0000-7000-8000-000000000000", id);
            for body in [None, Some(json!({})), Some(json!({"unknown": 1}))] {
                let answer = eve.api.send(operation.method.clone(), &path, body.clone()).await;
                answer.expect_problem(403, "insufficient_scope");
                if !scope.ends_with(":read") {
                    auditor.api.send(operation.method.clone(), &path, body).await.expect_problem(403, "insufficient_scope");
                }
            }
        }
    }
}

/// What exists beside the document: pages and files that say nothing of anybody.
async fn what_is_not_documented_is_not_there(store: Store) {
    let instance = Instance::start(store).await;
    for path in [
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/admin/users",
        "/api/v1/auth",
        "/api/v1/auth/me/",
        "/API/v1/auth/me",
        "/metrics",
        "/health/",
        "/.env",
        "/dev/clock",
        "/dev/nothing",
    ] {
        instance.get(path).await.expect_problem(404, "not_found");
    }
    for operation in operations() {
        for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::GET, Method::POST] {
            let answered = operations().iter().any(|other| other.template == operation.template && other.method == method);
            if !answered {
                let answer = instance.send(method, &operation.path(), None).await.expect_problem(405, "method_not_allowed");
                assert!(answer.header("allow").is_some_and(|allow| allow.contains(operation.method.as_str())), "{answer}");
            }
        }
    }
}

both_stores!(nobody_gets_in, nobody_passes_without_the_scope, strangers_find_nothing, what_is_not_documented_is_not_there);
