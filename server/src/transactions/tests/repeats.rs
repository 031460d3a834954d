//! A request that is sent again writes nothing twice, whatever became of the first answer.

use std::sync::Arc;
use std::time::Duration;

use keystead::args;
use serde_json::Value;

use super::{TRANSACTIONS, at, each, spent};
use crate::db::proxy::Proxy;
use crate::support::{Answer, Client, Ground, Instance, Store, both_stores};

const MAY: &str = "2026-05-04T10:00:00Z";
const MINUTES: Duration = Duration::from_secs(5 * 60 + 1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60 + 1);

fn bread() -> Value {
    spent("1", "Bread", Some("Food"), MAY)
}

async fn ids(api: &Client) -> Vec<String> {
    each(&api.get(TRANSACTIONS).await.expect(200), "id").into_iter().map(str::to_owned).collect()
}

fn same(first: &Answer, again: &Answer) {
    assert_eq!((first.status, &first.body, first.header("etag")), (again.status, &again.body, again.header("etag")));
}

async fn a_repeat_has_the_headers_of_the_first_answer(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let api = ada.api.with("idempotency-key", "bread");
    let first = api.post(TRANSACTIONS, bread()).await.expect(201);
    let again = api.post(TRANSACTIONS, bread()).await.expect(201);
    assert_eq!((first.header("etag"), first.header("idempotency-replayed")), (Some("\"1\""), None));
    same(&first, &again);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    // Good for what it is there for.
    let body = serde_json::json!({"description": "Rye bread"});
    ada.api.with("if-match", again.header("etag").unwrap()).patch(&at(first.str("/transaction/id")), body).await.expect(200);
}

/// Killed between the commit and the note of what was answered.
async fn what_was_written_is_not_written_again_where_the_answer_was_lost(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, eve) = (instance.signed_up("ada@example.com").await, instance.signed_up("eve@example.com").await);
    let api = ada.api.with("idempotency-key", "bread");
    let first = api.post(TRANSACTIONS, bread()).await.expect(201);
    instance.change("UPDATE idempotency_keys SET status = NULL, reply = NULL, expires_at = created_at + 300000000", vec![]).await;
    // It may still be under way.
    api.post(TRANSACTIONS, bread()).await.expect_problem(409, "conflict");
    instance.advance(MINUTES);
    let again = api.post(TRANSACTIONS, bread()).await.expect(201);
    same(&first, &again);
    instance.change("DELETE FROM idempotency_keys", vec![]).await;
    same(&first, &api.post(TRANSACTIONS, bread()).await.expect(201));
    assert_eq!(ids(&ada.api).await.len(), 1);
    let held = "SELECT held FROM transaction_ledgers WHERE owner_id = $1";
    assert_eq!(instance.count(held, args![ada.id().parse::<uuid::Uuid>().unwrap()]).await, 1);
    assert_eq!(ada.api.get(super::SUMMARY).await.expect(200).str("/groups/0/expense"), "1.00");
    // The same of somebody else is theirs, and another body another request.
    let other = eve.api.with("idempotency-key", "bread").post(TRANSACTIONS, bread()).await.expect(201);
    assert_ne!(other.str("/transaction/id"), first.str("/transaction/id"));
    api.post(TRANSACTIONS, spent("2", "Bread", None, MAY)).await.expect_problem(422, "idempotency_key_reused");
}

/// The work is done and the answer cannot be kept: whoever asked is answered all the same, and whoever asks again, too.
async fn an_answer_that_cannot_be_kept_is_given(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    ada.api.with("idempotency-key", "milk").post(TRANSACTIONS, spent("2", "Milk", None, MAY)).await.expect(201);
    // One answer of each status, and no other.
    instance.change("CREATE UNIQUE INDEX obstacle ON idempotency_keys (status)", vec![]).await;
    let api = ada.api.with("idempotency-key", "bread");
    let first = api.post(TRANSACTIONS, bread()).await.expect(201);
    api.post(TRANSACTIONS, bread()).await.expect_problem(409, "conflict");
    instance.advance(MINUTES);
    same(&first, &api.post(TRANSACTIONS, bread()).await.expect(201));
    assert_eq!(ids(&ada.api).await.len(), 2);
}

async fn a_day_later_the_key_means_something_new(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let first = ada.api.with("idempotency-key", "bread").post(TRANSACTIONS, bread()).await.expect(201);
    // The answer was lost, so that only the receipt is left.
    instance.change("DELETE FROM idempotency_keys", vec![]).await;
    instance.advance(DAY);
    let ada = instance.signed_in("ada@example.com").await;
    let api = ada.api.with("idempotency-key", "bread");
    let second = api.post(TRANSACTIONS, bread()).await.expect(201);
    assert_ne!(first.str("/transaction/id"), second.str("/transaction/id"));
    instance.change("DELETE FROM idempotency_keys", vec![]).await;
    same(&second, &api.post(TRANSACTIONS, bread()).await.expect(201));
    assert_eq!(ids(&ada.api).await.len(), 2);
}

/// The database has committed and nobody hears of it: the request is answered 503, its repeat gets what was written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_which_nobody_heard_is_not_written_again() {
    let ground = Arc::new(Ground::migrated(Store::Postgres).await);
    let wire = Proxy::to(&ground.database_url()).await;
    let url = wire.through(&ground.database_url());
    let instance = Instance::builder(Store::Postgres).on(ground).set("DATABASE_URL", url).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let api = ada.api.with("idempotency-key", "bread");
    wire.lose_commit_after("INSERT INTO transactions ");
    api.post(TRANSACTIONS, bread()).await.expect_problem(503, "unavailable");
    assert!(wire.has_lost());
    let written = ids(&ada.api).await;
    assert_eq!(written.len(), 1, "it was committed");
    // The key belongs to this request still.
    api.post(TRANSACTIONS, spent("2", "Bread", None, MAY)).await.expect_problem(422, "idempotency_key_reused");
    let again = api.post(TRANSACTIONS, bread()).await.expect(201);
    assert_eq!(again.str("/transaction/id"), written[0]);
    let replayed = api.post(TRANSACTIONS, bread()).await.expect(201);
    assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
    assert_eq!(ids(&ada.api).await, written);
}

both_stores!(
    a_day_later_the_key_means_something_new,
    a_repeat_has_the_headers_of_the_first_answer,
    an_answer_that_cannot_be_kept_is_given,
    what_was_written_is_not_written_again_where_the_answer_was_lost,
);
