//! Applications that a person let in reach the same routes as personal tokens, by the same scopes.

use serde_json::json;

use super::{ACCOUNT, ADMIN_FLAGS, TOKENS, root, wanted};
use crate::oauth::device::{APPROVE, Device};
use crate::oauth::{form, register};
use crate::support::{Instance, Store, both_stores};

async fn an_application_does_what_it_was_let_in_for(store: Store) {
    let instance = Instance::start(store).await;
    let root = root(&instance).await;
    let client = json!({"name": "Till", "grantTypes": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        "tokenEndpointAuthMethod": "none", "scopes": ["account:read", "flags:read", "till:open"]});
    let client = register(&root.api, client).await.id;
    let ada = instance.signed_up("ada@example.com").await;
    let till = Device::of(&instance, &client).await;
    till.decided(&ada, APPROVE).await.expect(204);
    let answer = till.poll(&instance).await.expect(200);
    // What Keystead guards only as far as her roles grant it; what is the application's own as it was agreed.
    assert_eq!(answer.str("/scope"), "account:read till:open");
    let api = instance.with_token(answer.str("/access_token"));
    // It does not learn what flags would tell of her without having been let in for that.
    api.post("/ofrep/v1/evaluate/flags", json!({})).await.expect_problem(403, "insufficient_scope");
    assert_eq!(api.get(ACCOUNT).await.expect(200).body["user"]["id"], ada.id());
    api.get("/api/v1/flags").await.expect_problem(403, "insufficient_scope");
    api.get(ADMIN_FLAGS).await.expect_problem(403, "insufficient_scope");
    api.patch(ACCOUNT, json!({"name": "Eve"})).await.expect_problem(403, "insufficient_scope");
    api.post(TOKENS, wanted(&["account:read"])).await.expect_problem(403, "insufficient_scope");

    // From the moment that a role grants the application's scope, whoever has none of those roles gets no more tokens with it.
    root.api.put("/api/v1/admin/roles/cashier", json!({"scopes": ["till:open"]})).await.expect(200);
    let refreshed = async |token: &str| {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", client.as_str())];
        let answer = form(&instance, "/oauth2/token", &fields).await.expect(200);
        (answer.str("/refresh_token").to_owned(), answer.str("/scope").to_owned())
    };
    let (next, scope) = refreshed(answer.str("/refresh_token")).await;
    assert_eq!(scope, "account:read");
    instance.set_roles(&ada, "cashier").await;
    assert_eq!(refreshed(&next).await.1, "account:read till:open");
}

both_stores!(an_application_does_what_it_was_let_in_for);
