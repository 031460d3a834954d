//! Orders, ties, filters and pages.

use std::time::Duration;

use serde_json::json;

use super::{TRANSACTIONS, each, made, spent, walked};
use crate::support::{Client, Instance, Store, both_stores};

/// Seven transactions: (amount, currency, kind, category, day of May), two of them with ties.
async fn seven(instance: &Instance, api: &Client) -> Vec<String> {
    let mut ids = Vec::new();
    for (amount, currency, kind, category, day) in [
        ("10.00", "EUR", "expense", Some("Food"), 3),
        ("9", "JPY", "expense", Some("food "), 1),
        ("2000", "EUR", "income", Some("Salary"), 5),
        ("10.00", "EUR", "expense", None, 3),
        ("10", "JPY", "expense", Some("FOOD"), 2),
        ("0.5", "KWD", "expense", Some("Café"), 4),
        ("10.00", "USD", "income", None, 3),
    ] {
        let body = json!({"amount": amount, "currency": currency, "kind": kind, "category": category, "description": format!("No {day}"),
            "occurredAt": format!("2026-05-{day:02}T00:00:00Z")});
        ids.push(made(api, body).await);
        // Ids of one millisecond stand in no order.
        instance.advance(Duration::from_millis(2));
    }
    ids
}

async fn every_order_is_whole_and_stable(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let ids = seven(&instance, &ada.api).await;
    let named = |found: Vec<String>| found.iter().map(|id| ids.iter().position(|known| known == id).unwrap()).collect::<Vec<_>>();
    let orders = [
        ("sort=occurredAt", vec![1, 4, 0, 3, 6, 5, 2]),
        ("sort=-occurredAt", vec![2, 5, 6, 3, 0, 4, 1]),
        ("", vec![2, 5, 6, 3, 0, 4, 1]),
        ("sort=amount", vec![5, 1, 0, 3, 4, 6, 2]),
        ("sort=-amount", vec![2, 6, 4, 3, 0, 1, 5]),
        ("sort=createdAt", vec![0, 1, 2, 3, 4, 5, 6]),
        ("sort=-createdAt", vec![6, 5, 4, 3, 2, 1, 0]),
    ];
    for (sort, expected) in orders {
        for limit in [1, 2, 3, 7, 200] {
            assert_eq!(named(walked(&ada.api, &format!("limit={limit}&{sort}"), "id").await), expected, "{sort} by {limit}");
            let filtered = format!("limit={limit}&kind=expense&{sort}");
            let spent: Vec<usize> = expected.iter().copied().filter(|index| ![2, 6].contains(index)).collect();
            assert_eq!(named(walked(&ada.api, &filtered, "id").await), spent, "{filtered}");
        }
    }
}

async fn filters_narrow_together(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let ids = seven(&instance, &ada.api).await;
    for (query, expected) in [
        ("category=food", vec![0, 4, 1]),
        ("category=FOOD&currency=JPY", vec![4, 1]),
        ("category=food&currency=JPY&sort=-amount", vec![4, 1]),
        ("category=food&sort=occurredAt", vec![1, 4, 0]),
        ("category=", vec![6, 3]),
        ("category=caf%C3%A9", vec![5]),
        ("category=cafe", vec![]),
        ("category=nothing", vec![]),
        ("kind=income", vec![2, 6]),
        ("kind=income&currency=EUR", vec![2]),
        ("from=2026-05-03T00:00:00Z", vec![2, 5, 6, 3, 0]),
        ("to=2026-05-03T00:00:00Z", vec![4, 1]),
        ("from=2026-05-03T00:00:00Z&to=2026-05-04T00:00:00Z", vec![6, 3, 0]),
        ("from=2026-05-03T02:00:00%2B02:00&to=2026-05-04T00:00:00Z&kind=expense", vec![3, 0]),
        ("from=2026-05-02T00:00:00Z&to=2026-05-04T00:00:00Z&sort=amount", vec![0, 3, 4, 6]),
        ("from=2026-05-04T00:00:00Z&to=2026-05-04T00:00:00Z", vec![]),
        ("from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z&currency=KWD", vec![5]),
    ] {
        let found = walked(&ada.api, &format!("limit=2&{query}"), "id").await;
        let found: Vec<_> = found.iter().map(|id| ids.iter().position(|known| known == id).unwrap()).collect();
        assert_eq!(found, expected, "{query}");
    }
}

async fn pages_do_not_shift_under_inserts(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    seven(&instance, &ada.api).await;
    let first = ada.api.get(&format!("{TRANSACTIONS}?limit=3")).await.expect(200);
    let shown: Vec<String> = each(&first, "id").into_iter().map(str::to_owned).collect();
    let second = format!("{TRANSACTIONS}?limit=3&cursor={}", first.str("/nextCursor"));
    let before = ada.api.get(&second).await.expect(200);
    made(&ada.api, spent("1", "Newest", None, "2026-06-01T00:00:00Z")).await;
    made(&ada.api, spent("1", "In the first page", None, "2026-05-03T00:00:00.5Z")).await;
    // Nor by what is taken from before, the row that the cursor names included.
    ada.api.delete(&super::at(&shown[2])).await.expect(204);
    let after = ada.api.get(&second).await.expect(200);
    assert_eq!(each(&before, "id"), each(&after, "id"));
}

async fn a_cursor_is_for_its_list_in_its_order(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, eve) = (instance.signed_up("ada@example.com").await, instance.signed_up("eve@example.com").await);
    seven(&instance, &ada.api).await;
    seven(&instance, &eve.api).await;
    let page = ada.api.get(&format!("{TRANSACTIONS}?limit=1")).await.expect(200);
    let cursor = page.str("/nextCursor");
    let refused = [
        (&ada.api, format!("cursor={cursor}&sort=amount")),
        (&ada.api, format!("cursor={cursor}&sort=occurredAt")),
        (&eve.api, format!("cursor={cursor}")),
        (&ada.api, format!("cursor={}", &cursor[1..])),
        (&ada.api, "cursor=".to_owned()),
        (&ada.api, format!("cursor={}", "A".repeat(54))),
    ];
    for (api, query) in refused {
        let answer = api.get(&format!("{TRANSACTIONS}?{query}")).await.expect_problem(400, "invalid_request");
        assert_eq!(answer.field_errors(), ["cursor:invalid"]);
    }
    let swapped = format!("{TRANSACTIONS}?from=2026-05-04T00:00:00Z&to=2026-05-03T00:00:00Z");
    assert_eq!(ada.api.get(&swapped).await.expect_problem(400, "invalid_request").field_errors(), ["to:before_from"]);
}

async fn what_nothing_asks_for_is_refused_by_name(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("sort=description", "sort"),
        ("sort=--amount", "sort"),
        ("sort=", "sort"),
        ("kind=gift", "kind"),
        ("currency=eur", "currency"),
        ("currency=XXX", "currency"),
        ("from=yesterday", "from"),
        ("to=2026-05-01", "to"),
        ("query=a+b+c+d+e+f+g", "query"),
        ("unknown=1", "unknown"),
    ] {
        let answer = ada.api.get(&format!("{TRANSACTIONS}?{query}")).await.expect_problem(400, "invalid_request");
        assert_eq!(answer.body["errors"][0]["field"], field, "{query}");
    }
    for query in ["limit=x", "includeDeleted=1", "sort=amount&sort=amount", "kind=%00"] {
        ada.api.get(&format!("{TRANSACTIONS}?{query}")).await.expect_problem(400, "invalid_request");
    }
}

both_stores!(
    a_cursor_is_for_its_list_in_its_order,
    every_order_is_whole_and_stable,
    filters_narrow_together,
    pages_do_not_shift_under_inserts,
    what_nothing_asks_for_is_refused_by_name
);
