//! Written down, changed, deleted, restored; by many at once.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{TRANSACTIONS, at, each, made, spent};
use crate::support::{Instance, Store, both_stores};

const MAY: &str = "2026-05-04T10:00:00Z";

async fn a_transaction_comes_back_as_it_was_written(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let metadata = json!({"receipt": {"no": 17, "lines": ["bread", "milk"]}, "shared": true});
    let body = json!({"amount": "12.3", "currency": "EUR", "kind": "expense", "description": "  Brot & Brötchen ", "category": "Groceries",
        "occurredAt": "2026-05-04T12:00:00+02:00", "metadata": metadata});
    let answer = ada.api.post(TRANSACTIONS, body).await.expect(201);
    assert_eq!(answer.header("etag"), Some("\"1\""));
    let written = &answer.body["transaction"];
    for (member, value) in [
        ("amount", json!("12.30")),
        ("currency", json!("EUR")),
        ("kind", json!("expense")),
        ("description", json!("Brot & Brötchen")),
        ("category", json!("Groceries")),
        ("occurredAt", json!("2026-05-04T10:00:00Z")),
        ("metadata", metadata),
        ("version", json!(1)),
        ("deletedAt", Value::Null),
    ] {
        assert_eq!(written[member], value, "{member}");
    }
    let again = ada.api.get(&at(answer.str("/transaction/id"))).await.expect(200);
    assert_eq!(again.body["transaction"], *written);
    assert_eq!(again.header("etag"), Some("\"1\""));
}

async fn a_change_touches_what_it_names(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = made(&ada.api, spent("12.34", "Bread", Some("Food"), MAY)).await;
    let changed = ada.api.with("if-match", "\"1\"").patch(&at(&id), json!({"amount": "99"})).await.expect(200);
    assert_eq!((changed.str("/transaction/amount"), changed.str("/transaction/description")), ("99.00", "Bread"));
    assert_eq!((changed.header("etag"), changed.body["transaction"]["version"].as_i64()), (Some("\"2\""), Some(2)));
    let cleared = ada.api.patch(&at(&id), json!({"category": null, "metadata": {"a": 1}, "kind": "income"})).await.expect(200);
    assert_eq!(cleared.body["transaction"]["category"], Value::Null);
    assert_eq!(cleared.body["transaction"]["metadata"], json!({"a": 1}));
    assert_eq!(cleared.str("/transaction/kind"), "income");
    // Nothing is no change.
    let same = ada.api.patch(&at(&id), json!({})).await.expect(200);
    assert_eq!(same.body["transaction"]["version"], 3);
    // What was exact in one currency need not be so in another.
    let refused = ada.api.patch(&at(&id), json!({"currency": "JPY"})).await.expect_problem(422, "validation_failed");
    assert_eq!(refused.field_errors(), ["amount:required"]);
    let moved = ada.api.patch(&at(&id), json!({"currency": "JPY", "amount": "99"})).await.expect(200);
    assert_eq!((moved.str("/transaction/amount"), moved.str("/transaction/currency")), ("99", "JPY"));
    let refused = ada.api.patch(&at(&id), json!({"amount": "99.5"})).await.expect_problem(422, "validation_failed");
    assert_eq!(refused.field_errors(), ["amount:too_precise"]);
}

async fn another_version_is_not_changed(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = made(&ada.api, spent("1", "Bread", None, MAY)).await;
    for tag in ["\"2\"", "\"0\"", "W/\"1\"", "\"x\""] {
        ada.api.with("if-match", tag).patch(&at(&id), json!({"amount": "2"})).await.expect_problem(412, "version_conflict");
        ada.api.with("if-match", tag).delete(&at(&id)).await.expect_problem(412, "version_conflict");
    }
    ada.api.with("if-match", "1").patch(&at(&id), json!({"amount": "2"})).await.expect_problem(400, "invalid_request");
    ada.api.with("if-match", "*").patch(&at(&id), json!({"amount": "2"})).await.expect(200);
    ada.api.with("if-match", "\"2\"").delete(&at(&id)).await.expect(204);
}

async fn of_sixteen_changes_of_one_version_one_wins(store: Store) {
    let instance = Instance::start(store).await;
    let other = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = made(&ada.api, spent("1", "Bread", Some("Food"), MAY)).await;
    let api = ada.api.with("if-match", "\"1\"");
    let elsewhere = other.with_token(&ada.access_token).with("if-match", "\"1\"");
    let path = at(&id);
    let tries = (0..16).map(|number| {
        let api = if number % 2 == 0 { &api } else { &elsewhere };
        api.patch(&path, json!({"amount": format!("{}", number + 2), "category": format!("C{number}")}))
    });
    let answers = join_all(tries).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1);
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.body["code"] == "version_conflict"));
    let now = ada.api.get(&path).await.expect(200);
    assert_eq!(now.body, won[0].body);
    // Without a version each of them is carried out, and none is lost from the sums.
    join_all((0..16).map(|number| ada.api.patch(&path, json!({"amount": format!("{}", number + 2)})))).await.into_iter().for_each(
        |answer| {
            answer.expect(200);
        },
    );
    let amount = ada.api.get(&path).await.expect(200).str("/transaction/amount").to_owned();
    let summary = ada.api.get(super::SUMMARY).await.expect(200);
    assert_eq!(summary.body["groups"].as_array().unwrap().len(), 1);
    assert_eq!((summary.str("/groups/0/expense"), &summary.body["groups"][0]["count"]), (amount.as_str(), &json!(1)));
}

async fn what_is_deleted_is_hidden_until_it_is_restored(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let (gone, kept) = (made(&ada.api, spent("1", "Bread", None, MAY)).await, made(&ada.api, spent("2", "Milk", None, MAY)).await);
    assert!(ada.api.delete(&at(&gone)).await.expect(204).text.is_empty());
    ada.api.get(&at(&gone)).await.expect_problem(404, "not_found");
    ada.api.patch(&at(&gone), json!({"amount": "3"})).await.expect_problem(404, "not_found");
    ada.api.delete(&at(&gone)).await.expect_problem(404, "not_found");
    assert_eq!(each(&ada.api.get(TRANSACTIONS).await.expect(200), "id"), [kept.as_str()]);
    let all = ada.api.get(&format!("{TRANSACTIONS}?includeDeleted=true&sort=amount")).await.expect(200);
    assert_eq!(each(&all, "id"), [gone.as_str(), kept.as_str()]);
    assert!(all.body["items"][0]["deletedAt"].is_string());
    ada.api.get(&format!("{}?includeDeleted=true", at(&gone))).await.expect(200);
    assert_eq!(ada.api.get(super::SUMMARY).await.expect(200).str("/groups/0/expense"), "2.00");

    let restored = ada.api.post(&format!("{}/restore", at(&gone)), json!({})).await.expect(200);
    assert_eq!((&restored.body["transaction"]["deletedAt"], restored.body["transaction"]["version"].as_i64()), (&Value::Null, Some(3)));
    ada.api.send(http::Method::POST, &format!("{}/restore", at(&gone)), None).await.expect_problem(409, "conflict");
    assert_eq!(ada.api.get(super::SUMMARY).await.expect(200).str("/groups/0/expense"), "3.00");
    ada.api.get(&at(&gone)).await.expect(200);
}

async fn a_key_creates_once(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let eve = instance.signed_up("eve@example.com").await;
    let api = ada.api.with("idempotency-key", "bread-1");
    let body = spent("1", "Bread", None, MAY);
    let answers = join_all((0..16).map(|_| api.post(TRANSACTIONS, body.clone()))).await;
    let created: Vec<&Value> = answers.iter().filter(|answer| answer.status == 201).map(|answer| &answer.body).collect();
    assert!(!created.is_empty() && created.iter().all(|body| *body == created[0]));
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.status == 409));
    assert_eq!(&api.post(TRANSACTIONS, body.clone()).await.expect(201).body, created[0]);
    api.post(TRANSACTIONS, spent("2", "Bread", None, MAY)).await.expect_problem(422, "idempotency_key_reused");
    assert_eq!(each(&ada.api.get(TRANSACTIONS).await.expect(200), "id").len(), 1);
    // The same word of somebody else is another key.
    eve.api.with("idempotency-key", "bread-1").post(TRANSACTIONS, spent("3", "Eve's", None, MAY)).await.expect(201);
}

both_stores!(
    a_change_touches_what_it_names,
    a_key_creates_once,
    a_transaction_comes_back_as_it_was_written,
    another_version_is_not_changed,
    of_sixteen_changes_of_one_version_one_wins,
    what_is_deleted_is_hidden_until_it_is_restored
);
