//! Personal access tokens: made, used, refused.

#[path = "tests/account.rs"]
mod account;
#[path = "tests/admin.rs"]
mod admin;
#[path = "tests/applications.rs"]
mod applications;
#[path = "tests/attacks.rs"]
mod attacks;
#[path = "tests/clients.rs"]
mod clients;
#[path = "tests/ends.rs"]
mod ends;

use serde_json::{Value, json};

use crate::support::{Client, Instance, SignedIn};

const TOKENS: &str = "/api/v1/account/tokens";
const ACCOUNT: &str = "/api/v1/account";
const ADMIN_FLAGS: &str = "/api/v1/admin/flags";

/// What is asked for.
fn wanted(scopes: &[&str]) -> Value {
    json!({"name": "backup script", "scopes": scopes})
}

/// A token that was made.
struct Made {
    id: String,
    secret: String,
    /// A client that sends it.
    api: Client,
}

/// Makes a token for `person`.
async fn token(instance: &Instance, person: &SignedIn, scopes: &[&str]) -> Made {
    let made = person.api.post(TOKENS, wanted(scopes)).await.expect(201);
    let secret = made.str("/secret").to_owned();
    Made { id: made.str("/token/id").to_owned(), api: instance.with_token(&secret), secret }
}

/// Somebody who has every scope.
async fn root(instance: &Instance) -> SignedIn {
    let root = instance.signed_up("root@example.com").await;
    instance.set_roles(&root, "admin").await;
    root
}
