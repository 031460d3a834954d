//! Ways to more than one was given.

use serde_json::json;

use super::{ROLES, admin, granting, with_scopes};
use crate::support::{Instance, Store, both_stores};

/// Nobody changes their own roles, whatever they send.
async fn nobody_gives_themselves_a_role(store: Store) {
    let instance = Instance::start(store).await;
    admin(&instance).await;
    let eve = instance.signed_up("eve@example.com").await;
    for body in [json!({"roles": ["admin"]}), json!({"name": "Eve", "roles": ["admin"]}), json!({"scopes": ["users:write"]})] {
        eve.api.patch("/api/v1/account", body).await.expect_problem(400, "invalid_request");
    }
    // `role` is what somebody does for a living, and grants nothing.
    let answer = eve.api.patch("/api/v1/account", json!({"role": "admin"})).await.expect(200);
    assert_eq!(answer.body["user"]["roles"], json!(["user"]));
    for name in ["user", "eve", "admin"] {
        eve.api.put(&format!("{ROLES}/{name}"), granting(&["users:write"])).await.expect_problem(403, "insufficient_scope");
        eve.api.delete(&format!("{ROLES}/{name}")).await.expect_problem(403, "insufficient_scope");
    }
    let signup = json!({"email": "mallory@example.com", "name": "M", "password": crate::support::PASSWORD, "roles": ["admin"]});
    instance.post("/api/v1/auth/signup", signup).await.expect_problem(400, "invalid_request");
}

/// `roles:write` leads to nothing else: not by one's own role, not by another, not by taking away first.
async fn nobody_gives_scopes_that_they_lack(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let eve = with_scopes(&instance, &root, "eve@example.com", "steward", &["roles:read", "roles:write", "clients:write"]).await;
    let own = format!("{ROLES}/steward");
    for scopes in [&["roles:write", "users:write"][..], &["audit:read"], &["till:open"]] {
        eve.api.put(&own, granting(scopes)).await.expect_problem(403, "insufficient_scope");
        eve.api.put(&format!("{ROLES}/mine"), granting(scopes)).await.expect_problem(403, "insufficient_scope");
    }
    eve.api.put(&format!("{ROLES}/mine"), granting(&["roles:read"])).await.expect(200);

    // A scope that no role grants is for clients to have; whoever lacks it must not make it so.
    root.api.put(&format!("{ROLES}/cashier"), granting(&["till:open"])).await.expect(200);
    eve.api.put(&format!("{ROLES}/cashier"), granting(&[])).await.expect_problem(403, "insufficient_scope");
    eve.api.delete(&format!("{ROLES}/cashier")).await.expect_problem(403, "insufficient_scope");
    let client = json!({"name": "Till", "grantTypes": ["client_credentials"], "scopes": ["till:open"]});
    eve.api.post("/api/v1/admin/clients", client.clone()).await.expect_problem(403, "insufficient_scope");
    root.api.post("/api/v1/admin/clients", client).await.expect(201);

    // What was taken away cannot be given back by whoever lost it.
    root.api.put(&own, granting(&["roles:write"])).await.expect(200);
    eve.api.put(&own, granting(&["roles:read", "roles:write"])).await.expect_problem(403, "insufficient_scope");
    eve.api.get(ROLES).await.expect_problem(403, "insufficient_scope");
}

/// A client gives only what it was registered with, whatever its token says.
async fn a_client_gives_what_it_has(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let client = json!({"name": "Provisioning", "grantTypes": ["client_credentials"], "scopes": ["roles:write", "users:read"]});
    let made = root.api.post("/api/v1/admin/clients", client).await.expect(201);
    let form =
        format!("grant_type=client_credentials&client_id={}&client_secret={}", made.str("/client/clientId"), made.str("/clientSecret"));
    let token = instance.send_bytes(http::Method::POST, "/oauth2/token", "application/x-www-form-urlencoded", form.into_bytes()).await;
    let service = instance.with_token(token.expect(200).str("/access_token"));
    service.put(&format!("{ROLES}/x"), granting(&["users:read"])).await.expect(200);
    service.put(&format!("{ROLES}/y"), granting(&["users:write"])).await.expect_problem(403, "insufficient_scope");
    service.put(&format!("{ROLES}/y"), granting(&["till:open"])).await.expect_problem(403, "insufficient_scope");
}

/// A role that is deleted while somebody is given it is either not deleted or not given: whoever makes one of that name later gives
/// it to nobody unawares.
async fn giving_and_deleting_at_once_leaves_nobody_with_a_deleted_role(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let names: Vec<String> = (0..12).map(|index| format!("role-{index}")).collect();
    for name in &names {
        root.api.put(&format!("{ROLES}/{name}"), granting(&["users:read"])).await.expect(200);
    }
    let given = names.iter().enumerate().map(|(index, name)| {
        let line = json!({"email": format!("p{index}@example.com"), "name": "P", "roles": [name]}).to_string();
        root.api.send_bytes(http::Method::POST, "/api/v1/admin/users/import", "application/x-ndjson", line.into_bytes())
    });
    let deleted: Vec<_> = names.iter().map(|name| format!("{ROLES}/{name}")).collect();
    let deleted = deleted.iter().map(|path| root.api.delete(path));
    let (given, deleted) = futures_util::future::join(futures_util::future::join_all(given), futures_util::future::join_all(deleted)).await;
    assert!(given.iter().all(|answer| matches!(answer.status, 200 | 409)));
    assert!(deleted.iter().all(|answer| matches!(answer.status, 204 | 409)));
    let held = instance.count("SELECT count(*) FROM users WHERE roles LIKE 'role-%'", vec![]).await;
    let there = instance.count("SELECT count(*) FROM roles WHERE deleted_at IS NULL", vec![]).await;
    assert_eq!(held, there);
    for (name, deleted) in names.iter().zip(&deleted) {
        let holders = "SELECT count(*) FROM users WHERE roles = $1";
        let expected = i64::from(deleted.status != 204);
        assert_eq!(instance.count(holders, keystead::args![name.clone()]).await, expected, "{name}");
    }
}

both_stores!(
    giving_and_deleting_at_once_leaves_nobody_with_a_deleted_role,
    a_client_gives_what_it_has,
    nobody_gives_scopes_that_they_lack,
    nobody_gives_themselves_a_role
);
