//! What the sessions slice promises: the rules by themselves, and over HTTP on both stores.

#[path = "tests/activity.rs"]
mod activity;
#[path = "tests/clients.rs"]
mod clients;
#[path = "tests/cookies.rs"]
mod cookies;
#[path = "tests/ending.rs"]
mod ending;
#[path = "tests/instances.rs"]
mod instances;
#[path = "tests/lifetimes.rs"]
mod lifetimes;
#[path = "tests/listing.rs"]
mod listing;
#[path = "tests/outages.rs"]
mod outages;
#[path = "tests/refresh.rs"]
mod refresh;
#[path = "tests/rotation.rs"]
mod rotation;
#[path = "tests/tokens.rs"]
mod tokens;
#[path = "tests/verify.rs"]
mod verify;

use std::time::Duration;

use keystead::db::{Row, Sql};
use serde_json::{Value, json};

use crate::support::{Answer, Client, Instance};

/// A little longer than the default reuse window of ten seconds.
const PAST_THE_WINDOW: Duration = Duration::from_secs(11);

/// Presents a refresh token as a client without cookies does.
async fn refresh(api: &Client, token: &str) -> Answer {
    api.post("/api/v1/auth/refresh", json!({ "refreshToken": token })).await
}

/// Looks behind HTTP.
async fn rows(instance: &Instance, sql: &'static str) -> Vec<Row> {
    instance.running.app.ground.db.query(Sql { sqlite: sql, postgres: sql }, Vec::new()).await.expect("a statement of the test")
}

/// A time of an answer.
fn time(value: &Value) -> keystead::time::Timestamp {
    value.as_str().and_then(keystead::time::Timestamp::parse_rfc3339).unwrap_or_else(|| panic!("{value} is no time"))
}
