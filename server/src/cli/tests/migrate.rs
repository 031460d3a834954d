//! `keystead migrate`.

use keystead::db::{Sql, Store as Which};
use serde_json::{Value, json};

use super::command::{Ran, keystead};
use crate::support::{Ground, Instance, Store, both_stores, database};

fn nothing() -> Value {
    json!({ "applied": [], "pending": [], "newer": false })
}

async fn change(ground: &Ground, sql: &'static str) {
    let db = database(ground, Which::Main);
    db.write_one(Sql { sqlite: sql, postgres: sql }, Vec::new()).await.unwrap();
    db.close().await;
}

async fn a_store_is_brought_to_the_schema_once(store: Store) {
    let ground = Ground::empty(store).await;
    let Ran { code, stderr, .. } = keystead(&ground, &["migrate", "--check"]).await;
    assert_eq!((code, stderr.as_str()), (Some(1), ""));

    let before = keystead(&ground, &["migrate", "--check", "--json"]).await;
    let pending = before.json()["pending"].clone();
    assert_eq!(before.code, Some(1));
    assert!(pending.as_array().unwrap().contains(&json!({ "store": "main", "name": "0001_accounts" })), "{pending}");
    assert!(pending.as_array().unwrap().contains(&json!({ "store": "keyring", "name": "0001_keyring" })), "{pending}");

    let done = keystead(&ground, &["migrate", "--json"]).await.good().json();
    assert_eq!(done, json!({ "applied": pending, "pending": [], "newer": false }));
    assert_eq!(keystead(&ground, &["migrate", "--json"]).await.good().json(), nothing());
    assert_eq!(keystead(&ground, &["migrate", "--check", "--json"]).await.good().json(), nothing());
    let said = keystead(&ground, &["migrate"]).await.good().stdout;
    assert_eq!(said, "Nothing to do: the database has this version's schema.\n");
}

async fn it_runs_beside_a_server(store: Store) {
    let instance = Instance::start(store).await;
    keystead(&instance.ground, &["migrate"]).await.good();
    instance.signed_up("ada@example.com").await.api.get("/api/v1/auth/me").await.expect(200);
}

async fn a_newer_database_is_left_as_it_is(store: Store) {
    let ground = Ground::migrated(store).await;
    change(&ground, "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (9999, 'tomorrow', '', 0)").await;
    let done = keystead(&ground, &["migrate", "--json"]).await.good().json();
    assert_eq!(done, json!({ "applied": [], "pending": [], "newer": true }));
    let said = keystead(&ground, &["migrate"]).await;
    assert_eq!(said.code, Some(0));
    assert!(said.stderr.starts_with("warning: The database has a newer schema"), "{said:#?}");
}

async fn a_database_of_another_binary_is_refused(store: Store) {
    let ground = Ground::migrated(store).await;
    change(&ground, "UPDATE schema_migrations SET checksum = 'edited' WHERE version = 1").await;
    keystead(&ground, &["migrate"]).await.refused(1, "0001_accounts was applied to this database in another form");
}

both_stores!(
    a_store_is_brought_to_the_schema_once,
    it_runs_beside_a_server,
    a_newer_database_is_left_as_it_is,
    a_database_of_another_binary_is_refused
);
