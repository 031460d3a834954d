//! N3: whoever cuts the trail off or computes the chain anew is found out by what was signed.

use futures_util::future::join_all;
use keystead::args;
use keystead::audit::chain::Recorded;
use keystead::audit::{self, Broken, Event, SPACING, Verification};
use keystead::db::Row;

use super::chain::{busy, sealed};
use crate::support::{Instance, Store, both_stores};

pub async fn verified(instance: &Instance) -> Verification {
    audit::verify(&instance.running.app.ground).await.unwrap()
}

async fn signed(instance: &Instance) -> i64 {
    sealed(instance).await;
    assert!(audit::checkpoint(&instance.running.app.ground).await.unwrap());
    assert!(!audit::checkpoint(&instance.running.app.ground).await.unwrap(), "nothing came since");
    let found = verified(instance).await;
    assert!(found.valid, "{found:?}");
    found.sealed_up_to
}

async fn assert_broken(instance: &Instance, seq: i64, reason: &'static str) {
    assert_eq!(verified(instance).await.first_broken, Some(Broken { seq, reason }));
}

/// Writes `events` acts and seals them.
pub async fn flood(instance: &Instance, events: i64) {
    let ground = instance.running.app.ground.clone();
    let write = async move |tx: &mut keystead::db::Tx| {
        for _ in 0..events {
            audit::record(tx, &Event::new(&ground, audit::PROFILE_UPDATED, ground.clock.now())).await?;
        }
        Ok::<_, keystead::db::DbError>(())
    };
    instance.running.app.ground.db.write(write).await.unwrap();
    while audit::seal(&instance.running.app.ground).await.unwrap() > 0 {}
    sealed(instance).await;
}

async fn a_cut_off_end_is_found(store: Store) {
    let (instance, _) = busy(store).await;
    let last = signed(&instance).await;
    instance.change("DELETE FROM audit_events WHERE seq > $1", args![last - 2]).await;
    assert_broken(&instance, last - 1, "missing").await;
    instance.change("DELETE FROM audit_events", vec![]).await;
    assert_broken(&instance, 1, "missing").await;
}

fn recorded(row: &Row) -> Recorded {
    Recorded {
        id: row.get(0).unwrap(),
        at: row.get(1).unwrap(),
        actor_type: row.get(2).unwrap(),
        actor: row.get(3).unwrap(),
        action: row.get(4).unwrap(),
        target_type: row.get(5).unwrap(),
        target: row.get(6).unwrap(),
        outcome: row.get(7).unwrap(),
        sealed_for: row.get(8).unwrap(),
        origin: row.get(9).unwrap(),
        request_id: row.get(10).unwrap(),
        details: row.get(11).unwrap(),
    }
}

/// Edits an event and computes every later hash anew, as somebody can who knows how the chain is made.
async fn rewrite(instance: &Instance, from: i64) {
    instance.change("UPDATE audit_events SET outcome = 'denied' WHERE seq = $1", args![from]).await;
    let rows = "SELECT id, at, actor_type, actor_id, action, target_type, target_id, outcome, sealed_for, origin, request_id, details, seq,
        previous_hash FROM audit_events WHERE seq >= $1 ORDER BY seq";
    let mut previous = None;
    for row in instance.rows(rows, args![from]).await {
        let seq: i64 = row.get(12).unwrap();
        let before = previous.unwrap_or(row.get::<[u8; 32]>(13).unwrap());
        let hash = recorded(&row).hash(seq, &before);
        instance.change("UPDATE audit_events SET previous_hash = $2, hash = $3 WHERE seq = $1", args![seq, before, hash]).await;
        previous = Some(hash);
    }
}

async fn a_chain_that_was_computed_anew_is_found(store: Store) {
    let (instance, auditor) = busy(store).await;
    let last = signed(&instance).await;
    rewrite(&instance, 3).await;
    assert_broken(&instance, last, "rewritten").await;
    // Nor does it help to go on, or to sign what was rewritten with a key of one's own.
    instance.signed_in("auditor@example.com").await;
    sealed(&instance).await;
    assert_broken(&instance, last, "rewritten").await;
    instance.change("UPDATE audit_checkpoints SET hash = (SELECT hash FROM audit_events WHERE seq = $1)", args![last]).await;
    assert_broken(&instance, last, "forged").await;
    let told = auditor.api.get("/api/v1/admin/audit/verify").await.expect(200);
    assert_eq!((told.body["valid"].as_bool(), told.str("/firstBroken/reason")), (Some(false), "forged"));
}

async fn a_forged_checkpoint_is_found(store: Store) {
    let (instance, _) = busy(store).await;
    let last = signed(&instance).await;
    for change in [
        "UPDATE audit_checkpoints SET signature = hash",
        "UPDATE audit_checkpoints SET at = at + 1",
        "UPDATE audit_checkpoints SET kid = 'mine'",
        "UPDATE audit_checkpoints SET kind = 'begins'",
    ] {
        instance.change("CREATE TABLE before_it AS SELECT * FROM audit_checkpoints", vec![]).await;
        assert_eq!(instance.change(change, vec![]).await, 1, "{change}");
        assert_broken(&instance, last, "forged").await;
        instance.change("DELETE FROM audit_checkpoints", vec![]).await;
        instance.change("INSERT INTO audit_checkpoints SELECT * FROM before_it", vec![]).await;
        instance.change("DROP TABLE before_it", vec![]).await;
        assert!(verified(&instance).await.valid, "{change}");
    }
    // A key that nobody with the master key has sealed is nobody's.
    instance.change("UPDATE audit_keys SET private_key = public_key", vec![]).await;
    assert_broken(&instance, last, "forged").await;
}

async fn checkpoints_come_by_themselves_and_cannot_be_taken_away(store: Store) {
    let instance = Instance::start(store).await;
    flood(&instance, 2 * SPACING + 100).await;
    assert_eq!(instance.count("SELECT count(*) FROM audit_checkpoints", vec![]).await, 2);
    assert!(verified(&instance).await.valid);
    instance.running.app.housekeep(instance.clock.now()).await;
    assert_eq!(instance.count("SELECT max(seq) FROM audit_checkpoints", vec![]).await, 2 * SPACING + 100);
    assert!(verified(&instance).await.valid);
    instance.change("DELETE FROM audit_checkpoints", vec![]).await;
    assert_broken(&instance, 2 * SPACING + 1, "unsigned").await;
}

async fn checkpoints_at_once_have_one_key(store: Store) {
    let (instance, _) = busy(store).await;
    let second = instance.second().await;
    let (one, two) = (&instance.running.app.ground, &second.running.app.ground);
    let signed = join_all((0..16).map(|n| audit::checkpoint(if n % 2 == 0 { one } else { two }))).await;
    assert!(signed.iter().all(Result::is_ok), "{signed:?}");
    for table in ["SELECT count(*) FROM audit_keys", "SELECT count(*) FROM audit_checkpoints"] {
        assert_eq!(instance.count(table, vec![]).await, 1, "{table}");
    }
    assert!(verified(&second).await.valid);
}

both_stores!(
    a_cut_off_end_is_found,
    a_chain_that_was_computed_anew_is_found,
    a_forged_checkpoint_is_found,
    checkpoints_come_by_themselves_and_cannot_be_taken_away,
    checkpoints_at_once_have_one_key
);
