//! The pages on which people sign in, with their scripts as a browser runs them.

use serde_json::json;

use super::{reachable, run};
use crate::support::{PASSWORD, Store, both_stores};

/// Whoever has not confirmed their address is not sent away: they type the code right there, or have a new one mailed.
async fn an_address_is_confirmed_on_the_page(store: Store) {
    let instance = reachable(store).start().await;
    instance.registered("ada@example.com").await;
    let base = instance.base().to_owned();
    run("pages.mjs", json!({"issuer": base, "email": "ada@example.com", "password": PASSWORD})).await;
}

both_stores!(an_address_is_confirmed_on_the_page);
