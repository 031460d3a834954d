//! `/api/v1/admin/roles`.

use keystead::access::SCOPES;
use serde_json::{Value, json};

use super::{ROLES, admin, claimed, granting, with_scopes};
use crate::support::{Instance, PASSWORD, Store, both_stores};

async fn a_role_is_made_read_changed_and_deleted(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let path = format!("{ROLES}/support");
    root.api.get(&path).await.expect_problem(404, "not_found");
    let body = json!({"description": "The help desk", "scopes": ["users:read", "tickets:close"]});
    let made = root.api.put(&path, body).await.expect(200);
    assert_eq!(made.header("etag"), Some("\"1\""));
    let role = &made.body["role"];
    assert_eq!(role["name"], "support");
    assert_eq!(role["description"], "The help desk");
    assert_eq!(role["scopes"], json!(["tickets:close", "users:read"]));
    assert_eq!((&role["version"], &role["builtIn"]), (&json!(1), &json!(false)));
    assert_eq!(root.api.get(&path).await.expect(200).body, made.body);

    let changed = root.api.put(&path, granting(&["users:read"])).await.expect(200);
    assert_eq!((&changed.body["role"]["version"], &changed.body["role"]["description"]), (&json!(2), &Value::Null));
    let listed = root.api.get(ROLES).await.expect(200);
    let names: Vec<_> = listed.body["items"].as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["user", "auditor", "admin", "support"]);
    assert_eq!(listed.body["items"][2]["scopes"], json!(SCOPES));

    root.api.delete(&path).await.expect(204);
    root.api.get(&path).await.expect_problem(404, "not_found");
    root.api.delete(&path).await.expect_problem(404, "not_found");
    // Versions go on counting, so nobody takes the new one for the old.
    let again = root.api.put(&path, granting(&[])).await.expect(200);
    assert_eq!(again.body["role"]["version"], 4);

    let events = instance.events().await;
    let acts: Vec<_> = events.iter().filter(|event| event.action.starts_with("role.")).collect();
    let actions: Vec<_> = acts.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["role.changed", "role.changed", "role.deleted", "role.changed"]);
    assert!(acts.iter().all(|event| event.actor.map(|id| id.to_string()).as_deref() == Some(root.id()) && event.origin.is_some()));
    let details: Value = serde_json::from_str(&acts[0].details).unwrap();
    assert_eq!(details, json!({"name": "support", "version": 1, "scopes": ["tickets:close", "users:read"]}));
}

async fn roles_are_paged(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    for name in ["a", "b", "c_d", "e-f"] {
        root.api.put(&format!("{ROLES}/{name}"), granting(&[])).await.expect(200);
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = root.api.get(&format!("{ROLES}?limit=3{cursor}")).await.expect(200);
        names.extend(page.body["items"].as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap().to_owned()));
        match page.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["user", "auditor", "admin", "a", "b", "c_d", "e-f"]);
}

async fn what_is_wrong_is_named(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let wrong = json!({"description": "two\nlines", "scopes": ["", "a b", "openid", "account:read", "users:read", "users:read"]});
    let refused = root.api.put(&format!("{ROLES}/x"), wrong).await.expect_problem(422, "validation_failed");
    let mut faults = refused.field_errors();
    faults.sort();
    let expected =
        ["description:invalid", "scopes.0:invalid", "scopes.1:invalid", "scopes.2:reserved", "scopes.3:reserved", "scopes.5:duplicate"];
    assert_eq!(faults, expected, "{refused}");
    for name in ["Upper", "1st", "-x", "a%20b", "a.b", "%27", "ä", &"x".repeat(65)] {
        root.api.put(&format!("{ROLES}/{name}"), granting(&[])).await.expect_problem(422, "validation_failed");
        root.api.get(&format!("{ROLES}/{name}")).await.expect_problem(404, "not_found");
        root.api.delete(&format!("{ROLES}/{name}")).await.expect_problem(404, "not_found");
    }
    root.api.put(&format!("{ROLES}/x"), json!({"scopes": [], "builtIn": true})).await.expect_problem(400, "invalid_request");
    root.api.put(&format!("{ROLES}/x"), json!({})).await.expect_problem(400, "invalid_request");
    let many: Vec<_> = (0..101).map(|index| format!("s{index}")).collect();
    let refused = root.api.put(&format!("{ROLES}/x"), json!({"scopes": many})).await.expect_problem(422, "validation_failed");
    assert_eq!(refused.field_errors(), ["scopes:too_many"]);
    root.api.put(&format!("{ROLES}/{}", "x".repeat(64)), granting(&[])).await.expect(200);
}

/// An administrator's token carries every scope of the application, and has to fit into a header.
async fn the_scopes_of_the_application_fit_into_a_token(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let long: Vec<_> = (0..30).map(|index| format!("{index:02}{}", "x".repeat(62))).collect();
    root.api.put(&format!("{ROLES}/wide"), json!({"scopes": long})).await.expect(200);
    let more: Vec<_> = (0..2).map(|index| format!("more{index}{}", "x".repeat(50))).collect();
    root.api.put(&format!("{ROLES}/more"), json!({"scopes": more})).await.expect_problem(409, "conflict");
    // The same scopes in another role are the same scopes.
    root.api.put(&format!("{ROLES}/more"), json!({"scopes": long})).await.expect(200);
    let again = instance.signed_in("root@example.com").await;
    again.api.get("/api/v1/auth/me").await.expect(200);
    assert_eq!(claimed(&again).await.len(), SCOPES.len() + 30);
}

async fn built_in_roles_are_fixed(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    for name in ["user", "auditor", "admin"] {
        let path = format!("{ROLES}/{name}");
        root.api.put(&path, granting(&["users:write"])).await.expect_problem(409, "conflict");
        root.api.delete(&path).await.expect_problem(409, "conflict");
        let role = root.api.get(&path).await.expect(200).body["role"].clone();
        assert_eq!((&role["builtIn"], &role["version"]), (&json!(true), &json!(0)));
    }
}

/// Of sixteen who change the version that all of them read, one does; and of sixteen who make the same role, one.
async fn a_version_is_changed_once(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let path = format!("{ROLES}/x");
    let made = futures_util::future::join_all((0..16).map(|_| root.api.put(&path, granting(&[])))).await;
    assert!(made.iter().all(|answer| matches!(answer.status, 200 | 412)));
    let version = root.api.get(&path).await.expect(200).body["role"]["version"].as_i64().unwrap();
    assert_eq!(usize::try_from(version).unwrap(), made.iter().filter(|answer| answer.status == 200).count());
    let api = root.api.with("if-match", &format!("\"{version}\""));
    let answers = futures_util::future::join_all((0..16).map(|_| api.put(&path, granting(&["users:read"])))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for refused in answers.into_iter().filter(|answer| answer.status != 200) {
        refused.expect_problem(412, "version_conflict");
    }
    api.delete(&path).await.expect_problem(412, "version_conflict");
    root.api.with("if-match", "nonsense").put(&path, granting(&[])).await.expect_problem(400, "invalid_request");
    root.api.with("if-match", "\"1\"").put(&format!("{ROLES}/new"), granting(&[])).await.expect_problem(412, "version_conflict");
    root.api.with("if-match", &format!("\"{}\"", version + 1)).delete(&path).await.expect(204);
}

async fn a_role_in_use_is_not_deleted(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let ada = with_scopes(&instance, &root, "ada@example.com", "a_b", &["users:read"]).await;
    root.api.put(&format!("{ROLES}/a-b"), granting(&[])).await.expect(200);
    let refused = root.api.delete(&format!("{ROLES}/a_b")).await.expect_problem(409, "conflict");
    assert!(refused.str("/detail").starts_with("1 account has this role"), "{refused}");
    // An underscore is no joker.
    root.api.delete(&format!("{ROLES}/a-b")).await.expect(204);
    instance.set_roles(&ada, "user").await;
    root.api.delete(&format!("{ROLES}/a_b")).await.expect(204);
}

/// Whoever imports gives roles that exist, and only what they hold.
async fn custom_roles_are_given_by_import(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let registrar = with_scopes(&instance, &root, "reg@example.com", "registrar", &["users:write"]).await;
    root.api.put(&format!("{ROLES}/desk"), granting(&["users:read"])).await.expect(200);
    root.api.put(&format!("{ROLES}/nothing"), granting(&[])).await.expect(200);
    let import = async |api: &crate::support::Client, email: &str, roles: Value| {
        let line = json!({"email": email, "name": "Bob", "emailVerified": true, "roles": roles}).to_string();
        let path = "/api/v1/admin/users/import";
        let answer = api.send_bytes(http::Method::POST, path, "application/x-ndjson", line.into_bytes()).await.expect(200);
        (answer.body["imported"].as_i64().unwrap(), answer.body["errors"][0]["code"].clone())
    };
    assert_eq!(import(&root.api, "a@example.com", json!(["desk", "user"])).await, (1, Value::Null));
    assert_eq!(import(&root.api, "b@example.com", json!(["dusk"])).await, (0, json!("unknown_role")));
    assert_eq!(import(&registrar.api, "b@example.com", json!(["desk"])).await, (0, json!("unknown_role")));
    assert_eq!(import(&registrar.api, "b@example.com", json!(["registrar", "nothing"])).await, (1, Value::Null));
    assert_eq!(instance.count("SELECT count(*) FROM users WHERE roles = 'desk user'", vec![]).await, 1);
}

/// A scope of the application goes into the tokens of whoever has it, for the application to check.
async fn scopes_of_the_application_go_into_tokens(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    with_scopes(&instance, &root, "ada@example.com", "cashier", &["till:open", "users:read"]).await;
    let login = json!({"email": "ada@example.com", "password": PASSWORD, "transport": "body"});
    let answer = instance.post("/api/v1/auth/login", login).await.expect(200);
    let ada = crate::support::SignedIn::from(&instance, &answer);
    assert_eq!(ada.user["roles"], json!(["cashier"]));
    assert_eq!(claimed(&ada).await, ["users:read", "till:open"]);
    let claims = ada.access_token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["scope"], &claims["roles"]), (&json!("users:read till:open"), &json!(["cashier"])));
    // An administrator has those, too.
    let root = instance.signed_in("root@example.com").await;
    assert!(claimed(&root).await.contains(&"till:open".to_owned()));
}

both_stores!(
    a_role_is_made_read_changed_and_deleted,
    a_role_in_use_is_not_deleted,
    a_version_is_changed_once,
    built_in_roles_are_fixed,
    custom_roles_are_given_by_import,
    roles_are_paged,
    scopes_of_the_application_go_into_tokens,
    the_scopes_of_the_application_fit_into_a_token,
    what_is_wrong_is_named
);
