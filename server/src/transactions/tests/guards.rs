//! Whose they are, and who gets in.

use serde_json::json;

use super::{SUMMARY, TRANSACTIONS, at, each, made, spent};
use crate::support::{Instance, Store, both_stores};

const MAY: &str = "2026-05-04T10:00:00Z";

async fn what_is_somebody_elses_is_not_there(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, eve) = (instance.signed_up("ada@example.com").await, instance.signed_up("eve@example.com").await);
    instance.set_roles(&eve, "admin").await;
    let id = made(&ada.api, spent("1", "Bread", Some("Food"), MAY)).await;
    let path = at(&id);
    eve.api.get(&path).await.expect_problem(404, "not_found");
    eve.api.get(&format!("{path}?includeDeleted=true")).await.expect_problem(404, "not_found");
    eve.api.patch(&path, json!({"amount": "2"})).await.expect_problem(404, "not_found");
    eve.api.patch(&path, json!({"nonsense": 2})).await.expect_problem(404, "not_found");
    eve.api.delete(&path).await.expect_problem(404, "not_found");
    eve.api.post(&format!("{path}/restore"), json!({})).await.expect_problem(404, "not_found");
    ada.api.delete(&path).await.expect(204);
    eve.api.post(&format!("{path}/restore"), json!({})).await.expect_problem(404, "not_found");
    assert!(each(&eve.api.get(&format!("{TRANSACTIONS}?includeDeleted=true")).await.expect(200), "id").is_empty());
    assert_eq!(eve.api.get(SUMMARY).await.expect(200).body, json!({"groups": []}));
    assert!(
        instance
            .rows("SELECT owner_id FROM transaction_ledgers WHERE owner_id = $1", keystead::args![eve.id().parse::<uuid::Uuid>().unwrap()])
            .await
            .is_empty()
    );
    for none in ["x", "0", "01920000-0000-7000-8000-000000000000"] {
        ada.api.get(&at(none)).await.expect_problem(404, "not_found");
    }
}

async fn a_program_does_what_its_token_is_for(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let token = async |scopes: &[&str]| {
        let made = ada.api.post("/api/v1/account/tokens", json!({"name": "x", "scopes": scopes})).await.expect(201);
        instance.with_token(made.str("/secret"))
    };
    let (reader, writer) = (token(&["transactions:own:read"]).await, token(&["transactions:own:write"]).await);
    let id = made(&writer, spent("1", "Bread", None, MAY)).await;
    reader.get(&at(&id)).await.expect(200);
    reader.get(SUMMARY).await.expect(200);
    reader.post(TRANSACTIONS, spent("1", "Bread", None, MAY)).await.expect_problem(403, "insufficient_scope");
    reader.delete(&at(&id)).await.expect_problem(403, "insufficient_scope");
    writer.get(&at(&id)).await.expect_problem(403, "insufficient_scope");
    token(&["account:read"]).await.get(TRANSACTIONS).await.expect_problem(403, "insufficient_scope");
}

/// Whoever acts as somebody else does not see their money: that takes the route which is on record.
async fn an_impersonator_does_not_get_in(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (instance.signed_up("root@example.com").await, instance.signed_up("ada@example.com").await);
    instance.set_roles(&root, "admin").await;
    let body = json!({"reason": "a ticket"});
    let acting = root.api.post(&format!("/api/v1/admin/users/{}/impersonate", ada.id()), body).await;
    let api = instance.with_token(acting.str("/accessToken"));
    api.get(TRANSACTIONS).await.expect_problem(403, "insufficient_scope");
    api.post(TRANSACTIONS, spent("1", "Bread", None, MAY)).await.expect_problem(403, "insufficient_scope");
}

both_stores!(a_program_does_what_its_token_is_for, an_impersonator_does_not_get_in, what_is_somebody_elses_is_not_there);
