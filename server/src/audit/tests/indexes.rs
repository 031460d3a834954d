//! P9: however long the trail is, a search reads an index, whatever it is narrowed by; and however much waits, so does sealing.

use keystead::args;
use keystead::audit::STATEMENTS;
use keystead::db::{Sql, Value};
use keystead::time::Timestamp;
use uuid::Uuid;

use crate::support::{Instance, Store, both_stores};

const FILL: Sql = Sql {
    sqlite: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO audit_events (id, at, actor_type, actor_id, action, target_type, target_id, outcome, details, seq, previous_hash, hash)
        SELECT randomblob(16), i, 'user', randomblob(16), 'act.' || (i % 50), 'user', randomblob(16), CASE WHEN i % 40 = 0 THEN 'denied' ELSE 'success' END,
            '{}', i + 1000000, NULL, NULL FROM n",
    postgres: "INSERT INTO audit_events (id, at, actor_type, actor_id, action, target_type, target_id, outcome, details, seq, previous_hash, hash)
        SELECT gen_random_uuid(), i, 'user', gen_random_uuid(), 'act.' || (i % 50), 'user', gen_random_uuid(),
            CASE WHEN i % 40 = 0 THEN 'denied' ELSE 'success' END, '{}', i + 1000000, NULL, NULL FROM generate_series(1, 20000) AS i",
};
const ANALYSE: Sql = Sql { sqlite: "ANALYZE", postgres: "ANALYZE audit_events" };

/// How the engine reads a statement of the slice.
async fn plan(instance: &Instance, name: &str, args: Vec<Value>) -> String {
    let (_, statement) = STATEMENTS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no statement {name}"));
    let explained = |start: &str, text: &str| -> &'static str { Box::leak(format!("{start} {text}").into_boxed_str()) };
    let sql = Sql { sqlite: explained("EXPLAIN QUERY PLAN", statement.sqlite), postgres: explained("EXPLAIN", statement.postgres) };
    let db = &instance.running.app.ground.db;
    let column = if db.is_embedded() { 3 } else { 0 };
    let rows = db.query(sql, args).await.unwrap();
    rows.iter().map(|row| row.get::<String>(column).unwrap() + "\n").collect()
}

async fn every_filter_and_the_sealer_have_their_index(store: Store) {
    let instance = Instance::start(store).await;
    let db = &instance.running.app.ground.db;
    db.write_one(FILL, vec![]).await.unwrap();
    db.write_one(ANALYSE, vec![]).await.unwrap();
    let (id, low, high) = (Uuid::from_u128(7), Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
    let base = |outcome: &str| args![Uuid::max(), Uuid::nil(), low, high, outcome.to_owned(), 51i64];
    let with = |more: Vec<Value>| base("").into_iter().chain(more).collect::<Vec<_>>();
    let cases = [
        ("SEARCH", base(""), ["audit_events_pkey", "sqlite_autoindex_audit_events_1"]),
        ("SEARCH_DENIED", base("denied"), ["audit_events_denied"; 2]),
        ("SEARCH_ACTOR", with(args![id, String::new(), Uuid::nil(), true]), ["audit_events_by_actor"; 2]),
        ("SEARCH_TARGET", with(args![id, String::new()]), ["audit_events_by_target"; 2]),
        ("SEARCH_ACTION", with(args!["act.7".to_owned()]), ["audit_events_by_action"; 2]),
        // PostgreSQL chooses by how many wait; here, one at most, found by having no place.
        ("UNSEALED", args![500i64], ["audit_events_unsealed", "audit_events_seq_key"]),
        ("LINK", args![format!("[[\"{}\",1,\"00\",\"00\"]]", id.simple())], ["audit_events_seq_key", "sqlite_autoindex_audit_events_1"]),
        ("LINKS", args![1_000_100i64, 50i64], ["audit_events_seq_key", "sqlite_autoindex_audit_events_2"]),
    ];
    for (name, args, indexes) in cases {
        let plan = plan(&instance, name, args).await;
        assert!(indexes.iter().any(|index| plan.contains(index)), "{name} is read by another way:\n{plan}");
        assert!(!plan.contains("Seq Scan") && !plan.contains("SCAN audit_events\n"), "{name} reads everything:\n{plan}");
        // What waits for its place is sorted, beside the rest of it.
        let sealed = plan.split("RIGHT").next().unwrap_or(&plan);
        assert!(!sealed.contains("TEMP B-TREE"), "{name} sorts:\n{plan}");
    }
}

both_stores!(every_filter_and_the_sealer_have_their_index);
