//! Closed by default: the declaration of every operation's guard, held against what the operation does.
//!
//! A route comes with its operation in the API reference, and the operation says who gets in; what says nothing must stand in the
//! list below. Then every operation is run as those who must not get in, and as those who must: who has just the scope that is
//! declared, and who has every other. Each check is shown a reference that lies, to prove that it would notice.

#[path = "closed/cast.rs"]
mod cast;
#[path = "closed/operation.rs"]
mod operation;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use http::Method;
use keystead::access::SCOPES;
use keystead::access::scope::PERSONAL;
use serde_json::{Value, json};

use self::cast::Cast;
use self::operation::operations_of;
pub use self::operation::{Guard, Operation, operations};
use crate::support::{Answer, Client, Instance, Store, both_stores};

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
    "POST /api/v1/auth/authorization/lookup",
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

/// What is wrong with the declarations themselves.
fn undeclared(operations: &[Operation]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut open = BTreeSet::new();
    for operation in operations {
        match operation.guard() {
            Ok(Guard::Open) => {
                open.insert(operation.name());
            }
            Ok(Guard::Person) => {}
            Ok(Guard::Scoped(scope)) if SCOPES.contains(&scope.as_str()) => {}
            Ok(Guard::Personal(scope)) if PERSONAL.contains(&scope.as_str()) => {}
            Ok(Guard::Scoped(scope) | Guard::Personal(scope)) => {
                wrong.push(format!("{} asks for {scope}, which nothing grants", operation.name()));
            }
            Err(how) => wrong.push(how),
        }
    }
    let listed: BTreeSet<String> = OPEN.iter().map(|&name| name.to_owned()).collect();
    wrong.extend(open.difference(&listed).map(|name| format!("{name} declares no guard and is not listed as open")));
    wrong.extend(listed.difference(&open).map(|name| format!("{name} is listed as open and is not")));
    wrong
}

#[test]
fn every_operation_declares_its_guard() {
    let operations = operations();
    assert!(operations.len() > 15, "the document was not read");
    assert_eq!(undeclared(&operations), Vec::<String>::new());
}

#[test]
fn a_missing_or_odd_declaration_is_noticed() {
    let changed = |path: &str, method: &str, security: Value| {
        let mut document = serde_json::to_value(keystead::app::openapi()).expect("the document is JSON");
        document["paths"][path][method]["responses"] = json!({});
        document["paths"][path][method]["security"] = security;
        undeclared(&operations_of(&document))
    };
    let new = "/api/v1/admin/new";
    for (security, noticed) in [
        (Value::Null, "POST /api/v1/admin/new declares no guard and is not listed as open"),
        (json!([]), "POST /api/v1/admin/new declares no guard and is not listed as open"),
        (json!([{}, {"bearer": ["users:read"]}]), "POST /api/v1/admin/new declares no guard and is not listed as open"),
        (json!([{"client": []}]), "POST /api/v1/admin/new declares no guard and is not listed as open"),
        (json!([{"bearer": ["users:nothing"]}]), "POST /api/v1/admin/new asks for users:nothing, which nothing grants"),
        (json!([{"bearer": []}, {"delegated": ["users:read"]}]), "POST /api/v1/admin/new asks for users:read, which nothing grants"),
        (json!([{"bearer": ["users:read", "users:write"]}]), "POST /api/v1/admin/new asks for more than one scope"),
        (json!([{"bearer": []}, {"bearer": ["users:read"]}]), "POST /api/v1/admin/new names no delegated scope"),
        (json!([{"delegated": ["account:read"]}]), "POST /api/v1/admin/new names no bearer first"),
    ] {
        assert_eq!(changed(new, "post", security.clone()), [noticed], "{security}");
    }
    assert_eq!(changed(new, "post", json!([{"bearer": ["users:read"]}])), Vec::<String>::new());
    let closed = changed("/api/v1/auth/login", "post", json!([{"bearer": []}]));
    assert_eq!(closed, ["POST /api/v1/auth/login is listed as open and is not"]);
}

/// Pages, files and probes, which are no operations. Whatever else is routed comes by `routes!`, and so with its operation.
const BESIDE_THE_DOCUMENT: &[&str] = &[
    "app/public_health.rs",
    "dev/mod.rs",
    "http/docs.rs",
    "http/health.rs",
    "http/landing.rs",
    "http/ops.rs",
    "mail/routes.rs",
    "oauth/authorize/page.rs",
    "oauth/device/page.rs",
    "oauth/logout/page.rs",
];

#[test]
fn nothing_is_routed_beside_the_document() {
    let mut found = BTreeSet::new();
    routed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut found);
    let listed: BTreeSet<String> = BESIDE_THE_DOCUMENT.iter().map(|&file| file.to_owned()).collect();
    let beside: Vec<_> = found.difference(&listed).collect();
    assert!(
        beside.is_empty() && found.len() > 4,
        "{beside:?}: a route that is not given by `routes!` has no operation, and nobody checks its guard"
    );
}

/// The files that give a path to a router.
fn routed(folder: &Path, below: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let here = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if path.is_dir() && name != "tests" {
            routed(&path, &here, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = std::fs::read_to_string(&path).expect("readable");
            if [".route(\"", ".route_service(", ".nest("].iter().any(|call| text.contains(call)) {
                found.insert(here);
            }
        }
    }
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

/// Who gets in without being anybody; whether something exists, or the body was right, is not told either.
async fn open_to_nobody(instance: &Instance, operations: &[Operation]) -> Vec<String> {
    let mut wrong = Vec::new();
    let nobodies = nobodies(instance).await;
    for operation in operations.iter().filter(|operation| operation.is_closed()) {
        for (what, nobody) in &nobodies {
            for body in [None, Some(json!({})), Some(json!({"unknown": 1}))] {
                let answer = nobody.send(operation.method.clone(), &operation.path(), body).await;
                if answer.status != 401 || answer.header("www-authenticate").is_none() {
                    wrong.push(format!("{} answers {} {what}", operation.name(), answer.status));
                }
            }
        }
    }
    wrong
}

async fn nobody_gets_in(store: Store) {
    let instance = Instance::start(store).await;
    assert_eq!(open_to_nobody(&instance, &operations()).await, Vec::<String>::new());
}

/// A stranger who is signed in finds nothing of others behind their ids.
async fn strangers_find_nothing(store: Store) {
    // With a media server: what is switched off would say that, and nothing else.
    let instance = crate::voice::with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let eve = instance.signed_up("eve@example.com").await;
    let mut tried = 0;
    let mine =
        |operation: &Operation| operation.template.contains('{') && matches!(operation.guard(), Ok(Guard::Person | Guard::Personal(_)));
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

/// What cannot be an id names nothing, as an id that nobody has: whoever writes a route takes `http::extract::Path`.
async fn what_cannot_be_an_id_is_not_found(store: Store) {
    let instance = Instance::start(store).await;
    let root = instance.signed_up("root@example.com").await;
    instance.set_roles(&root, "admin").await;
    let mut wrong = Vec::new();
    for operation in operations().iter().filter(|operation| operation.is_closed()) {
        let parameters = operation.described["parameters"].as_array().cloned().unwrap_or_default();
        let ids: Vec<&Value> = parameters.iter().filter(|one| one["in"] == "path" && one["schema"]["format"] == "uuid").collect();
        if ids.is_empty() {
            continue;
        }
        for id in ["no-id", "1", "ada%40example.com", "01920000-0000-7000-8000-00000000000g"] {
            let named = |path: String, one: &&Value| path.replace(&format!("{{{}}}", one["name"].as_str().unwrap()), id);
            let path = ids.iter().fold(operation.template.clone(), named);
            let answer = root.api.send(operation.method.clone(), &path, None).await;
            if answer.status != 404 || answer.body["code"] != "not_found" {
                wrong.push(format!("{} answers {} to {id}", operation.name(), answer.status));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Whether it was the guard that refused.
fn is_kept_out(answer: &Answer) -> bool {
    answer.status == 401 || (answer.status == 403 && answer.body["code"] == "insufficient_scope")
}

/// Where the declared scope is not what is asked for: whoever lacks it gets in, or whoever has it does not.
async fn not_as_declared(instance: &Instance, operations: &[Operation]) -> Vec<String> {
    let cast = Cast::of(instance).await;
    let mut wrong = Vec::new();
    let of_scope = |scope: &str| {
        let scope = scope.to_owned();
        operations
            .iter()
            .filter(move |operation| matches!(operation.guard(), Ok(Guard::Scoped(asked) | Guard::Personal(asked)) if asked == scope))
    };
    for scope in SCOPES.iter().chain(PERSONAL).copied().filter(|scope| of_scope(scope).next().is_some()) {
        let holders = cast.holders(instance, scope).await;
        for operation in of_scope(scope) {
            for body in [None, Some(json!({})), Some(json!({"unknown": 1}))] {
                for (who, api) in &holders.lacks {
                    let answer = api.send(operation.method.clone(), &operation.path(), body.clone()).await;
                    if answer.status != 403 || answer.body["code"] != "insufficient_scope" {
                        wrong.push(format!("{} answers {} to {who}, not 403", operation.name(), answer.status));
                    }
                }
                for (who, api) in &holders.has {
                    let answer = api.send(operation.method.clone(), &operation.path(), body.clone()).await;
                    if is_kept_out(&answer) {
                        wrong.push(format!("{} answers {} to {who}", operation.name(), answer.status));
                    }
                }
            }
        }
    }
    for operation in operations.iter().filter(|operation| operation.guard() == Ok(Guard::Person)) {
        let answer = cast.everything.send(operation.method.clone(), &operation.path(), None).await;
        if !matches!(answer.status, 401 | 403) {
            wrong.push(format!("{} answers {} to a token, and is for the person alone", operation.name(), answer.status));
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

async fn the_declared_scope_is_what_is_asked_for(store: Store) {
    let instance = Instance::start(store).await;
    assert_eq!(not_as_declared(&instance, &operations()).await, Vec::<String>::new());
}

/// The checks are shown a document that lies.
async fn a_wrong_declaration_is_noticed(store: Store) {
    let instance = Instance::start(store).await;
    let lie = |path: &str, method: &str, security: Value| {
        let mut document = serde_json::to_value(keystead::app::openapi()).expect("the document is JSON");
        document["paths"][path][method]["security"] = security;
        let mut operations = operations_of(&document);
        operations.retain(|operation| operation.template == path && operation.method.as_str().eq_ignore_ascii_case(method));
        operations
    };
    let another = lie("/api/v1/admin/flags", "get", json!([{"bearer": ["users:read"]}]));
    assert_eq!(
        not_as_declared(&instance, &another).await,
        [
            "GET /api/v1/admin/flags answers 200 to a person with every other scope, not 403",
            "GET /api/v1/admin/flags answers 200 to a token with every other scope, not 403",
            "GET /api/v1/admin/flags answers 403 to a person with the scope",
            "GET /api/v1/admin/flags answers 403 to a token with the scope",
        ]
    );
    let open = lie("/api/v1/auth/session", "get", json!([{"bearer": []}]));
    assert!(open_to_nobody(&instance, &open).await.contains(&"GET /api/v1/auth/session answers 200 without a token".to_owned()));
}

/// Somebody who has a scope finds no more than that it is so; a stranger has none.
async fn a_stranger_has_no_scope(store: Store) {
    let instance = Instance::start(store).await;
    let eve = instance.signed_up("eve@example.com").await;
    for operation in operations().into_iter().filter(|operation| matches!(operation.guard(), Ok(Guard::Scoped(_)))) {
        for id in ["01920000-0000-7000-8000-000000000000", eve.id()] {
            let path = operation.path().replace("01920000-0000-7000-8000-000000000000", id);
            eve.api.send(operation.method.clone(), &path, None).await.expect_problem(403, "insufficient_scope");
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
    // Made once: writing the document takes longer than all the requests.
    let all = operations();
    for operation in &all {
        for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::GET, Method::POST] {
            let answered = all.iter().any(|other| other.template == operation.template && other.method == method);
            if !answered {
                let answer = instance.send(method, &operation.path(), None).await.expect_problem(405, "method_not_allowed");
                assert!(answer.header("allow").is_some_and(|allow| allow.contains(operation.method.as_str())), "{answer}");
            }
        }
    }
}

both_stores!(
    a_stranger_has_no_scope,
    a_wrong_declaration_is_noticed,
    nobody_gets_in,
    strangers_find_nothing,
    what_cannot_be_an_id_is_not_found,
    the_declared_scope_is_what_is_asked_for,
    what_is_not_documented_is_not_there
);
