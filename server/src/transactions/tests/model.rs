//! Summaries and lists against a model: whatever is written, changed, deleted and restored, in whatever order.

use std::collections::BTreeMap;

use keystead::time::Timestamp;
use keystead::transactions::Currency;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::{SUMMARY, at, made, walked};
use crate::support::{Client, Instance, Store, both_stores};

const CURRENCIES: [&str; 4] = ["EUR", "JPY", "KWD", "CLF"];
const CATEGORIES: [Option<&str>; 4] = [None, Some("Food"), Some("Rent"), Some("Café")];

#[derive(Clone, Debug)]
struct Row {
    id: String,
    currency: &'static str,
    minor: i64,
    income: bool,
    category: Option<&'static str>,
    at: Timestamp,
    deleted: bool,
}

/// Somewhere in five months, now and then on the very edge of a day or a month.
fn instant(random: &mut StdRng) -> Timestamp {
    const JANUARY: i64 = 1_767_225_600;
    let day = JANUARY + 86_400 * random.random_range(0..150);
    match random.random_range(0..4) {
        0 => Timestamp::from_secs(day),
        1 => Timestamp::from_micros(day * 1_000_000 - 1),
        _ => Timestamp::from_micros(day * 1_000_000 + random.random_range(0..86_400_000_000)),
    }
}

fn row(random: &mut StdRng) -> Row {
    Row {
        id: String::new(),
        currency: CURRENCIES[random.random_range(0..4)],
        minor: random.random_range(1..1_000_000),
        income: random.random_range(0..2) == 0,
        category: CATEGORIES[random.random_range(0..4)],
        at: instant(random),
        deleted: false,
    }
}

fn currency(code: &str) -> Currency {
    Currency::parse(code).expect("a currency")
}

fn body(row: &Row) -> Value {
    json!({"amount": currency(row.currency).print(row.minor), "currency": row.currency, "kind": if row.income { "income" } else { "expense" },
        "category": row.category, "occurredAt": row.at.to_rfc3339(), "description": "x"})
}

/// What a group is told by: whether it is that of no key, its key, its currency; in the order of the answer.
type Key<'r> = (bool, Option<String>, &'r str);
/// Income, expense and number of a group.
type Sum = (i64, i64, i64);

/// What the answer must be.
fn expected(rows: &[Row], from: Timestamp, to: Timestamp, by_category: bool) -> Vec<Value> {
    let mut sums: BTreeMap<Key<'_>, Sum> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.deleted && (from..to).contains(&row.at)) {
        let key = if by_category { row.category.map(str::to_owned) } else { Some(row.at.to_rfc3339()[..7].to_owned()) };
        let sum = sums.entry((key.is_none(), key, row.currency)).or_default();
        *(if row.income { &mut sum.0 } else { &mut sum.1 }) += row.minor;
        sum.2 += 1;
    }
    let group = |((_, key, code), (income, expense, count)): (Key<'_>, Sum)| {
        let print = |minor| currency(code).print(minor);
        json!({"key": key, "currency": code, "income": print(income), "expense": print(expense), "net": print(income - expense), "count": count})
    };
    sums.into_iter().map(group).collect()
}

async fn agrees(api: &Client, rows: &[Row], random: &mut StdRng) {
    let (one, other) = (instant(random), instant(random));
    let whole = (Timestamp::from_secs(0), Timestamp::from_secs(4_000_000_000));
    for (from, to) in [whole, (one.min(other), one.max(other)), (one, one), (whole.0, one), (one, whole.1)] {
        let period = format!("from={}&to={}", from.to_rfc3339(), to.to_rfc3339());
        for (by, by_category) in [("month", false), ("category", true)] {
            let answer = api.get(&format!("{SUMMARY}?groupBy={by}&{period}")).await.expect(200);
            assert_eq!(answer.body["groups"], Value::Array(expected(rows, from, to, by_category)), "{by} {period}");
        }
    }
}

async fn summaries_are_the_sums_of_what_is_there(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let random = &mut StdRng::seed_from_u64(20_260_501);
    let mut rows: Vec<Row> = Vec::new();
    for step in 0..240 {
        let index = if rows.is_empty() { 0 } else { random.random_range(0..rows.len()) };
        match random.random_range(0..10) {
            3..=5 if !rows.is_empty() && !rows[index].deleted => {
                let next = Row { id: rows[index].id.clone(), ..row(random) };
                ada.api.patch(&at(&next.id), body(&next)).await.expect(200);
                rows[index] = next;
            }
            6 | 7 if !rows.is_empty() && !rows[index].deleted => {
                ada.api.delete(&at(&rows[index].id)).await.expect(204);
                rows[index].deleted = true;
            }
            8 if !rows.is_empty() && rows[index].deleted => {
                ada.api.post(&format!("{}/restore", at(&rows[index].id)), json!({})).await.expect(200);
                rows[index].deleted = false;
            }
            _ => {
                let mut new = row(random);
                new.id = made(&ada.api, body(&new)).await;
                rows.push(new);
            }
        }
        if step % 30 == 29 {
            agrees(&ada.api, &rows, random).await;
        }
    }
    // No sum of nothing stays, and lists have what the model has.
    let empty = instance.rows("SELECT start FROM transaction_totals WHERE incomes <= 0 AND expenses <= 0", Vec::new()).await;
    assert!(empty.is_empty());
    let mut live: Vec<&Row> = rows.iter().filter(|row| !row.deleted).collect();
    live.sort_by_key(|row| (row.at, uuid::Uuid::parse_str(&row.id).unwrap()));
    let ids: Vec<&str> = live.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(walked(&ada.api, "sort=occurredAt&limit=17", "id").await, ids);
    let food: Vec<&str> = live.iter().filter(|row| row.category == Some("Food") && row.income).map(|row| row.id.as_str()).collect();
    assert_eq!(walked(&ada.api, "sort=occurredAt&limit=3&category=food&kind=income", "id").await, food);
}

both_stores!(summaries_are_the_sums_of_what_is_there);
