//! Transactions over HTTP, on both stores; money as a pure rule.

#[path = "tests/admin.rs"]
mod admin;
#[path = "tests/ceiling.rs"]
mod ceiling;
#[path = "tests/changes.rs"]
mod changes;
#[path = "tests/erasure.rs"]
mod erasure;
#[path = "tests/guards.rs"]
mod guards;
#[path = "tests/hostile.rs"]
mod hostile;
#[path = "tests/lists.rs"]
mod lists;
#[path = "tests/model.rs"]
mod model;
#[path = "tests/money.rs"]
mod money;
#[path = "tests/repeats.rs"]
mod repeats;
#[path = "tests/search.rs"]
mod search;
#[path = "tests/summary.rs"]
mod summary;

use serde_json::{Value, json};

use crate::support::{Answer, Client};

const TRANSACTIONS: &str = "/api/v1/transactions";
const SUMMARY: &str = "/api/v1/transactions/summary";

/// A transaction in euros.
fn spent(amount: &str, description: &str, category: Option<&str>, at: &str) -> Value {
    json!({"amount": amount, "currency": "EUR", "kind": "expense", "description": description, "category": category, "occurredAt": at})
}

/// Writes one down; its id.
async fn made(api: &Client, body: Value) -> String {
    api.post(TRANSACTIONS, body).await.expect(201).str("/transaction/id").to_owned()
}

fn at(id: &str) -> String {
    format!("{TRANSACTIONS}/{id}")
}

/// One member of every row of a list.
fn each<'a>(answer: &'a Answer, member: &str) -> Vec<&'a str> {
    let items = answer.body["items"].as_array().expect("a list");
    items.iter().map(|item| item[member].as_str().unwrap_or_else(|| panic!("no {member}\n{answer}"))).collect()
}

/// One member of every row of all pages.
async fn walked(api: &Client, query: &str, member: &str) -> Vec<String> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{TRANSACTIONS}?{query}{cursor}")).await.expect(200);
        seen.extend(each(&page, member).into_iter().map(str::to_owned));
        match page.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return seen,
        }
    }
}
