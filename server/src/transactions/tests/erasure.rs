//! What is deleted can be restored for a while; what is erased is gone.

use std::time::Duration;

use keystead::privacy::{Asked, Records};
use keystead::time::Timestamp;
use keystead::transactions::{Currency, Entry, Kind, write_many};
use serde_json::json;

use super::{TRANSACTIONS, at, each, made, spent};
use crate::support::{Instance, Store, both_stores};

const MAY: &str = "2026-05-04T10:00:00Z";
const TABLES: [&str; 5] = [
    "SELECT owner_id FROM transaction_ledgers",
    "SELECT owner_id FROM transactions",
    "SELECT owner_id FROM transaction_words",
    "SELECT owner_id FROM transaction_categories",
    "SELECT owner_id FROM transaction_totals",
];

async fn counts(instance: &Instance) -> Vec<usize> {
    let mut counts = Vec::new();
    for table in TABLES {
        counts.push(instance.rows(table, Vec::new()).await.len());
    }
    counts
}

async fn housekept(instance: &Instance) {
    instance.running.app.housekeep(instance.clock.now()).await;
}

async fn a_deleted_one_is_there_until_its_time_is_over(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_RETENTION__TRANSACTIONS", 30).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let gone = made(&ada.api, spent("1", "Fresh bread", Some("Food"), MAY)).await;
    let kept = made(&ada.api, spent("2", "Fresh milk", None, MAY)).await;
    ada.api.delete(&at(&gone)).await.expect(204);
    instance.advance(Duration::from_secs(30 * 24 * 60 * 60 - 60));
    housekept(&instance).await;
    assert_eq!(counts(&instance).await[1..4], [2, 4, 1]);
    instance.advance(Duration::from_secs(120));
    housekept(&instance).await;
    // Its words and the name of its category go along.
    assert_eq!(counts(&instance).await, [1, 1, 2, 0, 3]);
    let ada = instance.signed_in("ada@example.com").await;
    ada.api.post(&format!("{}/restore", at(&gone)), json!({})).await.expect_problem(404, "not_found");
    assert_eq!(each(&ada.api.get(&format!("{TRANSACTIONS}?includeDeleted=true")).await.expect(200), "id"), [kept.as_str()]);
}

async fn an_erased_person_leaves_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (instance.signed_up("root@example.com").await, instance.signed_up("ada@example.com").await);
    instance.set_roles(&root, "admin").await;
    for number in 0..12 {
        let id = made(&ada.api, spent("1", &format!("Number {number}"), Some("Food"), MAY)).await;
        if number % 3 == 0 {
            ada.api.delete(&at(&id)).await.expect(204);
        }
    }
    made(&root.api, spent("1", "Mine", Some("Food"), MAY)).await;
    let (token, body) = (ada.access_token.clone(), json!({"reason": "asked for"}));
    root.api.post(&format!("/api/v1/admin/users/{}/erase", ada.id()), body).await.expect(202);
    // At once, not with the next sweep.
    assert_eq!(counts(&instance).await, [1, 1, 1, 1, 3]);
    instance.with_token(&token).post(TRANSACTIONS, spent("1", "x", None, MAY)).await.expect(401);
    let path = format!("/api/v1/admin/users/{}/transactions?reason=x", ada.id());
    root.api.get(&path).await.expect_problem(404, "not_found");
}

/// Of whoever has very many the sweep takes the rest.
async fn a_large_ledger_goes_in_batches(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (instance.signed_up("root@example.com").await, instance.signed_up("ada@example.com").await);
    instance.set_roles(&root, "admin").await;
    let entry = |n: i64| Entry {
        amount: n + 1,
        currency: Currency::parse("EUR").expect("a currency"),
        kind: Kind::Income,
        description: "Many".to_owned(),
        category: Some("Food".to_owned()),
        occurred_at: Timestamp::from_secs(1_700_000_000 + n * 60),
    };
    let ground = &instance.running.app.ground;
    write_many(ground, ada.id().parse().unwrap(), (0..2_600).map(entry).collect(), instance.clock.now()).await.expect("written");
    root.api.post(&format!("/api/v1/admin/users/{}/erase", ada.id()), json!({"reason": "asked for"})).await.expect(202);
    assert_eq!(counts(&instance).await[..2], [1, 600]);
    housekept(&instance).await;
    assert_eq!(counts(&instance).await, [0, 0, 0, 0, 0]);
}

async fn an_export_of_the_person_has_all_of_them(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let owner: uuid::Uuid = ada.id().parse().unwrap();
    let id = made(&ada.api, spent("1", "Deleted", None, MAY)).await;
    ada.api.delete(&at(&id)).await.expect(204);
    let entry = |n: i64| Entry {
        amount: n + 1,
        currency: Currency::parse("EUR").expect("a currency"),
        kind: Kind::Expense,
        description: format!("Number {n}"),
        category: None,
        occurred_at: Timestamp::from_secs(1_700_000_000),
    };
    let app = &instance.running.app;
    write_many(&app.ground, owner, (0..1_003).map(entry).collect(), instance.clock.now()).await.expect("written");
    let holding = keystead::app::holdings().into_iter().find(|holding| holding.name == "transactions").expect("declared");
    let Records::Exported(read) = holding.records else { panic!("it is exported") };
    let mut asked = Asked { person: owner, key: app.ground.keyring.get(owner).await.unwrap(), after: None, now: instance.clock.now() };
    let mut amounts = Vec::new();
    loop {
        let page = read(app, &asked).await.expect("a page");
        amounts.extend(page.records.iter().map(|record| record["amount"].as_str().unwrap().to_owned()));
        match page.next {
            Some(next) => asked.after = Some(next),
            None => break,
        }
    }
    amounts.sort();
    let mut expected: Vec<String> =
        (0..1_003).map(|n| format!("{}.{:02}", (n + 1) / 100, (n + 1) % 100)).chain(["1.00".to_owned()]).collect();
    expected.sort();
    assert_eq!(amounts, expected);
}

async fn two_sweeps_at_once_take_the_same(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let made_all = (0..40).map(|_| made(&ada.api, spent("1", "Many words of bread", Some("Food"), MAY)));
    let ids = futures_util::future::join_all(made_all).await;
    let api = &ada.api;
    futures_util::future::join_all(ids.iter().map(|id| async move { api.delete(&at(id)).await.expect(204) })).await;
    assert_eq!(counts(&instance).await, [1, 40, 160, 1, 0]);
    // Two instances sweep the same.
    let other = instance.second().await;
    instance.advance(Duration::from_secs(91 * 24 * 60 * 60));
    futures_util::future::join(housekept(&instance), housekept(&other)).await;
    assert_eq!(counts(&instance).await[1..], [0, 0, 0, 0]);
}

async fn nothing_personal_is_legible_in_the_store(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let body = json!({"amount": "12.34", "currency": "EUR", "kind": "expense", "description": "Zanzibar cloves", "category": "Quixotry",
        "occurredAt": MAY, "metadata": {"shop": "Xylophone Emporium"}});
    let id = made(&ada.api.with("idempotency-key", "k"), body).await;
    ada.api.patch(&at(&id), json!({"metadata": {"shop": "Yggdrasil Outfitters"}})).await.expect(200);
    let seen = dump(&instance).await;
    assert!(seen.contains("transaction_words") || seen.len() > 4096, "the store was not read");
    for word in ["zanzibar", "cloves", "quixotry", "xylophone", "yggdrasil"] {
        let hex: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!seen.contains(word) && !seen.contains(&hex), "{word} is legible");
    }
}

/// Everything a thief would have, in lower case.
async fn dump(instance: &Instance) -> String {
    let mut all = String::new();
    match instance.ground.store {
        Store::Sqlite => {
            for entry in std::fs::read_dir(instance.ground.data_dir()).unwrap().flatten().filter(|entry| entry.path().is_file()) {
                let bytes = std::fs::read(entry.path()).unwrap();
                all.extend(bytes.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
            }
        }
        Store::Postgres => {
            let (client, connection) = tokio_postgres::connect(&instance.ground.database_url(), tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'";
            for row in client.query(tables, &[]).await.unwrap() {
                let table = row.get::<_, String>(0);
                let rows = client.query(&format!("SELECT t::text FROM \"{table}\" AS t"), &[]).await.unwrap();
                all.push_str(&table);
                rows.iter().for_each(|row| all.push_str(&row.get::<_, String>(0).to_lowercase()));
            }
        }
    }
    all
}

both_stores!(
    a_deleted_one_is_there_until_its_time_is_over,
    a_large_ledger_goes_in_batches,
    an_erased_person_leaves_nothing,
    an_export_of_the_person_has_all_of_them,
    two_sweeps_at_once_take_the_same,
    nothing_personal_is_legible_in_the_store
);
