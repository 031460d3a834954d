//! `keystead clients`, beside a server.

use keystead::db::Store as Which;
use serde_json::{Value, json};

use super::command::{column, keystead};
use crate::support::{Instance, Store, both_stores, eventually};

async fn clients_are_registered_listed_and_deleted(store: Store) {
    let instance = Instance::start(store).await;
    let args = ["clients", "create", "--name", "Reports", "--grant-types", "client_credentials", "--scopes", "users:read,orders", "--json"];
    let made = keystead(&instance.ground, &args).await.good().json();
    let id = made["client"]["clientId"].as_str().unwrap().to_owned();
    assert!(made["clientSecret"].as_str().unwrap().starts_with("kcs_") && made["client"]["scopes"] == json!(["users:read", "orders"]));
    let args = ["clients", "create", "--name", "App", "--grant-types", "authorization_code,refresh_token"];
    let args = [args.as_slice(), &["--redirect-uris", "com.example.app:/cb", "--token-endpoint-auth-method", "none"]].concat();
    let said = keystead(&instance.ground, &args).await.good().stdout;
    assert!(said.starts_with("Registered App (") && !said.contains("Secret"), "{said}");

    let first = keystead(&instance.ground, &["clients", "list", "--limit", "1", "--json"]).await.good().json();
    assert_eq!(first["items"][0]["name"], "App");
    let next = first["nextCursor"].as_str().unwrap();
    let second = keystead(&instance.ground, &["clients", "list", "--cursor", next, "--json"]).await.good().json();
    assert_eq!((&second["items"][0]["clientId"], &second["nextCursor"]), (&json!(id), &Value::Null));
    let table = keystead(&instance.ground, &["clients", "list"]).await.good().stdout;
    assert!(table.starts_with("CLIENT") && table.contains("authorization_code,refresh_token"), "{table}");

    keystead(&instance.ground, &["clients", "delete", &id]).await.good();
    keystead(&instance.ground, &["clients", "delete", &id]).await.refused(1, "There is no client");
    let sql = "SELECT actor_type || ' ' || action FROM audit_events WHERE target_type = 'client' ORDER BY at, id";
    assert_eq!(
        column(&instance.ground, Which::Main, sql).await,
        ["operator client.created", "operator client.created", "operator client.deleted"]
    );
}

async fn refusals_name_the_option(store: Store) {
    let instance = Instance::start(store).await;
    let create = ["clients", "create", "--name", "App", "--grant-types"];
    let args = [create.as_slice(), &["authorization_code", "--redirect-uris", "http://app.example.com/cb"]].concat();
    keystead(&instance.ground, &args).await.refused(2, "--redirect-uris is refused");
    let args = [create.as_slice(), &["client_credentials", "--jwks", "nowhere.json"]].concat();
    keystead(&instance.ground, &args).await.refused(2, "nowhere.json cannot be read");
    let args = [create.as_slice(), &["password"]].concat();
    let refused = keystead(&instance.ground, &args).await;
    assert!(refused.code == Some(2) && refused.stderr.contains("use one of authorization_code"), "{refused:?}");
}

async fn clients_are_changed_disabled_and_get_new_secrets(store: Store) {
    let instance = Instance::start(store).await;
    let args = ["clients", "create", "--name", "Reports", "--grant-types", "client_credentials", "--scopes", "users:read,orders", "--json"];
    let made = keystead(&instance.ground, &args).await.good().json();
    let (id, secret) = (made["client"]["clientId"].as_str().unwrap(), made["clientSecret"].as_str().unwrap());
    let token = async |secret: &str| {
        let parameters = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        crate::oauth::form(&instance, "/oauth2/token", &parameters).await.status
    };
    let changed =
        keystead(&instance.ground, &["clients", "update", id, "--name", "Figures", "--scopes", "orders", "--json"]).await.good().json();
    assert_eq!((&changed["client"]["name"], &changed["client"]["scopes"]), (&json!("Figures"), &json!(["orders"])));
    assert_eq!(changed["client"]["grantTypes"], made["client"]["grantTypes"], "what is left out stays");
    let args = ["clients", "update", id, "--token-endpoint-auth-method", "client_secret_post"];
    assert_eq!(keystead(&instance.ground, &args).await.good().stdout, format!("Changed Figures ({id}).\n"));
    keystead(&instance.ground, &["clients", "update", id, "--token-endpoint-auth-method", "none"])
        .await
        .refused(2, "--token-endpoint-auth-method is refused");
    eventually("the server to follow", async || (token(secret).await == 200).then_some(())).await;

    let rotated = keystead(&instance.ground, &["clients", "rotate-secret", id, "--json"]).await.good().json();
    let new = rotated["clientSecret"].as_str().unwrap();
    eventually("the new secret to count", async || (token(new).await == 200).then_some(())).await;
    assert_eq!(token(secret).await, 401);
    let said = keystead(&instance.ground, &["clients", "rotate-secret", id]).await.good().stdout;
    let newest = said.split("Secret: ").nth(1).unwrap().split_whitespace().next().unwrap();

    let said = keystead(&instance.ground, &["clients", "disable", id]).await.good().stdout;
    assert!(said.starts_with("Disabled Figures ("), "{said}");
    eventually("the client to be refused", async || (token(newest).await == 401).then_some(())).await;
    keystead(&instance.ground, &["clients", "enable", id, "--json"]).await.good();
    eventually("the client to be let in", async || (token(newest).await == 200).then_some(())).await;
    let nobody = "01920000-0000-7000-8000-000000000000";
    for args in [&["update", nobody, "--name", "X"][..], &["disable", nobody], &["enable", nobody], &["rotate-secret", nobody]] {
        keystead(&instance.ground, &[&["clients"], args].concat()).await.refused(1, "There is no client");
    }
}

both_stores!(clients_are_registered_listed_and_deleted, clients_are_changed_disabled_and_get_new_secrets, refusals_name_the_option,);
