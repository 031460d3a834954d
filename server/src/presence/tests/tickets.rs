//! Guesses of tickets, and tickets that nobody uses.

use std::time::Duration;

use serde_json::json;

use super::client::{Opening, Refused, Socket, ticket};
use crate::support::{Instance, Store, both_stores};

fn refused(status: u16, code: &str) -> Refused {
    Refused { status, code: code.to_owned() }
}

async fn guess(instance: &Instance, n: usize) -> Refused {
    Opening::new(instance, &format!("/api/v1/realtime?ticket={n:043}")).open().await.unwrap_err()
}

/// Who guesses has the budget of an anonymous caller, and when that is used up, nothing is looked at any more.
async fn a_flood_of_guesses_is_refused(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__GLOBAL", "10/15m").set("TRUSTED_PROXIES", "127.0.0.1/32").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let good = ticket(&ada).await;
    let from = |path: &str, address: &str| Opening::new(&instance, path).with("x-forwarded-for", address);
    let mut answers = Vec::new();
    for n in 0..30 {
        answers.push(from(&format!("/api/v1/realtime?ticket={n:043}"), "203.0.113.9").open().await.unwrap_err());
    }
    assert_eq!(answers.iter().filter(|answer| **answer == refused(401, "unauthenticated")).count(), 10);
    assert_eq!(answers.iter().filter(|answer| **answer == refused(429, "rate_limited")).count(), 20);
    let path = format!("/api/v1/realtime?ticket={good}");
    assert_eq!(from(&path, "203.0.113.9").open().await.unwrap_err(), refused(429, "rate_limited"));
    from(&path, "203.0.113.10").open().await.unwrap();
}

/// A page that may not open a connection does not use a ticket up.
async fn a_refused_page_uses_nothing_up(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let path = format!("/api/v1/realtime?ticket={}", ticket(&ada).await);
    assert_eq!(Opening::new(&instance, &path).with("origin", "https://evil.example").open().await.unwrap_err(), refused(403, "forbidden"));
    Opening::new(&instance, &path).open().await.unwrap();
}

/// Tickets go a minute after they expired, other codes a day; and a person makes so many.
async fn tickets_do_not_pile_up(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__TICKET", "5/1m").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let rows = async || instance.count("SELECT count(*) FROM codes WHERE purpose = 'realtime_ticket'", vec![]).await;
    let others = async || instance.count("SELECT count(*) FROM codes WHERE purpose <> 'realtime_ticket'", vec![]).await;
    let before = others().await;
    for _ in 0..5 {
        ticket(&ada).await;
    }
    ada.api.post("/api/v1/realtime/ticket", json!({})).await.expect_problem(429, "rate_limited");
    assert_eq!(rows().await, 5);
    instance.running.app.housekeep(instance.advance(Duration::from_secs(60))).await;
    assert_eq!(rows().await, 5, "an instance whose clock is behind may still know them");
    let late = ticket(&ada).await;
    instance.running.app.housekeep(instance.advance(Duration::from_secs(29))).await;
    // The others have expired a minute ago at the earliest.
    assert!(rows().await <= 6);
    drop(late);
    instance.running.app.housekeep(instance.advance(Duration::from_secs(62))).await;
    assert_eq!((rows().await, others().await), (0, before));
}

/// A guess is looked up and not written: a statement that writes would fail here, whether or not it meets a row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guess_writes_nothing() {
    let instance = Instance::start(Store::Postgres).await;
    let ada = instance.signed_up("ada@example.com").await;
    let good = ticket(&ada).await;
    let function = "CREATE FUNCTION refuse_codes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''written''; END'";
    instance.change(function, vec![]).await;
    let trigger = "CREATE TRIGGER refuse_codes BEFORE UPDATE ON codes FOR EACH STATEMENT EXECUTE FUNCTION refuse_codes()";
    instance.change(trigger, vec![]).await;
    for n in 0..5 {
        assert_eq!(guess(&instance, n).await, refused(401, "unauthenticated"));
        let stream = format!("/api/v1/voice/sessions/{}/transcript/stream?ticket={n:043}", ada.session_id());
        instance.get(&stream).await.expect_problem(401, "unauthenticated");
    }
    let path = format!("/api/v1/realtime?ticket={good}");
    assert_eq!(Opening::new(&instance, &path).open().await.unwrap_err().status, 500, "that it would fail is true");
    instance.change("DROP TRIGGER refuse_codes ON codes", vec![]).await;
    let _: Socket = Opening::new(&instance, &path).open().await.unwrap();
}

both_stores!(a_flood_of_guesses_is_refused, a_refused_page_uses_nothing_up, tickets_do_not_pile_up);
