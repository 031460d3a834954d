//! What OAuth clients are told about personal tokens, and may do to them.

use http::Method;
use serde_json::{Value, json};

use super::{ACCOUNT, root, token};
use crate::support::{Answer, Instance, SignedIn, Store, both_stores};

/// A client's id and secret as form members.
async fn client(root: &SignedIn, scopes: &[&str]) -> String {
    let new = json!({"name": "Gateway", "grantTypes": ["client_credentials"], "scopes": scopes});
    let made = root.api.post("/api/v1/admin/clients", new).await.expect(201);
    format!("client_id={}&client_secret={}", made.str("/client/clientId"), made.str("/clientSecret"))
}

async fn form(instance: &Instance, path: &str, form: String) -> Answer {
    instance.send_bytes(Method::POST, path, "application/x-www-form-urlencoded", form.into_bytes()).await
}

async fn a_service_that_is_shown_a_token_learns_what_it_is_for(store: Store) {
    let instance = Instance::start(store).await;
    let root = root(&instance).await;
    let gateway = client(&root, &["tokens:introspect"]).await;
    let other = client(&root, &["flags:read"]).await;
    let made = token(&instance, &root, &["flags:read", "account:read"]).await;
    let ask = async |who: &str| form(&instance, "/oauth2/introspect", format!("{who}&token={}", made.secret)).await.expect(200).body;
    let told = ask(&gateway).await;
    assert_eq!((&told["active"], &told["scope"]), (&json!(true), &json!("account:read flags:read")));
    assert_eq!((&told["sub"], &told["jti"], &told["client_id"]), (&json!(root.id()), &json!(made.id), &Value::Null));
    // Being asked about is no use.
    instance.running.app.tokens.flush().await.unwrap();
    assert_eq!(root.api.get(super::TOKENS).await.expect(200).body["items"][0]["lastUsedAt"], Value::Null);
    // It was issued to no client, so none but those that may ask about all learn of it.
    assert_eq!(ask(&other).await, json!({"active": false}));
    instance.set_roles(&root, "user").await;
    assert_eq!(ask(&gateway).await["scope"], "account:read");
    root.api.delete(&format!("{}/{}", super::TOKENS, made.id)).await.expect(204);
    assert_eq!(ask(&gateway).await, json!({"active": false}));
}

/// Whoever finds a token, in a log or a repository, can put an end to it.
async fn whoever_holds_a_token_may_give_it_back(store: Store) {
    let instance = Instance::start(store).await;
    let root = root(&instance).await;
    let scanner = client(&root, &["flags:read"]).await;
    for who in [scanner.as_str(), "client_id=keystead-cli"] {
        let made = token(&instance, &root, &["account:read"]).await;
        form(&instance, "/oauth2/revoke", format!("client_id=nobody&client_secret=x&token={}", made.secret)).await.expect(401);
        made.api.get(ACCOUNT).await.expect(200);
        form(&instance, "/oauth2/revoke", format!("{who}&token={}", made.secret)).await.expect(200);
        made.api.get(ACCOUNT).await.expect_problem(401, "unauthenticated");
        form(&instance, "/oauth2/revoke", format!("{who}&token={}", made.secret)).await.expect(200);
    }
    let acts: Vec<_> = instance.events().await.into_iter().filter(|event| event.action == "personal_token.revoked").collect();
    let actors: Vec<_> = acts.iter().map(|event| event.actor_type.as_str()).collect();
    assert_eq!(actors, ["client", "user"]);
}

both_stores!(a_service_that_is_shown_a_token_learns_what_it_is_for, whoever_holds_a_token_may_give_it_back);
