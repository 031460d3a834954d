//! How much one person may write down.

use std::time::Duration;

use futures_util::future::join_all;
use keystead::args;
use serde_json::json;

use super::{TRANSACTIONS, at, made, spent};
use crate::support::{Instance, SignedIn, Store, both_stores};

const MAY: &str = "2026-05-04T10:00:00Z";

async fn held(instance: &Instance, person: &SignedIn) -> i64 {
    instance.count("SELECT held FROM transaction_ledgers WHERE owner_id = $1", args![person.id().parse::<uuid::Uuid>().unwrap()]).await
}

async fn a_ledger_has_an_end(store: Store) {
    let limits = [("KEYSTEAD_TRANSACTIONS__LEDGER_LIMIT", 3), ("KEYSTEAD_RETENTION__TRANSACTIONS", 1)];
    let builder = limits.iter().fold(Instance::builder(store), |builder, (name, value)| builder.set(name, value));
    let instance = builder.start().await;
    let (ada, eve) = (instance.signed_up("ada@example.com").await, instance.signed_up("eve@example.com").await);
    let body = || spent("1", "Bread", None, MAY);
    let mut last = String::new();
    for key in ["one", "two", "three"] {
        last = made(&ada.api.with("idempotency-key", key), body()).await;
    }
    let refused = ada.api.post(TRANSACTIONS, body()).await.expect_problem(409, "conflict");
    assert!(refused.str("/detail").contains("You have 3 transactions"), "{refused}");
    assert_eq!(held(&instance, &ada).await, 3, "what was refused is not counted");
    // Whoever repeats what was written asks for no room.
    instance.change("DELETE FROM idempotency_keys", vec![]).await;
    assert_eq!(made(&ada.api.with("idempotency-key", "three"), body()).await, last);
    // Changing takes no room either, and a deleted one gives none before it is gone for good.
    ada.api.patch(&at(&last), json!({"amount": "2"})).await.expect(200);
    ada.api.delete(&at(&last)).await.expect(204);
    ada.api.post(TRANSACTIONS, body()).await.expect_problem(409, "conflict");
    made(&eve.api, body()).await;
    instance.advance(Duration::from_secs(24 * 60 * 60 + 60));
    instance.running.app.sweep(instance.clock.now()).await.expect("everything");
    assert_eq!(held(&instance, &ada).await, 2);
    let ada = instance.signed_in("ada@example.com").await;
    made(&ada.api, body()).await;
    ada.api.post(TRANSACTIONS, body()).await.expect_problem(409, "conflict");
}

async fn of_many_at_once_as_many_are_written_as_there_is_room_for(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_TRANSACTIONS__LEDGER_LIMIT", 10).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let answers = join_all((0..16).map(|_| ada.api.post(TRANSACTIONS, spent("1", "Bread", None, MAY)))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 10);
    assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 409)));
    assert_eq!(held(&instance, &ada).await, 10);
    assert_eq!(instance.count("SELECT count(*) FROM transactions", vec![]).await, 10);
}

both_stores!(a_ledger_has_an_end, of_many_at_once_as_many_are_written_as_there_is_room_for);
