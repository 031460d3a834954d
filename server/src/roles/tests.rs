//! Roles: what they grant, who may change them, and that every instance follows.

#[path = "tests/admin.rs"]
mod admin;
#[path = "tests/attacks.rs"]
mod attacks;
#[path = "tests/follow.rs"]
mod follow;

use keystead::access::SCOPES;
use keystead::roles::Snapshot;
use serde_json::{Value, json};

use crate::support::{Instance, SignedIn};

const ROLES: &str = "/api/v1/admin/roles";

/// Somebody who has every scope.
async fn admin(instance: &Instance) -> SignedIn {
    let admin = instance.signed_up("root@example.com").await;
    instance.set_roles(&admin, "admin").await;
    admin
}

/// Somebody who has a role with just these scopes.
async fn with_scopes(instance: &Instance, admin: &SignedIn, email: &str, role: &str, scopes: &[&str]) -> SignedIn {
    admin.api.put(&format!("{ROLES}/{role}"), granting(scopes)).await.expect(200);
    let person = instance.signed_up(email).await;
    instance.set_roles(&person, role).await;
    person
}

fn granting(scopes: &[&str]) -> Value {
    json!({"scopes": scopes})
}

/// The scopes of a first-party access token, as another service reads them.
async fn claimed(person: &SignedIn) -> Vec<String> {
    let answer = person.api.get("/api/v1/auth/verify").await.expect(200);
    answer.body["scopes"].as_array().unwrap().iter().map(|scope| scope.as_str().unwrap().to_owned()).collect()
}

fn scopes(roles: &[&str]) -> Vec<String> {
    let roles: Vec<_> = roles.iter().map(|role| (*role).to_owned()).collect();
    Snapshot::default().scopes_of(&roles).into_iter().map(str::to_owned).collect()
}

#[test]
fn built_in_roles_grant_what_the_contract_says() {
    assert_eq!(scopes(&["admin"]), SCOPES);
    assert_eq!(
        scopes(&["auditor"]),
        ["audit:read", "flags:read", "jobs:read", "ops:read", "quotas:read", "roles:read", "transactions:read", "users:read"]
    );
    assert_eq!(scopes(&["user"]), Vec::<&str>::new());
    assert_eq!(scopes(&[]), Vec::<&str>::new());
}

#[test]
fn roles_add_up_and_unknown_ones_grant_nothing() {
    assert_eq!(scopes(&["user", "auditor", "admin", "admin"]), SCOPES);
    for odd in ["Admin", "admin ", "", "root", "*", "admin\0", "users:write"] {
        assert_eq!(scopes(&[odd]), Vec::<&str>::new(), "{odd:?}");
    }
}
