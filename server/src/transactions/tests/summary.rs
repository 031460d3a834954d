//! What transactions sum up to.

use serde_json::{Value, json};

use super::{SUMMARY, TRANSACTIONS, at, made, spent};
use crate::support::{Client, Instance, Store, both_stores};

/// (key, currency, income, expense, net, count) of each group.
async fn groups(api: &Client, query: &str) -> Vec<(Value, String, String, String, String, i64)> {
    let answer = api.get(&format!("{SUMMARY}?{query}")).await.expect(200);
    let text = |group: &Value, member: &str| group[member].as_str().unwrap_or_else(|| panic!("no {member}\n{answer}")).to_owned();
    let read = |group: &Value| {
        let key = group["key"].clone();
        let [currency, income, expense, net] = ["currency", "income", "expense", "net"].map(|member| text(group, member));
        (key, currency, income, expense, net, group["count"].as_i64().expect("a count"))
    };
    answer.body["groups"].as_array().expect("groups").iter().map(read).collect()
}

fn group(
    key: impl Into<Value>,
    currency: &str,
    income: &str,
    expense: &str,
    net: &str,
    count: i64,
) -> (Value, String, String, String, String, i64) {
    (key.into(), currency.to_owned(), income.to_owned(), expense.to_owned(), net.to_owned(), count)
}

async fn sums_are_exact_by_month_and_category(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    assert!(groups(&ada.api, "groupBy=month").await.is_empty());
    for (amount, currency, kind, category, at) in [
        ("0.10", "EUR", "expense", Some("Food"), "2026-04-30T23:59:59.999999Z"),
        ("0.20", "EUR", "expense", Some("food"), "2026-05-01T00:00:00Z"),
        ("0.10", "EUR", "expense", Some("Rent"), "2026-05-15T12:00:00Z"),
        ("100", "EUR", "income", None, "2026-05-31T23:59:59Z"),
        ("500", "JPY", "expense", Some("FOOD"), "2026-05-02T00:00:00Z"),
        ("1.250", "KWD", "income", Some("Gift"), "2024-02-29T10:00:00Z"),
    ] {
        let body =
            json!({"amount": amount, "currency": currency, "kind": kind, "category": category, "description": "x", "occurredAt": at});
        made(&ada.api, body).await;
    }
    let months = [
        group("2024-02", "KWD", "1.250", "0.000", "1.250", 1),
        group("2026-04", "EUR", "0.00", "0.10", "-0.10", 1),
        group("2026-05", "EUR", "100.00", "0.30", "99.70", 3),
        group("2026-05", "JPY", "0", "500", "-500", 1),
    ];
    assert_eq!(groups(&ada.api, "groupBy=month").await, months);
    assert_eq!(groups(&ada.api, "").await, months);
    assert_eq!(
        groups(&ada.api, "groupBy=category").await,
        [
            group("Food", "EUR", "0.00", "0.30", "-0.30", 2),
            group("Food", "JPY", "0", "500", "-500", 1),
            group("Gift", "KWD", "1.250", "0.000", "1.250", 1),
            group("Rent", "EUR", "0.00", "0.10", "-0.10", 1),
            group(Value::Null, "EUR", "100.00", "0.00", "100.00", 1),
        ]
    );
    for (period, expected) in [
        ("from=2026-05-01T00:00:00Z&to=2026-06-01T00:00:00Z", vec![3, 1]),
        ("from=2026-05-01T00:00:00.000001Z", vec![2, 1]),
        ("from=2026-04-30T23:59:59.999999Z&to=2026-05-01T00:00:00Z", vec![1]),
        ("from=2026-05-15T11:00:00Z&to=2026-05-15T13:00:00Z", vec![1]),
        ("from=2026-05-15T12:00:00Z&to=2026-05-15T12:00:00Z", vec![]),
        ("from=2026-06-01T00:00:00Z", vec![]),
        ("to=2024-03-01T00:00:00Z", vec![1]),
    ] {
        let counts: Vec<i64> = groups(&ada.api, period).await.into_iter().map(|group| group.5).collect();
        assert_eq!(counts, expected, "{period}");
    }
}

async fn a_name_of_a_category_goes_with_the_last_that_has_it(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let id = made(&ada.api, spent("1", "x", Some("Hobbys"), "2026-05-01T00:00:00Z")).await;
    ada.api.patch(&at(&id), json!({"category": "Hobbies"})).await.expect(200);
    assert_eq!(groups(&ada.api, "groupBy=category").await, [group("Hobbies", "EUR", "0.00", "1.00", "-1.00", 1)]);
    assert_eq!(instance.rows("SELECT category FROM transaction_categories", Vec::new()).await.len(), 1);
}

async fn a_sum_that_cannot_be_counted_is_refused_and_nothing_written(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let most = json!({"amount": "999999999999.9999", "currency": "CLF", "kind": "income", "description": "x", "occurredAt": "2026-05-01T00:00:00Z"});
    let first = made(&ada.api, most.clone()).await;
    // As if there had been 399 of them before.
    let raised = "UPDATE transaction_totals SET income = 3999999999999999600, incomes = 400 WHERE currency = 'CLF'";
    instance.change(raised, Vec::new()).await;
    ada.api.post(TRANSACTIONS, most.clone()).await.expect_problem(409, "conflict");
    ada.api
        .post(
            TRANSACTIONS,
            json!({"amount": "0.0401", "currency": "CLF", "kind": "income", "description": "x", "occurredAt": "2020-05-01T00:00:00Z"}),
        )
        .await
        .expect_problem(409, "conflict");
    ada.api.patch(&at(&first), json!({"description": "Changed"})).await.expect(200);
    let other = json!({"amount": "999999999999.9999", "currency": "CLF", "kind": "expense", "description": "x", "occurredAt": "2026-05-01T00:00:00Z"});
    made(&ada.api, other).await;
    made(
        &ada.api,
        json!({"amount": "0.0400", "currency": "CLF", "kind": "income", "description": "x", "occurredAt": "2026-05-01T00:00:00Z"}),
    )
    .await;
    let summary = groups(&ada.api, "").await;
    assert_eq!(summary, [group("2026-05", "CLF", "400000000000000.0000", "999999999999.9999", "399000000000000.0001", 402)]);
    let listed = ada.api.get(TRANSACTIONS).await.expect(200);
    assert_eq!(super::each(&listed, "id").len(), 3);
}

async fn there_is_an_end_to_categories(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    made(&ada.api, spent("1", "x", Some("First"), "2026-05-01T00:00:00Z")).await;
    let owner = keystead::args![ada.id().parse::<uuid::Uuid>().unwrap()];
    let many = "INSERT INTO transaction_categories (owner_id, category, label)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 499)
        SELECT CAST($1 AS uuid), CAST(CAST(i AS text) AS bytea), CAST('x' AS bytea) FROM n";
    let many_sqlite = "INSERT INTO transaction_categories (owner_id, category, label)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 499)
        SELECT $1, CAST(CAST(i AS text) AS blob), CAST('x' AS blob) FROM n";
    let many = if store == Store::Sqlite { many_sqlite } else { many };
    assert_eq!(instance.change(many, owner).await, 499);
    ada.api.post(TRANSACTIONS, spent("1", "x", Some("One more"), "2026-05-01T00:00:00Z")).await.expect_problem(409, "conflict");
    made(&ada.api, spent("1", "x", Some("FIRST"), "2026-05-01T00:00:00Z")).await;
    made(&ada.api, spent("1", "x", None, "2026-05-01T00:00:00Z")).await;
}

async fn what_nothing_asks_for_is_refused_by_name(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    for (query, field) in
        [("groupBy=week", "groupBy"), ("groupBy=", "groupBy"), ("from=x", "from"), ("to=2026", "to"), ("limit=1", "limit")]
    {
        let answer = ada.api.get(&format!("{SUMMARY}?{query}")).await.expect_problem(400, "invalid_request");
        assert_eq!(answer.body["errors"][0]["field"], field, "{query}");
    }
}

both_stores!(
    a_name_of_a_category_goes_with_the_last_that_has_it,
    a_sum_that_cannot_be_counted_is_refused_and_nothing_written,
    sums_are_exact_by_month_and_category,
    there_is_an_end_to_categories,
    what_nothing_asks_for_is_refused_by_name
);
