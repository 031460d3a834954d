//! Words of descriptions are found although nobody can read them in the store.

use keystead::time::Timestamp;
use keystead::transactions::{Currency, Entry, Kind, write_many};
use serde_json::json;

use super::{TRANSACTIONS, at, each, made, spent, walked};
use crate::support::{Client, Instance, Store, both_stores};

async fn found(api: &Client, query: &str) -> Vec<String> {
    let mut all = walked(api, &format!("limit=2&{query}"), "description").await;
    all.sort();
    all
}

async fn words_are_found_without_case_and_accents(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    for (day, text) in ["Café crème", "Bread, milk & eggs", "CAFE at the station", "東京タワー", "Strom-Rechnung 2026/05", "Хлеб и молоко"]
        .iter()
        .enumerate()
    {
        made(&ada.api, spent("1", text, None, &format!("2026-05-{:02}T00:00:00Z", day + 1))).await;
    }
    for (query, expected) in [
        ("cafe", vec!["CAFE at the station", "Café crème"]),
        ("CAF%C3%89", vec!["CAFE at the station", "Café crème"]),
        ("cafe+station", vec!["CAFE at the station"]),
        ("station+cafe", vec!["CAFE at the station"]),
        ("milk", vec!["Bread, milk & eggs"]),
        ("mil", vec![]),
        ("milk+cafe", vec![]),
        ("rechnung", vec!["Strom-Rechnung 2026/05"]),
        ("strom-rechnung", vec!["Strom-Rechnung 2026/05"]),
        ("%D1%85%D0%9B%D0%95%D0%91", vec!["Хлеб и молоко"]),
        ("%E6%9D%B1%E4%BA%AC", vec!["東京タワー"]),
        ("%E2%80%94%21%3F", vec![]),
        ("%25", vec![]),
        ("'", vec![]),
    ] {
        assert_eq!(found(&ada.api, &format!("query={query}")).await, expected, "{query}");
        for sort in ["amount", "-amount", "createdAt", "-createdAt", "occurredAt"] {
            assert_eq!(found(&ada.api, &format!("query={query}&sort={sort}")).await, expected, "{query} by {sort}");
        }
    }
    assert_eq!(found(&ada.api, "query=").await.len(), 6);
    assert_eq!(found(&ada.api, "query=cafe&to=2026-05-02T00:00:00Z").await, ["Café crème"]);
    assert_eq!(found(&ada.api, "query=cafe&kind=income").await, Vec::<String>::new());
}

async fn the_words_follow_what_is_changed_deleted_and_restored(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, eve) = (instance.signed_up("ada@example.com").await, instance.signed_up("eve@example.com").await);
    let id = made(&ada.api, spent("1", "Fresh bread", None, "2026-05-01T00:00:00Z")).await;
    ada.api.patch(&at(&id), json!({"description": "Fresh milk"})).await.expect(200);
    assert_eq!(found(&ada.api, "query=bread").await, Vec::<String>::new());
    assert_eq!(found(&ada.api, "query=fresh+milk").await, ["Fresh milk"]);
    assert_eq!(found(&eve.api, "query=milk").await, Vec::<String>::new());
    ada.api.delete(&at(&id)).await.expect(204);
    assert_eq!(found(&ada.api, "query=milk").await, Vec::<String>::new());
    assert_eq!(found(&ada.api, "query=milk&includeDeleted=true").await, ["Fresh milk"]);
    ada.api.post(&format!("{}/restore", at(&id)), json!({})).await.expect(200);
    assert_eq!(found(&ada.api, "query=milk").await, ["Fresh milk"]);
}

/// A page looks at a bounded number of rows, and goes on from there.
async fn what_few_have_is_found_among_many(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let entry = |n: i64| Entry {
        amount: n + 1,
        currency: Currency::parse("EUR").expect("a currency"),
        kind: if n == 0 { Kind::Income } else { Kind::Expense },
        description: format!("Common {}", if n % 4000 == 0 { "rare" } else { "word" }),
        category: (n < 2).then(|| "Few".to_owned()),
        occurred_at: Timestamp::from_secs(1_700_000_000 + n),
    };
    let now = instance.clock.now();
    write_many(&instance.running.app.ground, ada.id().parse().unwrap(), (0..5_100).map(entry).collect(), now).await.expect("written");
    let first = ada.api.get(&format!("{TRANSACTIONS}?kind=income")).await.expect(200);
    assert!(each(&first, "id").is_empty() && first.body["nextCursor"].is_string());
    for sort in ["-occurredAt", "occurredAt", "amount", "-amount"] {
        for (query, expected) in
            [("kind=income", 1), ("category=few", 2), ("query=rare", 2), ("query=common+rare", 2), ("query=common+word&kind=income", 0)]
        {
            let found = walked(&ada.api, &format!("sort={sort}&limit=200&{query}"), "amount").await;
            assert_eq!(found.len(), expected, "{query} by {sort}");
        }
    }
    assert_eq!(walked(&ada.api, "query=common&sort=amount&limit=200", "id").await.len(), 5_100);
    assert_eq!(walked(&ada.api, "query=common+word&kind=expense&limit=200", "id").await.len(), 5_098);
}

both_stores!(
    what_few_have_is_found_among_many,
    the_words_follow_what_is_changed_deleted_and_restored,
    words_are_found_without_case_and_accents
);
