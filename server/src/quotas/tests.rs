//! Quotas over HTTP on both stores, and their arithmetic and calendar by themselves.

#[path = "tests/access.rs"]
mod access;
#[path = "tests/calendar.rs"]
mod calendar;
#[path = "tests/consume.rs"]
mod consume;
#[path = "tests/counter.rs"]
mod counter;
#[path = "tests/days.rs"]
mod days;
#[path = "tests/limits.rs"]
mod limits;
#[path = "tests/parallel.rs"]
mod parallel;
#[path = "tests/process.rs"]
mod process;
#[path = "tests/reserve.rs"]
mod reserve;

use keystead::time::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::support::{Answer, Builder, Client, Instance, Store};

const CONSUME: &str = "/api/v1/quotas/tokens/consume";
const RESERVE: &str = "/api/v1/quotas/tokens/reservations";

/// An instance whose quota `tokens` is `quota`.
fn with_quota(store: Store, quota: &str) -> Builder {
    Instance::builder(store).set("KEYSTEAD_QUOTAS__TOKENS", quota)
}

/// A clock that stands still at an instant.
fn at(time: &str) -> Clock {
    Clock::frozen(Timestamp::parse_rfc3339(time).unwrap())
}

/// Consumes for oneself.
async fn consume(api: &Client, amount: Value) -> Answer {
    api.post(CONSUME, json!({ "amount": amount })).await
}

/// Reserves for oneself; the reservation's id.
async fn reserve(api: &Client, amount: i64) -> String {
    api.post(RESERVE, json!({ "amount": amount })).await.expect(201).str("/reservation/id").to_owned()
}

/// Commits a reservation.
async fn commit(api: &Client, id: &str, amount: i64) -> Answer {
    api.post(&format!("/api/v1/quotas/reservations/{id}/commit"), json!({ "amount": amount })).await
}

/// Releases a reservation.
async fn release(api: &Client, id: &str) -> Answer {
    api.send(http::Method::POST, &format!("/api/v1/quotas/reservations/{id}/release"), None).await
}

/// `(used, reserved, remaining)` of the quota `tokens`.
async fn state(api: &Client) -> (i64, i64, i64) {
    let answer = api.get("/api/v1/quotas").await.expect(200);
    let quota = answer.body["items"].as_array().unwrap().iter().find(|quota| quota["name"] == "tokens").unwrap().clone();
    let number = |name: &str| quota[name].as_i64().unwrap();
    (number("used"), number("reserved"), number("remaining"))
}

/// How often an act is on record.
async fn recorded(instance: &Instance, action: &str) -> usize {
    instance.events().await.iter().filter(|event| event.action == action).count()
}
