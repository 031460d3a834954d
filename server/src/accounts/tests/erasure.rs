//! Whoever cannot be erased keeps nobody else from it, and whoever has very much is erased piece by piece.

use std::time::Duration;

use keystead::accounts::{By, Emptied};
use keystead::args;
use keystead::audit::Actor;
use keystead::db::DbError;
use keystead::{exports, quotas, sessions, transcripts};
use uuid::Uuid;

use crate::support::{Instance, SignedIn, Store, both_stores};

const LATER: Duration = Duration::from_secs(31 * 24 * 60 * 60);

fn id(person: &SignedIn) -> Uuid {
    person.id().parse().unwrap()
}

async fn deleted(instance: &Instance, email: &str) -> Uuid {
    let person = id(&instance.signed_up(email).await);
    instance.running.app.lifecycle.delete(person, By::of(Actor::Operator), instance.clock.now()).await.unwrap();
    person
}

/// Something refers to `person` that is not taken along, so their row cannot go.
async fn obstructed(instance: &Instance, person: Uuid) {
    instance.change("CREATE TABLE obstacles (user_id uuid REFERENCES users (id))", vec![]).await;
    instance.change("INSERT INTO obstacles (user_id) VALUES ($1)", args![person]).await;
}

async fn is_there(instance: &Instance, person: Uuid) -> bool {
    instance.count("SELECT count(*) FROM users WHERE id = $1", args![person]).await == 1
}

async fn whoever_cannot_be_erased_holds_nobody_up(store: Store) {
    let instance = Instance::start(store).await;
    let ada = deleted(&instance, "ada@example.com").await;
    instance.advance(Duration::from_secs(60));
    let bob = deleted(&instance, "bob@example.com").await;
    obstructed(&instance, ada).await;
    let now = instance.advance(LATER);
    let old = now.minus(Duration::from_secs(60));
    let key = "INSERT INTO idempotency_keys (scope, request, created_at, expires_at) VALUES ($1, $1, $2, $2)";
    instance.change(key, args![vec![1_u8; 32], old]).await;
    let failed = instance.running.app.sweep(now).await.expect_err("one could not be erased");
    assert_eq!(failed.to_string(), "not done: erasures");
    assert!(is_there(&instance, ada).await && !is_there(&instance, bob).await);
    assert_eq!(instance.count("SELECT count(*) FROM idempotency_keys", vec![]).await, 0, "the purges had their turn");
    // Whose time comes later has their turn before those who could not be erased, however many those are.
    let cyd = deleted(&instance, "cyd@example.com").await;
    let due = keystead::accounts::store::due_for_erasure(&instance.running.app.ground.db, instance.advance(LATER), 1).await.unwrap();
    assert_eq!(due, [cyd]);
    // Once nothing is in the way any more, the sweep mends it by itself.
    instance.change("DELETE FROM obstacles", vec![]).await;
    instance.running.app.sweep(instance.clock.now()).await.expect("everything");
    assert!(!is_there(&instance, ada).await && !is_there(&instance, cyd).await);
    let erased = "SELECT count(*) FROM audit_events WHERE action = 'user.erased' AND target_id = $1";
    assert_eq!(instance.count(erased, args![ada]).await, 1, "on record once, when it was true");
}

async fn a_step_that_fails_holds_no_other_up(store: Store) {
    let instance = Instance::start(store).await;
    let ada = deleted(&instance, "ada@example.com").await;
    for table in ["codes", "oauth_device_requests"] {
        let rename: &'static str = format!("ALTER TABLE {table} RENAME TO {table}_away").leak();
        instance.change(rename, vec![]).await;
    }
    let now = instance.advance(LATER);
    let key = "INSERT INTO idempotency_keys (scope, request, created_at, expires_at) VALUES ($1, $1, 0, 0)";
    instance.change(key, args![vec![1_u8; 32]]).await;
    let failed = instance.running.app.sweep(now).await.expect_err("two tables are away");
    assert_eq!(failed.to_string(), "not done: erasures, codes, tickets, device requests");
    assert!(is_there(&instance, ada).await, "losing access voids codes, so this failed, too");
    assert_eq!(instance.count("SELECT count(*) FROM idempotency_keys", vec![]).await, 0);
}

/// Gives `person` 2,500 segments, 150 parts of a file, 2,500 days and a session more than they have.
async fn with_much(instance: &Instance, person: Uuid) {
    let now = instance.clock.now();
    let talk = Uuid::from_u128(7);
    let begin = "INSERT INTO voice_sessions (id, owner_id, created_at, last_active_at, ends_at) VALUES ($1, $2, $3, $3, $3)";
    instance.change(begin, args![talk, person, now]).await;
    instance.change("INSERT INTO transcripts (voice_session_id, position, last_at) VALUES ($1, 2500, $2)", args![talk, now]).await;
    let segments = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
        INSERT INTO transcript_segments (voice_session_id, seq, position, is_final, start_ms, end_ms, content, received_at)
        SELECT t.voice_session_id, i, i, TRUE, 0, 0, u.email_index, t.last_at FROM n, transcripts t, users u WHERE u.id = $1";
    instance.change(segments, args![person]).await;
    let export = "INSERT INTO exports (id, user_id, kind, format, wish, status, rows_done, bytes, created_at, updated_at, finished_at)
        VALUES ($1, $2, 'account', 'json', $3, 'ready', 0, 0, $4, $4, $4)";
    instance.change(export, args![talk, person, vec![0_u8], now]).await;
    let parts = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
        INSERT INTO export_chunks (export_id, run, number, sealed) SELECT e.id, e.id, i, e.wish FROM n, exports e";
    instance.change(parts, vec![]).await;
    let days = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
        INSERT INTO quota_days (user_id, quota, day, used, day_limit) SELECT u.id, 'tokens', i, 1, 1 FROM n, users u WHERE u.id = $1";
    instance.change(days, args![person]).await;
}

const MUCH: [&str; 4] = [
    "SELECT count(*) FROM transcript_segments",
    "SELECT count(*) FROM export_chunks",
    "SELECT count(*) FROM quota_days",
    "SELECT count(*) FROM sessions",
];

async fn much(instance: &Instance) -> Vec<i64> {
    let mut counts = Vec::new();
    for count in MUCH {
        counts.push(instance.count(count, vec![]).await);
    }
    counts
}

async fn one_batch(instance: &Instance, slice: &'static dyn Emptied, person: Uuid) -> bool {
    let db = &instance.running.app.ground.db;
    db.write(async move |tx| slice.empty(tx, person).await).await.map_err(|error: DbError| error.to_string()).expect("a batch")
}

async fn whoever_has_very_much_is_erased_in_batches(store: Store) {
    let instance = Instance::start(store).await;
    let ada = deleted(&instance, "ada@example.com").await;
    with_much(&instance, ada).await;
    let before = much(&instance).await;
    assert_eq!(before[..3], [2_500, 150, 2_500]);
    // A transaction takes its batch and no more.
    assert!(one_batch(&instance, &transcripts::Erased, ada).await);
    assert!(one_batch(&instance, &exports::Erasures, ada).await);
    assert!(one_batch(&instance, &quotas::Erased, ada).await);
    assert_eq!(much(&instance).await[..3], [1_500, 86, 1_500]);
    assert!(!one_batch(&instance, &sessions::Erased, ada).await);
    assert_eq!(much(&instance).await[3], 0);
    // The transaction that takes the row fails and is undone: whatever is gone afterwards went before it.
    obstructed(&instance, ada).await;
    let now = instance.advance(LATER);
    instance.running.app.sweep(now).await.expect_err("the row stays");
    assert!(is_there(&instance, ada).await);
    assert_eq!(much(&instance).await, [0, 0, 0, 0]);
    instance.change("DELETE FROM obstacles", vec![]).await;
    instance.running.app.sweep(now).await.expect("everything");
    assert!(!is_there(&instance, ada).await);
}

/// Purges take a batch at a time and all of it in the end.
async fn a_purge_takes_all_of_it(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up("ada@example.com").await;
    let days = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
        INSERT INTO quota_days (user_id, quota, day, used, day_limit) SELECT u.id, 'tokens', i, 1, 1 FROM n, users u";
    instance.change(days, vec![]).await;
    let db = &instance.running.app.ground.db;
    for n in 0..12_u8 {
        let key = "INSERT INTO idempotency_keys (scope, request, created_at, expires_at) VALUES ($1, $1, 0, 0)";
        instance.change(key, args![vec![n; 32]]).await;
    }
    assert_eq!(keystead::idempotency::purge(db, instance.clock.now(), 5).await.unwrap(), 5);
    instance.running.app.sweep(instance.clock.now()).await.expect("everything");
    assert_eq!(instance.count("SELECT count(*) FROM idempotency_keys", vec![]).await, 0);
    assert_eq!(instance.count("SELECT count(*) FROM quota_days", vec![]).await, 0);
}

both_stores!(
    whoever_cannot_be_erased_holds_nobody_up,
    a_step_that_fails_holds_no_other_up,
    whoever_has_very_much_is_erased_in_batches,
    a_purge_takes_all_of_it,
);
