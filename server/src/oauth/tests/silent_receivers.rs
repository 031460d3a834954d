//! Clients that hang, fail or are away: they hold up nobody, every instance leaves them alone, and they are told in the end.

use std::time::Duration;

use http::Method;
use keystead::args;
use keystead::oauth::{Cost, pause};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::backchannel::{Receiver, queued, told};
use super::id_token::let_in;
use crate::support::{Instance, SignedIn, Store, both_stores, eventually};

/// Opens sessions of `ada` at `client`, and ends all of hers.
async fn ended_sessions(instance: &Instance, client: &str, ada: &SignedIn, count: usize) {
    for _ in 0..count {
        let_in(instance, client, ada).await;
    }
    ada.api.send(Method::POST, "/api/v1/auth/logout-all", None).await.expect(204);
}

/// Where nobody listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/backchannel", listener.local_addr().unwrap())
}

async fn actions(instance: &Instance, client: &str) -> Vec<String> {
    let of_client = |target: Option<uuid::Uuid>| target.is_some_and(|id| id.to_string() == client);
    let events = instance.events().await.into_iter().filter(|event| of_client(event.target));
    events.map(|event| event.action).filter(|action| ["client.left_alone", "client.answers_again"].contains(&action.as_str())).collect()
}

/// A client that takes connections and never answers holds its own places and no others: mail goes out while it hangs.
async fn mail_goes_out_while_a_client_hangs(store: Store) {
    let instance = Instance::start(store).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = told(&instance, "Shop", &format!("http://{}/backchannel", listener.local_addr().unwrap())).await;
    let ada = instance.signed_up("ada@example.com").await;
    ended_sessions(&instance, &client, &ada, 12).await;
    let mut hanging: Vec<TcpStream> = Vec::new();
    for _ in 0..2 {
        hanging.push(tokio::time::timeout(Duration::from_secs(5), listener.accept()).await.expect("nobody called").unwrap().0);
    }
    instance.post("/api/v1/auth/password/forgot", json!({"email": "ada@example.com"})).await.expect(202);
    instance.mail_to("ada@example.com").await.link();
    let held = "SELECT count(*) FROM jobs WHERE kind = 'oauth.backchannel_logout' AND lease_owner IS NOT NULL";
    assert_eq!((instance.count(held, args![]).await, queued(&instance, "queued").await), (2, 12));
    let more = tokio::time::timeout(Duration::from_millis(20), listener.accept()).await;
    assert!(more.is_err(), "no third place is taken");
}

/// One failure is enough for a client that is not there: what it is to be told waits, on every instance, and costs no attempt.
async fn a_client_that_is_away_is_left_alone_by_every_instance(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let client = told(&instance, "Shop", &nowhere().await).await;
    let ada = instance.signed_up("ada@example.com").await;
    let_in(&instance, &client, &ada).await;
    ada.api.send(Method::POST, "/api/v1/auth/logout-all", None).await.expect(204);
    let sql = "SELECT last_error FROM jobs WHERE kind = 'oauth.backchannel_logout' AND last_error IS NOT NULL AND attempts > 0";
    let error =
        eventually("the failure", async || instance.rows(sql, args![]).await.first().map(|row| row.get::<String>(0).unwrap())).await;
    assert!(error.starts_with("the client does not answer: "), "{error}");

    let ada = second.signed_in("ada@example.com").await;
    ended_sessions(&second, &client, &ada, 5).await;
    let sql = "SELECT count(*) FROM jobs WHERE kind = 'oauth.backchannel_logout' AND attempts = 0 AND last_error LIKE '%left alone until%'";
    eventually("five that wait", async || (instance.count(sql, args![]).await == 5).then_some(())).await;
    assert!(instance.metric("keystead_backchannel_logouts_total", &["left_alone"]).await >= 5.0);
    assert_eq!(actions(&instance, &client).await, ["client.left_alone"]);
}

/// It comes back: everything that waited is told, and the trail says from when to when it was left alone.
async fn a_client_that_comes_back_is_told_all(store: Store) {
    let instance = Instance::start(store).await;
    let client = told(&instance, "Shop", &nowhere().await).await;
    let ada = instance.signed_up("ada@example.com").await;
    ended_sessions(&instance, &client, &ada, 3).await;
    eventually("it is left alone", async || (actions(&instance, &client).await == ["client.left_alone"]).then_some(())).await;
    let held = "SELECT count(*) FROM jobs WHERE kind = 'oauth.backchannel_logout' AND lease_owner IS NULL AND last_error IS NOT NULL";
    eventually("all to wait", async || (instance.count(held, args![]).await == 3).then_some(())).await;

    // Another address is another receiver: it is called at once, whatever the old one did.
    let receiver = Receiver::start(&[]).await;
    let root = instance.signed_in("root@example.com").await;
    let path = format!("/api/v1/admin/clients/{client}");
    let read = root.api.get(&path).await.expect(200);
    let patch = json!({"backchannelLogoutUri": receiver.address});
    root.api.with("if-match", read.header("etag").unwrap()).patch(&path, patch).await.expect(200);
    instance.advance(Duration::from_secs(30));
    instance.running.app.ground.jobs.wake();
    eventually("the queue to be empty", async || (queued(&instance, "queued").await == 0).then_some(())).await;
    assert_eq!(receiver.got().len(), 3);
    assert_eq!(instance.count("SELECT count(*) FROM oauth_silent_receivers", args![]).await, 0);
}

/// The third refusal in a row opens it; a token that is taken closes it again.
async fn a_client_that_refuses_is_left_alone_from_the_third_time(store: Store) {
    let instance = Instance::start(store).await;
    let receiver = Receiver::start(&[500, 503, 500]).await;
    let client = told(&instance, "Shop", &receiver.address).await;
    let ada = instance.signed_up("ada@example.com").await;
    ended_sessions(&instance, &client, &ada, 1).await;
    for attempt in 1..4_i64 {
        let sql = "SELECT count(*) FROM jobs WHERE kind = 'oauth.backchannel_logout' AND attempts = $1 AND lease_owner IS NULL";
        eventually("the failure to be recorded", async || (instance.count(sql, args![attempt]).await == 1).then_some(())).await;
        let expected: &[&str] = if attempt < 3 { &[] } else { &["client.left_alone"] };
        assert_eq!(actions(&instance, &client).await, expected, "after {attempt}");
        instance.advance(Duration::from_secs(60));
        instance.running.app.ground.jobs.wake();
    }
    eventually("the job to be done", async || (queued(&instance, "queued").await == 0).then_some(())).await;
    eventually("it is forgiven", async || (actions(&instance, &client).await.len() == 2).then_some(())).await;
    let events = instance.events().await;
    let again = events.iter().find(|event| event.action == "client.answers_again").unwrap();
    let details: Value = serde_json::from_str(&again.details).unwrap();
    assert!(details["seconds"].as_i64().unwrap() >= 60, "{details}");
}

/// A client that is away for hours is given up: a dead letter waits for a person.
async fn a_client_that_stays_away_is_given_up(store: Store) {
    let instance = Instance::start(store).await;
    let client = told(&instance, "Shop", &nowhere().await).await;
    let ada = instance.signed_up("ada@example.com").await;
    ended_sessions(&instance, &client, &ada, 1).await;
    eventually("it is left alone", async || (!actions(&instance, &client).await.is_empty()).then_some(())).await;
    let now = instance.clock.now().plus(Duration::from_secs(30 * 24 * 60 * 60));
    instance.change("UPDATE oauth_silent_receivers SET silent_until = $1", args![now]).await;
    instance.advance(Duration::from_secs(6 * 60 * 60 + 60));
    instance.running.app.ground.jobs.wake();
    eventually("a dead letter", async || (queued(&instance, "dead").await == 1).then_some(())).await;
    let error: String = instance.rows("SELECT last_error FROM jobs WHERE state = 'dead'", args![]).await[0].get(0).unwrap();
    assert_eq!(error, "the client has failed for hours and is left alone");
}

both_stores!(
    mail_goes_out_while_a_client_hangs,
    a_client_that_is_away_is_left_alone_by_every_instance,
    a_client_that_comes_back_is_told_all,
    a_client_that_refuses_is_left_alone_from_the_third_time,
    a_client_that_stays_away_is_given_up,
);

#[test]
fn the_while_doubles_up_to_ten_minutes() {
    let seconds = |cost| (1..=9).map(|failures| pause(failures, cost).map_or(0, |pause| pause.as_secs())).collect::<Vec<_>>();
    assert_eq!(seconds(Cost::Waited), [10, 20, 40, 80, 160, 320, 600, 600, 600]);
    assert_eq!(seconds(Cost::Answered), [0, 0, 40, 80, 160, 320, 600, 600, 600]);
    assert_eq!(seconds(Cost::Slow), [0, 0, 10, 10, 10, 10, 10, 10, 10]);
    assert_eq!(pause(u32::MAX, Cost::Waited), Some(Duration::from_secs(600)));
}
