//! `keystead jobs` and `keystead stats`, beside a server.

use std::time::Duration;

use keystead::db::Store as Which;
use keystead::jobs::Kind;
use serde_json::{Value, json};

use super::command::{column, keystead};
use crate::support::{Instance, Store, both_stores, database};

const NOTE: Kind = Kind { name: "test.note", max_attempts: 3, lease: Duration::from_secs(60), at_once: None, buried: None };

/// A job of a kind that no worker knows, so that it stays where it is.
async fn note(instance: &Instance) -> String {
    let (jobs, now) = (instance.running.app.ground.jobs.clone(), instance.clock.now());
    instance.running.app.ground.db.write(async move |tx| jobs.enqueue(tx, NOTE, &"a secret", now).await).await.unwrap().to_string()
}

async fn jobs_are_listed_and_tried_again(store: Store) {
    let instance = Instance::start(store).await;
    let (first, second) = (note(&instance).await, note(&instance).await);
    let dead = "UPDATE jobs SET state = 'dead', finished_at = run_at, attempts = 3, last_error = 'the moon is full' WHERE id = $1";
    instance.change(dead, keystead::args![uuid::Uuid::parse_str(&first).unwrap()]).await;
    let list = async |args: &[&str]| keystead(&instance.ground, &[&["jobs", "list", "--json"], args].concat()).await.good().json();
    let ids =
        |listing: &Value| listing["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();

    assert_eq!(ids(&list(&["--kind", "test.note"]).await), [second.clone(), first.clone()]);
    let page = list(&["--kind", "test.note", "--limit", "1"]).await;
    let next = page["nextCursor"].as_str().unwrap().to_owned();
    assert_eq!(ids(&list(&["--kind", "test.note", "--cursor", &next]).await), std::slice::from_ref(&first));
    let found = list(&["--status", "dead"]).await;
    assert_eq!(
        (ids(&found), &found["items"][0]["lastError"], &found["nextCursor"]),
        (vec![first.clone()], &json!("the moon is full"), &Value::Null)
    );
    let table = keystead(&instance.ground, &["jobs", "list", "--status", "dead"]).await.good().stdout;
    assert!(table.starts_with("JOB ") && table.contains("test.note  dead   3 of 3    ") && table.contains("the moon is full"), "{table}");
    keystead(&instance.ground, &["jobs", "list", "--status", "done"]).await;

    let again = keystead(&instance.ground, &["jobs", "retry", &first, "--json"]).await.good().json();
    assert_eq!((&again["job"]["status"], &again["job"]["attempts"]), (&json!("queued"), &json!(0)));
    keystead(&instance.ground, &["jobs", "retry", &first]).await.refused(1, "This job is no dead letter");
    keystead(&instance.ground, &["jobs", "retry", "01920000-0000-7000-8000-000000000000"]).await.refused(1, "There is no job");
    assert_eq!(keystead(&instance.ground, &["jobs", "retry", "one"]).await.code, Some(2));
    let sql = "SELECT actor_type || ' ' || action FROM audit_events WHERE target_type = 'job'";
    assert_eq!(column(&instance.ground, Which::Main, sql).await, ["operator job.retried"]);
    database(&instance.ground, Which::Main).close().await;
}

async fn figures_are_those_of_the_api(store: Store) {
    let instance = Instance::start(store).await;
    let root = crate::oauth::admin(&instance).await;
    instance.registered("ada@example.com").await;
    let told = root.api.get("/api/v1/admin/stats").await.expect(200).body;
    let figures = keystead(&instance.ground, &["stats", "--json"]).await.good().json();
    assert_eq!(
        (&figures["users"], &figures["openSessions"], &figures["lastDay"]),
        (&told["users"], &told["openSessions"], &told["lastDay"])
    );
    let facts = keystead(&instance.ground, &["stats"]).await.good().stdout;
    assert!(facts.contains("Accounts active           1\n") && facts.contains("Accounts pending          1\n"), "{facts}");
}

both_stores!(jobs_are_listed_and_tried_again, figures_are_those_of_the_api);
