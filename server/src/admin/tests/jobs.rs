//! The queue over HTTP.

use futures_util::future::join_all;
use http::Method;
use keystead::args;
use keystead::jobs::Kind;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

use super::{admin, with_scopes};
use crate::support::{Answer, Instance, SignedIn, Store, both_stores, eventually};

const JOBS: &str = "/api/v1/admin/jobs";
/// Nobody handles it: it stays where it is put.
const NOTE: Kind = Kind { name: "test.note", max_attempts: 3, lease: Duration::from_secs(60), at_once: None, buried: None };
const OTHER: Kind = Kind { name: "test.other", ..NOTE };

/// A job that is due in an hour.
async fn queued(instance: &Instance, kind: Kind) -> Uuid {
    // Ids of one millisecond stand in no order.
    instance.advance(Duration::from_millis(1));
    let (jobs, at) = (instance.running.app.ground.jobs.clone(), instance.clock.now().plus(Duration::from_secs(3_600)));
    let work = async move |tx: &mut keystead::db::Tx| jobs.enqueue(tx, kind, &json!({"secret": "of-ada@example.com"}), at).await;
    instance.running.app.ground.db.write(work).await.unwrap()
}

/// One that failed for good.
async fn dead(instance: &Instance, kind: Kind) -> Uuid {
    let id = queued(instance, kind).await;
    let sql = "UPDATE jobs SET state = 'dead', attempts = 3, finished_at = $2, last_error = 'the moon is full' WHERE id = $1";
    assert_eq!(instance.change(sql, args![id, instance.clock.now()]).await, 1);
    id
}

async fn listed(by: &SignedIn, query: &str) -> Vec<String> {
    let answer = by.api.get(&format!("{JOBS}{query}")).await.expect(200);
    answer.body["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

async fn retry(by: &SignedIn, id: Uuid) -> Answer {
    by.api.send(Method::POST, &format!("{JOBS}/{id}/retry"), None).await
}

async fn the_queue_is_listed_by_status_and_kind(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    eventually("the letters to be sent", async || listed(&root, "").await.is_empty().then_some(())).await;
    let (a, b, c) = (dead(&instance, NOTE).await, queued(&instance, NOTE).await, dead(&instance, OTHER).await);
    let [a, b, c] = [a, b, c].map(|id| id.to_string());
    assert_eq!(listed(&root, "").await, [c.clone(), b.clone(), a.clone()]);
    assert_eq!(listed(&root, "?status=dead").await, [c.clone(), a.clone()]);
    assert_eq!(listed(&root, "?status=queued").await, std::slice::from_ref(&b));
    assert_eq!(listed(&root, "?kind=test.note").await, [b.clone(), a.clone()]);
    assert_eq!(listed(&root, "?kind=test.note&status=dead").await, std::slice::from_ref(&a));
    assert_eq!(listed(&root, "?kind=test.note&status=queued").await, std::slice::from_ref(&b));
    assert_eq!(listed(&root, "?kind=test.nothing").await, Vec::<String>::new());
    let page = root.api.get(&format!("{JOBS}?limit=1")).await.expect(200);
    let next = page.str("/nextCursor");
    assert_eq!(listed(&root, &format!("?limit=2&cursor={next}")).await, [b, a.clone()]);

    let answer = root.api.get(&format!("{JOBS}?status=dead&kind=test.note")).await.expect(200);
    let job = &answer.body["items"][0];
    assert_eq!((&job["kind"], &job["status"], &job["running"]), (&json!("test.note"), &json!("dead"), &json!(false)));
    assert_eq!((&job["attempts"], &job["maxAttempts"], &job["lastError"]), (&json!(3), &json!(3), &json!("the moon is full")));
    assert!(!answer.text.contains("payload") && !answer.text.contains("ada@"), "what a job is about is nobody's business: {answer}");
}

async fn odd_questions_are_refused(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    for query in ["status=running", "status=", "status=dead'--", "kind=", "kind=%00", "state=dead", "limit=0", "cursor=x"] {
        root.api.get(&format!("{JOBS}?{query}")).await.expect_problem(400, "invalid_request");
    }
    let long = "k".repeat(65);
    root.api.get(&format!("{JOBS}?kind={long}")).await.expect_problem(400, "invalid_request");
    assert_eq!(listed(&root, "?kind=%27%20OR%20%271%27%3D%271").await, Vec::<String>::new());
}

async fn a_dead_letter_is_tried_again_once(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let id = dead(&instance, NOTE).await;
    let answers = join_all((0..8).map(|_| retry(&root, id))).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(done.len(), 1, "of several at the same moment one does it");
    let job = &done[0].body["job"];
    assert_eq!((&job["id"], &job["status"], &job["attempts"]), (&json!(id.to_string()), &json!("queued"), &json!(0)));
    for answer in refused {
        answer.expect_problem(409, "conflict");
    }
    let events: Vec<_> = instance.events().await.into_iter().filter(|event| event.action == "job.retried").collect();
    assert_eq!(events.len(), 1);
    let details: Value = serde_json::from_str(&events[0].details).unwrap();
    assert_eq!((events[0].target_type.as_str(), events[0].target, &details), ("job", Some(id), &json!({"kind": "test.note"})));
    assert_eq!((events[0].actor_type.as_str(), events[0].actor.unwrap().to_string().as_str()), ("user", root.id()));
}

async fn only_a_dead_letter_is_tried_again(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let waits = queued(&instance, NOTE).await;
    retry(&root, waits).await.expect_problem(409, "conflict");
    retry(&root, Uuid::nil()).await.expect_problem(404, "not_found");
    root.api.send(Method::POST, &format!("{JOBS}/no-id/retry"), None).await.expect_problem(404, "not_found");
    assert!(instance.events().await.iter().all(|event| event.action != "job.retried"));
}

/// Whoever may look may not act, and the other way round.
async fn looking_and_trying_again_are_two_scopes(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let id = dead(&instance, NOTE).await;
    let looks = with_scopes(&instance, &root, "looks@example.com", "looks", &["jobs:read"]).await;
    let acts = with_scopes(&instance, &root, "acts@example.com", "acts", &["jobs:write"]).await;
    retry(&looks, id).await.expect_problem(403, "insufficient_scope");
    acts.api.get(JOBS).await.expect_problem(403, "insufficient_scope");
    assert_eq!(listed(&looks, "?status=dead").await, [id.to_string()]);
    retry(&acts, id).await.expect(200);
}

both_stores!(
    a_dead_letter_is_tried_again_once,
    looking_and_trying_again_are_two_scopes,
    odd_questions_are_refused,
    only_a_dead_letter_is_tried_again,
    the_queue_is_listed_by_status_and_kind
);
