//! What those who run the installation can do, and what nobody can do through them.

#[path = "tests/accounts.rs"]
mod accounts;
#[path = "tests/address.rs"]
mod address;
#[path = "tests/impersonation.rs"]
mod impersonation;
#[path = "tests/jobs.rs"]
mod jobs;
#[path = "tests/keys.rs"]
mod keys;
#[path = "tests/limits.rs"]
mod limits;
#[path = "tests/search.rs"]
mod search;
#[path = "tests/stats.rs"]
mod stats;

use serde_json::json;

use crate::support::{Instance, SignedIn};

const USERS: &str = "/api/v1/admin/users";
const ADA: &str = "ada@example.com";

/// Somebody with the role `admin`.
async fn admin(instance: &Instance) -> SignedIn {
    crate::oauth::admin(instance).await
}

/// Somebody who has a role with just these scopes.
async fn with_scopes(instance: &Instance, admin: &SignedIn, email: &str, role: &str, scopes: &[&str]) -> SignedIn {
    admin.api.put(&format!("/api/v1/admin/roles/{role}"), json!({ "scopes": scopes })).await.expect(200);
    let person = instance.signed_up(email).await;
    instance.set_roles(&person, role).await;
    person
}

fn of(person: &SignedIn, act: &str) -> String {
    format!("{USERS}/{}{act}", person.id())
}
