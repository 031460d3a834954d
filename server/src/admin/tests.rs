//! What those who run the installation can do over HTTP, and who cannot.

#[path = "tests/jobs.rs"]
mod jobs;
#[path = "tests/keys.rs"]
mod keys;
#[path = "tests/stats.rs"]
mod stats;

use serde_json::json;

use crate::support::{Instance, SignedIn};

/// Somebody who has every scope.
async fn admin(instance: &Instance) -> SignedIn {
    let admin = instance.signed_up("root@example.com").await;
    instance.set_roles(&admin, "admin").await;
    admin
}

/// Somebody who has a role with just these scopes.
async fn with_scopes(instance: &Instance, admin: &SignedIn, email: &str, role: &str, scopes: &[&str]) -> SignedIn {
    admin.api.put(&format!("/api/v1/admin/roles/{role}"), json!({ "scopes": scopes })).await.expect(200);
    let person = instance.signed_up(email).await;
    instance.set_roles(&person, role).await;
    person
}
